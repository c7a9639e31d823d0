"""Pictures of the frames, as matplotlib Axes that show themselves in a notebook.

Each function draws one frame, returns the Axes, and opens a figure of its own unless it is given ``ax``. As
the value of a cell the Axes is shown; ``ax.figure.savefig("name.png")`` keeps it. pyplot is never touched, so
the functions can be called from any thread, and ``plt.show()`` does not show them: ``display(ax)`` does.
"""

from __future__ import annotations

from opus_nb.frames.plots_of_jobs import plot_durations, plot_outcomes
from opus_nb.frames.plots_of_nodes import plot_nodes, plot_paths
from opus_nb.frames.plots_of_time import plot_throughput, plot_timeline

__all__ = ["plot_durations", "plot_nodes", "plot_outcomes", "plot_paths", "plot_throughput", "plot_timeline"]
