"""POST /job/initiate: what it wants, what it refuses, what it makes."""

from __future__ import annotations

from typing import Any

import pytest

from opus_nb.sandbox.catalogue import reference_of
from opus_nb.sandbox.workflows import (
    DOSSIER_ID,
    INACTIVE_ID,
    NO_SCHEMA_ID,
    QUICKSTART_ID,
    RETIRED_ID,
    VENDOR_ONBOARDING_ID,
    all_input_types,
)

GOOD = {"workflowId": DOSSIER_ID, "title": "Row 1"}
NOBODY = "00000000-0000-4000-8000-000000000000"


def test_every_parameter_is_taken(visitor: Any) -> None:
    """All documented parameters together make one shell whose number is a string of digits."""
    body = GOOD | {
        "description": "d",
        "refUserId": "u",
        "source": "web-app",
        "workspaces": "one,two",
        "initialInput": {"quarter": "Q4"},
        "webAppId": "w",
        "workflowVersionNumber": 1,
        "version": "37.0",
    }
    answer = visitor.http.post("/job/initiate", json=body)
    assert answer.status_code == 201
    assert set(answer.json()) == {"jobExecutionId"}
    assert answer.json()["jobExecutionId"].isdigit()
    detail = visitor.http.get(f"/job/{answer.json()['jobExecutionId']}").json()
    assert detail["initialInput"] == {"quarter": "Q4"}
    assert detail["source"] == "web-app"
    assert detail["input"] is None


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ({"workflowId": "not-a-uuid"}, ["workflowId must be a UUID"]),
        ({"workflowId": None}, ["workflowId must be a UUID"]),
        ({"workflowId": "x", "title": ""}, ["workflowId must be a UUID", "title should not be empty"]),
        ({"title": None}, ["title should not be empty"]),
        ({"title": "  "}, ["title should not be empty"]),
        ({"title": 7}, ["title should not be empty"]),
        ({"referenceEntityId": "x"}, ["referenceEntityId must be a UUID"]),
        ({"workspaces": ["a", "b"]}, ["workspaces must be a string"]),
        ({"description": 3}, ["description must be a string"]),
        ({"workflowVersionId": "2"}, ["workflowVersionId must be a UUID"]),
        (
            {"workflowVersionNumber": "2"},
            ["workflowVersionNumber must be a number conforming to the specified constraints"],
        ),
        ({"initialInput": [1]}, ["initialInput must be an object"]),
        ({"workflowId": RETIRED_ID}, ["workflowId must be a UUID"]),
        ({"workflowId": INACTIVE_ID}, "Workflow is not active"),
    ],
)
def test_bad_parameters_are_refused_with_all_messages(visitor: Any, change: dict[str, Any], messages: Any) -> None:
    """A 400 lists what is wrong, and no shell is made."""
    body = {key: value for key, value in (GOOD | change).items() if value is not None}
    answer = visitor.http.post("/job/initiate", json=body)
    assert (answer.status_code, answer.json()["message"]) == (400, messages)
    assert visitor.sandbox.books()["initiations"] == 0


def test_unknown_source_is_refused_with_the_known_ones(visitor: Any) -> None:
    """The message about `source` lists the eight words."""
    answer = visitor.http.post("/job/initiate", json=GOOD | {"source": "jupyter"})
    assert answer.status_code == 400
    assert answer.json()["message"] == [
        "source must be one of the following values: "
        "email-agent, chat-agent, scheduled, api, manual, agent, opus-ai, web-app"
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"workflowId": NOBODY},
        {"referenceEntityId": NOBODY},
        {"workflowVersionId": NOBODY},
        {"workflowVersionNumber": 9},
        {"workflowId": VENDOR_ONBOARDING_ID},
    ],
)
def test_what_does_not_exist_is_404(visitor: Any, change: dict[str, Any]) -> None:
    """Unknown workflows and versions, and workflows of the case family, are not found."""
    assert visitor.http.post("/job/initiate", json=GOOD | change).status_code == 404


def test_reference_wins_over_workflow_id(visitor: Any) -> None:
    """With both given, the reference entity decides; a 16-letter workflow has one too."""
    details = visitor.http.get(f"/workflow/{QUICKSTART_ID}").json()
    assert details["referenceEntityId"] == reference_of(all_input_types)
    job = visitor.initiate(DOSSIER_ID, referenceEntityId=details["referenceEntityId"])
    assert visitor.http.get(f"/job/{job}").json()["workflowId"] == QUICKSTART_ID
    answer = visitor.http.post("/job/initiate", json={"referenceEntityId": DOSSIER_ID.upper(), "title": "t"})
    assert answer.status_code == 201


def test_sixteen_letters_are_welcome_where_served(visitor: Any) -> None:
    """A V1 workflow that is served can be initiated by its 16 letters."""
    assert visitor.initiate(QUICKSTART_ID)


def test_every_call_makes_another_job(visitor: Any) -> None:
    """Initiate is not idempotent: two alike calls make two shells, and books call them orphans."""
    first, second = visitor.initiate(DOSSIER_ID), visitor.initiate(DOSSIER_ID)
    assert first != second
    books = visitor.sandbox.books()
    assert (books["initiations"], books["orphan_shells"], books["executions"]) == (2, 2, 0)
    assert books["orphans"] == [first, second]


def test_shell_is_pending_and_untouched(visitor: Any) -> None:
    """A shell says PENDING in its own spelling, has no results, and an audit of nothing or none."""
    graph, quickstart, hidden = (visitor.initiate(w) for w in (DOSSIER_ID, QUICKSTART_ID, NO_SCHEMA_ID))
    visitor.sandbox.advance(86_400)
    assert {visitor.status(job) for job in (graph, quickstart, hidden)} == {"PENDING"}
    assert visitor.get(graph, "results").status_code == 404
    assert visitor.get(graph, "audit").status_code == 404
    trail = visitor.get(quickstart, "audit").json()["auditTrail"]
    assert [event["action"] for event in trail] == ["Job initiated"]


def test_old_v2_path_redirects(visitor: Any) -> None:
    """POST /job/v2/initiate answers 308 with the canonical address."""
    answer = visitor.http.post("/job/v2/initiate", json=GOOD)
    assert answer.status_code == 308
    assert answer.headers["location"] == visitor.sandbox.base_url + "/job/initiate"
