"""Serving button presses while a cell waits, where the kernel would let them lie until the cell ends.

ipykernel 6 handles one message at a time and is inside the cell's message until the cell ends, so a press
waits with the queued cells. `pump` takes the messages that belong to widgets out of that queue and hands
them to the kernel's own dispatcher; everything else stays queued in its order. Newer kernels read their
socket in a thread of its own: touching it from here loses messages, so nothing is done there.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

__all__ = ["buttons_act", "pump"]

_log = logging.getLogger("opus_nb")

_WIDGET_MESSAGES = frozenset({"comm_open", "comm_msg", "comm_close"})
_MAX_STEPS = 1000


def _kernel() -> Any:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None)


def _kernel_version() -> tuple[int, int]:
    version = getattr(sys.modules.get("ipykernel"), "version_info", None)
    return (int(version[0]), int(version[1])) if version else (0, 0)


def buttons_act(form: str) -> bool | None:
    """Say whether button presses are served while a cell is held.

    Parameters
    ----------
    form : {"wait", "await"}
        Held by a blocking call, or by awaiting.

    Returns
    -------
    bool or None
        None where it depends on the front end (ipykernel 7.0 to 7.3: JupyterLab from 4.4 on does, others not)
        and where there is no kernel.
    """
    version = _kernel_version()
    if _kernel() is None or version[0] < 6:
        return None
    if version[0] == 6:
        return True
    return form == "await" if version >= (7, 4) else None


def pump() -> bool:
    """Serve the widget messages that have come in since the last call. Returns at once and never raises.

    For code that waits on the kernel's main thread: ``while not done: pump(); wait(0.05)``.

    Returns
    -------
    bool
        True where presses can be served this way: ipykernel 6, main thread, inside a cell.
    """
    kernel = _kernel()
    if (
        kernel is None
        or _kernel_version()[0] != 6
        or threading.current_thread() is not threading.main_thread()
        or not hasattr(kernel, "msg_queue")
        or getattr(kernel, "shell_stream", None) is None
    ):
        return False
    try:
        _serve(kernel)
    except Exception:
        _log.debug("serving widget messages failed", exc_info=True)
    return True


def _serve(kernel: Any) -> None:
    from zmq.constants import POLLIN

    kernel.shell_stream.flush(POLLIN)  # the socket's messages are now in kernel.msg_queue
    if kernel.msg_queue.empty():
        return
    ident, parent = kernel._parent_ident["shell"], kernel.get_parent("shell")
    taken: list[Any] = []
    kept: list[Any] = []
    try:
        while not kernel.msg_queue.empty():
            taken.append(kernel.msg_queue.get_nowait())
        while taken:
            entry = taken.pop(0)
            if _message_type(kernel, entry) in _WIDGET_MESSAGES:
                _run_to_end(entry[1](*entry[2]))
            else:
                kept.append(entry)
    finally:  # also on KeyboardInterrupt: a queued cell must never be lost
        for entry in kept + taken:
            kernel.msg_queue.put_nowait(entry)
        kernel.set_parent(ident, parent)  # or this cell would never be shown as finished


def _message_type(kernel: Any, entry: Any) -> str | None:
    try:
        _, frames = kernel.session.feed_identities(entry[2][0], copy=False)
        header = kernel.session.deserialize(frames, content=False, copy=False)["header"]
        return str(header["msg_type"])
    except Exception:
        return None


def _run_to_end(coroutine: Any) -> None:
    """Step a coroutine that never really waits (a widget handler is plain code) without an event loop."""
    try:
        for _ in range(_MAX_STEPS):
            coroutine.send(None)
        coroutine.close()
    except StopIteration:
        return
