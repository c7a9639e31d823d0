"""Which family of routes knows a workflow or a job: found by asking, at most once more, and remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from opus_nb.errors import NotFound, OpusUnreachable, RateLimited, RequestRefused, ServiceTrouble
from opus_nb.job import JobState
from opus_nb.service.api import JobApi, is_uuid
from opus_nb.service.cases import CaseClient
from opus_nb.service.client import Client
from opus_nb.service.schema import WorkflowRecord
from opus_nb.service.wire import Patience, Wire

__all__ = ["AT_THE_PROMPT", "Families", "timed"]

T = TypeVar("T")

# A person is waiting for the answer: do not try for long.
AT_THE_PROMPT = Patience(attempts=3, first_wait_s=0.3, longest_wait_s=2.0)
# A shorter wait needs no words.
SAID_FROM_S = 2.0


class Families:
    """The two families of routes on one wire, and which of them knows what.

    The first two generations share the job routes and differ in the shape of a workflow, which the reader of
    schemas tells apart; the third has routes of its own.

    Parameters
    ----------
    wire : Wire
    api : {"auto", "jobs", "cases"}
        Anything but ``"auto"`` is never doubted.

    Attributes
    ----------
    jobs : Client
    cases : CaseClient

    Source
    ------
    Contract, "Three generations of the platform on the same host".
    """

    def __init__(self, wire: Wire, api: str = "auto") -> None:
        self.jobs = Client(wire)
        self.cases = CaseClient(wire)
        by_name: dict[str, JobApi] = {"jobs": self.jobs, "cases": self.cases}
        self._forced = by_name.get(api)
        self._of_workflow: dict[str, JobApi] = {}
        self._of_job: dict[str, JobApi] = {}

    def named(self, name: str | None) -> JobApi:
        """Return the family that a ledger calls by this name."""
        return self.cases if name == "cases" else self.jobs

    async def find_workflow(
        self, workflow_id: str, *, version: int | None = None, workflow_version_id: str | None = None
    ) -> tuple[JobApi, WorkflowRecord]:
        """Read a workflow on the family that knows it.

        The job routes are asked first. Only where they do not know a UUID, the case routes are asked too; an
        older id cannot be theirs.

        Raises
        ------
        NotFound, RequestRefused, ServiceTrouble
            The answer of the job routes: most people have those.
        """

        async def ask(api: JobApi) -> WorkflowRecord:
            return await timed(
                api.fetch_workflow(
                    workflow_id, version=version, workflow_version_id=workflow_version_id, patience=AT_THE_PROMPT
                )
            )

        return await self._find(self._of_workflow, workflow_id, ask, may_be_a_case=is_uuid(workflow_id))

    async def find_job(self, job_id: str) -> tuple[JobApi, JobState]:
        """Ask for the state of a job on the family that knows it; ids of both look alike."""

        async def ask(api: JobApi) -> JobState:
            return await timed(api.fetch_status(job_id, patience=AT_THE_PROMPT))

        return await self._find(self._of_job, job_id, ask, may_be_a_case=True)

    async def _find(
        self, known: dict[str, JobApi], name: str, ask: Callable[[JobApi], Awaitable[T]], *, may_be_a_case: bool
    ) -> tuple[JobApi, T]:
        api = self._forced or known.get(name)
        if api is not None:
            return api, await ask(api)
        api = self.jobs
        try:
            found = await ask(api)
        except (NotFound, RequestRefused, ServiceTrouble) as error:
            if not may_be_a_case or error.status in {401, 403, 429}:
                raise
            api = self.cases
            try:
                found = await ask(api)
            except (NotFound, RequestRefused, ServiceTrouble):
                raise error from None
        known[name] = api
        return api, found


async def timed(asking: Awaitable[T]) -> T:
    """Await what a person waits for; where no good answer came for long, its error says for how long."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        return await asking
    except (OpusUnreachable, ServiceTrouble, RateLimited) as error:
        took_s = clock() - began
        if took_s >= SAID_FROM_S:
            error.came_back = "; ".join(each for each in (error.came_back, f"tried for {took_s:.0f} s") if each)
        raise
