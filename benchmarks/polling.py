"""The frontier of polling: how many questions a job costs against how late its end is noticed.

``python -m benchmarks.polling`` simulates jobs in virtual time, with the very `PollSchedule` that the engine uses,
beside fixed intervals, exponential back-off and the optimum that knows the distribution.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from opus_nb.batch.polling import PollSchedule
from opus_nb.job import PastRuns

AT_ONCE = 64
WARM_JOBS = 4000
COLD_JOBS = 200
# What one question and its answer take on the way.
WIRE_S = 0.02

Draw = Callable[[random.Random], float]


def _mixture(draw: random.Random) -> float:
    if draw.random() < 0.9:
        return draw.lognormvariate(math.log(45), 0.3)
    return draw.lognormvariate(math.log(1800), 0.2)


DISTRIBUTIONS: dict[str, Draw] = {
    "lognormal 45 s, sigma 0.2": lambda draw: draw.lognormvariate(math.log(45), 0.2),
    "lognormal 45 s, sigma 0.6": lambda draw: draw.lognormvariate(math.log(45), 0.6),
    "lognormal 45 s, sigma 1.0": lambda draw: draw.lognormvariate(math.log(45), 1.0),
    "exponential, mean 45 s": lambda draw: draw.expovariate(1 / 45),
    "30 s + exponential 15 s": lambda draw: 30 + draw.expovariate(1 / 15),
    "90 % 45 s, 10 % near 30 min": _mixture,
}


class Waits(Protocol):
    """Anything that says when to ask next and may learn from ends."""

    def wait_s(self, age_s: float) -> float:
        """Seconds to the next question."""

    def learn(self, low_s: float, high_s: float) -> None:
        """A job ended between these ages."""


class Fixed:
    """Ask every so many seconds."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s

    def wait_s(self, age_s: float) -> float:
        return self.every_s

    def learn(self, low_s: float, high_s: float) -> None:
        """Nothing is learned."""


class Backoff:
    """Ask after 1 s, then each time after 1.5 times the wait before, 30 s at most."""

    def __init__(self) -> None:
        ages, wait, age = [0.0], 1.0, 0.0
        while age < 1e5:
            age += wait
            ages.append(age)
            wait = min(30.0, wait * 1.5)
        self.ages = np.array(ages)

    def wait_s(self, age_s: float) -> float:
        # The engine's noise may ask a little early; that is not a step of its own.
        following = int(np.searchsorted(self.ages, age_s * 1.04 + 1e-6, side="right"))
        return float(self.ages[following] - age_s)

    def learn(self, low_s: float, high_s: float) -> None:
        """Nothing is learned."""


@dataclass(frozen=True)
class Measured:
    """What a number of jobs cost: questions a job, and lateness as a share of the mean duration."""

    calls: float
    lateness: float


def simulate(
    schedule: Waits, durations: Sequence[float], *, at_once: int = AT_ONCE, seed: int = 1
) -> list[tuple[int, float]]:
    """Run jobs in virtual time, so many at once, as the engine does; return (questions, lateness) in order of start."""
    noise = random.Random(seed)
    found: list[tuple[int, float]] = [(0, 0.0)] * len(durations)
    heap: list[tuple[float, int, float, float, int]] = []  # when to ask, job, began, last "not yet", questions

    def put(job: int, now: float, began: float, last: float, calls: int) -> None:
        wait = schedule.wait_s(now - began) * noise.uniform(0.95, 1.05)
        heapq.heappush(heap, (now + wait, job, began, last, calls))

    following = 0
    for following in range(min(at_once, len(durations))):
        put(following, 0.0, 0.0, 0.0, 0)
    while heap:
        now, job, began, last, calls = heapq.heappop(heap)
        calls += 1
        ended = began + durations[job]
        if now < ended:
            put(job, now + WIRE_S, began, now, calls)
            continue
        found[job] = (calls, now - ended)
        schedule.learn(max(0.0, last - began), now - began)
        following += 1
        if following < len(durations):
            put(following, now, now, now, 0)
    return found


def _measure(found: Sequence[tuple[int, float]], durations: Sequence[float]) -> Measured:
    calls = sum(each for each, _ in found) / len(found)
    return Measured(calls, sum(late for _, late in found) / sum(durations))


def optimum(draw: Draw, *, worths: Sequence[float]) -> list[Measured]:
    """The best that one can do who knows the distribution, for several prices of lateness: exact, by quantiles."""
    source = random.Random(7)
    ends = np.sort([draw(source) for _ in range(40_000)])
    # Quantiles are dense where jobs end; the other edges serve the long tail.
    even = np.geomspace(max(0.5, ends[0]), ends[-1], 400)
    edges = np.unique(np.concatenate([[0.0], np.quantile(ends, np.linspace(0, 1, 600)[1:]), even]))
    below = np.searchsorted(ends, edges, side="right") / len(ends)
    sums = np.concatenate([[0.0], np.cumsum(ends)]) / len(ends)
    moment = sums[np.searchsorted(ends, edges, side="right")]
    mean = float(ends.mean())
    found = []
    for worth in worths:
        count = len(edges)
        cost, calls, late = np.zeros(count), np.zeros(count), np.zeros(count)
        for place in range(count - 2, -1, -1):
            lateness = edges[place + 1 :] * (below[place + 1 :] - below[place]) - (moment[place + 1 :] - moment[place])
            total = cost[place + 1 :] + worth / mean * lateness
            best = int(np.argmin(total))
            alive = 1.0 - below[place]
            cost[place] = total[best] + alive
            calls[place] = calls[place + 1 + best] + alive
            late[place] = late[place + 1 + best] + lateness[best]
        found.append(Measured(float(calls[0]), float(late[0]) / mean))
    return found


def calls_at(frontier: Sequence[Measured], lateness: float) -> float:
    """The questions of the optimum at this lateness, between the points that were worked out."""
    ordered = sorted(frontier, key=lambda each: each.lateness)
    logs = np.log([max(1e-6, each.lateness) for each in ordered])
    return float(np.interp(math.log(max(1e-6, lateness)), logs, [each.calls for each in ordered]))


@dataclass(frozen=True)
class Line:
    """One distribution: every way of asking."""

    name: str
    fixed_2: Measured
    fixed_10: Measured
    backoff: Measured
    first_wave: Measured
    cold: Measured
    warm: Measured
    optimum_calls: float

    @property
    def ratio(self) -> float:
        """Questions of the warm schedule against the optimum at the same lateness."""
        return self.warm.calls / self.optimum_calls


def lines(*, warm_jobs: int = WARM_JOBS, seeds: int = 3) -> Iterator[Line]:
    """Simulate every distribution."""
    worths = [8, 15, 25, 35, 45, 60, 80, 120, 200, 400]
    for name, draw in DISTRIBUTIONS.items():
        runs: dict[str, list[Measured]] = {}
        for seed in range(seeds):
            source = random.Random(seed)
            durations = [draw(source) for _ in range(warm_jobs)]
            for label, schedule in (("2", Fixed(2.0)), ("10", Fixed(10.0)), ("backoff", Backoff())):
                runs.setdefault(label, []).append(_measure(simulate(schedule, durations), durations))
            early = durations[:COLD_JOBS]
            cold = simulate(PollSchedule(), early)
            runs.setdefault("wave", []).append(_measure(cold[:AT_ONCE], early[:AT_ONCE]))
            runs.setdefault("cold", []).append(_measure(cold, early))
            # What an earlier run left in the ledger: intervals as that run saw them.
            memory = Remembering()
            simulate(memory, [draw(source) for _ in range(600)])
            warm = PollSchedule(PastRuns(tuple(reversed(memory.intervals))))
            runs.setdefault("warm", []).append(_measure(simulate(warm, durations), durations))
        mean = {label: _mean(each) for label, each in runs.items()}
        best = calls_at(optimum(draw, worths=worths), mean["warm"].lateness)
        yield Line(name, mean["2"], mean["10"], mean["backoff"], mean["wave"], mean["cold"], mean["warm"], best)


class Remembering(PollSchedule):
    """A schedule that keeps what it was told, as the ledger does."""

    def __init__(self) -> None:
        super().__init__()
        self.intervals: list[tuple[float, float]] = []

    def learn(self, low_s: float, high_s: float) -> None:
        super().learn(low_s, high_s)
        self.intervals.append((low_s, high_s))


def _mean(found: Sequence[Measured]) -> Measured:
    return Measured(sum(each.calls for each in found) / len(found), sum(each.lateness for each in found) / len(found))


def table(found: Sequence[Line]) -> str:
    """The frontier as text: questions a job, and lateness as a share of the mean duration."""
    ways_told = ("fixed 2 s", "fixed 10 s", "back-off", "first wave", "first 200", "learned")
    rows: list[tuple[str, ...]] = [("durations", *ways_told, "optimum", "ratio")]
    for line in found:
        ways = (line.fixed_2, line.fixed_10, line.backoff, line.first_wave, line.cold, line.warm)
        cells = [f"{way.calls:.1f}, {100 * way.lateness:.1f} %" for way in ways]
        rows.append((line.name, *cells, f"{line.optimum_calls:.1f}", f"{line.ratio:.2f}"))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def verdicts(found: Sequence[Line]) -> list[tuple[str, str, bool]]:
    """P5, target by target: what, measured, holds."""
    by_name = {line.name: line for line in found}
    wide, narrow = by_name["lognormal 45 s, sigma 0.6"], by_name["lognormal 45 s, sigma 0.2"]
    worst_ratio = max(found, key=lambda line: line.ratio)
    worst_wave = max(found, key=lambda line: line.first_wave.calls)
    return [
        (
            "sigma 0.6 warm: <= 5 calls at <= 10 %",
            f"{wide.warm.calls:.2f} at {100 * wide.warm.lateness:.1f} %",
            wide.warm.calls <= 5 and wide.warm.lateness <= 0.10,
        ),
        ("sigma 0.2 warm: <= 3.5 calls", f"{narrow.warm.calls:.2f}", narrow.warm.calls <= 3.5),
        (
            "against the optimum at equal lateness: <= 1.25",
            f"{worst_ratio.ratio:.2f} at worst ({worst_ratio.name})",
            worst_ratio.ratio <= 1.25,
        ),
        (
            "unknown workflow, first wave: <= 12 calls",
            f"{worst_wave.first_wave.calls:.1f} at worst ({worst_wave.name})",
            worst_wave.first_wave.calls <= 12,
        ),
    ]


def main() -> None:
    """Print the frontier, and P5."""
    found = list(lines())
    print("Questions a job, and how late its end is noticed as a share of the mean duration.\n")
    print(table(found))
    print()
    for what, measured, holds in verdicts(found):
        print(f"P5  {what:<50} {measured:<50} {'holds' if holds else 'MISSED'}")


if __name__ == "__main__":
    main()
