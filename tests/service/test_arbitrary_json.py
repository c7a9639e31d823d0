"""Whatever the service answers, a reader gives a record or an error of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.errors import OpusError
from opus_nb.service.replies import (
    find_progress,
    inner_error,
    read_audit,
    read_error_body,
    read_job_id,
    read_results,
    read_state,
    read_upload_urls,
    retry_after_s,
    shorten_audit,
)
from opus_nb.service.schema import Schema, read_fields, read_workflow, schema_changes
from opus_nb.service.values import check_value, coerce_value

WORDS = [
    "jobPayloadSchema", "jobResultsPayloadSchema", "nodes", "workflow_input_node_id", "workflowOutputNodeId",
    "ending_nodes_ids", "input_schema", "output_schema", "schema", "properties", "allowed_types", "type",
    "type_definition", "tags", "variable_name", "display_name", "is_nullable", "options", "value", "default",
    "executionEstimation", "workflow_time", "opusPrice", "version", "active", "data", "results", "audit", "workflow",
    "nodes_execution_data", "executed_nodes", "auditTrail", "timestamp", "status", "state", "message", "error",
    "statusCode", "success", "metadata", "retryAfterSeconds", "jobExecutionId", "presignedUrl", "fileUrl", "name",
    "execution_output", "execution_start_time", "running_node", "constraints", "msg", "loc",
]  # fmt: skip
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [*WORDS, "str", "object", "array", "file", "date", "%Y", "%", "```json\n{}\n```", "[1", "https://["]
    )
)
replies = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)


def deep(levels: int) -> list[Any]:
    """Replies nested as deep as a parser lets through."""
    found: list[Any] = []
    for opening, closing in (("[", "]"), ('{"data":', "}"), ('{"results":', "}"), ('{"a":', "}"), ('{"audit":', "}")):
        found.append(json.loads(opening * levels + "1" + closing * levels))
    return found


def read_everything(reply: Any) -> None:
    """Call each reader; any exception but ours goes through."""
    readers: list[Callable[[Any], Any]] = [
        read_workflow,
        read_fields,
        read_state,
        read_job_id,
        read_upload_urls,
        read_results,
        inner_error,
        shorten_audit,
        lambda it: find_progress(read_audit(it)),
        lambda it: retry_after_s({}, it),
    ]
    for read in readers:
        with suppress(OpusError):
            read(reply)


@settings(deadline=None, max_examples=500)
@given(replies)
def test_no_reader_raises_anything_but_ours(reply: Any) -> None:
    """Arbitrary JSON, rich in the service's own words, ends in a record or an `OpusError`."""
    read_everything(reply)


@pytest.mark.parametrize("reply", deep(900), ids=["lists", "data", "results", "free", "audit"])
def test_deep_replies_do_not_exhaust_the_stack(reply: Any) -> None:
    """As deep as json.loads goes, no RecursionError comes out."""
    read_everything(reply)


@settings(deadline=None, max_examples=300)
@given(replies, replies)
def test_any_schema_can_be_kept_compared_and_used(one: Any, other: Any) -> None:
    """Whatever was read as a schema can be hashed, kept, compared, and judge values."""
    old, new = read_fields(one), read_fields(other)
    assert old.fingerprint() == Schema.from_json(old.to_json()).fingerprint()
    assert schema_changes(old, old) == ()
    for change in schema_changes(old, new):
        assert change.sentence.endswith(".")
    for field in (*old, *new):
        check_value(field, one)
        with suppress(ValueError):
            check_value(field, coerce_value(field, one))


@settings(deadline=None, max_examples=300)
@given(
    st.integers(100, 599), st.sampled_from(["", "application/json", "text/html"]), st.text() | replies.map(json.dumps)
)
def test_error_bodies_always_have_words(status: int, content_type: str, text: str) -> None:
    """Any body gives at least one line, none longer than 300 characters."""
    messages = read_error_body(status, content_type, text)
    assert messages
    assert all(0 < len(each) <= 300 and "\n" not in each for each in messages)
