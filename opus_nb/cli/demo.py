"""``opus-nb demo``: from nothing to plots in half a minute, without a key and without a network."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import opus_nb
from opus_nb.cli.printing import DONE, INTERRUPTED, estimate_words, print_counts, print_issues, say, tell
from opus_nb.errors import SettingsError

if TYPE_CHECKING:
    from opus_nb.run import Run

__all__ = ["demo_command"]


def demo_command(arguments: argparse.Namespace) -> int:
    """Show the whole way once, and leave everything in one folder."""
    from opus_nb.sandbox.samples import write_samples
    from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID

    out: Path = arguments.out
    say(
        "An insurer has a workbook of claims, and a folder of forms, photos and receipts.\n"
        "Each row becomes one job on a sandbox: an Opus on this machine. Nothing leaves it, nothing costs anything.\n"
    )
    try:
        workbook = write_samples(out / "input", rows=arguments.rows)
    except OSError as error:
        raise SettingsError(
            "The demo cannot write there", where=f"--out {out}", came_back=error.strerror, next_step="Choose another."
        ) from error
    say(f"1. Written: {workbook} and {len(list((out / 'input' / 'files').iterdir()))} files beside it.")
    with opus_nb.sandbox(time_scale=arguments.time_scale, ledger=out / ".opus_nb") as opus:
        workflow = opus.workflow(CLAIM_TRIAGE_ID)
        sheet = workflow.read(workbook)
        plan = workflow.plan(sheet)
        found = int((plan.mapping["source"] == "column").sum())
        say(f"2. Checked before anything is sent: {found} of {len(plan.mapping)} inputs found their columns, though")
        say('   the headers are spelled otherwise ("CLAIMED AMOUNT", "Date of loss:"), and some rows cannot be sent:\n')
        print_issues(plan, sheet, say)
        say(f"3. {plan.ready} of {len(plan)} rows are sent, the others are kept for you. {estimate_words(plan)}")
        earlier = len(opus.runs())
        run = plan.start(name=f"demo-{earlier + 1}" if earlier else "demo", on_invalid="skip")
        if earlier:
            say(f"   An earlier demo is in this folder: this is run {run.name!r}, and its files replace the others.")
        run.wait()
        if run.state == "stopped":
            tell("The demo was stopped, and its sandbox with it. Start it again whenever you like.")
            return INTERRUPTED
        paid = opus.sandbox.books(summary=True)["executions"]
        plan.start(name=run.name, on_invalid="skip", progress="off").wait()
        again = opus.sandbox.books(summary=True)["executions"] - paid
        say(f"\n4. Done: {paid} jobs were executed. The same run was then started once more: {again} new jobs.\n")
        print_counts(run.counts)
        say("")
        for path, what in _save_all(run, out):
            say(f"   {path!s:<34} {what}")
    say(_AFTER_THE_DEMO.format(out=out))
    return DONE


_AFTER_THE_DEMO = """
What next
   Open {out}/results.xlsx: your columns, and beside them the answers, or why there is none.
   make notebook       the same in Jupyter, step by step (notebooks/01-quickstart.ipynb)
   opus-nb --help      the same from a shell, with your own sheet
   With a real account: set OPUS_SERVICE_KEY (in Opus: My Organization, settings, API Keys), and then in Python
       wf = opus_nb.connect().workflow("the address of your workflow, copied from the browser")"""


def _save_all(run: Run, out: Path) -> Iterator[tuple[Path, str]]:
    yield run.save(out / "results.xlsx")[0], "one row per row of the sheet; jobs, audit and nodes on other sheets"
    audit = run.audit()
    audit.to_csv(out / "audit.csv", index=False)
    yield out / "audit.csv", f"{len(audit):,} audit entries, one per executed node, times in UTC"
    for draw, what in (
        (run.plot.outcomes, "how many rows ended how"),
        (run.plot.durations, "how long the jobs took"),
        (run.plot.timeline, "when each of them ran"),
    ):
        figure: Any = draw().figure
        path = out / f"{draw.__name__}.png"
        figure.savefig(path, dpi=150, bbox_inches="tight")
        yield path, what
