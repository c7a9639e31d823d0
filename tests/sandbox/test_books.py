"""The books: what a test can prove with them."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import httpx
import pytest

from opus_nb.sandbox.workflows import DOSSIER_ID


def test_executions_by_payload_title_and_marker(visitor: Any, payload_of: Any) -> None:
    """Equal payloads count together, whatever address their files got; titles and their last words count apart."""
    first = visitor.run(DOSSIER_ID, payload_of(visitor, question="One?"), title="Row 1 [r:1]")
    second = visitor.run(DOSSIER_ID, payload_of(visitor, question="One?"), title="Again [r:1]")
    visitor.run(DOSSIER_ID, payload_of(visitor, question="Two?"), title="Row 2 [r:2]")
    books = visitor.sandbox.books()
    assert sorted(books["executions_by_payload"].values()) == [1, 2]
    assert books["executions_by_title"] == {"Row 1 [r:1]": 1, "Again [r:1]": 1, "Row 2 [r:2]": 1}
    assert books["executions_by_marker"] == {"[r:1]": 2, "[r:2]": 1}
    assert (books["payloads_executed_twice"], books["titles_executed_twice"], books["markers_executed_twice"]) == (
        1,
        0,
        1,
    )
    assert books["job_books"][first]["payload"] == books["job_books"][second]["payload"]


def test_line_of_a_job(patient: Any, payload_of: Any) -> None:
    """Each job has its times, the moment its end was noticed, and how often it was asked for."""
    job = patient.run(DOSSIER_ID, payload_of(patient), to_the_end=False)
    patient.status(job)
    patient.sandbox.advance(100)
    line = patient.sandbox.books()["job_books"][job]
    assert (line["status"], line["end_seen_at"], line["lateness_s"]) == ("COMPLETED", None, None)
    assert line["ended_at"] is not None
    assert patient.sandbox.books()["ends_not_noticed"] == 1
    patient.status(job)
    patient.status(job)
    line = patient.sandbox.books()["job_books"][job]
    assert line["status_calls"] == 3
    assert 90 < line["lateness_s"] < 101
    assert line["lateness_s"] == pytest.approx(line["end_seen_at"] - line["ended_at"])
    assert line["initiated_at"] <= line["executed_at"][0] <= line["ended_at"]
    summary = patient.sandbox.books(summary=True)
    assert summary["lateness_s"]["count"] == 1
    assert summary["lateness_s"]["max"] == pytest.approx(line["lateness_s"])
    assert summary["status_calls"] == 3


def test_an_answer_that_never_arrived_noticed_nothing(visitor: Any, payload_of: Any) -> None:
    """A status answer that a fault swallowed does not count as having seen the end."""
    job = visitor.run(DOSSIER_ID, payload_of(visitor))
    for kind in ("cut_off", "error"):
        visitor.sandbox.fault("status", kind, times=1, **({"after": True} if kind == "error" else {}))
        with contextlib.suppress(httpx.RemoteProtocolError):
            visitor.get(job, "status")
        assert visitor.sandbox.books()["job_books"][job]["end_seen_at"] is None
    assert visitor.status(job) == "COMPLETED"
    assert visitor.sandbox.books()["job_books"][job]["end_seen_at"] is not None


def test_summary_is_short(visitor: Any, payload_of: Any) -> None:
    """The summary has totals only, over HTTP as in process."""
    visitor.run(DOSSIER_ID, payload_of(visitor))
    full = visitor.http.get("/__sandbox__/books").json()
    short = visitor.http.get("/__sandbox__/books?summary=1").json()
    assert set(full) - set(short) == {
        "executions_by_payload",
        "executions_by_title",
        "executions_by_marker",
        "executions_by_job",
        "orphans",
        "uploads",
        "job_books",
    }
    assert full == visitor.sandbox.books()
    assert short == visitor.sandbox.books(summary=True)
    assert short["calls"] == {"workflow": 1, "upload": 1, "put": 1, "initiate": 1, "execute": 1}
    assert short["requests"] == 5
    assert short["internal_errors"] == []


def test_peak_requests_per_second(visitor: Any) -> None:
    """The busiest second is kept; a quiet hour does not add to it."""
    for _ in range(30):
        visitor.http.get("/workflow/private")
    visitor.sandbox.advance(3600)
    visitor.http.get("/workflow/private")
    assert 5 <= visitor.sandbox.books()["peak_requests_per_s"] <= 30


def test_reset_forgets_and_goes_on(visitor: Any, payload_of: Any) -> None:
    """After a reset jobs, files, counts and faults are gone, workflows stay, and no number is given twice."""
    before = visitor.run(DOSSIER_ID, payload_of(visitor))
    visitor.sandbox.fault("status", "error")
    visitor.sandbox.reset()
    assert visitor.get(before, "status").status_code == 404
    books = visitor.sandbox.books()
    assert (books["jobs"], books["executions"], books["contents_uploaded"]) == (0, 0, 0)
    assert int(visitor.initiate(DOSSIER_ID)) > int(before)
    assert visitor.http.post("/__sandbox__/reset").status_code == 204
    assert visitor.sandbox.books()["initiations"] == 0


def test_books_can_be_read_from_many_threads(visitor: Any, payload_of: Any) -> None:
    """Asking while jobs are made never fails."""
    payload, heard = payload_of(visitor), []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            heard.append(visitor.sandbox.books(summary=True)["initiations"])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        visitor.run(DOSSIER_ID, payload)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(heard) > 10
    assert max(heard) <= visitor.sandbox.books(summary=True)["initiations"]


def test_clock_and_options_over_http(visitor: Any) -> None:
    """The clock can be advanced and options changed over HTTP; mistakes are refused."""
    post = visitor.http.post
    now = post("/__sandbox__/clock", json={"advance_s": 0}).json()["now"]
    assert post("/__sandbox__/clock", json={"advance_s": 100}).json()["now"] >= now + 100
    assert post("/__sandbox__/clock", json={"advance_s": -1}).status_code == 400
    changed = post("/__sandbox__/options", json={"second_execute": "409", "signed_headers": "content-type;host"})
    assert changed.json()["second_execute"] == "409"
    assert visitor.sandbox.options.signed_headers == "content-type;host"
    assert visitor.http.get("/__sandbox__/options").json() == changed.json()
    assert post("/__sandbox__/options", json={"nonsense": 1}).status_code == 400
    with pytest.raises(ValueError, match="forward"):
        visitor.sandbox.advance(-1)
