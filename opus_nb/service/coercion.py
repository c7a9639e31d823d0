"""From a typed Python value to what travels as JSON, where that needs no guess."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from opus_nb.job import LocalFile
from opus_nb.service.definitions import ISO_DATE_FORMAT, Field
from opus_nb.service.judging import check_value, is_date_text, is_url, read_strict_json, show_value
from opus_nb.service.unwrapping import read_iso, unwrap

__all__ = ["coerce_value"]

_DEEPEST = 60
# Above this a float no longer tells neighbouring whole numbers apart.
_EXACT_WHOLE = 2**53
# Two digits of a year are read as 1969 to 2068.
_FIRST_SHORT_YEAR = 1969
_WHOLE = re.compile(r"[+-]?\d+(\.0+)?")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_YES_NO = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def coerce_value(field: Field, value: Any) -> Any:
    """Turn a Python value into what JSON can hold for this input, without guessing.

    Takes plain Python, numpy and pandas scalars and arrays (none of them is imported), ``Decimal``, ``UUID``,
    enums, dates and paths. What is missing there (None, NaN, NaT, ``pandas.NA``) becomes None. Text is read only
    where one reading is possible: ``"45.8"`` for a number, ``"2025-11-09"`` for a date, ``"yes"`` for a bool,
    JSON for lists and objects; how people write numbers and dates in a sheet is the sheet's to know. Reads and
    writes nothing; a path is made absolute, not opened.

    Parameters
    ----------
    field : Field
        The input that the value is for.
    value : Any
        The value.

    Returns
    -------
    Any
        str, float, int, bool, None, list or dict; dates as text in the schema's own format; files as `LocalFile`
        or as the ``http(s)`` address that was given. Coercing it again changes nothing. Whether it is allowed
        (options, required) is for `check_value`.

    Raises
    ------
    ValueError
        It cannot be done without guessing; the message is one plain sentence.

    Source
    ------
    Contract, section 2.3; trap T21.
    """
    plain = unwrap(value)
    if plain is None or (isinstance(plain, str) and not plain.strip() and field.kind not in {"str", "other"}):
        return None
    if field.alternatives:
        return _coerce_to_any_type(field, plain)
    return _coerce_as(field, plain, 0)


def _coerce_to_any_type(field: Field, plain: Any) -> Any:
    """Keep a value that fits one of the types as it is; else the first type that takes it without a guess."""
    if _is_wire(plain) and check_value(field, plain) is None:
        return plain
    tried = [_try(each, plain) for each in (field, *field.alternatives)]
    for value, refusal in tried:
        if refusal is None:
            return value
    raise ValueError("No type of this input takes it. " + " ".join(refusal for _, refusal in tried if refusal))


def _try(field: Field, plain: Any) -> tuple[Any, str | None]:
    try:
        return _coerce_as(field, plain, 0), None
    except ValueError as error:
        return None, f"{field.type}: {error}"


def _coerce_as(field: Field, value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"It is nested more than {_DEEPEST} levels deep.")
    return _COERCE_TO_KIND.get(field.kind, _to_any)(field, value, depth)


def _is_wire(value: Any) -> bool:
    """Tell whether a stripped value needs no further turning: nothing in it that JSON does not know."""
    if isinstance(value, list):
        return all(_is_wire(each) for each in value)
    if isinstance(value, dict):
        return all(_is_wire(each) for each in value.values())
    return value is None or isinstance(value, (str, int, float, LocalFile))


def _to_str(field: Field, value: Any, depth: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _digits(value)
    if isinstance(value, float):
        _finite(value)
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT_WHOLE else repr(value)
    if isinstance(value, Decimal):
        _finite(value)
        return format(value, "f")
    if isinstance(value, (date, time)):
        return _iso_text(value)
    if isinstance(value, UUID):
        return str(value)
    raise ValueError(f"Text is expected, not {_what(value)}.")


def _iso_text(value: date | time) -> str:
    """Write a date or time as ISO text; a midnight without a zone is the date that pandas made it from."""
    if isinstance(value, datetime) and value.tzinfo is None and value.time() == time():
        return value.date().isoformat()
    return value.isoformat()


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError as error:
        raise ValueError("The whole number has too many digits.") from error


def _to_float(field: Field, value: Any, depth: int) -> float | int:
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            raise ValueError(f"{show_value(value)} is not a number that can be read in one way only.")
        value = Decimal(text)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError(f"A number is expected, not {_what(value)}.")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError("The number is too large to be sent.") from error
    _finite(number)
    return number if isinstance(value, Decimal) or number == value else value


def _to_int(field: Field, value: Any, depth: int) -> int:
    if isinstance(value, str):
        text = value.strip()
        if not _WHOLE.fullmatch(text):
            raise ValueError(f"{show_value(value)} is not a whole number.")
        value = Decimal(text)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError(f"A whole number is expected, not {_what(value)}.")
    _finite(value)
    if value != int(value):
        raise ValueError(f"{value} is not a whole number.")
    return int(value)


def _to_bool(field: Field, value: Any, depth: int) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float, Decimal)) and value in {0, 1}:
        return bool(value)
    if isinstance(value, str) and (word := value.strip().lower()) in _YES_NO:
        return _YES_NO[word]
    raise ValueError(f"True or False is expected, not {_what(value)}.")


def _to_date(field: Field, value: Any, depth: int) -> str | None:
    pattern = field.date_format
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if is_date_text(text, pattern):
            return text
        value = _read_date_text(text)
    if not isinstance(value, date):
        raise ValueError(f"A date is expected, not {_what(value)}.")
    has_time = isinstance(value, datetime) and value.time() != time()
    if has_time and not any(each in pattern for each in ("%H", "%I", "%T", "%R", "%X", "%c")):
        raise ValueError(f"{_iso_text(value)} has a time of day, and this input takes a date only; pass its .date().")
    if pattern == ISO_DATE_FORMAT:
        return value.isoformat()[:10]
    text = value.strftime(pattern)
    two_digits = any(each in pattern for each in ("%y", "%D", "%x"))
    if not is_date_text(text, pattern) or (
        two_digits and not _FIRST_SHORT_YEAR <= value.year < _FIRST_SHORT_YEAR + 100
    ):
        raise ValueError(f"{_iso_text(value)} cannot be written in the form {pattern} and read again.")
    return text


def _read_date_text(text: str) -> date:
    if match := _YEAR_FIRST.fullmatch(text):
        try:
            return date(*(int(each) for each in match.groups()))
        except ValueError as error:
            raise ValueError(f"{show_value(text)} is not a day of the calendar.") from error
    try:
        return read_iso(text)
    except ValueError as error:
        message = f"{show_value(text)} is not a date that can be read in one way only; write it like 2025-11-09."
        raise ValueError(message) from error


def _to_array(field: Field, value: Any, depth: int) -> list[Any]:
    value = _from_json_text(value, "[")
    if not isinstance(value, list):
        raise ValueError(f"A list is expected, not {_what(value)}.")
    item = field.item if field.enforced else None
    return [_to_inner(item, each, depth, f"Item {place}") for place, each in enumerate(value, start=1)]


def _to_object(field: Field, value: Any, depth: int) -> dict[str, Any]:
    value = _from_json_text(value, "{")
    if not isinstance(value, dict):
        raise ValueError(f"An object (name: value) is expected, not {_what(value)}.")
    known = {each.variable_name: each for each in (field.members if field.enforced else ())}
    return {name: _to_inner(known.get(name), each, depth, f'"{name}"') for name, each in value.items()}


def _to_inner(field: Field | None, value: Any, depth: int, where: str) -> Any:
    if value is None:
        return None
    try:
        if field is None:
            return _json_value(value, depth + 1)
        return _coerce_to_any_type(field, value) if field.alternatives else _coerce_as(field, value, depth + 1)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _from_json_text(value: Any, opening: str) -> Any:
    if isinstance(value, str) and value.strip().startswith(opening):
        try:
            return unwrap(read_strict_json(value))
        except ValueError as error:
            raise ValueError(f"The text is not JSON: {error}.") from error
    return value


def _to_file(field: Field, value: Any, depth: int) -> LocalFile | str | None:
    if isinstance(value, LocalFile):
        return value
    if isinstance(value, os.PathLike):
        value = os.fsdecode(value)
    if not isinstance(value, str):
        raise ValueError(f"A file is expected, not {_what(value)}.")
    text = value.strip()
    if not text:
        return None
    if is_url(text):
        return text
    if "://" in text or text.lower().startswith("data:"):
        raise ValueError(f"{show_value(value)} is no path and no http(s) address.")
    if "\0" in text:
        raise ValueError("A path cannot hold a null character.")
    return LocalFile(str(_absolute(value)))


def _absolute(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        # "~nobody/x": there is no such home, so it is a name like any other.
        return Path(path).absolute()


def _to_files(field: Field, value: Any, depth: int) -> list[Any]:
    value = _from_json_text(value, "[")
    listed = value if isinstance(value, list) else [value]
    files: list[Any] = []
    for place, each in enumerate(listed, start=1):
        try:
            turned = None if each is None else _to_file(field, each, depth)
        except ValueError as error:
            raise ValueError(f"File {place}: {error}") from error
        if turned is not None:
            files.append(turned)
    return files


def _to_json_text(field: Field, value: Any, depth: int) -> str | None:
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            read_strict_json(value)
        except ValueError as error:
            raise ValueError(f"The text is not JSON: {error}.") from error
        return value
    return json.dumps(_json_value(value, depth, files=False), ensure_ascii=False, allow_nan=False)


def _to_any(field: Field, value: Any, depth: int) -> Any:
    return _json_value(value, depth)


def _json_value(value: Any, depth: int, *, files: bool = True) -> Any:
    """Turn a value of which the schema says nothing into its nearest JSON type."""
    if depth > _DEEPEST:
        raise ValueError(f"It is nested more than {_DEEPEST} levels deep.")
    if isinstance(value, list):
        return [_json_value(each, depth + 1, files=files) for each in value]
    if isinstance(value, dict):
        return {name: _json_value(each, depth + 1, files=files) for name, each in value.items()}
    if isinstance(value, float):
        _finite(value)
    if isinstance(value, Decimal):
        _finite(value)
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (date, time)):
        return _iso_text(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (os.PathLike, LocalFile)):
        if not files:
            raise ValueError("A file cannot be put into JSON text.")
        return value if isinstance(value, LocalFile) else LocalFile(str(_absolute(os.fsdecode(value))))
    return value


def _finite(value: float | int | Decimal) -> None:
    if isinstance(value, (float, Decimal)) and not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be sent.")


def _what(value: Any) -> str:
    if isinstance(value, (str, int, float, bool, LocalFile)):
        return show_value(value)
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    return f"a {type(value).__name__}"


_COERCE_TO_KIND: dict[str, Callable[[Field, Any, int], Any]] = {
    "str": _to_str,
    "float": _to_float,
    "int": _to_int,
    "bool": _to_bool,
    "date": _to_date,
    "array": _to_array,
    "object": _to_object,
    "file": _to_file,
    "files": _to_files,
    "json": _to_json_text,
}
