"""Numbers as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from opus_nb.service.schema import Field
from opus_nb.sheet.casts import Cast, CastSettings, plain_scalar
from opus_nb.sheet.cells import MISSING, clean_text, shorten, show_list, show_text
from opus_nb.sheet.findings import error, warning

__all__ = ["EXACT_FLOAT_LIMIT", "WORKBOOK_LIMIT", "cast_numbers"]

EXACT_FLOAT_LIMIT = 2.0**53  # beyond this, neighbouring whole numbers share one float
WORKBOOK_LIMIT = 1e15  # a workbook keeps 15 digits and writes zeros for the rest

_CURRENCY = (
    r"(?:[$€£¥₹₽₩₺₴₫₪฿₦₱]|R\$|C\$|A\$|US\$|zł|Kč|kr\.?|Fr\.?|EUR|USD|GBP|CHF|JPY|CNY|RMB|INR|AED|SAR|PLN|CZK|SEK|NOK|DKK|"
    r"HUF|RUB|TRY|BRL|MXN|CAD|AUD|NZD|ZAR|SGD|HKD|ILS|KRW|THB|EGP|QAR|KWD)"
)
_BEFORE = re.compile(rf"^({_CURRENCY})\s*(?=[-+.\d(])", re.IGNORECASE)
_AFTER = re.compile(rf"(?<=[\d.)%-])\s*({_CURRENCY})$", re.IGNORECASE)
_OTHER_MARKS = str.maketrans("−–٫٬", "--.,")  # minus signs, and the marks that go with Arabic digits
_SAME_CURRENCY = {"€": "EUR", "$": "USD", "US$": "USD", "£": "GBP", "₹": "INR", "RMB": "CNY", "ZŁ": "PLN", "KČ": "CZK"}
_GAPS = re.compile(r"\d{1,3}(?:([ '’])\d{3})(?:\1\d{3})*(?=[.,]|$)")
_BODY = re.compile(r"([\d.,]*\d[\d.,]*)([eE][-+]?\d{1,4})?")

_PLAIN = re.compile(r"\d+")
_DOT_DECIMAL = re.compile(
    r"\d*\.\d+|\d+\.|\d{1,3}(?:,\d{3})+\.\d*|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d*)?|\d{1,3}(?:,\d{3}){2,}"
)
_COMMA_DECIMAL = re.compile(r"0,\d+|\d{1,3}(?:\.\d{3})+,\d*|\d{1,3}(?:\.\d{3}){2,}")
_ONE_COMMA = re.compile(r"\d*,\d+")
_THOUSAND_COMMA = re.compile(r"[1-9]\d{0,2},\d{3}")
_THOUSAND_DOT = re.compile(r"[1-9]\d{0,2}\.\d{3}")


@dataclass(frozen=True, slots=True)
class _Written:
    """One number as text, taken apart.

    ``form`` is ``plain``, ``dot`` (the dot is certainly the decimal point), ``comma`` (the comma certainly is),
    ``lone`` (a comma that separates no thousands), ``dot3`` or ``comma3`` (one separator before three digits).
    """

    negative: bool
    body: str
    exponent: str
    percent: bool
    currency: str
    form: str


def _take_apart(text: str) -> _Written | None:
    rest = clean_text(text).translate(_OTHER_MARKS)
    percent = False
    minuses = 0
    currency = ""
    if rest.startswith("(") and rest.endswith(")"):
        minuses, rest = 1, rest[1:-1].strip()
    signed = rest.startswith(("+", "-"))
    if signed:
        minuses, rest = minuses + (rest[0] == "-"), rest[1:].strip()
    for pattern in (_BEFORE, _AFTER):
        found = pattern.search(rest)
        if found:
            currency, rest = found.group(1), (rest[: found.start()] + rest[found.end() :]).strip()
    if rest.startswith(("+", "-")) and not signed:
        minuses, rest = minuses + (rest[0] == "-"), rest[1:].strip()
    if rest.endswith("%"):
        percent, rest = True, rest[:-1].strip()
    if rest.endswith("-"):
        minuses, rest = minuses + 1, rest[:-1].strip()
    gaps = _GAPS.match(rest)
    gapped = gaps is not None
    if gaps:
        rest = re.sub(r"[ '’]", "", rest[: gaps.end()]) + rest[gaps.end() :]
    found = _BODY.fullmatch(rest)
    if not found or minuses > 1:  # two minus signs may be a plus or a slip
        return None
    body, exponent = found.group(1), found.group(2) or ""
    form = _form(body, gapped or bool(exponent))
    return None if form is None else _Written(minuses == 1, body, exponent, percent, currency, form)


def _form(body: str, no_groups: bool) -> str | None:
    """Return how the separators of a number are to be read; ``no_groups`` when they cannot group thousands."""
    if _PLAIN.fullmatch(body):
        return "plain"
    if no_groups:
        if body.count(".") + body.count(",") > 1:
            return None
        return "dot" if "." in body else "comma"
    if _THOUSAND_COMMA.fullmatch(body):
        return "comma3"
    if _THOUSAND_DOT.fullmatch(body):
        return "dot3"
    if _DOT_DECIMAL.fullmatch(body):
        return "dot"
    if _COMMA_DECIMAL.fullmatch(body):
        return "comma"
    if _ONE_COMMA.fullmatch(body):
        return "lone"
    return None


@dataclass(frozen=True, slots=True)
class _Style:
    """What the column as a whole says: which mark is the decimal one, and whether it says so clearly."""

    decimal: str
    certain: bool
    mixed: bool


def _read_style(forms: Sequence[tuple[str, str]], decimal: str | None) -> _Style:
    """Return the style of a column from its (form, text) pairs."""
    if decimal:
        return _Style(decimal, certain=True, mixed=False)
    dots = any(form == "dot" for form, _ in forms)
    commas = any(form == "comma" for form, _ in forms)
    lone = {text for form, text in forms if form == "lone"}
    if dots and (commas or lone):
        return _Style(".", certain=False, mixed=True)
    if commas or len(lone) >= 2:
        return _Style(",", certain=True, mixed=False)
    return _Style(".", certain=dots, mixed=bool(lone))


def cast_numbers(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    """Cast to ``float`` or ``int``.

    A text is read by its own marks (``1,250.50`` can only mean one number) and, where these leave it open, by the
    other numbers of the column; a single ``1,25`` with nothing beside it that says how commas are meant is refused.
    ``12.5%`` is 0.125, as a workbook holds it. Numbers of more than 15 digits are refused for ``int`` when they went
    through a float or a workbook's number cell, which has rounded them.
    """
    cast = Cast([MISSING] * len(values))
    written: dict[int, _Written] = {}
    for place, value in enumerate(values):
        if isinstance(value, str):
            apart = _take_apart(value)
            if apart is None:
                cast.add(place, _not_a_number(value))
            else:
                written[place] = apart
        else:
            _take_number(cast, place, value, settings, whole=field.kind == "int")
    if written:
        style = _read_style([(each.form, str(values[place])) for place, each in written.items()], settings.decimal)
        for place, each in written.items():
            _read_written(cast, place, each, style, values[place])
        every = [values[place] for place in written]
        _remark(cast, list(written.values()), style, every)
        if settings.decimal is None:
            _remark_neighbours(cast, list(written.values()), style, every)
    for place, number in enumerate(cast.values):
        if number is not MISSING:
            _finish(cast, place, number, values[place], whole=field.kind == "int")
    return cast


def _not_a_number(value: Any) -> Any:
    return error("not_a_number", f"{shorten(show_text(value), 40)!r} is no number", "Write digits only, e.g. 1250.50.")


def _take_number(cast: Cast, place: int, value: Any, settings: CastSettings, *, whole: bool) -> None:
    value = plain_scalar(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        shown = shorten(show_text(value), 40)
        problem = (
            f"{shown} is {'a yes/no value' if isinstance(value, bool) else f'a {type(value).__name__}'}, no number"
        )
        cast.add(place, error("not_a_number", problem, "Give a number here, or map another column to this input."))
        return
    cast.values[place] = value
    if isinstance(value, Decimal) or not math.isfinite(value):
        return
    if whole:
        limit = WORKBOOK_LIMIT if settings.from_workbook else EXACT_FLOAT_LIMIT
        if abs(value) >= limit and (isinstance(value, float) or settings.from_workbook):
            cast.add(place, digits_lost(value, settings.from_workbook))
    elif settings.from_workbook and abs(value) >= WORKBOOK_LIMIT and value == int(value):
        lost = digits_lost(value, from_workbook=True)
        cast.add(place, warning(lost.code, lost.problem, lost.fix))


def digits_lost(value: float, from_workbook: bool) -> Any:
    """Return the problem of a long number that went through a float or a workbook."""
    where = "A workbook keeps 15 digits of a number" if from_workbook else "A float keeps 15 to 16 digits"
    return error(
        "digits_lost",
        f"{where}, so the last digits of {int(value)} are not the ones that were typed",
        "Keep long numbers as text: format the column as text before typing, or read it with dtype=str.",
    )


def _read_written(cast: Cast, place: int, each: _Written, style: _Style, value: Any) -> None:
    undecided = each.form in ("lone", "comma3") or (each.form == "dot3" and not style.certain)
    if style.mixed and undecided:
        cast.add(place, _ambiguous(each, value))
        return
    mark = {"comma": ",", "dot": ".", "plain": "."}.get(each.form, style.decimal)
    number = _as_float(each, mark)
    if number is None:
        cast.add(place, _not_a_number(value))
        return
    cast.values[place] = number


def _ambiguous(each: _Written, value: Any) -> Any:
    readings = [number for number in (_as_float(each, ","), _as_float(each, ".")) if number is not None]
    distinct = [f"{number:.10g}" for number in dict.fromkeys(readings)]
    shown = repr(shorten(value, 40))
    if len(distinct) > 1:
        problem = f"{shown} may be {' or '.join(distinct)}, and the column does not say which mark is the decimal one"
    else:
        read = f" ({distinct[0]})" if distinct else ""
        problem = f"{shown} looks like a decimal comma{read}, and the column does not say clearly that it writes them"
    fix = 'Write it with a decimal point, or say which mark is meant with decimal="," or decimal=".".'
    return error("ambiguous_number", problem, fix)


def _fits(body: str, mark: str) -> bool:
    other = "," if mark == "." else "."
    whole, _, fraction = body.partition(mark)
    groups = whole.split(other)
    return (
        other not in fraction
        and mark not in fraction
        and (len(groups) == 1 or (0 < len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])))
    )


def _as_float(each: _Written, mark: str) -> int | float | None:
    """Return the number with ``mark`` as its decimal mark; exact for whole numbers of any length."""
    if each.form in ("comma3", "dot3", "lone") and not _fits(each.body, mark):
        return None
    other = "," if mark == "." else "."
    text = each.body.replace(other, "").replace(mark, ".")
    if "." not in text and not each.exponent and not each.percent:
        number: int | float = int(text) if len(text) < 4000 else math.inf
    else:
        try:
            exact = Decimal(text + each.exponent)
        except ArithmeticError:
            return None
        number = float(exact / 100 if each.percent else exact)
    return -number if each.negative else number


def _remark(cast: Cast, written: Sequence[_Written], style: _Style, values: Sequence[Any]) -> None:
    groups = [str(value) for value, each in zip(values, written, strict=True) if each.form == "comma3"]
    if groups and not style.certain and not style.mixed:
        cast.remarks.append(
            warning(
                "thousands_assumed",
                f"{show_list(groups, 3)}: the comma is read as a thousands separator",
                'If it is a decimal comma, say decimal=",".',
            )
        )
    _remark_both_marks(cast, written, values)
    dots = [str(value) for value, each in zip(values, written, strict=True) if each.form == "dot3"]
    if dots and not style.certain and not style.mixed:
        cast.remarks.append(
            warning(
                "decimal_point_assumed",
                f"{show_list(dots, 3)}: the dot is read as a decimal point",
                'If it separates thousands, say decimal=",".',
            )
        )
    percents = [str(value) for value, each in zip(values, written, strict=True) if each.percent]
    if percents:
        cast.remarks.append(
            warning(
                "percent_read",
                f"{show_list(percents, 3)}: percentages are read as fractions, as workbooks hold them (12.5% is 0.125)",
                "If the workflow wants 12.5, remove the percent signs.",
            )
        )
    names = [each.currency.upper() for each in written if each.currency]
    currencies = dict.fromkeys(_SAME_CURRENCY.get(name, name) for name in names)
    if len(currencies) > 1:
        cast.remarks.append(
            warning(
                "several_currencies",
                f"The amounts are in several currencies ({', '.join(currencies)}); only the numbers are sent",
                "Give the currency in a column of its own, or convert the amounts.",
            )
        )


def _remark_neighbours(cast: Cast, written: Sequence[_Written], style: _Style, values: Sequence[Any]) -> None:
    """Say when other cells of the column turned the usual reading of a cell round."""
    if style.decimal != "," or not style.certain:
        return
    turned = {
        form: [str(value) for value, each in zip(values, written, strict=True) if each.form == form]
        for form in ("comma3", "dot3")
    }
    said = [("comma3", "the comma is read as the decimal mark"), ("dot3", "the dot is read as a thousands separator")]
    told = [f"{show_list(turned[form], 3)}: {how}" for form, how in said if turned[form]]
    if told:
        problem = f"{'; '.join(told)}, because other cells of the column have a decimal comma"
        fix = 'decimal="," says that it is so; decimal="." that the dot is the decimal mark.'
        cast.remarks.append(warning("decimal_comma_assumed", problem, fix))


def _remark_both_marks(cast: Cast, written: Sequence[_Written], values: Sequence[Any]) -> None:
    """Say when some numbers certainly have a decimal point and others certainly a decimal comma."""
    found = {
        form: [str(value) for value, each in zip(values, written, strict=True) if each.form == form]
        for form in ("dot", "comma")
    }
    if found["dot"] and found["comma"]:
        problem = f"Some numbers have a decimal point ({show_list(found['dot'], 2)}) and others a decimal comma "
        problem += f"({show_list(found['comma'], 2)}); each is read by its own marks"
        cast.remarks.append(warning("both_decimal_marks", problem, "Check that both are meant so."))


def _finish(cast: Cast, place: int, number: int | float | Decimal, value: Any, *, whole: bool) -> None:
    try:
        as_float = float(number)
    except (OverflowError, ValueError):
        as_float = math.inf
    if not whole:
        if not math.isfinite(as_float):
            cast.add(
                place,
                error("infinite", f"{shorten(show_text(value), 40)} is no finite number", "Give a finite number."),
            )
            return
        cast.values[place] = as_float
        if isinstance(number, int) and abs(number) >= EXACT_FLOAT_LIMIT and int(as_float) != number:
            problem = f"{number} has more digits than a number on the wire keeps; it is sent as {as_float:.0f}"
            cast.add(place, warning("digits_lost", problem, "If it is an id, the workflow should take it as text."))
        return
    if isinstance(number, int):
        cast.values[place] = number
    elif not math.isfinite(as_float):
        cast.add(
            place, error("infinite", f"{shorten(show_text(value), 40)} is no finite number", "Give a finite number.")
        )
    elif number == int(number):
        cast.values[place] = int(number)
    else:
        problem = f"{shorten(show_text(value), 40)} is no whole number"
        cast.add(
            place, error("not_whole", problem, "This input takes whole numbers; round it, if that is what is meant.")
        )
