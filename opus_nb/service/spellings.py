"""Keys as the generations of the service spell them.

The same thing is called ``jobPayloadSchema`` or ``job_payload_schema``, ``nodes_execution_data`` or
``nodesExecutionData``, depending on the route that answers (contract, sections 1.12 and 5.4). Everything here
reads a key without regard to case and underscores; nothing guesses a different word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

__all__ = ["fold_key", "fold_keys", "look_up", "name_keys", "walk_wrappers"]


@lru_cache(maxsize=4096)
def fold_key(key: str) -> str:
    """Return a key without case and underscores: ``runningNode`` and ``running_node`` are one."""
    return key.replace("_", "").replace("-", "").lower()


def fold_keys(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the mapping under folded keys; the first of two that fold alike wins unless it is null."""
    folded: dict[str, Any] = {}
    for key, value in mapping.items():
        name = fold_key(str(key))
        if folded.get(name) is None:
            folded[name] = value
    return folded


def look_up(mapping: Mapping[Any, Any], *keys: str) -> Any:
    """Return the first value that is not null under any of these keys, in any spelling; else None."""
    for key in keys:
        if (value := mapping.get(key)) is not None:
            return value
    folded = fold_keys(mapping)
    for key in keys:
        if (value := folded.get(fold_key(key))) is not None:
            return value
    return None


def walk_wrappers(reply: Any, wrappers: Iterable[str], *, levels: int = 3) -> Iterator[Mapping[str, Any]]:
    """Yield the reply, then what lies in it under one of the wrapping keys, level by level.

    Parameters
    ----------
    reply : Any
        Parsed JSON; anything but an object yields nothing.
    wrappers : iterable of str
        Keys that are known to wrap the thing looked for, such as ``data``.
    levels : int, default 3
        How many wrappers deep to look.

    Yields
    ------
    Mapping
        The outermost first.
    """
    names = tuple(wrappers)
    here = [reply] if isinstance(reply, Mapping) else []
    for _ in range(levels + 1):
        yield from here
        inner = [look_up(each, name) for each in here for name in names]
        here = [each for each in inner if isinstance(each, Mapping)]


def name_keys(reply: Any, *, limit: int = 20) -> str:
    """Say which keys a reply has, for an error; values are left out, they may be secret."""
    if not isinstance(reply, Mapping):
        return f"a JSON {type(reply).__name__}, not an object" if reply is not None else "null"
    if not reply:
        return "an object without keys"
    keys = [str(key)[:60] for key in list(reply)[:limit]]
    more = f" and {len(reply) - limit} more" if len(reply) > limit else ""
    return "keys: " + ", ".join(keys) + more
