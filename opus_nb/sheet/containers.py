"""Lists, objects, JSON text, and inputs of a type that nobody knows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from opus_nb.service.schema import Field
from opus_nb.sheet.casts import Cast, CastSettings, NotJsonError, json_value
from opus_nb.sheet.cells import MISSING, clean_text, is_missing, shorten
from opus_nb.sheet.findings import Problem, error, warning

__all__ = ["cast_any", "cast_json_texts", "cast_lists", "cast_objects", "split_list"]

_LISTS = (list, tuple, set, frozenset, np.ndarray, pd.Series, pd.Index)


def _not_json(reason: object) -> Problem:
    return error("not_json", f"This cannot be written as JSON: {reason}", "Use texts, numbers, lists and dicts only.")


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _parse_written(value: str) -> tuple[Any, str]:
    """Return what a JSON text means, and the text; letter for letter, else without what nobody sees."""
    plain = value.strip()
    try:
        return _parse_json(plain), plain
    except ValueError:
        cleaned = clean_text(value)
        if cleaned == plain:
            raise
        return _parse_json(cleaned), cleaned


def split_list(value: Any) -> list[Any]:
    """Return the items of a cell that holds a list: a Python list, a JSON list, or text by lines or ``;``.

    Raises
    ------
    ValueError
        The text begins like a JSON list and is none.
    """
    if isinstance(value, _LISTS):
        items = value.tolist() if hasattr(value, "tolist") else list(value)
        if isinstance(value, (set, frozenset)):
            items = sorted(items, key=str)
        return items if isinstance(items, list) else [items]
    if not isinstance(value, str):
        return [value]
    text = clean_text(value)
    if text.startswith("[") and text.endswith("]"):
        items, _ = _parse_written(value)
        return items if isinstance(items, list) else [items]
    if text.startswith("{") and text.endswith("}"):
        with contextlib.suppress(ValueError):
            return [_parse_written(value)[0]]
    separator = "\n" if "\n" in text and ";" not in text else ";"
    parts = [part.strip() for part in value.replace("\r", "\n").replace("\n", separator).split(separator)]
    return [part for part in parts if clean_text(part)]


def cast_lists(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    """Cast to ``array``; items are cast together, as one column, to the type that the schema gives them."""
    cast = Cast([MISSING] * len(values))
    items: list[Any] = []
    owners: list[int] = []
    for place, value in enumerate(values):
        try:
            found = split_list(value)
        except ValueError as problem:
            fix = 'Write a JSON list such as ["a", "b"], or separate the items by ; or line breaks.'
            cast.add(place, error("not_a_list", f"This begins like a JSON list and is none: {problem}", fix))
            continue
        if isinstance(value, Mapping):
            found = [value]
        cast.values[place] = []
        items += found
        owners += [place] * len(found)
        is_whole = isinstance(value, str) and len(found) == 1 and found[0] == value.strip()
        if is_whole and "," in value and not _is_half_json(found[0]):
            fix = "If it is a list, separate its items by ; or line breaks, or write a JSON list."
            cast.add(place, warning("commas_kept", "The commas do not separate items; one item is sent", fix))
        if isinstance(value, str) and _is_half_json(clean_text(value)):
            sent = f"{len(found)} texts are" if len(found) > 1 else "one text is"
            fix = 'Complete the JSON list, as in ["a", "b"]; nothing to do if the bracket belongs to the text.'
            cast.add(place, warning("broken_json", f"This looks like a JSON list and is none: {sent} sent", fix))
    _cast_items(field, cast, items, owners, settings)
    return cast


def _is_half_json(text: str) -> bool:
    """Return True for text with only one end of a JSON list, or an object that is none."""
    if text.startswith("[") != text.endswith("]"):
        return text.count("[") != text.count("]")
    return text[:2] in ('{"', "{ ") and not text.endswith("}")


def _cast_items(field: Field, cast: Cast, items: list[Any], owners: list[int], settings: CastSettings) -> None:
    item = field.item or Field("item", "item", "", "other", required=False)
    present = [place for place, each in enumerate(items) if not is_missing(each)]
    inner = Cast([None] * len(items))
    inner.put(present, settings.cast(item, [items[place] for place in present], settings))
    collected: dict[int, list[Any]] = {}
    for place, owner in enumerate(owners):
        collected.setdefault(owner, []).append(inner.values[place])
    for owner, every in collected.items():
        if cast.values[owner] is not MISSING:
            cast.values[owner] = every
    _lift(cast, inner, owners, [f"item {place + 1}" for place in _places_within(owners)], "")


def _places_within(owners: Sequence[int]) -> list[int]:
    seen: dict[int, int] = {}
    result = []
    for owner in owners:
        result.append(seen.get(owner, 0))
        seen[owner] = result[-1] + 1
    return result


def _lift(cast: Cast, inner: Cast, owners: Sequence[int], labels: Sequence[str], name: str) -> None:
    """Take problems of parts over to the values that they are part of, saying which part."""
    for place, problems in inner.problems.items():
        for each in problems:
            part = (name, *each.part) if name else ()
            cast.add(owners[place], replace(each, problem=f"{labels[place]}: {each.problem}", part=part))
    cast.remarks.extend(each for each in inner.remarks if each not in cast.remarks)


def cast_objects(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    """Cast to ``object``: dicts and JSON text; members are cast, each as one column, where the schema gives them."""
    cast = Cast([MISSING] * len(values))
    for place, value in enumerate(values):
        found = value
        if isinstance(value, str):
            try:
                found, _ = _parse_written(value)
            except ValueError as problem:
                fix = 'Write a JSON object such as {"email": "a@b.example"}, or use columns like '
                fix += f'"{field.display_name}.email".'
                cast.add(place, error("not_an_object", f"This is no JSON object: {problem}", fix))
                continue
        if not isinstance(found, Mapping):
            problem_text = f"A {_kind_name(found)} is no object with named members"
            cast.add(place, error("not_an_object", problem_text, "Give a dict or a JSON object {…}."))
            continue
        cast.values[place] = dict(found)
    for member in field.members:
        _cast_member(member, cast, settings)
    known = {member.variable_name for member in field.members}
    for place, value in enumerate(cast.values):
        if value is MISSING:
            continue
        try:
            rest = json_value({key: each for key, each in value.items() if key not in known})
        except (NotJsonError, RecursionError) as reason:
            cast.add(place, _not_json(reason))
        else:
            cast.values[place] = {key: each for key, each in value.items() if key in known} | rest
            if known and rest:
                names = ", ".join(shorten(name, 24) for name in list(rest)[:5])
                fix = f"Its members are {', '.join(sorted(known))}."
                cast.add(place, warning("unknown_member", f"The workflow does not know the members {names}", fix))
    return cast


def _cast_member(member: Field, cast: Cast, settings: CastSettings) -> None:
    places: list[int] = []
    given: list[Any] = []
    for place, value in enumerate(cast.values):
        if value is MISSING:
            continue
        if member.variable_name not in value and member.display_name in value:
            value[member.variable_name] = value.pop(member.display_name)
        if is_missing(value.get(member.variable_name)):
            value.pop(member.variable_name, None)
            if member.required:
                problem = f'The member "{member.display_name}" is missing and required'
                missing = error("member_missing", problem, "Fill it in.")
                cast.add(place, replace(missing, part=(member.variable_name,)))
            continue
        places.append(place)
        given.append(value[member.variable_name])
    inner = settings.cast(member, given, settings)
    for inner_place, place in enumerate(places):
        if inner.values[inner_place] is not MISSING:
            cast.values[place][member.variable_name] = inner.values[inner_place]
    _lift(cast, inner, places, [f'member "{member.display_name}"'] * len(places), member.variable_name)


def _kind_name(value: Any) -> str:
    return {list: "list", str: "text", bool: "yes/no value", int: "number", float: "number"}.get(
        type(value), type(value).__name__
    )


def cast_json_texts(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    """Cast to ``json_string``: text that is JSON stays letter for letter, lists and dicts are written as JSON."""
    cast = Cast([MISSING] * len(values))
    for place, value in enumerate(values):
        if isinstance(value, str):
            try:
                _, text = _parse_written(value)
            except ValueError as reason:
                fix = 'Write JSON, e.g. {"key": "value"}; a plain text needs quotes: "text".'
                cast.add(place, error("not_json", f"This text is no JSON: {reason}", fix))
            else:
                cast.values[place] = text
            continue
        try:
            cast.values[place] = json.dumps(json_value(value), ensure_ascii=False)
        except (NotJsonError, RecursionError, ValueError) as reason:
            cast.add(place, _not_json(reason))
    return cast


def cast_any(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    """Cast to what JSON holds, for types that we do not know: the value as it is."""
    cast = Cast([MISSING] * len(values))
    for place, value in enumerate(values):
        try:
            cast.values[place] = json_value(value)
        except (NotJsonError, RecursionError) as reason:  # noqa: PERF203 - each cell is judged by itself
            cast.add(place, _not_json(reason))
    return cast
