"""What Opus can be asked on the job routes: one coroutine per endpoint, plain records back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opus_nb.errors import NotFound, ServiceTrouble, SettingsError
from opus_nb.job import JobState
from opus_nb.service.api import SCOPES, InitiateParameters, ResultsReply, UploadAddress
from opus_nb.service.exchange import Exchange, as_mapping, read_optional, read_results, segment
from opus_nb.service.pacing import Urgency
from opus_nb.service.replies import read_job_id, read_state, read_upload_urls
from opus_nb.service.schema import WorkflowRecord, read_workflow
from opus_nb.service.wire import Patience

__all__ = ["Client"]


class Client(Exchange):
    """The job routes: ``/workflow``, ``/job/*``.

    Everything here is safe to call from any event loop; the work is done on opus_nb's own.

    Parameters
    ----------
    wire : Wire
    """

    name = "jobs"

    async def fetch_workflow(
        self,
        workflow_id: str,
        *,
        version: int | None = None,
        workflow_version_id: str | None = None,
        patience: Patience | None = None,
    ) -> WorkflowRecord:
        """Read one workflow's inputs, outputs and estimates.

        Parameters
        ----------
        workflow_id : str
        version, workflow_version_id : int, str, optional
            The version to read; the latest when both are None, the id wins when both are given.

        Raises
        ------
        NotFound
            Unknown, or not visible to this key.
        SchemaNotFound
            The reply describes its inputs in no known place.

        Source
        ------
        Quickstart, "Get Workflow Details & Schema"; contract, section 1.1.
        """
        query = {"version": version, "workflowVersionId": workflow_version_id}
        reply = await self.wire.send(
            "GET",
            f"/workflow/{segment(workflow_id)}",
            query=query,
            doing=f"Reading workflow {workflow_id}",
            repeatable=True,
            patience=patience,
        )
        return read_workflow(as_mapping(reply))

    async def request_upload(
        self,
        extension: str,
        *,
        workflow_id: str | None = None,
        original_name: str | None = None,
        access_scope: str = "workspace",
        workspace_id: str | None = None,
    ) -> UploadAddress:
        """Ask for an address to put one file to; nothing is stored yet.

        Parameters
        ----------
        extension : str
            With its dot, lower case: ``".pdf"``.
        workflow_id, workspace_id : str, optional
            The service wants one of them by now, so that the file lies where the workflow's agents can open it.
        access_scope : str
            ``all``, ``user``, ``workspace`` or ``organization``.

        Source
        ------
        Quickstart, "Generate Presigned File Upload URL"; contract, section 1.4 and trap T7.
        """
        if access_scope not in SCOPES:
            raise SettingsError(
                "Opus does not know this access scope",
                where=f"access_scope={access_scope!r}",
                next_step=f"One of: {SCOPES}.",
            )
        body = {"fileExtension": extension, "accessScope": access_scope}
        extra = {"originalName": original_name, "workflowId": workflow_id, "workspaceId": workspace_id}
        body.update({name: value for name, value in extra.items() if value is not None})
        reply = await self.wire.send(
            "POST",
            "/job/file/upload",
            body=body,
            doing=f"Asking where to upload {original_name or extension}",
            repeatable=True,  # an address that nobody uses costs nothing
            urgency=Urgency.START,
        )
        return UploadAddress(*read_upload_urls(reply.body))

    async def send_initiate(self, parameters: InitiateParameters, *, title: str, description: str = "") -> str:
        """Make a job shell and return its id. Costs nothing, but is not idempotent: each call makes another.

        Sent again only when it certainly never left, or after a 429.

        Parameters
        ----------
        parameters : InitiateParameters
        title, description : str
            Opus wants a title; an empty description is sent as it is.

        Returns
        -------
        str
            The ``jobExecutionId``.

        Raises
        ------
        AnswerLost
            The shell may exist; nobody knows its id.

        Source
        ------
        Initiate page, "Body Parameters"; quickstart, "Initiate Job".
        """
        reply = await self.wire.send(
            "POST",
            "/job/initiate",
            body=parameters.body(title, description),
            doing="Initiating a job",
            urgency=Urgency.START,
        )
        return read_job_id(reply.body)

    async def send_execute(self, job_id: str, payload: Mapping[str, Any], *, workspaces: str | None = None) -> None:
        """Start an initiated job. Costs from here on, and is not idempotent.

        Sent again only when it certainly never left, after a 429, or once with a placeholder address when
        the service insists on a ``callbackUrl`` (it then says so with a 400, and nothing was started).
        Returning means that the job is queued; only its status tells how it fares.

        Parameters
        ----------
        job_id : str
        payload : Mapping
            Variable name to ``{"value", "type", "displayName"[, "typeDefinition"]}``.

        Raises
        ------
        AnswerLost
            It may be running: ask its status before anything else.
        RequestRefused
            ``.messages`` says what about the payload is wrong.

        Source
        ------
        Quickstart, "Execute Job"; contract, section 1.6 and trap T8.
        """
        body: dict[str, Any] = {"jobExecutionId": job_id, "jobPayloadSchemaInstance": payload}
        if workspaces is not None:
            body["workspaces"] = workspaces
        await self._execute("/job/execute", body, job_id, answer_has_body=True)

    async def fetch_status(self, job_id: str) -> JobState:
        """Ask Opus where one job stands.

        One GET, safe to repeat. Says nothing about results: a job can be complete while they are still written.

        Returns
        -------
        JobState
            ``.name`` is ``"unknown"`` for a word that is in no table; ``.word`` keeps what Opus said.

        Source
        ------
        Quickstart, "Get Job Execution Status"; further words in the contract, section 3.
        """
        reply = await self.wire.get(f"/job/{segment(job_id)}/status", doing=f"Asking for the status of job {job_id}")
        return read_state(reply.body)

    async def fetch_results(self, job_id: str) -> ResultsReply | None:
        """Read a job's results as they came; None while there are none (202, 404, 409).

        Source
        ------
        Quickstart, "Get Job Execution Results"; contract, section 4.
        """
        return await read_results(self.wire, f"/job/{segment(job_id)}/results", job_id)

    async def fetch_audit(self, job_id: str) -> Any:
        """Read what happened inside a job, as JSON; None where there is nothing yet (404).

        Source
        ------
        Quickstart, "Job Audit Log"; contract, section 5.
        """
        return await read_optional(self.wire, f"/job/{segment(job_id)}/audit", f"Reading the audit of job {job_id}")

    async def fetch_detail(self, job_id: str) -> Any:
        """Read everything Opus tells of one job, as JSON; None where the route or the job is not there.

        Source
        ------
        Contract, section 1.10.
        """
        return await read_optional(self.wire, f"/job/{segment(job_id)}", f"Reading job {job_id}")

    async def find_jobs(self, words: str) -> list[str]:
        """The ids of the jobs whose title holds these words; empty where the search does not answer.

        Source
        ------
        Contract, section 1.11.
        """
        try:
            reply = await self.wire.get(
                "/job/search", query={"query": words, "maxResults": 100}, doing="Searching jobs"
            )
        except (NotFound, ServiceTrouble):
            return []
        jobs = reply.body.get("jobs") if isinstance(reply.body, Mapping) else None
        return [
            str(job["jobExecutionId"])
            for job in jobs or ()
            if isinstance(job, Mapping) and job.get("jobExecutionId") and words in str(job.get("title") or "")
        ]

    async def fetch_workflows(self, *, query: str | None = None, limit: int = 500) -> list[Mapping[str, Any]]:
        """List the workflows that this key can see, as JSON records; empty where the route does not answer.

        Source
        ------
        Contract, section 1.2.
        """
        found: list[Mapping[str, Any]] = []
        while len(found) < limit:
            try:
                reply = await self.wire.get(
                    "/workflow/private",
                    query={"offset": len(found), "maxResults": min(100, limit - len(found)), "query": query},
                    doing="Listing workflows",
                )
            except NotFound:
                return found
            page = reply.body.get("workflows") if isinstance(reply.body, Mapping) else None
            if not page:
                return found
            found.extend(each for each in page if isinstance(each, Mapping))
            if len(found) >= int(reply.body.get("totalCount") or 0):
                return found
        return found
