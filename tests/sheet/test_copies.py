"""Copies of the user's own workbook: problems marked, results beside."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from openpyxl.comments import Comment
from openpyxl.styles import Font
from sheet_making import make_field

from opus_nb.errors import SettingsError, SheetUnreadable
from opus_nb.service.schema import Schema
from opus_nb.sheet import CheckedSheet, check_sheet, map_columns, read_sheet
from opus_nb.sheet.beside import write_beside
from opus_nb.sheet.mending import write_fix_me
from opus_nb.sheet.origins import keep_sheet, recall_sheet
from opus_nb.sheet.painting import paint_issues

SCHEMA = Schema((make_field("str", "Id", required=True), make_field("float", "Amount"), make_field("date", "Due")))


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    """Write a workbook with a title, formats, a formula and a note of its owner."""
    book: Any = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Claims"
    for row in (["My claims"], [], ["Id", "Amount", "Due", "Twice"], ["a", "x", "2025-01-31", "=2*3"]):
        sheet.append(row)
    sheet.append([None, 5, "03/04/2025", "=2*4"])
    sheet.append(["c", 7, None, None])
    sheet["B4"].font = Font(bold=True)
    sheet["B4"].comment = Comment("ask Ann", "Bo")
    sheet["B6"].number_format = "0.00"
    book.save(tmp_path / "claims.xlsx")
    return tmp_path / "claims.xlsx"


def run(df: pd.DataFrame) -> CheckedSheet:
    """Map and check."""
    return check_sheet(df, SCHEMA, map_columns(df, SCHEMA))


def fix_me(claims: Path, df: pd.DataFrame, name: str = "fix-me.xlsx") -> Any:
    """Write the marked copy and open it."""
    checked = run(df)
    place = write_fix_me(claims.parent / name, df, checked.issues, checked.issue_positions)
    return openpyxl.load_workbook(place)


def test_bad_cells_are_marked_with_the_reason_and_the_rest_is_kept(claims: Path) -> None:
    """Formats, formulas and own notes stay; the source is untouched."""
    before = claims.read_bytes()
    sheet = fix_me(claims, read_sheet(claims))["Claims"]
    assert sheet["B4"].comment.text.startswith("ask Ann")
    assert "is no number" in sheet["B4"].comment.text
    assert sheet["B4"].font.bold
    assert sheet["B6"].number_format == "0.00"
    assert "required" in sheet["A5"].comment.text
    assert "3 April 2025" in sheet["C5"].comment.text
    assert sheet["B4"].fill.fgColor.rgb == sheet["A5"].fill.fgColor.rgb == "FFF4B6B6"
    assert sheet["D3"].fill.fgColor.rgb == "FFFCE8B2"
    assert sheet["B6"].comment is None
    assert sheet["D4"].value == "=2*3"
    assert claims.read_bytes() == before


def test_all_problems_are_listed_on_a_sheet_of_their_own(claims: Path) -> None:
    """The list has the row as the spreadsheet counts."""
    book = fix_me(claims, read_sheet(claims))
    listed = list(book["opus_nb issues"].iter_rows(values_only=True))
    assert listed[0][:2] == ("row", "column")
    assert (4, "Amount") in [row[:2] for row in listed]
    assert (5, "Id") in [row[:2] for row in listed]


def test_a_filtered_and_sorted_frame_marks_the_right_cells(claims: Path) -> None:
    """Labels lead back to the rows of the workbook."""
    df = read_sheet(claims).iloc[::-1].iloc[:2]
    sheet = fix_me(claims, df)["Claims"]
    assert sheet["A5"].comment is not None
    assert sheet["B4"].comment.text == "ask Ann"


def test_the_mended_copy_goes_back_in_and_loses_its_old_marks(claims: Path) -> None:
    """Reading the copy gives the same table; the next copy has only the marks that are still true."""
    fix_me(claims, read_sheet(claims))
    path = claims.parent / "fix-me.xlsx"
    book = openpyxl.load_workbook(path)
    book["Claims"]["A5"] = "b"
    book["Claims"]["B4"] = 12
    book.save(path)
    df = read_sheet(path)
    assert df["Id"].tolist() == ["a", "b", "c"]
    assert "other_sheets" not in [each["code"] for each in df.attrs["opus_nb"]["notes"]]
    sheet = fix_me(claims, df, "again.xlsx")["Claims"]
    assert sheet["A5"].comment is None
    assert sheet["A5"].fill.fill_type is None
    assert sheet["B4"].comment.text == "ask Ann"
    assert "3 April 2025" in sheet["C5"].comment.text


def test_rows_that_are_not_those_of_the_workbook_any_more_are_not_marked_there(claims: Path) -> None:
    """A frame whose labels mean other rows is written as a plain table instead of marking wrong cells."""
    df = read_sheet(claims)
    df["Id"], df["Amount"], df["Due"], df["Twice"] = ["q", None, "r"], ["y", 1, 2], [None, "z", "z"], [None, None, None]
    book = fix_me(claims, df)
    assert book.sheetnames[0] != "Claims"
    assert book.active["A2"].value == "q"
    assert "is no number" in book.active["B2"].comment.text
    checked = run(df)
    with pytest.raises(SheetUnreadable, match="not those of the workbook"):
        write_fix_me(claims.parent / "x.xlsx", df, checked.issues, checked.issue_positions, source=claims)


def test_a_frame_from_nowhere_is_written_as_a_plain_table(tmp_path: Path) -> None:
    """Text that looks like a formula stays text, odd cells do not crash the writer."""
    df = pd.DataFrame(
        {"Id": ["=1+1", None], "Amount": ["x\x01", 2], "Due": [pd.Timestamp("2025-01-01", tz="UTC"), [1]]}
    )
    checked = run(df)
    place = write_fix_me(tmp_path / "f.xlsx", df, checked.issues, checked.issue_positions)
    sheet = openpyxl.load_workbook(place).active
    assert (sheet["A2"].value, sheet["A2"].data_type) == ("=1+1", "s")
    assert sheet["A3"].comment is not None
    with pytest.raises(SettingsError):
        write_fix_me(tmp_path / "f.csv", df, checked.issues, checked.issue_positions)


def test_results_are_laid_beside_the_rows(claims: Path) -> None:
    """New columns come after the last one, at the header's height, and twice changes nothing."""
    df = read_sheet(claims)
    results = pd.DataFrame({"state": ["completed", "failed", None], "Summary": ["=HYPERLINK(1)", "ok", "x"]})
    target = claims.parent / "out.xlsx"
    assert write_beside(target, df, results) == []
    sheet = openpyxl.load_workbook(target)["Claims"]
    assert [cell.value for cell in sheet[3]] == ["Id", "Amount", "Due", "Twice", "state", "Summary"]
    assert [sheet.cell(row, 5).value for row in (4, 5, 6)] == ["completed", "failed", None]
    assert (sheet["F4"].value, sheet["F4"].data_type) == ("=HYPERLINK(1)", "s")
    assert sheet["D4"].value == "=2*3"
    assert sheet["B4"].font.bold
    again = read_sheet(target)
    write_beside(claims.parent / "again.xlsx", again[["Id", "Amount", "Due", "Twice"]], results.assign(state="new"))
    sheet = openpyxl.load_workbook(claims.parent / "again.xlsx")["Claims"]
    assert [cell.value for cell in sheet[3]] == ["Id", "Amount", "Due", "Twice", "state", "Summary"]
    assert sheet["E4"].value == "new"


def test_rows_keep_their_results_after_sorting_and_filtering(claims: Path) -> None:
    """A result goes to the row of its label; rows outside the frame stay empty."""
    df = read_sheet(claims).iloc[[2, 0]]
    write_beside(claims.parent / "out.xlsx", df, pd.DataFrame({"state": ["for c", "for a"]}))
    sheet = openpyxl.load_workbook(claims.parent / "out.xlsx")["Claims"]
    assert [sheet.cell(row, 5).value for row in (4, 5, 6)] == ["for a", None, "for c"]


def test_what_a_cell_cannot_hold_is_changed_and_said(claims: Path) -> None:
    """Control characters, over-long text and long numbers are handled, and each is told once per column."""
    df = read_sheet(claims)
    results = pd.DataFrame({"text": ["a\x00b", "y" * 40_000, "fine"], "long": [10**18, 2, 3]})
    notes = write_beside(claims.parent / "out.xlsx", df, results)
    assert len(notes) == 3
    sheet = openpyxl.load_workbook(claims.parent / "out.xlsx")["Claims"]
    assert sheet["E4"].value == "a\ufffdb"
    assert len(sheet["E5"].value) == 32_767
    assert sheet["E5"].value.endswith("[cut]")
    assert sheet["F4"].value == str(10**18)


def test_results_without_a_workbook_or_of_another_length_are_refused(claims: Path) -> None:
    """There must be a workbook to copy, and one result per row."""
    df = read_sheet(claims)
    with pytest.raises(SheetUnreadable, match="beside"):
        write_beside(claims.parent / "o.xlsx", df, pd.DataFrame({"a": [1]}))
    with pytest.raises(SheetUnreadable, match="not read from"):
        write_beside(claims.parent / "o.xlsx", pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}))
    claims.unlink()
    with pytest.raises(SheetUnreadable, match="cannot be opened again"):
        write_beside(claims.parent / "o.xlsx", df, pd.DataFrame({"a": [1, 2, 3]}))


def test_a_column_of_results_never_takes_the_name_of_the_owners(claims: Path) -> None:
    """An output called like a column of the sheet gets another name, and so does the next of that name."""
    df = read_sheet(claims)
    results = pd.DataFrame([["failed", 1], ["failed", 2], ["failed", 3]], columns=["state", "amount"])
    target = claims.parent / "out.xlsx"
    write_beside(target, df, results)
    sheet = openpyxl.load_workbook(target)["Claims"]
    assert [cell.value for cell in sheet[3]] == ["Id", "Amount", "Due", "Twice", "state", "amount_opus"]
    again = read_sheet(target)
    assert "duplicate_header" not in set(run(again).issues["code"])
    write_beside(target, again, results)
    sheet = openpyxl.load_workbook(target)["Claims"]
    assert [cell.value for cell in sheet[3]] == ["Id", "Amount", "Due", "Twice", "state", "amount_opus"]


def test_columns_of_results_are_known_wherever_they_are_moved_to(claims: Path) -> None:
    """The name in the workbook follows its cells; results of an earlier run that this one lacks are emptied."""
    target = claims.parent / "out.xlsx"
    write_beside(target, read_sheet(claims), pd.DataFrame({"state": ["failed"] * 3, "old": [1, 2, 3]}))
    df = read_sheet(target)
    assert df.attrs["opus_nb"]["results"] == [4, 5]
    write_beside(target, df, pd.DataFrame({"state": ["completed"] * 3}))
    sheet = openpyxl.load_workbook(target)["Claims"]
    assert [sheet.cell(row, 6).value for row in (3, 4, 5, 6)] == [None] * 4
    assert [sheet.cell(row, 5).value for row in (3, 4, 5, 6)] == ["state", *["completed"] * 3]
    assert sheet.defined_names["opus_nb_results"].attr_text == "'Claims'!$E$3:$E$3"


def test_rows_that_went_wrong_are_marked_and_marks_go_with_their_reason(claims: Path) -> None:
    """Bad cells have their reason as a note, states their colour; the next copy has only what is still true."""
    df = read_sheet(claims)
    errors = ["Amount: 'x' is no number; Due: bad; worse", "node Check: no", None]
    results = pd.DataFrame({"state": ["invalid", "failed", "completed"], "error": errors})
    target = claims.parent / "out.xlsx"
    write_beside(target, df, results)
    sheet = openpyxl.load_workbook(target)["Claims"]
    assert sheet["B4"].comment.text == "ask Ann\n\n[opus_nb] 'x' is no number"
    assert sheet["C4"].comment.text == "[opus_nb] bad; worse"
    red = {cell.coordinate for row in sheet for cell in row if cell.fill.fgColor.rgb == "FFF4B6B6"}
    assert red == {"B4", "C4", "E4", "F4", "E5", "F5"}
    write_beside(target, read_sheet(target), results.assign(state="completed", error=None))
    sheet = openpyxl.load_workbook(target)["Claims"]
    assert sheet["B4"].comment.text == "ask Ann"
    assert not [cell for row in sheet for cell in row if cell.fill.fgColor.rgb == "FFF4B6B6"]


def test_results_go_beside_a_sheet_that_is_only_remembered(claims: Path) -> None:
    """Another process knows the workbook from the ledger, finds the rows and bad cells, and notices another table."""
    df = read_sheet(claims).iloc[[2, 0]]
    kept = json.loads(json.dumps(keep_sheet(df)))
    remembered = recall_sheet(kept, df.index)
    results = pd.DataFrame({"state": ["completed", "invalid"], "error": [None, "Amount: 'x' is no number"]})
    write_beside(claims.parent / "out.xlsx", remembered, results, source=claims)
    sheet = openpyxl.load_workbook(claims.parent / "out.xlsx")["Claims"]
    assert [sheet.cell(row, 5).value for row in (4, 5, 6)] == ["invalid", None, "completed"]
    assert sheet["B4"].fill.fgColor.rgb == "FFF4B6B6"
    book = openpyxl.load_workbook(claims)
    book["Claims"].insert_rows(4, 2)
    book.save(claims)
    write_beside(claims.parent / "moved.xlsx", remembered, results, source=claims)
    sheet = openpyxl.load_workbook(claims.parent / "moved.xlsx")["Claims"]
    assert [sheet.cell(row, 5).value for row in (4, 5, 6, 7, 8)] == [None, None, "invalid", None, "completed"]
    for row in (6, 8):
        book["Claims"].cell(row, 1).value = "other"
        book["Claims"].cell(row, 2).value = 99
    book.save(claims)
    with pytest.raises(SheetUnreadable, match="not those of the workbook"):
        write_beside(claims.parent / "out.xlsx", remembered, results, source=claims)
    assert keep_sheet(pd.DataFrame({"a": [1]})) is None
    assert recall_sheet(None, df.index).shape == (2, 0)


def test_a_workbook_that_pandas_has_read_takes_results_when_its_rows_are_alike(tmp_path: Path) -> None:
    """A frame without an origin finds its rows by their cells; another table is refused as ever."""
    df = pd.DataFrame({"Id": ["a", "b", "c"], "Amount": [1, 2, 3], "Due": [None, None, "2025-01-31"]})
    df.to_excel(tmp_path / "claims.xlsx", index=False)
    read = pd.read_excel(tmp_path / "claims.xlsx").iloc[::-1]
    results = pd.DataFrame({"state": ["for c", "for b", "for a"]})
    write_beside(tmp_path / "out.xlsx", read, results, source=tmp_path / "claims.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    assert [sheet.cell(row, 4).value for row in (1, 2, 3, 4)] == ["state", "for a", "for b", "for c"]
    write_beside(tmp_path / "o.xlsx", read.reset_index(drop=True), results, source=tmp_path / "claims.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "o.xlsx").worksheets[0]
    assert [sheet.cell(row, 4).value for row in (1, 2, 3, 4)] == ["state", "for a", "for b", "for c"]
    with pytest.raises(SheetUnreadable, match="not those of the workbook"):
        write_beside(
            tmp_path / "o.xlsx",
            read.assign(Id=["x", "y", "z"], Amount=[7, 8, 9]),
            results,
            source=tmp_path / "claims.xlsx",
        )


@pytest.fixture
def amounts(tmp_path: Path) -> Path:
    """Write a workbook of twelve rows, the tenth without an amount."""
    book: Any = openpyxl.Workbook()
    book.active.append(["Ref", "Amount", "State"])
    for number in range(12):
        book.active.append([f"n{number}", None if number == 9 else number % 3, "open"])
    book.save(tmp_path / "c.xlsx")
    return tmp_path / "c.xlsx"


def beside(path: Path) -> dict[Any, Any]:
    """Return what stands in the fourth column, by the first."""
    rows = openpyxl.load_workbook(path).active.iter_rows(min_row=2, values_only=True)
    return {row[0]: row[3] for row in rows if row[0] is not None}


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("changed", ["numbered anew", "row put in", "cell edited", "row replaced", "sorted"])
def test_no_result_ever_stands_beside_another_row(amounts: Path, changed: str, opened: bool) -> None:
    """Whatever happened to the frame or to the workbook, a result stands beside its own row or nowhere."""
    df = read_sheet(amounts)
    if changed == "numbered anew":
        df = df.dropna(subset=["Amount"]).reset_index(drop=True)
    if changed == "sorted":
        df = df.sort_values("Amount", ascending=False).reset_index(drop=True)
    results = pd.DataFrame({"result": [f"of {ref}" for ref in df["Ref"]]})
    if opened:
        df = recall_sheet(json.loads(json.dumps(keep_sheet(df))), df.index)
    book = openpyxl.load_workbook(amounts)
    if changed == "row put in":
        book.active.insert_rows(11)
        book.active["A11"], book.active["B11"], book.active["C11"] = "new", 0, "open"
    if changed == "cell edited":
        book.active["B5"] = 77
    if changed == "row replaced":
        book.active["A5"], book.active["B5"] = "m1", 55
    book.save(amounts)
    notes = write_beside(amounts.parent / "o.xlsx", df, results, source=amounts)
    found = beside(amounts.parent / "o.xlsx")
    without = {"numbered anew": {"n9"}, "row put in": {"new"}, "row replaced": {"m1"}}.get(changed, set())
    assert found == {ref: None if ref in without else f"of {ref}" for ref in found}
    assert bool(notes) == (changed == "row replaced")


def test_a_workbook_of_another_month_takes_no_results(amounts: Path) -> None:
    """Columns that say the same in every row prove nothing."""
    df = read_sheet(amounts)
    book = openpyxl.load_workbook(amounts)
    for row in range(2, 14):
        book.active.cell(row, 1).value = f"m{row}"
    book.save(amounts)
    with pytest.raises(SheetUnreadable, match="not those of the workbook"):
        write_beside(amounts.parent / "o.xlsx", df, pd.DataFrame({"result": range(12)}))


def test_a_frame_numbered_anew_has_its_marks_in_its_own_rows(amounts: Path) -> None:
    """The bad cell is red, and not the one that has its number now."""
    book = openpyxl.load_workbook(amounts)
    book.active["A1"], book.active["B13"] = "Id", "x"
    book.save(amounts)
    df = read_sheet(amounts).dropna(subset=["Amount"]).reset_index(drop=True)
    checked = run(df)
    write_fix_me(amounts.parent / "f.xlsx", df, checked.issues, checked.issue_positions)
    sheet = openpyxl.load_workbook(amounts.parent / "f.xlsx").worksheets[0]
    assert [sheet.cell(row, 2).comment is not None for row in (12, 13)] == [False, True]


def test_a_marked_copy_never_takes_the_place_of_the_workbook(amounts: Path) -> None:
    """The workbook that was read is not touched."""
    before = amounts.read_bytes()
    df = read_sheet(amounts)
    checked = run(df)
    with pytest.raises(SettingsError, match="take the place"):
        write_fix_me(amounts, df, checked.issues, checked.issue_positions)
    assert amounts.read_bytes() == before


def test_rows_that_a_run_has_not_lose_the_results_of_an_earlier_one(amounts: Path) -> None:
    """What stood beside them would be read as this run's."""
    df = read_sheet(amounts)
    target = amounts.parent / "o.xlsx"
    write_beside(target, df, pd.DataFrame({"result": ["old"] * 12}))
    part = read_sheet(target).iloc[3:5]
    write_beside(target, part, pd.DataFrame({"result": ["new"] * 2}))
    assert {ref: each for ref, each in beside(target).items() if each} == {"n3": "new", "n4": "new"}


def test_results_that_share_a_row_are_left_out_and_said(amounts: Path) -> None:
    """Of an exploded row none of the results stands there alone."""
    df = read_sheet(amounts)
    df["Amount"] = [[1, 2] if ref == "n2" else 0 for ref in df["Ref"]]
    parts = df.explode("Amount")
    notes = write_beside(amounts.parent / "o.xlsx", parts, pd.DataFrame({"result": list(parts["Ref"])}))
    assert beside(amounts.parent / "o.xlsx") == {f"n{each}": None if each == 2 else f"n{each}" for each in range(12)}
    assert "2 results" in notes[0]
    assert "row 4" in notes[0]


def test_a_workbook_that_says_nothing_of_calculating_is_copied(claims: Path) -> None:
    """Some programs leave that part out; the copy asks for it, because a mended cell changes formulas."""
    with zipfile.ZipFile(claims) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/workbook.xml"] = re.sub(rb"<calcPr[^>]*/>", b"", parts["xl/workbook.xml"])
    assert b"calcPr" not in parts["xl/workbook.xml"]
    with zipfile.ZipFile(claims, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    write_beside(claims.parent / "out.xlsx", read_sheet(claims), pd.DataFrame({"state": ["failed"] * 3}))
    assert openpyxl.load_workbook(claims.parent / "out.xlsx").calculation.fullCalcOnLoad


def test_macros_stay_in_a_copy_that_is_named_for_them(claims: Path) -> None:
    """An xlsm gives an xlsm with its macros, and notes all the same."""
    with zipfile.ZipFile(claims) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/vbaProject.bin"] = b"macros"
    with_macros = claims.with_suffix(".xlsm")
    with zipfile.ZipFile(with_macros, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    df = read_sheet(with_macros)
    checked = run(df)
    place = write_fix_me(claims.parent / "f.xlsm", df, checked.issues, checked.issue_positions)
    assert zipfile.ZipFile(place).read("xl/vbaProject.bin") == b"macros"
    assert "is no number" in openpyxl.load_workbook(place)["Claims"]["B4"].comment.text


def test_marks_under_light_text_are_dark(claims: Path) -> None:
    """A white header on blue stays legible, and the mark goes when it is not true any more."""
    book = openpyxl.load_workbook(claims)
    book["Claims"]["D3"].font = Font(color="FFFFFFFF")
    book.save(claims)
    sheet = fix_me(claims, read_sheet(claims))["Claims"]
    assert sheet["D3"].fill.fgColor.rgb == "FF8A6100"
    mended = fix_me(claims.parent / "fix-me.xlsx", read_sheet(claims.parent / "fix-me.xlsx").drop(columns="Twice"))
    assert mended["Claims"]["D3"].fill.fill_type is None


def test_a_copy_remembers_where_the_files_lie(claims: Path) -> None:
    """In another folder than the original it says where that was, also as a copy of a copy; beside it, nothing."""
    df = read_sheet(claims)
    checked = run(df)
    far = write_fix_me(claims.parent / "a" / "b" / "f.xlsx", df, checked.issues, checked.issue_positions)
    assert read_sheet(far).attrs["opus_nb"]["other_folder"] == "../.."
    again = read_sheet(far)
    write_beside(claims.parent / "c" / "o.xlsx", again, pd.DataFrame({"state": ["failed"] * 3}))
    assert read_sheet(claims.parent / "c" / "o.xlsx").attrs["opus_nb"]["other_folder"] == ".."
    write_beside(claims.parent / "o.xlsx", again, pd.DataFrame({"state": ["failed"] * 3}))
    assert read_sheet(claims.parent / "o.xlsx").attrs["opus_nb"]["other_folder"] == ""


def test_a_copy_is_named_like_what_it_is(claims: Path) -> None:
    """A workbook without macros is no xlsm, and what a copy cannot keep is said."""
    df = read_sheet(claims)
    checked = run(df)
    with pytest.raises(SettingsError, match="no macros"):
        write_fix_me(claims.parent / "f.xlsm", df, checked.issues, checked.issue_positions)
    with_macros = claims.rename(claims.with_suffix(".xlsm"))
    df = read_sheet(with_macros)
    notes: list[str] = []
    write_fix_me(claims.parent / "f.xlsx", df, checked.issues, checked.issue_positions, notes=notes)
    assert "macros" in notes[0]
    assert any("macros" in note for note in write_beside(claims.parent / "o.xlsx", df, pd.DataFrame({"a": [1, 2, 3]})))


def test_a_row_that_is_wrong_as_a_whole_is_marked_at_its_first_cell(tmp_path: Path) -> None:
    """Equal rows are about no column in particular."""
    df = pd.DataFrame({"Id": ["a", "a"], "Amount": [1, 1], "Due": [None, None]})
    checked = run(df)
    sheet = openpyxl.load_workbook(
        write_fix_me(tmp_path / "f.xlsx", df, checked.issues, checked.issue_positions)
    ).worksheets[0]
    assert "earlier row" in sheet["A3"].comment.text


def test_lists_and_objects_come_back_from_a_plain_table(tmp_path: Path) -> None:
    """What a frame holds as Python lists and dicts is JSON in the workbook, and the same when it is read again."""
    schema = Schema((make_field("array", "Tags"), make_field("object", "Contact"), make_field("str", "Id")))
    df = pd.DataFrame({"Tags": [["a", "b;c"], ["x"]], "Contact": [{"email": "é"}, None], "Id": ["1", "2"]})
    checked = check_sheet(df, schema, map_columns(df, schema))
    place = write_fix_me(tmp_path / "f.xlsx", df, checked.issues, checked.issue_positions)
    again = read_sheet(place)
    assert check_sheet(again, schema, map_columns(again, schema)).columns == checked.columns


def test_what_was_changed_on_the_way_into_a_plain_table_is_said(tmp_path: Path) -> None:
    """A mended copy goes back in, so what it could not hold must not be lost silently."""
    df = pd.DataFrame({"Id": ["a\x01", "b"], "Amount": [1, 2], "Due": [None, None]})
    checked = run(df)
    notes: list[str] = []
    write_fix_me(tmp_path / "f.xlsx", df, checked.issues, checked.issue_positions, notes=notes)
    assert notes == ['column "Id": characters that a workbook cannot hold replaced in 1 cell']


def test_painted_problems_are_escaped_coloured_and_limited() -> None:
    """Only rows with problems are shown; what comes from the sheet cannot become markup."""
    df = pd.DataFrame({"Id": ["<b>", None, "ok"], "Amount": ["<script>", "1", "2"], "Due": [None, None, None]})
    checked = run(df)
    html = paint_issues(df, checked.issues, checked.issue_positions)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<tr>") == 3
    assert "is no number" in html
    assert "∅" in html
    assert "1 more row;" in paint_issues(df, checked.issues, checked.issue_positions, max_rows=1)
    assert "2 of 3 rows have problems" in html
    assert "<small>✗ The cell is empty" in html
    good = run(df.iloc[2:])
    assert "No problems" in paint_issues(df.iloc[2:], good.issues, good.issue_positions)
