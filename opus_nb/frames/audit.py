"""What happened inside the jobs: one row per event, or one row per node of the workflow."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from opus_nb.frames.columns import build_frame, check_lengths, float_column, int_column, text_column, time_column
from opus_nb.job import Outcome
from opus_nb.service.replies import AuditEntry, read_audit

__all__ = ["audit_frame", "judge_node", "nodes_frame", "rank_nodes", "read_entries", "read_node_entries"]

_STANDS = ("completed", "failed", "waiting", "running")

_log = logging.getLogger("opus_nb")

# Words in lower case, letters only; the executor's internal gates and the human task's ``SLEEPING`` among them.
_DONE = frozenset({"completed", "done", "success", "succeeded", "executed"})
_FAILED = frozenset({"failed", "error", "timedout", "cancelled", "canceled", "stopped"})
# A person, a review or an outside system is being waited for.
_WAITING = frozenset({"sleeping", "waiting", "paused", "pendingreview", "dispatched"})


def read_entries(outcome: Outcome) -> Sequence[AuditEntry]:
    """Return the audit entries of one job; none where there is none, or none that can be read."""
    if not outcome.audit:
        return ()
    try:
        return read_audit(json.loads(outcome.audit), outcome.job_id or "").entries
    except (ValueError, RecursionError) as problem:
        _log.warning("row %d, job %s: the audit cannot be read: %s", outcome.position, outcome.job_id, problem)
        return ()


def read_node_entries(outcomes: Sequence[Outcome]) -> Iterator[tuple[Outcome, list[AuditEntry]]]:
    """Yield every job whose audit names nodes, with its entries in the order of their start."""
    for outcome in outcomes:
        entries = [entry for entry in read_entries(outcome) if entry.source == "nodes"]
        if entries:
            yield outcome, entries


def judge_node(entry: AuditEntry) -> str:
    """Return where a job stands at a node: ``completed``, ``failed``, ``waiting`` or ``running``."""
    word = "".join(filter(str.isalpha, (entry.status or "").lower()))
    if word in _FAILED:
        return "failed"
    if word in _WAITING:
        return "waiting"
    if word in _DONE or (not word and entry.ended_at is not None):
        return "completed"
    return "running"


def rank_nodes(sequences: Iterable[Sequence[str]]) -> list[str]:
    """Return the names of all nodes in one order that agrees with most of the sequences.

    A node comes after those that go before it more often than behind it; nodes of different branches stand in
    the order of how often they are met. Loops are cut where the fewest sequences disagree.
    """
    earlier: Counter[tuple[str, str]] = Counter()
    left: dict[str, int] = {}
    for sequence, count in Counter(map(tuple, sequences)).most_common():
        for place, name in enumerate(sequence):
            left.setdefault(name, 0)
            earlier.update(dict.fromkeys(((name, later) for later in sequence[place + 1 :]), count))
    behind = {name: [other for other in left if earlier[name, other] > earlier[other, name]] for name in left}
    for others in behind.values():
        for other in others:
            left[other] += 1
    ranked: list[str] = []
    while left:
        name = min(left, key=left.__getitem__)
        del left[name]
        ranked.append(name)
        for other in behind[name]:
            if other in left:
                left[other] -= 1
    return ranked


def audit_frame(outcomes: Sequence[Outcome], index: pd.Index) -> pd.DataFrame:
    """List every audit event and every executed node of every job, both forms in one table.

    Parameters
    ----------
    outcomes : sequence of Outcome
        One per row of the sheet, in the sheet's order.
    index : pandas.Index
        The sheet's own index; as long as ``outcomes``.

    Returns
    -------
    pandas.DataFrame
        One row per event or node, jobs in the sheet's order, inside a job in the order of the audit; index
        0, 1, 2, ... Columns and dtypes are the same when there is nothing to show.

        ``row`` : dtype of ``index``
            The index value of the row (a tuple where the index has levels).
        ``job_id`` : string
        ``event`` : string
            The action (trail) or the node's name (nodes).
        ``actor`` : string
            Who did it; NA for nodes.
        ``status`` : string
            The audit's word, letter for letter; NA for most events of a trail.
        ``started_at``, ``ended_at`` : datetime64[ns, UTC]
            A trail event has only ``started_at``.
        ``duration_s`` : Float64
            Seconds.
        ``order`` : Int64
            Place inside the job, from 0.
        ``source`` : string
            ``"trail"`` or ``"nodes"``.
        ``error`` : string
            What the node said went wrong, at most 300 characters; mostly the service gives no text.

        A job without an audit has no row; one whose audit cannot be read has none either.

    Raises
    ------
    SettingsError
        ``index`` and ``outcomes`` differ in length.

    Source
    ------
    Quickstart, "Job Audit Log"; node audits in the contract, section 5.
    """
    check_lengths(outcomes, index)
    positions: list[int] = []
    job_ids: list[str | None] = []
    entries: list[AuditEntry] = []
    for position, outcome in enumerate(outcomes):
        found = read_entries(outcome)
        entries.extend(found)
        positions.extend([position] * len(found))
        job_ids.extend([outcome.job_id] * len(found))
    labels = index.to_flat_index() if isinstance(index, pd.MultiIndex) else index
    columns: dict[str, Any] = {
        "row": labels.take(np.array(positions, dtype=np.intp)).array,
        "job_id": text_column(job_ids),
        "event": text_column(e.event for e in entries),
        "actor": text_column(e.actor for e in entries),
        "status": text_column(e.status for e in entries),
        "started_at": time_column([e.started_at for e in entries]),
        "ended_at": time_column([e.ended_at for e in entries]),
        "duration_s": float_column([e.duration_s for e in entries]),
        "order": int_column([e.order for e in entries]),
        "source": text_column(e.source for e in entries),
        "error": text_column(e.error for e in entries),
    }
    return build_frame(columns)


@dataclass(slots=True)
class _Node:
    """What is known of one node over all jobs."""

    stands: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_STANDS, 0))
    failed_first: int = 0
    durations_s: list[float] = field(default_factory=list)
    waited_s: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float | None:
        return float(np.quantile(self.durations_s, share)) if self.durations_s else None


def nodes_frame(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Sum up what each node of the workflow did over all jobs.

    Parameters
    ----------
    outcomes : sequence of Outcome
        In any order.

    Returns
    -------
    pandas.DataFrame
        One row per node, in the order in which jobs reach them; index 0, 1, 2, ... Empty, with the same
        columns, where no audit names nodes (a trail of events does not).

        ``node`` : string
        ``jobs``, ``completed``, ``failed``, ``waiting``, ``running`` : Int64
            Jobs that reached it, and where they stood there; the four add up to ``jobs``.
        ``failed_first`` : Int64
            Jobs in which this was the first node to fail (those after it often fail in cascade).
        ``duration_median_s``, ``duration_p90_s``, ``duration_total_s`` : Float64
            Seconds, over the jobs that have left the node. The total adds up work done side by side.
        ``waiting_total_s`` : Float64
            Seconds of the jobs that wait here for a person, as far as the audits tell; not in the durations.

    Source
    ------
    Contract, section 5.2 and 5.3.
    """
    jobs = [entries for _, entries in read_node_entries(outcomes)]
    nodes = {name: _Node() for name in rank_nodes([e.event for e in entries] for entries in jobs)}
    for entries in jobs:
        first_failure = True
        for entry in entries:
            node, stand = nodes[entry.event], judge_node(entry)
            node.stands[stand] += 1
            if stand == "failed":
                node.failed_first += first_failure
                first_failure = False
            if entry.duration_s is not None and stand != "running":
                (node.waited_s if stand == "waiting" else node.durations_s).append(entry.duration_s)
    found = list(nodes.values())
    columns: dict[str, Any] = {
        "node": text_column(nodes),
        "jobs": int_column([sum(node.stands.values()) for node in found]),
        **{stand: int_column([node.stands[stand] for node in found]) for stand in _STANDS},
        "failed_first": int_column([node.failed_first for node in found]),
        "duration_median_s": float_column([node.quantile(0.5) for node in found]),
        "duration_p90_s": float_column([node.quantile(0.9) for node in found]),
        "duration_total_s": float_column([sum(node.durations_s) for node in found]),
        "waiting_total_s": float_column([sum(node.waited_s) for node in found]),
    }
    return build_frame(columns)
