"""A connection to Opus: what a user holds first."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from types import TracebackType
from typing import Any

import pandas as pd

from opus_nb import loop
from opus_nb.addresses import PINS, read_pins, read_workflow_id
from opus_nb.batch.book import Book
from opus_nb.batch.ledger import Ledger
from opus_nb.checkup import Checkup, run_checkup
from opus_nb.connection import Connection, check_parameters, with_parameters
from opus_nb.errors import ExtraMissing, SettingsError
from opus_nb.job import Observer
from opus_nb.listings import jobs_at_opus_frame, runs_frame, workflows_frame
from opus_nb.remote import RemoteJob
from opus_nb.run import Run
from opus_nb.saying import call_patiently
from opus_nb.service.api import InitiateParameters, JobApi
from opus_nb.service.cases import CaseClient
from opus_nb.service.client import Client
from opus_nb.service.families import Families
from opus_nb.service.schema import WorkflowRecord
from opus_nb.service.wire import Wire
from opus_nb.settings import Settings, read_settings
from opus_nb.workflow import Workflow

__all__ = ["Opus", "connect", "sandbox"]


def connect(
    service_key: str | None = None,
    *,
    base_url: str | None = None,
    workspace: str | None = None,
    ledger: str | PathLike[str] | None = None,
    timeout_s: float = 30.0,
    api: str = "auto",
    max_requests_per_second: float | None = None,
    settle_s: float = 10.0,
    **initiate: Any,
) -> Opus:
    """Connect to Opus. Sends nothing; the key is first used when a workflow is read.

    Parameters
    ----------
    service_key : str, optional
        None looks in the environment (``OPUS_SERVICE_KEY``), the Colab secrets and the keyring, then asks
        with a hidden prompt. It is kept where no repr, log, file or widget can show it.
    base_url : str, optional
        None takes ``OPUS_BASE_URL`` from the environment, else the service's own address.
    workspace : str, optional
        Id of the workspace that uploads belong to; None lets Opus take the workflow's own.
    ledger : str or path, optional
        Folder of the ledger. None takes ``OPUS_NB_LEDGER``, else ``.opus_nb`` beside the notebook.
    timeout_s : float
        Bounds one request, not one job.
    api : {"auto", "jobs", "cases"}
        Which family of routes to speak; ``"auto"`` finds out, workflow by workflow.
    max_requests_per_second : float, optional
        A limit that you know of; None follows what the server says.
    settle_s : float
        When the answer to an ``execute`` is lost: how long Opus gets to act on it before it is asked whether the
        job runs. Shorter is riskier: a job that is about to start looks like one that never will.
    **initiate
        Parameters of ``POST /job/initiate`` for everything on this connection: ``ref_user_id``, ``source``,
        ``workspaces``, ``web_app_id``, ``title``, ``description``, ... Nearer ones win: workflow, plan, start.

    Raises
    ------
    ServiceKeyMissing
        No key was found, and nobody could be asked.
    SettingsError
        An argument that cannot be used.

    Examples
    --------
    >>> opus = connect("_0123", base_url="http://127.0.0.1:9")
    >>> opus
    <Opus at http://127.0.0.1:9>
    """
    check_parameters(initiate)
    settings = read_settings(
        service_key=service_key,
        base_url=base_url,
        workspace=workspace,
        ledger=ledger,
        timeout_s=timeout_s,
        api=api,
        max_requests_per_second=max_requests_per_second,
        settle_s=settle_s,
        initiate=initiate,
    )
    return Opus(settings)


def sandbox(
    workflows: Any = None,
    *,
    ledger: str | PathLike[str] | None = None,
    time_scale: float = 1.0,
    seed: int | None = None,
    port: int = 0,
    **options: Any,
) -> Opus:
    """Start an Opus on this machine, over real HTTP on loopback, and connect to it. Needs no key.

    Closes with the kernel, or with ``with``. Its workflows compute something real from what they are given. Your own
    are functions::

        from opus_nb.sandbox import Input, Output, workflow

        @workflow("Word count", inputs=[Input("Letter", "file")], outputs=[Output("Words", "int")])
        def word_count(letter):
            return {"Words": len(letter.words())}

        opus = opus_nb.sandbox([word_count])

    Parameters
    ----------
    workflows : list, optional
        Definitions made with ``opus_nb.sandbox.workflow``; None serves the built-in ones.
    ledger : str or path, optional
        As in `connect`.
    time_scale : float
        1.0 lets jobs take seconds, as a tutorial wants; 0.01 is for tests.
    seed : int, optional
        Durations, failures and draws follow from it.
    port : int
        0 takes any free one.
    **options
        Whatever else ``opus_nb.sandbox.Sandbox`` or `connect` takes.

    Raises
    ------
    ExtraMissing
        starlette or uvicorn is not installed.
    """
    from opus_nb.sandbox import Sandbox

    for_connection = {name: options.pop(name) for name in _CONNECT_OPTIONS & set(options)}
    box = Sandbox(workflows, port=port, time_scale=time_scale, seed=seed, **options)
    try:
        box.start()
    except ImportError as error:
        raise ExtraMissing(
            "The sandbox needs a web server", came_back=str(error), next_step='pip install "opus_nb[sandbox]"'
        ) from None
    opus = connect("sandbox", base_url=box.base_url, ledger=ledger, **for_connection)
    opus.sandbox = box
    # As long as a workflow or a run speaks to it, whatever became of the connection object.
    weakref.finalize(opus.client.wire, box.close)
    return opus


_CONNECT_OPTIONS = {"workspace", "timeout_s", "api", "max_requests_per_second", "settle_s"}


class Opus:
    """A connection to Opus. Made by `connect` and `sandbox`.

    Attributes
    ----------
    client : Client
        The wire itself: one coroutine per endpoint, safe to await from any loop.
    sandbox : Sandbox or None
        The server behind this connection, when `sandbox` made it.
    """

    def __init__(self, settings: Settings) -> None:
        # The documented base of the case family; our paths bring it along themselves.
        self._settings = replace(settings, base_url=settings.base_url.removesuffix("/api/v1"))
        self._wire = Wire(self._settings)
        self._families = Families(self._wire, settings.api)
        self.client: Client = self._families.jobs
        self.sandbox: Any = None

    @property
    def base_url(self) -> str:
        """The address in use."""
        return self._settings.base_url

    @property
    def cases(self) -> CaseClient:
        """The same wire, on the routes of the case family."""
        return self._families.cases

    def workflow(
        self, workflow: str, *, version: int | str | None = None, workspace: str | None = None, **initiate: Any
    ) -> Workflow:
        """Read a workflow.

        Parameters
        ----------
        workflow : str
            Its id, or the address of its page copied from the browser.
        version : int or str, optional
            Pins a version by number or by its UUID; None follows the latest active one.
        workspace : str, optional
            As in `connect`, for this workflow.
        **initiate
            Parameters of ``POST /job/initiate`` for its jobs.

        Returns
        -------
        Workflow

        Raises
        ------
        NotFound
            There is none of this id, or this key cannot see it.
        ServiceKeyRefused
            Says what is usually wrong with the key.
        SchemaNotFound
            Its inputs are nowhere to be found.
        """
        workflow_id = read_workflow_id(workflow)
        check_parameters(initiate)
        pins = read_pins(version, initiate, self._settings.initiate)
        api, record = call_patiently(self.base_url, self._find, workflow_id, *pins)
        connection = Connection(
            self._settings,
            api,
            replace(record, workflow_id=workflow_id),
            InitiateParameters(workflow_id=workflow_id, workflow_version_number=pins[0], workflow_version_id=pins[1]),
            version=pins[1] or (None if pins[0] is None else str(pins[0])),
            workspace_id=workspace or self._settings.workspace or record.workspace_id,
        )
        # The pins are settled; the rest is set level by level, the nearest last.
        for given in (self._settings.initiate, initiate):
            rest = {name: value for name, value in given.items() if name not in PINS}
            connection = with_parameters(connection, rest)
        return Workflow(connection, opus=self)

    def workflows(self, query: str | None = None) -> pd.DataFrame:
        """List the workflows that this key can see.

        Returns
        -------
        DataFrame
            One row per workflow: ``id``, ``name``, ``generation`` (``v1`` by the older 16-character ids, else
            ``v2``), ``description``, ``workspace``, ``created_at`` (datetime64 UTC). Empty where Opus does not
            answer this question, which newer versions of the service do not; ids are in the app's addresses.
        """
        return workflows_frame(self.client, query)

    def jobs(
        self,
        *,
        workflow: str | Workflow | None = None,
        status: str | Iterable[str] | None = None,
        query: str | None = None,
        since: Any = None,
        archived: bool | None = False,
        limit: int = 500,
    ) -> pd.DataFrame:
        """Search the jobs at Opus, whoever made them, newest first.

        Parameters
        ----------
        workflow : str or Workflow, optional
            Only jobs of this one.
        status : str or iterable of str, optional
            Names as in ``job.state`` or Opus's own words, in any spelling.
        query : str, optional
            Words in title or description; the marker that ends the titles of a run finds its jobs.
        since : date, datetime, Timestamp or str, optional
            Made at this moment or later; UTC where it names no zone.
        archived : bool, optional
            True for archived jobs only, None for both.
        limit : int
            Jobs at most; they are read page by page.

        Returns
        -------
        DataFrame
            One row per job: ``job_id``, ``title``, ``state``, ``word`` (Opus's own), ``workflow_id``, ``workflow``,
            ``created_at`` (datetime64 UTC), ``user``, ``workspace``, ``archived``, ``description``.

        Raises
        ------
        NotFound
            This Opus has no search for jobs; an empty table would be a lie.

        Source
        ------
        Contract, section 1.11.
        """
        workflow_id = workflow.id if isinstance(workflow, Workflow) else workflow
        return jobs_at_opus_frame(
            self.client,
            workflow_id=None if workflow_id is None else read_workflow_id(workflow_id),
            status=status,
            query=query,
            since=since,
            archived=archived,
            limit=limit,
        )

    def job(self, job_id: str | int, *, workflow: Workflow | None = None) -> RemoteJob:
        """Open any job at Opus by its id, whoever made it; one request, two where it is a case.

        Parameters
        ----------
        job_id : str or int
        workflow : Workflow, optional
            Names its outputs, where Opus does not say which workflow it belongs to (cases).

        Raises
        ------
        NotFound
            There is none of this id, or this key cannot see it.
        """
        word = str(job_id).strip()
        if isinstance(job_id, bool) or not word:
            raise SettingsError(
                "A job is named by its id", where=f"job_id={job_id!r}", next_step="run.jobs() and opus.jobs() list ids."
            )
        return RemoteJob(
            self._families, word, outputs=None if workflow is None else workflow._connection.record.outputs
        )

    def archive(self, job_id: str | int, *, confirm: bool = False) -> None:
        """Put a job away in Opus; ``opus.job(id).unarchive()`` brings it back. See `RemoteJob.archive`."""
        self.job(job_id).archive(confirm=confirm)

    def delete(self, job_id: str | int, *, confirm: bool = False) -> None:
        """Delete a job at Opus, for ever. See `RemoteJob.delete`."""
        self.job(job_id).delete(confirm=confirm)

    def check(self, workflow: str | None = None) -> Checkup:
        """Test the connection, and tell in words what works: two or three harmless requests.

        Parameters
        ----------
        workflow : str, optional
            An id or address: also whether this key sees it, whether it is active, and how many inputs it has.

        Returns
        -------
        Checkup
            Prints as sentences; ``.ok`` is False when anything is wrong, ``.findings`` has each line,
            ``.round_trip_s`` the time of one request. Trouble is told, not raised.
        """
        return run_checkup(self._families, self.base_url, None if workflow is None else read_workflow_id(workflow))

    def runs(self) -> pd.DataFrame:
        """List the runs of the ledger, the one touched last first.

        Returns
        -------
        DataFrame
            One row per run: ``name``, ``workflow``, ``workflow_id``, ``created_at``, ``touched_at`` (datetime64
            UTC), ``rows``, and one column per state with its count.
        """
        there = (self._settings.ledger / "ledger.sqlite").exists()
        return runs_frame(self._ledger() if there else None)

    def open_run(self, name: str, *, progress: str | Observer = "auto", carry_on: bool = True) -> Run:
        """Open a run of the ledger, in any kernel; carries on if it was not finished.

        Rows that were under way are asked after, rows that never left are started, nothing is paid twice. Where
        rows are left to be started, the workflow is read again first. A finished run needs no network.

        Parameters
        ----------
        name : str
        progress : {"auto", "widget", "html", "text", "off"} or Observer
        carry_on : bool
            False starts no row; jobs that are at Opus are watched to their ends all the same.

        Raises
        ------
        RunNotFound
            Names the runs that there are.
        RunLocked
            Another process works on it.
        SchemaChanged
            Rows are left that were checked for a workflow that has changed; ``carry_on=False`` opens it nonetheless.
        """
        book = Book.open(self._ledger(), name)
        alive = Run.alive(book)
        if alive is not None:
            return alive
        about = book.record_of_run.about
        if about.get("base_url") != self.base_url and self.sandbox is None:
            raise SettingsError(
                f"Run {name!r} belongs to another Opus",
                where=str(about.get("base_url")),
                came_back=f"this connection is to {self.base_url}",
                next_step="Connect with the base_url of the run.",
            )
        api = self._families.named(about.get("api"))
        run = Run(book, api, progress=progress, settle_s=self._settings.settle_s, timeout_s=self._settings.timeout_s)
        left = {"queued", "running", "waiting"} if carry_on else {"running", "waiting"}
        if left & set(run.counts.index):
            run.carry_on(start_rows=carry_on)
        return run

    def close(self) -> None:
        """Close the connections, and the sandbox if there is one. Runs at work are let go."""
        try:
            Run.let_go_all(self._settings.ledger)
            loop.call(self._wire.aclose)
        finally:
            if self.sandbox is not None:
                self.sandbox.close()

    def __enter__(self) -> Opus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Opus at {self.base_url}{' (sandbox)' if self.sandbox is not None else ''}>"

    def _ledger(self) -> Ledger:
        return Ledger.at(self._settings.ledger)

    async def _find(
        self, workflow_id: str, number: int | None, version_id: str | None
    ) -> tuple[JobApi, WorkflowRecord]:
        return await self._families.find_workflow(workflow_id, version=number, workflow_version_id=version_id)
