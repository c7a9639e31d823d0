"""What a number of jobs will take: price and time, as ranges, from what is known; what is not known is NA."""

from __future__ import annotations

import math
from statistics import fmean, median, quantiles, stdev
from typing import Any

import pandas as pd

from opus_nb.job import PastRuns
from opus_nb.service.schema import Estimate

__all__ = ["expect"]

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
        ``human_time_s`` (people doing the same, as Opus estimates it); ``based_on`` (earlier jobs counted);
        ``source`` of the times (``"earlier runs"``, ``"workflow"``); ``stated`` (times that Opus gives without a
        unit, as a dict). NA where nothing is known, never 0.

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
        "price_low": None if price is None else price * completed,
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
