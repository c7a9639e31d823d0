"""What every plot is drawn on: axes that show themselves, one colour per state, quiet frames, axes in UTC.

The one module of the house that imports matplotlib when it is loaded; the plots load it on first use.

A notebook shows an Axes only through pyplot, whose list of open figures is one per process: figures drawn
from another thread or subshell land in the wrong cell, or are shown twice. So nothing here touches pyplot. A
figure of ours is a plain Figure on an Agg canvas, and the Axes on it answers the notebook's question "how do
you look as PNG" itself: as the value of a cell it is shown once, anywhere else it is an ordinary Axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timezone
from io import BytesIO
from typing import Any

import matplotlib.dates as mdates
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

__all__ = [
    "STATE_COLOURS",
    "PlotAxes",
    "PlotFigure",
    "add_label",
    "add_legend",
    "clean_frame",
    "count_along_y",
    "ink_of",
    "open_axes",
    "say_empty",
    "set_heading",
    "set_time_axis",
]

# Okabe and Ito's colours, which people with any kind of colour blindness can tell apart, and greys for what
# never ran. The same state has the same colour in every plot.
STATE_COLOURS: dict[str, str] = {
    "completed": "#009E73",
    "failed": "#D55E00",
    "cancelled": "#8A8A8A",
    "timed_out": "#E69F00",
    "running": "#56B4E9",
    "waiting": "#CC79A7",
    "queued": "#C9CED6",
    "invalid": "#4A4A4A",
    "uncertain": "#F0E442",
    "skipped": "#B9A89A",
}
_DPI = 100
_DARK, _DARK_MUTED = "#1F2328", "#667080"
_LIGHT, _LIGHT_MUTED = "#F0F0F0", "#B0B6BF"


class PlotFigure(Figure):
    """A figure that shows itself as the value of a notebook cell."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        # Twice the pixels at the same size on the page: sharp on the screens of today.
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=2 * _DPI)
        width, height = self.get_size_inches()
        return buffer.getvalue(), {"width": round(width * _DPI), "height": round(height * _DPI)}


class PlotAxes(Axes):
    """Axes that show their whole figure as the value of a notebook cell."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]] | None:
        return self.figure._repr_png_() if isinstance(self.figure, PlotFigure) else None


def open_axes(ax: Axes | None, *, width_in: float, height_in: float) -> Axes:
    """Return ``ax``, or new axes on a white figure of this size that belongs to nobody."""
    if ax is not None:
        return ax
    figure = PlotFigure(figsize=(width_in, height_in), dpi=_DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    FigureCanvasAgg(figure)
    return figure.add_subplot(axes_class=PlotAxes, facecolor="white")


def ink_of(ax: Axes) -> tuple[str, str]:
    """Return the colours for text and for quiet text that can be read on these axes."""
    red, green, blue, alpha = to_rgba(ax.get_facecolor())
    if alpha < 0.5:
        red, green, blue = to_rgb(ax.figure.get_facecolor())
    return (_DARK, _DARK_MUTED) if 0.3 * red + 0.6 * green + 0.1 * blue > 0.5 else (_LIGHT, _LIGHT_MUTED)


def clean_frame(ax: Axes, *, spines: Sequence[str] = ("left", "bottom"), grid: str = "") -> None:
    """Leave only the named spines, quiet ticks, and grid lines behind the data across ``grid``."""
    ink, muted = ink_of(ax)
    for side, spine in ax.spines.items():
        spine.set_visible(side in spines)
        spine.set_color(muted)
        spine.set_linewidth(0.8)
    ax.tick_params(colors=muted, labelcolor=ink, labelsize=9, length=3, width=0.8)
    ax.xaxis.label.set(color=ink, fontsize=9.5)
    ax.yaxis.label.set(color=ink, fontsize=9.5)
    ax.set_axisbelow(True)
    if grid in {"x", "y"}:
        ax.grid(visible=True, axis=grid, color=muted, alpha=0.22, linewidth=0.8)  # type: ignore[arg-type]


def set_heading(ax: Axes, title: str, notes: Iterable[str] = ()) -> None:
    """Write the title on the left, and under it, smaller, what the reader has to know about the data."""
    ink, muted = ink_of(ax)
    lines = [note for note in notes if note]
    ax.set_title(title, loc="left", color=ink, fontsize=12, fontweight="bold", pad=8 + 13 * len(lines))
    if lines:
        ax.annotate(
            "\n".join(lines),
            xy=(0, 1),
            xycoords="axes fraction",
            xytext=(0, 6),
            textcoords="offset points",
            va="bottom",
            fontsize=9,
            color=muted,
            linespacing=1.3,
        )


def say_empty(ax: Axes, text: str) -> Axes:
    """Say in words why there is nothing to draw, instead of drawing empty axes."""
    _, muted = ink_of(ax)
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=12, color=muted, wrap=True)
    return ax


def add_label(ax: Axes, place: float, parts: Sequence[tuple[str, str | None]]) -> None:
    """Write beside the axes, at height ``place``, one text made of parts of different colours (None: ink)."""
    ink, _ = ink_of(ax)
    before: Text | None = None
    for words, colour in parts:
        # Chained to the text before it; the layout makes room for what stands outside the axes.
        before = ax.annotate(
            f"·  {words}" if before else words,
            xy=(1, 0.5) if before else (1, place),
            xycoords=before if before else ax.get_yaxis_transform(),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
            color=colour or ink,
            annotation_clip=False,
        )


def add_legend(ax: Axes, counts: dict[str, int]) -> None:
    """Name the states with their counts, to the right of the axes."""
    ink, _ = ink_of(ax)
    ax.legend(
        handles=[
            Patch(facecolor=STATE_COLOURS[state], label=f"{state.replace('_', ' ')}  {count:,}")
            for state, count in counts.items()
        ],
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        frameon=False,
        fontsize=9,
        labelcolor=ink,
        handlelength=1.0,
        handleheight=1.0,
    )


def count_along_y(ax: Axes) -> None:
    """Put ticks only at whole numbers, and write thousands with commas."""
    ax.yaxis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def set_time_axis(ax: Axes) -> None:
    """Write the times along x in UTC, whatever zone matplotlib is set to."""
    dates: Any = mdates  # untyped in matplotlib
    locator = dates.AutoDateLocator(tz=timezone.utc, minticks=4, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=timezone.utc))
    ax.set_xlabel("time (UTC)")
    ink, _ = ink_of(ax)
    ax.xaxis.get_offset_text().set(color=ink, fontsize=9)
