"""Delimited text (csv, tsv) as a grid; every cell stays text."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

from opus_nb.errors import SheetUnreadable
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
    """
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
    finally:
        csv.field_size_limit(limit)
    return grid


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
