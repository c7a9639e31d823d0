"""What the sandbox remembers of its visitors, so that a test can ask what really happened."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from opus_nb.sandbox.jobs import JobRecord, JobStore


class Books:
    """Counts kept while requests are served; the rest is worked out when someone asks."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.calls_by_family: Counter[str] = Counter()
        self.answers_by_status: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.uploads: Counter[str] = Counter()
        self.payloads: Counter[str] = Counter()
        self.titles: Counter[str] = Counter()
        self.markers: Counter[str] = Counter()
        self.initiations = 0
        self.executions = 0
        self.key_leaks = 0
        self.limited = 0
        self.removed = 0
        self.peak_requests_per_s = 0
        self.errors: list[str] = []
        self._last_second: deque[float] = deque()

    def note_request(self, endpoint: str, family: str, now: float) -> None:
        """Count one request that reached an Opus route."""
        self.calls[endpoint] += 1
        self.calls_by_family[family] += 1
        recent = self._last_second
        recent.append(now)
        while recent[0] <= now - 1.0:
            recent.popleft()
        self.peak_requests_per_s = max(self.peak_requests_per_s, len(recent))

    def note_execution(self, job: JobRecord) -> None:
        """Count one execution that took effect."""
        self.executions += 1
        self.payloads[job.digest] += 1
        self.titles[job.title] += 1
        self.markers[job.title.rsplit(None, 1)[-1] if job.title.strip() else ""] += 1


def summarise(books: Books, jobs: JobStore, *, now: float) -> dict[str, Any]:
    """Add up, without a line per job, payload or title."""
    words: Counter[str] = Counter()
    lateness: list[float] = []
    executed_twice = orphans = unseen = status_calls = 0
    for job in jobs:
        words[job.word(now)] += 1
        status_calls += job.status_calls
        executed_twice += len(job.executed_at) > 1
        orphans += not job.executed_at
        if job.executed_at and job.is_over(now):
            if job.end_seen_at is None:
                unseen += 1
            else:
                lateness.append(max(0.0, job.end_seen_at - job.ended_at))
    lateness.sort()
    return {
        "initiations": books.initiations,
        "executions": books.executions,
        "jobs": len(jobs),
        "jobs_by_status": dict(words),
        "jobs_executed_twice": executed_twice,
        "payloads": len(books.payloads),
        "payloads_executed_twice": sum(count > 1 for count in books.payloads.values()),
        "titles_executed_twice": sum(count > 1 for count in books.titles.values()),
        "markers_executed_twice": sum(count > 1 for count in books.markers.values()),
        "orphan_shells": orphans,
        "ends_not_noticed": unseen,
        "lateness_s": _spread(lateness),
        "status_calls": status_calls,
        "calls": dict(books.calls),
        "calls_by_family": dict(books.calls_by_family),
        "requests": sum(books.calls.values()),
        "answers_by_status": {str(status): n for status, n in sorted(books.answers_by_status.items())},
        "faults": dict(books.faults),
        "rate_limited": books.limited,
        "files_uploaded": sum(books.uploads.values()),
        "contents_uploaded": len(books.uploads),
        "key_leaks": books.key_leaks,
        "peak_running": _peak((span for job in jobs for span in job.busy_spans()), now=now),
        "peak_requests_per_s": books.peak_requests_per_s,
        "internal_errors": list(books.errors),
    }


def tell(books: Books, jobs: JobStore, *, now: float) -> dict[str, Any]:
    """Tell the totals, and every payload, title, upload and job."""
    return summarise(books, jobs, now=now) | {
        "executions_by_payload": dict(books.payloads),
        "executions_by_title": dict(books.titles),
        "executions_by_marker": dict(books.markers),
        "executions_by_job": {job.id: len(job.executed_at) for job in jobs if job.executed_at},
        "orphans": [job.id for job in jobs if not job.executed_at],
        "uploads": dict(books.uploads),
        "job_books": {job.id: _tell_job(job, now) for job in jobs},
    }


def _tell_job(job: JobRecord, now: float) -> dict[str, Any]:
    over = bool(job.executed_at) and job.is_over(now)
    late = max(0.0, job.end_seen_at - job.ended_at) if over and job.end_seen_at is not None else None
    return {
        "workflow_id": job.version.definition.id,
        "family": job.family,
        "title": job.title,
        "status": job.word(now),
        "payload": job.digest or None,
        "initiated_at": job.created_at,
        "executed_at": list(job.executed_at),
        "ended_at": job.ended_at if over else None,
        "end_seen_at": job.end_seen_at,
        "lateness_s": late,
        "status_calls": job.status_calls,
        "reason": job.timeline.reason if over and job.timeline is not None else "",
    }


def _spread(ordered: list[float]) -> dict[str, float | int | None]:
    if not ordered:
        return {"count": 0, "mean": None, "median": None, "p95": None, "max": None}
    return {
        "count": len(ordered),
        "mean": sum(ordered) / len(ordered),
        "median": ordered[len(ordered) // 2],
        "p95": ordered[min(len(ordered) - 1, math.ceil(len(ordered) * 0.95) - 1)],
        "max": ordered[-1],
    }


def _peak(spans: Iterable[tuple[float, float]], *, now: float) -> int:
    marks: list[tuple[float, int]] = []
    for begin, end in spans:
        if begin <= now:
            marks.append((begin, 1))
            marks.append((end, -1))
    marks.sort()
    peak = running = 0
    for _, step in marks:
        running += step
        peak = max(peak, running)
    return peak
