"""The live monitor of a run, in ipywidgets.

Everything that a press changes is a `Button`: its press is a message of its own and arrives wherever the
kernel serves widgets at all, while a changed value can be held back by the front end for good when no idle
status follows (ipykernel 7.4 with an awaiting cell). Each widget is written from here only, under one lock.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from opus_nb.job import COUNT_NAMES
from opus_nb.screen.cards import Card, failures_html, waiting_html
from opus_nb.screen.inside import InsideWatch
from opus_nb.screen.live import LiveView, pace_words
from opus_nb.screen.markup import (
    SIGNS,
    STYLE,
    clip,
    duration_words,
    escape,
    html_table,
    state_bar,
    state_words,
)
from opus_nb.screen.progress import progress_line
from opus_nb.screen.pump import buttons_act
from opus_nb.screen.snapshot import TallySnapshot, count_failures
from opus_nb.screen.widget_pieces import action_button, show_widget

__all__ = ["Monitor"]

_PAGE = 25
_MISSING = frozenset({"nan", "NaN", "NaT", "<NA>"})
_ROWS_EVERY_S = 2.0

# verb of Controls: (label, what it means, what is said after the press)
_VERBS: dict[str, tuple[str, str, str]] = {
    "pause": (
        "Pause",
        "nothing new is sent; jobs already at Opus go on.",
        "Paused: nothing new is sent. Jobs already at Opus go on and are still watched.",
    ),
    "resume": ("Resume", "sends the queued rows again.", "Resumed: queued rows are sent again."),
    "cancel": (
        "Cancel",
        "stops submitting; jobs already at Opus go on and are charged (Opus documents no cancel call).",
        "Cancelled: nothing more is submitted. Jobs already at Opus go on and are charged; results are kept.",
    ),
    "retry_failed": (
        "Retry failed",
        "sends failed, timed out and cancelled rows again, each a new paid job; successes never.",
        "Failed, timed out and cancelled rows are queued again, each as a new paid job.",
    ),
}
_ICONS = {"pause": "pause", "resume": "play", "cancel": "stop", "retry_failed": "repeat"}


class Monitor(LiveView):
    """Bar by state, pace, cost, rows in flight, waiting and failed, a window on all rows, and four buttons.

    Takes what `LiveView` takes. Needs ipywidgets 7.7.1 or newer.
    """

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        ask = self.controls.look_inside
        self._inside = None if ask is None else InsideWatch(ask, self.tally.note_progress)
        self._display_id = f"opus-nb-{uuid.uuid4().hex}"
        self._box: Any = None
        self._said = ""
        self._rows_open = False
        self._rows_state: str | None = None
        self._rows_offset = 0
        self._rows_at = 0.0
        self._rows_wanted = True

    # building, once

    def _build(self) -> None:
        import ipywidgets as widgets

        self._head = widgets.HTML()
        self._answer = widgets.HTML()
        self._detail = widgets.HTML()
        self._table = widgets.HTML()
        self._buttons = {
            verb: action_button(label, meaning, partial(self._press, verb), icon=_ICONS[verb])
            for verb, (label, meaning, _) in _VERBS.items()
        }
        self._buttons["cancel"].button_style = "warning"
        self._toggle = action_button("Show rows", "one line per row of the sheet", self._toggle_rows, icon="table")
        offered = [*self._buttons.values()] + ([self._toggle] if self.controls.rows is not None else [])
        meanings = "".join(
            f"<div><b>{escape(label)}</b>: {escape(meaning)}</div>" for label, meaning, _ in _VERBS.values()
        )
        legend = widgets.HTML(
            f'<div class="opus-nb"><details><summary class="on-soft">What the buttons do</summary>{meanings}'
            "</details></div>"
        )
        self._filters = {
            name: action_button("", f"only rows that are {state_words(name)}", partial(self._filter, name))
            for name in COUNT_NAMES
        }
        self._all = action_button("All rows", "rows in every state", partial(self._filter, None))
        self._earlier = action_button("Earlier", "the page before", partial(self._turn, -_PAGE), icon="chevron-left")
        self._later = action_button("Later", "the next page", partial(self._turn, _PAGE), icon="chevron-right")
        wrap = widgets.Layout(flex_flow="row wrap")
        self._rows_part = widgets.VBox(
            [
                widgets.HBox([self._all, *self._filters.values()], layout=wrap),
                self._table,
                widgets.HBox([self._earlier, self._later]),
            ],
            layout=widgets.Layout(display="none"),
        )
        self._parts = (
            widgets.HTML(STYLE),
            self._head,
            widgets.HBox(offered, layout=widgets.Layout(flex_flow="row wrap")),
            self._answer,
            legend,
            self._detail,
            self._rows_part,
        )
        self._box = widgets.VBox(self._parts)
        self._box.add_class("opus-nb-monitor")

    # pressing: any thread that the kernel serves widgets on

    def _press(self, verb: str) -> None:
        try:
            said = getattr(self.controls, verb)()
        except Exception as error:
            self._say(f"{_VERBS[verb][0]} did not work: {clip(error, 300)}")
            raise
        self._say(said if isinstance(said, str) and said else _VERBS[verb][2])

    def _say(self, text: str) -> None:
        with self._lock:
            self._said = f"{time.strftime('%H:%M:%S')} {text}"
        self.paint_now()

    def _toggle_rows(self) -> None:
        with self._lock:
            self._rows_open, self._rows_wanted = not self._rows_open, True
        self.paint_now()

    def _filter(self, state: str | None) -> None:
        with self._lock:
            self._rows_state, self._rows_offset, self._rows_wanted = state, 0, True
        self.paint_now()

    def _turn(self, by: int) -> None:
        with self._lock:
            self._rows_offset, self._rows_wanted = max(0, self._rows_offset + by), True
        self.paint_now()

    # painting, under the lock of LiveView

    def _beat(self) -> None:
        if self._inside is not None:
            self._inside.look(self.tally.snapshot().running)

    def _begin(self) -> None:
        if self._box is None:
            self._build()
        _set(self._box, "children", self._parts)
        snapshot = self.tally.snapshot()
        self._paint(snapshot)
        text = progress_line(self.title, snapshot)
        show_widget(self._box, html=self.final_card().html, text=text, display_id=self._display_id)

    def _paint(self, snapshot: TallySnapshot) -> None:
        paused = self.is_paused
        _set(self._head, "value", self._head_html(snapshot, paused=paused))
        _set(self._answer, "value", self._answer_html())
        _set(self._detail, "value", _detail_html(snapshot))
        self._paint_buttons(snapshot, paused=paused)
        if self.controls.rows is not None:
            self._paint_rows(snapshot)

    def _paint_buttons(self, snapshot: TallySnapshot, *, paused: bool) -> None:
        left = snapshot.counts.get("queued", 0)
        failed = count_failures(snapshot)
        _set(self._buttons["pause"], "disabled", paused or not left)
        _set(self._buttons["resume"], "disabled", not paused)
        _set(self._buttons["retry_failed"], "disabled", not failed)
        _set(self._buttons["retry_failed"], "description", _retry_words(snapshot))
        _set(self._toggle, "description", "Hide rows" if self._rows_open else "Show rows")

    def _head_html(self, snapshot: TallySnapshot, *, paused: bool) -> str:
        state = "paused" if paused else "going on"
        words = [
            f"{snapshot.ended:,} of {snapshot.total:,} rows ended",
            f"after {duration_words(snapshot.elapsed_s)}",
        ]
        words += pace_words(snapshot, paused=paused)
        notes = [note for note in (self._stopping_words(), self.environment.advice) if note]
        return (
            f'<div class="opus-nb"><span class="on-head">{escape(clip(self.title, 100))}</span> '
            f'<span class="on-soft">{state}</span>{state_bar(snapshot.counts, snapshot.total)}'
            f"<div>{' · '.join(escape(word) for word in words)}</div>"
            + "".join(f'<div class="on-note">{escape(note)}</div>' for note in notes)
            + "</div>"
        )

    def _stopping_words(self) -> str:
        act = buttons_act(self._held) if self._held else True
        if act:
            return ""
        stop = "■ (interrupt) stops submitting and keeps watching" if self._held == "wait" else "■ (interrupt) detaches"
        if act is None:
            return f"Should a button not answer at once here: {stop}."
        return f"This cell holds the kernel, so the buttons act only after it: {stop}, or use `await run`."

    def _answer_html(self) -> str:
        if not self._said:
            return ""
        return f'<div class="opus-nb" role="status" aria-live="polite">{escape(self._said)}</div>'

    def _paint_rows(self, snapshot: TallySnapshot) -> None:
        _set(self._rows_part.layout, "display", "" if self._rows_open else "none")
        late = time.monotonic() - self._rows_at >= _ROWS_EVERY_S
        if not self._rows_open or not (self._rows_wanted or late) or self.controls.rows is None:
            return
        self._rows_wanted, self._rows_at = False, time.monotonic()
        for name, button in self._filters.items():
            count = snapshot.counts.get(name, 0)
            if count:
                _set(button, "description", f"{SIGNS[name]} {count:,} {state_words(name)}")
            _set(button.layout, "display", "" if count or self._rows_state == name else "none")
        choices: list[tuple[str | None, Any]] = [(None, self._all), *self._filters.items()]
        for state, button in choices:
            _set(button, "button_style", "info" if state == self._rows_state else "")
        matching = snapshot.total if self._rows_state is None else snapshot.counts.get(self._rows_state, 0)
        rows = self.controls.rows(self._rows_state, self._rows_offset, _PAGE)
        _set(self._table, "value", self._rows_html(rows, matching))
        _set(self._earlier, "disabled", self._rows_offset == 0)
        _set(self._later, "disabled", self._rows_offset + _PAGE >= matching)

    def _rows_html(self, rows: list[Mapping[str, Any]], matching: int) -> str:
        if not rows:
            return '<div class="opus-nb on-soft">No rows here.</div>'
        keys = list(rows[0])
        body = ([_row_cell(key, row.get(key)) for key in keys] for row in rows)
        first = self._rows_offset + 1
        caption = f"{first:,} to {first + len(rows) - 1:,} of {matching:,}"
        table = html_table([state_words(key) for key in keys], body, budget=30_000, cell=90, caption=caption)
        return f'<div class="opus-nb"><div class="on-soft">{caption}</div>{table}</div>'

    # leaving

    def _finish(self, card: Card) -> None:
        from IPython.display import update_display

        # Where outputs are never replaced (Voila), the widget itself becomes the picture.
        self._head.value = card.html
        _set(self._box, "children", (self._head,))
        update_display(self._still(card), raw=True, display_id=self._display_id)

    def _static(self, card: Card) -> None:
        from IPython.display import display

        display(self._still(card), raw=True, display_id=self._display_id)

    def _still(self, card: Card) -> dict[str, str]:
        line = progress_line(self.title, self.tally.snapshot())
        text = f"{line}\n{self._closing_note}" if self._closing_note else line
        return {"text/html": card.html, "text/plain": text}


def _retry_words(snapshot: TallySnapshot) -> str:
    cancelled = snapshot.counts.get("cancelled", 0)
    failed = count_failures(snapshot) - cancelled
    parts = [f"{failed:,} failed"] if failed else []
    parts += [f"{cancelled:,} cancelled"] if cancelled else []
    return f"Retry {', '.join(parts)}" if parts else "Retry failed"


def _set(widget: Any, trait: str, value: Any) -> None:
    """Write a trait only where it changes; every write is a message to the page."""
    if getattr(widget, trait) != value:
        setattr(widget, trait, value)


def _row_cell(key: str, value: Any) -> str:
    if key == "state":
        return f"{SIGNS.get(str(value), '')} {state_words(str(value))}".strip()
    if key.endswith("_s") and isinstance(value, int | float):
        return duration_words(value)
    return "" if value is None or str(value) in _MISSING else str(value)


def _detail_html(snapshot: TallySnapshot) -> str:
    parts = []
    if snapshot.running:
        rows = (
            (
                note.row,
                note.job_id or "",
                duration_words(snapshot.at - note.since),
                f"{note.nodes_done} of {note.nodes_total}" if note.nodes_total else "",
                note.word or "",
            )
            for note in snapshot.running
        )
        more = max(0, snapshot.counts.get("running", 0) - len(snapshot.running))
        table = html_table(("row", "job", "for", "nodes done", "Opus says"), rows, budget=4000, more=more)
        parts.append(f"<div><b>{SIGNS['running']} In flight</b>, the longest first</div>{table}")
    parts += [waiting_html(snapshot), failures_html(snapshot)]
    return f'<div class="opus-nb">{"".join(parts)}</div>' if any(parts) else ""
