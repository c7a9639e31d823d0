"""Shells: jobs that were made and not executed. Whose they are, and which of them nobody will ever use."""

from __future__ import annotations

from collections.abc import Iterable

from opus_nb.batch.entry import Entry
from opus_nb.errors import NotFound, OpusError, ReplyUnreadable, RequestRefused
from opus_nb.job import Journal, PlannedRow
from opus_nb.service.api import JobApi

__all__ = ["Shells"]


class Shells:
    """Gives shells their titles, finds lost ones by them, and sees to it that no id serves two rows.

    Parameters
    ----------
    api : JobApi
    journal : Journal
        Remembers the orphans.
    marker : str
        The run's short id; it begins the mark at the end of every title.
    known : iterable of str
        Every job id that the ledger holds for this run.
    """

    def __init__(self, api: JobApi, journal: Journal, *, marker: str, known: Iterable[str] = ()) -> None:
        self._api = api
        self._journal = journal
        self._marker = marker
        self._known = set(known)
        self._search_absent = False

    def mark(self, key: str, attempt: int) -> str:
        """What ends the title of this row's job: run, row and attempt.

        Twelve digits of the row's identity: with eight, two of a hundred thousand rows would share one.
        """
        digest, _, occurrence = key.partition(".")
        return f"[{self._marker}-{digest[:12]}{'.' + occurrence if occurrence else ''}-{attempt}]"

    def title(self, entry: Entry, row: PlannedRow) -> str:
        """The title as Opus gets it: the person's, and the mark."""
        return f"{row.title} {self.mark(entry.key, entry.attempt)}".strip()

    def claim(self, job_id: str) -> None:
        """Take an id for one row.

        Raises
        ------
        ReplyUnreadable
            Another row has it already. Executing it again could pay twice, and mixes two rows' results.
        """
        if job_id in self._known:
            raise ReplyUnreadable(
                "Opus answered with the id of another job of this run",
                where=f"job {job_id}",
                next_step="It was not used for this row.",
            )
        self._known.add(job_id)

    async def recover(self, entry: Entry, row: PlannedRow) -> str | None:
        """Find the shell whose id got lost, or note that there may be one that nobody will use.

        All shells with this mark are inert: had one been executed, its id would be in the ledger. So any of
        them will do, and the others are orphans.
        """
        found = await self.find_unclaimed(self.mark(entry.key, entry.attempt))
        title = self.title(entry, row)
        for orphan in found[1:]:
            self._known.add(orphan)
            await self._journal.keep_orphan(entry.key, entry.attempt, title, orphan)
        if not found:
            await self._journal.keep_orphan(entry.key, entry.attempt, title, None)
            return None
        self._known.add(found[0])
        return found[0]

    async def find_unclaimed(self, mark: str) -> list[str]:
        """Search for jobs by their mark, and leave out those that are known."""
        return [each for each in await self.find(mark) if each not in self._known]

    async def find(self, mark: str) -> list[str]:
        """Search for jobs by their mark; empty where nothing can be searched or Opus is in trouble."""
        if self._search_absent:
            return []
        try:
            return await self._api.find_jobs(mark)
        except (NotFound, RequestRefused):
            # Not here, or not with this key; it is not asked for again.
            self._search_absent = True
        except OpusError:
            return []
        return []
