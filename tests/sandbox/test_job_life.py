"""A job between execute and its end: status words, waiting for people, answers, endings from outside."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import pytest

from opus_nb.sandbox import Input, Job, Node, Output, Sandbox, workflow
from opus_nb.sandbox.workflows import DOSSIER_ID, PURCHASE_APPROVAL_ID, QUICKSTART_ID


def _purchase(visitor: Any, amount: float = 120.0) -> str:
    graph = visitor.http.get(f"/workflow/{PURCHASE_APPROVAL_ID}").json()
    names = {
        e["display_name"]: n
        for n, e in graph["nodes"][graph["workflow_input_node_id"]]["input_schema"]["schema"].items()
    }
    payload = {
        names["Item"]: {"value": "Desk", "type": "str"},
        names["Amount"]: {"value": amount, "type": "float"},
    }
    return str(visitor.run(PURCHASE_APPROVAL_ID, payload, to_the_end=False))


def test_job_passes_through_its_nodes(patient: Any, payload_of: Any) -> None:
    """While it runs the audit shows how far it is; nothing but the clock moves it."""
    patient.sandbox.fault("execute", "script", seconds=600)
    job = patient.run(DOSSIER_ID, payload_of(patient), to_the_end=False)
    seen = []
    while patient.status(job) == "IN_PROGRESS":
        audit = patient.get(job, "audit").json()
        seen.append((audit["running_node"], audit["nb_executed_nodes"]))
        patient.sandbox.advance(10)
    assert 55 <= len(seen) <= 61
    running = list(dict.fromkeys(node for node, _ in seen))
    assert running[-3:] == ["Read documents", "Find passages", "Write summary"]
    counts = [count for _, count in seen]
    assert counts == sorted(counts)
    assert set(counts) >= {1, 2, 3}
    assert patient.get(job, "audit").json()["nb_executed_nodes"] == 5


def test_real_time_passes_too(visitor: Any, payload_of: Any) -> None:
    """Without touching the clock a job ends after its scaled duration."""
    job = visitor.run(DOSSIER_ID, payload_of(visitor), to_the_end=False)
    deadline = time.monotonic() + 5
    while visitor.status(job) == "IN_PROGRESS" and time.monotonic() < deadline:
        time.sleep(0.001)
    assert visitor.status(job) == "COMPLETED"


@pytest.mark.parametrize(
    ("style", "running"), [("spaced", "IN PROGRESS"), ("underscored", "IN_PROGRESS"), ("lower", "in_progress")]
)
def test_spellings(serve: Callable[..., Any], style: Any, running: str) -> None:
    """A workflow spells its status words with spaces, underscores, or in lower case."""

    @workflow("Spelled", status_style=style, seconds=5, spread=0, quick=True)
    def spelled(job: Job) -> dict[str, Any]:
        job.node("Work", seconds=5)
        job.end("TIMED_OUT")

    visitor = serve(spelled)
    job = visitor.run(spelled.id, {}, to_the_end=False)
    assert visitor.status(job) == running
    visitor.sandbox.advance(6)
    assert visitor.status(job) == {"IN PROGRESS": "TIMED OUT"}.get(
        running, "TIMED_OUT" if running.isupper() else "timed_out"
    )


@pytest.mark.parametrize(
    "word", ["TIMED_OUT", "STOPPED", "CANCELLED", "CANCELED", "ERROR", "UNKNOWN", "FAILED", "REJECTED_BY_LAW"]
)
def test_every_word_can_end_a_job(patient: Any, payload_of: Any, word: str) -> None:
    """A script ends an executed job with any word, after any time."""
    patient.sandbox.fault("execute", "script", title="*scripted*", end=word, seconds=2)
    job = patient.initiate(DOSSIER_ID, title="Row 1 scripted [r:1]")
    patient.execute(job, payload_of(patient))
    patient.sandbox.advance(1.5)
    assert patient.status(job) == "IN_PROGRESS"
    patient.sandbox.advance(0.6)
    assert patient.status(job) == word
    if word in ("UNKNOWN", "REJECTED_BY_LAW"):
        assert patient.get(job, "results").status_code == 404
        assert patient.http.get(f"/job/{job}").json()["finishedAt"] is None
    else:
        assert patient.get(job, "results").json() == {"jobResultsPayloadSchema": {}}
    other = patient.run(DOSSIER_ID, payload_of(patient), title="plain")
    assert patient.status(other) == "COMPLETED"


def test_person_is_waited_for_and_answers_by_the_clock(patient: Any) -> None:
    """The job is WAITING with a sleeping node until the pretended person answers after a while."""
    job = _purchase(patient)
    patient.sandbox.advance(10)
    assert patient.status(job) == "WAITING"
    audit = patient.get(job, "audit").json()
    assert audit["running_node"] == "Approve the purchase"
    assert audit["audit"]["nodes_execution_data"]["Approve the purchase"]["execution_status"] == "SLEEPING"
    assert patient.get(job, "results").status_code == 404
    patient.sandbox.advance(1000)
    assert patient.status(job) == "COMPLETED"
    assert patient.results(job)["Comment"] == "within budget"


def test_person_can_be_answered_for_in_process(patient: Any) -> None:
    """Sandbox.answer releases a waiting job with what it is given, and the branch follows the answer."""
    job = _purchase(patient)
    assert patient.sandbox.answer(job) is False
    patient.sandbox.advance(10)
    before = patient.get(job, "audit").json()["audit"]["nodes_execution_data"]["Compare quotes"]
    assert patient.sandbox.answer(job, {"approved": False, "comment": "not this year"}) is True
    patient.sandbox.advance(5)
    assert patient.status(job) == "COMPLETED"
    assert patient.results(job) == {"Approved": False, "Comment": "not this year", "Best quote": ""}
    audit = patient.get(job, "audit").json()
    assert audit["executed_nodes"] == ["Input", "Compare quotes", "Approve the purchase", "Output"]
    assert audit["audit"]["nodes_execution_data"]["Compare quotes"] == before
    assert audit["audit"]["nodes_execution_data"]["Approve the purchase"]["execution_output"][0]["value"] == {
        "approved": False,
        "comment": "not this year",
    }
    assert patient.sandbox.answer(job) is False


def test_person_can_be_answered_for_over_http(patient: Any) -> None:
    """The control route answers too; without an answer the pretended person's counts; a job that runs is 409."""
    job = _purchase(patient, amount=9000.0)
    path = f"/__sandbox__/jobs/{job}/answer"
    assert patient.http.post(path).status_code == 409
    patient.sandbox.advance(10)
    assert patient.http.post(path).json() == {"answered": True}
    patient.sandbox.advance(5)
    assert patient.results(job)["Comment"] == "too expensive"
    assert patient.http.post("/__sandbox__/jobs/none/answer").status_code == 404


@workflow(
    "Two signatures",
    outputs=[Output("Signed", "array", item="str")],
    nodes=[Node("First", person=True, seconds=math.inf), Node("Second", person=True, seconds=math.inf)],
    quick=True,
)
def two_signatures(job: Job) -> dict[str, Any]:
    """Two people, neither of whom ever answers by themselves."""
    first = job.person("First")
    job.node("Between", seconds=1, spread=0)
    return {"Signed": [first, job.person("Second")]}


def test_people_may_never_answer(serve: Callable[..., Any]) -> None:
    """A person without a time is waited for, however long; several are answered one after the other."""
    visitor = serve(two_signatures)
    job = visitor.run(two_signatures.id, {})
    visitor.sandbox.advance(10 * 86_400)
    assert visitor.status(job) == "WAITING"
    assert visitor.sandbox.answer(job, "Ada")
    assert visitor.status(job) == "IN_PROGRESS"
    visitor.sandbox.advance(2)
    assert visitor.status(job) == "WAITING"
    assert visitor.sandbox.answer(job, "Bo")
    visitor.sandbox.advance(1)
    assert visitor.results(job) == {"Signed": ["Ada", "Bo"]}


def test_job_can_be_stopped_from_outside(patient: Any, payload_of: Any) -> None:
    """Somebody stops it in the app: in process or over HTTP, with any word, but only once."""
    first, second = (patient.run(DOSSIER_ID, payload_of(patient), to_the_end=False) for _ in range(2))
    assert patient.sandbox.end(first) is True
    assert patient.sandbox.end(first) is False
    answer = patient.http.post(f"/__sandbox__/jobs/{second}/end", json={"status": "CANCELLED"})
    assert answer.status_code == 200
    assert patient.http.post(f"/__sandbox__/jobs/{second}/end").status_code == 409
    patient.sandbox.advance(3600)
    assert (patient.status(first), patient.status(second)) == ("STOPPED", "CANCELLED")
    audit = patient.get(first, "audit").json()
    assert audit["running_node"] is None
    assert audit["nb_executed_nodes"] < 5


def test_queued_job_still_looks_like_a_shell(serve: Callable[..., Any]) -> None:
    """An executed job may wait in a queue: PENDING, no audit, but its input stands in the details."""

    @workflow("Queued", inputs=[Input("Text")], queue_seconds=30, seconds=1, quick=True)
    def queued(text: str) -> dict[str, Any]:
        return {}

    (name,) = queued.inputs_by_name
    visitor = serve(queued)
    job = visitor.run(queued.id, {name: {"value": "x", "type": "str"}}, to_the_end=False)
    assert visitor.status(job) == "PENDING"
    assert visitor.get(job, "audit").status_code == 404
    assert visitor.http.get(f"/job/{job}").json()["input"][name]["value"] == "x"
    visitor.sandbox.advance(30.1)
    assert visitor.status(job) == "IN_PROGRESS"


def test_jobs_run_side_by_side(patient: Any, payload_of: Any) -> None:
    """Executed jobs do not wait for each other, and the books know how many ran at once."""
    payload = payload_of(patient)
    patient.sandbox.fault("execute", "script", seconds=600)
    jobs = [patient.run(DOSSIER_ID, payload, to_the_end=False) for _ in range(20)]
    patient.sandbox.advance(601)
    assert {patient.status(job) for job in jobs} == {"COMPLETED"}
    assert patient.sandbox.books()["peak_running"] == 20


def test_waiting_job_takes_no_place(patient: Any) -> None:
    """The peak of running jobs leaves out those that wait for people."""
    for _ in range(3):
        _purchase(patient)
        patient.sandbox.advance(20)
    assert patient.sandbox.books()["peak_running"] == 1


def test_same_seed_and_payload_take_the_same_time(meet: Callable[..., Any], claim_payload: Any) -> None:
    """Durations and draws follow from the seed and the payload, also when the file has another address."""

    def spans(seed: int | None) -> list[int]:
        with Sandbox(seed=seed) as sandbox:
            visitor = meet(sandbox)
            from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID

            job = visitor.run(CLAIM_TRIAGE_ID, claim_payload(visitor))
            nodes = visitor.get(job, "audit").json()["audit"]["nodes_execution_data"]
            return [node["execution_time"] for node in nodes.values()]

    assert spans(None) == spans(0) == spans(0)
    assert spans(1) != spans(0)


def test_unknown_jobs_are_404(visitor: Any) -> None:
    """Status, results, audit and details of an unknown id are not found."""
    for path in ("/job/999/status", "/job/999/results", "/job/999/audit", "/job/999"):
        answer = visitor.http.get(path)
        assert (answer.status_code, answer.json()["message"]) == (404, "Job execution not found")
    with pytest.raises(KeyError, match="no job '999'"):
        visitor.sandbox.answer("999")


def test_words_of_the_quickstart(patient: Any, quickstart_payload: Any) -> None:
    """The quickstart's workflow says IN PROGRESS with a space."""
    job = patient.run(QUICKSTART_ID, quickstart_payload(patient), to_the_end=False)
    assert patient.status(job) == "IN PROGRESS"
