"""What changed between two readings of the same side of a workflow, and whether it matters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from opus_nb.service.definitions import Field, Schema

__all__ = ["FieldChange", "schema_changes"]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference between two schemas.

    Attributes
    ----------
    change : str
        ``added``, ``removed``, ``renamed`` (a new variable name under the same label and type), ``label``,
        ``type`` (also what a container holds, or how a date is written), ``required``, ``options`` or
        ``file_types``.
    variable_name : str
        The name that is valid now; of a removed field, the name it had.
    old, new : Field or None
        None where there is none on that side.
    meaning_changed : bool
        True when a row that was checked against the old schema may now be wrong: it must not be sent unseen.
        False when every value that was right is still right; a renamed field only needs its new name.
    sentence : str
        The difference in words.
    """

    change: str
    variable_name: str
    old: Field | None
    new: Field | None
    meaning_changed: bool
    sentence: str


def schema_changes(old: Schema, new: Schema) -> tuple[FieldChange, ...]:
    """Compare two schemas of the same side of the same workflow.

    Parameters
    ----------
    old, new : Schema
        The one that rows were checked against, and the one that holds now.

    Returns
    -------
    tuple of FieldChange
        Empty when nothing differs that a user could notice. In the order of the old fields, added ones last.
        Two labels that have changed places between variables are reported although `Schema.fingerprint` is
        equal: the values would then arrive under the wrong meaning.
    """
    renamed = _renames(old, new)
    taken = {each.variable_name for each in renamed.values()}
    changes: list[FieldChange] = []
    for before in old:
        if before.variable_name in new:
            now = new[before.variable_name]
            changes.extend(_label_changes(before, now, old))
        elif before.variable_name in renamed:
            now = renamed[before.variable_name]
            sentence = f'"{before.display_name}" is now called {now.variable_name} (was {before.variable_name}).'
            changes.append(FieldChange("renamed", now.variable_name, before, now, False, sentence))
        else:
            sentence = f'"{before.display_name}" ({_words(before)}) is gone.'
            changes.append(FieldChange("removed", before.variable_name, before, None, True, sentence))
            continue
        changes.extend(_inner_changes(before, now))
    for now in new:
        if now.variable_name not in old and now.variable_name not in taken:
            need = "required" if now.required else "optional"
            sentence = f'"{now.display_name}" ({_words(now)}, {need}) is new.'
            changes.append(FieldChange("added", now.variable_name, None, now, now.required, sentence))
    return tuple(changes)


def _renames(old: Schema, new: Schema) -> dict[str, Field]:
    """Return old variable name to new field where label and type name exactly one on each side."""
    gone = [each for each in old if each.variable_name not in new]
    come = [each for each in new if each.variable_name not in old]
    labels_gone = Counter(_label(each) for each in gone)
    by_label = {_label(each): each for each in come}
    labels_come = Counter(_label(each) for each in come)
    found: dict[str, Field] = {}
    for before in gone:
        label = _label(before)
        now = by_label.get(label)
        if now is not None and labels_gone[label] == labels_come[label] == 1 and now.type == before.type:
            found[before.variable_name] = now
    return found


def _label_changes(before: Field, now: Field, old: Schema) -> Iterator[FieldChange]:
    if _label(before) == _label(now):
        return
    swapped = any(_label(each) == _label(now) for each in old if each.variable_name != before.variable_name)
    sentence = f'"{before.display_name}" ({before.variable_name}) is now labelled "{now.display_name}".'
    if swapped:
        sentence += " Another input had that label before: their meanings may have changed places."
    yield FieldChange("label", now.variable_name, before, now, swapped, sentence)


def _inner_changes(before: Field, now: Field) -> Iterator[FieldChange]:
    name, label = now.variable_name, f'"{now.display_name}"'
    shapes, shapes_now = before.essence()["shapes"], now.essence()["shapes"]
    still_fits = all(shapes_now.get(word) == shape for word, shape in shapes.items())
    if before.types != now.types:
        sentence = f"{label} was {_words(before)} and is {_words(now)}."
        yield FieldChange("type", name, before, now, not still_fits, sentence)
    elif not still_fits:
        what = "a date is written differently" if now.kind == "date" else "what it holds is defined differently"
        yield FieldChange("type", name, before, now, True, f"{label}: {what}.")
    if before.required != now.required:
        sentence = f"{label} is {'now required' if now.required else 'no longer required'}."
        yield FieldChange("required", name, before, now, now.required, sentence)
    if _as_set(before.options) != _as_set(now.options):
        narrower = _is_narrower(before.options, now.options)
        sentence = f"{label}: the choices were {_listed(before.options)} and are {_listed(now.options)}."
        yield FieldChange("options", name, before, now, narrower, sentence)
    if _as_set(before.allowed_file_types) != _as_set(now.allowed_file_types):
        narrower = _is_narrower(before.allowed_file_types, now.allowed_file_types)
        were, are = _listed(before.allowed_file_types), _listed(now.allowed_file_types)
        sentence = f"{label}: the kinds of files were {were} and are {are}."
        yield FieldChange("file_types", name, before, now, narrower, sentence)


def _label(each: Field) -> str:
    return " ".join(each.display_name.split()).casefold()


def _words(each: Field) -> str:
    return " or ".join(each.types) or each.type or "no type"


def _as_set(values: Iterable[object]) -> frozenset[str]:
    return frozenset(repr(value) for value in values)


def _is_narrower(before: tuple[object, ...], now: tuple[object, ...]) -> bool:
    """Empty means anything goes, so going from none to some is narrower, and from some to none is not."""
    if not now:
        return False
    return not before or not _as_set(before) <= _as_set(now)


def _listed(values: tuple[object, ...], *, limit: int = 8) -> str:
    if not values:
        return "free"
    more = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(str(value) for value in values[:limit]) + more
