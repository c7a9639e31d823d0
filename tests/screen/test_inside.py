"""Node progress: asked for what is shown, rarely, and never waited for."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from screen_making import Clock, make_event

from opus_nb.errors import OpusUnreachable
from opus_nb.screen.inside import InsideWatch, fetch_progress
from opus_nb.screen.snapshot import RowNote
from opus_nb.screen.tally import Tally


def notes(*positions):
    return [RowNote(at, str(at), f"job-{at}", None, 0.0) for at in positions]


@pytest.fixture
def kit():
    """A watch with a clock of its own, the questions it asked, and what it told."""
    kept = SimpleNamespace(asked=[], told=[], answers={}, clock=Clock(100.0))

    def ask(job_id):
        kept.asked.append(job_id)
        kept.answers[job_id] = Future()
        return kept.answers[job_id]

    kept.watch = InsideWatch(ask, lambda *told: kept.told.append(told), clock=kept.clock)
    return kept


def test_a_few_questions_a_second_at_most(kit):
    """Eight jobs on the screen, four looks a second for ten seconds: bounded by the clock, in turns."""
    for _ in range(40):
        kit.clock.now += 0.25
        for answer in kit.answers.values():
            if not answer.done():
                answer.set_result((1, 4))
        kit.watch.look(notes(*range(8)))
    assert 10 <= len(kit.asked) <= 10 / InsideWatch.every_s + 1
    assert len(set(kit.asked)) == 8


def test_answers_are_told_and_nothing_is_waited_for(kit):
    """While answers are out, at most two questions are under way."""
    for _ in range(10):
        kit.clock.now += 1.0
        kit.watch.look(notes(0, 1, 2))
    assert kit.asked == ["job-0", "job-1"]
    kit.answers["job-1"].set_result((2, 5))
    kit.watch.look([])
    assert kit.told == [(1, 2, 5)]


@pytest.mark.parametrize("answer", [None, RuntimeError("gone")])
def test_a_job_that_tells_nothing_is_left_alone_for_long(kit, answer):
    """Neither silence nor an error is asked after again soon."""
    kit.watch.look(notes(0))
    future = kit.answers["job-0"]
    future.set_exception(answer) if answer else future.set_result(None)
    for _ in range(20):
        kit.clock.now += 1.0
        kit.watch.look(notes(0))
    assert kit.asked == ["job-0"]
    assert kit.told == []
    kit.clock.now += InsideWatch.rest_s
    kit.watch.look(notes(0))
    assert kit.asked == ["job-0", "job-0"]


def test_nothing_is_asked_when_nothing_is_shown(kit):
    """No job, or none with an id: no request."""
    kit.watch.look([])
    kit.watch.look([RowNote(0, "0", None, None, 0.0)])
    assert kit.asked == []


def test_the_audit_is_read_and_trouble_is_none():
    """Both numbers or nothing; an unreachable Opus is no error of the screen."""

    class Api:
        def __init__(self, reply):
            self.reply = reply

        async def fetch_audit(self, job_id):
            if isinstance(self.reply, Exception):
                raise self.reply
            return self.reply

    def ask(reply):
        return asyncio.run(fetch_progress(Api(reply), "1"))

    assert ask({"nb_nodes": 9, "nb_executed_nodes": 3}) == (3, 9)
    assert ask({"nb_executed_nodes": 3}) is None
    assert ask({"auditTrail": []}) is None
    assert ask(None) is None
    assert ask(OpusUnreachable("away")) is None


def test_the_tally_keeps_progress_of_rows_under_way_only():
    """It changes the note and the version once; a row that has ended is not brought back."""
    tally = Tally({"queued": 2})
    tally.observe(make_event(0, "planned", "executing"))
    tally.observe(make_event(0, "executing", "running"))
    before = tally.version
    tally.note_progress(0, 2, 5)
    tally.note_progress(0, 2, 5)
    tally.note_progress(1, 2, 5)
    assert tally.version == before + 1
    (note,) = tally.snapshot().running
    assert (note.nodes_done, note.nodes_total) == (2, 5)
    tally.observe(make_event(0, "running", "completed"))
    tally.note_progress(0, 3, 5)
    assert tally.snapshot().running == ()
