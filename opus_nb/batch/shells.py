"""Shells: jobs that were made and not executed. Whose they are, and which of them nobody will ever use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from opus_nb.batch.entry import Entry
from opus_nb.errors import OpusError, RateLimited, ReplyUnreadable, RequestRefused
from opus_nb.job import Journal, PlannedRow, RowState
from opus_nb.service.api import JobApi

__all__ = ["Found", "Shells"]

NO_SEARCH = "this Opus cannot be searched, so whether it is there cannot be told"


class Found(NamedTuple):
    """What a search for jobs by their mark brought.

    Attributes
    ----------
    ids : list of str
    silence : str or None
        Why nothing was heard, for a person; None where Opus answered, so that no ids mean that it found none.
    """

    ids: list[str]
    silence: str | None = None


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
        self._silence: str | None = None

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
                came_back=f"the new job's id is {job_id}",
                next_step="It was not used for this row, so nothing is paid for twice; run.retry() asks for a new job.",
            )
        self._known.add(job_id)

    async def recover(self, entry: Entry, row: PlannedRow) -> str | None:
        """Find the shell whose id got lost, or note that there may be one that nobody will use.

        All shells with this mark are inert: had one been executed, its id would be in the ledger. So any of
        them will do, and the others are orphans. None found proves nothing, whether Opus was silent or its search
        lags behind: then there may be an orphan, which costs nothing, and the row gets another shell.
        """
        found = (await self.find_unclaimed(self.mark(entry.key, entry.attempt))).ids
        title = self.title(entry, row)
        for orphan in found[1:]:
            self._known.add(orphan)
            await self._journal.keep_orphan(entry.key, entry.attempt, title, orphan)
        if not found:
            await self._journal.keep_orphan(entry.key, entry.attempt, title, None)
            return None
        self._known.add(found[0])
        return found[0]

    async def leave(self, entry: Entry) -> None:
        """The shell that was, or may have been, made for a row will never be executed; it stays and costs nothing."""
        if entry.job_id is not None or entry.state is RowState.INITIATING:
            title = "" if entry.job_id is not None else self.mark(entry.key, entry.attempt)
            await self._journal.keep_orphan(entry.key, entry.attempt, title, entry.job_id)

    async def find_unclaimed(self, mark: str) -> Found:
        """Search for jobs by their mark, and leave out those that are known."""
        found = await self.find(mark)
        return found._replace(ids=[each for each in found.ids if each not in self._known])

    async def find(self, mark: str) -> Found:
        """Search for jobs by their mark."""
        if self._silence is not None:
            return Found([], self._silence)
        try:
            ids = await self._api.find_jobs(mark)
        except RequestRefused as error:
            silence = f"the search could not be asked ({error.came_back or error.what})"
            if not isinstance(error, RateLimited):
                # Not with this key; it is not asked for again.
                self._silence = silence
            return Found([], silence)
        except OpusError as error:
            return Found([], f"the search could not be asked ({error.came_back or error.what})")
        if ids is None:
            # Another connection may find otherwise; this one remembers.
            return Found([], NO_SEARCH)
        return Found(ids)
