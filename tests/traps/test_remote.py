"""Beyond the run: any job by its id, the search, archive and delete, and the test of the connection."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from trap_making import books, echo, shells

import opus_nb
from opus_nb.errors import (
    AnswerLost,
    NotFound,
    OpusError,
    RateLimited,
    ReplyUnreadable,
    RequestRefused,
    ServiceTrouble,
    SettingsError,
)
from opus_nb.sandbox import Input, Node, Output, workflow

Serve = Callable[..., opus_nb.Opus]
TEXTS = pd.DataFrame({"Text": ["a", "b"]})


def ran(serve: Serve, generation: str = "v2") -> tuple[opus_nb.Opus, str]:
    """A sandbox with two jobs that have run; the id of the first."""
    opus = serve(echo(generation))
    run = opus.workflow(echo(generation).id).run(TEXTS, title="Claim {Text}", progress="off").wait()
    return opus, str(run.jobs()["job_id"].iloc[0])


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_any_job_is_opened_by_its_id(serve: Serve, generation: str) -> None:
    """State, results, audit, nodes and detail of a job, as rows that look like a run's."""
    opus, job_id = ran(serve, generation)
    job = opus.job(int(job_id))
    assert (job.id, job.state, job.word.upper()) == (job_id, "completed", "COMPLETED")
    results = job.results()
    assert list(results.columns) == ["state", "job_id", "error", "Loud"]
    assert (results.index[0], results["Loud"].iloc[0], results["state"].iloc[0]) == (job_id, "A", "completed")
    assert job.outputs == {"Loud": "A"}
    assert "Shout" in set(job.audit()["event"])
    assert "Shout" in set(job.nodes().index) | set(job.nodes().astype(str).to_numpy().ravel())
    assert job.detail()["title"].startswith("Claim a [")
    assert job_id in repr(job)
    assert "completed" in job._repr_html_()


def test_a_case_is_opened_by_its_id(serve: Serve) -> None:
    """One question more finds the family; labels come from the workflow where it is given; there is no detail."""
    opus, case_id = ran(serve, "cases")
    job = opus.job(case_id, workflow=opus.workflow(echo("cases").id))
    assert (job.generation, job.state, job.outputs) == ("cases", "completed", {"Loud": "A"})
    with pytest.raises(NotFound, match="no such route"):
        job.detail()
    with pytest.raises(RequestRefused, match="cannot be deleted"):
        job.delete(confirm=True)


def test_a_job_that_nobody_knows(serve: Serve) -> None:
    """The first answer is told, after one question more."""
    opus = serve(echo())
    with pytest.raises(NotFound, match="99999"):
        opus.job("99999")
    assert books(opus)["calls"]["status"] == 2
    with pytest.raises(SettingsError):
        opus.job("")


def test_waiting_for_a_job_from_elsewhere(serve: Serve) -> None:
    """It returns when a person is asked, stays for them if told to, and gives up in time."""

    @workflow(
        "Desk", inputs=[Input("Text")], outputs=[Output("Said")], nodes=[Node("Boss", seconds=math.inf, person=True)]
    )
    def desk(job: Any, text: str) -> dict[str, Any]:
        return {"Said": job.person("Boss")}

    opus = serve(desk)
    run = opus.workflow(desk.id).run(TEXTS[:1], progress="off").wait()
    job = opus.job(run.jobs()["job_id"].iloc[0])
    assert job.wait().state == "waiting"
    assert job.wait(for_people=True, timeout_s=0.1).state == "waiting"
    assert job.results()["Said"].isna().all() if "Said" in job.results() else True
    opus.sandbox.answer(job.id, "yes")
    assert job.wait(for_people=True).outputs == {"Said": "yes"}


def test_the_search_gives_a_frame(serve: Serve) -> None:
    """By workflow, status, words and day; page by page; newest first."""
    opus, _ = ran(serve)
    opus.sandbox.fault("execute", "script", seconds=0.05, end="STOPPED", times=1)
    opus.workflow(echo().id).run(TEXTS[:1], title="Stopped one", name="third", progress="off").wait()
    found = opus.jobs()
    assert list(found["title"].str[:7]) == ["Stopped", "Claim b", "Claim a"] or len(found) == 3
    assert set(found["workflow"]) == {"Echo"}
    assert str(found["created_at"].dt.tz) == "UTC"
    assert len(opus.jobs(workflow=opus.workflow(echo().id), query="claim")) == 2
    assert list(opus.jobs(status="cancelled")["word"]) == ["STOPPED"]
    assert len(opus.jobs(status=["completed", "in progress"])) == 2
    assert len(opus.jobs(since=pd.Timestamp.now(tz="UTC") - pd.Timedelta(minutes=5))) == 3
    assert opus.jobs(since="2100-01-01").empty
    assert len(opus.jobs(limit=2)) == 2
    assert opus.jobs(query="no such words").shape == (0, found.shape[1])


def test_a_status_that_the_search_refuses_is_chosen_here(serve: Serve) -> None:
    """Where Opus does not know the word, all jobs are read and looked through."""
    opus, _ = ran(serve)
    opus.sandbox.fault("search", "error", status=400, message="status must be one of ...", times=1)
    assert opus.jobs(status="timed_out").empty
    opus.sandbox.fault("search", "error", status=400, message="status must be one of ...", times=1)
    assert len(opus.jobs(status="completed")) == 2


def test_where_there_is_no_search_that_is_said(serve: Serve) -> None:
    """An empty table would be a lie."""
    opus = serve(echo())
    opus.sandbox.fault("search", "error", status=404, message="Cannot GET /job/search")
    with pytest.raises(NotFound, match="does not answer the search for jobs") as caught:
        opus.jobs()
    assert "opus.job(id)" in str(caught.value)
    with pytest.raises(SettingsError, match="since"):
        opus.jobs(since="some day")


def test_archive_and_delete_want_a_confirmation(serve: Serve) -> None:
    """Without it nothing is sent; with it the job is put away, brought back, and gone."""
    opus, job_id = ran(serve)
    for act in (opus.archive, opus.delete):
        with pytest.raises(SettingsError, match="confirm=True"):
            act(job_id)
    assert {"archive", "delete"} & set(books(opus)["calls"]) == set()
    opus.archive(job_id, confirm=True)
    assert list(opus.jobs(archived=True)["job_id"]) == [job_id]
    assert len(opus.jobs()) == 1
    assert len(opus.jobs(archived=None)) == 2
    opus.job(job_id).unarchive()
    assert len(opus.jobs()) == 2
    opus.delete(job_id, confirm=True)
    assert len(shells(opus)) == 1
    with pytest.raises(NotFound):
        opus.job(job_id)


def test_the_check_in_words(serve: Serve, tmp_path: Path) -> None:
    """Address, key, workflow, active, inputs, round trip: each a line; ``ok`` where nothing is wrong."""
    opus = serve(echo(), echo("v1", active=False))
    found = opus.check(echo().id)
    assert found.ok
    assert [each.what for each in found.findings] == [
        "address", "service key", "workflow", "active", "inputs", "round trip",
    ]  # fmt: skip
    assert found.round_trip_s is not None
    assert 0 < found.round_trip_s < 10
    assert "1, of which 1 required" in repr(found)
    assert "<table>" in found._repr_html_()
    assert opus.check().ok
    inactive = opus.check(echo("v1").id)
    assert not inactive.ok
    assert "its author can activate it" in repr(inactive)
    assert "not visible" in repr(opus.check("AAAAAAAAAAAAAAAA"))


def test_the_check_tells_trouble_and_does_not_raise(serve: Serve, tmp_path: Path) -> None:
    """A refused key, an address where nobody is, and a service whose list is gone."""
    opus = serve(echo())
    with opus_nb.connect("_wrong", base_url=opus.base_url, ledger=tmp_path / "a") as stranger:
        found = stranger.check(echo().id)
        assert not found.ok
        assert "✗ service key: not accepted" in repr(found)
    with opus_nb.connect("_any", base_url="http://127.0.0.1:9", ledger=tmp_path / "b") as lonely:
        found = lonely.check()
        assert [(each.what, each.verdict) for each in found.findings] == [("address", "bad")]
        assert "cannot be reached" in repr(found)
    opus.sandbox.fault("list", "error", status=404, message="Cannot GET /workflow/private")
    assert "✓ service key: accepted" in repr(opus.check())
    opus.sandbox.fault("search", "error", status=404, message="Cannot GET /job/search")
    found = opus.check()
    assert "? service key" in repr(found)
    assert found.ok


READS: dict[str, tuple[str, dict[str, Any], type[OpusError], str]] = {
    "a page of 502": ("error", {"status": 502, "html": True}, ServiceTrouble, "Try again in a few minutes"),
    "a 503 in JSON": ("error", {"status": 503}, ServiceTrouble, "opus.check()"),
    "429 for ever": ("rate_limited", {"retry_after_s": 0, "style": "body"}, RateLimited, "max_requests_per_second"),
    "an answer that is lost": ("lost_after", {}, AnswerLost, "Nothing was changed. Try again"),
    "half an answer": ("cut_off", {}, AnswerLost, "connect(timeout_s=...)"),
    "a page instead of JSON": ("html", {}, ReplyUnreadable, "connect(base_url=...)"),
    "a refusal": (
        "error",
        {"status": 400, "message": ["id must be a number"]},
        RequestRefused,
        "correct what it names",
    ),
}


@pytest.mark.parametrize("case", READS)
def test_every_read_that_fails_says_all_four_parts(serve: Serve, case: str) -> None:
    """What we were doing, where, what came back, and what to do next, whatever the trouble is."""
    kind, parts, error, next_step = READS[case]
    opus = serve(echo())
    opus.sandbox.fault("status", kind, **parts)
    with pytest.raises(error) as caught:
        opus.job("123")
    told = caught.value
    assert told.what.startswith("Asking for the status of job 123")
    assert told.where == "GET /job/123/status"
    assert told.came_back
    assert next_step in str(told)
