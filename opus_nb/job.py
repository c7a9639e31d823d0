"""The records that travel between the rooms, and the Protocols that let a room be told without being known.

A row of the sheet becomes a `PlannedRow`; everything that happens to it is a `JobEvent`; what came of it
is an `Outcome`. None of them knows pandas, HTTP or SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, runtime_checkable

__all__ = [
    "COUNT_NAMES",
    "JobEvent",
    "JobState",
    "Journal",
    "LocalFile",
    "Observer",
    "Outcome",
    "PastRuns",
    "PlannedRow",
    "RowState",
]


class RowState(str, Enum):
    """Where a row stands in the protocol; each change is one `JobEvent`.

    ::

        planned → uploading → initiating → initiated → executing → running ⇄ waiting → collecting
                → completed | failed | cancelled | timed_out | uncertain

    ``invalid`` rows were judged unsendable before anything left; ``skipped`` rows fell to a cap.
    """

    PLANNED = "planned"
    UPLOADING = "uploading"
    INITIATING = "initiating"
    INITIATED = "initiated"
    EXECUTING = "executing"
    RUNNING = "running"
    WAITING = "waiting"
    COLLECTING = "collecting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    UNCERTAIN = "uncertain"
    INVALID = "invalid"
    SKIPPED = "skipped"

    @property
    def count_name(self) -> str:
        """The word under which ``run.counts`` and ``run.results()`` show this state."""
        return _COUNT_NAME[self]

    @property
    def is_final(self) -> bool:
        """True when nothing will change this row any more unless a person asks."""
        return self in _FINAL

    @property
    def is_live(self) -> bool:
        """True from the moment execute may have left until the outcome is in the ledger."""
        return self in _LIVE


# The words a user sees, in the order in which tables and bars show them.
COUNT_NAMES: tuple[str, ...] = (
    "completed",
    "failed",
    "cancelled",
    "timed_out",
    "running",
    "waiting",
    "queued",
    "invalid",
    "uncertain",
    "skipped",
)

_COUNT_NAME: dict[RowState, str] = {
    RowState.PLANNED: "queued",
    RowState.UPLOADING: "queued",
    RowState.INITIATING: "queued",
    RowState.INITIATED: "queued",
    RowState.EXECUTING: "running",
    RowState.RUNNING: "running",
    RowState.WAITING: "waiting",
    RowState.COLLECTING: "running",
    RowState.COMPLETED: "completed",
    RowState.FAILED: "failed",
    RowState.CANCELLED: "cancelled",
    RowState.TIMED_OUT: "timed_out",
    RowState.UNCERTAIN: "uncertain",
    RowState.INVALID: "invalid",
    RowState.SKIPPED: "skipped",
}
_FINAL = frozenset(
    {
        RowState.COMPLETED,
        RowState.FAILED,
        RowState.CANCELLED,
        RowState.TIMED_OUT,
        RowState.UNCERTAIN,
        RowState.INVALID,
        RowState.SKIPPED,
    }
)
_LIVE = frozenset({RowState.EXECUTING, RowState.RUNNING, RowState.WAITING, RowState.COLLECTING})


@dataclass(frozen=True, slots=True)
class JobState:
    """What Opus says of one job.

    Attributes
    ----------
    name : str
        One of ``pending``, ``running``, ``waiting``, ``completed``, ``failed``, ``cancelled``,
        ``timed_out``, ``unknown``. A word that is in no table is ``unknown``, never an end.
    word : str
        The word of the reply, letter for letter.
    """

    name: str
    word: str

    @property
    def is_end(self) -> bool:
        """True for the four ends; a job at its end never changes again."""
        return self.name in {"completed", "failed", "cancelled", "timed_out"}


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine that an input needs; its bytes travel at upload time.

    Attributes
    ----------
    path : str
        Absolute path.
    sha256 : str or None
        Hex digest of the bytes where it is known already.
    """

    path: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row that is ready to be sent.

    Attributes
    ----------
    position : int
        Place of the row in the sheet, from 0.
    key : str
        Identity by meaning: workflow, version, values, bytes of the files, and the occurrence.
    inputs : Mapping
        Variable name to a value that JSON can hold, or a `LocalFile`, or a list with `LocalFile` in it.
    title, description : str
        As Opus will show them, without the marker that the engine appends to the title.
    initiate : Mapping or None
        Parameters of initiate that this row has for itself, instead of what the run has.
    """

    position: int
    key: str
    inputs: Mapping[str, Any]
    title: str = ""
    description: str = ""
    initiate: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One thing that happened to one row. Times are Unix seconds (UTC).

    Attributes
    ----------
    position, key, attempt
        Which row, by place and by identity, and which try (from 1).
    state, before : RowState
        After and before the event; equal when only something known about the row changed.
    at : float
        When we knew it.
    job_id, word : str or None
        The id, and the last status word of Opus, where known.
    error : str or None
        Why a row ended without success, or what is being waited for.
    nodes_done, nodes_total : int or None
        Progress inside the job where an audit told it.
    results, audit : str or None
        JSON text as kept in the ledger; only on the event that brings them.
    acked_at, still_going_at, started_at, ended_at : float or None
        When execute was acknowledged; when a status call last said "not yet"; the job's own clock.
    """

    position: int
    key: str
    attempt: int
    state: RowState
    before: RowState
    at: float
    job_id: str | None = None
    word: str | None = None
    error: str | None = None
    nodes_done: int | None = None
    nodes_total: int | None = None
    results: str | None = None
    audit: str | None = None
    acked_at: float | None = None
    still_going_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of one row of the sheet, for the frames. Times are Unix seconds (UTC).

    Attributes
    ----------
    position : int
        Place of the row in the sheet, from 0.
    state : RowState
    tries : int
        Attempts so far; 0 while nothing left.
    word : str or None
        The last status word of Opus, letter for letter.
    results, audit : str or None
        JSON text as Opus sent it (audits without their bulky node outputs).
    """

    position: int
    state: RowState
    job_id: str | None = None
    tries: int = 0
    word: str | None = None
    error: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    results: str | None = None
    audit: str | None = None
    title: str | None = None
    price_estimate: float | None = None


@dataclass(frozen=True, slots=True)
class PastRuns:
    """What earlier jobs of the same workflow took, as the ledger remembers it.

    Attributes
    ----------
    intervals_s : tuple of (float, float)
        For each ended job: seconds from execute to the last "not yet" and to the first "ended".
        The true end lies between the two.
    states : Mapping
        How many ended in which state.
    """

    intervals_s: tuple[tuple[float, float], ...] = ()
    states: Mapping[str, int] = field(default_factory=dict)


@runtime_checkable
class Observer(Protocol):
    """Told of every event, without being waited for; what it raises is logged and changes nothing."""

    def observe(self, event: JobEvent) -> None:
        """Take note of one event; called on the engine's thread, so return at once."""


class Journal(Protocol):
    """Where the engine writes what must survive it."""

    async def record(self, event: JobEvent) -> None:
        """Write one event; returning means that it is on disk."""

    async def find_upload(self, sha256: str, extension: str, scope: str) -> str | None:
        """Return the ``fileUrl`` under which this content was uploaded for this scope, if it was."""

    async def keep_upload(self, sha256: str, extension: str, scope: str, file_url: str) -> None:
        """Remember that this content now lies at ``file_url``."""

    async def keep_orphan(self, key: str, attempt: int, title: str, job_id: str | None) -> None:
        """Remember a shell that was, or may have been, made and will never be executed."""
