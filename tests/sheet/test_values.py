"""Texts, yes/no words, options, lists, objects and JSON."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sheet_making import make_field

from opus_nb.sheet import MISSING, CheckedSheet

Check = Callable[..., CheckedSheet]


def codes(checked: CheckedSheet) -> list[str]:
    """Return the codes of all issues."""
    return checked.issues["code"].tolist()


@pytest.mark.parametrize(
    "word", ["yes", "Y", "TRUE", "1", 1, 1.0, True, np.True_, "x", "Ja", "oui", "Sí", "wahr", " yes ", "✓", "1.0"]
)
def test_words_for_yes(check: Check, word: Any) -> None:
    """Each of these is true, without a word."""
    checked = check("bool", [word])
    assert (checked.columns["value"], codes(checked)) == ([True], [])


@pytest.mark.parametrize("word", ["no", "N", "False", "0", 0, 0.0, False, np.False_, "nein", "non", "off", Decimal(0)])
def test_words_for_no(check: Check, word: Any) -> None:
    """Each of these is false, without a word."""
    assert check("bool", [word]).columns["value"] == [False]


@pytest.mark.parametrize("word", ["maybe", 2, "2", "yess", [True], pd.Timestamp("2025-01-01"), -1])
def test_what_is_neither_yes_nor_no_is_an_error(check: Check, word: Any) -> None:
    """Nothing else is guessed to be a yes or a no."""
    assert codes(check("bool", [word])) == ["not_a_bool"]


def test_text_stays_letter_for_letter(check: Check) -> None:
    """Leading zeros, long ids, inner spaces and line breaks stay."""
    cells = ["007", "1234567890123456789", "a b", "two\nlines", "1e5", "TRUE"]
    checked = check("str", cells)
    assert (checked.columns["value"], codes(checked)) == (cells, [])


def test_odd_spaces_inside_a_text_are_kept_and_said(check: Check) -> None:
    """A no-break space looks like a plain one and is none: one warning for the column, and the text stays."""
    checked = check("str", ["a\u00a0b", "c d", "e\u200bf"])
    assert checked.columns["value"] == ["a\u00a0b", "c d", "e\u200bf"]
    assert codes(checked) == ["odd_spaces"]
    assert "2 different texts hold" in checked.issues["problem"][0]


def test_invisible_spaces_at_the_ends_are_taken_off_and_said(check: Check) -> None:
    """One warning for the column, however many cells."""
    checked = check("str", ["A1 ", "\u00a0B2", "C3"])
    assert checked.columns["value"] == ["A1", "B2", "C3"]
    assert codes(checked) == ["spaces_trimmed"]
    assert not checked.invalid.any()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (np.int64(7), "7"),
        (12345678901234567890, "12345678901234567890"),
        (Decimal("1.50"), "1.50"),
        (dt.time(9, 30), "09:30:00"),
        (Path("a") / "b", str(Path("a") / "b")),
        (uuid.UUID(int=1), str(uuid.UUID(int=1))),
        (pd.Period("2025-01", "M"), "2025-01"),
    ],
)
def test_values_with_one_spelling_become_text(check: Check, value: Any, text: str) -> None:
    """Numbers, dates, paths and ids are written as a person would."""
    checked = check("str", [value])
    assert (checked.columns["value"], codes(checked)) == ([text], [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.date(2025, 1, 31), "2025-01-31"),
        (pd.Timestamp("2025-01-31"), "2025-01-31"),
        (pd.Timestamp("2025-01-31 10:30"), "2025-01-31 10:30:00"),
    ],
)
def test_a_date_in_a_text_input_is_written_in_one_way_and_said(check: Check, value: Any, text: str) -> None:
    """What the sheet shows may be written otherwise, so the form that is sent is told once for the column."""
    checked = check("str", [value, "n.a."])
    assert (checked.columns["value"], codes(checked)) == ([text, "n.a."], ["date_as_text"])
    assert text in checked.issues["problem"][0]


def test_percentages_in_a_text_input_are_said(check: Check) -> None:
    """The sheet shows 19 %, and 0.19 is sent: that is said."""
    attrs = {"is_workbook": True, "number_formats": {"Value": "0%"}}
    checked = check("str", [0.19, 0.5], attrs=attrs)
    assert (checked.columns["value"], codes(checked)) == (["0.19", "0.5"], ["percent_as_text"])


def test_whole_floats_beside_an_empty_cell_are_ids_again(check: Check) -> None:
    """7.0 is what pandas makes of 7 beside an empty cell; another number of the column changes nothing about it."""
    assert check("str", pd.Series([7.0, None, 12.0])).columns["value"] == ["7", MISSING, "12"]
    mixed = check("str", pd.Series([3.0, 3.5]))
    assert (mixed.columns["value"], codes(mixed)) == (["3", "3.5"], ["whole_as_text"])


def test_zero_padding_formats_of_the_workbook_are_applied_again(check: Check) -> None:
    """What the workbook shows as 00042 is sent as 00042."""
    attrs = {"is_workbook": True, "number_formats": {"Value": "00000"}}
    assert check("str", [42, 123456], attrs=attrs).columns["value"] == ["00042", "123456"]
    attrs = {"is_workbook": True, "number_formats": {"Value": "000\\-00\\-0000"}}
    assert check("str", [12345678], attrs=attrs).columns["value"] == ["012-34-5678"]
    attrs = {"is_workbook": True, "number_formats": {"Value": "#,##0.00"}}
    assert check("str", [42], attrs=attrs).columns["value"] == ["42"]


def test_long_ids_that_became_floats_are_errors(check: Check) -> None:
    """A float cannot hold the id that was typed, so it is not sent."""
    assert codes(check("str", [1.2345678901234568e17])) == ["digits_lost"]
    assert codes(check("str", [4111111111111110.0], attrs={"is_workbook": True})) == ["digits_lost"]


@pytest.mark.parametrize("value", [b"bytes", object(), float("inf"), {"a": b"x"}])
def test_what_has_no_text_is_an_error(check: Check, value: Any) -> None:
    """Bytes and foreign objects are errors, not their repr."""
    checked = check("str", [value])
    assert checked.columns["value"] == [MISSING]
    assert checked.invalid.all()


def test_suspicious_casts_to_text_are_warnings(check: Check) -> None:
    """A bool or a list in a text input is sent, and said."""
    checked = check("str", [True, [1, "a"]])
    assert checked.columns["value"] == ["true", '[1, "a"]']
    assert codes(checked) == ["bool_as_text", "container_as_text"]


def test_options_are_matched_without_case_and_never_by_punctuation(check: Check) -> None:
    """HIGH means High; 5 does not mean >5."""
    assert check("str", ["HIGH", " low"], options=("High", "Low")).columns["value"] == ["High", "Low"]
    wrong = check("str", ["5", "Hihg"], options=("High", ">5"))
    assert codes(wrong) == ["not_an_option", "not_an_option"]
    assert "High" in wrong.issues["fix"][1]


def test_options_of_numbers_and_items_are_applied(check: Check) -> None:
    """Options hold for numbers, and for each item of a list."""
    assert check("int", ["2"], options=(1, 2)).columns["value"] == [2]
    assert check("array", ["RED;blue"], options=("red", "blue")).columns["value"] == [["red", "blue"]]
    assert codes(check("array", ["red;pink"], options=("red", "blue"))) == ["not_an_option"]


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ("a;b ; c", ["a", "b", "c"]),
        ("a\nb\r\nc", ["a", "b", "c"]),
        ('["a", "b;c"]', ["a", "b;c"]),
        (["a", 1], ["a", 1]),
        (("a",), ["a"]),
        ({"b", "a"}, ["a", "b"]),
        (np.array([1, 2]), [1, 2]),
        (pd.Series(["x"]), ["x"]),
        ("single", ["single"]),
        ("a;", ["a"]),
        ([], []),
        ('[{"k": 1}]', [{"k": 1}]),
        (5, [5]),
    ],
)
def test_lists_come_from_marks_lines_json_and_python(check: Check, cell: Any, items: list[Any]) -> None:
    """A list cell is read in every way in which people write lists."""
    checked = check("array", [cell])
    assert (checked.columns["value"], codes(checked)) == ([items], [])


def test_items_are_cast_to_the_type_that_the_schema_gives(check: Check) -> None:
    """Items of number lists are numbers, and a bad one is named by its place."""
    checked = check("array", ["1,250.50; 2", "3; x"], item=make_field("float", "item"))
    assert checked.columns["value"] == [[1250.5, 2.0], MISSING]
    assert "item 2" in checked.issues["problem"][0]


def test_commas_in_a_list_cell_are_kept_and_said(check: Check) -> None:
    """ "red, blue" is one item, because commas occur in texts; a warning says so."""
    checked = check("array", ["red, blue"])
    assert checked.columns["value"] == [["red, blue"]]
    assert codes(checked) == ["commas_kept"]


@pytest.mark.parametrize("cell", ["[1, 2", "1, 2]", '["a"; "b"', '{"a": 1'])
def test_half_a_json_list_is_sent_as_text_and_said(check: Check, cell: str) -> None:
    """A bracket that is never closed may be a slip, so a warning says what is sent."""
    checked = check("array", [cell])
    assert codes(checked) == ["broken_json"]
    assert checked.columns["value"] == [[part.strip() for part in cell.split(";")]]


@pytest.mark.parametrize("cell", ["[1] note", "note [1]", "[draft] a; b"])
def test_brackets_that_belong_to_a_text_are_not_said(check: Check, cell: str) -> None:
    """Only a bracket without its other half is worth a word."""
    assert codes(check("array", [cell])) == []


def test_a_json_object_in_a_list_cell_is_one_item(check: Check) -> None:
    """Semicolons inside an object do not cut it."""
    assert check("array", ['{"a": "x; y"}']).columns["value"] == [[{"a": "x; y"}]]


def test_a_broken_json_list_is_an_error(check: Check) -> None:
    """What begins and ends like a JSON list must be one."""
    assert codes(check("array", ["[a, b]"])) == ["not_a_list"]


def test_objects_come_from_dicts_and_json_and_members_are_cast(check: Check) -> None:
    """Members get the schema's types; unknown ones are sent and said; missing required ones are errors."""
    members = (make_field("float", "Amount", required=True), make_field("date", "Due"))
    checked = check(
        "object",
        [{"Amount": "1,250.50", "due": "31/01/2025"}, '{"amount": 2, "note": "x"}', {"due": "2025-01-01"}],
        members=members,
    )
    assert checked.columns["value"] == [{"amount": 1250.5, "due": "2025-01-31"}, {"amount": 2.0, "note": "x"}, MISSING]
    assert codes(checked) == ["unknown_member", "member_missing"]


@pytest.mark.parametrize("cell", ["{", "text", "[1]", 5, ["a"], "{'a': 1}"])
def test_what_is_no_object_is_an_error(check: Check, cell: Any) -> None:
    """Lists, numbers and broken JSON are no objects."""
    assert codes(check("object", [cell])) == ["not_an_object"]


def test_json_text_stays_as_it_is_and_values_are_written_as_json(check: Check) -> None:
    """A json_string is always a text that parses."""
    cells = [' {"a": [1, 2]} ', {"k": np.float64(1.5), "d": dt.date(2025, 1, 1), "n": float("nan")}, [1, None], 5]
    values = check("json", cells).columns["value"]
    assert values[0] == '{"a": [1, 2]}'
    assert [json.loads(each) for each in values[1:]] == [{"k": 1.5, "d": "2025-01-01", "n": None}, [1, None], 5]
    assert codes(check("json", ["plain text", "{,}", "NaN", {"a": object()}])) == ["not_json"] * 4


def test_an_unknown_type_takes_what_json_holds(check: Check) -> None:
    """A type that nobody knows gets the value as it is."""
    cells = ["a", np.int64(3), 2.5, True, {"a": (1, 2)}, pd.Timestamp("2025-01-01")]
    assert check("other", cells).columns["value"] == ["a", 3, 2.5, True, {"a": [1, 2]}, "2025-01-01T00:00:00"]


def test_a_circle_is_an_error_and_not_a_crash(check: Check) -> None:
    """A list that holds itself is told, in every kind that takes lists."""
    circle: list[Any] = []
    circle.append(circle)
    for kind in ("array", "json", "other", "str", "object"):
        assert check(kind, [circle]).invalid.all()


def test_another_type_that_the_field_accepts_is_tried(check: Check) -> None:
    """Where a field takes float or str, a text that is no number is text."""
    either = make_field("str", "Value")
    checked = check("float", ["1.5", "n.a."], alternatives=(either,))
    assert (checked.columns["value"], codes(checked)) == ([1.5, "n.a."], [])


def test_long_numbers_of_a_workbook_are_refused_also_where_they_look_whole(check: Check) -> None:
    """A number cell of 16 digits and more was rounded, whoever wrote the file; a text cell was not."""
    cells = [12345678901234600, "12345678901234678", 42]
    checked = check("str", cells, attrs={"is_workbook": True})
    assert (checked.columns["value"], codes(checked)) == ([MISSING, "12345678901234678", "42"], ["digits_lost"])
    assert check("int", cells, attrs={"is_workbook": True}).columns["value"][0] is MISSING
    as_float = check("float", cells[:1], attrs={"is_workbook": True})
    assert as_float.issues["severity"].tolist() == ["warning"]
    assert check("str", cells).columns["value"][0] == "12345678901234600"
