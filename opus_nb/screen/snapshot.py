"""What a tally knows at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FailureGroup", "RowNote", "TallySnapshot", "count_failures"]


@dataclass(frozen=True, slots=True)
class RowNote:
    """A row worth naming: one that runs, or one that waits for a person.

    Attributes
    ----------
    position : int
        Place of the row in the sheet, from 0.
    row : str
        Its label, as the user's index has it.
    job_id, word : str or None
        Its id at Opus and the last status word, letter for letter.
    since : float
        Unix seconds at which it came into this state, as far as we know.
    nodes_done, nodes_total : int or None
        Progress inside the job, where an audit told it.
    note : str or None
        What it waits for, where that is known.
    """

    position: int
    row: str
    job_id: str | None
    word: str | None
    since: float
    nodes_done: int | None = None
    nodes_total: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures that say the same, numbers and ids aside.

    Attributes
    ----------
    signature : str
        What they have in common.
    count : int
        Rows that stand so now; a retried row leaves its group.
    state : str
        Count name of the newest of them.
    example : str
        The newest message, at most 500 characters.
    position, row, job_id
        The row (place and label) and job of the newest.
    at : float
        When the newest failed, Unix seconds.
    """

    signature: str
    count: int
    state: str
    example: str
    position: int
    row: str
    job_id: str | None
    at: float


@dataclass(frozen=True, slots=True)
class TallySnapshot:
    """A tally at one moment.

    Attributes
    ----------
    at : float
        Unix seconds.
    total : int
        Rows of the sheet; ``counts`` sums to it.
    counts : Mapping
        Count name to rows, in the order of `opus_nb.job.COUNT_NAMES`, those that occur.
    ended : int
        Rows that are final.
    elapsed_s : float
        Since the run began; stands still once every row is final.
    rate_per_min : float or None
        Jobs that ended per minute over the last minutes; None while none has.
    time_left_s : tuple of (float, float) or None
        Between the two, with about four chances in five, people aside; None when unknown.
    running, waiting : tuple of RowNote
        The oldest of them, at most 8 each; ``counts`` says how many there are.
    failures : tuple of FailureGroup
        Newest first, at most 8.
    price_spent, price_expected : float or None
        By the workflow's own estimate per job; None where it gives none.
    """

    at: float
    total: int
    counts: Mapping[str, int]
    ended: int
    elapsed_s: float
    rate_per_min: float | None
    time_left_s: tuple[float, float] | None
    running: tuple[RowNote, ...]
    waiting: tuple[RowNote, ...]
    failures: tuple[FailureGroup, ...]
    price_spent: float | None
    price_expected: float | None

    @property
    def is_over(self) -> bool:
        """True when every row is final."""
        return self.ended >= self.total


def count_failures(snapshot: TallySnapshot) -> int:
    """Rows that ended without success and can be retried: failed, timed out and cancelled."""
    return sum(snapshot.counts.get(name, 0) for name in ("failed", "timed_out", "cancelled"))
