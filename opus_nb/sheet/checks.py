"""Every cell of a sheet judged before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from opus_nb.errors import SettingsError
from opus_nb.service.schema import Field, Schema
from opus_nb.sheet.casts import Cast, CastSettings
from opus_nb.sheet.cells import MISSING, is_missing, shorten, show_list, show_text
from opus_nb.sheet.checked import CheckedSheet
from opus_nb.sheet.dates import read_order
from opus_nb.sheet.distinct import Codes, distinct_values, spread_values
from opus_nb.sheet.files import FileDesk
from opus_nb.sheet.findings import ISSUE_COLUMNS, FindingLog, Problem, error, warning
from opus_nb.sheet.headers import column_letter, fold_name, header_texts, is_unnamed, repeated, require_table
from opus_nb.sheet.likeness import closest_names
from opus_nb.sheet.mapping import ColumnMapping, InputSource, require_folder
from opus_nb.sheet.origins import Origin, read_origin
from opus_nb.sheet.targets import cast_values

__all__ = ["ISSUE_COLUMNS", "CheckedSheet", "check_sheet"]


def check_sheet(
    df: pd.DataFrame,
    schema: Schema,
    mapping: ColumnMapping,
    *,
    files_root: str | PathLike[str] | None = None,
    dates: str | Mapping[str, str] | None = None,
    decimal: str | Mapping[str, str] | None = None,
) -> CheckedSheet:
    """Cast every mapped cell to what its input takes, and collect all problems at once.

    Nothing is sent, no file is read beyond its first bytes, and ``df`` stays as it is. Work goes by column and by
    distinct value: 100,000 rows of 10 inputs take a few seconds.

    Parameters
    ----------
    df : pandas.DataFrame
        The frame that was mapped; any dtypes.
    schema : Schema
        The workflow's inputs.
    mapping : ColumnMapping
        What `map_columns` made of the two.
    files_root : str or path, optional
        Where relative paths begin. None: the folder of the workbook that ``df`` was read from, else the current one.
    dates : str or Mapping, optional
        ``"dmy"``, ``"mdy"``, ``"ymd"`` or a strptime format; or one of these by column or input. None: only what can
        be read in one way is.
    decimal : str or Mapping, optional
        ``"."`` or ``","``, the decimal mark of numbers written as text; or one by column or input. None: as the
        column itself says.

    Returns
    -------
    CheckedSheet

    Raises
    ------
    SheetUnreadable
        ``df`` is no DataFrame, or its rows or columns have several levels.
    SettingsError
        ``dates`` or ``decimal`` is none of the words above, or ``files_root`` is no path.
    """
    return _Check(require_table(df), schema, mapping, files_root, dates, decimal).run()


class _Check:
    """One check of one sheet."""

    def __init__(
        self,
        df: pd.DataFrame,
        schema: Schema,
        mapping: ColumnMapping,
        files_root: str | PathLike[str] | None,
        dates: str | Mapping[str, str] | None,
        decimal: str | Mapping[str, str] | None,
    ) -> None:
        self.df, self.schema, self.mapping = df, schema, mapping
        self.headers = header_texts(df)
        self.origin: Origin = read_origin(df)
        self.log = FindingLog(len(df))
        require_folder(files_root)
        root = files_root if files_root is not None else (self.origin.folder or ".")
        self.desk = FileDesk(root, also=() if files_root is not None else self.origin.other_folders)
        self.root_given = files_root is not None
        self.dates = _read_choice(dates, "dates", read_order, 'one of "dmy", "mdy", "ymd" or a format like "%d.%m.%Y"')
        marks = {".": ".", ",": ","}
        self.decimal = _read_choice(decimal, "decimal", marks.get, 'one of "." and ","')
        self._check_names(self.dates, "dates")
        self._check_names(self.decimal, "decimal")
        self.columns: dict[str, list[Any]] = {}
        self.constants: dict[str, Any] = {}
        self.codes: list[Codes] = []

    def run(self) -> CheckedSheet:
        self._check_whole()
        for order, source in enumerate(self.mapping.sources, 1):
            if source.source in ("constant", "default"):
                self._check_constant(source)
            elif source.source == "column":
                self._check_column(order, source)
            elif source.field.required:
                self._tell_unfed(source)
            elif source.suggestions:
                self._tell_open(source)
        self._check_repeated_rows()
        issues, positions, invalid = self.log.to_frame(self.df.index)
        return CheckedSheet(
            index=self.df.index,
            row_count=len(self.df),
            columns=self.columns,
            constants=self.constants,
            issues=issues,
            issue_positions=positions,
            invalid=invalid,
            schema=self.schema,
            mapping=self.mapping,
            _frame=self.df,
        )

    def _check_names(self, choice: str | dict[str, str] | None, argument: str) -> None:
        known = [*self.headers, *(name for each in self.schema for name in (each.display_name, each.variable_name))]
        folded = {fold_name(name) for name in known}
        for name in choice if isinstance(choice, dict) else ():
            if name not in folded:
                raise SettingsError(
                    f"{argument}= names {name!r}, which is neither a column nor an input",
                    next_step=f"Did you mean {show_list(closest_names(name, known)) or 'another one'}?",
                    name=name,
                )

    # ---- the sheet as a whole

    def _check_whole(self) -> None:
        add = self.log.add_sheet
        if not len(self.schema):
            problem = "The workflow takes no inputs, so every row would start the same job"
            add(warning("no_inputs", problem, "Send one row, or check that it is the right workflow: wf.inputs."))
        if not len(self.df):
            add(error("no_rows", "The sheet has no rows", "Fill in at least one row below the headers."))
        if self.root_given and not self.desk.root.is_dir():
            problem = f"files_root= is no folder: {self.desk.root}"
            add(error("files_root_missing", problem, "Correct the folder."), input_name=None)
        used = _used_headers(self.mapping)
        for header, count in repeated(self.headers).items():
            severity = error if header in used else warning
            problem = f'{count} columns are called "{shorten(header, 40)}"'
            add(severity("duplicate_header", problem, "Rename all but one.", shorten(header)), column=header)
        for place, header in enumerate(self.headers):
            if is_unnamed(header) and not all(map(is_missing, self.df.iloc[:, place].tolist())):
                problem = f"Column {column_letter(place)} has values and no header, so it feeds nothing"
                add(warning("empty_header", problem, "Give it a header."), column=header)
        for note in self.origin.notes:
            # Who took such rows away has followed the advice.
            if note.code == "totals_row" and self.origin.row_count - 1 not in self.df.index:
                continue
            if note.code in ("totals_within", "headers_repeated"):
                places = set(map(int, re.findall(r"\d+", note.fix)))
                if not self.df.index.isin(places).any():
                    continue
            add(note)
        for header in self.mapping.unused:
            if not is_unnamed(header) and header not in self.origin.result_headers and len(self.schema):
                problem = f'The column "{shorten(header, 40)}" feeds no input'
                add(warning("unused_column", problem, "Nothing to do, or name its input in columns=."), column=header)

    def _tell_unfed(self, source: InputSource) -> None:
        shown = source.field.display_name
        fix = f'Name its column, columns={{"{shown}": "<header>"}}, or give one value for all rows in constants=.'
        if source.suggestions:
            fix = f'If it is {show_list([name for name, _ in source.suggestions], 3)}: columns={{"{shown}": '
            fix += f'"{source.suggestions[0][0]}"}}.'
        problem = f'Nothing feeds the required input "{shown}": {source.reason.removeprefix("open: ")}'
        self.log.add_sheet(error("unfed_input", problem, fix), input_name=shown)

    def _tell_open(self, source: InputSource) -> None:
        shown = source.field.display_name
        problem = f'The input "{shown}" is left out: {source.reason.removeprefix("open: ")}'
        fix = f'columns={{"{shown}": "{source.suggestions[0][0]}"}} feeds it.'
        self.log.add_sheet(warning("open_input", problem, fix), input_name=shown)

    # ---- constants

    def _check_constant(self, source: InputSource) -> None:
        target, value = source.field, source.constant
        if is_missing(value):
            if target.required:
                problem = f'The constant for the required input "{target.display_name}" is empty'
                fix = "Give a value, or map a column."
                self.log.add_sheet(error("missing", problem, fix), input_name=target.display_name)
            return
        cast = cast_values(target, [value], self._settings(target, None))
        shown = shorten(show_text(value))
        for each in [*cast.problems.get(0, ()), *cast.remarks]:
            told = replace(each, problem=f"The constant {shorten(shown, 30)!r} does not fit: {each.problem}")
            told = told if each.severity == "error" else each
            self.log.add_sheet(replace(told, value=each.value or shown), input_name=target.display_name)
        if cast.values[0] is not MISSING:
            self.constants[target.variable_name] = cast.values[0]

    # ---- columns

    def _check_column(self, order: int, source: InputSource) -> None:
        target = source.field
        if source.members:
            cells = self._join_members(source)
            header = source.column or ""
        else:
            header = source.column or ""
            cells = self.df.iloc[:, self.headers.index(header)].tolist()
        codes, uniques = distinct_values(cells)
        self.codes.append(codes)
        settings = self._column_settings(source)
        cast = cast_values(target, uniques, settings)
        problems = _at_members(source, cast.problems, uniques) if source.members else cast.problems
        self.columns[target.variable_name] = spread_values(cast.values, codes)
        self.log.add_cells(codes, uniques, problems, order=order, column=header, input_name=target.display_name)
        for remark in cast.remarks:
            self.log.add_sheet(remark, column=header, input_name=target.display_name)
        if source.is_guess:
            problem = f'The column "{header}" is taken for the input "{target.display_name}": {source.reason}'
            fix = f'If it is right, say so: columns={{"{target.display_name}": "{header}"}}.'
            self.log.add_sheet(warning("guessed_column", problem, fix), column=header, input_name=target.display_name)
        if target.required:
            rows = np.flatnonzero(codes < 0)
            problem = f'The cell is empty, and "{target.display_name}" is required'
            fix = "Fill it in."
            if target.kind == "bool" and all(value is True for value in cast.values):
                fix = f'Write no, or, if an empty cell means no: df["{header}"] = df["{header}"].notna().'
            self.log.add_rows(
                rows,
                error("missing", problem, fix),
                order=order,
                column=header,
                input_name=target.display_name,
            )

    def _join_members(self, source: InputSource) -> list[Any]:
        """Return one dict per row, put together from columns like ``Contact.email``; of lists, one list per row."""
        parts = [(path, self.df.iloc[:, self.headers.index(header)].tolist()) for path, header in source.members]
        if source.field.kind != "object":
            every = zip(*(cells for _, cells in parts), strict=True)
            return [[cell for cell in cells if not is_missing(cell)] or None for cells in every]
        rows: list[Any] = []
        for position in range(len(self.df)):
            built: dict[str, Any] = {}
            for path, cells in parts:
                if is_missing(cells[position]):
                    continue
                inner = built
                for name in path[:-1]:
                    step = inner.setdefault(name, {})
                    inner = step if isinstance(step, dict) else inner
                inner[path[-1]] = cells[position]
            rows.append(built or None)
        return rows

    def _settings(self, target: Field, header: str | None) -> CastSettings:
        names = [name for name in (header, target.display_name, target.variable_name) if name]
        return CastSettings(
            cast=cast_values,
            find_file=self.desk.find,
            dates=_choice_for(self.dates, names),
            decimal=_choice_for(self.decimal, names),
            date1904=self.origin.date1904,
            from_workbook=self.origin.is_workbook and header is not None,
            number_format=self.origin.number_formats.get(header or "", ""),
        )

    def _column_settings(self, source: InputSource) -> CastSettings:
        """Return how the cells of an input are read; each member of an object, by what is said of its own column."""
        settings = self._settings(source.field, source.column or "")
        own: dict[int, CastSettings] = {}
        for path, header in source.members:
            mine = self._settings(source.field, header)
            if source.field.kind != "object":  # several columns of one list: the first that says anything
                settings = replace(
                    settings,
                    dates=settings.dates or mine.dates,
                    decimal=settings.decimal or mine.decimal,
                    number_format=settings.number_format or mine.number_format,
                )
                continue
            member: Field | None = source.field
            for name in path:
                member = next((each for each in member.members if each.variable_name == name), None) if member else None
            if member is not None:
                own[id(member)] = mine

        def cast_member(target: Field, values: Sequence[Any], given: CastSettings) -> Cast:
            mine = own.get(id(target))
            if mine is not None:
                given = replace(given, dates=mine.dates, decimal=mine.decimal, number_format=mine.number_format)
            return cast_values(target, values, given)

        return replace(settings, cast=cast_member) if own else settings

    def _check_repeated_rows(self) -> None:
        """Warn of rows whose mapped cells all equal those of an earlier row."""
        if len(self.df) < 2 or not self.codes:
            return
        together = pd.DataFrame(dict(enumerate(self.codes)))
        empty = (together < 0).all(axis=1).to_numpy()
        again = together.duplicated().to_numpy() & ~empty
        if not again.any():
            return
        rows = np.flatnonzero(again)
        problem = "Every mapped cell equals that of an earlier row; it is sent, and paid for, again"
        fix = "If it is there twice by accident: df = df.drop_duplicates()."
        self.log.add_rows(rows, warning("duplicate_row", problem, fix), order=10_000)


def _at_members(
    source: InputSource, problems: Mapping[int, list[Problem]], uniques: Sequence[Any]
) -> dict[int, list[Problem]]:
    """Put each problem of an object's member at the column that gives this member."""
    headers = dict(source.members)

    def at_member(each: Problem, built: Any) -> Problem:
        for length in range(len(each.part), 0, -1):
            header = headers.get(each.part[:length])
            if header is not None:
                for step in each.part[:length]:
                    built = built.get(step) if isinstance(built, Mapping) else None
                return replace(each, column=header, value=show_text(built) if each.value is None else each.value)
        return each

    return {place: [at_member(each, uniques[place]) for each in every] for place, every in problems.items()}


def _used_headers(mapping: ColumnMapping) -> set[str]:
    used: set[str] = set()
    for each in mapping.sources:
        used |= {header for _, header in each.members} | ({each.column} if each.column else set())
        used |= {header for header, _ in each.suggestions}
    return used


def _read_choice(given: Any, name: str, read: Any, expected: str) -> str | dict[str, str] | None:
    if given is None:
        return None
    if isinstance(given, Mapping):
        return {fold_name(str(key)): str(_read_choice(value, name, read, expected)) for key, value in given.items()}
    found = read(given) if isinstance(given, str) else None
    if found is None:
        raise SettingsError(f"{name}={given!r} is not known", next_step=f"Give {expected}.", name=name)
    return str(found)


def _choice_for(choice: str | dict[str, str] | None, names: Sequence[str]) -> str | None:
    if not isinstance(choice, dict):
        return choice
    return next((choice[fold_name(name)] for name in names if fold_name(name) in choice), None)
