"""One sheet through each of the three generations: the same calls, the same frames, found by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from trap_making import bodies, books, echo, quicken

import opus_nb
from opus_nb.errors import NotFound
from opus_nb.sandbox import Input, Node, Output, WorkflowDefinition, workflow

Serve = Callable[..., opus_nb.Opus]
GENERATIONS = ("v1", "v2", "cases")


def letters(generation: str) -> WorkflowDefinition:
    """The same workflow as each generation would have it."""

    @workflow(
        "Letters",
        inputs=[Input("Letter", "file"), Input("Limit", "int"), Input("Tags", "array", item="str", required=False)],
        outputs=[Output("Words", "int"), Output("Tags", "array")],
        nodes=[Node("Count", seconds=0.4)],
        spread=0.0,
        generation=generation,
    )
    def count(letter: Any, limit: int, tags: Any) -> dict[str, Any]:
        if limit < 0:
            raise ValueError("no such limit")
        return {"Words": min(limit, len(letter.words())), "Tags": tags or []}

    return count


def through(serve: Serve, generation: str, folder: Path, **options: Any) -> tuple[opus_nb.Opus, opus_nb.run.Run]:
    """Run the sheet through one generation."""
    (folder / "a.txt").write_text("four words are here")
    df = pd.DataFrame(
        {"Letter": ["a.txt"] * 3, "Limit": [10, 2, -1], "Tags": [["x"], None, None]}, index=["p", "q", "r"]
    )
    opus = serve(letters(generation), **options)
    wf = opus.workflow(letters(generation).id)
    assert wf.generation == generation
    assert generation in wf._repr_html_()
    return opus, wf.run(df, files_root=folder, progress="off").wait()


def test_the_same_sheet_gives_the_same_frames(serve: Serve, tmp_path: Path) -> None:
    """Results agree to the last dtype, audits name the same nodes, a failure is a row in each."""
    runs = {generation: through(serve, generation, tmp_path)[1] for generation in GENERATIONS}
    frames = {name: run.results().drop(columns=["job_id", "error"]) for name, run in runs.items()}
    assert list(frames["v1"]["Words"].fillna(-9)) == [4, 2, -9]
    assert list(frames["v1"]["state"]) == ["completed", "completed", "failed"]
    assert_frame_equal(frames["v1"], frames["v2"])
    assert_frame_equal(frames["v2"], frames["cases"])
    for run in runs.values():
        assert list(run.results().index) == ["p", "q", "r"]
        assert "Count" in set(run.audit()["event"])
        assert run.results()["error"].notna().tolist() == [False, False, True]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_found_by_itself_with_one_question_more_at_most(serve: Serve, generation: str) -> None:
    """The job routes are asked first; only a UUID that they do not know costs one more, and none the next time."""
    opus = serve(echo(generation))
    for expected in (2, 3) if generation == "cases" else (1, 2):
        assert opus.workflow(echo(generation).id).generation == generation
        assert books(opus)["calls"]["workflow"] == expected


def test_api_forces_the_family(serve: Serve, tmp_path: Path) -> None:
    """``"cases"`` speaks to the case routes although the others would answer; ``"jobs"`` never asks them."""
    only_a_case = "00000000-0000-4000-8000-00000000000c"
    box = serve(echo(), echo("cases", id=only_a_case)).sandbox
    with opus_nb.connect("sandbox", base_url=box.base_url, api="cases", ledger=tmp_path / "c") as opus:
        wf = quicken(opus).workflow(echo().id)
        assert wf.generation == "cases"
        assert dict(wf.run(pd.DataFrame({"Text": ["a"]}), progress="off").wait().counts) == {"completed": 1}
        assert set(box.books()["calls_by_family"]) == {"cases"}
    with (
        opus_nb.connect("sandbox", base_url=box.base_url, api="jobs", ledger=tmp_path / "j") as opus,
        pytest.raises(NotFound),
    ):
        opus.workflow(only_a_case)
    assert box.books()["calls_by_family"]["jobs"] == 1


def test_the_case_familys_own_base_address(serve: Serve, tmp_path: Path) -> None:
    """The documented base with ``/api/v1`` is taken for what it means."""
    box = serve(echo("cases")).sandbox
    with opus_nb.connect("sandbox", base_url=f"{box.base_url}/api/v1/", ledger=tmp_path / "c") as opus:
        assert opus.base_url == box.base_url
        assert opus.workflow(echo("cases").id).generation == "cases"


def test_a_run_of_cases_is_opened_as_one(serve: Serve, tmp_path: Path) -> None:
    """The ledger remembers the family; the payload went where cases want it."""
    opus, run = through(serve, "cases", tmp_path)
    assert all("payload" in body for body in bodies(opus))
    again = opus.open_run(run.name, progress="off")
    assert list(again.jobs()["job_id"]) == list(run.jobs()["job_id"])
    # The first question after the workflow, and the PUT, which belongs to no family.
    assert books(opus)["calls_by_family"]["jobs"] == 2
