"""A run at work: book, engine and lock put together, and handles that may be used from any thread."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from opus_nb import loop
from opus_nb.batch.book import Book, SheetRow
from opus_nb.batch.collecting import Collector
from opus_nb.batch.engine import Engine
from opus_nb.batch.entry import Entry, Reporter
from opus_nb.batch.history import read_past
from opus_nb.batch.identity import Identities
from opus_nb.batch.intake import Intake, known_entry
from opus_nb.batch.lock import RunLock
from opus_nb.batch.polling import PollSchedule
from opus_nb.batch.protocol import RowProtocol
from opus_nb.batch.reconciling import AccountLine, Reconciler
from opus_nb.batch.shells import Shells
from opus_nb.batch.stopping import Limits, describe_shared
from opus_nb.batch.timing import Timing
from opus_nb.batch.uploads import Uploads
from opus_nb.batch.witnesses import Witnesses
from opus_nb.errors import OpusError, RunHalted, RunLocked
from opus_nb.job import Observer
from opus_nb.service.api import InitiateParameters, JobApi
from opus_nb.service.audits import shorten_audit
from opus_nb.service.schema import Schema

__all__ = ["Runner"]

# So many rows are compared with each other when a run stops because too many failed alike.
COMPARED = 200
# How long a sheet may take to be written down when its run is let go.
RECORDING_GRACE_S = 12.0
# Who presses Cancel has an answer after this time at the latest.
CANCEL_ANSWER_S = 0.8


class Runner:
    """Works on one run until its rows are at their ends.

    What is to be done is read from the book, so that a runner in a new process continues where another
    one died.

    Parameters
    ----------
    book : Book
        Its ``about`` holds: ``inputs`` (schema as JSON), ``parameters`` (of initiate), ``workspace_id``,
        ``access_scope``, ``version``, ``names``, ``fetch_audit``, ``time_s``, ``fresh_word``.
    api : JobApi
    limits : Limits
    observers : sequence of Observer
    timing : Timing, optional
    schedule : PollSchedule, optional
        When to ask after jobs; None learns from the ledger.
    on_stop : callable, optional
        Told in words when the run stops starting rows because too many failed alike.
    """

    def __init__(
        self,
        book: Book,
        api: JobApi,
        *,
        limits: Limits,
        observers: Sequence[Observer] = (),
        timing: Timing | None = None,
        schedule: PollSchedule | None = None,
        on_stop: Callable[[str], None] = lambda why: None,
    ) -> None:
        record = book.record_of_run
        about = record.about
        self.book = book
        self.api = api
        self.stop_reason: str | None = None
        self._lock: RunLock | None = None
        self._recorded = True
        self._more = asyncio.Event()
        self._future: Future[None] | None = None
        self._leaving: Future[None] | None = None
        self._on_stop = on_stop
        timing = timing or Timing()
        self._reporter = Reporter(book, observers)
        identities = Identities(record.workflow_id, about.get("version"), about.get("names") or {}, book)
        self._intake = Intake(book, identities, is_recorded=lambda: self._recorded, more=self._more)
        inputs = Schema.from_json(about["inputs"])
        parameters = InitiateParameters(**about["parameters"])
        self._names = {each.variable_name: each.display_name or each.variable_name for each in inputs}
        self._collector = Collector(
            api, self._reporter, inputs=inputs, fetch_audit=bool(about.get("fetch_audit", True)), timing=timing
        )
        self._protocol = RowProtocol(
            api,
            self._reporter,
            Uploads(
                api,
                book,
                workflow_id=record.workflow_id,
                workspace_id=about.get("workspace_id"),
                access_scope=about.get("access_scope") or "workspace",
                base_url=api.wire.base_url,
            ),
            shells=Shells(api, book, marker=record.uid, known=book.job_ids()),
            witnesses=Witnesses(
                api,
                fresh_word=about.get("fresh_word"),
                remember=lambda word: book.keep_about(fresh_word=word),
                stores_inputs=bool(parameters.initial_input),
            ),
            inputs=inputs,
            parameters=parameters,
            load=self._intake.load,
            timing=timing,
            may_execute=self._may_execute,
        )
        self.engine = Engine(
            self._protocol,
            self._collector,
            self._reporter,
            schedule=schedule
            or PollSchedule(read_past(book.ledger, record.workflow_id), expected_s=about.get("time_s")),
            limits=limits,
            executed=book.executed(),
            on_stop=self._explain_stop,
        )

    # -- from any thread --------------------------------------------------------------------------------

    def begin(self, lock: RunLock, rows: Iterator[SheetRow] | None = None) -> None:
        """Start working; returns at once.

        Parameters
        ----------
        lock : RunLock
            Taken already; given back when the work ends.
        rows : iterator of SheetRow, optional
            A sheet to be recorded first; None works on the one that is recorded.
        """
        self._lock = lock
        self._recorded = rows is None
        lock.on_lost(self._lose)
        self._future = loop.start(self._main, rows)

    def _lose(self) -> None:
        """Somebody else took the run: whatever we would send now could be sent twice."""
        error = RunLocked(
            "Another process has taken over this run: this one could not renew its right to it in time",
            where=self.book.record_of_run.name,
            next_step="Go on there; or restart that kernel, and open the run here again.",
        )

        async def halt() -> None:
            self.engine.halt(error)

        loop.start(halt)

    @property
    def is_alive(self) -> bool:
        """True until every row is at its end, or the run was let go or has halted."""
        return self._future is not None and not self._future.done()

    @property
    def is_over(self) -> bool:
        """True when waiting would return at once."""
        return not self.is_alive or self.engine.is_over

    def wait_until_left(self) -> None:
        """Return when a letting go that has begun is done; at once where nobody lets go."""
        if self._leaving is not None:
            self._wait_for_end()

    def over(self, *, for_people: bool = False) -> Future[None]:
        """Return a future that is done when the run is over; see ``Run.wait``."""
        return loop.start(self._until_over, for_people)

    def taken_in(self) -> Future[None]:
        """Return a future that is done when everything known of the rows has been found."""
        return loop.start(self._until_taken_in)

    def failure(self) -> BaseException | None:
        """Return what stopped the run by itself; None when nothing did."""
        halted = self.engine.halted
        if halted is not None and not isinstance(halted, RunHalted):
            return halted
        if self._future is not None and self._future.done() and not self._future.cancelled():
            return self._future.exception()
        return None

    def tell(self, action: Callable[[], Any]) -> None:
        """Run something on the engine's thread and wait for it; nothing when the run is not at work."""
        if self.is_alive:
            loop.call(_call, action)

    def cancel(self) -> None:
        """See `Engine.cancel`; nothing when the run is not at work. The marks of very many rows follow."""
        if self.is_alive:
            marking = loop.start(self.engine.cancel)
            with contextlib.suppress(TimeoutError):
                loop.wait_for(marking, timeout_s=CANCEL_ANSWER_S)

    def cancel_left(self) -> int:
        """Mark what never left as cancelled, where nobody works on the run; return how many rows those are.

        For a runner that has not begun, while the caller holds the run's lock.
        """
        return loop.call(self._cancel_left)

    def retry(self, positions: Iterable[int]) -> int | None:
        """See `Engine.retry`; None where nobody is at work any more, and the lock is free by then."""
        if not self.is_alive:
            return None
        opened = loop.call(self.engine.retry, list(positions))
        if opened is None:
            self._wait_for_end()
        return opened

    def reconcile(self) -> list[AccountLine] | None:
        """Ask Opus about everything that is not certain; see `Reconciler.run`.

        For a runner that is at work, and for one that has not begun, while the caller holds the run's lock. None
        where nobody is at work any more, and the lock is free by then.
        """
        lines = loop.call(self._reconcile)
        if lines is None:
            self._wait_for_end()
        return lines

    def _wait_for_end(self) -> None:
        if self._future is not None:
            with contextlib.suppress(Exception):
                loop.wait_for(self._future)

    def reopen(self, positions: Iterable[int]) -> int:
        """Open new attempts in the ledger, for a runner that has not begun, while the caller holds the run's lock."""
        return loop.call(self._reopen, list(positions))

    def detach(self, *, wait: bool = True) -> None:
        """Let go of the run; an interrupt while waiting does not take that back.

        Parameters
        ----------
        wait : bool
            True returns when nothing is under way any more and the lock is free; False returns at once.
        """
        if self._future is None:
            return
        if self._leaving is None and not self._future.done():
            self._leaving = loop.start(self.engine.detach)
        if wait:
            with contextlib.suppress(Exception):
                loop.wait_for(self._future, timeout_s=20.0)

    # -- on the background loop -------------------------------------------------------------------------

    def _may_execute(self, entry: Entry) -> bool:
        engine = self.engine
        is_held = engine.stopped and not entry.again
        return not (engine.cancelled or is_held or engine.closed or engine.halted is not None)

    async def _main(self, rows: Iterator[SheetRow] | None) -> None:
        recording = asyncio.ensure_future(self._record(rows))
        try:
            await self.engine.run(self._intake.entries())
            if self.engine.halted is None:
                await recording
        finally:
            if isinstance(self.engine.halted, RunHalted):
                # Let go by a person: what is not written down could not be gone on with.
                await asyncio.wait({recording}, timeout=RECORDING_GRACE_S)
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)
            # What was handed to the disk and not waited for must be there before somebody else writes.
            landed = asyncio.ensure_future(self.book.ledger.write_group([]))
            await asyncio.wait({landed}, timeout=RECORDING_GRACE_S)
            landed.cancel()
            await asyncio.gather(landed, return_exceptions=True)
            if self._lock is not None:
                self._lock.release()

    async def _record(self, rows: Iterator[SheetRow] | None) -> None:
        if rows is None:
            return
        try:
            await self.book.record_sheet(rows, self._more.set)
            self._recorded = True
        except Exception as error:
            self.engine.halt(error)
        finally:
            self._more.set()

    async def _until_taken_in(self) -> None:
        if self.is_alive:
            await self.engine.wait(lambda: not self.engine.is_taking_in or self.engine.halted is not None)

    async def _until_over(self, for_people: bool) -> None:
        if not self.is_alive:
            return
        if not for_people:
            await self.engine.wait(lambda: self.engine.is_over)
        future = self._future
        if future is not None and (for_people or self.engine.halted is not None or self.engine.is_done):
            # The lock is free and everything is written when this is done.
            await asyncio.wait([asyncio.wrap_future(future)])

    async def _cancel_left(self) -> int:
        self.engine.cancelled = True
        number = 0
        async for entry in self._intake.entries():
            if entry.state.count_name == "queued":
                await self.engine.take_up(entry)
                number += 1
        return number

    async def _reopen(self, positions: list[int]) -> int:
        keys = self.book.keys()
        known = self.book.known_jobs(keys[each] for each in positions if each in keys)
        for position in positions:
            job = known.get(keys.get(position, ""))
            if job is not None:
                await self._protocol.open_attempt(known_entry(position, job.key, job))
        return len(known)

    def _explain_stop(self, signature: tuple[str, str], positions: list[int]) -> None:
        """Say what failed alike, and what the rows that did have in common."""
        node, message = signature
        where = f"at {node!r}" if node else "in the same way"
        done = [each.position for each in self.book.page("completed", 0, COMPARED)]
        shared = describe_shared(
            [self._named_inputs(each) for each in positions[:COMPARED]], [self._named_inputs(each) for each in done]
        )
        self.stop_reason = (
            f"Stopped: {len(positions)} rows failed {where}: {message} "
            f"(rows {', '.join(str(self._label(each)) for each in positions[:8])}). {shared} "
            "Nothing more is started; jobs at Opus go on. run.resume() goes on all the same."
        )
        self._on_stop(self.stop_reason)

    def _named_inputs(self, position: int) -> dict[str, Any]:
        inputs = self.book.row_at(position).inputs or {}
        return {self._names.get(name, name): value for name, value in inputs.items()}

    def _label(self, position: int) -> Any:
        return json.loads(self.book.row_at(position).label)

    async def _reconcile(self) -> list[AccountLine] | None:
        at_work = self._future is not None
        # While it is asked, the last job may end; what is found out then still needs somebody to look after it.
        with self.engine.kept_open() as is_open:
            if at_work and not is_open:
                return None
            return await Reconciler(
                self.book,
                self._protocol,
                self._collector,
                self._reporter,
                engine=self.engine if at_work else None,
            ).run()

    async def fetch_missing_audits(self) -> None:
        """Fetch the audits of ended jobs that have none in the ledger yet; best effort."""
        keys = self.book.keys()
        missing = [
            (keys[each.position], each.job_id)
            for each in self.book.outcomes()
            if each.audit is None and each.job_id is not None and each.state.is_final and each.position in keys
        ]
        places = asyncio.Semaphore(16)

        async def fetch(key: str, job_id: str) -> None:
            async with places:
                with contextlib.suppress(OpusError):
                    found: Mapping[str, Any] | None = await self.api.fetch_audit(job_id)
                    if found is not None:
                        await self.book.keep_audit(key, json.dumps(shorten_audit(found), ensure_ascii=False))

        await asyncio.gather(*(fetch(key, job_id) for key, job_id in missing))


async def _call(action: Callable[[], Any]) -> None:
    action()
