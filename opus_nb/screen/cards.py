"""What a workflow, a plan, a run and a job look like when a cell ends with one.

Pure functions from plain values to a `Card`. A card's HTML is escaped, complete in itself, readable in light
and dark, and below 10 kB whatever it describes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opus_nb.screen.card_pieces import Card, head, make_card, note_html, soft_line
from opus_nb.screen.job_card import job_card
from opus_nb.screen.markup import (
    SIGNS,
    clip,
    count_words,
    duration_words,
    escape,
    html_table,
    moment_words,
    price_words,
    state_bar,
    state_words,
    time_left_words,
)
from opus_nb.screen.snapshot import TallySnapshot
from opus_nb.service.schema import Field

__all__ = ["Card", "job_card", "plan_card", "run_card", "workflow_card"]


def _fields_table(fields: Sequence[Field], budget: int) -> str:
    rows = [
        (
            each.display_name,
            each.type or each.kind,
            "required" if each.required else "optional",
            _field_note(each),
        )
        for each in fields
    ]
    return html_table(("name", "type", "", "about"), rows, budget=budget, cell=90)


def _field_note(field: Field) -> str:
    notes = []
    if field.options:
        notes.append("one of " + ", ".join(clip(option, 24) for option in field.options[:6]))
    if field.allowed_file_types:
        notes.append(", ".join(field.allowed_file_types[:12]))
    if field.description:
        notes.append(field.description)
    return "; ".join(notes)


def workflow_card(
    *,
    name: str,
    workflow_id: str,
    inputs: Iterable[Field],
    outputs: Iterable[Field] = (),
    description: str = "",
    active: bool | None = None,
    version: str | None = None,
    generation: str | None = None,
    price: float | None = None,
    time_s: float | None = None,
) -> Card:
    """Describe a workflow: what goes in, what comes out, what it is said to take.

    Parameters
    ----------
    name, workflow_id, description : str
        As Opus has them.
    inputs, outputs : iterable of Field
        In the order of the service.
    active : bool, optional
        False shows a warning; None says nothing.
    version, generation : str, optional
        Shown where known.
    price : float, optional
        Estimated price of one job; the service names no currency. None is shown as unknown.
    time_s : float, optional
        Estimated seconds of one job.

    Returns
    -------
    Card
    """
    ins, outs = list(inputs), list(outputs)
    required = sum(field.required for field in ins)
    text = (
        f"<Workflow {clip(name, 60)!r} {workflow_id}: {len(ins)} inputs ({required} required), "
        f"{len(outs)} outputs"
        f"{', NOT ACTIVE' if active is False else ''}>"
    )
    about = (
        f"<code>{escape(clip(workflow_id, 60))}</code>",
        f"version {escape(clip(version, 40))}" if version else "",
        escape(clip(generation, 40)) if generation else "",
    )
    return make_card(
        text,
        head(name or workflow_id),
        soft_line(*about),
        f"<div>{escape(clip(description, 400))}</div>" if description else "",
        note_html("Not active: Opus will refuse jobs until its author activates it there.", bad=True)
        if active is False
        else "",
        soft_line(
            f"one job: about {escape(duration_words(time_s))}",
            f"price {escape(price_words(price))}, as estimated by Opus",
        ),
        f"<div><b>Inputs</b> ({len(ins)}, {required} required)</div>",
        _fields_table(ins, 3000) if ins else note_html("none"),
        f"<div><b>Outputs</b> ({len(outs)})</div>" if outs else "",
        html_table(("name", "type", "about"), ((f.display_name, f.type, f.description) for f in outs), budget=1500)
        if outs
        else "",
    )


def plan_card(
    *,
    workflow_name: str,
    rows: int,
    ready: int,
    mapping: Sequence[Mapping[str, Any]],
    issues: Sequence[Mapping[str, Any]],
    issues_total: int | None = None,
    jobs: int | None = None,
    price: float | None = None,
    time_s: tuple[float, float] | None = None,
) -> Card:
    """Describe a plan: how many rows are ready, what feeds what, what is wrong.

    Parameters
    ----------
    workflow_name : str
        Shown at the head.
    rows, ready : int
        Rows of the sheet, and those that can be sent.
    mapping : sequence of mappings
        One per input; the keys become columns, in their order (about four read well).
    issues : sequence of mappings
        The first issues; keys ``row``, ``column``, ``input``, ``severity``, ``problem``, ``fix``.
    issues_total : int, optional
        Issues in all; None means the given ones are all.
    jobs : int, optional
        Jobs that will be paid; None takes ``ready``.
    price : float, optional
        For all of them; None is shown as unknown.
    time_s : tuple of (float, float), optional
        Expected seconds, low and high.

    Returns
    -------
    Card
    """
    total = len(issues) if issues_total is None else issues_total
    jobs = ready if jobs is None else jobs
    issue_word = "issue" if total == 1 else "issues"
    text = f"<Plan for {clip(workflow_name, 60)!r}: {ready:,} of {rows:,} rows ready, {total:,} issues, nothing sent>"
    keys = list(mapping[0]) if mapping else []
    shown = ("row", "column", "input", "severity", "problem", "fix")
    return make_card(
        text,
        head(f"Plan for {clip(workflow_name, 80)}", "nothing is sent yet"),
        f"<div><b>{ready:,}</b> of {rows:,} rows ready · <b>{total:,}</b> {issue_word}</div>",
        soft_line(
            f"{jobs:,} jobs",
            f"time {escape(time_left_words(time_s))}",
            f"price {escape(price_words(price))}, as estimated by Opus",
        ),
        html_table(keys, ([row.get(key) for key in keys] for row in mapping), budget=2400, cell=60) if mapping else "",
        "<div><b>Issues</b></div>" if issues else "",
        html_table(
            shown,
            ([issue.get(key) for key in shown] for issue in issues),
            budget=2400,
            more=max(0, total - len(issues)),
            cell=110,
        )
        if issues
        else "",
    )


def run_card(
    *,
    name: str,
    workflow_name: str,
    snapshot: TallySnapshot,
    state: str = "",
    note: str = "",
) -> Card:
    """Describe a run by its counts; also the static picture that a live display leaves behind.

    Parameters
    ----------
    name, workflow_name : str
        Shown at the head.
    snapshot : TallySnapshot
        The numbers.
    state : str
        One word or two, such as ``"over"``, ``"paused"``, ``"detached"``; ``""`` derives it from the counts.
    note : str
        One more sentence, such as how to come back.

    Returns
    -------
    Card
    """
    state = state or ("over" if snapshot.is_over else "going on")
    text = f"<Run {clip(name, 60)!r} {state}: {count_words(snapshot.counts)} of {snapshot.total:,} rows>"
    aside = f"{escape(clip(workflow_name, 80))} · {escape(state)}" if workflow_name else escape(state)
    price = ""
    if snapshot.price_spent is not None or snapshot.price_expected is not None:
        spent, expected = price_words(snapshot.price_spent), price_words(snapshot.price_expected)
        price = f"price {spent} spent of {expected} expected, as estimated by Opus"
    return make_card(
        text,
        head(name, aside),
        state_bar(snapshot.counts, snapshot.total),
        soft_line(
            "1 row" if snapshot.total == 1 else f"{snapshot.total:,} rows",
            f"after {duration_words(snapshot.elapsed_s)}",
            escape(moment_words(snapshot.at)),
            price,
        ),
        note_html(note),
        waiting_html(snapshot),
        failures_html(snapshot),
    )


def waiting_html(snapshot: TallySnapshot) -> str:
    """Draw the rows that wait for a person, the oldest first, with their age; ``""`` where there are none."""
    if not snapshot.waiting:
        return ""
    return f"<div><b>{SIGNS['waiting']} Waiting for a person</b> in Opus</div>" + html_table(
        ("row", "job", "for", "what"),
        (
            (
                note.row,
                note.job_id or "",
                duration_words(snapshot.at - note.since),
                note.note or note.word or "",
            )
            for note in snapshot.waiting
        ),
        budget=1200,
        more=max(0, snapshot.counts.get("waiting", 0) - len(snapshot.waiting)),
    )


def failures_html(snapshot: TallySnapshot, *, budget: int = 2400) -> str:
    """Draw the newest failures, those that say the same in one line; ``""`` where there are none.

    Parameters
    ----------
    snapshot : TallySnapshot
        The numbers.
    budget : int
        Bytes for the rows of the table.

    Returns
    -------
    str
    """
    if not snapshot.failures:
        return ""
    rows = (
        (
            f"{group.count:,}",
            f"{SIGNS.get(group.state, '')} {state_words(group.state)}",
            group.example,
            f"row {clip(group.row, 40)}" + (f", job {group.job_id}" if group.job_id else ""),
        )
        for group in snapshot.failures
    )
    table = html_table(("rows", "state", "what it says", "newest"), rows, budget=budget, cell=160, numbers=(0,))
    return f"<div><b>Failures</b>, newest first, alike ones together</div>{table}"
