"""What a single value becomes in a file."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

__all__ = ["is_missing", "json_text", "starts_formula"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def is_missing(value: Any) -> bool:
    """Return True for None, NaN, NaT and NA; a list or dict is never missing."""
    return value is None or (pd.api.types.is_scalar(value) and not isinstance(value, str) and bool(pd.isna(value)))


def json_text(value: Any) -> Any:
    """Return lists and dicts as JSON text, anything else as it is."""
    if isinstance(value, (list, dict, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value


def starts_formula(value: Any) -> bool:
    """Return True for text that a spreadsheet program may run as a formula."""
    return isinstance(value, str) and value.startswith(_FORMULA_STARTS)
