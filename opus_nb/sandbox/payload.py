"""The Input node: whether a payload suits the schema, and what the workflow function gets of it.

`execute` accepts nearly anything and says success; the Input node is where a wrong type word, a null or a missing
``typeDefinition`` ends the job within milliseconds and without a text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from opus_nb.sandbox.definition import Input, WorkflowDefinition
from opus_nb.sandbox.documents import UploadedFile
from opus_nb.sandbox.uploads import FileStore

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
WRONG_WORD_SECONDS = 0.016
WRONG_SHAPE_SECONDS = 0.15


class InputNodeFailure(Exception):
    """The Input node refuses the payload."""

    def __init__(self, reason: str, *, seconds: float) -> None:
        super().__init__(reason)
        self.seconds = seconds


class FileUnreadable(Exception):
    """A node cannot open a file: nothing was uploaded, or it lies in another workspace."""


def wire_type(definition: WorkflowDefinition, variable: Input) -> str:
    """Give the type word the schema shows: the newer generations have no ``array_files``."""
    if variable.type == "array_files" and definition.generation != "v1":
        return "array"
    return variable.type


def holds_files(variable: Input) -> bool:
    """Whether an input is a list of files, in either spelling."""
    item = variable.item if isinstance(variable.item, str) or variable.item is None else variable.item.type
    return variable.type == "array_files" or (variable.type == "array" and item == "file")


def read_values(definition: WorkflowDefinition, instance: Mapping[str, Any], files: FileStore) -> dict[str, Any]:
    """Give the function's keywords, or raise what the Input node or the first reader of a file would meet."""
    inputs = definition.inputs_by_name
    for name, variable in inputs.items():
        _check_entry(definition, name, variable, instance.get(name))
    return {
        variable.argument: _open_value(definition, variable, instance.get(name), files)
        for name, variable in inputs.items()
    }


def digest_payload(workflow_id: str, instance: Mapping[str, Any], files: FileStore) -> str:
    """Name a payload by its values and the bytes of its files, whatever addresses those got."""
    values = {key: entry.get("value") if isinstance(entry, dict) else entry for key, entry in instance.items()}
    canonical = json.dumps([workflow_id, _without_addresses(values, files)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:24]


def _without_addresses(value: Any, files: FileStore) -> Any:
    if isinstance(value, str):
        return files.contents_by_url(value) if value.startswith("https://files.opus.com/") else value
    if isinstance(value, list):
        return [_without_addresses(item, files) for item in value]
    if isinstance(value, dict):
        return {key: _without_addresses(item, files) for key, item in value.items()}
    return value


def _check_entry(definition: WorkflowDefinition, name: str, variable: Input, entry: Any) -> None:
    value = entry.get("value") if isinstance(entry, dict) else None
    if value is None:
        if variable.required:
            raise InputNodeFailure(f"{name}: null where a value is required", seconds=WRONG_WORD_SECONDS)
        return
    word = entry.get("type")
    primary = wire_type(definition, variable)
    accepted = {primary, *(variable.also if definition.generation != "v1" else ())}
    if primary in ("int", "float"):
        accepted |= {"int", "float"}
    if word not in accepted:
        raise InputNodeFailure(f"{name}: type {word!r}, expected {primary!r}", seconds=WRONG_WORD_SECONDS)
    if word == "array" and definition.generation != "v1" and not _is_definition(entry.get("typeDefinition")):
        raise InputNodeFailure(f"{name}: an array without typeDefinition", seconds=WRONG_SHAPE_SECONDS)
    if not _suits(variable, str(word), value):
        raise InputNodeFailure(f"{name}: the value does not suit {word!r}", seconds=WRONG_SHAPE_SECONDS)


def _is_definition(value: Any) -> bool:
    return isinstance(value, dict) and bool(value.get("allowed_types") or value.get("type"))


def _suits(variable: Input, word: str, value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if word in ("str", "file"):
        return isinstance(value, str)
    if word == "float":
        return number
    if word == "int":
        return number and float(value).is_integer()
    if word == "bool":
        return isinstance(value, bool)
    if word in ("array", "array_files"):
        return isinstance(value, list) and (not holds_files(variable) or all(isinstance(item, str) for item in value))
    if word == "object":
        return isinstance(value, dict)
    if word == "date":
        return _read_date(variable, value) is not None
    if word == "json_string":
        return _is_json_text(value)
    return True


def _read_date(variable: Input, value: Any) -> date | None:
    if not isinstance(value, str):
        return None
    try:
        if variable.date_format in (None, "%Y-%m-%d") and _ISO_DAY.fullmatch(value):
            return date.fromisoformat(value)
        return datetime.strptime(value, variable.date_format or "%Y-%m-%d").date()  # noqa: DTZ007 - a plain date
    except ValueError:
        return None


def _is_json_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _open_value(definition: WorkflowDefinition, variable: Input, entry: Any, files: FileStore) -> Any:
    value = entry.get("value") if isinstance(entry, dict) else None
    if value is None:
        return None if variable.type in ("file", "array_files") else variable.default
    word = entry["type"]
    if word == "file":
        return _open_file(definition, value, files)
    if holds_files(variable) and word in ("array", "array_files"):
        return [_open_file(definition, url, files) for url in value]
    if word == "date":
        return _read_date(variable, value)
    if word == "json_string":
        return json.loads(value)
    if word == "int":
        return int(value)
    return float(value) if word == "float" else value


def _open_file(definition: WorkflowDefinition, url: str, files: FileStore) -> UploadedFile:
    stored = files.files.get(url)
    content = stored.read() if stored is not None else None
    if stored is None or content is None:
        raise FileUnreadable(f"{url}: nothing was uploaded there")
    if stored.workspace != definition.workspace:
        raise FileUnreadable(f"{url}: it lies in workspace {stored.workspace}, the workflow in another")
    return UploadedFile(stored.name, url, content)
