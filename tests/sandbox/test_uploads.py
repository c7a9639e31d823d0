"""Presigned addresses, the PUT behind them, and downloads."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from opus_nb.sandbox import Sandbox
from opus_nb.sandbox.workflows import DOSSIER_ID, QUICKSTART_ID, VENDOR_ONBOARDING_ID


def _ask(visitor: Any, **body: Any) -> httpx.Response:
    answer: httpx.Response = visitor.http.post("/job/file/upload", json={"workflowId": DOSSIER_ID, **body})
    return answer


@pytest.mark.parametrize(
    "kind", ["jpeg", "png", "jpg", "pdf", "docx", "csv", "xls", "xlsx", "txt", "json", "html", "xml"]
)
def test_all_twelve_kinds_with_and_without_dot(visitor: Any, kind: str) -> None:
    """Each kind is accepted with a dot, without, and in capitals; the address and the identifier carry it."""
    for written in (f".{kind}", kind, f".{kind.upper()}"):
        answer = _ask(visitor, fileExtension=written)
        assert answer.status_code == 201
        url = answer.json()["fileUrl"]
        assert re.fullmatch(rf"https://files\.opus\.com/media/private/uploaded/media_[0-9a-f-]{{36}}\.{kind}", url)
        query = parse_qs(urlsplit(answer.json()["presignedUrl"]).query)
        assert query["X-Amz-SignedHeaders"] == ["host"]
        assert query["X-Amz-Expires"] == ["300"]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "fileExtension should not be empty"),
        ({"fileExtension": "."}, "fileExtension should not be empty"),
        ({"fileExtension": ".webp"}, "fileExtension must be one of"),
        ({"fileExtension": ".pdf", "accessScope": "team"}, "accessScope must be one of"),
        ({"fileExtension": ".pdf", "workflowId": None}, "workflowId or workspaceId is required"),
    ],
)
def test_bad_upload_requests(visitor: Any, body: dict[str, Any], part: str) -> None:
    """A missing or unknown kind, an unknown scope and a missing owner are refused."""
    answer = _ask(visitor, **body)
    assert answer.status_code == 400
    assert part in answer.json()["message"][0]


@pytest.mark.parametrize("scope", ["all", "user", "workspace", "organization", "unlisted"])
def test_scopes(visitor: Any, scope: str) -> None:
    """The documented scopes are accepted, and a workspace may stand in for the workflow."""
    answer = visitor.http.post(
        "/job/file/upload", json={"fileExtension": "pdf", "accessScope": scope, "workspaceId": "w"}
    )
    assert answer.status_code == 201


def test_unknown_owner_is_404(visitor: Any) -> None:
    """An upload for a workflow that the old routes do not know is not found."""
    assert _ask(visitor, fileExtension="pdf", workflowId="nobody").status_code == 404
    assert _ask(visitor, fileExtension="pdf", workflowId=VENDOR_ONBOARDING_ID).status_code == 404


def test_case_uploads_know_two_scopes(sandbox: Sandbox, meet: Callable[..., Any]) -> None:
    """The case family takes workspace and unlisted only."""
    cases = meet(sandbox, cases=True)
    body = {"fileExtension": ".pdf", "workflowId": VENDOR_ONBOARDING_ID}
    answers = [
        cases.http.post("/file/upload/presigned", json=body | {"accessScope": scope}).status_code
        for scope in ("workspace", "unlisted", "organization", "all")
    ]
    assert answers == [201, 201, 400, 400]


def test_put_answers_nothing_and_is_booked_by_content(visitor: Any) -> None:
    """A PUT of the bytes is 200 without a body; equal contents count as one."""
    for content in (b"one", b"one", b"two"):
        url = _ask(visitor, fileExtension="txt").json()["presignedUrl"]
        answer = visitor.put(url, content=content)
        assert (answer.status_code, answer.content) == (200, b"")
    books = visitor.sandbox.books()
    assert (books["files_uploaded"], books["contents_uploaded"]) == (3, 2)
    assert sorted(books["uploads"].values()) == [1, 2]
    assert books["key_leaks"] == 0


def test_put_with_the_key_is_a_leak(visitor: Any) -> None:
    """The books count a PUT that carries the service key; it works all the same."""
    url = _ask(visitor, fileExtension="txt").json()["presignedUrl"]
    assert visitor.put(url, content=b"x", headers={"x-service-key": "sandbox"}).status_code == 200
    assert visitor.sandbox.books()["key_leaks"] == 1


def test_only_put_opens_the_address(visitor: Any, ask: httpx.Client) -> None:
    """A POST to the presigned address is 404, a changed signature 403."""
    url = _ask(visitor, fileExtension="txt").json()["presignedUrl"]
    assert ask.post(url, content=b"x").status_code == 404
    broken = visitor.put(url[:-4] + "0000", content=b"x")
    assert (broken.status_code, broken.headers["content-type"]) == (403, "application/xml")
    assert "SignatureDoesNotMatch" in broken.text


def test_address_expires(visitor: Any) -> None:
    """After its lifetime the address answers 403 in XML."""
    url = _ask(visitor, fileExtension="txt").json()["presignedUrl"]
    visitor.sandbox.advance(301)
    answer = visitor.put(url, content=b"x")
    assert answer.status_code == 403
    assert "Request has expired" in answer.text


def test_chunks_need_a_length(visitor: Any) -> None:
    """A chunked PUT without Content-Length is 411."""

    def pieces() -> Iterator[bytes]:
        yield b"one"
        yield b"two"

    url = _ask(visitor, fileExtension="txt").json()["presignedUrl"]
    assert visitor.put(url, content=pieces()).status_code == 411


def test_more_than_ten_megabytes_is_a_page(visitor: Any) -> None:
    """10 MB pass; one byte more is 413 with HTML."""
    limit = 10 * 1024 * 1024
    url = _ask(visitor, fileExtension="txt").json()["presignedUrl"]
    assert visitor.put(url, content=b"x" * limit).status_code == 200
    answer = visitor.put(url, content=b"x" * (limit + 1))
    assert (answer.status_code, answer.headers["content-type"]) == (413, "text/html")


PDF = {"content-type": "application/pdf"}


@pytest.mark.parametrize(
    ("policy", "signed", "headers", "status"),
    [
        ("signed", "host", {}, 200),
        ("signed", "host", PDF, 403),
        ("signed", "content-type;host", PDF, 200),
        ("signed", "content-type;host", {}, 403),
        ("signed", "content-type;host", {"content-type": "text/plain"}, 403),
        ("required", "host", PDF, 200),
        ("required", "host", {}, 403),
        ("forbidden", "content-type;host", PDF, 403),
        ("forbidden", "host", {}, 200),
        ("any", "host", {"content-type": "whatever/else"}, 200),
    ],
)
def test_content_type_policies(visitor: Any, policy: Any, signed: str, headers: dict[str, str], status: int) -> None:
    """Whether a Content-Type is wanted goes by the signed headers, or by the policy that was set."""
    visitor.sandbox.options.content_type = policy
    visitor.sandbox.options.signed_headers = signed
    url = _ask(visitor, fileExtension="pdf").json()["presignedUrl"]
    assert parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"] == [signed]
    assert visitor.put(url, content=b"%PDF", headers=headers).status_code == status


def test_generated_files_can_be_downloaded(visitor: Any, quickstart_payload: Any, ask: httpx.Client) -> None:
    """What a job made comes back through the download route, whole or in part, until the address expires."""
    job = visitor.run(QUICKSTART_ID, quickstart_payload(visitor))
    (url,) = visitor.get(job, "results").json()["results"]["outputFiles"]
    body = {"fileUrl": url, "workspaceId": "w", "customExpiry": 60}
    answer = visitor.http.post("/job/file/download", json=body).json()
    assert answer["fileUrl"] == url
    assert answer["contentType"] == "application/pdf"
    whole = ask.get(answer["presignedUrl"])
    assert whole.content.startswith(b"%PDF")
    assert len(whole.content) == answer["contentLength"]
    assert b"API Test Project" in whole.content
    part = ask.get(answer["presignedUrl"], headers={"range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, whole.content[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(whole.content)}"
    beyond = ask.get(answer["presignedUrl"], headers={"range": "bytes=999999-"})
    assert beyond.status_code == 416
    visitor.sandbox.advance(61)
    assert ask.get(answer["presignedUrl"]).status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"fileUrl": "https://files.opus.com/media/private/generated/none.pdf"}, 404),
        ({"fileUrl": "x", "customExpiry": 59}, 400),
        ({"fileUrl": "x", "customExpiry": 86_401}, 400),
        ({"fileUrl": "x", "customExpiry": "long"}, 400),
    ],
)
def test_bad_downloads(visitor: Any, body: dict[str, Any], status: int) -> None:
    """A download needs a file that exists and a lifetime within bounds."""
    assert visitor.http.post("/job/file/download", json=body).status_code == status


def test_uploads_cannot_be_read_back(visitor: Any) -> None:
    """An uploaded file's identifier opens neither the download route nor anything else."""
    url = visitor.upload(b"secret", workflow=DOSSIER_ID)
    assert visitor.http.post("/job/file/download", json={"fileUrl": url}).status_code == 404


def test_uploads_in_parallel_arrive_whole(sandbox: Sandbox, meet: Callable[..., Any]) -> None:
    """Many uploads at once each keep their own bytes."""
    visitor = meet(sandbox)
    contents = [bytes([n]) * 200_000 for n in range(12)]
    threads = [
        threading.Thread(target=visitor.upload, args=(content,), kwargs={"workflow": DOSSIER_ID})
        for content in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sandbox.books()["contents_uploaded"] == 12
