"""What a job has produced, read from every shape in which the service tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from opus_nb.job import JobState
from opus_nb.service.definitions import Schema
from opus_nb.service.envelopes import (
    PAYLOAD,
    find_payload,
    holds_payload,
    is_container,
    is_entry,
    merge_parts,
    read_json_text,
)
from opus_nb.service.spellings import look_up
from opus_nb.service.states import read_state

__all__ = ["OutputColumn", "OutputValue", "ResultReader", "Results", "read_results"]

# How deep objects of the quickstart's free shape are spread into dotted names; deeper ones stay cells.
_DEEPEST_NAME = 12


class OutputValue(NamedTuple):
    """One output of one job.

    Attributes
    ----------
    variable_name : str
        Its key at the service. A key of the quickstart's free shape that is the label of a declared output stands
        for that output's own; any other is the key itself, dotted where it was nested.
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
        # The free shape names outputs by their labels.
        self._keys: dict[str, str] = {
            each.display_name: each.variable_name for each in declared if times[each.display_name] == 1
        }

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
        plain = _PlainReplies(columns, blank, self._declared, self._keys)
        for place, reply in enumerate(listed):
            if reply is None or plain.take(place, reply):
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
        payload, is_schema = find_payload(reply)
        if isinstance(payload, list) and payload and all(isinstance(each, Mapping) for each in payload):
            payload = merge_parts(payload)
        if not isinstance(payload, Mapping):
            if payload is None or payload in ("", []):
                return []
            return [OutputValue("results", "results", "", read_json_text(payload), payload)]
        members: Mapping[str, Any] = payload
        found: list[OutputValue] = []
        declared = self._declared
        for key, entry in members.items():
            known = declared.get(key)
            named = key if known is not None else self._keys.get(key, key)
            if isinstance(entry, dict):
                if is_entry(entry, is_schema or known is not None):
                    found.append(_open_entry(named, entry, declared.get(named)))
                    continue
                if known is None and not is_schema and not key.startswith("workflow_output_"):
                    _spread(key, entry, 1, found)
                    continue
            label, word = declared.get(named) or (key, "")
            value = read_json_text(entry) if isinstance(entry, str) else entry
            found.append(OutputValue(named, label, word, value, entry))
        return found if len({each[0] for each in found}) == len(found) else _number(found)


class _NotPlain(Exception):
    """Something that needs a closer look: an entry, or a key that could make two dotted names equal."""


class _PlainReplies:
    """Lays the replies that are made as nearly all are made straight into their columns.

    The two shapes that services answer in, without anything odd about them, are recognised by their keys; the keys
    of one workflow's replies are the same every time. Whatever is not recognised for certain is left to
    `ResultReader._outputs`, and what both would read comes out the same.

    Parameters
    ----------
    columns : dict
        Variable name to column; new ones are put in as they are met.
    blank : list
        What a new column begins as.
    declared : Mapping
        Variable name to label and type.
    labels : container of str
        The labels by which declared outputs may be named.
    """

    def __init__(
        self,
        columns: dict[str, OutputColumn],
        blank: list[None],
        declared: Mapping[str, tuple[str, str]],
        labels: Container[str],
    ) -> None:
        self._columns, self._blank, self._declared, self._labels = columns, blank, declared, labels
        # By the keys at the top and in "results": None where results may not be outputs in the free shape, else the
        # keys in them that could yet wrap the outputs, depending on what they hold.
        self._free: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...] | None] = {}
        self._leads: dict[tuple[str, ...], bool] = {}
        # Where a value of the free shape goes: its column, and the same for what lies inside of it.
        self._places: dict[str, Any] = {}

    def take(self, place: int, reply: Any) -> bool:
        """Lay one reply down; False, and nothing done, where it is not one of the plain ones."""
        if type(reply) is not dict:
            return False
        payload = reply.get(PAYLOAD)
        if payload is not None:
            return type(payload) is dict and self._take_entries(place, payload)
        payload = reply.get("results")
        if type(payload) is not dict or not payload:
            return False
        keys = (tuple(reply), tuple(payload))
        if keys not in self._free:
            self._free[keys] = self._wrappers(reply, payload)
        wrappers = self._free[keys]
        if wrappers is None or (wrappers and any(self._leads_on(payload[key]) for key in wrappers)):
            return False
        try:
            self._spread(self._places, "", payload, place, 1)
        except _NotPlain:
            # What was laid down so far is laid down again, the same, by who takes the closer look.
            return False
        return True

    def _leads_on(self, value: Any) -> bool:
        if type(value) is not dict:
            return False
        keys = tuple(value)
        found = self._leads.get(keys)
        if found is None:
            found = self._leads[keys] = holds_payload(value)
        return found

    def _take_entries(self, place: int, payload: dict[str, Any]) -> bool:
        declared = self._declared
        for key, entry in payload.items():
            if key not in declared or type(entry) is not dict or "value" not in entry:
                return False
            if len(entry) > 1 and type(entry.get("type")) is not str:
                return False
        for key, entry in payload.items():
            column = self._columns[key]
            raw = entry["value"]
            column.raws[place] = raw
            column.values[place] = read_json_text(raw) if type(raw) is str and not raw[:1].isalnum() else raw
        return True

    def _wrappers(self, reply: dict[str, Any], payload: dict[str, Any]) -> tuple[str, ...] | None:
        # Judged by keys alone, as the next reply with these keys may hold something under one that is null here.
        if holds_payload(reply) or holds_payload(payload) or "value" in payload:
            return None
        for key in payload:
            if "." in key or key in self._declared or key in self._labels or key.startswith("workflow_output_"):
                return None
        return tuple(key for key in payload if is_container(key))

    def _spread(self, places: dict[str, Any], prefix: str, values: dict[str, Any], place: int, depth: int) -> None:
        for key, value in values.items():
            home = places.get(key)
            if home is None:
                if "." in key:
                    raise _NotPlain
                home = places[key] = [None, {}]
            kind = type(value)
            if kind is dict and value and depth <= _DEEPEST_NAME:
                if depth == 1 and "value" in value:
                    raise _NotPlain
                self._spread(home[1], f"{prefix}{key}.", value, place, depth + 1)
                continue
            column = home[0]
            if column is None:
                column = home[0] = self._column(f"{prefix}{key}")
            column.raws[place] = value
            column.values[place] = read_json_text(value) if kind is str and not value[:1].isalnum() else value

    def _column(self, name: str) -> OutputColumn:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = OutputColumn(name, name, "", self._blank.copy(), self._blank.copy())
        return column


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
