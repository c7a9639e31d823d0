"""A few rows that stand for a whole sheet: the odd ones, not the first ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from heapq import nlargest
from pathlib import Path
from typing import Any

from opus_nb.job import LocalFile
from opus_nb.sheet.cells import MISSING
from opus_nb.sheet.checked import CheckedSheet

__all__ = ["choose_sample"]

# A column with more distinct values than this holds names or numbers, not categories.
MOST_CATEGORIES = 40
MOST_CANDIDATES = 2000


def choose_sample(sheet: CheckedSheet, count: int) -> list[int]:
    """Choose rows that cover a sheet: rare categories, missing values, the largest files, the extremes of numbers.

    Only rows that can be sent are chosen. The same sheet gives the same rows.

    Parameters
    ----------
    sheet : CheckedSheet
    count : int
        How many at most.

    Returns
    -------
    list of int
        Positions, in the order of the sheet.
    """
    ready = [position for position in range(sheet.row_count) if not sheet.invalid[position]]
    traits: dict[int, set[Hashable]] = {position: set() for position in ready}
    for name, cells in sheet.columns.items():
        for position, trait in _traits(ready, cells):
            traits[position].add((name, trait))
    rarity = Counter(trait for found in traits.values() for trait in found)
    chosen: list[int] = []
    covered: set[Hashable] = set()
    # The rows with the rarest traits are the only ones that can win; looking at all of a long sheet each time would
    # take minutes.
    score = {position: sum(1 / rarity[trait] for trait in found) for position, found in traits.items()}
    left = set(nlargest(MOST_CANDIDATES, ready, key=lambda position: (score[position], -position)))
    while left and len(chosen) < count:
        # What is rare and not covered yet counts most; among equals, the first row of the sheet.
        best = max(
            left,
            key=lambda position: (sum(1 / rarity[trait] for trait in traits[position] - covered), -position),
        )
        if not traits[best] - covered:
            break
        chosen.append(best)
        covered |= traits[best]
        left.discard(best)
    # Nothing new is left to see: fill up evenly over the sheet.
    taken = set(chosen)
    rest = [position for position in ready if position not in taken]
    missing = min(count - len(chosen), len(rest))
    chosen += [rest[round(place * (len(rest) - 1) / max(1, missing - 1))] for place in range(missing)]
    return sorted(dict.fromkeys(chosen))


def _traits(ready: list[int], cells: list[Any]) -> Iterator[tuple[int, Hashable]]:
    sizes: dict[int, float] = {}
    categories: dict[int, Hashable] = {}
    for position in ready:
        cell = cells[position]
        if cell is MISSING:
            yield position, "missing"
            continue
        size, category = _measure(cell)
        if size is not None:
            sizes[position] = size
        if category is not None:
            categories[position] = category
    if len(set(categories.values())) <= MOST_CATEGORIES:
        yield from categories.items()
    if sizes and min(sizes.values()) < max(sizes.values()):
        yield max(sizes, key=lambda position: (sizes[position], -position)), "largest"
        yield min(sizes, key=lambda position: (sizes[position], position)), "smallest"


def _measure(cell: Any) -> tuple[float | None, Hashable]:
    """Return how large a value is, and the category it may stand for."""
    if isinstance(cell, bool):
        return None, cell
    if isinstance(cell, (int, float)):
        return float(cell), cell
    if isinstance(cell, str):
        return float(len(cell)), cell
    files = [cell] if isinstance(cell, LocalFile) else cell if isinstance(cell, list) else []
    paths = [Path(each.path) for each in files if isinstance(each, LocalFile)]
    if paths:
        return float(sum(_size(path) for path in paths)), tuple(sorted({path.suffix.lower() for path in paths}))
    return float(len(cell)) if isinstance(cell, (list, dict)) else None, None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
