"""Which way through the workflow the jobs took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from opus_nb.frames.audit import judge_node, read_node_entries
from opus_nb.frames.columns import build_frame, float_column, int_column, object_column, text_column
from opus_nb.job import Outcome, RowState
from opus_nb.service.replies import AuditEntry

__all__ = ["paths_frame"]

_LOST = frozenset({RowState.FAILED, RowState.CANCELLED, RowState.TIMED_OUT})


@dataclass(slots=True)
class _Path:
    """The jobs that went one way."""

    orders: Counter[tuple[str, ...]]
    failed_at: str | None
    completed: int = 0
    failed: int = 0
    unfinished: int = 0
    durations_s: list[float] = field(default_factory=list)

    @property
    def nodes(self) -> tuple[str, ...]:
        return self.orders.most_common(1)[0][0]

    @property
    def jobs(self) -> int:
        return self.completed + self.failed + self.unfinished

    def count(self, outcome: Outcome) -> None:
        if outcome.state is RowState.COMPLETED:
            self.completed += 1
        elif outcome.state in _LOST:
            self.failed += 1
        else:
            self.unfinished += 1
        if outcome.state.is_final and outcome.started_at is not None and outcome.ended_at is not None:
            self.durations_s.append(outcome.ended_at - outcome.started_at)


def paths_frame(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Count the different ways through the workflow, the most travelled first.

    Two jobs that reached the same nodes took the same path, also where nodes that run side by side started in
    a different order (``nodes`` has them in the most frequent one). A failed job's path ends at the first
    node that failed: what Opus marks failed after it never ran.

    Parameters
    ----------
    outcomes : sequence of Outcome
        In any order; those without a node audit are left out.

    Returns
    -------
    pandas.DataFrame
        One row per path; index 0, 1, 2, ... Empty, with the same columns, where no audit names nodes.

        ``path`` : string
            The names, joined by arrows.
        ``nodes`` : object
            The same as a tuple of str.
        ``jobs`` : Int64
        ``share`` : Float64
            Of the jobs that have a node audit; 0 to 1.
        ``completed``, ``failed``, ``unfinished`` : Int64
            How these jobs stand, they add up to ``jobs``; cancelled and timed out count as failed.
        ``failed_at`` : string
            The node at which the jobs of this path failed; NA where none did.
        ``duration_median_s`` : Float64
            Seconds from start to end, over the jobs that are over.

    Source
    ------
    Contract, section 5.2.
    """
    jobs = list(read_node_entries(outcomes))
    paths: dict[tuple[frozenset[str], str | None], _Path] = {}
    for outcome, entries in jobs:
        nodes, failed_at = _way(entries)
        path = paths.setdefault((frozenset(nodes), failed_at), _Path(Counter(), failed_at))
        path.orders[nodes] += 1
        path.count(outcome)
    found = sorted(paths.values(), key=lambda path: -path.jobs)
    columns: dict[str, Any] = {
        "path": text_column(" → ".join(path.nodes) for path in found),
        "nodes": object_column([path.nodes for path in found]),
        "jobs": int_column([path.jobs for path in found]),
        "share": float_column([path.jobs / len(jobs) for path in found]),
        "completed": int_column([path.completed for path in found]),
        "failed": int_column([path.failed for path in found]),
        "unfinished": int_column([path.unfinished for path in found]),
        "failed_at": text_column(path.failed_at for path in found),
        "duration_median_s": float_column(
            [float(np.median(path.durations_s)) if path.durations_s else None for path in found]
        ),
    }
    return build_frame(columns)


def _way(entries: Sequence[AuditEntry]) -> tuple[tuple[str, ...], str | None]:
    failed = [entry.event for entry in entries if judge_node(entry) == "failed"]
    cascade = set(failed[1:])
    return tuple(entry.event for entry in entries if entry.event not in cascade), failed[0] if failed else None
