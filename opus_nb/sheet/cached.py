"""The calculated values of formulas, kept in a copy: openpyxl writes formulas without what they last gave."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final
from xml.sax.saxutils import escape

__all__ = ["fill_in_cached", "read_cached"]

_FORMULA: Final = re.compile(rb'<c r="([A-Z]+\d+)"([^>]*)>(<f\b[^>]*?(?:/>|>.*?</f>))<v\s*(?:/>|></v>)</c>', re.DOTALL)


def read_cached(book: Any, stream: BinaryIO) -> dict[str, dict[str, bytes]]:
    """Return what each formula of a workbook gave when it was saved.

    Parameters
    ----------
    book : Any
        The workbook as openpyxl has opened it, formulas and all.
    stream : BinaryIO
        The same workbook.

    Returns
    -------
    dict of str to dict of str to bytes
        By title of the sheet and address of the cell, as the XML of the cell has it: type and value.
    """
    import openpyxl

    formulas = {
        sheet.title: {cell.coordinate for cell in sheet._cells.values() if cell.data_type == "f"}
        for sheet in book.worksheets
    }
    formulas = {title: cells for title, cells in formulas.items() if cells}
    found: dict[str, dict[str, bytes]] = {}
    if not formulas:
        return found
    values: Any = openpyxl.load_workbook(stream, read_only=True, data_only=True)
    try:
        for title, cells in formulas.items():
            sheet = values[title]
            sheet.reset_dimensions()
            found[title] = {
                cell.coordinate: written
                for row in sheet.iter_rows(max_row=max(int(re.sub(r"\D", "", each)) for each in cells))
                for cell in row
                if (cell.value is not None or cell.data_type == "str")
                and cell.coordinate in cells
                and (written := _written(cell, book.epoch)) is not None
            }
    finally:
        values.close()
    return found


def _written(cell: Any, epoch: dt.datetime) -> bytes | None:
    """Return the attributes and the value of a cell, as XML."""
    from openpyxl.utils import datetime as days

    to_excel: Any = days.to_excel
    value = cell.value
    if isinstance(value, bool):
        return b' t="b"><v>%d' % value
    if isinstance(value, (dt.date, dt.time, dt.timedelta)):
        value = to_excel(value, epoch)
    if isinstance(value, (int, float)):
        return b"><v>" + repr(value).encode()
    if value is None or isinstance(value, str):
        kind = b"e" if cell.data_type == "e" else b"str"
        return b' t="%s"><v>%s' % (kind, escape(value or "").encode("utf-8", "replace"))
    return None


def fill_in_cached(path: Path, parts: Mapping[str, Mapping[str, bytes]]) -> None:
    """Write these values into the formulas of a workbook that openpyxl has just written.

    Parameters
    ----------
    path : Path
    parts : Mapping
        By name of the sheet's part in the archive: what `read_cached` gave for it.
    """
    whole = path.with_name(f"{path.name}.whole")
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as copy:
            for info in archive.infolist():
                data, known = archive.read(info), parts.get(info.filename)
                copy.writestr(info.filename, _FORMULA.sub(partial(_filled, known=known), data) if known else data)
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)


def _filled(found: re.Match[bytes], *, known: Mapping[str, bytes]) -> bytes:
    value = known.get(found[1].decode())
    if value is None:
        return found[0]
    kind, _, rest = value.partition(b">")
    return b'<c r="%s"%s%s>%s%s</v></c>' % (found[1], found[2], kind, found[3], rest)
