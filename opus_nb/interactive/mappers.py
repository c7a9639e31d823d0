"""``wf.map(df)``: a mapper whose consequences are worked out by the sheet's own checks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from opus_nb.connection import Connection
from opus_nb.job import LocalFile
from opus_nb.plan import Plan
from opus_nb.screen.mapper import InputLook, Mapper, MappingLook
from opus_nb.service.schema import Field, Schema
from opus_nb.sheet.cells import MISSING
from opus_nb.sheet.checked import CheckedSheet
from opus_nb.sheet.checks import check_sheet
from opus_nb.sheet.headers import header_texts, is_unnamed
from opus_nb.sheet.mapping import ColumnMapping, InputSource, map_columns

__all__ = ["make_mapper"]

_SAMPLES = 3
_SAMPLES_FROM = 200


def make_mapper(
    connection: Connection,
    df: pd.DataFrame,
    *,
    columns: Mapping[str, Any] | None = None,
    constants: Mapping[str, Any] | None = None,
    use_defaults: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> Mapper:
    """Make the mapper of a sheet onto a workflow; nothing is sent.

    Parameters
    ----------
    connection : Connection
    df : DataFrame
    columns, constants, use_defaults
        As ``wf.plan`` takes them: where the mapper begins.
    reading : Mapping, optional
        How to read cells: ``files_root``, ``dates``, ``decimal`` of ``wf.plan``.

    Returns
    -------
    Mapper

    Raises
    ------
    MappingError, SheetUnreadable
        As ``wf.plan``.
    """
    schema = connection.record.inputs
    files_root = (reading or {}).get("files_root")
    mapping = map_columns(df, schema, columns, constants, use_defaults=use_defaults, files_root=files_root)
    judge = _Judge(connection, df, mapping, dict(reading or {}))
    sources = mapping.sources
    return Mapper(
        schema,
        title=connection.record.name or connection.record.workflow_id,
        columns=[header for header in dict.fromkeys(header_texts(df)) if not is_unnamed(header)],
        look=judge.look,
        plan=judge.plan,
        proposal={each.field.variable_name: each.column for each in sources if each.source == "column"},
        constants={
            each.field.variable_name: each.constant for each in sources if each.source in {"constant", "default"}
        },
    )


@dataclass(frozen=True)
class _Judged:
    """What one source means for one input: how it looks, and which rows it spoils."""

    look: InputLook
    invalid: npt.NDArray[np.bool_]


class _Judge:
    """Judges choices input by input and remembers them, so that another choice costs one column, not the sheet."""

    def __init__(
        self, connection: Connection, df: pd.DataFrame, mapping: ColumnMapping, reading: dict[str, Any]
    ) -> None:
        self._connection, self._df, self._reading = connection, df, reading
        self._schema = connection.record.inputs
        self._proposed = {each.field.variable_name: each for each in mapping.sources}
        self._headers = header_texts(df)
        self._known: dict[tuple[str, str], _Judged] = {}

    def look(self, columns: Mapping[str, Any], constants: Mapping[str, Any]) -> MappingLook:
        """Judge a choice; both mappings go by variable name."""
        invalid = np.zeros(len(self._df), dtype=bool)
        looks = {}
        for field in self._schema:
            judged = self._judge(self._source(field, columns, constants))
            looks[field.variable_name] = judged.look
            invalid |= judged.invalid
        return MappingLook(looks, rows=len(self._df), ready=int((~invalid).sum()))

    def plan(self, columns: Mapping[str, Any], constants: Mapping[str, Any]) -> Plan:
        """Make the plan of a choice: what is fed by nothing stays unfed, whatever its name."""
        sources = tuple(_confirmed(self._source(field, columns, constants)) for field in self._schema)
        used = {each.column for each in sources} | {header for each in sources for _, header in each.members}
        unused = tuple(dict.fromkeys(header for header in self._headers if header not in used))
        sheet = check_sheet(self._df, self._schema, ColumnMapping(sources, unused), **self._reading)
        return Plan(self._connection, self._df, sheet)

    def _source(self, field: Field, columns: Mapping[str, Any], constants: Mapping[str, Any]) -> InputSource:
        name = field.variable_name
        proposed = self._proposed[name]
        if name in constants:
            same = proposed.source in {"constant", "default"} and proposed.constant == constants[name]
            reason = proposed.reason if same else "the same value for every row"
            return InputSource(field, "constant", constant=constants[name], score=1.0, reason=reason)
        if name in columns:
            if columns[name] == proposed.column:
                return proposed
            return InputSource(field, "column", str(columns[name]), score=1.0, reason="chosen by hand")
        return proposed if proposed.source == "missing" else InputSource(field, "missing", reason="left out by hand")

    def _judge(self, source: InputSource) -> _Judged:
        key = (source.field.variable_name, f"{source.source} {source.column!r} {source.constant!r}")
        if key not in self._known:
            alone = ColumnMapping((source,))
            self._known[key] = _judged(
                source, check_sheet(self._df, Schema((source.field,)), alone, **self._reading), self._df
            )
        return self._known[key]


def _confirmed(source: InputSource) -> InputSource:
    """A person has seen the guess and left it: it is one no longer."""
    return replace(source, score=1.0, reason=f"{source.reason}; left so by hand") if source.is_guess else source


def _judged(source: InputSource, sheet: CheckedSheet, df: pd.DataFrame) -> _Judged:
    issues, positions = sheet.issues, sheet.issue_positions
    is_error = (issues["severity"] == "error").to_numpy()
    cells = np.flatnonzero(is_error & (positions >= 0))
    about = (issues["input"].notna() | issues["column"].notna()).to_numpy()
    whole = np.flatnonzero(is_error & (positions < 0) & about)
    example = ""
    if len(cells):
        first = cells[0]
        example = f"the first in row {df.index[positions[first]]}: {issues['problem'].iloc[first]}"
    look = InputLook(
        column=source.column,
        reason=source.reason,
        score=source.score if source.source == "column" else None,
        samples=_samples(source.field.variable_name, sheet),
        bad=len(np.unique(positions[cells])),
        example=example,
        problem=_whole_problem(source, issues["problem"].iloc[whole[0]]) if len(whole) else "",
    )
    return _Judged(look, sheet.invalid)


def _whole_problem(source: InputSource, problem: str) -> str:
    if source.source == "missing":
        return f"required, and nothing feeds it: {source.reason.removeprefix('open: ')}"
    return str(problem)


def _samples(name: str, sheet: CheckedSheet) -> tuple[str, ...]:
    values = sheet.columns.get(name, [sheet.constants[name]] if name in sheet.constants else [])
    shown = (_shown(value) for value in values[:_SAMPLES_FROM] if value is not MISSING)
    return tuple(dict.fromkeys(shown))[:_SAMPLES]


def _shown(value: Any) -> str:
    """Return a value as it would be sent; of a file, its name."""
    if isinstance(value, LocalFile):
        return PurePath(value.path).name
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=lambda file: PurePath(file.path).name)
