"""Findings, gathered column by column and shown as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from opus_nb.sheet.cells import shorten, show_text

__all__ = ["ISSUE_COLUMNS", "FindingLog", "Problem", "error", "text_array", "warning"]

ISSUE_COLUMNS = ("row", "column", "input", "severity", "code", "value", "problem", "fix")

_Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one value, or worth knowing about a whole column.

    ``part`` is the path of the member that it is about, inside an object; ``column`` is set where it is about
    another column than the value as a whole.
    """

    severity: str
    code: str
    problem: str
    fix: str
    value: str | None = None
    part: tuple[str, ...] = ()
    column: str | None = None


def error(code: str, problem: str, fix: str, value: str | None = None) -> Problem:
    """Return a problem because of which a row cannot be sent."""
    return Problem("error", code, problem, fix, value)


def warning(code: str, problem: str, fix: str, value: str | None = None) -> Problem:
    """Return a problem that a person should see and that stops nothing."""
    return Problem("warning", code, problem, fix, value)


class FindingLog:
    """Takes findings in any order; gives the table of issues and which rows cannot be sent."""

    def __init__(self, row_count: int) -> None:
        self.row_count = row_count
        self._positions: list[_Positions] = []
        self._orders: list[_Positions] = []
        self._texts: list[tuple[npt.NDArray[np.object_], ...]] = []

    def add_sheet(self, problem: Problem, *, column: str | None = None, input_name: str | None = None) -> None:
        """Add one finding about the whole sheet or a whole column."""
        place = np.array([-1], dtype=np.int64)
        self._add(place, 0, column, input_name, [problem], np.zeros(1, dtype=np.int64), [problem.value or ""])

    def add_cells(
        self,
        codes: _Positions,
        uniques: Sequence[Any],
        problems: dict[int, list[Problem]],
        *,
        order: int,
        column: str | None,
        input_name: str | None,
    ) -> None:
        """Add the problems of unique values to every row that holds one of them.

        ``codes`` has, per row, the place of its value in ``uniques``, or -1.
        """
        for layer in range(max(map(len, problems.values()), default=0)):
            of_unique = np.full(len(uniques) + 1, -1, dtype=np.int64)  # the last place answers for code -1
            found: list[Problem] = []
            values: list[str] = []
            for place, every in problems.items():
                if layer < len(every):
                    of_unique[place] = len(found)
                    found.append(every[layer])
                    given = every[layer].value
                    values.append(shorten(show_text(uniques[place]) if given is None else given))
            which = of_unique[codes]
            rows = np.flatnonzero(which >= 0).astype(np.int64)
            self._add(rows, order, column, input_name, found, which[rows], values)

    def add_rows(
        self,
        rows: _Positions,
        problem: Problem,
        *,
        order: int = 0,
        column: str | None = None,
        input_name: str | None = None,
    ) -> None:
        """Add the same finding to several rows."""
        which = np.zeros(len(rows), dtype=np.int64)
        self._add(rows.astype(np.int64), order, column, input_name, [problem], which, [problem.value or ""])

    def _add(
        self,
        rows: _Positions,
        order: int,
        column: str | None,
        input_name: str | None,
        found: list[Problem],
        which: _Positions,
        values: list[str],
    ) -> None:
        if not len(rows):
            return

        def spread(texts: list[Any]) -> npt.NDArray[np.object_]:
            every = np.empty(len(texts), dtype=object)
            every[:] = texts
            return every[which]

        self._positions.append(rows)
        self._orders.append(np.full(len(rows), order, dtype=np.int64))
        self._texts.append(
            (
                spread([pd.NA if (name := each.column or column) is None else name for each in found]),
                spread([pd.NA if input_name is None else input_name] * len(found)),
                spread([each.severity for each in found]),
                spread([each.code for each in found]),
                spread([shorten(value) for value in values]),
                spread([each.problem for each in found]),
                spread([each.fix for each in found]),
            )
        )

    def to_frame(self, index: pd.Index[Any]) -> tuple[pd.DataFrame, _Positions, npt.NDArray[np.bool_]]:
        """Return the table, the position of each finding's row (-1: whole sheet), and the rows that cannot be sent.

        Errors about the whole sheet come first, then the cells from top to bottom, then what is only worth knowing
        about the whole sheet.
        """
        if not self._positions:
            empty = pd.DataFrame({name: pd.Series([], dtype="string") for name in ISSUE_COLUMNS})
            empty["row"] = _row_labels(index, np.empty(0, dtype=np.int64))
            return empty, np.empty(0, dtype=np.int64), np.zeros(self.row_count, dtype=bool)
        positions = np.concatenate(self._positions)
        orders = np.concatenate(self._orders)
        texts = [np.concatenate(parts) for parts in zip(*self._texts, strict=True)]
        is_error = texts[2] == "error"
        whole = positions < 0
        block = np.where(whole, np.where(is_error, 0, 2), 1)
        sequence = np.lexsort((orders, positions, block))
        positions, is_error = positions[sequence], is_error[sequence].astype(bool)
        frame = pd.DataFrame({"row": _row_labels(index, positions)})
        for name, text in zip(ISSUE_COLUMNS[1:], texts, strict=True):
            frame[name] = text_array(text[sequence])
        invalid = np.zeros(self.row_count, dtype=bool)
        bad = positions[is_error]
        if (bad < 0).any():
            invalid[:] = True
        invalid[bad[bad >= 0]] = True
        return frame, positions, invalid


def text_array(texts: Any) -> Any:
    """Return texts and NA as a string array; half characters, which no such array holds, are replaced."""
    try:
        return pd.array(texts, dtype="string")
    except UnicodeError:
        plain = [each.encode("utf-8", "replace").decode() if isinstance(each, str) else each for each in texts]
        return pd.array(plain, dtype="string")


def _row_labels(index: pd.Index[Any], positions: _Positions) -> Any:
    if pd.api.types.is_integer_dtype(index.dtype):
        labels = np.zeros(len(positions), dtype=np.int64)
        inside = positions >= 0
        labels[inside] = index.to_numpy(dtype=np.int64)[positions[inside]]
        return pd.arrays.IntegerArray(labels, ~inside)
    every = index.tolist()
    labels_any = np.empty(len(positions), dtype=object)
    labels_any[:] = [every[place] if place >= 0 else pd.NA for place in positions.tolist()]
    return pd.Series(labels_any, dtype=object)
