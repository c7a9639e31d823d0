"""Results written beside the rows of the user's own workbook, in a copy of it."""

from __future__ import annotations

from collections import Counter
from copy import copy as copy_style
from os import PathLike
from typing import Any

import pandas as pd

from opus_nb.errors import SheetUnreadable
from opus_nb.sheet.copies import WorkbookCopy, check_target, open_copy, save_copy
from opus_nb.sheet.headers import column_letter, header_texts
from opus_nb.sheet.safe_cells import column_width, put_value

__all__ = ["write_beside"]


def write_beside(
    target: str | PathLike[str],
    df: pd.DataFrame,
    frame: pd.DataFrame,
    *,
    source: str | PathLike[str] | None = None,
) -> list[str]:
    """Write a copy of the workbook that ``df`` was read from, with the columns of ``frame`` right of its rows.

    Formats and formulas of the workbook stay. A column whose header stands there already (from an earlier copy) is
    written over, the others come after the last one. Values are written as what they are: text that could be read
    as a formula stays text. The file that was read is not touched, unless ``target`` is that file.

    Parameters
    ----------
    target : str or path
        Where to; ends in xlsx.
    df : pandas.DataFrame
        As `read_sheet` gave it, or a part of it in any order.
    frame : pandas.DataFrame
        One row per row of ``df``, in the same order.
    source : str or path, optional
        The workbook, when it lies elsewhere now.

    Returns
    -------
    list of str
        What had to be changed so that a workbook can hold it, one sentence per kind and column; empty if nothing.

    Raises
    ------
    SheetUnreadable
        There is no workbook to copy, it holds another table now, or ``frame`` has another number of rows.
    SettingsError
        The target is no xlsx name, or cannot be written.
    """
    place = check_target(target)
    if len(frame) != len(df):
        raise SheetUnreadable(
            "The results cannot be laid beside the sheet",
            came_back=f"{len(frame)} rows of results for {len(df)} rows of the sheet",
            next_step="Give the frame that the run was planned with.",
        )
    book = open_copy(df, source)
    if not book.header_row:
        raise SheetUnreadable("The sheet has no header row, so its columns cannot be told apart from new ones")
    taken = {column for column in book.columns if column is not None}
    notes: list[str] = []
    for position, header in enumerate(header_texts(frame)):
        column = _column_for(book, header, taken)
        taken.add(column)
        notes += _write_column(book, column, header, frame.iloc[:, position].tolist())
    lost = sum(row is None for row in book.rows)
    if lost:
        notes.append(f"{lost} rows are not in the workbook; their results were left out")
    save_copy(book, place)
    return notes


def _column_for(book: WorkbookCopy, header: str, taken: set[int]) -> int:
    """Return the column that an earlier copy gave to this header, else the first one that is free."""
    last: int = book.sheet.max_column
    for column in range(1, last + 1):
        if column not in taken and book.sheet.cell(book.header_row, column).value == header:
            return column
    column = max([last, *taken]) + 1
    while column > 1 and column - 1 not in taken and _is_empty(book, column - 1):
        column -= 1
    return column


def _is_empty(book: WorkbookCopy, column: int) -> bool:
    return all(cell.value is None for (cell,) in book.sheet.iter_rows(min_col=column, max_col=column))


def _write_column(book: WorkbookCopy, column: int, header: str, values: list[Any]) -> list[str]:
    changes: Counter[str] = Counter()
    head = book.sheet.cell(book.header_row, column)
    put_value(head, header)
    _dress_like_neighbour(book, head, column)
    for row, value in zip(book.rows, values, strict=True):
        if row is None:
            continue
        changed = put_value(book.sheet.cell(row, column), value)
        if changed:
            changes[changed] += 1
    letter = column_letter(column - 1)
    book.sheet.column_dimensions[letter].width = column_width([header, *(str(value) for value in values[:50])])
    return [f'column "{header}": {changed} in {count} cells' for changed, count in changes.items()]


def _dress_like_neighbour(book: WorkbookCopy, head: Any, column: int) -> None:
    if column == 1:
        return
    neighbour = book.sheet.cell(book.header_row, column - 1)
    if neighbour.has_style:
        for part in ("font", "fill", "border", "alignment"):
            setattr(head, part, copy_style(getattr(neighbour, part)))
