"""Workflows of three generations become one record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.errors import LedgerError, ReplyUnreadable, SchemaNotFound
from opus_nb.service.entries import read_field, read_fields
from opus_nb.service.schema import Field, Schema, read_workflow

TEXT = {"display_name": "Name", "type": "str", "is_nullable": False}
FILES = {
    "display_name": "Papers",
    "is_nullable": True,
    "tags": [{"variable_name": "allowed_file_types", "value": ["PDF"]}],
    "allowed_types": [
        {
            "type": "array",
            "type_definition": {"id": "file", "variable_name": "file", "allowed_types": [{"type": "file"}]},
        }
    ],
}


def graph(**more: Any) -> dict[str, Any]:
    return {
        "workflow_id": "5b1c0000-0000-4000-8000-000000000001",
        "name": "Claims",
        "description": None,
        "version": 7,
        "major_version": 2,
        "minor_version": 1,
        "active_status": "active",
        "workspace_id": "ws-1",
        "workflow_input_node_id": "n1",
        "workflow_output_node_id": "n3",
        "ending_nodes_ids": ["n3"],
        "nodes": {
            "n1": {
                "id": "n1",
                "type": "input",
                "name": "Input",
                "input_schema": {"schema": {"who": TEXT, "papers": FILES}},
            },
            "n2": {"id": "n2", "type": "agent", "name": "Read", "output_schema": {"schema": {"inner": TEXT}}},
            "n3": {
                "id": "n3",
                "type": "output",
                "name": "Output",
                "input_schema": {"schema": {"sum": {"display_name": "Total", "allowed_types": [{"type": "float"}]}}},
            },
        },
        **more,
    }


def test_a_v2_graph_gives_inputs_and_outputs() -> None:
    """T3: without ``jobPayloadSchema`` the inputs are read from the input node of the graph."""
    record = read_workflow(graph())
    assert [(each.display_name, each.kind) for each in record.inputs] == [("Name", "str"), ("Papers", "files")]
    assert [(each.variable_name, each.display_name, each.type) for each in record.outputs] == [
        ("sum", "Total", "float")
    ]
    assert (record.generation, record.version, record.version_label) == ("v2", 7, "2.1")
    assert (record.active, record.workspace_id, record.description) == (True, "ws-1", "")


def test_a_camel_case_pointer_is_followed() -> None:
    """T3: the case API spells the pointers in camel case around a snake_case graph."""
    reply = graph()
    reply["workflowInputNodeId"] = reply.pop("workflow_input_node_id")
    reply["workflowOutputNodeId"] = reply.pop("workflow_output_node_id")
    node = reply["nodes"]["n1"]
    node["inputSchema"] = node.pop("input_schema")
    record = read_workflow(reply)
    assert len(record.inputs) == 2
    assert len(record.outputs) == 1


def test_the_output_side_of_the_input_node_is_the_second_place() -> None:
    """Inputs that stand only in the input node's output schema are found there."""
    reply = graph()
    node = reply["nodes"]["n1"]
    node["output_schema"] = node.pop("input_schema")
    assert "who" in read_workflow(reply).inputs


def test_an_empty_input_side_does_not_hide_the_output_side() -> None:
    """An empty ``input_schema`` beside a filled ``output_schema`` is not taken for a workflow without inputs."""
    reply = graph()
    node = reply["nodes"]["n1"]
    node["output_schema"], node["input_schema"] = node["input_schema"], {"schema": {}}
    assert len(read_workflow(reply).inputs) == 2


def test_a_graph_without_inputs_is_legitimate() -> None:
    """An input node with an empty schema is a workflow without inputs, not an error."""
    reply = graph()
    reply["nodes"]["n1"]["input_schema"] = {"schema": {}}
    record = read_workflow(reply)
    assert (len(record.inputs), record.generation) == (0, "v2")


def test_several_output_nodes_are_united() -> None:
    """T14: branches end in different output nodes; the outputs are the union, each once."""
    reply = graph(ending_nodes_ids=["n3", "n4"])
    reply["nodes"]["n4"] = {
        "type": "output",
        "name": "Rejected",
        "input_schema": {"schema": {"sum": TEXT, "why": TEXT}},
    }
    assert [each.variable_name for each in read_workflow(reply).outputs] == ["sum", "why"]
    assert read_workflow(reply).outputs["sum"].display_name == "Total"


def test_an_ending_agent_is_no_output_node() -> None:
    """A node that merely ends a branch does not lend its inner results to the workflow."""
    reply = graph(ending_nodes_ids=["n3", "n2"])
    assert [each.variable_name for each in read_workflow(reply).outputs] == ["sum"]


@pytest.mark.parametrize("nodes_as_list", [False, True])
def test_without_a_pointer_the_node_called_input_is_taken(nodes_as_list: bool) -> None:
    """A graph without pointers, its nodes in an object or a list, is still read by the nodes' names."""
    reply = graph(workflow_input_node_id=None, workflow_output_node_id=None, ending_nodes_ids=None)
    if nodes_as_list:
        reply["nodes"] = list(reply["nodes"].values())
    record = read_workflow(reply)
    assert (len(record.inputs), len(record.outputs)) == (2, 1)


@pytest.mark.parametrize("wrapper", ["data", "workflow", "workflowObject"])
def test_a_wrapped_reply_is_unwrapped(wrapper: str) -> None:
    """The graph may lie inside ``data`` or ``workflow``; what stands outside still counts."""
    inner = graph()
    name = inner.pop("name")
    record = read_workflow({wrapper: inner, "name": name})
    assert (record.name, len(record.inputs)) == ("Claims", 2)


def test_no_schema_anywhere_is_an_error_not_an_empty_form() -> None:
    """T3: the error says where was looked and which keys were there."""
    with pytest.raises(SchemaNotFound) as caught:
        read_workflow({"workflowId": "w", "name": "Claims", "nodes": {}, "jobPayloadSchema": None})
    text = str(caught.value)
    assert "jobPayloadSchema" in text
    assert "workflow_input_node_id" in text
    assert "keys: workflowId, name, nodes, jobPayloadSchema" in text
    assert "w, Claims" in text


@pytest.mark.parametrize("reply", [None, [], "text", 3])
def test_what_is_no_object_is_unreadable(reply: Any) -> None:
    """A reply that is no object has no keys to name, and says what it is."""
    with pytest.raises(ReplyUnreadable):
        read_workflow(reply)


def test_absurd_nesting_is_refused() -> None:
    """A bottomless reply ends in our error, not in a RecursionError later."""
    deep: Any = {}
    for _ in range(300):
        deep = {"type": "object", "type_definition": {"x": deep}}
    with pytest.raises(ReplyUnreadable, match="levels deep"):
        read_workflow({"jobPayloadSchema": {"x": deep}})


def test_a_filled_graph_wins_over_an_empty_flat_schema() -> None:
    """A V2 reply that still carries an empty ``jobPayloadSchema`` does not show an empty form."""
    assert len(read_workflow(graph(jobPayloadSchema={})).inputs) == 2


@pytest.mark.parametrize(
    ("told", "active"),
    [
        ({"active": True}, True),
        ({"active": False}, False),
        ({"active_status": "active"}, True),
        ({"active_status": "draft"}, False),
        ({"activeStatus": "ACTIVE"}, True),
        ({}, None),
    ],
)
def test_active_is_told_or_unknown(told: dict[str, Any], active: bool | None) -> None:
    """T32: an inactive workflow is known as such; a silent reply is unknown, not inactive."""
    assert read_workflow({"jobPayloadSchema": {}, **told}).active is active


def test_zero_in_an_estimate_is_unknown() -> None:
    """Nobody works for nothing in no time: zeros, negatives and words are estimates that were never made."""
    estimation = {"opusPrice": 0, "opusTime": 0, "humanPrice": -1, "humanTime": "soon", "accuracy": None}
    estimate = read_workflow({"jobPayloadSchema": {}, "executionEstimation": estimation}).estimate
    assert (estimate.price, estimate.time_s, estimate.human_price, estimate.accuracy) == (None,) * 4
    assert estimate.times_without_unit == {}
    assert estimate.raw == estimation


@pytest.mark.parametrize(
    ("workflow_time", "time_s", "kept"), [(180000, 180.0, {}), (180, None, {"workflow_time": 180.0}), (None, None, {})]
)
def test_workflow_time_is_milliseconds_where_that_is_plausible(
    workflow_time: Any, time_s: float | None, kept: dict[str, float]
) -> None:
    """180000 is three minutes; 180 could be anything and stays without unit."""
    reply = {"jobPayloadSchema": {}, "workflowEstimation": {"workflow_cost": 2.5, "workflow_time": workflow_time}}
    estimate = read_workflow(reply).estimate
    assert (estimate.price, estimate.time_s, estimate.times_without_unit) == (2.5, time_s, kept)


def test_no_estimate_is_unknown() -> None:
    """Without an estimate everything about it is None."""
    estimate = read_workflow({"jobPayloadSchema": {}}).estimate
    assert (estimate.price, estimate.time_s, estimate.human_time_s) == (None, None, None)


def test_snake_case_payload_schema_is_read() -> None:
    """The flat schema is found in snake case too."""
    assert "who" in read_workflow({"job_payload_schema": {"who": TEXT}}).inputs


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"type": "str"}, "str"),
        ({"type": "STR "}, "str"),
        ({"type": "array_files"}, "files"),
        ({"type": "array", "type_definition": {"type": "file"}}, "files"),
        ({"type": "array", "type_definition": {"type": "str"}}, "array"),
        ({"type": "array", "type_definition": {}}, "array"),
        ({"type": "json_string"}, "json"),
        ({"type": "signature"}, "other"),
        ({"type": None}, "other"),
        ({}, "other"),
        ({"type": {"type": "int"}}, "int"),
        ({"allowedTypes": [{"type": "bool"}]}, "bool"),
        ("float", "float"),
        (None, "other"),
    ],
)
def test_kind_follows_the_type_word(entry: Any, kind: str) -> None:
    """T4: known words have their kind, every other word is ``other``, and none is lost."""
    assert read_field("x", entry).kind == kind


def test_an_unknown_word_is_kept() -> None:
    """The word travels back to the service, so it is kept letter for letter."""
    assert read_field("x", {"type": "signature"}).type == "signature"


def test_several_allowed_types_are_offered() -> None:
    """The first type is the primary one, the others are alternatives with their own definitions."""
    field = read_field(
        "x",
        {"allowed_types": [{"type": "str"}, {"type": "date", "type_definition": "%d/%m/%Y"}, {"type": "file"}]},
    )
    assert (field.type, field.types) == ("str", ("str", "date", "file"))
    assert [each.kind for each in field.alternatives] == ["date", "file"]
    assert field.alternatives[0].date_format == "%d/%m/%Y"


@pytest.mark.parametrize("definition", ["%d.%m.%Y", {}, None, "", "anything"])
def test_date_format_is_the_definition_or_iso(definition: Any) -> None:
    """A ``type_definition`` of a date is a pattern; whatever has no directive is none."""
    field = read_field("x", {"type": "date", "type_definition": definition})
    assert field.date_format == ("%d.%m.%Y" if definition == "%d.%m.%Y" else "%Y-%m-%d")


def test_an_object_may_have_a_member_called_type() -> None:
    """A member named ``type`` does not turn an object's members into a single entry."""
    field = read_field("x", {"type": "object", "type_definition": {"type": {"type": "str"}, "b": {"type": "int"}}})
    assert [(each.variable_name, each.kind) for each in field.members] == [("type", "str"), ("b", "int")]


def test_the_key_wins_over_the_entry() -> None:
    """The value travels under the key, whatever the entry calls itself."""
    assert read_field("key", {"variable_name": "other", "type": "str"}).variable_name == "key"


@pytest.mark.parametrize("blank", ["", "   ", None, 7])
def test_a_blank_label_becomes_the_variable_name(blank: Any) -> None:
    """No input is without a name on screen."""
    assert read_field("key", {"display_name": blank, "type": "str"}).display_name == "key"


@pytest.mark.parametrize(("nullable", "required"), [(False, True), (True, False), (None, False), ("absent", False)])
def test_only_false_makes_required(nullable: Any, required: bool) -> None:
    """A missing or null ``is_nullable`` counts as not required."""
    entry = {"type": "str"} if nullable == "absent" else {"type": "str", "is_nullable": nullable}
    assert read_field("x", entry).required is required


def test_samples_are_defaults_of_inputs_only() -> None:
    """T29: V1 ``value`` and V2 ``default`` are samples; an output's ``value`` is a placeholder and none."""
    assert read_field("x", {"type": "str", "value": "sample"}).default == "sample"
    assert read_field("x", {"type": "str", "default": False}).default is False
    assert read_field("x", {"type": "str", "value": ""}).default is None
    assert read_field("x", {"type": "str", "value": "sample"}, is_output=True).default is None


def test_accepted_files_are_read_from_tags() -> None:
    """T28: upper case without dot, whatever the author's tool wrote; JPG brings JPEG along."""
    tag = {"variable_name": "allowed_file_types", "value": [".jpg", "Pdf"]}
    assert read_field("x", {"type": "file", "tags": [tag]}).allowed_file_types == ("JPG", "PDF", "JPEG")
    assert read_field("x", {"type": "file", "tags": []}).allowed_file_types == ()


def test_a_list_of_entries_is_read_by_their_names() -> None:
    """A schema that is a list names its variables inside."""
    assert [each.variable_name for each in read_fields([{"variable_name": "a", "type": "str"}, "int"])] == [
        "a",
        "item_1",
    ]


def test_fingerprint_is_pinned() -> None:
    """The hash of a known schema does not change between versions, machines and runs."""
    schema = read_fields({"who": TEXT, "papers": FILES})
    assert schema.fingerprint() == read_fields({"papers": FILES, "who": TEXT}).fingerprint()
    assert schema.fingerprint() == "7b28c2f90d41287e070db3db4d3c1e57"


@pytest.mark.parametrize(
    "touch",
    [
        {"display_name": "Renamed"},
        {"description": "new"},
        {"value": "another sample"},
        {"id": "other"},
    ],
)
def test_fingerprint_ignores_what_does_not_matter(touch: dict[str, Any]) -> None:
    """An author may relabel and describe without making checked rows stale."""
    assert read_fields({"x": {**TEXT, **touch}}).fingerprint() == read_fields({"x": TEXT}).fingerprint()


@pytest.mark.parametrize(
    "touch",
    [
        {"type": "json_string"},
        {"is_nullable": True},
        {"options": ["A", "B"]},
        {"allowed_types": [{"type": "int"}]},
        {"tags": [{"variable_name": "allowed_file_types", "value": ["PDF"]}]},
        {"type": "object", "type_definition": {"a": {"type": "str"}}},
        {"type": "date", "type_definition": "%d/%m/%Y"},
    ],
)
def test_fingerprint_notices_what_matters(touch: dict[str, Any]) -> None:
    """Type, need, choices, accepted files, definitions and date formats each change it."""
    assert read_fields({"x": {**TEXT, **touch}}).fingerprint() != read_fields({"x": TEXT}).fingerprint()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
type_words = st.sampled_from(["str", "float", "int", "bool", "date", "array", "object", "file", "array_files", "odd"])
entries = st.fixed_dictionaries(
    {},
    optional={
        "display_name": st.text(),
        "type": type_words | json_values,
        "is_nullable": st.booleans() | st.none(),
        "type_definition": json_values | st.just("%d.%m.%Y") | st.fixed_dictionaries({"type": type_words}),
        "allowed_types": st.lists(
            st.fixed_dictionaries({"type": type_words}, optional={"type_definition": json_values})
        ),
        "options": json_values,
        "value": json_values,
        "tags": json_values,
    },
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), entries, max_size=4))
def test_schema_survives_json(given_entries: dict[str, Any]) -> None:
    """Whatever was read comes back from the ledger equal, raw entries included."""
    schema = read_fields(given_entries)
    again = Schema.from_json(schema.to_json())
    assert again == schema
    assert [each.raw for each in again] == [each.raw for each in schema]
    assert again.fingerprint() == schema.fingerprint()


def test_a_field_made_by_hand_survives_json() -> None:
    """A schema does not need a raw entry to be kept."""
    schema = Schema((Field("a", "A", "str", "str", True, options=("x", 1)),))
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fields": [{}]}', '{"fields": 3}', json.dumps({"fields": ["a"]})])
def test_a_damaged_schema_is_a_ledger_error(text: str) -> None:
    """What is no kept schema ends in our error."""
    with pytest.raises(LedgerError):
        Schema.from_json(text)
