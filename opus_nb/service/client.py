"""What Opus can be asked on the job routes: one coroutine per endpoint, plain records back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opus_nb.errors import NotFound, RequestRefused, SettingsError
from opus_nb.job import JobState
from opus_nb.service.api import SCOPES, DownloadAddress, InitiateParameters, ResultsReply, UploadAddress
from opus_nb.service.exchange import Exchange, as_mapping, read_download, read_optional, read_results, segment
from opus_nb.service.pacing import Urgency
from opus_nb.service.replies import read_job_id, read_state, read_upload_urls
from opus_nb.service.schema import WorkflowRecord, read_workflow
from opus_nb.service.spellings import look_up
from opus_nb.service.wire import Patience, Wire

__all__ = ["Client"]


class Client(Exchange):
    """The job routes: ``/workflow``, ``/job/*``.

    Everything here is safe to call from any event loop; the work is done on opus_nb's own.

    Parameters
    ----------
    wire : Wire
    """

    name = "jobs"

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._has_search = True

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
                next_step=f"One of: {', '.join(SCOPES)}.",
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

    async def fetch_status(self, job_id: str, *, patience: Patience | None = None) -> JobState:
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
        reply = await self.wire.send(
            "GET",
            f"/job/{segment(job_id)}/status",
            doing=f"Asking for the status of job {job_id}",
            repeatable=True,
            urgency=Urgency.STATUS,
            patience=patience,
        )
        return read_state(reply.body)

    async def fetch_results(self, job_id: str, *, patience: Patience | None = None) -> ResultsReply | None:
        """Read a job's results as they came; None while there are none (202, 404, 409).

        Parameters
        ----------
        job_id : str
        patience : Patience, optional
            How often to repeat; None is the wire's own.

        Source
        ------
        Quickstart, "Get Job Execution Results"; contract, section 4.
        """
        return await read_results(self.wire, f"/job/{segment(job_id)}/results", job_id, patience)

    async def fetch_audit(self, job_id: str, *, patience: Patience | None = None) -> Any:
        """Read what happened inside a job, as JSON; None where there is nothing yet (404).

        Parameters
        ----------
        job_id : str
        patience : Patience, optional
            How often to repeat; None is the wire's own.

        Source
        ------
        Quickstart, "Job Audit Log"; contract, section 5.
        """
        return await read_optional(
            self.wire, f"/job/{segment(job_id)}/audit", f"Reading the audit of job {job_id}", patience
        )

    async def fetch_detail(self, job_id: str) -> Any:
        """Read everything Opus tells of one job, as JSON; None where the route or the job is not there.

        Source
        ------
        Contract, section 1.10.
        """
        return await read_optional(self.wire, f"/job/{segment(job_id)}", f"Reading job {job_id}")

    async def find_jobs(self, words: str) -> list[str] | None:
        """The ids of the jobs whose title holds these words.

        Returns
        -------
        list of str or None
            Empty where the search answers and finds nothing. None where this Opus has no search (404, 405): then a
            job that is not found may be there all the same. An absent route is asked once a connection.

        Source
        ------
        Contract, section 1.11.
        """
        if not self._has_search:
            return None
        try:
            jobs = await self.search_jobs(query=words, limit=100)
        except RequestRefused as error:
            # A search that finds nothing says so with an empty list: these two can only mean the route.
            if error.status not in {404, 405}:
                raise
            self._has_search = False
            return None
        return [
            str(job["jobExecutionId"])
            for job in jobs
            if job.get("jobExecutionId") and words in str(job.get("title") or "")
        ]

    async def search_jobs(self, *, limit: int = 500, **filters: str | None) -> list[Mapping[str, Any]]:
        """Search the jobs that this key can see, newest first, as JSON records; page after page up to ``limit``.

        Parameters
        ----------
        limit : int
            Records in all; Opus gives at most 100 a page.
        **filters
            As the route calls them: ``workflowId``, ``status`` (words with commas), ``query``, ``startDate``,
            ``endDate`` (ISO dates), ``archiveStatus`` (``all``, ``archivedOnly``, ``nonArchivedOnly``), ...

        Raises
        ------
        NotFound
            This Opus has no such route.

        Source
        ------
        Contract, section 1.11.
        """
        found = await self._pages("/job/search", "jobs", limit, filters, "Searching jobs")
        self._has_search = True
        return found

    async def request_download(
        self, file_url: str, *, workspace_id: str | None = None, expiry_s: int = 3600
    ) -> DownloadAddress:
        """Ask for an address to GET one file of a job from. Changes nothing.

        Parameters
        ----------
        file_url : str
            As the results name it; it cannot be opened itself.
        workspace_id : str, optional
            One generation of the service wants it.
        expiry_s : int
            How long the address shall live; Opus takes 60 to 86400.

        Raises
        ------
        NotFound
            There is no such file, or no such route: ``.messages`` begins with ``Cannot POST`` in that case.

        Source
        ------
        Contract, sections 1.11 and 4.5, trap T35.
        """
        body = {"fileUrl": file_url, "customExpiry": expiry_s}
        if workspace_id is not None:
            body["workspaceId"] = workspace_id
        reply = await self.wire.send(
            "POST", "/job/file/download", body=body, doing="Asking where to download a file", repeatable=True
        )
        return DownloadAddress(*read_download(reply.body))

    async def send_archive(self, job_id: str, *, archived: bool = True) -> None:
        """Archive a job, or bring it back. Arriving twice does no harm.

        Source
        ------
        Contract, section 1.11.
        """
        method, doing = ("POST", "Archiving") if archived else ("DELETE", "Bringing back")
        path = f"/job/{segment(job_id)}/archive"
        await self.wire.send(method, path, doing=f"{doing} job {job_id}", repeatable=True)

    async def send_delete(self, job_id: str) -> None:
        """Delete a job, for ever.

        Source
        ------
        Contract, section 1.11.
        """
        await self.wire.send("DELETE", f"/job/{segment(job_id)}/delete", doing=f"Deleting job {job_id}")

    async def fetch_workflows(self, *, query: str | None = None, limit: int = 500) -> list[Mapping[str, Any]]:
        """List the workflows that this key can see, as JSON records; empty where the route does not answer.

        Source
        ------
        Contract, section 1.2.
        """
        try:
            return await self._pages("/workflow/private", "workflows", limit, {"query": query}, "Listing workflows")
        except NotFound:
            return []

    async def _pages(
        self, path: str, key: str, limit: int, filters: Mapping[str, str | None], doing: str
    ) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        while len(found) < limit:
            query = {"offset": len(found), "maxResults": min(100, limit - len(found)), **filters}
            reply = await self.wire.get(path, query=query, doing=doing)
            page = look_up(reply.body, key) if isinstance(reply.body, Mapping) else None
            rows = [each for each in page if isinstance(each, Mapping)] if isinstance(page, list) else []
            found.extend(rows)
            total = look_up(reply.body, "totalCount") if isinstance(reply.body, Mapping) else None
            if not rows or not isinstance(total, int) or len(found) >= total:
                break
        return found
