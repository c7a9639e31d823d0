"""An answer that comes in drops: each in time, the whole never."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from opus_nb.service.transport import HttpClient, certainly_never_left


class Drips(httpx.AsyncBaseTransport):
    """Answers at once, and never comes to the end of it."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        class Body(httpx.AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                while True:
                    yield b" "
                    await asyncio.sleep(0.01)

        return httpx.Response(200, stream=Body())


def test_an_answer_that_never_ends_is_lost_in_time() -> None:
    """The whole of one request is bounded, not only the wait for its next byte; it may have been acted on."""

    async def ask() -> None:
        http = HttpClient(Drips(), timeout_s=0.1)
        await http.send(http.build_request("POST", "http://127.0.0.1/job/execute"))

    began = time.monotonic()
    with pytest.raises(httpx.ReadTimeout, match="no whole answer within") as lost:
        asyncio.run(ask())
    assert time.monotonic() - began < 5.0
    assert not certainly_never_left(lost.value)
