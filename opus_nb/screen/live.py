"""What all live views share: opening, ticking, closing, and never harming the run."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import ClassVar

from opus_nb.job import Observer
from opus_nb.screen.cards import Card, run_card
from opus_nb.screen.controls import Controls
from opus_nb.screen.environment import Environment
from opus_nb.screen.markup import price_words, time_left_words
from opus_nb.screen.snapshot import TallySnapshot, count_failures
from opus_nb.screen.tally import Tally
from opus_nb.screen.ticker import Ticker

__all__ = ["LiveView", "pace_words"]

_log = logging.getLogger("opus_nb")

_TROUBLES_TOLD = 3
_TROUBLES_ENOUGH = 20  # after these the view stops trying by itself


def pace_words(snapshot: TallySnapshot, *, paused: bool = False) -> list[str]:
    """Say how fast it goes, how long it will take and what it costs, as far as that is known.

    Parameters
    ----------
    snapshot : TallySnapshot
        The numbers.
    paused : bool
        Whether nothing new is being sent, which makes the time left unknowable.

    Returns
    -------
    list of str
    """
    said = []
    if snapshot.rate_per_min is not None:
        rate = snapshot.rate_per_min
        said.append(f"{rate:,.0f} jobs/min" if rate >= 10 else f"{rate:.1f} jobs/min" if rate >= 0.1 else "")
        if said[-1] == "":
            said[-1] = f"{rate * 60:.1f} jobs/h"
    if not snapshot.is_over:
        under_way = snapshot.counts.get("queued", 0) + snapshot.counts.get("running", 0)
        if not under_way and snapshot.counts.get("waiting"):
            said.append("waiting for people only")
        else:
            left = "unknown while paused" if paused else time_left_words(snapshot.time_left_s)
            said.append(f"time left {left}")
    if snapshot.price_expected is not None or snapshot.price_spent is not None:
        spent, expected = price_words(snapshot.price_spent), price_words(snapshot.price_expected)
        said.append(f"price {spent} spent of {expected} expected (estimate)")
    return said


class LiveView:
    """A view that keeps itself fresh until the run is over, then leaves a static picture.

    Parameters
    ----------
    title : str
        Shown at the head.
    tally : Tally
        Where the numbers come from.
    controls : Controls
        What the buttons do, and whether the run is over.
    environment : Environment
        Where we are.
    """

    interval_s: ClassVar[float] = 0.25
    idle_s: ClassVar[float] = 1.0  # how often clocks move on while no event comes

    def __init__(self, *, title: str, tally: Tally, controls: Controls, environment: Environment) -> None:
        self.title, self.tally, self.controls, self.environment = title, tally, controls, environment
        self._lock = threading.RLock()
        self._ticker: Ticker | None = None
        self._open = False
        self._closing_note = ""
        self._held: str | None = None
        self._painted = (-1, 0.0)
        self._troubles = 0

    # what a kind of view has to say

    def _begin(self) -> None:
        """Put the live view on the screen."""

    def _paint(self, snapshot: TallySnapshot) -> None:
        """Bring the live view up to date."""

    def _beat(self) -> None:
        """Do what has to be done a few times a second while the live view is open."""

    def _finish(self, card: Card) -> None:
        """Replace the live view by its static picture."""

    def _static(self, card: Card) -> None:
        """Put the static picture on the screen where no live view was."""

    # the face of a display

    @property
    def observer(self) -> Observer | None:
        """None: the view reads the tally."""
        return None

    def show(self) -> None:
        """Paint into the current cell and keep it fresh; the static picture if the run is over."""
        self._guarded(self._show)

    def paint_now(self) -> None:
        """Paint at once, from the calling thread."""
        self._guarded(self._repaint)

    def hold(self, form: str | None) -> None:
        """Say what holds the cell: ``"wait"``, ``"await"`` or None."""
        self._held = form
        if self._open:
            self.paint_now()

    def close(self, note: str = "") -> None:
        """Paint for the last time and leave the static picture, with ``note`` in it."""
        self._guarded(lambda: self._close(note))

    # how it is done

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            with self._lock:
                if self._ticker is None or threading.current_thread() is threading.main_thread():
                    action()
                else:
                    # any other thread speaks as the cell that showed the view
                    self._ticker.context.copy().run(action)
        except Exception:
            self._trouble("painted")

    def _show(self) -> None:
        if self.controls.is_over():
            if self._open:
                self._close("")
            self._static(self.final_card())
            return
        self._closing_note = ""
        self._begin()
        self._open = True
        if self._ticker is not None:
            self._ticker.stop()
        self._ticker = Ticker(self._tick, interval_s=self.interval_s)
        self._repaint()
        self._ticker.start()

    def _tick(self) -> bool:
        ticker = self._ticker
        if not self._open:
            return False
        try:
            if self.controls.is_over():
                self.close()
                return False
            self._beat()
            version, at = self._painted
            if version != self.tally.version or time.monotonic() - at >= self.idle_s:
                self.paint_now()
        except Exception:
            self._trouble("kept fresh")
        return self._open and self._ticker is ticker and self._troubles < _TROUBLES_ENOUGH

    def _trouble(self, what: str) -> None:
        """Log what is wrong with the screen, a few times; the same again every quarter second helps nobody."""
        self._troubles += 1
        if self._troubles <= _TROUBLES_TOLD:
            _log.warning("a view of %s could not be %s; the run is not affected", self.title, what, exc_info=True)

    def _repaint(self) -> None:
        if self._open and self.controls.is_over():
            self._close("")
        elif not self._open:
            if self._ticker is not None:
                self._finish(self.final_card())
        else:
            self._painted = (self.tally.version, time.monotonic())
            self._paint(self.tally.snapshot())

    def _close(self, note: str) -> None:
        self._closing_note = note or self._closing_note
        was_open, self._open = self._open, False
        if self._ticker is None:
            return
        self._ticker.stop()
        if was_open or note:
            self._finish(self.final_card())

    @property
    def is_paused(self) -> bool:
        """Whether nothing new is being sent; False where that cannot be told."""
        try:
            return bool(self.controls.is_paused())
        except Exception:
            return False

    def final_card(self) -> Card:
        """Make the static picture of this moment."""
        snapshot = self.tally.snapshot()
        idle = bool(self.controls.is_over())
        # Nobody works on it any more, but rows are left: it was let go, or it stopped by itself.
        left = idle and any(snapshot.counts.get(name) for name in ("queued", "running"))
        state = "stopped" if left else "over" if idle else "paused" if self.is_paused else ""
        note = self._closing_note or _closing_words(snapshot, state, name=self.controls.name)
        return run_card(
            name=self.title,
            workflow_name="",
            snapshot=snapshot,
            state=state,
            note=note,
        )


def _closing_words(snapshot: TallySnapshot, state: str, *, name: str) -> str:
    said = []
    if state == "stopped" and name:
        said.append(
            "Rows are left that nobody works on here; jobs at Opus go on there. "
            f"run.resume() or opus.open_run({name!r}) carries on."
        )
    elif state != "over" and name:
        said.append(f"This picture does not move any more; opus.open_run({name!r}) shows where the run stands.")
    if state in {"over", "stopped"} and count_failures(snapshot):
        said.append("run.retry() sends failed, timed out and cancelled rows again; successes never.")
    if snapshot.counts.get("uncertain"):
        said.append("Uncertain: execute was sent and its answer lost; run.reconcile() asks Opus again.")
    if state in {"over", "stopped"} and snapshot.counts.get("waiting"):
        said.append("Rows that wait for a person go on at Opus; run.wait(for_people=True) stays with them.")
    return " ".join(said)
