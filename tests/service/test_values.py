"""Values are judged, turned into JSON's types, and never guessed at."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.job import LocalFile
from opus_nb.service.entries import read_field
from opus_nb.service.schema import Field
from opus_nb.service.values import check_value, coerce_value

PDF = LocalFile("/scans/0017.pdf")
URL = "https://files.opus.com/media/private/uploaded/media_a.pdf"


def field(kind: str = "str", *, required: bool = False, **more: Any) -> Field:
    return read_field("x", {"type": kind, "is_nullable": not required, **more})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("str", "text"),
        ("str", ""),
        ("float", 45.8),
        ("float", 45),
        ("int", -3),
        ("bool", False),
        ("date", "2025-11-09"),
        ("array", ["a", 1, None, {"b": [True]}]),
        ("object", {"client_id": "C-456", "is_priority": True}),
        ("file", PDF),
        ("file", URL),
        ("array_files", [PDF, URL]),
        ("array_files", []),
        ("json_string", '{"a": [1, null]}'),
        ("signature", {"any": ["thing", PDF]}),
        ("str", None),
    ],
)
def test_a_value_of_its_kind_fits(kind: str, value: Any) -> None:
    """Each kind takes the wire values that the contract lists for it."""
    assert check_value(field(kind), value) is None


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        ("str", 5, "Text is expected, not the number 5."),
        ("str", PDF, "Text is expected, not the file /scans/0017.pdf."),
        ("str", "\ud800", "half a character"),
        ("float", True, "A number is expected, not yes or no True."),
        ("float", "45.8", "A number is expected, not the text '45.8'."),
        ("float", float("nan"), "nan is not a number that can be sent."),
        ("float", float("-inf"), "-inf is not a number that can be sent."),
        ("float", 10**400, "is not a number that can be sent."),
        ("int", True, "A whole number is expected"),
        ("int", 3.0, "A whole number is expected, not the number 3.0."),
        ("int", 10**400, "too large"),
        ("bool", 1, "True or False is expected, not the number 1."),
        ("bool", "yes", "True or False is expected"),
        ("date", "09/11/2025", "'09/11/2025' is not a date written like 2025-11-09."),
        ("date", "2025-1-9", "is not a date written like"),
        ("date", "2025-02-30", "is not a date written like"),
        ("date", "", "is not a date written like"),
        ("date", 45970, "A date is expected, not the number 45970."),
        ("array", "a;b", "A list is expected, not the text 'a;b'."),
        ("array", ("a",), "A list is expected, not a value of type tuple."),
        ("array", ["a", float("inf")], "Item 2: inf is not a number"),
        ("array", [{"a": {1}}], "Item 1: A value of type set cannot be sent."),
        ("object", ["a"], "An object (name: value) is expected, not a list."),
        ("object", {1: "a"}, "The name 1 is not text."),
        ("object", {"a": [float("nan")]}, '"a": nan is not a number'),
        ("file", "scan.pdf", "A file is expected, not the text 'scan.pdf'."),
        ("file", "ftp://host/a.pdf", "A file is expected"),
        ("file", [PDF], "A file is expected, not a list."),
        ("file", LocalFile("/scans/0017.heic"), "'.heic' is not accepted here (JPEG, PNG"),
        ("file", LocalFile("/scans/0017"), "It has no extension"),
        ("array_files", PDF, "A list of files is expected, not the file /scans/0017.pdf."),
        ("array_files", [PDF, "b.pdf"], "File 2: A file is expected"),
        ("json_string", "{a: 1}", "The text is not JSON"),
        ("json_string", "[NaN]", "NaN is not JSON"),
        ("json_string", {"a": 1}, "JSON text is expected, not an object."),
        ("signature", object(), "A value of type object cannot be sent."),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(kind: str, value: Any, problem: str) -> None:
    """T20, T21: the problem names what is expected and what was found."""
    said = check_value(field(kind), value)
    assert said is not None
    assert problem in said
    assert said.endswith(".")


@pytest.mark.parametrize("kind", ["str", "date", "file", "array", "array_files"])
@pytest.mark.parametrize("value", [None, "", "   "])
def test_required_and_empty_fails_before_sending(kind: str, value: Any) -> None:
    """T20: null and empty text in a required input never leave."""
    said = check_value(field(kind, required=True), value)
    assert said is not None
    assert "required" in said


def test_a_required_file_list_needs_a_file() -> None:
    """An empty list of files is no file; an empty plain list is a list."""
    assert check_value(field("array_files", required=True), []) == "At least one file is required."
    assert check_value(field("array", required=True), []) is None


def test_options_are_the_only_choices() -> None:
    """A choice is matched exactly, and True is not the choice 1."""
    choice = field("str", options=["A", "B"])
    assert check_value(choice, "A") is None
    assert check_value(choice, "a") == "'a' is not one of the choices: 'A', 'B'."
    assert check_value(choice, None) is None
    assert check_value(field("odd", options=[1]), True) is not None
    assert check_value(field("array", options=["A", "B"]), ["B", "A"]) is None
    assert check_value(field("array", options=["A", "B"]), ["B", "C"]) == "'C' is not one of the choices: 'A', 'B'."


def test_nested_definitions_are_followed() -> None:
    """Items and members are judged by their own definitions, at any depth."""
    member = {"type": "array", "is_nullable": False, "type_definition": {"type": "int", "is_nullable": False}}
    nested = field("object", type_definition={"scores": member, "note": {"type": "str", "is_nullable": True}})
    assert check_value(nested, {"scores": [1, 2], "extra": 1.5}) is None
    assert check_value(nested, {"note": "x"}) == '"scores" is missing.'
    assert check_value(nested, {"scores": [1, "2"]}) == (
        "\"scores\": Item 2: A whole number is expected, not the text '2'."
    )
    assert check_value(nested, {"scores": [None]}) == '"scores": Item 1: A value is required.'


def test_a_definition_that_is_not_enforced_describes_only() -> None:
    """``type_definition_enforced: false`` lets anything in; null and absent do not."""
    for told, holds in ((False, True), (None, False), (True, False)):
        listed = field("array", type_definition={"type": "int"}, type_definition_enforced=told)
        assert listed.item is not None
        assert (check_value(listed, ["a", 1.5]) is None) is holds
    loose = field(
        "object", type_definition={"a": {"type": "int", "is_nullable": False}}, type_definition_enforced=False
    )
    assert check_value(loose, {}) is None
    assert coerce_value(loose, {"a": "text"}) == {"a": "text"}


def test_any_of_several_types_will_do() -> None:
    """T4: a field of several types takes a value of each, and names them all when none fits."""
    either = read_field("x", {"allowed_types": [{"type": "float"}, {"type": "date"}]})
    assert check_value(either, 1.5) is None
    assert check_value(either, "2025-11-09") is None
    said = check_value(either, "soon")
    assert said is not None
    assert "It also takes date" in said


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("%d/%m/%Y", "09/11/2025", "9/11/2025"),
        ("%d.%m.%y", "09.11.25", "2025-11-09"),
        ("%d %B %Y", "09 November 2025", "09 Nov 2025"),
        ("%-d.%-m.%Y", "9.11.2025", "09.11.2025"),
        ("%d.%m.", "29.02.", "30.02."),
        ("%F", "2025-11-09", "2025-11-9"),
        ("%Y-%m-%dT%H:%M:%S", "2025-11-09T14:30:00", "2025-11-09"),
    ],
)
def test_a_date_is_written_in_the_schemas_pattern(pattern: str, good: str, bad: str) -> None:
    """The pattern is exact, and a day without a year raises no warning."""
    dated = field("date", type_definition=pattern)
    assert check_value(dated, good) is None
    assert check_value(dated, bad) is not None


def test_a_pattern_nobody_can_read_lets_text_pass() -> None:
    """What Python cannot judge is not refused."""
    assert check_value(field("date", type_definition="%Q quarter"), "Q4") is None


class Colour(str, Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("kind", "value", "wire"),
    [
        ("str", "007", "007"),
        ("str", " kept ", " kept "),
        ("str", 7, "7"),
        ("str", 7.0, "7"),
        ("str", 7.25, "7.25"),
        ("str", 1e300, "1e+300"),
        ("str", 12345678901234567890, "12345678901234567890"),
        ("str", Decimal("10.50"), "10.50"),
        ("str", True, "true"),
        ("str", Colour.RED, "red"),
        ("str", np.str_("a"), "a"),
        ("str", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("str", date(2025, 11, 9), "2025-11-09"),
        ("str", pd.Timestamp("2025-11-09"), "2025-11-09"),
        ("str", datetime(2025, 11, 9, 14, 30, tzinfo=timezone.utc), "2025-11-09T14:30:00+00:00"),
        ("str", time(14, 30), "14:30:00"),
        ("float", 3, 3.0),
        ("float", np.int64(3), 3.0),
        ("float", np.float32(0.5), 0.5),
        ("float", Decimal("0.1"), 0.1),
        ("float", Fraction(1, 4), 0.25),
        ("float", "45.8", 45.8),
        ("float", " -1e3 ", -1000.0),
        ("float", 2**53 + 1, 2**53 + 1),
        ("int", 3.0, 3),
        ("int", np.float64(3.0), 3),
        ("int", np.uint8(3), 3),
        ("int", Decimal("3.00"), 3),
        ("int", "007", 7),
        ("int", "3.0", 3),
        ("bool", np.bool_(True), True),
        ("bool", 1, True),
        ("bool", 0.0, False),
        ("bool", "TRUE", True),
        ("bool", "no", False),
        ("date", date(2025, 11, 9), "2025-11-09"),
        ("date", datetime(2025, 11, 9), "2025-11-09"),  # noqa: DTZ001 a sheet has no zones
        ("date", pd.Timestamp("2025-11-09"), "2025-11-09"),
        ("date", np.datetime64("2025-11-09"), "2025-11-09"),
        ("date", np.datetime64("2025-11-09T00:00:00.000000000"), "2025-11-09"),
        ("date", "2025-1-9", "2025-01-09"),
        ("date", "2025-11-09T00:00:00Z", "2025-11-09"),
        ("date", date(33, 4, 3), "0033-04-03"),
        ("array", ("a", "b"), ["a", "b"]),
        ("array", {"b", "a"}, ["a", "b"]),
        ("array", np.array([1.5, 2.5]), [1.5, 2.5]),
        ("array", np.array(["2025-11-09"], dtype="datetime64[ns]"), ["2025-11-09"]),
        ("array", pd.Series([1, 2]), [1, 2]),
        ("array", pd.Series(["a", None], dtype="string"), ["a", None]),
        ("array", {"a": 1}.keys(), ["a"]),
        ("array", '["a", 1]', ["a", 1]),
        ("array", [np.array([1, 2]), (3,)], [[1, 2], [3]]),
        ("object", OrderedDict(a=np.int8(1)), {"a": 1}),
        ("object", {1: Decimal("2.0"), "when": date(2025, 11, 9)}, {"1": 2, "when": "2025-11-09"}),
        ("object", '{"a": null}', {"a": None}),
        ("file", PDF, PDF),
        ("file", URL, URL),
        ("file", Path("/scans/0017.pdf"), PDF),
        ("file", PurePosixPath("/scans/0017.pdf"), PDF),
        ("file", "/scans/0017.pdf", PDF),
        ("array_files", "/scans/0017.pdf", [PDF]),
        ("array_files", [Path("/scans/0017.pdf"), None, URL], [PDF, URL]),
        ("array_files", json.dumps(["/scans/0017.pdf", URL]), [PDF, URL]),
        ("json_string", '{"a":  1}', '{"a":  1}'),
        ("json_string", {"ä": [1, np.nan]}, '{"ä": [1, null]}'),
        ("json_string", [1, 2.5], "[1, 2.5]"),
        ("odd", {"a": (1, Path("/scans/0017.pdf"))}, {"a": [1, PDF]}),
        ("odd", "text", "text"),
    ],
)
def test_typed_values_become_what_json_holds(kind: str, value: Any, wire: Any) -> None:
    """T21: each Python, numpy and pandas value has one counterpart, of exactly the right type."""
    turned = coerce_value(field(kind), value)
    assert turned == wire
    assert type(turned) is type(wire)
    assert check_value(field(kind), turned) is None


@pytest.mark.parametrize(
    "kind", ["str", "float", "int", "bool", "date", "array", "object", "file", "json_string", "odd"]
)
@pytest.mark.parametrize(
    "missing", [None, float("nan"), np.nan, pd.NA, pd.NaT, np.datetime64("NaT", "ns"), Decimal("NaN")]
)
def test_missing_is_none_for_every_kind(kind: str, missing: Any) -> None:
    """T20, T21: whatever pandas calls missing is no value, never the text 'nan'."""
    assert coerce_value(field(kind), missing) is None


@pytest.mark.parametrize("kind", ["float", "int", "bool", "date", "array", "object", "file", "json_string"])
def test_blank_text_is_no_value_where_text_is_not_expected(kind: str) -> None:
    """An empty box of a form is no number; for text it is empty text."""
    assert coerce_value(field(kind), "  ") is None
    assert coerce_value(field("str"), "") == ""


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("str", ["a"], "Text is expected, not a list."),
        ("str", PDF, "Text is expected, not /scans/0017.pdf."),
        ("str", b"a", "Bytes cannot be sent"),
        ("str", float("inf"), "inf is not a number"),
        ("str", timedelta(1), "A timedelta has no counterpart in JSON"),
        ("float", True, "A number is expected, not True."),
        ("float", "1,250", "read in one way only"),
        ("float", "1_000", "read in one way only"),
        ("float", "nan", "read in one way only"),
        ("float", "1e999", "inf is not a number"),
        ("float", 10**400, "too large"),
        ("float", 1j, "has no counterpart"),
        ("int", 3.5, "3.5 is not a whole number."),
        ("int", "3.5", "'3.5' is not a whole number."),
        ("int", True, "A whole number is expected"),
        ("bool", 2, "True or False is expected, not 2."),
        ("bool", "maybe", "True or False is expected, not 'maybe'."),
        ("date", "09/11/2025", "write it like 2025-11-09."),
        ("date", "2025-13-09", "not a day of the calendar"),
        ("date", 45970, "A date is expected, not 45970."),
        ("date", datetime(2025, 11, 9, 14, 30, tzinfo=timezone.utc), "has a time of day"),
        ("array", "a;b", "A list is expected, not 'a;b'."),
        ("array", "[a]", "The text is not JSON"),
        ("array", {"a": 1}, "A list is expected, not an object."),
        ("array", [1, object()], "of type object has no counterpart"),
        ("array", pd.DataFrame({"a": [1]}), "A DataFrame has no counterpart"),
        ("array", (each for each in "ab"), "of type generator has no counterpart"),
        ("object", [("a", 1)], "An object (name: value) is expected, not a list."),
        ("object", {(1,): 1}, "The name (1,) is not text."),
        ("object", {1: "a", "1": "b"}, "Two names in it are the same"),
        ("file", "ftp://host/a.pdf", "is no path and no http(s) address"),
        ("file", "data:application/pdf;base64,AAAA", "is no path and no http(s) address"),
        ("file", 5, "A file is expected, not 5."),
        ("file", "a\0b", "null character"),
        ("array_files", [5], "File 1: A file is expected, not 5."),
        ("json_string", "not json", "The text is not JSON"),
        ("json_string", {"a": PDF}, "A file cannot be put into JSON text."),
    ],
)
def test_what_needs_a_guess_is_refused(kind: str, value: Any, said: str) -> None:
    """Ambiguous or lossy values raise, with a sentence that says what is wrong."""
    with pytest.raises(ValueError, match=re.escape(said)):
        coerce_value(field(kind), value)


def test_items_and_members_are_turned_by_their_definitions() -> None:
    """Inside containers, the definition decides: 3.0 becomes 3 where an int is held."""
    ints = field("array", type_definition={"type": "int"})
    assert coerce_value(ints, [1.0, "2", None]) == [1, 2, None]
    with pytest.raises(ValueError, match=r"Item 2: 2\.5 is not a whole number"):
        coerce_value(ints, [1, 2.5])
    dated = field("object", type_definition={"on": {"type": "date", "type_definition": "%d.%m.%Y"}})
    assert coerce_value(dated, {"on": date(2025, 11, 9), "by": 1.5}) == {"on": "09.11.2025", "by": 1.5}


def test_a_date_takes_the_schemas_pattern() -> None:
    """The same day, written as this workflow wants it; with a time only where the pattern has one."""
    assert coerce_value(field("date", type_definition="%d/%m/%Y"), date(2025, 11, 9)) == "09/11/2025"
    assert coerce_value(field("date", type_definition="%d/%m/%Y"), "09/11/2025") == "09/11/2025"
    stamped = field("date", type_definition="%Y-%m-%d %H:%M")
    assert coerce_value(stamped, datetime(2025, 11, 9, 14, 30, tzinfo=timezone.utc)) == "2025-11-09 14:30"
    with pytest.raises(ValueError, match="cannot be written in the form"):
        coerce_value(field("date", type_definition="%d.%m.%y"), date(1850, 1, 1))


def test_the_first_type_that_fits_is_taken() -> None:
    """T4: a value that already fits one of several types is left alone; else the primary type has first say."""
    either = read_field("x", {"allowed_types": [{"type": "str"}, {"type": "float"}, {"type": "file"}]})
    assert coerce_value(either, 1.5) == 1.5
    assert coerce_value(either, "1.5") == "1.5"
    assert coerce_value(either, date(2025, 11, 9)) == "2025-11-09"
    assert coerce_value(either, Path("/scans/0017.pdf")) == PDF
    with pytest.raises(ValueError, match="No type of this input takes it"):
        coerce_value(either, [1])


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path means the place where it was written, whatever the directory is later; ``~`` is home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert coerce_value(field("file"), "a b.pdf") == LocalFile(str(tmp_path / "a b.pdf"))
    assert coerce_value(field("file"), "~/a.pdf") == LocalFile("/home/someone/a.pdf")


def test_cycles_end_in_a_sentence() -> None:
    """A list that holds itself is refused, not followed for ever."""
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="levels deep"):
        coerce_value(field("array"), loop)


texts = st.text(st.characters(exclude_categories=("Cs",)))
json_leaves = (
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
json_values = st.recursive(
    json_leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=10
)
VALUES_OF_KIND = {
    "str": texts,
    "float": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**80), 2**80),
    "int": st.integers(-(2**80), 2**80),
    "bool": st.booleans(),
    "date": st.dates().map(date.isoformat),
    "array": st.lists(json_values, max_size=5),
    "object": st.dictionaries(texts, json_values, max_size=5),
    "json_string": json_values.map(json.dumps),
    "odd": json_values,
}


@pytest.mark.parametrize("kind", list(VALUES_OF_KIND))
def test_checked_values_survive_json(kind: str) -> None:
    """A value that fits goes through JSON and through coercion unchanged, types included."""

    @settings(deadline=None, max_examples=60)
    @given(VALUES_OF_KIND[kind])
    def there_and_back(value: Any) -> None:
        one = field(kind)
        assert check_value(one, value) is None
        back = json.loads(json.dumps(value, allow_nan=False))
        assert back == value
        assert type(back) is type(value)
        if kind not in {"float", "json_string"} and not (kind == "odd" and value is None):
            assert coerce_value(one, value) == value
        assert check_value(one, back) is None

    there_and_back()


python_values = st.recursive(
    json_leaves
    | st.floats()
    | st.decimals()
    | st.fractions()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(timezone.utc))
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.binary()
    | st.complex_numbers()
    | st.sampled_from([pd.NA, pd.NaT, PDF, Path("a.pdf"), np.float64(1.5), np.datetime64("2025-11-09"), URL, object()]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
ANY_FIELD = [
    *(field(kind) for kind in [*VALUES_OF_KIND, "file", "array_files"]),
    field("date", type_definition="%d.%m.%y"),
    field("array", type_definition={"type": "float"}),
    field("object", type_definition={"a": {"type": "int", "is_nullable": False}}),
    read_field("x", {"allowed_types": [{"type": "int"}, {"type": "str"}, {"type": "array"}]}),
]


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(ANY_FIELD), python_values)
def test_coercion_fits_or_refuses(one: Field, value: Any) -> None:
    """For any value and input: a ValueError, or a value that JSON holds and that coercing again leaves alone."""
    try:
        turned = coerce_value(one, value)
    except ValueError:
        return
    assert coerce_value(one, turned) == turned
    assert isinstance(check_value(one, turned), (str, type(None)))
    json.dumps(turned, default=lambda file: file.path)
    if one.kind in {"str", "float", "int", "bool", "date", "json"} and turned is not None and turned != "":
        assert check_value(one, turned) is None


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(ANY_FIELD), python_values)
def test_judging_never_raises(one: Field, value: Any) -> None:
    """The judge has a verdict on anything: None or a sentence."""
    said = check_value(one, value)
    assert said is None or said.endswith(".")
