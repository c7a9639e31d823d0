"""The engine: starts rows as places become free, watches them, and brings each to its end.

It owns the states. It knows rows, events and an Opus that speaks `JobApi`; it knows no pandas, no widget
and no SQL.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

from opus_nb.batch.entry import Entry, Reporter
from opus_nb.batch.polling import PollSchedule
from opus_nb.batch.protocol import PASSING, RowProtocol
from opus_nb.batch.watch import Watch
from opus_nb.errors import LedgerError, NeverSent, NotFound, OpusError, RunHalted, ServiceKeyRefused
from opus_nb.job import JobState, RowState

__all__ = ["MAX_CONCURRENCY", "Engine", "Limits"]

_log = logging.getLogger("opus_nb")

# Rows at Opus at once, unless somebody says otherwise: heavy workflows do not like many.
MAX_CONCURRENCY = 10
# A shell that was just made may not be visible everywhere yet.
UNKNOWN_JOB_GRACE = 5
# A job that waits for a person is asked after when it has waited a fifth longer, within these bounds; all that
# wait together are asked after at most this often a second.
WAITING_POLL_S = (1.0, 120.0)
WAITING_POLLS_PER_S = 1.0
# How long rows that are just being started may take to reach a mark, when the run is let go.
GRACE_S = 5.0


@dataclass(slots=True)
class Limits:
    """What a person may set, before and while the run runs.

    Attributes
    ----------
    max_concurrency : int
        Rows at Opus at once; those that wait for a person take no place.
    max_jobs : int or None
        Jobs that this run may execute in all; None means no limit.
    setbacks : int
        How often a row is tried again when the way to Opus was blocked for it.
    outage_s : float
        How long nothing may reach Opus at all before the run halts by itself.
    """

    max_concurrency: int = MAX_CONCURRENCY
    max_jobs: int | None = None
    setbacks: int = 5
    outage_s: float = 900.0


class Engine:
    """Runs the rows of one run. All methods belong on the background loop.

    Parameters
    ----------
    protocol : RowProtocol
    reporter : Reporter
    schedule : PollSchedule
    limits : Limits
    executed : int
        Jobs that earlier processes executed for this run.
    """

    def __init__(
        self,
        protocol: RowProtocol,
        reporter: Reporter,
        *,
        schedule: PollSchedule,
        limits: Limits,
        executed: int = 0,
    ) -> None:
        self.protocol, self.reporter, self.schedule, self.limits = protocol, reporter, schedule, limits
        self.watch = Watch(self._ask)
        self.halted: BaseException | None = None
        self.paused = self.stopped = self.cancelled = False
        self.blocked_since: float | None = None
        self._executed = executed
        self._pending: deque[Entry] = deque()
        self._active: set[Entry] = set()
        self._collecting: set[Entry] = set()
        self._ended: dict[int, Entry] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._skipping: asyncio.Task[None] | None = None
        self._taking_in = True
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._hold_until = 0.0

    # -- for the run ------------------------------------------------------------------------------------

    async def run(self, entries: AsyncIterator[Entry]) -> None:
        """Work until every row is at its end, or the run is detached or halts."""
        background: list[asyncio.Future[None]] = [
            asyncio.ensure_future(self._guard(self.watch.run())),
            asyncio.ensure_future(self._guard(self._take_in(entries))),
        ]
        try:
            await self.wait(lambda: self.is_done or self.halted is not None)
        finally:
            await self._wind_down(background)

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Return as soon as the condition holds; it is looked at after every change."""
        if not condition():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((condition, future))
            await future

    @property
    def is_done(self) -> bool:
        """Nothing is left to start or to watch."""
        return self._nothing_to_start and not self._active and not self.watch.watched

    @property
    def is_over(self) -> bool:
        """Every row is final, waiting for a person, or held back by a stop that somebody asked for."""
        return self.halted is not None or (self._nothing_to_start and not self._active and not self._collecting)

    @property
    def _nothing_to_start(self) -> bool:
        if self._starting or self._skipping is not None:
            return False
        return self.stopped or (not self._taking_in and not self._pending)

    @property
    def in_flight(self) -> int:
        """Rows that hold a place now."""
        return len(self._active)

    def pause(self) -> None:
        """Start nothing more; jobs at Opus are watched on."""
        self.paused = True

    def resume(self) -> None:
        """Start rows again, also after an interrupt."""
        self.paused = self.stopped = False
        self._hold_until = 0.0
        self._start_rows()

    def stop_starting(self) -> None:
        """Start nothing more, and be over when the jobs at Opus are; the other rows stay queued."""
        self.stopped = True
        self._notify()

    async def cancel(self) -> None:
        """Start nothing more, and mark what never left as cancelled. Jobs at Opus are watched to their end."""
        self.cancelled = True
        while self._pending:
            entry = self._pending.popleft()
            await self._cancel_entry(entry)
        self._notify()

    async def retry(self, positions: Iterable[int]) -> int:
        """Open a new attempt for rows that are at their end; return how many."""
        self.cancelled = self.stopped = False
        opened = 0
        for position in positions:
            entry = self._ended.get(position)
            if entry is None:
                continue
            del self._ended[position]
            entry.setbacks = entry.executes = entry.asked = 0
            entry.sent_at = entry.acked_at = entry.still_going_at = None
            await self.reporter.move(
                entry, RowState.PLANNED, attempt=entry.attempt + 1, job_id=None, word=None, error=None
            )
            self._pending.append(entry)
            opened += 1
        self._start_rows()
        return opened

    def set_max_concurrency(self, number: int) -> None:
        """Change how many rows may be at Opus at once; those that are there stay."""
        self.limits.max_concurrency = number
        self._start_rows()

    async def detach(self) -> None:
        """Let go: nothing more starts, requests under way are finished, jobs go on at Opus."""
        self.stopped = True
        if self._starting:
            await asyncio.wait(self._starting, timeout=GRACE_S)
        self.halt(RunHalted("The run was detached", next_step="opus.open_run(name) carries on."))

    # -- taking rows in and starting them ---------------------------------------------------------------

    async def _take_in(self, entries: AsyncIterator[Entry]) -> None:
        try:
            async for entry in entries:
                await self._sort_in(entry)
        finally:
            self._taking_in = False
            self._start_rows()
            self._notify()

    async def _sort_in(self, entry: Entry) -> None:
        state = entry.state
        if state is not RowState.PLANNED:
            self.reporter.announce(entry)
        if state.is_final and state is not RowState.SKIPPED:
            self._ended[entry.position] = entry
        elif entry.in_doubt:
            entry.in_doubt = False
            self._executed += 1
            self._begin(entry, self.protocol.settle(entry, wait_first=False))
        elif state.is_live and entry.job_id is not None:
            if state is not RowState.WAITING:
                self._active.add(entry)
            self.watch.add(entry, 0.0)
        elif self.cancelled:
            await self._cancel_entry(entry)
        else:
            self._pending.append(entry)
            self._start_rows()

    def _start_rows(self) -> None:
        while self._pending and self._may_start():
            if self.limits.max_jobs is not None and self._executed >= self.limits.max_jobs:
                # A row that is just starting may yet fail before it costs; then its place goes to the next.
                if not self._starting and self._skipping is None:
                    self._skipping = asyncio.ensure_future(self._guard(self._skip_the_rest()))
                break
            entry = self._pending.popleft()
            self._executed += 1
            self._begin(entry, self.protocol.start(entry))
        self._notify()

    def _begin(self, entry: Entry, step: Awaitable[None]) -> None:
        self._active.add(entry)
        task = asyncio.ensure_future(self._guard(self._carry(entry, step)))
        self._starting.add(task)
        task.add_done_callback(self._started)

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        self._start_rows()

    def _may_start(self) -> bool:
        if self.paused or self.stopped or self.cancelled or self.halted is not None:
            return False
        if asyncio.get_running_loop().time() < self._hold_until:
            return False
        return len(self._active) < self.limits.max_concurrency

    async def _skip_the_rest(self) -> None:
        try:
            while self._pending:
                entry = self._pending.popleft()
                why = f"beyond max_jobs={self.limits.max_jobs}; a higher cap continues"
                await self.reporter.move(entry, RowState.SKIPPED, error=why)
                self._ended[entry.position] = entry
        finally:
            self._skipping = None
            self._notify()

    async def _cancel_entry(self, entry: Entry) -> None:
        if entry.job_id is not None:
            # The shell that was made for it stays at Opus, unexecuted; it costs nothing.
            await self.reporter.journal.keep_orphan(entry.key, entry.attempt, "", entry.job_id)
        await self.reporter.move(entry, RowState.CANCELLED, job_id=None, error="cancelled before it was sent")
        self._ended[entry.position] = entry

    # -- one row ----------------------------------------------------------------------------------------

    async def _carry(self, entry: Entry, step: Awaitable[None]) -> None:
        """Run one step of a row, and decide what its failure means for the row and for the run."""
        try:
            await step
        except (ServiceKeyRefused, LedgerError) as error:
            self._executed -= 1
            self.halt(error)
        except PASSING as error:
            self._executed -= 1
            await self._set_back(entry, error)
        except OpusError as error:
            self._executed -= 1
            await self._end(entry, RowState.FAILED, str(error))
        else:
            self.blocked_since = None
            if entry.state is RowState.RUNNING:
                self.watch.add(entry, self.schedule.wait_s(0.0))
            elif entry.state.is_final:
                self._active.discard(entry)
                self._ended[entry.position] = entry
            else:
                # Stopped just before its execute.
                self._executed -= 1
                self._active.discard(entry)
                if self.cancelled:
                    await self._cancel_entry(entry)
                else:
                    self._pending.appendleft(entry)

    async def _set_back(self, entry: Entry, error: OpusError) -> None:
        """The way to Opus was blocked: the row goes back to the queue, and everybody waits a little."""
        loop = asyncio.get_running_loop()
        self._active.discard(entry)
        entry.setbacks += 1
        if self.blocked_since is None:
            self.blocked_since = loop.time()
        elif isinstance(error, NeverSent) and loop.time() - self.blocked_since > self.limits.outage_s:
            self._pending.appendleft(entry)
            self.halt(error)
            return
        if entry.setbacks > self.limits.setbacks and not isinstance(error, NeverSent):
            await self._end(entry, RowState.FAILED, str(error))
            return
        self._pending.appendleft(entry)
        wait_s = self.protocol.timing.wait_s(min(entry.setbacks, 6))
        self._hold_until = max(self._hold_until, loop.time() + wait_s)
        loop.call_later(wait_s + 0.01, self._start_rows)

    async def _end(self, entry: Entry, state: RowState, why: str) -> None:
        self._active.discard(entry)
        await self.reporter.move(entry, state, error=why)
        self._ended[entry.position] = entry

    # -- watching ---------------------------------------------------------------------------------------

    async def _ask(self, entry: Entry) -> float | None:
        """Ask after one job; return when to ask again, None at its end."""
        try:
            return await self._ask_once(entry)
        except asyncio.CancelledError:
            raise
        except ServiceKeyRefused as error:
            self.halt(error)
        except PASSING:
            entry.asked += 1
            return self.protocol.timing.wait_s(min(entry.asked, 6))
        except Exception as error:
            # A bug or a full disk: the row's mark in the ledger is still true, so stop rather than guess.
            self.halt(error)
        return 3600.0

    async def _ask_once(self, entry: Entry) -> float | None:
        assert entry.job_id is not None
        now = self.reporter.now
        if entry.acked_at is None:
            entry.acked_at = entry.sent_at or now()
        asked_at = now()
        try:
            state = await self.protocol.api.fetch_status(entry.job_id)
        except NotFound as error:
            entry.asked += 1
            if entry.asked <= UNKNOWN_JOB_GRACE:
                return self.protocol.timing.wait_s(entry.asked)
            await self._end(entry, RowState.FAILED, f"Opus does not know job {entry.job_id} any more: {error}")
            self._start_rows()
            return None
        entry.asked = 0
        self.blocked_since = None
        if state.is_end:
            await self._collect(entry, state)
            return None
        entry.still_going_at = asked_at
        target = RowState.WAITING if state.name == "waiting" else RowState.RUNNING
        if target is not entry.state or state.word != entry.word:
            await self.reporter.move(entry, target, word=state.word)
        if target is RowState.WAITING:
            self._active.discard(entry)
            self._start_rows()
            return self._wait_for_person(entry, asked_at)
        entry.waiting_since = None
        self._active.add(entry)
        return self.schedule.wait_s(asked_at - entry.acked_at)

    def _wait_for_person(self, entry: Entry, now: float) -> float:
        if entry.waiting_since is None:
            entry.waiting_since = now
        shortest, longest = WAITING_POLL_S
        waiting = len(self.watch.watched) - len(self._active)
        return max(shortest, min(longest, 0.2 * (now - entry.waiting_since)), waiting / WAITING_POLLS_PER_S)

    async def _collect(self, entry: Entry, state: JobState) -> None:
        assert entry.acked_at is not None
        noticed_at = self.reporter.now()
        self.schedule.learn((entry.still_going_at or entry.acked_at) - entry.acked_at, noticed_at - entry.acked_at)
        # The job has ended, so its place is free while its results are fetched.
        self._collecting.add(entry)
        self._active.discard(entry)
        self._start_rows()
        try:
            await self.protocol.collect(entry, state)
        finally:
            self._collecting.discard(entry)
        self._ended[entry.position] = entry
        asyncio.get_running_loop().call_soon(self._notify)

    # -- ending -----------------------------------------------------------------------------------------

    def halt(self, error: BaseException) -> None:
        """Stop the run; the first reason stays."""
        if self.halted is None:
            self.halted = error
        self._notify()

    async def _wind_down(self, background: list[asyncio.Future[None]]) -> None:
        if self._skipping is not None:
            background.append(self._skipping)
        background.extend(self._starting)
        for task in background:
            task.cancel()
        await self.watch.close()
        await asyncio.gather(*background, return_exceptions=True)
        for _, future in self._waiters:
            if not future.done():
                future.set_result(None)

    async def _guard(self, work: Awaitable[None]) -> None:
        """A bug or a full disk must not pass in silence: the ledger's marks are true, so stop and say why."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as error:
            _log.debug("the engine stopped", exc_info=error)
            self.halt(error)

    def _notify(self) -> None:
        if not self._waiters:
            return
        still = []
        for condition, future in self._waiters:
            if future.done():
                continue
            if condition():
                future.set_result(None)
            else:
                still.append((condition, future))
        self._waiters = still
