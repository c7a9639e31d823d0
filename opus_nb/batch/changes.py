"""Waiting until something holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Changes"]


class Changes:
    """Conditions that somebody waits for, looked at after every change. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as the condition holds, or when nothing changes any more."""
        if not condition():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((condition, future))
            await future

    def tell(self) -> None:
        """Something changed."""
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

    def close(self) -> None:
        """Nothing changes any more: nobody may wait for ever."""
        for _, future in self._waiters:
            if not future.done():
                future.set_result(None)
