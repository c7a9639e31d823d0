"""Where the outputs lie in a results reply, whatever is wrapped around them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opus_nb.service.spellings import fold_key, look_up

__all__ = ["PAYLOAD", "find_payload", "holds_payload", "is_container", "is_entry", "merge_parts", "read_json_text"]

_DEEPEST_WRAPPER = 4
PAYLOAD = "jobResultsPayloadSchema"
_PAYLOAD_FOLDED = fold_key(PAYLOAD)
# What may wrap the outputs, the likeliest first.
_CONTAINERS = {"results": 0, "result": 1, "data": 2, "outputs": 3, "output": 4}
# What stands beside the outputs in a reply and is none of them.
_ENVELOPE = frozenset(
    {
        "jobexecutionid", "jobid", "caseid", "status", "state", "success", "message", "statuscode",
        "timestamp", "path", "error", "metadata",
    }
)  # fmt: skip
# What stands beside "value" in an entry; an object with other keys may itself be the value.
_ENTRY_KEYS = frozenset(
    {
        "value", "type", "displayname", "variablename", "id", "description", "displaydescription", "isnullable",
        "tags", "options", "typedefinition", "typedefinitionenforced", "allowedtypes", "default", "mapping",
        "stepidorigin", "unresolvedatmapping", "selectedhumanreview", "suggestedhumanreviews",
        "validhumanreviews", "referencevariablesforreview",
    }
)  # fmt: skip
# One of these beside "value", in the place where entries are expected, makes it an entry whatever else it has.
_ENTRY_MARKS = frozenset({"type", "displayName", "display_name", "variable_name", "variableName"})


def read_json_text(text: Any) -> Any:
    """Parse text that is a JSON list or object, with or without a Markdown code fence; else return it as it is."""
    if not isinstance(text, str):
        return text
    bare = text.strip()
    if bare[:1] not in {"{", "[", "`"}:
        return text
    if bare.startswith("```"):
        word, _, rest = bare[3:].removesuffix("```").partition("\n")
        bare = (rest if word.strip().isalnum() else f"{word}\n{rest}").strip()
        bare = bare[4:].strip() if bare[:4].lower() == "json" else bare
    if bare[:1] not in {"{", "["} or bare[-1:] not in {"}", "]"}:
        return text
    try:
        return json.loads(bare)
    except (ValueError, RecursionError):
        return text


def find_payload(reply: Any) -> tuple[Any, bool]:
    """Return where the outputs lie, and whether it is the place where every member is an output entry."""
    here = reply
    for _ in range(_DEEPEST_WRAPPER):
        here = read_json_text(here) if isinstance(here, str) else here
        if not isinstance(here, Mapping):
            return here, False
        payload = here.get(PAYLOAD)
        if payload is None:
            payload = next((here[key] for key in here if fold_key(key) == _PAYLOAD_FOLDED), None)
        if payload is not None:
            return read_json_text(payload), True
        container = _container(here, is_top=here is reply)
        if container is None:
            break
        here = here[container]
    if here is reply and isinstance(here, Mapping):
        rest = {key: value for key, value in here.items() if fold_key(key) not in _ENVELOPE}
        return {key: value for key, value in rest.items() if value is not None or key not in _CONTAINERS}, False
    return here, False


def is_container(key: str) -> bool:
    """Whether a key is one of those that may wrap the outputs."""
    return fold_key(key) in _CONTAINERS


def holds_payload(value: Any) -> bool:
    """Whether a value is an object with the key of the one known place of outputs, in any spelling, null or not."""
    return isinstance(value, Mapping) and any(fold_key(key) == _PAYLOAD_FOLDED for key in value)


def _container(here: Mapping[str, Any], *, is_top: bool) -> str | None:
    """Return the key that wraps the outputs here: below the top only one that leads to the known place."""
    if is_top and isinstance(here.get("results"), dict) and "value" not in here["results"]:
        return "results"
    wraps = {name: key for key in here if (name := fold_key(key)) in _CONTAINERS and here[key] is not None}
    for key in sorted(wraps.values(), key=lambda one: _CONTAINERS[fold_key(one)]):
        inner = here[key]
        if is_top and not (isinstance(inner, Mapping) and "value" in inner):
            return key
        if isinstance(inner, Mapping) and look_up(inner, PAYLOAD) is not None:
            return key
    return None


def merge_parts(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a list of objects as one; a key that comes again gets its number, nothing is lost."""
    merged: dict[str, Any] = {}
    for part in parts:
        own = look_up(part, "variable_name", "id") if "value" in part else None
        pairs = [(own, part)] if isinstance(own, str) and own else list(part.items())
        for key, entry in pairs:
            name, times = key, 1
            while name in merged:
                times += 1
                name = f"{key} ({times})"
            merged[name] = entry
    return merged


def is_entry(entry: dict[str, Any], is_expected: bool) -> bool:
    """Tell an entry that wraps a value from an object that is the value."""
    if "value" in entry:
        if len(entry) == 1 or (is_expected and not _ENTRY_MARKS.isdisjoint(entry)):
            return True
    elif not is_expected or not isinstance(entry.get("type"), str):
        return False
    return all(fold_key(key) in _ENTRY_KEYS for key in entry)
