"""Everything one sandbox holds: its clock, its options, workflows, files, jobs, books and faults."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from opus_nb.sandbox.books import Books
from opus_nb.sandbox.catalogue import Catalogue
from opus_nb.sandbox.definition import WorkflowDefinition
from opus_nb.sandbox.faults import FaultRules
from opus_nb.sandbox.jobs import JobStore
from opus_nb.sandbox.uploads import UPLOAD_SECONDS, ContentTypePolicy, FileStore


@dataclass
class SandboxOptions:
    """How the service behaves where the real one is known to differ from day to day. All may change while it runs.

    Attributes
    ----------
    second_execute : {"rerun", "409"}
        What a second `execute` of one job does: run and bill again, or be refused.
    content_type : {"signed", "required", "forbidden", "any"}
        What the presigned PUT makes of a Content-Type header. ``signed`` goes by `signed_headers`: listed means
        required and right, not listed means forbidden.
    signed_headers : str
        The ``X-Amz-SignedHeaders`` of new upload addresses, as in ``"host"`` or ``"content-type;host"``.
    early_results : int, optional
        What ``results`` answers before the end, 404 or 202; None leaves it to the workflow.
    upload_expiry_s, download_expiry_s : float
        How long presigned addresses live.
    insists_on_callback : bool
        Refuse `execute` without a ``callbackUrl``, for every workflow.
    rate_limit_per_s : float, optional
        Requests per second and key before 429 is answered; None is no limit.
    """

    second_execute: Literal["rerun", "409"] = "rerun"
    content_type: ContentTypePolicy = "signed"
    signed_headers: str = "host"
    early_results: int | None = None
    upload_expiry_s: float = UPLOAD_SECONDS
    download_expiry_s: float = 3600.0
    insists_on_callback: bool = False
    rate_limit_per_s: float | None = None


class SandboxClock:
    """Seconds since the epoch that never step back, and that a test may advance."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Tell the moment, on this clock."""
        return time.monotonic() + self._offset

    def advance(self, seconds: float) -> None:
        """Let that much time have passed."""
        if seconds < 0:
            raise ValueError("time runs forward only")
        self._offset += seconds


class RequestBudget:
    """One token bucket per key; it holds a second's worth."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key: str, *, per_s: float, now: float) -> float:
        """Take one token; 0 if there was one, else the seconds until there is."""
        size = max(1.0, per_s)
        level, at = self._levels.get(key, (size, now))
        level = min(size, level + (now - at) * per_s)
        if level >= 1.0:
            self._levels[key] = (level - 1.0, now)
            return 0.0
        self._levels[key] = (level, now)
        return (1.0 - level) / per_s


class SandboxState:
    """The whole state of one sandbox. Touched by the server's loop only, while the server runs."""

    def __init__(
        self,
        workflows: Iterable[WorkflowDefinition],
        *,
        time_scale: float,
        seed: int | None,
        service_keys: Iterable[str],
        options: SandboxOptions,
    ) -> None:
        self.options = options
        self.time_scale = time_scale
        self.seed = str(seed or 0)
        self.service_keys = frozenset(service_keys)
        self.base_url = ""
        self.plans: set[asyncio.Task[None]] = set()
        self.pool: ThreadPoolExecutor | None = None
        self._begin()
        self.catalogue = Catalogue(workflows, now=self.clock.now())

    def _begin(self) -> None:
        self.clock = SandboxClock()
        self.budget = RequestBudget()
        self.files = FileStore()
        self.jobs = JobStore()
        self.books = Books()
        self.faults = FaultRules(seed=self.seed)

    def open_pool(self) -> None:
        """Have threads ready for functions that take their time."""
        self.pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="opus-sandbox-function")

    def close_pool(self) -> None:
        """Let those threads go."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = None

    def reset(self) -> None:
        """Forget jobs, files, books and faults, and put the clock right; workflows and options stay."""
        made = self.jobs
        self._begin()
        made.clear()
        self.jobs = made
