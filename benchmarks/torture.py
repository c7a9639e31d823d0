"""A run under fire: random faults on every request, a SIGKILL every few seconds, and the books afterwards.

``python -m benchmarks.torture`` runs 2,000 rows for each of five seeds. A row that is not completed, or of which
more than one job was executed, is a failure of the program, and so is a job that was executed and is in no ledger.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opus_nb import loop
from opus_nb.batch.book import Book, SheetRow
from opus_nb.batch.ledger import Ledger
from opus_nb.batch.lock import RunLock
from opus_nb.batch.polling import PollSchedule
from opus_nb.batch.runner import Runner
from opus_nb.batch.stopping import Limits
from opus_nb.batch.timing import Timing
from opus_nb.errors import LedgerError, RunNotFound
from opus_nb.job import LocalFile
from opus_nb.sandbox import Input, Node, Output, Sandbox, workflow
from opus_nb.service.client import Client
from opus_nb.service.pacing import Pacer
from opus_nb.service.schema import Schema
from opus_nb.service.wire import Patience, Wire
from opus_nb.settings import ServiceKey, Settings

NAME = "torture"
# Short, so that it ends in minutes; what arrives late arrives within the settling time, as it must.
TIMEOUT_S, LATE_S, SETTLE_S = 1.0, 1.1, 1.5
# Endpoint, kind, share of the requests there, parameters. 429s are few: each tells the pacer to go slower.
FAULTS: tuple[tuple[str, str, float, dict[str, Any]], ...] = (
    ("any", "lost_before", 0.015, {}),
    ("any", "lost_before", 0.010, {"reset": True}),
    ("any", "lost_after", 0.020, {}),
    ("any", "lost_after", 0.010, {"reset": True}),
    ("any", "cut_off", 0.015, {}),
    ("any", "rate_limited", 0.001, {"style": "header", "retry_after_s": 0}),
    ("any", "rate_limited", 0.001, {"style": "body", "retry_after_s": 0}),
    ("any", "error", 0.015, {"status": 500}),
    ("any", "error", 0.010, {"status": 502, "html": True, "after": True}),
    ("any", "error", 0.010, {"status": 503, "html": True}),
    ("any", "error", 0.010, {"status": 504, "after": True}),
    ("any", "empty", 0.005, {}),
    ("any", "html", 0.005, {}),
    ("any", "inner_error", 0.005, {"after": True}),
    ("execute", "slow", 0.010, {"before_s": LATE_S}),
    ("initiate", "slow", 0.005, {"before_s": LATE_S}),
    ("upload", "expired", 0.020, {}),
    ("status", "word", 0.010, {"word": "UNKNOWN"}),
    ("status", "word", 0.005, {"word": "ON_THE_MOON"}),
    ("initiate", "lie", 0.005, {}),
)


@workflow(
    "Torture",
    inputs=[Input("Question"), Input("Letter", "file", required=False)],
    outputs=[Output("Answer")],
    nodes=[Node("Think", seconds=0.1), Node("Write", seconds=0.05)],
    quick=True,
)
def torture_workflow(question: str, letter: Any) -> dict[str, Any]:
    """Repeat the question."""
    return {"Answer": f"{question} {'' if letter is None else letter.text()[:8]}"}


@dataclass
class Verdict:
    """What one seed came to."""

    seed: int
    rows: int
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    reopenings: int = 0
    states: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    twice: int = 0
    orphans: int = 0
    orphans_unknown: int = 0
    wall_s: float = 0.0
    reasons: list[str] = field(default_factory=list)

    @property
    def fault_share(self) -> float:
        """Faults per request."""
        return sum(self.faults.values()) / max(1, self.requests)

    def is_good(self, kills: int) -> bool:
        """Whether the promise was kept, under fire that deserves the name."""
        # Nobody can know only where every witness was silent six times in a row: a handful in thousands.
        few = self.states["uncertain"] <= self.rows / 500
        return not self.lost and not self.twice and not self.orphans_unknown and few and self.enough(kills)

    def enough(self, kills: int) -> bool:
        """Whether there was fire enough."""
        return self.fault_share >= 0.10 and self.kills >= kills

    def line(self) -> str:
        """One line of the table."""
        return (
            f"{self.seed:>4} {self.rows:>6} {self.requests:>9} {self.fault_share:>7.1%} {self.kills:>6} "
            f"{self.states['completed']:>10} {self.states['uncertain']:>10} {self.lost:>5} {self.twice:>6} "
            f"{self.orphans:>8} {self.wall_s:>7.0f} s"
        )


HEAD = "seed   rows  requests  faults  kills  completed  uncertain  lost  twice  orphans     wall"


# -- the process that is killed ---------------------------------------------------------------------------


def rows_of(count: int, letters: list[str]) -> list[SheetRow]:
    """Every third row carries one of a few files; every fifth is equal to its neighbour."""
    question, letter = torture_workflow.inputs_by_name
    rows = []
    for place in range(count):
        asked = place - 1 if place % 5 == 4 else place
        inputs: dict[str, Any] = {question: f"What about {asked}?"}
        if asked % 3 == 0:
            inputs[letter] = LocalFile(letters[asked % len(letters)])
        rows.append(SheetRow(place, json.dumps(place), None, f"Row {place}", "", inputs))
    return rows


def work(order: dict[str, Any]) -> None:
    """Work on the run until it is over: what a kernel does in which the same cell is executed again."""
    folder = Path(order["folder"])
    settings = Settings(ServiceKey("sandbox"), base_url=order["base_url"], timeout_s=TIMEOUT_S)
    wire = Wire(settings, pacer=Pacer(), patience=Patience(attempts=8, first_wait_s=0.02, longest_wait_s=0.2))
    api = Client(wire)
    ledger = Ledger.at(folder)
    rows = rows_of(order["rows"], order["letters"])
    try:
        book = Book.open(ledger, NAME)
    except RunNotFound:
        book = Book.create(ledger, NAME, torture_workflow.id, len(rows), order["about"])
    lock = RunLock(book)
    lock.take()
    whole = book.record_of_run.recorded == len(rows)
    if not whole:
        book.begin_sheet(len(rows))
    runner = Runner(
        book,
        api,
        limits=Limits(max_concurrency=order["max_concurrency"]),
        timing=Timing(settle_s=SETTLE_S, timeout_s=TIMEOUT_S),
        schedule=PollSchedule(first_s=0.1, longest_s=0.5),
    )
    runner.begin(lock, None if whole else iter(rows))
    loop.wait_for(runner.over())
    failure = runner.failure()
    runner.detach()
    if failure is not None:
        raise failure


def serve_births() -> None:
    """Bear a child for each order on stdin: by fork, before any thread was started, so that it costs milliseconds."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                work(json.loads(line))
            except BaseException as error:
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


# -- the one that kills -----------------------------------------------------------------------------------


def torture(seed: int, rows: int, kills: int, *, max_concurrency: int = 32) -> Verdict:
    """Run one seed and read the books."""
    draw = random.Random(seed)
    verdict = Verdict(seed, rows)
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="opus-nb-torture-") as scratch,
        Sandbox([torture_workflow], seed=seed) as sandbox,
    ):
        folder = Path(scratch)
        order = {
            "folder": str(folder / "ledger"),
            "base_url": sandbox.base_url,
            "rows": rows,
            "letters": _write_letters(folder),
            "about": _about(sandbox),
            "max_concurrency": max_concurrency,
        }
        sandbox.reset()
        for endpoint, kind, share, parts in FAULTS:
            sandbox.fault(endpoint, kind, probability=share, **parts)
        _live_and_die(order, sandbox, verdict, kills=_plan_kills(draw, rows, kills), draw=draw)
        verdict.wall_s = time.monotonic() - begun
        _read_books(sandbox, folder / "ledger", verdict)
    return verdict


def _plan_kills(draw: random.Random, rows: int, kills: int) -> list[int]:
    """After how many executions each kill comes; the first two while the sheet is being recorded."""
    return [0, 0, *sorted(draw.randrange(1, max(2, int(rows * 0.97))) for _ in range(kills - 2))]


def _live_and_die(
    order: dict[str, Any], sandbox: Sandbox, verdict: Verdict, *, kills: list[int], draw: random.Random
) -> None:
    command = [sys.executable, "-m", "benchmarks.torture", "--births"]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as births:
        assert births.stdin is not None
        assert births.stdout is not None
        while True:
            births.stdin.write(json.dumps(order) + "\n")
            births.stdin.flush()
            child = int(births.stdout.readline())
            if kills:
                after = kills.pop(0)
                while sandbox.books(summary=True)["executions"] < after and _is_alive(child):
                    time.sleep(0.03)
                time.sleep(draw.uniform(0.0, 0.4))
                os.kill(child, signal.SIGKILL)
            status = int(births.stdout.readline())
            if os.WIFSIGNALED(status):
                verdict.kills += 1
                verdict.reopenings += 1
                continue
            if os.WEXITSTATUS(status):
                verdict.reasons.append("a process stopped by itself")
                verdict.lost += 1
            break
        births.stdin.close()


def _is_alive(child: int) -> bool:
    try:
        state = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def _write_letters(folder: Path) -> list[str]:
    letters = [folder / f"letter-{number}.txt" for number in range(7)]
    for number, letter in enumerate(letters):
        letter.write_text(f"Letter {number}, dear reader.")
    return [str(letter) for letter in letters]


def _about(sandbox: Sandbox) -> dict[str, Any]:
    wire = Wire(Settings(ServiceKey("sandbox"), base_url=sandbox.base_url), pacer=Pacer())
    record = loop.call(Client(wire).fetch_workflow, torture_workflow.id)
    loop.call(wire.aclose)
    return {
        "workflow_name": record.name,
        "base_url": sandbox.base_url,
        "api": "jobs",
        "inputs": record.inputs.to_json(),
        "outputs": Schema(()).to_json(),
        "parameters": {"workflow_id": torture_workflow.id},
        "fetch_audit": True,
        "index": {},
    }


def _read_books(sandbox: Sandbox, folder: Path, verdict: Verdict) -> None:
    books = sandbox.books()
    verdict.requests, verdict.faults = books["requests"], Counter(books["faults"])
    with Ledger(folder) as ledger:
        book = Book.open(ledger, NAME)
        outcomes = book.outcomes()
        known, orphans = set(book.job_ids()), book.orphans()
    verdict.states = Counter(each.state.value for each in outcomes)
    verdict.reasons += sorted({each.error for each in outcomes if each.error})[:5]
    jobs = books["job_books"]
    executed = {job for job, kept in jobs.items() if kept["executed_at"]}
    fine = [each for each in outcomes if each.state.value == "completed" and each.results and each.job_id in executed]
    # A row without its results is lost, and so is money for a job that nobody knows of.
    verdict.lost += verdict.rows - len(fine) - verdict.states["uncertain"] + len(executed - known)
    # Nothing is retried here, so every executed job must be the one job of one row, executed once.
    rows_of_job = Counter(each.job_id for each in outcomes if each.job_id is not None)
    for job in sorted(executed):
        times = jobs[job]["executed_at"]
        if len(times) > 1:
            gaps = ", ".join(f"{later - times[0]:.2f} s" for later in times[1:])
            verdict.reasons.append(f"job {job} was executed again after {gaps}")
        if job in known and rows_of_job[job] != 1:
            verdict.reasons.append(f"job {job} ({jobs[job]['title']}) was executed for {rows_of_job[job]} rows")
        verdict.twice += len(times) - 1 + (job in known and rows_of_job[job] != 1)
    shells = set(jobs) - executed
    verdict.orphans = len(shells)
    unnamed = sum(each.job_id is None for each in orphans)
    verdict.orphans_unknown = max(0, len(shells - known) - unnamed)


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for and print the table; 0 when every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=22, help="for each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--births", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.births:
        serve_births()
        return 0
    print(HEAD)
    verdicts = []
    for seed in given.seeds:
        verdict = torture(seed, given.rows, given.kills)
        verdicts.append(verdict)
        print(verdict.line(), flush=True)
        for reason in verdict.reasons:
            print(f"     {reason}")
        if verdict.orphans_unknown:
            print(f"     {verdict.orphans_unknown} shells are in no account")
    faults = sum((verdict.faults for verdict in verdicts), Counter[str]())
    print("faults by kind: " + ", ".join(f"{kind} {number}" for kind, number in faults.most_common()))
    good = all(verdict.is_good(given.kills - 2) for verdict in verdicts)
    print(
        f"rows {sum(each.rows for each in verdicts)}, kills {sum(each.kills for each in verdicts)}, "
        f"lost {sum(each.lost for each in verdicts)}, executed twice {sum(each.twice for each in verdicts)}: "
        + ("kept" if good else "BROKEN")
    )
    return 0 if good else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except LedgerError as error:
        raise SystemExit(str(error)) from None
