"""The connections under the wire: small pools, the key at the last moment, the machine's proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx

from opus_nb.settings import ServiceKey, Settings

__all__ = ["HttpClient", "SpreadTransport", "certainly_never_left", "open_http", "proxy_for"]

# Many small pools behind one door: httpx scans its whole pool, and asks each socket how it is, twice a request.
POOLS = 16
CONNECTIONS_A_POOL = 2
_HEADERS = {
    "user-agent": "opus_nb",
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
}
# A LocalProtocolError is this machine refusing to write the request, such as a header with a line break in it.
_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)

# Seconds that making a connection may take.
CONNECT_S = 5.0
# What a request that carries a file is given beyond the time for an answer.
SLOWEST_BYTES_A_SECOND = 50_000.0


class SpreadTransport(httpx.AsyncBaseTransport):
    """Hands each request to the least busy of several small pools."""

    def __init__(self, make: Callable[[], httpx.AsyncHTTPTransport], pools: int = POOLS) -> None:
        self._pools = [make() for _ in range(pools)]
        self._busy = [0] * pools

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its place is busy until the whole answer has been read."""
        which = self._busy.index(min(self._busy))
        self._busy[which] += 1
        try:
            response = await self._pools[which].handle_async_request(request)
        except BaseException:
            self._busy[which] -= 1
            raise
        response.stream = _Released(response.stream, self._busy, which)
        return response

    async def aclose(self) -> None:
        """Close every pool."""
        for each in self._pools:
            await each.aclose()


class _Released(httpx.AsyncByteStream):
    """A body that gives its place back when it is closed."""

    def __init__(self, inner: Any, busy: list[int], which: int) -> None:
        self._inner, self._busy, self._which = inner, busy, which
        self._is_open = True

    def __aiter__(self) -> AsyncIterator[bytes]:
        parts: AsyncIterator[bytes] = self._inner.__aiter__()
        return parts

    async def aclose(self) -> None:
        if self._is_open:
            self._is_open = False
            self._busy[self._which] -= 1
            await self._inner.aclose()


class HttpClient:
    """What httpx's own client does, without what no request of ours may have: cookies, redirects, rounds of auth.

    Leaving them out saves a third of a request's time. It holds no key: that is put on each request at the last
    moment.

    Parameters
    ----------
    transport : httpx.AsyncBaseTransport
    timeout_s : float
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, *, timeout_s: float) -> None:
        self._transport = transport
        # A place in a pool is waited for as long as it takes: nothing has left by then.
        # An address that does not even connect is known to be dead long before an answer may be late.
        self._timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S), pool=None).as_dict()
        self._longest_s = min(timeout_s, CONNECT_S) + timeout_s

    def build_request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx.Request:
        """Make a request; nothing is sent."""
        return httpx.Request(
            method,
            url,
            params=params,
            headers={**_HEADERS, **(headers or {})},
            content=content,
            extensions={"timeout": self._timeout},
        )

    async def send(
        self, request: httpx.Request, *, key: ServiceKey | None = None, stream: bool = False
    ) -> httpx.Response:
        """Send a request and read its answer, whole unless it is to be streamed; then the caller closes it.

        Raises
        ------
        httpx.TransportError
        """
        if key is not None:
            request.headers["x-service-key"] = key.reveal()
        if stream:
            return await self._begin(request)
        # httpx's own limits are for each piece that is read or written: somebody who drips would never meet them.
        size = int(request.headers.get("content-length", 0))
        longest_s = self._longest_s + size / SLOWEST_BYTES_A_SECOND
        try:
            with anyio.fail_after(longest_s):
                response = await self._begin(request)
                try:
                    await response.aread()
                finally:
                    await response.aclose()
                return response
        except TimeoutError:
            raise httpx.ReadTimeout(f"no whole answer within {longest_s:g} s", request=request) from None

    async def _begin(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        response.request = request
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


def open_http(settings: Settings) -> HttpClient:
    """Make the client that all requests of one wire share."""
    proxy = proxy_for(settings.base_url)
    # One context for all pools: making one takes as long as a hundred requests.
    secure = httpx.create_ssl_context()
    limits = httpx.Limits(max_connections=CONNECTIONS_A_POOL, max_keepalive_connections=CONNECTIONS_A_POOL)

    def make() -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(verify=secure, limits=limits, proxy=proxy)

    return HttpClient(SpreadTransport(make), timeout_s=settings.timeout_s)


def proxy_for(base_url: str) -> str | None:
    """Return the proxy that this machine names for an address; none for itself."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host in {"localhost", "127.0.0.1", "::1"} or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def certainly_never_left(failure: Exception) -> bool:
    """Whether nothing of the request can have reached the other side: no connection, or none to be had."""
    return isinstance(failure, _NEVER_LEFT)
