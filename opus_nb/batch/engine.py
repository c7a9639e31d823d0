"""The engine: starts rows as places become free, watches them, and brings each to its end.

It owns the states. It knows rows, events and an Opus that speaks `JobApi`; it knows no pandas, no widget
and no SQL.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

from opus_nb.batch.attendance import Attendance
from opus_nb.batch.changes import Changes
from opus_nb.batch.collecting import Collector, failure_signature
from opus_nb.batch.entry import Entry, Reporter
from opus_nb.batch.polling import PollSchedule
from opus_nb.batch.protocol import RowProtocol
from opus_nb.batch.queued import RowQueue
from opus_nb.batch.stopping import AlikeFailures, Limits
from opus_nb.batch.timing import PASSING
from opus_nb.errors import LedgerError, NeverSent, OpusError, RateLimited, RunHalted, ServiceKeyRefused
from opus_nb.job import RowState

__all__ = ["Engine"]

_log = logging.getLogger("opus_nb")

# How long rows that are just being started may take to reach a mark, when the run is let go.
GRACE_S = 5.0
# Rows that are marked side by side, so that they share their transactions.
TOGETHER = 500


class Engine:
    """Runs the rows of one run. All methods belong on the background loop.

    Parameters
    ----------
    protocol : RowProtocol
    collector : Collector
    reporter : Reporter
    schedule : PollSchedule
    limits : Limits
    executed : int
        Jobs that earlier processes executed for this run.
    on_stop : callable
        Told, with signature and positions, when the run stops starting rows because too many failed alike.

    Attributes
    ----------
    halted : BaseException or None
        What stopped the run by itself.
    paused, stopped, cancelled : bool
    closed : bool
        It has ended, and works on nothing any more.
    """

    def __init__(
        self,
        protocol: RowProtocol,
        collector: Collector,
        reporter: Reporter,
        *,
        schedule: PollSchedule,
        limits: Limits,
        executed: int = 0,
        on_stop: Callable[[tuple[str, str], list[int]], None] = lambda signature, positions: None,
    ) -> None:
        self.protocol, self.collector, self.reporter, self.limits = protocol, collector, reporter, limits
        self.attendance = Attendance(
            protocol.api,
            collector,
            reporter,
            schedule=schedule,
            timing=protocol.timing,
            freed=self._start_rows,
            ended=self._note_end,
            halt=self.halt,
            patience_s=limits.patience_s,
        )
        self.halted: BaseException | None = None
        self.paused = self.stopped = self.cancelled = False
        self.closed = False
        self.blocked_since: float | None = None
        self._on_stop = on_stop
        self._executed = executed
        self._through = 0  # rows that got where they wanted, or were told why not
        self._alike = AlikeFailures()
        self._pending = RowQueue()
        self.again: frozenset[int] = frozenset()  # positions that a person asked for before the engine began
        self._active = self.attendance.active
        self._ended: dict[int, Entry] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._skipping: asyncio.Task[None] | None = None
        self._cancelling: asyncio.Task[None] | None = None
        self._taking_in = True
        self._kept_open = 0
        self._changes = Changes()
        self._hold_until = 0.0
        self._deadline: float | None = None

    # -- for the run ------------------------------------------------------------------------------------

    async def run(self, entries: AsyncIterator[Entry]) -> None:
        """Work until every row is at its end, or the run is detached or halts."""
        self._set_deadline()
        background: list[asyncio.Future[None]] = [
            asyncio.ensure_future(self._guard(self.attendance.watch.run())),
            asyncio.ensure_future(self._guard(self._take_in(entries))),
        ]
        try:
            # Looked at again after each wait: in between somebody may have kept the engine open.
            while not (self.is_done or self.halted is not None):
                await self.wait(lambda: self.is_done or self.halted is not None)
        finally:
            self.closed = True  # nobody asks after jobs from here on, or holds the lock for long
            await self._wind_down(background)

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Return as soon as the condition holds; it is looked at after every change."""
        await self._changes.until(condition)

    @contextlib.contextmanager
    def kept_open(self) -> Iterator[bool]:
        """Have the engine not end meanwhile, whatever ends; gives False where it has ended already."""
        if self.closed:
            yield False
            return
        self._kept_open += 1
        try:
            yield True
        finally:
            self._kept_open -= 1
            self._changes.tell()

    @property
    def is_done(self) -> bool:
        """Nothing is left to start or to watch."""
        return self._nothing_to_start and self.attendance.is_empty

    @property
    def is_taking_in(self) -> bool:
        """Rows of the sheet are still being looked at for what is known of them."""
        return self._taking_in

    @property
    def is_over(self) -> bool:
        """Every row is final, waiting for a person, beyond patience, or held back by a stop."""
        return self.halted is not None or (
            self._nothing_to_start and not self._active and not self.attendance.collecting
        )

    @property
    def _nothing_to_start(self) -> bool:
        if self._starting or self._skipping is not None or self._cancelling is not None or self._kept_open:
            return False
        return not self._taking_in and self._pending.is_empty(held=self.stopped)

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
        self.blocked_since = None
        self._alike.clear()
        self._set_deadline()
        self._start_rows()

    def stop_starting(self) -> None:
        """Start nothing more, and be over when the jobs at Opus are; the other rows stay queued."""
        self.stopped = True
        self._pending.hold_all()
        for entry in self._active:
            entry.again = False
        self._changes.tell()

    async def cancel(self) -> None:
        """Start nothing more, and mark what never left as cancelled. Jobs at Opus are watched to their end.

        It is cancelled at once; the marks follow, and go on when nobody waits for them any more.
        """
        self.cancelled = True
        if self._cancelling is None and not self.closed:
            self._cancelling = asyncio.ensure_future(self._guard(self._cancel_the_rest()))
        if self._cancelling is not None:
            await asyncio.shield(self._cancelling)

    async def _cancel_the_rest(self) -> None:
        try:
            while some := [each for _ in range(TOGETHER) if (each := self._pending.take()) is not None]:
                await asyncio.gather(*map(self._cancel_entry, some))
        finally:
            self._cancelling = None
            self._changes.tell()

    async def retry(self, positions: Iterable[int]) -> int | None:
        """Open a new attempt for rows that are at their end; return how many, or None where the engine has ended."""
        with self.kept_open() as is_open:
            if not is_open:
                return None
            if self._cancelling is not None:
                await asyncio.shield(self._cancelling)
            self.cancelled = False
            self._alike.clear()
            found = [each for position in positions if (each := self._ended.pop(position, None)) is not None]
            for start in range(0, len(found), TOGETHER):
                some = found[start : start + TOGETHER]
                await asyncio.gather(*map(self.protocol.open_attempt, some))
                for entry in some:
                    entry.again = True
                    self._pending.add(entry)
                self._start_rows()
            return len(found)

    def ended_at(self, position: int) -> Entry | None:
        """The row at this place, where it is at its end."""
        return self._ended.get(position)

    async def take_up(self, entry: Entry) -> None:
        """Look after a row again that somebody found out to be at Opus, or fit to be sent; not once it has ended."""
        if self.closed:
            return
        self._ended.pop(entry.position, None)
        await self._sort_in(entry)
        self._changes.tell()

    def set_max_concurrency(self, number: int) -> None:
        """Change how many rows may be at Opus at once; those that are there stay."""
        self.limits.max_concurrency = number
        self._start_rows()

    async def detach(self) -> None:
        """Let go: nothing more starts, requests under way are finished, jobs go on at Opus."""
        self.stop_starting()
        if self._starting:
            await asyncio.wait(self._starting, timeout=GRACE_S)
        self.halt(RunHalted("The run was detached", where="this process", next_step="opus.open_run(name) carries on."))

    # -- taking rows in and starting them ---------------------------------------------------------------

    async def _take_in(self, entries: AsyncIterator[Entry]) -> None:
        try:
            async for entry in entries:
                await self._sort_in(entry)
        finally:
            self._taking_in = False
            self._start_rows()
            self._changes.tell()

    async def _sort_in(self, entry: Entry) -> None:
        state = entry.state
        if state is not RowState.PLANNED:
            self.reporter.announce(entry)
        if state.is_final and state is not RowState.SKIPPED:
            self._ended[entry.position] = entry
        elif entry.in_doubt:
            entry.in_doubt = False  # counted already: it may have been executed
            self._begin(entry, self.protocol.settle(entry, after_death=True))
        elif self.limits.only is not None and entry.position not in self.limits.only and not state.is_live:
            await self._skip(entry, "not one of the pilot's rows; start() goes on with it")
        elif state.is_live and entry.job_id is not None:
            self.attendance.take_up(entry)
        elif self.cancelled:
            await self._cancel_entry(entry)
        else:
            entry.again = entry.position in self.again
            self._pending.add(entry)
            self._start_rows()

    def _start_rows(self) -> None:
        while not self._pending.is_empty(held=self.stopped) and self._may_start():
            why = self._beyond_cap()
            if why is not None:
                # One that is just starting may fail before it costs; then its place goes to the next.
                if not self._starting and self._skipping is None:
                    self._skipping = asyncio.ensure_future(self._guard(self._skip_the_rest(why)))
                break
            entry = self._pending.take(held=self.stopped)
            assert entry is not None
            self._executed += 1
            self._begin(entry, self.protocol.start(entry))
        self._changes.tell()

    def _beyond_cap(self) -> str | None:
        late = self._deadline is not None and asyncio.get_running_loop().time() >= self._deadline
        return self.limits.beyond(self._executed, late=late)

    def _set_deadline(self) -> None:
        if self.limits.max_minutes is None:
            return
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + 60.0 * self.limits.max_minutes
        loop.call_at(self._deadline + 0.001, self._start_rows)

    def _begin(self, entry: Entry, step: Awaitable[None]) -> None:
        self._active.add(entry)
        task = asyncio.ensure_future(self._guard(self._carry(entry, step)))
        self._starting.add(task)
        task.add_done_callback(self._started)

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        self._start_rows()

    def _may_start(self) -> bool:
        if self.paused or self.cancelled or self.closed or self.halted is not None:
            return False
        if asyncio.get_running_loop().time() < self._hold_until:
            return False
        return len(self._active) < self.limits.max_concurrency

    async def _skip_the_rest(self, why: str) -> None:
        try:
            while (entry := self._pending.take(held=self.stopped)) is not None:
                await self._skip(entry, why)
        finally:
            self._skipping = None
            self._changes.tell()

    async def _skip(self, entry: Entry, why: str) -> None:
        # A shell that it has is kept for when the cap is raised.
        if entry.job_id is None:
            await self.protocol.shells.leave(entry)
        await self.reporter.move(entry, RowState.SKIPPED, error=why)
        self._ended[entry.position] = entry

    async def _cancel_entry(self, entry: Entry) -> None:
        await self.protocol.shells.leave(entry)
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
            if self._is_to_blame(entry, error):
                await self._fail(entry, error)
            elif self.cancelled:
                self._active.discard(entry)
                await self._cancel_entry(entry)
            else:
                self._set_back(entry, error)
        except OpusError as error:
            self._executed -= 1
            self._through += 1
            await self._fail(entry, error)
        else:
            self.blocked_since = None
            self._through += 1
            if entry.state is RowState.RUNNING:
                self.attendance.begin(entry)
            elif entry.state.is_final:
                self._active.discard(entry)
                self._note_end(entry)
            else:
                # Stopped just before its execute.
                self._executed -= 1
                self._active.discard(entry)
                if self.cancelled:
                    await self._cancel_entry(entry)
                else:
                    self._pending.put_back(entry)

    def _is_to_blame(self, entry: Entry, error: OpusError) -> bool:
        """A row is to blame when others get through and it does not, again and again."""
        if not isinstance(error, (NeverSent, RateLimited)) and self._through != entry.through:
            entry.through = self._through
            entry.setbacks += 1
        return entry.setbacks > self.limits.setbacks

    def _set_back(self, entry: Entry, error: OpusError) -> None:
        """The way to Opus was blocked: the row goes back to the queue, and everybody waits a little."""
        now = asyncio.get_running_loop().time()
        self._active.discard(entry)
        self._pending.put_back(entry)
        if self.blocked_since is None:
            self.blocked_since = now
        elif now - self.blocked_since > self.limits.outage_s:
            self.halt(error)
            return
        entry.blocked += 1
        self._hold(self.protocol.timing.wait_s(min(entry.blocked, 6)))

    def _hold(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._hold_until = max(self._hold_until, loop.time() + wait_s)
        loop.call_at(self._hold_until + 0.001, self._start_rows)

    async def _fail(self, entry: Entry, error: OpusError) -> None:
        self._active.discard(entry)
        entry.signature = failure_signature(error)
        await self.reporter.move(entry, RowState.FAILED, error=str(error))
        self._note_end(entry)

    def _note_end(self, entry: Entry) -> None:
        """One row is at its end."""
        self._ended[entry.position] = entry
        alike = None
        if entry.state is RowState.FAILED and not self.stopped:
            alike = self._alike.note(entry, self.limits.stop_after_failures)
        if alike is not None:
            self.stop_starting()
            with contextlib.suppress(Exception):
                self._on_stop(*alike)
        self._start_rows()

    # -- ending -----------------------------------------------------------------------------------------

    def halt(self, error: BaseException) -> None:
        """Stop the run; the first reason stays."""
        if self.halted is None:
            self.halted = error
        self._changes.tell()

    async def _wind_down(self, background: list[asyncio.Future[None]]) -> None:
        background.extend(each for each in (self._skipping, self._cancelling) if each is not None)
        background.extend(self._starting)
        for task in background:
            task.cancel()
        await self.attendance.close()
        await asyncio.gather(*background, return_exceptions=True)
        self._changes.close()

    async def _guard(self, work: Awaitable[None]) -> None:
        """A bug or a full disk must not pass in silence: the ledger's marks are true, so stop and say why."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as error:
            _log.debug("the engine stopped", exc_info=error)
            self.halt(error)
