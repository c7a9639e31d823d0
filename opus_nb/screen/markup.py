"""The pieces of text and HTML that cards and displays are put together from.

HTML made here reads well with its style sheet stripped (viewers and untrusted notebooks do that): plain
tables, a word and a sign wherever a colour says something.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from opus_nb.job import COUNT_NAMES

__all__ = [
    "SIGNS",
    "STYLE",
    "clip",
    "count_words",
    "duration_words",
    "escape",
    "html_table",
    "moment_words",
    "price_words",
    "state_bar",
    "state_words",
    "text_table",
    "time_left_words",
]

# A sign stands beside every colour. All of them are in the fonts that come with any system.
SIGNS: dict[str, str] = {
    "completed": "✓",
    "failed": "✗",
    "cancelled": "⊘",
    "timed_out": "◷",
    "running": "▸",
    "waiting": "◔",
    "queued": "·",
    "invalid": "!",
    "uncertain": "?",
    "skipped": "↷",
}

_COLOURS: dict[str, str] = {
    "completed": "var(--jp-success-color1,#388e3c)",
    "failed": "var(--jp-error-color1,#d32f2f)",
    "cancelled": "#8d6e63",
    "timed_out": "#ad1457",
    "running": "var(--jp-brand-color1,#1976d2)",
    "waiting": "#7e57c2",
    "queued": "rgba(128,128,128,.25)",
    "invalid": "var(--jp-warn-color1,#f57c00)",
    "uncertain": "#c0a000",
    "skipped": "rgba(128,128,128,.5)",
}

_HATCHED = frozenset({"failed", "timed_out", "uncertain", "invalid"})

# The variables of JupyterLab and Notebook 7 first, then those of VS Code, then whatever the page uses.
STYLE = (
    "<style>"
    ".opus-nb{color:var(--jp-content-font-color1,var(--vscode-editor-foreground,inherit));"
    "font-family:var(--jp-ui-font-family,var(--vscode-font-family,system-ui,sans-serif));"
    "font-size:13px;line-height:1.5;max-width:1080px}"
    ".opus-nb .on-card,.opus-nb.on-card{border:1px solid var(--jp-border-color1,"
    "var(--vscode-panel-border,rgba(128,128,128,.4)));border-radius:6px;padding:10px 14px}"
    ".opus-nb .on-head{font-size:15px;font-weight:600}"
    ".opus-nb .on-soft{opacity:.78}"
    ".opus-nb .on-note{border-left:3px solid var(--jp-warn-color1,#f57c00);padding-left:8px;margin:6px 0}"
    ".opus-nb .on-bad{border-left-color:var(--jp-error-color1,#d32f2f)}"
    ".opus-nb code{font-size:12px;background:rgba(128,128,128,.16);color:inherit;padding:1px 4px;"
    "border-radius:3px;overflow-wrap:anywhere}"
    ".opus-nb table.on-t{border-collapse:collapse;margin:3px 0 10px;border:0;font-size:12.5px;color:inherit}"
    ".opus-nb table.on-t th,.opus-nb table.on-t td{text-align:left;padding:3px 14px 3px 0;border:0;"
    "border-bottom:1px solid rgba(128,128,128,.25);vertical-align:top;background:transparent;color:inherit;"
    "overflow-wrap:anywhere;white-space:normal;max-width:420px}"
    ".opus-nb table.on-t tbody tr,.opus-nb table.on-t thead tr{background:transparent}"
    ".opus-nb table.on-t th{font-weight:600;white-space:nowrap}"
    ".opus-nb table.on-t td.on-n{text-align:right;font-variant-numeric:tabular-nums}"
    ".opus-nb .on-bar{display:flex;height:16px;border-radius:4px;overflow:hidden;margin:7px 0 5px;"
    "background:rgba(128,128,128,.18)}"
    ".opus-nb .on-lane{width:180px;height:9px;margin-top:5px;border-radius:3px;background:rgba(128,128,128,.18)}"
    ".opus-nb .on-lane>span{display:block;height:100%;border-radius:3px;background:var(--jp-brand-color1,#1976d2)}"
    ".opus-nb .on-key{display:inline-block;margin-right:16px;white-space:nowrap}"
    ".opus-nb .on-dot{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:5px}"
    ".opus-nb details>summary{cursor:pointer;display:list-item}"
    "</style>"
)


def escape(value: Any) -> str:
    """Return ``value`` as text that is safe anywhere in HTML, attributes included."""
    return html.escape(str(value), quote=True)


def clip(value: Any, length: int = 80) -> str:
    """Return ``value`` on one line, shortened in the end to ``length`` characters.

    Parameters
    ----------
    value : Any
        None becomes ``""``.
    length : int
        Characters kept, the mark of shortening included.

    Returns
    -------
    str
    """
    if value is None:
        return ""
    text = " ".join(str(value)[: length * 4].split())
    # half characters, as odd file names have them, cannot travel
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def duration_words(seconds: float | None) -> str:
    """Say a duration as people do: ``45 s``, ``3 min 20 s``, ``2 h 5 min``; None is ``unknown``."""
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    whole = max(0, round(seconds))
    if 0.05 <= seconds < 10 and whole != seconds:
        return f"{seconds:.1f} s"
    for unit, size, lower, lower_size in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= size:
            rest = whole % size // lower_size
            return f"{whole // size} {unit} {rest} {lower}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def _rough(seconds: float) -> tuple[int, str]:
    for unit, size, limit in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172800)):
        if seconds < limit:
            return max(1, round(seconds / size)), unit
    return max(1, round(seconds / 86400)), "d"


def time_left_words(time_left_s: tuple[float, float] | None) -> str:
    """Say a range of seconds roughly: ``4–6 min``; ``unknown`` for None."""
    if time_left_s is None or not all(math.isfinite(each) for each in time_left_s):
        return "unknown"
    (low, low_unit), (high, high_unit) = _rough(time_left_s[0]), _rough(time_left_s[1])
    if low_unit != high_unit:
        return f"{low} {low_unit} – {high} {high_unit}"
    return f"{low} {low_unit}" if low == high else f"{low}–{high} {low_unit}"


def moment_words(unix_s: float | None) -> str:
    """Say a moment in UTC to the second; ``""`` for None."""
    if unix_s is None:
        return ""
    return datetime.fromtimestamp(unix_s, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def price_words(price: float | None) -> str:
    """Say an amount without inventing a currency, which the service does not name; None is ``unknown``."""
    return "unknown" if price is None or not math.isfinite(price) else f"{price:,.2f}"


def state_words(name: str) -> str:
    """Say a count name in words: ``timed_out`` is ``timed out``."""
    return name.replace("_", " ")


def count_words(counts: Mapping[str, int]) -> str:
    """Say all counts in one line: ``117 completed, 3 failed``; ``no rows`` for none."""
    said = [f"{counts[name]:,} {state_words(name)}" for name in COUNT_NAMES if counts.get(name)]
    return ", ".join(said) or "no rows"


def state_bar(counts: Mapping[str, int], total: int) -> str:
    """Draw a bar by state that adds up, with its legend: sign, count and word for every colour.

    Parameters
    ----------
    counts : Mapping
        Count name to rows.
    total : int
        Rows in all.

    Returns
    -------
    str
        HTML; to a screen reader a progress bar whose value is the counts in words.
    """
    parts, keys = [], []
    for name in COUNT_NAMES:
        count = counts.get(name, 0)
        if not count:
            continue
        hatch = (
            "background-image:repeating-linear-gradient(45deg,transparent 0 4px,rgba(255,255,255,.3) 4px 8px);"
            if name in _HATCHED
            else ""
        )
        words = f"{count:,} {state_words(name)}"
        parts.append(
            f'<span title="{words}" style="width:{100 * count / max(total, 1):.3f}%;'
            f'background-color:{_COLOURS[name]};{hatch}"></span>'
        )
        keys.append(
            f'<span class="on-key"><span class="on-dot" style="background-color:{_COLOURS[name]}"></span>'
            f"{SIGNS[name]} <b>{count:,}</b> {state_words(name)}</span> "
        )
    ended = sum(counts.get(name, 0) for name in COUNT_NAMES if name not in {"running", "waiting", "queued"})
    label = f'aria-label="rows by state" aria-valuetext="{count_words(counts)}, of {total:,} rows"'
    numbers = f'aria-valuemin="0" aria-valuemax="{total}" aria-valuenow="{ended}"'
    bar = f'<div class="on-bar" role="progressbar" {label} {numbers}>{"".join(parts)}</div>'
    return f"{bar}<div>{''.join(keys)}</div>"


def html_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    budget: int = 3000,
    more: int = 0,
    cell: int = 80,
    numbers: Sequence[int] = (),
    caption: str = "",
) -> str:
    """Draw a table that never grows past ``budget`` bytes; what is left out is said below it.

    Parameters
    ----------
    headers : sequence of str
        Column heads.
    rows : iterable
        Cells, escaped and clipped here.
    budget : int
        Bytes (UTF-8) for the rows.
    more : int
        Rows that exist beside the given ones.
    cell : int
        Characters kept of a cell.
    numbers : sequence of int
        Columns that are aligned to the right.
    caption : str
        What a screen reader says of the table.

    Returns
    -------
    str
    """
    head = "".join(f'<th scope="col">{escape(clip(each, cell))}</th>' for each in headers)
    body, spent, left_out = [], 0, more
    for row in rows:
        line = "<tr>" + "".join(_cell(each, cell, at in numbers) for at, each in enumerate(row))
        line += "</tr>"
        spent += len(line.encode())
        if spent > budget or left_out > more:
            left_out += 1
        else:
            body.append(line)
    label = f' aria-label="{escape(caption)}"' if caption else ""
    tail = f'<div class="on-soft">… and {left_out:,} more</div>' if left_out else ""
    inside = f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f'<table class="on-t"{label}>{inside}</table>{tail}'


def text_table(headers: Sequence[str], rows: Iterable[Sequence[Any]], *, cell: int = 40) -> str:
    """Lay out a table in plain text, columns aligned, cells on one line of at most ``cell`` characters."""
    lines = [[clip(each, cell) for each in row] for row in (headers, *rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(headers))]
    drawn = ["  ".join(each.ljust(width) for each, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([drawn[0], "  ".join("-" * width for width in widths), *drawn[1:]])


def _cell(value: Any, length: int, number: bool) -> str:
    kind = ' class="on-n"' if number else ""
    return f"<td{kind}>{escape(clip(value, length))}</td>"
