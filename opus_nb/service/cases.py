"""The ``/api/v1`` case family: the same steps under other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opus_nb.job import JobState
from opus_nb.service.api import InitiateParameters, ResultsReply, UploadAddress
from opus_nb.service.exchange import Exchange, as_mapping, read_optional, read_results, segment
from opus_nb.service.pacing import Urgency
from opus_nb.service.replies import read_job_id, read_state, read_upload_urls
from opus_nb.service.schema import WorkflowRecord, read_workflow
from opus_nb.service.wire import Patience

__all__ = ["CaseClient"]


class CaseClient(Exchange):
    """The ``/api/v1`` case family: the same steps under other names.

    What differs, all in this class: the paths, ``caseId`` for the job id, ``payload`` for the inputs, 202
    for results that are not ready, two scopes for uploads, and no detail route.

    Source
    ------
    Contract, section 1.12.
    """

    name = "cases"

    async def fetch_workflow(
        self,
        workflow_id: str,
        *,
        version: int | None = None,
        workflow_version_id: str | None = None,
        patience: Patience | None = None,
    ) -> WorkflowRecord:
        """Read one workflow; see `Client.fetch_workflow`."""
        reply = await self.wire.send(
            "GET",
            f"/api/v1/workflow/{segment(workflow_id)}",
            query={"version": version, "workflowVersionId": workflow_version_id},
            doing=f"Reading workflow {workflow_id}",
            repeatable=True,
            patience=patience,
        )
        return read_workflow(as_mapping(reply), asked_for=workflow_id)

    async def request_upload(
        self,
        extension: str,
        *,
        workflow_id: str | None = None,
        original_name: str | None = None,
        access_scope: str = "workspace",
        workspace_id: str | None = None,
    ) -> UploadAddress:
        """Ask for an address to put one file to; scopes other than ``workspace`` travel as ``unlisted``."""
        body = {"fileExtension": extension, "accessScope": "workspace" if access_scope == "workspace" else "unlisted"}
        extra = {"originalName": original_name, "workflowId": workflow_id, "workspaceId": workspace_id}
        body.update({name: value for name, value in extra.items() if value is not None})
        reply = await self.wire.send(
            "POST",
            "/api/v1/file/upload/presigned",
            body=body,
            doing=f"Asking where to upload {original_name or extension}",
            repeatable=True,
            urgency=Urgency.START,
        )
        return UploadAddress(*read_upload_urls(reply.body))

    async def send_initiate(self, parameters: InitiateParameters, *, title: str, description: str = "") -> str:
        """Open a case and return its id; see `Client.send_initiate`."""
        known = {"workflowId", "title", "description", "workflowVersionNumber", "workflowVersionId"}
        body = {name: value for name, value in parameters.body(title, description).items() if name in known}
        reply = await self.wire.send("POST", "/api/v1/case", body=body, doing="Opening a case", urgency=Urgency.START)
        return read_job_id(reply.body)

    async def send_execute(self, job_id: str, payload: Mapping[str, Any], *, workspaces: str | None = None) -> None:
        """Start an opened case; see `Client.send_execute`."""
        await self._execute(
            f"/api/v1/case/{segment(job_id)}/execute", {"payload": payload}, job_id, answer_has_body=False
        )

    async def fetch_status(self, job_id: str, *, patience: Patience | None = None) -> JobState:
        """Ask where one case stands; see `Client.fetch_status`."""
        reply = await self.wire.send(
            "GET",
            f"/api/v1/case/{segment(job_id)}/status",
            doing=f"Asking for the status of case {job_id}",
            repeatable=True,
            urgency=Urgency.STATUS,
            patience=patience,
        )
        return read_state(reply.body)

    async def fetch_results(self, job_id: str, *, patience: Patience | None = None) -> ResultsReply | None:
        """Read a case's results; None while it is not at its end."""
        return await read_results(self.wire, f"/api/v1/case/{segment(job_id)}/results", job_id, patience)

    async def fetch_audit(self, job_id: str, *, patience: Patience | None = None) -> Any:
        """Read what happened inside a case; None where there is nothing yet."""
        return await read_optional(
            self.wire, f"/api/v1/case/{segment(job_id)}/audit", f"Reading the audit of case {job_id}", patience
        )

    async def fetch_detail(self, job_id: str) -> Any:
        """None: the case family has no such route."""
        return None

    async def find_jobs(self, words: str) -> list[str] | None:
        """None: the case family cannot be searched."""
        return None
