"""A client that somebody else wrote for the real service works against the sandbox as it stands."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

import opus_nb


def run_a_graph(base_url: str, key: str, workflow_id: str, text: str, file: Path) -> tuple[dict[str, Any], list[str]]:
    """Plain httpx and the public documents, nothing of opus_nb; returns outputs by label and the executed nodes."""
    with httpx.Client(base_url=base_url, headers={"x-service-key": key}, trust_env=False) as http:
        graph = http.get(f"/workflow/{workflow_id}").raise_for_status().json()
        inputs = graph["nodes"][graph["workflow_input_node_id"]]["input_schema"]["schema"]
        payload = {}
        for name, entry in inputs.items():
            allowed = entry["allowed_types"][0]
            if allowed["type"] == "array":
                ask = {"fileExtension": file.suffix, "accessScope": "workspace", "workflowId": workflow_id}
                urls = http.post("/job/file/upload", json=ask).raise_for_status().json()
                httpx.put(urls["presignedUrl"], content=file.read_bytes(), trust_env=False).raise_for_status()
                value = {"value": [urls["fileUrl"]], "typeDefinition": allowed["type_definition"]}
            elif entry["is_nullable"]:
                continue
            else:
                value = {"value": text}
            payload[name] = {**value, "type": allowed["type"], "displayName": entry["display_name"]}
        about = {"workflowId": workflow_id, "title": "from elsewhere", "description": ""}
        job_id = http.post("/job/initiate", json=about).raise_for_status().json()["jobExecutionId"]
        body = {"jobExecutionId": job_id, "jobPayloadSchemaInstance": payload}
        assert http.post("/job/execute", json=body).raise_for_status().json()["success"] is True
        while (word := http.get(f"/job/{job_id}/status").json()["status"]) in {"PENDING", "IN_PROGRESS"}:
            time.sleep(0.05)
        assert word == "COMPLETED"
        outputs = http.get(f"/job/{job_id}/results").raise_for_status().json()["jobResultsPayloadSchema"]
        audit = http.get(f"/job/{job_id}/audit").raise_for_status().json()
        nodes = audit["audit"]["nodes_execution_data"]
        assert all(node["execution_status"] == "COMPLETED" for node in nodes.values())
        return {each["displayName"]: each["value"] for each in outputs.values()}, audit["executed_nodes"]


def test_a_client_by_somebody_else(serve: Callable[..., opus_nb.Opus], tmp_path: Path) -> None:
    """It uploads, runs the first listed graph, polls, and reads results and node audit."""
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader, the answer is forty-two.")
    opus = serve()
    listed = opus.workflows()
    graph = listed.loc[listed["generation"] == "v2", "id"].iloc[0]
    outputs, nodes = run_a_graph(opus.base_url, "sandbox", graph, "What is the answer?", letter)
    assert "What is the answer?" in outputs["Summary"]
    assert nodes[0] == "Input"
    assert nodes[-1] == "Output"
    (job_id,) = opus.jobs(query="from elsewhere")["job_id"]
    assert opus.job(job_id).outputs == outputs
