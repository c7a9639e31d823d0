"""From the recorded sheet to rows that the engine can work on, in the order of the sheet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from opus_nb.batch.book import Book, KnownJob, SheetRow
from opus_nb.batch.entry import Entry
from opus_nb.batch.identity import Identities
from opus_nb.errors import OpusError
from opus_nb.job import PlannedRow, RowState

__all__ = ["Intake", "known_entry"]

# Rows that are looked at together; each change of threads costs as much as some rows.
AT_A_TIME = 32


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
        self._loading = asyncio.Lock()
        self._ahead: dict[int, SheetRow] = {}
        self._last_read = -1

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

    async def load(self, entry: Entry) -> PlannedRow:
        """What is to be sent for a row."""
        async with self._loading:
            row = self._ahead.pop(entry.position, None)
            if row is None:
                row = await asyncio.to_thread(self._read, entry.position)
        return PlannedRow(row.position, entry.key, row.inputs or {}, row.title, row.description, row.initiate)

    def _read(self, position: int) -> SheetRow:
        """One row, and where rows go in the order of the sheet, some of those that follow."""
        follows, self._last_read = position > self._last_read, position
        if not follows:
            return self._book.row_at(position)
        found = {row.position: row for row in self._book.rows_after(position - 1, AT_A_TIME)}
        row = found.pop(position, None) or self._book.row_at(position)
        # What has no identity yet will be written anew, with the hashes of its files.
        self._ahead = {each.position: each for each in found.values() if each.key is not None}
        self._last_read = max(self._ahead, default=position)
        return row

    async def _identify(self, chunk: list[SheetRow]) -> list[Entry]:
        keys: dict[int, str] = {}
        spoilt: list[Entry] = []
        fresh: list[tuple[int, str, Mapping[str, Any]]] = []
        sendable = [row for row in chunk if row.problem is None and row.inputs is not None]
        # Files are read for it, so in a thread; some rows at a time, so that it can be given up.
        for start in range(0, len(sendable), AT_A_TIME):
            some = sendable[start : start + AT_A_TIME]
            for row, found in zip(some, await asyncio.to_thread(self._keys, some), strict=True):
                if isinstance(found, OpusError):
                    # It was there when it was checked.
                    await self._book.keep_problem(row.position, str(found))
                    entry = Entry(row.position, "", state=RowState.INVALID)
                    entry.error = str(found)
                    spoilt.append(entry)
                    continue
                keys[row.position], inputs = found
                if inputs is not None:
                    fresh.append((row.position, keys[row.position], inputs))
        if fresh:
            await self._book.keep_keys(fresh)
        known = await asyncio.to_thread(self._book.known_jobs, keys.values())
        return spoilt + [known_entry(position, key, known.get(key)) for position, key in keys.items()]

    def _keys(self, rows: list[SheetRow]) -> list[tuple[str, Mapping[str, Any] | None] | OpusError]:
        """For each row its identity, and its inputs with the hashes of their files where it had no identity yet."""
        found: list[tuple[str, Mapping[str, Any] | None] | OpusError] = []
        for row in rows:
            if row.key is not None:
                # Its files may be gone by now; who it is was settled when they were there.
                self._identities.recall(row.key)
                found.append((row.key, None))
                continue
            try:
                found.append(self._identities.key(row.inputs or {}))
            except OpusError as error:
                found.append(error)
        return found


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
