"""The heartbeat of a live view: one daemon thread that repaints a few times a second, never more."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable

__all__ = ["Ticker"]

_SHORTEST_S = 0.2  # five repaints a second, whatever happens


class Ticker:
    """Call ``tick`` at intervals from one daemon thread, in a copy of the context that made the ticker.

    The copied context matters: newer kernels keep there which cell a message belongs to, and some refuse to
    send without it. A tick that takes long stretches the interval, so that painting never takes more than a
    quarter of the time.

    Parameters
    ----------
    tick : callable
        Returns False to end the ticker. It has to handle its own exceptions.
    interval_s : float
        Seconds between two ticks while nobody calls `wake`; at least 0.2.
    """

    def __init__(self, tick: Callable[[], bool], *, interval_s: float = 0.25) -> None:
        self._tick = tick
        self._interval_s = max(interval_s, _SHORTEST_S)
        self._woken = threading.Event()
        self._stopped = False
        self.context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=self.context.copy().run, args=(self._beat,), name="opus-nb-screen", daemon=True
        )

    def start(self) -> None:
        """Begin; once per ticker."""
        self._thread.start()

    def wake(self) -> None:
        """Ask for a tick soon."""
        self._woken.set()

    def stop(self) -> None:
        """End after the tick that is under way; does not wait for it."""
        self._stopped = True
        self._woken.set()

    def _beat(self) -> None:
        pause = self._interval_s
        while not self._stopped:
            began = time.monotonic()
            if not self._tick():
                return
            cost = time.monotonic() - began
            pause = max(self._interval_s, 3 * cost)
            rest = _SHORTEST_S
            self._woken.wait(max(rest, pause))
            self._woken.clear()
            left = rest - (time.monotonic() - began)
            if left > 0 and not self._stopped:
                time.sleep(left)
