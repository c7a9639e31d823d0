"""Looking at one job while it runs, and finding out whether inputs were sent before."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from opus_nb import loop
from opus_nb.batch.book import Book
from opus_nb.batch.history import SentJob, find_sent, read_sent
from opus_nb.batch.identity import Identities
from opus_nb.connection import Connection
from opus_nb.downloads import WantedFile, fetch_files, find_files
from opus_nb.errors import OpusError, RunLocked
from opus_nb.frames.audit import audit_frame
from opus_nb.frames.results import results_frame
from opus_nb.job import Outcome, RowState
from opus_nb.run import Run
from opus_nb.screen.followed import JobLook, KnownJob
from opus_nb.screen.inside import NodeProgress, fetch_progress
from opus_nb.submission import Job

__all__ = ["FollowedJob", "find_known_job", "follow_job"]

# Below the folder of the notebook, so that a link to a file in it is one that the notebook's page can open.
FILES_FOLDER = "opus-files"
_NODES_EVERY_S = 1.0
_ABOUT_RESULTS = frozenset({"state", "job_id", "error"})


class FollowedJob:
    """One job as a form looks at it: from the ledger, and its nodes from Opus while it runs.

    Parameters
    ----------
    connection : Connection
    read : callable
        Returns the job's outcome, and why nobody works on it any more (``""`` while somebody does).
    job : Job, optional
        The user's handle, where there is one.
    """

    def __init__(
        self, connection: Connection, read: Callable[[], tuple[Outcome, str]], *, job: Job | None = None
    ) -> None:
        self._connection, self._read, self.job = connection, read, job
        self._links: dict[str, str] = {}
        self._nodes: NodeProgress | None = None
        self._nodes_at = float("-inf")

    def look(self) -> JobLook:
        """Return where the job stands; at most one small request, and only while it runs."""
        outcome, abandoned = self._read()
        if outcome.state.is_live and outcome.job_id is not None and not abandoned:
            self._ask_for_nodes(outcome.job_id)
        done, total = self._nodes or (None, None)
        elapsed_s = None
        if outcome.started_at is not None:
            elapsed_s = max(0.0, (outcome.ended_at or time.time()) - outcome.started_at)
        return JobLook(
            state=outcome.state.count_name,
            is_over=outcome.state.is_final or bool(abandoned),
            title=self._connection.record.name,
            job_id=outcome.job_id,
            word=outcome.word,
            nodes_done=done,
            nodes_total=total,
            elapsed_s=elapsed_s,
            error=outcome.error or abandoned or None,
            results=self._results(outcome),
            audit=_audit(outcome) if outcome.audit else (),
            has_files=outcome.state is RowState.COMPLETED and bool(self._files(outcome)),
            links=dict(self._links),
        )

    def fetch_files(self) -> str:
        """Bring the job's files into a folder below this one, named for the job; see ``run.download``."""
        files = self._files(self._read()[0])
        frame, said = loop.call(
            fetch_files, self._connection.api.wire, files, FILES_FOLDER, self._connection.workspace_id
        )
        here = frame.dropna(subset=["path"])
        names = (PurePath(path).name for path in here["path"])
        self._links = {str(url): f"{FILES_FOLDER}/{name}" for url, name in zip(here["file_url"], names, strict=True)}
        return said

    def _files(self, outcome: Outcome) -> list[WantedFile]:
        return find_files([outcome], pd.Index([outcome.job_id]), self._connection.record.outputs)

    def _ask_for_nodes(self, job_id: str) -> None:
        now = time.monotonic()
        if now - self._nodes_at >= _NODES_EVERY_S:
            self._nodes_at = now
            self._nodes = loop.call(fetch_progress, self._connection.api, job_id) or self._nodes

    def _results(self, outcome: Outcome) -> Mapping[str, Any] | None:
        if outcome.state is not RowState.COMPLETED:
            return None
        row = results_frame([outcome], pd.RangeIndex(1), self._connection.record.outputs).iloc[0]
        return {str(name): _plain(value) for name, value in row.items() if name not in _ABOUT_RESULTS}


def _audit(outcome: Outcome) -> tuple[dict[str, Any], ...]:
    records = audit_frame([outcome], pd.RangeIndex(1)).to_dict("records")
    return tuple({str(name): value for name, value in record.items()} for record in records)


def _plain(value: Any) -> Any:
    """Return None for the many kinds of nothing, and JSON for what holds others."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    return None if pd.isna(value) else value


def follow_job(connection: Connection, job: Job) -> FollowedJob:
    """Follow a job that this process works on."""

    def read() -> tuple[Outcome, str]:
        # Asked first: a job that ends in between is simply over.
        stopped = job.run.state == "stopped"
        outcome = job.run.outcomes()[0]
        return outcome, _why_stopped(job) if stopped and not outcome.state.is_final else ""

    return FollowedJob(connection, read, job=job)


def _why_stopped(job: Job) -> str:
    try:
        job.wait(timeout_s=1.0)
    except OpusError as error:
        return str(error)
    return f"Nobody works on it any more. opus.open_run({job.run.name!r}) carries on."


def find_known_job(connection: Connection, inputs: Mapping[str, Any]) -> KnownJob | None:
    """Find a job of any run in the ledger that was executed with exactly these inputs.

    Reads the ledger and the bytes of the files; makes no ledger where there is none, and sends nothing. A run of one
    row that was left unfinished is carried on, so that its job is followed to its end.

    Parameters
    ----------
    connection : Connection
    inputs : Mapping
        Variable name to checked value.

    Returns
    -------
    KnownJob or None
        The one executed last.
    """
    if not (connection.settings.ledger / "ledger.sqlite").exists():
        return None
    ledger = connection.ledger()
    labels = [each.display_name for each in connection.record.inputs]
    names = {each.variable_name: each.display_name for each in connection.record.inputs}
    unique = {name: label for name, label in names.items() if labels.count(label) == 1}
    key, _ = Identities(connection.record.workflow_id, connection.version, unique, _NoMemory()).key(inputs)
    for sent in find_sent(ledger, connection.record.workflow_id, key):
        state = sent.outcome.state
        was_sent = state.is_live or (state.is_final and sent.outcome.job_id is not None)
        # Another Opus, or an earlier sandbox, knows nothing of this job.
        if was_sent and sent.base_url == connection.settings.base_url:
            return _known(connection, Book.open(ledger, sent.run_name), key, sent)
    return None


def _known(connection: Connection, book: Book, key: str, sent: SentJob) -> KnownJob:
    run_name, outcome, alone = sent.run_name, sent.outcome, sent.row_count == 1
    words = f"job {outcome.job_id} ({outcome.state.count_name.replace('_', ' ')})"
    words += "" if alone else f" of run {run_name!r}"
    if alone and not outcome.state.is_final and Run.alive(book) is None:
        run = Run(book, connection.api, progress="off", settle_s=connection.settings.settle_s)
        try:
            # The job is at Opus already: it is watched, nothing is started.
            run.carry_on(start_rows=False)
        except RunLocked as error:
            busy = str(error)
            return KnownJob(words, FollowedJob(connection, lambda: (outcome, busy)))
        return KnownJob(words, follow_job(connection, Job(run)))
    alive = Run.alive(book)

    def read() -> tuple[Outcome, str]:
        at_work = alive is not None and alive.state in {"running", "paused"}
        now = read_sent(book, key)
        return now, "" if at_work or now.state.is_final else f"opus.open_run({run_name!r}) follows it to its end."

    return KnownJob(words, FollowedJob(connection, read))


class _NoMemory:
    """Files of one job are read anew: they may have changed a moment ago."""

    def known_hash(self, path: str, size: int, mtime_ns: int) -> str | None:
        return None

    def keep_hash(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        return None
