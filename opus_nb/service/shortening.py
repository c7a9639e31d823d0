"""Audits cut to a size that can be kept: whole files and answers of other services travel in them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

from opus_nb.service.spellings import fold_key, look_up

__all__ = ["ERROR_KEYS", "shorten_audit", "summarise", "summarise_error"]

# Where a node says what went wrong, under folded keys. Mostly the service gives no text at all.
ERROR_KEYS = ("error", "errormessage", "executionerror", "failurereason", "exception")

_LONGEST_SUMMARY = 200
_LONGEST_ERROR = 300
_LEAST_CHARS = 500
_SHORTEST_BULK = 256
_LOOKED_AT = 512
_BASE64 = re.compile(r"(data:[^,]{0,100},)?[A-Za-z0-9+/=_\-\r\n]+")
_DEEPEST_STRUCTURE = 6
_WRAPPERS = frozenset({"audit", "data", "results"})
# What read_audit reads; these are kept whole, the rest may be cut.
_KEPT_OF_AUDIT = frozenset(
    {"jobexecutionid", "caseid", "nbnodes", "nbexecutednodes", "executednodes", "failednodes", "runningnode"}
)
_KEPT_OF_NODE = frozenset(
    {
        "executionstatus", "status", "executionstarttime", "starttime", "executiontime", "executionindex",
        "executionendtime", "endtime", "nodename", "name", "nodeid", "id",
    }
)  # fmt: skip
_KEPT_OF_EVENT = frozenset(
    {
        "action", "event", "name", "message", "timestamp", "time", "createdat", "date", "actor", "user", "status",
    }
)  # fmt: skip


_PLAIN = {None: "null", True: "true", False: "false"}
_quote = json.JSONEncoder(ensure_ascii=False).encode


class _Limits(NamedTuple):
    chars: int
    items: int
    keys: int
    depth: int


# What a summary shows lies within the tight limits, so that it reads the same before and after a cut.
_GENEROUS = _Limits(chars=400, items=50, keys=100, depth=8)
_TIGHT = _Limits(chars=120, items=8, keys=20, depth=5)
_SHOWN = _Limits(chars=80, items=5, keys=12, depth=4)


def shorten_audit(reply: Any, *, max_chars: int = 2000) -> Any:
    """Cut what is bulky in an audit and keep all that `read_audit` reads.

    Names, times, states and counts stay as they are. What a node was given and what it gave is kept whole while
    its JSON has at most ``max_chars`` characters; beyond that, long texts, lists and objects in it are cut, each
    with a mark and the size it had, and base64 is replaced by its length.

    Parameters
    ----------
    reply : Any
        The parsed audit; it is not changed.
    max_chars : int, default 2000
        The longest JSON text kept of one value; never less than 500.

    Returns
    -------
    Any
        The same structure. Shortening it again changes nothing, and `read_audit` gives equal entries for both.

    Source
    ------
    Contract, section 5.2, trap T17.
    """
    budget = max(_LEAST_CHARS, max_chars)
    if isinstance(reply, list):
        return [_shorten_parts(each, _KEPT_OF_EVENT, budget) for each in reply]
    return _shorten_level(reply, budget, 0)


def summarise(value: Any) -> str:
    """Return one line of at most 200 characters for any JSON; the same for a value and for its shortened form."""
    text = _cut_base64(value) if isinstance(value, str) else _render(value, 0)
    return _one_line(text, _LONGEST_SUMMARY)


def summarise_error(value: Any) -> str:
    """Return at most 300 characters of what a node says went wrong: the message where there is one."""
    if isinstance(value, Mapping):
        value = look_up(value, "message", "error", "detail", "reason") or value
    text = value if isinstance(value, str) else _render(value, 0)
    return _one_line(text, _LONGEST_ERROR)


def _shorten_level(level: Any, budget: int, depth: int) -> Any:
    if not isinstance(level, Mapping):
        return _shorten(level, budget)
    short: dict[str, Any] = {}
    for key, value in level.items():
        name = fold_key(str(key))
        if name in _KEPT_OF_AUDIT:
            short[key] = value
        elif name == "nodesexecutiondata":
            short[key] = _shorten_nodes(value, budget)
        elif name in {"audittrail", "audit", "auditlog", "trail"} and isinstance(value, list):
            short[key] = [_shorten_parts(each, _KEPT_OF_EVENT, budget) for each in value]
        elif name in _WRAPPERS and depth < _DEEPEST_STRUCTURE:
            short[key] = _shorten_level(value, budget, depth + 1)
        else:
            short[key] = _shorten(value, budget)
    return short


def _shorten_nodes(nodes: Any, budget: int) -> Any:
    if isinstance(nodes, Mapping):
        return {name: _shorten_parts(node, _KEPT_OF_NODE, budget) for name, node in nodes.items()}
    if isinstance(nodes, list):
        return [_shorten_parts(node, _KEPT_OF_NODE, budget) for node in nodes]
    return _shorten(nodes, budget)


def _shorten_parts(node: Any, kept: frozenset[str], budget: int) -> Any:
    if isinstance(node, str):
        return node
    if not isinstance(node, Mapping):
        short_node = _shorten(node, budget)
        # A text would read as an event.
        return [short_node] if isinstance(short_node, str) else short_node
    short: dict[str, Any] = {}
    for key, value in node.items():
        name = fold_key(str(key))
        if name in kept:
            short[key] = value
        elif name in ERROR_KEYS and value and _is_longer(value, budget):
            short[key] = summarise_error(value)
        else:
            short[key] = _shorten(value, budget)
    return short


def _shorten(value: Any, budget: int) -> Any:
    if value is None or isinstance(value, (bool, int, float)) or not _is_longer(value, budget):
        return value
    for limits in (_GENEROUS, _TIGHT):
        cut = _cut(value, limits, 0)
        if not _is_longer(cut, budget):
            return cut
    return summarise(value)


def _is_longer(value: Any, budget: int) -> bool:
    try:
        return len(json.dumps(value, ensure_ascii=False)) > budget
    except (RecursionError, ValueError, TypeError):
        return True


def _cut(value: Any, limits: _Limits, depth: int) -> Any:
    if isinstance(value, str):
        text = _cut_base64(value)
        # Only a text by itself is shown longer in a summary than a text inside something.
        chars = limits.chars if depth else _GENEROUS.chars
        mark = f"… ({len(text):,} characters)"
        return text if len(text) <= chars else text[: chars - len(mark)] + mark
    if isinstance(value, (list, Mapping)) and depth >= limits.depth:
        return "…" if value else value
    if isinstance(value, list):
        many = len(value) > limits.items
        kept = [_cut(each, limits, depth + 1) for each in (value[: limits.items - 1] if many else value)]
        return [*kept, f"… ({len(value):,} items)"] if many else kept
    if isinstance(value, Mapping):
        many = len(value) > limits.keys
        names = list(value)[: limits.keys - 1] if many else list(value)
        short = {name: _cut(value[name], limits, depth + 1) for name in names}
        return {**short, "…": f"({len(value):,} keys)"} if many else short
    return value


def _cut_base64(text: str) -> str:
    if len(text) < _SHORTEST_BULK or not _BASE64.fullmatch(text[:_LOOKED_AT]):
        return text
    return f"(base64, {len(text):,} characters)"


def _render(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return _quote(_first(_cut_base64(value), _SHOWN.chars))
    if isinstance(value, dict):
        if depth >= _SHOWN.depth:
            return "{…}" if value else "{}"
        if (label := _label(value)) is not None:
            return f"{_first(label, _SHOWN.chars)}: {_render(value['value'], depth + 1)}"
        parts = [
            f"{_first(str(name), _SHOWN.chars)}: {_render(inner, depth + 1)}"
            for name, inner in islice(value.items(), _SHOWN.keys)
        ]
        return "{" + ", ".join(parts + (["…"] if len(value) > _SHOWN.keys else [])) + "}"
    if isinstance(value, list):
        if depth >= _SHOWN.depth:
            return "[…]" if value else "[]"
        parts = [_render(inner, depth + 1) for inner in value[: _SHOWN.items]]
        return "[" + ", ".join(parts + (["…"] if len(value) > _SHOWN.items else [])) + "]"
    return _PLAIN.get(value, "") if value is None or isinstance(value, bool) else _first(str(value), _SHOWN.chars)


def _label(value: dict[str, Any]) -> str | None:
    """Return the name of a V2 node's output, which comes as ``{variable_name, display_name, type, value}``."""
    if "value" not in value or len(value) > _SHOWN.keys:
        return None
    for key in ("display_name", "displayName", "variable_name", "variableName"):
        if isinstance(label := value.get(key), str) and label:
            return label
    return None


def _first(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _one_line(text: str, limit: int) -> str:
    # Cut first, so that what comes after the limit, and may have been cut away, cannot matter.
    return " ".join(_first(text, limit).split())
