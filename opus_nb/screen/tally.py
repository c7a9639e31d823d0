"""Counting what happens, so that the numbers on screen are true and always add up."""

from __future__ import annotations

import heapq
import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from opus_nb.job import COUNT_NAMES, JobEvent, RowState
from opus_nb.screen.snapshot import FailureGroup, RowNote, TallySnapshot

__all__ = ["FailureGroup", "RowNote", "Tally", "TallySnapshot", "failure_signature"]

_KEPT_ROWS = 1000  # rows remembered by name per kind; the counts know of all others
_KEPT_GROUPS = 200
_SHOWN = 8
_WINDOW_S = 300.0
_WINDOW_MIN_ENDS = 20
_WINDOW_MAX_ENDS = 2048

_FINAL_NAMES = frozenset(state.count_name for state in RowState if state.is_final)
_FAILURES = frozenset({RowState.FAILED, RowState.TIMED_OUT, RowState.UNCERTAIN})
# From "executing" straight to one of these: Opus refused, or it never left, so nothing is charged.
_NEVER_STARTED = frozenset(
    {RowState.PLANNED, RowState.INITIATED, RowState.FAILED, RowState.CANCELLED, RowState.SKIPPED}
)

_MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"https?://\S+"), "<address>"),
    (re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"), "<id>"),
    (re.compile(r"\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"), "<id>"),
    (re.compile(r"(?:[A-Za-z]:)?(?:[\\/][\w.~ -]+){2,}"), "<path>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "#"),
)


def failure_signature(message: str | None) -> str:
    """Reduce an error message to what it has in common with its like.

    Numbers, ids, addresses and paths are masked, only the first line counts, and 160 characters are kept.

    Parameters
    ----------
    message : str or None
        What a failed row says.

    Returns
    -------
    str
        ``"no reason given"`` for nothing.
    """
    lines = (message or "").strip().splitlines()
    if not lines:
        return "no reason given"
    text = lines[0][:400]
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return " ".join(text.split())[:160]


class Tally:
    """An observer that counts. Thread-safe, and a constant amount of work per event.

    The numbers always add up to ``total``: an event moves one row from where this tally last saw it (the
    first time: from ``event.before``) to ``event.state``, and a move from an empty place is not made. An
    event whose ``before`` equals its ``state`` moves nothing; replaying the last event of rows that were
    live, waiting or failed before this process began makes their names known here.

    Parameters
    ----------
    counts : Mapping
        Rows by count name when counting begins, such as ``{"queued": 120}``.
    total : int, optional
        Rows of the sheet; None takes the sum of ``counts``. What is missing counts as queued.
    price_per_job : float, optional
        The workflow's own estimate.
    price_spent : float
        For jobs executed before this tally began.
    began : float, optional
        When the run began, Unix seconds, where that was before this tally; what has elapsed counts from there, rates
        do not.
    last_change : float, optional
        When something last happened to the run, Unix seconds, where that was before this tally.
    price_expected : float, optional
        For the whole run; None derives it from ``price_per_job``.
    row_label : callable
        Turns a position into the label that the user knows, such as a value of the DataFrame's index.
    clock : callable
        Returns Unix seconds.
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        *,
        total: int | None = None,
        price_per_job: float | None = None,
        price_spent: float = 0.0,
        price_expected: float | None = None,
        began: float | None = None,
        last_change: float | None = None,
        row_label: Callable[[int], Any] = str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._row_label = row_label
        self._counts = {name: int(counts.get(name, 0)) for name in COUNT_NAMES}
        known = sum(self._counts.values())
        self._total = known if total is None else total
        self._counts["queued"] += max(0, self._total - known)
        self._total = max(self._total, known)
        self._seen: dict[int, RowState] = {}
        self._running: dict[int, RowNote] = {}
        self._waiting: dict[int, RowNote] = {}
        self._groups: OrderedDict[str, FailureGroup] = OrderedDict()
        self._signature_of: dict[int, str] = {}
        self._ends: deque[float] = deque(maxlen=_WINDOW_MAX_ENDS)
        self._began = clock()
        self._run_began = self._began if began is None else min(began, self._began)
        self._last_change = self._began if last_change is None else last_change
        self._first_sent: float | None = None
        self._per_job, self._spent, self._expected = price_per_job, price_spent, price_expected
        self._version = 0

    @property
    def version(self) -> int:
        """Grows with every event; equal means that nothing has changed."""
        return self._version

    @property
    def total(self) -> int:
        """Rows of the sheet."""
        return self._total

    def observe(self, event: JobEvent) -> None:
        """Take note of one event; see the class for what moves and what does not.

        Parameters
        ----------
        event : JobEvent
            Events of rows outside the sheet (a position below 0 or past the total) are ignored.
        """
        if not 0 <= event.position < self._total:
            return
        with self._lock:
            self._version += 1
            before = self._seen.get(event.position, event.before)
            self._seen[event.position] = event.state
            if before is not event.state:
                self._move(event, before)
            self._name(event, moved=before is not event.state)

    def recall(self, event: JobEvent) -> None:
        """Take note of when a row came to where it stands, before this tally began; counts nothing.

        Parameters
        ----------
        event : JobEvent
            The last that is known of the row. Left aside where the row has moved on since. Tell the oldest first.
        """
        if not 0 <= event.position < self._total:
            return
        with self._lock:
            if self._seen.get(event.position, event.state) is event.state:
                self._version += 1
                self._running.pop(event.position, None)
                self._waiting.pop(event.position, None)
                self._forget_failure(event.position)
                self._name(event, moved=True)

    def recall_change(self, at: float) -> None:
        """Take note of when something last happened, where that was before this tally; Unix seconds."""
        with self._lock:
            self._version += 1
            self._last_change = at

    def _move(self, event: JobEvent, before: RowState) -> None:
        self._last_change = self._clock()
        old, new = before.count_name, event.state.count_name
        if old != new and self._counts[old] > 0:
            self._counts[old] -= 1
            self._counts[new] += 1
        if event.state is RowState.EXECUTING:
            self._first_sent = self._first_sent or self._last_change
            self._spent += self._per_job or 0.0
        elif before is RowState.EXECUTING and event.state in _NEVER_STARTED:
            self._spent -= self._per_job or 0.0
        if event.state.is_final and before.is_live:
            self._ends.append(self._last_change)
        if before in _FAILURES:
            self._forget_failure(event.position)

    def _name(self, event: JobEvent, *, moved: bool) -> None:
        position, state = event.position, event.state
        place = self._waiting if state is RowState.WAITING else self._running if state.is_live else None
        ran, waited = self._running.pop(position, None), self._waiting.pop(position, None)
        old = ran or waited
        if place is not None and (old is not None or len(place) < _KEPT_ROWS):
            stayed = (waited if place is self._waiting else ran) is not None
            place[position] = RowNote(
                position,
                str(self._row_label(position)),
                event.job_id or (old.job_id if old else None),
                event.word or (old.word if old else None),
                old.since if old and stayed else event.at,
                event.nodes_done if event.nodes_done is not None else (old.nodes_done if old else None),
                event.nodes_total if event.nodes_total is not None else (old.nodes_total if old else None),
                event.error or (old.note if old and stayed else None),
            )
        if state in _FAILURES and (moved or position not in self._signature_of):
            self._note_failure(event)

    def _note_failure(self, event: JobEvent) -> None:
        signature = failure_signature(event.error)
        self._signature_of[event.position] = signature
        old = self._groups.pop(signature, None)
        self._groups[signature] = FailureGroup(
            signature=signature,
            count=(old.count if old else 0) + 1,
            state=event.state.count_name,
            example=(event.error or "no reason given")[:500],
            position=event.position,
            row=str(self._row_label(event.position)),
            job_id=event.job_id,
            at=event.at,
        )
        if len(self._groups) > _KEPT_GROUPS:
            self._groups.popitem(last=False)

    def _forget_failure(self, position: int) -> None:
        signature = self._signature_of.pop(position, None)
        group = self._groups.get(signature) if signature is not None else None
        if signature is None or group is None:
            return
        if group.count <= 1:
            del self._groups[signature]
        else:
            self._groups[signature] = replace(group, count=group.count - 1)

    def note_progress(self, position: int, nodes_done: int, nodes_total: int) -> None:
        """Take note of how far a job is inside; nothing where the row is not under way any more."""
        with self._lock:
            for place in (self._running, self._waiting):
                note = place.get(position)
                if note is not None and (note.nodes_done, note.nodes_total) != (nodes_done, nodes_total):
                    place[position] = replace(note, nodes_done=nodes_done, nodes_total=nodes_total)
                    self._version += 1

    def snapshot(self) -> TallySnapshot:
        """Return the numbers of this moment; costs the same for ten rows and a million."""
        with self._lock:
            now = self._clock()
            counts = {name: count for name, count in self._counts.items() if count}
            ended = sum(count for name, count in counts.items() if name in _FINAL_NAMES)
            sent_s = self._sending_window(now)
            return TallySnapshot(
                at=now,
                total=self._total,
                counts=counts,
                ended=ended,
                elapsed_s=max(0.0, (self._last_change if ended >= self._total else now) - self._run_began),
                rate_per_min=sent_s[0] / sent_s[1] * 60 if sent_s else None,
                time_left_s=self._time_left(sent_s),
                running=_oldest(self._running),
                waiting=_oldest(self._waiting),
                failures=tuple(list(self._groups.values())[: -_SHOWN - 1 : -1]),
                price_spent=self._spent if self._per_job is not None or self._spent else None,
                price_expected=self._price_expected(),
            )

    def _sending_window(self, now: float) -> tuple[int, float] | None:
        """Return how many jobs ended in the last minutes, and how many seconds those are."""
        if not self._ends:
            return None
        began = self._first_sent if self._first_sent is not None else self._began
        recent = 0
        for recent, at in enumerate(reversed(self._ends)):
            if now - at > _WINDOW_S and recent >= _WINDOW_MIN_ENDS:
                break
        else:
            recent = len(self._ends)
        # the window opens with the end just before the first that it counts
        opened = self._ends[-recent - 1] if recent < len(self._ends) else began
        if recent == len(self._ends) == _WINDOW_MAX_ENDS:
            recent, opened = recent - 1, self._ends[0]
        return max(1, recent), max(now - opened, 0.001)

    def _time_left(self, window: tuple[int, float] | None) -> tuple[float, float] | None:
        left = self._counts["queued"] + self._counts["running"]
        if left == 0:
            return 0.0, 0.0
        if window is None or window[0] < 3:  # fewer ends than this tell nothing
            return None
        # the square root of a Poisson count has a spread of about 1/2, whatever the count
        ends, seconds = window
        fast = (ends**0.5 + 0.64) ** 2 / seconds
        slow = max(ends**0.5 - 0.64, 0.5) ** 2 / seconds
        return left / fast, left / slow

    def _price_expected(self) -> float | None:
        if self._per_job is None:
            return None if self._expected is None else max(self._expected, self._spent)
        return max(self._expected or 0.0, self._spent + self._per_job * self._counts["queued"])


def _oldest(notes: Mapping[int, RowNote]) -> tuple[RowNote, ...]:
    return tuple(heapq.nsmallest(_SHOWN, notes.values(), key=lambda note: (note.since, note.position)))
