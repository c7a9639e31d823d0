"""What a job has produced, read from every shape in which the service tells it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from opus_nb.job import JobState
from opus_nb.service.definitions import Schema
from opus_nb.service.spellings import fold_key, look_up
from opus_nb.service.states import read_state

__all__ = ["OutputColumn", "OutputValue", "ResultReader", "Results", "read_json_text", "read_results"]

# How deep objects of the quickstart's free shape are spread into dotted names; deeper ones stay cells.
_DEEPEST_NAME = 12
_DEEPEST_WRAPPER = 4
_PAYLOAD = "jobResultsPayloadSchema"
_PAYLOAD_FOLDED = fold_key(_PAYLOAD)
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


class OutputValue(NamedTuple):
    """One output of one job.

    Attributes
    ----------
    variable_name : str
        Its key at the service; in the quickstart's free shape the dotted path.
    name : str
        What people call it: the label of the workflow's outputs, else of the reply, else the key. Unique within
        one reply.
    type : str
        The reply's type word, else the declared one, else ``""``.
    value : Any
        What JSON holds. Text that is a JSON list or object, also inside a Markdown code fence, is parsed.
    raw : Any
        The value letter for letter.
    """

    variable_name: str
    name: str
    type: str
    value: Any
    raw: Any


@dataclass(frozen=True, slots=True)
class Results:
    """The outputs of one job, in the order of the reply, and the state where the reply tells it."""

    outputs: tuple[OutputValue, ...] = ()
    state: JobState | None = None


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One output over many jobs.

    Attributes
    ----------
    variable_name : str
        As in `OutputValue`.
    name : str
        As in `OutputValue`, and unique among the columns.
    type : str
        The declared type, else the first that a reply gives, else ``""``.
    values, raws : list
        One entry per reply, in order: parsed, and letter for letter. None where the job has no such output.
    """

    variable_name: str
    name: str
    type: str
    values: list[Any]
    raws: list[Any]


class ResultReader:
    """Reads the results of one workflow's jobs; what its output schema says is worked out once.

    Parameters
    ----------
    outputs : Schema, optional
        The workflow's declared outputs: labels and types for what a reply does not name.
    """

    def __init__(self, outputs: Schema | None = None) -> None:
        declared = () if outputs is None else outputs.fields
        times = Counter(each.display_name for each in declared)
        self._declared: dict[str, tuple[str, str]] = {}
        for each in declared:
            key, label = each.variable_name, each.display_name
            self._declared[key] = (label if times[label] == 1 else f"{label} ({key})", each.type)

    def read(self, reply: Any) -> Results:
        """Read one reply; see `read_results`."""
        found = self._outputs(reply)
        if len(found) > 1 and len({each[1] for each in found}) < len(found):
            found = _apart(found)
        return Results(tuple(found), _state_of(reply))

    def columns(self, replies: Iterable[Any]) -> list[OutputColumn]:
        """Read many replies column by column.

        Names stay the same whatever each job has or lacks: where two outputs share a label, both columns carry
        their variable name in brackets, in every row.

        Parameters
        ----------
        replies : iterable
            Parsed replies; None for a job that has none.

        Returns
        -------
        list of OutputColumn
            Declared outputs first, in their order and also where no job has any; then others as they are met.
        """
        listed = list(replies)
        blank = [None] * len(listed)
        columns: dict[str, OutputColumn] = {
            key: OutputColumn(key, label, word, blank.copy(), blank.copy())
            for key, (label, word) in self._declared.items()
        }
        for place, reply in enumerate(listed):
            if reply is None:
                continue
            for key, label, word, value, raw in self._outputs(reply):
                column = columns.get(key)
                if column is None:
                    column = columns[key] = OutputColumn(key, label, word, blank.copy(), blank.copy())
                column.values[place] = value
                column.raws[place] = raw
        names = _apart([OutputValue(each.variable_name, each.name, "", None, None) for each in columns.values()])
        return [
            column if column.name == name.name else _renamed(column, name.name)
            for column, name in zip(columns.values(), names, strict=True)
        ]

    def _outputs(self, reply: Any) -> list[OutputValue]:
        """Return the outputs of one reply; names may still collide, keys may not."""
        payload, is_schema = _find_payload(reply)
        if isinstance(payload, list) and payload and all(isinstance(each, Mapping) for each in payload):
            payload = _merge(payload)
        if not isinstance(payload, Mapping):
            if payload is None or payload in ("", []):
                return []
            return [OutputValue("results", "results", "", read_json_text(payload), payload)]
        found: list[OutputValue] = []
        declared = self._declared
        for key, entry in payload.items():
            known = declared.get(key)
            if isinstance(entry, dict):
                if _is_entry(entry, is_schema or known is not None):
                    found.append(_open_entry(key, entry, known))
                    continue
                if known is None and not is_schema and not key.startswith("workflow_output_"):
                    _spread(key, entry, 1, found)
                    continue
            label, word = known or (key, "")
            value = read_json_text(entry) if isinstance(entry, str) else entry
            found.append(OutputValue(key, label, word, value, entry))
        return found if len({each[0] for each in found}) == len(found) else _number(found)


def read_results(reply: Any, outputs: Schema | None = None) -> Results:
    """Read the outputs of one job from a results reply, whatever its shape.

    Understands ``jobResultsPayloadSchema`` at the top, inside ``results`` or ``data``; the case API's
    ``results``; bare values beside ``{"value": ...}``; lists of such objects; and the free shape of the
    quickstart, whose nested objects are spread into dotted names (``summary``, ``outputFiles``, ``data.score``;
    lists stay whole). `ResultReader.columns` reads many at once, column by column.

    Parameters
    ----------
    reply : Any
        The parsed JSON of ``GET /job/{id}/results`` or ``GET /case/{id}/results``.
    outputs : Schema, optional
        The workflow's declared outputs, for labels and types.

    Returns
    -------
    Results
        Without outputs where the reply holds none; nothing raises here.

    Source
    ------
    Quickstart, "Get Job Execution Results"; contract, section 4, traps T12 to T14.
    """
    return _reader_for(outputs).read(reply)


# The last schema's reader: a run reads thousands of replies with one and the same schema.
_last_reader: tuple[Schema | None, ResultReader] = (None, ResultReader())


def _reader_for(outputs: Schema | None) -> ResultReader:
    global _last_reader  # noqa: PLW0603 one tuple, replaced whole, so that no thread sees half of it
    schema, reader = _last_reader
    if schema is not outputs:
        reader = ResultReader(outputs)
        _last_reader = (outputs, reader)
    return reader


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


def _find_payload(reply: Any) -> tuple[Any, bool]:
    """Return where the outputs lie, and whether it is the place where every member is an output entry."""
    here = reply
    for _ in range(_DEEPEST_WRAPPER):
        here = read_json_text(here) if isinstance(here, str) else here
        if not isinstance(here, Mapping):
            return here, False
        payload = here.get(_PAYLOAD)
        if payload is None:
            payload = next((here[key] for key in here if fold_key(key) == _PAYLOAD_FOLDED), None)
        if payload is not None:
            return read_json_text(payload), True
        container = _container(here, is_top=here is reply)
        if container is None:
            break
        here = here[container]
    if here is reply and isinstance(here, Mapping):
        return {key: value for key, value in here.items() if fold_key(key) not in _ENVELOPE}, False
    return here, False


def _container(here: Mapping[str, Any], *, is_top: bool) -> str | None:
    """Return the key that wraps the outputs here: below the top only one that leads to the known place."""
    if is_top and isinstance(here.get("results"), dict) and "value" not in here["results"]:
        return "results"
    wraps = {name: key for key in here if (name := fold_key(key)) in _CONTAINERS and here[key] is not None}
    for key in sorted(wraps.values(), key=lambda one: _CONTAINERS[fold_key(one)]):
        inner = here[key]
        if is_top and not (isinstance(inner, Mapping) and "value" in inner):
            return key
        if isinstance(inner, Mapping) and look_up(inner, _PAYLOAD) is not None:
            return key
    return None


def _merge(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
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


def _is_entry(entry: dict[str, Any], is_expected: bool) -> bool:
    """Tell an entry that wraps a value from an object that is the value."""
    if "value" in entry:
        if len(entry) == 1 or (is_expected and not _ENTRY_MARKS.isdisjoint(entry)):
            return True
    elif not is_expected or not isinstance(entry.get("type"), str):
        return False
    return all(fold_key(key) in _ENTRY_KEYS for key in entry)


def _open_entry(key: str, entry: dict[str, Any], known: tuple[str, str] | None) -> OutputValue:
    word = entry.get("type")
    label: Any = None
    if known is None:
        label = entry.get("display_name") or entry.get("displayName")
        if label is None and len(entry) > 1:
            label = look_up(entry, "display_name")
        known = (label if isinstance(label, str) and label.strip() else key, "")
    raw = entry.get("value")
    value = read_json_text(raw) if isinstance(raw, str) else raw
    return OutputValue(key, known[0], word if isinstance(word, str) and word else known[1], value, raw)


def _spread(name: str, value: Any, depth: int, found: list[OutputValue]) -> None:
    """Append a value of the free shape, objects under dotted names."""
    if isinstance(value, dict) and value and depth <= _DEEPEST_NAME:
        for key, inner in value.items():
            _spread(f"{name}.{key}", inner, depth + 1, found)
    else:
        found.append(OutputValue(name, name, "", read_json_text(value) if isinstance(value, str) else value, value))


def _apart(found: list[OutputValue]) -> list[OutputValue]:
    """Give outputs that share a name their variable names too; what still collides gets a number."""
    times = Counter(each.name for each in found)
    taken: set[str] = {each.name for each in found if times[each.name] == 1}
    apart: list[OutputValue] = []
    for each in found:
        if times[each.name] == 1:
            apart.append(each)
            continue
        base = each.name if each.variable_name == each.name else f"{each.name} ({each.variable_name})"
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base} ({number})"
        taken.add(name)
        apart.append(each._replace(name=name))
    return apart


def _number(found: list[OutputValue]) -> list[OutputValue]:
    """Keep keys apart that dotted names have made equal: ``{"a.b": 1, "a": {"b": 2}}``."""
    met: set[str] = set()
    numbered: list[OutputValue] = []
    for each in found:
        key, number = each.variable_name, 1
        while key in met:
            number += 1
            key = f"{each.variable_name} ({number})"
        met.add(key)
        numbered.append(each if number == 1 else each._replace(variable_name=key, name=key))
    return numbered


def _renamed(column: OutputColumn, name: str) -> OutputColumn:
    return OutputColumn(column.variable_name, name, column.type, column.values, column.raws)


def _state_of(reply: Any) -> JobState | None:
    if not isinstance(reply, Mapping):
        return None
    word = reply.get("status", reply.get("state"))
    return read_state(word) if isinstance(word, str) else None
