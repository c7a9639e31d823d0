"""Results and audits in every shape that clients have met."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from opus_nb.sandbox import Input, Job, Node, Output, workflow
from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID, DOSSIER_ID, QUICKSTART_ID

OUT = "workflow_output_x"
SHAPES = {
    "schema": {"jobResultsPayloadSchema": {OUT: {"value": {"a": 1}, "type": "object", "displayName": "Grade"}}},
    "flat": {OUT: {"a": 1}},
    "list": [{OUT: {"a": 1}}],
    "bare": {"jobResultsPayloadSchema": {OUT: {"a": 1}}},
    "nested": {
        "results": {"jobResultsPayloadSchema": {OUT: {"value": {"a": 1}, "type": "object", "displayName": "Grade"}}}
    },
    "data": {
        "results": {
            "data": {"jobResultsPayloadSchema": {OUT: {"value": {"a": 1}, "type": "object", "displayName": "Grade"}}}
        }
    },
    "top_data": {
        "data": {"jobResultsPayloadSchema": {OUT: {"value": {"a": 1}, "type": "object", "displayName": "Grade"}}}
    },
    "fenced": {
        "jobResultsPayloadSchema": {OUT: {"value": '```json\n{"a":1}\n```', "type": "object", "displayName": "Grade"}}
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_results_shape(serve: Callable[..., Any], shape: Any) -> None:
    """A workflow can answer in any of the shapes of results."""

    @workflow("Shaped", outputs=[Output("Grade", "object", name=OUT)], results_shape=shape, quick=True)
    def shaped() -> dict[str, Any]:
        return {"Grade": {"a": 1}}

    visitor = serve(shaped)
    assert visitor.get(visitor.run(shaped.id, {}), "results").json() == SHAPES[shape]


def test_v1_results_use_snake_case_labels(serve: Callable[..., Any]) -> None:
    """The older generation labels an output with display_name and repeats its variable name."""

    @workflow("Old", generation="v1", outputs=[Output("Day", "date", name="day")], quick=True)
    def old() -> dict[str, Any]:
        return {"Day": date(2025, 11, 9)}

    visitor = serve(old)
    answer = visitor.get(visitor.run(old.id, {}), "results").json()
    assert answer == {
        "jobResultsPayloadSchema": {
            "day": {"variable_name": "day", "display_name": "Day", "type": "date", "value": "2025-11-09"}
        }
    }


def test_quickstart_results_and_trail(patient: Any, quickstart_payload: Any) -> None:
    """The quickstart's workflow answers summary, outputFiles and data, and a trail of timestamped events."""
    job = patient.run(QUICKSTART_ID, quickstart_payload(patient))
    answer = patient.get(job, "results").json()
    assert set(answer) == {"jobExecutionId", "status", "results"}
    assert (answer["jobExecutionId"], answer["status"]) == (job, "COMPLETED")
    assert set(answer["results"]) == {"summary", "outputFiles", "data"}
    audit = patient.get(job, "audit").json()
    assert set(audit) == {"jobExecutionId", "auditTrail"}
    actions = [event["action"] for event in audit["auditTrail"]]
    assert actions[0] == "Job initiated"
    assert "File validated and processed" in actions
    assert actions[-1] == "Job completed successfully"
    stamps = [event["timestamp"] for event in audit["auditTrail"]]
    assert stamps == sorted(stamps)
    assert {event["actor"] for event in audit["auditTrail"]} == {"SYSTEM"}


def test_trail_tells_people_failures_and_words(serve: Callable[..., Any]) -> None:
    """In a trail a person is an actor, a failed node and the last word are events."""

    @workflow(
        "Told", generation="v1", audit_shape="trail", nodes=[Node("Sign", person=True), Node("Stamp")], quick=True
    )
    def told(job: Job) -> dict[str, Any]:
        job.person("Sign")
        job.node("Stamp")
        job.fail()

    visitor = serve(told)
    trail = visitor.get(visitor.run(told.id, {}), "audit").json()["auditTrail"]
    assert [(event["actor"], event["action"]) for event in trail[2:]] == [
        ("SYSTEM", "Sign: waiting for a person"),
        ("USER", "Sign"),
        ("SYSTEM", "Stamp failed"),
        ("SYSTEM", "Job failed"),
    ]


def test_node_audit_of_v1(patient: Any, claim_payload: Any) -> None:
    """V1: plain dicts as outputs, empty words, milliseconds as integers, and a list of remaining nodes that lies."""
    job = patient.run(CLAIM_TRIAGE_ID, claim_payload(patient))
    audit = patient.get(job, "audit").json()
    nodes = audit["audit"]["nodes_execution_data"]
    assert audit["running_node"] == audit["next_node_to_execute"] == ""
    assert len(audit["remaining_nodes_to_execute"]) == audit["nb_nodes"] == 9
    assert audit["executed_nodes"] == list(nodes)
    assert audit["nb_executed_nodes"] == len(nodes) == 7
    first = nodes["Workflow Input"]
    assert {"claim_reference": "K-1"} in first["execution_output"]
    assert first["execution_output"][-1] == {"jobExecutionId": job}
    assert "execution_input" not in first
    for place, node in enumerate(nodes.values()):
        assert isinstance(node["execution_start_time"], int)
        assert isinstance(node["execution_time"], int)
        assert node["execution_index"] == place
        assert node["execution_start_time"] > 1_700_000_000_000
    assert len(json.dumps(nodes["Read claim form"])) > 50


def test_nodes_side_by_side_overlap(patient: Any, claim_payload: Any) -> None:
    """Two nodes that begin together share their start, so that the sum of times is more than the time that passed."""
    job = patient.run(CLAIM_TRIAGE_ID, claim_payload(patient))
    nodes = patient.get(job, "audit").json()["audit"]["nodes_execution_data"]
    assert nodes["Read claim form"]["execution_start_time"] == nodes["Read evidence"]["execution_start_time"]
    ends = [node["execution_start_time"] + node["execution_time"] for node in nodes.values()]
    begins = [node["execution_start_time"] for node in nodes.values()]
    assert sum(node["execution_time"] for node in nodes.values()) > max(ends) - min(begins)


def test_node_audit_of_v2(patient: Any, payload_of: Any) -> None:
    """V2: typed entries as inputs and outputs, null where nothing runs, and nothing remaining at the end."""
    payload = payload_of(patient, question="Who owes?")
    job = patient.run(DOSSIER_ID, payload)
    audit = patient.get(job, "audit").json()
    assert (audit["running_node"], audit["next_node_to_execute"]) == (None, None)
    assert audit["remaining_nodes_to_execute"] == audit["failed_nodes"] == []
    nodes = audit["audit"]["nodes_execution_data"]
    assert list(nodes) == ["Input", "Read documents", "Find passages", "Write summary", "Output"]
    received = nodes["Input"]["execution_input"]
    assert {entry["type"] for entry in received} == {"str", "array"}
    assert received[0]["value"] == "Who owes?"
    assert nodes["Find passages"]["execution_input"] == []
    assert nodes["Find passages"]["execution_output"] == [
        {"variable_name": "hits", "display_name": "hits", "value": 0, "type": "int"}
    ]
    results = patient.get(job, "results").json()["jobResultsPayloadSchema"]
    assert {e["variable_name"]: e["value"] for e in nodes["Output"]["execution_output"]} == {
        name: entry["value"] for name, entry in results.items()
    }


def test_audit_of_a_failed_node(serve: Callable[..., Any]) -> None:
    """A failed node is named, has no output and no text; later nodes never begin."""

    @workflow("Breaks", nodes=[Node("One"), Node("Two"), Node("Three")], quick=True)
    def breaks(job: Job) -> dict[str, Any]:
        job.node("One")
        job.node("Two")
        raise RuntimeError("the reason that Opus never tells")

    visitor = serve(breaks)
    job = visitor.run(breaks.id, {})
    assert visitor.status(job) == "FAILED"
    answer = visitor.get(job, "audit")
    assert "reason" not in answer.text
    audit = answer.json()
    assert (audit["failed_nodes"], audit["nb_failed_nodes"]) == (["Two"], 1)
    assert audit["remaining_nodes_to_execute"] == ["Three", "Output"]
    assert list(audit["audit"]["nodes_execution_data"]) == ["Input", "One", "Two"]
    assert visitor.sandbox.books()["job_books"][job]["reason"].startswith("RuntimeError: the reason")


def test_huge_node_outputs(visitor: Any, claim_payload: Any) -> None:
    """A node may show a whole file in base64, so that audits outgrow any cell."""
    job = visitor.run(CLAIM_TRIAGE_ID, claim_payload(visitor, form=b"word " * 40_000))
    assert len(visitor.get(job, "audit").content) > 250_000


@pytest.mark.parametrize(("option", "status"), [(None, 404), (404, 404), (202, 202)])
def test_results_before_the_end(patient: Any, payload_of: Any, option: Any, status: int) -> None:
    """Early results are 404, or 202 where that is set."""
    patient.sandbox.options.early_results = option
    job = patient.run(DOSSIER_ID, payload_of(patient), to_the_end=False)
    assert patient.get(job, "results").status_code == status


def test_audit_before_the_start(patient: Any, claim_payload: Any) -> None:
    """The node audit of an old shell counts nodes and lists none as executed."""
    job = patient.initiate(CLAIM_TRIAGE_ID)
    audit = patient.get(job, "audit").json()
    assert (audit["nb_nodes"], audit["nb_executed_nodes"], audit["executed_nodes"]) == (9, 0, [])
    assert audit["audit"]["nodes_execution_data"] == {}


def test_types_of_node_outputs(serve: Callable[..., Any]) -> None:
    """Node outputs of the newer generations name the type of each value."""
    given = {"a": True, "b": 1, "c": 1.5, "d": "x", "e": {}, "f": []}

    @workflow("Typed", inputs=[Input("Text", required=False)], quick=True)
    def typed(job: Job, text: Any) -> dict[str, Any]:
        job.node("Only", output=lambda: given)
        return {}

    visitor = serve(typed)
    audit = visitor.get(visitor.run(typed.id, {}), "audit").json()
    shown = audit["audit"]["nodes_execution_data"]["Only"]["execution_output"]
    assert [entry["type"] for entry in shown] == ["bool", "int", "float", "str", "object", "array"]
