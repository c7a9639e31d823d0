"""How a run looks: the numbers behind its monitor, and the card that stands for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from opus_nb.batch.history import read_last_change, read_marks
from opus_nb.batch.reconciling import AccountLine
from opus_nb.batch.runner import Runner
from opus_nb.run_frames import RunFrames
from opus_nb.saying import say
from opus_nb.screen.cards import run_card
from opus_nb.screen.controls import Display
from opus_nb.screen.tally import Tally

__all__ = ["RunView", "account_frame"]


class RunView(RunFrames):
    """The visible side of a run: live while it is worked on here, else as the ledger knows it."""

    _runner: Runner
    _tally: Tally
    _display: Display
    _shown_in: int | None = None

    def _carried_by_another(self) -> RunView | None:
        """The object that works on this run now, when the same name was started or opened again since."""
        return None

    @property
    def state(self) -> str:
        """``running``, ``paused``, ``stopped`` or ``over``.

        ``paused`` by a person, by an interrupt, or because too many failed alike; ``stopped`` when rows are left that
        nobody works on.
        """
        if (other := self._carried_by_another()) is not None:
            return other.state
        engine = self._runner.engine
        if self._runner.is_alive and not self._runner.is_over:
            return "paused" if engine.paused or engine.stopped else "running"
        return "stopped" if {"queued", "running"} & set(self.counts.index) else "over"

    def _card(self) -> Any:
        if (other := self._carried_by_another()) is not None:
            return other._card()
        tally = self._tally
        if not self._runner.is_alive:
            # Nobody is told of events: the ledger knows how it stands.
            tally = self._new_tally(self._book.counts())
            self._recall(tally)
        snapshot = tally.snapshot()
        workflow_name = str(self._book.record_of_run.about.get("workflow_name", ""))
        return run_card(name=self.name, workflow_name=workflow_name, snapshot=snapshot, state=self.state)

    def __repr__(self) -> str:
        return str(self._card().text)

    def _repr_html_(self) -> str:
        return str(self._card().html)

    def _ipython_display_(self) -> None:
        if (other := self._carried_by_another()) is not None:
            other._ipython_display_()
            return
        if self._runner.is_alive:
            self._show()
            return
        from IPython.display import display

        card = self._card()
        display({"text/plain": card.text, "text/html": card.html}, raw=True)

    def _show(self) -> None:
        # The value of the very cell that started the run is not a wish to see it twice.
        shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        cell = getattr(shell, "execution_count", None)
        if cell is None or cell != self._shown_in:
            self._shown_in = cell
            self._display.show()

    def _new_tally(self, counts: Mapping[str, int]) -> Tally:
        record = self._book.record_of_run
        price = record.about.get("price")
        return Tally(
            counts,
            total=len(self._index),
            price_per_job=price,
            price_spent=(price or 0.0) * self._book.executed(),
            began=record.created_at,
            row_label=self._label,
        )

    def _recall(self, tally: Tally) -> None:
        """Tell a tally what happened before it began: since when rows wait, and what failed last."""
        for mark in read_marks(self._book):
            tally.recall(mark)
        if (at := read_last_change(self._book)) is not None:
            tally.recall_change(at)

    def _keep_to_recorded(self) -> None:
        record = self._book.record_of_run
        if record.recorded < record.row_count:
            say(
                f"Only {record.recorded} of {record.row_count} rows had been written down when the process ended that "
                f"started this run. Start the same sheet again under the name {self.name!r} for the others; no row "
                "is bought twice."
            )
            self._book.keep_to_recorded()

    def _say_retried(self, opened: int, left: int) -> None:
        engine = self._runner.engine
        said = f"{opened} row{'s are' if opened != 1 else ' is'} sent again, each as a new job that may be charged."
        if engine.paused:
            said = f"{opened} row{'s wait' if opened != 1 else ' waits'} to be sent again; run.resume() sends."
        elif engine.stopped and left:
            said += f" {left} more stay queued; run.resume() goes on with them."
        say(said)

    def _say_let_go(self) -> None:
        say(f"Let go: rows in flight go on at Opus, their ids are kept. opus.open_run({self.name!r}) continues.")


def account_frame(lines: Sequence[AccountLine], label: Callable[[int], Any]) -> pd.DataFrame:
    """Lay out what `Run.reconcile` found, one line per row, attempt and shell."""
    rows = [pd.NA if line.position is None else label(line.position) for line in lines]
    columns: dict[str, Any] = {
        "kind": pd.Series([line.kind for line in lines], dtype="string"),
        "row": pd.Series(rows, dtype=object),
    }
    for name in ("job_id", "before", "now", "word", "note"):
        columns[name] = pd.Series([getattr(line, name) for line in lines], dtype="string")
    frame: pd.DataFrame = pd.DataFrame(columns)
    return frame
