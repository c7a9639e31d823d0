"""What jobs will take: ranges from what is known, NA from what is not."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opus_nb.estimates import compare_caps, expect
from opus_nb.job import PastRuns
from opus_nb.service.schema import Estimate


def test_nothing_known_is_na_and_never_zero():
    """Neither price nor time is made up."""
    series = expect(50, Estimate(), PastRuns(), max_concurrency=10)
    assert series["jobs"] == 50
    unknown = ["price", "price_low", "price_high", "time_s", "time_low_s", "time_high_s", "human_price", "source"]
    assert all(series[name] is pd.NA for name in unknown)


def test_the_workflows_estimate_is_used_until_something_was_seen():
    """A minute a job, ten at once, a hundred jobs: about ten minutes."""
    series = expect(100, Estimate(price=0.5, time_s=60.0), PastRuns(), max_concurrency=10)
    assert series["source"] == "workflow"
    assert series["price"] == 50.0
    assert series["time_low_s"] < 600 <= series["time_s"] < series["time_high_s"]


def test_earlier_jobs_beat_the_estimate_and_failures_lower_the_bill():
    """What was seen counts; a fifth of the jobs failed and was not billed."""
    past = PastRuns(((8.0, 12.0),) * 10, {"completed": 8, "failed": 2})
    series = expect(10, Estimate(price=1.0, time_s=600.0), past, max_concurrency=10)
    assert (series["source"], series["based_on"], series["job_s"]) == ("earlier runs", 10, 10.0)
    assert (series["price_low"], series["price_high"]) == (8.0, 10.0)
    assert series["time_s"] < 30


def test_a_workflow_of_which_nothing_completed_yet_is_not_free():
    """How many will complete is unknown then, and so is the low end of the price."""
    series = expect(10, Estimate(price=1.0), PastRuns(((8.0, 12.0),), {"failed": 3}), max_concurrency=10)
    assert series["price_low"] is pd.NA
    assert series["price_high"] == 10.0


def test_any_cap_covers_jobs_that_cost_nothing():
    """A price of 0 is divided by nothing."""
    series = expect(10, Estimate(price=0.0), PastRuns(), max_concurrency=10)
    assert compare_caps(series, max_cost=1.0) == []


def test_times_without_a_unit_are_shown_as_they_came():
    """A number whose unit nobody documents is no duration."""
    series = expect(1, Estimate(times_without_unit={"opusTime": 1.2}), PastRuns(), max_concurrency=1)
    assert series["time_s"] is pd.NA
    assert series["stated"] == {"opusTime": 1.2}


def test_what_people_would_take_stands_beside_it():
    """Price and time of people come from the same record; a time without a unit is kept as it came."""
    told = {"opusTime": 1.2, "humanTime": 2.5}
    series = expect(4, Estimate(price=0.5, human_price=10.0, times_without_unit=told), PastRuns(), max_concurrency=1)
    assert (series["price"], series["human_price"]) == (2.0, 40.0)
    assert series["human_time_s"] is pd.NA
    assert series["stated"] == told


@pytest.mark.parametrize(
    ("caps", "told"),
    [
        ({}, []),
        ({"max_jobs": 100, "max_cost": 50.0, "max_minutes": 60}, []),
        ({"max_jobs": 40}, ["max_jobs=40 covers 40 of 100 rows"]),
        (
            {"max_cost": 20.3},
            ["max_cost=20.3 covers 40 of 100 rows: all of them are estimated at 50, 0.5 each"],
        ),
        ({"max_minutes": 1}, ["max_minutes=1 is not enough: 100 rows are expected to take"]),
        ({"max_minutes": 10}, ["max_minutes=10 may not be enough: 100 rows are expected to take"]),
    ],
)
def test_caps_are_compared_with_what_is_expected(caps, told):
    """One sentence for each cap that may leave rows out."""
    series = expect(100, Estimate(price=0.5, time_s=60.0), PastRuns(), max_concurrency=10)
    sentences = compare_caps(series, **caps)
    assert len(sentences) == len(told)
    assert all(sentence.startswith(start) for sentence, start in zip(sentences, told, strict=True))


def test_a_cap_of_time_that_cannot_be_compared_says_so():
    """Unknown is unknown, and a pilot would tell."""
    (sentence,) = compare_caps(expect(2, Estimate(), PastRuns(), max_concurrency=1), max_minutes=5)
    assert "nothing is known" in sentence
    assert "pilot" in sentence


@given(
    st.integers(0, 10_000),
    st.lists(st.floats(0, 1e6), min_size=1, max_size=50),
    st.integers(1, 200),
)
def test_a_range_is_a_range(jobs, seconds, at_once):
    """The middle lies between the ends, whatever was seen."""
    past = PastRuns(tuple((each, each) for each in seconds))
    series = expect(jobs, Estimate(), past, max_concurrency=at_once)
    assert 0 <= series["time_low_s"] <= series["time_s"] <= series["time_high_s"]
