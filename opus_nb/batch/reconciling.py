"""Asking Opus about everything that is not certain, so that the account adds up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass

from opus_nb.batch.book import Book
from opus_nb.batch.collecting import Collector
from opus_nb.batch.engine import Engine
from opus_nb.batch.entry import Entry, Reporter
from opus_nb.batch.intake import known_entry
from opus_nb.batch.pages import Orphan
from opus_nb.batch.protocol import RowProtocol
from opus_nb.errors import OpusError, ServiceKeyRefused
from opus_nb.job import JobState, RowState

__all__ = ["AccountLine", "Reconciler", "describe_account"]

ASKED_AT_ONCE = 16
# A doubtful row is asked after so often here; a person can ask again.
ASKS = 2


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One job, or one row that has none, or one shell that may exist.

    Attributes
    ----------
    kind : str
        ``row`` (the latest attempt of a row of the sheet), ``earlier row`` (of a sheet before), ``attempt`` (an
        earlier one, whose row was retried) or ``shell`` (made, or perhaps made, and never executed).
    position : int or None
    job_id : str or None
    before, now : str
        Count names before and after the question; of shells ``never executed`` or ``may exist``.
    word : str or None
        What Opus said now; None where it was not asked.
    note : str or None
    """

    kind: str
    position: int | None
    job_id: str | None
    before: str
    now: str
    word: str | None = None
    note: str | None = None


class Reconciler:
    """Asks about every id that is not at its end, every doubt, every gap and every shell of one run.

    Parameters
    ----------
    book : Book
    protocol : RowProtocol
    collector : Collector
    reporter : Reporter
    engine : Engine, optional
        The engine, where it is at work on this run; rows that turn out to be under way are handed to it.
    """

    def __init__(
        self,
        book: Book,
        protocol: RowProtocol,
        collector: Collector,
        reporter: Reporter,
        *,
        engine: Engine | None = None,
    ) -> None:
        self._book = book
        self._protocol = protocol
        self._collector = collector
        self._reporter = reporter
        self._engine = engine
        self._places = asyncio.Semaphore(ASKED_AT_ONCE)

    async def run(self) -> list[AccountLine]:
        """Ask, write down what became known, and return a line for everything that the run ever had.

        Starts nothing. A row whose execute certainly never arrived becomes queued again.

        Raises
        ------
        ServiceKeyRefused
        """
        work: list[Awaitable[AccountLine]] = []
        for position, job in self._book.positions_with_jobs():
            entry = None if self._engine is None or position is None else self._engine.ended_at(position)
            entry = entry or known_entry(-1 if position is None else position, job.key, job)
            work.append(self._bounded(self._row("row" if position is not None else "earlier row", entry, position)))
        for job_id, state in self._book.earlier_attempts():
            work.append(self._bounded(self._attempt(job_id, state)))
        work.extend(self._bounded(self._shell(orphan)) for orphan in self._book.orphans())
        if self._engine is not None:
            self._engine.attendance.watch.hurry()
        lines = list(await asyncio.gather(*work))
        with_jobs = {line.position for line in lines if line.kind == "row"}
        for outcome in self._book.outcomes(with_texts=False):
            if outcome.position not in with_jobs:
                name = outcome.state.count_name
                lines.append(AccountLine("row", outcome.position, None, name, name, note=outcome.error))
        return sorted(lines, key=lambda line: (_KINDS.index(line.kind), line.position or 0, line.job_id or ""))

    async def _bounded(self, work: Awaitable[AccountLine]) -> AccountLine:
        async with self._places:
            return await work

    async def _row(self, kind: str, entry: Entry, position: int | None) -> AccountLine:
        before = entry.state
        word: str | None = None
        note: str | None = None
        try:
            if self._is_the_engines(position):
                # It looks after the row, and was just told to hurry; here it is only asked after.
                if before.is_live and entry.job_id is not None:
                    word, note = (await self._protocol.api.fetch_status(entry.job_id)).word, "is being watched"
            elif before in _DOUBTFUL and entry.job_id is not None:
                word, note = await self._doubtful(entry)
            elif before.is_live and entry.job_id is not None:
                word, note = await self._under_way(entry)
            elif before is RowState.COMPLETED and entry.job_id is not None:
                word, note = await self._gaps(entry)
        except ServiceKeyRefused:
            raise
        except OpusError as error:
            note = f"could not be asked: {error.came_back or error.what}"
        return AccountLine(
            kind, position, entry.job_id, before.count_name, entry.state.count_name, word, note or entry.error
        )

    def _is_the_engines(self, position: int | None) -> bool:
        return self._engine is not None and position is not None and self._engine.ended_at(position) is None

    async def _doubtful(self, entry: Entry) -> tuple[str | None, str | None]:
        """The answer to its execute was lost: hear the witnesses again."""
        assert entry.job_id is not None
        inputs = bool(await self._protocol.inputs_of(entry)) if entry.position >= 0 else False
        attempt, before = entry.attempt, entry.state
        testimony = await self._protocol.hear_out(entry.job_id, sends_inputs=inputs, asks=ASKS)
        if (entry.attempt, entry.state) != (attempt, before):
            return None, "was sent anew meanwhile"
        if testimony.started is None:
            return None, testimony.heard
        if testimony.started:
            since = entry.sent_at or self._reporter.now()
            await self._reporter.move(entry, RowState.RUNNING, acked_at=since, error=None)
            return await self._under_way(entry)
        if before is RowState.EXECUTING:
            # Whoever sent it gave it up or died, and it may arrive yet. Going on waits for that, and asks again.
            return None, "not started so far; its execute may still arrive, which run.resume() waits for"
        await self._reporter.move(entry, RowState.INITIATED, error=None)
        await self._hand_over(entry)
        return None, "it never started, and is queued again"

    async def _under_way(self, entry: Entry) -> tuple[str | None, str | None]:
        assert entry.job_id is not None
        state = await self._protocol.api.fetch_status(entry.job_id)
        if entry.acked_at is None:
            entry.acked_at = entry.sent_at or self._reporter.now()
        if state.is_end:
            await self._collector.collect(entry, state)
        else:
            target = RowState.WAITING if state.name == "waiting" else RowState.RUNNING
            await self._reporter.move(entry, target, word=state.word, error=None)
            await self._hand_over(entry)
        return state.word, None

    async def _hand_over(self, entry: Entry) -> None:
        # What belongs to an earlier sheet is nobody's row any more: it is only accounted for.
        if self._engine is not None and entry.position >= 0:
            await self._engine.take_up(entry)

    async def _gaps(self, entry: Entry) -> tuple[str | None, str | None]:
        """Fetch the results and the audit of a completed row, where they are not here."""
        missing = self._book.missing_texts(entry.key)
        if not missing:
            return None, None
        await self._collector.fill(entry, missing)
        still = self._book.missing_texts(entry.key)
        gained = [each for each in missing if each not in still]
        return None, f"fetched now: {', '.join(gained)}" if gained else f"still missing: {', '.join(still)}"

    async def _attempt(self, job_id: str, state: RowState) -> AccountLine:
        """An attempt that was given up for a new one; its end changes nothing, but may be charged."""
        word: str | None = None
        note: str | None = None
        if not state.is_final or state is RowState.UNCERTAIN:
            word, note = await self._ask(job_id)
        return AccountLine("attempt", None, job_id, state.count_name, state.count_name, word, note)

    async def _shell(self, orphan: Orphan) -> AccountLine:
        job_id, word, note = orphan.job_id, None, None
        if job_id is None:
            found = await self._protocol.shells.find_unclaimed(orphan.title.rsplit(" ", 1)[-1])
            note = found.silence or "Opus finds none by its mark"
            if found.ids:
                job_id = found.ids[0]
                self._protocol.shells.claim(job_id)
                await self._book.resolve_orphan(orphan.number, job_id)
        if job_id is not None:
            word, note = await self._ask(job_id)
        before = "may exist" if orphan.job_id is None else "never executed"
        return AccountLine(
            "shell", None, job_id, before, "may exist" if job_id is None else "never executed", word, note
        )

    async def _ask(self, job_id: str) -> tuple[str | None, str | None]:
        try:
            state: JobState = await self._protocol.api.fetch_status(job_id)
        except ServiceKeyRefused:
            raise
        except OpusError as error:
            return None, f"could not be asked: {error.came_back or error.what}"
        return state.word, None


def describe_account(name: str, lines: Sequence[AccountLine]) -> str:
    """Say in a few sentences, whose numbers add up, what is known of a run."""
    by_kind = {kind: [line for line in lines if line.kind == kind] for kind in _KINDS}
    rows = by_kind["row"]
    states = Counter(line.now for line in rows)
    said = [f"Run {name!r}: {len(rows)} rows = {_sum(states)}."]
    asked = [line for line in lines if line.kind != "shell" and (line.word is not None or line.note is not None)]
    changed = Counter(f"{line.before} → {line.now}" for line in rows if line.before != line.now)
    if changed:
        said.append(f"Changed by asking now: {_sum(changed)}.")
    elif asked:
        said.append("Asking changed nothing.")
    if older := by_kind["attempt"] + by_kind["earlier row"]:
        ended = Counter(line.word or line.now for line in older)
        said.append(f"Jobs of earlier attempts and sheets: {len(older)} = {_sum(ended)}.")
    if shells := by_kind["shell"]:
        said.append(f"Shells that were never executed, and cost nothing: {len(shells)} = {_sum(_now(shells))}.")
    return " ".join(said)


def _now(lines: Sequence[AccountLine]) -> Counter[str]:
    return Counter("found at Opus" if line.now == "never executed" else line.now for line in lines)


def _sum(parts: Mapping[str, int]) -> str:
    return " + ".join(f"{number} {name}" for name, number in parts.items()) or "0"


_KINDS = ("row", "earlier row", "attempt", "shell")
_DOUBTFUL = frozenset({RowState.UNCERTAIN, RowState.EXECUTING})
