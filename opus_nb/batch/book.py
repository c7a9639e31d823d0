"""One run's pages in the ledger: its sheet, its rows, its jobs. The `Journal` that the engine writes to."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from opus_nb.batch.ledger import Ledger
from opus_nb.batch.pages import Pages, run_record
from opus_nb.errors import LedgerError, RunNotFound
from opus_nb.job import JobEvent, LocalFile, RowState

__all__ = ["Book", "KnownJob", "SheetRow"]

CHUNK = 500
# Rows that are written in one transaction. The engine begins with the first: nearly every sheet is on disk as a
# whole before anything leaves, and a very long one does not hold up its own beginning.
RECORDED_AT_ONCE = 5000
_WORK_COLUMNS = (
    "attempt, state, job_id, word, error, sent_at, acked_at, still_going_at, noticed_at, started_at, ended_at, "
    "results, audit"
)

_KEEP_ATTEMPT = (
    f"INSERT OR REPLACE INTO attempts (run, key, {_WORK_COLUMNS}) "
    f"SELECT run, key, {_WORK_COLUMNS} FROM work WHERE run = ? AND key = ? AND attempt < ?"
)
_FORGET_WORK = "DELETE FROM work WHERE run = ? AND key = ? AND attempt < ?"
_RECORD = (
    f"INSERT INTO work (run, key, {_WORK_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
    "ON CONFLICT (run, key) DO UPDATE SET attempt = excluded.attempt, state = excluded.state, "
    "job_id = excluded.job_id, word = excluded.word, error = excluded.error, "
    "sent_at = coalesce(excluded.sent_at, sent_at), acked_at = coalesce(excluded.acked_at, acked_at), "
    "still_going_at = coalesce(excluded.still_going_at, still_going_at), "
    "noticed_at = coalesce(noticed_at, excluded.noticed_at), "
    "started_at = coalesce(excluded.started_at, started_at), ended_at = coalesce(excluded.ended_at, ended_at), "
    "results = coalesce(excluded.results, results), audit = coalesce(excluded.audit, audit)"
)

_HOLD_NOBODY_UP = frozenset(
    {
        RowState.RUNNING,
        RowState.WAITING,
        RowState.COLLECTING,
        RowState.COMPLETED,
        RowState.FAILED,
        RowState.CANCELLED,
        RowState.TIMED_OUT,
    }
)


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row of the sheet as the ledger keeps it.

    Attributes
    ----------
    position : int
    label : str
        The index value of the user's frame, as JSON text.
    problem : str or None
        Why it cannot be sent; such a row has no inputs.
    inputs : Mapping or None
        Variable name to checked value.
    initiate : Mapping or None
        Parameters of initiate that this row has for itself; None where it has what the run has.
    """

    position: int
    label: str
    problem: str | None = None
    title: str = ""
    description: str = ""
    inputs: Mapping[str, Any] | None = None
    key: str | None = None
    initiate: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class KnownJob:
    """What the ledger knows of one row's latest attempt when a run is opened."""

    key: str
    attempt: int
    state: RowState
    job_id: str | None
    word: str | None
    error: str | None
    acked_at: float | None
    still_going_at: float | None
    sent_at: float | None


class Book(Pages):
    """The ledger of one run. Get one with `Book.create` or `Book.open`.

    Reads may come from any thread; what is awaited belongs on the background loop.
    """

    # -- making and finding runs ------------------------------------------------------------------------

    @classmethod
    def create(cls, ledger: Ledger, name: str, workflow_id: str, row_count: int, about: Mapping[str, Any]) -> Book:
        """Enter a new run; its sheet follows with `record_sheet`."""
        now = time.time()
        ledger.write_now(
            "INSERT INTO runs (uid, name, workflow_id, created_at, touched_at, row_count, about) "
            "VALUES (?,?,?,?,?,?,?)",
            (uuid.uuid4().hex[:8], name, workflow_id, now, now, row_count, json.dumps(about)),
        )
        return cls.open(ledger, name)

    @classmethod
    def open(cls, ledger: Ledger, name: str) -> Book:
        """Find a run by its name.

        Raises
        ------
        RunNotFound
            Names the runs that there are.
        """
        found = ledger.read("SELECT * FROM runs WHERE name = ?", (name,))
        if not found:
            there = [row["name"] for row in ledger.read("SELECT name FROM runs ORDER BY touched_at DESC LIMIT 8")]
            raise RunNotFound(
                f"There is no run {name!r} in this ledger",
                where=str(ledger.path),
                came_back="it holds " + (", ".join(map(repr, there)) if there else "no run at all"),
                next_step="opus.runs() lists them all; another ledger is opened with connect(ledger=...).",
            )
        return cls(ledger, run_record(found[0]))

    @classmethod
    def exists(cls, ledger: Ledger, name: str) -> bool:
        """Whether the ledger holds a run of this name."""
        return bool(ledger.read("SELECT 1 FROM runs WHERE name = ?", (name,)))

    def change_about(self, **changes: Any) -> None:
        """Change what the run says of itself."""
        about = {**self.record_of_run.about, **changes}
        self.ledger.write_now(
            "UPDATE runs SET about = ?, touched_at = ? WHERE run = ?", (json.dumps(about), time.time(), self._run)
        )
        self.refresh()

    async def keep_about(self, **changes: Any) -> None:
        """Change what the run says of itself, from the loop; returning means that it is on disk."""
        self.refresh()
        about = {**self.record_of_run.about, **changes}
        await self.ledger.write("UPDATE runs SET about = ? WHERE run = ?", (json.dumps(about), self._run))
        self.refresh()

    # -- the sheet --------------------------------------------------------------------------------------

    def begin_sheet(self, row_count: int) -> None:
        """Announce a new sheet for this run; rows known from earlier ones keep their jobs."""
        self.ledger.write_now(
            "UPDATE runs SET sheet = sheet + (recorded > 0), recorded = 0, row_count = ?, touched_at = ? WHERE run = ?",
            (row_count, time.time(), self._run),
        )
        self.refresh()

    async def record_sheet(self, rows: Iterator[SheetRow], on_chunk: Callable[[], None] = lambda: None) -> None:
        """Write the rows of the sheet, in chunks, so that the first can start while the last are written."""
        sheet = self._sheet()
        recorded = 0
        while chunk := await asyncio.to_thread(self._pack_chunk, rows, sheet):
            recorded += len(chunk)
            # Together, so that no later sheet can be mixed up with rows of one that was never finished.
            await self.ledger.write_group(
                [
                    (
                        "INSERT OR REPLACE INTO rows "
                        "(run, sheet, position, key, label, problem, title, description, inputs, initiate) "
                        "VALUES (?,?,?,?,?,?,?,?,?,?)",
                        chunk,
                        True,
                    ),
                    ("UPDATE runs SET recorded = ? WHERE run = ?", (recorded, self._run), False),
                ]
            )
            on_chunk()
        await self.ledger.write("DELETE FROM rows WHERE run = ? AND sheet < ?", (self._run, sheet))

    def _pack_chunk(self, rows: Iterator[SheetRow], sheet: int) -> list[tuple[Any, ...]]:
        return [
            (
                self._run,
                sheet,
                row.position,
                row.key,
                row.label,
                row.problem,
                row.title,
                row.description,
                None if row.inputs is None else _pack(row.inputs),
                None if row.initiate is None else json.dumps(row.initiate, ensure_ascii=False),
            )
            for row in islice(rows, RECORDED_AT_ONCE)
        ]

    def keep_to_recorded(self) -> None:
        """The rows that were never written down are not known any more: count without them."""
        self.ledger.write_now("UPDATE runs SET row_count = recorded WHERE run = ?", (self._run,))
        self.refresh()

    def rows_after(self, position: int, limit: int = CHUNK) -> list[SheetRow]:
        """The recorded rows behind a position, in order."""
        return [
            _sheet_row(row)
            for row in self.ledger.read(
                "SELECT * FROM rows WHERE run = ? AND sheet = ? AND position > ? ORDER BY position LIMIT ?",
                (self._run, self._sheet(), position, limit),
            )
        ]

    def row_at(self, position: int) -> SheetRow:
        """One recorded row, inputs included."""
        found = self.ledger.read(
            "SELECT * FROM rows WHERE run = ? AND sheet = ? AND position = ?", (self._run, self._sheet(), position)
        )
        if not found:
            raise LedgerError(
                f"Row {position} is not in the ledger",
                where=str(self.ledger.path),
                next_step=f"Start the sheet again under the name {self.record_of_run.name!r}; nothing is bought twice.",
            )
        return _sheet_row(found[0])

    async def keep_keys(self, rows: Sequence[tuple[int, str, Mapping[str, Any]]]) -> None:
        """Write down the identities of rows, as (position, key, inputs with the hashes of their files)."""
        sheet = self._sheet()
        await self.ledger.write_many(
            "UPDATE rows SET key = ?, inputs = ? WHERE run = ? AND sheet = ? AND position = ?",
            [(key, _pack(inputs), self._run, sheet, position) for position, key, inputs in rows],
        )

    async def keep_problem(self, position: int, problem: str) -> None:
        """A row that was fine when it was checked cannot be sent any more."""
        await self.ledger.write(
            "UPDATE rows SET problem = ? WHERE run = ? AND sheet = ? AND position = ?",
            (problem, self._run, self._sheet(), position),
        )

    # -- jobs -------------------------------------------------------------------------------------------

    def known_jobs(self, keys: Iterable[str]) -> dict[str, KnownJob]:
        """What is known of the rows with these keys."""
        wanted = list(keys)
        found: dict[str, KnownJob] = {}
        for start in range(0, len(wanted), CHUNK):
            some = wanted[start : start + CHUNK]
            marks = ",".join("?" * len(some))
            for row in self.ledger.read(f"SELECT * FROM work WHERE run = ? AND key IN ({marks})", (self._run, *some)):
                found[row["key"]] = _known_job(row)
        return found

    def positions_with_jobs(self) -> list[tuple[int | None, KnownJob]]:
        """Every row that has begun, with its place in the newest sheet; None where it is in none any more."""
        rows = self.ledger.read(
            "SELECT rows.position, work.* FROM work LEFT JOIN rows "
            "ON rows.run = work.run AND rows.sheet = ? AND rows.key = work.key "
            "WHERE work.run = ? AND rows.problem IS NULL ORDER BY rows.position",
            (self._sheet(), self._run),
        )
        return [(row["position"], _known_job(row)) for row in rows]

    async def record(self, event: JobEvent) -> None:
        """Write one event; returning means that it is on disk. Part of the `Journal` Protocol."""
        statements: list[tuple[str, Sequence[Any], bool]] = []
        if event.state is RowState.PLANNED and event.attempt > 1:
            # A new attempt begins: the old one keeps its story. In one transaction with its beginning, because
            # an attempt without a number would be taken for the first.
            which = (self._run, event.key, event.attempt)
            statements += [(_KEEP_ATTEMPT, which, False), (_FORGET_WORK, which, False)]
        sent_at = event.at if event.state is RowState.EXECUTING else None
        ended = event.state is RowState.COLLECTING or event.state.is_final
        values = (
            self._run,
            event.key,
            event.attempt,
            event.state.value,
            event.job_id,
            event.word,
            event.error,
            sent_at,
            event.acked_at,
            event.still_going_at,
            event.at if ended else None,
            event.started_at,
            event.ended_at,
            event.results,
            event.audit,
        )
        # Nothing waits for what is only told of a job at Opus; no request that costs money follows it.
        patient = event.job_id is not None and event.state in _HOLD_NOBODY_UP
        await self.ledger.write_group([*statements, (_RECORD, values, False)], soon=not patient)

    async def keep_audit(self, key: str, audit: str) -> None:
        """Write down an audit that was fetched after the end."""
        await self.ledger.write("UPDATE work SET audit = ? WHERE run = ? AND key = ?", (audit, self._run, key))

    async def resolve_orphan(self, number: int, job_id: str) -> None:
        """A shell that may have been made was found."""
        await self.ledger.write("UPDATE orphans SET job_id = ? WHERE rowid = ?", (job_id, number))

    async def keep_orphan(self, key: str, attempt: int, title: str, job_id: str | None) -> None:
        """Remember a shell that will never be executed. Part of the `Journal` Protocol."""
        await self.ledger.write(
            "INSERT INTO orphans (run, key, attempt, title, job_id, at) VALUES (?,?,?,?,?,?)",
            (self._run, key, attempt, title, job_id, time.time()),
        )

    def set_aside(self) -> str:
        """Give this run another name, so that a new one may have its own; return the new name."""
        name = self.record_of_run.name
        number = 1
        while Book.exists(self.ledger, f"{name}~{number}"):
            number += 1
        self.ledger.write_now("UPDATE runs SET name = ? WHERE run = ?", (f"{name}~{number}", self._run))
        self.refresh()
        return self.record_of_run.name

    # -- files ------------------------------------------------------------------------------------------

    async def find_upload(self, sha256: str, extension: str, scope: str) -> str | None:
        """Where this content lies already. Part of the `Journal` Protocol."""
        found = self.ledger.read(
            "SELECT file_url FROM uploads WHERE sha256 = ? AND extension = ? AND scope = ?", (sha256, extension, scope)
        )
        return str(found[0]["file_url"]) if found else None

    async def keep_upload(self, sha256: str, extension: str, scope: str, file_url: str) -> None:
        """Remember where this content lies. Part of the `Journal` Protocol."""
        await self.ledger.write(
            "INSERT OR REPLACE INTO uploads (sha256, extension, scope, file_url, at) VALUES (?,?,?,?,?)",
            (sha256, extension, scope, file_url, time.time()),
        )

    def known_hash(self, path: str, size: int, mtime_ns: int) -> str | None:
        """The content hash of a file that has not changed since it was last read."""
        found = self.ledger.read(
            "SELECT sha256 FROM hashes WHERE path = ? AND size = ? AND mtime_ns = ?", (path, size, mtime_ns)
        )
        return str(found[0]["sha256"]) if found else None

    def keep_hash(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        """Remember a content hash; on disk with the next transaction."""
        self.ledger.note(
            "INSERT OR REPLACE INTO hashes (path, size, mtime_ns, sha256) VALUES (?,?,?,?)",
            (path, size, mtime_ns, sha256),
        )


def _known_job(row: Any) -> KnownJob:
    return KnownJob(
        row["key"],
        row["attempt"],
        RowState(row["state"]),
        row["job_id"],
        row["word"],
        row["error"],
        row["acked_at"],
        row["still_going_at"],
        row["sent_at"],
    )


def _sheet_row(row: Any) -> SheetRow:
    return SheetRow(
        row["position"],
        row["label"],
        row["problem"],
        row["title"],
        row["description"],
        None if row["inputs"] is None else _unpack(row["inputs"]),
        row["key"],
        None if row["initiate"] is None else json.loads(row["initiate"]),
    )


_FILE_MARK = "\x00file"


def _pack(inputs: Mapping[str, Any]) -> str:
    def default(value: Any) -> Any:
        if isinstance(value, LocalFile):
            return {_FILE_MARK: value.path, "sha256": value.sha256}
        raise TypeError(f"{type(value).__name__} cannot be kept in the ledger")

    return json.dumps(inputs, ensure_ascii=False, default=default)


def _unpack(text: str) -> dict[str, Any]:
    def hook(found: dict[str, Any]) -> Any:
        return LocalFile(found[_FILE_MARK], found.get("sha256")) if _FILE_MARK in found else found

    unpacked: dict[str, Any] = json.loads(text, object_hook=hook)
    return unpacked
