"""One watcher for all jobs: a heap of who to ask when, and one coroutine that serves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable

from opus_nb.batch.entry import Entry

__all__ = ["Watch"]


class Watch:
    """Calls ``ask(entry)`` when an entry is due, a bounded number at once.

    Parameters
    ----------
    ask : callable
        Asks Opus after one job. Returns the seconds until it should be asked again, or None when it is at its end.
    at_once : int
        Questions under way at once.
    """

    def __init__(self, ask: Callable[[Entry], Awaitable[float | None]], *, at_once: int = 32) -> None:
        self._ask = ask
        self._at_once = at_once
        self._heap: list[tuple[float, int, Entry]] = []
        self._order = itertools.count()
        self._asking: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.watched: dict[str, Entry] = {}
        self.questions = 0

    def add(self, entry: Entry, wait_s: float) -> None:
        """Watch a job, and ask after it in ``wait_s`` seconds."""
        self.watched[entry.key] = entry
        # A little noise, so that jobs that began together are not asked after together for ever.
        due = asyncio.get_running_loop().time() + wait_s * random.uniform(0.95, 1.05)
        first = not self._heap or due < self._heap[0][0]
        heapq.heappush(self._heap, (due, next(self._order), entry))
        if first:
            self._changed.set()

    def hurry(self) -> None:
        """Ask after everything now."""
        now = asyncio.get_running_loop().time()
        self._heap = [(now, order, entry) for _, order, entry in self._heap]
        heapq.heapify(self._heap)
        self._changed.set()

    async def run(self) -> None:
        """Serve the heap until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            while self._heap and self._heap[0][0] <= loop.time() and len(self._asking) < self._at_once:
                entry = heapq.heappop(self._heap)[2]
                self._begin(entry)
            alarm: asyncio.TimerHandle | None = None
            if self._heap and len(self._asking) < self._at_once:
                alarm = loop.call_at(self._heap[0][0], self._changed.set)
            try:
                # Not asyncio.wait_for: before Python 3.12 it can swallow a cancellation that comes with the event.
                await self._changed.wait()
            finally:
                if alarm is not None:
                    alarm.cancel()

    def _begin(self, entry: Entry) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(entry))
        self._asking.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._changed.set()

    async def _serve(self, entry: Entry) -> None:
        self.questions += 1
        wait_s = await self._ask(entry)
        if wait_s is None:
            self.watched.pop(entry.key, None)
        else:
            self.add(entry, wait_s)

    async def close(self) -> None:
        """Stop asking; what is under way is given up, as reads may be."""
        asking = list(self._asking)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
