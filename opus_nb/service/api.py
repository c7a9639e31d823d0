"""What the engine needs of an Opus, and the records that go in and out, whichever generation it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from opus_nb.errors import SettingsError
from opus_nb.job import JobState
from opus_nb.service.schema import WorkflowRecord
from opus_nb.service.wire import Patience, Wire

__all__ = ["SCOPES", "SOURCES", "InitiateParameters", "JobApi", "ResultsReply", "UploadAddress"]

SOURCES = ("email-agent", "chat-agent", "scheduled", "api", "manual", "agent", "opus-ai", "web-app")
SCOPES = ("all", "user", "workspace", "organization")


@dataclass(frozen=True, slots=True)
class InitiateParameters:
    """Every parameter of ``POST /job/initiate`` but the title and description, checked before it is sent.

    Attributes
    ----------
    workflow_id, reference_entity_id : str or None
        One of them is needed; Opus prefers the second when both are sent.
    workflow_version_id, workflow_version_number : str, int or None
        Pin a version; None runs the latest active one.
    ref_user_id, web_app_id, workspaces : str or None
        ``workspaces`` is comma-separated; a list is joined.
    source : str
        One of `SOURCES`.
    initial_input : Mapping or None
        Bare keys and values stored on the job; execute is needed all the same.
    """

    workflow_id: str | None = None
    reference_entity_id: str | None = None
    workflow_version_id: str | None = None
    workflow_version_number: int | None = None
    ref_user_id: str | None = None
    source: str = "api"
    workspaces: str | tuple[str, ...] | list[str] | None = None
    initial_input: Mapping[str, Any] | None = None
    web_app_id: str | None = None

    def __post_init__(self) -> None:
        if not self.workflow_id and not self.reference_entity_id:
            raise SettingsError("A job needs a workflow_id or a reference_entity_id")
        if self.source not in SOURCES:
            raise SettingsError(
                "Opus does not know this source",
                where=f"source={self.source!r}",
                next_step=f"One of: {', '.join(SOURCES)}.",
            )
        number = self.workflow_version_number
        if number is not None and (isinstance(number, bool) or not isinstance(number, (int, float)) or number < 0):
            raise SettingsError("workflow_version_number must be a number", where=f"workflow_version_number={number!r}")
        if self.initial_input is not None and not isinstance(self.initial_input, Mapping):
            raise SettingsError("initial_input must be a mapping of names to values")

    def body(self, title: str, description: str) -> dict[str, Any]:
        """The request body; what is None stays out."""
        spaces = self.workspaces
        if spaces is not None and not isinstance(spaces, str):
            spaces = ",".join(each.strip() for each in spaces)
        values = {
            "workflowId": self.workflow_id,
            "referenceEntityId": self.reference_entity_id,
            "workflowVersionId": self.workflow_version_id,
            "workflowVersionNumber": self.workflow_version_number,
            "title": title,
            "description": description,
            "refUserId": self.ref_user_id,
            "source": self.source,
            "workspaces": spaces,
            "initialInput": None if self.initial_input is None else dict(self.initial_input),
            "webAppId": self.web_app_id,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class UploadAddress:
    """Where to put a file's bytes, and the address by which a job refers to it afterwards."""

    presigned_url: str
    file_url: str


@dataclass(frozen=True, slots=True)
class ResultsReply:
    """A results reply as it came: ``text`` is the JSON, ``body`` what it says."""

    text: str
    body: Any


class JobApi(Protocol):
    """What the engine needs of an Opus, whichever generation it speaks."""

    wire: Wire
    name: str

    async def fetch_workflow(
        self,
        workflow_id: str,
        *,
        version: int | None = None,
        workflow_version_id: str | None = None,
        patience: Patience | None = None,
    ) -> WorkflowRecord:
        """Read one workflow: its inputs, outputs and what it says of itself."""

    async def request_upload(
        self,
        extension: str,
        *,
        workflow_id: str | None,
        original_name: str | None,
        access_scope: str,
        workspace_id: str | None,
    ) -> UploadAddress:
        """Ask for an address to put one file to."""

    async def send_initiate(self, parameters: InitiateParameters, *, title: str, description: str) -> str:
        """Make a job shell; return its id. Not idempotent."""

    async def send_execute(self, job_id: str, payload: Mapping[str, Any], *, workspaces: str | None = None) -> None:
        """Start the job; from here on it costs. Not idempotent."""

    async def fetch_status(self, job_id: str) -> JobState:
        """Ask where one job stands."""

    async def fetch_results(self, job_id: str) -> ResultsReply | None:
        """Read a job's results; None while they are not there."""

    async def fetch_audit(self, job_id: str) -> Any:
        """Read what happened inside a job, as JSON; None where there is none (yet)."""

    async def fetch_detail(self, job_id: str) -> Any:
        """Read everything Opus tells of one job; None where the route does not answer."""

    async def find_jobs(self, words: str) -> list[str]:
        """The ids of the jobs whose title holds these words; empty where nothing can be searched."""

    async def send_file(
        self,
        content: bytes,
        *,
        name: str,
        workflow_id: str | None = None,
        workspace_id: str | None = None,
        access_scope: str = "workspace",
    ) -> str:
        """Upload one file; return the address by which a job refers to it."""
