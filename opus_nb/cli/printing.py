"""What the commands print, and the codes they end with."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from opus_nb.plan import Plan

__all__ = [
    "DONE",
    "INTERRUPTED",
    "NOT_ALL_WELL",
    "REFUSED",
    "estimate_words",
    "print_counts",
    "print_issues",
    "print_table",
    "say",
    "tell",
]

DONE = 0
REFUSED = 2
NOT_ALL_WELL = 3
INTERRUPTED = 130


def say(text: str) -> None:
    """Write a line of the outcome, to stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """Write a line about what is going on, to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def print_counts(counts: pd.Series[int]) -> None:
    """Write how many rows ended how."""
    for state, number in counts.items():
        say(f"{number:>7,}  {state}")


def print_issues(plan: Plan, sheet: pd.DataFrame, write: Callable[[str], None]) -> None:
    """Write every finding, with the line of the sheet as the spreadsheet program counts it."""
    if plan.issues.empty:
        write("No issues.")
        return
    lines = dict(zip(sheet.index, _sheet_lines(sheet), strict=True))
    rows = []
    for each in plan.issues.astype(object).fillna("").to_dict("records"):
        where = "sheet" if each["row"] == "" else f"line {lines[each['row']]}"
        column = str(each["column"]).strip()
        rows.append((where, column, f"{'' if each['severity'] == 'error' else 'note: '}{each['problem']}"))
        rows.append(("", "", f"-> {each['fix']}"))
    print_table(("where", "column", "what is wrong, and what to do"), rows, write)
    write("")


def _sheet_lines(sheet: pd.DataFrame) -> list[int]:
    from opus_nb.sheet.origins import read_origin

    spans = read_origin(sheet).row_spans
    return [first + place for first, count in spans for place in range(count)] or list(range(len(sheet)))


def estimate_words(plan: Plan) -> str:
    """Say what a plan would take; what is not known is said to be unknown."""
    import pandas as pd

    from opus_nb.screen.markup import duration_words, price_words

    estimate = plan.estimate
    price, time_s = (None if pd.isna(estimate[name]) else float(estimate[name]) for name in ("price", "time_s"))
    return f"Estimated price {price_words(price)}, time {duration_words(time_s)}."


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], write: Callable[[str], None]) -> None:
    """Write columns of text; the last one is wrapped to what the terminal has left."""
    narrow = [max(len(str(row[place])) for row in (headers, *rows)) for place in range(len(headers) - 1)]
    indent = sum(narrow) + 2 * len(narrow)
    room = max(40, get_terminal_size((110, 24)).columns - indent - 1)
    for row in (headers, ["-" * len(name) for name in headers], *rows):
        head = "".join(f"{cell!s:<{width}}  " for cell, width in zip(row[:-1], narrow, strict=True))
        first, *others = textwrap.wrap(str(row[-1]), room, subsequent_indent="  ") or [""]
        write(f"{head}{first}".rstrip())
        for other in others:
            write(f"{' ' * indent}{other}")
