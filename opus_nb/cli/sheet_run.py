"""``opus-nb run``: a sheet from the shell, checked, run, waited for and saved."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opus_nb
from opus_nb.cli.printing import (
    DONE,
    INTERRUPTED,
    NOT_ALL_WELL,
    REFUSED,
    estimate_words,
    print_counts,
    print_issues,
    print_table,
    say,
    tell,
)
from opus_nb.errors import OpusError, PlanRefused, SettingsError

if TYPE_CHECKING:
    import pandas as pd

    from opus_nb.plan import Plan
    from opus_nb.run import Run

__all__ = ["run_command"]


def run_command(arguments: argparse.Namespace) -> int:
    """Run every row of a sheet; see ``opus-nb run --help``."""
    _check_out(arguments.out, arguments.sheet)
    columns = _read_mapping(arguments.columns, "--columns")
    constants = _read_mapping(arguments.constants, "--constants")
    reading = {} if arguments.tab is None else {"sheet": arguments.tab}
    with opus_nb.connect(base_url=arguments.base_url, ledger=arguments.ledger) as opus:
        workflow = opus.workflow(arguments.workflow)
        sheet = workflow.read(arguments.sheet, **reading)
        plan = workflow.plan(
            sheet,
            columns=columns,
            constants=constants,
            files_root=arguments.files_root,
            dates=arguments.dates,
            decimal=arguments.decimal,
        )
        return (_dry_run if arguments.dry_run else _start)(plan, sheet, arguments)


def _start(plan: Plan, sheet: pd.DataFrame, arguments: argparse.Namespace) -> int:
    limits = {name: getattr(arguments, name) for name in ("max_concurrency", "max_jobs", "max_cost")}
    given = {name: value for name, value in limits.items() if value is not None}
    skip = arguments.on_invalid == "skip"
    if skip:
        print_issues(plan, sheet, tell)
    try:
        run = plan.start(name=arguments.name, on_invalid=arguments.on_invalid, **given)
    except PlanRefused as error:
        if not skip:
            print_issues(plan, sheet, tell)
        tell(f"opus-nb: {error.what.splitlines()[0]}")
        if plan.ready and not skip:
            tell(f"Correct the sheet, or run the other {plan.ready} rows with --on-invalid skip.")
        return REFUSED
    return _see_through(run, arguments.out)


def _see_through(run: Run, out: Path) -> int:
    """Wait for the end, save what there is even when it is not all, and judge it."""
    failure: OpusError | None = None
    try:
        run.wait()
    except OpusError as error:
        failure = error
    except KeyboardInterrupt:
        # It came between two of the moments at which wait() listens for one.
        run.let_go()
    counts = run.counts
    left = int(counts.reindex(["queued", "running"]).fillna(0).sum())
    try:
        saved = run.save(out)
    except OpusError as error:
        tell(f"opus-nb: {error}\nThe results are in the ledger, under the name {run.name!r}; nothing is lost.")
        return NOT_ALL_WELL
    print_counts(counts)
    for path in saved:
        say(str(path))
    if failure is not None:
        tell(f"opus-nb: {failure}")
        return NOT_ALL_WELL
    if left:
        tell(
            f"Stopped with {left} rows left. The same command again continues run {run.name!r}; "
            "rows that are done, or at Opus already, are not paid for again."
        )
        return INTERRUPTED
    if "waiting" in counts.index:
        tell("Some rows wait for a person in Opus. The same command later picks up what has been answered.")
    return DONE if set(counts.index) <= {"completed"} else NOT_ALL_WELL


def _dry_run(plan: Plan, sheet: pd.DataFrame, arguments: argparse.Namespace) -> int:
    rows = [
        (each["input"], "<-", each["column"] if each["source"] == "column" else each["source"], each["reason"])
        for each in plan.mapping.astype(object).fillna("").to_dict("records")
    ]
    print_table(("input", "", "column", "why"), rows, say)
    say("")
    print_issues(plan, sheet, say)
    say(f"{plan.ready} of {len(plan)} rows can be sent. {estimate_words(plan)} Nothing was sent.")
    if plan.ready == len(plan) and len(plan):
        return DONE
    return NOT_ALL_WELL if plan.ready and arguments.on_invalid == "skip" else REFUSED


def _check_out(out: Path, sheet: Path) -> None:
    """Refuse a place for the results while that still costs nothing."""
    if out.suffix.lower() not in {".xlsx", ".csv", ".tsv", ".parquet"}:
        raise SettingsError(
            "The results cannot be saved under this name", where=f"--out {out}",
            next_step="End it in .xlsx, .csv, .tsv or .parquet. Nothing was sent.",
        )  # fmt: skip
    if out.exists() and sheet.exists() and out.samefile(sheet):
        raise SettingsError(
            "The results would replace the sheet itself", where=f"--out {out}", next_step="Choose another name."
        )
    folder = out.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise SettingsError(
            "The results cannot be written there", where=f"--out {out}", next_step="Choose another place."
        )


def _read_mapping(path: Path | None, option: str) -> Mapping[str, Any] | None:
    if path is None:
        return None
    advice = 'It holds one JSON object, like {"Claim form": "pdf_path"}.'
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(
            "The mapping cannot be opened", where=f"{option} {path}", came_back=error.strerror, next_step=advice
        ) from error
    except ValueError as error:
        raise SettingsError(
            "The mapping is not JSON", where=f"{option} {path}", came_back=str(error), next_step=advice
        ) from error
    if not isinstance(found, dict):
        raise SettingsError(
            "The mapping is not a JSON object", where=f"{option} {path}",
            came_back=f"a {type(found).__name__}", next_step=advice,
        )  # fmt: skip
    return found
