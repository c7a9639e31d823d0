"""The files that jobs have made: whole or not at all, none twice, and the key stays with Opus."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from trap_making import books

import opus_nb
from opus_nb.errors import SettingsError
from opus_nb.sandbox import Input, Node, Output, WorkflowDefinition, workflow

Serve = Callable[..., opus_nb.Opus]
BIG = 300_000


def maker() -> WorkflowDefinition:
    """A workflow that makes a report, some pages, and hides a file in an object."""

    @workflow(
        "Maker",
        inputs=[Input("Text")],
        outputs=[
            Output("Report", "file"),
            Output("Pages", "array", item="file"),
            Output("Facts", "object"),
            Output("Link"),
        ],
        nodes=[Node("Write", seconds=0.1)],
    )
    def make(job: Any, text: str) -> dict[str, Any]:
        return {
            "Report": job.save("report.PDF", text.encode() * BIG),
            "Pages": [job.save("p.txt", f"page {number} of {text}") for number in range(2)],
            "Facts": {"deep": [{"file": job.save("deep.json", "{}")}]},
            "Link": "https://example.com/not-a-file",
        }

    return make


def made(serve: Serve, rows: list[str], **options: Any) -> tuple[opus_nb.Opus, opus_nb.run.Run]:
    """A run whose jobs have made files."""
    opus = serve(maker(), **options)
    df = pd.DataFrame({"Text": rows}, index=[f"row/{row}" for row in rows])
    return opus, opus.workflow(maker().id).run(df, progress="off").wait()


def test_all_files_come_with_their_bytes(serve: Serve, tmp_path: Path) -> None:
    """One line per file; names say row and output; the manifest says the same; no address is left half-written."""
    opus, run = made(serve, ["a", "b"])
    found = run.download(tmp_path / "out")
    assert list(found.columns) == ["row", "output", "file_url", "path", "size", "status", "error"]
    assert set(found["status"]) == {"done"}
    assert len(found) == 8
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert "row-a_Report.pdf" in names
    assert "row-b_Pages_2.txt" in names
    assert not [name for name in names if name.endswith(".part")]
    assert (tmp_path / "out" / "row-a_Report.pdf").read_bytes() == b"a" * BIG
    assert found["size"].max() == BIG
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())["files"]
    assert {each["path"] for each in manifest} == set(names) - {"manifest.json"}
    assert books(opus)["key_leaks"] == 0


def test_only_the_rows_and_outputs_that_are_asked_for(serve: Serve, tmp_path: Path) -> None:
    """Unknown ones are refused with what there is."""
    _, run = made(serve, ["a", "b"])
    found = run.download(tmp_path, rows=["row/b"], outputs="Pages")
    assert (list(found["row"]), list(found["output"])) == (["row/b"] * 2, ["Pages"] * 2)
    assert run.download(tmp_path / "none", outputs=["Link"]).empty
    with pytest.raises(SettingsError, match="'Report', 'Pages'"):
        run.download(tmp_path, outputs="Rapport")
    with pytest.raises(SettingsError, match="not in the sheet"):
        run.download(tmp_path, rows=["row/z"])


def test_a_second_call_fetches_only_what_is_missing(serve: Serve, tmp_path: Path) -> None:
    """What is there stays, what was deleted comes again under its old name, and nobody else's file is touched."""
    opus, run = made(serve, ["a"])
    tmp_path.joinpath("row-a_Report.pdf").write_text("mine")
    first = run.download(tmp_path).set_index("output")
    assert first.loc["Report", "path"].endswith("row-a_Report_2.pdf")
    assert tmp_path.joinpath("row-a_Report.pdf").read_text() == "mine"
    calls = books(opus)["calls"]["download"]
    Path(first.loc["Report", "path"]).unlink()
    second = run.download(tmp_path).set_index("output")
    assert list(second["path"]) == list(first["path"])
    assert sorted(second["status"]) == ["done", "kept", "kept", "kept"]
    assert books(opus)["calls"]["download"] == calls + 1


def test_a_broken_download_goes_on_where_it_stopped(serve: Serve, tmp_path: Path) -> None:
    """Cut off half way, the rest is asked for by its range, on a fresh address, and the whole is right."""
    opus, run = made(serve, ["a"])
    opus.sandbox.fault("get", "cut_off", keep=0.5, times=1)
    found = run.download(tmp_path, outputs="Report")
    assert list(found["status"]) == ["done"]
    assert Path(found["path"].iloc[0]).read_bytes() == b"a" * BIG
    assert books(opus)["calls"]["download"] == 2
    assert books(opus)["answers_by_status"].get("206") == 1


def test_what_one_process_began_another_finishes(serve: Serve, tmp_path: Path) -> None:
    """The half that is there is used the next day."""
    opus, run = made(serve, ["a"])
    rule = opus.sandbox.fault("get", "cut_off", keep=0.5)
    found = run.download(tmp_path, outputs="Report")
    assert list(found["status"]) == ["failed"]
    assert found["path"].isna().all()
    assert rule.fired == 4
    opus.sandbox.faults_clear()
    assert list(run.download(tmp_path, outputs="Report")["status"]) == ["done"]
    assert (tmp_path / "row-a_Report.pdf").read_bytes() == b"a" * BIG
    assert sorted(path.name for path in tmp_path.glob("*.part")) == []


def test_an_expired_address_is_asked_for_again(serve: Serve, tmp_path: Path) -> None:
    """A 403 from the store costs one more question."""
    opus, run = made(serve, ["a"])
    opus.sandbox.fault("download", "expired", times=1)
    assert set(run.download(tmp_path, outputs="Report")["status"]) == {"done"}


def test_a_file_that_opus_does_not_have(serve: Serve, tmp_path: Path) -> None:
    """It is missing, in words, and the others come."""
    opus, run = made(serve, ["a"])
    opus.sandbox.fault("download", "error", status=404, message="File not found", times=1)
    found = run.download(tmp_path)
    assert sorted(found["status"]) == ["done", "done", "done", "missing"]
    assert found["error"].dropna().str.contains("File not found").all()


def test_a_size_that_is_not_what_was_promised(serve: Serve, tmp_path: Path) -> None:
    """Nothing is kept under the file's name."""
    opus, run = made(serve, ["a"])
    opus.sandbox.fault("get", "empty")
    found = run.download(tmp_path, outputs="Report")
    assert list(found["status"]) == ["failed"]
    assert "Opus had promised" in found["error"].iloc[0]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["manifest.json"]


def test_a_damaged_or_hostile_manifest_is_not_believed(serve: Serve, tmp_path: Path) -> None:
    """Broken JSON counts as none, and a path that leads elsewhere is not taken."""
    _, run = made(serve, ["a"])
    tmp_path.joinpath("manifest.json").write_text('{"files": [{"file_')
    found = run.download(tmp_path, outputs="Report")
    url = found["file_url"].iloc[0]
    outside = tmp_path / "manifest.json"
    outside.write_text(json.dumps({"files": [{"file_url": url, "path": "../../escape.txt", "size": None}]}))
    again = run.download(tmp_path, outputs="Report")
    assert Path(again["path"].iloc[0]).parent == tmp_path
    assert not (tmp_path.parent.parent / "escape.txt").exists()


def test_a_single_job_gives_its_files_too(serve: Serve, tmp_path: Path) -> None:
    """``opus.job(id).download`` and the folder that cannot be."""
    opus, run = made(serve, ["a"])
    job = opus.job(run.jobs()["job_id"].iloc[0])
    assert len(job.download(tmp_path / "job", outputs="Pages")) == 2
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="cannot be written to"):
        job.download(tmp_path / "file")
