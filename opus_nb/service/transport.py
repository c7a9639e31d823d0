"""The connections under the wire: small pools, the key at the last moment, the machine's proxy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from opus_nb.settings import ServiceKey, Settings

__all__ = ["KeyHeader", "SpreadTransport", "certainly_never_left", "open_http", "proxy_for"]

# Several small pools behind one door: httpx scans its whole pool on every request.
POOLS = 8
CONNECTIONS_A_POOL = 4
# A LocalProtocolError is this machine refusing to write the request, such as a header with a line break in it.
_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


class SpreadTransport(httpx.AsyncBaseTransport):
    """Hands each request to the least busy of several small pools."""

    def __init__(self, make: Callable[[], httpx.AsyncHTTPTransport], pools: int = POOLS) -> None:
        self._pools = [make() for _ in range(pools)]
        self._busy = [0] * pools

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its place counts as busy until the head of the answer is there."""
        which = self._busy.index(min(self._busy))
        self._busy[which] += 1
        try:
            return await self._pools[which].handle_async_request(request)
        finally:
            self._busy[which] -= 1

    async def aclose(self) -> None:
        """Close every pool."""
        for each in self._pools:
            await each.aclose()


class KeyHeader(httpx.Auth):
    """Puts the key on the request at the last moment, so that no client object holds it."""

    def __init__(self, key: ServiceKey) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Any:
        """Add the header; there is no second round."""
        request.headers["x-service-key"] = self._key.reveal()
        yield request


def open_http(settings: Settings) -> httpx.AsyncClient:
    """Make the client that all requests of one wire share; it follows no redirect and holds no key."""
    proxy = proxy_for(settings.base_url)
    # One context for all pools: making one takes as long as a hundred requests.
    secure = httpx.create_ssl_context()
    limits = httpx.Limits(max_connections=CONNECTIONS_A_POOL, max_keepalive_connections=CONNECTIONS_A_POOL)

    def make() -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(verify=secure, limits=limits, proxy=proxy)

    return httpx.AsyncClient(
        transport=SpreadTransport(make),
        timeout=httpx.Timeout(settings.timeout_s, pool=None),
        follow_redirects=False,
        headers={"user-agent": "opus_nb", "accept": "application/json"},
    )


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
