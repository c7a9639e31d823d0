"""Delimited text (csv, tsv) as a grid; every cell stays text."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

from opus_nb.errors import SettingsError, SheetUnreadable
from opus_nb.sheet.findings import warning
from opus_nb.sheet.grids import Grid

__all__ = ["read_delimited"]

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 60
_LONGEST_CELL = 2**31 - 1


def read_delimited(path: Path, *, encoding: str | None, delimiter: str | None) -> Grid:
    """Read a text file with separated cells.

    The encoding is told by a byte order mark, else it is UTF-8, else Windows-1252 (which is then said). The
    delimiter is told by the file's suffix or a first line ``sep=;``, else it is the one that cuts the first rows
    most evenly.

    Raises
    ------
    SheetUnreadable
        It is no text, or not in the encoding that was named.
    SettingsError
        ``encoding`` or ``delimiter`` is no text.
    """
    asked: dict[str, Any] = {"encoding": encoding, "delimiter": delimiter}
    for name, given in asked.items():
        if given is not None and not isinstance(given, str):
            step = "Give it as text, or leave it out to have it found."
            raise SettingsError(f"{name}={given!r} is no text", next_step=step, name=name)
    grid = Grid(path, {})
    text = _decode(grid, path.read_bytes(), encoding)
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
        delimiter, text = delimiter or first.strip()[4], rest
    if delimiter is None:
        delimiter = "\t" if path.suffix.lower() in (".tsv", ".tab") and "\t" in text else _sniff(text)
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise SheetUnreadable(
            "A delimiter is one character",
            where=str(path),
            came_back=repr(delimiter),
            next_step='As in delimiter=";"; leave it out to have it found.',
        )
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)):
            for column, cell in enumerate(cells):
                grid.put(number, column, cell)
    except csv.Error as reason:
        raise SheetUnreadable(
            "The text cannot be read as a table",
            where=str(path),
            came_back=str(reason),
            next_step="Open it in a spreadsheet program and save it as xlsx.",
        ) from None
    else:
        _note_swallowed(grid, text, delimiter)
    finally:
        csv.field_size_limit(limit)
    return grid


def _note_swallowed(grid: Grid, text: str, delimiter: str) -> None:
    """Note cells that look as if a quotation mark nobody closed had swallowed the rows after it."""
    if not any("\n" in cell or "\r" in cell for cells in grid.rows.values() for cell in cells.values()):
        return
    widths = Counter(max(cells) for cells in grid.rows.values() if cells)
    between = max(widths.items(), key=lambda each: (each[1], each[0]))[0]
    mark = re.compile(re.escape(delimiter) + r"(?! )")  # prose has a space after its commas
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter=delimiter)
    suspects: list[int] = []
    first = 0
    for cells in reader:
        record, begun, first = lines[first : reader.line_num], first, reader.line_num
        if len(record) < 2:
            continue
        rows_within = (line for cell in cells for line in cell.splitlines()[1:])
        if not _is_well_quoted(record, delimiter) or any(
            0 < between <= len(mark.findall(line)) for line in rows_within
        ):
            suspects.append(begun + 1)
    if suspects:
        shown = ", ".join(map(str, suspects[:5]))
        where = f"line {shown}" if len(suspects) == 1 else f"lines {shown}"
        problem = f"A quotation mark in {where} opens a cell that goes over several lines, and looks as if it was "
        problem += "never meant to: rows may have become part of a cell"
        fix = "Look at the rows there; write a quotation mark that belongs to the text twice, within quotes."
        grid.notes.append(warning("quote_not_closed", problem, fix))


def _is_well_quoted(record: list[str], delimiter: str) -> bool:
    try:
        list(csv.reader(record, delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return True


def _decode(grid: Grid, data: bytes, encoding: str | None) -> str:
    if encoding is not None:
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except (UnicodeError, LookupError) as reason:
            raise SheetUnreadable(
                f"The text is not in the encoding {encoding!r}",
                where=str(grid.path),
                came_back=str(reason),
                next_step="Leave encoding= out, or name the right one.",
            ) from None
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            try:
                text = data.decode(name)
            except UnicodeError:
                break
            shown = "UTF-16" if name == "utf-16" else "UTF-8"
            problem = f"The text begins with a byte order mark; it was read as {shown}, without the mark"
            grid.notes.append(warning("byte_order_mark", problem, "Nothing to do."))
            return text
    if b"\x00" in data:
        raise SheetUnreadable(
            "The file is no text, so it cannot be read as a delimited table",
            where=str(grid.path),
            next_step="Save it as xlsx or csv, or name its encoding= if it is text.",
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as reason:
        line = data[: reason.start].count(b"\n") + 1
        problem = f"The text is not UTF-8 (line {line}); it was read as Windows-1252"
        fix = "If letters look wrong, name the encoding: read(path, encoding=...)."
        grid.notes.append(warning("encoding_assumed", problem, fix))
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError:
            return data.decode("latin-1")


def _sniff(text: str) -> str:
    """Return the delimiter that cuts the first rows into the most cells, evenly."""
    best, best_score = ",", 0.0
    head = text[:200_000]
    for delimiter in _DELIMITERS:
        if delimiter not in head:
            continue
        widths: Counter[int] = Counter()
        try:
            for number, cells in enumerate(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)):
                if number >= _SAMPLE_ROWS:
                    break
                if any(cell.strip() for cell in cells):
                    widths[len(cells)] += 1
        except csv.Error:
            continue
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda each: (each[1], each[0]))
        score = 0.0 if width < 2 else count / sum(widths.values()) + min(width, 50) / 1000
        if score > best_score:
            best, best_score = delimiter, score
    return best
