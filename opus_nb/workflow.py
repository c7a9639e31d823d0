"""One workflow: what it needs, and the ways to feed it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from opus_nb.connection import Connection, with_parameters
from opus_nb.errors import MappingError
from opus_nb.interactive import make_form, make_mapper
from opus_nb.plan import Plan
from opus_nb.run import Run
from opus_nb.screen.cards import workflow_card
from opus_nb.screen.form import Form
from opus_nb.screen.mapper import Mapper
from opus_nb.service.api import InitiateParameters
from opus_nb.service.schema import Schema
from opus_nb.sheet.checks import check_sheet
from opus_nb.sheet.likeness import closest_names
from opus_nb.sheet.mapping import map_columns
from opus_nb.sheet.reading import read_sheet
from opus_nb.sheet.template import leave_out_example, write_template
from opus_nb.submission import Job, check_inputs, in_words_of_inputs, name_inputs

__all__ = ["Workflow"]


class Workflow:
    """One workflow: what it needs, and the ways to feed it. Made by ``opus.workflow(...)``."""

    def __init__(self, connection: Connection, *, opus: object) -> None:
        self._connection = connection
        # Keeps a sandbox alive as long as its workflows are.
        self._opus = opus

    @property
    def id(self) -> str:
        """The workflow's id."""
        return self._connection.record.workflow_id

    @property
    def name(self) -> str:
        """What its author called it."""
        return self._connection.record.name

    @property
    def version(self) -> int | None:
        """The version whose inputs these are; None where Opus does not say."""
        return self._connection.record.version

    @property
    def generation(self) -> str:
        """``v1``, ``v2`` or ``cases``: how Opus answered."""
        return "cases" if self._connection.api.name == "cases" else self._connection.record.generation

    @property
    def inputs(self) -> pd.DataFrame:
        """One row per input: variable_name, display_name, type, required, description, options, default."""
        return _fields_frame(self._connection.record.inputs)

    @property
    def outputs(self) -> pd.DataFrame:
        """One row per output, with the same columns; empty where Opus does not describe them."""
        return _fields_frame(self._connection.record.outputs)

    def read(self, path: str | PathLike[str], **options: Any) -> pd.DataFrame:
        """Read a sheet, nothing lost: 007 stays 007. `plan` casts by what each input needs.

        The example row of a template is left out, also when another program has saved it.

        Parameters
        ----------
        path : str or path
            xlsx, xlsm, xls, csv or tsv.
        **options
            See `opus_nb.sheet.reading.read_sheet`: ``sheet``, ``header``, ``encoding``, ``delimiter``, ``hidden``,
            ``merged``.
        """
        return leave_out_example(read_sheet(path, **options), self._connection.record.inputs)

    def template(self, path: str | PathLike[str]) -> Path:
        """Write an empty workbook to fill in: a column per input, drop-downs, notes, required marked, an example.

        Reading it back maps by itself; the example row is not sent. See `opus_nb.sheet.template.write_template`.

        Raises
        ------
        SettingsError
            The path does not end in ``.xlsx``, or cannot be written.
        """
        return write_template(path, self._connection.record.inputs, self.name)

    def plan(
        self,
        df: pd.DataFrame,
        *,
        columns: Mapping[str, Any] | None = None,
        constants: Mapping[str, Any] | None = None,
        files_root: str | PathLike[str] | None = None,
        dates: str | Mapping[str, str] | None = None,
        decimal: str | Mapping[str, str] | None = None,
        use_defaults: bool = False,
        **initiate: Any,
    ) -> Plan:
        """Judge every row, cell and file; nothing is sent.

        Parameters
        ----------
        df : DataFrame
            Any; one job per row. ``wf.read`` makes one from a workbook.
        columns : Mapping, optional
            Which column feeds which input, either way round. Inputs go by display or variable name. None after an
            input leaves it out; a list of headers feeds a list input from all of them. What is not named is matched.
        constants : Mapping, optional
            Input to the value that every row gets.
        files_root : str or path, optional
            Where relative file paths begin; None: beside the workbook that ``df`` was read from, else here.
        dates, decimal : str or Mapping, optional
            How to read dates and numbers written as text, where a column could be read in two ways.
        use_defaults : bool
            True fills inputs that nothing feeds with the author's samples; never files.
        **initiate
            Parameters of ``POST /job/initiate``. ``title``, ``description``, ``initial_input`` (its values, at any
            depth), ``ref_user_id``, ``web_app_id`` and ``workspaces`` may be templates over the row's columns, as in
            ``title="Claim {Ref}"``; braces that are meant are written twice.

        Returns
        -------
        Plan

        Raises
        ------
        MappingError
            A column or input was named that does not exist.
        SheetUnreadable
            ``df`` is not a plain table.
        """
        connection = with_parameters(self._connection, initiate)
        schema = connection.record.inputs
        mapping = map_columns(df, schema, columns, constants, use_defaults=use_defaults, files_root=files_root)
        sheet = check_sheet(df, schema, mapping, files_root=files_root, dates=dates, decimal=decimal)
        return Plan(connection, df, sheet)

    def run(self, df: pd.DataFrame, **options: Any) -> Run:
        """Plan and start in one step; takes what `plan` and ``plan.start`` take.

        Raises
        ------
        PlanRefused
            Some rows cannot be sent, and ``on_invalid="skip"`` was not given. Nothing was sent.
        """
        for_start = {name: options.pop(name) for name in _START_OPTIONS & set(options)}
        return self.plan(df, **options).start(**for_start)

    def submit(self, **inputs: Any) -> Job:
        """Run one job. Returns at once; ``job.wait()`` waits for its end.

        The same inputs again give the same job, so that running a cell twice does not pay twice;
        ``fresh=True`` buys a new one.

        Parameters
        ----------
        **inputs
            By display name written as an identifier (case and punctuation forgiven: ``TextInput=``,
            ``file_input_single=``), or by variable name. Files as paths. Beside them the options of
            ``plan.start``, where no input has that name.

        Returns
        -------
        Job

        Raises
        ------
        MappingError
            An input that the workflow does not have.
        PlanRefused
            A value that cannot be sent; ``.issues`` has them all. Nothing was sent.
        """
        schema = self._connection.record.inputs
        given: dict[str, Any] = {}
        options: dict[str, Any] = {}
        for name, value in inputs.items():
            if name in _SUBMIT_OPTIONS and name not in _identifiers(schema):
                options[name] = value
            else:
                given[_find_input(schema, name)] = value
        initiate = {name: options.pop(name) for name in _INITIATE_OPTIONS & set(options)}
        files_root = options.pop("files_root", None)
        row, sheet = check_inputs(schema, given, workflow_name=self.name, files_root=files_root)
        initiate.setdefault("title", self._connection.titles.get("title", self.name or "opus_nb"))
        plan = Plan(with_parameters(self._connection, name_inputs(initiate, schema)), row, sheet)
        # The name follows from the inputs: the same call finds the same job.
        meaning = json.dumps([self.id, self.version, given], sort_keys=True, default=str)
        name = f"{plan.default_name}-job-{hashlib.sha256(meaning.encode()).hexdigest()[:8]}"
        with in_words_of_inputs(schema, given):
            return Job(plan.start(**{"name": name, **options}))

    def form(
        self,
        row: Any = None,
        *,
        columns: Mapping[str, Any] | None = None,
        constants: Mapping[str, Any] | None = None,
        files_root: str | PathLike[str] | None = None,
        dates: str | Mapping[str, str] | None = None,
        decimal: str | Mapping[str, str] | None = None,
        widgets: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Form:
        """Fill in one job by hand, and run it: a widget.

        *Run* checks everything first, sends one job, and shows it below until it is over. Inputs that were sent
        before, in whichever run of this ledger, are not sent again unless you confirm it by a second press.
        ``form.value`` is what would be sent, both ways; ``form.table`` collects filled forms for `plan`.

        Parameters
        ----------
        row : Series, Mapping or DataFrame of one row, optional
            Fills the form, as in ``wf.form(df.iloc[3])``: read as `plan` reads it, and what is wrong stands beside
            the field, to be mended.
        columns, constants, files_root, dates, decimal : optional
            How to read that row; as in `plan`.
        widgets : Mapping, optional
            Own controls, by input or by type; see `opus_nb.screen.fields`.
        **options
            What `submit` takes beside inputs, such as ``title``.

        Returns
        -------
        Form

        Raises
        ------
        SettingsError
            There is no such option.
        """
        reading = {"columns": columns, "constants": constants, "files_root": files_root}
        reading |= {"dates": dates, "decimal": decimal}
        return make_form(
            self._connection, submit=self.submit, row=row, reading=reading, widgets=widgets, options=options
        )

    def map(
        self,
        df: pd.DataFrame,
        *,
        columns: Mapping[str, Any] | None = None,
        constants: Mapping[str, Any] | None = None,
        files_root: str | PathLike[str] | None = None,
        dates: str | Mapping[str, str] | None = None,
        decimal: str | Mapping[str, str] | None = None,
        use_defaults: bool = False,
        **initiate: Any,
    ) -> Mapper:
        """Say by hand which column feeds which input, and see at once what follows: a widget.

        Takes what `plan` takes, and begins with what `plan` would do. Nothing is sent.

        Returns
        -------
        Mapper
            ``.plan()`` gives the `Plan` of what is chosen, ``.columns`` and ``.constants`` the choice itself;
            ``.save(path)`` and ``.load(path)`` keep it as JSON, by display name.

        Raises
        ------
        MappingError, SheetUnreadable
            As `plan`.
        """
        connection = with_parameters(self._connection, initiate)
        reading = {"files_root": files_root, "dates": dates, "decimal": decimal}
        return make_mapper(
            connection, df, columns=columns, constants=constants, use_defaults=use_defaults, reading=reading
        )

    def _card(self) -> Any:
        record = self._connection.record
        return workflow_card(
            name=record.name,
            workflow_id=record.workflow_id,
            inputs=record.inputs,
            outputs=record.outputs,
            description=record.description,
            active=record.active,
            version=record.version_label or (None if record.version is None else str(record.version)),
            generation=self.generation,
            price=record.estimate.price,
            time_s=record.estimate.time_s,
        )

    def __repr__(self) -> str:
        return str(self._card().text)

    def _repr_html_(self) -> str:
        return str(self._card().html)


_START_OPTIONS = {
    "name",
    "max_concurrency",
    "max_jobs",
    "max_cost",
    "max_minutes",
    "stop_after_failures",
    "patience_s",
    "on_invalid",
    "fetch_audit",
    "progress",
    "fresh",
}
_INITIATE_OPTIONS = {*InitiateParameters.__slots__, "title", "description"}
_SUBMIT_OPTIONS = _START_OPTIONS | _INITIATE_OPTIONS | {"files_root"}


def _fields_frame(schema: Schema) -> pd.DataFrame:
    fields = list(schema)
    columns: dict[str, Any] = {
        "variable_name": pd.array([each.variable_name for each in fields], dtype="string"),
        "display_name": pd.array([each.display_name for each in fields], dtype="string"),
        "type": pd.array([each.type for each in fields], dtype="string"),
        "required": pd.array([each.required for each in fields], dtype="bool"),
        "description": pd.array([each.description for each in fields], dtype="string"),
        "options": pd.Series([list(each.options) for each in fields], dtype=object),
        "default": pd.Series([each.default for each in fields], dtype=object),
    }
    frame: pd.DataFrame = pd.DataFrame(columns)
    return frame


def _fold(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _identifiers(schema: Schema) -> set[str]:
    return {each.variable_name for each in schema} | {each.display_name for each in schema}


def _find_input(schema: Schema, name: str) -> str:
    for same in (
        lambda each: each.variable_name == name,
        lambda each: each.display_name == name,
        lambda each: _fold(each.display_name) == _fold(name) or _fold(each.variable_name) == _fold(name),
    ):
        found = [each.variable_name for each in schema if same(each)]
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise MappingError(
                f"Several inputs are called {name!r}",
                where=f"wf.submit({name}=...)",
                came_back=", ".join(found),
                next_step="Use the variable name.",
            )
    labels = [each.display_name for each in schema]
    near = closest_names(name, [*labels, *sorted(_SUBMIT_OPTIONS)])
    raise MappingError(
        f"The workflow has no input {name!r}",
        where=f"wf.submit({name}=...)",
        came_back="its inputs are " + (", ".join(map(repr, labels)) if labels else "none"),
        next_step=f"Did you mean {near[0]!r}?" if near else "wf.inputs lists them.",
    )
