"""Why a run may stop starting rows by itself: caps, and failures that are all alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from opus_nb.batch.entry import Entry
from opus_nb.errors import SettingsError

__all__ = ["MAX_CONCURRENCY", "AlikeFailures", "Limits", "describe_shared", "read_limits"]

# Rows at Opus at once, unless somebody says otherwise: heavy workflows do not like many.
MAX_CONCURRENCY = 10
SHOWN = 6


@dataclass(slots=True)
class Limits:
    """What a person may set, before and while the run runs. None means no limit.

    Attributes
    ----------
    max_concurrency : int
        Rows at Opus at once; those that wait for a person take no place.
    max_jobs : int or None
        Jobs that this run may execute in all.
    max_minutes : float or None
        Nothing more starts so many minutes after this process began to work on the run.
    stop_after_failures : int or None
        Nothing more starts when so many rows have failed in the same way.
    patience_s : float or None
        How long a row at Opus is waited for; beyond, it stays running, keeps its id, and holds nobody up.
    setbacks : int
        How often a row is tried again when the way to Opus was blocked for it alone.
    outage_s : float
        How long nothing may reach Opus at all before the run halts by itself.
    only : sequence of int or None
        The places in the sheet that may start, as in a pilot; the others are skipped.
    """

    max_concurrency: int = MAX_CONCURRENCY
    max_jobs: int | None = None
    max_minutes: float | None = None
    stop_after_failures: int | None = None
    patience_s: float | None = None
    setbacks: int = 5
    outage_s: float = 900.0
    only: Sequence[int] | None = None

    def beyond(self, executed: int, *, late: bool) -> str | None:
        """Say which cap forbids one more job, after so many and perhaps after its time; None where none does."""
        if self.max_jobs is not None and executed >= self.max_jobs:
            return f"beyond max_jobs={self.max_jobs}; a higher cap continues"
        if self.max_minutes is not None and late:
            return f"beyond max_minutes={self.max_minutes:g}; a higher cap continues"
        return None

    def to_json(self) -> dict[str, Any]:
        """As the ledger keeps them, so that a run that is opened again has the caps it was started with."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Limits:
        """Read them again; what a newer version added is left out."""
        names = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in kept.items() if name in names})


def read_limits(
    *,
    max_concurrency: int = MAX_CONCURRENCY,
    max_jobs: int | None = None,
    max_cost: float | None = None,
    max_minutes: float | None = None,
    stop_after_failures: int | None = None,
    patience_s: float | None = None,
    price: float | None = None,
) -> Limits:
    """Check what a person asked for.

    Parameters
    ----------
    max_cost : float or None
        Becomes ``max_jobs``, by the price of one job.
    price : float or None
        What Opus estimates for one job.

    Raises
    ------
    SettingsError
        A number that cannot be meant, or a cost without a price.
    """
    for name, value, least in (
        ("max_concurrency", max_concurrency, 1),
        ("max_jobs", max_jobs, 0),
        ("stop_after_failures", stop_after_failures, 1),
    ):
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
        if not whole and (value is not None or name == "max_concurrency"):
            raise SettingsError(
                f"{name} must be a whole number from {least}",
                where=f"{name}={value!r}",
                next_step=f"As in {name}=10; None, or leaving it out, means no limit of your own.",
            )
    for name, amount in (("max_cost", max_cost), ("max_minutes", max_minutes), ("patience_s", patience_s)):
        if amount is None:
            continue
        if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not 0 <= amount < float("inf"):
            raise SettingsError(
                f"{name} must be a number from 0",
                where=f"{name}={amount!r}",
                next_step=f"As in {name}=60; None, or leaving it out, means no limit.",
            )
    if max_cost is not None:
        if price is None:
            raise SettingsError(
                "max_cost needs a price, and Opus gives none for this workflow",
                where=f"max_cost={max_cost!r}",
                next_step="Use max_jobs= instead.",
            )
        affordable = int(max_cost / price + 1e-9)
        max_jobs = affordable if max_jobs is None else min(max_jobs, affordable)
    return Limits(max_concurrency, max_jobs, max_minutes, stop_after_failures, patience_s)


class AlikeFailures:
    """Counts failures by what they have in common: the node and the message."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[int]] = {}

    def note(self, entry: Entry, limit: int | None) -> tuple[tuple[str, str], list[int]] | None:
        """One row failed; return signature and positions when there are as many alike as the limit says."""
        if limit is None or entry.signature is None:
            return None
        rows = self._rows.setdefault(entry.signature, [])
        rows.append(entry.position)
        return (entry.signature, list(rows)) if len(rows) >= limit else None

    def clear(self) -> None:
        """Count anew."""
        self._rows.clear()


def describe_shared(failed: Sequence[Mapping[str, Any]], fine: Sequence[Mapping[str, Any]]) -> str:
    """Say which inputs all failed rows have in common, and whether rows that went well have them too.

    Parameters
    ----------
    failed, fine : sequence of Mapping
        Input name to value, a row each.

    Returns
    -------
    str
        Sentences for a person; says so when nothing is shared.
    """
    if not failed:
        return ""
    first, *others = failed
    shared = {name: value for name, value in first.items() if all(row.get(name) == value for row in others)}
    if not shared:
        return "The rows have no value in common."
    telling, plain = [], []
    for name, value in shared.items():
        also = sum(row.get(name) == value for row in fine)
        text = f"{name} = {_short(value)}"
        if fine and not also:
            telling.append(f"{text} (none of {len(fine)} completed rows has it)")
        else:
            plain.append(text + (f" (so have {also} of {len(fine)} completed rows)" if fine else ""))
    found = [*telling, *plain]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "They share: " + "; ".join(found[:SHOWN]) + more + "."


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
