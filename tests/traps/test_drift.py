"""The drift guard: what an author edits under a plan or a run, and when it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest
from trap_making import books, payloads, shells

import opus_nb
from opus_nb.drift_guard import identity_names
from opus_nb.errors import SchemaChanged
from opus_nb.sandbox import Input, Node, Output, WorkflowDefinition, workflow
from opus_nb.service.schema import read_fields

Serve = Callable[..., opus_nb.Opus]
SHEET = pd.DataFrame({"Text": ["a", "b", "c"], "Note": ["x", "y", "z"]})
TEXT = Input("Text", name="workflow_input_text00000")
NOTE = Input("Note", name="workflow_input_note00000", required=False)


def version(*inputs: Input, seconds: float = 0.3) -> WorkflowDefinition:
    """One version of the workflow that is edited here; it repeats what it was given."""

    @workflow("Edited", inputs=inputs, outputs=[Output("Seen")], nodes=[Node("Look", seconds=seconds)], spread=0.0)
    def seen(**values: Any) -> dict[str, Any]:
        return {"Seen": ",".join(str(value) for value in values.values())}

    return seen


def prepare(serve: Serve, *inputs: Input, columns: Sequence[str] = ("Text", "Note")) -> tuple[opus_nb.Opus, Any]:
    """Serve the first version, and plan a sheet for it."""
    opus = serve(version(*inputs))
    return opus, opus.workflow(version().id).plan(SHEET[list(columns)])


HARMLESS = {
    "an optional input more": [TEXT, NOTE, Input("Mood", required=False)],
    "a better label": [Input("Text of the letter", name=TEXT.name), NOTE],
    "a new variable name": [Input("Text", name="workflow_input_textnew00"), NOTE],
    "required, and always fed": [TEXT, Input("Note", name=NOTE.name)],
    "one type more": [Input("Text", name=TEXT.name, also=("float",)), NOTE],
}
HARMFUL = {
    "a required input more": ([TEXT, NOTE, Input("Mood")], "added"),
    "a fed input gone": ([TEXT], "removed"),
    "another type": ([Input("Text", "float", name=TEXT.name), NOTE], "type"),
    "fewer choices": ([Input("Text", name=TEXT.name, options=["a"]), NOTE], "options"),
    "labels that changed places": ([Input("Note", name=TEXT.name), Input("Text", name=NOTE.name)], "label"),
}


@pytest.mark.parametrize("edit", HARMLESS)
def test_what_does_not_matter_is_told_and_let_pass(serve: Serve, edit: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The rows run, the difference is on the screen, typed."""
    opus, plan = prepare(serve, TEXT, NOTE)
    opus.sandbox.publish(version(*HARMLESS[edit]))
    run = plan.start(progress="off").wait()
    assert dict(run.counts) == {"completed": 3}
    assert run.results()["Seen"].str.startswith(("a,x", "b,y", "c,z")).all()
    said = capsys.readouterr().err
    assert "was changed since the sheet was checked" in said


@pytest.mark.parametrize("edit", HARMFUL)
def test_what_matters_is_refused_with_the_difference(serve: Serve, edit: str) -> None:
    """Nothing is sent, and ``.changes`` names what it was."""
    opus, plan = prepare(serve, TEXT, NOTE)
    inputs, kind = HARMFUL[edit]
    opus.sandbox.publish(version(*inputs))
    with pytest.raises(SchemaChanged) as caught:
        plan.start(progress="off")
    assert kind in {each.change for each in caught.value.changes}
    assert f"  {kind}: " in str(caught.value)
    assert books(opus)["initiations"] == 0
    assert opus.runs().empty


def test_an_input_that_was_never_fed_may_go(serve: Serve) -> None:
    """Nobody misses it."""
    opus, plan = prepare(serve, TEXT, NOTE, columns=["Text"])
    opus.sandbox.publish(version(TEXT))
    assert dict(plan.start(progress="off").wait().counts) == {"completed": 3}


def test_required_now_and_sometimes_empty_is_refused(serve: Serve) -> None:
    """One empty cell is enough."""
    opus = serve(version(TEXT, NOTE))
    plan = opus.workflow(version().id).plan(SHEET.assign(Note=["x", None, "z"]))
    opus.sandbox.publish(version(TEXT, Input("Note", name=NOTE.name)))
    with pytest.raises(SchemaChanged, match="now required"):
        plan.start(progress="off")


def test_one_look_per_start(serve: Serve) -> None:
    """A start asks for the workflow once, however many rows there are."""
    opus, plan = prepare(serve, TEXT, NOTE)
    before = books(opus)["calls"]["workflow"]
    plan.start(progress="off").wait()
    assert books(opus)["calls"]["workflow"] == before + 1


def half_done(serve: Serve) -> opus_nb.Opus:
    """A run that was let go while rows were left."""
    opus = serve(version(TEXT, NOTE, seconds=20))
    run = opus.workflow(version().id).run(SHEET, name="half", progress="off", max_concurrency=1)
    while books(opus)["executions"] < 1:
        run.wait(timeout_s=0.02)
    run.let_go()
    assert run.counts.get("queued", 0) >= 1
    return opus


def test_an_opened_run_goes_on_under_the_new_names(serve: Serve) -> None:
    """Rows that were not sent get the new variable names, shells of the old version are left, nothing is paid twice."""
    opus = half_done(serve)
    new = Input("Text", name="workflow_input_textnew00")
    opus.sandbox.publish(version(new, NOTE))
    run = opus.open_run("half", progress="off").wait()
    assert dict(run.counts) == {"completed": 3}
    assert list(run.results()["Seen"]) == ["a,x", "b,y", "c,z"]
    assert set(books(opus)["executions_by_job"].values()) == {1}
    assert books(opus)["executions"] == 3
    assert new.name in payloads(opus)[-1]
    again = opus.workflow(version().id).run(SHEET, name="half", progress="off").wait()
    assert books(opus)["executions"] == 3
    assert list(again.jobs()["job_id"]) == list(run.jobs()["job_id"])


def test_an_opened_run_refuses_what_changed_its_meaning(serve: Serve) -> None:
    """``open_run`` raises with the difference; without carrying on it opens, watches, and starts nothing."""
    opus = half_done(serve)
    executions = books(opus)["executions"]
    opus.sandbox.publish(version(Input("Text", "float", name=TEXT.name), NOTE))
    with pytest.raises(SchemaChanged, match="type:"):
        opus.open_run("half", progress="off")
    run = opus.open_run("half", progress="off", carry_on=False).wait()
    assert books(opus)["executions"] == executions
    assert run.counts["completed"] == executions
    assert run.counts["queued"] == 3 - executions
    with pytest.raises(SchemaChanged):
        run.resume()


def test_retry_looks_first(serve: Serve) -> None:
    """Failed rows are sent again under the new name, or refused and left as they are."""
    opus, plan = prepare(serve, TEXT, NOTE)
    opus.sandbox.fault("execute", "script", seconds=0.05, end="FAILED", times=1)
    run = plan.start(progress="off").wait()
    opus.sandbox.publish(version(Input("Text", "float", name=TEXT.name), NOTE))
    with pytest.raises(SchemaChanged):
        run.retry()
    assert dict(run.counts) == {"completed": 2, "failed": 1}
    opus.sandbox.publish(version(Input("Text", name="workflow_input_textnew00"), NOTE))
    assert dict(run.retry().wait().counts) == {"completed": 3}
    assert books(opus)["executions"] == 4
    assert "workflow_input_textnew00" in payloads(opus)[-1]


def test_a_finished_run_asks_nothing(serve: Serve) -> None:
    """Whatever its author did to the workflow, its frames need no server."""
    opus, plan = prepare(serve, TEXT, NOTE)
    plan.start(name="done", progress="off").wait()
    opus.sandbox.publish(version(Input("Other", "float")))
    before = books(opus)["requests"]
    assert len(opus.open_run("done", progress="off").wait().results()) == 3
    assert books(opus)["requests"] == before


def test_a_better_label_buys_nothing_again(serve: Serve) -> None:
    """The identity of a row keeps the name that it had when it was bought."""
    opus, plan = prepare(serve, TEXT, NOTE)
    plan.start(name="label", progress="off").wait()
    opus.sandbox.publish(version(Input("Text of the letter", name=TEXT.name), NOTE))
    wf = opus.workflow(version().id)
    run = wf.run(SHEET, columns={"Text of the letter": "Text"}, name="label", progress="off").wait()
    assert dict(run.counts) == {"completed": 3}
    assert books(opus)["executions"] == 3
    assert len(shells(opus)) == 3


def test_labels_that_changed_places_take_their_identity_along() -> None:
    """The value that stood under a label still does."""
    before = read_fields({"a": {"display_name": "Net", "type": "str"}, "b": {"display_name": "Gross", "type": "str"}})
    after = read_fields({"a": {"display_name": "Gross", "type": "str"}, "b": {"display_name": "Net", "type": "str"}})
    assert identity_names(before) == {"a": "Net", "b": "Gross"}
    assert identity_names(after, before=before, names=identity_names(before)) == {"a": "Gross", "b": "Net"}
