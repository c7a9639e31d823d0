"""Replies that are read column by column say the same as replies that are read one by one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.service.entries import read_fields
from opus_nb.service.results import OutputColumn, ResultReader

DECLARED = read_fields(
    {
        "workflow_output_a": {"variable_name": "workflow_output_a", "display_name": "Summary", "type": "str"},
        "workflow_output_b": {"variable_name": "workflow_output_b", "display_name": "Score", "type": "float"},
        "plain": {"variable_name": "plain", "display_name": "data", "type": "object"},
    },
    is_output=True,
)
# Names that mean something to the reader, beside some that do not.
ODD = ("workflow_output_a", "workflow_output_b", "workflow_output_x", "plain", "displayName", "a.b", "b.c")
PLAIN = ("a", "b", "data", "score", "summary", "Summary", "results", "output", "value", "type", "status")
NAMES = st.sampled_from((*PLAIN, *ODD, "jobResultsPayloadSchema", "job_results_payload_schema"))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["", "text", ' {"a": 1}', "[1, 2]", "```json\n[1]\n```", "{", "str", " ", "7"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
PAYLOADS = st.dictionaries(NAMES, VALUES, max_size=4)
ENTRIES = st.dictionaries(
    NAMES,
    st.one_of(
        st.fixed_dictionaries({"value": VALUES}),
        st.fixed_dictionaries({"value": VALUES, "type": st.sampled_from(["str", "float", "", None])}),
        VALUES,
    ),
    max_size=4,
)
REPLIES = st.one_of(
    st.none(),
    st.fixed_dictionaries({"jobResultsPayloadSchema": ENTRIES}),
    st.fixed_dictionaries({"status": st.just("COMPLETED"), "results": PAYLOADS}),
    st.fixed_dictionaries({"job_results_payload_schema": st.one_of(st.none(), ENTRIES), "results": PAYLOADS}),
    VALUES,
)


def one_by_one(reader: ResultReader, replies: list[Any]) -> dict[str, tuple[list[Any], list[Any]]]:
    """What `ResultReader.read` makes of each reply, turned into columns by key."""
    found: dict[str, tuple[list[Any], list[Any]]] = {}
    for place, reply in enumerate(replies):
        for output in () if reply is None else reader.read(reply).outputs:
            values, raws = found.setdefault(output.variable_name, ([None] * len(replies), [None] * len(replies)))
            values[place], raws[place] = output.value, output.raw
    return found


def by_key(columns: list[OutputColumn]) -> dict[str, tuple[list[Any], list[Any]]]:
    """Columns that hold anything, by their key."""
    return {each.variable_name: (each.values, each.raws) for each in columns}


@settings(deadline=None, max_examples=400)
@given(st.lists(REPLIES, max_size=5), st.booleans())
def test_many_replies_read_as_each_of_them(replies, declared):
    """Whatever the replies hold, and whichever came before with the same keys."""
    reader = ResultReader(DECLARED if declared else None)
    columns = by_key(reader.columns(replies))
    expected = one_by_one(reader, replies)
    assert {key: column for key, column in columns.items() if key in expected} == expected
    for key in columns.keys() - expected.keys():
        assert columns[key] == ([None] * len(replies), [None] * len(replies))


def test_columns_come_in_the_order_in_which_they_are_met():
    """Declared ones first; then as the replies name them."""
    replies = [{"results": {"z": 1, "y": {"q": 2, "p": 3}}}, {"results": {"x": 1, "y": {"o": 1}}}]
    assert [each.name for each in ResultReader().columns(replies)] == ["z", "y.q", "y.p", "x", "y.o"]


def test_a_key_that_was_null_may_hold_the_outputs_next_time():
    """Two replies with the same keys are not read alike where a wrapper is null in one of them."""
    first = {"job_results_payload_schema": None, "results": {"summary": "one"}}
    second = json.loads(json.dumps(first)) | {"job_results_payload_schema": {"summary": {"value": "two"}}}
    columns = by_key(ResultReader().columns([first, second]))
    assert columns["summary"][0] == ["one", "two"]


def test_equal_dotted_names_are_kept_apart():
    """``{"a": {"b.c": 1, "b": {"c": 2}}}`` has two outputs, also after replies without such keys."""
    replies = [{"results": {"a": {"b": {"c": 0}}}}, {"results": {"a": {"b.c": 1, "b": {"c": 2}}}}]
    columns = by_key(ResultReader().columns(replies))
    assert columns == by_key(ResultReader().columns(list(replies)))
    assert sorted(each[0][1] for each in columns.values()) == [1, 2]
