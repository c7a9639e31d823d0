"""Text, yes/no words and choices."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd

from opus_nb.service.schema import Field
from opus_nb.sheet.casts import Cast, CastSettings, NotJsonError, json_value, plain_scalar
from opus_nb.sheet.cells import MISSING, clean_text, has_odd_spaces, shorten, show_list, show_text
from opus_nb.sheet.findings import error, warning
from opus_nb.sheet.likeness import closest_names
from opus_nb.sheet.numbers import EXACT_FLOAT_LIMIT, WORKBOOK_LIMIT, digits_lost

__all__ = ["cast_bools", "cast_texts", "choose_options"]

_TRUE: Final = (
    "yes y true t 1 on x ✓ ✔ ☑ ja j wahr oui o vrai si sí sì s verdadero vero sim verdadeiro tak prawda da так да 是"
)
_FALSE: Final = "no n false f 0 off ✗ ✘ ☐ nein falsch non faux falso não nao nee onwaar nie fałsz net нет ні 否"
_BOOL_WORDS: Mapping[str, bool] = {
    word: answer for words, answer in ((_TRUE, True), (_FALSE, False)) for word in words.split()
}
# A format that only pads with zeros, perhaps with fixed signs between: 00000, 000-00-0000.
_ZERO_FORMAT = re.compile(r"(?=.*0)[0\-/ .\\]*0(?<!\.0)")


def cast_bools(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    """Cast to ``bool``: yes/no words of several languages, 1 and 0, ``x`` and check marks."""
    cast = Cast([MISSING] * len(values))
    for place, value in enumerate(values):
        plain = plain_scalar(value)
        answer: bool | None = None
        if isinstance(plain, bool):
            answer = plain
        elif isinstance(plain, (int, float, Decimal)) and plain in (0, 1):
            answer = bool(plain)
        elif isinstance(plain, str):
            word = clean_text(plain).casefold().rstrip(".!")
            answer = _BOOL_WORDS.get(word.removesuffix(".0"))
        if answer is None:
            problem = f"{shorten(show_text(value), 40)!r} is neither yes nor no"
            cast.add(place, error("not_a_bool", problem, "Write yes or no (also true/false, 1/0, x)."))
        else:
            cast.values[place] = answer
    return cast


def cast_texts(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    """Cast to ``str``.

    Text stays letter for letter but for spaces at its ends. Numbers are written as the workbook shows them where
    its format only pads with zeros, and whole ones always without ``.0`` (which is what becomes of ids beside an
    empty cell), so that no cell is read by its neighbours. Long ids that went through a float or a workbook's number
    are refused, because it rounded them.
    """
    cast = Cast([MISSING] * len(values))
    trimmed: list[str] = []
    odd: list[str] = []
    for place, value in enumerate(values):
        if isinstance(value, str):
            text = str(value)
            edges = text.strip(" \t\r\n\u00a0\u202f\u2007\ufeff\u200b")
            if len(edges) != len(text):
                trimmed.append(edges)
            if has_odd_spaces(edges):
                odd.append(edges)
            cast.values[place] = edges
        else:
            _put_text(cast, place, plain_scalar(value), settings)
    if trimmed:
        texts = "1 text begins or ends" if len(trimmed) == 1 else f"{len(trimmed)} different texts begin or end"
        what = f"{texts} with spaces that nobody sees; sent without them"
        cast.remarks.append(warning("spaces_trimmed", what, "Nothing to do, unless the spaces matter.", trimmed[0]))
    if odd:
        texts = "1 text holds" if len(odd) == 1 else f"{len(odd)} different texts hold"
        what = f"{texts} no-break or invisible spaces, which look like plain ones or like nothing; sent as they stand"
        fix = 'If they are not meant: df[column] = df[column].str.replace("\\u00a0", " ").'
        cast.remarks.append(warning("odd_spaces", what, fix, odd[0]))
    _remark_looks(cast, values, settings)
    return cast


def _remark_looks(cast: Cast, values: Sequence[Any], settings: CastSettings) -> None:
    """Say when a text input gets what the sheet shows otherwise: dates, and numbers shown as percentages."""
    dates = [place for place, value in enumerate(values) if isinstance(value, (dt.date, np.datetime64))]
    places = [place for place in dates if cast.values[place] is not MISSING]
    if places:
        texts = "1 date is" if len(places) == 1 else f"{len(places)} different dates are"
        what = f"{texts} sent as text, written as {cast.values[places[0]]!r}, whatever the sheet shows"
        fix = 'For another form: df[column] = df[column].dt.strftime("%d/%m/%Y").'
        cast.remarks.append(warning("date_as_text", what, fix, cast.values[places[0]]))
    floats = [float(value) for value in values if isinstance(value, (float, np.floating))]
    whole = [number for number in floats if number.is_integer() and abs(number) < WORKBOOK_LIMIT]
    if whole and not settings.from_workbook and not all(number.is_integer() for number in floats):
        what = f"The column has whole numbers and fractions; the whole ones are sent without .0, such as {whole[0]:.0f}"
        fix = "If the text is to have decimals: df[column] = df[column].map('{:.2f}'.format)."
        cast.remarks.append(warning("whole_as_text", what, fix, f"{whole[0]:.0f}"))
    if "%" in settings.number_format:
        shares = [place for place, value in enumerate(values) if isinstance(value, (float, np.floating))]
        if shares and cast.values[shares[0]] is not MISSING:
            what = (
                f"The sheet shows percentages here; the numbers behind them are sent, such as {cast.values[shares[0]]}"
            )
            fix = "Write the percentages as text in the sheet, if the workflow wants the percent sign."
            cast.remarks.append(warning("percent_as_text", what, fix, cast.values[shares[0]]))


def _put_text(cast: Cast, place: int, value: Any, settings: CastSettings) -> None:
    if isinstance(value, bool):
        cast.values[place] = "true" if value else "false"
        cast.add(place, warning("bool_as_text", f"A yes/no value is sent as the text {cast.values[place]!r}", _AS_TEXT))
    elif isinstance(value, float):
        limit = WORKBOOK_LIMIT if settings.from_workbook else EXACT_FLOAT_LIMIT
        if value.is_integer() and abs(value) >= limit:
            cast.add(place, digits_lost(value, settings.from_workbook))
        elif value in (float("inf"), float("-inf")):
            cast.add(place, error("infinite", "Infinity is no value to send", "Leave the cell empty, or correct it."))
        elif value.is_integer():
            cast.values[place] = _padded(int(value), settings.number_format)
        else:
            cast.values[place] = repr(value)
    elif isinstance(value, int):
        if settings.from_workbook and abs(value) >= WORKBOOK_LIMIT:
            cast.add(place, digits_lost(value, from_workbook=True))
        else:
            cast.values[place] = _padded(value, settings.number_format)
    elif isinstance(value, (list, tuple, dict, set, frozenset, np.ndarray)):
        try:
            cast.values[place] = json.dumps(json_value(value), ensure_ascii=False)
        except (NotJsonError, RecursionError) as reason:
            cast.add(place, error("not_text", f"This cannot be written as text: {reason}", "Give a text here."))
        else:
            cast.add(place, warning("container_as_text", "A list or object is sent as JSON text", _AS_TEXT))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        cast.add(
            place, error("not_text", "The cell holds bytes, no text", "Decode it: df[column].str.decode('utf-8').")
        )
    elif isinstance(value, (dt.date, dt.time, dt.timedelta, Decimal)) or _is_plain_object(value):
        cast.values[place] = show_text(value)
    else:
        problem = f"A {type(value).__name__} is no text"
        cast.add(place, error("not_text", problem, "Make the column text first: df[column].astype(str)."))


_AS_TEXT = "If the workflow expects something else, map another column."


def _is_plain_object(value: Any) -> bool:
    """Return True for objects whose own text says what they are: paths, UUIDs, periods, intervals, enums."""
    return isinstance(value, (pd.Period, pd.Interval)) or type(value).__module__.split(".")[0] in {
        "pathlib",
        "uuid",
        "ipaddress",
        "fractions",
    }


def _padded(number: int, number_format: str) -> str:
    digits = str(number)
    pattern = number_format.replace('"', "").replace("\\", "")
    if number < 0 or not pattern or not _ZERO_FORMAT.fullmatch(pattern):
        return digits
    zeros = pattern.count("0")
    if "." in pattern or len(digits) > zeros:
        return digits
    rest = iter(digits.zfill(zeros))
    return "".join(next(rest) if sign == "0" else sign for sign in pattern)


def choose_options(field: Field, cast: Cast) -> None:
    """Replace each value by the option that it means; exactly, else without regard to case and spaces."""
    exact = {_option_key(option): option for option in field.options}
    folded: dict[str, list[Any]] = {}
    for option in field.options:
        folded.setdefault(_fold_option(option), []).append(option)
    labels = [show_text(option) for option in field.options]
    for place, value in enumerate(cast.values):
        if value is MISSING:
            continue
        items = value if isinstance(value, list) else [value]
        chosen = [_choose(item, exact, folded) for item in items]
        bad = [item for item, option in zip(items, chosen, strict=True) if option is MISSING]
        if not bad:
            cast.values[place] = chosen if isinstance(value, list) else chosen[0]
            continue
        shown = show_text(bad[0])
        close = closest_names(shown, labels, 1)
        fix = f'Did you mean "{close[0]}"?' if close else f"Choose one of {show_list(labels, 12)}."
        problem = f"{shorten(shown, 40)!r} is not among the options {show_list(labels, 8)}"
        cast.add(place, error("not_an_option", problem, fix))


def _fold_option(value: Any) -> str:
    return " ".join(clean_text(show_text(value)).casefold().split())


def _option_key(value: Any) -> tuple[str, str]:
    return ("b" if isinstance(value, bool) else "v", show_text(value))


def _choose(value: Any, exact: Mapping[tuple[str, str], Any], folded: Mapping[str, list[Any]]) -> Any:
    key = _option_key(value)
    if key in exact:
        return exact[key]
    near = folded.get(_fold_option(value), [])
    return near[0] if len(near) == 1 else MISSING
