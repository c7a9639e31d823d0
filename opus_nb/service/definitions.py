"""One input or output of a workflow, and all of one side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from opus_nb.errors import LedgerError

__all__ = ["ISO_DATE_FORMAT", "Field", "Schema"]

ISO_DATE_FORMAT = "%Y-%m-%d"


@dataclass(frozen=True, slots=True)
class Field:
    """One input or output of a workflow.

    Attributes
    ----------
    variable_name : str
        The key under which the value travels.
    display_name : str
        What the author called it; the variable name where there is none.
    type : str
        The schema's own word (the first of ``types``), ``""`` where it gives none.
    kind : str
        What we take it for: ``str``, ``float``, ``int``, ``bool``, ``date``, ``array``, ``object``, ``file``,
        ``files`` (``array_files``, or an array whose items are files), ``json`` (``json_string``) or ``other``.
    required : bool
        True when ``is_nullable`` is false. A missing or null ``is_nullable`` counts as not required.
    description : str
        ``display_description``, else ``description``, else ``""``.
    options : tuple
        The choices the author allows; empty means any value.
    default : Any
        The author's sample (``value`` in V1, ``default`` in V2); None when there is none. Always None for an
        output, whose ``value`` is a placeholder. For a file it is the author's own file: show it, never send it.
    types : tuple of str
        Every type the field accepts, the primary one first.
    allowed_file_types : tuple of str
        Upper case without dot, JPEG beside JPG; empty means every kind that Opus takes.
    type_definition : Any
        As the schema has it; what containers echo as ``typeDefinition``.
    item : Field or None
        What an array holds, where the schema says.
    members : tuple of Field
        What an object holds, where the schema says.
    enforced : bool
        False only where the schema says ``type_definition_enforced: false``: what a container holds is then described
        by ``item`` or ``members`` and may be anything.
    alternatives : tuple of Field
        The same field once for each of ``types`` after the first, with that type's own definition.
    raw : Mapping
        The schema entry, letter for letter.

    Source
    ------
    Quickstart, "jobPayloadSchema Example"; contract, sections 2.1 and 2.2.
    """

    variable_name: str
    display_name: str
    type: str
    kind: str
    required: bool
    description: str = ""
    options: tuple[Any, ...] = ()
    default: Any = None
    types: tuple[str, ...] = ()
    allowed_file_types: tuple[str, ...] = ()
    type_definition: Any = None
    item: Field | None = None
    members: tuple[Field, ...] = ()
    enforced: bool = True
    alternatives: tuple[Field, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def date_format(self) -> str:
        """The strftime pattern in which a ``date`` travels; ISO where the schema names none."""
        if isinstance(self.type_definition, str) and "%" in self.type_definition:
            return self.type_definition
        return ISO_DATE_FORMAT

    def essence(self) -> dict[str, Any]:
        """Return what decides whether a checked value still fits, at any depth, as plain JSON without order."""
        return {
            "name": self.variable_name,
            "required": self.required,
            "options": sorted(json.dumps(option, sort_keys=True, default=str) for option in self.options),
            "files": sorted(self.allowed_file_types),
            "shapes": {each.type: each._shape() for each in (self, *self.alternatives)},
        }

    def _shape(self) -> dict[str, Any]:
        members = sorted((each.essence() for each in self.members), key=lambda each: str(each["name"]))
        return {
            "date": self.date_format if self.kind == "date" else None,
            # An item is called whatever its author called it; nothing travels under that name.
            "item": None if self.item is None else {**self.item.essence(), "name": ""},
            "members": members,
            "enforced": self.enforced,
        }


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields of one side of a workflow, in the service's order.

    Behaves like a read-only collection of `Field`: ``len``, iteration, ``schema["variable_name"]``,
    ``"variable_name" in schema``.
    """

    fields: tuple[Field, ...] = ()

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __getitem__(self, variable_name: str) -> Field:
        for each in self.fields:
            if each.variable_name == variable_name:
                return each
        raise KeyError(variable_name)

    def __contains__(self, variable_name: object) -> bool:
        return any(each.variable_name == variable_name for each in self.fields)

    def fingerprint(self) -> str:
        """Return a hash of what decides whether a checked row still fits.

        Covers variable names, types, required or not, definitions at any depth, options, date formats and
        accepted kinds of files. Leaves out everything that an author may touch without changing what is sent:
        order, display names, descriptions, defaults, ids. Equal across processes, machines and versions of
        Python.

        Returns
        -------
        str
            32 hex digits.
        """
        essence = sorted((each.essence() for each in self.fields), key=lambda each: str(each["name"]))
        text = json.dumps(essence, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def to_json(self) -> str:
        """Return the schema as JSON text, raw entries included, for the ledger."""
        return json.dumps({"format": 1, "fields": [_to_plain(each) for each in self.fields]}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Return the schema that `to_json` wrote.

        Raises
        ------
        LedgerError
            The text is not such a schema.
        """
        try:
            kept = json.loads(text)
            return cls(tuple(_from_plain(each) for each in kept["fields"]))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise LedgerError(
                "A schema kept in the ledger cannot be read.",
                where="the run's own record",
                came_back=f"{type(error).__name__}: {error}",
                next_step="Ask Opus for the workflow again: opus.workflow(...).",
            ) from error


def _to_plain(each: Field) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for one in fields(each):
        value = getattr(each, one.name)
        if one.name in {"members", "alternatives"}:
            value = [_to_plain(inner) for inner in value]
        elif one.name == "item" and value is not None:
            value = _to_plain(value)
        plain[one.name] = value
    return plain


def _from_plain(plain: Mapping[str, Any]) -> Field:
    known = {one.name for one in fields(Field)}
    parts = {key: value for key, value in plain.items() if key in known}
    for key in ("members", "alternatives"):
        parts[key] = tuple(_from_plain(each) for each in parts.get(key) or ())
    for key in ("options", "types", "allowed_file_types"):
        parts[key] = tuple(parts.get(key) or ())
    if parts.get("item") is not None:
        parts["item"] = _from_plain(parts["item"])
    return Field(**parts)
