"""A job that a form follows: how it looks at one moment, who is asked, and who may press next."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Hold", "JobLook", "JobToFollow", "KnownJob"]


@dataclass(frozen=True, slots=True)
class JobLook:
    """One job at one moment, as `job_card` shows it. See there for the parts."""

    state: str
    is_over: bool
    title: str = ""
    job_id: str | None = None
    word: str | None = None
    nodes_done: int | None = None
    nodes_total: int | None = None
    elapsed_s: float | None = None
    error: str | None = None
    results: Mapping[str, Any] | None = None
    audit: tuple[Mapping[str, Any], ...] = ()
    has_files: bool = False  # whether there is something that fetch_files could bring
    links: Mapping[str, str] = field(default_factory=dict)  # address of a file at Opus to where it lies here


class JobToFollow(Protocol):
    """What the form is given for a job that was submitted."""

    def look(self) -> JobLook:
        """Return where the job stands; called from a thread of the form, twice a second, until it is over."""

    def fetch_files(self) -> str:
        """Bring the files that the job produced here and say what came of it; the next look links to them."""


@dataclass(frozen=True, slots=True)
class KnownJob:
    """A job that had the same inputs; ``words`` name it, such as ``"job 2514 (completed)"``."""

    words: str
    job: JobToFollow


class Hold:
    """Keeps the form from taking another press; let go of once, by the press that took it."""

    def __init__(self, lock: threading.Lock, button: Any) -> None:
        self._lock, self._button, self.is_held = lock, button, True
        button.disabled = True

    def let_go(self) -> None:
        """Let the next press in; later calls change nothing."""
        if self.is_held:
            self.is_held = False
            self._lock.release()
            self._button.disabled = False
