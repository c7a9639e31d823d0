"""Traps 1 to 12 of the contract: key, ids, schema, uploads, callbacks, statuses, the shapes of results."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from trap_making import books, by_label, echo, payloads, quicken, reader

import opus_nb
from opus_nb.errors import NotFound, RequestRefused, SchemaNotFound, ServiceKeyRefused
from opus_nb.sandbox import Input, Node, Output, workflow

Serve = Callable[..., opus_nb.Opus]
KEY = "_" + "0123456789abcdef" * 6
TEXTS = pd.DataFrame({"Text": ["a", "b"]})


def run(opus: opus_nb.Opus, df: pd.DataFrame = TEXTS, which: int = 0, **options: Any) -> opus_nb.run.Run:
    """Run a sheet through the sandbox's first workflow, or another, to the end."""
    definition = list(opus.sandbox._state.catalogue)[which].latest.definition
    return opus.workflow(definition.id).run(df, progress="off", **options).wait()


def test_trap_01_key_with_stray_white_space(serve: Serve, tmp_path: Path) -> None:
    """Blanks and line breaks around a pasted key do no harm."""
    box = serve(echo(), service_keys=[KEY]).sandbox
    with opus_nb.connect(f"  {KEY}\r\n", base_url=box.base_url, ledger=tmp_path / "l") as opus:
        assert list(run_as(opus, box).results()["Loud"]) == ["A", "B"]


def run_as(opus: opus_nb.Opus, box: Any) -> opus_nb.run.Run:
    return (
        quicken(opus).workflow(next(iter(box._state.catalogue)).latest.definition.id).run(TEXTS, progress="off").wait()
    )


def test_trap_01_key_without_its_underscore(serve: Serve, tmp_path: Path) -> None:
    """A 401 says that the leading underscore is missing; the key itself is nowhere in what is told."""
    box = serve(echo(), service_keys=[KEY]).sandbox
    lost = KEY[1:]
    with opus_nb.connect(lost, base_url=box.base_url, ledger=tmp_path / "l") as opus:
        with pytest.raises(ServiceKeyRefused, match="underscore") as caught:
            opus.workflow(echo().id)
        assert "Invalid or expired API key" in str(caught.value)
        told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__) + repr(opus)
        assert lost not in told


def test_trap_01_key_broken_over_two_lines(serve: Serve, tmp_path: Path) -> None:
    """A key with a line break inside cannot be sent at all: that is said, and not one letter of it is shown."""
    box = serve(echo(), service_keys=[KEY]).sandbox
    with opus_nb.connect(f"{KEY[:40]}\n{KEY[40:]}", base_url=box.base_url, ledger=tmp_path / "l") as opus:
        with pytest.raises(opus_nb.OpusError, match="white space inside") as caught:
            quicken(opus).workflow(echo().id)
        assert KEY[:20] not in "".join(traceback.format_exception(caught.value))


def test_trap_02_both_kinds_of_ids(serve: Serve) -> None:
    """Sixteen letters and UUIDs both work, also as the address from the browser."""
    opus = serve(echo("v1", id="B9uGJfZ3CFwOdMKH"), echo("v2"))
    assert opus.workflow("https://app.opus.com/app/workflow/B9uGJfZ3CFwOdMKH").generation == "v1"
    assert opus.workflow(f"app.opus.com/app/workflow/{echo('v2').id}?tab=runs").generation == "v2"
    assert dict(run(opus, which=0).counts) == {"completed": 2}


def test_trap_02_an_id_whose_generation_is_gone(serve: Serve) -> None:
    """The 500 for an old id is told once, not repeated, and says where the UUID is."""
    opus = serve(echo("v1", retired=True))
    with pytest.raises(RequestRefused, match="no longer supported") as caught:
        opus.workflow(echo("v1").id)
    assert "UUID" in str(caught.value.next_step)
    assert books(opus)["calls"]["workflow"] == 1


def test_trap_02_an_old_id_refused_at_initiate(serve: Serve) -> None:
    """``workflowId must be a UUID`` fails the row with every message and the way to the UUID."""
    opus = serve(echo())
    opus.sandbox.fault("initiate", "error", status=400, message=["workflowId must be a UUID", "title is odd"])
    errors = run(opus).results()["error"]
    assert errors.str.contains("workflowId must be a UUID; title is odd", regex=False).all()
    assert errors.str.contains("copy its address").all()
    assert books(opus)["executions"] == 0


def test_trap_03_no_payload_schema_is_no_empty_form(serve: Serve) -> None:
    """A graph's inputs are found in its input node; where there is no schema at all, that is an error."""

    @workflow("Nothing to ask", inputs=[], outputs=[Output("Number", "int")])
    def nothing() -> dict[str, Any]:
        return {"Number": 1}

    in_camel_case = echo("cases", id="00000000-0000-4000-8000-00000000000c")
    opus = serve(echo(), echo("v1", hides_schema=True), nothing, in_camel_case)
    for each in (echo(), in_camel_case):
        assert list(opus.workflow(each.id).inputs["display_name"]) == ["Text"]
    with pytest.raises(SchemaNotFound, match="input node"):
        opus.workflow(echo("v1").id)
    assert opus.workflow(nothing.id).inputs.empty


@pytest.mark.parametrize("body", ["null", [], {}, {"workflow_id": "another", "name": "Echo"}], ids=str)
def test_trap_03_an_answer_without_a_schema_names_the_workflow(serve: Serve, body: Any) -> None:
    """Whatever came instead, the error says which workflow was asked for, what was there, and what to do."""
    opus = serve(echo())
    opus.sandbox.fault("workflow", "error", status=200, body=body)
    with pytest.raises(SchemaNotFound) as caught:
        opus.workflow(echo().id)
    assert caught.value.where == ("another, Echo" if isinstance(body, dict) and body else echo().id)
    assert "found " in str(caught.value.came_back)
    assert "input node" in str(caught.value.next_step)


def test_trap_04_types_as_a_list(serve: Serve) -> None:
    """The first of ``allowed_types`` is the type, and a value of another one goes under that other word."""

    @workflow("Several", inputs=[Input("Amount", "float", also=("str",))], outputs=[Output("Seen")])
    def several(amount: Any) -> dict[str, Any]:
        return {"Seen": repr(amount)}

    opus = serve(several)
    assert list(opus.workflow(several.id).inputs["type"]) == ["float"]
    run(opus, pd.DataFrame({"Amount": [2.5]}))
    run(opus, pd.DataFrame({"Amount": ["about two"]}), name="words")
    assert [entry["Amount"]["type"] for entry in (by_label(opus, 0), by_label(opus, 1))] == ["float", "str"]


def test_trap_05_types_travel_under_the_schemas_own_words(serve: Serve) -> None:
    """``json_string`` stays one, an array brings its ``typeDefinition``, each type is a bare word."""

    @workflow(
        "Typed",
        inputs=[
            Input("Settings", "json_string"),
            Input("Names", "array", item="str"),
            Input("Contact", "object", fields=[Input("Email")]),
        ],
        outputs=[Output("Seen", "int")],
    )
    def typed(settings: Any, names: Any, contact: Any) -> dict[str, Any]:
        return {"Seen": len(settings) + len(names) + len(contact)}

    opus = serve(typed)
    df = pd.DataFrame({"Settings": ['{"a": 1}'], "Names": [["x", "y"]], "Contact": [{"email": "a@b.example"}]})
    assert list(run(opus, df).results()["Seen"]) == [4]
    seen = by_label(opus)
    assert {name: entry["type"] for name, entry in seen.items()} == {
        "Settings": "json_string",
        "Names": "array",
        "Contact": "object",
    }
    assert seen["Settings"]["value"] == '{"a": 1}'
    assert "typeDefinition" not in seen["Settings"]
    assert seen["Names"]["typeDefinition"]["allowed_types"][0]["type"] == "str"
    assert [each["display_name"] for each in seen["Contact"]["typeDefinition"].values()] == ["Email"]
    assert not any("type_definition" in entry for entry in seen.values())


def test_trap_05_a_silent_failure_at_once_hints_at_types(serve: Serve) -> None:
    """An author edits the workflow under a run: the job fails at its input without a word, and there is a hint."""
    opus = serve(echo())

    @workflow("Echo", inputs=[Input("Text", "int", name=next(iter(echo().inputs_by_name)))], outputs=[Output("Loud")])
    def edited(text: int) -> dict[str, Any]:
        return {"Loud": str(text)}

    class Author:
        def observe(self, event: Any) -> None:
            if event.state.value == "initiating":
                opus.sandbox.publish(edited)

    done = opus.workflow(echo().id).run(TEXTS[:1], progress=Author()).wait()
    error = done.results()["error"].iloc[0]
    assert "at node 'Input'" in error
    assert "a value's type is not what its input expects" in error


@pytest.mark.parametrize("signed", ["host", "content-type;host"])
def test_trap_06_content_type_on_put(serve: Serve, tmp_path: Path, signed: str) -> None:
    """The PUT sends a Content-Type exactly when the address's signature lists it; the key never goes there."""
    (tmp_path / "a.txt").write_text("four words are here")
    opus = serve(reader(), signed_headers=signed)
    assert list(run(opus, pd.DataFrame({"Letter": [str(tmp_path / "a.txt")]})).results()["Words"]) == [4]
    assert books(opus)["calls"]["put"] == 1
    assert books(opus)["key_leaks"] == 0


@pytest.mark.parametrize(("policy", "signed"), [("forbidden", "content-type;host"), ("required", "host")])
def test_trap_06_a_store_that_contradicts_its_signature(serve: Serve, tmp_path: Path, policy: str, signed: str) -> None:
    """After a 403 one more try is made the other way, on a fresh address."""
    (tmp_path / "a.txt").write_text("four words are here")
    opus = serve(reader(), content_type=policy, signed_headers=signed)
    assert dict(run(opus, pd.DataFrame({"Letter": [str(tmp_path / "a.txt")]})).counts) == {"completed": 1}
    assert (books(opus)["calls"]["upload"], books(opus)["calls"]["put"]) == (2, 2)


def test_trap_06_an_address_that_has_expired(serve: Serve, tmp_path: Path) -> None:
    """A 403 because the address was too old is mended by a fresh one as well."""
    (tmp_path / "a.txt").write_text("four words are here")
    opus = serve(reader(), content_type="any")
    opus.sandbox.fault("upload", "expired", times=1)
    assert dict(run(opus, pd.DataFrame({"Letter": [str(tmp_path / "a.txt")]})).counts) == {"completed": 1}


def test_trap_07_files_go_to_the_workflows_own_workspace(serve: Serve, tmp_path: Path) -> None:
    """A workflow of another workspace opens what was uploaded for it."""
    (tmp_path / "a.txt").write_text("four words are here")
    opus = serve(reader(workspace="00000000-0000-4000-8000-00000000000a"))
    assert list(run(opus, pd.DataFrame({"Letter": [str(tmp_path / "a.txt")]})).results()["Words"]) == [4]


def test_trap_08_no_callback_url_unless_the_server_insists(serve: Serve) -> None:
    """Left out at first; after the 400 that names it, sent, and from then on at once."""
    opus = serve(echo(insists_on_callback=True))
    assert dict(run(opus, pd.DataFrame({"Text": list("abcd")}), max_concurrency=1).counts) == {"completed": 4}
    assert books(opus)["answers_by_status"]["400"] == 1
    assert books(opus)["executions"] == 4
    polite = serve(echo())
    run(polite)
    sent = [job.request for job in polite.sandbox._state.jobs]
    assert [b"jobPayloadSchemaInstance" in each for each in sent] == [True, True]
    assert not any(b"callbackUrl" in each for each in sent)


ENDS = {
    "COMPLETED": "completed", "completed": "completed", "FAILED": "failed", "failed": "failed", "ERROR": "failed",
    "CANCELLED": "cancelled", "CANCELED": "cancelled", "STOPPED": "cancelled", "stopped": "cancelled",
    "TIMED_OUT": "timed_out", "timed out": "timed_out", "timed-out": "timed_out",
}  # fmt: skip


def test_trap_09_every_word_for_an_end(serve: Serve) -> None:
    """Each end is met in each spelling, none polls for ever, and the word is kept letter for letter."""
    opus = serve(echo())
    for word in ENDS:
        opus.sandbox.fault("execute", "script", seconds=0.01, end=word, title=f"{word} *")
        opus.sandbox.fault("status", "word", word=word, title=f"{word} *", skip_first=1)
    jobs = run(opus, pd.DataFrame({"Text": list(ENDS)}), title="{Text}").jobs()
    assert dict(zip(ENDS, jobs["state"], strict=True)) == ENDS
    assert list(jobs["word"]) == list(ENDS)


def test_trap_09_words_that_nobody_knows_are_no_end(serve: Serve) -> None:
    """UNKNOWN and a new word keep a row running, with the word to be seen, until a known end comes."""
    opus = serve(echo())
    opus.sandbox.fault("status", "word", word="UNKNOWN", times=2)
    opus.sandbox.fault("status", "word", word="REVIEWING", times=3)
    seen: set[str | None] = set()

    class Ear:
        def observe(self, event: Any) -> None:
            seen.add(event.word)

    done = opus.workflow(echo().id).run(TEXTS[:1], progress=Ear()).wait()
    assert dict(done.counts) == {"completed": 1}
    assert {"UNKNOWN", "REVIEWING"} <= seen


def test_trap_10_waiting_for_hours_is_no_failure(serve: Serve) -> None:
    """A job at a person's desk is waiting, also when our own patience ends; later it is picked up and completes."""

    @workflow(
        "Desk", inputs=[Input("Text")], outputs=[Output("Said")], nodes=[Node("Boss", seconds=math.inf, person=True)]
    )
    def desk(job: Any, text: str) -> dict[str, Any]:
        return {"Said": job.person("Boss")}

    opus = serve(desk)
    first = opus.workflow(desk.id).run(TEXTS[:1], name="desk", progress="off").wait()
    assert dict(first.counts) == {"waiting": 1}
    assert first.wait(for_people=True, timeout_s=0.2).counts["waiting"] == 1
    job_id = first.jobs()["job_id"].iloc[0]
    assert first.results()["error"].isna().all()
    first.let_go()
    opus.sandbox.advance(7200)
    again = opus.open_run("desk", progress="off")
    opus.sandbox.answer(job_id, "yes")
    assert list(again.wait(for_people=True).results()["Said"]) == ["yes"]
    assert books(opus)["executions"] == 1


def test_trap_10_our_own_patience_is_no_failure(serve: Serve) -> None:
    """A time limit here says something about us: the row stays running, keeps its id, and completes later."""
    opus = serve(echo(nodes=[Node("Shout", seconds=80)]))
    done = run(opus, TEXTS[:1], patience_s=0.15)
    job = done.jobs().iloc[0]
    assert (job["state"], job["job_id"] is not pd.NA, pd.isna(job["error"])) == ("running", True, True)
    assert "not at its end after 0.15 s" in job["note"]
    assert dict(done.wait(for_people=True).counts) == {"completed": 1}
    assert list(done.jobs()["job_id"]) == [job["job_id"]]
    assert books(opus)["executions"] == 1


def test_trap_11_any_2xx_counts_and_202_means_not_yet(serve: Serve) -> None:
    """The 201 of initiate and execute keep their ids, and results that answer 202 are asked for again."""
    opus = serve(echo())
    opus.sandbox.fault("results", "error", status=202, body={}, times=3)
    assert list(run(opus).results()["Loud"]) == ["A", "B"]
    assert books(opus)["calls"]["results"] == 5


SHAPES = ["schema", "free", "list", "nested", "data", "top_data", "bare", "fenced", "flat"]


@pytest.mark.parametrize("shape", SHAPES)
def test_trap_12_results_in_every_shape(serve: Serve, shape: str) -> None:
    """Whatever is wrapped around them, the outputs are columns under their labels."""

    @workflow(
        "Shaped", inputs=[Input("Text")], outputs=[Output("Loud"), Output("Facts", "object")], results_shape=shape
    )
    def shaped(text: str) -> dict[str, Any]:
        return {"Loud": text.upper(), "Facts": {"length": len(text), "kept": True}}

    opus = serve(shaped)
    results = run(opus, pd.DataFrame({"Text": ["abc"]})).results()
    facts = ["Facts.length", "Facts.kept"] if shape == "free" else ["Facts"]
    assert list(results.columns[3:]) == ["Loud", *facts]
    assert results["Facts.length"].iloc[0] == 3 if shape == "free" else results["Facts"].iloc[0]["length"] == 3
    assert "ABC" in results["Loud"].iloc[0]


def test_unknown_ids_stay_unknown(serve: Serve) -> None:
    """A UUID that nobody knows costs one question more, an old id none."""
    opus = serve(echo())
    for word, calls in (("AAAAAAAAAAAAAAAA", 1), ("00000000-0000-4000-8000-000000000000", 3)):
        with pytest.raises(NotFound):
            opus.workflow(word)
        assert books(opus)["calls"]["workflow"] == calls
    assert payloads(opus) == []
