"""The index of a user's frame, written down so that a run opened next week lines up with the same sheet."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

__all__ = ["pack_index", "pack_labels", "unpack_index"]


def pack_index(index: pd.Index[Any]) -> dict[str, Any]:
    """Describe an index: its dtype and its name, as JSON can hold them."""
    name = index.name if index.name is None or isinstance(index.name, (str, int, float, bool)) else str(index.name)
    about: dict[str, Any] = {"dtype": str(index.dtype), "name": name}
    if isinstance(index, pd.CategoricalIndex):
        about["categories"] = [_plain(each) for each in index.categories]
        about |= {"of": pack_index(index.categories), "ordered": bool(index.ordered)}
    elif index.dtype == object and len(index) and all(type(label) is dt.date for label in index):
        about["dtype"] = "date"
    return about


def pack_labels(index: pd.Index[Any]) -> Iterator[str]:
    """Yield each label as JSON text. What JSON cannot hold becomes its text."""
    for label in index:
        yield json.dumps(_plain(label), ensure_ascii=False)


def unpack_index(about: dict[str, Any], labels: Sequence[Any]) -> pd.Index[Any]:
    """Make the index again from its description and its labels.

    Returns
    -------
    pandas.Index
        Of the dtype it had, where the labels still fit it; a range where it was one.
    """
    name, dtype = about.get("name"), str(about.get("dtype", "object"))
    if dtype == "int64" and list(labels) == list(range(len(labels))):
        plain: pd.Index[Any] = pd.RangeIndex(len(labels), name=name)
        return plain
    try:
        index = _of_dtype(about, dtype, list(labels))
    except (TypeError, ValueError, KeyError):
        index = pd.Index([tuple(each) if isinstance(each, list) else each for each in labels], dtype=object)
    renamed: pd.Index[Any] = index.rename(name)
    return renamed


def _of_dtype(about: dict[str, Any], dtype: str, labels: list[Any]) -> pd.Index[Any]:
    index: Any
    if dtype.startswith("datetime64"):
        # In a zone, the offset may change with the season.
        index = pd.DatetimeIndex(pd.to_datetime(labels, utc="," in dtype, format="ISO8601")).astype(dtype)
    elif dtype.startswith("interval"):
        kind: Any = pd.IntervalDtype.construct_from_string(dtype)
        ends = [label or (None, None) for label in labels]
        left, right = (_of_dtype({}, str(kind.subtype), [each[side] for each in ends]) for side in (0, 1))
        index = pd.IntervalIndex.from_arrays(left, right, closed=kind.closed)
    elif dtype == "category":
        places = {json.dumps(each): place for place, each in enumerate(about["categories"])}
        codes = [-1 if label is None else places[json.dumps(label)] for label in labels]
        categories = unpack_index(about["of"], about["categories"])
        index = pd.CategoricalIndex(pd.Categorical.from_codes(codes, categories, ordered=about["ordered"]))
    elif dtype == "date":
        index = pd.Index([dt.date.fromisoformat(label) for label in labels], dtype=object)
    else:
        index = pd.Index(labels, dtype=dtype)
    made: pd.Index[Any] = index
    return made


def _plain(label: Any) -> Any:
    if hasattr(label, "item") and not isinstance(label, (str, bytes)):
        label = label.item()
    if label is None or label is pd.NaT or label is pd.NA or (isinstance(label, float) and math.isnan(label)):
        return None
    if isinstance(label, (str, int, float, bool)):
        return label
    if isinstance(label, pd.Interval):
        return [_plain(label.left), _plain(label.right)]
    if isinstance(label, (dt.datetime, dt.date)):
        return label.isoformat()
    return str(label)
