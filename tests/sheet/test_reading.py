"""Workbooks and delimited text, opened as tables."""

from __future__ import annotations

import copy
import datetime as dt
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sheet_making import make_field

from opus_nb.errors import ExtraMissing, SettingsError, SheetUnreadable
from opus_nb.service.schema import Schema
from opus_nb.sheet import check_sheet, map_columns, read_sheet, write_beside


def save(path: Path, rows: list[list[Any]], **parts: Any) -> Any:
    """Write a workbook and return its sheet; the caller may change and save it again."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.save(path)
    return sheet


def note_codes(df: pd.DataFrame) -> list[str]:
    """Return the codes of what was noticed while reading."""
    return [each["code"] for each in df.attrs["opus_nb"]["notes"]]


def test_cells_come_as_the_workbook_holds_them(tmp_path: Path) -> None:
    """Text stays text, whole numbers whole, dates dates, bools bools, also beside empty cells."""
    path = tmp_path / "a.xlsx"
    save(
        path,
        [
            ["id", "n", "x", "when", "ok", "gap", "mix", "ok?"],
            ["007", 7, 1.5, dt.datetime(2025, 1, 31), True, 1, 3, True],  # noqa: DTZ001
            ["008", 8, 2.5, dt.datetime(2025, 2, 1), False, None, "x", None],  # noqa: DTZ001
        ],
    )
    df = read_sheet(path)
    assert df["id"].tolist() == ["007", "008"]
    assert [str(df[name].dtype) for name in ("n", "x", "ok", "gap", "mix", "ok?")] == [
        "int64",
        "float64",
        "bool",
        "Int64",
        "object",
        "boolean",
    ]
    assert df["when"].tolist() == [pd.Timestamp("2025-01-31"), pd.Timestamp("2025-02-01")]
    assert df["mix"].tolist() == [3, "x"]


def test_whole_numbers_among_others_keep_their_look(tmp_path: Path) -> None:
    """3 beside 3.5 is a number for pandas and still 3 as text, as the workbook shows it."""
    path = tmp_path / "a.xlsx"
    save(path, [["Value"], [3], [3.5], [None], [4]])
    df = read_sheet(path)
    assert str(df["Value"].dtype) == "float64"
    schema = Schema((make_field("str", "Value"),))
    assert check_sheet(df, schema, map_columns(df, schema)).columns["value"] == ["3", "3.5", "4"]


def test_old_workbooks_are_read_like_new_ones() -> None:
    """An xls gives the same dtypes, number formats and notes."""
    df = read_sheet(Path(__file__).parent / "fixtures" / "old.xls")
    assert df["id"].tolist()[:3] == ["007", "008", "merged"]
    assert df["n"].tolist() == [7, 8, 9, 10]
    assert df["when"].tolist()[:2] == [pd.Timestamp("2025-01-31"), pd.Timestamp("2025-02-01")]
    assert df["ok"].tolist()[:2] == [True, False]
    assert df.attrs["opus_nb"]["number_formats"] == {"code": "00000"}
    assert note_codes(df) == ["merged_cells"]


def test_headers_are_kept_letter_for_letter(tmp_path: Path) -> None:
    """Spaces, line breaks, numbers, twice and empty: as they stand."""
    path = tmp_path / "a.xlsx"
    save(path, [[" Amount\n(EUR) ", "x", "x", None, 2025], [1, 2, 3, 4, 5]])
    assert read_sheet(path).columns.tolist() == [" Amount\n(EUR) ", "x", "x", "", "2025"]


def test_error_cells_stay_recognisable(tmp_path: Path) -> None:
    """#N/A and #REF! become issues, not text and not missing."""
    path = tmp_path / "a.xlsx"
    save(path, [["Value"], ["#N/A"], ["#REF!"], ["fine"]])
    df = read_sheet(path)
    schema = Schema((make_field("str", "Value"),))
    assert check_sheet(df, schema, map_columns(df, schema)).issues["code"].tolist() == ["cell_error", "cell_error"]


def test_formulas_give_their_cached_value_or_an_issue(tmp_path: Path) -> None:
    """A formula that was never calculated is an issue; one with a value is that value."""
    path = tmp_path / "a.xlsx"
    save(path, [["Value", "n"], ["=1+1", 1], ["x", 2]])
    df = read_sheet(path)
    schema = Schema((make_field("str", "Value"),))
    checked = check_sheet(df, schema, map_columns(df, schema))
    assert checked.issues["code"].tolist() == ["formula_without_value", "unused_column"]
    _put_cached_value(path, "2")
    assert read_sheet(path)["Value"].tolist() == [2, "x"]


def test_a_formula_that_gives_an_empty_text_is_an_empty_cell(tmp_path: Path) -> None:
    """=IF(A2="","",1) that was calculated is no formula without a value."""
    path = tmp_path / "a.xlsx"
    save(path, [["Value", "n"], ['=IF(1=1,"","x")', 1], ["x", 2]])
    _replace_part(path, "xl/worksheets/sheet1.xml", b'<c r="A2">', b'<c r="A2" t="str">')
    assert read_sheet(path)["Value"].isna().tolist() == [True, False]


def _replace_part(path: Path, name: str, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    assert parts[name].count(old) == 1
    parts[name] = parts[name].replace(old, new)
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in parts.items():
            archive.writestr(each, data)


def _put_cached_value(path: Path, value: str) -> None:
    parts = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            parts[name] = archive.read(name)
    name = "xl/worksheets/sheet1.xml"
    text = parts[name].decode().replace("<f>1+1</f><v></v>", f"<f>1+1</f><v>{value}</v>")
    text = text.replace("<f>1+1</f><v />", f"<f>1+1</f><v>{value}</v>").replace(
        "<f>1+1</f><v/>", f"<f>1+1</f><v>{value}</v>"
    )
    assert f"<v>{value}</v>" in text
    parts[name] = text.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in parts.items():
            archive.writestr(each, data)


def test_the_1904_epoch_is_followed(tmp_path: Path) -> None:
    """Dates of such a workbook are right, and bare serial numbers count from 1904 when they become dates."""
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    book.epoch = dt.datetime(1904, 1, 1)  # noqa: DTZ001
    sheet = book.active
    for row in (["Value", "serial"], [dt.date(2025, 1, 31), 44226]):
        sheet.append(row)
    book.save(path)
    df = read_sheet(path)
    assert df["Value"][0] == pd.Timestamp("2025-01-31")
    schema = Schema((make_field("date", "Serial"),))
    assert check_sheet(df, schema, map_columns(df, schema)).columns["serial"] == ["2025-01-31"]


def test_zero_formats_travel_from_the_workbook_to_the_value(tmp_path: Path) -> None:
    """A number that is shown as 00042 feeds a text input as 00042."""
    path = tmp_path / "a.xlsx"
    sheet = save(path, [["Value"], [42], [43]])
    for row in (2, 3):
        sheet.cell(row, 1).number_format = "00000"
    sheet.parent.save(path)
    df = read_sheet(path)
    schema = Schema((make_field("str", "Value"),))
    assert check_sheet(df, schema, map_columns(df, schema)).columns["value"] == ["00042", "00043"]


def test_titles_above_the_table_are_passed_over_and_said(tmp_path: Path) -> None:
    """The header is found below a title and a date; header= overrules."""
    path = tmp_path / "a.xlsx"
    save(path, [["Claims 2025"], [], ["as of", "today"], ["id", "name", "amount", "due"], ["1", "x", 2, "y"]])
    df = read_sheet(path)
    assert df.columns.tolist() == ["id", "name", "amount", "due"]
    assert note_codes(df) == ["rows_above_header"]
    assert read_sheet(path, header=3).columns.tolist() == ["id", "name", "amount", "due"]
    assert read_sheet(path, header=None).columns.tolist() == ["A", "B", "C", "D"]
    with pytest.raises(SheetUnreadable):
        read_sheet(path, header=99)


def test_a_header_row_without_words_is_said(tmp_path: Path) -> None:
    """A sheet that begins with its data loses the first row to the headers, so that is worth a word."""
    path = tmp_path / "a.xlsx"
    save(path, [[1, 2.5], [3, 4.5]])
    df = read_sheet(path)
    assert (df.columns.tolist(), note_codes(df)) == (["1", "2.5"], ["odd_headers"])
    assert len(read_sheet(path, header=None)) == 2
    text = tmp_path / "a.csv"
    text.write_text("1,2.5\n3,4.5\n")
    assert note_codes(read_sheet(text)) == ["odd_headers"]


def test_two_header_rows_under_merged_groups_are_joined_and_said(tmp_path: Path) -> None:
    """Contact over email and phone gives Contact.email and Contact.phone."""
    path = tmp_path / "a.xlsx"
    sheet = save(path, [["id", "Contact", None, "note"], [None, "email", "phone", None], ["1", "a@b", "5", "x"]])
    sheet.merge_cells("B1:C1")
    sheet.merge_cells("A1:A2")
    sheet.parent.save(path)
    df = read_sheet(path)
    assert df.columns.tolist() == ["id", "Contact.email", "Contact.phone", "note"]
    assert note_codes(df) == ["several_header_rows"]
    assert len(df) == 1


def test_header_rows_of_a_text_can_be_named(tmp_path: Path) -> None:
    """header=[0, 1] joins two rows of a csv, carrying group names to the right."""
    path = tmp_path / "a.csv"
    path.write_text("id,Contact,,note\n,email,phone,\n1,a@b,5,x\n")
    assert read_sheet(path, header=[0, 1]).columns.tolist() == ["id", "Contact.email", "Contact.phone", "note"]


def test_hidden_rows_are_kept_and_said_or_dropped_on_request(tmp_path: Path) -> None:
    """A filter hides rows that pandas would read silently."""
    path = tmp_path / "a.xlsx"
    sheet = save(path, [["id"], ["1"], ["2"], ["3"]])
    sheet.row_dimensions[3].hidden = True
    sheet.auto_filter.ref = "A1:A4"
    sheet.parent.save(path)
    df = read_sheet(path)
    assert df["id"].tolist() == ["1", "2", "3"]
    assert note_codes(df) == ["hidden_rows"]
    assert read_sheet(path, hidden="drop")["id"].tolist() == ["1", "3"]


def test_merged_cells_are_said_and_filled_on_request(tmp_path: Path) -> None:
    """A cell merged over three rows belongs to all of them only when asked."""
    path = tmp_path / "a.xlsx"
    sheet = save(path, [["group", "id"], ["A", "1"], [None, "2"], [None, "3"]])
    sheet.merge_cells("A2:A4")
    sheet.parent.save(path)
    df = read_sheet(path)
    assert df["group"].isna().tolist() == [False, True, True]
    assert note_codes(df) == ["merged_cells"]
    assert read_sheet(path, merged="fill")["group"].tolist() == ["A", "A", "A"]


def test_blank_rows_are_left_out_and_a_total_is_said(tmp_path: Path) -> None:
    """Blank rows inside and at the end are left out and said; a totals row stays and is said."""
    path = tmp_path / "a.xlsx"
    save(path, [["id", "amount"], ["1", 5], [], ["2", 6], ["Total", 11], [None, " "], []])
    df = read_sheet(path)
    assert df["id"].tolist() == ["1", "2", "Total"]
    assert note_codes(df) == ["blank_rows", "trailing_blank_rows", "totals_row"]
    assert "1 row below the last value (row 5)" in df.attrs["opus_nb"]["notes"][1]["problem"]
    assert df.attrs["opus_nb"]["row_spans"] == [[2, 1], [4, 2]]


def test_rows_of_a_text_that_hold_only_separators_are_said(tmp_path: Path) -> None:
    """What Excel leaves below a table in a csv is left out and said; a line break at the end is not worth a word."""
    path = tmp_path / "a.csv"
    path.write_text("id,name\n1,x\n,\n,\n")
    df = read_sheet(path)
    assert (len(df), note_codes(df)) == (1, ["trailing_blank_rows"])
    path.write_text("id,name\n1,x\n\n")
    assert note_codes(read_sheet(path)) == []


def test_a_total_that_was_taken_away_is_not_said_any_more(tmp_path: Path) -> None:
    """Who follows the advice of an issue is rid of it."""
    path = tmp_path / "a.xlsx"
    save(path, [["Value"], ["1"], ["Total"]])
    df = read_sheet(path)
    schema = Schema((make_field("str", "Value"),))
    assert check_sheet(df, schema, map_columns(df, schema)).issues["code"].tolist() == ["totals_row"]
    assert check_sheet(df.iloc[:-1], schema, map_columns(df, schema)).issues.empty


def test_notes_become_issues(tmp_path: Path) -> None:
    """What was noticed while reading is part of what is found."""
    path = tmp_path / "a.xlsx"
    save(path, [["Value"], ["1"], ["Total"]])
    df = read_sheet(path)
    schema = Schema((make_field("str", "Value"),))
    issues = check_sheet(df, schema, map_columns(df, schema)).issues
    assert issues["code"].tolist() == ["totals_row"]
    assert issues["row"].isna().all()


@pytest.mark.parametrize("area", ["A2:A1048576", "A1:XFD1048576"])
def test_a_merged_area_of_an_enormous_size_costs_nothing(tmp_path: Path, area: str) -> None:
    """A column merged to its very end, or a whole sheet, is read in no time, also as a copy, and said."""
    path = tmp_path / "a.xlsx"
    save(path, [["Value", "n"], ["x", 1], ["y", 2]])
    merges = f'</sheetData><mergeCells count="1"><mergeCell ref="{area}"/></mergeCells>'.encode()
    _replace_part(path, "xl/worksheets/sheet1.xml", b"</sheetData>", merges)
    df = read_sheet(path)
    assert df["Value"].tolist() == ["x", "y"]
    assert note_codes(df) == ["merged_cells"]
    notes = write_beside(tmp_path / "b.xlsx", df, pd.DataFrame({"state": ["failed", "completed"]}))
    assert "merged areas" in notes[0]


def test_one_stray_cell_far_out_costs_nothing(tmp_path: Path) -> None:
    """A space in the last cell of the sheet does not make a table of a million rows."""
    path = tmp_path / "a.xlsx"
    sheet = save(path, [["id"], ["1"]])
    sheet.cell(1_000_000, 16_000).value = " "
    sheet.parent.save(path)
    assert read_sheet(path).shape == (1, 1)


def test_the_sheet_is_chosen_and_others_are_said(tmp_path: Path) -> None:
    """By default the first visible sheet with cells; by name or number any; unknown ones list what there is."""
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    book.active.title = "Empty"
    for name, state in (("Hidden", "hidden"), ("Claims", "visible"), ("More", "visible")):
        sheet = book.create_sheet(name)
        sheet.sheet_state = state
        sheet.append(["from"])
        sheet.append([name])
    book.save(path)
    df = read_sheet(path)
    assert df["from"].tolist() == ["Claims"]
    assert note_codes(df) == ["other_sheets"]
    assert read_sheet(path, sheet="more")["from"].tolist() == ["More"]
    assert note_codes(read_sheet(path, sheet=1)) == ["hidden_sheet"]
    with pytest.raises(SheetUnreadable, match="no sheet") as caught:
        read_sheet(path, sheet="Nope")
    assert '"Claims"' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("id,name\n007,Zoë\n", "utf-8"),
        ("id,name\n007,Zoë\n", "utf-8-sig"),
        ("id;name\n007;Zoë\n", "cp1252"),
        ("id\tname\n007\tZoë\n", "utf-16"),
        ("sep=|\nid|name\n007|Zoë\n", "utf-8"),
        ('id;name\n007;"Zoë"\n', "utf-8"),
        ("id,name\r\n007,Zoë\r\n\r\n", "utf-8"),
    ],
)
def test_a_text_is_read_whatever_its_encoding_and_delimiter(tmp_path: Path, text: str, encoding: str) -> None:
    """BOMs, Windows-1252, UTF-16, commas, semicolons, tabs, bars and Excel's own first line."""
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    df = read_sheet(path)
    assert df.to_dict("list") == {"id": ["007"], "name": ["Zoë"]}
    said = {"cp1252": ["encoding_assumed"], "utf-8-sig": ["byte_order_mark"], "utf-16": ["byte_order_mark"]}
    assert note_codes(df) == said.get(encoding, [])


def test_every_cell_of_a_text_stays_text(tmp_path: Path) -> None:
    """Numbers, dates and NA of a csv are left for the inputs to read; line breaks in quotes stay."""
    path = tmp_path / "a.csv"
    path.write_text('a,b,c,d\n1.0,NA,2025-01-31,"two\nlines, one cell"\n')
    assert read_sheet(path).iloc[0].tolist() == ["1.0", "NA", "2025-01-31", "two\nlines, one cell"]


def test_commas_inside_cells_do_not_win_over_the_real_delimiter(tmp_path: Path) -> None:
    """Decimal commas in a file of semicolons are part of the cells."""
    path = tmp_path / "a.csv"
    path.write_text("id;amount\n1;1,25\n2;3,50\n")
    assert read_sheet(path)["amount"].tolist() == ["1,25", "3,50"]


def test_a_named_encoding_that_is_wrong_is_refused(tmp_path: Path) -> None:
    """The encoding that was named is the one that is used."""
    path = tmp_path / "a.csv"
    path.write_bytes("Zoë".encode("cp1252"))
    with pytest.raises(SheetUnreadable, match="utf-8"):
        read_sheet(path, encoding="utf-8")
    with pytest.raises(SheetUnreadable, match="nonsense"):
        read_sheet(path, encoding="nonsense")


def test_content_counts_and_not_the_name(tmp_path: Path) -> None:
    """A csv that is named xlsx is read as text, and said; a workbook named csv is read as workbook."""
    path = tmp_path / "a.xlsx"
    path.write_text("id,name\n1,x\n")
    assert note_codes(read_sheet(path)) == ["named_otherwise"]
    book = tmp_path / "b.csv"
    with book.open("wb") as stream:
        other = openpyxl.Workbook()
        other.active.append(["id"])
        other.active.append([5])
        other.save(stream)
    assert read_sheet(book)["id"].tolist() == [5]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.xlsx", b""),
        ("blank.csv", b"\n\n , \n"),
        ("web.xls", b"<html><table></table></html>"),
        ("doc.csv", b"%PDF-1.7"),
        ("data.csv", b"\x00\x01\x02\x03"),
        ("zip.xlsx", b"PK\x03\x04garbage"),
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1garbage"),
        ("locked.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1garbage"),
    ],
)
def test_what_is_no_table_is_refused_with_its_path(tmp_path: Path, name: str, content: bytes) -> None:
    """What cannot be opened as a table says which file and why."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SheetUnreadable) as caught:
        read_sheet(path)
    assert name in str(caught.value)


def test_a_file_that_is_not_there_says_where_we_looked(tmp_path: Path) -> None:
    """The current folder is part of the message; a folder is no sheet."""
    with pytest.raises(SheetUnreadable, match="current folder"):
        read_sheet(tmp_path / "nope.xlsx")
    with pytest.raises(SheetUnreadable):
        read_sheet(tmp_path)


def test_xls_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of old workbooks is optional."""
    import sys

    monkeypatch.setitem(sys.modules, "xlrd", None)
    path = tmp_path / "a.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    with pytest.raises(ExtraMissing, match="pip install xlrd"):
        read_sheet(path)


def test_attrs_are_small_plain_and_survive_what_pandas_does(tmp_path: Path) -> None:
    """JSON can hold them; copies, filters, concat and pickles keep them."""
    path = tmp_path / "a.xlsx"
    save(path, [["id"], *[[f"{i}"] for i in range(200)]])
    df = read_sheet(path)
    kept = df.attrs["opus_nb"]
    assert json.loads(json.dumps(kept)) == kept
    assert len(json.dumps(kept)) < 1000
    assert copy.deepcopy(df).attrs == df[df["id"] > "1"].attrs == pd.concat([df, df]).attrs == df.attrs
    assert pickle.loads(pickle.dumps(df)).attrs == df.attrs


def test_letters_that_xml_cannot_hold_come_back(tmp_path: Path) -> None:
    """Office's own spelling of a carriage return is read as one."""
    path = tmp_path / "a.xlsx"
    save(path, [["id"], ["two_x000D_\nlines"]])
    assert read_sheet(path)["id"].tolist() == ["two\r\nlines"]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300) | st.text(alphabet='a1,;\t|"\n\r\ufeff=', max_size=80).map(str.encode))
def test_any_bytes_are_a_table_or_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever a csv holds, it is a table or SheetUnreadable."""
    path = tmp_path / "fuzz.csv"
    path.write_bytes(content)
    try:
        df = read_sheet(path)
    except SheetUnreadable:
        return
    assert all(isinstance(header, str) for header in df.columns)


def test_any_bytes_under_the_name_of_a_workbook_are_no_table(tmp_path: Path) -> None:
    """A letter called xlsx is refused; delimited text called xlsx is read, and said."""
    letter = tmp_path / "letter.xlsx"
    letter.write_bytes(b"this is not a workbook")
    with pytest.raises(SheetUnreadable, match="no workbook"):
        read_sheet(letter)
    table = tmp_path / "table.xlsx"
    table.write_text("a,b\n1,2\n")
    assert list(read_sheet(table).columns) == ["a", "b"]


def test_a_number_format_of_one_cell_is_not_that_of_the_column(tmp_path: Path) -> None:
    """Cells without a format count too, and a column that mixes both is told."""
    path = tmp_path / "a.xlsx"
    sheet = save(path, [["Value"], [7], [8], [9]])
    sheet["A2"].number_format = "00000"
    sheet.parent.save(path)
    df = read_sheet(path)
    assert (df.attrs["opus_nb"]["number_formats"], note_codes(df)) == ({}, ["several_number_formats"])
    sheet["A3"].number_format = "00000"
    sheet.parent.save(path)
    df = read_sheet(path)
    assert (df.attrs["opus_nb"]["number_formats"], note_codes(df)) == ({"Value": "00000"}, ["several_number_formats"])


def test_members_of_an_object_are_read_by_what_is_said_of_their_own_columns(tmp_path: Path) -> None:
    """Number formats, dates= and decimal= of a column hold for the member that it feeds."""
    path = tmp_path / "a.xlsx"
    sheet = save(path, [["Contact.Phone", "Contact.Due", "Contact.Owes"], [7, "03/04/2024", "1,234"]])
    sheet["A2"].number_format = "00000"
    sheet.parent.save(path)
    members = (make_field("str", "Phone"), make_field("date", "Due"), make_field("float", "Owes"))
    schema = Schema((make_field("object", "Contact", members=members),))
    df = read_sheet(path)
    ways: dict[str, Any] = {"dates": {"Contact.Due": "dmy"}, "decimal": {"Contact.Owes": ","}}
    checked = check_sheet(df, schema, map_columns(df, schema), **ways)
    assert checked.columns["contact"] == [{"phone": "00007", "due": "2024-04-03", "owes": 1.234}]
    assert checked.issues.empty


@pytest.mark.parametrize(
    ("text", "noticed"),
    [
        ('Ref\tNote\na\t1\nb\t"19 inch\nc\t3\nd\t"ok\n', True),
        ('A,B,C\n1,"x\n2,y,z\n3,4,5\n', True),
        ('Ref,Note\na,"x\nb,y"\nc,d\n', True),
        ('Ref,Note\na,"Dear Sir,\nthanks, and bye"\nb,c\n', False),
        ('A,B,C\n1,"Road 1,\n12345 City, Land",z\n3,4,5\n', False),
    ],
)
def test_a_quotation_mark_that_swallows_rows_is_noticed(tmp_path: Path, text: str, noticed: bool) -> None:
    """A cell over several lines that holds whole rows, or whose quotes do not fit, is told; a letter is not."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert ("quote_not_closed" in note_codes(read_sheet(path))) is noticed


def test_totals_and_headers_within_the_table_are_noticed(tmp_path: Path) -> None:
    """Each is told with its row, and no more once it was left out."""
    path = tmp_path / "a.xlsx"
    rows = [["Ref", "Amount"], ["a", 1], ["Subtotal", 1], ["Ref", "Amount"], ["b", 2], ["Total", 3], ["as of today"]]
    save(path, rows)
    df = read_sheet(path)
    assert note_codes(df) == ["totals_within", "headers_repeated"]
    schema = Schema((make_field("str", "Ref"), make_field("json", "Amount")))
    left = df.drop(index=[1, 4]).drop(index=2)
    assert {"totals_within", "headers_repeated"} <= set(check_sheet(df, schema, map_columns(df, schema)).issues["code"])
    assert check_sheet(left, schema, map_columns(left, schema)).issues.empty


def test_two_groups_above_the_headers_are_joined_with_them(tmp_path: Path) -> None:
    """Merged cells count with their whole width, so groups over all columns are headers and no title."""
    path = tmp_path / "a.xlsx"
    sheet = save(path, [["Buyer", None, "Seller", None], ["Name", "City", "Name", "City"], ["a", "b", "c", "d"]])
    sheet.merge_cells("A1:B1")
    sheet.merge_cells("C1:D1")
    sheet.parent.save(path)
    assert read_sheet(path).columns.tolist() == ["Buyer.Name", "Buyer.City", "Seller.Name", "Seller.City"]


@pytest.mark.parametrize(
    "options", [{"header": [0, "a"]}, {"delimiter": 5}, {"encoding": 5}, {"hidden": "maybe"}, {"merged": 1}]
)
def test_arguments_that_are_no_such_thing_are_refused_by_name(tmp_path: Path, options: dict[str, Any]) -> None:
    """The message names the argument."""
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises((SettingsError, SheetUnreadable), match=next(iter(options))):
        read_sheet(path, **options)
