"""A completed job whose results do not come: waited for in reason, and with the reason to be seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from trap_making import books, echo

import opus_nb
from opus_nb.batch import collecting

Serve = Callable[..., opus_nb.Opus]
TEXTS = pd.DataFrame({"Text": ["a"]})


class Ear:
    """Hears what is said of rows whose job has ended."""

    def __init__(self) -> None:
        self.said: list[str | None] = []

    def observe(self, event: Any) -> None:
        if event.state.value == "collecting":
            self.said.append(event.error)


def test_one_ladder_of_repeats_and_its_reason(serve: Serve) -> None:
    """Each question goes out once: eight in all, not eight times five; the row says what it waits for."""
    opus = serve(echo(), settle_s=0.3)
    opus.sandbox.fault("results", "error", status=503, html=True, message="503 Service Unavailable")
    ear = Ear()
    run = opus.workflow(echo().id).run(TEXTS, progress=ear)
    while run.jobs()["note"].isna().all():
        run.wait(timeout_s=0.01)
    assert dict(run.counts) == {"running": 1}
    assert run.jobs()["note"].iloc[0] == "completed; its results are awaited: 503 Service Unavailable"
    done = run.wait().results()
    assert books(opus)["calls"]["results"] == 8
    assert ear.said == [None, "completed; its results are awaited: 503 Service Unavailable"]
    assert done["state"].iloc[0] == "completed"
    assert done["error"].iloc[0] == (
        "completed, but its results could not be fetched (503 Service Unavailable); run.reconcile() asks again"
    )
    opus.sandbox.faults_clear()
    run.reconcile()
    assert run.results()[["Loud", "error"]].iloc[0].fillna("").tolist() == ["A", ""]


def test_a_server_that_never_answers_is_bounded_by_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long each question takes, all of them together take no longer than was settled, and one more."""
    monkeypatch.setattr(collecting, "RESULTS_S", 0.6)
    opus = serve(echo(), timeout_s=0.3)
    opus.sandbox.fault("results", "slow", before_s=5)
    began = time.monotonic()
    run = opus.workflow(echo().id).run(TEXTS, progress="off", fetch_audit=False).wait()
    assert time.monotonic() - began < 3.0
    assert "ReadTimeout" in run.results()["error"].iloc[0]
    assert 2 <= books(opus)["calls"]["results"] <= 4


def test_results_that_are_just_not_written_yet_need_no_words(serve: Serve) -> None:
    """The first "not yet" is common and says nothing; from the second on it is told, and forgotten at the end."""
    opus = serve(echo())
    opus.sandbox.fault("results", "error", status=202, body={}, times=3)
    ear = Ear()
    run = opus.workflow(echo().id).run(TEXTS, progress=ear).wait()
    assert ear.said == [None, "completed; its results are awaited: they are not there yet"]
    assert run.results()["error"].isna().all()
    assert list(run.results()["Loud"]) == ["A"]


def test_slower_is_not_later(serve: Serve) -> None:
    """429s use up none of the questions: they hold the key back, not the job."""
    opus = serve(echo())
    fault = opus.sandbox.fault("results", "rate_limited", retry_after_s=0, style="body", times=18)
    run = opus.workflow(echo().id).run(TEXTS, progress="off").wait()
    assert fault.fired == 18
    assert list(run.results()["Loud"]) == ["A"]


def test_many_wait_side_by_side(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for results holds up nobody: all rows are told before the first gives up, however many there are."""
    monkeypatch.setattr(collecting, "COLLECTED_AT_ONCE", 2)
    opus = serve(echo(), settle_s=0.2)
    opus.sandbox.fault("results", "error", status=202, body={})
    told: list[str] = []

    class Listener:
        def observe(self, event: Any) -> None:
            if event.state.value == "completed" or (event.state.value == "collecting" and event.error):
                told.append(event.state.value)

    rows = pd.DataFrame({"Text": [str(number) for number in range(8)]})
    run = opus.workflow(echo().id).run(rows, progress=Listener(), max_concurrency=8).wait()
    assert told[:8] == ["collecting"] * 8
    assert dict(run.counts) == {"completed": 8}
    assert books(opus)["calls"]["results"] == 64
