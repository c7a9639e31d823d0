"""The results and the audit of a job, in every shape clients have met."""

from __future__ import annotations

from typing import Any

from opus_nb.sandbox.definition import AuditShape, Input, Output
from opus_nb.sandbox.jobs import JobRecord, spell
from opus_nb.sandbox.payload import wire_type
from opus_nb.sandbox.replies import iso_time, write_json
from opus_nb.sandbox.timeline import NodeRun


def write_results(job: JobRecord, *, now: float) -> Any:
    """Write the body of ``results`` once the job is over."""
    definition = job.version.definition
    outputs = job.timeline.outputs if job.timeline is not None and job.forced is None else {}
    status = spell(job.word(now), definition.status_style)
    if definition.results_shape == "free":
        return {"jobExecutionId": job.id, "status": status, "results": outputs}
    variables = definition.outputs_by_name
    if job.family == "cases":
        return {"results": {name: {"value": value} for name, value in outputs.items()}}
    if definition.results_shape == "flat":
        return dict(outputs)
    if definition.results_shape == "list":
        return [dict(outputs)]
    if definition.results_shape == "bare":
        return {"jobResultsPayloadSchema": dict(outputs)}
    fenced = definition.results_shape == "fenced"
    schema = {
        name: _entry(variables[name], name, value, camel=definition.generation != "v1", fenced=fenced)
        for name, value in outputs.items()
    }
    wrapped = {"jobResultsPayloadSchema": schema}
    if definition.results_shape == "nested":
        return {"results": wrapped}
    if definition.results_shape == "data":
        return {"results": {"data": wrapped}}
    return {"data": wrapped} if definition.results_shape == "top_data" else wrapped


def _entry(output: Output, name: str, value: Any, *, camel: bool, fenced: bool) -> dict[str, Any]:
    if fenced:
        value = f"```json\n{write_json(value).decode()}\n```"
    if camel:
        return {"value": value, "type": output.type, "displayName": output.display_name}
    return {"variable_name": name, "display_name": output.display_name, "type": output.type, "value": value}


def write_audit(job: JobRecord, *, now: float) -> dict[str, Any] | None:
    """Write the body of ``audit``; None while there is none."""
    shape = _shape(job)
    if shape == "trail":
        return _trail(job, now)
    if shape != "nodes_v1" and (now < job.started_at or job.timeline is None):
        return None
    audit = _nodes(job, now)
    return _camel_case(audit) if shape == "case" else audit


def _shape(job: JobRecord) -> AuditShape:
    return "case" if job.family == "cases" else job.version.definition.audit_shape


def _trail(job: JobRecord, now: float) -> dict[str, Any]:
    definition = job.version.definition
    events = [(job.created_at, "SYSTEM", "Job initiated")]
    if now >= job.started_at:
        events.append((job.started_at, "SYSTEM", "Job execution started"))
    for node in job.nodes_begun(now):
        ended = job.started_at + node.end
        if node.name in (definition.input_node, definition.output_node):
            continue
        actor = "USER" if node.person else "SYSTEM"
        if node.person:
            events.append((job.started_at + node.start, "SYSTEM", f"{node.name}: waiting for a person"))
        if ended <= now:
            events.append((ended, actor, node.name if node.status == "COMPLETED" else f"{node.name} failed"))
    if job.is_over(now):
        word = job.word(now)
        closing = "Job completed successfully" if word == "COMPLETED" else f"Job {word.lower().replace('_', ' ')}"
        events.append((job.ended_at, "SYSTEM", closing))
    return {
        "jobExecutionId": job.id,
        "auditTrail": [{"timestamp": iso_time(at), "actor": who, "action": what} for at, who, what in events],
    }


def _nodes(job: JobRecord, now: float) -> dict[str, Any]:
    definition = job.version.definition
    v1 = _shape(job) == "nodes_v1"
    begun = job.nodes_begun(now)
    done = [node for node in begun if job.started_at + node.end <= now]
    live = [node for node in begun if job.started_at + node.end > now and not job.is_over(now)]
    failed = [node.name for node in done if node.status != "COMPLETED"]
    names = [definition.input_node, *(n.name for n in definition.nodes)]
    if job.timeline is not None:
        names += [n.name for n in job.timeline.nodes if n.name not in names and n.name != definition.output_node]
    names.append(definition.output_node)
    executed = [node.name for node in done]
    remaining = names if v1 and begun else [name for name in names if name not in executed]
    nothing: Any = "" if v1 else None
    following = [name for name in names if name not in executed and name not in {n.name for n in live}]
    return {
        "nb_nodes": len(names),
        "executed_nodes": executed,
        "nb_executed_nodes": len(executed),
        "running_node": live[0].name if live else nothing,
        "next_node_to_execute": following[0] if following and not job.is_over(now) else nothing,
        "remaining_nodes_to_execute": remaining,
        "failed_nodes": failed,
        "nb_failed_nodes": len(failed),
        "audit": {"nodes_execution_data": {n.name: _node_data(job, n, place, now) for place, n in enumerate(begun)}},
    }


def _node_data(job: JobRecord, node: NodeRun, place: int, now: float) -> dict[str, Any]:
    over = job.started_at + node.end <= now
    running = "SLEEPING" if node.person else "RUNNING"
    data: dict[str, Any] = {
        "execution_status": node.status if over else running,
        "execution_start_time": round((job.started_at + node.start) * 1000),
        "execution_time": round(node.seconds * 1000) if over else round((now - job.started_at - node.start) * 1000),
        "execution_index": place,
        "execution_output": _node_output(job, node) if over and node.status == "COMPLETED" else [],
    }
    if job.is_over(now) and not over:
        data["execution_status"] = job.word(now)
        data["execution_time"] = round((job.ended_at - job.started_at - node.start) * 1000)
    if _shape(job) != "nodes_v1":
        data["execution_input"] = _node_input(job, node)
    return data


def _sent(job: JobRecord) -> list[tuple[str, Input, Any]]:
    definition, payload = job.version.definition, job.payload or {}
    rows = []
    for name, variable in definition.inputs_by_name.items():
        entry = payload.get(name)
        rows.append((name, variable, entry.get("value") if isinstance(entry, dict) else None))
    return rows


def _node_input(job: JobRecord, node: NodeRun) -> list[dict[str, Any]]:
    definition, payload = job.version.definition, job.payload or {}
    if node.name != definition.input_node:
        return []
    shown = []
    for name, variable, value in _sent(job):
        entry = payload.get(name)
        word = entry.get("type") if isinstance(entry, dict) else wire_type(definition, variable)
        shown.append({"variable_name": name, "display_name": name, "value": value, "type": word})
    return shown


def _node_output(job: JobRecord, node: NodeRun) -> list[dict[str, Any]]:
    definition = job.version.definition
    v1 = _shape(job) == "nodes_v1"
    if node.name == definition.input_node:
        values: list[tuple[str, str, Any]] = [(n, wire_type(definition, v), value) for n, v, value in _sent(job)]
    elif node.name == definition.output_node and job.timeline is not None:
        types = {name: output.type for name, output in definition.outputs_by_name.items()}
        values = [(n, types.get(n, "str"), value) for n, value in job.timeline.outputs.items()]
    else:
        given = node.output() if callable(node.output) else node.output or {}
        values = [(name, _word_for(value), value) for name, value in given.items()]
        if node.person and node.answer is not None:
            values.append(("answer", _word_for(node.answer), node.answer))
    if v1:
        extra = [{"jobExecutionId": job.id}] if node.name == definition.input_node else []
        return [{name: value} for name, _, value in values] + extra
    return [{"variable_name": n, "display_name": n, "value": value, "type": word} for n, word, value in values]


def _word_for(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    words = ((int, "int"), (float, "float"), (dict, "object"), (list, "array"))
    return next((word for kind, word in words if isinstance(value, kind)), "str")


_CAMEL = {
    "nb_nodes": "nbNodes",
    "executed_nodes": "executedNodes",
    "nb_executed_nodes": "nbExecutedNodes",
    "running_node": "runningNode",
    "next_node_to_execute": "nextNode",
    "remaining_nodes_to_execute": "remainingNodes",
    "failed_nodes": "failedNodes",
    "nb_failed_nodes": "nbFailedNodes",
    "execution_status": "executionStatus",
    "execution_start_time": "executionStartTime",
    "execution_time": "executionTime",
    "execution_index": "executionIndex",
    "execution_input": "executionInput",
    "execution_output": "executionOutput",
    "variable_name": "variableName",
    "display_name": "displayName",
}


def _camel_case(audit: dict[str, Any]) -> dict[str, Any]:
    nodes = {
        name: {
            _CAMEL[key]: [{_CAMEL.get(k, k): v for k, v in row.items()} for row in value]
            if isinstance(value, list)
            else value
            for key, value in data.items()
        }
        for name, data in audit["audit"]["nodes_execution_data"].items()
    }
    top = {_CAMEL[key]: value for key, value in audit.items() if key != "audit"}
    return top | {"audit": {"nodesExecutionData": nodes}}
