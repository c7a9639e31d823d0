"""A workbook or a delimited text, opened as a table with nothing lost."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from opus_nb.errors import SettingsError, SheetUnreadable
from opus_nb.sheet.cells import shorten
from opus_nb.sheet.delimited import read_delimited
from opus_nb.sheet.findings import warning
from opus_nb.sheet.grids import Grid, spans
from opus_nb.sheet.layouts import Layout, find_layout
from opus_nb.sheet.origins import ATTRS_KEY, Origin
from opus_nb.sheet.workbooks import read_xls, read_xlsx

__all__ = ["read_sheet"]

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def read_sheet(
    path: str | PathLike[str],
    *,
    sheet: int | str | None = None,
    header: int | list[int] | Literal["auto"] | None = "auto",
    encoding: str | None = None,
    delimiter: str | None = None,
    hidden: Literal["keep", "drop"] = "keep",
    merged: Literal["keep", "fill"] = "keep",
) -> pd.DataFrame:
    """Read one sheet of a workbook, or a delimited text, and keep every cell as the file holds it.

    Text stays text (``007`` stays ``007``, and every cell of a csv is text), whole numbers stay whole, dates are
    dates, error values such as ``#N/A`` stay recognisable, headers are kept letter for letter, also twice or empty.
    Rows without any value are left out. What was noticed on the way (hidden rows, merged cells, a title above the
    table, a totals row, the encoding) is kept in ``df.attrs["opus_nb"]`` and becomes part of the issues of a plan.
    In a workbook that `write_beside` has written, the columns of results are kept, and known as such: they feed no
    input by their name. Reads the one file and writes nothing.

    Parameters
    ----------
    path : str or path
        xlsx, xlsm, xls (needs the package xlrd), csv or tsv; told apart by content, not by name.
    sheet : int or str, optional
        Name, or number from 0. None: the first visible sheet that holds anything.
    header : int, list of int, "auto" or None
        Row of the headers, counted from 0 from the top of the sheet as in pandas; several rows are joined with a
        dot. ``"auto"`` finds it below titles and joins a row of merged group headers with the row below. None: there
        is no header, and columns are called by their letters.
    encoding, delimiter : str, optional
        Of a delimited text; None: found out.
    hidden : {"keep", "drop"}
        Whether rows that the workbook hides or filters away are part of the table.
    merged : {"keep", "fill"}
        Whether cells merged over several data rows give their value to the first one only, as the file holds it, or
        to all.

    Returns
    -------
    pandas.DataFrame
        One row per row of the sheet that holds anything, index from 0; one column per column with a header or a
        value. A column is int64, float64, bool, datetime64 or text where all its cells are (whole numbers among
        others count as float64), nullable ``Int64`` or ``boolean`` where some are empty, object where they are mixed.

    Raises
    ------
    SheetUnreadable
        The file cannot be opened as a table.
    SettingsError
        ``hidden`` or ``merged`` is none of its two words, or ``encoding`` or ``delimiter`` is no text.
    ExtraMissing
        An xls workbook, and xlrd is not installed.
    """
    for name, given, known in (("hidden", hidden, ("keep", "drop")), ("merged", merged, ("keep", "fill"))):
        if given not in known:
            step = f'Give "{known[0]}" or "{known[1]}".'
            raise SettingsError(f"{name}={given!r} is not known", next_step=step, name=name)
    place = Path(path).expanduser()
    grid = _open_grid(place, sheet, encoding, delimiter)
    layout = find_layout(grid, header, drop_hidden=hidden == "drop", fill_merged=merged == "fill")
    frame = _build_frame(grid, layout)
    origin = Origin(
        path=str(place.absolute()),
        sheet=grid.sheet,
        header_row=layout.header_row + 1,
        row_spans=tuple((first + 1, count) for first, count in spans(layout.rows)),
        headers=tuple(layout.headers),
        columns=tuple(layout.columns),
        results=tuple(sorted(grid.results & set(layout.columns))),
        other_folder=grid.other_folder,
        date1904=grid.date1904,
        is_workbook=grid.is_workbook,
        number_formats=_column_formats(grid, layout),
        notes=tuple(grid.notes),
    )
    frame.attrs[ATTRS_KEY] = origin.to_attrs()
    return frame


def _how_to_open(reason: Exception) -> str:
    if isinstance(reason, FileNotFoundError):
        return f"The current folder is {Path.cwd()}."
    if isinstance(reason, IsADirectoryError):
        return "Name a workbook in this folder; files_table() makes a table of the files themselves."
    return "Close it in other programs, check that you may read it, and try again."


def _open_grid(path: Path, sheet: int | str | None, encoding: str | None, delimiter: str | None) -> Grid:
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except (OSError, ValueError) as reason:
        raise SheetUnreadable(
            "The sheet cannot be opened",
            where=str(path),
            came_back=getattr(reason, "strerror", None) or str(reason),
            next_step=_how_to_open(reason),
        ) from None
    suffix = path.suffix.lower()
    if not head:
        raise SheetUnreadable(
            "The file is empty (0 bytes)",
            where=str(path),
            next_step="Was it still being copied or saved? Open it in a spreadsheet program and look.",
        )
    if head.startswith(b"PK\x03\x04"):
        if b"opendocument" in head[:200]:
            raise _not_a_table(path, "an OpenDocument sheet", "Save it as xlsx.")
        return read_xlsx(path, sheet)
    if head.startswith(_OLE):
        if suffix in (".xlsx", ".xlsm"):
            raise _not_a_table(path, "an encrypted or old workbook", "Remove the password, or save it as xlsx.")
        return read_xls(path, sheet)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:100].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<table")) and suffix not in (".csv", ".tsv", ".txt"):
        raise _not_a_table(path, "a web page or XML", "Open it in a spreadsheet program and save it as xlsx.")
    for mark, kind in (
        (b"%PDF-", "a PDF"),
        (b"\x89PNG", "a picture"),
        (b"\xff\xd8\xff", "a picture"),
        (b"PAR1", "Parquet"),
    ):
        if head.startswith(mark):
            step = "pandas.read_parquet(path) reads it." if kind == "Parquet" else "Name the sheet itself."
            raise _not_a_table(path, kind, step)
    try:
        grid = read_delimited(path, encoding=encoding, delimiter=delimiter)
    except OSError as reason:
        raise SheetUnreadable(
            "The sheet cannot be read",
            where=str(path),
            came_back=str(reason),
            next_step="May it be read, and is it open in another program? Copy it elsewhere and read the copy.",
        ) from None
    if suffix in (".xlsx", ".xlsm", ".xls"):
        if len(grid.rows) < 2 or max(map(len, grid.rows.values())) < 2:
            raise _not_a_table(path, "no workbook", "Open it in a spreadsheet program and save it as xlsx.")
        problem = f"The file is named {suffix} and holds delimited text; it was read as such"
        grid.notes.append(warning("named_otherwise", problem, "Check that it is the right file."))
    return grid


def _not_a_table(path: Path, what: str, next_step: str) -> SheetUnreadable:
    return SheetUnreadable(
        "The file cannot be opened as a table", where=str(path), came_back=f"it holds {what}", next_step=next_step
    )


def _build_frame(grid: Grid, layout: Layout) -> pd.DataFrame:
    rows = [grid.rows.get(number, {}) for number in layout.rows]
    data = {place: _column_series([cells.get(column) for cells in rows]) for place, column in enumerate(layout.columns)}
    frame: pd.DataFrame = pd.DataFrame(data, index=pd.RangeIndex(len(rows)))
    frame.columns = pd.Index(layout.headers, dtype=object)
    return frame


def _column_series(values: list[Any]) -> pd.Series[Any]:
    """Return the column in the plainest dtype that changes no cell."""
    kinds = {type(value) for value in values}
    has_gaps = type(None) in kinds
    kinds.discard(type(None))
    dtype: Any = object
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values if value is not None):
        dtype = "Int64" if has_gaps else "int64"
    elif float in kinds and kinds <= {int, float} and all(abs(value) < 2**53 for value in values if value is not None):
        dtype = "float64"
    elif kinds == {bool}:
        dtype = "boolean" if has_gaps else "bool"
    elif kinds in ({str}, {dt.datetime}):
        try:
            series: pd.Series[Any] = pd.Series(values, dtype="datetime64[us]" if kinds == {dt.datetime} else None)
        except (ValueError, OverflowError, UnicodeError, TypeError):  # years and letters that pandas cannot hold
            series = pd.Series(values, dtype=object)
        return series
    column: pd.Series[Any] = pd.Series(values, dtype=dtype)
    return column


def _column_formats(grid: Grid, layout: Layout) -> dict[str, str]:
    """Return, by header, the number format that most number cells of a column have, those without one counted too."""
    counts: dict[int, Counter[str]] = {}
    rows = set(layout.rows)
    for (row, column), shown in grid.formats.items():
        if row in rows:
            counts.setdefault(column, Counter())[shown] += 1
    formats: dict[str, str] = {}
    for header, column in zip(layout.headers, layout.columns, strict=True):
        if column not in counts:
            continue
        cells = [grid.rows.get(row, {}).get(column) for row in layout.rows]
        numbers = sum(isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in cells)
        plain = numbers - counts[column].total()
        shown, count = counts[column].most_common(1)[0]
        if count > plain:
            formats[header] = shown[:60]
        if plain > 0 and shown.startswith("00"):
            done = "padded all the same" if count > plain else "none is padded"
            problem = f'{count} of {numbers} numbers in "{shorten(header, 40)}" are shown as {shorten(shown, 20)} and '
            problem += f"the rest without leading zeros; where the column feeds a text, {done}"
            fix = "Give the whole column one number format, or write it as text."
            grid.notes.append(warning("several_number_formats", problem, fix))
    return formats
