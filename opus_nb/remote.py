"""One job at Opus, whoever made it and whenever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from os import PathLike
from typing import Any, TypeVar

import pandas as pd

from opus_nb import loop
from opus_nb.downloads import fetch_files, find_files
from opus_nb.errors import NotFound, OpusError, RequestRefused, SettingsError
from opus_nb.frames.audit import audit_frame, nodes_frame
from opus_nb.frames.results import results_frame
from opus_nb.job import JobState, Outcome, RowState
from opus_nb.saying import call_patiently, say
from opus_nb.screen.card_pieces import Card, head, make_card, soft_line
from opus_nb.screen.markup import escape, state_words
from opus_nb.service.api import JobApi, ResultsReply
from opus_nb.service.audits import read_audit, shorten_audit
from opus_nb.service.client import Client
from opus_nb.service.families import AT_THE_PROMPT, Families, timed
from opus_nb.service.schema import Schema
from opus_nb.service.spellings import look_up

__all__ = ["RemoteJob"]

T = TypeVar("T")

# What a job that nobody here watches is called: the same words as in ``run.counts``.
_ROW_STATE = {
    "pending": RowState.PLANNED,
    "running": RowState.RUNNING,
    "unknown": RowState.RUNNING,
    "waiting": RowState.WAITING,
    "completed": RowState.COMPLETED,
    "failed": RowState.FAILED,
    "cancelled": RowState.CANCELLED,
    "timed_out": RowState.TIMED_OUT,
}
NO_SUCH_ROUTE = "cases have no such route"


class RemoteJob:
    """A job at Opus, read from there each time it is asked. Made by ``opus.job(id)``.

    Belongs to no run: nothing is kept in the ledger, and nothing here can start or repeat it.

    Attributes
    ----------
    id : str
    """

    def __init__(self, families: Families, job_id: str, *, outputs: Schema | None = None) -> None:
        self.id = job_id
        self._families = families
        self._outputs = outputs
        self._detail: Any = None
        self._api, self._last = call_patiently(families.jobs.wire.base_url, families.find_job, job_id)

    # -- reading ----------------------------------------------------------------------------------------

    @property
    def generation(self) -> str:
        """``jobs`` or ``cases``: the family of routes that knows it."""
        return self._api.name

    @property
    def state(self) -> str:
        """Where it stands, as Opus says now: one of the names of ``run.counts``. One request."""
        return _ROW_STATE[self._ask().name].count_name

    @property
    def word(self) -> str:
        """Opus's own word for where it stood when it was last asked, letter for letter."""
        return self._last.word

    def detail(self) -> dict[str, Any]:
        """Everything that Opus tells of it, as it came: title, times, user, inputs, workflow. One request.

        Raises
        ------
        NotFound
            This Opus has no such route; cases never have it.

        Source
        ------
        Contract, section 1.10.
        """
        found = self._call(lambda api: api.fetch_detail(self.id))
        if not isinstance(found, Mapping):
            raise NotFound(
                f"Opus gives no detail of job {self.id}",
                where=f"GET /job/{self.id}",
                came_back=NO_SUCH_ROUTE if self.generation == "cases" else "the route does not answer",
                next_step="job.results() and job.audit() ask on routes of their own.",
            )
        self._detail = dict(found)
        return dict(found)

    def results(self) -> pd.DataFrame:
        """One row, its index the job's id: state, job_id, error, then the outputs; as ``run.results()``.

        Outputs are named by the workflow's labels where the reply has none and the workflow is known. Results of a
        job that is not complete are NA.
        """
        state = self._ask()
        reply: ResultsReply | None = None
        if state.name == "completed":
            reply = self._call(lambda api: api.fetch_results(self.id))
        return results_frame([self._outcome(state, reply)], self._index(), self._schema())

    @property
    def outputs(self) -> dict[str, Any]:
        """What it answered, by output name; empty until it is complete."""
        row = self.results().iloc[0].drop(["state", "job_id", "error"])
        return {str(name): value for name, value in row.items() if isinstance(value, (list, dict)) or pd.notna(value)}

    def audit(self) -> pd.DataFrame:
        """One row per audit event or executed node, times in UTC; as ``run.audit()``. Empty where there is none."""
        return audit_frame([self._audited()], self._index())

    def nodes(self) -> pd.DataFrame:
        """One row per node: counts, failures, durations; as ``run.nodes()``."""
        return nodes_frame([self._audited()])

    def wait(self, *, for_people: bool = False, timeout_s: float | None = None) -> RemoteJob:
        """Block until it is at its end, or waits for a person.

        Parameters
        ----------
        for_people : bool
            Stay until people have answered, too.
        timeout_s : float, optional
            Return after this time at the latest; the job goes on.
        """
        loop.call(self._wait, for_people, timeout_s)
        return self

    def download(self, folder: str | PathLike[str], *, outputs: list[str] | str | None = None) -> pd.DataFrame:
        """Fetch the files that it has produced; see ``run.download``."""
        state = self._ask()
        reply = self._call(lambda api: api.fetch_results(self.id)) if state.name == "completed" else None
        found = find_files([self._outcome(state, reply)], self._index(), self._schema(), outputs=outputs)
        workspace = look_up(self._known_detail(), "workspaceId") or look_up(
            look_up(self._known_detail(), "workspace") or {}, "id"
        )
        frame, note = loop.call(
            fetch_files, self._api.wire, found, folder, workspace if isinstance(workspace, str) else None
        )
        say(note)
        return frame

    # -- changing ---------------------------------------------------------------------------------------

    def archive(self, *, confirm: bool = False) -> RemoteJob:
        """Put it away in Opus; ``unarchive`` brings it back.

        Raises
        ------
        SettingsError
            ``confirm=True`` was not given; nothing was sent.

        Source
        ------
        Contract, section 1.11.
        """
        self._confirmed(confirm, "archive")
        loop.call(self._jobs_only("archived").send_archive, self.id)
        return self

    def unarchive(self) -> RemoteJob:
        """Bring it back from the archive."""
        client = self._jobs_only("brought back")

        async def send() -> None:
            await client.send_archive(self.id, archived=False)

        loop.call(send)
        return self

    def delete(self, *, confirm: bool = False) -> None:
        """Delete it at Opus, for ever: results, audit and files may go with it.

        Raises
        ------
        SettingsError
            ``confirm=True`` was not given; nothing was sent.

        Source
        ------
        Contract, section 1.11.
        """
        self._confirmed(confirm, "delete")
        loop.call(self._jobs_only("deleted").send_delete, self.id)

    # -- how it looks -----------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return self._card().text

    def _repr_html_(self) -> str:
        return self._card().html

    def _card(self) -> Card:
        name = _ROW_STATE[self._last.name].count_name
        title = str(look_up(self._detail or {}, "title") or "")
        said = f"{state_words(name)}, Opus says {self._last.word or 'nothing'}"
        text = f"<Job {self.id} at Opus, when last asked: {said}>"
        return make_card(text, head(f"Job {self.id}", escape(said)), soft_line(escape(title)))

    # -- inside -----------------------------------------------------------------------------------------

    def _call(self, ask: Callable[[JobApi], Awaitable[T]]) -> T:
        async def asked() -> T:
            return await timed(ask(self._api))

        return call_patiently(self._api.wire.base_url, asked)

    def _ask(self) -> JobState:
        self._last = self._call(lambda api: api.fetch_status(self.id, patience=AT_THE_PROMPT))
        return self._last

    async def _wait(self, for_people: bool, timeout_s: float | None) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            self._last = await self._api.fetch_status(self.id)
            if self._last.is_end or (self._last.name == "waiting" and not for_people):
                return
            passed = clock() - began
            if timeout_s is not None and passed >= timeout_s:
                return
            pause_s = min(30.0, max(0.2, 0.2 * passed))
            await asyncio.sleep(pause_s if timeout_s is None else min(pause_s, timeout_s - passed))

    def _index(self) -> pd.Index[Any]:
        index: pd.Index[Any] = pd.Index([self.id], dtype=object, name="job_id")
        return index

    def _outcome(self, state: JobState, reply: ResultsReply | None = None, audit: Any = None) -> Outcome:
        row_state = _ROW_STATE[state.name]
        error = None
        if row_state.is_final and row_state is not RowState.COMPLETED:
            error = f"Opus says {state.word}"
        read = None if audit is None else read_audit(audit, self.id)
        return Outcome(
            0,
            row_state,
            self.id,
            1,
            state.word,
            error,
            started_at=None if read is None else read.started_at,
            ended_at=None if read is None else read.ended_at,
            results=None if reply is None else reply.text,
            audit=None if audit is None else json.dumps(shorten_audit(audit), ensure_ascii=False),
        )

    def _audited(self) -> Outcome:
        return self._outcome(self._last, audit=self._call(lambda api: api.fetch_audit(self.id)))

    def _known_detail(self) -> Mapping[str, Any]:
        if self._detail is None:
            try:
                found = self._call(lambda api: api.fetch_detail(self.id))
            except OpusError:
                found = None
            self._detail = dict(found) if isinstance(found, Mapping) else {}
        known: Mapping[str, Any] = self._detail
        return known

    def _schema(self) -> Schema:
        """Return the workflow's outputs: labels for replies that have none. Best effort: a label is a help."""
        if self._outputs is None:
            self._outputs = Schema()
            detail = self._known_detail()
            inner = look_up(detail, "workflow")
            workflow_id = look_up(detail, "workflowId") or (
                look_up(inner, "id") if isinstance(inner, Mapping) else None
            )
            if isinstance(workflow_id, str):
                version = look_up(detail, "workflowVersionId")
                version_id = version if isinstance(version, str) else None
                try:
                    record = self._call(lambda api: api.fetch_workflow(workflow_id, workflow_version_id=version_id))
                    self._outputs = record.outputs
                except OpusError:
                    return self._outputs
        return self._outputs

    def _jobs_only(self, done: str) -> Client:
        if self.generation == "cases":
            raise RequestRefused(
                f"A case cannot be {done} through the API",
                where=f"case {self.id}",
                came_back=NO_SUCH_ROUTE,
                next_step="Do it in the Opus app.",
            )
        return self._families.jobs

    def _confirmed(self, confirm: bool, verb: str) -> None:
        if confirm is not True:
            raise SettingsError(
                f"Nothing was sent: to {verb} job {self.id} at Opus needs a confirmation",
                where="confirm=False",
                next_step=f"job.{verb}(confirm=True), or opus.{verb}({self.id!r}, confirm=True)",
            )
