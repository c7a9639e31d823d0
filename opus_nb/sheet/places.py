"""Where in a workbook the rows of a frame stand now; a row that is not found alike has no place."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import pandas as pd

from opus_nb.sheet.cells import clean_text, shorten, show_text

__all__ = ["cell_text", "find_places"]

_LETTERS: Final = 200
_ANY: Final = None  # a formula, or a cell below the first of a merged area: what is read there is not what stands there

_Key = tuple[str | None, ...]


def cell_text(value: Any) -> str:
    """Return what of a cell tells it from others, ``""`` where it is missing."""
    return shorten(clean_text(show_text(value)), _LETTERS)


@dataclass
class _Rows:
    """The texts of what can be compared: by position in the frame, and by row of the sheet."""

    ours: list[_Key]
    theirs: dict[int, _Key]
    telling: int  # columns whose values the sheet still has
    changed: int  # columns whose values are others than the sheet's
    blind: int  # columns of formulas


def find_places(
    df: pd.DataFrame,
    sheet: Any,
    columns: Sequence[int | None],
    supposed: Sequence[int | None],
    *,
    header_row: int,
    read_rows: Sequence[int],
    digest: Callable[[str], str] | None = None,
) -> list[int | None]:
    """Return for each row of the frame the row of the sheet that holds it, None where none surely does.

    A row whose cells stand in one place only is there, wherever that is. One that stands in several, and one of which
    a cell was edited since, is where its label says, moved as its neighbours were.

    Parameters
    ----------
    df : pandas.DataFrame
    sheet : Any
        Of openpyxl.
    columns : sequence of int or None
        For each column of the frame the one of the sheet to compare it with, None for one that tells nothing.
    supposed : sequence of int or None
        For each row of the frame its row in the sheet by its label.
    header_row : int
    read_rows : sequence of int
        The rows that the sheet had when it was read.
    digest : callable, optional
        What the frame holds instead of texts.

    Returns
    -------
    list of int or None
    """
    if all(column is None for column in columns):
        return [None] * len(supposed)
    rows = _compare_columns(df, sheet, columns, header_row, digest)
    labels = [position if row is None else -row for position, row in enumerate(supposed)]  # equal for equal labels
    found_in: defaultdict[_Key, list[int]] = defaultdict(list)
    for row, key in rows.theirs.items():
        found_in[key].append(row)
    wanted_by: defaultdict[_Key, set[int]] = defaultdict(set)
    for key, label in zip(rows.ours, labels, strict=True):
        wanted_by[key].add(label)
    places: list[int | None] = []
    for key, by_label in zip(rows.ours, supposed, strict=True):
        alone = any(key) and len(found_in.get(key, ())) == len(wanted_by[key]) == 1
        place = found_in[key][0] if alone else None
        # Where whole columns are others than the sheet's, what is left does not tell enough to move a row.
        places.append(None if rows.changed and place != by_label else place)
    if not _tells_enough(rows, places, supposed, read_rows):
        return [None] * len(places)
    _place_by_neighbours(rows, places, supposed, labels, _anchors(rows, places, supposed, header_row, read_rows))
    return places


def _compare_columns(
    df: pd.DataFrame, sheet: Any, columns: Sequence[int | None], header_row: int, digest: Callable[[str], str] | None
) -> _Rows:
    wanted = {column for column in columns if column is not None}
    merged = {
        (row, column)
        for area in sheet.merged_cells.ranges
        for row in range(area.min_row, area.max_row + 1)
        for column in wanted.intersection(range(area.min_col, area.max_col + 1))
        if (row, column) != (area.min_row, area.min_col)
    }
    cells: dict[int, dict[int, str | None]] = {column: {} for column in wanted}
    for (row, column), cell in sheet._cells.items():
        if column in wanted and row > header_row:
            text = _ANY if cell.data_type == "f" or (row, column) in merged else _sheet_text(cell.value)
            cells[column][row] = digest(text) if digest and text else text
    numbers = sorted({row for each in cells.values() for row, text in each.items() if text != ""})
    ours: list[list[str]] = []
    theirs: list[dict[int, str | None]] = []
    changed = blind = 0
    for at, column in enumerate(columns):
        if column is None:
            continue
        mine = [show_text(cell) if digest else cell_text(cell) for cell in df.iloc[:, at].tolist()]
        there = set(cells[column].values())
        values = [text for text in mine if text]
        if there <= {_ANY, ""} and _ANY in there:
            blind += 1
        elif sum(text in there for text in values) * 2 < len(values):
            changed += 1
        elif values:
            ours.append(mine)
            theirs.append(cells[column])
    keys: list[_Key] = list(zip(*ours, strict=True)) if ours else [()] * len(df)
    return _Rows(keys, {row: tuple(each.get(row, "") for each in theirs) for row in numbers}, len(ours), changed, blind)


def _sheet_text(value: Any) -> str:
    from openpyxl.utils.escape import unescape

    return cell_text(unescape(value) if type(value) is str and "_x" in value else value)


def _tells_enough(
    rows: _Rows, places: Sequence[int | None], supposed: Sequence[int | None], read_rows: Sequence[int]
) -> bool:
    """Say whether the cells that can be compared prove that this is the table, and that labels mean its rows."""
    sure = sum(place is not None for place in places)
    if rows.changed and (rows.telling < rows.changed or sure * 2 < len(places)):
        return False
    # Labels that count 0, 1, 2 and stop early may be what reset_index() leaves of a filtered frame.
    early = len(supposed) < len(read_rows) and list(supposed) == list(read_rows[: len(supposed)])
    return bool(sure or (rows.telling and not rows.blind) or not early)


def _anchors(
    rows: _Rows,
    places: Sequence[int | None],
    supposed: Sequence[int | None],
    header_row: int,
    read_rows: Sequence[int],
) -> list[tuple[int, int]]:
    """Return (row by label, how far it was moved) of what is surely found; the ends of the table are, too."""
    known = {row: place - row for row, place in zip(supposed, places, strict=True) if place is not None and row}
    end = max(read_rows, default=header_row)
    ends = [(header_row, 0), (end + 1, max(rows.theirs, default=end) - end)]
    return sorted(chain(known.items(), ends))


def _place_by_neighbours(
    rows: _Rows,
    places: list[int | None],
    supposed: Sequence[int | None],
    labels: Sequence[int],
    anchors: Sequence[tuple[int, int]],
) -> None:
    taken = {place: label for place, label in zip(places, labels, strict=True) if place is not None}
    at = [row for row, _ in anchors]
    for position, row in enumerate(supposed):
        if places[position] is not None or row is None:
            continue
        after = min(bisect_left(at, row), len(anchors) - 1)
        same = at[after] == row
        moved = {anchors[after][1], anchors[after if same else max(after - 1, 0)][1]}
        free = [row + by for by in moved if taken.get(row + by, labels[position]) == labels[position]]
        free = [each for each in free if each == row or not rows.changed]
        key = rows.ours[position]
        fits = [each for each in free if rows.theirs.get(each, ("",) * len(key)) == key]
        if not fits and len(moved) == 1:
            fits = [each for each in free if _alike(key, rows.theirs.get(each, ()), edited=0 if rows.changed else 1)]
        if len(fits) == 1:
            places[position] = fits[0]
            taken[fits[0]] = labels[position]


def _alike(ours: _Key, theirs: _Key, *, edited: int) -> bool:
    """Return True when at most so many cells hold something else, and at least half of them the same."""
    pairs = [pair for pair in zip(ours, theirs, strict=False) if any(pair) and pair[1] is not _ANY]
    if not pairs:
        return bool(theirs)
    told = Counter("same" if mine == other else "gap" if not (mine and other) else "other" for mine, other in pairs)
    return told["other"] <= edited and told["same"] * 2 >= len(pairs)
