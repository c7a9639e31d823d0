"""Outputs from every shape, under names that stay the same over a whole run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.service.envelopes import read_json_text
from opus_nb.service.replies import ResultReader, read_results
from opus_nb.service.schema import Schema, read_fields

OUTPUTS = read_fields(
    {
        "workflow_output_a": {"display_name": "Summary", "type": "str", "value": "placeholder"},
        "workflow_output_b": {"display_name": "Score", "allowed_types": [{"type": "float"}]},
    },
    is_output=True,
)
ENTRIES = {"workflow_output_a": {"value": "fine"}, "workflow_output_b": {"value": 92, "type": "float"}}


def named(reply: Any, outputs: Schema | None = OUTPUTS) -> dict[str, Any]:
    return {each.name: each.value for each in read_results(reply, outputs).outputs}


@pytest.mark.parametrize(
    "reply",
    [
        {"jobResultsPayloadSchema": ENTRIES},
        {"job_results_payload_schema": ENTRIES},
        {"results": ENTRIES},
        {"results": {"jobResultsPayloadSchema": ENTRIES}},
        {"results": {"data": {"jobResultsPayloadSchema": ENTRIES}}},
        {"data": {"jobResultsPayloadSchema": ENTRIES}},
        {"data": ENTRIES},
        ENTRIES,
        {"jobExecutionId": "1", "status": "COMPLETED", "message": "done", **ENTRIES},
        {"results": {"workflow_output_a": "fine", "workflow_output_b": 92}},
        {"jobResultsPayloadSchema": {"workflow_output_a": "fine", "workflow_output_b": 92}},
        [{"workflow_output_a": "fine", "workflow_output_b": 92}],
        [{"workflow_output_a": "fine"}, {"workflow_output_b": 92}],
        {"results": [{"variable_name": "workflow_output_a", "value": "fine"}, {"workflow_output_b": 92}]},
        {"jobResultsPayloadSchema": [{"workflow_output_a": "fine", "workflow_output_b": {"value": 92}}]},
        {"results": json.dumps(ENTRIES)},
        {"jobResultsPayloadSchema": json.dumps(ENTRIES)},
    ],
)
def test_every_wrapping_gives_the_same_outputs(reply: Any) -> None:
    """T12: wherever the outputs lie, they come out under the workflow's own labels."""
    assert named(reply) == {"Summary": "fine", "Score": 92}


@pytest.mark.parametrize(
    "reply", [None, {}, [], "", {"jobExecutionId": "1", "status": "RUNNING"}, {"results": {}}, {"results": None}]
)
def test_no_outputs_is_empty(reply: Any) -> None:
    """A reply without outputs has none; the envelope is no output."""
    assert read_results(reply).outputs == ()


def test_declared_types_fill_in() -> None:
    """The reply's type wins; without one the workflow's is taken."""
    types = {
        each.name: each.type for each in read_results({"results": {"workflow_output_a": {"value": 1}}}, OUTPUTS).outputs
    }
    assert types == {"Summary": "str"}
    retyped = {"results": {"workflow_output_a": {"value": 1, "type": "json_string"}}}
    assert read_results(retyped, OUTPUTS).outputs[0].type == "json_string"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (' [1, "2"]\n', [1, "2"]),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("```\n[1]\n```", [1]),
        ('```json{"a": 1}```', {"a": 1}),
        ('```JSON\n{"a": 1}```\n', {"a": 1}),
        ("{not json}", "{not json}"),
        ("[1, 2", "[1, 2"),
        ("```python\nprint(1)\n```", "```python\nprint(1)\n```"),
        ("```", "```"),
        ("007", "007"),
        ("42", "42"),
        ("true", "true"),
        ('"text"', '"text"'),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
        ("[" * 100_000 + "]" * 100_000, "[" * 100_000 + "]" * 100_000),
    ],
)
def test_json_in_text_is_parsed_and_the_text_kept(raw: str, value: Any) -> None:
    """T13: lists and objects in text, fenced or not, are parsed; numbers and words stay text; the original is kept."""
    (output,) = read_results({"results": {"workflow_output_a": {"value": raw}}}).outputs
    assert output.value == value
    assert output.raw == raw
    assert read_json_text(raw) == value


def test_an_object_output_stays_one_cell() -> None:
    """A bare object of a known output is its value; only the free shape is spread."""
    reply = {"results": {"workflow_output_a": {"grade": "A", "issues": []}, "extra": {"x": {"y": 1}}, "none": {}}}
    assert named(reply) == {"Summary": {"grade": "A", "issues": []}, "extra.x.y": 1, "none": {}}


def test_the_free_shape_names_outputs_by_their_labels() -> None:
    """A key that is the label of a declared output is that output; its objects are spread all the same."""
    outputs = read_results({"results": {"Summary": "fine", "Score": {"points": 3}}}, OUTPUTS).outputs
    assert [(each.variable_name, each.name, each.type, each.value) for each in outputs] == [
        ("workflow_output_a", "Summary", "str", "fine"),
        ("Score.points", "Score.points", "", 3),
    ]


def test_an_object_with_a_member_called_value() -> None:
    """``{"value": 5, "unit": "kg"}`` is a value with a unit, not a wrapper, wherever it stands."""
    weight = {"value": 5, "unit": "kg"}
    assert named({"results": {"weight": weight}}) == {"weight.value": 5, "weight.unit": "kg"}
    assert named({"jobResultsPayloadSchema": {"workflow_output_a": weight}}) == {"Summary": weight}
    wrapped = {"value": weight, "type": "object", "confidence": 0.9}
    assert named({"jobResultsPayloadSchema": {"workflow_output_a": wrapped}}) == {"Summary": weight}


def test_an_entry_without_a_value_is_none() -> None:
    """An entry that describes an output and gives no value has none."""
    reply = {"jobResultsPayloadSchema": {"workflow_output_a": {"type": "str", "display_name": "Summary"}}}
    assert named(reply) == {"Summary": None}


def test_placeholders_of_the_schema_are_no_results() -> None:
    """The declared sample value never shows up as a result."""
    assert named({"results": {"workflow_output_b": {"value": 1}}}) == {"Score": 1}


def test_equal_labels_carry_their_variable_names() -> None:
    """T14: two outputs of one label are told apart the same way in every row."""
    twins = read_fields({"a": {"display_name": "Summary"}, "b": {"display_name": "Summary"}}, is_output=True)
    assert named({"results": {"a": 1, "b": 2}}, twins) == {"Summary (a)": 1, "Summary (b)": 2}
    assert named({"results": {"b": 2}}, twins) == {"Summary (b)": 2}
    told = {"a": {"value": 1, "displayName": "S"}, "b": {"value": 2, "displayName": "S"}}
    assert named({"results": told}, None) == {"S (a)": 1, "S (b)": 2}


def test_colliding_dotted_names_lose_nothing() -> None:
    """A literal ``a.b`` beside a nested one: both are there."""
    assert named({"results": {"a.b": 1, "a": {"b": 2}}}) == {"a.b": 1, "a.b (2)": 2}
    assert named([{"a": 1}, {"a": 2}]) == {"a": 1, "a (2)": 2}


def test_the_workflows_label_wins_over_the_replys() -> None:
    """Column names do not depend on the row: what the workflow declares is the name."""
    reply = {"jobResultsPayloadSchema": {"workflow_output_a": {"value": 1, "display_name": "workflow_output_a"}}}
    assert named(reply) == {"Summary": 1}


def test_state_is_told_where_it_stands() -> None:
    """The reply's own status comes along; without one there is none."""
    state = read_results({"status": "COMPLETED", "results": {}}).state
    assert state is not None
    assert state.name == "completed"
    assert read_results({"results": {}}).state is None


def test_a_plain_answer_is_one_output() -> None:
    """A result that is no object at all is still shown."""
    assert named({"results": "all good"}) == {"results": "all good"}
    assert named({"results": [1, 2]}) == {"results": [1, 2]}


def test_columns_line_up_with_the_replies() -> None:
    """T14: the union of outputs, declared ones first, None where a branch lacks one or a job has no reply."""
    replies = [
        {"results": {"workflow_output_b": {"value": 1.5}}},
        None,
        {"results": {"workflow_output_a": {"value": '{"x": 1}'}, "why": "late"}},
    ]
    columns = ResultReader(OUTPUTS).columns(replies)
    assert [(each.name, each.type, each.values) for each in columns] == [
        ("Summary", "str", [None, None, {"x": 1}]),
        ("Score", "float", [1.5, None, None]),
        ("why", "", [None, None, "late"]),
    ]
    assert columns[0].raws == [None, None, '{"x": 1}']


def test_column_names_are_unique_whatever_single_rows_have() -> None:
    """Two jobs that use one label for two variables make two columns."""
    replies = [
        {"results": {"a": {"value": 1, "displayName": "S"}}},
        {"results": {"b": {"value": 2, "displayName": "S"}}},
    ]
    assert [(each.name, each.values) for each in ResultReader().columns(replies)] == [
        ("S (a)", [1, None]),
        ("S (b)", [None, 2]),
    ]


def test_columns_of_no_jobs_are_the_declared_ones() -> None:
    """Without a single reply the declared columns are there."""
    assert [(each.name, each.values) for each in ResultReader(OUTPUTS).columns([])] == [("Summary", []), ("Score", [])]


plain = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
payloads = st.dictionaries(
    st.text(max_size=4) | st.sampled_from(["a", "b", "value"]),
    plain | st.dictionaries(st.text(max_size=3), plain),
    max_size=4,
)


@settings(deadline=None)
@given(st.lists(st.none() | st.fixed_dictionaries({"results": payloads}), max_size=5))
def test_row_wise_and_column_wise_agree(replies: list[Any]) -> None:
    """Both readers find the same values under the same variables, and column names are unique."""
    reader = ResultReader(OUTPUTS)
    columns = reader.columns(replies)
    assert len({each.name for each in columns}) == len(columns)
    for place, reply in enumerate(replies):
        by_row = {} if reply is None else {each.variable_name: each.value for each in reader.read(reply).outputs}
        by_column = {each.variable_name: each.values[place] for each in columns}
        assert {key: value for key, value in by_column.items() if value is not None} == {
            key: value for key, value in by_row.items() if value is not None
        }


@settings(deadline=None)
@given(
    st.dictionaries(st.text(min_size=1, max_size=5).filter(lambda key: "." not in key), plain, min_size=1, max_size=5)
)
def test_no_value_is_lost(payload: dict[str, Any]) -> None:
    """Each key of a flat answer is one output with its value letter for letter."""
    outputs = read_results({"results": payload}).outputs
    if set(payload) == {"value"}:
        payload = {"results.value": payload["value"]}
    assert sorted(json.dumps(each.raw) for each in outputs) == sorted(json.dumps(value) for value in payload.values())
