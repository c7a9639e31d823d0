"""The tally: what it counts always adds up."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from screen_making import Clock, make_event

from opus_nb.job import COUNT_NAMES, RowState
from opus_nb.screen.live import pace_words
from opus_nb.screen.tally import Tally, failure_signature

WAY = ["planned", "uploading", "initiating", "initiated", "executing", "running", "collecting", "completed"]


def walk(tally, position, *states, **parts):
    for before, state in pairwise(states):
        tally.observe(make_event(position, before, state, **parts))


def test_a_row_moves_from_queued_to_completed():
    """Each row is counted once, wherever it stands."""
    tally = Tally({"queued": 3})
    walk(tally, 0, *WAY)
    walk(tally, 1, *WAY[:6])
    assert dict(tally.snapshot().counts) == {"completed": 1, "running": 1, "queued": 1}


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.integers(-2, 7), st.sampled_from(list(RowState)), st.sampled_from(list(RowState)))),
    st.dictionaries(st.sampled_from(COUNT_NAMES), st.integers(0, 3)),
)
def test_counts_add_up_whatever_is_told(moves, counts):
    """No sequence of events, however wrong, changes the sum or makes a count negative."""
    tally = Tally(counts, total=6)
    whole = tally.total
    for position, before, state in moves:
        tally.observe(make_event(position, before.value, state.value))
        said = tally.snapshot()
        assert sum(said.counts.values()) == whole == said.total
        assert min(said.counts.values(), default=0) >= 0


def test_the_same_event_twice_counts_once():
    """An event that is told again moves nothing."""
    tally = Tally({"queued": 2})
    for _ in range(2):
        tally.observe(make_event(0, "planned", "executing"))
    assert dict(tally.snapshot().counts) == {"running": 1, "queued": 1}


def test_a_retried_row_moves_back_and_leaves_its_group():
    """A retry takes the row out of failed, and out of the failures that are shown."""
    tally = Tally({"queued": 1})
    walk(tally, 0, *WAY[:6], "failed", error="boom 17")
    assert tally.snapshot().failures[0].count == 1
    walk(tally, 0, "failed", "planned", attempt=2)
    said = tally.snapshot()
    assert dict(said.counts) == {"queued": 1}
    assert said.failures == ()


def test_an_event_without_a_move_makes_a_row_known_by_name():
    """Replaying the last event of a waiting row shows it with its age, and counts nothing."""
    clock = Clock(1000.0)
    tally = Tally({"waiting": 1, "completed": 1}, clock=clock, row_label=lambda at: f"case-{at}")
    tally.observe(make_event(1, "waiting", "waiting", at=400.0, job_id="2514", error="review"))
    said = tally.snapshot()
    assert dict(said.counts) == {"completed": 1, "waiting": 1}
    assert [(note.row, note.job_id, note.since, note.note) for note in said.waiting] == [
        ("case-1", "2514", 400.0, "review")
    ]


def test_waiting_since_is_when_it_began_to_wait():
    """The age of a wait starts with the wait, and survives news about it."""
    tally = Tally({"queued": 1})
    walk(tally, 0, *WAY[:6], at=10.0)
    tally.observe(make_event(0, "running", "waiting", at=50.0))
    tally.observe(make_event(0, "waiting", "waiting", at=90.0, nodes_done=2, nodes_total=5))
    (note,) = tally.snapshot().waiting
    assert (note.since, note.nodes_done, note.nodes_total) == (50.0, 2, 5)
    assert tally.snapshot().running == ()


def test_node_progress_of_a_running_job_is_kept():
    """What an audit told stays when a later event says nothing of nodes."""
    tally = Tally({"queued": 1})
    walk(tally, 0, *WAY[:6], at=5.0, job_id="7")
    tally.observe(make_event(0, "running", "running", at=6.0, nodes_done=3, nodes_total=9))
    tally.observe(make_event(0, "running", "running", at=7.0, word="IN PROGRESS"))
    (note,) = tally.snapshot().running
    assert (note.nodes_done, note.nodes_total, note.word, note.job_id) == (3, 9, "IN PROGRESS", "7")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("row 17: timeout after 30.5 s", "row 9: timeout after 7 s"),
        ("job 123e4567-e89b-12d3-a456-426614174000 died", "job 00000000-e89b-12d3-a456-426614174fff died"),
        ("GET https://x.example/a?b=1 answered 503", "GET https://x.example/c answered 502"),
        ("cannot read /home/ana/scans/a.pdf", "cannot read /srv/b.pdf"),
        ("hash deadbeef99 is odd\nsecond line", "hash 0badcafe11 is odd"),
    ],
)
def test_failures_alike_have_one_signature(one, other):
    """Numbers, ids, addresses and paths do not keep two messages apart."""
    assert failure_signature(one) == failure_signature(other)


def test_failures_that_differ_stay_apart_newest_first():
    """Two kinds of failure are two groups; the newest stands first, with its example whole."""
    tally = Tally({"queued": 4})
    for position, error in enumerate(["bad date 1", "bad date 2", "no such file", None]):
        walk(tally, position, *WAY[:6], "failed", error=error, job_id=str(position))
    groups = tally.snapshot().failures
    assert [(group.signature, group.count, group.example) for group in groups] == [
        ("no reason given", 1, "no reason given"),
        ("no such file", 1, "no such file"),
        ("bad date #", 2, "bad date 2"),
    ]
    assert groups[2].job_id == "1"


def test_rate_and_time_left_come_from_the_jobs_that_ended():
    """Sixty ends in a minute are 60 per minute, and what is left is said as a range around the truth."""
    clock = Clock()
    tally = Tally({"queued": 200}, clock=clock)
    for position in range(60):
        walk(tally, position, *WAY[:5])
        clock.now += 1
        walk(tally, position, *WAY[4:])
    said = tally.snapshot()
    assert said.rate_per_min == pytest.approx(60, rel=0.05)
    low, high = said.time_left_s
    assert low < 140 < high < 2 * 140


def test_people_alone_have_no_time_left():
    """Where every open row waits for a person, no machine's pace says when they answer."""
    tally = Tally({"queued": 2})
    walk(tally, 0, *WAY)
    walk(tally, 1, *WAY[:6], "waiting")
    assert tally.snapshot().counts == {"completed": 1, "waiting": 1}
    said = " ".join(pace_words(tally.snapshot()))
    assert "waiting for people only" in said
    assert "time left" not in said


def test_time_left_is_unknown_while_too_few_have_ended():
    """Two ends tell nothing; None, never 0."""
    clock = Clock()
    tally = Tally({"queued": 10}, clock=clock)
    assert tally.snapshot().time_left_s is None
    for position in range(2):
        clock.now += 5
        walk(tally, position, *WAY)
    assert tally.snapshot().time_left_s is None
    assert tally.snapshot().rate_per_min is not None


def test_a_run_that_stands_still_slows_down():
    """When nothing ends any more, the rate falls with the time that passes."""
    clock = Clock()
    tally = Tally({"queued": 50}, clock=clock)
    for position in range(10):
        clock.now += 1
        walk(tally, position, *WAY)
    before = tally.snapshot().rate_per_min
    clock.now += 90
    assert tally.snapshot().rate_per_min < before / 5


def test_rows_that_never_went_out_do_not_count_as_speed():
    """Skipped and cancelled rows end, but say nothing about how fast jobs end."""
    tally = Tally({"queued": 5})
    walk(tally, 0, "planned", "skipped")
    walk(tally, 1, "planned", "cancelled")
    assert tally.snapshot().rate_per_min is None
    assert tally.snapshot().ended == 2


def test_price_follows_what_was_executed_again_included():
    """Each execution costs, a retry as well; expected is never below spent."""
    tally = Tally({"queued": 2}, price_per_job=1.5)
    assert (tally.snapshot().price_spent, tally.snapshot().price_expected) == (0.0, 3.0)
    walk(tally, 0, *WAY[:6], "failed")
    walk(tally, 0, "failed", *WAY[:6], "failed")
    assert (tally.snapshot().price_spent, tally.snapshot().price_expected) == (3.0, 4.5)


def test_price_is_unknown_where_the_workflow_names_none():
    """Unknown is None, never 0."""
    said = Tally({"queued": 2}).snapshot()
    assert said.price_spent is None
    assert said.price_expected is None


def test_many_rows_stay_cheap_and_bounded():
    """100,000 live rows: a small price per event, and a small snapshot."""
    tally = Tally({"queued": 100_000})
    began = time.perf_counter()
    for position in range(100_000):
        tally.observe(make_event(position, "planned", "executing"))
    each_us = (time.perf_counter() - began) / 100_000 * 1e6
    assert each_us < 100
    said = tally.snapshot()
    assert said.counts["running"] == 100_000
    assert len(said.running) == 8


def test_threads_do_not_lose_a_row():
    """Eight threads at once, and the sum is right."""
    tally = Tally({"queued": 800})

    def work(first):
        for position in range(first, first + 100):
            walk(tally, position, *WAY)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 800, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(tally.snapshot().counts) == {"completed": 800}
    assert tally.snapshot().is_over


def test_what_opus_refused_or_never_got_is_not_spent():
    """From executing back to initiated, or to a refusal: nothing is charged; an uncertain row may be."""
    tally = Tally({"queued": 3}, price_per_job=2.0)
    walk(tally, 0, *WAY[:5], "initiated")
    assert (tally.snapshot().price_spent, tally.snapshot().price_expected) == (0.0, 6.0)
    walk(tally, 0, "initiated", "executing", "failed")
    assert tally.snapshot().price_spent == 0.0
    walk(tally, 1, *WAY[:5], "uncertain")
    assert tally.snapshot().price_spent == 2.0


def test_what_was_spent_and_begun_before_counts_for_the_run():
    """A run that goes on has its whole price and its whole time; rates are those of now."""
    clock = Clock(5000.0)
    tally = Tally({"completed": 4, "queued": 1}, price_per_job=2.0, price_spent=8.0, began=1000.0, clock=clock)
    said = tally.snapshot()
    assert (said.price_spent, said.price_expected, said.elapsed_s) == (8.0, 10.0, 4000.0)
    walk(tally, 4, *WAY[:6])
    clock.now = 5060.0
    walk(tally, 4, "running", "completed")
    assert tally.snapshot().rate_per_min == pytest.approx(1.0)
    tally.recall_change(2000.0)
    assert tally.snapshot().elapsed_s == 1000.0


def test_what_happened_before_is_recalled_without_counting():
    """Since when a row waits, and which failure is the newest; a row that has moved on is left alone."""
    tally = Tally({"queued": 4})
    tally.observe(make_event(0, "planned", "waiting", at=900.0, job_id="7"))
    tally.observe(make_event(1, "planned", "failed", at=900.0, error="late"))
    tally.observe(make_event(2, "planned", "failed", at=900.0, error="early"))
    tally.observe(make_event(3, "planned", "completed", at=900.0))
    before = dict(tally.snapshot().counts)
    tally.recall(make_event(0, "waiting", "waiting", at=100.0, job_id="7"))
    tally.recall(make_event(2, "failed", "failed", at=200.0, error="early"))
    tally.recall(make_event(1, "failed", "failed", at=300.0, error="late"))
    tally.recall(make_event(3, "running", "running", at=50.0))
    said = tally.snapshot()
    assert dict(said.counts) == before
    assert [note.since for note in said.waiting] == [100.0]
    assert [(group.example, group.count) for group in said.failures] == [("late", 1), ("early", 1)]
    assert said.running == ()
