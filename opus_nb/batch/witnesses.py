"""Was a job started whose acknowledgement never came? Three witnesses, and what each can say.

A wrong *no* pays twice; a wrong *cannot tell* costs a question to a person. So every doubt here is a *cannot
tell*, and one witness who saw anything outweighs the other two.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from opus_nb.errors import NotFound, OpusError, OpusUnreachable, ServiceKeyRefused
from opus_nb.job import JobState
from opus_nb.service.api import JobApi
from opus_nb.service.audits import read_audit
from opus_nb.service.spellings import fold_keys, look_up, walk_wrappers
from opus_nb.service.states import read_state

__all__ = ["Testimony", "Witnesses"]


class Testimony(NamedTuple):
    """What the witnesses of one job say together.

    Attributes
    ----------
    started : bool or None
        None when it cannot be told.
    heard : str
        What each of them said, for a person.
    """

    started: bool | None
    heard: str


class Witnesses:
    """Status, audit and detail of a job, asked whether it ever started.

    Parameters
    ----------
    api : JobApi
    fresh_word : str, optional
        What a shell says that was certainly never executed, where an earlier process has learned it.
    remember : callable
        Awaited with the fresh word as soon as it is learned; returning means that it is on disk.
    stores_inputs : bool
        True when ``initiate`` itself stores inputs on the job: then inputs in its detail prove nothing.
    """

    def __init__(
        self,
        api: JobApi,
        *,
        fresh_word: str | None,
        remember: Callable[[str], Awaitable[None]],
        stores_inputs: bool,
    ) -> None:
        self.fresh_word = fresh_word
        self._api = api
        self._remember = remember
        self._stores_inputs = stores_inputs
        self._learning = False

    @property
    def wants_to_learn(self) -> bool:
        """The next shell is to be asked after before it is executed."""
        return self.fresh_word is None and not self._learning

    async def learn(self, job_id: str) -> None:
        """Hear, once a run, what a shell says that was certainly never executed.

        Nothing is learned from a 404, from a word that means an end and from one that means nothing: those say
        more about the moment than about shells.
        """
        if not self.wants_to_learn:
            return
        self._learning = True
        try:
            state = await self._api.fetch_status(job_id)
        except OpusError:
            # The next row's shell is as good; without the word a lost execute ends in uncertain, never in two.
            return
        finally:
            self._learning = False
        if not state.is_end and _is_telling(state):
            await self._remember(state.word)
            self.fresh_word = state.word

    async def hear(self, job_id: str, *, sends_inputs: bool) -> Testimony:
        """Ask all three.

        Parameters
        ----------
        job_id : str
        sends_inputs : bool
            Whether ``execute`` carries any input: a job that takes none has none in its detail, started or not.

        Raises
        ------
        ServiceKeyRefused
            The key is refused where it must not be.
        """
        heard: list[str] = []
        votes: list[bool | None] = []
        # The detail last: what starts between two questions shows there.
        for who, ask in (("status", self._status), ("audit", self._audit), ("detail", self._detail)):
            try:
                vote, said = await ask(job_id, sends_inputs)
            except ServiceKeyRefused:
                raise
            except OpusError as error:
                vote, said = None, f"{who}: {error.came_back or error.what}"
                if isinstance(error, OpusUnreachable):
                    return Testimony(None, "; ".join([*heard, said]))
            heard.append(said)
            votes.append(vote)
            if vote:
                return Testimony(True, said)
        if all(vote is False for vote in votes):
            return Testimony(False, "status, audit and detail agree that it never started")
        return Testimony(None, "; ".join(heard))

    async def _status(self, job_id: str, _: bool) -> tuple[bool | None, str]:
        try:
            state = await self._api.fetch_status(job_id)
        except NotFound:
            return None, "status: 404"
        return self._judge(state), f"status: {state.word or 'no word'}"

    def _judge(self, state: JobState) -> bool | None:
        if not _is_telling(state):
            return None
        if self.fresh_word is None:
            return None if state.name == "pending" else True
        return _fold(state.word) != _fold(self.fresh_word)

    async def _audit(self, job_id: str, _: bool) -> tuple[bool | None, str]:
        found = await self._api.fetch_audit(job_id)
        if found is None:
            return False, "audit: none"
        shows = _shows_work(found, job_id)
        words = {True: "work was done", False: "no work yet", None: "it is none"}
        return shows, f"audit: {words[shows]}"

    async def _detail(self, job_id: str, sends_inputs: bool) -> tuple[bool | None, str]:
        try:
            found = await self._api.fetch_detail(job_id)
        except ServiceKeyRefused as error:
            # A route that this key may not use is a witness that cannot be heard; the run goes on.
            return None, f"detail: {error.came_back or error.what}"
        if not isinstance(found, Mapping):
            return None, "detail: cannot be read here"
        for level in walk_wrappers(found, ("data", "job"), levels=1):
            if "input" in (folded := fold_keys(level)):
                return self._judge_detail(found, folded["input"], sends_inputs)
        return None, "detail: does not say which inputs it holds"

    def _judge_detail(self, found: Mapping[str, Any], inputs: Any, sends_inputs: bool) -> tuple[bool | None, str]:
        state = read_state(found)
        if self._judge(state):
            return True, f"detail: {state.word}"
        if look_up(found, "finishedAt") is not None:
            return True, "detail: it has ended"
        if inputs:
            return (None if self._stores_inputs else True), "detail: it holds inputs"
        # What a job without inputs holds when it was started is not known to differ from nothing.
        return (False if sends_inputs else None), "detail: it holds no inputs"


def _is_telling(state: JobState) -> bool:
    """A word that is in no table proves nothing, neither that a job runs nor that it does not."""
    return state.name != "unknown"


def _fold(word: str) -> str:
    return re.sub(r"[\s_-]+", "", word).upper()


def _shows_work(found: Any, job_id: str) -> bool | None:
    """Anything beyond the making of the shell; None for a reply that is no audit."""
    audit = read_audit(found, job_id)
    if audit.nodes_done or audit.running_node:
        return True
    if any(each.source == "nodes" or each.order or not _is_making(each.event) for each in audit.entries):
        return True
    if audit.entries or audit.nodes_done == 0:
        return False
    levels = walk_wrappers(found, ("audit", "data", "results"))
    return False if any(isinstance(look_up(each, "auditTrail"), list) for each in levels) else None


def _is_making(event: str) -> bool:
    return re.search(r"initiat|creat", event or "", re.IGNORECASE) is not None
