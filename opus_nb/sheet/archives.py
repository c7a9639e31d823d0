"""The archive that an xlsx is, made safe to open."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import Any, BinaryIO, Final

__all__ = ["without_huge_merges"]

# openpyxl makes an object for every cell of a merged area; a merged column has a million of them.
MOST_MERGED_CELLS: Final = 50_000
_MERGE: Final = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([^"]*)"[^>]*?>(?:\s*</(?:\w+:)?mergeCell>)?')
_AREA: Final = re.compile(rb"\$?([A-Za-z]+)\$?(\d+):\$?([A-Za-z]+)\$?(\d+)")


def without_huge_merges(stream: BinaryIO) -> tuple[BinaryIO, int]:
    """Return a workbook without merged areas of an enormous size, and how many were taken away.

    Nearly always the very same stream: only a workbook that has such an area is written anew, in memory.
    """
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            names = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
            huge = {name: found for name in names if (found := _huge_merges(archive.read(name)))}
            if huge:
                return _rewritten(archive, set(huge)), sum(map(len, huge.values()))
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError, EOFError):
        pass  # damaged: the reader says how
    stream.seek(0)
    return stream, 0


def _huge_merges(part: bytes) -> list[Any]:
    if b"mergeCell " not in part:
        return []
    return [found for found in _MERGE.finditer(part) if _size(found.group(1)) > MOST_MERGED_CELLS]


def _size(ref: bytes) -> int:
    area = _AREA.fullmatch(ref)
    if area is None:
        return 0
    left, top, right, bottom = area.groups()
    return (abs(int(bottom) - int(top)) + 1) * (abs(_number(right) - _number(left)) + 1)


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number


def _rewritten(archive: zipfile.ZipFile, parts: set[str]) -> BinaryIO:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in archive.namelist():
            data = archive.read(name)
            if name in parts:
                data = _MERGE.sub(lambda each: b"" if _size(each.group(1)) > MOST_MERGED_CELLS else each.group(0), data)
                # A list of merged areas that is empty now is one that the reader refuses.
                data = re.sub(rb"<((?:\w+:)?mergeCells)[^>]*>\s*</\1>", b"", data)
            copy.writestr(name, data)
    target.seek(0)
    return target
