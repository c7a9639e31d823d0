"""The problems painted over the sheet, for a notebook."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from opus_nb.sheet.cells import counted, shorten, show_text
from opus_nb.sheet.headers import columns_meant, header_texts, require_table

__all__ = ["paint_issues"]

# Colours with some transparency keep the text readable on light and on dark pages.
_COLORS = {"error": "rgba(220,53,69,.35)", "warning": "rgba(255,193,7,.30)"}
_SIGNS = {"error": "✗", "warning": "!"}
_STYLE = (
    "<style>.opus-nb-issues{font-size:13px;overflow-x:auto}.opus-nb-issues ul{list-style:none;padding:0;margin:0 0 8px}"
    ".opus-nb-issues li{margin:3px 0}.opus-nb-issues table{border-collapse:collapse;font-size:13px}"
    ".opus-nb-issues th,.opus-nb-issues td{text-align:left;vertical-align:top;padding:3px 8px;"
    "border:1px solid rgba(128,128,128,.3);max-width:260px;overflow-wrap:break-word;white-space:normal}"
    ".opus-nb-issues small{opacity:.85}</style>"
)


class _Finding(NamedTuple):
    severity: str
    problem: str
    fix: str


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
    bad: dict[int, dict[str, list[_Finding]]] = {}
    whole: list[tuple[str, str]] = []
    names = ("column", "severity", "problem", "fix")
    rows = zip(positions.tolist(), *(issues[name].tolist() for name in names), strict=True)
    for position, column, severity, problem, fix in rows:
        if position < 0:
            # A finding about a column mostly names it.
            named = f"{column}: " if isinstance(column, str) and f'"{shorten(column, 40)}"' not in problem else ""
            whole.append((severity, f"{named}{problem} → {fix}"))
        else:
            name = column if isinstance(column, str) else ""
            bad.setdefault(position, {}).setdefault(name, []).append(_Finding(severity, problem, fix))
    shown_rows = sorted(bad)[:max_rows]
    meant = {name: columns_meant(name, headers) for cells in bad.values() for name in cells if name}
    columns = _choose_columns(headers, {at for places in meant.values() for at in places}, max_columns)
    lines = [_row(df, position, columns, bad[position], meant) for position in shown_rows]
    parts = [_STYLE, '<div class="opus-nb-issues">']
    if not issues.shape[0]:
        parts.append("<p>No problems found.</p>")
    if whole:
        parts.append("<ul>" + "".join(_whole(severity, told) for severity, told in whole[:max_rows]) + "</ul>")
        if len(whole) > max_rows:
            parts.append(f"<p>… and {counted(len(whole) - max_rows, 'more finding')} about the whole sheet</p>")
    if lines:
        legend = f"{_sign('error')} cannot be sent, {_sign('warning')} worth a look; point at a cell for the way out."
        parts.append(f"<p>{len(bad):,} of {counted(len(df), 'row')} {_has(len(bad))} problems: {legend}</p>")
        head = "".join(f"<th>{escape(shorten(headers[column], 40))}</th>" for column in columns)
        parts.append(f"<table><thead><tr><th>row</th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>")
    more = [counted(len(bad) - len(shown_rows), "more row")] if len(bad) > len(shown_rows) else []
    more += [counted(len(headers) - len(columns), "more column")] if len(headers) > len(columns) else []
    if more:
        parts.append(f"<p>… and {' and '.join(more)}; plan.issues has everything.</p>")
    return "".join([*parts, "</div>"])


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _choose_columns(headers: list[str], bad: set[int], limit: int) -> list[int]:
    rest = [at for at in range(len(headers)) if at not in bad]
    return sorted([*sorted(bad), *rest][:limit])


def _sign(severity: str) -> str:
    return f'<span style="background:{_COLORS[severity]}">&nbsp;{_SIGNS[severity]}&nbsp;</span>'


def _whole(severity: str, told: str) -> str:
    return f"<li>{_sign(severity)} {escape(told)}</li>"


def _row(
    df: pd.DataFrame,
    position: int,
    columns: list[int],
    bad: dict[str, list[_Finding]],
    meant: dict[str, list[int]],
) -> str:
    label = escape(shorten(show_text(df.index[position]), 30))
    cells = [_cell(label, bad.get("", []), "th")]
    for column in columns:
        found = [each for name, every in bad.items() if column in meant.get(name, ()) for each in every]
        cells.append(_cell(escape(shorten(show_text(df.iat[position, column]), 60)), found, "td"))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(text: str, found: list[_Finding], tag: str) -> str:
    if not found:
        return f"<{tag}>{text}</{tag}>"
    worst = "error" if any(each.severity == "error" for each in found) else "warning"
    reasons = escape("\n".join(f"{each.problem} → {each.fix}" for each in found), quote=True)
    first = next(each for each in found if each.severity == worst)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    small = f"<small>{_SIGNS[worst]} {escape(shorten(first.problem, 90))}{more}</small>"
    return f'<{tag} style="background:{_COLORS[worst]}" title="{reasons}">{text or "∅"}<br>{small}</{tag}>'
