"""Why a plan is refused, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from opus_nb.errors import PlanRefused
from opus_nb.sheet.cells import counted

__all__ = ["SHOWN_ISSUES", "refusal"]

# Errors that a message shows; plan.issues has them all.
SHOWN_ISSUES = 8


def refusal(issues: pd.DataFrame, *, rows: int, ready: int, workflow_name: str) -> PlanRefused:
    """Return the exception that says which cells cannot be sent, and what to do about it.

    Parameters
    ----------
    issues : pandas.DataFrame
        All findings; those that are errors are told.
    rows, ready : int
        Rows of the sheet, and those that can be sent.
    workflow_name : str

    Returns
    -------
    PlanRefused
    """
    errors = issues[issues["severity"] == "error"]
    lines = [_issue_line(each) for each in errors.head(SHOWN_ISSUES).to_dict("records")]
    if len(errors) > SHOWN_ISSUES:
        lines.append(f"  ... and {len(errors) - SHOWN_ISSUES:,} more")
    found = f"{counted(len(errors), 'problem')} in {rows - ready:,} of {counted(rows, 'row')}"
    everything = "plan.issues has it, with a fix;"
    if len(errors) > 1:
        everything = f"plan.issues has all {len(errors):,}, with a fix for each;"
    way_out = "no row can be sent as it is."
    if ready:
        others = "the other row" if ready == 1 else f"the other {ready:,} rows"
        way_out = f'start(on_invalid="skip") runs {others}.'
    return PlanRefused(
        f"Nothing was sent: {found}",
        where=f"workflow {workflow_name!r}",
        came_back="\n".join(lines),
        next_step=f"{everything} {way_out}",
        issues=issues,
    )


def _issue_line(issue: Mapping[Any, Any]) -> str:
    where = "the sheet" if pd.isna(issue["row"]) else f"row {issue['row']}"
    if not pd.isna(issue["column"]):
        where += f", column {issue['column']!r}"
    if not pd.isna(issue["input"]):
        where += f" -> input {issue['input']!r}"
    return f"  {where}: {issue['problem']}"
