"""A workflow's inputs, outputs and estimates, read from whichever shape the service answers with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from opus_nb.errors import ReplyUnreadable, SchemaNotFound
from opus_nb.service.definitions import ISO_DATE_FORMAT, Field, Schema
from opus_nb.service.drift import FieldChange, schema_changes
from opus_nb.service.entries import read_field, read_fields
from opus_nb.service.spellings import fold_key, fold_keys, look_up, name_keys, walk_wrappers

__all__ = [
    "ISO_DATE_FORMAT",
    "Estimate",
    "Field",
    "FieldChange",
    "Schema",
    "WorkflowRecord",
    "read_field",
    "read_fields",
    "read_workflow",
    "schema_changes",
]

_WRAPPERS = ("data", "workflow", "workflow_object", "result")
_DEEPEST = 200
# No workflow is estimated below a second: a smaller number is not milliseconds, and its unit is unknown.
_LEAST_PLAUSIBLE_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the service expects one job to cost and to take. None means unknown, and is never shown as 0.

    The quickstart prints ``executionEstimation`` without units. Prices are kept as they come, in the account's
    own unit. A time is converted only where its unit is known: ``workflow_time`` is in milliseconds (a captured
    180000 stands for three minutes); ``opusTime`` and ``humanTime`` have no documented unit, so they are not
    turned into seconds but kept, as they came, in ``times_without_unit``. A zero or a negative number is how an
    estimate looks that nobody made, and counts as unknown.

    Attributes
    ----------
    price : float or None
        ``opusPrice``, else ``workflow_cost``: expected price of one job, in the account's unit.
    time_s : float or None
        Expected seconds of one job.
    human_price, human_time_s : float or None
        What the author says that people would cost and take.
    accuracy : float or None
        Percent.
    times_without_unit : Mapping of str to float
        Times as they came whose unit is not known, by their own key.
    raw : Mapping
        The estimate letter for letter.

    Source
    ------
    Quickstart, "Get Workflow Details & Schema"; contract, section 1.1.
    """

    price: float | None = None
    time_s: float | None = None
    human_price: float | None = None
    human_time_s: float | None = None
    accuracy: float | None = None
    times_without_unit: Mapping[str, float] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class WorkflowRecord:
    """What the service says of one workflow.

    Attributes
    ----------
    workflow_id : str
        Letter for letter; ``""`` where the reply does not repeat it.
    name, description : str
    active : bool or None
        None where the reply does not say. Only an active workflow can be started.
    inputs, outputs : Schema
        ``outputs`` is empty where the reply does not describe them.
    generation : str
        The shape it was read from: ``v1`` (``jobPayloadSchema``) or ``v2`` (a graph of nodes, also what the
        case API answers with).
    version : int or None
        Version number.
    version_label, version_id, workspace_id : str or None
    estimate : Estimate
    raw : Mapping
        The reply letter for letter.
    """

    workflow_id: str
    name: str
    description: str
    active: bool | None
    inputs: Schema
    outputs: Schema
    generation: str
    version: int | None = None
    version_label: str | None = None
    version_id: str | None = None
    workspace_id: str | None = None
    estimate: Estimate = field(default_factory=Estimate)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def activity(self) -> str:
        """What Opus said of whether it is active, in its own words."""
        said = [
            f"Opus says {key} = {found!r}"
            for level in walk_wrappers(self.raw, _WRAPPERS)
            for key in ("active", "is_active", "active_status")
            if (found := look_up(level, key)) is not None
        ]
        return said[0] if said else "Opus does not say whether it is active"


def read_workflow(reply: Any, *, asked_for: str | None = None) -> WorkflowRecord:
    """Read a workflow from whichever of the three generations has answered.

    Inputs are looked for in ``jobPayloadSchema``, then in the graph at
    ``nodes[workflow_input_node_id].input_schema.schema``, then in that node's ``output_schema.schema``; snake
    case and camel case alike, also inside ``data`` or ``workflow``. An empty ``{}`` there is a workflow without
    inputs. A place that is missing is not: that raises, because an empty form would be a lie.

    Parameters
    ----------
    reply : Any
        The parsed JSON of ``GET /workflow/{id}`` of any generation.
    asked_for : str, optional
        The id that was asked for, for an error.

    Returns
    -------
    WorkflowRecord

    Raises
    ------
    SchemaNotFound
        No schema in any known place; says where was looked and which keys were there.
    ReplyUnreadable
        The reply is no JSON object, or is nested deeper than any workflow.

    Source
    ------
    Quickstart, "Get Workflow Details & Schema"; contract, sections 1.1, 1.12, 2.1, 2.2, trap T3.
    """
    if not isinstance(reply, Mapping):
        raise ReplyUnreadable(
            "Opus was asked for a workflow and did not answer with a JSON object.",
            where=asked_for,
            came_back=name_keys(reply),
            next_step="Check the workflow id and the address of the service.",
        )
    if _is_deeper(reply, _DEEPEST):
        raise ReplyUnreadable(
            f"The workflow is nested more than {_DEEPEST} levels deep and was not read.",
            where=asked_for,
            came_back=name_keys(reply),
            next_step="Open the workflow in Opus, and take apart the input or output that is nested so deeply.",
        )
    levels = list(walk_wrappers(reply, _WRAPPERS))
    for level in levels:
        inputs, generation = _find_inputs(level)
        if inputs is not None:
            # The name and the like may stand beside the wrapper that holds the schema, or inside another.
            told: dict[str, Any] = {}
            for each in (level, *levels):
                told |= {key: value for key, value in fold_keys(each).items() if told.get(key) is None}
            return _record(told, inputs, _find_outputs(level), generation, raw=reply)
    named = [_text(look_up(reply, key)) for key in ("workflow_id", "name")]
    raise SchemaNotFound(
        "This workflow does not say which inputs it needs.",
        where=", ".join(each for each in named if each) or asked_for,
        came_back=(
            "looked for jobPayloadSchema and for nodes[workflow_input_node_id].input_schema.schema "
            f"(then output_schema.schema), at the top and inside {', '.join(_WRAPPERS)}; found {name_keys(reply)}"
        ),
        next_step="Open the workflow in Opus, check that it has an input node, save it, and try again.",
    )


def _record(
    told: Mapping[str, Any], inputs: Schema, outputs: Schema, generation: str, *, raw: Mapping[str, Any]
) -> WorkflowRecord:
    major, minor = _whole(told.get("majorversion")), _whole(told.get("minorversion"))
    version = told.get("version") if told.get("version") is not None else told.get("workflowversionnumber")
    return WorkflowRecord(
        workflow_id=_text(told.get("workflowid") or told.get("id")),
        name=_text(told.get("name")),
        description=_text(told.get("description")),
        active=_active(told),
        inputs=inputs,
        outputs=outputs,
        generation=generation,
        version=_whole(version),
        version_label=_text(told.get("versionlabel")) or (None if major is None else f"{major}.{minor or 0}"),
        version_id=_text(told.get("workflowversionid") or told.get("versionid")) or None,
        workspace_id=_text(told.get("workspaceid")) or None,
        estimate=_read_estimate(told.get("executionestimation") or told.get("workflowestimation")),
        raw=raw,
    )


def _find_inputs(level: Mapping[str, Any]) -> tuple[Schema | None, str]:
    flat = look_up(level, "jobPayloadSchema")
    flat_inputs = read_fields(flat) if isinstance(flat, (Mapping, list)) else None
    if flat_inputs:
        return flat_inputs, "v1"
    graph_inputs = _first_schema(_input_nodes(level), is_output=False)
    if graph_inputs is not None and (flat_inputs is None or len(graph_inputs)):
        return graph_inputs, "v2"
    return flat_inputs, "v1"


def _find_outputs(level: Mapping[str, Any]) -> Schema:
    flat = look_up(level, "jobResultsPayloadSchema")
    if isinstance(flat, (Mapping, list)) and len(flat):
        return read_fields(flat, is_output=True)
    union: dict[str, Field] = {}
    for node in _output_nodes(level):
        for each in _first_schema([node], is_output=True) or ():
            union.setdefault(each.variable_name, each)
    return Schema(tuple(union.values()))


def _first_schema(nodes: Iterable[Mapping[str, Any]], *, is_output: bool) -> Schema | None:
    """Return the first side that has fields; an empty one only when no other has any; None when there is none."""
    empty: Schema | None = None
    for node in nodes:
        for side in ("input_schema", "output_schema"):
            entries = _entries(look_up(node, side))
            if entries is None:
                continue
            read = read_fields(entries, is_output=is_output)
            if len(read):
                return read
            empty = read
    return empty


def _entries(side: Any) -> Any:
    if not isinstance(side, Mapping):
        return None
    inner = look_up(side, "schema", "properties")
    if isinstance(inner, (Mapping, list)):
        return inner
    described = [each for each in side.values() if isinstance(each, Mapping) and look_up(each, "variable_name")]
    return side if described and len(described) == len(side) else None


def _nodes(level: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    nodes = look_up(level, "nodes")
    if isinstance(nodes, Mapping):
        return {str(key): node for key, node in nodes.items() if isinstance(node, Mapping)}
    if isinstance(nodes, list):
        return {_text(look_up(node, "id")): node for node in nodes if isinstance(node, Mapping)}
    return {}


def _pointed_at(level: Mapping[str, Any], *keys: str) -> list[str]:
    found: list[str] = []
    for key in keys:
        value = look_up(level, key)
        found.extend(_text(each) for each in (value if isinstance(value, list) else [value]))
    return [each for each in dict.fromkeys(found) if each]


def _input_nodes(level: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the node that the pointer names; without a usable pointer, the nodes named or typed as input."""
    nodes = _nodes(level)
    named = [nodes[each] for each in _pointed_at(level, "workflow_input_node_id") if each in nodes]
    yield from named or [node for node in nodes.values() if _is_called(node, "input")]


def _output_nodes(level: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the output nodes: the one pointed at, its like among the ending nodes, and those called output."""
    nodes = _nodes(level)
    main = [nodes[each] for each in _pointed_at(level, "workflow_output_node_id") if each in nodes]
    alike = {_text(look_up(node, "type")) for node in main} - {""}
    ending = [nodes[each] for each in _pointed_at(level, "ending_nodes_ids", "ending_node_ids") if each in nodes]
    more = [node for node in ending if _text(look_up(node, "type")) in alike or _is_called(node, "output")]
    named = [node for node in nodes.values() if _is_called(node, "output")]
    found: list[Mapping[str, Any]] = []
    for node in [*main, *more, *named]:
        if not any(node is each for each in found):
            found.append(node)
    return found or ending


def _is_called(node: Mapping[str, Any], side: str) -> bool:
    words = {fold_key(_text(look_up(node, key)).replace(" ", "")) for key in ("type", "name", "label")}
    return bool(words & {side, f"workflow{side}", f"{side}node", f"workflow{side}node"})


def _active(told: Mapping[str, Any]) -> bool | None:
    for key in ("active", "isactive", "activestatus"):
        given = told.get(key)
        if isinstance(given, bool):
            return given
        if isinstance(given, str) and given.strip():
            return given.strip().lower() in {"active", "true"}
    return None


def _read_estimate(given: Any) -> Estimate:
    if not isinstance(given, Mapping):
        return Estimate()
    workflow_time = _amount(look_up(given, "workflow_time"))
    is_ms = workflow_time is not None and workflow_time >= _LEAST_PLAUSIBLE_MS
    times = {key: _amount(look_up(given, key)) for key in ("opusTime", "humanTime")}
    if not is_ms:
        times["workflow_time"] = workflow_time
    price = _amount(look_up(given, "opusPrice"))
    return Estimate(
        price=_amount(look_up(given, "workflow_cost")) if price is None else price,
        time_s=workflow_time / 1000 if workflow_time is not None and is_ms else None,
        human_price=_amount(look_up(given, "humanPrice")),
        accuracy=_amount(look_up(given, "accuracy")),
        times_without_unit={key: value for key, value in times.items() if value is not None},
        raw=given,
    )


def _amount(value: Any) -> float | None:
    """Return a positive finite number, else None: a zero is an estimate that nobody made."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if math.isfinite(number) and number.is_integer() else None


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return str(value)


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for each in level
            if isinstance(each, (Mapping, list))
            for inner in (each.values() if isinstance(each, Mapping) else each)
        ]
        if not level:
            return False
    return True
