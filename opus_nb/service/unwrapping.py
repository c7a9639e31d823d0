"""What numpy, pandas, pyarrow and the standard library wrap around a value, taken off without importing them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from typing import Any
from uuid import UUID

from opus_nb.job import LocalFile
from opus_nb.service.judging import show_value

__all__ = ["read_iso", "unwrap"]

_DEEPEST = 60


def unwrap(value: Any) -> Any:
    """Return the plain Python value inside; what is missing (None, NaN, NaT, ``pandas.NA``) becomes None.

    Returns
    -------
    Any
        None, str, bool, int, float, Decimal, date, datetime, time, UUID, path or `LocalFile`, and lists and dicts
        with text keys of these.

    Raises
    ------
    ValueError
        It has no counterpart in JSON; the message is one plain sentence.
    """
    return _unwrap(value, 0)


def _unwrap(value: Any, depth: int) -> Any:
    """Strip what numpy, pandas and the standard library wrap around a value; missing becomes None."""
    if value is None or type(value) in {str, int, bool, LocalFile}:
        return value
    if type(value).__name__ in {"NAType", "NaTType", "MaskedConstant"}:
        return None
    if depth > _DEEPEST:
        raise ValueError(f"It is nested more than {_DEEPEST} levels deep.")
    if isinstance(value, Enum):
        return _unwrap(value.value, depth + 1)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, LocalFile):
        return value
    if isinstance(value, (datetime, date, time, UUID, os.PathLike)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise ValueError("Bytes cannot be sent as they are; decode them to text, or save them as a file.")
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if isinstance(value, Decimal):
        return None if value.is_nan() else value
    if isinstance(value, Mapping):
        named = {_name(key): _unwrap(each, depth + 1) for key, each in value.items()}
        if len(named) < len(value):
            raise ValueError("Two names in it are the same once they are text.")
        return named
    if isinstance(value, (set, frozenset)):
        # A set has no order of its own; the same set must always make the same request.
        return sorted((_unwrap(each, depth + 1) for each in value), key=lambda each: (type(each).__name__, str(each)))
    if isinstance(value, (list, tuple)):
        return [_unwrap(each, depth + 1) for each in value]
    return _unwrap_foreign(value, depth)


def _unwrap_foreign(value: Any, depth: int) -> Any:
    """Read what quacks like a numpy or pandas scalar or array, or like a number."""
    kind = type(value).__name__
    if kind == "datetime64":
        text = str(value)
        return None if text == "NaT" else _read_moment(text)
    if kind in {"timedelta64", "Timedelta", "timedelta", "Period", "Interval", "DataFrame"}:
        raise ValueError(f"A {kind} has no counterpart in JSON; turn it into text or a number first.")
    if hasattr(value, "dtype") and hasattr(value, "item") and not getattr(value, "ndim", 0):
        return _unwrap(value.item(), depth + 1)
    if hasattr(value, "tolist") and callable(getattr(value, "__iter__", None)):
        return [_unwrap(each, depth + 1) for each in value]
    if callable(getattr(value, "as_py", None)):
        return _unwrap(value.as_py(), depth + 1)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return None if math.isnan(value) else float(value)
    if isinstance(value, Iterable) and hasattr(value, "__len__"):
        return [_unwrap(each, depth + 1) for each in value]
    raise ValueError(f"A value of type {kind} has no counterpart in JSON.")


def _name(key: Any) -> str:
    if isinstance(key, str):
        return str(key)
    if type(key) is not bool and isinstance(key, Integral):
        return str(int(key))
    raise ValueError(f"The name {show_value(key)} is not text.")


def _read_moment(text: str) -> datetime:
    try:
        # numpy writes up to nine digits of a second, Python reads six.
        return read_iso(text[:26])
    except ValueError as error:
        raise ValueError(f"{text} is not a moment that a calendar can hold.") from error


def read_iso(text: str) -> datetime:
    """Read ISO text; Python 3.10 does not know the Z.

    Raises
    ------
    ValueError
        It is none.
    """
    return datetime.fromisoformat(f"{text[:-1]}+00:00" if text[-1:] in {"Z", "z"} else text)
