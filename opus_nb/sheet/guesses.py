"""Likely columns for inputs whose names no header has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

import pandas as pd

from opus_nb.service.schema import Field
from opus_nb.service.values import ALL_EXTENSIONS
from opus_nb.sheet.casts import CastSettings
from opus_nb.sheet.cells import MISSING, is_missing
from opus_nb.sheet.distinct import distinct_values
from opus_nb.sheet.findings import Problem
from opus_nb.sheet.likeness import SAME_WORDS, closest_names, likeness, name_words
from opus_nb.sheet.targets import cast_values

__all__ = ["Guess", "closest_names", "guess_columns"]

_SUGGESTED: Final = 0.6  # less alike than this is not worth showing
_SAMPLE_ROWS: Final = 200
_LOOKED_AT: Final = 20  # values that are looked for on disk, for each column that may hold files
_FILE_WORDS: Final = frozenset(
    {"file", "path", "pdf", "document", "attachment", "name", "scan", "upload", "url", "link"}
)
_FILE_SCORE: Final = 0.85


@dataclass(frozen=True)
class Guess:
    """A column for an input, or several that might be it.

    Attributes
    ----------
    field : Field
    column : str or None
        The one column that says the same in other words; None where it stays open.
    score : float
    reason : str
    suggestions : tuple of (str, float)
        Best first; empty when ``column`` is set.
    """

    field: Field
    column: str | None
    score: float
    reason: str
    suggestions: tuple[tuple[str, float], ...] = ()


def guess_columns(
    fields: Sequence[Field], samples: Mapping[str, pd.Series[Any]], is_there: Callable[[str], bool]
) -> dict[str, Guess]:
    """Say what can be said about inputs that no header names.

    A column is taken only when its name says the same in other words (abbreviations, plurals, units, a few
    languages), no other column or input does, and its values fit. Similar spelling alone is never enough: it gives
    suggestions, which stay open.

    Parameters
    ----------
    fields : sequence of Field
        Inputs without a column.
    samples : Mapping
        Header to column, of the columns that feed nothing yet.
    is_there : callable
        Whether a path leads to a file.

    Returns
    -------
    dict of str to Guess
        By variable name; inputs that nothing resembles are left out.
    """
    scores = {field.variable_name: {header: _alike(field, header) for header in samples} for field in fields}
    result: dict[str, Guess] = {}
    for field in fields:
        mine = scores[field.variable_name]
        best = sorted(mine.items(), key=lambda each: -each[1])[:3]
        same = [header for header, score in mine.items() if score >= SAME_WORDS]
        rivals = [f for f in fields if same and f is not field and scores[f.variable_name][same[0]] >= SAME_WORDS]
        why_open = "its name is only similar"
        if len(same) == 1 and not rivals:
            if _fits(field, samples[same[0]]):
                reason = f'"{same[0]}" says the same in other words'
                if field.kind in ("file", "files") and (seen := _seen_files(samples[same[0]], is_there)):
                    reason += f"; {seen}"
                result[field.variable_name] = Guess(field, same[0], SAME_WORDS, reason)
                continue
            why_open = f"its values do not fit the type {field.type or field.kind}"
        elif same:
            why_open = "several columns or inputs have such a name"
        shown = tuple((header, round(score, 2)) for header, score in best if score >= _SUGGESTED)
        if shown:
            names = " or ".join(f'"{header}"' for header, _ in shown)
            result[field.variable_name] = Guess(field, None, 0.0, f"open: perhaps {names}, but {why_open}", shown)
    _guess_files(fields, samples, result, is_there)
    return result


def _alike(field: Field, header: str) -> float:
    return max(likeness(field.display_name, header), likeness(field.variable_name, header))


def _fits(field: Field, column: pd.Series[Any]) -> bool:
    """Return True unless most of the first values certainly cannot be cast to the input's type."""
    values = _sample(column)
    if not values or field.kind in ("str", "json", "other"):
        return True
    if field.kind in ("file", "files"):
        return _looks_like_files(values)
    settings = CastSettings(cast=cast_values, find_file=_accept_file)
    cast = cast_values(field, values, settings)
    doubts = {"ambiguous_number", "ambiguous_date", "cell_error", "formula_without_value"}
    bad = sum(
        any(each.severity == "error" and each.code not in doubts for each in cast.problems.get(place, ()))
        for place in range(len(values))
    )
    return bad * 2 <= len(values)


def _accept_file(field: Field, text: str) -> tuple[Any, list[Problem]]:
    return MISSING, []


def _sample(column: pd.Series[Any]) -> list[Any]:
    cells = [value for value in column.iloc[:_SAMPLE_ROWS].tolist() if not is_missing(value)]
    return distinct_values(cells)[1]


def _looks_like_files(values: Sequence[Any]) -> bool:
    """Return True when most values are names with an ending that Opus takes, or addresses."""
    if not values:
        return False
    hits = 0
    for value in values:
        items = value if isinstance(value, (list, tuple)) else str(value).replace("\n", ";").split(";")
        first = str(items[0]).strip() if len(items) else ""
        hits += PurePath(first).suffix.lower() in ALL_EXTENSIONS or first.startswith(("http://", "https://"))
    return hits * 2 > len(values)


def _seen_files(column: pd.Series[Any], is_there: Callable[[str], bool]) -> str:
    """Say how many of a few values are files that exist; ``""`` when none is."""
    texts = [
        str(item).strip()
        for value in _sample(column)[:_LOOKED_AT]
        for item in (value if isinstance(value, (list, tuple)) else str(value).replace("\n", ";").split(";"))
    ]
    texts = [text for text in texts if text]
    there = sum(map(is_there, texts))
    if not there:
        return ""
    if there == len(texts):
        return "its value is a file that exists" if there == 1 else f"its {there} first values are files that exist"
    return f"{there} of its {len(texts)} first values are files that exist"


def _guess_files(
    fields: Sequence[Field],
    samples: Mapping[str, pd.Series[Any]],
    result: dict[str, Guess],
    is_there: Callable[[str], bool],
) -> None:
    """Feed the one file input that is left from the one column of file names, if its header is as plain as "path"."""
    wanting = [field for field in fields if field.kind in ("file", "files")]
    if len(wanting) != 1:
        return
    (field,) = wanting
    earlier = result.get(field.variable_name)
    if earlier is not None and earlier.column is not None:
        return
    taken = {guess.column for guess in result.values()}
    holding = [
        header for header, column in samples.items() if header not in taken and _looks_like_files(_sample(column))
    ]
    # Where several columns look like files, one whose values lie there beats those whose values do not.
    if len(holding) > 1:
        holding = [header for header in holding if _seen_files(samples[header], is_there)]
    if len(holding) != 1:
        return
    words = set(name_words(holding[0]))
    seen = _seen_files(samples[holding[0]], is_there)
    if words <= _FILE_WORDS:
        reason = f'"{holding[0]}" is the only column with names of files, and this the only input that takes them'
        reason += f"; {seen}" if seen else ""
        result[field.variable_name] = Guess(field, holding[0], _FILE_SCORE, reason)
    elif earlier is None:
        reason = f'open: perhaps "{holding[0]}", for {seen or "its values are names of files"}'
        result[field.variable_name] = Guess(field, None, 0.0, reason, ((holding[0], 0.8 if seen else 0.7),))
