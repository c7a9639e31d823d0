"""The ASGI application: one request in, the right endpoint, the faults that were asked for, one answer out."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from opus_nb.sandbox.faults import FaultRule
from opus_nb.sandbox.replies import Call, Refusal, Reply, send_html, send_json, send_refusal
from opus_nb.sandbox.routes import COOKIE_ONLY, Route, RouteTable
from opus_nb.sandbox.state import SandboxState
from opus_nb.sandbox.uploads import MAX_FILE_BYTES

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_SPOILS = frozenset({"lost_after", "cut_off", "error", "empty", "html", "inner_error", "success_false"})
_INSIDE = frozenset({"expired", "stuck", "script", "word", "lie"})


class SandboxApp:
    """Serves one `SandboxState`."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._routes = RouteTable()
        self.closing = asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive, send)
        method, path = scope["method"], scope["path"]
        try:
            body = await _read_body(request) if method not in ("GET", "HEAD") else b""
        except ClientDisconnect:
            return
        found = self._routes.find(method, path)
        if found is None:
            await _send(self._no_route(method, path), scope, receive, send)
            return
        route, job_id = found
        call = Call(
            endpoint=route.name,
            family=route.family,
            method=method,
            path=path,
            base_url=self._state.base_url,
            job_id=job_id,
            headers=request.headers,
            query=_read_query(request) if scope["query_string"] else {},
            body=body,
            now=self._state.clock.now(),
        )
        if not route.name:
            await _send(self._act(route, call), scope, receive, send)
            return
        await self._serve(route, call, scope, receive, send)

    async def _serve(self, route: Route, call: Call, scope: Message, receive: Receive, send: Send) -> None:
        books = self._state.books
        books.note_request(route.name, route.family, call.now)
        refused = self._check_key(call) if route.needs_key else None
        if refused is not None:
            books.answers_by_status[refused.status] += 1
            await _send(refused, scope, receive, send)
            return
        fault: FaultRule | None = None
        delay_after_s = 0.0
        for rule in self._judge(call) if self._state.faults.rules else ():
            books.faults[rule.kind] += 1
            if rule.kind != "slow":
                fault = rule
                break
            delay_after_s += float(rule["after_s"])
            await self._delay(float(rule["before_s"]))
            call.now = self._state.clock.now()
        forgotten = self.closing.is_set() or books is not self._state.books
        if forgotten or (fault is not None and fault.kind == "lost_before"):
            await _hang_up(receive, send, reset=fault is not None and bool(fault.parameters.get("reset")))
            return
        reply = self._answer(route, call, fault)
        await self._delay(delay_after_s)
        if fault is not None and fault.kind == "lost_after":
            await _hang_up(receive, send, reset=bool(fault["reset"]))
            return
        if fault is not None and fault.kind == "cut_off":
            await _send_part(reply, receive, send, keep=float(fault["keep"]))
            return
        books.answers_by_status[reply.status] += 1
        await _send(reply, scope, receive, send)

    def _answer(self, route: Route, call: Call, fault: FaultRule | None) -> Reply:
        if fault is None:
            return self._act(route, call)
        if fault.kind in _INSIDE:
            call.fault = fault
            return self._act(route, call)
        call.spoiled = fault.kind in _SPOILS
        acts = fault.kind in ("lost_after", "cut_off") or bool(fault.parameters.get("after"))
        reply = self._act(route, call) if acts else Reply(200 if call.method == "GET" else 201)
        return _spoil(fault, reply, call)

    def _act(self, route: Route, call: Call) -> Reply:
        if len(call.body) > MAX_FILE_BYTES and route.name != "put":
            return send_html(413, "413 Request Entity Too Large")
        try:
            return route.endpoint(self._state, call)
        except Refusal as refusal:
            return send_refusal(refusal, path=call.path, now=call.now)
        except Exception:
            self._state.books.errors.append(traceback.format_exc())
            return send_refusal(Refusal(500, traceback.format_exc(limit=-1)), path=call.path, now=call.now)

    def _no_route(self, method: str, path: str) -> Reply:
        now = self._state.clock.now()
        if path in COOKIE_ONLY:
            return send_refusal(Refusal(401, "No auth cookie provided"), path=path, now=now)
        return send_refusal(Refusal(404, f"Cannot {method} {path}"), path=path, now=now)

    def _check_key(self, call: Call) -> Reply | None:
        key = call.headers.get("x-service-key")
        state = self._state
        if not key:
            return send_refusal(Refusal(401, "API key is required"), path=call.path, now=call.now)
        if key not in state.service_keys:
            return send_refusal(Refusal(401, "Invalid or expired API key"), path=call.path, now=call.now)
        per_s = state.options.rate_limit_per_s
        wait = state.budget.take(key, per_s=per_s, now=call.now) if per_s else 0.0
        if not wait:
            return None
        state.books.limited += 1
        return _too_many(call, int(wait), style="body")

    def _judge(self, call: Call) -> list[FaultRule]:
        job_id: str | None = call.job_id or None
        title: str | None = None
        if call.method == "POST" and call.endpoint in ("initiate", "execute"):
            try:
                body = json.loads(call.body)
                job_id = job_id or body.get("jobExecutionId")
                title = body.get("title")
            except (ValueError, AttributeError):
                body = None
        job = self._state.jobs.find_any(job_id) if isinstance(job_id, str) else None
        if job is not None:
            title = job.title
        return self._state.faults.judge(call.endpoint, now=call.now, job=job_id, title=title)

    async def _delay(self, seconds: float) -> None:
        if seconds > 0:
            try:
                await asyncio.wait_for(self.closing.wait(), timeout=seconds)
            except asyncio.TimeoutError:
                return


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        if len(body) <= MAX_FILE_BYTES:
            body += chunk
    return bytes(body)


def _read_query(request: Request) -> dict[str, str]:
    query: dict[str, str] = {}
    for written, value in request.query_params.multi_items():
        name = written.removesuffix("[]")
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


def _spoil(fault: FaultRule, reply: Reply, call: Call) -> Reply:
    given = fault.parameters
    if fault.kind == "rate_limited":
        return _too_many(call, given["retry_after_s"], style=given["style"])
    if fault.kind == "error":
        return _error(given, call)
    if fault.kind == "empty":
        return Reply(200)
    if fault.kind == "html":
        return send_html(200, "Opus")
    if fault.kind == "inner_error":
        return send_json({"statusCode": given["status"], "message": given["message"]})
    if fault.kind == "success_false":
        return send_json({"success": False, "message": given["message"]}, status=reply.status)
    return reply


def _error(given: dict[str, Any], call: Call) -> Reply:
    status, body = int(given["status"]), given["body"]
    if given["html"]:
        return send_html(status, given["message"] or f"{status} Bad Gateway")
    if isinstance(body, str):
        return Reply(status, body.encode(), "text/plain; charset=utf-8")
    if body is not None:
        return send_json(body, status=status)
    message = given["message"] or ("Internal server error" if status == 500 else f"Status {status} on request")
    return send_refusal(Refusal(status, message), path=call.path, now=call.now)


def _too_many(call: Call, seconds: float, *, style: str) -> Reply:
    refusal = Refusal(429, "ThrottlerException: Too Many Requests")
    reply = send_refusal(refusal, path=call.path, now=call.now)
    if style in ("body", "both"):
        envelope = json.loads(reply.body)
        envelope["metadata"] = {"retryAfterSeconds": seconds}
        reply = send_json(envelope, status=429)
    if style in ("header", "both"):
        reply.headers["retry-after"] = str(seconds)
    elif style == "date":
        reply.headers["retry-after"] = formatdate(call.now + seconds, usegmt=True)
    return reply


async def _send(reply: Reply, scope: Message, receive: Receive, send: Send) -> None:
    response = Response(reply.body, reply.status, reply.headers, media_type=None)
    if reply.content_type and reply.status not in (204, 304):
        response.headers["content-type"] = reply.content_type
    await response(scope, receive, send)


async def _send_part(reply: Reply, receive: Receive, send: Send, *, keep: float) -> None:
    """Promise the whole body by its Content-Length, send some of it, and close."""
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(max(1, len(reply.body))).encode()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    part = reply.body[: int(len(reply.body) * min(keep, 1.0))]
    await send({"type": "http.response.body", "body": part, "more_body": True})
    transport = _transport(send)
    if transport is not None:
        transport.close()
    await _gone(receive)


async def _hang_up(receive: Receive, send: Send, *, reset: bool) -> None:
    """Close the connection without a word; with `reset` so that the other side sees it broken, not ended."""
    transport = _transport(send)
    if transport is None:
        raise ConnectionAbortedError("this server gives no way to close a connection")
    if reset:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _transport(send: Send) -> asyncio.Transport | None:
    """Find the connection behind a request.

    ASGI has no word for hanging up, but uvicorn's `send` is a method of the object that holds the connection.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return transport if isinstance(transport, asyncio.Transport) else None
