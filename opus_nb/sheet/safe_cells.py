"""Values written into workbook cells so that they stay what they are."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import numpy as np

from opus_nb.sheet.casts import NotJsonError, json_value, plain_scalar
from opus_nb.sheet.cells import is_missing, show_text

__all__ = ["LONGEST_CELL", "column_width", "plain_text", "put_value"]

LONGEST_CELL: Final = 32_767  # characters; a workbook cell holds no more
_CUT_MARK: Final = "… [cut]"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# What a workbook would take for the escape of a character, when a text has it by itself.
_LIKE_ESCAPED: Final = re.compile(r"_x[0-9A-Fa-f]{4}_")
_EXACT_DIGITS: Final = 10**15  # a workbook number has 15 digits


def put_value(cell: Any, value: Any) -> str | None:
    """Write a value into a cell of an openpyxl sheet; formats of the cell stay.

    Text is written as text, also where it begins like a formula; lists and objects are JSON text; characters that a
    workbook cannot hold are replaced, text that is too long is cut, whole numbers of more than 15 digits are text.

    Returns
    -------
    str or None
        What had to be changed, as a short phrase.
    """
    value = plain_scalar(value)
    if is_missing(value):
        cell.value = None
        return None
    if isinstance(value, bool):
        cell.value = value
        return None
    if isinstance(value, (int, float, Decimal)):
        finite = isinstance(value, int) or math.isfinite(value)
        if finite and (not isinstance(value, int) or abs(value) < _EXACT_DIGITS):
            cell.value = value
            return None
        return _put_text(cell, str(value)) or ("a long number written as text" if finite else None)
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            return _put_text(cell, value.isoformat()) or "a time with a zone as text"
        if value.year >= 1900:
            cell.value = value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value
            return None
    elif isinstance(value, (dt.date, dt.time)) and getattr(value, "year", 1900) >= 1900:
        cell.value = value
        return None
    return _put_text(cell, _in_words(value))


def _in_words(value: Any) -> str:
    """Return lists and objects as JSON, which can be read again; everything else as a person reads it."""
    if isinstance(value, (list, tuple, dict, set, frozenset, np.ndarray)):
        with suppress(NotJsonError, RecursionError, TypeError):
            return json.dumps(json_value(value), ensure_ascii=False)
    return show_text(value)


def plain_text(text: str) -> str:
    """Return the text with what XML cannot hold replaced; for notes and rules, which nobody reads back."""
    return _NOT_IN_XML.sub("\ufffd", text)


def _put_text(cell: Any, text: str) -> str | None:
    changed = None
    text = _LIKE_ESCAPED.sub(r"_x005F\g<0>", text)
    if _NOT_IN_XML.search(text):
        text, changed = _NOT_IN_XML.sub("\ufffd", text), "characters that a workbook cannot hold replaced"
    if len(text) > LONGEST_CELL:
        text, changed = text[: LONGEST_CELL - len(_CUT_MARK)] + _CUT_MARK, f"text cut at {LONGEST_CELL} characters"
    cell.value = text
    cell.data_type = "s"  # else "=1+1" would become a formula and "#N/A" an error
    if text.startswith(("=", "+", "-", "@")):
        cell.quotePrefix = True  # and stays text when somebody edits it
    return changed


def column_width(texts: list[str]) -> float:
    """Return a width in which most of these texts can be read."""
    longest = max((len(line) for text in texts for line in text.splitlines()[:3]), default=8)
    return float(min(60, max(10, longest + 2)))
