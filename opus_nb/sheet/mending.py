"""A copy of the user's own workbook in which every problem is marked where it is."""

from __future__ import annotations

from collections import Counter
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from opus_nb.errors import SettingsError, SheetUnreadable
from opus_nb.sheet.cells import counted, show_text
from opus_nb.sheet.copies import WorkbookCopy, check_target, files_folder, open_copy, save_copy
from opus_nb.sheet.headers import columns_meant, header_texts, require_table
from opus_nb.sheet.marks import ISSUE_SHEET, MOST_MARKS, mark_cell, paint_cell, take_away_marks
from opus_nb.sheet.origins import read_origin
from opus_nb.sheet.safe_cells import column_width, put_value

__all__ = ["write_fix_me"]

_MOST_DRESSED: Final = 5_000  # lines of the list of issues; formats cost more than their text


def write_fix_me(
    target: str | PathLike[str],
    df: pd.DataFrame,
    issues: pd.DataFrame,
    positions: npt.NDArray[np.int64],
    *,
    source: str | PathLike[str] | None = None,
    notes: list[str] | None = None,
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
    notes : list of str, optional
        Takes what a person should know of the copy, one sentence each.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    SettingsError
        The target is no xlsx name, cannot be written, or is the workbook itself and no marked copy.
    """
    place = check_target(target)
    notes = [] if notes is None else notes
    try:
        copy = open_copy(df, source, macros=place.suffix.lower() == ".xlsm")
    except SheetUnreadable as reason:
        if source is not None or place.suffix.lower() == ".xlsm":
            raise
        copy = _plain_book(require_table(df), notes)
        if read_origin(df).sheet:
            notes.append(f"It is a plain table, and no copy of the workbook. {reason.what}.")
    _spare_the_owners(place, source or read_origin(df).path, copy)
    take_away_marks(copy)
    lost = sum(row is None for row in copy.rows)
    if lost:
        notes.append(
            f"{counted(lost, 'row')} of the sheet could not be found in the workbook and cannot be marked there"
        )
    marks, left = _marks_by_cell(df, issues, positions, copy)
    for (row, column), told in marks.items():
        mark_cell(copy.sheet, row, column, told)
    if left:
        said = f"{len(marks):,} cells are marked and {counted(left, 'other')} not"
        notes.append(f'{said}; the sheet "{ISSUE_SHEET}" lists them all.')
    _list_issues(copy, issues, positions)
    notes += copy.losses
    save_copy(copy, place)
    return place


def _spare_the_owners(place: Path, read_from: str | PathLike[str], copy: WorkbookCopy) -> None:
    """Refuse to replace the workbook that was read; an earlier marked copy may be replaced by the next."""
    owners = Path(read_from).expanduser() if read_from and ISSUE_SHEET not in copy.book.sheetnames else None
    if owners and owners.exists() and place.exists() and place.samefile(owners):
        raise SettingsError(
            "The marked copy would take the place of the workbook itself, which is never touched",
            where=str(place),
            next_step=f'Give it another name, such as "{place.stem}-to-mend{place.suffix}".',
        )


def _marks_by_cell(
    df: pd.DataFrame, issues: pd.DataFrame, positions: npt.NDArray[np.int64], copy: WorkbookCopy
) -> tuple[dict[tuple[int, int], list[tuple[str, str]]], int]:
    """Return what is wrong by row and column of the sheet, errors before warnings, and how many cells are too many."""
    headers = header_texts(df)
    marks: dict[tuple[int, int], list[tuple[str, str]]] = {}
    left: set[tuple[int, int]] = set()
    severities = issues["severity"].tolist()
    told = [f"{problem}\n→ {fix}" for problem, fix in zip(issues["problem"], issues["fix"], strict=True)]
    # What is wrong with a row as a whole is marked at its first cell.
    first = [next((column for column in copy.columns if column is not None), None)]
    meant: dict[str, list[int | None]] = {}
    places = []
    for name, position in zip(issues["column"].tolist(), positions.tolist(), strict=True):
        if isinstance(name, str) and name not in meant:
            meant[name] = [copy.columns[at] for at in columns_meant(name, headers)]
        places.append(meant[name] if isinstance(name, str) else first if position >= 0 else [])
    for wanted in ("error", "warning"):
        for at, position in enumerate(positions.tolist()):
            row = copy.header_row if position < 0 else copy.rows[position]
            if severities[at] != wanted or not row:
                continue
            for column in places[at]:
                if column is None:
                    continue
                if (row, column) in marks or len(marks) < MOST_MARKS:
                    marks.setdefault((row, column), []).append((wanted, told[at]))
                else:
                    left.add((row, column))
    return marks, len(left)


def _plain_book(df: pd.DataFrame, notes: list[str]) -> WorkbookCopy:
    import openpyxl
    from openpyxl.styles import Font

    book: Any = openpyxl.Workbook()
    sheet = book.active
    for column, header in enumerate(header_texts(df), 1):
        put_value(sheet.cell(1, column), header)
        sheet.cell(1, column).font = Font(bold=True)
        cells = df.iloc[:, column - 1].tolist()
        changes = Counter(put_value(sheet.cell(row, column), value) for row, value in enumerate(cells, 2))
        notes += [f'column "{header}": {told} in {counted(n, "cell")}' for told, n in changes.items() if told]
        width = column_width([header, *map(show_text, cells[:50])])
        sheet.column_dimensions[sheet.cell(1, column).column_letter].width = width
    sheet.freeze_panes = "A2"
    rows: list[int | None] = list(range(2, len(df) + 2))
    columns: list[int | None] = list(range(1, df.shape[1] + 1))
    return WorkbookCopy(book, sheet, rows, columns, 1, folder=files_folder(read_origin(df)))


def _list_issues(copy: WorkbookCopy, issues: pd.DataFrame, positions: npt.NDArray[np.int64]) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill

    sheet = copy.book.create_sheet(ISSUE_SHEET)
    titles = ("row", "column", "input", "severity", "code", "value", "problem", "fix")
    top = Alignment(vertical="top", wrap_text=True, horizontal="left")
    for column, title in enumerate(titles, 1):
        head = sheet.cell(1, column)
        put_value(head, title)
        head.font, head.alignment = Font(bold=True, color="FFFFFF"), top
        head.fill = PatternFill("solid", fgColor="305496")
    texts = {name: issues[name].tolist() for name in titles[1:]}
    for at, position in enumerate(positions.tolist()):
        put_value(sheet.cell(at + 2, 1), copy.rows[position] if position >= 0 else None)
        for column, name in enumerate(titles[1:], 2):
            put_value(sheet.cell(at + 2, column), texts[name][at])
        if at < _MOST_DRESSED:
            for column in range(1, len(titles) + 1):
                sheet.cell(at + 2, column).alignment = top
            paint_cell(sheet.cell(at + 2, 4), texts["severity"][at])
            longest = max(len(texts["problem"][at]), len(texts["fix"][at]))
            sheet.row_dimensions[at + 2].height = 15 * (1 + longest // 56)
    for letter, width in zip("ABCDEFGH", (8, 24, 24, 10, 20, 28, 60, 60), strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:H{len(issues) + 1}"
