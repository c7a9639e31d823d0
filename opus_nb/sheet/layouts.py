"""Where in a grid the table is: header, rows, columns, and what a person should know about it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from opus_nb.errors import SheetUnreadable
from opus_nb.sheet.cells import clean_text, counted, shorten, show_list, show_text
from opus_nb.sheet.findings import warning
from opus_nb.sheet.grids import Grid, row_digest, spans
from opus_nb.sheet.headers import column_letter

__all__ = ["Layout", "find_layout"]

_HEADER_SEARCH_ROWS = 25
_TOTAL = re.compile(
    r"(grand |sub)?total(s|e|en)?( général)?|sum(me|men|a)?|gesamt(summe)?|insgesamt|zwischensumme|"
    r"totaal|totale|razem|итого",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Layout:
    """The table within a grid; rows and columns count from 0.

    Attributes
    ----------
    header_row : int
        The (last) header row; -1 without one.
    headers : list of str
    columns : list of int
        The grid's column for each header.
    rows : list of int
        The grid's rows with data.
    """

    header_row: int
    headers: list[str]
    columns: list[int]
    rows: list[int]


def find_layout(
    grid: Grid,
    header: int | list[int] | Literal["auto"] | None,
    *,
    drop_hidden: bool,
    fill_merged: bool,
) -> Layout:
    """Find the table, and note what was noticed on the grid.

    Raises
    ------
    SheetUnreadable
        The sheet holds nothing at all, or not so many rows as ``header`` says.
    """
    filled = grid.filled_rows()
    if not filled:
        raise SheetUnreadable("The sheet holds nothing", where=_place(grid), next_step="Check the file and sheet=.")
    header_rows = _header_rows(grid, filled, header)
    below = header_rows[-1] if header_rows else -1
    rows = [row for row in filled if row > below]
    rows = _without_example(grid, rows)
    _note_blank_rows(grid, rows, filled[-1])
    rows = _without_hidden(grid, rows, drop=drop_hidden)
    _note_merged(grid, rows, fill=fill_merged)
    _note_totals(grid, rows)
    used = {column for row in rows for column in grid.rows.get(row, ())}
    named = {column for row in header_rows for column in grid.rows.get(row, ())}
    columns = sorted(used | named)
    headers = _headers(grid, header_rows, columns) if header_rows else [column_letter(each) for each in columns]
    hidden = [text for text, column in zip(headers, columns, strict=True) if column in grid.hidden_columns]
    if hidden:
        are = "is" if len(hidden) == 1 else "are"
        problem = f"{counted(len(hidden), 'column')} {are} hidden in the workbook: {show_list(hidden)}"
        grid.notes.append(
            warning("hidden_columns", problem, "Part of the table all the same; check that this is meant.")
        )
    _note_results(grid, columns, headers)
    _note_repeated_headers(grid, rows, header_rows[-1:])
    return Layout(below, headers, columns, rows)


def _place(grid: Grid) -> str:
    return f'{grid.path}, sheet "{grid.sheet}"' if grid.sheet else str(grid.path)


def _header_rows(grid: Grid, filled: list[int], header: int | list[int] | Literal["auto"] | None) -> list[int]:
    if header is None:
        return []
    if header != "auto":
        given = list(header) if isinstance(header, (list, tuple)) else [header]
        if not given or any(isinstance(row, bool) or not isinstance(row, int) or row < 0 for row in given):
            raise SheetUnreadable(
                "header= is no row", came_back=repr(header), next_step="Rows count from 0 at the top of the sheet."
            )
        rows = sorted(given)
        if rows[-1] > filled[-1]:
            raise SheetUnreadable(
                f"The sheet has no row {rows[-1]} for the headers",
                where=_place(grid),
                came_back=f"its last row with a value is {filled[-1]}, counted from 0",
                next_step="Give another row as header=, or leave it out to have it found.",
            )
        return rows
    head = filled[:_HEADER_SEARCH_ROWS]
    width = max(len(grid.rows[row]) for row in head)
    least = 1 if width == 1 else max(2, math.ceil(width * 0.6))
    chosen = next(row for row in head if len(grid.rows[row]) >= least)
    if _is_row_of_groups(grid, chosen - 1, least) and _second_header_row(grid, chosen - 1, filled) == chosen:
        chosen -= 1
    skipped = [row for row in head if row < chosen]
    if skipped:
        shown = show_list([show_text(next(iter(grid.rows[row].values()))) for row in skipped], 3)
        problem = f"The headers were found in row {chosen + 1}; above them stands {shown}"
        grid.notes.append(warning("rows_above_header", problem, f"If that is wrong: read(path, header={skipped[0]})."))
    texts = [show_text(value) for value in grid.rows[chosen].values()]
    if not any(letter.isalpha() for text in texts for letter in text):
        shown = show_list(texts, 3)
        problem = f"Row {chosen + 1} was taken for the headers, and holds no words: {shown}"
        grid.notes.append(warning("odd_headers", problem, "If it is a row of data: read(path, header=None)."))
    second = _second_header_row(grid, chosen, filled)
    if second is None:
        return [chosen]
    problem = f"The headers are in rows {chosen + 1} and {second + 1}; they are joined with a dot"
    grid.notes.append(warning("several_header_rows", problem, f"If that is wrong: read(path, header={chosen})."))
    return [chosen, second]


def _is_row_of_groups(grid: Grid, row: int, least: int) -> bool:
    """Return True when several headers in ``row`` are merged over columns, and span the table with that."""
    groups = [
        area.right - area.left
        for area in grid.merged
        if area.top == area.bottom == row and area.right > area.left and area.left in grid.rows.get(row, {})
    ]
    return len(groups) >= 2 and len(grid.rows[row]) + sum(groups) >= least


def _second_header_row(grid: Grid, first: int, filled: list[int]) -> int | None:
    """Return the next row when headers in ``first`` are merged over several columns that have names below."""
    second = first + 1
    cells = grid.rows.get(second, {})
    groups = [area for area in grid.merged if area.top == area.bottom == first and area.right > area.left]
    if not groups or second not in filled or not all(isinstance(value, str) for value in cells.values()):
        return None
    under = [column for area in groups for column in range(area.left, min(area.right, area.left + 500) + 1)]
    return second if sum(column in cells for column in under) * 2 >= len(under) else None


def _headers(grid: Grid, rows: Sequence[int], columns: Sequence[int]) -> list[str]:
    if len(rows) == 1:
        cells = grid.rows.get(rows[0], {})
        return [show_text(cells[column]) if column in cells else "" for column in columns]
    parts: dict[int, list[str]] = {column: [] for column in columns}
    for depth, row in enumerate(rows):
        cells = dict(grid.rows.get(row, {}))
        for area in grid.merged:
            if area.top == area.bottom == row and (row, area.left) and area.left in cells:
                cells |= dict.fromkeys(range(area.left, min(area.right, area.left + 500) + 1), cells[area.left])
        if depth < len(rows) - 1 and not any(area.top == row for area in grid.merged):
            _carry_on(cells, columns)
        for column in columns:
            text = clean_text(show_text(cells.get(column, "")))
            if text and text not in parts[column][-1:]:
                parts[column].append(text)
    return [".".join(parts[column]) for column in columns]


def _carry_on(cells: dict[int, Any], columns: Sequence[int]) -> None:
    """Give a group's header to the empty cells right of it, where the file knows no merged cells."""
    last = None
    for column in columns:
        last = cells.setdefault(column, last) if last is not None else cells.get(column)


def _without_example(grid: Grid, rows: list[int]) -> list[int]:
    """Leave out the example row of a template of ours, wherever it was sorted to, unless it was written over."""
    if not grid.example_digest:
        return rows
    kept = [row for row in rows if row_digest(v for _, v in sorted(grid.rows[row].items())) != grid.example_digest]
    if len(kept) < len(rows):
        problem = "The example row of the template is left out"
        grid.notes.append(warning("example_row", problem, "Nothing to do; you may delete it."))
    return kept


def _note_blank_rows(grid: Grid, rows: list[int], last: int) -> None:
    gaps = [first + 1 for first, _ in list(spans(rows))[1:]]
    if gaps:
        missing = rows[-1] - rows[0] + 1 - len(rows)
        shown = ", ".join(str(each) for each in gaps[:5])
        stand = "stands" if missing == 1 else "stand"
        problem = f"{counted(missing, 'blank row')} {stand} between rows with values (above row {shown}); left out"
        grid.notes.append(warning("blank_rows", problem, "Nothing to do, unless a second table begins there."))
    below = grid.last_row - last
    if below > 0:
        problem = f"{counted(below, 'row')} below the last value (row {last + 1}) "
        problem += f"{'holds' if below == 1 else 'hold'} nothing but spaces or formats; left out"
        grid.notes.append(warning("trailing_blank_rows", problem, "Nothing to do."))


def _note_results(grid: Grid, columns: list[int], headers: list[str]) -> None:
    found = [header for header, column in zip(headers, columns, strict=True) if column in grid.results]
    if found:
        what = "column holds" if len(found) == 1 else "columns hold"
        problem = (
            f"{len(found)} {what} the results of an earlier run ({show_list(found)}) and no input is fed from there"
        )
        fix = "Nothing to do; name a column in columns= if it is to feed an input all the same."
        grid.notes.append(warning("results_columns", problem, fix))


def _without_hidden(grid: Grid, rows: list[int], *, drop: bool) -> list[int]:
    hidden = [row for row in rows if row in grid.hidden_rows]
    if not hidden:
        return rows
    why = "filtered away or hidden" if grid.is_filtered else "hidden"
    shown = ", ".join(
        f"{first + 1}-{first + count}" if count > 1 else str(first + 1) for first, count in list(spans(hidden))[:5]
    )
    said = f"{len(hidden):,} of {counted(len(rows), 'row')} {'is' if len(hidden) == 1 else 'are'}"
    which = "row" if len(hidden) == 1 else "rows"
    if drop:
        problem = f"{said} {why} in the workbook ({which} {shown}) and left out"
        grid.notes.append(warning("hidden_rows", problem, 'read(path, hidden="keep") keeps them.'))
        return [row for row in rows if row not in grid.hidden_rows]
    problem = f"{said} {why} in the workbook ({which} {shown}) and part of the table all the same"
    grid.notes.append(warning("hidden_rows", problem, 'read(path, hidden="drop") leaves them out.'))
    return rows


def _note_merged(grid: Grid, rows: list[int], *, fill: bool) -> None:
    if not rows:
        return
    inside = set(rows)
    areas = [area for area in grid.merged if area.bottom > area.top and area.top in inside]
    areas = [area for area in areas if area.left in grid.rows.get(area.top, {})]
    if not areas:
        return
    if fill:
        for area in areas:
            value = grid.rows[area.top][area.left]
            for row in rows:
                if area.top < row <= area.bottom:
                    grid.rows[row].setdefault(area.left, value)
    shown = ", ".join(
        f"{column_letter(each.left)}{each.top + 1}:{column_letter(each.right)}{each.bottom + 1}" for each in areas[:5]
    )
    rest = f" and {len(areas) - 5} more" if len(areas) > 5 else ""
    if fill:
        problem = f"Cells are merged over several rows ({shown}{rest}); each of the rows got the value"
        grid.notes.append(
            warning("merged_cells", problem, 'read(path, merged="keep") leaves it in the first row only.')
        )
    else:
        problem = f"Cells are merged over several rows ({shown}{rest}); only the first row has the value"
        grid.notes.append(warning("merged_cells", problem, 'read(path, merged="fill") gives it to every row.'))


def _note_totals(grid: Grid, rows: list[int]) -> None:
    """Note rows that look like totals; they stay, because only their owner can know."""
    if len(rows) < 2:
        return
    _note_totals_within(grid, rows)
    cells = grid.rows.get(rows[-1], {})
    words = [clean_text(value).rstrip(":") for value in cells.values() if isinstance(value, str)]
    total = next((word for word in words if _TOTAL.fullmatch(word)), None)
    if total is None:
        return
    where = f"The last row (row {rows[-1] + 1}) looks like a total ({shorten(total, 30)!r})"
    grid.notes.append(
        warning("totals_row", f"{where} and would be sent like any other", "Leave it out: df = df.iloc[:-1].")
    )


def _note_totals_within(grid: Grid, rows: list[int]) -> None:
    """Note totals above the last row: a word for it, and nothing else but numbers."""
    found: list[int] = []
    for place, row in enumerate(rows[:-1]):
        values = list(grid.rows.get(row, {}).values())
        texts = [value for value in values if isinstance(value, str) and any(map(str.isalpha, value))]
        if len(values) > 1 and len(texts) == 1 and _TOTAL.fullmatch(clean_text(texts[0]).rstrip(":")):
            found.append(place)
    if found:
        _note_rows(grid, rows, found, "totals_within", "like a total")


def _note_repeated_headers(grid: Grid, rows: list[int], header_rows: list[int]) -> None:
    """Note rows that say the headers again, as in sheets pasted below each other."""
    headers = [(column, show_text(value)) for row in header_rows for column, value in grid.rows.get(row, {}).items()]
    if not headers:
        return
    first, text = headers[0]
    found = [
        place
        for place, row in enumerate(rows)
        if show_text(grid.rows[row].get(first, "")) == text
        and [(column, show_text(value)) for column, value in sorted(grid.rows[row].items())] == sorted(headers)
    ]
    if found:
        _note_rows(grid, rows, found, "headers_repeated", "like the headers again")


def _note_rows(grid: Grid, rows: list[int], found: list[int], code: str, how: str) -> None:
    shown = ", ".join(str(rows[place] + 1) for place in found[:5])
    which, looks = ("Row", "looks") if len(found) == 1 else ("Rows", "look")
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    problem = f"{which} {shown}{more} of the sheet {looks} {how} and would be sent like any other"
    places = found[0] if len(found) == 1 else found[:50]
    grid.notes.append(warning(code, problem, f"If so, leave out: df = df.drop(index={places})."))
