"""The workflows that come with the sandbox compute real answers from real bytes."""

from __future__ import annotations

import json
import struct
from collections import Counter
from typing import Any

import httpx
import pytest

from opus_nb.sandbox.documents import make_pdf
from opus_nb.sandbox.workflows import (
    ALL_WORKFLOWS,
    CLAIM_TRIAGE_ID,
    DEFAULT_WORKFLOWS,
    DOSSIER_ID,
    NO_INPUTS_ID,
    QUICKSTART_ID,
)


def test_quickstart_scores_what_it_reads(visitor: Any, quickstart_payload: Any) -> None:
    """Score, verdict, words and bytes follow from the values and the files."""
    job = visitor.run(QUICKSTART_ID, quickstart_payload(visitor, content=b"One two three"))
    results = visitor.get(job, "results").json()["results"]
    assert results["data"] == {
        "score": 100,
        "verdict": "PASS",
        "comments": "All documents validated successfully.",
        "words": 3,
        "bytes": 21,
        "amount": 45.8,
        "keys": ["client_id", "is_priority"],
    }
    assert results["summary"] == "API Test Project: 2 files with 21 bytes read for 3 people, urgent."
    poor = quickstart_payload(visitor, text=" ", content=b"") | {
        "workflow_input_a0hk6ujuo": {"value": 0, "type": "float"},
        "workflow_input_2kbsjrx1y": {"value": [], "type": "array"},
    }
    data = visitor.get(visitor.run(QUICKSTART_ID, poor), "results").json()["results"]["data"]
    assert (data["score"], data["verdict"]) == (25, "FAIL")
    assert "the main document is empty" in data["comments"]


def test_claim_branches_have_different_outputs(visitor: Any, claim_payload: Any, ask: httpx.Client) -> None:
    """A small clear claim is settled with a letter, a doubtful one referred with questions, a huge one rejected."""
    settled = visitor.results(
        visitor.run(CLAIM_TRIAGE_ID, claim_payload(visitor, form=make_pdf(["Claim K-1", "window"])))
    )
    assert (settled["Decision"], settled["Payout"]) == ("settled", 650.0)
    assert (
        json.loads(settled["Extracted"].removeprefix("```json\n").removesuffix("\n```"))["mentions_reference"] is True
    )
    answer = visitor.http.post("/job/file/download", json={"fileUrl": settled["Settlement letter"]}).json()
    assert b"We pay 650.00" in ask.get(answer["presignedUrl"]).content
    doubtful = claim_payload(visitor, form=b"paid in cash, no receipt, lost again, unknown person", amount=4000.0)
    referred = visitor.results(visitor.run(CLAIM_TRIAGE_ID, doubtful))
    assert referred["Decision"] == "referred"
    assert len(referred["Questions"]) == 4
    assert referred["Answer by"] == "2025-03-31"
    rejected = visitor.results(visitor.run(CLAIM_TRIAGE_ID, claim_payload(visitor, amount=-1.0)))
    assert (rejected["Decision"], rejected["Payout"]) == ("rejected", 0.0)
    assert "Settlement letter" in settled
    assert not {"Settlement letter", "Questions"} & set(rejected)
    assert "Payout" not in referred


def test_claim_reads_its_evidence(visitor: Any, claim_payload: Any) -> None:
    """Pictures are measured, receipts added up, letters counted."""
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 30, 20)
    urls = [
        visitor.upload(png, workflow=CLAIM_TRIAGE_ID, kind="png"),
        visitor.upload(b"item,net\nDesk,100.5\nChair,20\n", workflow=CLAIM_TRIAGE_ID, kind="csv"),
    ]
    payload = claim_payload(visitor, evidence={"value": urls, "type": "array_files"})
    breakdown = visitor.results(visitor.run(CLAIM_TRIAGE_ID, payload))["Breakdown"]
    assert breakdown["evidence"]["files"] == 2
    assert breakdown["evidence"]["pixels"] == 600
    assert breakdown["evidence"]["receipts_total"] == 120.5


def test_claims_fail_now_and_then_and_scatter(patient: Any, claim_payload: Any) -> None:
    """About one claim in twenty fails at some node, the same ones each time; durations scatter."""
    payload = claim_payload(patient)
    jobs = []
    for amount in range(200):
        payload["claimed_amount"] = {"value": 100.0 + amount, "type": "float"}
        jobs.append(patient.run(CLAIM_TRIAGE_ID, payload, to_the_end=False))
    patient.sandbox.advance(1000)
    words = Counter(patient.status(job) for job in jobs)
    assert set(words) == {"COMPLETED", "FAILED"}
    assert 2 <= words["FAILED"] <= 22
    broken = next(job for job in jobs if patient.status(job) == "FAILED")
    audit = patient.get(broken, "audit").json()
    assert audit["nb_failed_nodes"] == 1
    assert "Workflow Output" not in audit["executed_nodes"]
    lines = patient.sandbox.books()["job_books"]
    spans = sorted(lines[job]["ended_at"] - lines[job]["executed_at"][0] for job in jobs)
    assert spans[20] * 1.5 < spans[180]
    assert 2 < spans[100] < 9


def test_failed_payload_may_succeed_the_next_time(patient: Any, claim_payload: Any) -> None:
    """The same payload draws anew when it is bought again, so that a retry has a chance."""
    payload = claim_payload(patient)
    words = set()
    for amount in range(60):
        payload["claimed_amount"] = {"value": 100.0 + amount, "type": "float"}
        if patient.status(patient.run(CLAIM_TRIAGE_ID, payload)) == "FAILED":
            words = {patient.status(patient.run(CLAIM_TRIAGE_ID, payload)) for _ in range(4)}
            break
    assert "COMPLETED" in words


def test_dossier_reads_every_document(visitor: Any, payload_of: Any) -> None:
    """The plain graph counts words and hits over all files, names the report, and always completes in seconds."""
    job = visitor.run(DOSSIER_ID, payload_of(visitor, question="What is owed?", files=3))
    results = visitor.results(job)
    assert results["Words"] == 15
    assert results["Relevance"] == pytest.approx(3 / 15, abs=1e-4)
    assert results["Most frequent word"] in {"dear", "owed"}
    assert results["Summary"].startswith("3 documents, 15 words, 3 of them in the question")
    assert results["Report"].endswith(".pdf")


def test_dossier_takes_any_text(patient: Any, payload_of: Any) -> None:
    """Empty, long and strange questions complete alike."""
    payload = payload_of(patient)
    question = next(name for name, entry in payload.items() if entry["displayName"] == "Question")
    for text in ("", "?", "ü" * 100_000, "{}", "\n\t", "'; DROP TABLE jobs;--", "\U0001f600"):
        payload[question]["value"] = text
        job = patient.run(DOSSIER_ID, payload)
        assert patient.status(job) == "COMPLETED"
        assert text in patient.results(job)["Summary"]


def test_workflow_without_inputs_runs(visitor: Any) -> None:
    """An empty payload is the right one where nothing is asked for."""
    assert visitor.results(visitor.run(NO_INPUTS_ID, {})) == {"Number": 42}


def test_large_files_are_read_in_a_thread(visitor: Any, payload_of: Any) -> None:
    """Megabytes are read beside the server's loop, which goes on answering."""
    payload = payload_of(visitor)
    documents = next(entry for entry in payload.values() if entry["type"] == "array")
    documents["value"] = [visitor.upload(b"word " * 1_000_000, workflow=DOSSIER_ID)]
    job = visitor.run(DOSSIER_ID, payload, to_the_end=False)
    words = {visitor.status(job) for _ in range(3)}
    assert words <= {"IN_PROGRESS", "COMPLETED"}
    while visitor.status(job) == "IN_PROGRESS":
        continue
    assert visitor.results(job)["Words"] == 1_000_000


def test_no_id_is_used_twice() -> None:
    """Every workflow has an id of its own, of the form its generation uses."""
    ids = [definition.id for definition in ALL_WORKFLOWS]
    assert len(set(ids)) == len(ids)
    assert all(len(d.id) == (16 if d.generation == "v1" else 36) for d in ALL_WORKFLOWS)
    assert all(d.description and d.price is not None for d in DEFAULT_WORKFLOWS)


def test_defaults_end_within_seconds() -> None:
    """At a time scale of 1 the median job of each default workflow takes a few seconds of machine time."""
    assert all(1 <= definition.seconds <= 10 for definition in DEFAULT_WORKFLOWS)
