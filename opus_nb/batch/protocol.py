"""The way of one row: upload, initiate, execute.

Two of these requests are not idempotent. Each is preceded by a mark on disk and repeated only when it
certainly never left. When the answer to ``execute`` is lost, three witnesses are heard before the same id
may be executed again; if they cannot agree, the row is uncertain and a person decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from opus_nb.batch.entry import Entry, Reporter
from opus_nb.batch.identity import local_files
from opus_nb.batch.shells import Shells
from opus_nb.batch.timing import PASSING, Timing
from opus_nb.batch.uploads import Uploads
from opus_nb.batch.witnesses import Testimony, Witnesses
from opus_nb.errors import AnswerLost, OpusError, RateLimited, ReplyUnreadable, RequestRefused, ServiceKeyRefused
from opus_nb.job import PlannedRow, RowState
from opus_nb.service.api import InitiateParameters, JobApi
from opus_nb.service.schema import Schema
from opus_nb.service.values import build_payload

__all__ = ["RowProtocol"]

INITIATE_TRIES = 3
# Sendings of one execute in a row, each after three witnesses agreed that the one before never arrived.
EXECUTE_TRIES = 3


class RowProtocol:
    """Takes rows to where Opus works on them, one call per row and step.

    Parameters
    ----------
    api : JobApi
    reporter : Reporter
    uploads : Uploads
    shells : Shells
        Knows which shells there are and whose.
    witnesses : Witnesses
    inputs : Schema
    parameters : InitiateParameters
    load : callable
        Awaited for what is to be sent for a row.
    may_execute : callable
        Asked at the last moment before ``execute``; False leaves the row initiated.
    """

    def __init__(
        self,
        api: JobApi,
        reporter: Reporter,
        uploads: Uploads,
        *,
        shells: Shells,
        witnesses: Witnesses,
        inputs: Schema,
        parameters: InitiateParameters,
        load: Callable[[Entry], Awaitable[PlannedRow]],
        timing: Timing,
        may_execute: Callable[[Entry], bool] = lambda entry: True,
    ) -> None:
        self.api = api
        self.reporter = reporter
        self.uploads = uploads
        self.shells = shells
        self.witnesses = witnesses
        self.timing = timing
        self._inputs = inputs
        self._parameters = parameters
        self._load = load
        self._may_execute = may_execute

    async def start(self, entry: Entry) -> None:
        """Bring a row from planned (or initiated) to running.

        Raises
        ------
        OpusUnreachable, ServiceTrouble, RateLimited, ReplyUnreadable
            Nothing was executed; the row may be started again.
        RequestRefused, OpusError
            Nothing was executed; this row will not go.
        """
        row = await self._load(entry)
        lost_shell = entry.state is RowState.INITIATING and entry.job_id is None
        if lost_shell and await self._find_own_shell(entry, row):
            return
        urls: Mapping[str, str] = {}
        if any(True for _ in local_files(row.inputs)):
            if entry.job_id is None:
                await self.reporter.move(entry, RowState.UPLOADING, error=None)
            urls = await self.uploads.urls_for(row.inputs)
        payload = build_payload(self._inputs, row.inputs, lambda file: urls[file.path])
        if not self._may_execute(entry):
            return
        job_id = entry.job_id
        if job_id is None:
            job_id = await self._initiate(entry, row)
        elif entry.state is not RowState.INITIATED:
            await self.reporter.move(entry, RowState.INITIATED)
        if entry.job_id is None and (self.witnesses.wants_to_learn or not self._may_execute(entry)):
            await self.reporter.move(entry, RowState.INITIATED, job_id=job_id, error=None)
        await self.witnesses.learn(job_id)
        if self._may_execute(entry):
            # Where nothing came between, the id and "execute is about to leave" are one mark.
            await self._execute(entry, payload, job_id)

    async def open_attempt(self, entry: Entry) -> None:
        """Make a row ready to be sent anew, as a new job."""
        if entry.job_id is not None and entry.acked_at is None and entry.state is not RowState.UNCERTAIN:
            await self.shells.leave(entry)
        entry.begin_anew()
        await self.reporter.move(
            entry,
            RowState.PLANNED,
            attempt=entry.attempt + 1,
            job_id=None,
            word=None,
            error=None,
            acked_at=None,
            still_going_at=None,
        )

    # -- the shell --------------------------------------------------------------------------------------

    async def _find_own_shell(self, entry: Entry, row: PlannedRow) -> bool:
        """An earlier process asked for a shell and died before it knew the id; True where the job runs already."""
        found = await self.shells.recover(entry, row)
        if found is None:
            await self.reporter.move(entry, RowState.PLANNED)
            return False
        # A ledger that was copied back from earlier knows nothing of what was executed since.
        testimony = await self.hear_out(found, sends_inputs=bool(row.inputs), asks=1)
        if testimony.started:
            await self.reporter.move(entry, RowState.RUNNING, job_id=found, acked_at=self.reporter.now(), error=None)
        else:
            await self.reporter.move(entry, RowState.INITIATED, job_id=found, error=None)
        return bool(testimony.started)

    async def _initiate(self, entry: Entry, row: PlannedRow) -> str:
        """Get the id of a shell, which is not written down yet."""
        title = self.shells.title(entry, row)
        parameters = self._parameters if row.initiate is None else replace(self._parameters, **row.initiate)
        lost: OpusError | None = None
        for _ in range(INITIATE_TRIES):
            await self.reporter.move(entry, RowState.INITIATING, error=None)
            job_id: str | None = None
            try:
                job_id = await self.api.send_initiate(parameters, title=title, description=row.description)
                self.shells.claim(job_id)
            except (AnswerLost, ReplyUnreadable) as error:
                # A shell may have been made. It costs nothing: take it where it can be found, else make another.
                lost = error
                job_id = await self.shells.recover(entry, row)
            except (ServiceKeyRefused, *PASSING) as error:
                # It never left, or was answered with a no: there is no shell to look for.
                await self.reporter.move(entry, RowState.PLANNED, error=str(error))
                raise
            if job_id is not None:
                return job_id
        assert lost is not None
        await self.reporter.move(entry, RowState.PLANNED, error=str(lost))
        raise lost

    # -- execute ----------------------------------------------------------------------------------------

    async def _execute(self, entry: Entry, payload: Mapping[str, Any], job_id: str) -> None:
        await self.reporter.move(entry, RowState.EXECUTING, job_id=job_id, error=None)
        entry.began = asyncio.get_running_loop().time()
        try:
            await self.api.send_execute(job_id, payload)
        except (AnswerLost, ReplyUnreadable) as error:
            await self.settle(entry, payload, lost=error)
            return
        except RequestRefused as error:
            if _may_have_acted(error):
                await self.settle(entry, payload, refusal=error)
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

    async def settle(
        self,
        entry: Entry,
        payload: Mapping[str, Any] | None = None,
        *,
        after_death: bool = False,
        lost: OpusError | None = None,
        refusal: RequestRefused | None = None,
    ) -> None:
        """Find out whether a job was started whose acknowledgement never came.

        Ends in running (a witness saw it), in another execute of the same id (three witnesses agree that
        it never started), or in uncertain.

        Parameters
        ----------
        entry : Entry
        payload : Mapping, optional
            What was sent; made again from the row when left out.
        after_death : bool
            Another process sent it and died: nobody knows whether it is still on its way. Whoever says that it
            never started is asked again when it cannot be any more.
        lost : OpusError, optional
            How the answer was lost.
        refusal : RequestRefused, optional
            A no that does not prove that nothing was started. Where the witnesses agree with it, it stands.

        Raises
        ------
        RequestRefused
            ``refusal``, when the job never started.
        AnswerLost
            Lost several times in a row, and the witnesses agree each time that it never started.
        """
        assert entry.job_id is not None
        on_its_way_s = self.timing.still_on_its_way_s(entry.sent_at, self.reporter.now()) if after_death else 0.0
        asked_at = asyncio.get_running_loop().time() + on_its_way_s
        await asyncio.sleep(min(on_its_way_s, self.timing.settle_s) if after_death else self.timing.settle_s)
        sends_inputs = bool(payload)
        if payload is None:
            sends_inputs = bool(await self.inputs_of(entry))
        testimony = await self.hear_out(entry.job_id, sends_inputs=sends_inputs)
        left_s = asked_at - asyncio.get_running_loop().time()
        if testimony.started is False and after_death and left_s > 0:
            await asyncio.sleep(left_s)
            testimony = await self.hear_out(entry.job_id, sends_inputs=sends_inputs)
        if testimony.started:
            sent_at = entry.sent_at or self.reporter.now()
            await self.reporter.move(entry, RowState.RUNNING, acked_at=entry.acked_at or sent_at, error=None)
        elif testimony.started is None:
            await self.reporter.move(entry, RowState.UNCERTAIN, error=_explain_doubt(entry.job_id, testimony.heard))
        elif refusal is not None:
            raise refusal
        else:
            await self._execute_again(entry, payload or await self._payload_again(entry), lost)

    async def inputs_of(self, entry: Entry) -> Mapping[str, Any]:
        """What is to be sent for a row, files as they lie on this machine."""
        return (await self._load(entry)).inputs

    async def hear_out(self, job_id: str, *, sends_inputs: bool, asks: int | None = None) -> Testimony:
        """Hear the witnesses until they can tell, at most ``settle_asks`` times."""
        testimony = Testimony(None, "nobody answered")
        for asked in range(self.timing.settle_asks if asks is None else asks):
            if asked:
                await asyncio.sleep(self.timing.wait_s(asked))
            testimony = await self.witnesses.hear(job_id, sends_inputs=sends_inputs)
            if testimony.started is not None:
                break
        return testimony

    async def _execute_again(self, entry: Entry, payload: Mapping[str, Any], lost: OpusError | None) -> None:
        if not self._may_execute(entry):
            await self.reporter.move(entry, RowState.INITIATED, error=None)
            return
        entry.executes += 1
        if entry.executes >= EXECUTE_TRIES:
            entry.executes = 0
            error = AnswerLost(
                "Execute was lost several times; Opus says that the job never started",
                where=f"job {entry.job_id}",
                came_back=None if lost is None else lost.came_back,
                next_step="Nothing was started and nothing is paid; the same job is executed when the way is free.",
            )
            await self.reporter.move(entry, RowState.INITIATED, error=str(error))
            raise error
        assert entry.job_id is not None
        await self._execute(entry, payload, entry.job_id)

    async def _payload_again(self, entry: Entry) -> dict[str, Any]:
        row = await self._load(entry)
        urls = await self.uploads.urls_for(row.inputs)
        return build_payload(self._inputs, row.inputs, lambda file: urls[file.path])


def _may_have_acted(error: RequestRefused) -> bool:
    """A conflict, "already", or a 2xx that says no: none of them proves that nothing runs.

    A status of 0 is how a refusal looks that came inside a 2xx without a number of its own.
    """
    return error.status in {0, 409} or any("already" in each.lower() for each in error.messages)


def _explain_doubt(job_id: str, heard: str) -> str:
    return (
        f"execute was sent for job {job_id}, no answer came, and Opus cannot tell whether it runs "
        f"({heard}). It may be running and may be charged; it was NOT sent again. run.reconcile() asks again; "
        "run.retry(states={'uncertain'}) sends it anew."
    )
