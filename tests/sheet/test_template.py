"""Templates: written, filled in, read back."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from sheet_making import make_field

from opus_nb.errors import SettingsError
from opus_nb.service.schema import Schema
from opus_nb.sheet import check_sheet, map_columns, read_sheet
from opus_nb.sheet.template import leave_out_example, write_template

CONTACT = (make_field("str", "E.mail", required=True), make_field("int", "Age"))
SCHEMA = Schema(
    (
        make_field("str", "Claim no", required=True, description="As on the form"),
        make_field("float", "Amount", required=True),
        make_field("int", "Pages"),
        make_field("bool", "Urgent"),
        make_field("date", "Due", type_definition="%d/%m/%Y"),
        make_field("str", "Level", options=("High, very", "Low")),
        make_field("str", "Area", options=("North", "South")),
        make_field("array", "Tags"),
        make_field("object", "Contact", required=True, members=CONTACT),
        make_field("file", "Form", allowed_file_types=("PNG",)),
        make_field("files", "Scans"),
        make_field("json", "Extra"),
        make_field("other", "Odd"),
        make_field("str", "=Formula like", variable_name="formula"),
        make_field("str", "Twin", variable_name="twin_1"),
        make_field("str", "Twin", variable_name="twin_2"),
    )
)


def test_a_template_reads_back_mapped_and_its_example_row_is_not_sent(tmp_path: Path) -> None:
    """Every input finds its column letter for letter, and the untouched example row is left out and said."""
    path = write_template(tmp_path / "t.xlsx", SCHEMA, "Claims: 2025/26")
    df = read_sheet(path)
    assert len(df) == 0
    assert [each["code"] for each in df.attrs["opus_nb"]["notes"]] == ["example_row"]
    mapping = map_columns(df, SCHEMA)
    assert [each.source for each in mapping.sources] == ["column"] * len(SCHEMA)
    assert {each.score for each in mapping.sources} == {1.0}
    assert mapping.unused == ()
    assert mapping["contact"].members == ((("e.mail",), "Contact.E.mail"), (("age",), "Contact.Age"))


def test_the_example_row_would_pass(tmp_path: Path) -> None:
    """What the example shows is right: apart from its files, which do not exist, nothing is wrong with it."""
    path = write_template(tmp_path / "t.xlsx", SCHEMA)
    book = openpyxl.load_workbook(path)
    del book.custom_doc_props["opus_nb_example_row"]
    book.save(path)
    df = read_sheet(path)
    checked = check_sheet(df, SCHEMA, map_columns(df, SCHEMA), files_root=tmp_path)
    assert len(df) == 1
    assert set(checked.issues["code"]) == {"file_missing"}
    assert checked.inputs_of(0)["due"] == "31/01/2025"


def test_rows_below_the_example_and_an_example_written_over_are_sent(tmp_path: Path) -> None:
    """Only the example as it was written is left out, wherever it stands."""
    path = write_template(tmp_path / "t.xlsx", Schema((make_field("str", "Name"), make_field("date", "Day"))))
    book = openpyxl.load_workbook(path)
    book.active.append(["007", dt.date(2025, 2, 1)])
    book.save(path)
    df = read_sheet(path)
    assert df["Name"].tolist() == ["007"]
    book.active["A2"] = "mine"
    book.save(path)
    assert read_sheet(path)["Name"].tolist() == ["mine", "007"]


def test_choices_have_drop_downs_and_text_stays_text(tmp_path: Path) -> None:
    """Options and yes/no have lists, long or comma-holding ones from a hidden sheet; text columns are text."""
    path = write_template(tmp_path / "t.xlsx", SCHEMA)
    book = openpyxl.load_workbook(path)
    rules = {str(each.sqref): each for each in book.active.data_validations.dataValidation}
    assert rules["D2:D10000"].formula1 == '"yes,no"'
    assert rules["G2:G10000"].formula1 == '"North,South"'
    assert rules["F2:F10000"].formula1 == "'opus_nb choices'!$F$1:$F$2"
    assert book["opus_nb choices"]["F1"].value == "High, very"
    assert book["opus_nb choices"].sheet_state == "hidden"
    assert book.active.column_dimensions["A"].number_format == "@"
    assert book.active["N1"].data_type == "s"


def test_required_inputs_are_marked_and_notes_tell_what_goes_in(tmp_path: Path) -> None:
    """The note of a header has the type, the kinds of files, and the description."""
    sheet = openpyxl.load_workbook(write_template(tmp_path / "t.xlsx", SCHEMA)).active
    assert sheet["A1"].comment.text.splitlines() == ["REQUIRED", "Text", "As on the form"]
    assert "PNG" in next(cell.comment.text for cell in sheet[1] if cell.value == "Form")
    assert sheet["A1"].fill.fgColor.rgb != sheet["C1"].fill.fgColor.rgb


def test_odd_letters_and_long_choices_in_a_schema_harm_no_template(tmp_path: Path) -> None:
    """Control characters, quotes and hundreds of options are what authors write, too."""
    schema = Schema(
        (
            make_field("str", "A\x01", variable_name="a", description="see\x0b\ud800"),
            make_field("str", "B", options=tuple(f"option {number}" for number in range(300))),
            make_field("str", "C", options=('say "yes"', "no\x02")),
            make_field("array", "D", item=make_field("float", "item")),
        )
    )
    path = write_template(tmp_path / "t.xlsx", schema, "x" * 300)
    assert len(openpyxl.load_workbook(path)["opus_nb choices"]["B"]) == 300
    assert map_columns(read_sheet(path), schema)["d"].source == "column"


def test_the_example_of_a_list_fits_its_items(tmp_path: Path) -> None:
    """A list of numbers has numbers in its example."""
    for kind in ("str", "float", "int", "bool", "date", "object"):
        schema = Schema((make_field("array", "D", item=make_field(kind, "item")), make_field("str", "x")))
        path = write_template(tmp_path / "t.xlsx", schema)
        book = openpyxl.load_workbook(path)
        del book.custom_doc_props["opus_nb_example_row"]
        book.save(path)
        df = read_sheet(path)
        assert check_sheet(df, schema, map_columns(df, schema)).issues.empty


def test_a_workflow_without_inputs_has_a_template_that_says_so(tmp_path: Path) -> None:
    """There is nothing to fill in, and the guide says it."""
    book = openpyxl.load_workbook(write_template(tmp_path / "t.xlsx", Schema(()), "Heartbeat"))
    assert "takes no inputs" in book["opus_nb guide"]["A2"].value


def test_a_template_is_an_xlsx(tmp_path: Path) -> None:
    """Other endings and places that cannot be written to are refused; missing folders are made."""
    assert write_template(tmp_path / "new" / "t.xlsx", SCHEMA).is_file()
    (tmp_path / "file").touch()
    for name in ("t.csv", "file/t.xlsx"):
        with pytest.raises(SettingsError):
            write_template(tmp_path / name, SCHEMA)


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_the_example_row_is_known_without_the_workbooks_property(tmp_path: Path, suffix: str) -> None:
    """Other programs drop the property; a first row that was written over is a row like any other."""
    schema = Schema((make_field("str", "Ref"), make_field("date", "Due"), make_field("float", "Amount")))
    book: Any = openpyxl.load_workbook(write_template(tmp_path / "t.xlsx", schema))
    del book.custom_doc_props["opus_nb_example_row"]
    book.active.append(["a", "2025-02-28", 7])
    book.save(tmp_path / "t.xlsx")
    path = tmp_path / f"t{suffix}"
    if suffix == ".csv":
        path.write_text("Ref;Due;Amount\nsome text;2025-01-31;1250,5\na;2025-02-28;7\n")
    df = leave_out_example(read_sheet(path), schema)
    assert df["Ref"].tolist() == ["a"]
    assert df.index.tolist() == [1]
    assert "example_row" in [each["code"] for each in df.attrs["opus_nb"]["notes"]]
    written_over = read_sheet(path)
    written_over["Amount"] = 8
    assert len(leave_out_example(written_over, schema)) == 2
    yes = Schema((make_field("bool", "Sure"),))
    assert len(leave_out_example(pd.DataFrame({"Sure": ["yes", "no"]}), yes)) == 2
