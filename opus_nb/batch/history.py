"""What the ledger remembers beyond one run: which runs there are, and how long their jobs took."""

from __future__ import annotations

from opus_nb.batch.ledger import Ledger
from opus_nb.batch.pages import Pages, RunRecord, run_record
from opus_nb.job import PastRuns

__all__ = ["read_past", "read_runs"]


def read_runs(ledger: Ledger) -> list[tuple[RunRecord, dict[str, int]]]:
    """Every run of the ledger with its counts, the one touched last first."""
    records = [run_record(row) for row in ledger.read("SELECT * FROM runs ORDER BY touched_at DESC")]
    return [(record, Pages(ledger, record).counts()) for record in records]


def read_past(ledger: Ledger, workflow_id: str, *, newest: int = 2000) -> PastRuns:
    """What earlier jobs of a workflow took, in any run of this ledger."""
    rows = ledger.read(
        "SELECT work.state, work.acked_at, work.still_going_at, work.noticed_at "
        "FROM work JOIN runs ON runs.run = work.run "
        "WHERE runs.workflow_id = ? AND work.acked_at IS NOT NULL AND work.noticed_at IS NOT NULL "
        "ORDER BY work.noticed_at DESC LIMIT ?",
        (workflow_id, newest),
    )
    intervals = []
    states: dict[str, int] = {}
    for row in rows:
        states[row["state"]] = states.get(row["state"], 0) + 1
        low = max(0.0, (row["still_going_at"] or row["acked_at"]) - row["acked_at"])
        intervals.append((low, max(low, row["noticed_at"] - row["acked_at"])))
    return PastRuns(tuple(intervals), states)
