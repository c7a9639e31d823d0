"""A copy of the user's own workbook in which every problem is marked where it is."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from opus_nb.errors import SheetUnreadable
from opus_nb.sheet.copies import WorkbookCopy, check_target, open_copy, save_copy
from opus_nb.sheet.headers import header_texts, require_table
from opus_nb.sheet.safe_cells import column_width, put_value
from opus_nb.sheet.workbooks import OWN_SHEETS

__all__ = ["write_fix_me"]

_ERROR_COLOR: Final = "FFF4B6B6"
_WARNING_COLOR: Final = "FFFCE8B2"
_AUTHOR: Final = "opus_nb"
_ISSUE_SHEET: Final = f"{OWN_SHEETS}issues"
_LONGEST_NOTE: Final = 2000
_MOST_MARKS: Final = 20_000  # each note is a drawing; far more make the workbook slow to open


def write_fix_me(
    target: str | PathLike[str],
    df: pd.DataFrame,
    issues: pd.DataFrame,
    positions: npt.NDArray[np.int64],
    *,
    source: str | PathLike[str] | None = None,
) -> Path:
    """Write a copy of the user's workbook with every bad cell coloured and the reason in a note.

    Formats, formulas and the user's own notes stay. Errors are red, warnings yellow; problems of a whole column are
    at its header; a sheet at the end lists all of them. The file that was read is not touched. The mended copy can
    be read again: the marks of an earlier copy are taken away first. A frame that was not read from an xlsx workbook
    is written as a plain table.

    Parameters
    ----------
    target : str or path
        Where to; ends in xlsx.
    df : pandas.DataFrame
        The frame that was checked.
    issues, positions
        ``issues`` and ``issue_positions`` of the `CheckedSheet`.
    source : str or path, optional
        The workbook, when it lies elsewhere now.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    SettingsError
        The target is no xlsx name, or cannot be written.
    """
    place = check_target(target)
    try:
        copy = open_copy(df, source)
    except SheetUnreadable:
        if source is not None:
            raise
        copy = _plain_book(require_table(df))
    _take_away_marks(copy)
    headers = header_texts(df)
    marks: dict[tuple[int, int], list[tuple[str, str]]] = {}
    columns = issues["column"].tolist()
    for at, position in enumerate(positions.tolist()):
        row = copy.header_row if position < 0 else copy.rows[position]
        told = f"{issues['problem'].iat[at]}\n→ {issues['fix'].iat[at]}"
        for column in _columns_of(columns[at], headers, copy):
            if row and len(marks) < _MOST_MARKS:
                marks.setdefault((row, column), []).append((str(issues["severity"].iat[at]), told))
    for (row, column), told_here in marks.items():
        _mark(copy.sheet, row, column, told_here)
    _list_issues(copy, issues, positions)
    save_copy(copy, place)
    return place


def _plain_book(df: pd.DataFrame) -> WorkbookCopy:
    import openpyxl
    from openpyxl.styles import Font

    book: Any = openpyxl.Workbook()
    sheet = book.active
    for column, header in enumerate(header_texts(df), 1):
        put_value(sheet.cell(1, column), header)
        sheet.cell(1, column).font = Font(bold=True)
        cells = df.iloc[:, column - 1].tolist()
        for row, value in enumerate(cells, 2):
            put_value(sheet.cell(row, column), value)
        sheet.column_dimensions[sheet.cell(1, column).column_letter].width = column_width([header])
    sheet.freeze_panes = "A2"
    rows: list[int | None] = list(range(2, len(df) + 2))
    columns: list[int | None] = list(range(1, df.shape[1] + 1))
    return WorkbookCopy(book, sheet, rows, columns, 1)


def _take_away_marks(copy: WorkbookCopy) -> None:
    from openpyxl.styles import PatternFill

    if _ISSUE_SHEET not in copy.book.sheetnames:
        return
    del copy.book[_ISSUE_SHEET]
    for row in copy.sheet.iter_rows():
        for cell in row:
            if cell.comment is not None and cell.comment.author == _AUTHOR:
                mine = cell.comment.text.find(_HEADING)
                kept = cell.comment.text[: max(mine, 0)].rstrip()
                cell.comment = _new_note(kept) if kept else None
            if cell.fill.fgColor.rgb in (_ERROR_COLOR, _WARNING_COLOR):
                cell.fill = PatternFill()


_HEADING: Final = "[opus_nb]"


def _new_note(text: str) -> Any:
    from openpyxl.comments import Comment

    note = Comment(text, _AUTHOR)
    note.width, note.height = 360, 140
    return note


def _columns_of(header: Any, headers: list[str], copy: WorkbookCopy) -> Iterable[int]:
    """Return the sheet's columns for the column of an issue; for the parts of an object, all of its columns."""
    if not isinstance(header, str):
        return []
    places = [at for at, each in enumerate(headers) if each == header]
    if not places and header.endswith(".*"):
        places = [at for at, each in enumerate(headers) if each.casefold().startswith(header[:-1].casefold())]
    return [column for at in places if (column := copy.columns[at]) is not None]


def _mark(sheet: Any, row: int, column: int, told: list[tuple[str, str]]) -> None:
    from openpyxl.cell.cell import MergedCell
    from openpyxl.styles import PatternFill

    cell = sheet.cell(row, column)
    if isinstance(cell, MergedCell):
        area = next(each for each in sheet.merged_cells.ranges if cell.coordinate in each)
        cell = sheet.cell(area.min_row, area.min_col)
    is_error = any(severity == "error" for severity, _ in told)
    cell.fill = PatternFill("solid", fgColor=_ERROR_COLOR if is_error else _WARNING_COLOR)
    own = cell.comment.text.rstrip() + "\n\n" if cell.comment is not None else ""
    reasons = "\n".join(dict.fromkeys(text for _, text in told))
    cell.comment = _new_note(f"{own}{_HEADING} {reasons}"[:_LONGEST_NOTE])


def _list_issues(copy: WorkbookCopy, issues: pd.DataFrame, positions: npt.NDArray[np.int64]) -> None:
    from openpyxl.styles import Font

    sheet = copy.book.create_sheet(_ISSUE_SHEET)
    titles = ("row in the sheet", "column", "input", "severity", "code", "value", "problem", "fix")
    for column, title in enumerate(titles, 1):
        put_value(sheet.cell(1, column), title)
        sheet.cell(1, column).font = Font(bold=True)
    names = [name for name in titles if name in issues.columns]
    texts = {name: issues[name].tolist() for name in names}
    for at, position in enumerate(positions.tolist()):
        put_value(sheet.cell(at + 2, 1), copy.rows[position] if position >= 0 else None)
        for column, name in enumerate(names, 2):
            put_value(sheet.cell(at + 2, column), texts[name][at])
    for letter, width in zip("ABCDEFGH", (10, 24, 24, 10, 20, 28, 70, 70), strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.freeze_panes = "A2"
