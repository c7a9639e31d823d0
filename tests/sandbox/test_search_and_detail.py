"""Job details, search, archive, delete."""

from __future__ import annotations

from typing import Any

import pytest

from opus_nb.sandbox.workflows import DOSSIER_ID, QUICKSTART_ID


def test_detail_of_a_finished_job(visitor: Any, payload_of: Any) -> None:
    """The details hold the payload, the output, the same audit, the times and the version."""
    payload = payload_of(visitor)
    job = visitor.run(DOSSIER_ID, payload, title="Row 7")
    detail = visitor.http.get(f"/job/{job}").json()
    assert detail["title"] == "Row 7"
    assert detail["status"] == "COMPLETED"
    assert detail["input"] == payload
    assert detail["audit"] == visitor.get(job, "audit").json()
    assert detail["builderType"] == "OPUS_V2"
    assert detail["finishedAt"] > detail["createdAt"]
    assert detail["workflow"]["id"] == DOSSIER_ID
    assert (detail["workflowVersionNumber"], len(detail["workflowVersionId"])) == (1, 36)
    assert detail["workflowEstimation"] == {"workflow_cost": 0.05, "workflow_time": 3000}
    entries = visitor.get(job, "results").json()["jobResultsPayloadSchema"]
    assert detail["output"] == {name: entry["value"] for name, entry in entries.items()}


def test_detail_of_an_old_job_has_bare_input(patient: Any, quickstart_payload: Any) -> None:
    """The older generation shows the input without types; while it runs there is no end and no output."""
    payload = quickstart_payload(patient)
    job = patient.run(QUICKSTART_ID, payload, to_the_end=False)
    detail = patient.http.get(f"/job/{job}").json()
    assert detail["input"] == {name: entry["value"] for name, entry in payload.items()}
    assert (detail["finishedAt"], detail["output"], detail["builderType"]) == (None, None, "OPUS_V1")


@pytest.fixture
def crowd(patient: Any, payload_of: Any) -> Any:
    """Three jobs: one complete, one a shell, one of another workflow."""
    patient.run(DOSSIER_ID, payload_of(patient), title="Alpha [r:1]")
    patient.initiate(DOSSIER_ID, title="Beta [r:2]", description="about Gamma")
    patient.initiate(QUICKSTART_ID, title="Delta [r:3]")
    return patient


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", ["Delta [r:3]", "Beta [r:2]", "Alpha [r:1]"]),
        (f"workflowId={DOSSIER_ID}", ["Beta [r:2]", "Alpha [r:1]"]),
        ("status=COMPLETED", ["Alpha [r:1]"]),
        ("status=completed,FAILED", ["Alpha [r:1]"]),
        ("status=COMPLETED&status=PENDING", ["Delta [r:3]", "Beta [r:2]", "Alpha [r:1]"]),
        ("query=[r:2]", ["Beta [r:2]"]),
        ("query=gamma", ["Beta [r:2]"]),
        ("offset=1&maxResults=1", ["Beta [r:2]"]),
        ("archiveStatus=archivedOnly", []),
        ("startDate=2000-01-01&endDate=2000-01-02", []),
        ("startDate=2000-01-01T00:00:00Z", ["Delta [r:3]", "Beta [r:2]", "Alpha [r:1]"]),
    ],
)
def test_search(crowd: Any, query: str, titles: list[str]) -> None:
    """Jobs are found by workflow, status, words and days, newest first, in pages."""
    for path in ("/job/search", "/job/search-light"):
        found = crowd.http.get(f"{path}?{query}").raise_for_status().json()
        assert [row["title"] for row in found["jobs"]] == titles


def test_search_counts_beyond_the_page(crowd: Any) -> None:
    """The total counts all that match, and the end of a day belongs to it."""
    found = crowd.http.get("/job/search?maxResults=1").json()
    assert (found["totalCount"], len(found["jobs"])) == (3, 1)
    day = found["jobs"][0]["createdAt"][:10]
    assert crowd.http.get(f"/job/search?startDate={day}&endDate={day}").json()["totalCount"] >= 1
    assert crowd.http.get("/job/search?startDate=yesterday").status_code == 400


def test_archive_and_back(crowd: Any) -> None:
    """An archived job leaves the ordinary search, and comes back when unarchived; it can still be read."""
    job = crowd.http.get("/job/search?query=Beta").json()["jobs"][0]["jobExecutionId"]
    assert crowd.http.post(f"/job/{job}/archive").status_code == 204
    assert crowd.http.get("/job/search").json()["totalCount"] == 2
    assert crowd.http.get("/job/search?archiveStatus=archivedOnly").json()["totalCount"] == 1
    assert crowd.http.get("/job/search?archiveStatus=all").json()["totalCount"] == 3
    assert crowd.status(job) == "PENDING"
    assert crowd.http.delete(f"/job/{job}/archive").status_code == 204
    assert crowd.http.get("/job/search").json()["totalCount"] == 3


def test_delete(crowd: Any) -> None:
    """A deleted job is gone from search and by id; the books still know that it was executed."""
    job = crowd.http.get("/job/search?query=Alpha").json()["jobs"][0]["jobExecutionId"]
    assert crowd.http.delete(f"/job/{job}/delete").json()["success"] is True
    assert crowd.get(job, "status").status_code == 404
    assert crowd.http.delete(f"/job/{job}/delete").status_code == 404
    assert crowd.http.get("/job/search").json()["totalCount"] == 2
    assert crowd.sandbox.books()["executions"] == 1
