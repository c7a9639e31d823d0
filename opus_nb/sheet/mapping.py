"""Which column feeds which input, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from opus_nb.errors import MappingError
from opus_nb.service.schema import Field, Schema
from opus_nb.sheet.cells import show_list, show_text
from opus_nb.sheet.findings import text_array
from opus_nb.sheet.guesses import guess_columns
from opus_nb.sheet.headers import fold_name, header_texts, is_unnamed, require_table
from opus_nb.sheet.naming import Names

__all__ = ["ColumnMapping", "InputSource", "address_names", "map_columns"]

_SEPARATORS = (".", "/", ":", ">")
_FORGIVEN_SCORE = 0.95


@dataclass(frozen=True)
class InputSource:
    """Where one input takes its value from.

    Attributes
    ----------
    field : Field
    source : str
        ``"column"``, ``"constant"``, ``"default"`` or ``"missing"``.
    column : str or None
        Header of the column; for an object that several columns feed, its name and ``.*``.
    members : tuple of (tuple of str, str)
        For an object that several columns feed: path of the member (``("address", "city")``) and header.
    constant : Any
        The value that every row gets, as it was given.
    score : float
        1.0 when named by hand or equal letter for letter, lower when forgiven or guessed, 0.0 while open.
    reason : str
    suggestions : tuple of (str, float)
        Columns that might be meant, best first, where the input stays open.
    """

    field: Field
    source: str
    column: str | None = None
    members: tuple[tuple[tuple[str, ...], str], ...] = ()
    constant: Any = None
    score: float = 0.0
    reason: str = ""
    suggestions: tuple[tuple[str, float], ...] = ()

    @property
    def is_guess(self) -> bool:
        """True when the names differ by more than case, spaces and punctuation."""
        return self.source == "column" and self.score < _FORGIVEN_SCORE


@dataclass(frozen=True)
class ColumnMapping:
    """One `InputSource` per input, in the schema's order, and the columns that feed nothing.

    Attributes
    ----------
    sources : tuple of InputSource
    unused : tuple of str
        Headers that feed no input, in the order of the sheet.
    """

    sources: tuple[InputSource, ...]
    unused: tuple[str, ...] = ()

    def __getitem__(self, variable_name: str) -> InputSource:
        for each in self.sources:
            if each.field.variable_name == variable_name:
                return each
        raise KeyError(variable_name)

    @property
    def mapping_frame(self) -> pd.DataFrame:
        """One row per input, in the schema's order.

        Columns ``input`` (display name), ``variable_name``, ``type``, ``source`` and ``reason`` (string),
        ``required`` (bool), ``column`` (string, NA where no column feeds it), ``score`` (float64, 0 to 1).
        """
        rows = self.sources
        text: dict[str, list[Any]] = {
            "input": [each.field.display_name for each in rows],
            "variable_name": [each.field.variable_name for each in rows],
            "type": [each.field.type or each.field.kind for each in rows],
            "required": [each.field.required for each in rows],
            "source": [each.source for each in rows],
            "column": [pd.NA if each.column is None else each.column for each in rows],
            "score": [each.score for each in rows],
            "reason": [each.reason for each in rows],
        }
        plain = {"required": "bool", "score": "float64"}
        frame: pd.DataFrame = pd.DataFrame(index=pd.RangeIndex(len(rows)))
        for name, values in text.items():
            frame[name] = pd.Series(values, dtype=plain[name]) if name in plain else text_array(values)
        return frame

    @property
    def columns(self) -> dict[str, str]:
        """Input to header, by display name (by variable name where two inputs share one).

        What ``columns=`` takes, so it can be kept in a file and still fits when the workflow is rebuilt and its
        variable names change. Inputs fed by several columns find them again by their headers.
        """
        names = address_names([each.field for each in self.sources])
        return {
            name: each.column
            for name, each in zip(names, self.sources, strict=True)
            if each.source == "column" and each.column is not None and not each.members
        }


def map_columns(
    df: pd.DataFrame,
    schema: Schema,
    columns: Mapping[str, Any] | None = None,
    constants: Mapping[str, Any] | None = None,
    *,
    use_defaults: bool = False,
    guess: bool = True,
) -> ColumnMapping:
    """Find a column or a constant for every input.

    What is named by hand comes first; then headers equal to a display or variable name; then the same without case,
    spaces and punctuation; then, for objects, columns like ``Contact.email``; then likely names, only where one
    column fits one input clearly better than anything else. What is left stays open and shows what might be meant.

    Parameters
    ----------
    df : pandas.DataFrame
        Any frame with plain columns; only headers and the first few values are looked at.
    schema : Schema
        The workflow's inputs.
    columns : Mapping, optional
        ``{input: header}`` or ``{header: input}``; each pair is read the way in which both names exist. Inputs go
        by display name or variable name. A list of inputs after a header feeds them all from that column.
    constants : Mapping, optional
        ``{input: value}`` for every row.
    use_defaults : bool
        True fills inputs that nothing feeds with the author's sample values; never files, which belong to the author.
    guess : bool
        False leaves out the last step, likely names.

    Returns
    -------
    ColumnMapping

    Raises
    ------
    MappingError
        A column or input that does not exist, one input fed twice, or a pair that can be read both ways.
    SheetUnreadable
        ``df`` is no plain table.
    """
    headers = header_texts(require_table(df))
    names = Names(schema, headers)
    given: dict[str, InputSource] = {}
    for field, header, reason in names.read_columns(columns or {}):
        _claim(given, InputSource(field, "column", header, score=1.0, reason=reason))
    for name, value in (constants or {}).items():
        constant_field = names.require_input(name, "constants=")
        _claim(given, InputSource(constant_field, "constant", constant=value, score=1.0, reason="given in constants="))
    used = {each.column for each in given.values() if each.column is not None}
    free = [header for header in dict.fromkeys(headers) if header not in used and not is_unnamed(header)]
    fields = [field for field in schema if field.variable_name not in given]
    found = _match_names(fields, free)
    found |= _match_members(fields, free, found)
    rest = [field for field in fields if field.variable_name not in found]
    taken = _headers_of(found.values())
    if guess:
        found |= _match_guesses(df, headers, rest, [header for header in free if header not in taken])
    sources = tuple(
        given.get(field.variable_name)
        or found.get(field.variable_name)
        or InputSource(field, "missing", reason="no column has this name")
        for field in schema
    )
    if use_defaults:
        sources = tuple(_with_default(each) for each in sources)
    used = _headers_of(sources)
    unused = tuple(dict.fromkeys(header for header in headers if header not in used))
    return ColumnMapping(sources, unused)


def _claim(given: dict[str, InputSource], source: InputSource) -> None:
    variable_name = source.field.variable_name
    if variable_name in given:
        raise MappingError(
            f'The input "{source.field.display_name}" is fed twice',
            came_back=f"{_told(given[variable_name])} and {_told(source)}",
            next_step="Keep one of the two.",
            input=variable_name,
        )
    given[variable_name] = source


def _told(source: InputSource) -> str:
    if source.source == "constant":
        return f"the constant {show_text(source.constant)!r}"
    return f'the column "{source.column}"'


def _headers_of(sources: Iterable[InputSource]) -> set[str]:
    every: set[str] = set()
    for each in sources:
        every |= {header for _, header in each.members}
        if each.column is not None and not each.members:
            every.add(each.column)
    return every


def _with_default(source: InputSource) -> InputSource:
    field = source.field
    if source.source != "missing" or field.default is None or field.kind in ("file", "files"):
        return source
    return replace(source, source="default", constant=field.default, score=1.0, reason="the author's sample value")


def address_names(fields: Sequence[Field]) -> list[str]:
    """Return a name for each input that no other has: the display name, else the variable name."""
    shown = [field.display_name for field in fields]
    return [field.display_name if shown.count(field.display_name) == 1 else field.variable_name for field in fields]


def _match_names(fields: Sequence[Field], free: Sequence[str]) -> dict[str, InputSource]:
    """Match equal names, then names equal but for case, spaces and punctuation; two candidates leave it open."""
    found: dict[str, InputSource] = {}
    for forgiving in (False, True):
        fold = fold_name if forgiving else str
        taken = _headers_of(found.values()) | {name for each in found.values() for name, _ in each.suggestions}
        headers = [header for header in free if header not in taken]
        by_name: dict[str, list[str]] = {}
        for header in headers:
            by_name.setdefault(fold(header), []).append(header)
        wanted: dict[str, list[Field]] = {}
        still = [field for field in fields if field.variable_name not in found]
        for field in still:
            for name in {fold(field.display_name), fold(field.variable_name)} - {""}:
                wanted.setdefault(name, []).append(field)
        for field in still:
            names = [fold(field.display_name), fold(field.variable_name)]
            candidates = list(dict.fromkeys(h for name in names if name for h in by_name.get(name, ())))
            if not candidates:
                continue
            rivals = {
                rival.variable_name: rival
                for name in names
                if name in by_name
                for rival in wanted.get(name, ())
                if rival.variable_name != field.variable_name
            }
            found[field.variable_name] = _named(field, candidates, list(rivals.values()), forgiving)
    return found


def _named(field: Field, candidates: list[str], rivals: list[Field], forgiving: bool) -> InputSource:
    if rivals:
        names = show_list([field.variable_name, *(rival.variable_name for rival in rivals)])
        reason = f"several inputs have this name; say which by variable name in columns=: {names}"
        return InputSource(field, "missing", reason=reason, suggestions=tuple((name, 0.5) for name in candidates))
    if len(candidates) > 1:
        reason = f"several columns could be it: {show_list(candidates)}; choose one in columns="
        return InputSource(field, "missing", reason=reason, suggestions=tuple((name, 0.9) for name in candidates))
    (header,) = candidates
    if not forgiving:
        which = "display name" if header == field.display_name else "variable name"
        return InputSource(field, "column", header, score=1.0, reason=f"the header is the {which}")
    which = "display name" if fold_name(header) == fold_name(field.display_name) else "variable name"
    reason = f"the header is the {which} but for case, spaces and punctuation"
    return InputSource(field, "column", header, score=_FORGIVEN_SCORE, reason=reason)


def _match_members(
    fields: Sequence[Field], free: Sequence[str], found: Mapping[str, InputSource]
) -> dict[str, InputSource]:
    """Feed objects from columns like ``Contact.email``."""
    taken = _headers_of(found.values())
    result: dict[str, InputSource] = {}
    for field in fields:
        if field.kind != "object" or field.variable_name in found:
            continue
        names = {fold_name(field.display_name), fold_name(field.variable_name)} - {""}
        members: dict[tuple[str, ...], str] = {}
        for header in free:
            path = None if header in taken else _member_path(header, names, field)
            if path is not None and path not in members:
                members[path] = header
        if members:
            result[field.variable_name] = InputSource(
                field,
                "column",
                f"{field.display_name}.*",
                members=tuple(members.items()),
                score=1.0,
                reason=f"put together from {show_list(members.values())}",
            )
    return result


def _member_path(header: str, names: set[str], field: Field) -> tuple[str, ...] | None:
    for place, sign in enumerate(header):
        if sign in _SEPARATORS and fold_name(header[:place]) in names and header[place + 1 :].strip():
            return _known_path(header[place + 1 :].strip(), sign, field)
    return None


def _known_path(tail: str, separator: str, field: Field) -> tuple[str, ...] | None:
    """Return the path by variable names where the schema knows the members, the header's own words where not."""
    if not field.members:
        return tuple(part.strip() for part in tail.split(separator))
    head, found, rest = tail.partition(separator)
    for name, remainder in ((tail, ""), (head, rest)) if found else ((tail, ""),):
        folded = fold_name(name)
        for member in field.members:
            if folded and folded in (fold_name(member.display_name), fold_name(member.variable_name)):
                if not remainder:
                    return (member.variable_name,)
                inner = _known_path(remainder, separator, member)
                return None if inner is None else (member.variable_name, *inner)
    return None


def _match_guesses(
    df: pd.DataFrame, headers: Sequence[str], fields: Sequence[Field], free: Sequence[str]
) -> dict[str, InputSource]:
    result: dict[str, InputSource] = {}
    samples = {header: df.iloc[:, headers.index(header)] for header in free}
    for field, guess in guess_columns(fields, samples).items():
        source = "column" if guess.column is not None else "missing"
        result[field] = InputSource(
            guess.field,
            source,
            guess.column,
            score=guess.score if guess.column is not None else 0.0,
            reason=guess.reason,
            suggestions=guess.suggestions,
        )
    return result
