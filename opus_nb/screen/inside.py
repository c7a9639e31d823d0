"""How far the jobs are that a person is looking at, node by node.

Opus tells this only in a job's audit, one request per job. So it is asked for a few of the jobs that are on the
screen, a few times a second at most, and only while they are on the screen.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import ClassVar

from opus_nb.errors import OpusError
from opus_nb.screen.snapshot import RowNote
from opus_nb.service.api import JobApi
from opus_nb.service.audits import find_progress, read_audit

__all__ = ["InsideWatch", "NodeProgress", "fetch_progress"]

_log = logging.getLogger("opus_nb")

NodeProgress = tuple[int, int]


async def fetch_progress(api: JobApi, job_id: str) -> NodeProgress | None:
    """Ask how many nodes of a job are done, and how many there are.

    One GET, safe to repeat.

    Parameters
    ----------
    api : JobApi
        The family of routes that the job answers on.
    job_id : str
        The job.

    Returns
    -------
    tuple of (int, int) or None
        None where the audit does not tell both, or cannot be read now.

    Source
    ------
    Contract, section 5.2.
    """
    try:
        reply = await api.fetch_audit(job_id)
    except OpusError:
        return None
    done, total = find_progress(read_audit(reply, job_id))
    return None if done is None or total is None else (done, total)


class InsideWatch:
    """Asks after the nodes of the jobs on the screen, one after the other, and never waits for an answer.

    Parameters
    ----------
    ask : callable
        ``ask(job_id)`` begins to ask and returns a future of `fetch_progress`.
    tell : callable
        ``tell(position, nodes_done, nodes_total)`` is handed every answer.
    clock : callable
        Returns seconds that never go back.
    """

    at_once: ClassVar[int] = 2
    every_s: ClassVar[float] = 0.4  # between two questions, whatever they are about
    same_job_s: ClassVar[float] = 2.0
    rest_s: ClassVar[float] = 30.0  # a job that tells nothing is asked again much later

    def __init__(
        self,
        ask: Callable[[str], Future[NodeProgress | None]],
        tell: Callable[[int, int, int], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._tell, self._clock = ask, tell, clock
        self._under_way: dict[int, Future[NodeProgress | None]] = {}
        self._due: dict[int, float] = {}
        self._next = 0.0

    def look(self, notes: Sequence[RowNote]) -> None:
        """Take in what has been answered, and ask after the job that was longest not asked after."""
        now = self._clock()
        self._take_in(now)
        shown = {note.position: note for note in notes if note.job_id}
        self._due = {at: due for at, due in self._due.items() if at in shown}
        if now < self._next or len(self._under_way) >= self.at_once:
            return
        open_ = [at for at in shown if at not in self._under_way and self._due.get(at, 0.0) <= now]
        if not open_:
            return
        position = min(open_, key=lambda at: self._due.get(at, 0.0))
        self._next, self._due[position] = now + self.every_s, now + self.same_job_s
        self._under_way[position] = self._ask(str(shown[position].job_id))

    def _take_in(self, now: float) -> None:
        for position, answer in list(self._under_way.items()):
            if not answer.done():
                continue
            del self._under_way[position]
            try:
                found = answer.result()
            except Exception:
                _log.debug("the nodes of a job cannot be read", exc_info=True)
                found = None
            if found is None:
                self._due[position] = now + self.rest_s
            else:
                self._tell(position, *found)
