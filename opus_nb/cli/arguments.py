"""What can be typed after ``opus-nb``, and what the exit codes mean."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import opus_nb
from opus_nb.cli.checking import check_command
from opus_nb.cli.demo import demo_command
from opus_nb.cli.listing import runs_command
from opus_nb.cli.printing import INTERRUPTED, REFUSED, tell
from opus_nb.cli.serving import sandbox_command
from opus_nb.cli.sheet_run import run_command
from opus_nb.errors import OpusError

__all__ = ["main", "read_arguments"]

_EXITS = """\
exit codes:
  0    every row ended well
  2    refused before anything was sent: bad arguments, cells that cannot be sent, no key, no such workflow
  3    some rows did not end well, or are invalid, skipped, uncertain or waiting for a person
  130  interrupted; the same command again continues, and pays for nothing twice

The service key is taken from OPUS_SERVICE_KEY, the keyring, or a hidden prompt; never from an argument.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; None takes the ones it was called with.

    Returns
    -------
    int
        0 when every row ended well, 3 when some did not, 2 when nothing was sent because something was refused,
        130 after an interrupt.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a character must not end a run.
            stream.reconfigure(errors="replace")
    arguments = read_arguments(argv)
    try:
        return int(arguments.act(arguments))
    except OpusError as error:
        tell(f"opus-nb: {error}")
        return REFUSED
    except KeyboardInterrupt:
        tell("Interrupted. Nothing that was begun is lost: the same command again continues it.")
        return INTERRUPTED


def read_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse a command line; ``.act`` is what it asks for.

    Raises
    ------
    SystemExit
        Code 2, after an explanation on stderr; code 0 after ``--help`` and ``--version``.
    """
    return _parser().parse_args(argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opus-nb",
        description="One Opus job per row of a sheet, and everything back as tables.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"opus_nb {opus_nb.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="{check,demo,run,runs,sandbox}")

    check = commands.add_parser(
        "check", help="test the connection: address, key, and a workflow if you name one; sends nothing that costs"
    )
    check.add_argument("workflow", nargs="?", metavar="WORKFLOW", help="an id, or its address in the Opus app")
    _add_base_url(check)
    check.set_defaults(act=check_command)

    demo = commands.add_parser("demo", help="a sheet through the sandbox, from nothing to plots; needs no key")
    demo.add_argument("--rows", type=_whole(9), default=72, help="rows of the sheet (default 72)")
    demo.add_argument(
        "--out", type=Path, default=Path("demo-output"), help="folder for all of it (default demo-output)"
    )
    demo.add_argument("--time-scale", type=_positive, default=1.0, help="0.1 makes jobs ten times faster (default 1)")
    demo.set_defaults(act=demo_command)

    run = commands.add_parser(
        "run",
        help="run every row of a sheet",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("sheet", metavar="SHEET", type=Path, help="xlsx, xlsm, xls, csv or tsv; one job per row")
    run.add_argument("--workflow", required=True, metavar="ID", help="its id, or its address in the Opus app")
    run.add_argument("--out", required=True, metavar="FILE", type=Path, help="results: .xlsx, .csv, .tsv or .parquet")
    run.add_argument("--columns", metavar="FILE", type=Path, help="JSON object: input to column")
    run.add_argument("--constants", metavar="FILE", type=Path, help="JSON object: input to the value of every row")
    run.add_argument("--files-root", metavar="DIR", type=Path, help="where file paths begin (default: beside SHEET)")
    run.add_argument("--sheet", dest="tab", metavar="NAME", help="which sheet of the workbook (default: the first)")
    run.add_argument("--dates", metavar="ORDER", help="dmy, mdy, ymd or a strptime format, for dates written as text")
    run.add_argument("--decimal", choices=[".", ","], help="decimal mark of numbers written as text")
    run.add_argument("--name", help="name of the run; the same name again continues it (default: from the mapping)")
    run.add_argument("--max-concurrency", type=_whole(1), metavar="N", help="rows at Opus at once")
    run.add_argument("--max-jobs", type=_whole(0), metavar="N", help="jobs that may be executed in all")
    run.add_argument("--max-cost", type=float, metavar="X", help="the same in money, as Opus estimates it")
    run.add_argument("--on-invalid", choices=["raise", "skip"], default="raise", help="when rows cannot be sent")
    run.add_argument("--dry-run", action="store_true", help="show mapping, issues and estimate; send no row")
    _add_base_url(run)
    _add_ledger(run)
    run.set_defaults(act=run_command)

    runs = commands.add_parser("runs", help="list the runs of the ledger; needs no key")
    _add_ledger(runs)
    runs.set_defaults(act=runs_command)

    sandbox = commands.add_parser("sandbox", help="an Opus on this machine, for trying things; the key is: sandbox")
    sandbox.add_argument("--port", type=_whole(0), default=8765, help="0 takes any free one (default 8765)")
    sandbox.add_argument("--time-scale", type=_positive, default=1.0, help="0.1 makes jobs ten times faster")
    sandbox.set_defaults(act=sandbox_command)
    return parser


def _add_base_url(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-url", metavar="URL", help="address of Opus (default: OPUS_BASE_URL, else the service)")


def _add_ledger(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ledger", metavar="DIR", type=Path, help="folder of the ledger (default: OPUS_NB_LEDGER, else .opus_nb)"
    )


def _whole(least: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more, not {number}")
        return number

    return whole_number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return number
