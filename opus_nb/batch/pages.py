"""What can be read of one run in the ledger: counts, outcomes, identities, shells left behind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opus_nb.batch.ledger import Ledger
from opus_nb.job import Outcome, RowState

__all__ = ["Orphan", "Pages", "RunRecord", "run_record"]


_ROWS_WITH_WORK = (
    "FROM rows LEFT JOIN work ON work.run = rows.run AND work.key = rows.key WHERE rows.run = ? AND rows.sheet = ?"
)
_STATE = "CASE WHEN rows.problem IS NOT NULL THEN 'invalid' ELSE coalesce(work.state, 'planned') END"
_OUTCOME_COLUMNS = (
    "rows.position, rows.problem, rows.title, work.state, work.job_id, work.attempt, work.word, work.error, "
    "work.started_at, work.ended_at, work.acked_at, work.noticed_at, "
    # Earlier attempts that never got so far as to ask Opus for anything.
    "CASE WHEN work.attempt > 1 THEN (SELECT count(*) FROM attempts WHERE attempts.run = work.run "
    "AND attempts.key = work.key AND attempts.job_id IS NULL "
    "AND attempts.state IN ('planned', 'uploading', 'cancelled', 'skipped')) ELSE 0 END AS stayed"
)


class Orphan(NamedTuple):
    """A shell that nobody will execute; without a job id it may exist or not."""

    number: int
    key: str
    attempt: int
    title: str
    job_id: str | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as the ledger lists it. ``about`` is a JSON-able mapping that the owner of the run fills."""

    run: int
    uid: str
    name: str
    workflow_id: str
    created_at: float
    touched_at: float
    row_count: int
    recorded: int
    about: Mapping[str, Any] = field(default_factory=dict)


class Pages:
    """The readable side of a run's book. Any thread may read.

    Parameters
    ----------
    ledger : Ledger
    record : RunRecord
    """

    def __init__(self, ledger: Ledger, record: RunRecord) -> None:
        self.ledger = ledger
        self.record_of_run = record
        self._run = record.run

    def refresh(self) -> None:
        """Read the run's own record again."""
        self.record_of_run = run_record(self.ledger.read("SELECT * FROM runs WHERE run = ?", (self._run,))[0])

    def _sheet(self) -> int:
        found = self.ledger.read("SELECT sheet FROM runs WHERE run = ?", (self._run,))
        return int(found[0]["sheet"])

    def executed(self) -> int:
        """How many jobs of this run were executed for certain, or may have been and nobody asks any more."""
        counted = 0
        for table in ("work", "attempts"):
            found = self.ledger.read(
                f"SELECT count(*) AS number FROM {table} "
                "WHERE run = ? AND (acked_at IS NOT NULL OR state IN ('executing', 'uncertain'))",
                (self._run,),
            )
            counted += int(found[0]["number"])
        return counted

    def job_ids(self) -> list[str]:
        """Every id that this run has had from Opus: of rows, of earlier attempts, of shells left behind; some twice."""
        return [
            str(row["job_id"])
            for row in self.ledger.read(
                "SELECT job_id FROM work WHERE run = ?1 AND job_id IS NOT NULL "
                "UNION ALL SELECT job_id FROM attempts WHERE run = ?1 AND job_id IS NOT NULL "
                "UNION ALL SELECT job_id FROM orphans WHERE run = ?1 AND job_id IS NOT NULL",
                (self._run,),
            )
        ]

    def missing_texts(self, key: str) -> list[str]:
        """Which of a job's ``results`` and ``audit`` are not in the ledger, of those that this run keeps."""
        wanted = ["results", "audit"] if self.record_of_run.about.get("fetch_audit", True) else ["results"]
        found = self.ledger.read("SELECT results, audit FROM work WHERE run = ? AND key = ?", (self._run, key))
        return [name for name in wanted if found and found[0][name] is None]

    def earlier_attempts(self) -> list[tuple[str, RowState]]:
        """Id and last state of the jobs whose rows were retried; shells that were never executed are left out."""
        rows = self.ledger.read(
            "SELECT job_id, state FROM attempts WHERE run = ? AND job_id IS NOT NULL "
            "AND (acked_at IS NOT NULL OR state = 'uncertain')",
            (self._run,),
        )
        return [(row["job_id"], RowState(row["state"])) for row in rows]

    def orphans(self) -> list[Orphan]:
        """The shells that were, or may have been, made and will never be executed."""
        rows = self.ledger.read(
            "SELECT rowid AS number, key, attempt, title, job_id FROM orphans WHERE run = ? ORDER BY at, rowid",
            (self._run,),
        )
        return [Orphan(row["number"], row["key"], row["attempt"], row["title"], row["job_id"]) for row in rows]

    # -- what came of it --------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Rows by count name; rows that are not recorded yet count as queued, so that the sum is the sheet."""
        found: dict[str, int] = {}
        total = 0
        for row in self.ledger.read(
            f"SELECT {_STATE} AS state, count(*) AS number {_ROWS_WITH_WORK} GROUP BY 1",
            (self._run, self._sheet()),
        ):
            name = RowState(row["state"]).count_name
            found[name] = found.get(name, 0) + row["number"]
            total += row["number"]
        self.refresh()
        missing = self.record_of_run.row_count - total
        if missing > 0:
            found["queued"] = found.get("queued", 0) + missing
        return found

    def outcomes(self, *, with_texts: bool = True) -> list[Outcome]:
        """One per row of the newest sheet, in its order.

        Parameters
        ----------
        with_texts : bool
            Results and audits too; without them a large run is read in a moment.
        """
        texts = "work.results, work.audit" if with_texts else "NULL AS results, NULL AS audit"
        rows = self.ledger.read(
            f"SELECT {_OUTCOME_COLUMNS}, {texts} {_ROWS_WITH_WORK} ORDER BY rows.position",
            (self._run, self._sheet()),
        )
        price = self.record_of_run.about.get("price")
        return [_outcome(row, price) for row in rows]

    def positions(self, states: Iterable[RowState]) -> set[int]:
        """Where the rows of the newest sheet stand that are in one of these states; reads no texts."""
        wanted = [each.value for each in states]
        marks = ",".join("?" * len(wanted))
        rows = self.ledger.read(
            f"SELECT rows.position {_ROWS_WITH_WORK} AND {_STATE} IN ({marks})", (self._run, self._sheet(), *wanted)
        )
        return {row["position"] for row in rows}

    def page(self, state: str | None, offset: int, limit: int) -> list[Outcome]:
        """Return a window on the outcomes, without texts, of one count name or of all."""
        states = [each.value for each in RowState if state is None or each.count_name == state]
        marks = ",".join("?" * len(states))
        rows = self.ledger.read(
            f"SELECT {_OUTCOME_COLUMNS}, NULL AS results, NULL AS audit {_ROWS_WITH_WORK} AND {_STATE} "
            f"IN ({marks}) ORDER BY rows.position LIMIT ? OFFSET ?",
            (self._run, self._sheet(), *states, limit, offset),
        )
        return [_outcome(row) for row in rows]

    def has_work(self) -> bool:
        """Whether anything has ever been done for this run."""
        return bool(self.ledger.read("SELECT 1 FROM work WHERE run = ? LIMIT 1", (self._run,)))

    def keys(self) -> dict[int, str]:
        """Position to key, for the rows that have one."""
        rows = self.ledger.read(
            "SELECT position, key FROM rows WHERE run = ? AND sheet = ? AND key IS NOT NULL", (self._run, self._sheet())
        )
        return {row["position"]: row["key"] for row in rows}

    def labels(self) -> list[Any]:
        """The index values of the newest sheet, as JSON holds them."""
        rows = self.ledger.read(
            "SELECT label FROM rows WHERE run = ? AND sheet = ? ORDER BY position", (self._run, self._sheet())
        )
        # Parsed as one text: a call for each of 100,000 labels takes ten times as long.
        labels: list[Any] = json.loads(f"[{','.join(row['label'] for row in rows)}]")
        return labels


def run_record(row: Any) -> RunRecord:
    """Read one line of the table of runs."""
    return RunRecord(
        row["run"],
        row["uid"],
        row["name"],
        row["workflow_id"],
        row["created_at"],
        row["touched_at"],
        row["row_count"],
        row["recorded"],
        json.loads(row["about"]),
    )


def _outcome(row: Any, price: float | None = None) -> Outcome:
    if row["problem"] is not None:
        return Outcome(row["position"], RowState.INVALID, error=row["problem"], title=row["title"])
    if row["state"] is None:
        return Outcome(row["position"], RowState.PLANNED, title=row["title"])
    state = RowState(row["state"])
    # The job's own clock where an audit told it; else what we saw: the acknowledgement and the first "ended".
    ended_at = row["ended_at"]
    if ended_at is None and state.is_final and row["acked_at"] is not None:
        ended_at = row["noticed_at"]
    return Outcome(
        row["position"],
        state,
        row["job_id"],
        row["attempt"] - row["stayed"] - (row["job_id"] is None and state in _NOTHING_LEFT),
        row["word"],
        row["error"],
        row["started_at"] if row["started_at"] is not None else row["acked_at"],
        ended_at,
        row["results"],
        row["audit"],
        row["title"],
        # What Opus estimates for one job; only what was started can cost.
        price if row["acked_at"] is not None else None,
    )


# Without a job id these mean that the attempt never got so far as to ask Opus for anything; `stayed` counts them too.
_NOTHING_LEFT = frozenset({RowState.PLANNED, RowState.UPLOADING, RowState.CANCELLED, RowState.SKIPPED})
