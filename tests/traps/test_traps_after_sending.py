"""Traps 13 to 24 of the contract: what comes back, and what must not be sent twice."""

from __future__ import annotations

import base64
import datetime as dt
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trap_making import books, by_label, echo, payloads, reader, shells

import opus_nb
from opus_nb import loop
from opus_nb.errors import PlanRefused
from opus_nb.sandbox import Input, Node, Output, workflow
from opus_nb.service.replies import find_progress, read_audit

Serve = Callable[..., opus_nb.Opus]
TEXTS = pd.DataFrame({"Text": ["a", "b"]})


def run(opus: opus_nb.Opus, df: pd.DataFrame = TEXTS, **options: Any) -> opus_nb.run.Run:
    """Run a sheet through the sandbox's first workflow to the end."""
    definition = next(iter(opus.sandbox._state.catalogue)).latest.definition
    return opus.workflow(definition.id).run(df, progress="off", **options).wait()


def test_trap_13_values_that_are_json_in_text(serve: Serve) -> None:
    """Objects and lists that came as text, fenced or not, are objects and lists; plain text stays text."""

    @workflow(
        "Model", inputs=[Input("Text")],
        outputs=[Output("Facts", "object"), Output("Names", "array"), Output("Prose"), Output("Odd", "object")],
    )  # fmt: skip
    def model(text: str) -> dict[str, Any]:
        return {"Facts": '```json\n{"a": 1}\n```', "Names": '["x", "y"]', "Prose": "[sic] {no json}", "Odd": "{broken"}

    row = run(serve(model), TEXTS[:1]).results().iloc[0]
    assert row["Facts"] == {"a": 1}
    assert row["Names"] == ["x", "y"]
    assert (row["Prose"], row["Odd"]) == ("[sic] {no json}", "{broken")


def test_trap_14_outputs_that_differ_by_branch(serve: Serve) -> None:
    """The columns are the union, NA where a branch has none; outputs of the same label are told apart."""

    @workflow(
        "Branches", inputs=[Input("Text")],
        outputs=[Output("Short"), Output("Long"), Output("Note", name="note_1"), Output("Note", name="note_2")],
    )  # fmt: skip
    def branches(text: str) -> dict[str, Any]:
        return {"Short" if len(text) < 3 else "Long": text, "note_1": "one", "note_2": "two"}

    results = run(serve(branches), pd.DataFrame({"Text": ["ab", "abcd"]})).results()
    assert list(results.columns[3:]) == ["Short", "Long", "Note (note_1)", "Note (note_2)"]
    assert results["Short"].isna().tolist() == [False, True]
    assert results["Long"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("generation", "shape", "source"),
    [("v1", "trail", "trail"), ("v1", "nodes_v1", "nodes"), ("v2", "nodes_v2", "nodes"), ("cases", "case", "nodes")],
)
def test_trap_15_audits_in_every_form(serve: Serve, generation: str, shape: str, source: str) -> None:
    """Trail or nodes, snake case or camel case: each is rows with times in UTC."""
    audit = run(serve(echo(generation, audit_shape=shape)), TEXTS[:1]).audit()
    assert set(audit["source"]) == {source}
    assert audit["event"].str.contains("Shout").any()
    assert str(audit["started_at"].dt.tz) == "UTC"
    assert (audit["row"] == 0).all()


def test_trap_15_only_names_of_executed_nodes() -> None:
    """Where an audit lists no more than names, they are entries nonetheless."""
    audit = read_audit({"executed_nodes": ["Input", "Check"], "nb_nodes": 3})
    assert [each.event for each in audit.entries] == ["Input", "Check"]


def test_trap_16_progress_never_from_what_remains(serve: Serve) -> None:
    """The list of remaining nodes is full at the end; done of total is right, clamped, and unknown for zero."""
    opus = serve(echo("v1", audit_shape="nodes_v1"))
    job_id = run(opus, TEXTS[:1]).jobs()["job_id"].iloc[0]
    reply = loop.call(opus.client.fetch_audit, job_id)
    assert reply["remaining_nodes_to_execute"] == reply["executed_nodes"]
    assert find_progress(read_audit(reply)) == (3, 3)
    assert find_progress(read_audit({"nb_nodes": 0, "nb_executed_nodes": 2})) == (2, None)
    assert find_progress(read_audit({"nb_nodes": 3, "nb_executed_nodes": 5})) == (3, 3)


def test_trap_17_huge_audits_are_shortened(serve: Serve, tmp_path: Path) -> None:
    """Whole files in base64 reach neither the frame nor the ledger's copy; the whole is there for who asks for it."""
    secret = base64.b64encode(b"personal data" * 20_000).decode()
    given = base64.b64encode(b"what was sent" * 20_000).decode()

    @workflow("Heavy", inputs=[Input("Text")], outputs=[Output("Loud")], nodes=[Node("Scan", seconds=0.1)])
    def heavy(job: Any, text: str) -> dict[str, Any]:
        job.node("Scan", output={"page": secret, "pages": 1})
        return {"Loud": text[:3]}

    opus = serve(heavy)
    done = run(opus, pd.DataFrame({"Text": [given]}))
    audit = done.audit()
    assert max(len(str(cell)) for cell in audit.to_numpy().ravel()) < 500
    ledger = opus._settings.ledger / "ledger.sqlite"
    with sqlite3.connect(ledger) as connection:
        kept = connection.execute("SELECT audit FROM work").fetchone()[0]
    connection.close()
    assert len(kept) < 5000
    assert not any(each[place : place + 300] in kept for each in (secret, given) for place in range(0, 3000, 300))
    assert {"Scan", "Input", "Output"} <= set(audit["event"])
    whole = loop.call(opus.client.fetch_audit, done.jobs()["job_id"].iloc[0])
    assert secret in str(whole)
    assert given in str(whole)


def test_trap_18_nodes_that_overlap_are_not_summed(serve: Serve) -> None:
    """A job takes from its first start to its last end, in seconds, whatever its nodes add up to."""
    nodes = [Node("Left", seconds=20), Node("Right", seconds=20, beside="Left")]
    done = run(serve(echo(nodes=nodes)), TEXTS[:1])
    audit, took = done.audit(), float(done.jobs()["duration_s"].iloc[0])
    assert took == pytest.approx(0.2, abs=0.05)
    assert float(audit["duration_s"].sum()) > 1.8 * took
    assert (audit["started_at"].dt.year >= 2025).all()


def test_trap_19_success_that_is_none(serve: Serve) -> None:
    """A 200 around a 422 or ``success: false`` is a refusal with its words; ``success: true`` is not an end."""
    opus = serve(echo())
    opus.sandbox.fault("execute", "success_false", message="Quota is used up", times=1)
    opus.sandbox.fault("execute", "inner_error", status=422, message="Value of Text is odd", times=1)
    opus.sandbox.fault("execute", "script", seconds=0.2, end="FAILED", times=1)
    results = run(opus, pd.DataFrame({"Text": list("abcd")}), max_concurrency=1).results()
    assert list(results["state"]) == ["failed", "failed", "failed", "completed"]
    assert "Quota is used up" in results["error"].iloc[0]
    assert "Value of Text is odd" in results["error"].iloc[1]
    assert "FAILED" in results["error"].iloc[2]


def test_trap_19_an_inner_500_may_have_taken_effect(serve: Serve) -> None:
    """After a 200 around a 500 the job's status decides, so that nothing is executed twice."""
    opus = serve(echo())
    opus.sandbox.fault("execute", "inner_error", status=500, after=True, times=1)
    assert dict(run(opus).counts) == {"completed": 2}
    assert books(opus)["executions"] == 2


def test_trap_20_nothing_where_something_is_required(serve: Serve) -> None:
    """Empty, NaN and NaT in a required date refuse the plan before anything leaves; optional ones are left out."""

    @workflow(
        "Dated", inputs=[Input("Day", "date"), Input("Note", required=False)], outputs=[Output("Year", "int")]
    )  # fmt: skip
    def dated(day: dt.date, note: str | None) -> dict[str, Any]:
        return {"Year": day.year}

    opus = serve(dated)
    bad = pd.DataFrame({"Day": [None, np.nan, pd.NaT, "", " "], "Note": ["x"] * 5})
    plan = opus.workflow(dated.id).plan(bad)
    assert plan.issues.query("severity == 'error'")["row"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(PlanRefused):
        plan.start()
    assert shells(opus) == []
    run(opus, pd.DataFrame({"Day": [pd.Timestamp("2025-11-09")], "Note": [np.nan]}))
    assert {name: entry["value"] for name, entry in by_label(opus).items()} == {"Day": "2025-11-09"}


def test_trap_21_values_that_json_cannot_hold(serve: Serve) -> None:
    """Numpy, pandas and Decimal arrive as plain JSON of the declared type; truth values are not numbers."""

    @workflow(
        "Plain",
        inputs=[
            Input("Count", "int"),
            Input("Rate", "float"),
            Input("Sure", "bool"),
            Input("Ref"),
            Input("Day", "date"),
        ],
        outputs=[Output("Fine", "bool")],
    )
    def plain(**values: Any) -> dict[str, Any]:
        return {"Fine": True}

    opus = serve(plain)
    df = pd.DataFrame(
        {
            "Count": pd.Series([3.0, np.int64(4), "5"], dtype=object),
            "Rate": [Decimal("1.5"), np.float32(0.5), "2,5"],
            "Sure": ["TRUE", np.bool_(False), 1],
            "Ref": [7, "007", "x"],
            "Day": [pd.Timestamp("2025-01-02"), dt.date(2025, 1, 3), np.datetime64("2025-01-04")],
        }
    )
    plan = opus.workflow(plain.id).plan(df, decimal=",")
    plan.start(progress="off", max_concurrency=1).wait()
    sent = [{name: entry["value"] for name, entry in by_label(opus, place).items()} for place in range(3)]
    assert [each["Count"] for each in sent] == [3, 4, 5]
    assert all(type(each["Count"]) is int for each in sent)
    assert [each["Rate"] for each in sent] == [1.5, 0.5, 2.5]
    assert [each["Sure"] for each in sent] == [True, False, True]
    assert all(type(each["Sure"]) is bool for each in sent)
    assert [each["Ref"] for each in sent] == ["7", "007", "x"]
    assert [each["Day"] for each in sent] == ["2025-01-02", "2025-01-03", "2025-01-04"]


def test_trap_22_errors_that_are_pages(serve: Serve, tmp_path: Path) -> None:
    """A read that answers with a page of HTML is repeated; a 413 page says so in its title's words."""
    (tmp_path / "a.txt").write_text("four words are here")
    opus = serve(reader())
    rules = [opus.sandbox.fault("status", "error", status=502, html=True, times=2)]
    rules += [opus.sandbox.fault(route, "html", times=1) for route in ("results", "audit", "upload", "initiate")]
    sheet = pd.DataFrame({"Letter": [str(tmp_path / "a.txt")]})
    done = run(opus, sheet).results()
    assert (list(done["Words"]), list(done["error"].isna())) == ([4], [True])
    assert [each.fired for each in rules] == [2, 1, 1, 1, 1]
    (tmp_path / "b.txt").write_text("more")
    opus.sandbox.fault("put", "error", status=413, html=True, message="413 Request Entity Too Large")
    error = run(opus, pd.DataFrame({"Letter": [str(tmp_path / "b.txt")]}), name="large").results()["error"].iloc[0]
    assert "413" in error
    assert "Request Entity Too Large" in error
    assert "<html" not in error


def test_trap_23_messages_that_are_lists(serve: Serve) -> None:
    """All messages of a list are told, also where they are objects."""
    opus = serve(echo())
    told = ["Text is too long", {"constraints": {"max": "at most 3 words"}}]
    opus.sandbox.fault("execute", "error", status=400, body={"statusCode": 400, "message": told}, times=1)
    error = run(opus, max_concurrency=1).results()["error"].iloc[0]
    assert "Text is too long; at most 3 words" in error


@pytest.mark.parametrize("fault", ["lost_after", "cut_off"])
def test_trap_24_an_answer_to_execute_that_is_lost(serve: Serve, fault: str) -> None:
    """The job that runs is found by its id and never executed again."""
    opus = serve(echo())
    opus.sandbox.fault("execute", fault, times=2)
    assert dict(run(opus).counts) == {"completed": 2}
    assert set(books(opus)["executions_by_job"].values()) == {1}
    assert len(payloads(opus)) == len(shells(opus)) == 2
    assert books(opus)["calls"]["execute"] == 2


def test_trap_24_an_execute_that_never_arrived(serve: Serve) -> None:
    """Where three witnesses agree that it never started, the same id is executed, once."""
    opus = serve(echo())
    opus.sandbox.fault("execute", "lost_before", times=1)
    assert dict(run(opus).counts) == {"completed": 2}
    assert books(opus)["executions"] == 2
    assert books(opus)["calls"]["execute"] == 3
    assert len(shells(opus)) == 2


def test_trap_24_an_answer_to_initiate_that_is_lost(serve: Serve) -> None:
    """The shell that was made is found by its title, and is the one that is executed."""
    opus = serve(echo())
    opus.sandbox.fault("initiate", "lost_after", times=1)
    assert dict(run(opus).counts) == {"completed": 2}
    assert books(opus)["executions"] == 2
    assert books(opus)["calls"]["initiate"] == len(shells(opus)) == 2


def test_trap_24_a_lost_shell_where_nothing_can_be_searched(serve: Serve) -> None:
    """Another is made and executed, once; the first, unpaid, is in the account, which says why it may exist."""
    opus = serve(echo())
    opus.sandbox.fault("initiate", "lost_after", times=2)
    opus.sandbox.fault("search", "error", status=404, message="Cannot GET /job/search")
    done = run(opus, max_concurrency=1)
    assert dict(done.counts) == {"completed": 2}
    assert (books(opus)["executions"], len(shells(opus))) == (2, 4)
    assert set(books(opus)["executions_by_title"].values()) == {1}
    account = done.reconcile()
    lost = account[account["kind"] == "shell"]
    assert list(lost["now"]) == ["may exist", "may exist"]
    assert lost["note"].str.contains("cannot be searched").all()
    assert books(opus)["calls"]["search"] == 1
    opus.sandbox.faults_clear()
    assert len(opus.jobs()) == 4
    found = done.reconcile()
    assert list(found[found["kind"] == "shell"]["now"]) == ["never executed", "never executed"]
