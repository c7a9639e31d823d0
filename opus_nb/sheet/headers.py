"""The headers of any frame as texts, and names as they are compared."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from opus_nb.errors import SheetUnreadable
from opus_nb.sheet.cells import clean_text, is_missing, show_text

__all__ = [
    "SEPARATORS",
    "TOGETHER",
    "column_letter",
    "columns_meant",
    "fold_name",
    "header_texts",
    "is_unnamed",
    "repeated",
    "require_table",
]

# Between an object's name and a member's in a header; between the headers of columns that feed one list.
SEPARATORS = (".", "/", ":", ">")
TOGETHER = " + "

# Signs that make another name stay: C and C#, Price and Price %, Amount $ and Amount €.
_NOT_WORD = re.compile(r"[^\w%#+$€£¥]+|_+")
_UNNAMED = re.compile(r"Unnamed: \d+(_level_\d+)?")


def require_table(df: Any) -> pd.DataFrame:
    """Return ``df`` when it is a plain table.

    Raises
    ------
    SheetUnreadable
        It is no DataFrame, or its rows or columns have several levels.
    """
    if not isinstance(df, pd.DataFrame):
        raise SheetUnreadable(
            "A table was expected",
            came_back=f"a {type(df).__name__}",
            next_step="Give a pandas DataFrame: wf.read(path) for a file, pandas.DataFrame(rows) for rows in Python, "
            ".to_pandas() on a frame of another library.",
        )
    if isinstance(df.columns, pd.MultiIndex):
        raise SheetUnreadable(
            "The columns of this frame have several levels, so they have no plain headers",
            came_back=f"{df.columns.nlevels} levels, first column {df.columns[0]!r}" if len(df.columns) else "",
            next_step='Flatten them: df.columns = [".".join(map(str, each)) for each in df.columns]',
        )
    if isinstance(df.index, pd.MultiIndex):
        raise SheetUnreadable(
            "The rows of this frame have an index of several levels",
            came_back=f"levels {[str(name) for name in df.index.names]}",
            next_step="Make the levels plain columns: df = df.reset_index()",
        )
    return df


def header_texts(df: pd.DataFrame) -> list[str]:
    """Return the header of every column as text, ``""`` where it has none."""
    return ["" if is_missing(label) else show_text(label) for label in df.columns.tolist()]


def is_unnamed(header: str) -> bool:
    """Return True for an empty header, also as pandas spells it."""
    return not clean_text(header) or _UNNAMED.fullmatch(header) is not None


def repeated(headers: Iterable[str]) -> dict[str, int]:
    """Return the headers that occur more than once, with their number, empty ones left out."""
    counts = Counter(headers)
    return {header: count for header, count in counts.items() if count > 1 and not is_unnamed(header)}


def column_letter(position: int) -> str:
    """Return the letters that a spreadsheet shows above the column at ``position`` (from 0)."""
    letters = ""
    number = position + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def fold_name(name: str) -> str:
    """Return the name for forgiving comparison: without case, spaces, punctuation and accents, with signs like %."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return _NOT_WORD.sub("", "".join(c for c in plain if not unicodedata.combining(c)))


def columns_meant(label: str, headers: Sequence[str]) -> list[int]:
    """Return the places of the columns that a finding is about: one header, or several that feed one input."""
    exact = [at for at, header in enumerate(headers) if header == label]
    if exact:
        return exact
    if label.endswith(".*"):
        name = fold_name(label[:-2])
        return [
            at
            for at, header in enumerate(headers)
            if any(sign in header and fold_name(header.partition(sign)[0]) == name for sign in SEPARATORS)
        ]
    parts = label.split(TOGETHER)
    return [headers.index(part) for part in parts if part in headers] if len(parts) > 1 else []
