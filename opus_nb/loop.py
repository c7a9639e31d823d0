"""The one place where synchronous code meets the event loop.

One daemon thread owns one asyncio loop, and on it live the HTTP client and every job. Notebook cells,
widget handlers and scripts hand work over and wait for it here, so that none of them ever needs a loop
of its own, and no loop that already runs has to be nested.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from opus_nb.errors import ExtraMissing, SettingsError

__all__ = ["allow_nested_loops", "call", "leave_to_it", "on_loop", "start", "wait_for"]

Result = TypeVar("Result")

# A wait is cut into slices so that Ctrl-C and the kernel's Interrupt are met between them on every
# platform, and so that a caller can do something (pump widget messages) while it waits.
SLICE_S = 0.05


class _Home:
    """The portal to the background loop; made on first use, made anew in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened: Any = None
        self._of_parents: list[Any] = []

    def forget(self) -> None:
        # Kept, not dropped: a portal that is collected joins its thread, and in a forked child there is none.
        self._of_parents.append((self._opened, self._portal, self._loop))
        self._lock, self._portal, self._loop, self._opened = threading.Lock(), None, None, None

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        return self._loop

    def portal(self) -> BlockingPortal:
        with self._lock:
            if self._portal is None or self._loop is None or self._loop.is_closed():
                self._opened = start_blocking_portal("asyncio", name="opus-nb-loop")
                self._portal = self._opened.__enter__()
                self._loop = self._portal.call(_running_loop)
            return self._portal


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


_home = _Home()
_tidying: set[asyncio.Task[None]] = set()
if hasattr(os, "register_at_fork"):
    # A forked child has the portal's memory but not its thread.
    os.register_at_fork(after_in_child=_home.forget)


def start(work: Callable[..., Awaitable[Result]], *args: Any) -> Future[Result]:
    """Begin ``work(*args)`` on the background loop and return at once.

    The caller's context goes along, so that widget messages keep their cell on ipykernel 7.

    Returns
    -------
    concurrent.futures.Future
        Cancelling it cancels the work.
    """
    _refuse_here()
    return _home.portal().start_task_soon(work, *args)


def wait_for(
    future: Future[Result], *, timeout_s: float | None = None, meanwhile: Callable[[], Any] | None = None
) -> Result:
    """Block this thread until ``future`` is done, in slices, calling ``meanwhile`` between them.

    Raises
    ------
    TimeoutError
        ``timeout_s`` passed; the work goes on.
    """
    _refuse_here()
    left = timeout_s
    while True:
        slice_s = SLICE_S if meanwhile is not None else 0.5
        try:
            return future.result(slice_s if left is None else max(0.0, min(slice_s, left)))
        except (FutureTimeout, TimeoutError):
            if future.done():
                return future.result(0)
        if left is not None:
            left -= slice_s
            if left <= 0:
                raise TimeoutError(f"not done after {timeout_s} s; the work goes on")
        if meanwhile is not None:
            meanwhile()


def call(work: Callable[..., Awaitable[Result]], *args: Any) -> Result:
    """Run ``work(*args)`` on the background loop and wait for what it returns.

    An interrupt while waiting cancels the work.
    """
    future = start(work, *args)
    try:
        return wait_for(future)
    except BaseException:
        future.cancel()
        raise


def leave_to_it(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Have ``work()`` done on the background loop some time soon, from any thread, that one included.

    For tidying up when the garbage collector calls, which it does wherever it happens to run. Nobody waits.
    """
    home = _home.loop
    if home is None or home.is_closed():
        return

    def begin() -> None:
        task = home.create_task(work())
        _tidying.add(task)  # a loop alone does not keep its tasks alive
        task.add_done_callback(_tidying.discard)

    with contextlib.suppress(RuntimeError):  # the loop ended this very moment, and its sockets with it
        home.call_soon_threadsafe(begin)


async def on_loop(work: Callable[..., Awaitable[Result]], *args: Any) -> Result:
    """Await ``work(*args)`` on the background loop, from whichever loop this is called on."""
    if _running_here() is _home.loop and _home.loop is not None:
        return await work(*args)
    return await asyncio.wrap_future(start(work, *args))


def _refuse_here() -> None:
    if _home.loop is not None and _running_here() is _home.loop:
        raise SettingsError(
            "A blocking call was made on opus_nb's own loop, where it would wait for itself",
            next_step="An observer runs there: hand the work to a thread, or do it when the event has passed.",
        )


def _running_here() -> asyncio.AbstractEventLoop | None:
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def allow_nested_loops() -> None:
    """Let your own ``asyncio.run(...)`` work inside a notebook cell. Nothing of opus_nb needs this.

    The one place where nest-asyncio is used (nest_asyncio2, its maintained fork, where that is installed).
    It patches asyncio for the whole process: gathers become slower, an Interrupt no longer stops what runs
    inside, and a button pressed during such a cell acts only when the cell has ended. ``await`` in the cell
    is the better way where you can write it.

    Raises
    ------
    SettingsError
        The running loop is uvloop, which cannot be patched, or the kernel is ipykernel 7.1 or newer, where a
        patched loop loses button presses for ever.
    """
    kernel_version = _ipykernel_version()
    if kernel_version >= (7, 1):
        raise SettingsError(
            "Nested loops would lose button presses on this kernel",
            where=f"ipykernel {'.'.join(map(str, kernel_version))}",
            next_step="Write `await main()` in the cell instead of `asyncio.run(main())`.",
        )
    loop = _running_here()
    if loop is not None and not isinstance(loop, asyncio.BaseEventLoop):
        raise SettingsError(
            "This event loop cannot be nested",
            where=f"{type(loop).__module__}.{type(loop).__qualname__}",
            next_step="Write `await main()` instead of `asyncio.run(main())`.",
        )
    try:
        import nest_asyncio2 as nest
    except ImportError:
        try:
            import nest_asyncio as nest
        except ImportError as error:
            raise ExtraMissing("nest-asyncio is not installed", next_step="pip install nest-asyncio") from error
    nest.apply()


def _ipykernel_version() -> tuple[int, ...]:
    import sys

    module = sys.modules.get("ipykernel")
    return tuple(getattr(module, "version_info", ())[:2]) if module is not None else ()
