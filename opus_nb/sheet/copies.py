"""The user's own workbook, opened to be written to as a copy, and which of its cells belong to which of a frame."""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any, Final

import pandas as pd

from opus_nb.errors import SettingsError, SheetUnreadable
from opus_nb.sheet.archives import without_huge_merges
from opus_nb.sheet.cached import fill_in_cached, read_cached
from opus_nb.sheet.cells import is_missing, show_text
from opus_nb.sheet.headers import header_texts, require_table
from opus_nb.sheet.origins import Origin, cell_digest, digested_headers, read_origin
from opus_nb.sheet.places import cell_text, find_places
from opus_nb.sheet.reading import read_sheet
from opus_nb.sheet.workbooks import FOLDER_PROPERTY, find_results

__all__ = ["WorkbookCopy", "check_target", "files_folder", "last_column", "note_size", "open_copy", "save_copy"]

_LOST_SIZE: Final = (144, 79)  # what openpyxl gives a note that it has read


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
    results : dict of str to int
        Header to column of the results that an earlier run left in the sheet.
    folder : str
        Where the files lie that the cells name, ``""`` where that is unknown.
    losses : list of str
        What of the workbook a copy cannot keep, one sentence each.
    cached : dict
        What formulas last gave, as `opus_nb.sheet.cached.read_cached` returns it.
    """

    book: Any
    sheet: Any
    rows: list[int | None]
    columns: list[int | None]
    header_row: int
    results: dict[str, int] = field(default_factory=dict)
    folder: str = ""
    losses: list[str] = field(default_factory=list)
    cached: dict[str, dict[str, bytes]] = field(default_factory=dict)


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


def open_copy(df: pd.DataFrame, source: str | PathLike[str] | None = None, *, macros: bool = False) -> WorkbookCopy:
    """Open the workbook that a frame was read from, and find the frame's cells in it.

    A row is where its cells are, also when rows were put in above it or the frame was numbered anew; one that no row
    of the workbook is like, in all but one cell, has no place. Formulas, formats, notes, rules and charts stay; what
    cannot stay is in ``losses``.

    Parameters
    ----------
    df : pandas.DataFrame
        As `read_sheet` gave it, or a part of it.
    source : str or path, optional
        The workbook, when it lies elsewhere now, or when pandas has read it. None: where `read_sheet` has read it.
    macros : bool
        Whether the copy will be named xlsm, and keeps the macros of such a workbook.

    Raises
    ------
    SheetUnreadable
        The frame comes from no xlsx workbook, the workbook is gone, or it holds another table now.
    """
    import openpyxl

    origin = read_origin(require_table(df))
    if not origin.sheet and source is not None and len(df.columns):
        # pandas has read it, most likely: the cells will tell.
        with suppress(SheetUnreadable):
            origin = read_origin(read_sheet(source))
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
            has_macros = place.suffix.lower() == ".xlsm"
            safe, merges_left_out = without_huge_merges(stream)
            book = openpyxl.load_workbook(safe, keep_vba=has_macros and macros, rich_text=True)
            losses = _losses(place, macros=has_macros and not macros, merges=merges_left_out)
            cached = read_cached(book, safe)
        sheet = book[origin.sheet]
    except Exception as reason:  # a damaged workbook can make the reader raise anything
        raise SheetUnreadable(
            "The workbook that the frame was read from cannot be opened again",
            where=f'{place}, sheet "{origin.sheet}"',
            came_back=f"{type(reason).__name__}: {reason}"[:300],
            next_step="Put it back, or name it with source=.",
        ) from None
    if macros and not has_macros:
        raise SettingsError(
            "The workbook has no macros, so its copy cannot be named xlsm", where=str(place), next_step="Use .xlsx."
        )
    copy = WorkbookCopy(book, sheet, [], _sheet_columns(df, origin, sheet), origin.header_row)
    copy.rows = _find_rows(df, copy, origin, place)
    if origin.header_row:
        heads = {column: sheet.cell(origin.header_row, column).value for column in find_results(sheet)}
        copy.results = {show_text(head): column for column, head in heads.items() if head is not None}
    copy.folder, copy.losses, copy.cached = files_folder(origin), losses, cached
    return copy


def files_folder(origin: Origin) -> str:
    """Return where the files lie that the cells of a sheet name, ``""`` where that is unknown."""
    return next((each for each in origin.other_folders if Path(each).is_dir()), origin.folder)


def _losses(place: Path, *, macros: bool, merges: int) -> list[str]:
    """Say what of a workbook openpyxl does not keep."""
    with zipfile.ZipFile(place) as archive:
        names = archive.namelist()
        drawings = [name for name in names if name.startswith("xl/drawings/drawing")]
        shapes = any(b"<xdr:sp" in archive.read(name) for name in drawings)
    parts = ["macros (name it .xlsm to keep them)"] if macros else []
    parts += ["merged areas of an enormous size"] if merges else []
    parts += ["pictures"] if any(n.startswith("xl/media/") for n in names) and find_spec("PIL") is None else []
    parts += ["drawn shapes"] if shapes else []
    parts += ["slicers"] if any(name.startswith("xl/slicers/") for name in names) else []
    parts += ["replies to comments"] if any(name.startswith("xl/threadedComments/") for name in names) else []
    return [f"The copy lacks what cannot be copied: {', '.join(parts)}. The workbook itself stays."] if parts else []


def last_column(copy: WorkbookCopy) -> int:
    """Return the last column that holds anything, 0 without one; a format or a space far out does not count."""
    return max((column for (_, column), cell in copy.sheet._cells.items() if not is_missing(cell.value)), default=0)


def save_copy(copy: WorkbookCopy, target: Path) -> None:
    """Write the workbook; it appears, or replaces what is there, only when it is complete.

    Where the copy lies in another folder than the files that its cells name, it remembers that folder.

    Raises
    ------
    SettingsError
        The file cannot be written, for example because it is open in Excel.
    """
    from openpyxl.workbook.properties import CalcProperties

    _remember_folder(copy, target)
    for cell in list(copy.sheet._cells.values()):
        note = cell.comment
        if note is not None and (note.width, note.height) == _LOST_SIZE:  # the size of a note is not read
            note.width, note.height = note_size(note.text)
    for sheet in copy.book.worksheets:
        _keep_digits(sheet)
    # A mended cell changes what formulas give; a workbook need not say anything about calculating.
    copy.book.calculation = copy.book.calculation or CalcProperties()
    copy.book.calculation.fullCalcOnLoad = True
    draft = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        copy.book.save(draft)
        parts = {sheet.path.lstrip("/"): copy.cached.get(sheet.title, {}) for sheet in copy.book.worksheets}
        if any(parts.values()):
            fill_in_cached(draft, parts)
        draft.replace(target)
    except OSError as reason:
        raise SettingsError(
            "The workbook cannot be written",
            where=str(target),
            came_back=reason.strerror or str(reason),
            next_step="Close it where it is open, or choose another name.",
        ) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _keep_digits(sheet: Any) -> None:
    """Let numbers keep their last digit: openpyxl writes 16 of them, and some floats need 17."""
    for cell in sheet._cells.values():
        value = cell.value
        if value.__class__ is float and math.isfinite(value) and float(f"{value:.16g}") != value:
            cell._value = repr(value)  # written as it stands, and still a number


def note_size(text: str) -> tuple[float, float]:
    """Return width and height of a note in which its text can be read, in pixels."""
    lines = sum(1 + len(line) // 50 for line in text.splitlines())
    return 360.0, float(min(480, max(60, 24 + 18 * lines)))


def _remember_folder(copy: WorkbookCopy, target: Path) -> None:
    from openpyxl.packaging.custom import StringProperty

    if FOLDER_PROPERTY in [each.name for each in copy.book.custom_doc_props.props]:
        del copy.book.custom_doc_props[FOLDER_PROPERTY]
    if not copy.folder:
        return
    with suppress(ValueError):  # on another drive
        way = Path(os.path.relpath(copy.folder, target.absolute().parent)).as_posix()
        if way != ".":
            copy.book.custom_doc_props.append(StringProperty(name=FOLDER_PROPERTY, value=way))


def _sheet_columns(df: pd.DataFrame, origin: Origin, sheet: Any) -> list[int | None]:
    """Return the sheet's column of each of the frame's, by header; of equal headers the first, the second and so on."""
    by_header: dict[str, list[int]] = {}
    for header, place in zip(origin.headers, origin.columns, strict=False):
        by_header.setdefault(header, []).append(place + 1)
    heads: dict[str, list[int]] = {}
    if origin.header_row:
        for (row, at), cell in sheet._cells.items():
            if row == origin.header_row:
                heads.setdefault(cell_text(cell.value), []).append(at)
    result: list[int | None] = []
    for header in header_texts(df):
        places = by_header.get(header, [])
        column: int | None = places.pop(0) if places else None
        text = cell_text(header)
        stands = cell_text(sheet.cell(origin.header_row, column).value) if column and origin.header_row else ""
        if column is not None and stands not in text:  # of headers in several rows, the last part is there
            now = heads.get(text, [])
            column = now[0] if len(now) == 1 else None
        result.append(column)
    return result


def _find_rows(df: pd.DataFrame, copy: WorkbookCopy, origin: Origin, place: Path) -> list[int | None]:
    """Return the row of each of the frame's; the labels say where to look, and the cells whether it is there."""
    results = {*find_results(copy.sheet), *(column + 1 for column in origin.results)}
    known = digested_headers(df)
    columns = [
        None if column in results or (known is not None and header not in known) else column
        for header, column in zip(header_texts(df), copy.columns, strict=True)
    ]
    numbers = [row for first, count in origin.row_spans for row in range(first, first + count)]
    supposed = [
        numbers[label] if isinstance(label, int) and 0 <= label < len(numbers) else None for label in df.index.tolist()
    ]
    found = find_places(
        df,
        copy.sheet,
        columns,
        supposed,
        header_row=copy.header_row,
        read_rows=numbers,
        digest=None if known is None else cell_digest,
    )
    alike = sum(row is not None for row in found)
    if alike * 2 < len(found):
        raise SheetUnreadable(
            "The rows of this frame are not those of the workbook any more",
            where=str(place),
            came_back=f"{alike} of {len(found)} rows are alike",
            next_step="Keep the index that wf.read gave (no reset_index), or read the changed workbook again.",
        )
    return found
