"""Numbers as people write them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sheet_making import make_field

from opus_nb.sheet import MISSING, CheckedSheet
from opus_nb.sheet.casts import Cast, CastSettings
from opus_nb.sheet.numbers import cast_numbers
from opus_nb.sheet.targets import cast_values

SETTINGS = CastSettings(cast=cast_values, find_file=lambda field, text: (MISSING, []))


def cast(values: list[Any], kind: str = "float", **given_settings: Any) -> Cast:
    """Cast some values as one column."""
    parts = {"cast": cast_values, "find_file": SETTINGS.find_file} | given_settings
    return cast_numbers(make_field(kind), values, CastSettings(**parts))


def codes(result: Cast) -> list[str]:
    """Return the codes of all problems."""
    return [each.code for problems in result.problems.values() for each in problems]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,250.50", 1250.5),
        ("1.250,50", 1250.5),
        ("12", 12.0),
        ("-3.5", -3.5),
        ("\u2212 3.5", -3.5),
        ("(1,000.00)", -1000.0),
        ("5-", -5.0),
        ("1e3", 1000.0),
        ("1 234 567", 1234567.0),
        ("1\u00a0234,5", 1234.5),
        ("1'234.50", 1234.5),
        ("1,23,456", 123456.0),
        ("€ 1.250,50", 1250.5),
        ("$1,250.50", 1250.5),
        ("-$5", -5.0),
        ("1250.50 EUR", 1250.5),
        ("CHF 12", 12.0),
        ("12.5%", 0.125),
        (".5", 0.5),
        ("1.000.000", 1e6),
        ("+7", 7.0),
        ("0,5", 0.5),
        ("٣٫٥", 3.5),
        ("١٬٢٥٠٫٥٠", 1250.5),
    ],
)
def test_a_text_with_one_meaning_is_read(text: str, number: float) -> None:
    """A number text that can mean one thing only is that number."""
    result = cast([text])
    assert (result.values, codes(result)) == ([pytest.approx(number)], [])


@pytest.mark.parametrize(
    "text", ["abc", "12 apples", "1,2,3", "1.2.3", "--5", "1,25,0", "$", "%", "1..2", "12/5", "0x10"]
)
def test_a_text_that_is_no_number_is_an_error(text: str) -> None:
    """What cannot be read as a number is told, and gives no value."""
    result = cast([text])
    assert (result.values, codes(result)) == ([MISSING], ["not_a_number"])


def test_a_lone_decimal_comma_is_refused_and_the_fix_names_the_way_out() -> None:
    """One 1,25 says nothing about commas; decimal= does."""
    alone = cast(["1,25"])
    assert codes(alone) == ["ambiguous_number"]
    assert 'decimal=","' in alone.problems[0][0].fix
    assert cast(["1,25"], decimal=",").values == [1.25]


def test_commas_are_decimal_when_the_column_says_so() -> None:
    """Two decimal commas, or one 1.250,50, tell how the whole column writes."""
    assert cast(["12,5", "3,75", "1,250"]).values == [12.5, 3.75, 1.25]
    assert cast(["1.250,50", "1,25", "2.000"]).values == [1250.5, 1.25, 2000.0]


def test_thousands_are_assumed_aloud_and_proven_silently() -> None:
    """1,250 beside 1,250.50 needs no remark; alone it is read as thousands and said."""
    alone = cast(["1,250", "2,300"])
    assert alone.values == [1250.0, 2300.0]
    assert [each.code for each in alone.remarks] == ["thousands_assumed"]
    proven = cast(["1,250", "2,300.75"])
    assert (proven.values, proven.remarks) == ([1250.0, 2300.75], [])


def test_a_column_that_writes_both_ways_keeps_what_is_clear() -> None:
    """In a mixed column the clear texts are read, the others are errors."""
    result = cast(["1,250.50", "1,25", "7"])
    assert result.values == [1250.5, MISSING, 7]
    assert codes(result) == ["ambiguous_number"]


def test_numbers_that_are_clear_by_their_own_marks_are_read_and_the_mixture_is_said() -> None:
    """1,250.50 and 1.250,50 can each mean one number only; that a column has both is worth a word."""
    result = cast(["1,250.50", "1.250,50", "0,5"])
    assert (result.values, codes(result)) == ([1250.5, 1250.5, 0.5], [])
    assert [each.code for each in result.remarks] == ["both_decimal_marks"]


@pytest.mark.parametrize(
    ("texts", "place", "told"),
    [
        (["1,250", "1,25", "12.5"], 0, "may be 1.25 or 1250"),
        (["1,250", "1,25", "12.5"], 1, "looks like a decimal comma (1.25)"),
        (["1,25"], 0, "looks like a decimal comma (1.25)"),
    ],
)
def test_an_ambiguous_number_is_told_with_what_it_may_be(texts: list[str], place: int, told: str) -> None:
    """Both readings where there are two, the one where there is one."""
    problem = cast(texts).problems[place][0]
    assert problem.code == "ambiguous_number"
    assert told in problem.problem


def test_three_decimals_after_a_dot_are_said() -> None:
    """1.250 alone is 1.25, and that is said, because it may be a thousand."""
    result = cast(["1.250"])
    assert result.values == [1.25]
    assert [each.code for each in result.remarks] == ["decimal_point_assumed"]
    assert cast(["1.250"], decimal=",").values == [1250.0]


def test_percent_and_currencies_are_said() -> None:
    """A percentage becomes a fraction and several currencies are not mixed silently."""
    assert [each.code for each in cast(["12%"]).remarks] == ["percent_read"]
    assert [each.code for each in cast(["€5", "$5"]).remarks] == ["several_currencies"]
    assert cast(["€5", "€ 6"]).remarks == []
    assert cast(["€5", "6 EUR", "eur 7"]).remarks == []


def test_whole_numbers_come_from_floats_and_texts_and_never_lose_digits() -> None:
    """3.0 is 3, 3.5 is an error, and a long id that went through a float is refused."""
    result = cast([3.0, "4.0", 3.5, "12345678901234567890", 1.2345678901234568e19, np.int64(5), Decimal("6")], "int")
    assert result.values == [3, 4, MISSING, 12345678901234567890, MISSING, 5, 6]
    assert codes(result) == ["digits_lost", "not_whole"]
    assert all(type(value) is int for value in result.values if value is not MISSING)


def test_a_workbook_number_of_sixteen_digits_is_refused_as_whole_number() -> None:
    """Workbooks keep 15 digits, so a 16-digit float from one is already wrong."""
    assert codes(cast([4111111111111110.0], "int", from_workbook=True)) == ["digits_lost"]
    assert cast([4111111111111110.0], "int").values == [4111111111111110]
    as_number = cast([4111111111111110.0, 1e300, 0.5], from_workbook=True)
    assert (as_number.values[0], codes(as_number)) == (4111111111111110.0, ["digits_lost"] * 2)


@pytest.mark.parametrize(
    "value", [float("inf"), Decimal("-Infinity"), True, np.True_, pd.Timestamp("2025-01-01"), b"1", [1]]
)
def test_what_is_no_finite_number_is_an_error(value: Any) -> None:
    """Infinities, yes/no values, dates and bytes are never turned into numbers."""
    result = cast([value])
    assert result.values == [MISSING]
    assert codes(result)[0] in ("infinite", "not_a_number")


@settings(deadline=None, max_examples=150)
@given(st.lists(st.decimals(-(10**9), 10**9, places=2, allow_nan=False), min_size=2, max_size=8))
def test_grouped_numbers_come_back(numbers: list[Decimal]) -> None:
    """Any numbers with thousands commas and two decimals are read as themselves."""
    assert cast([f"{number:,.2f}" for number in numbers]).values == [float(number) for number in numbers]


@settings(deadline=None, max_examples=150)
@given(st.lists(st.decimals(-(10**9), 10**9, places=2, allow_nan=False), min_size=2, max_size=8, unique=True))
def test_european_numbers_come_back(numbers: list[Decimal]) -> None:
    """The same with dots for thousands and a decimal comma."""
    texts = [f"{number:,.2f}".translate(str.maketrans(",.", ".,")) for number in numbers]
    assert cast(texts).values == [float(number) for number in numbers]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text(alphabet="0123456789.,'- ()%€$eE+", max_size=12), max_size=5))
def test_any_text_gives_a_finite_number_or_a_problem(texts: list[str]) -> None:
    """No text of digits and marks crashes the reader or gets lost silently."""
    result = cast(texts)
    for place in range(len(texts)):
        assert (result.values[place] is MISSING) == result.has_error(place)


@pytest.mark.parametrize("text", ["(-5)", "-5-", "-(5)", "(5-)"])
def test_two_minus_signs_are_no_number(check: Callable[..., CheckedSheet], text: str) -> None:
    """Nobody can say whether they are a plus or a slip."""
    assert check("float", [text]).issues["code"].tolist() == ["not_a_number"]


def test_a_reading_that_other_cells_turned_round_is_said(check: Callable[..., CheckedSheet]) -> None:
    """1,234 is a thousand alone and one beside decimal commas; decimal= settles it in silence."""
    alone, beside = check("float", ["1,234"]), check("float", ["1,234", "2,5", "3,25"])
    assert (alone.columns["value"], alone.issues["code"].tolist()) == ([1234.0], ["thousands_assumed"])
    assert (beside.columns["value"][0], beside.issues["code"].tolist()) == (1.234, ["decimal_comma_assumed"])
    assert check("float", ["1,234", "2,5", "3,25"], decimal=",").issues.empty
