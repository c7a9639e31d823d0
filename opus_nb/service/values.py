"""Values on their way to the service: judged, turned into JSON's types, wrapped as ``execute`` wants them.

A *checked value* is what JSON can hold (str, float, int, bool, None, list, dict), with dates as text in the
schema's own format and files as `LocalFile` or as an ``http(s)`` address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from opus_nb.errors import MappingError
from opus_nb.job import LocalFile
from opus_nb.service.coercion import coerce_value
from opus_nb.service.definitions import Field, Schema
from opus_nb.service.filekinds import (
    ALL_EXTENSIONS,
    MAX_FILE_BYTES,
    allowed_extensions,
    extension_fits,
    guess_mime,
)
from opus_nb.service.judging import check_value, is_date_text, is_url, show_value

__all__ = [
    "ALL_EXTENSIONS",
    "MAX_FILE_BYTES",
    "FileUrls",
    "Payloads",
    "allowed_extensions",
    "build_payload",
    "check_value",
    "coerce_value",
    "extension_fits",
    "guess_mime",
    "is_date_text",
    "is_url",
    "list_files",
    "show_value",
]

FileUrls = Callable[[LocalFile], str] | Mapping[LocalFile, str]

# Where the schema gives no type word at all (contract, section 2.3): the word of the value's own shape.
_WORD_OF_SHAPE: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (list, "array"),
    (dict, "object"),
    (LocalFile, "file"),
)


class Payloads:
    """Makes the ``jobPayloadSchemaInstance`` of many rows of one workflow.

    What does not differ between rows is worked out once. `build_payload` is the same for a single row.

    Parameters
    ----------
    schema : Schema
        The workflow's inputs.
    """

    def __init__(self, schema: Schema) -> None:
        self._fields = {each.variable_name: each for each in schema}
        self._frames = {each.variable_name: _frame(each) for each in schema}
        self._required = [each.variable_name for each in schema if each.required]

    def build(self, inputs: Mapping[str, Any], file_urls: FileUrls | None = None) -> dict[str, dict[str, Any]]:
        """Return the payload of one row; see `build_payload`."""
        for name in self._required:
            if inputs.get(name) is None:
                raise MappingError(
                    "A required input has no value; nothing was sent.",
                    where=f"{self._fields[name].display_name} ({name})",
                    next_step="Give it a value; a plan, wf.plan(df), finds all such cells at once.",
                )
        payload: dict[str, dict[str, Any]] = {}
        for name, value in inputs.items():
            frame = self._frames.get(name)
            if frame is None:
                raise MappingError(
                    "A value was given for an input that this workflow does not have; nothing was sent.",
                    where=name,
                    came_back=f"its inputs are {', '.join(self._fields) or 'none'}",
                    next_step="Leave it out, or read the workflow again: its author may have changed it.",
                )
            if value is None:
                continue
            if not frame or self._fields[name].alternatives:
                frame = _frame(_fitting(self._fields[name], value), value)
            travelling = value if isinstance(value, (str, float, int)) else _with_urls(value, file_urls)
            payload[name] = {"value": travelling, **frame}
        return payload


def build_payload(
    schema: Schema, inputs: Mapping[str, Any], file_urls: FileUrls | None = None
) -> dict[str, dict[str, Any]]:
    """Return the ``jobPayloadSchemaInstance`` of one row, in the form that most generations accept.

    One entry per value that was given: ``value``, ``type``, ``displayName``, and ``typeDefinition`` for a list or
    an object whose contents the schema defines. The type is the schema's own word; of a field that accepts several,
    the first that fits the value. An input without a value (absent or None) is left out rather than sent as null:
    clients do both, and a date sent as null has been seen to fail where the same date left out did not.

    Parameters
    ----------
    schema : Schema
        The workflow's inputs.
    inputs : Mapping
        Variable name to checked value.
    file_urls : callable or Mapping, optional
        Gives the ``fileUrl`` for each `LocalFile`; not needed where there is none.

    Returns
    -------
    dict
        Ready for JSON. Values are not judged again; `check_value` has done that.

    Raises
    ------
    MappingError
        A key that the workflow does not have, a required input without a value, or a file without an address.

    Source
    ------
    Quickstart, "Execute Job"; contract, sections 1.6 and 2.3, trap T5.
    """
    return _payloads_for(schema).build(inputs, file_urls)


# The last schema's maker: a run builds thousands of payloads from one and the same schema.
_last_payloads: tuple[Schema, Payloads] = (Schema(), Payloads(Schema()))


def _payloads_for(schema: Schema) -> Payloads:
    global _last_payloads  # noqa: PLW0603 one tuple, replaced whole, so that no thread sees half of it
    known, payloads = _last_payloads
    if known is not schema:
        payloads = Payloads(schema)
        _last_payloads = (schema, payloads)
    return payloads


def list_files(inputs: Mapping[str, Any]) -> tuple[LocalFile, ...]:
    """Return every file in a row's inputs, at any depth, each once, in the order in which they are met."""
    found: dict[LocalFile, None] = {}
    waiting = list(inputs.values())[::-1]
    while waiting:
        value = waiting.pop()
        if isinstance(value, LocalFile):
            found[value] = None
        elif isinstance(value, (list, tuple)):
            waiting.extend(reversed(value))
        elif isinstance(value, Mapping):
            waiting.extend(reversed(list(value.values())))
    return tuple(found)


def _frame(field: Field, value: Any = None) -> dict[str, Any]:
    """Return what stands beside the value; empty where the type depends on the value."""
    word = field.type
    if not word:
        if value is None:
            return {}
        word = next((name for shape, name in _WORD_OF_SHAPE if isinstance(value, shape)), "str")
    frame: dict[str, Any] = {"type": word, "displayName": field.display_name}
    if field.kind in {"array", "object", "files"} and _describes(field.type_definition):
        frame["typeDefinition"] = field.type_definition
    return frame


def _describes(definition: Any) -> bool:
    return isinstance(definition, (Mapping, list)) and len(definition) > 0


def _fitting(field: Field, value: Any) -> Field:
    """Return the field as the first of its types that fits the value."""
    shapes = (replace(field, alternatives=()), *field.alternatives)
    return next((each for each in shapes if check_value(each, value) is None), field)


def _with_urls(value: Any, file_urls: FileUrls | None) -> Any:
    if isinstance(value, LocalFile):
        return _url_of(value, file_urls)
    if isinstance(value, (list, tuple)):
        return [_with_urls(each, file_urls) for each in value]
    if isinstance(value, Mapping):
        return {name: _with_urls(each, file_urls) for name, each in value.items()}
    return value


def _url_of(file: LocalFile, file_urls: FileUrls | None) -> str:
    url: str | None = None
    with suppress(KeyError):
        url = file_urls(file) if callable(file_urls) else (file_urls or {}).get(file)
    if not url:
        raise MappingError(
            "A file has no address at Opus yet; upload it before the job is executed.",
            where=file.path,
            next_step="opus.client.send_file(...) uploads it; in a run this is done for you.",
        )
    return url
