"""``wf.form()``: a form whose checks are the sheet's, and whose *Run* is ``wf.submit``."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from opus_nb.connection import Connection
from opus_nb.errors import SettingsError, SheetUnreadable
from opus_nb.interactive.following import FollowedJob, find_known_job, follow_job
from opus_nb.plan import Plan
from opus_nb.screen.followed import KnownJob
from opus_nb.screen.form import Form
from opus_nb.screen.python_call import as_written
from opus_nb.service.api import InitiateParameters
from opus_nb.service.schema import Schema
from opus_nb.sheet.cells import is_missing, show_text
from opus_nb.sheet.checked import CheckedSheet
from opus_nb.sheet.checks import check_sheet
from opus_nb.sheet.headers import fold_name, header_texts
from opus_nb.sheet.mapping import InputSource, map_columns
from opus_nb.submission import Job

__all__ = ["make_form"]

# What ``wf.submit`` takes beside inputs. The form decides about the last two itself.
_NO_INPUTS = {
    *inspect.signature(Plan.start).parameters,
    *InitiateParameters.__slots__,
    "title",
    "description",
    "files_root",
} - {"initiate"}
_OPTIONS = _NO_INPUTS - {"self", "fresh", "progress"}


def make_form(
    connection: Connection,
    *,
    submit: Callable[..., Job],
    row: Any = None,
    reading: Mapping[str, Any] | None = None,
    widgets: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Form:
    """Make the form of one workflow; nothing is sent.

    Parameters
    ----------
    connection : Connection
    submit : callable
        ``wf.submit``.
    row : Series, Mapping or DataFrame of one row, optional
        Fills the form as ``wf.plan`` would read it; what cannot be sent is shown as it is, with its problem.
    reading : Mapping, optional
        How to read the row: ``columns``, ``constants``, ``files_root``, ``dates``, ``decimal`` of ``wf.plan``.
    widgets : Mapping, optional
        Own controls; see `opus_nb.screen.fields.make_control`.
    options : Mapping, optional
        What ``wf.submit`` takes beside inputs, such as ``title``.

    Returns
    -------
    Form

    Raises
    ------
    SettingsError
        An option that ``wf.submit`` does not take, or that the form decides itself.
    SheetUnreadable
        ``row`` is no single row.
    """
    given = dict(options or {})
    if unknown := sorted(set(given) - _OPTIONS):
        raise SettingsError(
            f"wf.form has no such option: {', '.join(unknown)}",
            next_step=f"Beside a row it takes, for its jobs: {', '.join(sorted(_OPTIONS))}.",
        )
    schema = connection.record.inputs
    sender = _Sender(connection, submit, given)
    values, problems = ({}, {}) if row is None else _read_row(schema, row, dict(reading or {}))
    form = Form(
        schema,
        title=connection.record.name or connection.record.workflow_id,
        submit=sender.send,
        submit_anew=sender.send_anew,
        find_known=sender.find_known,
        check=sender.check,
        values=values,
        argument_names=_argument_names(schema),
        options=given,
        widgets=widgets,
    )
    if row is not None:
        form.tell_problems({**form.problems(), **problems})
    return form


class _Sender:
    """What happens to the values of a form: judged as a sheet of one row, found in the ledger, sent."""

    def __init__(self, connection: Connection, submit: Callable[..., Job], options: Mapping[str, Any]) -> None:
        self._connection, self._submit, self._options = connection, submit, options
        self._schema = connection.record.inputs

    def check(self, values: Mapping[str, Any]) -> dict[str, str]:
        return _problems(self._schema, self._sheet(values))

    def find_known(self, values: Mapping[str, Any]) -> KnownJob | None:
        return find_known_job(self._connection, self._sheet(values).inputs_of(0))

    def send(self, values: Mapping[str, Any]) -> FollowedJob:
        return self._send(values)

    def send_anew(self, values: Mapping[str, Any]) -> FollowedJob:
        return self._send(values, fresh=True)

    def _send(self, values: Mapping[str, Any], **more: Any) -> FollowedJob:
        written = self._written(values)
        return follow_job(self._connection, self._submit(**written, **self._options, **more, progress="off"))

    def _written(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: as_written(self._schema[name], value) for name, value in values.items()}

    def _sheet(self, values: Mapping[str, Any]) -> CheckedSheet:
        cells = {name: pd.Series([value], dtype=object) for name, value in self._written(values).items()}
        frame = pd.DataFrame(cells, index=[0])
        mapping = map_columns(frame, self._schema, {name: name for name in cells}, guess=False)
        return check_sheet(frame, self._schema, mapping)


def _problems(schema: Schema, sheet: CheckedSheet) -> dict[str, str]:
    """Return variable name to the errors of a sheet of one row."""
    sources = {source.column: source.field.variable_name for source in sheet.mapping.sources if source.column}
    labels = {field.display_name: field.variable_name for field in reversed(list(schema))}
    found: dict[str, str] = {}
    errors = sheet.issues[sheet.issues["severity"] == "error"]
    for issue in errors.to_dict("records"):
        name = sources.get(issue["column"]) if not pd.isna(issue["column"]) else None
        if name is None and not pd.isna(issue["input"]):
            name = labels.get(issue["input"])
        if name is not None:
            said = f"{issue['problem']}. {issue['fix']}"
            found[name] = f"{found[name]} {said}" if name in found else said
    return found


# -- a row of a sheet ---------------------------------------------------------------------------------------


def _read_row(schema: Schema, row: Any, reading: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a row as ``wf.plan`` would; return every input's value (None for none), and what is wrong with it."""
    frame = _one_row(row)
    mapping = map_columns(frame, schema, reading.pop("columns", None), reading.pop("constants", None))
    sheet = check_sheet(frame, schema, mapping, **reading)
    values = dict.fromkeys((each.variable_name for each in schema), None) | sheet.inputs_of(0)
    for source in mapping.sources:
        if values[source.field.variable_name] is None:
            values[source.field.variable_name] = _raw(source, frame)
    problems = _problems(schema, sheet)
    return values, {name: problem for name, problem in problems.items() if values[name] is not None}


def _one_row(row: Any) -> pd.DataFrame:
    if isinstance(row, pd.DataFrame) and len(row) == 1:
        row = row.iloc[0]
    if isinstance(row, Mapping):
        row = pd.Series(dict(row), dtype=object)
    if not isinstance(row, pd.Series):
        raise SheetUnreadable(
            "A form is filled from one row",
            came_back=f"a {type(row).__name__}" + (f" of {len(row)} rows" if isinstance(row, pd.DataFrame) else ""),
            next_step="Give df.iloc[3], df.loc[label], or a dict of column to value.",
        )
    frame: pd.DataFrame = pd.DataFrame([row.tolist()], columns=row.index, dtype=object)
    frame.attrs.update(row.attrs)
    return frame


def _raw(source: InputSource, frame: pd.DataFrame) -> Any:
    """Return what stands in the cell of an input, as a person reads it; None for nothing."""
    if source.source in {"constant", "default"}:
        return source.constant
    headers = header_texts(frame)
    cells: list[Any] = frame.iloc[0].tolist()

    def cell(header: str) -> Any:
        held = cells[headers.index(header)]
        if isinstance(held, list | dict):
            return held
        return None if is_missing(held) else show_text(held)

    if not source.members:
        return cell(source.column) if source.column in headers else None
    built: dict[str, Any] = {}
    for path, header in source.members:
        inner = built
        for step in path[:-1]:
            inner = inner.setdefault(step, {})
        if cell(header) is not None:
            inner[path[-1]] = cell(header)
    return built or None


# -- Copy as Python -----------------------------------------------------------------------------------------


def _argument_names(schema: Schema) -> dict[str, str]:
    """Return variable name to the keyword of ``wf.submit`` that reads best and can mean nothing else."""
    folded = [{fold_name(field.display_name), fold_name(field.variable_name)} for field in schema]
    found: dict[str, str] = {}
    for at, field in enumerate(schema):
        name = re.sub(r"\W+", "_", field.display_name).strip("_").lower()
        others = set().union(*(names for place, names in enumerate(folded) if place != at))
        plain = name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
        usable = plain and name not in _NO_INPUTS and fold_name(name) not in others
        found[field.variable_name] = name if usable else field.variable_name
    return found
