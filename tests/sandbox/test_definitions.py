"""Workflows that users define themselves."""

from __future__ import annotations

import doctest
import importlib
import threading
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from opus_nb.sandbox import Input, Job, Node, Output, Sandbox, UploadedFile, workflow
from opus_nb.sandbox.definition import argument_name


@pytest.mark.parametrize("module", ["opus_nb.sandbox", "opus_nb.sandbox.definition", "opus_nb.sandbox.server"])
def test_examples_in_the_docstrings_run(module: str) -> None:
    """What the documentation shows is what happens."""
    tried = doctest.testmod(importlib.import_module(module))
    assert tried.attempted > 0
    assert tried.failed == 0


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Claim form", "claim_form"),
        ("FileInput(Single)", "file_input_single"),
        ("  % of total ", "of_total"),
        ("2nd reading", "_2nd_reading"),
        ("Größe", "größe"),
    ],
)
def test_argument_names(label: str, name: str) -> None:
    """A label becomes a keyword that can be written in Python."""
    assert argument_name(label) == name
    assert name.isidentifier()


def test_ids_follow_from_the_name() -> None:
    """Without an id a workflow gets the same one each time, in the form of its generation."""

    def nothing() -> dict[str, Any]:
        return {}

    old, new = workflow("N", generation="v1")(nothing), workflow("N")(nothing)
    assert (old.id, new.id) == (workflow("N", generation="v1")(nothing).id, workflow("N")(nothing).id)
    assert (len(old.id), len(new.id)) == (16, 36)
    assert workflow("M")(nothing).id != new.id
    assert workflow("N", id="Aa0Bb1Cc2Dd3Ee4F", generation="v1")(nothing).id == "Aa0Bb1Cc2Dd3Ee4F"


def test_values_arrive_as_python_values(serve: Callable[..., Any]) -> None:
    """Dates are dates, whole numbers ints, JSON is parsed, files have names and bytes, empty inputs their default."""
    seen: dict[str, Any] = {}

    @workflow(
        "Values",
        generation="v1",
        inputs=[
            Input("Day", "date", name="day", date_format="%d.%m.%Y"),
            Input("Count", "int", name="count"),
            Input("Data", "json_string", name="data"),
            Input("Scan", "file", name="scan"),
            Input("Pages", "array_files", name="pages"),
            Input("Note", "str", name="note", required=False, default="none"),
        ],
        outputs=[Output("Total", "float", name="total"), Output("Where", "file")],
    )
    def values(job: Job, **given: Any) -> dict[str, Any]:
        seen.update(given)
        return {"total": 1.5, "Where": given["scan"]}

    visitor = serve(values)
    url = visitor.upload(b"hello", workflow=values.id, name="My scan.txt")
    payload = {
        "day": {"value": "09.11.2025", "type": "date"},
        "count": {"value": 3.0, "type": "int"},
        "data": {"value": '{"a": [1, 2]}', "type": "json_string"},
        "scan": {"value": url, "type": "file"},
        "pages": {"value": [url, url], "type": "array_files"},
    }
    job = visitor.run(values.id, payload)
    while visitor.status(job) == "IN PROGRESS":
        continue
    assert visitor.results(job) == {"Total": 1.5, "Where": url}
    assert seen["day"] == date(2025, 11, 9)
    assert (seen["count"], type(seen["count"])) == (3, int)
    assert seen["data"] == {"a": [1, 2]}
    assert isinstance(seen["scan"], UploadedFile)
    assert (seen["scan"].name, seen["scan"].text()) == ("My scan.txt", "hello")
    assert len(seen["pages"]) == 2
    assert seen["note"] == "none"


def test_outputs_go_by_label_keyword_or_name(serve: Callable[..., Any]) -> None:
    """A function may call its outputs as it likes; a name that is no output fails the job and says so."""

    @workflow("Names", outputs=[Output("Net total"), Output("Tax rate"), Output("Sum", name="sum_x")])
    def names() -> dict[str, Any]:
        return {"Net total": "1", "tax_rate": "2", "sum_x": "3"}

    @workflow("Wrong name")
    def wrong() -> dict[str, Any]:
        return {"Nett": 1}

    visitor = serve(names, wrong)
    job = visitor.run(names.id, {})
    _settle(visitor, job)
    assert visitor.results(job) == {"Net total": "1", "Tax rate": "2", "Sum": "3"}
    job = visitor.run(wrong.id, {})
    _settle(visitor, job)
    assert visitor.status(job) == "FAILED"
    assert "'Nett'" in visitor.sandbox.books()["job_books"][job]["reason"]


def _settle(visitor: Any, job: str) -> None:
    """Wait until the function has run in its thread, and let the job's time pass."""
    deadline = time.monotonic() + 5
    while visitor.status(job) == "IN_PROGRESS" and time.monotonic() < deadline:
        visitor.sandbox.advance(10)


def test_function_without_job_passes_all_nodes(serve: Callable[..., Any]) -> None:
    """Declared nodes run in order; without any there is one node named after the function."""

    @workflow("Plain", nodes=[Node("A", seconds=1), Node("B", seconds=2, beside="A"), Node("C", seconds=3)], spread=0)
    def plain() -> dict[str, Any]:
        return {}

    @workflow("Bare", seconds=4, spread=0)
    def read_the_mail() -> dict[str, Any]:
        return {}

    visitor = serve(plain, read_the_mail)
    job, other = visitor.run(plain.id, {}), visitor.run(read_the_mail.id, {})
    _settle(visitor, job)
    _settle(visitor, other)
    nodes = visitor.get(job, "audit").json()["audit"]["nodes_execution_data"]
    assert [(name, node["execution_time"]) for name, node in nodes.items()][1:4] == [
        ("A", 1000),
        ("B", 2000),
        ("C", 3000),
    ]
    assert nodes["A"]["execution_start_time"] == nodes["B"]["execution_start_time"]
    assert nodes["C"]["execution_start_time"] - nodes["A"]["execution_start_time"] == pytest.approx(2000, abs=2)
    nodes = visitor.get(other, "audit").json()["audit"]["nodes_execution_data"]
    assert nodes["Read the mail"]["execution_time"] == 4000


def test_job_handle(serve: Callable[..., Any]) -> None:
    """The handle knows id and title, draws reproducibly, adds nodes, saves files and ends with any word."""

    @workflow("Handled", outputs=[Output("Id"), Output("Title"), Output("Draw", "float"), Output("File", "file")])
    def handled(job: Job) -> dict[str, Any]:
        job.node("Undeclared", seconds=2, spread=0, output={"x": 1})
        if job.title.startswith("Stop"):
            job.end("STOPPED")
        assert job.chance(1.0)
        return {"Id": job.id, "Title": job.title, "Draw": job.random.random(), "File": job.save("a.txt", "text")}

    visitor = serve(handled)
    job = visitor.run(handled.id, {}, title="Go")
    _settle(visitor, job)
    results = visitor.results(job)
    assert (results["Id"], results["Title"]) == (job, "Go")
    assert 0 <= results["Draw"] < 1
    assert visitor.http.post("/job/file/download", json={"fileUrl": results["File"]}).json()["contentLength"] == 4
    audit = visitor.get(job, "audit").json()
    assert audit["executed_nodes"] == ["Input", "Undeclared", "Output"]
    stopped = visitor.run(handled.id, {}, title="Stop here")
    _settle(visitor, stopped)
    assert visitor.status(stopped) == "STOPPED"
    assert visitor.get(stopped, "audit").json()["failed_nodes"] == ["Undeclared"]


def test_slow_functions_do_not_hold_up_the_server(serve: Callable[..., Any]) -> None:
    """A function that really computes runs in a thread; the job goes on until it is back."""
    release, ran_in = threading.Event(), []

    @workflow("Slow", outputs=[Output("Done", "bool")], seconds=0.001)
    def slow() -> dict[str, Any]:
        ran_in.append(threading.current_thread().name)
        release.wait(10)
        return {"Done": True}

    visitor = serve(slow)
    job = visitor.run(slow.id, {})
    assert visitor.status(job) == "IN_PROGRESS"
    assert visitor.get(job, "audit").status_code == 404
    release.set()
    while visitor.status(job) == "IN_PROGRESS":
        continue
    assert visitor.results(job) == {"Done": True}
    line = visitor.sandbox.books()["job_books"][job]
    assert line["ended_at"] >= line["executed_at"][0] + 0.001
    assert ran_in[0].startswith("opus-sandbox-function")


def test_close_does_not_wait_for_a_slow_function() -> None:
    """Closing while a function computes ends the server at once."""
    release = threading.Event()

    @workflow("Slower")
    def slower() -> dict[str, Any]:
        release.wait(10)
        return {}

    import httpx

    sandbox = Sandbox([slower]).start()
    headers = {"x-service-key": "sandbox"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, trust_env=False, verify=False) as client:
        job = client.post("/job/initiate", json={"workflowId": slower.id, "title": "t"}).json()["jobExecutionId"]
        client.post("/job/execute", json={"jobExecutionId": job, "jobPayloadSchemaInstance": {}})
        begun = time.perf_counter()
        sandbox.close()
        assert time.perf_counter() - begun < 3
    release.set()


def test_failure_rate(serve: Callable[..., Any]) -> None:
    """A failure rate of 1 fails every job at one of its nodes."""

    @workflow("Unlucky", failure_rate=1.0, nodes=[Node("A"), Node("B")], quick=True)
    def unlucky() -> dict[str, Any]:
        return {}

    visitor = serve(unlucky)
    failed = set()
    for title in "abcdefgh":
        job = visitor.run(unlucky.id, {"x": {"value": title, "type": "str"}})
        assert visitor.status(job) == "FAILED"
        failed |= set(visitor.get(job, "audit").json()["failed_nodes"])
    assert failed == {"A", "B"}


def test_time_scale_and_spread(meet: Callable[..., Any]) -> None:
    """Without spread a job takes its seconds times the scale, to the millisecond."""

    @workflow("Exact", nodes=[Node("A", seconds=30)], spread=0, quick=True)
    def exact() -> dict[str, Any]:
        return {}

    with Sandbox([exact], time_scale=0.1) as sandbox:
        visitor = meet(sandbox)
        job = visitor.run(exact.id, {})
        line = sandbox.books()["job_books"][job]
        assert line["ended_at"] - line["executed_at"][0] == pytest.approx(3.0005, abs=0.001)
