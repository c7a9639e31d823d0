"""What is told of each row's job when it is made: templates over the row's columns, filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opus_nb.connection import Connection
from opus_nb.errors import MappingError
from opus_nb.sheet.checked import CheckedSheet

__all__ = ["Titles", "rename_holes"]

# A column in braces; braces that are written twice stand for themselves.
_HOLE = re.compile(r"\{\{([^{}]*)\}\}|\{([^{}]+)\}")
# Parameters of initiate, beside title and description, that may follow the row. The others decide what is run, or
# are words that Opus has a list of.
_FOLLOWING = ("initial_input", "ref_user_id", "web_app_id", "workspaces")


class Titles:
    """Fills in the title, the description and the other templates of each row's job.

    ``{Ref}`` is the row's cell in the column ``Ref``, as a person reads it. ``{{Ref}}`` is the word itself in braces;
    so is what begins like a JSON object, ``{"a": 1}``.

    Parameters
    ----------
    connection : Connection
        Holds the templates.
    sheet : CheckedSheet

    Raises
    ------
    MappingError
        A template names a column that the sheet does not have, or stands where only a value may: in a name of
        ``initial_input``.
    """

    def __init__(self, connection: Connection, sheet: CheckedSheet) -> None:
        self._sheet = sheet
        self._title = connection.titles.get("title")
        self._description = connection.titles.get("description")
        self._name = connection.record.name or "opus_nb"
        self._known = frozenset(sheet.row_values(0)) if sheet.row_count else frozenset[str]()
        given = {name: getattr(connection.parameters, name) for name in _FOLLOWING}
        self._following = {name: value for name, value in given.items() if self._follows(name, value)}
        titled = [self._follows(name, connection.titles.get(name)) for name in ("title", "description")]
        self._needs_row = bool(self._following) or any(titled)

    def of(self, position: int) -> tuple[str, str, dict[str, Any] | None]:
        """Return title and description of one row, and its own parameters of initiate; None where it has none."""
        values = self._sheet.row_values(position) if self._needs_row else {}

        def fill(template: str) -> str:
            return _HOLE.sub(lambda hole: _filled(hole, values), template)

        label = self._sheet.index[position]
        title = fill(self._title) if self._title is not None else f"{self._name}, row {label}"
        own = {name: _settled(name, _with_texts(value, fill)) for name, value in self._following.items()}
        return title, fill(self._description) if self._description is not None else "", own or None

    def _follows(self, name: str, value: Any) -> bool:
        """Whether anything in a value is to be filled in; what cannot be is refused."""
        if self._sheet.row_count == 0:
            return False
        found = False
        for text, is_name in _texts(value):
            for hole in _HOLE.finditer(text):
                word = hole[2]
                if word is not None and word not in self._known and _is_json(word):
                    continue
                found = True
                if word is None:
                    continue
                if is_name:
                    raise MappingError(
                        f"Only the values of {name}= can follow the row, not their names",
                        where="{" + word + "}",
                        next_step="Write the name itself; braces that are meant are written twice: {{...}}.",
                    )
                if word not in self._known:
                    raise MappingError(
                        f"{name}= names a column that the sheet does not have",
                        where="{" + word + "}",
                        came_back="its columns are " + ", ".join(map(repr, sorted(self._known)[:12])),
                        next_step="Name one of these, or write braces that are meant twice: {{...}}.",
                        parameter=name,
                    )
        return found


def rename_holes(value: Any, new_names: Mapping[str, str]) -> Any:
    """Return templates, in a value of any depth, that name the same columns under other names."""

    def rename(text: str) -> str:
        return _HOLE.sub(lambda hole: "{" + new_names[hole[2]] + "}" if hole[2] in new_names else hole[0], text)

    return _with_texts(value, rename)


def _filled(hole: re.Match[str], values: Mapping[str, str]) -> str:
    if hole[2] is None:
        return "{" + hole[1] + "}"
    # What begins like a JSON object is none of ours, unless a column is really called so.
    return values.get(hole[2], hole[0])


def _is_json(word: str) -> bool:
    return word.lstrip().startswith('"')


def _texts(value: Any, *, is_name: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield every text in a value, at any depth, and whether it is a name of something."""
    if isinstance(value, str):
        yield value, is_name
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(key, is_name=True)
            yield from _texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)


def _with_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(key)): _with_texts(each, change) for key, each in value.items()}
    return [_with_texts(each, change) for each in value] if isinstance(value, (list, tuple)) else value


def _settled(name: str, value: Any) -> Any:
    """Leave out what an empty cell has made empty: Opus takes no empty ids."""
    if name == "initial_input":
        return value
    parts = [part.strip() for part in value.split(",")] if name == "workspaces" else [value.strip()]
    return ",".join(part for part in parts if part) or None
