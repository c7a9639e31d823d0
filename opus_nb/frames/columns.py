"""How plain Python values become typed pandas columns, and the columns that several frames share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from opus_nb.errors import SettingsError
from opus_nb.job import COUNT_NAMES, Outcome, RowState

__all__ = [
    "STATE_DTYPE",
    "UTC_DTYPE",
    "Column",
    "build_frame",
    "check_lengths",
    "float_column",
    "int_column",
    "object_column",
    "state_column",
    "text_column",
    "time_column",
    "typed_column",
]

Column = np.ndarray[Any, Any] | ExtensionArray

STATE_DTYPE = pd.CategoricalDtype(list(COUNT_NAMES))
UTC_DTYPE = pd.DatetimeTZDtype("ns", "UTC")

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISO_OFFSET = re.compile(r"[T ].*(Z|[+-]\d{2}:?\d{2})$")
# Float64 holds every whole number up to here exactly.
_EXACT = 2**53
_INT64 = 2**63


def check_lengths(outcomes: Sequence[Outcome], index: pd.Index) -> None:
    """Refuse an index of another length, instead of showing answers beside the wrong rows."""
    if len(outcomes) != len(index):
        raise SettingsError(
            "The outcomes cannot be laid beside the rows: there are not as many of them",
            came_back=f"{len(outcomes)} outcomes, {len(index)} labels in the index",
            next_step="Pass the index of the sheet that the run was planned from.",
        )


def build_frame(columns: Mapping[str, Any], index: pd.Index | None = None) -> pd.DataFrame:
    """Return a frame of these columns, as they are, under this index (None: 0, 1, 2, ...)."""
    # pandas 3 takes an array of objects that all happen to be text for a column of text; a Series keeps its dtype.
    kept = {
        name: pd.Series(values, dtype=object, copy=False) if pd.api.types.is_object_dtype(values) else values
        for name, values in columns.items()
    }
    frame: pd.DataFrame = pd.DataFrame(kept, copy=False)
    if index is not None:
        frame.index = index
    return frame


def text_column(values: Iterable[str | None]) -> ExtensionArray:
    """Return nullable text; None becomes NA."""
    return pd.array(np.array(list(values), dtype=object), dtype=pd.StringDtype())


def float_column(values: Sequence[float | int | None]) -> ExtensionArray:
    """Return Float64; None and NaN become NA."""
    numbers = np.array(values, dtype=np.float64)  # None becomes NaN
    return pd.arrays.FloatingArray(numbers, np.isnan(numbers))


def int_column(values: Sequence[int | None]) -> ExtensionArray:
    """Return Int64; None becomes NA."""
    missing = np.fromiter((v is None for v in values), dtype=np.bool_, count=len(values))
    numbers = np.fromiter((0 if v is None else v for v in values), dtype=np.int64, count=len(values))
    return pd.arrays.IntegerArray(numbers, missing)


def time_column(seconds: Sequence[float | None]) -> ExtensionArray:
    """Return datetime64[ns, UTC] from Unix seconds; None becomes NaT.

    To the microsecond: a float holds no more of a time of this century.
    """
    numbers = np.array(seconds, dtype=np.float64)
    missing = ~np.isfinite(numbers)
    micros = np.round(np.where(missing, 0.0, numbers) * 1e6).astype("datetime64[us]")
    stamps = micros.astype("datetime64[ns]")
    stamps[missing] = np.datetime64("NaT")
    times: ExtensionArray = pd.DatetimeIndex(stamps).tz_localize("UTC").array
    return times


def object_column(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Return one Python object a cell, also where the objects are lists of equal length."""
    cells = np.empty(len(values), dtype=object)
    cells[:] = values
    return cells


def state_column(outcomes: Iterable[Outcome]) -> pd.Categorical:
    """Return the count name of each row's state."""
    place = {state: COUNT_NAMES.index(state.count_name) for state in RowState}
    return pd.Categorical.from_codes([place[outcome.state] for outcome in outcomes], dtype=STATE_DTYPE)


def typed_column(values: Sequence[Any], kind: str | None) -> Column:
    """Give values that JSON can hold the dtype of their declared kind, or leave them as they are.

    Parameters
    ----------
    values : sequence
        None where missing.
    kind : str or None
        As in `opus_nb.service.schema.Field.kind`; None where nothing is declared, then the values decide.

    Returns
    -------
    array
        Of the kind's dtype where every value fits it without loss, else of objects.
    """
    met = set(map(type, values))
    met.discard(type(None))
    fit = _FITS.get(kind or _guess(met))
    fitted = fit(values, met) if fit else None
    return object_column(values) if fitted is None else fitted


def _guess(met: set[type]) -> str:
    if met == {str}:
        return "str"
    if met == {bool}:
        return "bool"
    if met == {int}:
        return "int"
    return "float" if met and met <= {int, float} else "object"


def _fit_text(values: Sequence[Any], met: set[type]) -> Column | None:
    return text_column(values) if met <= {str} else None


def _read_number(value: Any) -> Any:
    """Read text that is a number in JSON's grammar; ``007`` is not, and stays text."""
    if not isinstance(value, str):
        return value
    if value == "":  # how some replies spell an absent value
        return None
    found = _NUMBER.fullmatch(value)
    if found is None:
        return value
    return float(value) if found[2] or found[3] else int(value)


def _numbers(values: Sequence[Any], met: set[type]) -> tuple[Sequence[Any], set[type]] | None:
    if not met <= {int, float, str}:
        return None
    if str in met:
        values = [_read_number(v) for v in values]
        met = set(map(type, values)) - {type(None)}
    return None if str in met else (values, met)


def _fit_float(values: Sequence[Any], met: set[type]) -> Column | None:
    read = _numbers(values, met)
    if read is None:
        return None
    values, met = read
    if int in met and any(type(v) is int and abs(v) > _EXACT for v in values):
        return None
    return float_column(values)


def _fit_int(values: Sequence[Any], met: set[type]) -> Column | None:
    read = _numbers(values, met)
    if read is None:
        return None
    values, met = read
    if float in met:
        if any(type(v) is float and not (v.is_integer() and abs(v) <= _EXACT) for v in values):
            return None
        values = [int(v) if type(v) is float else v for v in values]
    if any(v is not None and not -_INT64 <= v < _INT64 for v in values):
        return None
    return int_column(values)


_TRUTH = {"true": True, "false": False, "": None}


def _fit_bool(values: Sequence[Any], met: set[type]) -> Column | None:
    if not met <= {bool, str}:
        return None
    if str in met:
        if any(type(v) is str and v.lower() not in _TRUTH for v in values):
            return None
        values = [_TRUTH[v.lower()] if type(v) is str else v for v in values]
    return pd.array(object_column(values), dtype=pd.BooleanDtype())


def _fit_date(values: Sequence[Any], met: set[type]) -> Column | None:
    if not met <= {str}:
        return None
    given = [v for v in values if v]
    aware = sum(1 for v in given if _ISO_OFFSET.search(v))
    if not all(map(_ISO_DAY.match, given)) or aware not in (0, len(given)):
        return None
    offsets = bool(aware)
    try:
        read = pd.to_datetime(pd.Index([v or None for v in values], dtype=object), format="ISO8601", utc=offsets)
        times: ExtensionArray = read.as_unit("ns").array
    except (ValueError, OverflowError):  # not a day after all, or a year that nanoseconds cannot hold
        return None
    return times


_FITS: dict[str, Callable[[Sequence[Any], set[type]], Column | None]] = {
    "str": _fit_text,
    "file": _fit_text,
    "float": _fit_float,
    "int": _fit_int,
    "bool": _fit_bool,
    "date": _fit_date,
}
