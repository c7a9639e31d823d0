"""Audits in both forms, and cut to a size that can be kept."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.service.replies import find_progress, read_audit, shorten_audit

FIXTURES = Path(__file__).parent / "fixtures"


def load(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))


def node(start: Any = 1763374603736, took: Any = 1000, **more: Any) -> dict[str, Any]:
    return {"execution_status": "COMPLETED", "execution_start_time": start, "execution_time": took, **more}


def nodes(**data: Any) -> dict[str, Any]:
    return {"audit": {"nodes_execution_data": data}}


def test_only_executed_names_are_entries_too() -> None:
    """T15: a list of names without data still gives a row per node, told by the list it stands in."""
    reply = {"executed_nodes": ["A", "B"], "failed_nodes": ["B"], "running_node": "C", "nb_nodes": 4}
    audit = read_audit(reply)
    assert [(each.event, each.status, each.started_at) for each in audit.entries] == [
        ("A", "COMPLETED", None),
        ("B", "FAILED", None),
        ("C", "RUNNING", None),
    ]
    assert find_progress(audit) == (2, 4)
    assert audit.failed_nodes == ("B",)


def test_ids_in_the_lists_do_not_double_the_nodes() -> None:
    """Where the lists hold ids and the data names, the data alone makes the rows."""
    audit = read_audit({"executed_nodes": ["id-1"], **nodes(Read=node())})
    assert [each.event for each in audit.entries] == ["Read"]


def test_both_forms_at_once() -> None:
    """A trail and nodes in one reply: the trail first, each with its source."""
    reply = {**load("audit_as_a_trail"), **nodes(Read=node())}
    assert [each.source for each in read_audit(reply).entries] == ["trail"] * 3 + ["nodes"]


@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: {"data": it}, lambda it: {"audit": it, "title": "detail"}])
@pytest.mark.parametrize(
    "name", ["audit_as_a_trail", "audit_of_nodes_with_an_idle_runner", "audit_of_a_case_in_camel_case"]
)
def test_wrapping_does_not_matter(name: str, wrap: Any) -> None:
    """The same audit inside ``data``, or as the block of a job's detail, has the same entries."""
    assert read_audit(wrap(load(name))).entries == read_audit(load(name)).entries


@pytest.mark.parametrize("events", [["Job initiated"], [{"event": "Job initiated", "user": {"name": "Ada"}}]])
def test_looser_trails_are_read(events: list[Any]) -> None:
    """A bare list, plain texts, ``event`` for ``action``, an actor that is an object."""
    (entry,) = read_audit(events).entries
    assert (entry.event, entry.source) == ("Job initiated", "trail")
    assert entry.actor == (None if isinstance(events[0], str) else "Ada")


@pytest.mark.parametrize(
    ("given_time", "seconds"),
    [
        (1763374603736, 1763374603.736),
        (1763374603, 1763374603.0),
        (1763374603.736, 1763374603.736),
        (1763374603736000, 1763374603.736),
        ("1763374603736", 1763374603.736),
        ("2025-11-17T10:16:43.736Z", 1763374603.736),
        ("2025-11-17T11:16:43.7361234+01:00", 1763374603.736123),
        ("2025-11-17T10:16:43", 1763374603.0),
        ("2025-11-17T11:16:43+0100", 1763374603.0),
        ("2025-11-17 10:16:43.7", 1763374603.7),
        (None, None),
        (0, None),
        ("", None),
        ("soon", None),
        (True, None),
        (float("nan"), None),
    ],
)
def test_times_of_any_unit(given_time: Any, seconds: float | None) -> None:
    """T18: milliseconds, seconds and ISO text become Unix seconds; a time without a zone is UTC."""
    (entry,) = read_audit(nodes(Read=node(start=given_time))).entries
    assert entry.started_at == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


def test_the_wall_span_is_not_the_sum() -> None:
    """T18: two nodes at once take as long as the longer one."""
    audit = read_audit(nodes(A=node(1763374600000, 5000), B=node(1763374602000, 4000)))
    assert audit.started_at == 1763374600.0
    assert audit.ended_at == 1763374606.0
    assert sum(each.duration_s or 0 for each in audit.entries) == 9.0


@pytest.mark.parametrize("word", ["SLEEPING", "running", "PENDING_REVIEW", "Waiting", "output_compliant"])
def test_a_node_that_goes_on_has_no_end(word: str) -> None:
    """A sleeping node is a person thinking: it has begun, it has not ended, and neither has the job."""
    audit = read_audit(nodes(A=node(), B=node(execution_status=word)))
    entry = audit.entries[1]
    assert (entry.status, entry.ended_at, entry.duration_s) == (word, None, 1.0)
    assert audit.ended_at is None


def test_nodes_that_were_never_reached_keep_no_job_going() -> None:
    """Behind a failed node others stay PENDING for ever; the job has ended all the same."""
    behind = {"execution_status": "PENDING", "execution_start_time": None}
    audit = read_audit(nodes(A=node(execution_status="FAILED"), B=behind))
    assert audit.ended_at == audit.entries[0].ended_at
    assert audit.ended_at is not None


def test_nodes_come_in_the_order_of_their_index() -> None:
    """The order is ``execution_index``, not the order of the reply."""
    audit = read_audit(nodes(B=node(execution_index=1), A=node(execution_index=0)))
    assert [(each.event, each.order) for each in audit.entries] == [("A", 0), ("B", 1)]


def test_a_node_that_was_not_reached_is_no_entry() -> None:
    """A node with nothing in it did not run."""
    audit = read_audit(nodes(A=node(), B={}, C={"execution_status": None, "execution_start_time": None}))
    assert [each.event for each in audit.entries] == ["A"]


def test_a_failed_node_is_named_and_quoted() -> None:
    """The rare text of an error is kept, at most 300 characters."""
    failed = node(execution_status="failed", error={"message": "bad date " * 100, "code": 7})
    audit = read_audit(nodes(A=failed))
    assert audit.failed_nodes == ("A",)
    assert audit.entries[0].error is not None
    assert audit.entries[0].error.startswith("bad date bad date")
    assert len(audit.entries[0].error) <= 300


@pytest.mark.parametrize(
    ("told", "progress"),
    [
        ({"nb_executed_nodes": 2, "nb_nodes": 3}, (2, 3)),
        ({"nb_executed_nodes": 5, "nb_nodes": 3}, (3, 3)),
        ({"nb_executed_nodes": 2, "nb_nodes": 0}, (2, None)),
        ({"nb_executed_nodes": 2, "nb_nodes": None}, (2, None)),
        ({"nbExecutedNodes": 1, "nbNodes": 3}, (1, 3)),
        ({"executed_nodes": ["A"], "nb_nodes": 3, "remaining_nodes_to_execute": ["A", "B", "C"]}, (1, 3)),
        ({"nb_nodes": 3}, (None, 3)),
        ({}, (None, None)),
    ],
)
def test_progress_counts_what_was_executed(told: dict[str, Any], progress: tuple[int | None, int | None]) -> None:
    """T16: the list of remaining nodes lies; executed of all, clamped, and None where unknown."""
    assert find_progress(read_audit(told)) == progress


@pytest.mark.parametrize(
    ("runner", "name"), [("", None), (None, None), ("Read", "Read"), ({"name": "Read"}, "Read"), ({"id": "n2"}, "n2")]
)
def test_the_running_node_in_any_form(runner: Any, name: str | None) -> None:
    """Empty text, null, a name or an object."""
    assert read_audit({"running_node": runner, "nb_nodes": 2}).running_node == name


@pytest.mark.parametrize("reply", [None, [], {}, "text", 3, {"audit": None}, {"audit": []}, {"auditTrail": None}])
def test_no_audit_is_empty(reply: Any) -> None:
    """Nothing told, nothing shown, nothing raised."""
    audit = read_audit(reply, "2514")
    assert (audit.entries, audit.job_id, audit.nodes_done) == ((), "2514", None)


def bulky() -> dict[str, Any]:
    scan = base64.b64encode(bytes(range(256)) * 2000).decode()
    answer = {"rows": [{"id": number, "text": "word " * 30} for number in range(500)], "note": "ü" * 5000}
    return {
        "jobExecutionId": "3115",
        "nb_nodes": 3,
        "nb_executed_nodes": 3,
        "executed_nodes": ["Input", "Fetch", "Output"],
        "failed_nodes": [],
        "audit": {
            "nodes_execution_data": {
                "Input": node(execution_output=[{"file": scan}, {"jobExecutionId": "3115"}], execution_index=0),
                "Fetch": node(execution_output=[answer], execution_input=[{"body": scan}], execution_index=1),
                "Output": node(execution_output="long " * 2000, execution_index=2, error="why " * 2000),
            }
        },
    }


def test_a_huge_audit_becomes_small_and_reads_the_same() -> None:
    """T17: a megabyte of scans and answers shrinks to some kilobytes; every entry is equal before and after."""
    audit = bulky()
    before = copy.deepcopy(audit)
    short = shorten_audit(audit)
    assert audit == before
    assert len(json.dumps(audit)) > 1_000_000
    assert len(json.dumps(short)) < 10_000
    assert read_audit(short) == read_audit(audit)
    assert "AAECAwQF" not in json.dumps(short)


@pytest.mark.parametrize("max_chars", [0, 500, 2000, 50_000])
def test_shortening_twice_changes_nothing(max_chars: int) -> None:
    """What was shortened once is short enough."""
    short = shorten_audit(bulky(), max_chars=max_chars)
    assert shorten_audit(short, max_chars=max_chars) == short
    assert read_audit(short) == read_audit(bulky())


@pytest.mark.parametrize(
    "name", ["audit_as_a_trail", "audit_of_nodes_with_an_idle_runner", "audit_of_a_case_in_camel_case"]
)
def test_a_small_audit_stays_as_it_is(name: str) -> None:
    """Nothing is touched that is not bulky."""
    assert shorten_audit(load(name)) == load(name)


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ([{"total": 3.5}, {"ok": True}], "[{total: 3.5}, {ok: true}]"),
        ([{"variable_name": "v1", "display_name": "Total", "type": "float", "value": 3.5}], "[Total: 3.5]"),
        ([{"variableName": "v1", "value": None}], "[v1: null]"),
        ("text\nin lines", "text in lines"),
        ([], None),
        ({}, None),
        ("", None),
        (0, "0"),
        ([1, 2, 3, 4, 5, 6], "[1, 2, 3, 4, 5, …]"),
    ],
)
def test_an_output_is_one_short_line(output: Any, shown: str | None) -> None:
    """V1 dicts and V2 variables read alike; nothing given is None."""
    (entry,) = read_audit(nodes(A=node(execution_output=output))).entries
    assert entry.output == shown


def test_no_summary_shows_base64() -> None:
    """An entry's output is one short line, never a piece of a file."""
    for entry in read_audit(bulky()).entries:
        assert entry.output is not None
        assert len(entry.output) <= 200
        assert "\n" not in entry.output
    assert "(base64, 682,668 characters)" in str(read_audit(bulky()).entries[0].output)


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=20)
    | st.builds(lambda piece, times: piece * times, st.text(max_size=6), st.integers(0, 400))
    | st.sampled_from(["A" * 300, "2025-11-17T10:16:43Z", "x y " * 300])
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=12)
        | st.dictionaries(st.text(max_size=5), inner, max_size=5)
        | st.builds(lambda each, times: [each] * times, inner, st.integers(0, 60))
    ),
    max_leaves=12,
)
node_data = st.dictionaries(
    st.sampled_from(
        ["execution_status", "executionStartTime", "execution_time", "execution_index", "execution_output", "error",
         "executionInput", "errorMessage", "other"]
    ),
    anything,
)  # fmt: skip
events = st.dictionaries(st.sampled_from(["timestamp", "actor", "action", "details", "status", "message"]), anything)
audits = st.dictionaries(
    st.sampled_from(["nb_nodes", "nbExecutedNodes", "executed_nodes", "failedNodes", "running_node", "results", "x"]),
    anything,
).flatmap(
    lambda told: st.fixed_dictionaries(
        {key: st.just(value) for key, value in told.items()},
        optional={
            "auditTrail": st.lists(events | anything, max_size=3),
            "audit": st.fixed_dictionaries(
                {
                    "nodes_execution_data": st.dictionaries(st.text(max_size=5), node_data | anything, max_size=3)
                    | anything
                }
            )
            | anything,
            "data": node_data | anything,
        },
    )
)


def as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@settings(deadline=None, max_examples=400)
@given(audits | anything, st.sampled_from([500, 2000]))
def test_shortening_keeps_every_entry(audit: Any, max_chars: int) -> None:
    """For any JSON at all: equal entries before and after, and a second time changes nothing."""
    short = shorten_audit(audit, max_chars=max_chars)
    assert repr(read_audit(short)) == repr(read_audit(audit))
    assert as_text(shorten_audit(short, max_chars=max_chars)) == as_text(short)
