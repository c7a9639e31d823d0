"""Traps 25 to 36 of the contract: many rows, many files, edited workflows, secrets, clocks."""

from __future__ import annotations

import logging
import pickle
import sqlite3
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from trap_making import books, by_label, echo, payloads, quicken, reader, shells

import opus_nb
from opus_nb import loop
from opus_nb.errors import PlanRefused, SchemaChanged, ServiceKeyRefused, WorkflowInactive
from opus_nb.sandbox import Input, Node, Output, WorkflowDefinition, workflow
from opus_nb.service.replies import read_audit

Serve = Callable[..., opus_nb.Opus]
TEXTS = pd.DataFrame({"Text": ["a", "b"]})
KEY = "_" + "0123456789abcdef" * 6


def first(opus: opus_nb.Opus) -> opus_nb.Workflow:
    """The sandbox's first workflow."""
    return opus.workflow(next(iter(opus.sandbox._state.catalogue)).latest.definition.id)


def run(opus: opus_nb.Opus, df: pd.DataFrame = TEXTS, **options: Any) -> opus_nb.run.Run:
    """Run a sheet through it to the end."""
    return first(opus).run(df, progress="off", **options).wait()


def test_trap_25_one_bad_row_and_a_storm_of_429(serve: Serve) -> None:
    """A refused row stops no other, and a 429 makes everybody wait once instead of asking harder."""
    opus = serve(echo())
    opus.sandbox.fault("execute", "error", status=422, message="Text is odd", times=1)
    opus.sandbox.fault("status", "rate_limited", retry_after_s=0.2, style="body", times=4)
    opus.sandbox.fault("initiate", "rate_limited", retry_after_s=0, style="body", times=2)
    done = run(opus, pd.DataFrame({"Text": [str(number) for number in range(12)]}))
    assert dict(done.counts) == {"completed": 11, "failed": 1}
    assert books(opus)["executions"] == 11
    assert opus.client.wire.pacer.pauses >= 1


def test_trap_25_one_pause_for_everybody(serve: Serve) -> None:
    """While one request's 429 holds, none of the others goes out either."""
    opus = serve(echo())
    sent: list[float] = []
    refused: list[float] = []

    async def listen() -> None:
        http = opus.client.wire._open()
        inner = http._transport.handle_async_request

        async def pass_on(request: Any) -> Any:
            sent.append(time.monotonic())
            response = await inner(request)
            if response.status_code == 429:
                refused.append(time.monotonic())
            return response

        http._transport.handle_async_request = pass_on  # type: ignore[method-assign]

    loop.call(listen)
    opus.sandbox.fault("status", "rate_limited", retry_after_s=0.6, style="body", skip_first=5, times=1)
    done = run(opus, pd.DataFrame({"Text": [str(number) for number in range(12)]}))
    assert dict(done.counts) == {"completed": 12}
    (at,) = refused
    # What was on its way already when the answer came is nobody's fault.
    assert [each - at for each in sent if at + 0.02 < each < at + 0.5] == []
    assert [each for each in sent if each > at + 0.5]


def test_trap_26_ids_are_on_disk_before_execute_leaves(serve: Serve) -> None:
    """Whatever dies after the intent to execute, the id is in the ledger."""
    opus = serve(echo())
    ledger = opus._settings.ledger / "ledger.sqlite"
    kept: list[tuple[Any, ...]] = []

    class Ear:
        def observe(self, event: Any) -> None:
            if event.state.value == "executing":
                connection = sqlite3.connect(ledger)
                kept.append(connection.execute("SELECT job_id, state FROM work WHERE key = ?", (event.key,)).fetchone())
                connection.close()

    jobs = first(opus).run(TEXTS, progress=Ear()).wait().jobs()
    assert sorted(kept) == sorted((job_id, "executing") for job_id in jobs["job_id"])


def test_trap_27_a_file_in_many_rows(serve: Serve, tmp_path: Path) -> None:
    """Twenty rows that name one content under two names upload it once, and a second run not at all."""
    for name in ("a.txt", "copy of a.txt"):
        (tmp_path / name).write_text("four words are here")
    sheet = pd.DataFrame({"Letter": [str(tmp_path / "a.txt"), str(tmp_path / "copy of a.txt")] * 10})
    opus = serve(reader())
    assert dict(run(opus, sheet).counts) == {"completed": 20}
    run(opus, sheet, name="second")
    assert books(opus)["files_uploaded"] == 1
    assert (books(opus)["calls"]["upload"], books(opus)["calls"]["put"]) == (1, 1)


def test_trap_28_extensions_sizes_and_cases(serve: Serve, tmp_path: Path) -> None:
    """``.PDF`` and ``.jpg`` pass where PDF and JPEG are allowed; the wrong kind and a giant are refused unsent."""

    @workflow("Pages", inputs=[Input("Page", "file", allowed=["PDF", "JPEG"])], outputs=[Output("Name")])
    def pages(page: Any) -> dict[str, Any]:
        return {"Name": page.name}

    (tmp_path / "scan.PDF").write_bytes(b"%PDF-1.4 and so on")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 and so on")
    (tmp_path / "photo.webp").write_bytes(b"RIFF....WEBP and so on")
    with (tmp_path / "giant.pdf").open("wb") as file:
        file.truncate(10 * 1024 * 1024 + 1)
    opus = serve(pages)
    names = ["scan.PDF", "photo.jpg", "photo.webp", "giant.pdf"]
    plan = first(opus).plan(pd.DataFrame({"Page": names}), files_root=tmp_path)
    errors = plan.issues[plan.issues["severity"] == "error"]
    assert errors["row"].tolist() == [2, 3]
    with pytest.raises(PlanRefused):
        plan.start()
    assert books(opus)["calls"].get("upload", 0) == 0
    assert dict(plan.start(on_invalid="skip", progress="off").wait().counts) == {"completed": 2, "invalid": 2}


def test_trap_29_the_authors_sample_file_is_shown_and_never_sent(serve: Serve) -> None:
    """A default is a sample: shown, sent only where asked for, and a file not even then."""
    sample = "https://files.opus.com/media/private/uploaded/media_author.pdf"

    @workflow(
        "Samples",
        inputs=[
            Input("Text"),
            Input("Form", "file", required=False, default=sample),
            Input("Mood", required=False, default="calm"),
        ],
        outputs=[Output("Loud")],
    )  # fmt: skip
    def samples(text: str, form: Any, mood: Any) -> dict[str, Any]:
        return {"Loud": text}

    opus = serve(samples)
    shown = first(opus).inputs.set_index("display_name")["default"]
    assert (shown["Form"], shown["Mood"]) == (sample, "calm")
    run(opus, TEXTS[:1])
    assert set(by_label(opus, 0)) == {"Text"}
    first(opus).plan(TEXTS[1:], use_defaults=True).start(progress="off", name="with").wait()
    assert set(by_label(opus, 1)) == {"Text", "Mood"}


def renamed(label: str = "Text", kind: str = "str") -> WorkflowDefinition:
    """The echo as its author has rebuilt it: another variable name."""

    @workflow("Echo", inputs=[Input(label, kind, name="workflow_input_brandnew1")], outputs=[Output("Loud")])
    def shout(**values: Any) -> dict[str, Any]:
        return {"Loud": str(next(iter(values.values()))).upper()}

    return shout


def test_trap_30_variable_names_that_change_under_a_plan(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan made before the edit sends the new names; what means something else is refused with the difference."""
    opus = serve(echo())
    plan = first(opus).plan(TEXTS)
    opus.sandbox.publish(renamed())
    assert dict(plan.start(progress="off").wait().counts) == {"completed": 2}
    assert {name for payload in payloads(opus) for name in payload} == {"workflow_input_brandnew1"}
    assert "renamed" in capsys.readouterr().err
    opus.sandbox.publish(renamed(kind="float"))
    with pytest.raises(SchemaChanged, match="Nothing was sent") as caught:
        plan.start(progress="off", name="later")
    assert "removed" in {each.change for each in caught.value.changes}
    assert books(opus)["executions"] == 2


def test_trap_31_no_shell_before_everything_is_ready(serve: Serve, tmp_path: Path) -> None:
    """An upload that fails leaves no job that nobody executes."""
    (tmp_path / "a.txt").write_text("four words are here")
    opus = serve(reader())
    opus.sandbox.fault("upload", "error", status=400, message="fileExtension must be one of the following values")
    done = run(opus, pd.DataFrame({"Letter": [str(tmp_path / "a.txt")]}))
    assert dict(done.counts) == {"failed": 1}
    assert shells(opus) == []


def test_trap_32_workflows_that_are_not_active(serve: Serve) -> None:
    """Said on the card and before anything is sent; switched off later, the row says what to do."""
    opus = serve(echo("v1", active=False), echo())
    assert "Not active" in first(opus)._repr_html_()
    with pytest.raises(WorkflowInactive, match="not active") as caught:
        first(opus).run(TEXTS, progress="off")
    assert caught.value.came_back == "Opus says active = False"
    assert books(opus)["calls"].get("initiate", 0) == 0
    opus.sandbox.fault("initiate", "error", status=400, message="Workflow is not active")
    errors = opus.workflow(echo().id).run(TEXTS, progress="off").wait().results()["error"]
    assert errors.str.contains("Activate the workflow in Opus").all()


def test_trap_32_switched_off_between_plan_and_start(serve: Serve) -> None:
    """The look before the start sees it."""
    opus = serve(echo())
    plan = first(opus).plan(TEXTS)
    opus.sandbox.publish(echo(active=False))
    with pytest.raises(WorkflowInactive, match="not active any more") as caught:
        plan.start(progress="off")
    assert "active_status" in str(caught.value.came_back)
    assert shells(opus) == []


def test_trap_33_the_key_is_nowhere_to_be_seen(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """No repr, no card, no attribute, no file, no log, no pickle and no traceback holds the key."""
    caplog.set_level(logging.DEBUG)
    box = serve(echo(), service_keys=[KEY]).sandbox
    with opus_nb.connect(KEY, base_url=box.base_url, ledger=tmp_path / "l", settle_s=0.1) as opus:
        wf = quicken(opus).workflow(echo().id)
        done = wf.run(TEXTS, progress="off").wait()
        seen = [repr(each) for each in (opus, opus._settings, opus.client, wf, done, done.plot, opus.check())]
        seen += [wf._repr_html_(), done._repr_html_(), repr(vars(opus)), repr(vars(opus.client.wire)), repr(vars(done))]
        box.fault("any", "error", status=401, message=f"no such key: {KEY}")
        with pytest.raises(ServiceKeyRefused) as caught:
            opus.workflow(echo().id)
        seen += [str(caught.value), "".join(traceback.format_exception(caught.value)), repr(pickle.dumps(caught.value))]
        with pytest.raises(TypeError):
            pickle.dumps(opus._settings)
    assert caplog.records
    seen += [caplog.text, repr([vars(each) for each in caplog.records]), *capfd.readouterr()]
    assert not any(KEY in each or KEY[1:] in each for each in seen)
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(KEY.encode() in each for each in files)


def test_trap_34_the_key_comes_from_outside_the_notebook(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``connect()`` takes it from the environment, says so, and nothing has to be written into a cell."""
    box = serve(echo(), service_keys=[KEY]).sandbox
    monkeypatch.setenv("OPUS_SERVICE_KEY", KEY)
    monkeypatch.setenv("OPUS_BASE_URL", box.base_url)
    with opus_nb.connect(ledger=tmp_path / "l") as opus:
        assert opus.check(echo().id).ok
        assert repr(opus._settings.service_key) == "<service key from environment variable OPUS_SERVICE_KEY>"


def maker() -> WorkflowDefinition:
    """A workflow that makes a file."""

    @workflow("Maker", inputs=[Input("Text")], outputs=[Output("Report", "file")], nodes=[Node("Write", seconds=0.1)])
    def make(job: Any, text: str) -> dict[str, Any]:
        return {"Report": job.save("report.txt", f"about {text}")}

    return make


def test_trap_35_addresses_of_files_cannot_be_opened(serve: Serve, tmp_path: Path) -> None:
    """The cell keeps the address as text; the download route gives the bytes, or it is said that it does not answer."""
    opus = serve(maker())
    done = run(opus)
    assert done.results()["Report"].str.startswith("https://files.opus.com/media/").all()
    fetched = done.download(tmp_path / "files")
    assert [Path(path).read_text() for path in fetched["path"]] == ["about a", "about b"]
    opus.sandbox.fault("download", "error", status=404, message="Cannot POST /job/file/download")
    refused = done.download(tmp_path / "elsewhere")
    assert set(refused["status"]) == {"failed"}
    assert refused["error"].str.contains("does not answer the route").all()
    assert books(opus)["key_leaks"] == 0


def test_trap_36_times_are_the_jobs_own(serve: Serve) -> None:
    """However late an end is noticed, the duration is what the audit says."""
    opus = serve(echo(nodes=[Node("Shout", seconds=10)]))
    opus.sandbox.fault("status", "slow", after_s=0.4, times=2)
    done = run(opus, TEXTS[:1])
    job = done.jobs().iloc[0]
    audit = read_audit(loop.call(opus.client.fetch_audit, job["job_id"]))
    assert audit.ended_at is not None
    assert audit.started_at is not None
    assert job["duration_s"] == pytest.approx(audit.ended_at - audit.started_at, abs=0.002)
    assert job["duration_s"] == pytest.approx(0.1, abs=0.02)
    assert books(opus)["lateness_s"]["max"] > 0.1
