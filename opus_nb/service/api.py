"""What the engine needs of an Opus, and the records that go in and out, whichever generation it speaks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from opus_nb.errors import SettingsError
from opus_nb.job import JobState
from opus_nb.service.schema import WorkflowRecord
from opus_nb.service.unwrapping import unwrap
from opus_nb.service.wire import Patience, Wire

__all__ = [
    "SCOPES",
    "SOURCES",
    "DownloadAddress",
    "InitiateParameters",
    "JobApi",
    "ResultsReply",
    "UploadAddress",
    "is_uuid",
]

SOURCES = ("email-agent", "chat-agent", "scheduled", "api", "manual", "agent", "opus-ai", "web-app")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
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
        ``workspaces`` is comma-separated; a list or tuple is joined.
    source : str
        One of `SOURCES`.
    initial_input : Mapping or None
        Bare keys and values stored on the job; execute is needed all the same. Dates become ISO text, and what
        numpy and pandas wrap is unwrapped.

    Source
    ------
    Initiate page, "Body Parameters".
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
            raise SettingsError(
                "A job needs a workflow_id or a reference_entity_id",
                where=f"workflow_id={self.workflow_id!r}",
                next_step="Give the workflow's id, as in InitiateParameters(workflow_id=...).",
            )
        if self.source not in SOURCES:
            raise SettingsError(
                "Opus does not know this source",
                where=f"source={self.source!r}",
                next_step=f"One of: {', '.join(SOURCES)}.",
            )
        for name in ("ref_user_id", "web_app_id"):
            given = getattr(self, name)
            if given is not None and not (isinstance(given, str) and given.strip()):
                raise SettingsError(
                    f"{name} must be text", where=f"{name}={given!r}", next_step="Give an id, or leave it out."
                )
        for name in ("reference_entity_id", "workflow_version_id"):
            if getattr(self, name) is not None and not is_uuid(getattr(self, name)):
                raise SettingsError(
                    f"{name} must be a UUID", where=f"{name}={getattr(self, name)!r}", next_step="Opus takes no other."
                )
        number = self.workflow_version_number
        if number is not None and (isinstance(number, bool) or not isinstance(number, (int, float)) or number < 0):
            raise SettingsError(
                "workflow_version_number must be a number",
                where=f"workflow_version_number={number!r}",
                next_step="As in workflow_version_number=3; leave it out for the latest that is active.",
            )
        object.__setattr__(self, "workspaces", _join(self.workspaces))
        if self.initial_input is not None:
            object.__setattr__(self, "initial_input", _plain(self.initial_input))

    def body(self, title: str, description: str) -> dict[str, Any]:
        """The request body; what is None stays out."""
        values = {
            "workflowId": self.workflow_id,
            "referenceEntityId": self.reference_entity_id,
            "workflowVersionId": self.workflow_version_id,
            "workflowVersionNumber": self.workflow_version_number,
            "title": title,
            "description": description,
            "refUserId": self.ref_user_id,
            "source": self.source,
            "workspaces": self.workspaces,
            "initialInput": None if self.initial_input is None else dict(self.initial_input),
            "webAppId": self.web_app_id,
        }
        return {name: value for name, value in values.items() if value is not None}


def is_uuid(text: object) -> bool:
    """Whether this is written as a UUID."""
    return isinstance(text, str) and _UUID.fullmatch(text) is not None


def _join(spaces: object) -> str | None:
    """Return workspace ids as Opus wants them: one text, with commas."""
    if spaces is None:
        return None
    several = spaces.split(",") if isinstance(spaces, str) else spaces
    if not isinstance(several, (list, tuple)) or not all(isinstance(each, str) and each.strip() for each in several):
        raise SettingsError(
            "workspaces must be ids: a list of them, or one text with commas",
            where=f"workspaces={spaces!r}",
            next_step='As in workspaces=["first-id", "second-id"], none of them empty.',
        )
    return ",".join(each.strip() for each in several)


def _plain(values: object) -> dict[str, Any]:
    """Return bare keys and values as JSON can hold them, without numpy or pandas in them."""
    if not isinstance(values, Mapping):
        raise SettingsError(
            "initial_input must be a mapping of names to values",
            where=f"initial_input={values!r}",
            next_step='As in initial_input={"reference": "{Ref}"}; a column in braces is filled in for each row.',
        )
    try:
        plain: dict[str, Any] = unwrap(values)
        return dict(json.loads(json.dumps(plain, allow_nan=False, default=_as_text)))
    except (ValueError, TypeError) as error:
        raise SettingsError(
            "initial_input holds what JSON cannot",
            where=f"initial_input, with the names {', '.join(map(str, values))}"[:200],
            came_back=str(error),
            next_step="Texts, numbers, true and false, dates, lists and mappings travel; turn the rest into text.",
        ) from None


def _as_text(value: object) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, (UUID, Decimal, os.PathLike)):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no counterpart in JSON")


@dataclass(frozen=True, slots=True)
class DownloadAddress:
    """Where a file of a job can be had for a while.

    Attributes
    ----------
    presigned_url : str
        A secret that expires.
    size : int or None
        Bytes, where Opus says.
    """

    presigned_url: str = field(repr=False)
    size: int | None = None
    content_type: str | None = None


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

    async def fetch_status(self, job_id: str, *, patience: Patience | None = None) -> JobState:
        """Ask where one job stands."""

    async def fetch_results(self, job_id: str, *, patience: Patience | None = None) -> ResultsReply | None:
        """Read a job's results; None while they are not there. ``patience`` None is the wire's own."""

    async def fetch_audit(self, job_id: str, *, patience: Patience | None = None) -> Any:
        """Read what happened inside a job, as JSON; None where there is none (yet)."""

    async def fetch_detail(self, job_id: str) -> Any:
        """Read everything Opus tells of one job; None where the route does not answer."""

    async def find_jobs(self, words: str) -> list[str] | None:
        """The ids of the jobs whose title holds these words; None where nothing can be searched: no answer at all."""

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
