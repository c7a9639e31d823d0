"""One job, asked for by itself."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from keyword import iskeyword
from typing import Any

import pandas as pd

from opus_nb.errors import MappingError, PlanRefused
from opus_nb.job import Outcome
from opus_nb.run import Run
from opus_nb.service.schema import Field, Schema
from opus_nb.sheet.checks import CheckedSheet, check_sheet
from opus_nb.sheet.mapping import address_names, map_columns
from opus_nb.titles import rename_holes

__all__ = ["Job", "check_inputs", "in_words_of_inputs", "name_inputs"]

# What a checked sheet says to the owner of a sheet; whoever submits has none.
_OF_A_SHEET = re.compile(
    r"\b(?:cells?|columns?|rows?|sheet|workbook|headers?|formula)\b|\b(?:columns|constants|dates|decimal)=|df\[|pd\.",
    re.I,
)
_GIVE = {
    "date": "Give a date, as in datetime.date(2025, 2, 1) or '2025-02-01'.",
    "float": "Give a number, as in 1250.5.",
    "int": "Give a whole number, as in 1250.",
    "bool": "Give True or False.",
    "file": "Give the path of one file.",
    "files": "Give a list of paths.",
    "array": "Give a list.",
    "object": "Give a dict.",
}


class Job:
    """One job: a run of one row. Made by ``wf.submit()``.

    Attributes
    ----------
    run : Run
        The run behind it, for everything that is not here.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    @property
    def id(self) -> str | None:
        """The id that Opus gave it; None until it has one."""
        return self._outcome().job_id

    @property
    def state(self) -> str:
        """Where it stands: one of the names of ``run.counts``."""
        return self._outcome().state.count_name

    @property
    def error(self) -> str | None:
        """Why it ended without success; None when fine."""
        return self._outcome().error

    @property
    def outputs(self) -> dict[str, Any]:
        """What it answered, by output name; empty until it is complete."""
        row = self.run.results().iloc[0].drop(["state", "job_id", "error"])
        # Plain Python values: numpy's would print as np.float64(0.4).
        return {
            str(name): value.item() if hasattr(value, "item") else value
            for name, value in row.items()
            if not _is_na(value)
        }

    def _outcome(self) -> Outcome:
        return self.run.outcomes(with_texts=False)[0]

    def wait(self, *, for_people: bool = False, timeout_s: float | None = None) -> Job:
        """Block until it is at its end or waits for a person; see `Run.wait`."""
        self.run.wait(for_people=for_people, timeout_s=timeout_s)
        return self

    def __await__(self) -> Generator[Any, None, Job]:
        """Wait without blocking the event loop."""

        async def wait() -> Job:
            await self.run
            return self

        return wait().__await__()

    def results(self) -> pd.DataFrame:
        """One row: state, job id, error, then the outputs; as ``run.results()``."""
        return self.run.results()

    def audit(self) -> pd.DataFrame:
        """One row per audit event or executed node; as ``run.audit()``."""
        return self.run.audit()

    def retry(self) -> Job:
        """Send it again if it ended badly, as a new job that may be charged."""
        self.run.retry()
        return self

    def __repr__(self) -> str:
        return f"<Job {self.id or '(no id yet)'}: {self.state}>"

    def _repr_html_(self) -> str:
        return self.run._repr_html_()

    def _ipython_display_(self) -> None:
        self.run._ipython_display_()


def _is_na(value: Any) -> bool:
    return not isinstance(value, (list, dict)) and bool(pd.isna(value))


# -- what was given, judged ---------------------------------------------------------------------------------


def check_inputs(
    schema: Schema, given: Mapping[str, Any], *, workflow_name: str = "", files_root: Any = None
) -> tuple[pd.DataFrame, CheckedSheet]:
    """Judge what was given for one job as the one row of a sheet, and tell of it in words of inputs.

    Parameters
    ----------
    schema : Schema
        The workflow's inputs.
    given : Mapping
        Variable name to value.

    Returns
    -------
    tuple of (DataFrame, CheckedSheet)
        The row, and what is to be sent.

    Raises
    ------
    PlanRefused
        ``.issues`` has every finding, with a fix; ``row`` and ``column`` are NA. Nothing was sent.
    """
    row = pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in given.items()}, index=[0])
    mapping = map_columns(row, schema, {name: name for name in given}, guess=False)
    sheet = check_sheet(row, schema, mapping, files_root=files_root)
    if not sheet.invalid.any():
        return row, sheet
    issues = sheet.issues.copy()
    told = [_told(each, schema) for each in issues.to_dict("records")]
    issues["problem"] = pd.array([problem for problem, _ in told], dtype=issues["problem"].dtype)
    issues["fix"] = pd.array([fix for _, fix in told], dtype=issues["fix"].dtype)
    issues["row"], issues["column"] = pd.NA, pd.array([None] * len(issues), dtype=issues["column"].dtype)
    errors = issues[issues["severity"] == "error"]
    lines = [_line(each) for each in errors.to_dict("records")]
    raise PlanRefused(
        "Nothing was sent: what was given cannot be used as it is",
        where=f"workflow {workflow_name!r}" if workflow_name else None,
        came_back="\n".join(lines),
        next_step="wf.inputs says what each input takes; .issues of this error has it all as a table.",
        issues=issues,
    )


def name_inputs(value: Any, schema: Schema) -> Any:
    """Return templates that name inputs by their labels as they are named in the row of `check_inputs`."""
    return rename_holes(value, {label: name for name, label in _labels(schema).items()})


@contextmanager
def in_words_of_inputs(schema: Schema, given: Mapping[str, Any]) -> Iterator[None]:
    """Let templates that name no column be told as what they are here: templates that name no input."""
    try:
        yield
    except MappingError as error:
        parameter = getattr(error, "parameter", None)
        if parameter is None:
            raise
        labels = _labels(schema)
        there = [repr(label) for name, label in labels.items() if name in given]
        raise MappingError(
            f"{parameter}= names an input that was not given",
            where=re.sub(r"[\w-]+", lambda word: labels.get(word[0], word[0]), error.where or ""),
            came_back="given were " + (", ".join(there) or "none"),
            next_step=error.next_step,
            parameter=parameter,
        ) from None


def _labels(schema: Schema) -> dict[str, str]:
    """Return variable name to the name by which a person calls the input, and no other."""
    names = address_names(list(schema))
    return {each.variable_name: label for each, label in zip(schema, names, strict=True)}


def _told(issue: Mapping[Any, Any], schema: Schema) -> tuple[str, str]:
    """Say what is wrong with an input, and what to do, without a word about sheets."""
    field = next((each for each in schema if each.display_name == issue["input"]), None)
    problem, fix = str(issue["problem"]), str(issue["fix"])
    if field is None:
        return problem, fix
    if issue["code"] in {"unfed_input", "missing"}:
        problem = "it is required and was not given" if issue["code"] == "unfed_input" else "it is required, and empty"
        return problem, f"Give it as {_argument(field, schema)}=..."
    problem = re.sub(r"\bThe cell\b", "The value", problem)
    problem = re.sub(r"[;,] (?:but )?the column .*$", "", problem)
    return problem, _GIVE.get(field.kind, "Give another value.") if _OF_A_SHEET.search(fix) else fix


def _line(issue: Mapping[Any, Any]) -> str:
    label = "" if pd.isna(issue["input"]) else f"{issue['input']}: "
    return f"  {label}{issue['problem']}. {issue['fix']}"


def _argument(field: Field, schema: Schema) -> str:
    """Return the name under which `submit` takes an input: its label as an identifier where only it is called so."""
    name = re.sub(r"\W+", "_", field.display_name).strip("_").lower()
    alike = [each for each in schema if re.sub(r"[\W_]+", "", each.display_name).lower() == name.replace("_", "")]
    return name if len(alike) == 1 and name.isidentifier() and not iskeyword(name) else field.variable_name
