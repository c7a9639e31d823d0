"""How fast we may ask: one pacer for everybody who shares a key.

A 429 means "slower", a 5xx means "later". The first is handled here, once for all requests of the key;
the second belongs to the one request that met it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from enum import IntEnum

__all__ = ["Pacer", "Urgency"]

# More connections than this make httpx slower, not faster, and no service likes it.
MAX_IN_FLIGHT = 32
# After a 429 the allowed rate falls to this share of what was going through ...
DECREASE = 0.9
# ... and climbs by this share of itself each second.
INCREASE_PER_S = 0.01
# The longest that a single 429 may make everybody wait; a server that names more is asked again after this.
LONGEST_PAUSE_S = 120.0


class Urgency(IntEnum):
    """Who goes first when not everybody can: new starts before status reads."""

    NOW = 0
    START = 1
    READ = 2


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
    Lives on one event loop; use it only there.
    """

    def __init__(self, max_requests_per_second: float | None = None, *, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self.known_limit = max_requests_per_second
        self.max_in_flight = max_in_flight
        self.in_flight = 0
        self.pauses = 0
        self._rate: float | None = max_requests_per_second
        self._next_at = 0.0
        self._raised_at = 0.0
        self._paused_until = 0.0
        self._recent: deque[float] = deque(maxlen=64)
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rate(self) -> float | None:
        """Requests a second that are let through now; None while no limit has been met."""
        return self._rate

    @property
    def paused_for_s(self) -> float:
        """Seconds until anything may leave again; 0 when nothing holds it."""
        return max(0.0, self._paused_until - asyncio.get_running_loop().time())

    async def turn(self, urgency: Urgency = Urgency.READ) -> None:
        """Wait until one request may leave. Each turn is followed by exactly one `done`."""
        now = asyncio.get_running_loop().time()
        if not self._waiting and self._may_leave_at(now) <= now and self.in_flight < self.max_in_flight:
            self._leave(now)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
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

    def slow_down(self, retry_after_s: float | None, *, sent_at: float) -> None:
        """A 429 came for a request that left at ``sent_at`` (loop time): everybody waits, once.

        Answers to requests that were already under way when the pause began tell nothing new and
        neither lengthen the pause nor lower the rate again, unless they name a later time.
        """
        now = asyncio.get_running_loop().time()
        wait_s = min(LONGEST_PAUSE_S, 1.0 if retry_after_s is None else max(0.0, retry_after_s))
        fresh = sent_at >= self._raised_at
        if fresh:
            self.pauses += 1
            through = self._recent_rate(now)
            if self.known_limit is None and through is not None:
                self._rate = max(0.2, min(through, self._rate or through) * DECREASE)
            self._raised_at = now
        if fresh or now + wait_s > self._paused_until:
            self._paused_until = max(self._paused_until, now + wait_s)
        self._next_at = max(self._next_at, self._paused_until)

    def _recent_rate(self, now: float) -> float | None:
        since = [at for at in self._recent if now - at <= 5.0]
        return len(since) / max(0.05, now - since[0]) if len(since) > 1 else None

    def _may_leave_at(self, now: float) -> float:
        return max(self._next_at if self._rate is not None else 0.0, self._paused_until)

    def _leave(self, now: float) -> None:
        self.in_flight += 1
        self._recent.append(now)
        if self._rate is None:
            return
        if self.known_limit is None and now > self._raised_at:
            self._rate *= 1.0 + INCREASE_PER_S * min(1.0, now - self._raised_at)
            self._raised_at = now
        self._next_at = max(now, self._next_at) + 1.0 / self._rate

    def _wake(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and self.in_flight < self.max_in_flight:
            at = self._may_leave_at(now)
            if at > now:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_at(at, self._wake_now)
                return
            waiter = heapq.heappop(self._waiting)[2]
            if not waiter.done():
                self._leave(now)
                waiter.set_result(None)

    def _wake_now(self) -> None:
        self._wake(asyncio.get_running_loop().time())
