"""The last judge before anything is sent: whether a value fits an input."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from pathlib import PurePath
from typing import Any, NoReturn
from urllib.parse import urlsplit

from opus_nb.job import LocalFile
from opus_nb.service.definitions import ISO_DATE_FORMAT, Field
from opus_nb.service.filekinds import ALL_EXTENSIONS, allowed_extensions, extension_fits

__all__ = ["check_value", "is_date_text", "is_url", "read_strict_json", "show_value"]

_DEEPEST = 60
_ISO_DATE_LENGTH = 10
# As large as the largest float; longer ones are no numbers any more for whoever reads the JSON.
_MOST_BITS = 1024


def check_value(field: Field, value: Any) -> str | None:
    """Judge whether a checked value may be sent to an input.

    Looks at the value only; whether a file exists is not asked here. A field that accepts several types is
    content when one of them fits.

    Parameters
    ----------
    field : Field
        The input.
    value : Any
        What JSON can hold, with files as `LocalFile` or as an ``http(s)`` address. None means: no value.

    Returns
    -------
    str or None
        One plain sentence about what is wrong, without the name of the input; None when the value fits.

    Source
    ------
    Contract, section 2.3; traps T5, T20, T21, T28.
    """
    if value is None:
        return "A value is required." if field.required else None
    if field.required and isinstance(value, str) and not value.strip():
        return "A value is required, and this one is empty."
    problem = _check_shape(field, value, 0)
    if problem is None or not field.alternatives:
        return problem
    if any(_check_shape(each, value, 0) is None for each in field.alternatives):
        return None
    return f"{problem} It also takes {_either(each.type for each in field.alternatives)}, which does not fit either."


def is_url(value: Any) -> bool:
    """Tell whether this is an ``http(s)`` address with a host."""
    if not isinstance(value, str) or not value[:8].lower().startswith(("http://", "https://")):
        return False
    try:
        return bool(urlsplit(value).hostname) and not any(each.isspace() for each in value)
    except ValueError:
        return False


def is_date_text(text: str, pattern: str = ISO_DATE_FORMAT) -> bool:
    """Tell whether a text is a date written exactly in this strftime pattern, leading zeros included.

    Of a pattern that Python cannot read back, any text passes.
    """
    if pattern == ISO_DATE_FORMAT:
        try:
            return len(text) == _ISO_DATE_LENGTH and date.fromisoformat(text).isoformat() == text
        except ValueError:
            return False
    reading = _reading(pattern)
    if reading is None:
        return bool(text.strip())
    moment = _read_moment(text, *reading)
    return moment is not None and moment.strftime(pattern) == text


@lru_cache(maxsize=64)
def _reading(pattern: str) -> tuple[str, str] | None:
    """Return what to put before the text and the pattern to read both with; None where no moment comes back."""
    plain = re.sub(r"%[-#_^0]?([A-Za-z%])", lambda found: _SPELLED_OUT.get(found[1], f"%{found[1]}"), pattern)
    # Python 3.13 warns of a day without a year; 1972 is a leap year, so that the 29th of February passes.
    lead, reading = ("", plain) if re.search(r"%[YyGcxs]", plain) else ("1972 ", f"%Y {plain}")
    try:
        known = datetime(1972, 11, 9).strftime(pattern)  # noqa: DTZ001 a wall date
    except ValueError:
        return None
    moment = _read_moment(known, lead, reading)
    return None if moment is None or moment.strftime(pattern) != known else (lead, reading)


def _read_moment(text: str, lead: str, reading: str) -> datetime | None:
    try:
        return datetime.strptime(lead + text, reading)  # noqa: DTZ007 a wall date
    except ValueError:
        return None


# What strftime knows and strptime does not.
_SPELLED_OUT = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "e": "%d", "h": "%b"}


def read_strict_json(text: str) -> Any:
    """Read JSON as the service will: no NaN, no Infinity.

    Raises
    ------
    ValueError
        It is not JSON.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def show_value(value: Any, *, limit: int = 60) -> str:
    """Return a short text for a value inside a sentence: quoted, one line, cut."""
    text = repr(value) if not isinstance(value, LocalFile) else value.path
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _check_shape(field: Field, value: Any, depth: int) -> str | None:
    if depth > _DEEPEST:
        return f"It is nested more than {_DEEPEST} levels deep."
    problem = _CHECK_OF_KIND.get(field.kind, _check_other)(field, value, depth)
    return problem or _check_options(field, value)


def _check_str(field: Field, value: Any, depth: int) -> str | None:
    if not isinstance(value, str):
        return f"Text is expected, not {_named(value)}."
    return _check_text(value)


def _check_text(value: str) -> str | None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"The text {show_value(value)} holds half a character (a lone surrogate) that cannot be sent."
    return None


def _check_float(field: Field, value: Any, depth: int) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"A number is expected, not {_named(value)}."
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    return None if finite else f"{show_value(value)} is not a number that can be sent."


def _check_int(field: Field, value: Any, depth: int) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"A whole number is expected, not {_named(value)}."
    return _check_size(value)


def _check_size(value: int) -> str | None:
    return "The number is too large to be sent." if value.bit_length() > _MOST_BITS else None


def _check_bool(field: Field, value: Any, depth: int) -> str | None:
    return None if isinstance(value, bool) else f"True or False is expected, not {_named(value)}."


def _check_date(field: Field, value: Any, depth: int) -> str | None:
    pattern = field.date_format
    if not isinstance(value, str):
        return f"A date is expected, not {_named(value)}."
    if is_date_text(value, pattern):
        return None
    example = date(2025, 11, 9).strftime(pattern)
    return f"{show_value(value)} is not a date written like {example}."


def _check_json(field: Field, value: Any, depth: int) -> str | None:
    if not isinstance(value, str):
        return f"JSON text is expected, not {_named(value)}."
    try:
        read_strict_json(value)
    except ValueError as error:
        return f"The text is not JSON: {error}."
    return _check_text(value)


def _check_array(field: Field, value: Any, depth: int) -> str | None:
    if not isinstance(value, list):
        return f"A list is expected, not {_named(value)}."
    for place, each in enumerate(value, start=1):
        problem = _check_inner(field.item if field.enforced else None, each, depth)
        if problem:
            return f"Item {place}: {problem}"
    return None


def _check_object(field: Field, value: Any, depth: int) -> str | None:
    if not isinstance(value, dict):
        return f"An object (name: value) is expected, not {_named(value)}."
    known = {each.variable_name: each for each in (field.members if field.enforced else ())}
    for name, member in known.items():
        if member.required and value.get(name) is None:
            return f'"{name}" is missing.'
    for name, each in value.items():
        if not isinstance(name, str):
            return f"The name {show_value(name)} is not text."
        problem = _check_text(name) or _check_inner(known.get(name), each, depth)
        if problem:
            return f'"{name}": {problem}'
    return None


def _check_inner(field: Field | None, value: Any, depth: int) -> str | None:
    """Judge what lies inside a container; a null is fine unless the definition says that it is not."""
    if field is None:
        return _check_any(value, depth + 1)
    if value is None:
        return "A value is required." if field.required else None
    problem = _check_shape(field, value, depth + 1)
    if problem and any(_check_shape(each, value, depth + 1) is None for each in field.alternatives):
        return None
    return problem


def _check_file(field: Field, value: Any, depth: int) -> str | None:
    is_local = isinstance(value, LocalFile)
    if not is_local and not is_url(value):
        return f"A file is expected, not {_named(value)}."
    suffix = PurePath(value.path if is_local else urlsplit(value).path).suffix
    if extension_fits(field, suffix):
        return None
    # An address need not end in an extension, and then nothing is known of its kind.
    if not is_local and suffix.lower() not in ALL_EXTENSIONS:
        return None
    accepted = ", ".join(each.lstrip(".").upper() for each in allowed_extensions(field))
    return f"{suffix!r} is not accepted here ({accepted})." if suffix else f"It has no extension ({accepted})."


def _check_files(field: Field, value: Any, depth: int) -> str | None:
    if not isinstance(value, list):
        return f"A list of files is expected, not {_named(value)}."
    if field.required and not value:
        return "At least one file is required."
    for place, each in enumerate(value, start=1):
        problem = _check_file(field, each, depth)
        if problem:
            return f"File {place}: {problem}"
    return None


def _check_other(field: Field, value: Any, depth: int) -> str | None:
    return _check_any(value, depth)


def _check_any(value: Any, depth: int) -> str | None:
    """Judge a value of which the schema says nothing: anything that JSON can hold, or a file."""
    if depth > _DEEPEST:
        return f"It is nested more than {_DEEPEST} levels deep."
    if value is None or isinstance(value, (bool, LocalFile)):
        return None
    if isinstance(value, str):
        return _check_text(value)
    if isinstance(value, int):
        return _check_size(value)
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not a number that can be sent."
    if isinstance(value, list):
        return next((problem for each in value if (problem := _check_any(each, depth + 1))), None)
    if isinstance(value, dict):
        for name, each in value.items():
            if not isinstance(name, str):
                return f"The name {show_value(name)} is not text."
            if problem := _check_text(name) or _check_any(each, depth + 1):
                return problem
        return None
    return f"{_named(value).capitalize()} cannot be sent."


def _check_options(field: Field, value: Any) -> str | None:
    if not field.options or isinstance(value, (dict, LocalFile)):
        return None
    if _is_option(field, value):
        return None
    if isinstance(value, list):
        wrong = [each for each in value if not _is_option(field, each)]
        if not wrong:
            return None
        value = wrong[0]
    return f"{show_value(value)} is not one of the choices: {_either(show_value(each) for each in field.options)}."


def _is_option(field: Field, value: Any) -> bool:
    # True == 1 in Python; a choice of 1 is no choice of True.
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in field.options)


def _either(words: Iterable[str], *, limit: int = 12) -> str:
    listed = list(words)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def _named(value: Any) -> str:
    names = {bool: "yes or no", int: "the number", float: "the number", str: "the text"}
    if isinstance(value, (bool, int, float, str)):
        return f"{names[bool if isinstance(value, bool) else _plain_type(value)]} {show_value(value)}"
    if isinstance(value, LocalFile):
        return f"the file {show_value(value)}"
    kinds = {list: "a list", dict: "an object", type(None): "nothing"}
    return kinds.get(type(value), f"a value of type {type(value).__name__}")


def _plain_type(value: Any) -> type:
    return next(each for each in (int, float, str) if isinstance(value, each))


_CHECK_OF_KIND = {
    "str": _check_str,
    "float": _check_float,
    "int": _check_int,
    "bool": _check_bool,
    "date": _check_date,
    "array": _check_array,
    "object": _check_object,
    "file": _check_file,
    "files": _check_files,
    "json": _check_json,
}
