"""Which column feeds which input, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import pandas as pd

from opus_nb.errors import MappingError, SettingsError
from opus_nb.service.schema import Field, Schema
from opus_nb.sheet.cells import show_list, show_text
from opus_nb.sheet.files import FileDesk
from opus_nb.sheet.guesses import guess_columns
from opus_nb.sheet.headers import fold_name, header_texts, is_unnamed, require_table
from opus_nb.sheet.naming import Names
from opus_nb.sheet.origins import read_origin
from opus_nb.sheet.several import feed_together, match_members, match_numbered
from opus_nb.sheet.sources import FORGIVEN_SCORE, ColumnMapping, InputSource, address_names, headers_of

__all__ = ["ColumnMapping", "InputSource", "address_names", "map_columns", "require_folder"]


def map_columns(
    df: pd.DataFrame,
    schema: Schema,
    columns: Mapping[str, Any] | None = None,
    constants: Mapping[str, Any] | None = None,
    *,
    use_defaults: bool = False,
    guess: bool = True,
    files_root: str | PathLike[str] | None = None,
) -> ColumnMapping:
    """Find a column or a constant for every input.

    What is named by hand comes first; then headers equal to a display or variable name; then the same without case,
    spaces and punctuation; then, for objects, columns like ``Contact.email``, and for lists, columns like ``Tag 1``
    and ``Tag 2``; then likely names, only where one column fits one input clearly better than anything else. What is
    left stays open and shows what might be meant. Columns that hold the results of an earlier run feed nothing unless
    they are named by hand.

    Parameters
    ----------
    df : pandas.DataFrame
        Any frame with plain columns; only headers and the first few values are looked at.
    schema : Schema
        The workflow's inputs.
    columns : Mapping, optional
        ``{input: header}`` or ``{header: input}``; each pair is read the way in which both names exist. Inputs go
        by display name or variable name. A list of inputs after a header feeds them all from that column; a list of
        headers after an input that takes a list feeds it from all of them. None after an input leaves it out, None
        after a header keeps that column from feeding anything by its name.
    constants : Mapping, optional
        ``{input: value}`` for every row.
    use_defaults : bool
        True fills inputs that nothing feeds with the author's sample values; never files, which belong to the author.
    guess : bool
        False leaves out the last step, likely names.
    files_root : str or path, optional
        Where relative paths begin, to see whether the values of a column are files. None: the folder of the workbook
        that ``df`` was read from, else the current one.

    Returns
    -------
    ColumnMapping

    Raises
    ------
    MappingError
        A column or input that does not exist, one input fed twice, or a pair that can be read both ways; ``columns``
        or ``constants`` is no mapping.
    SettingsError
        ``files_root`` is no path.
    SheetUnreadable
        ``df`` is no plain table.
    """
    headers = header_texts(require_table(df))
    _require_pairs(columns, "columns=", '{"Input": "Header"}')
    _require_pairs(constants, "constants=", '{"Input": "value"}')
    require_folder(files_root)
    names = Names(schema, headers)
    given: dict[str, InputSource] = {}
    for field, named, reason in names.read_columns(columns or {}):
        _claim(given, _by_hand(field, named, reason))
    for name, value in (constants or {}).items():
        constant_field = names.require_input(name, "constants=")
        _claim(given, InputSource(constant_field, "constant", constant=value, score=1.0, reason="given in constants="))
    origin = read_origin(df)
    used = headers_of(given.values()) | names.left_alone(columns or {}) | origin.result_headers
    free = [header for header in dict.fromkeys(headers) if header not in used and not is_unnamed(header)]
    fields = [field for field in schema if field.variable_name not in given]
    found = _match_names(fields, free)
    found |= match_members(fields, free, found)
    found |= match_numbered(fields, free, found)
    rest = [field for field in fields if field.variable_name not in found]
    taken = headers_of(found.values())
    if guess:
        is_there = FileDesk(files_root or origin.folder or ".", also=origin.other_folders).is_there
        found |= _match_guesses(df, headers, rest, [header for header in free if header not in taken], is_there)
    sources = tuple(
        given.get(field.variable_name)
        or found.get(field.variable_name)
        or InputSource(field, "missing", reason="no column has this name")
        for field in schema
    )
    if use_defaults:
        sources = tuple(_with_default(each) for each in sources)
    used = headers_of(sources)
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
    return "nothing" if source.left_out else f'the column "{source.column}"'


def _by_hand(field: Field, headers: tuple[str, ...], reason: str) -> InputSource:
    if not headers:
        return InputSource(field, "missing", reason=reason, left_out=True)
    if len(headers) == 1:
        return InputSource(field, "column", headers[0], score=1.0, reason=reason)
    return feed_together(field, headers, score=1.0, reason=reason)


def _with_default(source: InputSource) -> InputSource:
    field = source.field
    is_open = source.source == "missing" and not source.left_out
    if not is_open or field.default is None or field.kind in ("file", "files"):
        return source
    return replace(source, source="default", constant=field.default, score=1.0, reason="the author's sample value")


def _match_names(fields: Sequence[Field], free: Sequence[str]) -> dict[str, InputSource]:
    """Match equal names, then names equal but for case, spaces and punctuation; two candidates leave it open."""
    found: dict[str, InputSource] = {}
    for forgiving in (False, True):
        fold = fold_name if forgiving else str
        taken = headers_of(found.values()) | {name for each in found.values() for name, _ in each.suggestions}
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


def require_folder(files_root: Any) -> None:
    """Raise `SettingsError` when ``files_root=`` is no path at all."""
    if files_root is not None and not isinstance(files_root, (str, PathLike)):
        step = 'Give the path of a folder, as in files_root="scans".'
        came_back = repr(files_root)[:80]
        raise SettingsError("files_root= is no folder", came_back=came_back, next_step=step, name="files_root")


def _require_pairs(given: Any, where: str, example: str) -> None:
    if given is not None and not isinstance(given, Mapping):
        came_back = f"a {type(given).__name__}: {repr(given)[:60]}"
        raise MappingError(
            f"{where} takes pairs of names", where=where, came_back=came_back, next_step=f"As in {where}{example}."
        )


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
    return InputSource(field, "column", header, score=FORGIVEN_SCORE, reason=reason)


def _match_guesses(
    df: pd.DataFrame,
    headers: Sequence[str],
    fields: Sequence[Field],
    free: Sequence[str],
    is_there: Callable[[str], bool],
) -> dict[str, InputSource]:
    result: dict[str, InputSource] = {}
    samples = {header: df.iloc[:, headers.index(header)] for header in free}
    for field, guess in guess_columns(fields, samples, is_there).items():
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
