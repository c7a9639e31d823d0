"""Pictures of `nodes_frame` and `paths_frame`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from opus_nb.frames.audit import rank_nodes
from opus_nb.frames.wording import (
    check_columns,
    plain_text,
    say_number,
    say_seconds,
    say_share,
    scale_seconds,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_nodes", "plot_paths"]

# More than these on one picture cannot be told apart.
_MOST_NODES = 40
_MOST_PATHS = 12


def plot_nodes(nodes: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how long jobs spend in each node: the median as a bar, and a line to the 90th percentile.

    Beside it stands how many jobs came, how many failed here first, and how many wait here. Past 40 nodes the
    40 with the most time in all are drawn, and a note says so.

    Parameters
    ----------
    nodes : DataFrame
        From `nodes_frame`.
    ax : matplotlib Axes, optional
        Where to draw; None opens a figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SettingsError
        ``nodes`` is another frame.
    """
    from opus_nb.frames import canvas

    check_columns(
        nodes,
        "node",
        "jobs",
        "failed_first",
        "waiting",
        "duration_median_s",
        "duration_p90_s",
        "duration_total_s",
    )
    shown = nodes
    if len(nodes) > _MOST_NODES:
        order = np.argsort(-nodes["duration_total_s"].to_numpy(dtype=np.float64, na_value=0), kind="stable")
        shown = nodes.iloc[np.sort(order[:_MOST_NODES])]
    ax = canvas.open_axes(ax, width_in=9, height_in=1.6 + 0.34 * max(3, len(shown)))
    if shown.empty:
        return canvas.say_empty(ax, "no audit names a node yet")
    median = shown["duration_median_s"].to_numpy(dtype=np.float64, na_value=0)
    slow = np.maximum(shown["duration_p90_s"].to_numpy(dtype=np.float64, na_value=0), median)
    unit_s, unit = scale_seconds(float(slow.max()))
    places = np.arange(len(shown))
    _, muted = canvas.ink_of(ax)
    ax.barh(places, median / unit_s, height=0.62, color="#0072B2", alpha=0.85)
    ax.hlines(places, median / unit_s, slow / unit_s, color=muted, linewidth=1.4)
    ax.vlines(slow / unit_s, places - 0.16, places + 0.16, color=muted, linewidth=1.4)
    for place, row in enumerate(_rows(shown)):
        _label_node(ax, place, row)
    ax.set_yticks(places, [plain_text(name) for name in shown["node"]])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, max(float(slow.max()) / unit_s, 1e-9) * 1.04)
    canvas.clean_frame(ax, grid="x")
    ax.tick_params(axis="y", length=0, labelsize=9.5)
    ax.set_xlabel(f"time in the node ({unit}): median, line to the 90th percentile")
    left_out = f"the {len(shown)} of {len(nodes)} nodes with the most time in all" if len(shown) < len(nodes) else ""
    canvas.set_heading(ax, "Where the time goes", [left_out])
    return ax


def _label_node(ax: Axes, place: float, row: Any) -> None:
    from opus_nb.frames import canvas

    parts: list[tuple[str, str | None]] = [(say_number(row.jobs, "job"), None)]
    if not pd.isna(row.duration_median_s):
        parts.insert(0, (say_seconds(row.duration_median_s), None))
    if row.failed_first:
        parts.append((f"{row.failed_first:,} failed here", canvas.STATE_COLOURS["failed"]))
    if row.waiting:
        parts.append((f"{row.waiting:,} waiting", canvas.STATE_COLOURS["waiting"]))
    canvas.add_label(ax, place, parts)


def plot_paths(paths: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the ways through the workflow: one line per path, one column per node, the most travelled on top.

    A dot is a node that the jobs of the path reached, a cross the one where they failed. The 12 most
    travelled are drawn; past 40 nodes those that every path shares are left out. Notes say so.

    Parameters
    ----------
    paths : DataFrame
        From `paths_frame`.
    ax : matplotlib Axes, optional
        Where to draw; None opens a figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    SettingsError
        ``paths`` is another frame.
    """
    from opus_nb.frames import canvas

    check_columns(paths, "nodes", "jobs", "share", "failed", "unfinished", "failed_at")
    shown = paths.iloc[:_MOST_PATHS]
    names, notes = _columns_of_paths(shown)
    ax = canvas.open_axes(ax, width_in=float(np.clip(4.5 + 0.6 * len(names), 8, 16)), height_in=2.6 + 0.42 * len(shown))
    if shown.empty:
        return canvas.say_empty(ax, "no audit names a node yet")
    _, muted = canvas.ink_of(ax)
    total = int(paths["jobs"].sum())
    column = {name: place for place, name in enumerate(names)}
    for place, row in enumerate(_rows(shown)):
        spots = sorted(column[name] for name in row.nodes if name in column)
        lost = None if pd.isna(row.failed_at) else row.failed_at
        low, high = (spots[0], spots[-1]) if spots else (0, -1)
        beside = [spot for spot in range(len(names)) if not low <= spot <= high]
        ax.scatter(beside, [place] * len(beside), s=16, color=muted, alpha=0.28, linewidths=0, zorder=1)
        ax.plot(spots, [place] * len(spots), color="#8DBBDB", linewidth=1 + 6 * row.share, zorder=2)
        dots = [spot for spot in spots if names[spot] != lost]
        ax.scatter(dots, [place] * len(dots), s=52, color="#0072B2", linewidths=0, zorder=3)
        if lost in column:
            red = canvas.STATE_COLOURS["failed"]
            ax.scatter([column[lost]], [place], s=64, color=red, marker="X", linewidths=0, zorder=3)
        _label_path(ax, place, row, total)
    ax.set_xticks(range(len(names)), [plain_text(name, most=24) for name in names], rotation=35, ha="right")
    ax.set_yticks([])
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    canvas.clean_frame(ax, spines=())
    ax.tick_params(axis="x", length=0, rotation=35)
    if len(shown) < len(paths):
        rest = int(paths["jobs"].iloc[_MOST_PATHS:].sum())
        notes.append(f"{say_number(len(paths) - len(shown), 'rarer path')} ({say_number(rest, 'job')}) not shown")
    canvas.set_heading(ax, f"{say_number(len(paths), 'path')} of {say_number(total, 'job')}", notes)
    return ax


def _columns_of_paths(shown: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the nodes to draw, in an order that agrees with every path as far as one exists, and notes."""
    names = rank_nodes(shown["nodes"])
    if len(names) <= _MOST_NODES:
        return names, []
    shared = set(names).intersection(*map(set, shown["nodes"])) - {names[0], names[-1]}
    kept = [name for name in names if name not in shared][:_MOST_NODES]
    return kept, [f"{len(names) - len(kept)} of {len(names)} nodes not shown: those that every path shares first"]


def _label_path(ax: Axes, place: int, row: Any, total: int) -> None:
    from opus_nb.frames import canvas

    parts: list[tuple[str, str | None]] = [(f"{say_number(row.jobs, 'job')}  ({say_share(row.jobs, total)})", None)]
    if row.failed:
        parts.append((f"{row.failed:,} failed", canvas.STATE_COLOURS["failed"]))
    if row.unfinished:
        parts.append((f"{row.unfinished:,} not over", canvas.ink_of(ax)[1]))
    canvas.add_label(ax, place, parts)


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    return frame.itertuples(index=False)
