"""The way of one row: upload, initiate, execute, and what came of it.

Two of these requests are not idempotent. Each is preceded by a mark on disk and repeated only when it
certainly never left. When the answer to ``execute`` is lost, three witnesses are heard before the same id
may be executed again; if they cannot agree, the row is uncertain and a person decides.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opus_nb.batch.entry import Entry, Reporter
from opus_nb.batch.identity import local_files
from opus_nb.batch.uploads import Uploads
from opus_nb.errors import (
    AnswerLost,
    NotFound,
    OpusError,
    OpusUnreachable,
    RateLimited,
    ReplyUnreadable,
    RequestRefused,
    ServiceKeyRefused,
    ServiceTrouble,
)
from opus_nb.job import JobState, PlannedRow, RowState
from opus_nb.service.api import InitiateParameters, JobApi
from opus_nb.service.audits import Audit, read_audit, shorten_audit
from opus_nb.service.schema import Schema
from opus_nb.service.values import build_payload

__all__ = ["PASSING", "RowProtocol", "Timing"]

# What may be different in a moment: the way was blocked, the row is not to blame.
PASSING = (OpusUnreachable, ServiceTrouble, RateLimited, ReplyUnreadable)
INITIATE_TRIES = 3
# Sendings of one execute in a row, each after three witnesses agreed that the one before never arrived.
EXECUTE_TRIES = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """Every wait of the protocol that is not about polling, in seconds.

    Attributes
    ----------
    settle_s : float
        After a lost ``execute``: how long Opus gets to act on it before it is asked. A job that was started
        shows it within seconds; asking earlier could find a fresh shell that is about to run.
    settle_asks : int
        How often witnesses are heard before a row is called uncertain.
    results_asks : int
        How often the results of a completed job are asked for while they are not there yet.

    Notes
    -----
    The waits between those questions double, from a twentieth of ``settle_s`` to twice it.
    """

    settle_s: float = 10.0
    settle_asks: int = 6
    results_asks: int = 8

    def wait_s(self, asked: int) -> float:
        """The wait after so many questions."""
        return float(min(2.0 * self.settle_s, 0.05 * self.settle_s * 2.0**asked))


class RowProtocol:
    """Takes rows through Opus, one call per row and step.

    Parameters
    ----------
    api : JobApi
    reporter : Reporter
    uploads : Uploads
    inputs : Schema
    parameters : InitiateParameters
    load : callable
        Gives what is to be sent for a row.
    marker : str
        The run's short id; it ends every title, so that a search can find the run's jobs.
    fetch_audit : bool
        Whether an ended job's audit is fetched with its results.
    may_execute : callable
        Asked at the last moment before ``execute``; False leaves the row initiated.
    """

    def __init__(
        self,
        api: JobApi,
        reporter: Reporter,
        uploads: Uploads,
        *,
        inputs: Schema,
        parameters: InitiateParameters,
        load: Callable[[Entry], PlannedRow],
        marker: str,
        fetch_audit: bool = True,
        timing: Timing | None = None,
        fresh_word: str | None = None,
        may_execute: Callable[[Entry], bool] = lambda entry: True,
    ) -> None:
        self.api = api
        self.reporter = reporter
        self.uploads = uploads
        self.timing = timing or Timing()
        self.fresh_word = fresh_word
        self.fetch_audit = fetch_audit
        self._inputs = inputs
        self._parameters = parameters
        self._load = load
        self._marker = marker
        self._may_execute = may_execute
        self._learning = False

    # -- on the way in ----------------------------------------------------------------------------------

    async def start(self, entry: Entry) -> None:
        """Bring a row from planned (or initiated) to running.

        Raises
        ------
        OpusUnreachable, ServiceTrouble, RateLimited, ReplyUnreadable
            Nothing was executed; the row may be started again.
        RequestRefused, OpusError
            Nothing was executed; this row will not go.
        """
        row = await asyncio.to_thread(self._load, entry)
        urls: Mapping[str, str] = {}
        if any(True for _ in local_files(row.inputs)):
            await self.reporter.move(entry, RowState.UPLOADING, error=None)
            urls = await self.uploads.urls_for(row.inputs)
        payload = build_payload(self._inputs, row.inputs, lambda file: urls[file.path])
        if not self._may_execute(entry):
            return
        if entry.job_id is None:
            await self._initiate(entry, row)
        elif entry.state is not RowState.INITIATED:
            await self.reporter.move(entry, RowState.INITIATED)
        await self._learn_fresh_word(entry)
        if self._may_execute(entry):
            await self._execute(entry, payload)

    def title(self, entry: Entry, row: PlannedRow) -> str:
        """The title as Opus gets it: the person's, and the marker of run, row and attempt."""
        return f"{row.title} [{self._mark(entry)}]".strip()

    def _mark(self, entry: Entry) -> str:
        digest, _, occurrence = entry.key.partition(".")
        return f"{self._marker}-{digest[:8]}{'.' + occurrence if occurrence else ''}-{entry.attempt}"

    async def _initiate(self, entry: Entry, row: PlannedRow) -> None:
        title = self.title(entry, row)
        if entry.state is RowState.INITIATING:
            # An earlier process asked for a shell and died before it knew the id.
            entry.job_id = await self._find_shell(entry)
        tries = 0
        while entry.job_id is None:
            await self.reporter.move(entry, RowState.INITIATING, error=None)
            try:
                job_id = await self.api.send_initiate(self._parameters, title=title, description=row.description)
            except (AnswerLost, ReplyUnreadable):
                # A shell may have been made. It costs nothing, nobody knows its id: make another.
                await self.reporter.journal.keep_orphan(entry.key, entry.attempt, title, None)
                tries += 1
                if tries >= INITIATE_TRIES:
                    raise
                continue
            break
        else:
            job_id = entry.job_id
        await self.reporter.move(entry, RowState.INITIATED, job_id=job_id, error=None)

    async def _find_shell(self, entry: Entry) -> str | None:
        try:
            found = await self.api.find_jobs(self._mark(entry))
        except OpusError:
            return None
        # More than one: which of them is ours to execute cannot be told apart, and a new one costs nothing.
        return found[0] if len(found) == 1 else None

    async def _learn_fresh_word(self, entry: Entry) -> None:
        """Once a run: hear what a shell says that was certainly never executed."""
        if self.fresh_word is not None or self._learning or entry.job_id is None:
            return
        self._learning = True
        try:
            self.fresh_word = (await self.api.fetch_status(entry.job_id)).word
        except NotFound:
            self.fresh_word = ""
        except OpusError:
            return
        finally:
            self._learning = False

    async def _execute(self, entry: Entry, payload: Mapping[str, Any]) -> None:
        assert entry.job_id is not None
        await self.reporter.move(entry, RowState.EXECUTING, error=None)
        try:
            await self.api.send_execute(entry.job_id, payload)
        except (AnswerLost, ReplyUnreadable):
            await self.settle(entry, payload)
            return
        except RequestRefused as error:
            if error.status == 409 or any("already" in each.lower() for each in error.messages):
                await self.settle(entry, payload)
                return
            if not isinstance(error, (RateLimited, ServiceKeyRefused)):
                raise
            await self.reporter.move(entry, RowState.INITIATED, error=str(error))
            raise
        except OpusError as error:
            # It never left: the id is as good as before.
            await self.reporter.move(entry, RowState.INITIATED, error=str(error))
            raise
        await self.reporter.move(entry, RowState.RUNNING, acked_at=self.reporter.now())

    # -- when the answer to execute was lost ------------------------------------------------------------

    async def settle(self, entry: Entry, payload: Mapping[str, Any] | None = None, *, wait_first: bool = True) -> None:
        """Find out whether a job was started whose acknowledgement never came.

        Ends in running (a witness saw it), in another execute of the same id (three witnesses agree that
        it never started), or in uncertain.
        """
        assert entry.job_id is not None
        if wait_first:
            await asyncio.sleep(self.timing.settle_s)
        heard = "nobody answered"
        for asked in range(self.timing.settle_asks):
            if asked:
                await asyncio.sleep(self.timing.wait_s(asked))
            started, heard = await self._hear_witnesses(entry.job_id)
            if started:
                sent_at = entry.sent_at or self.reporter.now()
                await self.reporter.move(entry, RowState.RUNNING, acked_at=entry.acked_at or sent_at, error=None)
                return
            if started is False:
                if payload is None:
                    payload = await self._payload_again(entry)
                if not self._may_execute(entry):
                    await self.reporter.move(entry, RowState.INITIATED, error=None)
                    return
                entry.executes += 1
                if entry.executes >= EXECUTE_TRIES:
                    await self.reporter.move(entry, RowState.INITIATED, error=None)
                    raise AnswerLost(
                        "Execute was lost several times; Opus says that the job never started",
                        where=f"job {entry.job_id}",
                    )
                await self._execute(entry, payload)
                return
        await self.reporter.move(
            entry,
            RowState.UNCERTAIN,
            error=(
                f"execute was sent for job {entry.job_id}, no answer came, and Opus cannot tell whether it runs "
                f"({heard}). It may be running and may be charged; it was NOT sent again. run.reconcile() asks again; "
                "run.retry(states={'uncertain'}) sends it anew."
            ),
        )

    async def _payload_again(self, entry: Entry) -> dict[str, Any]:
        row = await asyncio.to_thread(self._load, entry)
        urls = await self.uploads.urls_for(row.inputs)
        return build_payload(self._inputs, row.inputs, lambda file: urls[file.path])

    async def _hear_witnesses(self, job_id: str) -> tuple[bool | None, str]:
        """Did it start? True, False when all three say no, None when that cannot be told; and what was heard."""
        try:
            state = await self.api.fetch_status(job_id)
        except NotFound:
            state = JobState("pending", "")
        except ServiceKeyRefused:
            raise
        except OpusError as error:
            return None, f"status: {error.came_back or error.what}"
        if self.fresh_word is None:
            if state.name not in {"pending", "unknown"}:
                return True, f"status: {state.word}"
        elif state.word != self.fresh_word and state.name != "unknown":
            return True, f"status: {state.word}"
        try:
            audit = await self.api.fetch_audit(job_id)
            detail = await self.api.fetch_detail(job_id)
        except ServiceKeyRefused:
            raise
        except OpusError as error:
            return None, f"status: {state.word}; then {error.came_back or error.what}"
        if audit is not None and _shows_work(read_audit(audit, job_id)):
            return True, "audit: work was done"
        if not isinstance(detail, Mapping):
            return None, f"status: {state.word}; the detail of a job cannot be read here"
        if detail.get("input"):
            # Inputs that were stored when the shell was made prove nothing.
            started = None if self._parameters.initial_input else True
            return started, f"status: {state.word}; detail: it holds inputs"
        if self.fresh_word is None or state.word != self.fresh_word:
            return None, f"status: {state.word}"
        return False, "status, audit and detail agree that it never started"

    # -- on the way out ---------------------------------------------------------------------------------

    async def collect(self, entry: Entry, state: JobState) -> None:
        """Fetch what an ended job leaves, and bring the row to its end."""
        assert entry.job_id is not None
        if entry.state is not RowState.COLLECTING or entry.word != state.word:
            await self.reporter.move(entry, RowState.COLLECTING, word=state.word, error=None)
        end = _ENDS[state.name]
        error: str | None = None
        results: str | None = None
        if end is RowState.COMPLETED:
            results, error = await self._results(entry.job_id)
        kept, audit = await self._audit(entry.job_id)
        if end is not RowState.COMPLETED:
            error = _explain_end(state, audit, self._inputs)
        await self.reporter.move(
            entry,
            end,
            word=state.word,
            error=error,
            results=results,
            audit=kept,
            started_at=None if audit is None else audit.started_at,
            ended_at=None if audit is None else audit.ended_at,
        )

    async def _results(self, job_id: str) -> tuple[str | None, str | None]:
        why = "they were not there yet"
        for asked in range(self.timing.results_asks):
            if asked:
                await asyncio.sleep(self.timing.wait_s(asked))
            try:
                reply = await self.api.fetch_results(job_id)
            except ServiceKeyRefused:
                raise
            except PASSING as error:
                why = error.came_back or error.what
                continue
            except OpusError as error:
                return None, f"completed, but its results cannot be read: {error}"
            if reply is not None:
                return reply.text, None
        return None, f"completed, but its results could not be fetched ({why}); run.reconcile() asks again"

    async def _audit(self, job_id: str) -> tuple[str | None, Audit | None]:
        if not self.fetch_audit:
            return None, None
        try:
            found = await self.api.fetch_audit(job_id)
        except ServiceKeyRefused:
            raise
        except OpusError:
            # An audit is a help, never a reason to call a row anything else than Opus called it.
            return None, None
        if found is None:
            return None, None
        short = shorten_audit(found)
        return json.dumps(short, ensure_ascii=False), read_audit(short, job_id)


_ENDS = {
    "completed": RowState.COMPLETED,
    "failed": RowState.FAILED,
    "cancelled": RowState.CANCELLED,
    "timed_out": RowState.TIMED_OUT,
}


def _shows_work(audit: Audit) -> bool:
    """Anything beyond the making of the shell."""
    if audit.nodes_done:
        return True
    return any(entry.source == "nodes" or "initiat" not in (entry.event or "").lower() for entry in audit.entries)


def _explain_end(state: JobState, audit: Audit | None, inputs: Schema) -> str:
    said = f"Opus says {state.word}"
    if audit is None:
        return said
    nodes = [each for each in audit.failed_nodes if each]
    errors = [entry.error for entry in audit.entries if entry.error]
    if nodes:
        said += f" at node {nodes[0]!r}"
    if errors:
        said += f": {errors[0]}"
    elif state.name == "failed" and audit.started_at is not None and audit.ended_at is not None:
        brief = audit.ended_at - audit.started_at < 1.0
        if brief and (audit.nodes_done or 0) <= 1:
            said += (
                ". It failed at once and without a word: this is what Opus does when a value's type is not what "
                "its input expects"
                + (f" ({', '.join(sorted({each.type for each in inputs if each.type}))})" if len(inputs) else "")
            )
    return said
