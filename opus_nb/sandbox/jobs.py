"""The jobs of a sandbox: shells, executions, people's answers, and where each stands at any moment."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from opus_nb.sandbox.catalogue import PublishedVersion
from opus_nb.sandbox.definition import StatusStyle, derive_uuid
from opus_nb.sandbox.timeline import Answer, NodeRun, Timeline

Family = Literal["jobs", "cases"]
FINAL_WORDS = frozenset({"COMPLETED", "FAILED", "CANCELLED", "CANCELED", "TIMED_OUT", "STOPPED", "ERROR"})
# Milliseconds since 2025: a sandbox that is started anew must not hand out an id that an earlier one gave, or a
# ledger that was kept would meet another row's job under it.
_IDS_BEGAN_AT = 1_735_689_600


@dataclass(slots=True)
class JobRecord:
    """Everything known of one job. Times are seconds since the epoch on the sandbox's clock."""

    id: str
    family: Family
    version: PublishedVersion
    title: str
    description: str
    created_at: float
    initial: dict[str, Any]
    executed_at: list[float] = field(default_factory=list)
    started_at: float = math.inf
    request: bytes = b""
    digest: str = ""
    draw: int = 0
    timeline: Timeline | None = None
    not_before: float = 0.0
    answers: list[Answer] = field(default_factory=list)
    forced: tuple[float, str] | None = None
    archived: bool = False
    end_seen_at: float | None = None
    status_calls: int = 0

    @property
    def payload(self) -> dict[str, Any] | None:
        """What was executed, variable by variable; None for a shell."""
        if not self.request:
            return None
        key = "payload" if self.family == "cases" else "jobPayloadSchemaInstance"
        payload: dict[str, Any] = json.loads(self.request)[key]
        return payload

    @property
    def ended_at(self) -> float:
        """When the job is really over; infinite while nobody can know."""
        if self.forced is not None:
            return self.forced[0]
        if self.timeline is None:
            return math.inf
        return max(self.started_at + self.timeline.seconds, self.not_before)

    def word(self, now: float) -> str:
        """Say the status word, in capitals with underscores."""
        if self.forced is not None and now >= self.forced[0]:
            return self.forced[1]
        if now < self.started_at:
            return "PENDING"
        if self.timeline is None:
            return "IN_PROGRESS"
        if now >= self.ended_at:
            return self.timeline.word
        return "WAITING" if self.timeline.person_at(now - self.started_at) else "IN_PROGRESS"

    def is_over(self, now: float) -> bool:
        """Whether it has ended with a word that says so; other words leave a client waiting, as they should."""
        return now >= self.ended_at and self.word(now) in FINAL_WORDS

    def nodes_begun(self, now: float) -> list[NodeRun]:
        """List the nodes that have started by now, in order of their start."""
        if self.timeline is None or now < self.started_at:
            return []
        until = min(now, self.ended_at) - self.started_at
        return sorted((n for n in self.timeline.nodes if n.start <= until), key=lambda n: n.start)

    def busy_spans(self) -> Iterator[tuple[float, float]]:
        """When the job ran, waiting for people left out."""
        if not self.executed_at:
            return
        begin = self.executed_at[-1]
        for node in self.timeline.nodes if self.timeline is not None else ():
            if node.person and self.started_at + node.start < self.ended_at:
                yield begin, self.started_at + node.start
                begin = self.started_at + node.end
        if begin < self.ended_at:
            yield begin, self.ended_at


def spell(word: str, style: StatusStyle) -> str:
    """Write a status word as the workflow's generation does."""
    if style == "lower":
        return word.lower()
    return word.replace("_", " ") if style == "spaced" else word


class JobStore:
    """All jobs, by id, in the order of their making."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[Family, str], JobRecord] = {}
        self._first_number = int((time.time() - _IDS_BEGAN_AT) * 1000)
        self._made = 0

    def __iter__(self) -> Iterator[JobRecord]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)

    def create(
        self,
        version: PublishedVersion,
        *,
        family: Family,
        title: str,
        description: str,
        initial: dict[str, Any],
        now: float,
    ) -> JobRecord:
        """Make a shell: a job that was initiated and not executed."""
        number = self._first_number + self._made
        self._made += 1
        job_id = str(number) if family == "jobs" else derive_uuid(f"case/{number}")
        job = JobRecord(job_id, family, version, title, description, now, initial)
        self._jobs[family, job_id] = job
        return job

    def find(self, job_id: str, *, family: Family = "jobs") -> JobRecord | None:
        """Find the job of that id; a case is no job and a job no case."""
        return self._jobs.get((family, job_id))

    def find_any(self, job_id: str) -> JobRecord | None:
        """Find the job or the case of that id."""
        return self.find(job_id) or self.find(job_id, family="cases")

    def remove(self, job: JobRecord) -> None:
        """Forget a job."""
        self._jobs.pop((job.family, job.id), None)

    def newest(self) -> JobRecord | None:
        """Find the job made last."""
        return next(reversed(self._jobs.values()), None)

    def clear(self) -> None:
        """Forget all jobs; numbers go on where they were."""
        self._jobs.clear()
