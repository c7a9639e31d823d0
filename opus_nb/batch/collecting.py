"""What an ended job leaves: its results, its audit, and why it ended as it did."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from opus_nb.batch.entry import Entry, Reporter
from opus_nb.batch.timing import PASSING, Timing
from opus_nb.errors import OpusError, RateLimited, RequestRefused, ServiceKeyRefused
from opus_nb.job import JobState, RowState
from opus_nb.service.api import JobApi
from opus_nb.service.audits import Audit, read_audit, shorten_audit
from opus_nb.service.schema import Schema

__all__ = ["Collector", "failure_signature"]

# How many jobs' results are fetched at once.
COLLECTED_AT_ONCE = 32
# The longest that the results of a completed job are asked for; what 429s hold back is not counted.
RESULTS_S = 120.0
# Questions about results that may be answered with 429 before they are given up.
LIMITED_ASKS = 20
# Sendings of a question about an audit, which nobody needs as much as the row's end.
AUDIT_SENDINGS = 3
NOT_THERE = "they are not there yet"

_ENDS = {
    "completed": RowState.COMPLETED,
    "failed": RowState.FAILED,
    "cancelled": RowState.CANCELLED,
    "timed_out": RowState.TIMED_OUT,
}


@dataclass(slots=True)
class _Heard:
    """What came of asking for a job's results, and what its audit told.

    Attributes
    ----------
    text : str or None
        The results.
    why : str or None
        Why there are none; None where they are there.
    is_limited, is_refused, is_last : bool
        Opus wants to be asked less; it says no for good; there will be no more questions.
    audited : tuple
        The audit as it is kept, the audit read, and a note.
    """

    text: str | None = None
    why: str | None = None
    is_limited: bool = False
    is_refused: bool = False
    is_last: bool = False
    audited: tuple[str | None, Audit | None, str | None] = (None, None, None)


class Collector:
    """Fetches what ended jobs leave and brings their rows to an end.

    Parameters
    ----------
    api : JobApi
    reporter : Reporter
    inputs : Schema
        For a hint when a job failed without a word.
    fetch_audit : bool
    timing : Timing
    """

    def __init__(self, api: JobApi, reporter: Reporter, *, inputs: Schema, fetch_audit: bool, timing: Timing) -> None:
        self._api = api
        self._reporter = reporter
        self._inputs = inputs
        self._fetch_audit = fetch_audit
        self._timing = timing
        self._places = asyncio.Semaphore(COLLECTED_AT_ONCE)

    async def collect(self, entry: Entry, state: JobState) -> None:
        """Fetch what an ended job leaves, and bring the row to its end.

        Raises
        ------
        ServiceKeyRefused
            The key is refused for the results; the row stays where it is, and is collected when it is opened again.
        """
        assert entry.job_id is not None
        if entry.state is not RowState.COLLECTING or entry.word != state.word:
            await self._reporter.move(entry, RowState.COLLECTING, word=state.word, error=None)
        end = _ENDS[state.name]
        heard = _Heard()
        if end is RowState.COMPLETED:
            heard = await self._wait_for_results(entry, entry.job_id)
        else:
            async with self._places:
                heard.audited = await self._audit(entry.job_id)
        (kept, audit, note), error = heard.audited, heard.why
        if end is not RowState.COMPLETED:
            error = _explain_end(state, audit, self._inputs)
            entry.signature = _signature_of_end(state, audit)
        await self._reporter.move(
            entry,
            end,
            word=state.word,
            error="; ".join(each for each in (error, note) if each) or None,
            results=heard.text,
            audit=kept,
            started_at=None if audit is None else audit.started_at,
            ended_at=None if audit is None else audit.ended_at,
        )

    async def fill(self, entry: Entry, missing: Collection[str]) -> None:
        """Fetch what a completed row lacks, once, and write down what came."""
        assert entry.job_id is not None
        results: str | None = None
        if "results" in missing:
            reply = await self._api.fetch_results(entry.job_id)
            results = None if reply is None else reply.text
        kept, audit, note = await self._audit(entry.job_id) if "audit" in missing else (None, None, None)
        if results is None and kept is None:
            return
        lacks_results = "results" in missing and results is None
        await self._reporter.move(
            entry,
            entry.state,
            error=entry.error if lacks_results else note,
            results=results,
            audit=kept,
            started_at=None if audit is None else audit.started_at,
            ended_at=None if audit is None else audit.ended_at,
        )

    async def _wait_for_results(self, entry: Entry, job_id: str) -> _Heard:
        """Ask until the results are there, and show meanwhile what they are waited for; fetch the audit as well.

        The only ladder of repeats: each question is sent once, or the waits of two ladders would multiply. Who waits
        holds no place, so that many who wait do so side by side.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + RESULTS_S
        asked = limited = 0
        while True:
            async with self._places:
                began = clock()
                heard = await self._ask_results(job_id)
                asked, limited = asked + (not heard.is_limited), limited + heard.is_limited
                if heard.is_limited:
                    # Slower is not later: what the key is held back for is no trouble of this job.
                    until += clock() - began
                if asked >= self._timing.results_asks or limited >= LIMITED_ASKS or clock() >= until:
                    heard.is_last = True
                if heard.is_last:
                    heard.audited = await self._audit(job_id)
            if heard.is_last:
                if heard.text is None and not heard.is_refused:
                    heard.why = (
                        f"completed, but its results could not be fetched ({heard.why}); run.reconcile() asks again"
                    )
                return heard
            # That they are not written yet when a job has just ended is common and soon over.
            if heard.why != NOT_THERE or asked > 1:
                await self._tell_waiting(entry, f"completed; its results are awaited: {heard.why}")
            await asyncio.sleep(min(self._timing.wait_s(asked), max(0.0, until - clock())))

    async def _ask_results(self, job_id: str) -> _Heard:
        once = replace(self._api.wire.patience, attempts=1)
        try:
            reply = await self._api.fetch_results(job_id, patience=once)
        except ServiceKeyRefused:
            raise
        except PASSING as error:
            return _Heard(why=error.came_back or error.what, is_limited=isinstance(error, RateLimited))
        except RequestRefused as error:
            return _Heard(why=f"completed, but its results cannot be read: {error}", is_last=True, is_refused=True)
        return _Heard(why=NOT_THERE) if reply is None else _Heard(reply.text, is_last=True)

    async def _tell_waiting(self, entry: Entry, note: str) -> None:
        if entry.error != note:
            await self._reporter.move(entry, RowState.COLLECTING, error=note)

    async def _audit(self, job_id: str) -> tuple[str | None, Audit | None, str | None]:
        """An audit is a help, never a reason to call a row anything else than Opus called it."""
        if not self._fetch_audit:
            return None, None, None
        try:
            patience = self._api.wire.patience
            fewer = replace(patience, attempts=min(AUDIT_SENDINGS, patience.attempts))
            found = await self._api.fetch_audit(job_id, patience=fewer)
        except OpusError as error:
            return None, None, f"its audit could not be fetched ({error.came_back or error.what})"
        if found is None:
            return None, None, None
        short = shorten_audit(found)
        return json.dumps(short, ensure_ascii=False), read_audit(short, job_id), None


def failure_signature(error: OpusError) -> tuple[str, str]:
    """Return what makes two refusals the same: the request and the words, without the numbers in them."""
    if not isinstance(error, RequestRefused):
        return error.what, ""
    return _plain(error.where or ""), _plain("; ".join(error.messages) or error.came_back or error.what)


def _signature_of_end(state: JobState, audit: Audit | None) -> tuple[str, str]:
    if audit is None:
        return "", state.word
    node = next((each for each in audit.failed_nodes if each), "")
    words = next((each.error for each in audit.entries if each.error), state.word)
    return node, _plain(words)


def _plain(words: str) -> str:
    """The message without what differs from row to row: numbers, ids, what is quoted."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\b[\w.-]*\d[\w.-]*\b", "#", words)


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
