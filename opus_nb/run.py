"""A run: what is going on with a sheet's rows, and what came of them."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from opus_nb import loop
from opus_nb.batch.book import Book, SheetRow
from opus_nb.batch.engine import Limits
from opus_nb.batch.lock import RunLock
from opus_nb.batch.protocol import Timing
from opus_nb.batch.runner import Runner
from opus_nb.errors import SettingsError
from opus_nb.frames.audit import audit_frame, nodes_frame
from opus_nb.frames.jobs import jobs_frame
from opus_nb.frames.paths import paths_frame
from opus_nb.frames.pictures import Plots
from opus_nb.frames.results import results_frame
from opus_nb.frames.saving import save_frames
from opus_nb.job import COUNT_NAMES, Observer, Outcome, RowState
from opus_nb.screen.cards import run_card
from opus_nb.screen.controls import Controls
from opus_nb.screen.display import open_display
from opus_nb.screen.pump import pump
from opus_nb.screen.tally import Tally
from opus_nb.service.api import JobApi
from opus_nb.service.schema import Schema
from opus_nb.sheet.beside import write_beside
from opus_nb.sheet.labels import unpack_index

__all__ = ["Run", "say"]

RETRIED_BY_DEFAULT = frozenset({"failed", "timed_out", "cancelled"})
RETRIED_WHEN_NAMED = RETRIED_BY_DEFAULT | {"uncertain", "skipped"}
NO_CANCEL_CALL = (
    "Jobs that are already at Opus go on there, and may be charged: Opus documents no call that cancels them."
)


class Run:
    """One sheet on its way through Opus. Made by ``plan.start()``, ``wf.run()`` and ``opus.open_run()``.

    A run lives in the ledger; this object is a window on it, and, while rows are under way, the engine that
    moves them. Every frame can be read at any time, and has one row for each row of the sheet, in its order.

    Attributes
    ----------
    name : str
    """

    _live: ClassVar[weakref.WeakValueDictionary[str, Run]] = weakref.WeakValueDictionary()

    def __init__(
        self,
        book: Book,
        api: JobApi,
        *,
        index: pd.Index[Any] | None = None,
        sheet: pd.DataFrame | None = None,
        limits: Limits | None = None,
        invalid: int | None = None,
        progress: str | Observer = "auto",
        settle_s: float = 10.0,
    ) -> None:
        about = book.record_of_run.about
        self._book = book
        self._api = api
        self._index = unpack_index(about.get("index", {}), book.labels()) if index is None else index
        self._sheet = sheet
        self._limits = limits or Limits(max_concurrency=int(about.get("max_concurrency", 10)))
        self._outputs = Schema.from_json(about["outputs"])
        self._tally = Tally(
            {"invalid": book.counts().get("invalid", 0) if invalid is None else invalid},
            total=len(self._index),
            price_per_job=about.get("price"),
            row_label=self._label,
        )
        controls = Controls(
            pause=self.pause,
            resume=self.resume,
            cancel=self.cancel,
            retry_failed=self._retry_pressed,
            is_paused=lambda: self._runner.engine.paused,
            is_over=lambda: self._runner.is_over,
            rows=self._page,
            name=self.name,
        )
        self._display = open_display(progress, title=self.name, tally=self._tally, controls=controls)
        self._shown_in: int | None = None
        self._observers: list[Observer] = [self._tally]
        if self._display.observer is not None:
            self._observers.append(self._display.observer)
        self._timing = Timing(settle_s=settle_s)
        self._runner = self._new_runner()

    # -- beginning --------------------------------------------------------------------------------------

    @classmethod
    def alive(cls, book: Book) -> Run | None:
        """Return the run of this book that is at work in this process, if there is one."""
        run = cls._live.get(_live_key(book))
        return run if run is not None and run._runner.is_alive else None

    @classmethod
    def let_go_all(cls, folder: Path) -> None:
        """Let go of every run of one ledger that is at work in this process."""
        for run in list(cls._live.values()):
            if run._runner.is_alive and run._book.ledger.folder.samefile(folder):
                run._runner.detach()

    def begin(self, lock: RunLock, rows: Iterator[SheetRow] | None = None) -> Run:
        """Start working and show the monitor in the current cell; ``lock`` must be taken already."""
        self._runner.begin(lock, rows)
        Run._live[_live_key(self._book)] = self
        self._show()
        return self

    # -- what a person does -----------------------------------------------------------------------------

    def wait(self, *, for_people: bool = False, timeout_s: float | None = None) -> Run:
        """Block until the run is over: every row final, waiting for a person, or uncertain.

        In a notebook the monitor goes on and its buttons work where the kernel can serve them meanwhile.

        Parameters
        ----------
        for_people : bool
            Stay until people have answered, too.
        timeout_s : float, optional
            Return after this time at the latest; the run goes on. None waits as long as it takes.

        Returns
        -------
        Run
            This one, so that ``run.wait().results()`` reads well.

        Raises
        ------
        OpusError
            What made the run stop by itself: the key was refused, Opus could not be reached for long, the
            ledger could not be written. Nothing is lost; ``open_run`` continues.

        Notes
        -----
        An interrupt (Ctrl-C, the kernel's stop button) means: first, nothing more is submitted and the jobs at
        Opus are watched on; second, the run is let go, its jobs go on at Opus, and ``open_run`` continues.
        """
        over = self._runner.over(for_people=for_people)
        interrupted = False
        self._display.hold("wait")
        try:
            while True:
                try:
                    loop.wait_for(over, timeout_s=timeout_s, meanwhile=pump)
                    break
                except TimeoutError:
                    over.cancel()
                    break
                except KeyboardInterrupt:
                    if interrupted:
                        self.let_go()
                        break
                    interrupted = True
                    self._runner.tell(self._runner.engine.stop_starting)
                    say(
                        "Interrupted: nothing more is submitted; the jobs at Opus are watched until they end. "
                        "Interrupt again to let go of them too. run.resume() goes on with the rest."
                    )
        finally:
            self._display.hold(None)
            self._display.paint_now()
        self._raise_failure()
        return self

    def __await__(self) -> Generator[Any, None, Run]:
        """Wait without blocking the event loop; an interrupt lets go of the run (see `wait`)."""
        return self._wait_async().__await__()

    async def _wait_async(self) -> Run:
        over = self._runner.over()
        self._display.hold("await")
        try:
            while not over.done():
                pump()
                await asyncio.sleep(loop.SLICE_S)
        except (KeyboardInterrupt, asyncio.CancelledError):
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self.let_go))
            raise
        finally:
            self._display.hold(None)
            self._display.paint_now()
        self._raise_failure()
        return self

    def pause(self) -> str:
        """Start no more rows; those at Opus are watched on. ``resume()`` goes on."""
        self._runner.tell(self._runner.engine.pause)
        return "Paused: nothing more is submitted; jobs that are at Opus go on."

    def resume(self) -> str:
        """Start rows again, after a pause, an interrupt, or after the run had stopped by itself."""
        if self._runner.is_alive:
            self._runner.tell(self._runner.engine.resume)
        elif self.counts.drop(["completed", "failed", "cancelled", "timed_out", "invalid"], errors="ignore").sum():
            self._carry_on()
        return "Going on."

    def cancel(self) -> str:
        """Submit nothing more, and mark what never left as cancelled. Jobs at Opus are watched to their ends."""
        self._runner.cancel()
        return f"Cancelled: what had not left stays here. {NO_CANCEL_CALL}"

    def retry(self, *, states: Iterable[str] | None = None, rows: Iterable[Any] | None = None) -> Run:
        """Send rows that ended badly again, each as a new job, which costs again.

        Never touches successes and rows that are under way.

        Parameters
        ----------
        states : iterable of str, optional
            Which ends to retry; None means failed, timed_out and cancelled. ``"uncertain"`` rows may be running
            and charged already, so they are sent anew only when named here.
        rows : iterable, optional
            Index values; None means all rows in those states.

        Raises
        ------
        SettingsError
            A state that cannot be retried, or a row that is not in the sheet.
        """
        wanted = RETRIED_BY_DEFAULT if states is None else frozenset([states] if isinstance(states, str) else states)
        if strange := wanted - RETRIED_WHEN_NAMED:
            raise SettingsError(
                f"Rows in these states are not retried: {', '.join(sorted(map(str, strange)))}",
                next_step=f"One or more of: {', '.join(sorted(RETRIED_WHEN_NAMED))}.",
            )
        labels = None if rows is None else list(rows)
        if labels is not None and (unknown := [each for each in labels if each not in self._index]):
            raise SettingsError("These rows are not in the sheet", where=", ".join(map(repr, unknown[:5])))
        positions = [
            outcome.position
            for outcome in self.outcomes(with_texts=False)
            if outcome.state.count_name in wanted
            and outcome.state is not RowState.INVALID
            and (labels is None or self._label(outcome.position) in labels)
        ]
        if not positions:
            say("No row is in a state to be retried.")
            return self
        alive = self._runner.is_alive
        opened = self._runner.retry(positions)
        say(f"{opened} row{'s are' if opened != 1 else ' is'} sent again, each as a new job that may be charged.")
        if not alive:
            self._carry_on()
        return self

    @property
    def max_concurrency(self) -> int:
        """Rows at Opus at once. May be set while the run runs."""
        return self._limits.max_concurrency

    @max_concurrency.setter
    def max_concurrency(self, number: int) -> None:
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise SettingsError("max_concurrency must be a whole number from 1", where=f"max_concurrency={number!r}")
        self._limits.max_concurrency = number
        self._runner.tell(lambda: self._runner.engine.set_max_concurrency(number))

    # -- what came of it --------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The run's name in the ledger."""
        return self._book.record_of_run.name

    @property
    def state(self) -> str:
        """``running``, ``paused``, ``stopped`` (rows are left that nobody works on) or ``over``."""
        if self._runner.is_alive and not self._runner.is_over:
            return "paused" if self._runner.engine.paused else "running"
        return "stopped" if {"queued", "running"} & set(self.counts.index) else "over"

    @property
    def counts(self) -> pd.Series[int]:
        """Rows by state, those that occur; the sum is the number of rows of the sheet."""
        found = self._book.counts()
        names = [name for name in COUNT_NAMES if found.get(name)]
        return pd.Series([found[name] for name in names], index=names, name="rows", dtype="int64")

    def results(self) -> pd.DataFrame:
        """One row per row of the sheet, same index, same order: state, job id, error, then the outputs.

        Never blocks: rows that are not final show their state and NA. Dtypes and details stand in
        `opus_nb.frames.results.results_frame`.
        """
        return results_frame(self.outcomes(), self._index, self._outputs)

    def jobs(self) -> pd.DataFrame:
        """One row per row of the sheet: ids, states, UTC times, tries. See `opus_nb.frames.jobs.jobs_frame`."""
        return jobs_frame(self.outcomes(with_texts=False), self._index)

    def audit(self) -> pd.DataFrame:
        """One row per audit event or executed node, times in UTC. See `opus_nb.frames.audit.audit_frame`.

        Fetches what is missing when the run was started with ``fetch_audit=False``.
        """
        if not self._book.record_of_run.about.get("fetch_audit", True):
            loop.call(self._runner.fetch_missing_audits)
        return audit_frame(self.outcomes(), self._index)

    def nodes(self) -> pd.DataFrame:
        """One row per node of the workflow: counts, failures, durations. See `opus_nb.frames.audit.nodes_frame`."""
        return nodes_frame(self.outcomes())

    def paths(self) -> pd.DataFrame:
        """One row per way through the workflow that jobs took. See `opus_nb.frames.paths.paths_frame`."""
        return paths_frame(self.outcomes())

    @property
    def plot(self) -> Plots:
        """Pictures of the frames: ``run.plot.outcomes()`` and its like return matplotlib Axes."""
        return Plots(jobs=self.jobs, nodes=self.nodes, paths=self.paths)

    def save(self, path: str | Path, *, into: str | Path | None = None) -> list[Path]:
        """Write the results beside the sheet's own columns.

        Parameters
        ----------
        path : str or path
            ``.xlsx``, ``.csv``, ``.tsv`` or ``.parquet``; what goes where stands in
            `opus_nb.frames.saving.save_frames`.
        into : str or path, optional
            The workbook that the sheet was read from: ``path`` becomes a copy of it, formats and formulas kept, with
            the results in columns beside each row. Mend the rows that went wrong there, plan it again, and only
            those run.

        Returns
        -------
        list of Path
            The files written. What had to be changed to fit is printed.

        Raises
        ------
        SettingsError
            Another suffix, or a place that cannot be written to.
        SheetUnreadable
            ``into`` is not the workbook that this run's sheet was read from.
        """
        sheet = pd.DataFrame(index=self._index) if self._sheet is None else self._sheet
        if into is not None:
            for note in write_beside(path, sheet, self.results(), source=into):
                say(note)
            return [Path(path)]
        saved = save_frames(path, self.results(), sheet=sheet, jobs=self.jobs(), audit=self.audit(), nodes=self.nodes())
        for note in saved.notes:
            say(note)
        return saved

    # -- how it looks -----------------------------------------------------------------------------------

    def _card(self) -> Any:
        counted = Tally(self._book.counts(), total=len(self._index)).snapshot()
        snapshot = self._tally.snapshot() if self._runner.is_alive else counted
        workflow_name = str(self._book.record_of_run.about.get("workflow_name", ""))
        return run_card(name=self.name, workflow_name=workflow_name, snapshot=snapshot, state=self.state)

    def __repr__(self) -> str:
        return str(self._card().text)

    def _repr_html_(self) -> str:
        return str(self._card().html)

    def _ipython_display_(self) -> None:
        if self._runner.is_alive:
            self._show()
            return
        from IPython.display import display

        card = self._card()
        display({"text/plain": card.text, "text/html": card.html}, raw=True)

    # -- inside -----------------------------------------------------------------------------------------

    def _show(self) -> None:
        # The value of the very cell that started the run is not a wish to see it twice.
        shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        cell = getattr(shell, "execution_count", None)
        if cell is None or cell != self._shown_in:
            self._shown_in = cell
            self._display.show()

    def _new_runner(self) -> Runner:
        return Runner(self._book, self._api, limits=self._limits, observers=self._observers, timing=self._timing)

    def _carry_on(self) -> None:
        lock = RunLock(self._book)
        lock.take()
        self._runner = self._new_runner()
        self._runner.begin(lock)
        Run._live[_live_key(self._book)] = self
        self._display.show()

    def let_go(self) -> None:
        """Stop working on the run in this process; its jobs go on at Opus, and `open_run` continues."""
        self._runner.detach()
        say(f"Let go: rows in flight go on at Opus, their ids are kept. opus.open_run({self.name!r}) continues.")

    def _retry_pressed(self) -> str:
        self.retry()
        return "Sent again, each as a new job."

    def _raise_failure(self) -> None:
        failure = self._runner.failure()
        if failure is not None:
            say(f"The run stopped by itself; nothing is lost. run.resume() or opus.open_run({self.name!r}) continues.")
            raise failure

    def outcomes(self, *, with_texts: bool = True) -> list[Outcome]:
        """The records behind the frames, one per row of the sheet, in its order."""
        outcomes = self._book.outcomes(with_texts=with_texts)
        # While the sheet is still being recorded, its last rows are queued like any other.
        outcomes.extend(Outcome(position, RowState.PLANNED) for position in range(len(outcomes), len(self._index)))
        return outcomes

    def _label(self, position: int) -> Any:
        return self._index[position]

    def _page(self, state: str | None, offset: int, limit: int) -> list[Mapping[str, Any]]:
        return [
            {"row": self._label(each.position), "state": each.state.count_name, "job": each.job_id, "error": each.error}
            for each in self._book.page(state, offset, limit)
        ]


def _live_key(book: Book) -> str:
    return f"{book.ledger.path}|{book.record_of_run.uid}"


def say(text: str) -> None:
    """Tell a person what happened: in a notebook under the cell, elsewhere where progress goes."""
    in_notebook = hasattr(getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)(), "kernel")
    stream = sys.stdout if in_notebook else sys.stderr
    stream.write(text + "\n")
    stream.flush()
