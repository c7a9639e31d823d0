"""The user's own workbook, opened to be written to as a copy, and which of its cells belong to which of a frame."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

import pandas as pd

from opus_nb.errors import SettingsError, SheetUnreadable
from opus_nb.sheet.cells import clean_text, is_missing, show_text
from opus_nb.sheet.headers import header_texts, require_table
from opus_nb.sheet.origins import Origin, read_origin

__all__ = ["WorkbookCopy", "check_target", "open_copy", "save_copy"]

_ENOUGH_ALIKE: Final = 0.8  # of the rows must still hold what the frame holds, else it is not the same table


@dataclass
class WorkbookCopy:
    """A workbook in memory; rows and columns as the spreadsheet counts them, from 1.

    Attributes
    ----------
    book, sheet : Any
        Of openpyxl.
    rows : list of int or None
        For each row of the frame its row in the sheet, None where it has none.
    columns : list of int or None
        For each column of the frame its column in the sheet, None where it has none.
    header_row : int
        0 where the sheet has no header.
    """

    book: Any
    sheet: Any
    rows: list[int | None]
    columns: list[int | None]
    header_row: int


def check_target(target: str | PathLike[str]) -> Path:
    """Return the path of a workbook to write.

    Raises
    ------
    SettingsError
        The name does not end in xlsx, or in xlsm.
    """
    place = Path(target).expanduser()
    if place.suffix.lower() not in (".xlsx", ".xlsm"):
        raise SettingsError("A workbook is written as xlsx", where=str(place), next_step="Let the name end in .xlsx.")
    return place


def open_copy(df: pd.DataFrame, source: str | PathLike[str] | None = None) -> WorkbookCopy:
    """Open the workbook that a frame was read from, and find the frame's cells in it.

    A frame that was filtered or sorted still knows its rows by their labels; that the labels still mean the same is
    checked against the cells. openpyxl keeps formulas, formats, notes and rules; charts and pictures of other
    programs are lost in the copy.

    Parameters
    ----------
    df : pandas.DataFrame
        As `read_sheet` gave it, or a part of it.
    source : str or path, optional
        The workbook, when it lies elsewhere now. None: where it was read from.

    Raises
    ------
    SheetUnreadable
        The frame comes from no xlsx workbook, the workbook is gone, or it holds another table now.
    """
    import openpyxl

    origin = read_origin(require_table(df))
    place = Path(source).expanduser() if source is not None else Path(origin.path or "")
    if not origin.sheet or place.suffix.lower() not in (".xlsx", ".xlsm"):
        raise SheetUnreadable(
            "The frame was not read from an xlsx workbook, so there is none to copy",
            came_back=origin.path or "a frame that was made in Python",
            next_step="Read the sheet with wf.read(path) and keep its index.",
        )
    try:
        with warnings.catch_warnings(), place.open("rb") as stream:
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(stream, keep_vba=place.suffix.lower() == ".xlsm", rich_text=True)
        sheet = book[origin.sheet]
    except Exception as reason:  # a damaged workbook can make the reader raise anything
        raise SheetUnreadable(
            "The workbook that the frame was read from cannot be opened again",
            where=f'{place}, sheet "{origin.sheet}"',
            came_back=f"{type(reason).__name__}: {reason}"[:300],
            next_step="Put it back, or name it with source=.",
        ) from reason
    copy = WorkbookCopy(book, sheet, _sheet_rows(df, origin), _sheet_columns(df, origin, sheet), origin.header_row)
    _check_alike(df, copy, place)
    return copy


def save_copy(copy: WorkbookCopy, target: Path) -> None:
    """Write the workbook.

    Raises
    ------
    SettingsError
        The file cannot be written, for example because it is open in Excel.
    """
    try:
        copy.book.save(target)
    except OSError as reason:
        raise SettingsError(
            "The workbook cannot be written",
            where=str(target),
            came_back=reason.strerror or str(reason),
            next_step="Close it where it is open, or choose another name.",
        ) from reason


def _sheet_rows(df: pd.DataFrame, origin: Origin) -> list[int | None]:
    numbers = [row for first, count in origin.row_spans for row in range(first, first + count)]
    return [
        numbers[label] if isinstance(label, int) and 0 <= label < len(numbers) else None for label in df.index.tolist()
    ]


def _sheet_columns(df: pd.DataFrame, origin: Origin, sheet: Any) -> list[int | None]:
    """Return the sheet's column of each of the frame's, by header; of equal headers the first, the second and so on."""
    by_header: dict[str, list[int]] = {}
    for header, column in zip(origin.headers, origin.columns, strict=False):
        by_header.setdefault(header, []).append(column + 1)
    result: list[int | None] = []
    for header in header_texts(df):
        places = by_header.get(header, [])
        result.append(places.pop(0) if places else None)
    return result


def _check_alike(df: pd.DataFrame, copy: WorkbookCopy, place: Path) -> None:
    cells = [df.iloc[:, position].tolist() for position in range(df.shape[1])]
    alike = compared = 0
    for position, row in enumerate(copy.rows):
        pairs = [
            (cells[at][position], copy.sheet.cell(row, column).value)
            for at, column in enumerate(copy.columns)
            if row is not None and column is not None
        ]
        pairs = [(ours, theirs) for ours, theirs in pairs if not (is_missing(ours) and is_missing(theirs))]
        pairs = [each for each in pairs if not str(each[1]).startswith("=")]
        if pairs or row is None:
            compared += 1
            same = sum(_same(ours, theirs) for ours, theirs in pairs)
            alike += bool(pairs) and same * 2 >= len(pairs)
    if compared and alike < compared * _ENOUGH_ALIKE:
        raise SheetUnreadable(
            "The rows of this frame are not those of the workbook any more",
            where=str(place),
            came_back=f"{alike} of {compared} rows are alike",
            next_step="Keep the index that wf.read gave (no reset_index), or read the changed workbook again.",
        )


def _same(ours: Any, theirs: Any) -> bool:
    return clean_text(show_text(ours)) == clean_text(show_text(theirs))
