"""When to ask after a job: often when its end is likely, rarely when it is not.

Pure arithmetic on ages in seconds, so that the same code runs in the engine and in the simulation.

A client never sees when a job ended, only that it ended between two questions. These intervals are what is
learned from: a density of ends over age is fitted to them (a few steps of expectation-maximisation over cells
that grow with age), and the questions are laid where they are worth most (dynamic programming over the same
cells, which is what "proportional to one over the root of the hazard" becomes when questions are few).
"""

from __future__ import annotations

from collections import defaultdict
from itertools import accumulate
from math import exp, log

from opus_nb.job import PastRuns

__all__ = ["PollSchedule"]

# Until enough jobs have ended: the next question comes when the job is this much older than now.
AGE_FACTOR = 1.6
# The same for a job that is older than all that have ended.
BEYOND_FACTOR = 1.25
# The same while the job is younger than a quarter of what the workflow's author estimated.
EARLY_FACTOR = 2.0
# The longest first wait on the word of an estimate: it may be wrong by any factor.
LONGEST_FIRST_S = 15.0
# The longest wait while nothing is known.
LONGEST_BLIND_S = 300.0
# Ends that are enough to believe what was seen.
ENOUGH = 16
# After so many further ends an earlier one weighs half, so that a workflow that got slower is followed.
HALF_LIFE = 400
# A question is asked where it brings the end nearer by 1/51 of the mean duration. Lateness then comes out near 10 %
# where durations spread by a factor of two, and lower where they spread less (`benchmarks/polling.py`).
QUESTIONS_PER_MEAN = 51.0
# The first ends that come in are those of the shortest jobs, so the mean is believed by half when this many have.
DOUBT = 20.0
# Cells of age: the first begins here and each is so much longer than the one before.
FIRST_EDGE_S = 0.02
RATIO = 1.04
# The share of an interval that stays spread over all of it, whatever other intervals say: without it, ends that lie
# before the first question would be believed to lie just before it for ever.
UNRESOLVED = 0.03
# The weight, in ends seen, of the belief that a job may end at any age at all; its least share; and how far it
# reaches beyond what was seen.
ANY_AGE = 0.5
ANY_AGE_SHARE = 0.003
REACH_CELLS = 50
FITTING_STEPS = 24
# What one job costs in questions once it is older than all that were seen.
QUESTIONS_BEYOND = 3.0
# Intervals that are remembered apart; the lightest go first.
REMEMBERED = 600

_LOG_RATIO = log(RATIO)
_LOG_FIRST = log(FIRST_EDGE_S)


class PollSchedule:
    """Learns how long the jobs of one workflow take, and says when to ask next.

    `learn` is constant work; `wait_s` is too, but for a new fit whenever a sixth more has been seen.

    Parameters
    ----------
    past : PastRuns
        What earlier runs saw.
    expected_s : float, optional
        The workflow's own estimate. It only sets the first question, to a quarter of it at most, until something
        has been seen.
    first_s, shortest_s, longest_s : float
        The first question of a workflow nobody knows; the bounds of every wait.
    """

    def __init__(
        self,
        past: PastRuns | None = None,
        *,
        expected_s: float | None = None,
        first_s: float = 0.5,
        shortest_s: float = 0.05,
        longest_s: float = 900.0,
    ) -> None:
        self.first_s, self.shortest_s, self.longest_s = first_s, shortest_s, longest_s
        self._quarter_s = min(LONGEST_FIRST_S, expected_s / 4.0) if expected_s else 0.0
        self._early_until_s = expected_s / 4.0 if expected_s else 0.0
        self._weights: dict[tuple[int, int], float] = {}
        self._newest = 1.0
        self._seen = 0
        self._plan_at = ENOUGH
        self._plan: _Plan | None = None
        for low, high in reversed((past or PastRuns()).intervals_s):
            self.learn(low, high)

    @property
    def seen(self) -> int:
        """How many ends it has learned from."""
        return self._seen

    def learn(self, low_s: float, high_s: float) -> None:
        """A job ended between these two ages."""
        low = _edge(low_s)
        pair = (low, max(low + 1, _edge(high_s)))
        self._weights[pair] = self._weights.get(pair, 0.0) + self._newest
        self._newest *= _GROWTH
        self._seen += 1

    def wait_s(self, age_s: float) -> float:
        """Seconds from now until a job of this age should be asked after."""
        age_s = max(0.0, age_s)
        if self._seen >= self._plan_at:
            self._lay_plan()
        wait = None if self._plan is None else self._plan.wait_s(age_s)
        if wait is None:
            return self._bounded(min(LONGEST_BLIND_S, self._by_age(age_s)))
        return self._bounded(wait)

    def _by_age(self, age_s: float) -> float:
        if self._plan is not None:
            return age_s * (BEYOND_FACTOR - 1.0)
        if age_s < self._quarter_s:
            return max(self.first_s, self._quarter_s) - age_s
        # The second question doubles the age too: the first is there for jobs that end at once.
        early = age_s < max(self._early_until_s, 3.0 * self.first_s)
        return max(self.first_s, age_s * ((EARLY_FACTOR if early else AGE_FACTOR) - 1.0))

    def _bounded(self, wait_s: float) -> float:
        return min(self.longest_s, max(self.shortest_s, wait_s))

    def _lay_plan(self) -> None:
        weights = {pair: weight / self._newest for pair, weight in self._weights.items()}
        if len(weights) > REMEMBERED:
            lightest = sorted(weights, key=weights.__getitem__)[: len(weights) - REMEMBERED]
            for pair in lightest:
                del weights[pair]
        self._weights, self._newest = weights, 1.0
        effective = sum(weights.values())
        self._plan = _Plan(weights, effective, longest_s=self.longest_s)
        self._plan_at = self._seen + max(2, round(effective / 6.0))


_GROWTH = 2.0 ** (1.0 / HALF_LIFE)


class _Plan:
    """Where to put the questions, worked out once for what had been seen.

    Parameters
    ----------
    weights : dict
        How often ends were seen between two edges of cells.
    effective : float
        The sum of the weights.
    longest_s : float
        No two questions lie further apart.
    """

    def __init__(self, weights: dict[tuple[int, int], float], effective: float, *, longest_s: float) -> None:
        first = min(low for low, _ in weights)
        last = max(high for _, high in weights)
        density = _fit(weights, first, last)
        mean = sum(share * _middle(first + cell) for cell, share in enumerate(density))
        self._start = max(0, first - REACH_CELLS)
        self._oldest_s = _age(last)
        any_age = max(ANY_AGE_SHARE, ANY_AGE / (1.0 + effective))
        cells = last + REACH_CELLS - self._start
        # One more share lies beyond the last cell.
        masses = [any_age / (cells + 1)] * cells
        for cell, share in enumerate(density, first - self._start):
            masses[cell] += share * (1.0 - any_age)
        worth = QUESTIONS_PER_MEAN / mean * effective / (effective + DOUBT)
        self._targets = _place(masses, self._start, worth=worth, longest_s=longest_s)

    def wait_s(self, age_s: float) -> float | None:
        """Seconds to the next question; None for an age beyond all that was seen."""
        if age_s > self._oldest_s:
            return None
        wait = self._targets[max(0, _edge(age_s) - self._start)] - age_s
        return max(wait, age_s * (RATIO - 1.0))


def _fit(weights: dict[tuple[int, int], float], first: int, last: int) -> list[float]:
    """Fit a density over the cells from ``first`` to ``last`` to what was seen; it sums to 1."""
    cells = last - first
    total = sum(weights.values())
    spread = [0.0] * (cells + 1)
    for (low, high), weight in weights.items():
        part = UNRESOLVED * weight / (total * (high - low))
        spread[low - first] += part
        spread[high - first] -= part
    flat = list(accumulate(spread))[:cells]
    seen = [(low - first, high - first, (1.0 - UNRESOLVED) * weight / total) for (low, high), weight in weights.items()]
    density = [1.0 / cells] * cells
    for _ in range(FITTING_STEPS):
        below = [0.0, *accumulate(density)]
        steps: defaultdict[int, float] = defaultdict(float)
        for low, high, weight in seen:
            part = weight / (below[high] - below[low])
            steps[low] += part
            steps[high] -= part
        pull, fitted = 0.0, []
        for cell in range(cells):
            pull += steps.get(cell, 0.0)
            fitted.append(density[cell] * max(0.0, pull) + flat[cell])
        density = _smoothed(fitted)
    return density


def _smoothed(density: list[float]) -> list[float]:
    """Take the roughness out that few intervals leave; the sum stays."""
    left, right = [density[0], *density[:-1]], [*density[1:], density[-1]]
    return [0.8 * each + 0.1 * (a + b) for each, a, b in zip(density, left, right, strict=True)]


def _place(masses: list[float], start: int, *, worth: float, longest_s: float) -> list[float]:
    """For each edge of a cell, the age of the next question: the least questions plus ``worth`` times lateness."""
    count = len(masses)
    edges = [_age(start + place) for place in range(count + 1)]
    # The first edge stands for every younger age too, the moment of execute included.
    ended = [0.0, *accumulate(masses)]
    moment = [0.0, *accumulate(mass * _middle(start + cell) for cell, mass in enumerate(masses))]
    cost = [0.0] * (count + 1)
    cost[count] = (1.0 - ended[count]) * QUESTIONS_BEYOND
    targets = [0.0] * count
    # The best next question never comes earlier for an older job, so the search is bounded by the neighbour's.
    bound = count
    for place in range(count - 1, -1, -1):
        gone, spent, latest = ended[place], moment[place], edges[place] + longest_s
        best, chosen = float("inf"), place + 1
        for later in range(place + 1, bound + 1):
            age = edges[later]
            found = cost[later] + worth * (age * (ended[later] - gone) - moment[later] + spent)
            if found < best:
                best, chosen = found, later
            if age > latest:
                break
        cost[place] = best + 1.0 - gone
        targets[place] = edges[chosen]
        bound = chosen
    return targets


def _age(edge: int) -> float:
    return exp(_LOG_FIRST + edge * _LOG_RATIO)


def _middle(cell: int) -> float:
    return _age(cell) * (1.0 + RATIO) / 2.0


def _edge(age_s: float) -> int:
    return 0 if age_s <= FIRST_EDGE_S else round((log(age_s) - _LOG_FIRST) / _LOG_RATIO)
