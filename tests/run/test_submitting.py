"""One job without a sheet: what is wrong with what was given is told without a word about sheets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import opus_nb
from opus_nb.errors import MappingError, PlanRefused
from opus_nb.sandbox import Input, Output, workflow


@workflow(
    "One of each",
    inputs=[
        Input("Claim text"),
        Input("Count", "int"),
        Input("Day", "date", required=False),
        Input("Rate", "float", required=False),
        Input("Sure", "bool", required=False),
        Input("Letter", "file", allowed=["PDF"], required=False),
        Input("Pages", "array", item="file", required=False),
        Input("Contact", "object", fields=[Input("Email")], required=False),
        Input("Kind", options=["a", "b"], required=False),
        Input("Note", required=False, name="note_1"),
        Input("Note", required=False, name="note_2"),
    ],
    outputs=[Output("Said")],
    seconds=0.1,
    quick=True,
)
def one_of_each(**values: Any) -> dict[str, Any]:
    """Say how much came."""
    return {"Said": str(len([each for each in values.values() if each is not None]))}


@pytest.fixture(scope="module")
def wf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[opus_nb.Workflow]:
    with opus_nb.sandbox([one_of_each], time_scale=0.01, ledger=tmp_path_factory.mktemp("ledger")) as opus:
        yield opus.workflow(one_of_each.id)


GOOD = {"claim_text": "broken", "count": 2}
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "required and left out": ({"count": 2}, "Claim text: it is required and was not given", "claim_text=..."),
    "required and empty": ({**GOOD, "count": None}, "Count: it is required, and empty", "count=..."),
    "no number": ({**GOOD, "count": "three"}, "Count: 'three' is no number", "digits"),
    "two readings of a day": ({**GOOD, "day": "01/02/2025"}, "1 February 2025 or 2 January 2025", "datetime.date"),
    "a day that is none": ({**GOOD, "day": "soon"}, "Day: 'soon'", "date"),
    "neither yes nor no": ({**GOOD, "sure": "maybe"}, "neither yes nor no", "yes or no"),
    "no such file": ({**GOOD, "letter": "nowhere.pdf"}, "nowhere.pdf does not exist", "files_root="),
    "another kind of file": ({**GOOD, "letter": __file__}, "'.py' is not accepted here (PDF)", "another file"),
    "no such option": ({**GOOD, "kind": "c"}, "not among the options", "Choose one of"),
    "no path at all": ({**GOOD, "pages": []}, "The list of files is empty", "Give a list of paths"),
    "bytes": ({**GOOD, "claim_text": b"x"}, "Claim text", "Give"),
    "infinite": ({**GOOD, "rate": float("inf")}, "Rate", "Give"),
    "no object": ({**GOOD, "contact": "me"}, "no JSON object", "Give a dict"),
}
SHEETS = re.compile(r"\b(cells?|columns?(?! \d)|sheet|row)\b|\b(columns|constants|dates|decimal)=|df\[", re.IGNORECASE)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_of_inputs(wf: opus_nb.Workflow, case: str) -> None:
    """The input by its label, what is wrong, what to give instead; the table of findings says the same."""
    given, problem, fix = WRONG[case]
    with pytest.raises(PlanRefused, match="Nothing was sent") as caught:
        wf.submit(**given, progress="off")
    said = str(caught.value)
    assert problem in said
    assert fix in said
    assert not SHEETS.search(said), said
    assert caught.value.where == "workflow 'One of each'"
    issues = caught.value.issues
    assert issues[["row", "column"]].isna().all(axis=None)
    errors = issues[issues["severity"] == "error"]
    assert len(errors) >= 1
    assert not [each for each in errors["problem"] if SHEETS.search(each)]


def test_everything_that_is_wrong_comes_at_once(wf: opus_nb.Workflow) -> None:
    """A line for each input."""
    with pytest.raises(PlanRefused) as caught:
        wf.submit(count="x", sure="maybe", kind="c", progress="off")
    lines = [line for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert [line.split(":")[0].strip() for line in lines] == ["Claim text", "Count", "Sure", "Kind"]


@pytest.mark.parametrize(
    ("name", "next_step"), [("kount", "Did you mean 'Count'"), ("titel", "Did you mean 'title'"), ("zzz", "wf.inputs")]
)
def test_an_input_that_there_is_not(wf: opus_nb.Workflow, name: str, next_step: str) -> None:
    """Says which there are, and what may be meant, options included."""
    with pytest.raises(MappingError, match=rf"wf\.submit\({name}=\.\.\.\).*'Claim text', 'Count'") as caught:
        wf.submit(**GOOD, **{name: 1})
    assert next_step in str(caught.value)


def test_two_inputs_of_one_label(wf: opus_nb.Workflow) -> None:
    """The variable names tell them apart."""
    with pytest.raises(MappingError, match="note_1, note_2"):
        wf.submit(**GOOD, note="x")


def test_templates_name_inputs(wf: opus_nb.Workflow) -> None:
    """``{Count}`` is what was given for it; one that was not given is told as such."""
    job = wf.submit(
        **GOOD, title="Claim of {Count}: {Claim text}", initial_input={"n": "{Count}"}, progress="off"
    ).wait()
    assert job.outputs == {"Said": "2"}
    assert str(job.run.jobs()["title"].iloc[0]).startswith("Claim of 2: broken")
    with pytest.raises(MappingError, match=r"title= names an input that was not given \(\{Rate\}\)") as caught:
        wf.submit(**GOOD, title="{Rate}", progress="off")
    assert "'Claim text', 'Count'" in str(caught.value)


def test_the_path_of_a_file_begins_where_it_is_said(wf: opus_nb.Workflow, tmp_path: Path) -> None:
    """``files_root`` counts, and one that is no folder is told."""
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4 and so on")
    assert wf.submit(**GOOD, letter="a.pdf", files_root=tmp_path, progress="off").wait().outputs == {"Said": "3"}
    with pytest.raises(PlanRefused, match="files_root= is no folder"):
        wf.submit(**GOOD, letter="a.pdf", files_root=tmp_path / "none", progress="off")
