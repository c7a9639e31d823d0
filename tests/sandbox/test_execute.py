"""POST /job/execute: what it refuses, what it lets the Input node refuse later, and second executions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from opus_nb.sandbox import Input, Node, Output, Sandbox, workflow
from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID, DOSSIER_ID, PURCHASE_APPROVAL_ID, QUICKSTART_ID


def test_v1_echoes_bare_values_and_v2_does_not(visitor: Any, quickstart_payload: Any, payload_of: Any) -> None:
    """Execute answers 201; the older generation repeats the values without their types."""
    payload = quickstart_payload(visitor)
    old = visitor.execute(visitor.initiate(QUICKSTART_ID), payload)
    assert old.status_code == 201
    assert old.json()["success"] is True
    assert old.json()["message"] == "Job execution has been started"
    assert old.json()["jobPayloadSchemaInstance"] == {name: entry["value"] for name, entry in payload.items()}
    new = visitor.execute(visitor.initiate(DOSSIER_ID), payload_of(visitor))
    assert set(new.json()) == {"success", "message", "jobExecutionId"}


@pytest.mark.parametrize(
    ("body", "status", "messages"),
    [
        (
            {"jobPayloadSchemaInstance": {}},
            400,
            ["jobExecutionId must be a string", "jobExecutionId should not be empty"],
        ),
        (
            {"jobExecutionId": 2514, "jobPayloadSchemaInstance": {}},
            400,
            ["jobExecutionId must be a string", "jobExecutionId should not be empty"],
        ),
        ({"jobExecutionId": "1"}, 400, ["jobPayloadSchemaInstance must be an object"]),
        ({"jobExecutionId": "1", "jobPayloadSchemaInstance": []}, 400, ["jobPayloadSchemaInstance must be an object"]),
        ({"jobExecutionId": "1", "jobPayloadSchemaInstance": {}}, 404, "Job execution not found"),
    ],
)
def test_bad_bodies(visitor: Any, body: dict[str, Any], status: int, messages: Any) -> None:
    """A missing id or payload is 400 with a list, an unknown id 404."""
    answer = visitor.http.post("/job/execute", json=body)
    assert (answer.status_code, answer.json()["message"]) == (status, messages)


@pytest.mark.parametrize("callback", ["", "nowhere", "ftp://x.example/y", 7])
def test_callback_must_be_a_url(visitor: Any, payload_of: Any, callback: Any) -> None:
    """An empty or crooked callbackUrl is refused, and the job has not started."""
    job = visitor.initiate(DOSSIER_ID)
    answer = visitor.execute(job, payload_of(visitor), callbackUrl=callback)
    assert (answer.status_code, answer.json()["message"]) == (400, ["callbackUrl must be a URL address"])
    assert visitor.status(job) == "PENDING"


def test_callback_may_be_insisted_on(visitor: Any, payload_of: Any) -> None:
    """With the option set, execute without callbackUrl is refused; a placeholder that nobody answers will do."""
    visitor.sandbox.options.insists_on_callback = True
    job, payload = visitor.initiate(DOSSIER_ID), payload_of(visitor)
    refused = visitor.execute(job, payload)
    assert refused.status_code == 400
    assert "callbackUrl must be a URL address" in refused.json()["message"]
    assert visitor.execute(job, payload, callbackUrl="https://example.invalid/callback").status_code == 201


def test_type_as_an_object_is_a_500(visitor: Any, payload_of: Any) -> None:
    """A type that is not a bare word breaks the service, and nothing starts."""
    job, payload = visitor.initiate(DOSSIER_ID), payload_of(visitor)
    next(iter(payload.values()))["type"] = {"type": "str"}
    assert visitor.execute(job, payload).status_code == 500
    assert visitor.status(job) == "PENDING"
    assert visitor.sandbox.books()["executions"] == 0


def test_unknown_keys_are_tolerated(visitor: Any, payload_of: Any) -> None:
    """A variable that the schema does not know changes nothing."""
    payload = payload_of(visitor) | {"wworkflow_input_x": {"value": "typo", "type": "str"}}
    assert visitor.status(visitor.run(DOSSIER_ID, payload)) == "COMPLETED"


def _input_node(visitor: Any, job: str) -> tuple[str, dict[str, Any]]:
    audit = visitor.get(job, "audit").json()
    ((name, data),) = audit["audit"]["nodes_execution_data"].items()
    assert audit["failed_nodes"] == [name]
    return name, data


def test_array_without_type_definition_dies_in_the_input_node(patient: Any, payload_of: Any) -> None:
    """Execute says success, then the Input node fails within 150 ms and without a word."""
    payload = payload_of(patient)
    for entry in payload.values():
        if "typeDefinition" in entry:
            entry["type_definition"] = entry.pop("typeDefinition")
    job = patient.initiate(DOSSIER_ID)
    assert patient.execute(job, payload).json()["success"] is True
    patient.sandbox.advance(0.2)
    assert patient.status(job) == "FAILED"
    name, data = _input_node(patient, job)
    assert name == "Input"
    assert data["execution_time"] == 150
    assert data["execution_output"] == []
    assert patient.get(job, "results").json() == {"jobResultsPayloadSchema": {}}


CLAIM_CHANGES = {
    "wrong word": {"claim_reference": {"value": "K", "type": "text"}},
    "no word": {"claim_reference": {"value": "K"}},
    "json as text": {"broker_data": {"value": "{}", "type": "str"}},
    "null where required": {"claim_reference": {"value": None, "type": "str"}},
    "bare value": {"claim_reference": "K"},
    "number as text": {"claimed_amount": {"value": "800", "type": "float"}},
    "bool as number": {"claimed_amount": {"value": True, "type": "float"}},
    "broken int": {"number_of_items": {"value": 1.5, "type": "int"}},
    "empty date": {"date_of_loss": {"value": "", "type": "date"}},
    "date with time": {"date_of_loss": {"value": "2025-03-01T00:00:00", "type": "date"}},
    "text as bool": {"police_informed": {"value": "yes", "type": "bool"}},
    "list as object": {"policy": {"value": [], "type": "object"}},
    "text as list": {"earlier_claims": {"value": "1,2", "type": "array"}},
    "broken json": {"broker_data": {"value": "{", "type": "json_string"}},
    "json not as text": {"broker_data": {"value": {"a": 1}, "type": "json_string"}},
    "file as list": {"claim_form": {"value": ["x"], "type": "file"}},
    "text in files": {"evidence": {"value": [1], "type": "array_files"}},
}


@pytest.mark.parametrize("change", CLAIM_CHANGES.values(), ids=CLAIM_CHANGES)
def test_values_that_do_not_suit_fail_the_job(visitor: Any, claim_payload: Any, change: dict[str, Any]) -> None:
    """Execute takes it, the job fails with the Input node as its only node."""
    job = visitor.initiate(CLAIM_TRIAGE_ID)
    assert visitor.execute(job, claim_payload(visitor, **change)).status_code == 201
    visitor.sandbox.advance(60)
    assert visitor.status(job) == "FAILED"
    assert _input_node(visitor, job)[0] == "Workflow Input"


def test_missing_required_input_fails_the_job(visitor: Any, claim_payload: Any) -> None:
    """Leaving out a required input is found by the Input node, not by execute."""
    payload = claim_payload(visitor)
    del payload["policy"]
    assert visitor.status(visitor.run(CLAIM_TRIAGE_ID, payload)) == "FAILED"


CLAIM_VARIANTS = {
    "whole number for float": {"claimed_amount": {"value": 800, "type": "int"}},
    "float without fraction": {"number_of_items": {"value": 3.0, "type": "float"}},
    "null where nullable": {"remarks": {"value": None, "type": "str"}},
    "json": {"broker_data": {"value": '{"a": [1]}', "type": "json_string"}},
    "empty list": {"earlier_claims": {"value": [], "type": "array"}},
    "display name": {"remarks": {"value": "x", "type": "str", "displayName": "Remarks"}},
}


@pytest.mark.parametrize("change", CLAIM_VARIANTS.values(), ids=CLAIM_VARIANTS)
def test_values_that_suit_pass(visitor: Any, claim_payload: Any, change: dict[str, Any]) -> None:
    """Whole numbers and floats stand in for each other, nullable inputs take null, empty lists are lists."""
    job = visitor.run(CLAIM_TRIAGE_ID, claim_payload(visitor, **change))
    audit = visitor.get(job, "audit").json()
    assert audit["executed_nodes"][0] == "Workflow Input"
    assert "Workflow Input" not in audit["failed_nodes"]


def test_file_that_was_never_put_fails_at_the_first_reader(visitor: Any, claim_payload: Any) -> None:
    """A fileUrl without bytes passes the Input node and fails where a node opens it."""
    asked = visitor.http.post("/job/file/upload", json={"fileExtension": "txt", "workflowId": CLAIM_TRIAGE_ID}).json()
    change = {"claim_form": {"value": asked["fileUrl"], "type": "file"}}
    job = visitor.run(CLAIM_TRIAGE_ID, claim_payload(visitor, **change))
    audit = visitor.get(job, "audit").json()
    assert audit["failed_nodes"] == ["Read claim form"]
    assert audit["executed_nodes"] == ["Workflow Input", "Read claim form"]


def test_file_of_another_workspace_cannot_be_opened(visitor: Any, claim_payload: Any) -> None:
    """A file uploaded to another workspace fails the job as if it were missing."""
    body = {"fileExtension": "txt", "workspaceId": "another"}
    asked = visitor.http.post("/job/file/upload", json=body).json()
    visitor.put(asked["presignedUrl"], content=b"x")
    change = {"claim_form": {"value": asked["fileUrl"], "type": "file"}}
    job = visitor.run(CLAIM_TRIAGE_ID, claim_payload(visitor, **change))
    assert visitor.status(job) == "FAILED"
    assert "another" in visitor.sandbox.books()["job_books"][job]["reason"]


def test_nullable_file_may_be_left_out(visitor: Any, meet: Callable[..., Any]) -> None:
    """The author's sample file is never opened in place of a missing one: the function gets None."""

    @workflow(
        "Maybe",
        generation="v1",
        inputs=[Input("Scan", "file", required=False, default="https://files.opus.com/media/x.pdf")],
        outputs=[Output("Got")],
        quick=True,
    )
    def maybe(scan: Any) -> dict[str, Any]:
        return {"Got": repr(scan)}

    with Sandbox([maybe], time_scale=0.001) as sandbox:
        other = meet(sandbox)
        assert other.results(other.run(maybe.id, {})) == {"Got": "None"}


def test_second_execute_runs_and_bills_again(patient: Any, payload_of: Any) -> None:
    """By default a second execute of one id starts it over, and the books show two executions of it."""
    payload = payload_of(patient)
    job = patient.run(DOSSIER_ID, payload)
    assert patient.status(job) == "COMPLETED"
    assert patient.execute(job, payload).status_code == 201
    assert patient.status(job) == "IN_PROGRESS"
    books = patient.sandbox.books()
    assert (books["executions"], books["jobs_executed_twice"], books["payloads_executed_twice"]) == (2, 1, 1)
    assert books["executions_by_job"] == {job: 2}


def test_second_execute_may_be_refused(visitor: Any, payload_of: Any) -> None:
    """With the policy "409" a second execute is refused and nothing is billed."""
    visitor.sandbox.options.second_execute = "409"
    payload = payload_of(visitor)
    job = visitor.run(DOSSIER_ID, payload)
    answer = visitor.execute(job, payload)
    assert (answer.status_code, answer.json()["message"]) == (409, "Job has already been executed")
    assert visitor.sandbox.books()["executions"] == 1


def test_several_allowed_types_take_either(serve: Callable[..., Any]) -> None:
    """Where the graph allows two types, both words pass, and the value arrives as that type."""

    @workflow("Either", inputs=[Input("Data", "str", also=["json_string"])], outputs=[Output("Kind")], quick=True)
    def either(data: Any) -> dict[str, Any]:
        return {"Kind": type(data).__name__}

    (name,) = either.inputs_by_name
    visitor = serve(either)
    for word, kind in (("str", "str"), ("json_string", "dict")):
        assert visitor.results(visitor.run(either.id, {name: {"value": "{}", "type": word}})) == {"Kind": kind}
    assert visitor.status(visitor.run(either.id, {name: {"value": 1, "type": "int"}})) == "FAILED"


def test_word_of_an_unknown_type_passes(serve: Callable[..., Any]) -> None:
    """A type nobody knows is served as it is, and its own word is what it wants back."""

    @workflow("Odd", inputs=[Input("Shade", "colour")], outputs=[Output("Shade")], quick=True)
    def odd(shade: Any) -> dict[str, Any]:
        return {"Shade": shade}

    (name,) = odd.inputs_by_name
    visitor = serve(odd)
    assert visitor.results(visitor.run(odd.id, {name: {"value": "red", "type": "colour"}})) == {"Shade": "red"}
    assert visitor.status(visitor.run(odd.id, {name: {"value": "red", "type": "str"}})) == "FAILED"


def test_purchase_takes_the_shortest_payload(patient: Any) -> None:
    """Only what is required has to be sent."""
    graph = patient.http.get(f"/workflow/{PURCHASE_APPROVAL_ID}").json()
    schema = graph["nodes"][graph["workflow_input_node_id"]]["input_schema"]["schema"]
    values = {"Item": ("Desk", "str"), "Amount": (120.0, "float")}
    payload = {
        name: {"value": values[entry["display_name"]][0], "type": values[entry["display_name"]][1]}
        for name, entry in schema.items()
        if not entry["is_nullable"]
    }
    job = patient.run(PURCHASE_APPROVAL_ID, payload)
    assert patient.results(job)["Approved"] is True


def test_payload_of_more_than_ten_megabytes_is_a_page(visitor: Any, payload_of: Any) -> None:
    """A request body over 10 MB is answered 413 in HTML, and nothing starts."""
    job, payload = visitor.initiate(DOSSIER_ID), payload_of(visitor)
    next(iter(payload.values()))["value"] = "x" * (10 * 1024 * 1024)
    answer = visitor.execute(job, payload)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "text/html")
    assert visitor.status(job) == "PENDING"


def test_script_bounds_a_person_who_never_answers(serve: Callable[..., Any]) -> None:
    """A script gives an end even to a job that would wait for ever."""

    @workflow("Endless", nodes=[Node("Sign", person=True, seconds=math.inf)], quick=True)
    def endless() -> dict[str, Any]:
        return {}

    visitor = serve(endless)
    visitor.sandbox.fault("execute", "script", seconds=10, end="TIMED_OUT")
    job = visitor.run(endless.id, {}, to_the_end=False)
    visitor.sandbox.advance(9)
    assert visitor.status(job) == "WAITING"
    visitor.sandbox.advance(2)
    assert visitor.status(job) == "TIMED_OUT"
