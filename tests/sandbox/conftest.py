"""A sandbox on real HTTP, and a visitor who speaks plain httpx with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import httpx
import pytest

from opus_nb.sandbox import Sandbox, SandboxOptions, WorkflowDefinition
from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID, DOSSIER_ID, QUICKSTART_ID


def _client(**options: Any) -> httpx.Client:
    """Make a client that loads no certificates, which would cost more than all its requests."""
    return httpx.Client(trust_env=False, verify=False, **options)


class Visitor:
    """What a client of the service does, one request at a time."""

    def __init__(self, sandbox: Sandbox, *, key: str = "sandbox", cases: bool = False) -> None:
        self.sandbox = sandbox
        self.cases = cases
        base = sandbox.base_url + ("/api/v1" if cases else "")
        self.http = _client(base_url=base, headers={"x-service-key": key})
        self.bare = _client()

    def upload(self, content: bytes, *, workflow: str, kind: str = "txt", name: str | None = None) -> str:
        """Upload a file and give its fileUrl."""
        path = "/file/upload/presigned" if self.cases else "/job/file/upload"
        body = {"fileExtension": f".{kind}", "workflowId": workflow, "originalName": name}
        addresses = self.http.post(path, json=body).raise_for_status().json()
        self.put(addresses["presignedUrl"], content=content).raise_for_status()
        return str(addresses["fileUrl"])

    def put(self, url: str, **request: Any) -> httpx.Response:
        """PUT without a key."""
        return self.bare.put(url, **request)

    def close(self) -> None:
        """Close both connections."""
        self.http.close()
        self.bare.close()

    def initiate(self, workflow: str, *, title: str = "Row 1", **body: Any) -> str:
        """Make a shell and give its id."""
        path, key = ("/case", "caseId") if self.cases else ("/job/initiate", "jobExecutionId")
        answer = self.http.post(path, json={"workflowId": workflow, "title": title, **body})
        return str(answer.raise_for_status().json()[key])

    def execute(self, job: str, payload: dict[str, Any], **body: Any) -> httpx.Response:
        """Send execute."""
        if self.cases:
            return self.http.post(f"/case/{job}/execute", json={"payload": payload, **body})
        return self.http.post("/job/execute", json={"jobExecutionId": job, "jobPayloadSchemaInstance": payload, **body})

    def run(self, workflow: str, payload: dict[str, Any], *, title: str = "Row 1", to_the_end: bool = True) -> str:
        """Initiate and execute, and let a day pass unless told otherwise."""
        job = self.initiate(workflow, title=title)
        self.execute(job, payload).raise_for_status()
        if to_the_end:
            self.sandbox.advance(86_400)
        return job

    def get(self, job: str, what: str) -> httpx.Response:
        """Read status, results or audit."""
        return self.http.get(f"/{'case' if self.cases else 'job'}/{job}/{what}")

    def status(self, job: str) -> str:
        """Say the status word."""
        return str(self.get(job, "status").raise_for_status().json()["status"])

    def results(self, job: str) -> dict[str, Any]:
        """Give the values of the outputs by label, from the shape that live services send."""
        entries = self.get(job, "results").raise_for_status().json()["jobResultsPayloadSchema"]
        return {entry.get("displayName") or entry.get("display_name"): entry["value"] for entry in entries.values()}


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Sandbox]]:
    """The servers that all tests share; each test finds them as if just started."""
    made = {"quick": Sandbox(time_scale=0.001), "slow": Sandbox(), "empty": Sandbox([])}
    for running in made.values():
        running.start()
    yield made
    for running in made.values():
        running.close()


def _fresh(running: Sandbox) -> Sandbox:
    running.reset()
    for field in fields(SandboxOptions):
        setattr(running.options, field.name, field.default)
    return running


@pytest.fixture
def sandbox(servers: dict[str, Sandbox]) -> Sandbox:
    """A sandbox whose jobs take thousandths of a second."""
    return _fresh(servers["quick"])


@pytest.fixture
def slow_sandbox(servers: dict[str, Sandbox]) -> Sandbox:
    """A sandbox in real time; its clock is advanced by hand."""
    return _fresh(servers["slow"])


@pytest.fixture
def serve(servers: dict[str, Sandbox], meet: Callable[..., Visitor]) -> Callable[..., Visitor]:
    """Publish workflows of a test's own on a sandbox in real time, and meet a visitor of it."""

    def publish(*definitions: WorkflowDefinition) -> Visitor:
        running = _fresh(servers["empty"])
        for definition in definitions:
            running.publish(definition)
        return meet(running)

    return publish


@pytest.fixture(scope="session")
def ask() -> Iterator[httpx.Client]:
    """A client without a key."""
    with _client() as client:
        yield client


@pytest.fixture
def meet() -> Iterator[Callable[..., Visitor]]:
    """Make visitors, and close their connections at the end."""
    met: list[Visitor] = []

    def make(sandbox: Sandbox, **options: Any) -> Visitor:
        met.append(Visitor(sandbox, **options))
        return met[-1]

    yield make
    for visitor in met:
        visitor.close()
        assert visitor.sandbox.books(summary=True)["internal_errors"] == []


@pytest.fixture
def visitor(sandbox: Sandbox, meet: Callable[..., Visitor]) -> Visitor:
    """A visitor of the quick sandbox."""
    return meet(sandbox)


@pytest.fixture
def patient(slow_sandbox: Sandbox, meet: Callable[..., Visitor]) -> Visitor:
    """A visitor of the sandbox in real time."""
    return meet(slow_sandbox)


def dossier_payload(visitor: Visitor, *, question: str = "What is owed?", files: int = 1) -> dict[str, Any]:
    """A payload that suits the plain graph, its documents uploaded."""
    graph = visitor.http.get(f"/workflow/{DOSSIER_ID}").raise_for_status().json()
    pointer = graph.get("workflow_input_node_id") or graph.get("workflowInputNodeId")
    schema = graph["nodes"][pointer]["input_schema"]["schema"]
    payload: dict[str, Any] = {}
    for name, entry in schema.items():
        allowed = entry["allowed_types"][0]
        sent = {"type": allowed["type"], "displayName": entry["display_name"]}
        if entry["display_name"] == "Question":
            payload[name] = sent | {"value": question}
        if entry["display_name"] == "Documents":
            urls = [visitor.upload(f"Dear all, {n} is owed.".encode(), workflow=DOSSIER_ID) for n in range(files)]
            payload[name] = sent | {"value": urls, "typeDefinition": allowed["type_definition"]}
    return payload


@pytest.fixture
def payload_of() -> Callable[..., dict[str, Any]]:
    """Give the maker of payloads for the plain graph."""
    return dossier_payload


@pytest.fixture
def quickstart_payload() -> Callable[..., dict[str, Any]]:
    """Give the maker of payloads for the workflow of the quickstart."""

    def make(visitor: Visitor, *, text: str = "API Test Project", content: bytes = b"One two three") -> dict[str, Any]:
        upload = visitor.upload
        return {
            "workflow_input_we4tej0ly": {"value": text, "type": "str"},
            "workflow_input_a0hk6ujuo": {"value": 45.8, "type": "float"},
            "workflow_input_h69vx5i4a": {"value": upload(content, workflow=QUICKSTART_ID), "type": "file"},
            "workflow_input_m2z6rkzgj": {"value": True, "type": "bool"},
            "workflow_input_2kbsjrx1y": {"value": ["User1", "User2", "User3"], "type": "array"},
            "workflow_input_bzti690ga": {"value": {"client_id": "C-456", "is_priority": True}, "type": "object"},
            "workflow_input_k3ayfjyh7": {"value": "2025-11-09", "type": "date"},
            "workflow_input_auqgnzk8d": {
                "value": [upload(b"a,b\n1,2\n", workflow=QUICKSTART_ID, kind="csv")],
                "type": "array_files",
            },
        }

    return make


@pytest.fixture
def claim_payload() -> Callable[..., dict[str, Any]]:
    """Give the maker of payloads for the claim triage."""

    def make(
        visitor: Visitor, *, form: bytes = b"Claim K-1 for a broken window", amount: float = 800.0, **more: Any
    ) -> dict[str, Any]:
        payload: dict[str, Any] = {
            "claim_reference": {"value": "K-1", "type": "str"},
            "line_of_business": {"value": "Household", "type": "str"},
            "claimed_amount": {"value": amount, "type": "float"},
            "date_of_loss": {"value": "2025-03-01", "type": "date"},
            "claim_form": {"value": visitor.upload(form, workflow=CLAIM_TRIAGE_ID), "type": "file"},
            "policy": {"value": {"number": "P-9", "limit": 5000, "deductible": 150}, "type": "object"},
        }
        return payload | more

    return make
