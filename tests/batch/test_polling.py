"""When to ask: proportional to age while nothing is known, at the likely ends once something is."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.batch.polling import PollSchedule
from opus_nb.job import PastRuns


def ask_after(schedule: PollSchedule, duration_s: float, *, learn: bool = False) -> tuple[int, float]:
    """Ask after one job as the engine does; return the number of questions and how late the end was noticed."""
    age, before, calls = 0.0, 0.0, 0
    while True:
        before, age = age, age + schedule.wait_s(age)
        calls += 1
        if age >= duration_s:
            if learn:
                schedule.learn(before, age)
            return calls, age - duration_s


def ask_after_all(schedule: PollSchedule, durations: Sequence[float]) -> tuple[float, float]:
    """Ask after jobs one by one, learning; return questions a job, and lateness as a share of the mean duration."""
    found = [ask_after(schedule, each, learn=True) for each in durations]
    return sum(calls for calls, _ in found) / len(found), sum(late for _, late in found) / sum(durations)


def lognormal(count: int, sigma: float, *, median_s: float = 45.0, seed: int = 1) -> list[float]:
    """Draw durations."""
    draw = random.Random(seed)
    return [median_s * draw.lognormvariate(0.0, sigma) for _ in range(count)]


@settings(deadline=None)
@given(
    st.floats(-10, 1e7),
    st.lists(st.tuples(st.floats(-1, 1e7), st.floats(-1, 1e7)), max_size=60),
    st.one_of(st.none(), st.floats(0, 1e7)),
)
def test_every_wait_is_within_bounds(age, seen, expected):
    """Whatever was learned or estimated, and however old the job is."""
    schedule = PollSchedule(PastRuns(tuple((min(pair), max(pair)) for pair in seen)), expected_s=expected)
    assert schedule.shortest_s <= schedule.wait_s(age) <= schedule.longest_s


def test_an_unknown_workflow_is_asked_in_growing_steps():
    """A job of 45 s costs about ten questions in the first wave, and is noticed within its own order of size."""
    calls, late = ask_after(PollSchedule(), 45.0)
    assert calls <= 11
    assert late <= 0.6 * 45


@pytest.mark.parametrize("expected", [0.001, 10.0, 60.0, 3600.0, 86_400.0])
def test_an_estimate_is_never_trusted_for_more_than_a_quarter(expected):
    """The first question comes at a quarter of the estimate or earlier, after 15 s at the latest."""
    first = PollSchedule(expected_s=expected).wait_s(0.0)
    assert first <= max(0.5, expected / 4)
    assert first <= 15.0


def test_an_estimate_that_is_right_saves_questions():
    """A job of an hour whose estimate says so costs fewer questions than one that nobody knows."""
    assert ask_after(PollSchedule(expected_s=3600.0), 3600.0)[0] < ask_after(PollSchedule(), 3600.0)[0]


def test_an_estimate_that_is_far_too_long_is_forgotten_once_jobs_have_ended():
    """A day was promised and the jobs take a second: after some ends they are noticed within a second."""
    schedule = PollSchedule(expected_s=86_400.0)
    ask_after_all(schedule, [1.0] * 60)
    assert ask_after(schedule, 1.0)[1] < 1.0


@pytest.mark.parametrize(("sigma", "most_calls", "most_late"), [(0.2, 3.8, 0.10), (0.6, 5.3, 0.11)])
def test_what_was_learned_saves_questions_and_time(sigma, most_calls, most_late):
    """After some hundred jobs around 45 s a few questions find the end within a tenth of the mean."""
    schedule = PollSchedule()
    ask_after_all(schedule, lognormal(600, sigma, seed=2))
    calls, late = ask_after_all(schedule, lognormal(1000, sigma))
    assert calls <= most_calls
    assert late <= most_late


def test_what_earlier_runs_saw_is_as_good_as_what_this_one_sees():
    """A new run of a known workflow asks from its first job on like one that is well under way."""
    memory: list[tuple[float, float]] = []
    schedule = PollSchedule()
    for duration in lognormal(600, 0.2):
        age, before = 0.0, 0.0
        while age < duration:
            before, age = age, age + schedule.wait_s(age)
        schedule.learn(before, age)
        memory.append((before, age))
    warm = PollSchedule(PastRuns(tuple(reversed(memory))))
    assert warm.seen == 600
    assert 25 < warm.wait_s(0.0) < 50


def test_an_interval_is_not_its_middle():
    """Ends seen between 10 and 50 s, and again between 40 and 90 s, lie where both can be true: after 40 s."""
    schedule = PollSchedule(PastRuns(((10.0, 50.0), (40.0, 90.0)) * 40))
    assert schedule.wait_s(0.0) > 38.0


def test_a_heavy_tail_does_not_spoil_the_rest():
    """One job in ten takes half an hour: the others are noticed as if it were not there, and it costs few questions."""
    draw = random.Random(3)
    schedule = PollSchedule()
    durations = [1800.0 * draw.uniform(0.9, 1.1) if draw.random() < 0.1 else 45.0 for _ in range(1000)]
    ask_after_all(schedule, durations)
    assert ask_after(schedule, 45.0)[1] < 15.0
    assert ask_after(schedule, 1800.0)[0] <= 20


def test_a_kernel_that_was_dead_over_night_teaches_nothing_wrong():
    """An end that was only found the next day says next to nothing about when it came."""
    nights = ((30.0, 40_000.0),) * 40
    minutes = ((40.0, 48.0),) * 160
    assert PollSchedule(PastRuns(nights + minutes)).wait_s(0.0) < 60.0


def test_a_workflow_that_got_slower_is_followed():
    """The newest ends weigh most."""
    schedule = PollSchedule()
    ask_after_all(schedule, [1.0] * 600)
    ask_after_all(schedule, [100.0] * 1500)
    assert ask_after(schedule, 100.0)[0] <= 8


def test_a_workflow_that_got_faster_is_followed():
    """Ends before the first question are looked for earlier and earlier, though nothing was ever seen there."""
    schedule = PollSchedule()
    ask_after_all(schedule, lognormal(600, 0.2))
    before = ask_after(schedule, 5.0)[1]
    ask_after_all(schedule, lognormal(800, 0.2, median_s=5.0, seed=4))
    assert ask_after(schedule, 5.0)[1] < before / 4


def test_learning_does_not_cost_more_the_more_was_seen():
    """A new fit is made when a sixth more has been seen, within what is remembered at all."""
    schedule = PollSchedule()
    fits = 0
    lay = schedule._lay_plan

    def counted() -> None:
        nonlocal fits
        fits += 1
        lay()

    schedule._lay_plan = counted  # type: ignore[method-assign]
    for duration in lognormal(5000, 0.6):
        schedule.learn(duration * 0.9, duration * 1.1)
        schedule.wait_s(0.0)
    assert 20 < fits < 120
    assert len(schedule._weights) <= 1200
