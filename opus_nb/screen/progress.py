"""Progress without widgets: a bar in a terminal, lines in a log, one block in a notebook."""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from typing import Any, ClassVar, TextIO

from opus_nb.screen.cards import Card
from opus_nb.screen.live import LiveView, pace_words
from opus_nb.screen.markup import count_words
from opus_nb.screen.snapshot import TallySnapshot

__all__ = ["BlockView", "TerminalView", "write_line"]

_LINE_EVERY_S = 10.0
_LINE_EVERY_SHARE = 0.1
_COLUMNS = 80  # where nobody says how wide the terminal is


def progress_line(title: str, snapshot: TallySnapshot, *, paused: bool = False) -> str:
    """Say where a run stands in one line.

    Parameters
    ----------
    title : str
        What the line is about.
    snapshot : TallySnapshot
        The numbers.
    paused : bool
        Whether nothing new is being sent.

    Returns
    -------
    str
    """
    pace = "; ".join(pace_words(snapshot, paused=paused))
    state = " (paused)" if paused else ""
    done = f"{snapshot.ended:,} of {snapshot.total:,} rows ended"
    return f"{title}{state}: {done} ({count_words(snapshot.counts)})" + (f"; {pace}" if pace else "")


def write_line(text: str, stream: TextIO | None = None) -> None:
    """Write a line, above the bar where one is on the screen.

    Parameters
    ----------
    text : str
    stream : TextIO, optional
        None means stderr, where bars are.
    """
    stream = sys.stderr if stream is None else stream
    bars = sys.modules.get("tqdm.std")
    if bars is not None and getattr(bars.tqdm, "_instances", None):
        bars.tqdm.write(text, file=stream)
    else:
        stream.write(f"{text}\n")
    stream.flush()


def _width() -> dict[str, Any]:
    """How wide a bar may be; some terminals say that they have no columns at all."""
    try:
        measured = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        measured = 0
    if measured:
        return {"dynamic_ncols": True}
    return {"ncols": shutil.get_terminal_size().columns or _COLUMNS}


class TerminalView(LiveView):
    """A tqdm bar on stderr where that is a terminal; otherwise a line every ten seconds or ten percent.

    Nothing goes to stdout, so that output can be piped.
    """

    idle_s: ClassVar[float] = 1.0

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._bar: Any = None
        self._said_at = 0.0
        self._said_share = 0.0

    def _begin(self) -> None:
        if self._bar is not None:
            return
        if sys.stderr.isatty():
            from tqdm.std import tqdm

            class Bar(tqdm):  # type: ignore[type-arg]
                monitor_interval = 0  # our ticker refreshes; no second thread is needed

            self._bar = Bar(
                total=self.tally.total,
                desc=self.title,
                file=sys.stderr,
                **_width(),
                leave=False,
                bar_format="{desc}: {percentage:3.0f}%|{bar:24}| {n_fmt}/{total_fmt} [{elapsed}]{postfix}",
            )
        else:
            self._say(self.tally.snapshot())

    def _paint(self, snapshot: TallySnapshot) -> None:
        if self._bar is not None:
            self._bar.n = snapshot.ended
            paused = ["paused"] if self.is_paused else []
            unfinished = {name: n for name, n in snapshot.counts.items() if name not in {"completed", "queued"}}
            words = [*paused, *([count_words(unfinished)] if unfinished else [])]
            words += pace_words(snapshot, paused=self.is_paused)[:2]
            self._bar.set_postfix_str("; ".join(words), refresh=False)
            self._bar.refresh()
            return
        share = snapshot.ended / max(snapshot.total, 1)
        late = time.monotonic() - self._said_at >= _LINE_EVERY_S
        if late or share - self._said_share >= _LINE_EVERY_SHARE:
            self._say(snapshot)

    def _say(self, snapshot: TallySnapshot) -> None:
        self._said_at = time.monotonic()
        self._said_share = snapshot.ended / max(snapshot.total, 1)
        line = progress_line(self.title, snapshot, paused=self.is_paused)
        write_line(f"[{time.strftime('%H:%M:%S')}] {line}")

    def _finish(self, card: Card) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif self._finished_as == card.text:
            return
        self._finished_as = card.text
        self._static(card)

    _finished_as = ""

    def _static(self, card: Card) -> None:
        snapshot = self.tally.snapshot()
        line = progress_line(self.title, snapshot)
        write_line(f"[{time.strftime('%H:%M:%S')}] {line}")
        if self._closing_note:
            write_line(self._closing_note)


class BlockView(LiveView):
    """One block of HTML (or of plain text) in a notebook, replaced in place; needs no widgets.

    Parameters
    ----------
    rich : bool
        False leaves the HTML out.
    **parts
        As for `LiveView`.
    """

    interval_s: ClassVar[float] = 1.0  # every repaint goes into the file's output: be sparing
    idle_s: ClassVar[float] = 5.0

    def __init__(self, *, rich: bool = True, **parts: Any) -> None:
        super().__init__(**parts)
        self._rich = rich
        self._display_id = f"opus-nb-{uuid.uuid4().hex}"

    def _bundle(self, card: Card, text: str) -> dict[str, str]:
        return {"text/html": card.html, "text/plain": text} if self._rich else {"text/plain": text}

    def _now(self) -> dict[str, str]:
        text = progress_line(self.title, self.tally.snapshot(), paused=self.is_paused)
        return self._bundle(self._live_card(), text)

    def _live_card(self) -> Card:
        from opus_nb.screen.cards import run_card

        snapshot = self.tally.snapshot()
        words = pace_words(snapshot, paused=self.is_paused)
        note = " · ".join([*words, self.environment.advice] if self.environment.advice else words)
        state = "paused" if self.is_paused else "going on"
        return run_card(name=self.title, workflow_name="", snapshot=snapshot, state=state, note=note)

    def _begin(self) -> None:
        from IPython.display import display

        display(self._now(), raw=True, display_id=self._display_id)

    def _paint(self, snapshot: TallySnapshot) -> None:
        self._update(self._now())

    def _finish(self, card: Card) -> None:
        self._update(self._bundle(card, self._closing_text(card)))

    def _static(self, card: Card) -> None:
        from IPython.display import display

        bundle = self._bundle(card, self._closing_text(card))
        display(bundle, raw=True, display_id=self._display_id)

    def _closing_text(self, card: Card) -> str:
        line = progress_line(self.title, self.tally.snapshot())
        return f"{line}\n{self._closing_note}" if self._closing_note else line

    def _update(self, bundle: dict[str, str]) -> None:
        from IPython.display import update_display

        update_display(bundle, raw=True, display_id=self._display_id)
