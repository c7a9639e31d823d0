"""From the recorded sheet to rows that the engine can work on, in the order of the sheet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from opus_nb.batch.book import Book, KnownJob, SheetRow
from opus_nb.batch.entry import Entry
from opus_nb.batch.identity import Identities
from opus_nb.errors import OpusError
from opus_nb.job import PlannedRow, RowState

__all__ = ["Intake", "known_entry"]


class Intake:
    """Reads the sheet from the ledger, gives each row its identity, and finds what is known of it.

    Parameters
    ----------
    book : Book
    identities : Identities
    is_recorded : callable
        True once the whole sheet is in the ledger.
    more : asyncio.Event
        Set whenever further rows have been recorded.
    """

    def __init__(
        self, book: Book, identities: Identities, *, is_recorded: Callable[[], bool], more: asyncio.Event
    ) -> None:
        self._book = book
        self._identities = identities
        self._is_recorded = is_recorded
        self._more = more

    async def entries(self) -> AsyncIterator[Entry]:
        """One `Entry` for each row that can be sent, with what earlier processes did for it."""
        position = -1
        while True:
            complete = self._is_recorded()
            self._more.clear()
            chunk = await asyncio.to_thread(self._book.rows_after, position)
            for entry in await self._identify(chunk):
                yield entry
            if chunk:
                position = chunk[-1].position
            elif complete:
                return
            else:
                await self._more.wait()

    def load(self, entry: Entry) -> PlannedRow:
        """What is to be sent for a row."""
        row = self._book.row_at(entry.position)
        return PlannedRow(row.position, entry.key, row.inputs or {}, row.title, row.description)

    async def _identify(self, chunk: list[SheetRow]) -> list[Entry]:
        keys: dict[int, str] = {}
        spoilt: list[Entry] = []
        fresh = []
        for row in chunk:
            if row.problem is not None or row.inputs is None:
                continue
            if row.key is not None:
                # Its files may be gone by now; who it is was settled when they were there.
                self._identities.recall(row.key)
                keys[row.position] = row.key
                continue
            try:
                key, inputs = await asyncio.to_thread(self._identities.key, row.inputs)
            except OpusError as error:
                # It was there when it was checked.
                await self._book.keep_problem(row.position, str(error))
                entry = Entry(row.position, "", state=RowState.INVALID)
                entry.error = str(error)
                spoilt.append(entry)
                continue
            keys[row.position] = key
            fresh.append((row.position, key, inputs))
        if fresh:
            await self._book.keep_keys(fresh)
        known = await asyncio.to_thread(self._book.known_jobs, keys.values())
        return spoilt + [known_entry(position, key, known.get(key)) for position, key in keys.items()]


def known_entry(position: int, key: str, known: KnownJob | None) -> Entry:
    """A row with what earlier processes did for it."""
    entry = Entry(position, key)
    if known is None:
        return entry
    entry.attempt, entry.state = known.attempt, known.state
    entry.job_id, entry.word, entry.error = known.job_id, known.word, known.error
    entry.acked_at, entry.still_going_at, entry.sent_at = known.acked_at, known.still_going_at, known.sent_at
    # Died between the intent to execute and its acknowledgement: Opus has to be asked.
    entry.in_doubt = known.state is RowState.EXECUTING
    return entry
