"""Everything a person can get wrong says what, where, what came back, and what to do next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import opus_nb
from opus_nb import errors
from opus_nb.sandbox.workflows import DOSSIER_ID, INACTIVE_ID, NO_INPUTS_ID, NO_SCHEMA_ID

GOOD = pd.DataFrame({"Question": ["why?"], "Documents": ["letter.txt"]})
Act = Callable[[opus_nb.Opus, Path], Any]


def _two_levels() -> pd.DataFrame:
    frame = GOOD.copy()
    frame.columns = pd.MultiIndex.from_tuples([("a", "Question"), ("a", "Documents")])
    return frame


def _twice() -> pd.DataFrame:
    return pd.DataFrame([["a", "b", "letter.txt"]], columns=["Question", "Question", "Documents"])


def _plan(opus: opus_nb.Opus, folder: Path, frame: pd.DataFrame, **options: Any) -> Any:
    return opus.workflow(DOSSIER_ID).plan(frame, files_root=folder, **options)


def _stranger(opus: opus_nb.Opus, folder: Path) -> Any:
    with opus_nb.connect("_no-such-key", base_url=opus.base_url, ledger=folder / "ledger") as stranger:
        return stranger.workflow(DOSSIER_ID)


def _nobody_there(opus: opus_nb.Opus, folder: Path) -> Any:
    # Port 9 of loopback: nothing listens, and the refusal comes at once.
    with opus_nb.connect("_key", base_url="http://127.0.0.1:9", ledger=folder / "ledger") as lonely:
        return lonely.workflow(DOSSIER_ID)


# For each: the class, and the four parts as they stand in the message.
CASES: dict[str, tuple[Act, type[errors.OpusError], str, str, str, str]] = {
    "wrong key": (
        _stranger, errors.ServiceKeyRefused,
        "Reading workflow", f"/workflow/{DOSSIER_ID}", "Invalid or expired API key", "Opus keys have 97 characters",
    ),
    "wrong id": (
        lambda opus, _: opus.workflow("AAAAAAAAAAAAAAAA"), errors.NotFound,
        "Reading workflow", "AAAAAAAAAAAAAAAA", "404", "this key cannot see it",
    ),
    "no id at all": (
        lambda opus, _: opus.workflow("my claims workflow"), errors.SettingsError,
        "not a workflow id", "my claims workflow", "my claims workflow", "the app's address",
    ),
    "inactive workflow": (
        lambda opus, _: opus.workflow(INACTIVE_ID).run(pd.DataFrame({"Text": ["a"]})), errors.WorkflowInactive,
        "not active", INACTIVE_ID, "not active", "activate it in Opus",
    ),
    "schema nowhere": (
        lambda opus, _: opus.workflow(NO_SCHEMA_ID), errors.SchemaNotFound,
        "does not say which inputs it needs", NO_SCHEMA_ID, "found keys", "check that it has an input node",
    ),
    "unknown column": (
        lambda opus, folder: _plan(opus, folder, GOOD, columns={"Notes": "Remakrs"}), errors.MappingError,
        "no column", "columns=", "Remakrs", "\"Question\", \"Documents\"",
    ),
    "unknown input": (
        lambda opus, folder: _plan(opus, folder, GOOD, constants={"Country": "DE"}), errors.MappingError,
        "no input", "constants=", "Country", "The inputs are",
    ),
    "input nobody feeds": (
        lambda opus, folder: _plan(opus, folder, GOOD[["Question"]]).start(), errors.PlanRefused,
        "Nothing was sent", "input 'Documents'", "no column has this name", "plan.issues",
    ),
    "unreadable workbook": (
        lambda opus, folder: opus.workflow(DOSSIER_ID).read(folder / "damaged.xlsx"), errors.SheetUnreadable,
        "cannot be read", "damaged.xlsx", "not a zip file", "save it again as xlsx",
    ),
    "workbook that is not there": (
        lambda opus, folder: opus.workflow(DOSSIER_ID).read(folder / "nowhere.xlsx"), errors.SheetUnreadable,
        "cannot be opened", "nowhere.xlsx", "No such file", "The current folder is",
    ),
    "sheet with no rows": (
        lambda opus, folder: _plan(opus, folder, GOOD.iloc[:0]).start(on_invalid="skip"), errors.PlanRefused,
        "Nothing was sent", "the sheet", "no rows", "plan.issues",
    ),
    "duplicate column names": (
        lambda opus, folder: _plan(opus, folder, _twice()).start(), errors.PlanRefused,
        "Nothing was sent", "column 'Question'", "2 columns are called", "plan.issues",
    ),
    "columns of several levels": (
        lambda opus, folder: _plan(opus, folder, _two_levels()), errors.SheetUnreadable,
        "no plain headers", "first column", "2 levels", "Flatten them",
    ),
    "rows of several levels": (
        lambda opus, folder: _plan(opus, folder, GOOD.set_index([["a"], ["b"]])), errors.SheetUnreadable,
        "index of several levels", "rows", "levels [", "reset_index",
    ),
    "no server": (
        _nobody_there, errors.NeverSent,
        "Reading workflow", "http://127.0.0.1:9", "ConnectError", "Nothing was sent",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_told_in_four_parts(case: str, opus: opus_nb.Opus, tmp_path: Path) -> None:
    """The class says which it is, the message says what, where, what came back and what to do next."""
    act, kind, *parts = CASES[case]
    (tmp_path / "letter.txt").write_text("because")
    (tmp_path / "damaged.xlsx").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(kind) as caught:
        act(opus, tmp_path)
    told = str(caught.value)
    assert [part for part in parts if part not in told] == []
    assert caught.value.next_step
    assert opus.sandbox.books(summary=True)["initiations"] == 0


def test_workflow_without_inputs_has_none_and_runs(opus: opus_nb.Opus) -> None:
    """An empty schema that is right is no error: there is nothing to fill in, and one job per row runs."""
    workflow = opus.workflow(NO_INPUTS_ID)
    run = workflow.run(pd.DataFrame({"Note": ["a", "b"]}), progress="off").wait()
    assert workflow.inputs.empty
    assert run.results()["Number"].tolist() == [42, 42]


def test_all_problems_come_at_once_with_a_fix_for_each(opus: opus_nb.Opus, tmp_path: Path) -> None:
    """A plan names every bad cell, and refuses in one sentence that counts them."""
    frame = pd.DataFrame({"Question": ["", "fine", None], "Documents": ["gone.pdf", "letter.txt", "letter.heic"]})
    for name in ("letter.txt", "letter.heic"):
        (tmp_path / name).write_text("because")
    plan = _plan(opus, tmp_path, frame)
    bad = plan.issues[plan.issues["severity"] == "error"]
    assert bad["row"].tolist() == [0, 0, 2, 2]
    assert bad["fix"].str.len().min() > 0
    with pytest.raises(errors.PlanRefused) as caught:
        plan.start()
    assert len(caught.value.issues) == len(plan.issues)
