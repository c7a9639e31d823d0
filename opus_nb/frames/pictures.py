"""The pictures of one run, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from opus_nb.frames import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Plots"]


class Plots:
    """Pictures of one run; each method returns a matplotlib Axes that a notebook shows.

    Parameters
    ----------
    jobs, nodes, paths : callable
        Each gives its frame as it is now.
    """

    def __init__(
        self,
        *,
        jobs: Callable[[], pd.DataFrame],
        nodes: Callable[[], pd.DataFrame],
        paths: Callable[[], pd.DataFrame],
    ) -> None:
        self._jobs, self._nodes, self._paths = jobs, nodes, paths

    def outcomes(self, *, ax: Axes | None = None) -> Axes:
        """How many rows stand where."""
        return plots.plot_outcomes(self._jobs(), ax=ax)

    def durations(self, *, ax: Axes | None = None) -> Axes:
        """How long the jobs took."""
        return plots.plot_durations(self._jobs(), ax=ax)

    def timeline(self, *, ax: Axes | None = None) -> Axes:
        """When each job ran."""
        return plots.plot_timeline(self._jobs(), ax=ax)

    def throughput(self, *, ax: Axes | None = None) -> Axes:
        """How many jobs ended in each stretch of time."""
        return plots.plot_throughput(self._jobs(), ax=ax)

    def nodes(self, *, ax: Axes | None = None) -> Axes:
        """How long jobs spent in each node."""
        return plots.plot_nodes(self._nodes(), ax=ax)

    def paths(self, *, ax: Axes | None = None) -> Axes:
        """Which ways the jobs took through the workflow."""
        return plots.plot_paths(self._paths(), ax=ax)
