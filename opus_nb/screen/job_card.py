"""What one job looks like, while it runs and when it has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opus_nb.screen.card_pieces import Card, head, make_card, note_html, soft_line
from opus_nb.screen.markup import SIGNS, clip, duration_words, escape, html_table, state_words

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
        Keys ``event``, ``actor``, ``status``, ``duration_s`` are shown, the first of them in order.

    Returns
    -------
    Card
    """
    said = state_words(state)
    text = f"<Job {job_id or 'without id yet'} {said}{f': {clip(error, 80)}' if error else ''}>"
    progress = f"{nodes_done} of {nodes_total} nodes" if nodes_done is not None and nodes_total else ""
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
        if progress and state in {"running", "waiting"}
        else "",
        note_html(error or "", bad=True),
        _results_part(results) if results else "",
        _audit_part(audit) if audit else "",
    )


def _results_part(results: Mapping[str, Any], budget: int = 4200) -> str:
    rows, spent, left_out = [], 0, 0
    for name, value in results.items():
        row = f'<tr><th scope="row">{escape(clip(name, 60))}</th><td>{value_html(value)}</td></tr>'
        spent += len(row.encode())
        if spent > budget or left_out:
            left_out += 1
        else:
            rows.append(row)
    tail = f'<div class="on-soft">… and {left_out:,} more</div>' if left_out else ""
    return f'<div><b>Results</b></div><table class="on-t"><tbody>{"".join(rows)}</tbody></table>{tail}'


def value_html(value: Any) -> str:
    """Draw one result: an http(s) address as a link, a list line by line, anything else as text."""
    if isinstance(value, list | tuple):
        shown = "<br>".join(value_html(each) for each in list(value)[:5])
        return shown + (f"<br>… and {len(value) - 5:,} more" if len(value) > 5 else "")
    text = "" if value is None else str(value)
    if text.startswith(("https://", "http://")) and len(text) <= 300 and not any(ch.isspace() for ch in text):
        name = text.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]
        return f'<a href="{escape(text)}" target="_blank" rel="noopener noreferrer">{escape(clip(name, 60))}</a>'
    return escape(clip(text, 300)) if value is not None else '<span class="on-soft">nothing</span>'


def _audit_part(audit: Sequence[Mapping[str, Any]]) -> str:
    rows = (
        (
            clip(entry.get("started_at"), 26),
            entry.get("event"),
            entry.get("actor"),
            entry.get("status"),
            duration_words(entry["duration_s"]) if isinstance(entry.get("duration_s"), int | float) else "",
        )
        for entry in audit
    )
    return "<div><b>Audit</b></div>" + html_table(("when", "what", "who", "status", "took"), rows, budget=1800, cell=60)
