"""The listening socket and the uvicorn server; the only place that loads starlette and uvicorn."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from opus_nb.sandbox.state import SandboxState

if TYPE_CHECKING:
    from uvicorn import Server

_KEEP_ALIVE_SECONDS = 75


def open_listener(port: int) -> socket.socket:
    """Take a port on loopback; 0 takes any free one."""
    # The protocol is named because asyncio switches Nagle's delay off only on sockets that say they are TCP; without
    # it every answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # on Windows the option would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def load_server() -> Callable[[SandboxState], tuple[Server, asyncio.Event]]:
    """Load uvicorn and the application, and give what makes a server of a state, with the event that closes it."""
    try:
        import uvicorn

        from opus_nb.sandbox.app import SandboxApp
    except ImportError as error:
        raise ImportError(
            f'the sandbox needs starlette and uvicorn ({error}): pip install "opus_nb[sandbox]"'
        ) from error

    def make(state: SandboxState) -> tuple[Server, asyncio.Event]:
        app = SandboxApp(state)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
            backlog=2048,
        )
        return uvicorn.Server(config), app.closing

    return make
