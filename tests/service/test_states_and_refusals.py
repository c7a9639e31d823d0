"""The short replies: states in any spelling, ids, addresses, and every form of no."""

from __future__ import annotations

from typing import Any

import pytest

from opus_nb.errors import ReplyUnreadable
from opus_nb.job import JobState
from opus_nb.service.replies import (
    inner_error,
    read_error_body,
    read_job_id,
    read_state,
    read_upload_urls,
    retry_after_s,
)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("PENDING", "pending"),
        ("IN PROGRESS", "running"),
        ("IN_PROGRESS", "running"),
        ("in_progress", "running"),
        ("In-Progress", "running"),
        (" in progress\n", "running"),
        ("inProgress", "running"),
        ("WAITING", "waiting"),
        ("COMPLETED", "completed"),
        ("completed", "completed"),
        ("FAILED", "failed"),
        ("failed", "failed"),
        ("ERROR", "failed"),
        ("CANCELLED", "cancelled"),
        ("CANCELED", "cancelled"),
        ("STOPPED", "cancelled"),
        ("stopped", "cancelled"),
        ("TIMED_OUT", "timed_out"),
        ("timed out", "timed_out"),
        ("UNKNOWN", "unknown"),
        ("REFINING", "unknown"),
        ("COMPLETED_WITH_WARNINGS", "unknown"),
        ("", "unknown"),
    ],
)
def test_every_spelling_of_a_state(word: str, name: str) -> None:
    """T9: spelling does not matter, a strange word is no end, and the word is kept letter for letter."""
    assert read_state({"status": word}) == JobState(name, word)
    assert read_state({"status": word}).is_end is (name in {"completed", "failed", "cancelled", "timed_out"})


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ({"state": "COMPLETED"}, JobState("completed", "COMPLETED")),
        ({"status": None, "state": "FAILED"}, JobState("failed", "FAILED")),
        ({"data": {"status": "WAITING"}}, JobState("waiting", "WAITING")),
        ({"status": {"name": "PENDING"}}, JobState("pending", "PENDING")),
        ("COMPLETED", JobState("completed", "COMPLETED")),
        ({}, JobState("unknown", "")),
        ({"status": 3}, JobState("unknown", "")),
        (None, JobState("unknown", "")),
        ([], JobState("unknown", "")),
    ],
)
def test_where_the_state_may_stand(reply: Any, state: JobState) -> None:
    """``status``, else ``state``, at the top or inside ``data``; without any it is unknown, not an end."""
    assert read_state(reply) == state


@pytest.mark.parametrize(
    ("reply", "job_id"),
    [
        ({"jobExecutionId": "2514"}, "2514"),
        ({"job_execution_id": 2514}, "2514"),
        ({"caseId": "c-1"}, "c-1"),
        ({"data": {"jobExecutionId": " 2514 "}}, "2514"),
    ],
)
def test_job_ids_are_opaque_text(reply: Any, job_id: str) -> None:
    """Numbers become text; both families of the API are understood."""
    assert read_job_id(reply) == job_id


@pytest.mark.parametrize(
    "reply", [{}, {"id": "2514"}, {"execution_id": "x"}, {"jobExecutionId": ""}, [], None, "2514", True]
)
def test_a_job_id_is_never_made_up(reply: Any) -> None:
    """Another id space is not taken for it, and emptiness is no id."""
    with pytest.raises(ReplyUnreadable):
        read_job_id(reply)


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"presignedUrl": "https://s3/x"},
        {"presignedUrl": "https://s3/x", "fileUrl": ""},
        {"presignedUrl": "x", "fileUrl": "https://f/x"},
        None,
    ],
)
def test_upload_addresses_are_never_made_up_nor_shown(reply: Any) -> None:
    """One address alone is useless, and an error must not carry a presigned one."""
    with pytest.raises(ReplyUnreadable) as caught:
        read_upload_urls(reply)
    assert "https" not in str(caught.value)


def test_upload_addresses_in_any_spelling() -> None:
    """Snake case and a wrapper do not matter."""
    reply = {"data": {"presigned_url": "https://s3/x?token=1", "file_url": "https://f/x"}}
    assert read_upload_urls(reply) == ("https://s3/x?token=1", "https://f/x")


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ('{"statusCode":401,"message":"API key is required"}', ("API key is required",)),
        ('{"statusCode":400,"message":["a","b","a"],"error":"Bad Request"}', ("a", "b")),
        ('{"statusCode":400,"message":[],"error":"Bad Request"}', ("Bad Request",)),
        ('{"message":{"statusCode":422,"message":["x is wrong"]}}', ("x is wrong",)),
        ('{"error":{"message":"boom","code":7}}', ("boom",)),
        ('{"message":[{"property":"title","constraints":{"isNotEmpty":"title should not be empty"}}]}',
         ("title should not be empty",)),
        ('{"detail":[{"loc":["body","x"],"msg":"field required"}]}', ("body.x: field required",)),
        ('{"scope":"workspace","limit":20,"active":20}', ("scope: workspace, limit: 20, active: 20",)),
        ('["first","second"]', ("first", "second")),
        ('"just text"', ("just text",)),
        ("{}", ("{}",)),
        ('{"message": "cut o', ('{"message": "cut o',)),
        ("Bad gateway", ("Bad gateway",)),
        ("  \n", ("Service Unavailable",)),
        ("null", ("null",)),
        ("<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>",
         ("502 Bad Gateway",)),
        ("<!DOCTYPE html><html><style>h1{}</style><body><h1>413 Request Entity &amp; Co</h1></body>",
         ("413 Request Entity & Co",)),
        ("<html><script>var a='<h1>no</h1>'</script><body><p>All   is\nlost</p></body></html>", ("All is lost",)),
        ('<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>',
         ("AccessDenied: Request has expired",)),
        ("<oops", ("<oops",)),
        ("\ufeff" + '{"message":"with a mark"}', ("with a mark",)),
    ],
)  # fmt: skip
def test_the_servers_words(body: str, messages: tuple[str, ...]) -> None:
    """T22, T23: list or text, JSON or HTML or XML, whole or cut off: the words come out."""
    assert read_error_body(503, "", body) == messages


def test_words_are_one_line_of_300_characters() -> None:
    """A page of text does not flood a table."""
    (message,) = read_error_body(500, "text/plain", "line\n" * 1000)
    assert len(message) == 300
    assert message.startswith("line line")
    assert message.endswith("…")


def test_an_unknown_status_without_words() -> None:
    """Even a made-up status has something to say."""
    assert read_error_body(599, "", "") == ("HTTP 599",)


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (
            {"statusCode": 500, "message": "Request failed with status code 422"},
            (500, ("Request failed with status code 422",)),
        ),
        ({"statusCode": "429", "message": ["slow", "down"]}, (429, ("slow", "down"))),
        ({"statusCode": 404}, (404, ("Not Found",))),
        ({"success": False, "message": "no credits"}, (0, ("no credits",))),
        ({"success": False}, (0, ("success is false, and no reason is given",))),
        ({"success": True, "error": {"statusCode": 400, "message": "bad"}}, (400, ("bad",))),
        ({"error": "boom"}, (0, ("boom",))),
        ({"error": True, "message": "boom"}, (0, ("boom",))),
    ],
)
def test_a_no_inside_a_2xx_is_found(reply: Any, found: Any) -> None:
    """T19: an inner status, ``success: false`` or an error object is a refusal."""
    assert inner_error(reply) == found


@pytest.mark.parametrize(
    "reply",
    [
        {"statusCode": 200, "message": "Job Started"},
        {"success": True, "message": "Job execution has been started", "jobExecutionId": "2514"},
        {"success": True, "error": None},
        {"success": True, "error": {}},
        {"status": "FAILED", "error": "node 3 broke"},
        {"state": "FAILED", "error": {"message": "node 3 broke"}},
        {"results": {"error": "an output of that name"}},
        {"jobResultsPayloadSchema": {}, "error": "x"},
        {"auditTrail": [], "error": "x"},
        [{"success": False}],
        None,
        "no",
    ],
)
def test_news_of_a_job_are_no_refusal(reply: Any) -> None:
    """T19: a failed job is an answer, and a fine answer is fine."""
    assert inner_error(reply) is None


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({"Retry-After": "7"}, None, 7.0),
        ({"retry-after": "0"}, {"metadata": {"retryAfterSeconds": 9}}, 0.0),
        ({"RETRY-AFTER": "1.5"}, None, 1.5),
        ({"Retry-After": "-3"}, None, 0.0),
        ({}, {"metadata": {"retryAfterSeconds": 0}}, 0.0),
        ({}, {"metadata": {"retryAfterSeconds": 12}}, 12.0),
        ({}, {"error": {"metadata": {"retry_after_seconds": "3"}}}, 3.0),
        ({}, {"message": "slow down"}, None),
        ({}, None, None),
        ({"Retry-After": "soon"}, {"metadata": {"retryAfterSeconds": 4}}, 4.0),
        ({"Retry-After": "nan"}, None, None),
        ({"Retry-After": "Mon, 27 Oct 2025 12:00:30 GMT"}, None, 20.0),
        ({"Retry-After": "Mon, 27 Oct 2025 11:00:00 GMT"}, None, 0.0),
        ({"Retry-After": "Mon, 27 Oct 2025 12:00:30 GMT", "Date": "Mon, 27 Oct 2025 12:00:25 GMT"}, None, 5.0),
        ({}, {"metadata": {"retryAfterSeconds": True}}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], body: Any, wait: float | None) -> None:
    """The header in seconds or as a date, then the body; 0 is an answer, and the server's clock is used."""
    assert retry_after_s(headers, body, now=1761566410.0) == wait
