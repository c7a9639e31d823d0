"""Who may ask, and which paths exist."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from opus_nb.sandbox import Sandbox
from opus_nb.sandbox.workflows import DOSSIER_ID, QUICKSTART_ID

OPUS_ROUTES = [
    ("GET", f"/workflow/{QUICKSTART_ID}"),
    ("GET", "/workflow/private"),
    ("GET", f"/executor/workflow/{DOSSIER_ID}/versions"),
    ("GET", f"/reference-workflow/v2/workflow-object/{DOSSIER_ID}"),
    ("POST", "/job/initiate"),
    ("POST", "/job/v2/initiate"),
    ("POST", "/job/file/upload"),
    ("POST", "/job/file/download"),
    ("POST", "/job/execute"),
    ("GET", "/job/1/status"),
    ("GET", "/job/1/results"),
    ("GET", "/job/1/audit"),
    ("GET", "/job/1"),
    ("GET", "/job/search"),
    ("POST", "/job/1/archive"),
    ("DELETE", "/job/1/archive"),
    ("DELETE", "/job/1/delete"),
    ("GET", f"/api/v1/workflow/{DOSSIER_ID}"),
    ("POST", "/api/v1/file/upload/presigned"),
    ("POST", "/api/v1/case"),
    ("POST", "/api/v1/case/1/execute"),
    ("GET", "/api/v1/case/1/status"),
    ("GET", "/api/v1/case/1/results"),
    ("GET", "/api/v1/case/1/audit"),
]


@pytest.mark.parametrize(("method", "path"), OPUS_ROUTES)
def test_every_route_wants_the_key(shared: Sandbox, method: str, path: str, ask: httpx.Client) -> None:
    """Without a key, and with a wrong one, every route answers 401 in the envelope, each with its own words."""
    missing = ask.request(method, shared.base_url + path)
    wrong = ask.request(method, shared.base_url + path, headers={"x-service-key": "sandbx"})
    assert (missing.status_code, wrong.status_code) == (401, 401)
    assert missing.json()["message"] == "API key is required"
    assert wrong.json()["message"] == "Invalid or expired API key"
    assert wrong.json()["error"] == "Unauthorized"
    assert wrong.json()["path"] == path
    assert wrong.json()["statusCode"] == 401
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", wrong.json()["timestamp"])


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """One sandbox for all questions about keys."""
    with Sandbox(service_keys=["sandbox", "_0123abcd"]) as running:
        yield running


@pytest.mark.parametrize("key", ["0123abcd", "_0123abc", "_0123 abcd", "_0123ABCD", "_0123abcd_"])
def test_a_key_that_is_nearly_right_is_wrong(shared: Sandbox, key: str, ask: httpx.Client) -> None:
    """A lost underscore, a missing letter or a space inside is an invalid key."""
    answer = ask.get(shared.base_url + "/workflow/private", headers={"x-service-key": key})
    assert answer.json()["message"] == "Invalid or expired API key"


def test_each_accepted_key_works(shared: Sandbox, ask: httpx.Client) -> None:
    """All keys given to the sandbox are accepted."""
    for key in ("sandbox", "_0123abcd"):
        answer = ask.get(shared.base_url + "/workflow/private", headers={"x-service-key": key})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/workflows/x/jobs"),
        ("POST", "/api/v1/workflows/x/run"),
        ("GET", "/job//status"),
        ("POST", "/job/1/status"),
        ("GET", "/job/initiate/x/y"),
        ("GET", "/api/v1/case/1"),
        ("GET", "/api/v1/case/1/audit-log"),
        ("GET", "/api/v1/job/1/status"),
        ("PATCH", "/workflow/private"),
        ("GET", "/__sandbox__/nothing"),
    ],
)
def test_dead_routes_say_so(shared: Sandbox, method: str, path: str, ask: httpx.Client) -> None:
    """A path that does not exist answers 404 with the method and path, key or no key."""
    answer = ask.request(method, shared.base_url + path)
    assert answer.status_code == 404
    assert answer.json()["message"] == f"Cannot {method} {path}"


@pytest.mark.parametrize("path", ["/users", "/policies", "/file/search", "/tags"])
def test_routes_of_the_browser_want_a_cookie(shared: Sandbox, path: str, ask: httpx.Client) -> None:
    """Routes that are not for keys answer 401 about a cookie, even to a good key."""
    answer = ask.get(shared.base_url + path, headers={"x-service-key": "sandbox"})
    assert (answer.status_code, answer.json()["message"]) == (401, "No auth cookie provided")


def test_control_routes_want_no_key(shared: Sandbox, ask: httpx.Client) -> None:
    """Books, faults, options and the list of workflows are open."""
    for path in ("books", "faults", "options", "workflows"):
        assert ask.get(f"{shared.base_url}/__sandbox__/{path}").status_code == 200


def test_broken_json_is_refused(shared: Sandbox, ask: httpx.Client) -> None:
    """A body that is no JSON object is a 400, not a crash."""
    for body in (b"{", b"[1]", b"\xff\xfe", b'{"title": NaN}', b'{"title": Infinity}'):
        answer = ask.post(
            shared.base_url + "/job/initiate",
            headers={"x-service-key": "sandbox"},
            content=body,
        )
        assert answer.status_code == 400
    assert shared.books()["internal_errors"] == []
