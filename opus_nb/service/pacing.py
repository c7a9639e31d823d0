"""How fast we may ask: one pacer for everybody who shares a key.

A 429 means "slower", a 5xx means "later". The first is handled here, once for all requests of the key; the
second belongs to the one request that met it, until most requests meet it: then everybody waits, and one of
them goes first to see whether it is over.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import os
import threading
import weakref
from collections import deque
from enum import IntEnum

__all__ = ["Pacer", "Urgency"]

# More connections than this make httpx slower, not faster, and no service likes it.
MAX_IN_FLIGHT = 32

# A limit that nobody has named is found as TCP finds one: begin low, but for the handful that a person's first call
# takes, and double while all is well ...
FREE_REQUESTS = 16
FIRST_RATE = 100.0
DOUBLING_S = 0.5
# ... until the rate is beyond what this client can send; then nothing is counted at all.
UNLIMITED_RATE = 2000.0

# After a 429 the rate is this share of what went through since the one before it, which is the limit itself: both
# came when the service's budget was spent. Below the limit that budget fills again, above it it drains, so nothing
# is lost by the depth of the dip; it only sets how rarely the limit is touched.
DIP = 0.90
# What went through in a shorter time, or in fewer requests, is noise; then the rate just falls by a share.
LEAST_MEASURED_S = 0.3
LEAST_MEASURED = 8
FALL = 0.6
# The climb after a dip, as a share of the limit: by requests where the limit is low, so that one in some hundred is
# refused and not one in ten; by time where it is high.
CLIMB_A_REQUEST = 0.0005
CLIMB_A_SECOND = 0.01
# Past the limit by this much, it must have risen, and while it was never measured nobody knows it: climb faster.
RAISED = 1.25
FAST_CLIMB_A_SECOND = 0.10
LEAST_RATE = 0.05
# A limit that is known is kept with this share to spare: requests do not travel evenly.
KNOWN_SHARE = 0.98
# A timer that fires late may be caught up with, within this time's worth of requests.
CATCH_UP_S = 0.02
# Who did not use the rate for so long has let the service's budget run over: nothing can be measured across it.
IDLE_S = 0.1

# The wait after a 429 that names none, and the longest that one 429 may impose.
UNNAMED_PAUSE_S = 1.0
LONGEST_PAUSE_S = 3600.0
# Where the service names no wait worth the name and yet lets nothing through, it counts by whole periods: ask a little
# later each time, and leave the rate alone.
STUCK_PAUSE_S = 0.025
LONGEST_STUCK_PAUSE_S = 1.0

# The breaker: of so many requests at least, this share met trouble.
BREAKER_SEEN = 12
BREAKER_SHARE = 0.6
BREAKER_FIRST_PAUSE_S = 0.1
BREAKER_LONGEST_PAUSE_S = 30.0


class Urgency(IntEnum):
    """Who goes first when not everybody can: what starts jobs, then what brings work to its end, then questions."""

    NOW = 0
    START = 1
    READ = 2
    STATUS = 3


class Pacer:
    """Lets requests through one by one, at the rate that Opus allows.

    Parameters
    ----------
    max_requests_per_second : float, optional
        A limit that is known. None means that only 429s tell.
    max_in_flight : int
        Requests that may wait for an answer at once.

    Notes
    -----
    Lives on one event loop; use it only there. `Pacer.shared` gives everybody who uses one key at one address
    the same pacer.
    """

    def __init__(self, max_requests_per_second: float | None = None, *, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self.max_in_flight = max_in_flight
        self.in_flight = 0
        self.pauses = 0
        self.breaks = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        # How fast: the rate, the limit as 429s have taught it, and whether that was measured or guessed.
        self._known: float | None = None
        self._rate: float | None = FIRST_RATE
        self._limit: float | None = None
        self._is_measured = False
        self._climbed_at = 0.0
        self._next_at = float("-inf")
        self._free = FREE_REQUESTS
        # When that request left which was last told that the budget is spent, and how many went through since.
        self._spent_at: float | None = None
        self._through = 0
        self._left: deque[float] = deque(maxlen=4 * max_in_flight)
        self._refused_at = float("-inf")
        self._fell_at_through = 0
        self._stuck = 0
        self._paused_until = 0.0
        # The breaker: what became of the last requests, and how often in a row it opened.
        self._outcomes: deque[bool] = deque(maxlen=2 * BREAKER_SEEN)
        self._broken = 0
        self.know_limit(max_requests_per_second)

    @classmethod
    def shared(cls, base_url: str, key: str, max_requests_per_second: float | None = None) -> Pacer:
        """Return the pacer of this key at this address, in this process.

        Parameters
        ----------
        base_url, key : str
            The key is not kept, only its digest.
        max_requests_per_second : float, optional
            A limit that is known from now on, for everybody who shares the pacer; None changes nothing.
        """
        name = f"{base_url}|{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
        with _shared.lock:
            pacer = _shared.pacers.get(name)
            if pacer is None:
                pacer = _shared.pacers[name] = cls()
            pacer.know_limit(max_requests_per_second)
            return pacer

    def know_limit(self, max_requests_per_second: float | None) -> None:
        """Keep to this limit from now on; None changes nothing."""
        if max_requests_per_second is not None:
            self._known = KNOWN_SHARE * max_requests_per_second
            self._rate = self._known
            self._limit, self._is_measured, self._free = None, False, 0

    @property
    def rate(self) -> float | None:
        """Requests a second that are let through now; None while no limit has been met."""
        return self._rate

    @property
    def paused_for_s(self) -> float:
        """Seconds until anything may leave again; 0 when nothing holds it."""
        return max(0.0, self._paused_until - asyncio.get_running_loop().time())

    # -- one request ------------------------------------------------------------------------------------

    async def turn(self, urgency: Urgency = Urgency.READ) -> None:
        """Wait until one request may leave. Each turn is followed by exactly one `done`."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._waiting and self._has_place and self._may_leave_at() <= now:
            self._leave(now)
            return
        waiter: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._waiting, (urgency, next(self._order), waiter))
        self._wake(now)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.done()
            raise

    def done(self) -> None:
        """One answer came, or will not come: its place is free."""
        self.in_flight -= 1
        if self._waiting:
            self._wake(asyncio.get_running_loop().time())

    # -- what answers tell ------------------------------------------------------------------------------

    def slow_down(self, retry_after_s: float | None, *, sent_at: float) -> None:
        """A 429 came for a request that left at ``sent_at`` (loop time): everybody waits, once.

        Answers to requests that were already under way when the first of them was refused tell nothing new: they
        neither lengthen the pause nor lower the rate again, unless they name a later time.
        """
        now = asyncio.get_running_loop().time()
        wait_s = min(LONGEST_PAUSE_S, UNNAMED_PAUSE_S if retry_after_s is None else max(0.0, retry_after_s))
        if self._spent_at is not None and sent_at > self._spent_at:
            self._through -= 1
        if sent_at >= self._refused_at:
            self.pauses += 1
            self._refused_at = now
            if self._has_passed(sent_at):
                self._stuck = 0
                self._fall(sent_at)
            else:
                self._stuck += 1
                wait_s = max(wait_s, min(LONGEST_STUCK_PAUSE_S, STUCK_PAUSE_S * 2.0**self._stuck))
        self._paused_until = max(self._paused_until, now + wait_s)
        self._next_at = max(self._next_at, self._paused_until)

    def went_well(self) -> None:
        """An answer came that shows Opus at work, whatever it says."""
        self._outcomes.append(True)
        if self._broken:
            self._broken = 0
            self._outcomes.clear()
            self._wake(asyncio.get_running_loop().time())

    def went_wrong(self) -> None:
        """No answer came, or a 5xx. When most go that way, everybody waits, longer each time."""
        self._outcomes.append(False)
        failed = len(self._outcomes) - sum(self._outcomes)
        if not self._broken and (len(self._outcomes) < BREAKER_SEEN or failed < BREAKER_SHARE * len(self._outcomes)):
            return
        now = asyncio.get_running_loop().time()
        if now < self._paused_until:
            return  # it left before the pause began
        pause_s = min(BREAKER_LONGEST_PAUSE_S, BREAKER_FIRST_PAUSE_S * 2.0**self._broken)
        self._broken += 1
        self.breaks += 1
        self._paused_until = max(self._paused_until, now + pause_s)

    # -- inside -----------------------------------------------------------------------------------------

    @property
    def _has_place(self) -> bool:
        return self.in_flight < (1 if self._broken else self.max_in_flight)

    def _may_leave_at(self) -> float:
        return self._paused_until if self._rate is None else max(self._next_at, self._paused_until)

    def _through_until(self, sent_at: float) -> int:
        """How many went through since the budget was spent, of those that left no later than this one."""
        return self._through - sum(1 for each in self._left if each > sent_at)

    def _has_passed(self, sent_at: float) -> bool:
        """Whether anything went through since the rate fell last."""
        return self._spent_at is None or self._through_until(sent_at) > self._fell_at_through

    def _fall(self, sent_at: float) -> None:
        through = self._through_until(sent_at)
        since = None if self._spent_at is None else sent_at - self._spent_at
        if since is None or since >= LEAST_MEASURED_S:
            self._spent_at, self._through = sent_at, self._through - through
        if since is not None and since >= LEAST_MEASURED_S and through >= LEAST_MEASURED:
            self._limit, self._is_measured = through / since, True
            self._rate = DIP * self._limit
        elif since is None and self._is_measured and self._limit is not None:
            # After a time of ease, the limit is still what it was.
            self._rate = DIP * self._limit
        else:
            # The rate is too high, and nobody knows by how much.
            self._rate = max(LEAST_RATE, FALL * (self._rate or UNLIMITED_RATE))
            self._limit, self._is_measured = self._rate / DIP, False
        self._fell_at_through = self._through_until(sent_at)

    def _leave(self, now: float) -> None:
        self.in_flight += 1
        self._through += 1
        self._left.append(now)
        if self._free > 0:
            self._free -= 1
            return
        if self._rate is None:
            return
        if now - self._next_at > max(IDLE_S, 2.0 / self._rate):
            self._spent_at = None
        else:
            self._climb(now)
        self._climbed_at = now
        if self._rate is not None:
            self._next_at = max(now - CATCH_UP_S, self._next_at) + 1.0 / self._rate

    def _climb(self, now: float) -> None:
        """Raise the rate while it is made use of."""
        assert self._rate is not None
        elapsed = min(max(IDLE_S, 2.0 / self._rate), now - self._climbed_at)
        if self._known is not None and self._rate >= self._known:
            return
        if self._limit is None:
            self._rate *= 2.0 ** (elapsed / DOUBLING_S)
        elif self._is_measured and self._rate < RAISED * self._limit:
            self._rate += self._limit * min(CLIMB_A_REQUEST, CLIMB_A_SECOND * elapsed)
        else:
            if self._is_measured:
                # The limit has risen, so its budget ran over, and nothing can be measured across that.
                self._is_measured, self._spent_at = False, None
            self._rate *= 1.0 + FAST_CLIMB_A_SECOND * elapsed
        if self._known is not None:
            self._rate = min(self._rate, self._known)
        elif self._rate > UNLIMITED_RATE:
            self._rate = self._limit = None

    def _wake(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and self._has_place:
            at = self._may_leave_at()
            if at > now:
                self._timer = asyncio.get_running_loop().call_at(at, self._wake_now)
                return
            waiter = heapq.heappop(self._waiting)[2]
            if not waiter.done():
                self._leave(now)
                waiter.set_result(None)

    def _wake_now(self) -> None:
        self._timer = None
        self._wake(asyncio.get_running_loop().time())


class _Shared:
    """The pacers of this process, for as long as anybody uses them."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.lock = threading.Lock()
        self.pacers: weakref.WeakValueDictionary[str, Pacer] = weakref.WeakValueDictionary()


_shared = _Shared()
if hasattr(os, "register_at_fork"):
    # A forked child has none of the requests that its parent's pacers count.
    os.register_at_fork(after_in_child=_shared.forget)
