"""What jobs will take: ranges from what is known, NA from what is not."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from opus_nb.estimates import expect
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


def test_times_without_a_unit_are_shown_as_they_came():
    """A number whose unit nobody documents is no duration."""
    series = expect(1, Estimate(times_without_unit={"opusTime": 1.2}), PastRuns(), max_concurrency=1)
    assert series["time_s"] is pd.NA
    assert series["stated"] == {"opusTime": 1.2}


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
