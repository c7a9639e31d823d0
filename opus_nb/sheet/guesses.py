"""Likely columns for inputs whose names no header has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rapidfuzz import fuzz, process

from opus_nb.service.schema import Field
from opus_nb.sheet.headers import fold_name

__all__ = ["Guess", "closest_names", "guess_columns"]


@dataclass(frozen=True)
class Guess:
    """A column for an input, or several that might be it."""

    field: Field
    column: str | None
    score: float
    reason: str
    suggestions: tuple[tuple[str, float], ...] = ()


def closest_names(name: str, choices: Sequence[str], limit: int = 3) -> list[str]:
    """Return the choices that look most like the name, best first."""
    every = list(dict.fromkeys(choice for choice in choices if choice))
    hits = process.extract(name, every, scorer=fuzz.WRatio, processor=fold_name, limit=limit, score_cutoff=70)
    return [hit[0] for hit in hits]


def guess_columns(fields: Sequence[Field], samples: Mapping[str, pd.Series[Any]]) -> dict[str, Guess]:
    """Return what can be said about each input, by variable name; inputs that nothing resembles are left out."""
    result: dict[str, Guess] = {}
    for field in fields:
        close = closest_names(field.display_name, list(samples))
        if close:
            shown = " or ".join(f'"{each}"' for each in close)
            reason = f"open; perhaps {shown}: name it in columns="
            result[field.variable_name] = Guess(
                field, None, 0.0, reason, tuple((each, fuzz.WRatio(field.display_name, each) / 100) for each in close)
            )
    return result
