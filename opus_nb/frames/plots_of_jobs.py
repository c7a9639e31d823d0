"""Pictures of `jobs_frame` without the clock: outcomes and durations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from opus_nb.frames.wording import (
    check_columns,
    count_states,
    say_number,
    say_seconds,
    say_share,
    scale_seconds,
)
from opus_nb.job import COUNT_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_durations", "plot_outcomes"]

# A histogram whose ends lie further apart than this needs a logarithmic axis.
_WIDE = 50.0
# Quantiles of fewer jobs than this say nothing.
_FEWEST = 4
_TICKS: dict[float, str] = dict(
    zip(
        (0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 86_400, 864_000),
        ("1 ms", "10 ms", "100 ms", "1 s", "10 s", "1 min", "10 min", "1 h", "10 h", "1 day", "10 days"),
        strict=True,
    )
)


def plot_outcomes(jobs: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many rows stand where: one bar per state that occurs, with its count and share.

    Parameters
    ----------
    jobs : DataFrame
        From `jobs_frame` or `results_frame`; needs ``state``.
    ax : matplotlib Axes, optional
        Where to draw; None opens a figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SettingsError
        ``jobs`` has no such column.
    """
    from opus_nb.frames import canvas

    check_columns(jobs, "state")
    counts = count_states(jobs)
    ax = canvas.open_axes(ax, width_in=7, height_in=1.1 + 0.38 * max(3, len(counts)))
    if not counts:
        return canvas.say_empty(ax, "no rows")
    ink, _ = canvas.ink_of(ax)
    places = range(len(counts))
    ax.barh(places, list(counts.values()), height=0.68, color=[canvas.STATE_COLOURS[state] for state in counts])
    for place, count in zip(places, counts.values(), strict=True):
        ax.annotate(
            f"{count:,}  ({say_share(count, len(jobs))})",
            xy=(count, place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
            color=ink,
        )
    ax.set_yticks(places, [state.replace("_", " ") for state in counts])
    ax.invert_yaxis()
    ax.set_xlim(0, max(counts.values()) * 1.22)
    canvas.clean_frame(ax, spines=("left",))
    ax.tick_params(axis="y", length=0, labelsize=10)
    ax.set_xticks([])
    canvas.set_heading(ax, f"Where {say_number(len(jobs), 'row')} stand" + ("s" if len(jobs) == 1 else ""))
    return ax


def plot_durations(jobs: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how long the jobs took: a histogram by state, with the median and the 90th percentile.

    The axis is logarithmic where the durations lie far apart. Jobs without a duration are counted in a note.

    Parameters
    ----------
    jobs : DataFrame
        From `jobs_frame`; needs ``state`` and ``duration_s`` (seconds).
    ax : matplotlib Axes, optional
        Where to draw; None opens a figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SettingsError
        ``jobs`` lacks one of these columns.
    """
    from opus_nb.frames import canvas

    check_columns(jobs, "state", "duration_s")
    ax = canvas.open_axes(ax, width_in=8, height_in=4)
    durations = jobs["duration_s"].to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(durations) & (durations >= 0)
    if not known.any():
        return canvas.say_empty(ax, "no job has ended yet" if len(jobs) else "no rows")
    shown, states = durations[known], jobs["state"].to_numpy()[known]
    counts = {state: int((states == state).sum()) for state in COUNT_NAMES if (states == state).any()}
    edges, unit_s, unit = _bin_durations(shown)
    ax.hist(
        [shown[states == state] / unit_s for state in counts],
        bins=list(edges / unit_s),
        stacked=True,
        color=[canvas.STATE_COLOURS[state] for state in counts],
        edgecolor=ax.get_facecolor(),
        linewidth=0.6,
    )
    canvas.clean_frame(ax, grid="y")
    if unit:
        ax.set_xlabel(f"duration of a job ({unit})")
    else:
        _set_log_seconds(ax, edges)
    ax.set_ylabel("jobs")
    canvas.count_along_y(ax)
    ax.set_ylim(0, ax.get_ylim()[1] * 1.15)  # room above the bars for what is written there
    if len(shown) >= _FEWEST:
        _mark_quantiles(ax, shown, unit_s)
    canvas.add_legend(ax, counts)
    missing = len(jobs) - len(shown)
    canvas.set_heading(
        ax,
        f"How long {say_number(len(shown), 'job')} took",
        [f"{say_number(missing, 'row')} without a duration not shown" if missing else ""],
    )
    return ax


def _bin_durations(shown: Any) -> tuple[Any, float, str]:
    """Return bin edges in seconds, and the unit of a linear axis (``""`` for a logarithmic one)."""
    low, high = float(np.quantile(shown, 0.01)), float(shown.max())
    count = int(np.clip(2 * len(shown) ** 0.45, 8, 60))
    if low > 0 and high / low > _WIDE:
        least = max(float(shown[shown > 0].min()), 1e-4)
        edges = np.geomspace(least * 0.999, high * 1.001, count + 1)
        edges[0] = min(edges[0], float(shown.min()) or edges[0])
        return edges, 1.0, ""
    unit_s, unit = scale_seconds(high)
    low = float(shown.min())
    if low == high:
        return low + (low / 20 or unit_s) * np.arange(-4.5, 5), unit_s, unit  # one bar in the middle of nine
    return np.linspace(low, high, count + 1), unit_s, unit


def _set_log_seconds(ax: Axes, edges: Any) -> None:

    ax.set_xscale("log")
    ticks = [tick for tick in _TICKS if edges[0] <= tick <= edges[-1]]
    ax.set_xticks(ticks, [_TICKS[tick] for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("duration of a job (logarithmic)")


def _mark_quantiles(ax: Axes, shown: Any, unit_s: float) -> None:
    from opus_nb.frames import canvas

    ink, _ = canvas.ink_of(ax)
    low, high = ax.get_xlim()
    for share, style, name, height in ((0.5, "-", "half within", 1.0), (0.9, "--", "90 % within", 0.9)):
        value = float(np.quantile(shown, share)) / unit_s
        ax.axvline(value, color=ink, linestyle=style, linewidth=1.1, alpha=0.8)
        # Each on its own side, so that neither name stands across the other's line, where there is room for it.
        left = value > low + (0.22 if share == 0.5 else 0.78) * (high - low)
        ax.annotate(
            f"{name} {say_seconds(value * unit_s)}",
            xy=(value, height),
            xycoords=ax.get_xaxis_transform(),
            xytext=(-5 if left else 5, -2),
            textcoords="offset points",
            ha="right" if left else "left",
            va="top",
            fontsize=9,
            color=ink,
            bbox={
                "boxstyle": "square,pad=0.15",
                "facecolor": ax.get_facecolor(),
                "edgecolor": "none",
                "alpha": 0.8,
            },
        )
