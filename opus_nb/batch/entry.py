"""What the engine remembers of a row while it works on it, and how it tells others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from opus_nb.job import JobEvent, Journal, Observer, RowState

__all__ = ["Entry", "Reporter"]

_log = logging.getLogger("opus_nb")


class Entry:
    """One row in the engine's hands. Small: there is one for each row of the sheet."""

    __slots__ = (
        "acked_at",
        "again",
        "asked",
        "attempt",
        "began",
        "blocked",
        "error",
        "executes",
        "in_doubt",
        "job_id",
        "key",
        "missing",
        "position",
        "sent_at",
        "setbacks",
        "signature",
        "state",
        "still_going_at",
        "still_going_s",
        "through",
        "waiting_since",
        "word",
    )

    def __init__(self, position: int, key: str, attempt: int = 1, state: RowState = RowState.PLANNED) -> None:
        self.position = position
        self.key = key
        self.attempt = attempt
        self.state = state
        self.job_id: str | None = None
        self.word: str | None = None
        self.error: str | None = None
        self.sent_at: float | None = None
        self.acked_at: float | None = None
        self.still_going_at: float | None = None
        # Ages are counted on the loop's clock, which nobody can set; the times above are for people and the ledger.
        self.began: float | None = None  # when this process sent execute
        self.still_going_s: float | None = None  # age at the last "not yet"
        self.waiting_since: float | None = None
        self.signature: tuple[str, str] | None = None  # node and message of its failure
        self.blocked = 0  # how often the way to Opus was blocked for this row
        self.setbacks = 0  # how often while others got through
        self.through = -1  # how many others had got through then
        self.executes = 0  # executes that certainly never arrived
        self.asked = 0  # status calls in a row that got no answer
        self.missing = 0  # status calls in a row that found no such job
        self.again = False  # a person asked for it again: it may start though the rest is held
        self.in_doubt = False  # execute was sent by an earlier process, and its answer is not known

    def begin_anew(self) -> None:
        """Forget what belongs to the attempt before."""
        self.blocked = self.setbacks = self.executes = self.asked = self.missing = 0
        self.sent_at = self.acked_at = self.still_going_at = None
        self.began = self.still_going_s = self.waiting_since = self.signature = None

    def __repr__(self) -> str:
        return f"<row {self.position} {self.state.value} job {self.job_id}>"


class Reporter:
    """Writes each change to the journal, waits until it is on disk, and tells everybody else without waiting.

    Parameters
    ----------
    journal : Journal
    observers : iterable of Observer
    now : callable
        Unix seconds; a test passes its own.
    """

    def __init__(
        self, journal: Journal, observers: Iterable[Observer] = (), *, now: Callable[[], float] = time.time
    ) -> None:
        self.journal = journal
        self.observers = list(observers)
        self._broken: set[int] = set()
        self.now = now

    async def move(self, entry: Entry, state: RowState, **known: Any) -> JobEvent:
        """Bring a row to a state; returning means that the ledger knows."""
        event = self._event(entry, state, known)
        await self.journal.record(event)
        self._adopt(entry, event)
        self.tell(event)
        return event

    def announce(self, entry: Entry, *, before: RowState = RowState.PLANNED) -> None:
        """Tell observers where a row stands that the ledger knew already."""
        self.tell(
            JobEvent(
                entry.position,
                entry.key,
                entry.attempt,
                entry.state,
                before,
                self.now(),
                job_id=entry.job_id,
                word=entry.word,
                error=entry.error,
            )
        )

    def progress(self, entry: Entry, nodes_done: int, nodes_total: int) -> None:
        """Tell observers how far a job is inside; not written down, it is only for the eye."""
        known = {"nodes_done": nodes_done, "nodes_total": nodes_total}
        self.tell(self._event(entry, entry.state, known))

    def tell(self, event: JobEvent) -> None:
        """Hand an event to every observer; what one of them raises is logged and changes nothing."""
        for observer in self.observers:
            try:
                observer.observe(event)
            except Exception:  # noqa: PERF203 - each observer on its own
                if id(observer) not in self._broken:
                    self._broken.add(id(observer))
                    _log.exception(
                        "an observer failed on row %s; what it fails on from here on is not told", event.position
                    )

    def _event(self, entry: Entry, state: RowState, known: dict[str, Any]) -> JobEvent:
        carried = {
            name: known.pop(name, getattr(entry, name))
            for name in ("attempt", "job_id", "word", "error", "acked_at", "still_going_at")
        }
        return JobEvent(entry.position, entry.key, state=state, before=entry.state, at=self.now(), **carried, **known)

    @staticmethod
    def _adopt(entry: Entry, event: JobEvent) -> None:
        entry.state, entry.attempt, entry.job_id = event.state, event.attempt, event.job_id
        entry.word, entry.error = event.word, event.error
        entry.acked_at, entry.still_going_at = event.acked_at, event.still_going_at
        if event.state is RowState.EXECUTING:
            entry.sent_at = event.at
