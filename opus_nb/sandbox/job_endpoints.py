"""What the service answers about jobs and cases: initiate, execute, status, results, audit, and the rest."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from opus_nb.sandbox.catalogue import PublishedVersion, is_uuid
from opus_nb.sandbox.execution import start_execution
from opus_nb.sandbox.jobs import JobRecord, spell
from opus_nb.sandbox.outcomes import write_audit, write_results
from opus_nb.sandbox.replies import Call, Refusal, Reply, iso_time, send_json
from opus_nb.sandbox.state import SandboxState

SOURCES = ("email-agent", "chat-agent", "scheduled", "api", "manual", "agent", "opus-ai", "web-app")
_URL = re.compile(r"https?://[^\s/?#]+\.[^\s/?#.]+([/?#]\S*)?", re.IGNORECASE)
_KEPT = ("initialInput", "source", "refUserId", "workspaces", "webAppId")


def initiate(state: SandboxState, call: Call) -> Reply:
    """Make a shell of a workflow's newest or pinned version."""
    body = call.read_json()
    version = _resolve(state, call, body)
    if not version.definition.active:
        raise Refusal(400, "Workflow is not active")
    earlier = state.jobs.newest()
    id_key = "caseId" if call.family == "cases" else "jobExecutionId"
    if call.fault is not None and call.fault.kind == "lie" and earlier is not None:
        return send_json({id_key: earlier.id}, status=201)
    job = state.jobs.create(
        version,
        family=call.family,
        title=body["title"],
        description=str(body.get("description") or ""),
        initial={key: body[key] for key in _KEPT if key in body},
        now=call.now,
    )
    state.books.initiations += 1
    return send_json({id_key: job.id}, status=201)


def _resolve(state: SandboxState, call: Call, body: dict[str, Any]) -> PublishedVersion:
    problems = _check_initiate(state, body)
    if problems:
        raise Refusal(400, problems)
    reference, cases = body.get("referenceEntityId"), call.family == "cases"
    find = state.catalogue.find_reference if reference else state.catalogue.find
    workflow = find(reference or body["workflowId"], cases=cases)
    if workflow is None:
        raise Refusal(404, "Workflow not found")
    if workflow.latest.definition.retired:
        raise Refusal(400, ["workflowId must be a UUID"])
    version = workflow.find(version_id=body.get("workflowVersionId"), number=body.get("workflowVersionNumber"))
    if version is None:
        raise Refusal(404, "Workflow version not found")
    return version


def _check_initiate(state: SandboxState, body: dict[str, Any]) -> list[str]:
    problems = []
    reference, workflow_id, title = body.get("referenceEntityId"), body.get("workflowId"), body.get("title")
    if reference is not None and not is_uuid(reference):
        problems.append("referenceEntityId must be a UUID")
    if reference is None and not is_uuid(workflow_id):
        known = isinstance(workflow_id, str) and state.catalogue.find(workflow_id) is not None
        if not known:
            problems.append("workflowId must be a UUID")
    if not isinstance(title, str) or not title.strip():
        problems.append("title should not be empty")
    if body.get("source") is not None and body["source"] not in SOURCES:
        problems.append(f"source must be one of the following values: {', '.join(SOURCES)}")
    words = ("description", "workspaces", "refUserId", "webAppId")
    problems += [f"{name} must be a string" for name in words if not isinstance(body.get(name, ""), (str, type(None)))]
    if body.get("workflowVersionId") is not None and not is_uuid(body["workflowVersionId"]):
        problems.append("workflowVersionId must be a UUID")
    number = body.get("workflowVersionNumber")
    if number is not None and (isinstance(number, bool) or not isinstance(number, (int, float))):
        problems.append("workflowVersionNumber must be a number conforming to the specified constraints")
    if body.get("initialInput") is not None and not isinstance(body["initialInput"], dict):
        problems.append("initialInput must be an object")
    return problems


def initiate_moved(state: SandboxState, call: Call) -> Reply:
    """``POST /job/v2/initiate`` points to the canonical path."""
    reply = Reply(308)
    reply.headers["location"] = f"{state.base_url}/job/initiate"
    return reply


def execute(state: SandboxState, call: Call) -> Reply:
    """Start a job. Says success for nearly everything; the run itself tells the truth later."""
    body = call.read_json()
    cases = call.family == "cases"
    payload_key = "payload" if cases else "jobPayloadSchemaInstance"
    job_id, instance = (call.job_id if cases else body.get("jobExecutionId")), body.get(payload_key)
    problems = []
    if not isinstance(job_id, str) or not job_id:
        problems += ["jobExecutionId must be a string", "jobExecutionId should not be empty"]
    if not isinstance(instance, dict):
        problems.append(f"{payload_key} must be an object")
    callback = body.get("callbackUrl")
    if callback is not None and not (isinstance(callback, str) and _URL.fullmatch(callback)):
        problems.append("callbackUrl must be a URL address")
    if problems or not isinstance(instance, dict):
        raise Refusal(400, problems)
    job = _find(state, call, str(job_id))
    if callback is None and (state.options.insists_on_callback or job.version.definition.insists_on_callback):
        raise Refusal(400, ["callbackUrl must be a URL address", "callbackUrl should not be empty"])
    if any(isinstance(entry, dict) and isinstance(entry.get("type"), (dict, list)) for entry in instance.values()):
        raise Refusal(500, "Internal server error")
    if job.executed_at and state.options.second_execute == "409":
        raise Refusal(409, "Job has already been executed")
    fault = call.fault
    if fault is None or fault.kind != "lie":
        script = fault if fault is not None and fault.kind in ("stuck", "script") else None
        start_execution(state, job, instance, request=call.body, script=script)
    return send_json(_started(job, instance), status=201)


def _started(job: JobRecord, instance: dict[str, Any]) -> dict[str, Any]:
    if job.family == "cases":
        return {"caseId": job.id, "message": "Case execution has been started"}
    answer = {"success": True, "message": "Job execution has been started", "jobExecutionId": job.id}
    if job.version.definition.generation == "v1":
        bare = {name: entry.get("value") if isinstance(entry, dict) else entry for name, entry in instance.items()}
        return answer | {"jobPayloadSchemaInstance": bare}
    return answer


def status(state: SandboxState, call: Call) -> Reply:
    """Say where a job stands."""
    job = _find(state, call, call.job_id)
    job.status_calls += 1
    word = job.word(call.now)
    if call.fault is not None and call.fault.kind == "word":
        word = str(call.fault["word"])
    elif call.fault is not None and call.fault.kind == "lie":
        word = "COMPLETED"
    elif job.end_seen_at is None and job.is_over(call.now) and not call.spoiled:
        job.end_seen_at = call.now
    return send_json({"status": spell(word, job.version.definition.status_style)})


def results(state: SandboxState, call: Call) -> Reply:
    """Give the results of a job that is over."""
    job = _find(state, call, call.job_id)
    if call.fault is not None and call.fault.kind == "lie":
        return send_json({"results": {}} if call.family == "cases" else {"jobResultsPayloadSchema": {}})
    if not job.is_over(call.now):
        early = state.options.early_results or job.version.definition.early_results
        if early == 202 or call.family == "cases":
            return send_json({}, status=202)
        raise Refusal(404, "Job results not found")
    return send_json(write_results(job, now=call.now))


def audit(state: SandboxState, call: Call) -> Reply:
    """Give the audit as far as it goes."""
    job = _find(state, call, call.job_id)
    written = write_audit(job, now=call.now)
    if written is None:
        raise Refusal(404, "Audit not found")
    return send_json(written)


def detail(state: SandboxState, call: Call) -> Reply:
    """Give everything about one job."""
    job = _find(state, call, call.job_id)
    definition, over = job.version.definition, job.is_over(call.now)
    payload = job.payload
    if payload is not None and definition.generation == "v1":
        payload = {name: entry.get("value") if isinstance(entry, dict) else entry for name, entry in payload.items()}
    answered = {} if job.timeline is None or not over or job.forced else job.timeline.outputs
    row = _search_row(job, call.now) | {
        "input": payload,
        "output": answered or None,
        "audit": write_audit(job, now=call.now),
        "workflowEstimation": {
            "workflow_cost": definition.price,
            "workflow_time": round(definition.seconds * 1000),
        },
        "finishedAt": iso_time(job.ended_at) if over else None,
        "workflowVersionId": job.version.version_id,
        "workflowVersionNumber": job.version.number,
    }
    return send_json(row | job.initial)


def _search_row(job: JobRecord, now: float) -> dict[str, Any]:
    definition = job.version.definition
    return {
        "jobExecutionId": job.id,
        "title": job.title,
        "description": job.description,
        "status": spell(job.word(now), definition.status_style),
        "user": {"name": "Sandbox", "email": "sandbox@opus.example"},
        "workflowId": definition.id,
        "workflow": {
            "id": definition.id,
            "name": definition.name,
            "description": definition.description,
            "industry": definition.industry,
        },
        "workspace": {"id": definition.workspace, "name": "Sandbox"},
        "createdAt": iso_time(job.created_at),
        "builderType": "OPUS_V1" if definition.generation == "v1" else "OPUS_V2",
        "archived": job.archived,
    }


def search(state: SandboxState, call: Call) -> Reply:
    """Find jobs, newest first."""
    words = {w.strip().upper().replace(" ", "_") for w in call.query.get("status", "").split(",") if w.strip()}
    workflow_id, text = call.query.get("workflowId"), call.query.get("query", "").lower()
    archive = call.query.get("archiveStatus", "nonArchivedOnly")
    since, until = _read_day(call, "startDate", end=False), _read_day(call, "endDate", end=True)
    found = [
        job
        for job in state.jobs
        if job.family == "jobs"
        and (not workflow_id or job.version.definition.id == workflow_id)
        and (archive == "all" or job.archived == (archive == "archivedOnly"))
        and since <= job.created_at <= until
        and (not text or text in job.title.lower() or text in job.description.lower())
        and (not words or job.word(call.now) in words)
    ]
    found.reverse()
    offset, most = call.read_number("offset", 0), min(100, call.read_number("maxResults", 25))
    rows = [_search_row(job, call.now) for job in found[offset : offset + most]]
    return send_json({"totalCount": len(found), "jobs": rows})


def _read_day(call: Call, name: str, *, end: bool) -> float:
    text = call.query.get(name)
    if not text:
        return float("inf") if end else float("-inf")
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Refusal(400, [f"{name} must be a valid ISO 8601 date string"]) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    whole_day = 86_400.0 if end and len(text) == 10 else 0.0
    return moment.timestamp() + whole_day


def archive(state: SandboxState, call: Call) -> Reply:
    """Archive a job with POST, bring it back with DELETE."""
    _find(state, call, call.job_id).archived = call.method == "POST"
    return Reply(204)


def delete(state: SandboxState, call: Call) -> Reply:
    """Forget a job."""
    state.jobs.remove(_find(state, call, call.job_id))
    state.books.removed += 1
    return send_json({"success": True, "message": "Job has been deleted"})


def _find(state: SandboxState, call: Call, job_id: str) -> JobRecord:
    job = state.jobs.find(job_id, family=call.family)
    if job is None:
        raise Refusal(404, "Case not found" if call.family == "cases" else "Job execution not found")
    return job
