"""What the ledger remembers: which runs there are, how long their jobs took, what became of one job, and when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opus_nb.batch.ledger import Ledger
from opus_nb.batch.pages import Pages, RunRecord, run_record
from opus_nb.job import JobEvent, Outcome, PastRuns, RowState

__all__ = ["SentJob", "find_sent", "read_last_change", "read_marks", "read_past", "read_runs", "read_sent"]

# Rows of each kind that are worth remembering one by one; the counts know of all others.
_MARKS = 1000
_UNDER_WAY = ("running", "waiting", "collecting")
_ENDED_BADLY = ("failed", "timed_out", "uncertain")


@dataclass(frozen=True, slots=True)
class SentJob:
    """A job that was executed, or may have been, with the run that it belongs to."""

    run_name: str
    row_count: int
    base_url: str | None
    outcome: Outcome


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


def find_sent(ledger: Ledger, workflow_id: str, key: str) -> Iterator[SentJob]:
    """Yield the jobs of a workflow that were sent for a row of this identity, in any run, the newest first."""
    for row in ledger.read(
        "SELECT runs.name, runs.row_count, runs.about, work.* FROM work JOIN runs ON runs.run = work.run "
        "WHERE work.key = ? AND runs.workflow_id = ? AND work.sent_at IS NOT NULL ORDER BY work.sent_at DESC",
        (key, workflow_id),
    ):
        yield SentJob(row["name"], row["row_count"], json.loads(row["about"]).get("base_url"), _outcome(row))


def read_sent(pages: Pages, key: str) -> Outcome:
    """Read how the job of one row stands now, whether or not the row is in the newest sheet; its place is 0."""
    return _outcome(
        pages.ledger.read("SELECT * FROM work WHERE run = ? AND key = ?", (pages.record_of_run.run, key))[0]
    )


def read_marks(pages: Pages) -> list[JobEvent]:
    """Read the rows of a run that are worth naming: under way, waiting or ended badly, the oldest first.

    Returns
    -------
    list of JobEvent
        Each with the moment at which the row came to where it stands, as far as that is known; ``before`` is the
        state itself. At most 1,000 that are under way (the oldest) and 1,000 that ended badly (the newest).
    """
    under_way = _read_marks(pages, _UNDER_WAY, "coalesce(work.still_going_at, work.acked_at, work.sent_at)")
    badly = _read_marks(pages, _ENDED_BADLY, "-coalesce(work.noticed_at, work.acked_at, 0)")
    return under_way + badly[::-1]


def _read_marks(pages: Pages, states: tuple[str, ...], order: str) -> list[JobEvent]:
    run = pages.record_of_run.run
    rows = pages.ledger.read(
        "SELECT rows.position, work.* FROM work JOIN runs ON runs.run = work.run "
        "JOIN rows ON rows.run = work.run AND rows.sheet = runs.sheet AND rows.key = work.key "
        f"WHERE work.run = ? AND rows.problem IS NULL AND work.state IN ({','.join('?' * len(states))}) "
        f"ORDER BY {order} LIMIT {_MARKS}",
        (run, *states),
    )
    return [_mark(row) for row in rows]


def _mark(row: Any) -> JobEvent:
    state = RowState(row["state"])
    # The state is written when it changes, and with it when Opus last said "not yet": for a job that waits, that is
    # when it began to wait.
    known = {
        RowState.WAITING: (row["still_going_at"], row["acked_at"]),
        RowState.RUNNING: (row["acked_at"], row["sent_at"]),
        RowState.COLLECTING: (row["acked_at"], row["sent_at"]),
    }.get(state, (row["noticed_at"], row["acked_at"]))
    at = next((each for each in known if each is not None), 0.0)
    return JobEvent(
        row["position"],
        row["key"],
        row["attempt"],
        state,
        state,
        at,
        job_id=row["job_id"],
        word=row["word"],
        error=row["error"],
    )


def read_last_change(pages: Pages) -> float | None:
    """Read when the newest end of a run's rows was noticed, Unix seconds; None while none has ended."""
    found = pages.ledger.read("SELECT max(noticed_at) AS at FROM work WHERE run = ?", (pages.record_of_run.run,))
    return None if found[0]["at"] is None else float(found[0]["at"])


def _outcome(row: Any) -> Outcome:
    state = RowState(row["state"])
    return Outcome(
        0,
        state,
        row["job_id"],
        row["attempt"],
        row["word"],
        row["error"],
        row["started_at"] if row["started_at"] is not None else row["acked_at"],
        row["ended_at"] if row["ended_at"] is not None else row["noticed_at"] if state.is_final else None,
        row["results"],
        row["audit"],
    )
