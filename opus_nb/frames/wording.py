"""How plots write names, numbers and durations, and what they say to a frame that they cannot draw."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from opus_nb.errors import SettingsError
from opus_nb.job import COUNT_NAMES

__all__ = ["check_columns", "count_states", "plain_text", "say_number", "say_seconds", "say_share", "scale_seconds"]


def plain_text(text: Any, *, most: int = 34) -> str:
    """Return a name for a label: one line, cut in the middle, and no dollar read as mathematics."""
    words = " ".join(str(text).split())
    if len(words) > most:
        tail = most // 3
        words = f"{words[: most - tail - 1].rstrip()}…{words[-tail:].lstrip()}"
    return words.replace("$", r"\$")


def say_seconds(seconds: float) -> str:
    """Return a duration as a person says it: ``410 ms``, ``42 s``, ``3.2 min``, ``2.1 h``, ``3.4 days``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    units = ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h"), (math.inf, 86_400, "days"))
    divisor, unit = next((divisor, unit) for limit, divisor, unit in units if seconds < limit)
    number = seconds / divisor
    return f"{number:.0f} {unit}" if number >= 20 else f"{number:.1f}".removesuffix(".0") + f" {unit}"


def scale_seconds(longest_s: float) -> tuple[float, str]:
    """Return the divisor and the name of the unit in which an axis up to ``longest_s`` reads best."""
    for limit, divisor, unit in (
        (0.5, 0.001, "ms"),
        (180, 1.0, "s"),
        (10_800, 60.0, "min"),
        (259_200, 3600.0, "h"),
    ):
        if longest_s < limit:
            return divisor, unit
    return 86_400.0, "days"


def say_number(count: int, word: str) -> str:
    """Return ``1 job`` or ``1,204 jobs``."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def say_share(count: int, total: int) -> str:
    """Return a share in percent; what is little is never shown as nothing, nor what is nearly all as all."""
    share = 100 * count / total
    return "< 1 %" if share < 0.95 else "> 99 %" if 99.5 <= share < 100 else f"{share:.0f} %"


def check_columns(frame: pd.DataFrame, *columns: str) -> None:
    """Refuse a frame that lacks a column which is to be drawn."""
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise SettingsError(
            "This frame cannot be drawn: it lacks " + ", ".join(missing),
            came_back="columns " + ", ".join(map(str, list(frame.columns)[:12])),
            next_step="Each plot names in its docstring the frame that it takes.",
        )


def count_states(frame: pd.DataFrame) -> dict[str, int]:
    """Return how many rows are in each state that occurs, in the order of `COUNT_NAMES`."""
    found = frame["state"].value_counts()
    return {state: int(found[state]) for state in COUNT_NAMES if found.get(state, 0)}
