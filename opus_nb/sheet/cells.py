"""What a cell can hold before anybody knows which input it feeds."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd

__all__ = [
    "MISSING",
    "NO_CACHED_VALUE",
    "CellError",
    "Missing",
    "clean_text",
    "counted",
    "has_odd_spaces",
    "is_cell_error",
    "is_missing",
    "shorten",
    "show_text",
]

# Excel's error words; the last group exists since dynamic arrays and data types came.
_ERROR_WORDS: Final = frozenset(
    {
        "#N/A",
        "#REF!",
        "#VALUE!",
        "#DIV/0!",
        "#NAME?",
        "#NUM!",
        "#NULL!",
        "#SPILL!",
        "#CALC!",
        "#FIELD!",
        "#BLOCKED!",
        "#CONNECT!",
        "#UNKNOWN!",
        "#BUSY!",
        "#GETTING_DATA",
        "#NOT CALCULATED!",
    }
)
# As LibreOffice writes other errors into a csv.
_LIBREOFFICE_ERROR: Final = re.compile(r"ERR:\d{3}")
NO_CACHED_VALUE: Final = "#NOT CALCULATED!"

# Spaces that a person cannot see: NBSP, figure and narrow spaces, zero-width ones, the BOM.
_ODD_SPACES = re.compile("[\u00a0\u2007\u2009\u200a\u202f\u3000]")
_ZERO_WIDTH = re.compile("[\u200b\u200c\u200d\u2060\ufeff]")


class Missing:
    """The one value `MISSING`: this row gives nothing to this input."""

    _only: Missing | None = None

    def __new__(cls) -> Missing:  # noqa: D102 - there is one
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> tuple[type[Missing], tuple[()]]:
        return Missing, ()


MISSING: Final = Missing()


class CellError(str):
    """An error value of a workbook (``#N/A``, ``#REF!`` …), which is a text that must never be sent.

    ``#NOT CALCULATED!`` is ours: a formula whose result the workbook does not hold. A frame may turn the cell
    into plain text; `is_cell_error` knows it by its letters.
    """

    __slots__ = ()


def is_cell_error(value: object) -> bool:
    """Return True for an error value of a workbook, also when it has become plain text."""
    if isinstance(value, CellError):
        return True
    if not isinstance(value, str) or not 4 <= len(value) <= 40:
        return False
    word = value.strip().upper()
    return word in _ERROR_WORDS or _LIBREOFFICE_ERROR.fullmatch(word) is not None


def clean_text(text: str) -> str:
    """Return the text as a person sees it: odd spaces made plain, invisible characters gone, edges trimmed."""
    return _ZERO_WIDTH.sub("", _ODD_SPACES.sub(" ", text)).strip()


def has_odd_spaces(text: str) -> bool:
    """Return True for text with no-break, narrow or invisible spaces in it, which look plain and are not."""
    return not text.isascii() and (_ODD_SPACES.search(text) is not None or _ZERO_WIDTH.search(text) is not None)


def counted(number: int, noun: str) -> str:
    """Return a number and its noun: ``1 row``, ``2 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def is_missing(value: Any) -> bool:
    """Return True for None, NaN, NaT, ``pd.NA`` and text without a visible character."""
    if value is None or value is pd.NA or value is pd.NaT or value is MISSING:
        return True
    if isinstance(value, str):
        return not value or (not value.isalnum() and not clean_text(value))
    if isinstance(value, (float, np.floating)):
        return math.isnan(value)
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    return False


def shorten(text: str, width: int = 80) -> str:
    """Return the text in one line of at most ``width`` characters."""
    line = " ".join(text[: width * 8].split())
    return line if len(line) <= width else line[: width - 1] + "…"


def show_text(value: Any) -> str:
    """Return what a person would read in the cell, ``""`` where it is missing.

    Whole floats lose their ``.0``, dates without a time lose it, everything else is its own text.
    """
    if is_missing(value):
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if isinstance(value, dt.datetime):
        midnight = value.tzinfo is None and value.time() == dt.time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, dt.date):
        return value.isoformat()
    try:
        return str(value)
    except Exception:  # a cell may hold any object, also one whose text cannot be made
        return f"<{type(value).__name__}>"


def show_list(texts: Iterable[str], limit: int = 5) -> str:
    """Return the first few texts, quoted and joined, and how many more there are."""
    every = list(texts)
    shown = ", ".join(f'"{shorten(each, 40)}"' for each in every[:limit])
    return shown if len(every) <= limit else f"{shown} and {len(every) - limit} more"
