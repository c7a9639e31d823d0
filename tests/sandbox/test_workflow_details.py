"""What GET /workflow says in each generation, the list, and versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opus_nb.sandbox import Input, Node, Output, Sandbox, workflow
from opus_nb.sandbox.workflows import (
    CLAIM_TRIAGE_ID,
    DOSSIER_ID,
    INACTIVE_ID,
    NO_INPUTS_ID,
    NO_SCHEMA_ID,
    PURCHASE_APPROVAL_ID,
    QUICKSTART_ID,
    RETIRED_ID,
    VENDOR_ONBOARDING_ID,
)

QUICKSTART_INPUTS = {
    "workflow_input_we4tej0ly": ("TextInput", "str"),
    "workflow_input_a0hk6ujuo": ("NumberInput", "float"),
    "workflow_input_h69vx5i4a": ("FileInput(Single)", "file"),
    "workflow_input_m2z6rkzgj": ("BoolInput", "bool"),
    "workflow_input_2kbsjrx1y": ("ListInput", "array"),
    "workflow_input_bzti690ga": ("ObjectInput", "object"),
    "workflow_input_k3ayfjyh7": ("DateInput", "date"),
    "workflow_input_auqgnzk8d": ("FileInput(Multiple)", "array_files"),
}


def test_quickstart_schema_is_the_documented_one(visitor: Any) -> None:
    """The quickstart's workflow has its eight inputs by their names, all required, with the twelve kinds of file."""
    details = visitor.http.get(f"/workflow/{QUICKSTART_ID}").json()
    schema = details["jobPayloadSchema"]
    assert {name: (entry["display_name"], entry["type"]) for name, entry in schema.items()} == QUICKSTART_INPUTS
    assert list(schema) == list(QUICKSTART_INPUTS)
    assert not any(entry["is_nullable"] for entry in schema.values())
    assert all(name == entry["variable_name"] == "workflow_input_" + entry["id"] for name, entry in schema.items())
    tag = schema["workflow_input_h69vx5i4a"]["tags"][0]
    assert tag["variable_name"] == "allowed_file_types"
    assert tag["value"] == ["JPEG", "PNG", "JPG", "PDF", "DOCX", "CSV", "XLS", "XLSX", "TXT", "JSON", "HTML", "XML"]
    estimation = set(details["executionEstimation"])
    assert estimation == {"humanCost", "humanPrice", "opusCost", "opusPrice", "humanTime", "opusTime", "accuracy"}
    assert details["workflowId"] == QUICKSTART_ID
    assert details["active"] is True


def test_v1_schema_shows_everything_an_author_can_set(visitor: Any) -> None:
    """Options, defaults, nullability, item and object definitions and a date's format stand in the V1 schema."""
    schema = visitor.http.get(f"/workflow/{CLAIM_TRIAGE_ID}").json()["jobPayloadSchema"]
    assert schema["line_of_business"]["options"] == ["Motor", "Household", "Travel", "Liability"]
    assert schema["line_of_business"]["value"] == "Household"
    assert schema["remarks"]["is_nullable"] is True
    assert schema["date_of_loss"]["type_definition"] == "%Y-%m-%d"
    assert schema["claim_form"]["tags"][0]["value"] == ["PDF", "DOCX", "TXT"]
    assert schema["claim_form"]["value"].startswith("https://files.opus.com/media/")
    assert set(schema["policy"]["type_definition"]) == {"number", "limit", "deductible"}
    assert schema["policy"]["type_definition"]["deductible"]["is_nullable"] is True
    assert schema["earlier_claims"]["type_definition"]["type"] == "float"
    assert schema["broker_data"]["type"] == "json_string"
    assert schema["number_of_items"]["value"] == 1


def test_graph_keeps_its_inputs_in_the_input_node(visitor: Any) -> None:
    """A UUID workflow is a graph without jobPayloadSchema; types are lists, arrays define their items."""
    graph = visitor.http.get(f"/workflow/{DOSSIER_ID}").json()
    assert "jobPayloadSchema" not in graph
    node = graph["nodes"][graph["workflow_input_node_id"]]
    entries = {entry["display_name"]: entry for entry in node["input_schema"]["schema"].values()}
    assert list(entries) == ["Question", "Documents", "Notes"]
    assert all("type" not in entry for entry in entries.values())
    assert entries["Question"]["allowed_types"][0]["type"] == "str"
    documents = entries["Documents"]["allowed_types"][0]
    assert documents["type"] == "array"
    assert documents["type_definition"]["allowed_types"] == [{"type": "file"}]
    assert entries["Notes"]["is_nullable"] is True
    assert graph["active_status"] == "active"
    assert {edge["from_node_id"] for edge in graph["edges"].values()} <= set(graph["nodes"])
    assert graph["starting_nodes_ids"] == [graph["workflow_input_node_id"]]
    assert graph["workflowEstimation"]["workflow_time"] == 3000


def test_case_graph_points_in_camel_case(sandbox: Sandbox, meet: Callable[..., Any]) -> None:
    """Under /api/v1 the pointer is camelCase and the node's inside snake_case; the old route does not know it."""
    cases, jobs = meet(sandbox, cases=True), meet(sandbox)
    graph = cases.http.get(f"/workflow/{VENDOR_ONBOARDING_ID}").json()
    node = graph["nodes"][graph["workflowInputNodeId"]]
    assert "workflow_input_node_id" not in graph
    assert len(node["input_schema"]["schema"]) == 6
    assert jobs.http.get(f"/workflow/{VENDOR_ONBOARDING_ID}").status_code == 404
    assert cases.http.get(f"/workflow/{DOSSIER_ID}").status_code == 200
    assert cases.http.get(f"/workflow/{QUICKSTART_ID}").status_code == 404


def test_oddities_answer_by_id(visitor: Any) -> None:
    """The odd workflows show what they are: inactive, without inputs, without a schema, no longer supported."""
    get = visitor.http.get
    assert get(f"/workflow/{INACTIVE_ID}").json()["active_status"] == "inactive"
    assert get(f"/workflow/{NO_INPUTS_ID}").json()["jobPayloadSchema"] == {}
    hidden = get(f"/workflow/{NO_SCHEMA_ID}").json()
    assert "jobPayloadSchema" not in hidden
    assert not any("input_schema" in node or "output_schema" in node for node in hidden["nodes"].values())
    retired = get(f"/workflow/{RETIRED_ID}")
    assert (retired.status_code, retired.json()["message"]) == (500, "V1 workflow details are no longer supported")
    assert get("/workflow/nothing-of-that-name").json()["message"] == "Workflow not found"


def test_list_is_friendly(visitor: Any) -> None:
    """The list has the jobs' workflows in order, no oddity and no case; the first UUID is the plain graph."""
    listed = visitor.http.get("/workflow/private").json()
    ids = [row["workflowId"] for row in listed["workflows"]]
    assert ids == [QUICKSTART_ID, CLAIM_TRIAGE_ID, DOSSIER_ID, PURCHASE_APPROVAL_ID]
    assert listed["totalCount"] == 4
    assert [row["builderType"] for row in listed["workflows"]] == ["OPUS_V1", "OPUS_V1", "OPUS_V2", "OPUS_V2"]
    assert {"name", "description", "workflowBlueprint", "redirectUrl", "workspaceName", "createdAt"} <= set(
        listed["workflows"][0]
    )


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("query=CLAIM", ["Claim triage"]),
        ("industry=Legal", ["Dossier summary"]),
        ("offset=1&maxResults=2", ["Claim triage", "Dossier summary"]),
        ("active=false", []),
        ("workspaceIds=nowhere", []),
    ],
)
def test_list_filters_and_pages(visitor: Any, query: str, names: list[str]) -> None:
    """The list can be searched, filtered and paged."""
    listed = visitor.http.get(f"/workflow/private?{query}").json()["workflows"]
    assert [row["name"] for row in listed] == names


def test_bad_page_is_refused(visitor: Any) -> None:
    """An offset that is no number is a 400 with a list of messages."""
    answer = visitor.http.get("/workflow/private?offset=x")
    assert (answer.status_code, answer.json()["message"]) == (400, ["offset must be an integer number"])


def test_control_list_has_every_generation(visitor: Any) -> None:
    """The sandbox's own list names the case family too, with the generation."""
    rows = visitor.http.get("/__sandbox__/workflows").json()["workflows"]
    assert [row["generation"] for row in rows] == ["v1", "v1", "v2", "v2", "cases"]


def _edition(second: bool) -> Any:
    inputs = [Input("Amount", "float"), *([Input("Currency")] if second else [])]

    @workflow("Invoice", inputs=inputs, outputs=[Output("Total", "float")], seconds=1, quick=True)
    def invoice(**values: Any) -> dict[str, Any]:
        return {"Total": values["amount"] * (2 if second else 1)}

    return invoice


def test_versions_keep_their_own_schema(serve: Callable[..., Any]) -> None:
    """A published version shows its schema when asked by number or id; the newest is the default."""
    first, second = _edition(False), _edition(True)
    visitor = serve(first)
    visitor.sandbox.publish(second)
    path = f"/workflow/{first.id}"

    def labels(query: str = "") -> list[str]:
        graph = visitor.http.get(path + query).raise_for_status().json()
        schema = graph["nodes"][graph["workflow_input_node_id"]]["input_schema"]["schema"]
        return [entry["display_name"] for entry in schema.values()]

    listed = visitor.http.get(f"/executor/workflow/{first.id}/versions").json()
    assert listed["latest_version"] == 2
    ids = [version["workflow_version_id"] for version in listed["versions"]]
    assert labels() == labels("?version=2") == ["Amount", "Currency"]
    assert labels("?version=1") == labels(f"?workflowVersionId={ids[0]}") == ["Amount"]
    assert labels(f"?version=2&workflowVersionId={ids[0]}") == ["Amount"]
    assert visitor.http.get(path + "?version=3").status_code == 404
    assert visitor.http.get(path + "?version=new").status_code == 400
    name = next(iter(first.inputs_by_name))
    pinned = visitor.initiate(first.id, workflowVersionNumber=1)
    visitor.execute(pinned, {name: {"value": 3, "type": "float"}})
    visitor.sandbox.advance(60)
    assert visitor.results(pinned) == {"Total": 3.0}
    assert visitor.http.get(f"/job/{pinned}").json()["workflowVersionNumber"] == 1


def test_versions_are_for_uuids(visitor: Any) -> None:
    """The versions route refuses 16-letter ids; the graph route knows graphs only."""
    assert visitor.http.get(f"/executor/workflow/{QUICKSTART_ID}/versions").status_code == 400
    assert visitor.http.get(f"/reference-workflow/v2/workflow-object/{QUICKSTART_ID}").status_code == 404
    graph = visitor.http.get(f"/reference-workflow/v2/workflow-object/{DOSSIER_ID}").json()
    assert graph == visitor.http.get(f"/workflow/{DOSSIER_ID}").json()


def test_graph_draws_parallel_nodes_side_by_side(meet: Callable[..., Any]) -> None:
    """Nodes that begin together share their parent, and the next one has both as parents."""

    @workflow("Fork", nodes=[Node("A"), Node("B", beside="A"), Node("C")], quick=True)
    def fork() -> dict[str, Any]:
        return {}

    with Sandbox([fork]) as sandbox:
        graph = meet(sandbox).http.get(f"/workflow/{fork.id}").json()
        names = {node_id: node["name"] for node_id, node in graph["nodes"].items()}
        parents = {names[n]: [names[p] for p in ps] for n, ps in graph["parent_adjacency"].items()}
        assert parents == {"Input": [], "A": ["Input"], "B": ["Input"], "C": ["A", "B"], "Output": ["C"]}


def test_several_types_and_estimates(meet: Callable[..., Any]) -> None:
    """A graph's input may allow several types; an estimate may be missing altogether."""

    @workflow("Either", inputs=[Input("Data", "str", also=["json_string"])], estimation="none", quick=True)
    def either(data: str) -> dict[str, Any]:
        return {}

    with Sandbox([either]) as sandbox:
        graph = meet(sandbox).http.get(f"/workflow/{either.id}").json()
        entry = next(iter(graph["nodes"][graph["workflow_input_node_id"]]["input_schema"]["schema"].values()))
        assert [allowed["type"] for allowed in entry["allowed_types"]] == ["str", "json_string"]
        assert not {"executionEstimation", "workflowEstimation"} & set(graph)
