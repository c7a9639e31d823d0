"""Pictures of `jobs_frame` along the clock: timeline and throughput."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from opus_nb.frames.wording import check_columns, count_states, plain_text, say_number, say_seconds
from opus_nb.job import COUNT_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_throughput", "plot_timeline"]

# More lines than this on one picture cannot be told apart.
_MOST_JOBS = 1000
# Up to this many rows the timeline names them one by one.
_MOST_NAMED = 30
_STEPS_S = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 14_400, 43_200, 86_400, 604_800),
)


def plot_timeline(jobs: pd.DataFrame, *, ax: Axes | None = None, now: pd.Timestamp | None = None) -> Axes:
    """Draw when each job ran: one line per job, the earliest on top, coloured by state.

    Jobs that are not over are drawn paler, up to ``now``. Past 1,000 jobs lines could not be told apart: then
    it draws how many jobs ran at once, by the state in which they ended or are.

    Parameters
    ----------
    jobs : DataFrame
        From `jobs_frame`; needs ``state``, ``started_at`` and ``ended_at`` (UTC).
    ax : matplotlib Axes, optional
        Where to draw; None opens a figure.
    now : Timestamp, optional
        Where running jobs end on the picture; None is the present.

    Returns
    -------
    matplotlib Axes
        The x axis is in UTC.

    Raises
    ------
    SettingsError
        ``jobs`` lacks one of these columns.
    """
    from opus_nb.frames import canvas

    check_columns(jobs, "state", "started_at", "ended_at")
    begun = jobs[jobs["started_at"].notna().to_numpy()]
    named = len(begun) <= _MOST_NAMED
    ax = canvas.open_axes(ax, width_in=9, height_in=1.8 + 0.2 * len(begun) if named else 5.5)
    if begun.empty:
        return canvas.say_empty(ax, "no job has started yet" if len(jobs) else "no rows")
    begun = begun.iloc[np.argsort(_days(begun["started_at"]), kind="stable")]
    starts, ends = _days(begun["started_at"]), _days(begun["ended_at"])
    states = begun["state"].astype(object).to_numpy()
    is_open = np.isnan(ends) & np.isin(states, ("running", "waiting", "queued"))
    present = _days([pd.Timestamp.now("UTC") if now is None else now])[0]
    ends = np.where(is_open, np.maximum(present, starts), np.where(np.isnan(ends), starts, ends))
    single = len(begun) <= _MOST_JOBS
    (_draw_lines if single else _draw_level)(ax, starts, ends, states, is_open)
    span = max(float(ends.max() - starts.min()), 1e-5)
    ax.set_xlim(starts.min() - 0.015 * span, ends.max() + 0.015 * span)
    canvas.clean_frame(ax, spines=("bottom",) if single else ("left", "bottom"), grid="x" if single else "y")
    canvas.set_time_axis(ax)
    if named:
        ax.set_yticks(range(len(begun)), [plain_text(label, most=18) for label in begun.index])
        ax.tick_params(axis="y", length=0)
    elif single:
        ax.set_yticks([])
    ax.set_ylabel("row" if named else "jobs, the first to start on top" if single else "jobs at once")
    canvas.add_legend(ax, count_states(begun))
    missing = len(jobs) - len(begun)
    notes = [
        "" if single else "too many for a line each: how many ran at once",
        "" if not is_open.any() else "paler: not over yet, drawn up to now" if single else "not over: drawn up to now",
        f"{say_number(missing, 'row')} without a start not shown" if missing else "",
    ]
    canvas.set_heading(ax, f"When {say_number(len(begun), 'job')} ran", ["; ".join(filter(None, notes))])
    return ax


def _draw_lines(ax: Axes, starts: Any, ends: Any, states: Any, is_open: Any) -> None:
    from matplotlib.collections import LineCollection

    from opus_nb.frames import canvas

    count = len(starts)
    points = 72 * 0.8 * ax.get_window_extent().height / ax.figure.dpi / count
    lines = [((start, place), (end, place)) for place, (start, end) in enumerate(zip(starts, ends, strict=True))]
    ax.add_collection(
        LineCollection(
            lines,
            colors=[canvas.STATE_COLOURS[state] for state in states],
            linewidths=float(np.clip(points * 0.8, 0.9, 8)),
            alpha=np.where(is_open, 0.55, 1.0).tolist(),
            capstyle="butt" if count <= _MOST_NAMED else "projecting",
        )
    )
    ax.set_ylim(count - 0.4, -0.6)


def _draw_level(ax: Axes, starts: Any, ends: Any, states: Any, is_open: Any) -> None:
    from opus_nb.frames import canvas

    times = np.linspace(starts.min(), ends.max(), 600)
    levels, colours = [], []
    for state in COUNT_NAMES:
        mine = states == state
        if mine.any():
            begun = np.searchsorted(np.sort(starts[mine]), times, side="right")
            # A job that is not over has not left at the right edge of the picture either.
            over = np.searchsorted(np.sort(ends[mine & ~is_open]), times, side="left")
            levels.append(begun - over)
            colours.append(canvas.STATE_COLOURS[state])
    ax.stackplot(times, levels, colors=colours, linewidth=0)
    ax.set_ylim(0, None)
    canvas.count_along_y(ax)


def plot_throughput(jobs: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many jobs ended in each stretch of time, by state.

    The title gives the mean rate, and how many jobs ran at once at most.

    Parameters
    ----------
    jobs : DataFrame
        From `jobs_frame`; needs ``state``, ``started_at`` and ``ended_at`` (UTC).
    ax : matplotlib Axes, optional
        Where to draw; None opens a figure.

    Returns
    -------
    matplotlib Axes
        The x axis is in UTC.

    Raises
    ------
    SettingsError
        ``jobs`` lacks one of these columns.
    """
    from opus_nb.frames import canvas

    check_columns(jobs, "state", "started_at", "ended_at")
    ax = canvas.open_axes(ax, width_in=9, height_in=4)
    ended = jobs[jobs["ended_at"].notna().to_numpy()]
    if ended.empty:
        return canvas.say_empty(ax, "no job has ended yet" if len(jobs) else "no rows")
    ends, starts = _days(ended["ended_at"]) * 86_400, _days(ended["started_at"]) * 86_400
    first = float(np.nanmin(np.append(starts, ends.min())))
    span_s = max(float(ends.max()) - first, 1e-3)
    step_s = next((step for step in _STEPS_S if span_s / step <= 48), _STEPS_S[-1])
    edges = np.floor(first / step_s) * step_s + step_s * np.arange(int(span_s / step_s) + 3)
    edges = edges[: int(np.searchsorted(edges, ends.max(), side="right")) + 1]
    states = ended["state"].astype(object).to_numpy()
    floor = np.zeros(len(edges) - 1)
    counts = count_states(ended)
    for state in counts:
        heights, _ = np.histogram(ends[states == state], bins=edges)
        ax.bar(
            edges[:-1] / 86_400,
            heights,
            width=0.9 * step_s / 86_400,
            align="edge",
            bottom=floor,
            color=canvas.STATE_COLOURS[state],
        )
        floor += heights
    canvas.clean_frame(ax, grid="y")
    canvas.set_time_axis(ax)
    ax.set_xlim(edges[0] / 86_400, edges[-1] / 86_400)
    ax.set_ylabel(f"jobs ended per {say_seconds(step_s)}")
    canvas.count_along_y(ax)
    canvas.add_legend(ax, counts)
    canvas.set_heading(
        ax,
        f"{say_number(len(ended), 'job')} ended in {say_seconds(span_s)}",
        [f"{_say_rate(len(ended) / span_s)}; at most {_most_at_once(starts, ends):,} at once"],
    )
    return ax


def _say_rate(per_s: float) -> str:
    units = ((1, "a second"), (60, "a minute"), (3600, "an hour"), (86_400, "a day"))
    factor, unit = next(((factor, unit) for factor, unit in units if per_s * factor >= 2), units[-1])
    number = per_s * factor
    return f"{number:,.0f} {unit} on average" if number >= 10 else f"{number:.1f} {unit} on average"


def _days(times: Any) -> Any:
    """Return UTC times as matplotlib counts them, days since 1970; NaN where missing."""
    stamps = pd.DatetimeIndex(times).tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ns]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 86_400e9)


def _most_at_once(starts: Any, ends: Any) -> int:
    both = ~np.isnan(starts)
    times = np.concatenate([ends[both], starts[both]])  # an end goes before a start at the same moment
    steps = np.concatenate([-np.ones(both.sum()), np.ones(both.sum())])
    if not both.any():
        return 1
    return max(1, int(np.cumsum(steps[np.argsort(times, kind="stable")]).max()))
