"""Frames as the sheets of a workbook that a person can read, filter and trust."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from opus_nb.frames.cells import is_missing, json_text, starts_formula

__all__ = ["write_workbook"]

_RESULTS_NAME = "opus_nb_results"  # as the reading of sheets knows it
# The limits of the format.
_MOST_CHARACTERS = 32_767
_MOST_ROWS = 1_048_576
_MOST_COLUMNS = 16_384
# Numbers in a workbook are doubles shown with 15 digits: a longer id would come back as another one.
_MOST_DIGITS = 10**15
_FIRST_DAY = dt.datetime(1900, 3, 1)  # noqa: DTZ001  (workbooks know no zones; before it Excel counts a day wrong)

# XML 1.0 has no place for these, nor for halves of surrogate pairs.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ERRORS = frozenset({"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"})

_WIDEST, _NARROWEST = 60, 8
_LINES_SHOWN = 6
_LINE_POINTS = 15


def write_workbook(path: Path, frames: Mapping[str, pd.DataFrame], *, results: int = 0) -> list[str]:
    """Write one sheet per frame, and a sheet ``notes`` where something did not fit.

    Parameters
    ----------
    path : Path
        Written as it is, without a temporary name.
    frames : Mapping
        Sheet name to frame; the index is not written.
    results : int
        How many of the last columns of the first frame are results: they are named, so that reading the workbook
        again takes them for no input.

    Returns
    -------
    list of str
        What had to be changed, one sentence each.
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    notes: list[str] = []
    for name, frame in frames.items():
        writer = _SheetWriter(name, frame)
        # At least one pass, so that a frame without rows still has its header.
        for part, first in enumerate(range(0, max(len(frame), 1), _MOST_ROWS - 1)):
            sheet = book.create_sheet(name if part == 0 else f"{name} {part + 1}")
            writer.write(sheet, first, first + _MOST_ROWS - 1)
            if name == next(iter(frames)):
                _name_results(sheet, frame.shape[1] - results, min(frame.shape[1], _MOST_COLUMNS))
        notes += writer.notes()
    if notes:
        sheet = book.create_sheet("notes")
        sheet.column_dimensions["A"].width = 120
        for note in notes:
            sheet.append([note])
    book.save(path)
    return notes


def _name_results(sheet: Any, before: int, last: int) -> None:
    """Name the headers of the columns after so many ones, up to the last, as those that a run has written."""
    from openpyxl.utils import get_column_letter, quote_sheetname
    from openpyxl.workbook.defined_name import DefinedName

    if before < last:
        area = f"{quote_sheetname(sheet.title)}!${get_column_letter(before + 1)}$1:${get_column_letter(last)}$1"
        sheet.defined_names[_RESULTS_NAME] = DefinedName(_RESULTS_NAME, attr_text=area)


class _SheetWriter:
    """Writes one frame, and counts what did not fit."""

    def __init__(self, name: str, frame: pd.DataFrame) -> None:
        self._name = name
        self._left_out = max(0, frame.shape[1] - _MOST_COLUMNS)
        self._frame = frame.iloc[:, :_MOST_COLUMNS]
        self._cut = self._cleaned = 0
        self._columns = [self._cells(position) for position in range(self._frame.shape[1])]
        self._headers = [self._header(position) for position in range(self._frame.shape[1])]
        self._widths = [self._width(header, cells) for header, cells in zip(self._headers, self._columns, strict=True)]

    def write(self, sheet: Any, first: int, last: int) -> None:
        """Write the rows from ``first`` to before ``last``, under the header."""
        from openpyxl.styles import Alignment, Font, PatternFill
        from openpyxl.utils import get_column_letter

        for place, width in enumerate(self._widths, start=1):
            sheet.column_dimensions[get_column_letter(place)].width = width
        sheet.freeze_panes = "A2"
        rows = list(zip(*(cells[first:last] for cells in self._columns), strict=True))
        if self._headers:
            sheet.auto_filter.ref = f"A1:{get_column_letter(len(self._headers))}{len(rows) + 1}"
        heads = [_make_cell(sheet, header) for header in self._headers]
        for head in heads:
            head.font = Font(bold=True, color="FFFFFF")
            head.fill = PatternFill("solid", fgColor="305496")
            head.alignment = Alignment(vertical="center", wrap_text=True)
        sheet.append(heads)
        wrapped = Alignment(vertical="top", wrap_text=True)
        for place, row in enumerate(rows, start=2):
            cells: list[Any] = []
            lines = 1
            for value, width in zip(row, self._widths, strict=True):
                if type(value) is not str:
                    cells.append(value)
                    continue
                long = len(value) > width or "\n" in value
                if not long and not starts_formula(value) and value not in _ERRORS:
                    cells.append(value)
                    continue
                cell = _make_cell(sheet, value)
                if long:
                    cell.alignment = wrapped
                    lines = max(lines, value.count("\n", 0, 2000) + 1, len(value) // max(int(width), 1) + 1)
                cells.append(cell)
            if lines > 1:
                # A page of text in one cell must not push the next row off the screen.
                sheet.row_dimensions[place].height = _LINE_POINTS * min(lines, _LINES_SHOWN)
            sheet.append(cells)

    def notes(self) -> list[str]:
        """Say what did not fit."""
        told = []
        if self._cleaned:
            told.append(f"Sheet {self._name}: control characters were removed from {_say_cells(self._cleaned)}.")
        if self._cut:
            told.append(
                f"Sheet {self._name}: {_say_cells(self._cut)} held more than {_MOST_CHARACTERS:,} characters, "
                "the most that a workbook can hold, and were cut there; .csv and .parquet keep all of it."
            )
        if self._left_out:
            told.append(f"Sheet {self._name}: {self._left_out:,} columns past the {_MOST_COLUMNS:,}th were left out.")
        return told

    def _header(self, position: int) -> str:
        name = self._text(str(self._frame.columns[position]))
        return f"{name} (UTC)" if isinstance(self._frame.dtypes.iloc[position], pd.DatetimeTZDtype) else name

    def _cells(self, position: int) -> list[Any]:
        column = self._frame.iloc[:, position]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return [self._cell(value) for value in column.astype(object)]

    def _cell(self, value: Any) -> Any:
        if type(value) is str:
            return self._text(value)
        if is_missing(value):
            return None
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            fits = abs(value) < _MOST_DIGITS if isinstance(value, int) else np.isfinite(value)
            return value if fits else str(value)
        if isinstance(value, dt.datetime):
            naive = value if value.tzinfo is None else value.astimezone(dt.timezone.utc).replace(tzinfo=None)
            stamp = naive.to_pydatetime(warn=False) if isinstance(naive, pd.Timestamp) else naive
            return stamp if stamp >= _FIRST_DAY else stamp.isoformat(sep=" ")
        if isinstance(value, dt.date):
            return value if value >= _FIRST_DAY.date() else value.isoformat()
        return self._text(str(json_text(value)))

    def _text(self, text: str) -> str:
        clean = _UNFIT.sub("", text)
        self._cleaned += clean != text
        if len(clean) > _MOST_CHARACTERS:
            self._cut += 1
            return clean[:_MOST_CHARACTERS]
        return clean

    def _width(self, header: str, cells: Sequence[Any]) -> float:
        longest = len(header) + 3  # room for the filter's button
        for value in islice(cells, 200):
            if isinstance(value, dt.datetime):
                longest = max(longest, 19)
            elif value is not None:
                longest = max(longest, *map(len, str(value)[:2000].split("\n")))
        return float(min(max(longest + 1, _NARROWEST), _WIDEST))


def _make_cell(sheet: Any, text: str) -> Any:
    """Return a cell that stays text whatever it looks like, also after somebody edits it."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=None)
    cell.value = text
    cell.data_type = "s"
    if starts_formula(text):
        cell.quotePrefix = True
    return cell


def _say_cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count:,} cells"
