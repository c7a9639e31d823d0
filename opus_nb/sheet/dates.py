"""Dates as people write them, and as spreadsheets count them."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from opus_nb.service.schema import Field
from opus_nb.sheet.casts import Cast, CastSettings, plain_scalar
from opus_nb.sheet.cells import MISSING, clean_text, shorten, show_text
from opus_nb.sheet.findings import Problem, error, warning

__all__ = ["cast_dates", "date_format", "read_order"]

_MONTH_NAMES = (
    "jan january januar jänner janvier janv enero ene gennaio gen janeiro januari sty stycznia",
    "feb february februar février févr fevrier febrero febbraio fevereiro fev februari lut lutego",
    "mar march mär märz mrz maerz mars marzo março marco maart mrt marca",
    "apr april avril avr abril abr aprile kwi kwietnia",
    "may mai mayo maggio mag maio mei maj maja",
    "jun june juni juin junio giugno giu junho cze czerwca",
    "jul july juli juillet juil julio luglio lug julho lip lipca",
    "aug august août aout agosto ago augustus sie sierpnia",
    "sep sept september septembre septiembre settembre set setembro wrz września",
    "oct october okt oktober octobre octubre ottobre ott outubro out paź października",
    "nov november novembre noviembre novembro lis listopada",
    "dec december dez dezember décembre déc decembre diciembre dic dicembre dezembro gru grudnia",
)
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_ENGLISH = ["January", "February", "March", "April", "May", "June", "July"]
_ENGLISH += ["August", "September", "October", "November", "December"]

_TIME = r"(?:[T\s,]+\d{1,2}[:.h]\d{2}(?:[:.]\d{2}(?:[.,]\d+)?)?\s*(?:[ap]\.?m\.?)?\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})\s?([-/.])\s?(\d{{1,2}})\s?\2\s?(\d{{1,2}})\.?{_TIME}", re.IGNORECASE)
_COMPACT = re.compile(rf"(\d{{4}})(\d{{2}})(\d{{2}}){_TIME}", re.IGNORECASE)
_NUMERIC = re.compile(rf"(\d{{1,2}})\s?([-/.\s])\s?(\d{{1,2}})\s?\2\s?(\d{{4}}|\d{{2}}){_TIME}", re.IGNORECASE)
_WORD = r"[^\W\d_]+"
_WEEKDAY = rf"(?:{_WORD}\.?,?\s+)?"
_DAY_NAME = re.compile(
    rf"{_WEEKDAY}(\d{{1,2}})(?:st|nd|rd|th|er|\.|º)?[\s\-/]*(?:of\s+|de\s+|di\s+)?({_WORD})\.?[\s\-/,]*(?:de\s+|del\s+)?"
    rf"(\d{{4}}|'?\d{{2}}){_TIME}",
    re.IGNORECASE,
)
_NAME_DAY = re.compile(
    rf"{_WEEKDAY}({_WORD})\.?[\s\-]*(\d{{1,2}})(?:st|nd|rd|th)?[\s\-,]+(\d{{4}}|'?\d{{2}}){_TIME}", re.IGNORECASE
)
_YEAR_NAME = re.compile(rf"(\d{{4}})[\s\-/]+({_WORD})\.?[\s\-/]+(\d{{1,2}}){_TIME}", re.IGNORECASE)
_EAST_ASIAN = re.compile(rf"(\d{{4}})\s?[年년]\s?(\d{{1,2}})\s?[月월]\s?(\d{{1,2}})\s?[日일]{_TIME}", re.IGNORECASE)
_LONG_YEAR = re.compile(r"\d{4}")
_CLOCK = re.compile(r"\d{1,2}[:h]\d{2}")

# Serial numbers that are taken for dates without a date format: 1950 to 2150. Smaller and larger ones are more
# likely years, amounts or ids.
_SERIALS = range(18264, 91313)
_EPOCH_1900, _EPOCH_1904 = dt.date(1899, 12, 30), dt.date(1904, 1, 1)
_LONG_AGO = 50  # years
_PIVOT_YEAR = 69  # two digits up to 68 are 20xx, as POSIX and Python have it
_ORDERS = {"dmy": "dmy", "mdy": "mdy", "ymd": "ymd", "dayfirst": "dmy", "monthfirst": "mdy", "iso": "ymd"}


def read_order(dates: str) -> str | None:
    """Return ``dates=`` as an order or strptime format, None when it is neither."""
    plain = dates.strip()
    return plain if "%" in plain else _ORDERS.get(re.sub(r"[^a-z]", "", plain.lower()))


def date_format(field: Field) -> str:
    """Return the strftime format in which the workflow wants its dates."""
    given = field.type_definition
    return given if isinstance(given, str) and "%" in given else "%Y-%m-%d"


@dataclass(slots=True)
class _Open:
    """A text whose first two numbers may be day and month or month and day."""

    first: int
    second: int
    year: int
    clock: bool

    def read(self, order: str) -> dt.date | None:
        day, month = (self.first, self.second) if order == "dmy" else (self.second, self.first)
        return _make(self.year, month, day)


def cast_dates(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    """Cast to ``date``: ISO text in the format that the schema asks for.

    Takes real dates, serial numbers of a workbook, ISO text, month names in several languages, and numeric text.
    Where a numeric text could be day-first or month-first, another value of the column that can only be one of them
    decides; if none does, or they contradict each other, each such cell is an error until ``dates=`` says which.
    """
    cast = Cast([MISSING] * len(values))
    pattern = date_format(field)
    opens: dict[int, _Open] = {}
    found: dict[int, tuple[dt.date, bool]] = {}
    for place, value in enumerate(values):
        result = _read_date(value, settings)
        if isinstance(result, Problem):
            cast.add(place, result)
        elif isinstance(result, _Open):
            opens[place] = result
        else:
            found[place] = result
            if isinstance(plain_scalar(value), (int, float, Decimal)) and int(value) in _SERIALS:
                cast.add(place, _serial_warning(value, result[0]))
    found |= _settle(cast, opens, values, settings)
    for place, (day, clock) in found.items():
        try:
            cast.values[place] = day.strftime(pattern)
        except ValueError:
            cast.add(place, _no_date(values[place]))
            continue
        if clock and not any(mark in pattern for mark in ("%H", "%I", "%M", "%S", "%T", "%X", "%c")):
            problem = f"The time of day is left out: {cast.values[place]} is sent"
            cast.add(place, warning("time_dropped", problem, "Nothing to do, unless the time matters."))
        value = values[place]
        if isinstance(value, str) and not _LONG_YEAR.search(value) and _is_far(day):
            problem = f"{shorten(value, 40)!r} has a year of two digits, which is read as {day.year}"
            cast.add(place, warning("two_digit_year", problem, "Write the year with four digits."))
    _remark_swapped(cast, opens, [value for value in values if isinstance(value, dt.date)])
    return cast


def _is_far(day: dt.date) -> bool:
    today = dt.datetime.now(dt.timezone.utc).date()
    return (day.year, day.month, day.day) > (today.year, today.month, today.day) or day.year < today.year - _LONG_AGO


def _remark_swapped(cast: Cast, opens: dict[int, _Open], real: Sequence[dt.date]) -> None:
    """Say when the real dates look like the half of a column that a spreadsheet took for the other order."""
    votes = {next(iter(_only_order(each)), "") for each in opens.values()}
    suspects = [day for day in real if not pd.isna(day)]
    if len(votes) != 1 or votes == {""} or not any(day.day != day.month for day in suspects):
        return
    if all(day.day <= 12 for day in suspects):
        shown = next(day for day in suspects if day.day != day.month)
        other = dt.date(shown.year, shown.day, shown.month)
        problem = "Every real date of the column has a day up to 12 and every date written as text one above 12: "
        problem += "perhaps a spreadsheet read the column in the wrong order, and took day for month where it could "
        problem += f"({shown:%Y-%m-%d} may be meant as {other:%Y-%m-%d})"
        fix = "Compare a few dates with their source, and import the sheet again with its own order of day and month."
        cast.remarks.append(warning("dates_swapped", problem, fix))


def _no_date(value: Any) -> Problem:
    shown = shorten(show_text(value), 40)
    return error("not_a_date", f"{shown!r} is no date that can be read", "Write it as 2025-01-31.")


def _serial_warning(value: Any, day: dt.date) -> Problem:
    problem = f"The number {show_text(value)} is read as the date {day.isoformat()}"
    return warning("number_as_date", problem, "If it is no date, map another column.")


def _read_date(value: Any, settings: CastSettings) -> tuple[dt.date, bool] | _Open | Problem:
    value = plain_scalar(value)
    if isinstance(value, pd.Period):
        value = value.start_time
    if isinstance(value, dt.datetime):
        return value, value.time() != dt.time()
    if isinstance(value, dt.date):
        return value, False
    if isinstance(value, str):
        return _read_text(clean_text(value), settings)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return _no_date(value)
    return _read_serial(float(value), settings)


def _read_serial(number: float, settings: CastSettings) -> tuple[dt.date, bool] | Problem:
    if not math.isfinite(number):
        return _no_date(number)
    whole = int(number)
    if number == whole and 19000101 <= whole <= 21991231:
        day = _make(whole // 10000, whole // 100 % 100, whole % 100)
        if day:
            return day, False
    if whole in _SERIALS:
        epoch = _EPOCH_1904 if settings.date1904 else _EPOCH_1900
        return epoch + dt.timedelta(days=whole), False
    for unit, told, scale in (("s", "seconds", 1), ("ms", "milliseconds", 1000)):
        if 1e8 < number / scale < 5e9:  # 1973 to 2128
            shown = dt.datetime.fromtimestamp(number / scale, dt.timezone.utc).date().isoformat()
            fix = f'If it counts {told} (then it is {shown}): pd.to_datetime(df[column], unit="{unit}").'
            return error("not_a_date", f"The number {show_text(number)} is no date", fix)
    return _no_date(number)


def _read_text(text: str, settings: CastSettings) -> tuple[dt.date, bool] | _Open | Problem:
    if settings.dates and "%" in settings.dates:
        try:
            moment = dt.datetime.strptime(text, settings.dates)  # noqa: DTZ007 - only its date is used
        except ValueError:
            problem = f"{shorten(text, 40)!r} does not match {settings.dates}"
            return error("not_a_date", problem, "Correct the cell, or the format in dates=.")
        return moment, moment.time() != dt.time()
    clock = _CLOCK.search(text) is not None
    day = _by_pattern(text)
    if day:
        return day, clock and " 00:00" not in text.replace("T", " ")
    found = _NUMERIC.fullmatch(text)
    if found:
        first, _, second, year = found.groups()
        if settings.dates == "ymd":
            day = _make(_full_year(first), int(second), int(year)) if len(year) == 2 else None
            return (day, clock) if day else _no_date(text)
        return _Open(int(first), int(second), _full_year(year), clock)
    if re.fullmatch(r"\d{5}(\.\d+)?", text):
        return _read_serial(float(text), settings)
    return _no_date(text)


def _by_pattern(text: str) -> dt.date | None:
    for expression, order in (
        (_YEAR_FIRST, (0, 2, 3)),
        (_COMPACT, (0, 1, 2)),
        (_EAST_ASIAN, (0, 1, 2)),
        (_DAY_NAME, (2, 1, 0)),
        (_NAME_DAY, (2, 0, 1)),
        (_YEAR_NAME, (0, 1, 2)),
    ):
        found = expression.fullmatch(text)
        if found:
            year, month, day = (found.groups()[place] for place in order)
            number = int(month) if month.isdecimal() else _MONTHS.get(month.casefold(), 0)
            made = _make(_full_year(year), number, int(day))
            if made:
                return made
    return None


def _full_year(text: str) -> int:
    digits = text.lstrip("'")
    number = int(digits)
    if len(digits) > 2:
        return number
    return number + (2000 if number < _PIVOT_YEAR else 1900)


def _make(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _settle(
    cast: Cast, opens: dict[int, _Open], values: Sequence[Any], settings: CastSettings
) -> dict[int, tuple[dt.date, bool]]:
    """Decide day-first or month-first for the whole column, or note an error for each cell that stays open."""
    result: dict[int, tuple[dt.date, bool]] = {}
    votes = {order for each in opens.values() for order in _only_order(each)}
    order = settings.dates if settings.dates in ("dmy", "mdy") else (votes.pop() if len(votes) == 1 else None)
    doubtful = [place for place, each in opens.items() if not _only_order(each) and each.first != each.second]
    examples = "; ".join(_both_ways(show_text(values[place]), opens[place]) for place in doubtful[:3])
    for place, each in opens.items():
        own = _only_order(each)
        certain = "dmy" if each.first == each.second else next(iter(own), None)
        chosen = settings.dates if settings.dates in ("dmy", "mdy") else certain or order
        if chosen is None:
            if each.read("dmy") is None and each.read("mdy") is None:
                cast.add(place, _no_date(values[place]))
                continue
            problem = f"{shorten(show_text(values[place]), 40)!r} can be {_told(each, 'dmy')} or {_told(each, 'mdy')}"
            if votes:
                problem += "; the column has dates of both orders"
            fix = f'Say which: dates="dmy" (day first) or dates="mdy" (month first). {examples}'
            cast.add(place, error("ambiguous_date", problem, fix))
            continue
        day = each.read(chosen)
        if day is None:
            cast.add(place, _no_date(values[place]))
        else:
            result[place] = (day, each.clock)
    return result


def _only_order(each: _Open) -> set[str]:
    """Return the one order in which this is a date; empty when both are, or none is."""
    orders = {order for order in ("dmy", "mdy") if each.read(order) is not None}
    return orders if len(orders) == 1 else set()


def _told(each: _Open, order: str) -> str:
    day = each.read(order)
    return f"{day.day} {_ENGLISH[day.month - 1]} {day.year}" if day else "no date"


def _both_ways(text: str, each: _Open) -> str:
    return f"{shorten(text, 24)} is {_told(each, 'dmy')} (dmy) or {_told(each, 'mdy')} (mdy)"
