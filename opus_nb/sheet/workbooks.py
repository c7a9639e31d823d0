"""Workbooks (xlsx, xlsm, xls) as grids."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from opus_nb.errors import ExtraMissing, SheetUnreadable
from opus_nb.sheet.archives import without_huge_merges
from opus_nb.sheet.cells import NO_CACHED_VALUE, CellError, show_list
from opus_nb.sheet.findings import warning
from opus_nb.sheet.grids import Grid, MergedArea

__all__ = [
    "EXAMPLE_PROPERTY",
    "FOLDER_PROPERTY",
    "OWN_SHEETS",
    "RESULTS_NAME",
    "find_results",
    "read_property",
    "read_xls",
    "read_xlsx",
]

# Office writes characters that XML cannot hold as _x000D_ (ECMA-376, part 1, 22.9.2.19).
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_MOST_MERGED = 20_000
_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384

# In the workbooks that we write: the property that tells the example row, the one that tells where the files lay
# that the cells name, the name of the headers above results, and how sheets of ours are called.
EXAMPLE_PROPERTY = "opus_nb_example_row"
FOLDER_PROPERTY = "opus_nb_files_folder"
RESULTS_NAME = "opus_nb_results"
OWN_SHEETS = "opus_nb "


def read_xlsx(path: Path, sheet: int | str | None) -> Grid:
    """Read one sheet of an xlsx or xlsm workbook.

    Formulas give the value that the workbook holds for them; where it holds none, the cell is a `CellError` that
    says so.

    Raises
    ------
    SheetUnreadable
        The file cannot be opened, or has no such sheet.
    """
    import openpyxl

    try:
        with warnings.catch_warnings(), path.open("rb") as stream:
            warnings.simplefilter("ignore")  # about parts that a table does not need: validations, styles, printing
            safe, merges_left_out = without_huge_merges(stream)
            book = openpyxl.load_workbook(safe)
            names = [each.title for each in book.worksheets]
            hidden = {each.title for each in book.worksheets if each.sheet_state != "visible"}
            filled = {each.title for each in book.worksheets if each._cells}
            chosen = _choose_sheet(path, names, sheet, hidden, filled)
            grid = _read_cells(path, book[chosen], book.epoch.year == 1904)
            grid.example_digest = read_property(book, EXAMPLE_PROPERTY)
            grid.other_folder = read_property(book, FOLDER_PROPERTY)
            grid.results = {column - 1 for column in find_results(book[chosen])}
            if grid.formulas:
                _read_cached(safe, chosen, grid)
    except SheetUnreadable:
        raise
    except MemoryError:
        raise
    except Exception as reason:  # a damaged workbook can make the reader raise anything
        raise _damaged(path, reason) from None
    _note_sheets(grid, names, sheet, hidden, filled)
    if merges_left_out:
        problem = "Cells are merged over an area that is larger than any table; that was not looked at"
        grid.notes.append(warning("merged_cells", problem, "Nothing to do, unless that area is part of the table."))
    return grid


def read_property(book: Any, name: str) -> str:
    """Return a property that a workbook of ours has, ``""`` where it has none."""
    names = [each.name for each in book.custom_doc_props.props]
    return str(book.custom_doc_props[name].value or "") if name in names else ""


def find_results(sheet: Any) -> list[int]:
    """Return the columns, from 1, that hold the results of an earlier run; a name in the workbook marks them."""
    from openpyxl.utils.cell import range_boundaries

    name = sheet.defined_names.get(RESULTS_NAME)
    found: list[int] = []
    for _, area in name.destinations if name is not None else ():
        try:
            first, _, last, _ = range_boundaries(area)
        except (TypeError, ValueError):  # somebody deleted the cells that it named
            continue
        if first and last:
            found += range(first, min(last, first + 1000) + 1)
    return found


def _damaged(path: Path, reason: Exception) -> SheetUnreadable:
    return SheetUnreadable(
        "The workbook cannot be read",
        where=str(path),
        came_back=f"{type(reason).__name__}: {reason}"[:300],
        next_step="Open it in Excel or LibreOffice and save it again as xlsx.",
    )


def _choose_sheet(path: Path, names: list[str], sheet: int | str | None, hidden: set[str], filled: set[str]) -> str:
    if not names:
        raise SheetUnreadable(
            "The workbook has no sheet with cells",
            where=str(path),
            next_step="A workbook of charts alone has no rows; name another file.",
        )
    if sheet is None:
        visible = [name for name in names if name not in hidden] or names
        return next((name for name in visible if name in filled), visible[0])
    if isinstance(sheet, str):
        if sheet in names:
            return sheet
        close = [name for name in names if name.strip().casefold() == sheet.strip().casefold()]
        if len(close) == 1:
            return close[0]
    elif -len(names) <= sheet < len(names):
        return names[sheet]
    raise SheetUnreadable(
        f"The workbook has no sheet {sheet!r}",
        where=str(path),
        next_step=f"Its sheets are {show_list(names, 12)}; numbers count from 0.",
    )


def _note_sheets(grid: Grid, names: list[str], sheet: int | str | None, hidden: set[str], filled: set[str]) -> None:
    if grid.sheet in hidden:
        problem = f'The sheet "{grid.sheet}" is hidden in the workbook'
        grid.notes.append(warning("hidden_sheet", problem, "Check that it is the one that is meant."))
    others = [name for name in names if name in filled and name != grid.sheet and name not in hidden]
    others = [name for name in others if not name.startswith(OWN_SHEETS)]
    if sheet is None and others:
        problem = f'The sheet "{grid.sheet}" was read; the workbook also has {show_list(others)}'
        grid.notes.append(warning("other_sheets", problem, "If another one is meant: read(path, sheet=name)."))


def _read_cells(path: Path, sheet: Any, date1904: bool) -> Grid:
    grid = Grid(path, {}, sheet=sheet.title, is_workbook=True, date1904=date1904)
    # The cells that exist, not the rectangle around them: one stray cell far out makes that rectangle enormous.
    for (row, column), cell in sheet._cells.items():
        if row > _MOST_ROWS or column > _MOST_COLUMNS:
            raise ValueError(f"a cell in row {row}, column {column}, where no sheet has one")
        kind, value = cell.data_type, cell.value
        if kind == "f":
            grid.formulas.add((row - 1, column - 1))
            value = CellError(NO_CACHED_VALUE)
        elif kind == "e":
            value = CellError(value)
        elif isinstance(value, str):
            value = _unescape(value)
        elif kind == "n" and value is not None and cell.number_format not in ("General", "@"):
            grid.formats[row - 1, column - 1] = cell.number_format
        grid.put(row - 1, column - 1, value)
    grid.hidden_rows = {number - 1 for number, row in sheet.row_dimensions.items() if row.hidden}
    for letters, column in sheet.column_dimensions.items():
        if column.hidden:
            first = column.min or _column_number(letters)
            last = min(column.max or first, first + 1000)
            grid.hidden_columns |= set(range(first - 1, last))
    grid.is_filtered = bool(sheet.auto_filter.ref)
    grid.merged = [
        MergedArea(each.min_row - 1, each.min_col - 1, each.max_row - 1, each.max_col - 1)
        for each in list(sheet.merged_cells.ranges)[:_MOST_MERGED]
    ]
    return grid


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _unescape(text: str) -> str:
    if "_x" not in text:
        return text

    def plain(found: re.Match[str]) -> str:
        code = int(found.group(1), 16)
        return found.group(0) if 0xD800 <= code <= 0xDFFF else chr(code)

    return _ESCAPED.sub(plain, text)


def _read_cached(stream: BinaryIO, name: str, grid: Grid) -> None:
    """Put the values that the workbook holds for its formulas into the grid."""
    import openpyxl

    book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
    try:
        sheet = book[name]
        sheet.reset_dimensions()  # some programs write a wrong size, and reading would stop there
        first = min(row for row, _ in grid.formulas) + 1
        last = max(row for row, _ in grid.formulas) + 1
        for row in sheet.iter_rows(min_row=first, max_row=last):
            for cell in row:
                # A formula that gave an empty text has a type and no value; one that was never calculated has neither.
                is_empty_text = cell.value is None and cell.data_type == "str"
                if cell.value is None and not is_empty_text:
                    continue
                place = int(cell.row or 1) - 1, int(cell.column or 1) - 1
                if place not in grid.formulas:
                    continue
                value = cell.value
                if cell.data_type == "e":
                    value = CellError(value)
                elif isinstance(value, str):
                    value = _unescape(value)
                elif cell.data_type == "n" and cell.number_format not in ("General", "@"):
                    grid.formats[place] = cell.number_format
                grid.rows[place[0]].pop(place[1], None)
                grid.put(*place, value)
    finally:
        book.close()


def read_xls(path: Path, sheet: int | str | None) -> Grid:
    """Read one sheet of an old xls workbook.

    Raises
    ------
    ExtraMissing
        The package ``xlrd`` is not installed.
    SheetUnreadable
        The file cannot be opened, or has no such sheet.
    """
    try:
        import xlrd
    except ImportError:
        raise ExtraMissing(
            "Old xls workbooks are read with the package xlrd, which is not installed",
            where=str(path),
            next_step="pip install xlrd, or save the workbook as xlsx.",
        ) from None
    try:
        try:
            book = xlrd.open_workbook(str(path), formatting_info=True, logfile=_Silence())
        except NotImplementedError:
            book = xlrd.open_workbook(str(path), logfile=_Silence())
        names = book.sheet_names()
        hidden = {name for name, state in zip(names, book._sheet_visibility, strict=False) if state}
        filled = {name for name in names if book.sheet_by_name(name).nrows}
        grid = _read_xls_cells(path, book, book.sheet_by_name(_choose_sheet(path, names, sheet, hidden, filled)))
    except SheetUnreadable:
        raise
    except MemoryError:
        raise
    except Exception as reason:  # a damaged workbook can make the reader raise anything
        raise _damaged(path, reason) from None
    _note_sheets(grid, names, sheet, hidden, filled)
    return grid


class _Silence:
    """Takes what xlrd would print."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return


def _read_xls_cells(path: Path, book: Any, sheet: Any) -> Grid:
    from xlrd import XLDateError, error_text_from_code
    from xlrd.xldate import xldate_as_datetime

    grid = Grid(path, {}, sheet=sheet.name, is_workbook=True, date1904=book.datemode == 1)
    for row in range(sheet.nrows):
        for column in range(sheet.row_len(row)):
            cell = sheet.cell(row, column)
            value: Any = cell.value
            if cell.ctype == 2:
                value = int(value) if float(value).is_integer() else value
                _keep_xls_format(grid, book, cell, row, column)
            elif cell.ctype == 3:
                try:
                    value = xldate_as_datetime(value, book.datemode)
                except (XLDateError, ValueError, OverflowError):
                    value = float(value)
            elif cell.ctype == 4:
                value = bool(value)
            elif cell.ctype == 5:
                value = CellError(error_text_from_code.get(value, "#VALUE!"))
            elif cell.ctype != 1:
                continue
            grid.put(row, column, value)
    grid.hidden_rows = {number for number, info in sheet.rowinfo_map.items() if info.hidden}
    grid.hidden_columns = {number for number, info in sheet.colinfo_map.items() if info.hidden}
    grid.merged = [
        MergedArea(top, left, bottom - 1, right - 1) for top, bottom, left, right in sheet.merged_cells[:_MOST_MERGED]
    ]
    return grid


def _keep_xls_format(grid: Grid, book: Any, cell: Any, row: int, column: int) -> None:
    if cell.xf_index is None:
        return
    shown = book.format_map[book.xf_list[cell.xf_index].format_key].format_str
    if shown not in ("General", "@"):
        grid.formats[row, column] = shown
