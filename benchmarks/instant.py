"""An Opus without a network: every job ends at once. For what is measured of the engine alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import opus_nb
from opus_nb.job import JobState
from opus_nb.service.api import InitiateParameters, ResultsReply
from opus_nb.service.client import Client
from opus_nb.workflow import Workflow


class Instant(Client):
    """Answers at once, and remembers when it was asked first."""

    def __init__(self, wire: Any) -> None:
        super().__init__(wire)
        self.calls = 0
        self.first_at: float | None = None
        self._made = 0

    def _note(self) -> None:
        self.calls += 1
        if self.first_at is None:
            self.first_at = time.perf_counter()

    async def send_initiate(self, parameters: InitiateParameters, *, title: str, description: str) -> str:
        self._note()
        self._made += 1
        return f"job-{self._made}"

    async def send_execute(self, job_id: str, payload: Mapping[str, Any], *, workspaces: str | None = None) -> None:
        self._note()

    async def fetch_status(self, job_id: str) -> JobState:
        self._note()
        return JobState("completed", "COMPLETED")

    async def fetch_results(self, job_id: str) -> ResultsReply | None:
        self._note()
        return ResultsReply('{"results": {"Echo": "text", "Double": 2}}', {"results": {"Echo": "text", "Double": 2}})

    async def fetch_audit(self, job_id: str) -> Any:
        self._note()


def instant_workflow(opus: opus_nb.Opus, workflow_id: str) -> tuple[Workflow, Instant]:
    """The workflow as it was read, on a wire that answers at once."""
    api = Instant(opus.client.wire)
    opus.client = api
    connection = replace(opus.workflow(workflow_id)._connection, api=api)
    return Workflow(connection, opus=opus), api
