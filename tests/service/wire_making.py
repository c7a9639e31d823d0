"""A wire to a sandbox, and a server that says one thing and hangs up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from opus_nb.service.wire import Patience, Wire
from opus_nb.settings import ServiceKey, Settings

KEY = "_" + "0123456789abcdef" * 6


def make_wire(base_url: str, *, key: str = KEY, attempts: int = 3, timeout_s: float = 5.0) -> Wire:
    """A wire whose repeats follow each other at once."""
    settings = Settings(service_key=ServiceKey(key), base_url=base_url, timeout_s=timeout_s)
    return Wire(settings, patience=Patience(attempts=attempts, first_wait_s=0.001, longest_wait_s=0.002))


class Stub:
    """Answers each request on loopback with the next of some byte strings, and keeps what it was sent."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Stub:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self._listener.close()
        self._thread.join(2)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self._talk(connection.recv, connection.sendall)

    def _talk(self, receive: Callable[[int], bytes], send: Callable[[bytes], None]) -> None:
        """One connection: request after request, until an answer is None or says close."""
        while self._answers:
            data = b""
            try:
                while b"\r\n\r\n" not in data:
                    piece = receive(65536)
                    if not piece:
                        return
                    data += piece
            except OSError:
                return
            self.requests.append(data)
            answer = self._answers.pop(0)
            if answer is None:
                return
            send(answer)
            if b"connection: close" in answer.lower():
                return


def answer(status: str, body: bytes = b"{}", **headers: str) -> bytes:
    """One HTTP answer, letter for letter."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
