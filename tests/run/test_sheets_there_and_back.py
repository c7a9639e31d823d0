"""Workbooks there and back: planned, marked, mended with another program, planned again; only mended rows run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.styles import Font, PatternFill

import opus_nb
from opus_nb.errors import PlanRefused, SettingsError

RED = "FFF4B6B6"


def executed(opus: opus_nb.Opus) -> int:
    """How many executions the server has seen."""
    return int(opus.sandbox.books(summary=True)["executions"])


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    """Write a workbook of six rows as people make them: a title, formats, a formula, relative paths, two bad cells."""
    book: Any = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Q4 claims"
    sheet.append(["Open claims"])
    sheet.append(["Question", "Documents", "Letters"])
    for number in range(6):
        (tmp_path / f"letter {number}.txt").write_text(f"Dear reader {number}")
        sheet.append([f"Why {number}?", f"letter {number}.txt", f"=LEN(A{number + 3})"])
    for cell in sheet[2]:
        cell.font, cell.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", fgColor="305496")
    sheet["A5"] = None
    sheet["B7"] = "leter 4.txt"
    sheet["A4"].number_format = "@"
    book.save(tmp_path / "claims.xlsx")
    return tmp_path / "claims.xlsx"


def red_cells(path: Path) -> list[str]:
    """Return the addresses of all red cells of the first sheet."""
    sheet = openpyxl.load_workbook(path).worksheets[0]
    return [cell.coordinate for row in sheet for cell in row if cell.fill.fgColor.rgb == RED]


def mend(path: Path, cells: dict[str, Any]) -> None:
    """Write into cells of the first sheet, as a person would."""
    book = openpyxl.load_workbook(path)
    for address, value in cells.items():
        book.worksheets[0][address] = value
    book.save(path)


def test_a_marked_workbook_is_mended_and_only_the_mended_rows_run(opus, dossier, claims, tmp_path):
    """Plan, run the good rows, mend the red cells of fix-me.xlsx, plan that: two more jobs, and no mark is left."""
    plan = dossier.plan(dossier.read(claims))
    assert plan.ready == 4
    fix_me = plan.to_excel(tmp_path / "out" / "fix-me.xlsx")
    assert red_cells(fix_me) == ["A5", "B7"]
    first = plan.start(name="claims", on_invalid="skip", progress="off").wait()
    assert dict(first.counts) == {"completed": 4, "invalid": 2}
    ids = set(first.jobs()["job_id"].dropna())
    mend(fix_me, {"A5": "Why indeed?", "B7": "letter 4.txt"})
    again = dossier.plan(dossier.read(fix_me))
    assert again.ready == 6
    second = again.start(name="claims", progress="off").wait()
    assert dict(second.counts) == {"completed": 6}
    assert executed(opus) == 6
    assert ids < set(second.jobs()["job_id"])
    assert red_cells(again.to_excel(tmp_path / "out" / "again.xlsx")) == []


def test_results_go_into_the_workbook_and_its_red_cells_back_into_the_run(opus, dossier, claims, tmp_path):
    """Save into a copy, mend its red cells, plan the copy: only those rows run, and the next copy has one of each."""
    plan = dossier.plan(dossier.read(claims))
    run = plan.start(on_invalid="skip", progress="off").wait()
    before = claims.read_bytes()
    copy = tmp_path / "out" / "claims-results.xlsx"
    assert run.save(copy, into=claims) == [copy]
    assert claims.read_bytes() == before
    sheet = openpyxl.load_workbook(copy)["Q4 claims"]
    headers = [cell.value for cell in sheet[2]]
    assert headers[:6] == ["Question", "Documents", "Letters", "state", "job_id", "error"]
    assert [sheet.cell(row, 4).value for row in range(3, 9)] == [
        "completed",
        "completed",
        "invalid",
        "completed",
        "invalid",
        "completed",
    ]
    assert sheet["C3"].value == "=LEN(A3)"
    assert sheet["A2"].font.bold
    assert [each for each in red_cells(copy) if each[0] in "AB"] == ["A5", "B7"]
    assert "does not exist" in sheet["B7"].comment.text
    mend(copy, {"A5": "Why indeed?", "B7": "letter 4.txt"})
    again = dossier.plan(dossier.read(copy))
    assert "results_columns" in set(again.issues["code"])
    assert again.ready == 6
    second = again.start(progress="off").wait()
    assert (second.name, executed(opus)) == (run.name, 6)
    assert dict(second.counts) == {"completed": 6}
    second.save(copy, into=copy)
    sheet = openpyxl.load_workbook(copy)["Q4 claims"]
    assert [cell.value for cell in sheet[2]] == headers
    assert {sheet.cell(row, 4).value for row in range(3, 9)} == {"completed"}
    assert red_cells(copy) == []


def test_a_failed_row_is_red_and_runs_again_only_when_it_was_changed(opus, dossier, claims, tmp_path):
    """A job that failed is not bought again by planning the copy; changing one of its cells buys one."""
    mend(claims, {"A5": "Why 2?", "B7": "letter 4.txt"})
    opus.sandbox.fault("execute", "script", seconds=0.1, end="FAILED", times=1)
    run = dossier.plan(dossier.read(claims)).start(progress="off", max_concurrency=1).wait()
    assert dict(run.counts) == {"completed": 5, "failed": 1}
    copy = tmp_path / "results.xlsx"
    run.save(copy, into=claims)
    (state, error) = red_cells(copy)
    assert (state[0], error[0]) == ("D", "F")
    dossier.plan(dossier.read(copy)).start(progress="off").wait()
    assert executed(opus) == 6
    mend(copy, {f"A{state[1:]}": "Why, in other words?"})
    dossier.plan(dossier.read(copy)).start(progress="off").wait()
    assert executed(opus) == 7


def test_results_feed_no_input_of_the_next_run(opus, dossier, claims, tmp_path):
    """An output called like an open input would change what every row means, and buy all of them again."""
    mend(claims, {"A5": "Why 2?", "B7": "letter 4.txt"})
    run = dossier.run(dossier.read(claims), progress="off").wait()
    copy = tmp_path / "results.xlsx"
    run.save(copy, into=claims)
    book = openpyxl.load_workbook(copy)
    sheet = book.worksheets[0]
    for cell in sheet[2]:
        if cell.value == "Summary":
            cell.value = "Notes"  # an input that nothing feeds so far
    book.save(copy)
    plan = dossier.plan(dossier.read(copy))
    assert plan.mapping.set_index("input").loc["Notes", "source"] == "missing"
    plan.start(progress="off").wait()
    assert executed(opus) == 6
    by_hand = dossier.plan(dossier.read(copy), columns={"Notes": "Notes"})
    assert by_hand.mapping.set_index("input").loc["Notes", "source"] == "column"


def test_a_plan_is_refused_in_words_that_agree_with_their_numbers(dossier, claims):
    """One problem, one other row: no plural where there is one."""
    df = dossier.read(claims).iloc[1:3]
    with pytest.raises(PlanRefused) as caught:
        dossier.plan(df).start()
    assert "1 problem in 1 of 2 rows" in str(caught.value)
    assert "runs the other row." in str(caught.value)


@pytest.mark.parametrize(
    ("caps", "told"),
    [
        ({"max_jobs": 2}, "max_jobs=2 covers 2 of 5 rows"),
        ({"max_cost": 0.12}, "max_cost=0.12 covers 2 of 5 rows: all of them are estimated at 0.25, 0.05 each"),
        ({"max_minutes": 0.0}, "max_minutes=0 is not enough: 5 rows are expected to take"),
    ],
)
def test_a_cap_is_compared_with_the_estimate_before_the_start(dossier, sheet, capsys, caps, told):
    """What a cap leaves out is said in words before anything is sent."""
    dossier.plan(sheet(5)).start(progress="off", **caps).wait()
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("Before the start: ")
    assert told in first


def test_caps_that_cover_everything_and_pilots_are_not_commented_on(dossier, sheet, capsys):
    """There is nothing to say where nothing will be left out."""
    plan = dossier.plan(sheet(3))
    plan.pilot(1, max_jobs=1, progress="off").wait()
    plan.start(max_jobs=3, max_cost=5, max_minutes=60, progress="off").wait()
    assert "Before the start" not in capsys.readouterr().err


def test_a_pilot_without_a_name_is_continued_by_a_start_without_one(opus, dossier, sheet):
    """Both have the name that follows from workflow and mapping."""
    plan = dossier.plan(sheet(4))
    plan.pilot(2, progress="off").wait()
    assert plan.estimate["based_on"] == 2
    assert dict(plan.start(progress="off").wait().counts) == {"completed": 4}
    assert executed(opus) == 4


def test_a_workbook_with_one_stray_cell_far_out_is_saved_into_at_once(dossier, claims, tmp_path):
    """A space in a far corner is no column, and does not make a rectangle of a billion cells."""
    mend(claims, {"A5": "Why 2?", "B7": "letter 4.txt"})
    book = openpyxl.load_workbook(claims)
    book.worksheets[0].cell(1_000_000, 16_000).value = " "
    book.save(claims)
    run = dossier.plan(dossier.read(claims)).start(progress="off").wait()
    run.save(tmp_path / "out.xlsx", into=claims)
    assert openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]["D3"].value == "completed"


def test_a_save_that_fails_leaves_what_was_there(dossier, sheet, claims, tmp_path, monkeypatch):
    """The workbook is replaced in one step when the new one is complete, never before."""
    mend(claims, {"A5": "Why 2?", "B7": "letter 4.txt"})
    run = dossier.plan(dossier.read(claims)).start(progress="off").wait()
    before = claims.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(SettingsError, match="No space left"):
        run.save(claims, into=claims)
    assert claims.read_bytes() == before
    assert [each.name for each in tmp_path.glob("*.part*")] == []


def test_a_rebuilt_workflow_takes_a_mapping_that_was_kept(dossier, sheet):
    """``plan.columns`` goes by display name, says what is left out, and gives the same mapping again."""
    df = sheet(2).rename(columns={"Question": "q"}).assign(Notes="x")
    plan = dossier.plan(df, columns={"Question": "q", "Notes": None})
    assert plan.columns == {"Question": "q", "Documents": "Documents", "Notes": None}
    again = dossier.plan(df, columns=plan.columns)
    assert again.mapping["column"].fillna("").tolist() == ["q", "Documents", ""]
    assert again.default_name == plan.default_name


def test_several_columns_of_files_feed_one_list(opus, dossier, sheet, tmp_path):
    """Document 1 and Document 2 are the two documents of a row."""
    df = sheet(2)
    df["Document 1"], df["Document 2"] = df["Documents"], [df["Documents"][1], None]
    plan = dossier.plan(df.drop(columns="Documents"))
    assert plan.columns["Documents"] == ["Document 1", "Document 2"]
    run = plan.start(progress="off").wait()
    assert [text.split()[0] for text in run.results()["Summary"]] == ["2", "1"]


def test_a_run_that_is_opened_again_saves_into_its_workbook(opus, dossier, claims, tmp_path):
    """Without the frame it was started with: states beside the rows, what went wrong in red, and a way back."""
    dossier.plan(dossier.read(claims)).start(name="later", on_invalid="skip", progress="off").wait()
    run = opus.open_run("later", progress="off")
    run.save(tmp_path / "results.xlsx", into=claims)
    sheet = openpyxl.load_workbook(tmp_path / "results.xlsx").worksheets[0]
    headers = [cell.value for cell in sheet[2]]
    states = [row[headers.index("state")] for row in sheet.iter_rows(min_row=3, values_only=True)]
    assert states == ["completed", "completed", "invalid", "completed", "invalid", "completed"]
    assert set(red_cells(tmp_path / "results.xlsx")) >= {"A5", "B7"}


def test_saved_results_feed_no_input_when_they_are_read_again(dossier, sheet, tmp_path):
    """Also in a workbook that is no copy of the user's own."""
    run = dossier.plan(sheet(2)).start(progress="off").wait()
    run.save(tmp_path / "r.xlsx")
    df = dossier.read(tmp_path / "r.xlsx")
    headers, results = df.attrs["opus_nb"]["headers"], df.attrs["opus_nb"]["results"]
    assert {"state", "Summary"} <= {headers[place] for place in results}
    assert not {"Question", "Documents"} & {headers[place] for place in results}
