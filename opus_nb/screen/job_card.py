"""What one job looks like, while it runs and when it has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from opus_nb.screen.card_pieces import Card, head, make_card, note_html, soft_line
from opus_nb.screen.markup import SIGNS, clip, duration_words, escape, moment_words, state_words

__all__ = ["job_card", "value_html"]


def job_card(
    *,
    title: str,
    job_id: str | None,
    state: str,
    word: str | None = None,
    nodes_done: int | None = None,
    nodes_total: int | None = None,
    elapsed_s: float | None = None,
    error: str | None = None,
    results: Mapping[str, Any] | None = None,
    audit: Sequence[Mapping[str, Any]] = (),
    links: Mapping[str, str] | None = None,
) -> Card:
    """Describe one job: where it stands, then what came of it.

    Parameters
    ----------
    title : str
        Shown at the head.
    job_id : str or None
        None until Opus has given one.
    state : str
        A count name.
    word : str, optional
        What Opus said, letter for letter; shown where it differs from the state.
    nodes_done, nodes_total : int, optional
        Progress inside the job.
    elapsed_s : float, optional
        Seconds since it was executed.
    error : str, optional
        Why it ended without success.
    results : Mapping, optional
        Output name to value; an http(s) address becomes a link.
    audit : sequence of mappings
        Keys ``event``, ``actor``, ``status``, ``started_at``, ``ended_at`` (a datetime or Unix seconds) and
        ``duration_s``; as many are shown as a card holds.
    links : Mapping, optional
        Address of a file at Opus to the path of its copy here, which is linked to instead.

    Returns
    -------
    Card
    """
    said = state_words(state)
    text = f"<Job {job_id or 'without id yet'} {said}{f': {clip(error, 80)}' if error else ''}>"
    # At the end the nodes of branches not taken are left over, which would read as if something was missing.
    going = state in {"running", "waiting"} and nodes_done is not None and nodes_total
    progress = f"{nodes_done} of {nodes_total} nodes" if going else ""
    return make_card(
        text,
        head(title or "Job", f"{SIGNS.get(state, '')} <b>{escape(said)}</b>"),
        soft_line(
            f"job <code>{escape(clip(job_id, 60))}</code>" if job_id else "no id yet",
            f"Opus says {escape(clip(word, 40))}" if word and word.lower() != said else "",
            progress,
            duration_words(elapsed_s) if elapsed_s is not None else "",
        ),
        f'<progress max="{nodes_total}" value="{nodes_done}" aria-label="nodes done">{progress}</progress>'
        if progress
        else "",
        note_html(error or "", bad=True),
        _results_part(results, links or {}) if results else "",
        _audit_part(audit) if audit else "",
    )


def _results_part(results: Mapping[str, Any], links: Mapping[str, str], budget: int = 3000) -> str:
    rows, spent, left_out = [], 0, 0
    for name, value in results.items():
        row = f'<tr><th scope="row">{escape(clip(name, 60))}</th><td>{value_html(value, links)}</td></tr>'
        spent += len(row.encode())
        if spent > budget or left_out:
            left_out += 1
        else:
            rows.append(row)
    tail = f'<div class="on-soft">… and {left_out:,} more</div>' if left_out else ""
    return f'<div><b>Results</b></div><table class="on-t"><tbody>{"".join(rows)}</tbody></table>{tail}'


def value_html(value: Any, links: Mapping[str, str] | None = None) -> str:
    """Draw one result: an http(s) address as a link, a list line by line, anything else as text.

    A file that Opus keeps is a link where ``links`` knows of a copy on this machine; else it is shown by its name
    alone, because its address is an identifier that a browser gets a 404 for.

    Source
    ------
    Contract, section 4.5 and trap T35.
    """
    nothing = '<span class="on-soft">nothing</span>'
    if isinstance(value, list | tuple):
        if not value:
            return nothing
        shown = "<br>".join(value_html(each, links) for each in list(value)[:5])
        return shown + (f"<br>… and {len(value) - 5:,} more" if len(value) > 5 else "")
    if value is None:
        return nothing
    text = str(value)
    if text.startswith(("https://", "http://")) and len(text) <= 300 and not any(ch.isspace() for ch in text):
        path = text.split("?", 1)[0].rstrip("/")
        name = escape(clip(path.rsplit("/", 1)[-1], 60))
        if links and text in links:
            here = links[text]
            shown = escape(clip(PurePath(here).name, 60))
            return f'<a href="{escape(quote(here))}" target="_blank" rel="noopener noreferrer">{shown}</a>'
        if "/media/private/" in path or path.startswith("https://files.opus.com/"):
            return f'<span title="{escape(text)}">{name}</span> <span class="on-soft">(a file at Opus)</span>'
        return f'<a href="{escape(text)}" target="_blank" rel="noopener noreferrer">{name}</a>'
    return escape(clip(text, 300))


def _audit_part(audit: Sequence[Mapping[str, Any]], budget: int = 3000) -> str:
    """Draw the audit as a timeline: one line per event, with a bar where it lies in the whole."""
    spans = [_span(entry) for entry in audit]
    starts = [begin for begin, _ in spans if begin is not None]
    first = min(starts, default=0.0)
    whole = max((end for _, end in spans if end is not None), default=first) - first
    actors = any(_said(entry.get("actor")) for entry in audit)
    body, spent = [], 0
    for entry, (begin, end) in zip(audit, spans, strict=True):
        took = entry.get("duration_s")
        cells = [
            f"+{duration_words(begin - first)}" if begin is not None else "",
            *([] if whole <= 0 else [_timeline_bar(begin, end, first, whole)]),
            f"<b>{escape(clip(_said(entry.get('event')), 60))}</b>",
            *([escape(clip(_said(entry.get("actor")), 40))] if actors else []),
            escape(clip(_said(entry.get("status")), 24).lower()),
            duration_words(float(took)) if took is not None and _said(took) else "",
        ]
        line = f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        spent += len(line.encode())
        if spent > budget:
            break
        body.append(line)
    heads = ["after", *([""] if whole > 0 else []), "what", *(["who"] if actors else []), "status", "took"]
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    left_out = len(audit) - len(body)
    tail = f'<div class="on-soft">… and {left_out:,} more; run.audit() has all</div>' if left_out else ""
    table = (
        f'<table class="on-t" aria-label="audit"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    )
    when = f' <span class="on-soft">from {moment_words(first)}</span>' if starts else ""
    return f"<div><b>Audit</b>{when}</div>{table}{tail}"


def _timeline_bar(begin: float | None, end: float | None, first: float, whole: float) -> str:
    if begin is None:
        return ""
    left = 100 * (begin - first) / whole
    width = max(1.5, 100 * ((end if end is not None else begin) - begin) / whole)
    return (
        '<div class="on-lane" aria-hidden="true">'
        f'<span style="margin-left:{min(left, 98.5):.1f}%;width:{min(width, 100 - min(left, 98.5)):.1f}%"></span></div>'
    )


def _span(entry: Mapping[str, Any]) -> tuple[float | None, float | None]:
    begin, end = _unix(entry.get("started_at")), _unix(entry.get("ended_at"))
    return begin, begin if end is None else end


def _unix(moment: Any) -> float | None:
    """Return Unix seconds of a moment (a number, a datetime or a Timestamp); None for none."""
    if isinstance(moment, int | float):
        return float(moment)
    return float(moment.timestamp()) if _said(moment) and hasattr(moment, "timestamp") else None


def _said(value: Any) -> Any:
    """Return a value that says something; ``""`` for the many ways of saying nothing."""
    return "" if value is None or str(value) in {"", "nan", "NaT", "<NA>"} else value
