"""When to ask: proportional to age while nothing is known, at the likely ends once something is."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from opus_nb.batch.polling import PollSchedule
from opus_nb.job import PastRuns


def calls_until(schedule: PollSchedule, duration_s: float) -> tuple[int, float]:
    """Ask after one job as the engine does; return the number of questions and how late the end was noticed."""
    age, calls = 0.0, 0
    while True:
        age += schedule.wait_s(age)
        calls += 1
        if age >= duration_s:
            return calls, age - duration_s


@given(st.floats(0, 1e7), st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=40))
def test_every_wait_is_within_bounds(age, seen):
    """Whatever was learned and however old the job is."""
    schedule = PollSchedule(PastRuns(tuple((min(pair), max(pair)) for pair in seen)))
    assert schedule.shortest_s <= schedule.wait_s(age) <= schedule.longest_s


def test_an_unknown_workflow_is_asked_in_growing_steps():
    """A job of 45 s costs about a dozen questions in the first wave, and is noticed within its own order of size."""
    calls, late = calls_until(PollSchedule(), 45.0)
    assert calls <= 13
    assert late <= 0.45 * 45


def test_the_workflows_estimate_saves_early_questions():
    """With an estimate of 45 s the first question comes at half of it."""
    assert PollSchedule(expected_s=45.0).wait_s(0.0) == 22.5


def test_what_was_learned_saves_questions_and_time():
    """After two hundred jobs around 45 s a few questions find the end within a tenth of the mean."""
    draw = random.Random(1)
    durations = [draw.lognormvariate(3.8, 0.6) for _ in range(1200)]
    schedule = PollSchedule()
    for duration in durations[:200]:
        schedule.learn(duration * 0.95, duration * 1.05)
    measured = [calls_until(schedule, duration) for duration in durations[200:]]
    calls = sum(each for each, _ in measured) / len(measured)
    late = sum(each for _, each in measured) / sum(durations[200:])
    assert calls <= 6
    assert late <= 0.15


def test_only_the_newest_are_remembered():
    """A workflow that got slower is followed."""
    schedule = PollSchedule()
    for _ in range(600):
        schedule.learn(1.0, 1.0)
    for _ in range(600):
        schedule.learn(100.0, 100.0)
    assert schedule.seen == 512
    assert schedule.wait_s(0.0) > 30
