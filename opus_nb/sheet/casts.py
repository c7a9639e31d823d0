"""The records that the casting modules share: what comes in, what comes out, what is wrong."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from opus_nb.service.schema import Field
from opus_nb.sheet.cells import MISSING, is_missing
from opus_nb.sheet.findings import Problem

__all__ = ["Cast", "CastSettings", "NotJsonError", "json_value", "plain_scalar"]


@dataclass
class Cast:
    """Values of one column after casting, in the order in which they came.

    Attributes
    ----------
    values : list
        Checked values; ``MISSING`` where a value could not be cast.
    problems : dict of int to list of Problem
        By the place of the value.
    remarks : list of Problem
        About the column as a whole.
    """

    values: list[Any]
    problems: dict[int, list[Problem]] = field(default_factory=dict)
    remarks: list[Problem] = field(default_factory=list)

    def add(self, place: int, problem: Problem) -> None:
        """Note a problem; an error takes the value away."""
        self.problems.setdefault(place, []).append(problem)
        if problem.severity == "error":
            self.values[place] = MISSING

    def put(self, places: Sequence[int], part: Cast) -> None:
        """Take over a cast of some of the places."""
        for inner, place in enumerate(places):
            self.values[place] = part.values[inner]
            if inner in part.problems:
                self.problems.setdefault(place, []).extend(part.problems[inner])
        self.remarks.extend(remark for remark in part.remarks if remark not in self.remarks)

    def has_error(self, place: int) -> bool:
        """Return True when the value at this place cannot be sent."""
        return any(each.severity == "error" for each in self.problems.get(place, ()))


@dataclass(frozen=True)
class CastSettings:
    """What the sheet and its owner say about how its cells are to be read.

    Attributes
    ----------
    cast : callable
        ``cast(field, values, settings)``; containers cast their items with it.
    find_file : callable
        ``find_file(field, text)`` gives a checked value and its problems.
    dates : str or None
        ``"dmy"``, ``"mdy"``, ``"ymd"`` or a strptime format.
    decimal : str or None
        ``"."`` or ``","``.
    date1904 : bool
        Serial numbers count from 1904.
    from_workbook : bool
        Numbers come from a workbook, which holds 15 digits.
    number_format : str
        The column's format in the workbook, ``""`` where unknown.
    """

    cast: Callable[[Field, Sequence[Any], CastSettings], Cast]
    find_file: Callable[[Field, str], tuple[Any, list[Problem]]]
    dates: str | None = None
    decimal: str | None = None
    date1904: bool = False
    from_workbook: bool = False
    number_format: str = ""


class NotJsonError(ValueError):
    """A Python value that JSON has no word for."""


def plain_scalar(value: Any) -> Any:
    """Return numpy and pandas scalars as what Python itself has; everything else as it is."""
    if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)):
        return value.item()
    if isinstance(value, (np.datetime64, dt.datetime)) and not isinstance(value, pd.Timestamp):
        try:
            return pd.Timestamp(value)
        except (ValueError, OverflowError):  # a year that pandas cannot hold
            return value
    return value


def json_value(value: Any, _depth: int = 0) -> Any:
    """Return a Python value as JSON holds it: dates as ISO text, missing as None, sets and arrays as lists.

    Raises
    ------
    NotJsonError
        Bytes, infinities, circles and objects that JSON has no word for.
    """
    if _depth > 60:
        raise NotJsonError("it is nested more than 60 deep")
    if value is None or isinstance(value, (bool, int)):
        return bool(value) if isinstance(value, bool) else value if value is None else int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {_json_key(key): json_value(each, _depth + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray, pd.Series, pd.Index)):
        items = value.tolist() if hasattr(value, "tolist") else list(value)
        if not isinstance(items, list):  # an array without dimensions
            return json_value(items, _depth + 1)
        return [json_value(each, _depth + 1) for each in items]
    if is_missing(value):
        return None
    value = plain_scalar(value)
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, (float, Decimal)):
        number = float(value)
        if not math.isfinite(number):
            raise NotJsonError("infinity is no JSON number")
        if isinstance(value, Decimal) and value == value.to_integral_value():
            return int(value)
        return number
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    raise NotJsonError(f"a {type(value).__name__} has no form in JSON")


def _json_key(key: Any) -> str:
    if isinstance(key, str):
        return str(key)
    if isinstance(key, (tuple, frozenset)) or key is None:
        raise NotJsonError(f"the key {key!r} is no text")
    return json.dumps(json_value(key)).strip('"')
