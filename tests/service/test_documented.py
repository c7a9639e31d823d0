"""Every JSON that a page prints stands here letter for letter, and each is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opus_nb.errors import ReplyUnreadable, SettingsError
from opus_nb.job import JobState
from opus_nb.service.api import InitiateParameters
from opus_nb.service.entries import read_field
from opus_nb.service.replies import (
    inner_error,
    read_audit,
    read_error_body,
    read_job_id,
    read_results,
    read_state,
    read_upload_urls,
)
from opus_nb.service.schema import Schema, read_fields, read_workflow
from opus_nb.service.values import build_payload, check_value

REFERENCE = "00000000-0000-4000-8000-000000000001"
VERSION = "00000000-0000-4000-8000-000000000002"
FIXTURES = Path(__file__).parent / "fixtures"


def load(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))


def test_workflow_v1_with_an_empty_payload_schema() -> None:
    """The quickstart's workflow has no inputs, a placeholder output, prices, and times whose unit nobody knows."""
    record = read_workflow(load("workflow_v1_with_an_empty_payload_schema"))
    assert (record.workflow_id, record.name, record.active, record.generation) == ("workflow-123",) * 2 + (True, "v1")
    assert len(record.inputs) == 0
    assert [each.variable_name for each in record.outputs] == ["additionalProp1"]
    assert record.estimate.price == 75.5
    assert record.estimate.human_price == 150.75
    assert record.estimate.accuracy == 95
    assert record.estimate.time_s is None
    assert record.estimate.times_without_unit == {"opusTime": 1.2, "humanTime": 2.5}


def test_payload_schema_v1_of_all_eight_types() -> None:
    """The quickstart's eight inputs are read with label, type, need and accepted files."""
    inputs = read_workflow(load("payload_schema_v1_of_all_eight_types")).inputs
    assert [(each.display_name, each.type, each.kind) for each in inputs] == [
        ("TextInput", "str", "str"),
        ("NumberInput", "float", "float"),
        ("FileInput(Single)", "file", "file"),
        ("BoolInput", "bool", "bool"),
        ("ListInput", "array", "array"),
        ("ObjectInput", "object", "object"),
        ("DateInput", "date", "date"),
        ("FileInput(Multiple)", "array_files", "files"),
    ]
    assert all(each.required for each in inputs)
    assert inputs["workflow_input_h69vx5i4a"].allowed_file_types == ("JPEG", "PNG", "JPG", "PDF")


def test_execute_request_without_display_names() -> None:
    """Built from the documented echo and schema, our payload is the documented one plus the labels."""
    documented = load("execute_request_without_display_names")["jobPayloadSchemaInstance"]
    schema = read_workflow(load("payload_schema_v1_of_all_eight_types")).inputs
    values = load("execute_reply_echoing_bare_values")["jobPayloadSchemaInstance"]
    built = build_payload(schema, values)
    assert {key: entry.pop("displayName") for key, entry in built.items()} == {
        each.variable_name: each.display_name for each in schema
    }
    assert built == documented


def test_execute_reply_echoing_bare_values() -> None:
    """The echo is no refusal, holds the job id, and each echoed value fits its input."""
    reply = load("execute_reply_echoing_bare_values")
    assert inner_error(reply) is None
    assert read_job_id(reply) == "2514"
    schema = read_workflow(load("payload_schema_v1_of_all_eight_types")).inputs
    problems = {key: check_value(schema[key], value) for key, value in reply["jobPayloadSchemaInstance"].items()}
    assert problems == {
        **dict.fromkeys(problems),
        # The page shows a .docx and a .png for an input that its own schema (with an ellipsis) limits to images.
        "workflow_input_auqgnzk8d": "File 1: '.docx' is not accepted here (JPEG, PNG, JPG, PDF).",
    }


def test_initiate_reply_with_a_word_for_an_id() -> None:
    """An id is any text; a number becomes text."""
    assert read_job_id(load("initiate_reply_with_a_word_for_an_id")) == "string"
    assert read_job_id({"jobExecutionId": 2514}) == "2514"


def test_initiate_reply_of_the_initiate_page() -> None:
    """The initiate page's reply holds the id and nothing else."""
    assert read_job_id(load("initiate_reply_of_the_initiate_page")) == "{JOB_EXECUTION_ID}"


def test_initiate_request_with_a_description() -> None:
    """Ours is the quickstart's request, and says where the job comes from."""
    documented = load("initiate_request_with_a_description")
    built = InitiateParameters(documented["workflowId"]).body(documented["title"], documented["description"])
    assert built == {**documented, "source": "api"}


def test_initiate_request_of_the_latest_version() -> None:
    """Nothing is pinned, and what is to be stored on the job goes as bare keys and values."""
    documented = load("initiate_request_of_the_latest_version")
    parameters = InitiateParameters(documented["workflowId"], initial_input=documented["initialInput"])
    assert parameters.body(documented["title"], documented["description"]) == documented


def test_initiate_request_pinned_by_number() -> None:
    """A list of workspaces travels as one text with commas."""
    documented = load("initiate_request_pinned_by_number")
    parameters = InitiateParameters(
        documented["workflowId"],
        workflow_version_number=3,
        ref_user_id=documented["refUserId"],
        workspaces=["{WORKSPACE_ID_1}", "{WORKSPACE_ID_2}"],
        initial_input=documented["initialInput"],
    )
    assert parameters.body(documented["title"], documented["description"]) == documented


def test_initiate_request_pinned_by_uuid_without_description() -> None:
    """A reference entity needs no workflow id; a description is always sent, empty where there is none."""
    documented = load("initiate_request_pinned_by_uuid_without_description")
    ids = {"referenceEntityId": REFERENCE, "workflowVersionId": VERSION}
    parameters = InitiateParameters(None, REFERENCE, VERSION)
    assert parameters.body(documented["title"], "") == {**documented, **ids, "description": ""}
    with pytest.raises(SettingsError, match="UUID"):
        InitiateParameters(None, documented["referenceEntityId"])


def test_upload_request_with_a_dotted_extension() -> None:
    """The request page is no reply: it holds no addresses, and none are made up."""
    with pytest.raises(ReplyUnreadable, match="fileExtension, accessScope"):
        read_upload_urls(load("upload_request_with_a_dotted_extension"))


def test_upload_reply_with_a_shortened_address() -> None:
    """Both addresses come back letter for letter, the first one with its four dots."""
    presigned, file_url = read_upload_urls(load("upload_reply_with_a_shortened_address"))
    assert presigned.endswith("media_f8c8fc47....")
    assert file_url.endswith("media_3ca210fc-eea1-4e2c-936e-29d068878f34.pdf")


def test_status_reply_with_a_space() -> None:
    """``IN PROGRESS`` is running, and the word is kept."""
    assert read_state(load("status_reply_with_a_space")) == JobState("running", "IN PROGRESS")


def test_results_in_free_shape() -> None:
    """Keys become outputs, nested keys are dotted, lists stay whole, and the state is told."""
    results = read_results(load("results_in_free_shape"))
    assert {each.name: each.value for each in results.outputs} == {
        "summary": "Job executed successfully.",
        "outputFiles": ["https://files.opus.com/media/private/generated/output_9a1b23.pdf"],
        "data.score": 92,
        "data.verdict": "PASS",
        "data.comments": "All documents validated successfully.",
    }
    assert results.state == JobState("completed", "COMPLETED")


def test_results_in_free_shape_without_a_verdict() -> None:
    """The contract's shorter variant reads the same way."""
    results = read_results(load("results_in_free_shape_without_a_verdict"))
    assert [each.name for each in results.outputs] == ["summary", "outputFiles", "data.score", "data.verdict"]


def test_results_with_both_label_spellings() -> None:
    """``display_name`` and ``displayName`` are both labels; without one, the key is the name."""
    results = read_results(load("results_with_both_label_spellings"))
    assert [(each.variable_name, each.name, each.type, each.value) for each in results.outputs] == [
        ("workflow_output_aa11bb22c", "Summary", "str", "text"),
        ("workflow_output_dd33ee44f", "Report", "file", "https://files.opus.com/..."),
        ("workflow_output_gg55hh66i", "workflow_output_gg55hh66i", "object", {"grade": "A", "issues": []}),
    ]


def test_results_of_a_case_without_labels() -> None:
    """The case API wraps entries in ``results`` and gives neither label nor type."""
    (output,) = read_results(load("results_of_a_case_without_labels")).outputs
    assert (output.variable_name, output.name, output.type, output.value) == (
        "workflow_output_x",
        "workflow_output_x",
        "",
        "text",
    )


def test_audit_as_a_trail() -> None:
    """Three events, each with its actor and its time in UTC."""
    audit = read_audit(load("audit_as_a_trail"))
    assert audit.job_id == "2514"
    assert [(each.event, each.actor, each.source, each.order) for each in audit.entries] == [
        ("Job initiated", "SYSTEM", "trail", 0),
        ("File validated and processed", "SYSTEM", "trail", 1),
        ("Job completed successfully", "SYSTEM", "trail", 2),
    ]
    assert audit.started_at == 1761568320.0
    assert audit.ended_at == audit.started_at + 130
    assert (audit.nodes_done, audit.nodes_total) == (None, None)


def test_audit_of_nodes_with_an_idle_runner() -> None:
    """Node times are milliseconds; an empty ``running_node`` is none; the wall span is told."""
    audit = read_audit(load("audit_of_nodes_with_an_idle_runner"), "3115")
    first, second = audit.entries
    assert (first.event, first.status, first.order, first.source) == ("Workflow Input", "COMPLETED", 0, "nodes")
    assert first.started_at == pytest.approx(1763374603.736)
    assert second.duration_s == 6.024
    assert second.ended_at == pytest.approx(1763374609.763)
    assert second.output is not None
    assert "serviceResponse" in second.output
    assert (audit.nodes_done, audit.nodes_total, audit.running_node, audit.failed_nodes) == (2, 3, None, ())
    assert audit.started_at == first.started_at
    assert audit.ended_at == second.ended_at


def test_audit_of_a_case_in_camel_case() -> None:
    """The case API's camel case reads like the snake case, failures included."""
    audit = read_audit(load("audit_of_a_case_in_camel_case"))
    assert [(each.event, each.status) for each in audit.entries] == [("Input", "COMPLETED"), ("Check", "FAILED")]
    assert audit.failed_nodes == ("Check",)
    assert (audit.nodes_done, audit.nodes_total) == (2, 3)


def test_payload_schema_v1_nested_with_samples() -> None:
    """A captured entry: the sample is the default, the short description wins, members are read."""
    (contact,) = read_fields(load("payload_schema_v1_nested_with_samples"))
    assert contact.default == {"email": "a@b.example", "phone": "+000"}
    assert contact.description == "Short text meant for a form"
    (email,) = contact.members
    assert (email.variable_name, email.kind, email.required, email.default) == ("email", "str", True, "x@y.example")


def test_variable_definitions_v2_with_allowed_types() -> None:
    """Without ``type``, the first of ``allowed_types`` is the type."""
    (form,) = read_fields(load("variable_definitions_v2_with_allowed_types"))
    assert (form.display_name, form.type, form.kind, form.required) == ("Application form", "json_string", "json", True)
    assert form.default is None
    assert form.description == ""


def test_container_definition_v2_of_files() -> None:
    """An array whose item is a file is several files, and keeps its own type word."""
    entry = {"display_name": "Papers", "allowed_types": [load("container_definition_v2_of_files")]}
    field = read_field("papers", entry)
    assert (field.type, field.kind) == ("array", "files")
    assert field.item is not None
    assert field.item.kind == "file"


def test_wire_form_of_an_array_of_files() -> None:
    """What we send for such an array is the proven wire form, ``typeDefinition`` in camel case."""
    documented = load("wire_form_of_an_array_of_files")
    definition = load("container_definition_v2_of_files")
    entry = {"display_name": "Supporting documents", "allowed_types": [definition]}
    schema = Schema((read_field("papers", entry),))
    assert build_payload(schema, {"papers": documented["value"]})["papers"] == documented


def test_error_body_with_a_list_of_messages() -> None:
    """Every message of the list is one of ours."""
    text = (FIXTURES / "error_body_with_a_list_of_messages.json").read_text("utf-8")
    assert read_error_body(400, "application/json", text) == (
        "workflowId must be a UUID",
        "title should not be empty",
    )


def test_reply_200_with_an_inner_500() -> None:
    """An inner ``statusCode`` of 500 is a refusal, whatever the HTTP status."""
    assert inner_error(load("reply_200_with_an_inner_500")) == (500, ("Request failed with status code 422",))


def test_every_documented_json_is_read() -> None:
    """No fixture lies here without a test of its name."""
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in FIXTURES.glob("*.json")} <= tests
