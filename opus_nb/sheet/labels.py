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
    return {"dtype": str(index.dtype), "name": name}


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
    index: pd.Index[Any]
    if dtype == "int64" and list(labels) == list(range(len(labels))):
        index = pd.RangeIndex(len(labels), name=name)
        return index
    try:
        if dtype.startswith("datetime64"):
            index = pd.DatetimeIndex([pd.Timestamp(label) for label in labels], name=name).astype(dtype)
        else:
            index = pd.Index(list(labels), dtype=dtype, name=name)
    except (TypeError, ValueError):
        index = pd.Index(list(labels), dtype=object, name=name)
    return index


def _plain(label: Any) -> Any:
    if hasattr(label, "item") and not isinstance(label, (str, bytes)):
        label = label.item()
    if label is None or label is pd.NaT or label is pd.NA or (isinstance(label, float) and math.isnan(label)):
        return None
    if isinstance(label, (str, int, float, bool)):
        return label
    if isinstance(label, (dt.datetime, dt.date)):
        return label.isoformat()
    return str(label)
