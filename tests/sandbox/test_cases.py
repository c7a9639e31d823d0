"""The case family under /api/v1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opus_nb.sandbox import Sandbox
from opus_nb.sandbox.workflows import DOSSIER_ID, INACTIVE_ID, QUICKSTART_ID, VENDOR_ONBOARDING_ID, vendor_onboarding


@pytest.fixture
def cases(slow_sandbox: Sandbox, meet: Callable[..., Any]) -> Any:
    """A visitor who knows /api/v1 only, in real time."""
    return meet(slow_sandbox, cases=True)


def _payload(cases: Any) -> dict[str, Any]:
    names = {variable.display_name: name for name, variable in vendor_onboarding.inputs_by_name.items()}
    registration = cases.upload(b"Acme Ltd is registered.", workflow=VENDOR_ONBOARDING_ID)
    return {
        names["Company"]: {"value": "Acme Ltd", "type": "str", "displayName": "Company"},
        names["Employees"]: {"value": 12, "type": "int"},
        names["Registration"]: {"value": registration, "type": "file"},
        names["Contact"]: {"value": {"email": "a@b.example"}, "type": "object"},
    }


def test_case_from_start_to_end(cases: Any) -> None:
    """A case is made, executed, polled, read and audited in the family's own shapes."""
    case = cases.initiate(VENDOR_ONBOARDING_ID)
    assert not case.isdigit()
    assert cases.get(case, "audit").status_code == 404
    started = cases.execute(case, _payload(cases))
    assert started.status_code == 201
    assert started.json()["caseId"] == case
    assert cases.status(case) == "IN_PROGRESS"
    early = cases.get(case, "results")
    assert early.status_code == 202
    assert "results" not in early.json()
    cases.sandbox.advance(60)
    assert cases.status(case) == "COMPLETED"
    results = cases.get(case, "results").json()
    assert set(results) == {"results"}
    assert all(set(entry) == {"value"} for entry in results["results"].values())
    labels = {name: output.display_name for name, output in vendor_onboarding.outputs_by_name.items()}
    values = {labels[name]: entry["value"] for name, entry in results["results"].items()}
    assert (values["Grade"], values["Risk"]) == ("A", 0.1)
    assert values["Checks"] == {"named_in_registration": True, "email": True, "certificates": 0}


def test_case_audit_is_camel_case(cases: Any) -> None:
    """Every key of the family's audit is camelCase, down to the entries of a node."""
    case = cases.run(VENDOR_ONBOARDING_ID, _payload(cases))
    audit = cases.get(case, "audit").json()
    assert audit["runningNode"] is None
    assert audit["failedNodes"] == []
    assert audit["nbNodes"] == audit["nbExecutedNodes"] == 6
    node = audit["audit"]["nodesExecutionData"]["Input"]
    assert {"executionStartTime", "executionTime", "executionInput", "executionStatus"} <= set(node)
    assert {"variableName", "displayName", "value", "type"} == set(node["executionInput"][0])
    assert "_" not in "".join([*audit, *node])


def test_graph_runs_as_a_case_too(cases: Any, payload_of: Any) -> None:
    """A workflow of the graph generation can be run under /api/v1, with the family's shapes."""
    case = cases.run(DOSSIER_ID, payload_of(cases))
    assert cases.status(case) == "COMPLETED"
    assert "results" in cases.get(case, "results").json()
    assert "nodesExecutionData" in cases.get(case, "audit").json()["audit"]


def test_families_do_not_see_each_other(cases: Any, meet: Callable[..., Any]) -> None:
    """A case is no job and a job no case; search lists jobs only."""
    jobs = meet(cases.sandbox)
    case, job = cases.initiate(VENDOR_ONBOARDING_ID), jobs.initiate(DOSSIER_ID)
    assert jobs.get(case, "status").status_code == 404
    answer = cases.get(job, "status")
    assert (answer.status_code, answer.json()["message"]) == (404, "Case not found")
    assert jobs.http.get("/job/search").json()["totalCount"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"workflowId": "x", "title": "t"}, 400),
        ({"workflowId": VENDOR_ONBOARDING_ID}, 400),
        ({"workflowId": QUICKSTART_ID, "title": "t"}, 404),
        ({"workflowId": INACTIVE_ID, "title": "t"}, 400),
        ({"workflowId": VENDOR_ONBOARDING_ID, "title": "t", "workflowVersionNumber": 2}, 404),
    ],
)
def test_bad_cases(cases: Any, body: dict[str, Any], status: int) -> None:
    """Cases are refused for the same reasons as jobs; 16-letter workflows are not found."""
    assert cases.http.post("/case", json=body).status_code == status


def test_bad_case_payload(cases: Any) -> None:
    """A case without a payload is a 400 that names it; callbackUrl is checked when it is sent."""
    case = cases.initiate(VENDOR_ONBOARDING_ID)
    answer = cases.http.post(f"/case/{case}/execute", json={})
    assert (answer.status_code, answer.json()["message"]) == (400, ["payload must be an object"])
    assert cases.execute(case, {}, callbackUrl="").status_code == 400
    assert cases.http.post("/case/none/execute", json={"payload": {}}).status_code == 404


def test_calls_are_booked_by_family(cases: Any) -> None:
    """The books tell the two families apart."""
    cases.initiate(VENDOR_ONBOARDING_ID)
    assert cases.sandbox.books()["calls_by_family"] == {"cases": 1}
