"""Fields read from the schema entries of any generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from opus_nb.service.definitions import Field, Schema
from opus_nb.service.spellings import fold_key, look_up

__all__ = ["read_field", "read_fields"]

# How deep definitions are followed; below that an item counts as undescribed. Real ones have three levels.
_DEEPEST = 24

# The service's words (contract, section 2.3) and what we take them for; every other word is "other".
_KIND_OF_TYPE = {
    "str": "str",
    "float": "float",
    "int": "int",
    "bool": "bool",
    "date": "date",
    "array": "array",
    "object": "object",
    "file": "file",
    "array_files": "files",
    "json_string": "json",
}


def read_fields(entries: Any, *, is_output: bool = False) -> Schema:
    """Read one side of a workflow from its schema entries.

    Parameters
    ----------
    entries : Mapping or sequence
        Variable name to entry, or a list of entries that carry their own ``variable_name``.
    is_output : bool, default False
        True for results, whose ``value`` is a placeholder and no default.

    Returns
    -------
    Schema
        In the order of the entries. An entry that is no object still makes a field, of kind ``other``: an
        input that is not understood must be seen, not vanish.

    Source
    ------
    Contract, sections 2.1 and 2.2.
    """
    if isinstance(entries, Mapping):
        pairs = [(str(key), entry) for key, entry in entries.items()]
    elif isinstance(entries, Sequence) and not isinstance(entries, (str, bytes)):
        pairs = [(_own_name(entry, f"item_{place}"), entry) for place, entry in enumerate(entries)]
    else:
        pairs = []
    return Schema(tuple(read_field(name, entry, is_output=is_output) for name, entry in pairs))


def read_field(variable_name: str, entry: Any, *, is_output: bool = False, depth: int = 0) -> Field:
    """Read one field from its schema entry, V1 or V2, at any depth.

    Parameters
    ----------
    variable_name : str
        The key of the entry: the name under which the value travels, whatever the entry says of itself.
    entry : Any
        Normally an object; a bare known type word is read as that type.
    is_output : bool, default False
        Results carry a placeholder in ``value``, which is no default.
    depth : int, default 0
        How deep inside definitions we are.

    Returns
    -------
    Field
    """
    if isinstance(entry, str) and _kind_of_word(entry) != "other":
        entry = {"type": entry}
    if not isinstance(entry, Mapping):
        return Field(variable_name, variable_name, "", "other", required=False, raw={"value": entry})
    accepted = _accepted_types(entry)
    display_name = look_up(entry, "display_name")
    blank = not (isinstance(display_name, str) and display_name.strip())
    first = Field(
        variable_name=variable_name,
        display_name=variable_name if blank else display_name,
        type="",
        kind="other",
        required=look_up(entry, "is_nullable") is False,
        description=_description(entry),
        options=_options(entry),
        default=None if is_output else _default(entry),
        types=tuple(each.word for each in accepted),
        allowed_file_types=_tagged_file_types(entry),
        raw=entry,
    )
    if not accepted:
        return first
    shaped = [_shape(first, each, depth) for each in accepted]
    others = tuple(replace(each, types=(each.type,)) for each in shaped[1:])
    return replace(shaped[0], alternatives=others)


def _own_name(entry: Any, otherwise: str) -> str:
    name = look_up(entry, "variable_name", "id") if isinstance(entry, Mapping) else None
    return name if isinstance(name, str) and name else otherwise


class _Accepted(NamedTuple):
    """One type that a field accepts."""

    word: str
    definition: Any
    enforced: bool


def _accepted_types(entry: Mapping[str, Any]) -> list[_Accepted]:
    """Return each accepted type with its definition, the primary one first."""
    own, enforced = look_up(entry, "type_definition"), look_up(entry, "type_definition_enforced") is not False
    word = entry.get("type")
    given: list[Any] = list(word) if isinstance(word, (list, tuple)) else [word]
    allowed = look_up(entry, "allowed_types")
    given.extend(allowed if isinstance(allowed, (list, tuple)) else ())
    merged: dict[str, _Accepted] = {}
    for each in given:
        definition = look_up(each, "type_definition") if isinstance(each, Mapping) else None
        told = look_up(each, "type_definition_enforced") if isinstance(each, Mapping) else None
        one = _Accepted(_word(each), own if definition is None else definition, enforced and told is not False)
        if one.word and (one.word not in merged or _is_blank(merged[one.word].definition)):
            merged[one.word] = one
    return list(merged.values())


def _word(each: Any) -> str:
    word = each.get("type") if isinstance(each, Mapping) else each
    return word.strip() if isinstance(word, str) else ""


def _kind_of_word(word: str) -> str:
    return _KIND_OF_TYPE.get(word.strip().lower(), "other")


def _shape(field_: Field, accepted: _Accepted, depth: int) -> Field:
    """Return the field as one of its types, with what that type's definition says."""
    word, definition, enforced = accepted
    kind = _kind_of_word(word)
    item: Field | None = None
    members: tuple[Field, ...] = ()
    kinds_of_files = field_.allowed_file_types
    if depth < _DEEPEST and kind in {"array", "files"}:
        item = _read_item(definition, depth)
        if item is not None and item.kind == "file":
            kind = "files"
            kinds_of_files = kinds_of_files or item.allowed_file_types
    elif depth < _DEEPEST and kind == "object":
        members = _read_members(definition, depth)
    return replace(
        field_,
        type=word,
        kind=kind,
        item=item,
        members=members,
        allowed_file_types=kinds_of_files,
        enforced=enforced,
        type_definition=None if _is_blank(definition) else definition,
    )


def _read_item(definition: Any, depth: int) -> Field | None:
    if isinstance(definition, Sequence) and not isinstance(definition, str) and len(definition) == 1:
        definition = definition[0]
    if isinstance(definition, str) and _kind_of_word(definition) != "other":
        return read_field("item", definition, depth=depth + 1)
    if not _is_single_entry(definition):
        return None
    return read_field(_own_name(definition, "item"), definition, depth=depth + 1)


def _read_members(definition: Any, depth: int) -> tuple[Field, ...]:
    if _is_single_entry(definition):
        definition = look_up(definition, "type_definition")
    if not isinstance(definition, Mapping) or _is_single_entry(definition):
        return ()
    return tuple(read_field(str(key), each, depth=depth + 1) for key, each in definition.items())


def _is_single_entry(definition: Any) -> bool:
    """Tell one entry from an object of entries, which may well have a member called ``type``."""
    if not isinstance(definition, Mapping):
        return False
    return isinstance(definition.get("type"), str) or isinstance(look_up(definition, "allowed_types"), list)


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, (str, Mapping, Sequence)) and not len(value))


def _description(entry: Mapping[str, Any]) -> str:
    for key in ("display_description", "description"):
        text = look_up(entry, key)
        if isinstance(text, str) and text.strip():
            return text
    return ""


def _options(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    options = look_up(entry, "options")
    return tuple(options) if isinstance(options, (list, tuple)) else ()


def _default(entry: Mapping[str, Any]) -> Any:
    default = look_up(entry, "default", "value")
    return None if _is_blank(default) else default


def _tagged_file_types(entry: Mapping[str, Any]) -> tuple[str, ...]:
    tags = look_up(entry, "tags")
    listed: Any = None
    if isinstance(tags, Mapping):
        listed = look_up(tags, "allowed_file_types")
    for tag in tags if isinstance(tags, (list, tuple)) else ():
        if isinstance(tag, Mapping) and fold_key(str(look_up(tag, "variable_name"))) == "allowedfiletypes":
            listed = look_up(tag, "value")
    if isinstance(listed, str):
        listed = listed.split(",")
    if not isinstance(listed, (list, tuple)):
        return ()
    words = [each.strip().lstrip(".").upper() for each in listed if isinstance(each, str)]
    known = dict.fromkeys(word for word in words if word)
    for one, other in (("JPG", "JPEG"), ("JPEG", "JPG")):
        if one in known:
            known.setdefault(other)
    return tuple(known)
