"""An Opus without a network: every job ends at once. For what is measured of the engine alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import opus_nb
from opus_nb.job import JobState
from opus_nb.service.api import InitiateParameters, ResultsReply


class Instant:
    """Takes the place of a connection's calls about jobs, and remembers when the first came.

    Parameters
    ----------
    opus : opus_nb.Opus
    """

    def __init__(self, opus: opus_nb.Opus) -> None:
        self.calls = 0
        self.first_at: float | None = None
        self._made = 0
        for name in ("send_initiate", "send_execute", "fetch_status", "fetch_results", "fetch_audit"):
            setattr(opus.client, name, getattr(self, name))

    def wait(self, *, seconds: float = 60.0) -> float:
        """Wait for the first call; the moment it came."""
        until = time.perf_counter() + seconds
        while self.first_at is None:
            if time.perf_counter() > until:
                raise TimeoutError("nothing was asked")
            time.sleep(0.001)
        return self.first_at

    def _note(self) -> None:
        self.calls += 1
        if self.first_at is None:
            self.first_at = time.perf_counter()

    async def send_initiate(self, parameters: InitiateParameters, *, title: str, description: str) -> str:
        self._note()
        self._made += 1
        return f"job-{self._made}"

    async def send_execute(self, job_id: str, payload: Mapping[str, Any], **more: Any) -> None:
        self._note()

    async def fetch_status(self, job_id: str, **more: Any) -> JobState:
        self._note()
        return JobState("completed", "COMPLETED")

    async def fetch_results(self, job_id: str, **more: Any) -> ResultsReply | None:
        self._note()
        return ResultsReply('{"results": {"Echo": "text", "Double": 2}}', {"results": {"Echo": "text", "Double": 2}})

    async def fetch_audit(self, job_id: str, **more: Any) -> Any:
        self._note()
