"""What the service answers about workflows: details, lists, versions."""

from __future__ import annotations

from opus_nb.sandbox.catalogue import PublishedWorkflow, is_uuid
from opus_nb.sandbox.replies import Call, Refusal, Reply, send_json
from opus_nb.sandbox.schemas import describe_version, list_row, list_versions
from opus_nb.sandbox.state import SandboxState


def workflow(state: SandboxState, call: Call) -> Reply:
    """Give a workflow's details and schema, of the newest or a chosen version."""
    found = _find(state, call)
    number = call.query.get("version")
    if number is not None and not number.replace(".", "", 1).isdigit():
        raise Refusal(400, ["version must be a number"])
    version = found.find(version_id=call.query.get("workflowVersionId"), number=float(number) if number else None)
    if version is None:
        raise Refusal(404, "Workflow version not found")
    return send_json(describe_version(version, cases=call.family == "cases"))


def workflow_object(state: SandboxState, call: Call) -> Reply:
    """Give the graph of a workflow of the newer generations."""
    found = _find(state, call)
    if found.latest.definition.generation == "v1":
        raise Refusal(404, "Workflow not found")
    return workflow(state, call)


def versions(state: SandboxState, call: Call) -> Reply:
    """List the versions of a workflow of the newer generations."""
    if not is_uuid(call.job_id):
        raise Refusal(400, "Validation failed (uuid is expected)")
    return send_json(list_versions(_find(state, call).versions))


def private_list(state: SandboxState, call: Call) -> Reply:
    """List the workflows the key can see."""
    text, industry = call.query.get("query", "").lower(), call.query.get("industry")
    active, workspaces = call.query.get("active"), call.query.get("workspaceIds", "")
    rows = []
    for published in state.catalogue:
        definition = published.latest.definition
        if (
            definition.listed
            and (not text or text in definition.name.lower() or text in definition.description.lower())
            and (not industry or definition.industry == industry)
            and (active is None or definition.active == (active == "true"))
            and (not workspaces or definition.workspace in workspaces.split(","))
        ):
            rows.append(list_row(published.latest))
    offset, most = call.read_number("offset", 0), call.read_number("maxResults", 25)
    return send_json({"totalCount": len(rows), "workflows": rows[offset : offset + most]})


def _find(state: SandboxState, call: Call) -> PublishedWorkflow:
    found = state.catalogue.find(call.job_id, cases=call.family == "cases")
    if found is None:
        raise Refusal(404, "Workflow not found")
    if found.latest.definition.retired:
        raise Refusal(500, "V1 workflow details are no longer supported")
    return found
