"""A sheet as a grid of cells, whatever file it came from, before anybody decides which row is the header."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opus_nb.sheet.cells import is_missing, show_text
from opus_nb.sheet.findings import Problem

__all__ = ["Grid", "MergedArea", "row_digest", "spans"]


@dataclass(frozen=True, slots=True)
class MergedArea:
    """Merged cells; rows and columns count from 0, both ends included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass
class Grid:
    """The cells of one sheet. Rows and columns count from 0.

    Attributes
    ----------
    path : Path
    rows : dict of int to dict of int to Any
        Only cells that hold something.
    sheet : str
    is_workbook, date1904 : bool
    formats : dict of (int, int) to str
        Number formats of number cells, ``General`` left out.
    formulas : set of (int, int)
    hidden_rows, hidden_columns : set of int
    is_filtered : bool
    merged : list of MergedArea
    last_row : int
        The last row with a cell, also with one that holds nothing but a format or a space; -1 without any.
    results : set of int
        Columns that hold the results of an earlier run.
    other_folder : str
        Where the files lay that the cells name, relative to the folder of this copy of ours.
    example_digest : str
        What `row_digest` says of the example row, in a workbook that is a filled-in template of ours.
    notes : list of Problem
    """

    path: Path
    rows: dict[int, dict[int, Any]]
    sheet: str = ""
    is_workbook: bool = False
    date1904: bool = False
    formats: dict[tuple[int, int], str] = field(default_factory=dict)
    formulas: set[tuple[int, int]] = field(default_factory=set)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    is_filtered: bool = False
    merged: list[MergedArea] = field(default_factory=list)
    last_row: int = -1
    results: set[int] = field(default_factory=set)
    other_folder: str = ""
    example_digest: str = ""
    notes: list[Problem] = field(default_factory=list)

    def put(self, row: int, column: int, value: Any) -> None:
        """Put a value into a cell; what is missing leaves it empty."""
        self.last_row = max(self.last_row, row)
        if not is_missing(value):
            self.rows.setdefault(row, {})[column] = value

    def filled_rows(self) -> list[int]:
        """Return the numbers of the rows that hold anything, from top to bottom."""
        return sorted(row for row, cells in self.rows.items() if cells)


def row_digest(values: Iterable[Any]) -> str:
    """Return a short digest of the texts of a row, empty cells left out; equal rows have equal digests."""
    texts = [show_text(value) for value in values if not is_missing(value)]
    return hashlib.sha256("\x1f".join(texts).encode("utf-8", "replace")).hexdigest()[:32]


def spans(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, count) for each unbroken stretch of rising numbers."""
    start = count = 0
    for number in numbers:
        if count and number == start + count:
            count += 1
            continue
        if count:
            yield start, count
        start, count = number, 1
    if count:
        yield start, count
