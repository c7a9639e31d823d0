"""The wire's promises: what never left, what may have been acted on, and who sees the key."""

from __future__ import annotations

import asyncio
import pickle
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for wire_making

from wire_making import KEY, Stub, answer, make_wire

from opus_nb import loop
from opus_nb.errors import (
    AnswerLost,
    NeverSent,
    NotFound,
    OpusError,
    RateLimited,
    ReplyUnreadable,
    RequestRefused,
    ServiceKeyRefused,
    ServiceTrouble,
)
from opus_nb.sandbox import Sandbox
from opus_nb.service.transport import proxy_for
from opus_nb.service.wire import Reply, Wire

LIST = "/workflow/private"
START = {"workflowId": "B9uGJfZ3CFwOdMKH", "title": "t"}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(time_scale=0.01, service_keys=[KEY]) as sandbox:
        yield sandbox


@pytest.fixture
def wire(box: Sandbox) -> Iterator[Wire]:
    box.reset()
    made = make_wire(box.base_url)
    yield made
    loop.call(made.aclose)


def send(wire: Wire, method: str, path: str, **options: Any) -> Reply:
    """One exchange, from a thread without a loop."""

    async def exchange() -> Reply:
        return await wire.send(method, path, doing="Testing", **options)

    return loop.call(exchange)


def refused(wire: Wire, method: str = "GET", path: str = LIST, **options: Any) -> OpusError:
    """The error of one exchange."""
    with pytest.raises(OpusError) as caught:
        send(wire, method, path, **options)
    return caught.value


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "cut_off"])
def test_a_request_that_left_is_never_called_unsent(
    box: Sandbox, wire: Wire, fault: str, reset: bool, reused: bool
) -> None:
    """On new and reused connections, a lost answer to what is not repeatable is lost, and it was sent once."""
    if reused:
        send(wire, "GET", LIST)
    box.fault("initiate", fault, **({} if fault == "cut_off" else {"reset": reset}))
    error = refused(wire, "POST", "/job/initiate", body=START)
    assert type(error) is AnswerLost
    assert box.books()["calls"]["initiate"] == 1


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "cut_off", "html", "empty"])
def test_reads_are_repeated_until_they_are_whole(box: Sandbox, wire: Wire, fault: str) -> None:
    """What changes nothing is asked again."""
    box.fault("list", fault, times=2)
    assert send(wire, "GET", LIST, repeatable=True).body["workflows"]
    assert box.books()["calls"]["list"] == 3


def test_nobody_there_is_certainly_unsent() -> None:
    """A refused connection never carried a byte; it is tried as often as patience says."""
    wire = make_wire("http://127.0.0.1:9", attempts=3)
    error = refused(wire, "POST", "/job/execute", body={})
    assert type(error) is NeverSent
    assert "Nothing was sent" in str(error)
    assert wire.sent == 3


def test_no_answer_in_time_is_lost(box: Sandbox) -> None:
    """A request that waits longer than ``timeout_s`` may have been acted on."""
    wire = make_wire(box.base_url, timeout_s=0.2)
    box.reset()
    box.fault("initiate", "slow", before_s=2.0)
    assert type(refused(wire, "POST", "/job/initiate", body=START)) is AnswerLost
    box.faults_clear()
    loop.call(wire.aclose)


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 500, "after": True}, {"status": 502, "html": True}])
def test_a_5xx_for_what_is_not_repeatable_is_a_lost_answer(box: Sandbox, wire: Wire, fault: dict[str, Any]) -> None:
    """A gateway may give up after the service has acted; the status is kept."""
    box.fault("initiate", "error", **fault)
    error = refused(wire, "POST", "/job/initiate", body=START)
    assert type(error) is AnswerLost
    assert error.status == fault["status"]
    assert box.books()["calls"]["initiate"] == 1


def test_a_5xx_for_a_read_is_trouble_after_every_repeat(box: Sandbox, wire: Wire) -> None:
    """Asked as often as patience says, and told with its words."""
    box.fault("list", "error", status=503, html=True, message="Back soon")
    error = refused(wire, repeatable=True)
    assert type(error) is ServiceTrouble
    assert error.messages == ("Back soon",)
    assert box.books()["calls"]["list"] == 3


def test_a_500_that_will_not_change_is_not_repeated(box: Sandbox, wire: Wire) -> None:
    """``no longer supported`` is a refusal, whatever its number."""
    box.fault("list", "error", status=500, message="V1 workflow details are no longer supported")
    error = refused(wire, repeatable=True)
    assert type(error) is RequestRefused
    assert box.books()["calls"]["list"] == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(400, RequestRefused), (401, ServiceKeyRefused), (403, ServiceKeyRefused), (404, NotFound)]
)
def test_4xx_are_final(box: Sandbox, wire: Wire, status: int, kind: type[OpusError]) -> None:
    """Told apart by class, never repeated, every message kept."""
    box.fault("list", "error", status=status, message=["one", "two"])
    error = refused(wire, repeatable=True)
    assert type(error) is kind
    assert error.messages == ("one", "two")
    assert box.books()["calls"]["list"] == 1


@pytest.mark.parametrize("style", ["header", "body", "both", "date"])
def test_429_is_repeated_even_where_nothing_else_is(box: Sandbox, wire: Wire, style: str) -> None:
    """It says that nothing was done: the request waits as long as it is told, and goes again."""
    box.fault("initiate", "rate_limited", style=style, retry_after_s=0, times=2)
    assert send(wire, "POST", "/job/initiate", body=START).status == 201
    assert box.books()["initiations"] == 1
    assert wire.pacer.pauses >= 1


def test_429_for_ever_is_an_error(box: Sandbox, wire: Wire) -> None:
    """With what Opus asked for last."""
    box.fault("list", "rate_limited", style="body", retry_after_s=0)
    error = refused(wire, repeatable=True)
    assert type(error) is RateLimited
    assert error.retry_after_s == 0.0


def test_redirects_are_not_followed() -> None:
    """Neither the body nor the key goes to where an answer points."""
    with Stub() as elsewhere, Stub(answer("308 Permanent Redirect", location=elsewhere.base_url)) as first:
        error = refused(make_wire(first.base_url), "POST", "/job/initiate", body=START)
        assert isinstance(error, RequestRefused)
        assert error.status == 308
        assert elsewhere.requests == []


def test_the_key_goes_to_opus_and_not_to_the_store() -> None:
    """Requests to the base address carry it; bytes to an upload or from a download address travel without."""
    with Stub(answer("200 OK"), answer("200 OK", b""), answer("200 OK", b"bytes")) as stub:
        wire = make_wire(stub.base_url)
        send(wire, "GET", LIST)
        got: list[bytes] = []

        async def move() -> None:
            await wire.put_bytes(f"{stub.base_url}/bucket/x?sig=1", b"abc", content_type=None, doing="Uploading")
            await wire.fetch_file(f"{stub.base_url}/bucket/x?sig=2", lambda at, piece: got.append(piece))

        loop.call(move)
        assert b"".join(got) == b"bytes"
        assert [KEY.encode() in request for request in stub.requests] == [True, False, False]
        assert b"content-type" not in stub.requests[1].lower()
        assert b"content-length: 3" in stub.requests[1].lower()
        loop.call(wire.aclose)


def told(error: BaseException) -> str:
    """Everything that a notebook could show of an exception: text, parts, causes, and the locals of its frames."""
    lines = [*traceback.TracebackException.from_exception(error, capture_locals=True).format()]
    seen: BaseException | None = error
    while seen is not None:
        lines += [repr(seen), repr(getattr(seen, "__dict__", {}))]
        seen = seen.__context__ or seen.__cause__
    return "\n".join(lines)


@pytest.mark.parametrize(
    "fault",
    [
        ("error", {"status": 401, "message": f"no such key {KEY}"}),
        ("error", {"status": 400, "message": [f"bad header {KEY}"]}),
        ("error", {"status": 503, "body": f"debug: x-service-key={KEY}"}),
        ("inner_error", {"status": 500, "message": KEY}),
        ("lost_after", {}),
        ("cut_off", {}),
    ],
    ids=lambda fault: fault[0],
)
def test_no_error_holds_the_key(box: Sandbox, wire: Wire, fault: tuple[str, dict[str, Any]]) -> None:
    """Not in its words, not in its parts, not in its context, not in the frames that it passed, not when pickled."""
    box.fault("list", fault[0], **fault[1])
    error = refused(wire)
    assert KEY not in told(error)
    assert error.__context__ is None
    assert KEY not in repr(pickle.dumps(error))


def test_a_key_that_no_header_can_hold_is_told_without_showing_it() -> None:
    """A line break inside is found before anything leaves, and not one part of the key is in the error."""
    wire = make_wire("http://127.0.0.1:9", key=f"{KEY[:50]}\n{KEY[50:]}")
    with Stub() as stub:
        wire = make_wire(stub.base_url, key=f"{KEY[:50]}\n{KEY[50:]}")
        error = refused(wire)
        assert type(error) is NeverSent
        assert "white space inside" in str(error)
        assert KEY[:20] not in told(error).replace("KEY[:50]", "")
        assert stub.requests == []


def test_json_that_is_nested_without_end_is_unreadable() -> None:
    """A body that would exhaust the parser is an answer that cannot be read, not a crash."""
    deep = b"[" * 200_000
    with Stub(*[answer("200 OK", deep, connection="close")] * 3, answer("400 Bad Request", deep)) as stub:
        wire = make_wire(stub.base_url)
        assert type(refused(wire, repeatable=True)) is ReplyUnreadable
        assert type(refused(wire)) is RequestRefused


def test_a_range_that_the_store_does_not_know_begins_at_the_start() -> None:
    """A 200 to a request for a part is the whole, and is placed as such."""
    with Stub(answer("200 OK", b"whole"), answer("206 Partial Content", b"le"), answer("403 Forbidden", b"")) as stub:
        wire = make_wire(stub.base_url)
        got: list[tuple[int, bytes]] = []

        async def fetch() -> None:
            await wire.fetch_file(f"{stub.base_url}/x", lambda at, piece: got.append((at, piece)), start=3)

        loop.call(fetch)
        loop.call(fetch)
        assert got == [(0, b"whole"), (3, b"le")]
        assert b"range: bytes=3-" in stub.requests[1].lower()
        with pytest.raises(RequestRefused) as caught:
            loop.call(fetch)
        assert caught.value.status == 403
        assert type(caught.value) is RequestRefused
        loop.call(wire.aclose)


def test_any_loop_may_await_the_client(box: Sandbox, wire: Wire) -> None:
    """The work is done on the background loop, whoever asks."""

    async def main() -> int:
        replies = await asyncio.gather(*(wire.get(LIST, doing="Testing") for _ in range(5)))
        return len(replies)

    assert asyncio.run(main()) == 5


def test_the_machines_proxy_is_used_and_never_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """``HTTPS_PROXY`` and ``ALL_PROXY`` count, ``NO_PROXY`` and loopback are left out."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    assert proxy_for("https://operator.opus.com") is None
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert proxy_for("https://operator.opus.com") == "http://proxy.example:3128"
    assert proxy_for("https://127.0.0.1:1") is None
    monkeypatch.setenv("no_proxy", "operator.opus.com")
    assert proxy_for("https://operator.opus.com") is None


def test_a_closed_wire_opens_again(box: Sandbox, wire: Wire) -> None:
    """Closing lets connections go; the next request makes new ones."""
    send(wire, "GET", LIST)
    loop.call(wire.aclose)
    assert send(wire, "GET", LIST).status == 200
