"""Where each input takes its value from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from opus_nb.service.schema import Field
from opus_nb.sheet.findings import text_array

__all__ = ["FORGIVEN_SCORE", "ColumnMapping", "InputSource", "address_names", "headers_of"]

FORGIVEN_SCORE = 0.95


@dataclass(frozen=True)
class InputSource:
    """Where one input takes its value from.

    Attributes
    ----------
    field : Field
    source : str
        ``"column"``, ``"constant"``, ``"default"`` or ``"missing"``.
    column : str or None
        Header of the column; for an object that several columns feed, its name and ``.*``; for a list that several
        columns feed, their headers joined by ``+``.
    members : tuple of (tuple of str, str)
        For an object that several columns feed: path of the member (``("address", "city")``) and header. For a
        list: place and header.
    constant : Any
        The value that every row gets, as it was given.
    score : float
        1.0 when named by hand or equal letter for letter, lower when forgiven or guessed, 0.0 while open.
    reason : str
    suggestions : tuple of (str, float)
        Columns that might be meant, best first, where the input stays open.
    left_out : bool
        True when the user said that nothing is to feed it.
    """

    field: Field
    source: str
    column: str | None = None
    members: tuple[tuple[tuple[str, ...], str], ...] = ()
    constant: Any = None
    score: float = 0.0
    reason: str = ""
    suggestions: tuple[tuple[str, float], ...] = ()
    left_out: bool = False

    @property
    def is_guess(self) -> bool:
        """True when the names differ by more than case, spaces and punctuation."""
        return self.source == "column" and self.score < FORGIVEN_SCORE


@dataclass(frozen=True)
class ColumnMapping:
    """One `InputSource` per input, in the schema's order, and the columns that feed nothing.

    Attributes
    ----------
    sources : tuple of InputSource
    unused : tuple of str
        Headers that feed no input, in the order of the sheet.
    """

    sources: tuple[InputSource, ...]
    unused: tuple[str, ...] = ()

    def __getitem__(self, variable_name: str) -> InputSource:
        for each in self.sources:
            if each.field.variable_name == variable_name:
                return each
        raise KeyError(variable_name)

    @property
    def mapping_frame(self) -> pd.DataFrame:
        """One row per input, in the schema's order.

        Columns ``input`` (display name), ``variable_name``, ``type``, ``source`` and ``reason`` (string),
        ``required`` (bool), ``column`` (string, NA where no column feeds it), ``score`` (float64, 0 to 1).
        """
        rows = self.sources
        text: dict[str, list[Any]] = {
            "input": [each.field.display_name for each in rows],
            "variable_name": [each.field.variable_name for each in rows],
            "type": [each.field.type or each.field.kind for each in rows],
            "required": [each.field.required for each in rows],
            "source": [each.source for each in rows],
            "column": [pd.NA if each.column is None else each.column for each in rows],
            "score": [each.score for each in rows],
            "reason": [each.reason for each in rows],
        }
        plain = {"required": "bool", "score": "float64"}
        frame: pd.DataFrame = pd.DataFrame(index=pd.RangeIndex(len(rows)))
        for name, values in text.items():
            frame[name] = pd.Series(values, dtype=plain[name]) if name in plain else text_array(values)
        return frame

    @property
    def columns(self) -> dict[str, Any]:
        """Input to header, by display name (by variable name where two inputs share one).

        What ``columns=`` takes, so it can be kept in a file and still fits when the workflow is rebuilt and its
        variable names change. A list that several columns feed has a list of headers, an input that was left out has
        None. Objects that several columns feed find them again by their headers.
        """
        names = address_names([each.field for each in self.sources])
        kept: dict[str, Any] = {}
        for name, each in zip(names, self.sources, strict=True):
            if each.left_out:
                kept[name] = None
            elif each.source == "column" and each.members and each.field.kind != "object":
                kept[name] = [header for _, header in each.members]
            elif each.source == "column" and each.column is not None and not each.members:
                kept[name] = each.column
        return kept


def address_names(fields: Sequence[Field]) -> list[str]:
    """Return a name for each input that no other has: the display name, else the variable name."""
    shown = [field.display_name for field in fields]
    return [field.display_name if shown.count(field.display_name) == 1 else field.variable_name for field in fields]


def headers_of(sources: Iterable[InputSource]) -> set[str]:
    """Return the headers of all columns that feed anything."""
    every: set[str] = set()
    for each in sources:
        every |= {header for _, header in each.members}
        if each.column is not None and not each.members:
            every.add(each.column)
    return every
