"""When to ask after a job: often when its end is likely, rarely when it is not.

Pure arithmetic on ages in seconds, so that the same code runs in the engine and in the simulation.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque

from opus_nb.job import PastRuns

__all__ = ["PollSchedule"]

# Until enough jobs have ended: the next question comes when the job is this much older than now.
AGE_FACTOR = 1.5
# Enough to believe what was seen.
ENOUGH = 12
# What is remembered; the newest weigh alone, so that a workflow that got slower is followed.
REMEMBERED = 512


class PollSchedule:
    """Learns how long the jobs of one workflow take, and says when to ask next.

    Parameters
    ----------
    past : PastRuns
        What earlier runs saw.
    expected_s : float, optional
        The workflow's own estimate, used until something has been seen.
    first_s, shortest_s, longest_s : float
        The first question of a workflow nobody knows; the bounds of every wait.
    lateness : float
        How late, as a share of the mean duration, the end may be noticed.
    """

    def __init__(
        self,
        past: PastRuns | None = None,
        *,
        expected_s: float | None = None,
        first_s: float = 0.5,
        shortest_s: float = 0.05,
        longest_s: float = 60.0,
        lateness: float = 0.10,
    ) -> None:
        self.first_s, self.shortest_s, self.longest_s, self.lateness = first_s, shortest_s, longest_s, lateness
        self._expected_s = expected_s
        self._order: deque[float] = deque()
        self._sorted: list[float] = []
        for low, high in reversed((past or PastRuns()).intervals_s[:REMEMBERED]):
            self.learn(low, high)

    @property
    def seen(self) -> int:
        """How many ends it has learned from."""
        return len(self._sorted)

    def learn(self, low_s: float, high_s: float) -> None:
        """A job ended between these two ages."""
        middle = (max(0.0, low_s) + max(0.0, high_s)) / 2
        self._order.append(middle)
        insort(self._sorted, middle)
        if len(self._order) > REMEMBERED:
            oldest = self._order.popleft()
            del self._sorted[bisect_right(self._sorted, oldest) - 1]

    def wait_s(self, age_s: float) -> float:
        """Seconds from now until a job of this age should be asked after."""
        if self.seen < ENOUGH:
            return self._bounded(self._by_age(age_s))
        return self._bounded(self._learned(age_s))

    def _by_age(self, age_s: float) -> float:
        if self._expected_s and age_s < 0.5 * self._expected_s:
            return 0.5 * self._expected_s - age_s
        return max(self.first_s, age_s * AGE_FACTOR) - age_s if age_s > 0 else self.first_s

    def _learned(self, age_s: float) -> float:
        ends = self._sorted
        passed = bisect_right(ends, age_s)
        left = len(ends) - passed
        mean = sum(ends) / len(ends)
        finest = 2 * self.lateness * mean
        if left <= len(ends) * 0.02:
            # Older than nearly all that were seen: nothing to learn from, so go by age again.
            return max(finest, age_s * (AGE_FACTOR - 1))
        # Ask when a fair share of those still running will have ended, but no finer than the lateness allows.
        step = max(1, round(left * 0.18))
        target = ends[min(len(ends) - 1, passed + step - 1)]
        return max(finest, target - age_s)

    def _bounded(self, wait_s: float) -> float:
        return min(self.longest_s, max(self.shortest_s, wait_s))
