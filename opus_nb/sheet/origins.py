"""What a frame remembers of the file that it was read from, kept in ``df.attrs["opus_nb"]``."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from opus_nb.sheet.cells import is_missing, show_text
from opus_nb.sheet.findings import Problem
from opus_nb.sheet.places import cell_text

__all__ = ["ATTRS_KEY", "Origin", "cell_digest", "digested_headers", "keep_sheet", "read_origin", "recall_sheet"]

ATTRS_KEY: Final = "opus_nb"
# Of a sheet that is only remembered: enough to find each row in a workbook again, and no copy of it.
_DIGEST_BYTES: Final = 3
_MOST_DIGESTED, _LARGE = (6, 3), 20_000  # columns of a sheet, and of a large one


@dataclass(frozen=True)
class Origin:
    """Where a frame came from. Everything has a default, because most frames come from elsewhere.

    Attributes
    ----------
    path : str
        Absolute path of the file, ``""`` when the frame was not read from one.
    sheet : str
        Name of the sheet in a workbook.
    header_row : int
        Row of the (last) header as the spreadsheet counts, from 1; 0 without one.
    row_spans : tuple of (int, int)
        Stretches of data rows: first row as the spreadsheet counts, and how many; row labels run through them.
    headers : tuple of str
        Of the frame as it was read.
    columns : tuple of int
        For each of these, its place in the sheet, from 0.
    results : tuple of int
        Those of these places that hold the results of an earlier run.
    other_folder : str
        Where the files lay that the cells name, when the file is a copy of ours, relative to its own folder.
    date1904 : bool
    is_workbook : bool
        Read from a workbook, whose numbers have at most 15 digits.
    number_formats : Mapping
        Header to number format, where a column has one that matters.
    notes : tuple of Problem
        What was noticed while reading.
    """

    path: str = ""
    sheet: str = ""
    header_row: int = 0
    row_spans: tuple[tuple[int, int], ...] = ()
    headers: tuple[str, ...] = ()
    columns: tuple[int, ...] = ()
    results: tuple[int, ...] = ()
    other_folder: str = ""
    date1904: bool = False
    is_workbook: bool = False
    number_formats: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Problem, ...] = ()

    @property
    def folder(self) -> str:
        """Folder of the file, ``""`` when there is none."""
        return str(Path(self.path).parent) if self.path else ""

    @property
    def row_count(self) -> int:
        """How many rows the frame had when it was read."""
        return sum(count for _, count in self.row_spans)

    @property
    def other_folders(self) -> tuple[str, ...]:
        """Where else the files may lie that the cells name."""
        return (str(Path(self.folder) / self.other_folder),) if self.path and self.other_folder else ()

    @property
    def result_headers(self) -> frozenset[str]:
        """Headers of the columns that hold the results of an earlier run, and are no inputs of the next."""
        pairs = zip(self.headers, self.columns, strict=False)
        return frozenset(header for header, column in pairs if column in self.results)

    def to_attrs(self) -> dict[str, Any]:
        """Return a small dict that JSON can hold and that is cheap to copy; pandas copies attrs at every step."""
        return {
            "path": self.path,
            "sheet": self.sheet,
            "header_row": self.header_row,
            "row_spans": [list(each) for each in self.row_spans],
            "headers": list(self.headers),
            "columns": list(self.columns),
            "results": list(self.results),
            "other_folder": self.other_folder,
            "date1904": self.date1904,
            "is_workbook": self.is_workbook,
            "number_formats": dict(self.number_formats),
            "notes": [
                {
                    "severity": each.severity,
                    "code": each.code,
                    "problem": each.problem,
                    "fix": each.fix,
                    "value": each.value,
                }
                for each in self.notes
            ],
        }


def read_origin(df: pd.DataFrame) -> Origin:
    """Return what the frame remembers; an empty `Origin` when it remembers nothing or something that is not ours."""
    kept = df.attrs.get(ATTRS_KEY)
    if not isinstance(kept, Mapping):
        return Origin()
    try:
        return Origin(
            path=str(kept.get("path", "")),
            sheet=str(kept.get("sheet", "")),
            header_row=int(kept.get("header_row", 0)),
            row_spans=tuple((int(first), int(count)) for first, count in kept.get("row_spans", ())),
            headers=tuple(str(each) for each in kept.get("headers", ())),
            columns=tuple(int(each) for each in kept.get("columns", ())),
            results=tuple(int(each) for each in kept.get("results", ())),
            other_folder=str(kept.get("other_folder", "")),
            date1904=bool(kept.get("date1904", False)),
            is_workbook=bool(kept.get("is_workbook", False)),
            number_formats={str(key): str(value) for key, value in dict(kept.get("number_formats", {})).items()},
            notes=tuple(Problem(**each) for each in kept.get("notes", ())),
        )
    except (TypeError, ValueError, AttributeError):
        return Origin()


def keep_sheet(df: pd.DataFrame) -> dict[str, Any] | None:
    """Return what the ledger keeps of a frame, so that results can be laid into its workbook by another process.

    Returns
    -------
    dict or None
        Small, and as JSON can hold it; None for a frame that was read from no workbook.
    """
    origin = read_origin(df)
    if not origin.sheet or not origin.header_row:
        return None
    headers = ["" if is_missing(label) else show_text(label) for label in df.columns.tolist()]
    wanted = {each for each in origin.headers if origin.headers.count(each) == 1} - origin.result_headers
    places = [at for at, header in enumerate(headers) if headers.count(header) == 1 and header in wanted]
    cells = {at: [cell_text(cell) for cell in df.iloc[:, at].tolist()] for at in places}
    # The columns that tell rows apart best.
    places = sorted(places, key=lambda at: -len(set(cells[at])))[: _MOST_DIGESTED[len(df) > _LARGE]]
    packed = b"".join(_pack(text) for at in places for text in cells[at])
    kept = {**replace(origin, notes=()).to_attrs(), "digested": [headers[at] for at in places]}
    return {**kept, "digests": base64.b64encode(zlib.compress(packed)).decode("ascii"), "digested_rows": len(df)}


def cell_digest(text: str) -> str:
    """Return a few letters for the text of a cell; equal texts have equal ones."""
    return _pack(text).hex()


def _pack(text: str) -> bytes:
    """Return the digest of a cell, zeros for an empty one."""
    if not text:
        return bytes(_DIGEST_BYTES)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).digest()


def digested_headers(df: pd.DataFrame) -> list[str] | None:
    """Return the headers whose cells `recall_sheet` gave as digests, None for a frame that holds its cells."""
    kept = df.attrs.get(ATTRS_KEY)
    known = kept.get("digested") if isinstance(kept, Mapping) else None
    return None if known is None else [str(header) for header in known]


def recall_sheet(kept: Mapping[str, Any] | None, index: pd.Index[Any]) -> pd.DataFrame:
    """Return a stand-in for the frame that `keep_sheet` has described: its origin, its index, digests of cells."""
    frame: pd.DataFrame = pd.DataFrame(index=index)
    if not kept or "digests" not in kept or kept.get("digested_rows") != len(index):
        return frame
    headers = [str(header) for header in kept.get("headers", ())]
    known = [str(header) for header in kept["digested"]]
    packed = zlib.decompress(base64.b64decode(kept["digests"])).hex()
    width, size = 2 * _DIGEST_BYTES, len(index)
    every = [packed[at : at + width] for at in range(0, len(packed), width)]
    frame = pd.DataFrame(None, index=index, columns=pd.Index(headers, dtype=object), dtype=object)
    for place, header in enumerate(known):
        cells = [each.strip("0") and each for each in every[place * size : (place + 1) * size]]
        frame[header] = cells
    frame.attrs[ATTRS_KEY] = {key: value for key, value in kept.items() if key != "digests"}
    return frame
