"""The problems painted over the sheet, for a notebook."""

from __future__ import annotations

from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd

from opus_nb.sheet.cells import shorten, show_text
from opus_nb.sheet.headers import header_texts, require_table

__all__ = ["paint_issues"]

# Colours with some transparency keep the text readable on light and on dark pages.
_COLORS = {"error": "rgba(220,53,69,.35)", "warning": "rgba(255,193,7,.30)"}


def paint_issues(
    df: pd.DataFrame,
    issues: pd.DataFrame,
    positions: npt.NDArray[np.int64],
    *,
    max_rows: int = 30,
    max_columns: int = 20,
) -> str:
    """Return the rows that have problems as HTML, each bad cell coloured, its reason shown when pointed at.

    Errors are red, warnings yellow. Everything that comes from the sheet is escaped. Columns with problems come
    before those without when there are too many.

    Parameters
    ----------
    df : pandas.DataFrame
        The frame that was checked.
    issues, positions
        ``issues`` and ``issue_positions`` of the `CheckedSheet`.
    max_rows, max_columns : int
        How many are shown; what is left out is said.

    Returns
    -------
    str
        One ``<div>``.
    """
    headers = header_texts(require_table(df))
    bad: dict[int, dict[str, list[tuple[str, str]]]] = {}
    whole: list[tuple[str, str]] = []
    rows = zip(positions.tolist(), issues["column"].tolist(), issues["severity"].tolist(), _told(issues), strict=True)
    for position, column, severity, told in rows:
        if position < 0:
            whole.append((severity, f"{column}: {told}" if isinstance(column, str) else told))
        else:
            bad.setdefault(position, {}).setdefault(column if isinstance(column, str) else "", []).append(
                (severity, told)
            )
    shown_rows = sorted(bad)[:max_rows]
    columns = _choose_columns(headers, {column for cells in bad.values() for column in cells}, max_columns)
    lines = [_row(df, position, columns, headers, bad[position]) for position in shown_rows]
    parts = ['<div class="opus-nb-issues">']
    if whole:
        parts.append("<ul>" + "".join(_whole(severity, told) for severity, told in whole[:max_rows]) + "</ul>")
    if lines:
        head = "".join(f"<th>{escape(shorten(headers[column], 40))}</th>" for column in columns)
        parts.append(f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>")
    more = [f"{len(bad) - len(shown_rows)} more rows"] if len(bad) > len(shown_rows) else []
    more += [f"{len(headers) - len(columns)} more columns"] if len(headers) > len(columns) else []
    if more:
        parts.append(f"<p>… and {' and '.join(more)}</p>")
    if not issues.shape[0]:
        parts.append("<p>No problems found.</p>")
    return "".join([*parts, "</div>"])


def _told(issues: pd.DataFrame) -> list[str]:
    pairs = zip(issues["problem"].tolist(), issues["fix"].tolist(), strict=True)
    return [f"{problem} → {fix}" for problem, fix in pairs]


def _choose_columns(headers: list[str], bad: set[str], limit: int) -> list[int]:
    every = range(len(headers))
    objects = tuple(name[:-1] for name in bad if name.endswith(".*"))
    first = [at for at in every if headers[at] in bad or (objects and headers[at].startswith(objects))]
    rest = [at for at in every if at not in set(first)]
    return sorted([*first, *rest][:limit])


def _whole(severity: str, told: str) -> str:
    return f'<li style="background:{_COLORS.get(severity, "none")}">{escape(told)}</li>'


def _row(
    df: pd.DataFrame,
    position: int,
    columns: list[int],
    headers: list[str],
    bad: dict[str, list[tuple[str, str]]],
) -> str:
    label = escape(shorten(show_text(df.index[position]), 30))
    cells = [_cell(label, bad.get("", []), "th")]
    for column in columns:
        found = list(bad.get(headers[column], ()))
        for name, each in bad.items():
            if name.endswith(".*") and headers[column].startswith(name[:-1]):
                found += each
        cells.append(_cell(escape(shorten(show_text(df.iat[position, column]), 60)), found, "td"))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(text: str, found: list[tuple[str, str]], tag: str) -> str:
    if not found:
        return f"<{tag}>{text}</{tag}>"
    worst = "error" if any(severity == "error" for severity, _ in found) else "warning"
    reasons = escape("\n".join(told for _, told in found), quote=True)
    return f'<{tag} style="background:{_COLORS[worst]}" title="{reasons}">{text or "∅"}</{tag}>'
