"""Workbooks of openpyxl and of LibreOffice: read as they are, and never a crash when they are damaged."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from libreoffice_making import FIXTURES, TEMPLATE
from sheet_making import make_field

from opus_nb.errors import OpusError, SheetUnreadable
from opus_nb.service.schema import Schema
from opus_nb.sheet import check_sheet, map_columns, paint_issues, read_sheet, write_beside, write_fix_me

SCHEMA = Schema(
    (
        make_field("str", "Ref", required=True),
        make_field("float", "Amount"),
        make_field("date", "Due"),
        make_field("bool", "Paid"),
        make_field("float", "Rest"),
        make_field("object", "Contact"),
    )
)


def note_codes(df: pd.DataFrame) -> list[str]:
    """Return the codes of what was noticed while reading."""
    return [each["code"] for each in df.attrs["opus_nb"]["notes"]]


@pytest.mark.parametrize("name", ["claims", "claims_through_xls"])
def test_a_workbook_of_libreoffice_is_read_like_any_other(name: str) -> None:
    """Joined headers, dates, numbers behind formats, calculated formulas, errors, and everything noticed."""
    df = read_sheet(FIXTURES / f"{name}.xlsx")
    assert df.columns.tolist()[:4] == ["Ref", "Contact.email", "Contact.phone", "Amount"]
    assert note_codes(df) == ["several_header_rows", "hidden_rows", "totals_row", "hidden_columns"]
    checked = check_sheet(df.iloc[:-1], SCHEMA, map_columns(df, SCHEMA))
    assert checked.inputs_of(0) == {
        "ref": "003",
        "amount": 3751.5,
        "due": "2025-01-03",
        "paid": False,
        "rest": 3638.955,
        "contact": {"email": "a3@b.example", "phone": 4900003},
    }
    errors = checked.issues[checked.issues["severity"] == "error"]
    assert errors[["row", "column", "code"]].to_numpy().tolist() == [
        [1, "Rest", "cell_error"],
        [3, "Rest", "cell_error"],
    ]
    assert "rest" not in checked.inputs_of(5)  # a formula that gave an empty text


def test_a_copy_keeps_what_its_formulas_gave(tmp_path: Path) -> None:
    """Numbers, errors and empty texts behind formulas are read from a copy as from the workbook itself."""
    df = read_sheet(FIXTURES / "claims.xlsx")
    write_beside(tmp_path / "out.xlsx", df, pd.DataFrame({"state": ["failed"] * len(df)}))
    again = read_sheet(tmp_path / "out.xlsx")
    pd.testing.assert_series_equal(again["Rest"], df["Rest"])
    pd.testing.assert_series_equal(again["Amount"], df["Amount"])
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert book["Claims & more"]["H3"].value.startswith("=IF(")
    assert book.calculation.fullCalcOnLoad


def test_the_epoch_of_a_workbook_of_libreoffice_is_followed() -> None:
    """Its dates count from 1904, and so do its bare numbers."""
    df = read_sheet(FIXTURES / "epoch_1904.xlsx")
    assert df["Value"][0] == pd.Timestamp("2025-01-31")
    schema = Schema((make_field("date", "Serial"),))
    assert check_sheet(df, schema, map_columns(df, schema)).columns["serial"] == ["2025-01-31"]


def test_a_template_that_libreoffice_has_saved_still_knows_its_example() -> None:
    """Opening and saving the template elsewhere does not make a job of the example row."""
    df = read_sheet(FIXTURES / "template.xlsx")
    assert (len(df), note_codes(df)) == (0, ["example_row"])
    assert {each.source for each in map_columns(df, TEMPLATE).sources} == {"column"}


def test_results_that_libreoffice_has_saved_are_still_known_as_such(tmp_path: Path) -> None:
    """The columns of results feed nothing, are written over the next time, and lose their old marks."""
    df = read_sheet(FIXTURES / "results.xlsx")
    schema = Schema((make_field("str", "Question"), make_field("float", "Amount"), make_field("str", "Summary")))
    mapping = map_columns(df, schema)
    assert [each.source for each in mapping.sources] == ["column", "column", "missing"]
    write_beside(tmp_path / "out.xlsx", df, pd.DataFrame({"state": ["completed"] * 2, "Summary": ["a", "b"]}))
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    assert [cell.value for cell in sheet[1]] == ["Question", "Amount", "state", None, "Summary"]
    assert [cell.value for cell in sheet[2]] == ["Why?", "many", "completed", None, "a"]
    assert sheet["B2"].comment is None


def test_a_text_that_libreoffice_has_imported_is_read() -> None:
    """What the import has made of 007 is what the workbook holds."""
    assert read_sheet(FIXTURES / "text.xlsx")["name"].tolist()[0] == "Zoë, again"


def _openpyxl_bytes() -> bytes:
    stream = io.BytesIO()
    book = openpyxl.Workbook()
    for row in (["Ref", "Due", "Amount"], ["a", dt.date(2025, 1, 1), 1.5], ["b", None, True], ["=A1", "=1/0", "#N/A"]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    book.active.auto_filter.ref = "A1:C4"
    book.save(stream)
    return stream.getvalue()


WORKBOOKS = {"openpyxl": _openpyxl_bytes()} | {path.stem: path.read_bytes() for path in sorted(FIXTURES.glob("*.xlsx"))}
# What stands between quotes or between tags, or a whole tag.
PIECE = re.compile(rb'(?<==")[^"]*(?=")|(?<=>)[^<]+(?=<)|<[^<>]+>')
ODD = [
    b"",
    b"0",
    b"-1",
    b"1e400",
    b"99999999999999999999",
    b"NaN",
    b"A0",
    b"ZZZZ1",
    b"$A$1:XFD",
    b"#REF!",
    b"s",
    b"e",
    b"d",
]
ODD += [b"str", b"inlineStr", b"true", b"x" * 40_000, b"_xD800_", "\u2028é".encode(), b"&#1;", b"2025-13-45T99:99"]


def damaged(data: st.DataObject) -> bytes:
    """Return one of the workbooks with a few of its bytes, or a few pieces of its XML, changed."""
    content = WORKBOOKS[data.draw(st.sampled_from(sorted(WORKBOOKS)), "workbook")]
    if data.draw(st.integers(0, 3), "raw") == 0:
        raw = bytearray(content)
        for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=20)):
            raw[place] = data.draw(st.integers(0, 255))
        return bytes(raw[: data.draw(st.integers(1, len(raw))) if data.draw(st.booleans()) else len(raw)])
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(changed, "w") as target:
        names = archive.namelist()
        # Half of the time the sheet itself: it has most to say.
        sheets = [name for name in names if name.startswith("xl/worksheets/sheet")]
        victim = data.draw(st.sampled_from(names) | st.sampled_from(sheets), "part")
        for name in names:
            part = archive.read(name)
            if name == victim:
                for _ in range(data.draw(st.integers(1, 6))):
                    pieces = list(PIECE.finditer(part)) or [re.match(b"", part)]
                    piece = data.draw(st.sampled_from(pieces))
                    odd = data.draw(st.sampled_from(ODD))
                    part = part[: piece.start()] + odd + part[piece.end() :]
            target.writestr(name, part)
    return changed.getvalue()


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_workbook_is_a_table_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Flipped bytes, odd values and missing tags never raise anything but SheetUnreadable."""
    path = tmp_path / "fuzz.xlsx"
    path.write_bytes(damaged(data))
    refused = None
    try:
        df = read_sheet(path)
    except SheetUnreadable as problem:
        refused = problem
    if refused is None:
        assert all(isinstance(header, str) for header in df.columns)
    else:
        # One error, and no chain of somebody else's before it.
        assert refused.__cause__ is None
        assert refused.__suppress_context__ or refused.__context__ is None
        assert str(path) in str(refused)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_could_be_read_can_be_checked_painted_and_marked(tmp_path: Path, data: st.DataObject) -> None:
    """A damaged workbook that opens goes the whole way, or one of our errors says why not."""
    path = tmp_path / "fuzz.xlsx"
    path.write_bytes(damaged(data))
    try:
        df = read_sheet(path)
        checked = check_sheet(df, SCHEMA, map_columns(df, SCHEMA))
        paint_issues(df, checked.issues, checked.issue_positions)
        write_fix_me(tmp_path / "fix-me.xlsx", df, checked.issues, checked.issue_positions)
        write_beside(tmp_path / "out.xlsx", df, pd.DataFrame({"state": ["failed"] * len(df), "error": "x"}))
    except OpusError:
        return
    read_sheet(tmp_path / "out.xlsx")
