"""The sample workbook and its documents: real, repeatable, and bad where they say so."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

import opus_nb
from opus_nb.sandbox.samples import MISTAKES, write_samples
from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID

FOUND_AS = {
    "missing file": "file_missing",
    "text in a number": "not_a_number",
    "unknown option": "not_an_option",
    "empty cell": "missing",
    "ambiguous date": "ambiguous_date",
    "wrong kind of file": "file_kind",
    "broken formula": "cell_error",
    "file too large": "file_too_large",
}


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    """The workbook and every document come out alike, so that a run knows its rows again."""
    one, two = (write_samples(tmp_path / name, rows=20, seed=3).parent for name in ("one", "two"))
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(files) > 30
    assert [path for path in files if (one / path).read_bytes() != (two / path).read_bytes()] == []


def test_another_seed_gives_other_claims(tmp_path: Path) -> None:
    """The seed is not decoration."""
    one, two = (write_samples(tmp_path / str(seed), rows=9, seed=seed) for seed in (1, 2))
    assert one.read_bytes() != two.read_bytes()


@pytest.mark.parametrize("rows", [1, 9, 40])
def test_sheet_has_the_rows_that_were_asked_for(rows: int, tmp_path: Path, opus: opus_nb.Opus) -> None:
    """Any number from one on, and text that looks like a number stays text."""
    sheet = opus.workflow(CLAIM_TRIAGE_ID).read(write_samples(tmp_path / "in", rows=rows))
    assert len(sheet) == rows
    assert sheet["Claim  Reference "].str.startswith("00").all()


def test_no_rows_are_refused(tmp_path: Path) -> None:
    """A sheet without rows would be no sample."""
    with pytest.raises(ValueError, match="at least 1"):
        write_samples(tmp_path, rows=0)


def test_every_mistake_is_found_once_and_nothing_else(tmp_path: Path, opus: opus_nb.Opus) -> None:
    """The full sheet has each mistake in one row, and the plan finds exactly these."""
    workflow = opus.workflow(CLAIM_TRIAGE_ID)
    plan = workflow.plan(workflow.read(write_samples(tmp_path / "in")))
    bad = plan.issues[plan.issues["severity"] == "error"]
    assert bad["code"].tolist() == [FOUND_AS[mistake] for mistake in MISTAKES]
    assert (len(plan), plan.ready) == (72, 64)


def test_documents_are_what_their_names_say(tmp_path: Path, opus: opus_nb.Opus) -> None:
    """The sandbox reads the reference in every form, the pixels of pictures and the sums of receipts."""
    workflow = opus.workflow(CLAIM_TRIAGE_ID)
    workbook = write_samples(tmp_path / "in")
    assert {path.suffix for path in (tmp_path / "in" / "files").iterdir()} == {".pdf", ".docx", ".txt", ".png", ".csv"}
    docx = next((tmp_path / "in" / "files").glob("*.docx"))
    assert zipfile.ZipFile(docx).testzip() is None
    run = workflow.run(workflow.read(workbook), on_invalid="skip", progress="off").wait()
    results = run.results()
    done = results[results["state"] == "completed"]
    assert done["Extracted"].map(lambda told: told["mentions_reference"]).all()
    evidence = done["Breakdown"].map(lambda told: told["evidence"])
    assert evidence.map(lambda each: each["pixels"]).max() > 0
    assert evidence.map(lambda each: each["receipts_total"]).max() > 0
    assert set(done["Decision"]) == {"settled", "referred", "rejected"}


def test_the_large_file_takes_no_room(tmp_path: Path) -> None:
    """The picture of more than 10 MB is a hole: it has the size, and hardly any blocks."""
    write_samples(tmp_path / "in")
    (large,) = (tmp_path / "in" / "files").glob("*full-size.png")
    assert large.stat().st_size > 10 * 1024 * 1024
    assert large.stat().st_blocks * 512 < 1024 * 1024
