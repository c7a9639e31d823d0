"""A whole sheet checked at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sheet_making import make_field

from opus_nb.errors import OpusError, SettingsError, SheetUnreadable
from opus_nb.job import LocalFile
from opus_nb.service.schema import Schema
from opus_nb.service.values import check_value
from opus_nb.sheet import ISSUE_COLUMNS, MISSING, CheckedSheet, check_sheet, map_columns

Check = Callable[..., CheckedSheet]
SCHEMA = Schema(
    (
        make_field("str", "Number", required=True),
        make_field("float", "Amount", required=True),
        make_field("date", "Due"),
        make_field("str", "Country"),
    )
)


def run(
    df: pd.DataFrame, schema: Schema = SCHEMA, constants: Any = None, columns: Any = None, **options: Any
) -> CheckedSheet:
    """Map and check."""
    return check_sheet(df, schema, map_columns(df, schema, columns, constants), **options)


def good_frame(**changes: Any) -> pd.DataFrame:
    """Return two rows that can be sent."""
    return pd.DataFrame({"Number": ["a", "b"], "Amount": [1.5, 2.0], "Due": ["2025-01-01", None]} | changes)


def test_a_good_sheet_has_no_issues_and_gives_its_rows() -> None:
    """Missing values of nullable inputs are left out, constants are in every row."""
    checked = run(good_frame(), constants={"Country": "DE"})
    assert checked.issues.empty
    assert checked.issues.columns.tolist() == list(ISSUE_COLUMNS)
    assert not checked.invalid.any()
    assert not checked.is_blocked
    assert checked.inputs_of(0) == {"number": "a", "amount": 1.5, "due": "2025-01-01", "country": "DE"}
    assert checked.inputs_of(1) == {"number": "b", "amount": 2.0, "country": "DE"}
    assert list(checked.inputs_of(0)) == ["number", "amount", "due", "country"]
    assert checked.columns["due"] == ["2025-01-01", MISSING]
    assert checked.constants == {"country": "DE"}


@pytest.mark.parametrize(
    "empty", [None, float("nan"), pd.NA, pd.NaT, "", "  ", "\u00a0", np.datetime64("NaT"), Decimal("NaN")]
)
def test_every_kind_of_nothing_is_missing(empty: Any) -> None:
    """Missing in a required input is an error, in a nullable one it is left out."""
    df = pd.DataFrame({"Number": pd.Series(["a", empty], dtype=object), "Amount": [1, 2], "Due": ["2025-01-01", empty]})
    checked = run(df, constants={"Country": "x"})
    assert checked.issues["code"].tolist() == ["missing"]
    assert checked.issues["row"].tolist() == [1]
    assert checked.invalid.tolist() == [False, True]
    assert "due" not in checked.inputs_of(1)


def test_all_problems_are_found_at_once_in_the_order_of_the_sheet() -> None:
    """Whole-sheet errors first, cells from top to bottom and left to right, whole-sheet remarks last."""
    df = pd.DataFrame(
        {"Due": ["x", None, "y"], "Number": [None, "b", "c"], "Amount": ["z", "z", "1"], "note": list("abc")}
    )
    checked = run(df, constants={"Country": object()})
    shown = (
        checked.issues[["row", "column", "code"]]
        .astype(object)
        .where(checked.issues[["row", "column", "code"]].notna(), None)
    )
    assert shown.to_numpy().tolist() == [
        [None, None, "not_text"],
        [0, "Number", "missing"],
        [0, "Amount", "not_a_number"],
        [0, "Due", "not_a_date"],
        [1, "Amount", "not_a_number"],
        [2, "Due", "not_a_date"],
        [None, "note", "unused_column"],
    ]
    assert checked.issue_positions.tolist() == [-1, 0, 0, 0, 1, 2, -1]
    assert checked.invalid.all()


def test_every_issue_has_a_problem_and_a_fix() -> None:
    """No finding without a sentence and a way out; values are short."""
    df = pd.DataFrame({"Number": ["x" * 500, None], "Amount": ["y" * 500, "1,25"], "Due": ["03/04/2025", "99"]})
    issues = run(df).issues
    assert len(issues) >= 4
    assert (issues["problem"].str.len() > 5).all()
    assert (issues["fix"].str.len() > 5).all()
    assert (issues["value"].str.len() <= 80).all()
    assert set(issues["severity"]) <= {"error", "warning"}


def test_rows_keep_their_labels_and_repeated_labels_keep_their_place() -> None:
    """The index may be anything; issue_positions tell rows with the same label apart."""
    df = good_frame(Amount=["x", "y"])
    df.index = pd.Index(["same", "same"])
    checked = run(df)
    assert checked.issues["row"].tolist()[:2] == ["same", "same"]
    assert checked.issue_positions.tolist()[:2] == [0, 1]
    assert checked.index is df.index
    labelled = run(good_frame(Amount=["x", 1]).set_index(pd.DatetimeIndex(["2025-01-01", "2025-01-02"])))
    assert labelled.issues["row"][0] == pd.Timestamp("2025-01-01")


def test_an_unfed_required_input_blocks_the_sheet() -> None:
    """One issue about the whole sheet, and no row can be sent."""
    checked = run(good_frame().drop(columns="Amount"))
    assert checked.issues["code"].tolist() == ["unfed_input"]
    assert checked.issues["input"].tolist() == ["Amount"]
    assert checked.is_blocked
    assert checked.invalid.all()


def test_a_sheet_without_rows_is_an_error() -> None:
    """No rows means nothing to send."""
    checked = run(good_frame().iloc[:0])
    assert "no_rows" in checked.issues["code"].tolist()
    assert checked.row_count == 0
    assert len(checked.invalid) == 0


def test_duplicate_headers_block_only_when_they_feed_something() -> None:
    """Which of two columns called Amount is meant, nobody knows; two called note matter to nobody."""
    df = good_frame()
    df["extra"] = 1
    df.columns = pd.Index(["Number", "Amount", "Due", "Amount"])
    assert run(df).is_blocked
    df.columns = pd.Index(["Number", "note", "Due", "note"])
    checked = run(df, constants={"Amount": 1})
    assert not checked.is_blocked
    assert "duplicate_header" in checked.issues["code"].tolist()


def test_a_column_with_values_and_no_header_is_said() -> None:
    """Empty headers are findings, by their letter."""
    df = good_frame()
    df[""] = ["x", "y"]
    df["Unnamed: 4"] = [None, None]
    issues = run(df).issues
    assert issues["code"].tolist() == ["empty_header"]
    assert "Column D" in issues["problem"][0]


def test_constants_are_cast_and_checked_like_cells() -> None:
    """A constant that does not fit is an error about the whole sheet; one that does is cast."""
    df = good_frame().drop(columns="Due")
    assert run(df, constants={"Due": "31/01/2025"}).constants == {"due": "2025-01-31"}
    wrong = run(df, constants={"Due": "soon"})
    assert wrong.is_blocked
    assert wrong.issues["input"].tolist() == ["Due"]
    assert "constant" in wrong.issues["problem"][0]
    empty = run(df.drop(columns="Number"), constants={"Number": " "})
    assert empty.issues["code"].tolist() == ["missing"]


def test_equal_rows_are_said() -> None:
    """A row whose mapped cells equal an earlier row's is a warning; other columns do not count."""
    df = good_frame(Number=["a", "a"], Amount=[1, 1], Due=[None, None])
    df["note"] = ["x", "y"]
    checked = run(df)
    assert checked.issues.loc[checked.issues["code"] == "duplicate_row", "row"].tolist() == [1]
    assert not checked.invalid.any()


def test_dates_and_decimal_can_be_given_by_column_or_input() -> None:
    """dates={"Due": "mdy"} holds for that column only."""
    df = good_frame(Due=["03/04/2025", "05/06/2025"], Amount=["1,25", "7"])
    assert run(df).invalid.all()
    checked = run(df, dates={"due": "mdy"}, decimal={"Amount": ","})
    assert checked.columns["due"] == ["2025-03-04", "2025-05-06"]
    assert checked.columns["amount"] == [1.25, 7.0]
    with pytest.raises(SettingsError, match="dates="):
        run(df, dates="american")
    with pytest.raises(SettingsError, match="decimal="):
        run(df, decimal=";")
    with pytest.raises(SettingsError, match="neither a column nor an input"):
        run(df, dates={"Du": "mdy"})


def test_a_column_of_crosses_says_how_empty_cells_become_no(check: Check) -> None:
    """Where only x is ever written, empty may mean no; the fix shows the line that says so."""
    checked = check("bool", ["x", None, "X"], required=True)
    assert checked.issues["code"].tolist() == ["missing"]
    assert "notna()" in checked.issues["fix"][0]


def test_objects_are_put_together_from_their_columns() -> None:
    """Missing members are left out; a row without any has no object; a problem names the very cell."""
    members = (make_field("str", "Email"), make_field("int", "Age"))
    schema = Schema((make_field("object", "Contact", members=members),))
    df = pd.DataFrame({"Contact.Email": ["a@b", None, "c@d"], "Contact.Age": ["41", None, "old"]})
    checked = run(df, schema)
    assert checked.columns["contact"] == [{"email": "a@b", "age": 41}, MISSING, MISSING]
    assert checked.issues[["row", "column", "value"]].to_numpy().tolist() == [[2, "Contact.Age", "old"]]


def test_a_missing_member_is_told_at_its_own_column() -> None:
    """A required member whose cell is empty is an issue of that cell; one without a column is one of the object."""
    members = (make_field("str", "Email", required=True), make_field("int", "Age", required=True))
    schema = Schema((make_field("object", "Contact", members=members),))
    df = pd.DataFrame({"Contact.Email": ["a@b"], "Contact.Age": [None]})
    assert run(df, schema).issues["column"].tolist() == ["Contact.Age"]
    assert run(df[["Contact.Email"]], schema).issues["column"].tolist() == ["Contact.*"]


def test_a_list_is_put_together_from_numbered_columns() -> None:
    """Empty cells are left out, a row without any has no list, and items are cast like those of one cell."""
    schema = Schema((make_field("array", "Tags", item=make_field("int", "item")),))
    df = pd.DataFrame({"Tag 1": [1, 2, None], "Tag 2": ["3", None, None], "Tag 3": [None, "x", None]})
    checked = run(df, schema)
    assert checked.columns["tags"] == [[1, 3], MISSING, MISSING]
    assert checked.issues[["row", "column", "code"]].to_numpy().tolist() == [
        [1, "Tag 1 + Tag 2 + Tag 3", "not_a_number"]
    ]
    assert "item 2" in checked.issues["problem"][0]


def test_a_workflow_without_inputs_is_said_once() -> None:
    """Every row would start the same job; that no column feeds anything needs no words for each."""
    checked = run(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), Schema(()))
    assert checked.issues["code"].tolist() == ["no_inputs"]
    assert not checked.is_blocked


def test_error_values_of_a_workbook_are_issues_in_every_kind(check: Check) -> None:
    """#N/A and friends are never sent, whatever the input takes."""
    for kind in ("str", "float", "date", "bool", "array", "object", "file", "json", "other"):
        checked = check(kind, ["#N/A", "#ref!"])
        assert checked.issues["code"].tolist() == ["cell_error"] * 2
        assert checked.columns["value"] == [MISSING, MISSING]


def test_titles_get_the_text_that_a_person_reads() -> None:
    """row_values shows every column, also those that feed nothing."""
    df = good_frame(Amount=[1250.0, 2.5], when=[pd.Timestamp("2025-01-31"), pd.NaT], flag=[True, False])
    assert run(df).row_values(0) == {
        "Number": "a",
        "Amount": "1250",
        "Due": "2025-01-01",
        "when": "2025-01-31",
        "flag": "TRUE",
    }
    assert run(df).row_values(1)["when"] == ""


def test_the_frame_stays_as_it_is() -> None:
    """Checking changes neither values nor attrs nor nested cells."""
    cell = {"Amount": "5"}
    df = pd.DataFrame({"Contact": [cell]})
    df.attrs["mine"] = {"a": 1}
    before = df.copy()
    run(df, Schema((make_field("object", "Contact", members=(make_field("int", "Amount"),)),)))
    pd.testing.assert_frame_equal(df, before)
    assert cell == {"Amount": "5"}
    assert df.attrs == {"mine": {"a": 1}}


def test_several_levels_are_refused() -> None:
    """A MultiIndex on either side raises with the way out."""
    mapping = map_columns(good_frame(), SCHEMA)
    with pytest.raises(SheetUnreadable, match="levels") as caught:
        check_sheet(good_frame().set_index(["Number", "Amount"]), SCHEMA, mapping)
    assert "reset_index" in str(caught.value)


def test_attrs_that_are_not_ours_are_ignored() -> None:
    """Damaged attrs are no reason to fail."""
    for attrs in ("text", {"notes": 5}, {"notes": [{"x": 1}]}, {"header_row": "x"}, {"row_spans": [1]}):
        df = good_frame()
        df.attrs["opus_nb"] = attrs
        assert run(df).issues.empty


DTYPES = [
    ("Int64", [1, None, 3], "int", [1, MISSING, 3]),
    ("float64[pyarrow]", [1.5, None, 2.0], "float", [1.5, MISSING, 2.0]),
    ("int64[pyarrow]", [1, None, 3], "str", ["1", MISSING, "3"]),
    ("string[pyarrow]", ["007", None, "x"], "str", ["007", MISSING, "x"]),
    ("string[python]", ["007", None, "x"], "str", ["007", MISSING, "x"]),
    ("category", ["yes", None, "no"], "bool", [True, MISSING, False]),
    ("boolean", [True, None, False], "bool", [True, MISSING, False]),
    ("bool", [True, False, False], "bool", [True, False, False]),
    ("float32", [1.5, None, 2.0], "float", [1.5, MISSING, 2.0]),
    ("uint8", [1, 2, 3], "int", [1, 2, 3]),
    ("datetime64[ns]", ["2025-01-31", None, "2025-02-01"], "date", ["2025-01-31", MISSING, "2025-02-01"]),
    ("datetime64[s]", ["2025-01-31", None, "2025-02-01"], "date", ["2025-01-31", MISSING, "2025-02-01"]),
    (
        "date32[pyarrow]",
        [dt.date(2025, 1, 31), None, dt.date(2025, 2, 1)],
        "date",
        ["2025-01-31", MISSING, "2025-02-01"],
    ),
    ("Sparse[float]", [1.0, None, 2.0], "int", [1, MISSING, 2]),
    ("object", [Decimal("1.5"), None, 2], "float", [1.5, MISSING, 2.0]),
]


@pytest.mark.parametrize(("dtype", "cells", "kind", "expected"), DTYPES, ids=[f"{d}-{k}" for d, _, k, _ in DTYPES])
def test_every_dtype_of_pandas_is_read(
    check: Check, dtype: str, cells: list[Any], kind: str, expected: list[Any]
) -> None:
    """Numpy, nullable, pyarrow, categorical and sparse columns give the same checked values."""
    checked = check(kind, pd.Series(cells, dtype=dtype))
    assert checked.columns["value"] == expected
    assert set(checked.issues["code"]) <= {"duplicate_row"}


def test_the_same_moment_in_two_zones_is_two_dates(check: Check) -> None:
    """Equal timestamps of different zones are not confused, although they compare equal."""
    tokyo = pd.Timestamp("2025-01-31 03:00", tz="Asia/Tokyo")
    assert check("date", [tokyo, tokyo.tz_convert("UTC")]).columns["value"] == ["2025-01-31", "2025-01-30"]


KINDS = ("str", "float", "int", "bool", "date", "array", "object", "file", "files", "json", "other")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["1,25", "1.250,5", "03/04/2025", "x;y", "[1]", '{"a": 1}', "#N/A", "a.pdf", "~", "", "\ud800", "https://"]
    )
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.complex_numbers()
    | st.binary(max_size=4)
    | st.uuids()
    | st.just(pd.NA)
    | st.just(pd.NaT)
    | st.builds(object)
    | st.just(pd.Interval(0, 1))
    | st.just(pd.Period("2025-01", "M"))
    | st.just(np.datetime64("NaT"))
    | st.just(LocalFile("/a.pdf"))
    | st.sampled_from([int, len, Ellipsis, pd.Series([1]), np.array(5), np.array([[1, 2]])])
)
CELLS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=300)
@given(
    cells=st.lists(CELLS, min_size=1, max_size=6),
    kind=st.sampled_from(KINDS),
    required=st.booleans(),
    options=st.sampled_from([(), ("a", "b"), (1, 2.5, True)]),
    typed=st.booleans(),
)
def test_any_cells_give_values_or_issues(
    cells: list[Any], kind: str, required: bool, options: tuple[Any, ...], typed: bool
) -> None:
    """Whatever a frame holds: a value that the service accepts, nothing, or an issue; never a traceback."""
    parts: dict[str, Any] = {"options": options}
    if typed:
        parts |= {"item": make_field("float", "item"), "members": (make_field("date", "a", required=True),)}
    field = make_field(kind, "Value", required=required, **parts)
    series = pd.Series([None] * len(cells), dtype=object)
    for place, cell in enumerate(cells):
        series.iat[place] = cell
    checked = run(pd.DataFrame({"Value": series}), Schema((field,)))
    errors = set(checked.issue_positions[(checked.issues["severity"] == "error").to_numpy()].tolist())
    for place, value in enumerate(checked.columns["value"]):
        assert checked.invalid[place] == (place in errors)
        if value is MISSING:
            continue
        assert check_value(field, value) is None
    checked.row_values(0)


@settings(deadline=None, max_examples=60)
@given(
    headers=st.lists(
        st.none() | st.text(max_size=6) | st.integers() | st.floats() | st.dates() | st.booleans(), max_size=5
    ),
    rows=st.integers(0, 3),
)
def test_any_headers_give_issues_or_one_of_our_errors(headers: list[Any], rows: int) -> None:
    """Repeated, empty and odd headers are findings."""
    df = pd.DataFrame([[1] * len(headers)] * rows, columns=pd.Index(headers, dtype=object), index=range(rows))
    try:
        checked = run(df)
    except OpusError:
        return
    assert checked.row_count == rows
    assert checked.is_blocked


def test_a_hundred_thousand_rows_take_seconds() -> None:
    """Ten inputs, a million different cells: work goes by column; the limit is generous for slow machines."""
    import time

    n = 100_000
    kinds = ["str", "float", "int", "bool", "date", "array", "object", "json", "str", "float"]
    schema = Schema(tuple(make_field(kind, f"In {place}") for place, kind in enumerate(kinds)))
    numbers = np.arange(n)
    df = pd.DataFrame(
        {
            "In 0": [f"INV-{i}" for i in range(n)],
            "In 1": [f"{i + 1000:,}.50" for i in range(n)],
            "In 2": numbers.astype(float),
            "In 3": np.where(numbers % 2, "yes", "no"),
            "In 4": pd.Timestamp("2020-01-01") + pd.to_timedelta(numbers % 3000, unit="D"),
            "In 5": [f"a{i};b" for i in range(n)],
            "In 6": [f'{{"k": {i}}}' for i in range(n)],
            "In 7": [f"[{i}]" for i in range(n)],
            "In 8": np.where(numbers % 3, "a", None),
            "In 9": numbers / 7,
        }
    )
    start = time.process_time()
    checked = run(df, schema)
    assert checked.issues.empty
    assert time.process_time() - start < 20
