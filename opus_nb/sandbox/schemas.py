"""The details of a workflow, as each generation of the platform writes them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from opus_nb.sandbox.catalogue import PublishedVersion, reference_of
from opus_nb.sandbox.definition import FILE_KINDS, Input, Output, WorkflowDefinition, derive_letters, derive_uuid
from opus_nb.sandbox.payload import holds_files, wire_type
from opus_nb.sandbox.replies import iso_time


def describe_version(version: PublishedVersion, *, cases: bool = False) -> dict[str, Any]:
    """Write what ``GET /workflow/{id}`` answers."""
    definition = version.definition
    if definition.generation == "v1":
        return _describe_v1(version)
    graph = _describe_graph(version)
    if not cases:
        return graph
    for key in ("workflow_id", "workflow_input_node_id", "workflow_output_node_id", "active_status", "workspace_id"):
        graph[_camel(key)] = graph.pop(key, None)
    return graph


def list_row(version: PublishedVersion) -> dict[str, Any]:
    """Write one workflow of ``GET /workflow/private``."""
    definition = version.definition
    return {
        "name": definition.name,
        "description": definition.description,
        "workflowBlueprint": _blueprint(definition),
        **_estimation(definition),
        "redirectUrl": f"https://app.opus.com/app/workflow/{definition.id}",
        "workflowId": definition.id,
        "industry": definition.industry,
        "active": definition.active,
        "builderType": "OPUS_V1" if definition.generation == "v1" else "OPUS_V2",
        "workspaceName": "Sandbox",
        "createdAt": iso_time(version.created_at),
    }


def list_versions(versions: list[PublishedVersion]) -> dict[str, Any]:
    """Write what ``GET /executor/workflow/{uuid}/versions`` answers."""
    latest = versions[-1]
    return {
        "workflow_id": latest.definition.id,
        "name": latest.definition.name,
        "latest_version": latest.number,
        "versions": [
            {
                "workflow_version_id": version.version_id,
                "version": version.number,
                "status": "published",
                "change_description": "First version" if version.number == 1 else f"Version {version.number}",
                "created_at": iso_time(version.created_at),
                "major_version": version.number,
                "minor_version": 0,
                "version_label": f"{version.number}.0",
            }
            for version in versions
        ],
    }


def type_definition(definition: WorkflowDefinition, variable: Input | Output) -> Any:
    """Tell what a container holds, or a date's format, in the words of the workflow's generation."""
    v1 = definition.generation == "v1"
    if variable.type == "date":
        return variable.date_format or ({} if v1 else None)
    if variable.type == "object" and variable.fields:
        return {
            field.name or field.argument: _nested_entry(definition, field, field.name or field.argument)
            for field in variable.fields
        }
    item: Any = "file" if variable.type == "array_files" else variable.item
    if item is not None and not (v1 and variable.type == "array_files"):
        item = Input(item, item) if isinstance(item, str) else item
        return _nested_entry(definition, item, item.name or item.argument)
    return {} if v1 else None


def _nested_entry(definition: WorkflowDefinition, variable: Any, name: str) -> dict[str, Any]:
    nested = type_definition(definition, variable)
    if definition.generation != "v1":
        allowed: dict[str, Any] = {"type": variable.type}
        if nested:
            allowed["type_definition"] = nested
        return {"id": name, "variable_name": name, "display_name": variable.display_name, "allowed_types": [allowed]}
    return {
        "id": name, "variable_name": name, "display_name": variable.display_name, "type": variable.type,
        "is_nullable": not getattr(variable, "required", True), "tags": [], "options": [],
        "type_definition": nested, "type_definition_enforced": bool(nested),
    }  # fmt: skip


def _tags(variable: Input | Output) -> list[dict[str, Any]]:
    is_file = variable.type in ("file", "array_files") or (isinstance(variable, Input) and holds_files(variable))
    if not is_file or isinstance(variable, Output):
        return []
    return [{"variable_name": "allowed_file_types", "value": list(variable.allowed or FILE_KINDS), "description": ""}]


def _v1_entry(definition: WorkflowDefinition, name: str, variable: Input | Output) -> dict[str, Any]:
    nested = type_definition(definition, variable)
    entry: dict[str, Any] = {
        "id": name.removeprefix("workflow_input_").removeprefix("workflow_output_"),
        "variable_name": name,
        "display_name": variable.display_name,
        "display_description": variable.description,
        "description": variable.description,
        "type": variable.type,
        "value": None,
        "is_nullable": False,
        "tags": _tags(variable),
        "options": [],
        "mapping": {},
        "type_definition": nested,
        "type_definition_enforced": bool(nested),
    }
    if isinstance(variable, Input):
        entry |= {
            "is_nullable": not variable.required,
            "options": list(variable.options),
            "value": variable.default,
            "unresolved_at_mapping": False,
        }
    else:
        entry |= {
            "mapping": {"node_origin_id": "step-last", "variable_path": [name], "set_value": None},
            "selected_human_review": None,
            "suggested_human_reviews": [],
        }
    return entry


def _v2_entry(definition: WorkflowDefinition, name: str, variable: Input | Output) -> dict[str, Any]:
    word = wire_type(definition, variable) if isinstance(variable, Input) else variable.type
    nested = type_definition(definition, variable)
    allowed = [{"type": word, "type_definition": nested, "type_definition_enforced": True if nested else None}]
    nullable, default, options = False, None, []
    if isinstance(variable, Input):
        also = [{"type": t, "type_definition": None, "type_definition_enforced": None} for t in variable.also]
        allowed += also
        nullable, default, options = not variable.required, variable.default, list(variable.options)
    return {
        "id": name.removeprefix("workflow_input_").removeprefix("workflow_output_"),
        "variable_name": name,
        "display_name": variable.display_name,
        "description": variable.description or None,
        "is_nullable": nullable,
        "default": default,
        "tags": _tags(variable),
        **({"options": options} if options else {}),
        "allowed_types": allowed,
    }


def _describe_v1(version: PublishedVersion) -> dict[str, Any]:
    definition = version.definition
    details: dict[str, Any] = {
        "createdAt": iso_time(version.created_at),
        "workflowId": definition.id,
        "name": definition.name,
        "description": definition.description,
        "industry": definition.industry,
        "active": definition.active,
        "workflowBlueprint": _blueprint(definition),
        **_estimation(definition),
        "workflowImage": None,
        "referenceEntityId": reference_of(definition),
        "workflowVersionNumber": version.number,
        "workflowVersionId": version.version_id,
    }
    if not definition.hides_schema:
        details["jobPayloadSchema"] = {n: _v1_entry(definition, n, v) for n, v in definition.inputs_by_name.items()}
        details["jobResultsPayloadSchema"] = {
            n: _v1_entry(definition, n, v) for n, v in definition.outputs_by_name.items()
        }
    return details


def _describe_graph(version: PublishedVersion) -> dict[str, Any]:
    definition = version.definition
    names = [definition.input_node, *(n.name for n in definition.nodes), definition.output_node]
    ids = {name: derive_uuid(f"{definition.id}/node/{name}") for name in names}
    people = {n.name for n in definition.nodes if n.person}
    inputs = {n: _v2_entry(definition, n, v) for n, v in definition.inputs_by_name.items()}
    outputs = {n: _v2_entry(definition, n, v) for n, v in definition.outputs_by_name.items()}
    if definition.hides_schema:
        inputs, outputs = {}, {}
    nodes = {
        ids[name]: _graph_node(name, ids[name], place, names, people, inputs=inputs, outputs=outputs)
        for place, name in enumerate(names)
    }
    if definition.hides_schema:
        for node in nodes.values():
            del node["input_schema"], node["output_schema"]
    links = _links(definition, names)
    return {
        "workflow_id": definition.id,
        "name": definition.name,
        "description": definition.description,
        "industry": definition.industry,
        "version": version.number,
        "major_version": version.number,
        "minor_version": 0,
        "workflow_version_id": version.version_id,
        "active_status": "active" if definition.active else "inactive",
        "validity_status": "valid",
        "workspace_id": definition.workspace,
        "created_at": iso_time(version.created_at),
        "workflow_input_node_id": ids[names[0]],
        "workflow_output_node_id": ids[names[-1]],
        "starting_nodes_ids": [ids[names[0]]],
        "ending_nodes_ids": [ids[names[-1]]],
        "action_items": [],
        "nodes": nodes,
        "edges": _edges(definition, links, ids),
        "parent_adjacency": {ids[n]: [ids[a] for a, b in links if b == n] for n in names},
        "child_adjacency": {ids[n]: [ids[b] for a, b in links if a == n] for n in names},
        "environment_variables": {},
        "public_execution_settings": {"is_public": False},
        **_estimation(definition),
    }


def _edges(
    definition: WorkflowDefinition, links: list[tuple[str, str]], ids: dict[str, str]
) -> dict[str, dict[str, Any]]:
    edges = {}
    for begin, end in links:
        edge_id = derive_uuid(f"{definition.id}/edge/{begin}/{end}")
        ends = {"from_node_id": ids[begin], "to_node_id": ids[end]}
        edges[edge_id] = {"id": edge_id, **ends, "label": None, "route_id": None, "route_complement": None}
    return edges


def _graph_node(
    name: str,
    node_id: str,
    place: int,
    names: list[str],
    people: set[str],
    *,
    inputs: dict[str, Any],
    outputs: dict[str, Any],
) -> dict[str, Any]:
    first, last = place == 0, place == len(names) - 1
    kind = "workflow_input" if first else "workflow_output" if last else "human_task" if name in people else "agent"
    return {
        "id": node_id,
        "type": kind,
        "name": name,
        "label": name,
        "description": None,
        "input_schema": {"schema": inputs if first else outputs if last else {}},
        "output_schema": {"schema": inputs if first else outputs if last else {}},
        "mappings": {},
        "set_values": {},
        "routes": [],
        "properties": {},
        "position": {"x": 240 * place, "y": 0},
        "handler_id": derive_letters(node_id, 12),
        "handler_version": 1,
    }


def _links(definition: WorkflowDefinition, names: list[str]) -> list[tuple[str, str]]:
    """Draw the arrows: nodes that start together share their parents, and the next one waits for all of them."""
    beside = {node.name: node.beside for node in definition.nodes if node.beside}
    groups: list[list[str]] = []
    for name in names:
        if groups and beside.get(name) in groups[-1]:
            groups[-1].append(name)
        else:
            groups.append([name])
    return [(a, b) for here, there in pairwise(groups) for a in here for b in there]


def _estimation(definition: WorkflowDefinition) -> dict[str, Any]:
    seconds, price = definition.seconds, definition.price
    if definition.estimation == "none":
        return {}
    if definition.estimation == "workflow":
        return {"workflowEstimation": {"workflow_cost": price, "workflow_time": round(seconds * 1000)}}
    cost = None if price is None else round(price * 0.8, 4)
    return {
        "executionEstimation": {
            "humanCost": None if price is None else round(price * 24, 2),
            "humanPrice": None if price is None else round(price * 30, 2),
            "opusCost": cost,
            "opusPrice": price,
            "humanTime": round(seconds * 120 / 3600, 4),
            "opusTime": round(seconds / 3600, 6),
            "accuracy": 95,
        }
    }


def _blueprint(definition: WorkflowDefinition) -> dict[str, Any]:
    steps = [
        {"step_number": place, "objective": node.name, "description": node.name, "constraint": None}
        for place, node in enumerate(definition.nodes, 1)
    ]
    return {
        "id": derive_uuid(f"{definition.id}/blueprint"),
        "name": definition.name,
        "objective": definition.description.split("\n", 1)[0],
        "description": definition.description,
        "input": {"description": "", "input_items": [{"description": v.display_name} for v in definition.inputs]},
        "output": {"description": "", "output_items": [{"description": v.display_name} for v in definition.outputs]},
        "required_steps": steps,
        "industry": definition.industry,
        "country": None,
    }


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
