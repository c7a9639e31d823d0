"""A run: what is going on with a sheet's rows, and what came of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from opus_nb import loop
from opus_nb.batch.book import Book, SheetRow
from opus_nb.batch.lock import RunLock
from opus_nb.batch.reconciling import describe_account
from opus_nb.batch.runner import Runner
from opus_nb.batch.stopping import Limits
from opus_nb.batch.timing import Timing
from opus_nb.drift_guard import Drift, guard_book
from opus_nb.errors import SettingsError
from opus_nb.job import Observer
from opus_nb.retrying import rows_to_retry
from opus_nb.run_view import RunView, account_frame
from opus_nb.saying import say
from opus_nb.screen.controls import Controls
from opus_nb.screen.display import open_display
from opus_nb.screen.inside import fetch_progress
from opus_nb.screen.pump import pump
from opus_nb.service.api import JobApi

__all__ = ["Run"]

# How long a start or an opening looks for what is known of its rows before it shows anything.
LONGEST_LOOK_S = 30.0
# The interrupt of a wait that lets go of the run; the ones before stop submitting.
LETS_GO = 2
NO_CANCEL_CALL = (
    "Jobs that are already at Opus go on there, and may be charged: Opus documents no call that cancels them."
)


class Run(RunView):
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
        timeout_s: float = 30.0,
    ) -> None:
        about = book.record_of_run.about
        super().__init__(book, api, index=index, sheet=sheet)
        self._limits = limits or Limits.from_json(about.get("limits") or {})
        self._tally = self._new_tally({"invalid": book.counts().get("invalid", 0) if invalid is None else invalid})
        controls = Controls(
            pause=self.pause,
            resume=self.resume,
            cancel=self.cancel,
            retry_failed=self._retry_pressed,
            is_paused=lambda: self._runner.engine.paused or self._runner.engine.stopped,
            is_over=lambda: self._runner.is_over,
            rows=self._page,
            look_inside=lambda job_id: loop.start(fetch_progress, self._api, job_id),
            name=self.name,
        )
        self._display = open_display(progress, title=self.name, tally=self._tally, controls=controls)
        self._observers: list[Observer] = [self._tally]
        if self._display.observer is not None:
            self._observers.append(self._display.observer)
        self._timing = Timing(settle_s=settle_s, timeout_s=timeout_s)
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
            if run._runner.is_alive and run._book.ledger.folder == folder.resolve():
                run._runner.detach()

    def begin(self, lock: RunLock, rows: Iterator[SheetRow] | None = None) -> Run:
        """Start working and show the monitor in the current cell; ``lock`` must be taken already."""
        if rows is None:
            self._keep_to_recorded()
        known = self._book.has_work()
        self._shown_in = None  # what an earlier part of this cell has shown is over
        self._runner.begin(lock, rows)
        Run._live[_live_key(self._book)] = self
        if known:
            # Until the rows that earlier work is known of have been found, they would be shown as queued.
            with contextlib.suppress(TimeoutError):
                loop.wait_for(self._runner.taken_in(), timeout_s=LONGEST_LOOK_S)
            self._recall(self._tally)
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
        if (other := self._carried_by_another()) is not None:
            other.wait(for_people=for_people, timeout_s=timeout_s)
            return self
        over = self._runner.over(for_people=for_people)
        end = None if timeout_s is None else time.monotonic() + timeout_s
        interrupts = met = 0
        # An interrupt may come at any line, also while an earlier one is being met: each has its meaning.
        while True:
            try:
                while met < interrupts:
                    met += 1
                    self._meet_interrupt(met)
                if met < LETS_GO:
                    self._display.hold("wait")
                    with contextlib.suppress(TimeoutError):
                        left_s = None if end is None else max(0.0, end - time.monotonic())
                        loop.wait_for(over, timeout_s=left_s, meanwhile=pump)
                over.cancel()
                self._display.hold(None)
                self._display.paint_now()
                break
            except KeyboardInterrupt:
                interrupts += 1
            except BaseException:
                self._display.hold(None)
                raise
        self._raise_failure()
        return self

    def _meet_interrupt(self, number: int) -> None:
        if number < LETS_GO:
            self._runner.tell(self._runner.engine.stop_starting)
            say(
                "Interrupted: nothing more is submitted; the jobs at Opus are watched until they end. "
                "Interrupt again to let go of them, too. Afterwards run.resume() goes on with the rest, and "
                "run.cancel() gives it up."
            )
        elif number == LETS_GO:
            self.let_go()
        else:
            # Somebody is in a hurry: the run is being let go, and nobody waits for that.
            self._runner.detach(wait=False)
            self._say_let_go()

    def __await__(self) -> Generator[Any, None, Run]:
        """Wait without blocking the event loop; an interrupt lets go of the run (see `wait`)."""
        return self._wait_async().__await__()

    async def _wait_async(self) -> Run:
        if (other := self._carried_by_another()) is not None:
            await other
            return self
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

    def _carried_by_another(self) -> Run | None:
        """The object that works on this run now, when the same name was started or opened again since."""
        alive = Run.alive(self._book)
        return None if alive is self or self._runner.is_alive else alive

    def pause(self) -> str:
        """Start no more rows; those at Opus are watched on. ``resume()`` goes on."""
        if (other := self._carried_by_another()) is not None:
            return other.pause()
        if not self._runner.is_alive:
            return "Nothing is being submitted: nobody works on this run here. run.resume() goes on with it."
        self._runner.tell(self._runner.engine.pause)
        return "Paused: nothing more is submitted; jobs that are at Opus go on."

    def resume(self) -> str:
        """Start rows again, after a pause, an interrupt, or after the run had stopped by itself."""
        if (other := self._carried_by_another()) is not None:
            return other.resume()
        self._runner.wait_until_left()
        if self._runner.is_alive:
            self._runner.tell(self._runner.engine.resume)
        elif self.counts.drop(["completed", "failed", "cancelled", "timed_out", "invalid"], errors="ignore").sum():
            self.carry_on()
        else:
            return "Nothing is left to go on with: every row is at its end."
        return "Going on."

    def cancel(self) -> str:
        """Submit nothing more, and mark what never left as cancelled. Jobs at Opus are watched to their ends.

        Where nobody works on the run any more (it was interrupted, let go, or stopped by itself), the rows that are
        left are marked all the same, and nothing is sent.

        Returns
        -------
        str
            What was done, in words.

        Raises
        ------
        RunLocked
            Another process works on the run: cancel it there.
        """
        if (other := self._carried_by_another()) is not None:
            return other.cancel()
        if self._runner.is_alive:
            self._runner.cancel()
            return f"Cancelled: what had not left stays here. {NO_CANCEL_CALL}"
        lock = RunLock(self._book)
        lock.take()
        try:
            self._keep_to_recorded()
            self._runner = self._new_runner()
            number = self._runner.cancel_left()
        finally:
            lock.release()
        self._display.paint_now()
        if not number:
            return "Nothing was left to cancel: no row is queued."
        rows = "row that had" if number == 1 else "rows that had"
        at_opus = f" {NO_CANCEL_CALL}" if {"running", "waiting"} & set(self.counts.index) else ""
        return f"Cancelled: {number:,} {rows} not left will not be sent.{at_opus}"

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
        SchemaChanged
            The workflow was edited in a way that matters to these rows; plan the sheet anew.
        """
        positions = rows_to_retry(self.outcomes(with_texts=False), self._index, states, rows)
        if not positions:
            say("No row is in a state to be retried.")
            return self
        if self._guard(positions).new_names:
            # The engine at work still knows the names before.
            self._runner.detach()
        left = int(self.counts.get("queued", 0))
        opened = self._runner.retry(positions)
        if opened is None:
            opened = self.carry_on(guarded=True, retry=positions)
        self._say_retried(opened, left)
        return self

    def reconcile(self) -> pd.DataFrame:
        """Ask Opus about everything that is not certain, and print an account that adds up. Starts nothing.

        Asked are: every job that is not at its end, every uncertain row (is it running after all?), completed rows
        whose results or audit are missing, and the shells whose ids were lost (by the mark at the end of their
        titles, where Opus can be searched). What becomes known is written down: a row whose execute certainly never
        arrived is queued again, and ``run.resume()`` sends it.

        Returns
        -------
        DataFrame
            One row for each row of the sheet, each earlier attempt and each shell. ``kind`` (``row``, ``earlier
            row``, ``attempt``, ``shell``), ``row`` (index value, NA where there is none), ``job_id``, ``before`` and
            ``now`` (a name of ``run.counts``; of shells ``never executed`` or ``may exist``), ``word`` (what Opus
            said now, NA where it was not asked), ``note``.

        Raises
        ------
        RunLocked
            Another process works on the run: ask there.
        ServiceKeyRefused
        """
        lines = self._runner.reconcile() if self._runner.is_alive else None
        if lines is None:
            lock = RunLock(self._book)
            lock.take()
            try:
                self._runner = self._new_runner()
                lines = self._runner.reconcile() or []
            finally:
                lock.release()
        say(describe_account(self.name, lines))
        return account_frame(lines, self._label)

    @property
    def max_concurrency(self) -> int:
        """Rows at Opus at once. May be set while the run runs."""
        return self._limits.max_concurrency

    @max_concurrency.setter
    def max_concurrency(self, number: int) -> None:
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise SettingsError(
                "max_concurrency must be a whole number from 1",
                where=f"max_concurrency={number!r}",
                next_step="As in run.max_concurrency = 20; run.pause() starts no more rows at all.",
            )
        self._limits.max_concurrency = number
        self._runner.tell(lambda: self._runner.engine.set_max_concurrency(number))

    # -- inside -----------------------------------------------------------------------------------------

    def _new_runner(self) -> Runner:
        return Runner(
            self._book,
            self._api,
            limits=self._limits,
            observers=self._observers,
            timing=self._timing,
            on_stop=say,
        )

    def carry_on(self, *, guarded: bool = False, start_rows: bool = True, retry: Sequence[int] = ()) -> int:
        """Work on what is left of the run, in this process; see ``opus.open_run``.

        Parameters
        ----------
        guarded : bool
            The workflow was compared with the run already.
        start_rows : bool
            False only watches what is at Opus.
        retry : sequence of int
            Positions of rows that get a new attempt first.

        Returns
        -------
        int
            How many rows got a new attempt.

        Raises
        ------
        RunLocked
            Another process works on it.
        SchemaChanged
            Rows that were not sent yet were checked for a workflow that has changed. Nothing was sent.
        """
        lock = RunLock(self._book)
        lock.take()
        try:
            if start_rows and not guarded:
                self._guard(None)
            self._runner = self._new_runner()
            is_held = not start_rows or bool(retry and self.counts.get("queued", 0))
            opened = self._runner.reopen(retry) if retry else 0
            if is_held:
                self._runner.engine.stop_starting()
            self._runner.engine.again = frozenset(retry)
            self.begin(lock)
            return opened
        except BaseException:
            lock.release()
            raise

    def _guard(self, positions: list[int] | None) -> Drift:
        drift = guard_book(self._book, self._api, positions)
        if drift.changes:
            say(drift.sentence)
        return drift

    def let_go(self) -> None:
        """Stop working on the run in this process; its jobs go on at Opus, and `open_run` continues."""
        self._runner.detach()
        self._say_let_go()

    def _retry_pressed(self) -> str:
        self.retry()
        return (
            "Queued to be sent again; Resume sends." if self._runner.engine.paused else "Sent again, each as a new job."
        )

    def _fetch_audits(self) -> None:
        loop.call(self._runner.fetch_missing_audits)

    def _raise_failure(self) -> None:
        failure = self._runner.failure()
        if failure is not None:
            say(f"The run stopped by itself; nothing is lost. run.resume() or opus.open_run({self.name!r}) continues.")
            raise failure


def _live_key(book: Book) -> str:
    return f"{book.ledger.path}|{book.record_of_run.uid}"
