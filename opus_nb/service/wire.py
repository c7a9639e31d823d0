"""One HTTP exchange with Opus: paced, repeated where that is safe, and told apart when it fails.

The only question that matters after a failure is whether the request may have been acted on. httpx
answers it exactly: no connection, no place in the pool means *it never left*; anything else means *maybe*.
"""

from __future__ import annotations

import asyncio
import json
import random
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from opus_nb import loop
from opus_nb.errors import (
    AnswerLost,
    NeverSent,
    NotFound,
    OpusError,
    OpusUnreachable,
    RateLimited,
    ReplyUnreadable,
    RequestRefused,
    ServiceKeyRefused,
    ServiceTrouble,
)
from opus_nb.service.pacing import Pacer, Urgency
from opus_nb.service.replies import inner_error, read_error_body, retry_after_s
from opus_nb.service.transport import HttpClient, certainly_never_left, open_http
from opus_nb.settings import Settings

__all__ = ["Patience", "Reply", "Wire"]

# The longest that a 503 may make its own request wait.
LONGEST_NAMED_S = 120.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long one request is repeated where repeating is safe.

    Attributes
    ----------
    attempts : int
        Sendings in all, the first included. 429s have a budget of their own of the same size, doubled.
    first_wait_s, longest_wait_s : float
        The wait doubles from the one to the other; each is shortened at random by up to a half.
    """

    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 16.0

    def wait_s(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        longest = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (failures - 1))
        return longest * random.uniform(0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx.

    Attributes
    ----------
    status : int
    text : str
        The body as it came.
    body : Any
        What the body's JSON says; None for an empty body.
    """

    status: int
    text: str = field(repr=False)
    body: Any = field(repr=False)


class Wire:
    """Sends requests to one address with one key.

    Parameters
    ----------
    settings : Settings
    pacer : Pacer, optional
        Shared by all who use the same key; made from the settings when left out.
    patience : Patience
    """

    def __init__(self, settings: Settings, *, pacer: Pacer | None = None, patience: Patience | None = None) -> None:
        self._settings = settings
        self._key = settings.service_key
        self._http: HttpClient | None = None
        self.patience = patience or Patience()
        self.pacer = pacer or Pacer.shared(settings.base_url, self._key.reveal(), settings.max_requests_per_second)
        self.sent = 0

    @property
    def base_url(self) -> str:
        """The address that every path is appended to."""
        return self._settings.base_url

    async def get(
        self, path: str, *, query: Mapping[str, Any] | None = None, doing: str, urgency: Urgency = Urgency.READ
    ) -> Reply:
        """GET, repeated on 429, 5xx, lost connections and bodies that are cut off."""
        return await self.send("GET", path, query=query, doing=doing, repeatable=True, urgency=urgency)

    async def send(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        repeatable: bool = False,
        urgency: Urgency = Urgency.READ,
        patience: Patience | None = None,
    ) -> Reply:
        """Send one request, and repeat it as far as is safe.

        Parameters
        ----------
        repeatable : bool
            True for what changes nothing when it arrives twice. False repeats only what certainly never
            left, and a 429, which says that nothing was done.

        Raises
        ------
        NeverSent, AnswerLost, ServiceTrouble, RateLimited, ServiceKeyRefused, NotFound, RequestRefused, ReplyUnreadable
        """
        content = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        headers = {} if content is None else {"content-type": "application/json"}

        def build(http: HttpClient) -> httpx.Request:
            params = {name: value for name, value in (query or {}).items() if value is not None}
            return http.build_request(
                method, self.base_url + path, content=content, headers=headers, params=params or None
            )

        where = f"{method} {path}"
        return await loop.on_loop(
            self._repeat, build, doing, where, repeatable, urgency, patience or self.patience, True
        )

    async def put_bytes(self, address: str, content: bytes, *, content_type: str | None, doing: str) -> None:
        """PUT bytes to an upload address: no key, a known length, repeated as the bytes are the same.

        Raises
        ------
        RequestRefused
            ``.status`` 403 means that the address has expired or that its signature covers other headers.
        """
        headers = {} if content_type is None else {"content-type": content_type}

        def build(http: HttpClient) -> httpx.Request:
            return http.build_request("PUT", address, content=content, headers=headers)

        where = f"PUT to {urlsplit(address).hostname}"
        await loop.on_loop(self._repeat, build, doing, where, True, Urgency.START, self.patience, False)

    async def fetch_file(
        self, address: str, take: Callable[[int, bytes], Any], *, start: int = 0, doing: str = "Downloading"
    ) -> None:
        """GET the bytes behind a download address, as they come: no key, one try.

        Parameters
        ----------
        address : str
            Presigned; it is a secret, and no error repeats more of it than its host.
        take : callable
            Is given each piece with its place in the file, in order. Begins at 0 where the other side does not
            send parts.
        start : int
            Ask for the bytes from here on.

        Raises
        ------
        RequestRefused
            ``.status`` 403: the address has expired; 416: there are not so many bytes.
        NeverSent, AnswerLost, ServiceTrouble
            What ``take`` has got so far is good; go on from there.
        """
        await loop.on_loop(self._stream, address, take, start, doing)

    async def aclose(self) -> None:
        """Close the connections; the wire opens them again when used."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    # -- below: on the background loop only ---------------------------------------------------------

    async def _repeat(
        self,
        build: Callable[[HttpClient], httpx.Request],
        doing: str,
        where: str,
        repeatable: bool,
        urgency: Urgency,
        patience: Patience,
        with_key: bool,
    ) -> Reply:
        failures = limits = 0
        while True:
            found = await self._once(build, doing, where, urgency, with_key)
            if isinstance(found, Reply):
                return found
            if isinstance(found, RateLimited):
                # The pacer already holds everybody back; only the count of tries is ours.
                limits += 1
                if limits >= 2 * patience.attempts:
                    raise found
                continue
            safe = repeatable or isinstance(found, NeverSent)
            if not safe and isinstance(found, (ServiceTrouble, ReplyUnreadable)):
                # A gateway may give up, or a body may break, after the service has acted.
                raise AnswerLost(
                    f"{doing}: the answer cannot be trusted",
                    where=where,
                    came_back=found.came_back,
                    status=found.status,
                )
            if not safe or not isinstance(found, (OpusUnreachable, ServiceTrouble, ReplyUnreadable)):
                raise found
            failures += 1
            if failures >= patience.attempts:
                raise found
            # A 503 may name a time: later, which is for this request alone to keep.
            named_s = getattr(found, "retry_after_s", None) or 0.0
            await asyncio.sleep(max(patience.wait_s(failures), min(LONGEST_NAMED_S, named_s)))

    async def _once(
        self,
        build: Callable[[HttpClient], httpx.Request],
        doing: str,
        where: str,
        urgency: Urgency,
        with_key: bool,
    ) -> Reply | OpusError:
        http = self._open()
        try:
            request = build(http)
        except httpx.InvalidURL:
            return RequestRefused(
                f"{doing}: not an address",
                where=where,
                next_step="Look at base_url=, or at the address that Opus gave.",
            )
        await self.pacer.turn(urgency)
        sent_at = asyncio.get_running_loop().time()
        self.sent += 1
        failure: Exception
        try:
            # Redirects are never followed: a body could be sent twice, or the key reach another host.
            response = await http.send(request, key=self._key if with_key else None)
        except httpx.TransportError as error:
            failure = error
        except (httpx.InvalidURL, httpx.DecodingError) as error:
            failure = error
        else:
            found = self._judge(response, doing, where, with_key)
            if isinstance(found, RateLimited):
                self.pacer.slow_down(found.retry_after_s, sent_at=sent_at)
            elif with_key:
                (self.pacer.went_wrong if isinstance(found, ServiceTrouble) else self.pacer.went_well)()
            return found
        finally:
            self.pacer.done()
        if with_key:
            self.pacer.went_wrong()
        return self._lost(failure, doing, where)

    async def _stream(self, address: str, take: Callable[[int, bytes], Any], start: int, doing: str) -> None:
        http = self._open()
        where = f"GET from {urlsplit(address).hostname}"
        headers = {"accept": "*/*", "accept-encoding": "identity"} | ({"range": f"bytes={start}-"} if start else {})
        failure: Exception
        self.sent += 1
        try:
            response = await http.send(http.build_request("GET", address, headers=headers), stream=True)
            try:
                if response.status_code in {200, 206}:
                    place = start if response.status_code == 206 else 0
                    async for piece in response.aiter_bytes():
                        take(place, piece)
                        place += len(piece)
                    return
                await response.aread()
            finally:
                await response.aclose()
        except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
            failure = error
        else:
            found = self._judge(response, doing, where, False)
            raise found if isinstance(found, OpusError) else ReplyUnreadable(f"{doing}: no file came", where=where)
        raise self._lost(failure, doing, where)

    def _lost(self, failure: Exception, doing: str, where: str) -> OpusError:
        # Made outside of the except block: httpx's exceptions hold the request, and that holds the key.
        words = self._key.scrub(f"{type(failure).__name__}: {failure}".rstrip(": "))
        if isinstance(failure, httpx.LocalProtocolError):
            # Its words repeat the header that cannot be sent, escaped: the key might be in them.
            return NeverSent(
                f"{doing}: the request cannot be written",
                where=where,
                came_back=type(failure).__name__,
                next_step=f"Nothing was sent. The key came from {self._key.origin}. {self._key.hint}",
            )
        if certainly_never_left(failure):
            return NeverSent(
                f"{doing}: {self.base_url} cannot be reached",
                where=where,
                came_back=words,
                next_step="Nothing was sent. Check the address, the network and a proxy, then try again.",
            )
        return AnswerLost(f"{doing}: the request left, and its answer was lost", where=where, came_back=words)

    def _judge(self, response: httpx.Response, doing: str, where: str, with_key: bool) -> Reply | OpusError:
        status, content = response.status_code, response.content
        if 200 <= status < 300:
            body: Any = None
            if not content.strip():
                # Only what was asked for can be missing: a PUT or a DELETE may well answer with nothing.
                if status == 200 and response.request.method == "GET":
                    return self._unreadable(response, doing, where)
            else:
                try:
                    body = json.loads(content)
                except (ValueError, RecursionError):
                    return self._unreadable(response, doing, where)
            inner = inner_error(body)
            if inner is None:
                return Reply(status, response.text, body)
            return self._refusal(
                inner[0], tuple(self._key.scrub(each) for each in inner[1]), None, doing, where, with_key
            )
        messages = self._words_of(response)
        wait = retry_after_s(response.headers, _json_or_none(content)) if status in {429, 503} else None
        return self._refusal(status, messages, wait, doing, where, with_key)

    def _unreadable(self, response: httpx.Response, doing: str, where: str) -> OpusError:
        said = "; ".join(self._words_of(response))[:300] if response.text.strip() else "an empty answer"
        return ReplyUnreadable(
            f"{doing}: Opus answered {response.status_code} with something that is not JSON",
            where=where,
            came_back=said,
            status=response.status_code,
        )

    def _words_of(self, response: httpx.Response) -> tuple[str, ...]:
        # Scrubbed before anything is cut: half a key would not be known again. And after: JSON may have escaped it.
        text = self._key.scrub(response.text)
        found = read_error_body(response.status_code, response.headers.get("content-type", ""), text)
        return tuple(self._key.scrub(each) for each in found)

    def _refusal(
        self, status: int, messages: tuple[str, ...], wait_s: float | None, doing: str, where: str, with_key: bool
    ) -> OpusError:
        said = "; ".join(messages) or "no words"
        parts: dict[str, Any] = {"where": where, "came_back": said, "status": status, "messages": messages}
        what = f"{doing}: Opus answered {status}"
        if status == 401 and with_key:
            return ServiceKeyRefused(what, next_step=f"The key came from {self._key.origin}. {self._key.hint}", **parts)
        if status == 403 and with_key:
            return ServiceKeyRefused(
                what,
                next_step="The key is valid but may not do this: it needs the permission in that workspace.",
                **parts,
            )
        if status == 404:
            return NotFound(what, next_step="It does not exist, or this key cannot see it.", **parts)
        if status == 429:
            return RateLimited(what, retry_after_s=wait_s, **parts)
        if "no longer supported" in said.lower():
            # A 500 that asking again will not change (contract, section 1.1).
            return RequestRefused(what, next_step=_explain(said), **parts)
        if status >= 500 or status == 408:
            return ServiceTrouble(what, next_step=_explain(said), retry_after_s=wait_s, **parts)
        return RequestRefused(what, next_step=_explain(said), **parts)

    def _open(self) -> HttpClient:
        if self._http is None:
            self._http = open_http(self._settings)
            # A connection that nobody uses any more (a cell that was run again) leaves no sockets behind.
            weakref.finalize(self, loop.leave_to_it, self._http.aclose)
        return self._http


def _json_or_none(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _explain(said: str) -> str | None:
    words = said.lower()
    if "no longer supported" in words or "must be a uuid" in words:
        return (
            "This id belongs to the older generation of workflows. Open the workflow in the Opus app and copy its "
            "address: the id after /workflow/ is now a UUID."
        )
    if "not active" in words:
        return "Activate the workflow in Opus, then run this again."
    return None
