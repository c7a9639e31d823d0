"""Columns reduced to their distinct values, so that each is judged once."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from opus_nb.sheet.cells import MISSING, CellError, is_missing

__all__ = ["Codes", "distinct_values", "spread_values"]

Codes = npt.NDArray[np.int64]

# Values of these exact classes are equal exactly when they are the same cell to us, so each is cast once. Others
# (lists, dicts, foreign objects) may have a costly, wrong or raising comparison.
_COMPARABLE: Final = frozenset(
    {str, int, float, bool, dt.date, CellError, uuid.UUID, *(type(Path()), type(PurePath()))}
)


_IN_LISTS: Final = frozenset({str, int, bool, *(type(Path()), type(PurePath()))})


def distinct_values(cells: Sequence[Any]) -> tuple[Codes, list[Any]]:
    """Return, per cell, the place of its value among the distinct ones, or -1 where it is missing."""
    uniques: list[Any] = []
    seen: dict[Any, int] = {}
    codes = np.empty(len(cells), dtype=np.int64)
    for place, value in enumerate(cells):
        kind = value.__class__
        if kind in _COMPARABLE:
            key: Any = (kind, value)
        elif kind is pd.Timestamp:
            key = (kind, value, value.tzinfo)
        elif kind is Decimal:
            key = (kind, str(value))
        elif kind is list and all(item.__class__ in _IN_LISTS for item in value) and value:
            key = (kind, *((item.__class__, item) for item in value))
        else:
            codes[place] = -1 if is_missing(value) else len(uniques)
            if codes[place] >= 0:
                uniques.append(value)
            continue
        code = seen.get(key)
        if code is None:
            code = -1 if is_missing(value) else len(uniques)
            if code >= 0:
                uniques.append(value)
            if kind is not float or code >= 0:  # a NaN is never found again
                seen[key] = code
        codes[place] = code
    return codes, uniques


def spread_values(values: Sequence[Any], codes: Codes) -> list[Any]:
    """Return one value per row from one per distinct value."""
    every = [*values, MISSING]  # the last place answers for code -1
    return [every[code] for code in codes.tolist()]
