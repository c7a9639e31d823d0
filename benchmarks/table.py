"""One line of the table, and how the table is printed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap


@dataclass(frozen=True)
class Row:
    """One target and what was measured.

    Attributes
    ----------
    number : str
        As in P1 to P14, R1 to R4.
    what, target, measured : str
    holds : bool or None
        None where nothing was measured here; ``measured`` then says where it is.
    note : str
        What explains it: the parts, the peers, a profile.
    """

    number: str
    what: str
    target: str
    measured: str
    holds: bool | None
    note: str = ""


@dataclass(frozen=True)
class Scale:
    """How much is measured: everything, or just enough to see that it runs."""

    quick: bool = False

    def pick(self, full: int, quick: int) -> int:
        """The one for the mode."""
        return quick if self.quick else full


def at_most(
    number: str, what: str, limit: float, found: float, *, unit: str = "", note: str = "", digits: int = 2
) -> Row:
    """A row whose figure must not be above its limit."""
    return Row(number, what, f"<= {limit:g}{unit}", f"{found:.{digits}f}{unit}", found <= limit, note)


def at_least(
    number: str, what: str, limit: float, found: float, *, unit: str = "", note: str = "", digits: int = 2
) -> Row:
    """A row whose figure must not be below its limit."""
    return Row(number, what, f">= {limit:g}{unit}", f"{found:.{digits}f}{unit}", found >= limit, note)


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of rounds that were measured side by side."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def format_rows(rows: Sequence[Row]) -> str:
    """The table as text, notes below each line."""
    heads = ("", "what", "target", "measured", "holds")
    cells = [heads, *((each.number, each.what, each.target, each.measured, _verdict(each)) for each in rows)]
    widths = [min(64, max(len(line[place]) for line in cells)) for place in range(len(heads))]
    lines = []
    for place, line in enumerate(cells):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if place == 0:
            lines.append("  ".join("-" * width for width in widths))
        elif rows[place - 1].note:
            lines.extend(f"      {each}" for each in wrap(rows[place - 1].note, 130))
    return "\n".join(lines)


def _verdict(row: Row) -> str:
    return "-" if row.holds is None else "yes" if row.holds else "NO"
