"""A connection to Opus: what a user holds first."""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from types import TracebackType
from typing import Any

import pandas as pd

from opus_nb import loop
from opus_nb.batch.book import Book
from opus_nb.batch.history import read_runs
from opus_nb.batch.ledger import Ledger
from opus_nb.batch.lock import RunLock
from opus_nb.connection import Connection, check_parameter_names, with_parameters
from opus_nb.errors import ExtraMissing, NotFound, RequestRefused, ServiceTrouble, SettingsError
from opus_nb.job import COUNT_NAMES, Observer
from opus_nb.run import Run
from opus_nb.service.api import InitiateParameters, JobApi
from opus_nb.service.cases import CaseClient
from opus_nb.service.client import Client
from opus_nb.service.schema import WorkflowRecord
from opus_nb.service.wire import Patience, Wire
from opus_nb.settings import Settings, read_settings
from opus_nb.workflow import Workflow

__all__ = ["Opus", "connect", "sandbox"]

# A person is waiting for the answer: do not try for long.
AT_THE_PROMPT = Patience(attempts=3, first_wait_s=0.3, longest_wait_s=2.0)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


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
    check_parameter_names(initiate)
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

    Closes with the kernel, or with ``with``. Its workflows compute something real from what they are given;
    see `opus_nb.sandbox` for how to define your own.

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
    weakref.finalize(opus, box.close)
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
        self._settings = settings
        self._wire = Wire(settings)
        self.client = Client(self._wire)
        self._cases = CaseClient(self._wire)
        self._speaks: dict[str, JobApi] = {}
        self.sandbox: Any = None

    @property
    def base_url(self) -> str:
        """The address in use."""
        return self._settings.base_url

    @property
    def cases(self) -> CaseClient:
        """The same wire, on the routes of the case family."""
        return self._cases

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
        workflow_id = _read_workflow_id(workflow)
        number, version_id = _read_version(version)
        api, record = loop.call(self._find, workflow_id, number, version_id)
        parameters = InitiateParameters(
            workflow_id=workflow_id, workflow_version_number=number, workflow_version_id=version_id
        )
        connection = Connection(
            self._settings,
            api,
            replace(record, workflow_id=workflow_id),
            parameters,
            version=None if version is None else str(version),
            workspace_id=workspace or self._settings.workspace or record.workspace_id,
        )
        connection = with_parameters(connection, self._settings.initiate)
        return Workflow(with_parameters(connection, initiate), opus=self)

    def workflows(self, query: str | None = None) -> pd.DataFrame:
        """List the workflows that this key can see.

        Returns
        -------
        DataFrame
            One row per workflow: ``id``, ``name``, ``generation`` (``v1`` by the older 16-character ids, else
            ``v2``), ``description``, ``workspace``, ``created_at`` (datetime64 UTC). Empty where Opus does not
            answer this question, which newer versions of the service do not; ids are in the app's addresses.
        """
        rows = loop.call(_fetch_workflows, self.client, query)
        frame: pd.DataFrame = pd.DataFrame(
            {
                "id": [str(row.get("workflowId") or row.get("workflow_id") or row.get("id") or "") for row in rows],
                "name": [str(row.get("name") or "") for row in rows],
                "description": [str(row.get("description") or "") for row in rows],
                "workspace": [str(row.get("workspaceName") or "") for row in rows],
            },
            dtype="string",
        )
        generation = ["v2" if _UUID.fullmatch(each) else "v1" for each in frame["id"]]
        frame.insert(2, "generation", pd.Series(generation, dtype="string"))
        created: Any = pd.Series([row.get("createdAt") for row in rows], dtype=object)
        frame["created_at"] = pd.to_datetime(created, utc=True, errors="coerce", format="ISO8601")
        return frame

    def runs(self) -> pd.DataFrame:
        """List the runs of the ledger, the one touched last first.

        Returns
        -------
        DataFrame
            One row per run: ``name``, ``workflow``, ``workflow_id``, ``created_at``, ``touched_at`` (datetime64
            UTC), ``rows``, and one column per state with its count.
        """
        there = (self._settings.ledger / "ledger.sqlite").exists()
        found = read_runs(self._ledger()) if there else []
        columns: dict[str, Any] = {
            "name": pd.array([record.name for record, _ in found], dtype="string"),
            "workflow": pd.array([str(record.about.get("workflow_name", "")) for record, _ in found], dtype="string"),
            "workflow_id": pd.array([record.workflow_id for record, _ in found], dtype="string"),
            "created_at": pd.to_datetime([record.created_at for record, _ in found], unit="s", utc=True),
            "touched_at": pd.to_datetime([record.touched_at for record, _ in found], unit="s", utc=True),
            "rows": pd.array([record.row_count for record, _ in found], dtype="int64"),
        }
        for state in COUNT_NAMES:
            columns[state] = pd.array([counts.get(state, 0) for _, counts in found], dtype="int64")
        frame: pd.DataFrame = pd.DataFrame(columns)
        return frame

    def open_run(self, name: str, *, progress: str | Observer = "auto") -> Run:
        """Open a run of the ledger, in any kernel; carries on if it was not finished.

        Rows that were under way are asked after, rows that never left are started, nothing is paid twice.

        Parameters
        ----------
        name : str
        progress : {"auto", "widget", "text", "off"} or Observer

        Raises
        ------
        RunNotFound
            Names the runs that there are.
        RunLocked
            Another process works on it.
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
        api: JobApi = self._cases if about.get("api") == "cases" else self.client
        run = Run(book, api, progress=progress, settle_s=self._settings.settle_s)
        if run.state == "stopped" or "waiting" in run.counts.index:
            lock = RunLock(book)
            lock.take()
            run.begin(lock)
        return run

    def close(self) -> None:
        """Close the connections, and the sandbox if there is one. Runs at work are let go."""
        Run.let_go_all(self._settings.ledger)
        loop.call(self._wire.aclose)
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
        """Find the family of routes that knows this workflow; at most one extra request, remembered."""
        forced: dict[str, JobApi] = {"jobs": self.client, "cases": self._cases}
        known = forced.get(self._settings.api) or self._speaks.get(workflow_id)
        api: JobApi = known or self.client
        try:
            record = await api.fetch_workflow(
                workflow_id, version=number, workflow_version_id=version_id, patience=AT_THE_PROMPT
            )
        except (NotFound, RequestRefused, ServiceTrouble) as error:
            if known is not None or not _UUID.fullmatch(workflow_id) or getattr(error, "status", 0) in {401, 403}:
                raise
            api = self._cases
            try:
                record = await api.fetch_workflow(
                    workflow_id, version=number, workflow_version_id=version_id, patience=AT_THE_PROMPT
                )
            except (NotFound, RequestRefused, ServiceTrouble):
                # The first answer is the one about the routes that most people have.
                raise error from None
        self._speaks[workflow_id] = api
        return api, record


def _read_workflow_id(text: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise SettingsError("A workflow is named by its id or its address", where=repr(text))
    word = text.strip()
    if "/" in word:
        found = re.search(r"/workflows?/([^/?#\s]+)", word)
        if found is None:
            raise SettingsError(
                "There is no workflow id in this address",
                where=word,
                next_step="Open the workflow in the Opus app and copy the address: .../app/workflow/<id>.",
            )
        word = found[1]
    if not re.fullmatch(r"[A-Za-z0-9_-]+", word):
        raise SettingsError(
            "This is not a workflow id",
            where=repr(word),
            next_step="It is the part of the app's address after /workflow/: 16 letters and digits, or a UUID.",
        )
    return word


def _read_version(version: int | str | None) -> tuple[int | None, str | None]:
    if version is None:
        return None, None
    if isinstance(version, int) and not isinstance(version, bool):
        return version, None
    if isinstance(version, str) and version.strip().isdigit():
        return int(version), None
    if isinstance(version, str) and _UUID.fullmatch(version.strip()):
        return None, version.strip()
    raise SettingsError("A version is a number or the UUID of a version", where=f"version={version!r}")


async def _fetch_workflows(client: Client, query: str | None) -> list[Mapping[str, Any]]:
    return await client.fetch_workflows(query=query)
