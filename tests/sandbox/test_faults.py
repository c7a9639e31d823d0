"""Every fault, seen from a plain client."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from opus_nb.sandbox import Sandbox
from opus_nb.sandbox.faults import KINDS
from opus_nb.sandbox.workflows import DOSSIER_ID, VENDOR_ONBOARDING_ID


def _initiations(visitor: Any) -> int:
    return int(visitor.sandbox.books(summary=True)["initiations"])


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(("reset", "error"), [(False, httpx.RemoteProtocolError), (True, httpx.ReadError)])
@pytest.mark.parametrize(("kind", "made"), [("lost_before", 0), ("lost_after", 1)])
def test_lost_answers(visitor: Any, kind: str, made: int, reset: bool, error: type[Exception], warm: bool) -> None:
    """The connection ends or breaks without an answer, on new and on reused connections, before or after the effect."""
    if warm:
        visitor.http.get("/workflow/private")
    rule = visitor.sandbox.fault("initiate", kind, times=1, reset=reset)
    with pytest.raises(error):
        visitor.initiate(DOSSIER_ID)
    assert rule.fired == 1
    assert _initiations(visitor) == made
    assert visitor.sandbox.books()["calls"]["initiate"] == 1
    assert visitor.initiate(DOSSIER_ID)


def test_cut_off_body(visitor: Any) -> None:
    """The whole length is promised, half arrives; the request took effect."""
    visitor.sandbox.fault("initiate", "cut_off", times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        visitor.initiate(DOSSIER_ID)
    assert _initiations(visitor) == 1
    visitor.sandbox.fault("list", "cut_off", keep=0.0, times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        visitor.http.get("/workflow/private")


@pytest.mark.parametrize(
    ("style", "header", "body"), [("header", "3", None), ("body", None, 3), ("both", "3", 3), ("none", None, None)]
)
def test_rate_limit_spellings(visitor: Any, style: str, header: Any, body: Any) -> None:
    """429 names its wait in the header, in the body, in both or nowhere, and does not act."""
    visitor.sandbox.fault("initiate", "rate_limited", retry_after_s=3, style=style, times=1)
    answer = visitor.http.post("/job/initiate", json={"workflowId": DOSSIER_ID, "title": "t"})
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == header
    assert answer.json().get("metadata", {}).get("retryAfterSeconds") == body
    assert _initiations(visitor) == 0


def test_rate_limit_of_zero_and_of_a_date(visitor: Any) -> None:
    """A wait of zero is named as zero; a date is a date in the header."""
    visitor.sandbox.fault("list", "rate_limited", retry_after_s=0, style="both", times=1)
    answer = visitor.http.get("/workflow/private")
    assert (answer.headers["retry-after"], answer.json()["metadata"]) == ("0", {"retryAfterSeconds": 0})
    visitor.sandbox.faults_clear()
    visitor.sandbox.fault("list", "rate_limited", retry_after_s=60, style="date")
    until = parsedate_to_datetime(visitor.http.get("/workflow/private").headers["retry-after"])
    assert 50 < until.timestamp() - time.time() < 62


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("status", "html"), [(500, False), (502, True), (503, False), (504, True)])
def test_server_errors(visitor: Any, status: int, html: bool, after: bool) -> None:
    """5xx come as JSON or as a proxy's page, before or after the request took effect."""
    visitor.sandbox.fault("initiate", "error", status=status, html=html, after=after, times=1)
    answer = visitor.http.post("/job/initiate", json={"workflowId": DOSSIER_ID, "title": "t"})
    assert answer.status_code == status
    if html:
        assert answer.headers["content-type"] == "text/html"
        assert "<html>" in answer.text
    else:
        assert answer.json()["statusCode"] == status
    assert _initiations(visitor) == int(after)


@pytest.mark.parametrize(
    ("given", "body"),
    [
        ({"status": 403, "message": "Workflow: Full is required"}, "Workflow: Full is required"),
        ({"status": 422, "message": ["a", "b"]}, ["a", "b"]),
        ({"status": 409, "body": {"scope": "org", "limit": 100}}, {"scope": "org", "limit": 100}),
        ({"status": 418, "body": "short"}, "short"),
    ],
)
def test_client_errors_with_given_words(visitor: Any, given: dict[str, Any], body: Any) -> None:
    """4xx carry the message or the body they are given."""
    visitor.sandbox.fault("list", "error", **given)
    answer = visitor.http.get("/workflow/private")
    assert answer.status_code == given["status"]
    if isinstance(given.get("body"), str):
        assert answer.text == body
    else:
        assert (answer.json() if "body" in given else answer.json()["message"]) == body


def test_slowness_before_and_after(visitor: Any) -> None:
    """An answer may be late before the request acts, or after; a client that gave up cannot tell."""
    visitor.sandbox.fault("initiate", "slow", before_s=60, times=1)
    body = {"workflowId": DOSSIER_ID, "title": "t"}
    with pytest.raises(httpx.ReadTimeout):
        visitor.http.post("/job/initiate", json=body, timeout=0.1)
    assert _initiations(visitor) == 0
    visitor.sandbox.reset()
    visitor.sandbox.fault("initiate", "slow", after_s=60, times=1)
    with pytest.raises(httpx.ReadTimeout):
        visitor.http.post("/job/initiate", json=body, timeout=0.1)
    assert _initiations(visitor) == 1
    visitor.sandbox.faults_clear()
    visitor.sandbox.fault("initiate", "slow", before_s=0.05)
    visitor.sandbox.fault("initiate", "error", status=503)
    begun = time.perf_counter()
    assert visitor.http.post("/job/initiate", json=body).status_code == 503
    assert time.perf_counter() - begun >= 0.05


def test_strange_successes(visitor: Any) -> None:
    """200 with nothing, with a page, with an error inside, and a success that is none."""
    sandbox, body = visitor.sandbox, {"workflowId": DOSSIER_ID, "title": "t"}
    sandbox.fault("initiate", "empty", times=1)
    answer = visitor.http.post("/job/initiate", json=body)
    assert (answer.status_code, answer.content) == (200, b"")
    sandbox.fault("initiate", "html", times=1, after=False)
    answer = visitor.http.post("/job/initiate", json=body)
    assert (answer.status_code, answer.text[:6]) == (200, "<html>")
    sandbox.fault("initiate", "inner_error", times=1)
    answer = visitor.http.post("/job/initiate", json=body)
    assert answer.status_code == 200
    assert answer.json() == {"statusCode": 500, "message": "Request failed with status code 422"}
    sandbox.fault("initiate", "success_false", times=1, message="No")
    answer = visitor.http.post("/job/initiate", json=body)
    assert (answer.status_code, answer.json()) == (201, {"success": False, "message": "No"})
    assert _initiations(visitor) == 1


def test_expired_addresses(visitor: Any) -> None:
    """Upload may hand out an address that has expired already; the next one is good."""
    visitor.sandbox.fault("upload", "expired", times=1)
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        visitor.upload(b"x", workflow=DOSSIER_ID)
    assert visitor.upload(b"x", workflow=DOSSIER_ID)


@pytest.mark.parametrize(("kind", "kept"), [("lost_before", 0), ("lost_after", 1), ("cut_off", 1)])
def test_faults_of_the_put(visitor: Any, kind: str, kept: int) -> None:
    """The PUT can be lost before or after the bytes were kept."""
    visitor.sandbox.fault("put", kind, times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        visitor.upload(b"x", workflow=DOSSIER_ID)
    assert visitor.sandbox.books()["files_uploaded"] == kept


def test_stuck_job(visitor: Any, payload_of: Any) -> None:
    """A stuck job stays at a node for ever, until somebody stops it."""
    visitor.sandbox.fault("execute", "stuck")
    job = visitor.run(DOSSIER_ID, payload_of(visitor))
    assert visitor.status(job) == "IN_PROGRESS"
    assert visitor.get(job, "audit").json()["running_node"] == "Read documents"
    assert visitor.sandbox.end(job, "STOPPED")
    assert visitor.status(job) == "STOPPED"


def test_strange_words_and_lies(visitor: Any, payload_of: Any) -> None:
    """Status may say any word for a while; each endpoint can lie in its own way."""
    sandbox, payload = visitor.sandbox, payload_of(visitor)
    sandbox.fault("status", "word", word="UNKNOWN", times=1)
    sandbox.fault("status", "word", word="DREAMING", times=1)
    job = visitor.run(DOSSIER_ID, payload)
    assert [visitor.status(job) for _ in range(3)] == ["UNKNOWN", "DREAMING", "COMPLETED"]
    sandbox.fault("results", "lie", times=1)
    assert visitor.results(job) == {}
    assert visitor.results(job)["Words"] == 5
    sandbox.fault("initiate", "lie", times=1)
    assert visitor.initiate(DOSSIER_ID) == job
    sandbox.fault("execute", "lie", times=1)
    unstarted = visitor.run(DOSSIER_ID, payload)
    assert visitor.status(unstarted) == "PENDING"
    assert visitor.http.get(f"/job/{unstarted}").json()["input"] is None
    sandbox.fault("status", "lie", times=1)
    assert [visitor.status(unstarted) for _ in range(2)] == ["COMPLETED", "PENDING"]
    assert sandbox.books()["executions"] == 1


def test_execute_that_took_effect_behind_a_502(visitor: Any, payload_of: Any) -> None:
    """Execute is applied though the proxy answered 502: the job runs, and is billed once."""
    visitor.sandbox.fault("execute", "error", status=502, html=True, after=True, times=1)
    job = visitor.initiate(DOSSIER_ID)
    assert visitor.execute(job, payload_of(visitor)).status_code == 502
    visitor.sandbox.advance(60)
    assert visitor.status(job) == "COMPLETED"
    assert visitor.sandbox.books()["executions"] == 1


def test_rules_choose_whom_to_hit(visitor: Any, payload_of: Any) -> None:
    """Rules go by count, by harmless first requests, by job, by title with brackets in it, and by time."""
    sandbox = visitor.sandbox
    first, second = visitor.initiate(DOSSIER_ID, title="A [r:1]"), visitor.initiate(DOSSIER_ID, title="B [r:2]")
    sandbox.fault("status", "error", job=first, status=500)
    sandbox.fault("execute", "error", title="*[r:2]", status=501)
    sandbox.fault("initiate", "error", title="C*", status=502)
    codes = [visitor.get(job, "status").status_code for job in (first, second)]
    assert codes == [500, 200]
    payload = payload_of(visitor)
    assert [visitor.execute(job, payload).status_code for job in (first, second)] == [201, 501]
    answers = [
        visitor.http.post("/job/initiate", json={"workflowId": DOSSIER_ID, "title": title}).status_code
        for title in ("C", "D")
    ]
    assert answers == [502, 201]
    sandbox.faults_clear()
    rule = sandbox.fault("status", "error", skip_first=2, times=2)
    assert [visitor.get(first, "status").status_code for _ in range(6)] == [200, 200, 503, 503, 200, 200]
    assert (rule.seen, rule.fired) == (6, 2)
    sandbox.fault("any", "error", status=500, for_s=10)
    assert visitor.get(first, "audit").status_code == 500
    sandbox.advance(11)
    assert visitor.get(first, "audit").status_code != 500


def test_probability_is_drawn_from_the_seed(meet: Callable[..., Any]) -> None:
    """A probable fault hits about its share, the same requests for the same seed."""

    def hits(seed: int) -> list[int]:
        with Sandbox(seed=seed) as sandbox:
            visitor = meet(sandbox)
            sandbox.fault("list", "error", probability=0.3)
            return [visitor.http.get("/workflow/private").status_code for _ in range(100)]

    assert hits(1) == hits(1) != hits(2)
    assert 15 < hits(1).count(503) < 45


def test_rules_over_http(visitor: Any) -> None:
    """Rules can be made, listed and dropped over HTTP; mistakes are explained."""
    path = "/__sandbox__/faults"
    made = visitor.http.post(path, json={"endpoint": "list", "kind": "error", "status": 500, "times": 1})
    assert made.status_code == 201
    assert made.json()["parameters"]["status"] == 500
    visitor.http.post(path, json={"kind": "slow", "parameters": {"before_s": 0.001}})
    assert visitor.http.get("/workflow/private").status_code == 500
    listed = visitor.http.get(path).json()["faults"]
    assert [(rule["endpoint"], rule["fired"]) for rule in listed] == [("list", 1), ("any", 0)]
    for bad in (
        {"kind": "boom"},
        {"endpoint": "moon", "kind": "slow"},
        {"kind": "slow", "speed": 1},
        {"kind": "stuck"},
    ):
        answer = visitor.http.post(path, json=bad)
        assert answer.status_code == 400
        assert isinstance(answer.json()["message"], str)
    assert visitor.http.delete(path).status_code == 204
    assert visitor.http.get(path).json() == {"faults": []}


def test_bad_rules_are_explained(sandbox: Sandbox) -> None:
    """A wrong endpoint, kind, parameter or place raises ValueError that lists what there is."""
    with pytest.raises(ValueError, match="no endpoint 'x'; there are any, archive"):
        sandbox.fault("x", "slow")
    with pytest.raises(ValueError, match="no fault 'x'; there are lost_before"):
        sandbox.fault("any", "x")
    with pytest.raises(ValueError, match="'slow' takes before_s, after_s, not speed"):
        sandbox.fault("any", "slow", speed=3)
    with pytest.raises(ValueError, match="'stuck' can happen at execute, not at 'status'"):
        sandbox.fault("status", "stuck")


def test_every_kind_is_documented() -> None:
    """The docstring of Sandbox.fault names every kind and every parameter."""
    text = Sandbox.fault.__doc__ or ""
    for kind, parameters in KINDS.items():
        assert f"``{kind}``" in text
        assert all(f"``{name}" in text for name in parameters)


def test_faults_are_booked(visitor: Any, ask: httpx.Client) -> None:
    """The books count faults by kind, and a wrong key is refused before any fault."""
    visitor.sandbox.fault("list", "error", times=2)
    for _ in range(3):
        visitor.http.get("/workflow/private")
    assert ask.get(visitor.sandbox.base_url + "/workflow/private").status_code == 401
    books = visitor.sandbox.books()
    assert books["faults"] == {"error": 2}
    assert books["answers_by_status"] == {"200": 1, "401": 1, "503": 2}


def test_faults_reach_cases(sandbox: Sandbox, meet: Callable[..., Any]) -> None:
    """The case family's routes go by the same names."""
    cases = meet(sandbox, cases=True)
    sandbox.fault("initiate", "lost_after", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        cases.initiate(VENDOR_ONBOARDING_ID)
    assert sandbox.books()["initiations"] == 1


def test_rate_limit_of_the_key(meet: Callable[..., Any]) -> None:
    """Above its rate a key is answered 429; other keys and the object store are not; the rate may change."""
    with Sandbox(rate_limit_per_s=5, service_keys=("a", "b")) as sandbox:
        a, b = meet(sandbox, key="a"), meet(sandbox, key="b")
        codes = [a.http.get("/workflow/private").status_code for _ in range(20)]
        assert codes[:5] == [200] * 5
        assert codes.count(429) >= 10
        limited = next(r for r in (a.http.get("/workflow/private") for _ in range(5)) if r.status_code == 429)
        assert limited.json()["metadata"] == {"retryAfterSeconds": 0}
        assert "retry-after" not in limited.headers
        assert b.http.get("/workflow/private").status_code == 200
        sandbox.advance(10)
        assert a.http.get("/workflow/private").status_code == 200
        sandbox.options.rate_limit_per_s = None
        assert {a.http.get("/workflow/private").status_code for _ in range(30)} == {200}
        assert sandbox.books(summary=True)["rate_limited"] >= 10
