"""Which column feeds which input."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from sheet_making import make_field

from opus_nb.errors import MappingError, SettingsError, SheetUnreadable
from opus_nb.service.schema import Field, Schema
from opus_nb.sheet import ColumnMapping, map_columns

SCHEMA = Schema(
    (
        make_field("str", "Invoice number", variable_name="workflow_input_a1", required=True),
        make_field("float", "Amount", variable_name="workflow_input_b2", required=True),
        make_field("str", "Country", variable_name="workflow_input_c3"),
    )
)


def frame(*headers: Any) -> pd.DataFrame:
    """Return one row under these headers."""
    return pd.DataFrame([["x"] * len(headers)], columns=pd.Index(list(headers), dtype=object))


def fed(mapping: ColumnMapping) -> dict[str, str | None]:
    """Return display name to header."""
    return {each.field.display_name: each.column for each in mapping.sources}


def test_display_and_variable_names_are_matched_letter_for_letter_first() -> None:
    """Equal names score 1 and say which name it was."""
    mapping = map_columns(frame("Invoice number", "workflow_input_b2", "other"), SCHEMA, guess=False)
    assert fed(mapping) == {"Invoice number": "Invoice number", "Amount": "workflow_input_b2", "Country": None}
    assert [each.score for each in mapping.sources] == [1.0, 1.0, 0.0]
    assert "variable name" in mapping["workflow_input_b2"].reason
    assert mapping.unused == ("other",)


@pytest.mark.parametrize(
    "header", ["invoice_number", "INVOICE NUMBER", " Invoice-Number: ", "InvoiceNumber", "Ínvoice  number"]
)
def test_case_spaces_punctuation_and_accents_are_forgiven(header: str) -> None:
    """A forgiven match scores a little less than 1 and is no guess."""
    source = map_columns(frame(header), SCHEMA, guess=False)["workflow_input_a1"]
    assert (source.column, source.score, source.is_guess) == (header, 0.95, False)


def test_an_exact_header_wins_over_a_forgiven_one() -> None:
    """With both spellings in the sheet, the letter-perfect one is taken and the other stays unused."""
    mapping = map_columns(frame("AMOUNT", "Amount"), SCHEMA)
    assert mapping["workflow_input_b2"].column == "Amount"
    assert mapping.unused == ("AMOUNT",)


def test_two_forgiven_candidates_leave_the_input_open() -> None:
    """Of amount_ and AMOUNT neither is taken; both are shown."""
    source = map_columns(frame("amount_", "AMOUNT"), SCHEMA)["workflow_input_b2"]
    assert source.source == "missing"
    assert [name for name, _ in source.suggestions] == ["amount_", "AMOUNT"]


@pytest.mark.parametrize("columns", [{"pdf_path": "Invoice number"}, {"Invoice number": "pdf_path"}])
def test_columns_may_be_written_either_way_round(columns: dict[str, str]) -> None:
    """Header to input or input to header: the way in which both names exist is meant."""
    mapping = map_columns(frame("pdf_path", "Amount"), SCHEMA, columns)
    assert mapping["workflow_input_a1"].column == "pdf_path"


def test_a_pair_that_reads_both_ways_is_explained() -> None:
    """When both names are columns and both are inputs, the variable name settles it."""
    with pytest.raises(MappingError, match="both ways") as caught:
        map_columns(frame("Amount", "Country"), SCHEMA, {"Amount": "Country"})
    assert "workflow_input_b2" in str(caught.value)
    mapping = map_columns(frame("Amount", "Country"), SCHEMA, {"workflow_input_b2": "Country"})
    assert mapping["workflow_input_b2"].column == "Country"


def test_another_pair_settles_which_way_round() -> None:
    """A clear pair in the same mapping tells how the doubtful one is meant."""
    mapping = map_columns(frame("Amount", "Country", "nr"), SCHEMA, {"Invoice number": "nr", "Amount": "Country"})
    assert mapping["workflow_input_b2"].column == "Country"


def test_an_unknown_column_is_an_error_with_a_suggestion() -> None:
    """A misspelt header is named, with the one that is meant."""
    with pytest.raises(MappingError, match='no column "pdf_pth"') as caught:
        map_columns(frame("pdf_path"), SCHEMA, {"pdf_pth": "Invoice number"})
    assert '"pdf_path"' in str(caught.value)


def test_an_unknown_input_is_an_error_with_a_suggestion() -> None:
    """A misspelt input is named, with the one that is meant, in columns= and constants=."""
    with pytest.raises(MappingError, match='no input "Invoice numbr"') as caught:
        map_columns(frame("a"), SCHEMA, {"a": "Invoice numbr"})
    assert '"Invoice number"' in str(caught.value)
    with pytest.raises(MappingError, match="constants="):
        map_columns(frame("a"), SCHEMA, constants={"Contry": "DE"})


def test_one_input_fed_twice_is_an_error() -> None:
    """Two columns, or a column and a constant, for one input are refused."""
    with pytest.raises(MappingError, match="fed twice"):
        map_columns(frame("a", "b"), SCHEMA, {"a": "Amount", "b": "Amount"})
    with pytest.raises(MappingError, match="fed twice"):
        map_columns(frame("a"), SCHEMA, {"a": "Amount"}, {"Amount": 1})


def test_one_column_feeds_several_inputs_only_when_told() -> None:
    """A list after a header feeds them all; by name alone a column feeds one."""
    mapping = map_columns(frame("a"), SCHEMA, {"a": ["Amount", "Country"]})
    assert fed(mapping) == {"Invoice number": None, "Amount": "a", "Country": "a"}
    assert map_columns(frame("a"), SCHEMA, {"Amount": "a", "Country": "a"}).unused == ()


def test_inputs_of_the_same_name_go_by_variable_name() -> None:
    """Two inputs with one display name stay open, and addressing them by it is explained."""
    twins = Schema((make_field("str", "File", variable_name="v1"), make_field("str", "File", variable_name="v2")))
    open_mapping = map_columns(frame("File"), twins)
    assert [each.source for each in open_mapping.sources] == ["missing", "missing"]
    assert "v1" in open_mapping["v1"].reason
    assert "v2" in open_mapping["v1"].reason
    with pytest.raises(MappingError, match="variable name"):
        map_columns(frame("a"), twins, {"a": "File"})
    assert map_columns(frame("v1", "v2"), twins).columns == {"v1": "v1", "v2": "v2"}


def test_constants_feed_every_row_and_take_the_input_from_the_columns() -> None:
    """A constant wins over a column of that name, which then counts as unused."""
    mapping = map_columns(frame("Country"), SCHEMA, constants={"country": "DE"})
    assert (mapping["workflow_input_c3"].source, mapping["workflow_input_c3"].constant) == ("constant", "DE")
    assert mapping.unused == ("Country",)


def test_samples_of_the_author_are_used_only_on_request_and_never_for_files() -> None:
    """use_defaults fills what nothing feeds; a sample file belongs to its author."""
    schema = Schema((make_field("str", "A", default="sample"), make_field("file", "B", default="https://x/y.pdf")))
    assert map_columns(frame("z"), schema)["a"].source == "missing"
    mapping = map_columns(frame("z"), schema, use_defaults=True)
    assert [each.source for each in mapping.sources] == ["default", "missing"]


def test_an_object_is_put_together_from_dotted_columns() -> None:
    """Contact.email and contact.Phone feed the members email and phone."""
    members = (make_field("str", "Email"), make_field("str", "Phone no", variable_name="phone"))
    schema = Schema((make_field("object", "Contact", members=members),))
    source = map_columns(frame("Contact.email", "contact.Phone No", "Contact.fax"), schema)["contact"]
    assert source.members == ((("email",), "Contact.email"), (("phone",), "contact.Phone No"))
    assert source.column == "Contact.*"


def test_the_frame_of_a_mapping_has_one_row_per_input() -> None:
    """Columns and dtypes are fixed; an unfed input has no column and score 0."""
    shown = map_columns(frame("Amount"), SCHEMA, constants={"Country": "DE"}).mapping_frame
    assert shown.columns.tolist() == [
        "input",
        "variable_name",
        "type",
        "required",
        "source",
        "column",
        "score",
        "reason",
    ]
    assert shown["source"].tolist() == ["missing", "column", "constant"]
    assert shown["column"].isna().tolist() == [True, False, True]
    assert shown["score"].tolist() == [0.0, 1.0, 1.0]
    assert shown["required"].dtype == bool


def test_a_mapping_can_be_saved_and_given_again() -> None:
    """.columns is what columns= takes, by display name, so it outlives the variable names."""
    df = frame("nr", "AMOUNT")
    first = map_columns(df, SCHEMA, {"nr": "Invoice number"})
    rebuilt = Schema(tuple(Field(f"new_{i}", f.display_name, f.type, f.kind, f.required) for i, f in enumerate(SCHEMA)))
    assert fed(map_columns(df, rebuilt, first.columns)) == fed(first)


@pytest.mark.parametrize(
    "thing",
    [
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
        pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)])),
        pd.Series([1]),
        [{"a": 1}],
        None,
    ],
)
def test_what_is_no_plain_table_is_refused_with_the_way_out(thing: Any) -> None:
    """MultiIndex and other things raise SheetUnreadable with a next step."""
    with pytest.raises(SheetUnreadable) as caught:
        map_columns(thing, SCHEMA)
    assert caught.value.next_step


def test_headers_may_be_anything_that_pandas_allows() -> None:
    """Numbers, dates, None, NaN and tuples as headers neither crash nor match."""
    df = frame(1, 2.5, None, float("nan"), pd.Timestamp("2025-01-01"), "Amount")
    assert map_columns(df, SCHEMA, {1: "Country"})["workflow_input_c3"].column == "1"


def test_an_input_can_be_left_out_and_a_column_left_alone() -> None:
    """None after an input feeds it from nothing, also by name; None after a header keeps the column from matching."""
    mapping = map_columns(frame("Invoice number", "Country"), SCHEMA, {"Country": None})
    source = mapping["workflow_input_c3"]
    assert (source.source, source.left_out, source.reason) == ("missing", True, "left out in columns=")
    assert mapping.unused == ("Country",)
    assert mapping.columns == {"Invoice number": "Invoice number", "Country": None}
    alone = map_columns(frame("invoice_number"), SCHEMA, {"invoice_number": None})
    assert alone["workflow_input_a1"].source == "missing"
    defaults = Schema((make_field("str", "A", default="sample"),))
    assert map_columns(frame("z"), defaults, {"A": None}, use_defaults=True)["a"].source == "missing"
    with pytest.raises(MappingError, match="no input"):
        map_columns(frame("a"), SCHEMA, {"Contry": None})
    with pytest.raises(MappingError, match="fed twice"):
        map_columns(frame("a"), SCHEMA, {"Country": None}, {"Country": "DE"})


LISTS = Schema((make_field("array", "Tags"), make_field("files", "Categories of proof", variable_name="proof_ids")))


@pytest.mark.parametrize(
    "headers", [["Tag 1", "Tag 2"], ["tags_2", "tags_1", "tags_3"], ["Tag0", "Tag1"], ["Tag (1)", "Tag (2)"]]
)
def test_a_list_is_fed_from_numbered_columns(headers: list[str]) -> None:
    """Columns called like the list and numbered without a gap are its items, in the order of their numbers."""
    source = map_columns(frame(*headers, "other"), LISTS)["tags"]
    assert [header for _, header in source.members] == sorted(headers)
    assert source.column == " + ".join(sorted(headers))
    assert not source.is_guess


@pytest.mark.parametrize(
    "headers", [["Tag 1"], ["Tag 1", "Tag 3"], ["Tag 2", "Tag 3"], ["Stag 1", "Stag 2"], ["2024", "2025"]]
)
def test_a_list_is_not_fed_from_what_may_be_something_else(headers: list[str]) -> None:
    """One column, a gap, or another name: the list stays open."""
    assert map_columns(frame(*headers), LISTS, guess=False)["tags"].source == "missing"


def test_a_list_of_headers_after_an_input_feeds_it_from_all_of_them() -> None:
    """Only lists can be fed from several columns; the choice is kept with the mapping."""
    df = frame("a", "b", "c")
    mapping = map_columns(df, LISTS, {"Tags": ["a", "b"]})
    assert [header for _, header in mapping["tags"].members] == ["a", "b"]
    assert mapping.columns == {"Tags": ["a", "b"]}
    assert mapping.unused == ("c",)
    assert map_columns(df, LISTS, mapping.columns).columns == mapping.columns
    assert map_columns(df, LISTS, {"Tags": ["c"]})["tags"].column == "c"
    with pytest.raises(MappingError, match="takes one value"):
        map_columns(df, SCHEMA, {"Country": ["a", "b"]})
    with pytest.raises(MappingError, match="fed twice"):
        map_columns(df, LISTS, {"Tags": ["a", "b"], "c": "Tags"})


@pytest.mark.parametrize("given", [{"columns": ["Ref"]}, {"columns": "Ref"}, {"constants": [1]}, {"files_root": 5}])
def test_arguments_that_are_no_pairs_or_no_path_are_refused_by_name(given: dict[str, Any]) -> None:
    """The message names the argument and shows how it is written."""
    with pytest.raises((MappingError, SettingsError), match=next(iter(given))):
        map_columns(frame("Ref"), Schema((make_field("str", "Ref"),)), **given)


@pytest.mark.parametrize(
    ("kind", "name", "header"),
    [
        ("float", "Price", "Price %"),
        ("str", "Code#", "Code"),
        ("str", "C", "C++"),
        ("float", "Amount USD", "Amount EUR"),
        ("float", "Amount ($)", "Amount (€)"),
        ("date", "Date", "Data"),
    ],
)
def test_signs_and_currencies_make_another_name(kind: str, name: str, header: str) -> None:
    """Such a column is at most a suggestion."""
    schema = Schema((make_field(kind, name, variable_name="v1"),))
    values = {"float": 1.5, "date": "2024-01-31", "str": "x"}
    assert fed(map_columns(pd.DataFrame({header: [values[kind]]}), schema)) == {name: None}
