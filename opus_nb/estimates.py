"""What a number of jobs will take: price and time, as ranges, from what is known; what is not known is NA."""

from __future__ import annotations

import math
from statistics import fmean, median, quantiles, stdev
from typing import Any

import pandas as pd

from opus_nb.job import PastRuns
from opus_nb.screen.markup import duration_words
from opus_nb.service.schema import Estimate

__all__ = ["compare_caps", "expect"]

# Half-width of a range that covers four cases out of five, in standard deviations.
_FOUR_OF_FIVE = 1.28


def expect(jobs: int, estimate: Estimate, past: PastRuns, *, max_concurrency: int) -> pd.Series[Any]:
    """Say what so many jobs of one workflow will take.

    Parameters
    ----------
    jobs : int
    estimate : Estimate
        What Opus says of the workflow.
    past : PastRuns
        What earlier jobs of it took, by this ledger.
    max_concurrency : int
        Jobs at once.

    Returns
    -------
    pandas.Series
        ``jobs``; ``price``, ``price_low``, ``price_high``, ``price_per_job`` (as Opus estimates it, in whatever
        currency it means; the low end leaves out the share that did not complete in earlier runs, because only
        completed jobs are billed); ``time_s``, ``time_low_s``, ``time_high_s`` (seconds from the start of the first
        job to the end of the last, four cases out of five); ``job_s`` (seconds of one job, median); ``human_price``,
        ``human_time_s`` (people doing the same, as Opus estimates it); ``based_on`` (earlier jobs counted, those of a
        pilot among them); ``source`` of the times (``"earlier runs"``, ``"workflow"``); ``stated`` (times of one job
        that Opus gives without a unit, as a dict: ``humanTime`` beside ``opusTime``). NA where nothing is known,
        never 0.

    Source
    ------
    Quickstart, ``executionEstimation``; contract, sections 1.1 and 6.1 (billing).
    """
    seconds = [(low + high) / 2 for low, high in past.intervals_s]
    times = _times(jobs, seconds or ([estimate.time_s] if estimate.time_s else []), max_concurrency)
    ended = sum(past.states.values())
    completed = past.states.get("completed", 0) / ended if ended else 1.0
    price = None if estimate.price is None else estimate.price * jobs
    values: dict[str, Any] = {
        "jobs": jobs,
        "price": price,
        # When none has completed, nothing is known of how many will; that is not a price of 0.
        "price_low": None if price is None or not completed else price * completed,
        "price_high": price,
        "price_per_job": estimate.price,
        **times,
        "human_price": None if estimate.human_price is None else estimate.human_price * jobs,
        "human_time_s": None if estimate.human_time_s is None else estimate.human_time_s * jobs,
        "based_on": len(seconds),
        "source": "earlier runs" if seconds else "workflow" if estimate.time_s else None,
        "stated": dict(estimate.times_without_unit) or None,
    }
    return pd.Series({name: pd.NA if value is None else value for name, value in values.items()}, name="estimate")


def _times(jobs: int, seconds: list[float], at_once: int) -> dict[str, float | None]:
    if not seconds:
        return dict.fromkeys(("time_s", "time_low_s", "time_high_s", "job_s"))
    if not jobs:
        return {"time_s": 0.0, "time_low_s": 0.0, "time_high_s": 0.0, "job_s": median(seconds)}
    mean = fmean(seconds)
    # Few jobs say little: their spread is taken wider, and one job's as half of itself.
    spread = 0.5 * mean if len(seconds) < 2 else stdev(seconds) * (1 + 2 / len(seconds))
    slow = quantiles(seconds, n=20)[-1] if len(seconds) >= 2 else 1.5 * mean
    places = min(jobs, at_once)
    work, wobble = jobs * mean / places, _FOUR_OF_FIVE * spread * math.sqrt(jobs) / places
    # At the end the places empty one by one, and the last job may be a slow one.
    tail = max(0.0, slow - mean) if places > 1 else 0.0
    return {
        "time_s": work + tail / 2,
        "time_low_s": max(0.0, work - wobble),
        "time_high_s": work + wobble + tail,
        "job_s": median(seconds),
    }


def compare_caps(
    estimate: pd.Series[Any],
    *,
    max_jobs: int | None = None,
    max_cost: float | None = None,
    max_minutes: float | None = None,
) -> list[str]:
    """Say where a cap is below what the jobs are expected to take, before any of them starts.

    Parameters
    ----------
    estimate : pandas.Series
        From `expect`, for all the rows that the caps are for.
    max_jobs, max_cost, max_minutes : optional
        The caps as they were given; None is no cap.

    Returns
    -------
    list of str
        One sentence for each cap that may leave rows out, or that cannot be compared; empty when all is covered.
    """
    jobs = int(estimate["jobs"])
    told: list[str] = []
    if max_jobs is not None and max_jobs < jobs:
        told.append(f"max_jobs={max_jobs:,} covers {max_jobs:,} of {_rows(jobs)}")
    if max_cost is not None and estimate["price_per_job"] is not pd.NA and estimate["price_per_job"]:
        covered = int(max_cost / float(estimate["price_per_job"]) + 1e-9)
        if covered < jobs:
            price, each = float(estimate["price"]), float(estimate["price_per_job"])
            told.append(
                f"max_cost={max_cost:g} covers {covered:,} of {_rows(jobs)}: all of them are estimated at {price:g}, "
                f"{each:g} each"
            )
    if max_minutes is not None and jobs:
        told += _compare_minutes(estimate, max_minutes, jobs)
    return told


def _compare_minutes(estimate: pd.Series[Any], max_minutes: float, jobs: int) -> list[str]:
    if estimate["time_high_s"] is pd.NA:
        unknown = (
            f"max_minutes={max_minutes:g} cannot be compared: nothing is known of how long {_rows(jobs)} will take"
        )
        return [f"{unknown}, a pilot would tell"]
    low, high = (float(estimate[name]) for name in ("time_low_s", "time_high_s"))
    if max_minutes * 60 >= high:
        return []
    are = "is" if jobs == 1 else "are"
    expected = f"{_rows(jobs)} {are} expected to take {duration_words(low)} to {duration_words(high)}"
    if max_minutes * 60 >= low:
        return [f"max_minutes={max_minutes:g} may not be enough: {expected}"]
    return [f"max_minutes={max_minutes:g} is not enough: {expected}"]


def _rows(jobs: int) -> str:
    return f"{jobs:,} row" if jobs == 1 else f"{jobs:,} rows"
