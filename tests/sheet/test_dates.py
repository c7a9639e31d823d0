"""Dates as people write them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sheet_making import make_field

from opus_nb.sheet import MISSING
from opus_nb.sheet.casts import Cast, CastSettings
from opus_nb.sheet.dates import cast_dates, read_order
from opus_nb.sheet.targets import cast_values


def cast(values: list[Any], type_definition: Any = None, **given_settings: Any) -> Cast:
    """Cast some values as one column."""
    parts = {"cast": cast_values, "find_file": lambda field, text: (MISSING, [])} | given_settings
    return cast_dates(make_field("date", type_definition=type_definition), values, CastSettings(**parts))


def codes(result: Cast) -> list[str]:
    """Return the codes of all problems."""
    return [each.code for problems in result.problems.values() for each in problems]


@pytest.mark.parametrize(
    "value",
    [
        "2025-01-31",
        "2025/1/31",
        "2025.01.31",
        "20250131",
        20250131,
        "2025-01-31T00:00:00",
        "31/01/2025",
        "01/31/2025",
        "31.1.25",
        "31 Jan 2025",
        "Jan 31, 2025",
        "January 31st, 2025",
        "31. Januar 2025",
        "31 janvier 2025",
        "31 de enero de 2025",
        "Fri, 31 Jan 2025",
        "Friday 31 January 2025",
        "31-Jan-25",
        "2025-Jan-31",
        "2025年1月31日",
        "2025년 1월 31일",
        "٣١/٠١/٢٠٢٥",
        "\u00a031/01/2025 ",
        dt.date(2025, 1, 31),
        dt.datetime(2025, 1, 31),  # noqa: DTZ001
        pd.Timestamp("2025-01-31"),
        pd.Timestamp("2025-01-31", tz="Asia/Tokyo"),
        np.datetime64("2025-01-31"),
        pd.Period("2025-01-31", "D"),
    ],
)
def test_a_date_with_one_meaning_is_read(value: Any) -> None:
    """Every unambiguous way to write 31 January 2025 is that day, without a word."""
    result = cast([value])
    assert (result.values, codes(result)) == (["2025-01-31"], [])


def test_serial_numbers_of_both_epochs_are_read_and_said() -> None:
    """45688 is 31 January 2025, and 1462 days later in a workbook that counts from 1904."""
    result = cast([45688])
    assert (result.values, codes(result)) == (["2025-01-31"], ["number_as_date"])
    assert cast([45688.0], date1904=True).values == ["2029-02-01"]
    assert cast(["45688"]).values == ["2025-01-31"]


def test_day_first_or_month_first_is_refused_with_three_examples_both_ways() -> None:
    """A column that can be read both ways is refused cell by cell until dates= says which."""
    cells = ["03/04/2025", "01/02/2025", "05/06/2025", "07/08/2025"]
    result = cast(cells)
    assert codes(result) == ["ambiguous_date"] * 4
    first = result.problems[0][0]
    assert "3 April 2025" in first.problem
    assert "4 March 2025" in first.problem
    assert first.fix.count("(dmy)") == first.fix.count("(mdy)") == 3
    assert cast(cells, dates="dmy").values[0] == "2025-04-03"
    assert cast(cells, dates="mdy").values[0] == "2025-03-04"


def test_one_value_that_can_only_be_one_order_decides_for_the_column() -> None:
    """25/12 proves day-first, so 03/04 beside it is 3 April."""
    assert cast(["03/04/2025", "25/12/2025"]).values == ["2025-04-03", "2025-12-25"]


def test_a_column_of_both_orders_keeps_the_clear_ones_and_refuses_the_rest() -> None:
    """25/12 and 12/25 contradict each other, so 03/04 stays open."""
    result = cast(["03/04/2025", "25/12/2025", "12/25/2025"])
    assert result.values == [MISSING, "2025-12-25", "2025-12-25"]
    assert "both orders" in result.problems[0][0].problem


def test_equal_day_and_month_is_no_question() -> None:
    """04/04 is 4 April either way."""
    assert cast(["04/04/2025"]).values == ["2025-04-04"]


def test_the_order_given_is_kept_even_against_the_cells() -> None:
    """With dates="mdy" a 25/12 is an error, not a guess."""
    result = cast(["25/12/2025"], dates="mdy")
    assert codes(result) == ["not_a_date"]


def test_a_format_reads_what_nothing_else_can() -> None:
    """dates= takes a strptime format."""
    assert cast(["W 31~01~2025"], dates="W %d~%m~%Y").values == ["2025-01-31"]
    assert codes(cast(["2025-01-31"], dates="%d.%m.%Y")) == ["not_a_date"]


def test_the_schema_says_in_which_format_dates_travel() -> None:
    """A type definition with a strftime pattern is followed."""
    assert cast(["2025-01-31"], "%d/%m/%Y").values == ["31/01/2025"]


def test_a_time_of_day_that_is_left_out_is_said() -> None:
    """A moment becomes its date with a warning; midnight without."""
    result = cast([pd.Timestamp("2025-01-31 14:30"), "2025-01-31 14:30"])
    assert result.values == ["2025-01-31"] * 2
    assert codes(result) == ["time_dropped"] * 2


@pytest.mark.parametrize(
    "value", ["soon", "2025-02-30", "31/31/2025", 2024, 12.5, True, "Q3 2025", "99999999", [1], -5, "12:30"]
)
def test_what_is_no_date_is_an_error(value: Any) -> None:
    """Years, amounts, words and impossible days are errors."""
    result = cast([value])
    assert (result.values, codes(result)) == ([MISSING], ["not_a_date"])


def test_seconds_since_1970_are_refused_with_the_call_that_reads_them() -> None:
    """A Unix time is an error whose fix shows the conversion and its result."""
    fix = cast([1738281600]).problems[0][0].fix
    assert 'unit="s"' in fix
    assert "2025-01-31" in fix


def test_orders_have_several_spellings() -> None:
    """D/M/Y and dmy are one order; nonsense is none."""
    assert [read_order(each) for each in ("dmy", "D/M/Y", "mdy", "ymd", "%d", "what")] == [
        "dmy",
        "dmy",
        "mdy",
        "ymd",
        "%d",
        None,
    ]


@settings(deadline=None, max_examples=200)
@given(st.dates(dt.date(1950, 1, 1), dt.date(2100, 1, 1)), st.sampled_from(["%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y"]))
def test_any_date_in_a_named_order_comes_back(day: dt.date, pattern: str) -> None:
    """A date written in an order and read with that order is itself."""
    order = "mdy" if pattern.startswith("%m") else "dmy"
    assert cast([day.strftime(pattern)], dates=order).values == [day.isoformat()]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(alphabet="0123456789/.- :TJanuary", max_size=14), max_size=5))
def test_any_text_gives_a_date_or_a_problem(texts: list[str]) -> None:
    """No text crashes the reader or gets lost silently."""
    result = cast(texts)
    for place in range(len(texts)):
        assert (result.values[place] is MISSING) == result.has_error(place)


def test_a_year_of_two_digits_is_said_where_it_may_be_another_century() -> None:
    """1945 is as likely as 2045; last year is not doubted, nor is a year of four digits."""
    last_year = dt.datetime.now(dt.timezone.utc).year - 1
    result = cast(["15/03/45", f"15/03/{last_year % 100}", "15/03/2045", "15 March 70"])
    assert sorted(result.problems) == [0, 3]
    assert codes(result) == ["two_digit_year"] * 2


def test_dates_that_a_spreadsheet_took_for_the_other_order_are_suspected() -> None:
    """Real dates up to the 12th beside texts above it are what is left of a column read in the wrong order."""
    damaged = cast([dt.datetime(2024, 4, 3), "03/15/2024"])  # noqa: DTZ001
    assert [each.code for each in damaged.remarks] == ["dates_swapped"]
    assert cast([dt.datetime(2024, 4, 13), "03/15/2024"]).remarks == []  # noqa: DTZ001
