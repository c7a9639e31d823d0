"""Results written beside the rows of the user's own workbook, in a copy of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy as copy_style
from os import PathLike
from typing import Any, Final

import pandas as pd

from opus_nb.errors import SheetUnreadable
from opus_nb.sheet.cells import counted, is_missing, show_text
from opus_nb.sheet.copies import WorkbookCopy, check_target, last_column, open_copy, save_copy
from opus_nb.sheet.grids import spans
from opus_nb.sheet.headers import TOGETHER, column_letter, columns_meant, header_texts
from opus_nb.sheet.marks import MOST_MARKS, mark_cell, paint_cell, take_away_marks
from opus_nb.sheet.safe_cells import column_width, put_value
from opus_nb.sheet.workbooks import RESULTS_NAME

__all__ = ["write_beside"]

# What a row's own cells at "state" and "error" look like; the other states are nothing to worry about.
_SEVERITIES: Final = {
    "failed": "error",
    "timed_out": "error",
    "invalid": "error",
    "uncertain": "warning",
    "cancelled": "warning",
}


def write_beside(
    target: str | PathLike[str],
    df: pd.DataFrame,
    frame: pd.DataFrame,
    *,
    source: str | PathLike[str] | None = None,
) -> list[str]:
    """Write a copy of the workbook that ``df`` was read from, with the columns of ``frame`` right of its rows.

    Formats and formulas of the workbook stay. The columns of an earlier copy are written over, and emptied beside
    rows that this run has not; new ones come after the last one; one whose name is taken by a column of the owner's
    gets ``_opus`` at its end. Values are written as what they are: text that could be read as a formula stays text.
    Where ``frame`` has a ``state``, rows that went wrong are red there, and so are the cells that ``error`` names as
    the reason why a row could not be sent, each with a note. Reading the copy leaves the results aside, so that the
    sheet can be mended and planned again. The file that was read is not touched, unless ``target`` is that file.

    Parameters
    ----------
    target : str or path
        Where to; ends in xlsx. Missing folders are made.
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
    book = open_copy(df, source, macros=place.suffix.lower() == ".xlsm")
    if not book.header_row:
        raise SheetUnreadable(
            "The sheet has no header row, so its columns cannot be told apart from new ones",
            where=str(source),
            next_step="Put headers above its rows, or save the results without into=.",
        )
    take_away_marks(book)
    notes: list[str] = []
    places = _choose_columns(book, header_texts(frame))
    for position, (header, column) in enumerate(places):
        notes += _write_column(book, column, header, frame.iloc[:, position].tolist())
    _clear_left_over(book, {column for _, column in places})
    _mark_rows(book, df, frame, [column for _, column in places])
    _name_results(book, sorted(column for _, column in places))
    lost = sum(row is None for row in book.rows)
    if lost:
        are = "is" if lost == 1 else "are"
        notes.append(f"{counted(lost, 'row')} {are} not in the workbook; the results were left out")
    shared = {row: times for row, times in Counter(book.rows).items() if row is not None and times > 1}
    if shared:
        several = sum(shared.values())
        notes.append(
            f"{counted(several, 'result')} of this run share {counted(len(shared), 'row')} of the workbook "
            f"(row {min(shared)}{' and others' if len(shared) > 1 else ''}), where only one fits; they were left out. "
            "Saved without into=, each has a row of its own"
        )
    save_copy(book, place)
    return notes + book.losses


def _choose_columns(book: WorkbookCopy, headers: Sequence[str]) -> list[tuple[str, int]]:
    """Return header and column for each column of results."""
    ours = set(book.results.values())
    heads = {column: cell.value for (row, column), cell in book.sheet._cells.items() if row == book.header_row}
    taken = {show_text(value).casefold() for column, value in heads.items() if column not in ours and value is not None}
    free = last_column(book) + 1
    places: list[tuple[str, int]] = []
    for header in headers:
        name, count = header, 1
        while name.casefold() in taken:
            name = f"{header}_opus" if count == 1 else f"{header}_opus_{count}"
            count += 1
        taken.add(name.casefold())
        column = book.results.get(name)
        if column is None:
            column, free = free, free + 1
        places.append((name, column))
    return places


def _write_column(book: WorkbookCopy, column: int, header: str, values: list[Any]) -> list[str]:
    changes: Counter[str] = Counter()
    head = book.sheet.cell(book.header_row, column)
    put_value(head, header)
    _dress_like_neighbour(book, head, column)
    theirs = {row: values[at] for row, at in _rows_once(book.rows).items()}
    for (row, at), cell in list(book.sheet._cells.items()):
        if at == column and row > book.header_row and row not in theirs:
            cell.value = None  # of an earlier run, and no result of this one
    for row, value in theirs.items():
        changed = put_value(book.sheet.cell(row, column), value)
        if changed:
            changes[changed] += 1
    letter = column_letter(column - 1)
    shown = ["" if is_missing(value) else show_text(value) for value in values[:50]]
    book.sheet.column_dimensions[letter].width = column_width([header, *shown])
    return [f'column "{header}": {changed} in {counted(count, "cell")}' for changed, count in changes.items()]


def _rows_once(rows: Sequence[int | None]) -> dict[int, int]:
    """Return position by row of the sheet, without those that several rows of the frame come from."""
    times = Counter(rows)
    return {row: position for position, row in enumerate(rows) if row is not None and times[row] == 1}


def _dress_like_neighbour(book: WorkbookCopy, head: Any, column: int) -> None:
    if column == 1:
        return
    neighbour = book.sheet.cell(book.header_row, column - 1)
    if neighbour.has_style:
        for part in ("font", "fill", "border", "alignment"):
            setattr(head, part, copy_style(getattr(neighbour, part)))


def _clear_left_over(book: WorkbookCopy, written: set[int]) -> None:
    """Empty the columns of an earlier copy that this run has no results for: they would look like its own."""
    old = set(book.results.values()) - written
    for (row, column), cell in list(book.sheet._cells.items()):
        if column in old and row >= book.header_row:
            cell.value = None


def _name_results(book: WorkbookCopy, columns: list[int]) -> None:
    """Name the headers of the results, so that the next reading knows them wherever they are moved to."""
    from openpyxl.utils import quote_sheetname
    from openpyxl.workbook.defined_name import DefinedName

    sheet = quote_sheetname(book.sheet.title)
    areas = [
        f"{sheet}!${column_letter(first - 1)}${book.header_row}:${column_letter(first + count - 2)}${book.header_row}"
        for first, count in spans(columns)
    ]
    book.sheet.defined_names.pop(RESULTS_NAME, None)
    if areas:
        book.sheet.defined_names[RESULTS_NAME] = DefinedName(RESULTS_NAME, attr_text=",".join(areas))


def _mark_rows(book: WorkbookCopy, df: pd.DataFrame, frame: pd.DataFrame, columns: list[int]) -> None:
    names = list(frame.columns)
    if "state" not in names:
        return
    own = [columns[names.index(name)] for name in ("state", "error") if name in names]
    errors = frame["error"].tolist() if "error" in names else [None] * len(frame)
    headers = header_texts(df)
    reasons = _reason_pattern(headers)
    once = _rows_once(book.rows)
    marked = 0
    for row, state, text in zip(book.rows, frame["state"].astype(object).tolist(), errors, strict=True):
        severity = _SEVERITIES.get(str(state))
        if row is None or severity is None:
            continue
        for column in own if row in once else ():
            paint_cell(book.sheet.cell(row, column), severity)
        if state != "invalid" or is_missing(text):
            continue
        for label, reason in _split_reasons(reasons, str(text)):
            for at in columns_meant(label, headers):
                at_column = book.columns[at]
                if at_column is not None and marked < MOST_MARKS:
                    mark_cell(book.sheet, row, at_column, [("error", reason)])
                    marked += 1


def _reason_pattern(headers: Sequence[str]) -> re.Pattern[str]:
    """Return what finds the columns in the reasons of a plan: ``Amount: 'x' is no number; Due: ...``."""
    groups = {f"{header.partition(sign)[0]}.*" for header in headers for sign in "./:>" if sign in header}
    known = sorted({header for header in headers if header} | groups, key=len, reverse=True)
    one = "|".join(re.escape(each) for each in known) or "(?!)"
    return re.compile(rf"(?:^|; )((?:{one})(?:{re.escape(TOGETHER)}(?:{one}))*): ")


def _split_reasons(pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, str]]:
    found = list(pattern.finditer(text))
    for place, each in enumerate(found):
        end = found[place + 1].start() if place + 1 < len(found) else len(text)
        yield each.group(1), text[each.end() : end]
