"""``opus-nb runs``: what is in the ledger."""

from __future__ import annotations

import argparse

import opus_nb
from opus_nb.cli.printing import DONE, print_table, say, tell
from opus_nb.job import COUNT_NAMES

__all__ = ["runs_command"]


def runs_command(arguments: argparse.Namespace) -> int:
    """List the runs of the ledger, the one touched last first."""
    # Only the ledger is read; a key is asked for by what sends something.
    with opus_nb.connect("(none: only the ledger is read)", ledger=arguments.ledger) as opus:
        runs = opus.runs()
    if runs.empty:
        tell("No runs in this ledger.")
        return DONE
    states = [name for name in COUNT_NAMES if runs[name].any()]
    rows = [
        (each["name"], each["workflow"], f"{each['touched_at']:%Y-%m-%d %H:%M} UTC", str(each["rows"]),
         ", ".join(f"{each[state]} {state}" for state in states if each[state]))
        for each in runs.to_dict("records")
    ]  # fmt: skip
    print_table(("name", "workflow", "touched", "rows", "of which"), rows, say)
    return DONE
