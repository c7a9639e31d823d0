"""Looking after jobs at Opus, from execute to their ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from opus_nb.batch.collecting import Collector, failure_signature
from opus_nb.batch.entry import Entry, Reporter
from opus_nb.batch.polling import PollSchedule
from opus_nb.batch.timing import PASSING, Timing
from opus_nb.batch.watch import Watch
from opus_nb.errors import NotFound, RateLimited, RequestRefused, ServiceKeyRefused
from opus_nb.job import JobState, RowState
from opus_nb.service.api import JobApi

__all__ = ["Attendance"]

# A shell that was just made may not be visible everywhere yet.
UNKNOWN_JOB_GRACE = 5
# A job that waits for a person is asked after when it has waited a fifth longer, within these bounds; all that
# wait together are asked after at most this often a second.
WAITING_POLL_S = (1.0, 120.0)
WAITING_POLLS_PER_S = 1.0


class Attendance:
    """Asks after jobs until they have ended, and has what they leave collected.

    Parameters
    ----------
    api : JobApi
    collector : Collector
    reporter : Reporter
    schedule : PollSchedule
    timing : Timing
    freed : callable
        Called when a place has become free.
    ended : callable
        Called with each entry that came to its end.
    halt : callable
        Called with what must stop the run.
    patience_s : float, optional
        How long a row is waited for; beyond, it stays running and is watched on, but holds nobody up.
    """

    def __init__(
        self,
        api: JobApi,
        collector: Collector,
        reporter: Reporter,
        *,
        schedule: PollSchedule,
        timing: Timing,
        freed: Callable[[], None],
        ended: Callable[[Entry], None],
        halt: Callable[[BaseException], None],
        patience_s: float | None = None,
    ) -> None:
        self.watch = Watch(self._ask)
        self.schedule = schedule
        self.active: set[Entry] = set()
        self.collecting: set[Entry] = set()
        self._api, self._collector, self._reporter = api, collector, reporter
        self._timing = timing
        self._freed, self._on_ended, self._halt = freed, ended, halt
        self._patience_s = patience_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: dict[str, float] = {}

    # -- for the engine ---------------------------------------------------------------------------------

    def begin(self, entry: Entry) -> None:
        """Look after a job whose execute was just acknowledged."""
        self._count_from(entry)
        self.watch.add(entry, self.schedule.wait_s(0.0))

    def take_up(self, entry: Entry) -> None:
        """Look after a job that an earlier process left at Opus."""
        self._count_from(entry)
        # Also one that waited for a person when it was seen last: until it has been asked, it is not known to wait.
        self.active.add(entry)
        self.watch.add(entry, 0.0)

    @property
    def is_empty(self) -> bool:
        """Nothing is at Opus any more, and nothing is being collected."""
        return not self.active and not self.watch.watched and not self.collecting

    async def close(self) -> None:
        """Stop asking; what is under way is given up, as reads may be."""
        await self.watch.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- asking -----------------------------------------------------------------------------------------

    def _count_from(self, entry: Entry) -> None:
        now, clock = self._reporter.now(), asyncio.get_running_loop().time()
        if entry.acked_at is None:
            entry.acked_at = entry.sent_at or now
        if entry.began is None:
            # An earlier process sent it: only the other clock knows when.
            entry.began = clock - max(0.0, now - entry.acked_at)
        self._resting[entry.key] = clock

    async def _ask(self, entry: Entry) -> float | None:
        """Ask after one job; return when to ask again, None at its end."""
        try:
            return await self._ask_once(entry)
        except asyncio.CancelledError:
            raise
        except ServiceKeyRefused as error:
            self._halt(error)
        except PASSING:
            entry.asked += 1
            return self._timing.wait_s(entry.asked)
        except Exception as error:
            # A bug or a full disk: the row's mark in the ledger is still true, so stop rather than guess.
            self._halt(error)
        return 3600.0

    async def _ask_once(self, entry: Entry) -> float | None:
        assert entry.job_id is not None
        assert entry.began is not None
        asked_at, asked_age = self._reporter.now(), asyncio.get_running_loop().time() - entry.began
        try:
            state = await self._api.fetch_status(entry.job_id)
        except ServiceKeyRefused:
            raise
        except RateLimited:
            raise
        except RequestRefused as error:
            return await self._bear(entry, error)
        entry.asked = entry.missing = 0
        if state.is_end:
            self._collect_soon(entry, state, asyncio.get_running_loop().time() - entry.began)
            return None
        entry.still_going_at, entry.still_going_s = asked_at, asked_age
        target = RowState.WAITING if state.name == "waiting" else RowState.RUNNING
        if target is not entry.state or state.word != entry.word:
            await self._reporter.move(entry, target, word=state.word)
        if target is RowState.WAITING:
            self._release(entry)
            return self._wait_for_person(entry)
        entry.waiting_since = None
        if self._is_beyond_patience(entry):
            return await self._lose_patience(entry, asked_age)
        self.active.add(entry)
        return self.schedule.wait_s(asked_age)

    async def _bear(self, entry: Entry, error: RequestRefused) -> float | None:
        """Opus says no when asked after a job: a young one may not be known everywhere, an old one is lost."""
        entry.missing += 1
        if entry.missing <= UNKNOWN_JOB_GRACE:
            return self._timing.wait_s(entry.missing)
        entry.signature = failure_signature(error)
        said = "does not know" if isinstance(error, NotFound) else "does not tell about"
        await self._reporter.move(entry, RowState.FAILED, error=f"Opus {said} job {entry.job_id}: {error}")
        self.active.discard(entry)
        # Soon, not now: until this returns, the watch still counts it.
        asyncio.get_running_loop().call_soon(self._on_ended, entry)
        return None

    def _release(self, entry: Entry) -> None:
        if entry in self.active:
            self.active.discard(entry)
            self._freed()

    def _wait_for_person(self, entry: Entry) -> float:
        clock = asyncio.get_running_loop().time()
        if entry.waiting_since is None:
            entry.waiting_since = clock
        shortest, longest = WAITING_POLL_S
        waiting = len(self.watch.watched) - len(self.active)
        return max(shortest, min(longest, 0.2 * (clock - entry.waiting_since)), waiting / WAITING_POLLS_PER_S)

    def _is_beyond_patience(self, entry: Entry) -> bool:
        if self._patience_s is None:
            return False
        return asyncio.get_running_loop().time() - self._resting[entry.key] >= self._patience_s

    async def _lose_patience(self, entry: Entry, age_s: float) -> float:
        """A time limit is a fact about us, not about the job: it stays running, and is asked after now and then."""
        note = f"not at its end after {self._patience_s:g} s; its job goes on at Opus and is watched on"
        if entry.error != note:
            await self._reporter.move(entry, entry.state, error=note)
        self._release(entry)
        return max(self.schedule.wait_s(age_s), min(60.0, 0.2 * age_s))

    # -- at the end -------------------------------------------------------------------------------------

    def _collect_soon(self, entry: Entry, state: JobState, age_s: float) -> None:
        self.schedule.learn(max(0.0, entry.still_going_s or 0.0), max(0.0, age_s))
        self._resting.pop(entry.key, None)
        # The job has ended, so its place is free while what it left is fetched.
        self.collecting.add(entry)
        self.active.discard(entry)
        task = asyncio.get_running_loop().create_task(self._collect(entry, state))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._freed()

    async def _collect(self, entry: Entry, state: JobState) -> None:
        try:
            await self._collector.collect(entry, state)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # It stays in the ledger as collecting, and is collected when the run goes on.
            self._halt(error)
            return
        self.collecting.discard(entry)
        self._on_ended(entry)
