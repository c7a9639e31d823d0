"""A large run under fire, without a network: 100,000 rows, a tenth of all calls faulty, 200 deaths at commits.

``python -m benchmarks.torture_inside`` runs the engine, the row protocol and the ledger as they are against an Opus in
memory that keeps books. A death is one of the engine and of the thread that writes, just before or just after a
commit: what they knew is gone, what is on disk and what Opus has done stays. Real processes die in
`benchmarks.torture`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from opus_nb import loop
from opus_nb.batch.book import Book, SheetRow
from opus_nb.batch.ledger import Ledger
from opus_nb.batch.lock import RunLock
from opus_nb.batch.polling import PollSchedule
from opus_nb.batch.runner import Runner
from opus_nb.batch.stopping import Limits
from opus_nb.batch.timing import Timing
from opus_nb.batch.writer import Write
from opus_nb.errors import AnswerLost, LedgerError, NeverSent, OpusError, RateLimited, ReplyUnreadable, ServiceTrouble
from opus_nb.job import JobState
from opus_nb.service.api import InitiateParameters, JobApi, ResultsReply
from opus_nb.service.schema import Field, Schema
from opus_nb.service.wire import Patience

NAME = "torture"
SETTLE_S = TIMEOUT_S = 0.05
# An execute whose answer was lost may arrive so much later.
LATE_S = 0.5 * SETTLE_S
RUNS_FOR_S = 0.02
FAULTY = 0.12
AT_ONCE = 64


@dataclass
class _Job:
    title: str
    executed_at: list[float] = field(default_factory=list)


class UnkindOpus:
    """Does what it is asked, and says so seven times in eight.

    Parameters
    ----------
    seed : int
    """

    name = "jobs"

    def __init__(self, seed: int) -> None:
        self.wire = SimpleNamespace(base_url="memory", patience=Patience())
        self.jobs: dict[str, _Job] = {}
        self.by_mark: dict[str, list[str]] = {}
        self.calls = 0
        self.executions = 0
        self.faults: Counter[str] = Counter()
        self._draw = random.Random(seed)

    # -- what goes wrong --------------------------------------------------------------------------------

    async def _before(self, doing: str) -> None:
        """What hinders a call on its way there."""
        self.calls += 1
        await asyncio.sleep(0)
        chance = self._draw.random()
        if chance < 0.25 * FAULTY:
            self.faults["never left"] += 1
            raise NeverSent(doing, where="memory")
        if chance < 0.5 * FAULTY:
            self.faults["refused for a moment"] += 1
            raise RateLimited(doing, where="memory", status=429)
        await asyncio.sleep(0)

    async def _after(self, doing: str, *, repeatable: bool) -> None:
        """What happens to an answer on its way back."""
        await asyncio.sleep(0)
        chance = self._draw.random()
        if chance < 0.25 * FAULTY:
            self.faults["answer lost"] += 1
            raise AnswerLost(doing, where="memory")
        if chance < 0.4 * FAULTY:
            self.faults["5xx"] += 1
            if repeatable:
                raise ServiceTrouble(doing, where="memory", status=502)
            raise AnswerLost(doing, where="memory", came_back="502")
        if chance < 0.5 * FAULTY:
            self.faults["unreadable"] += 1
            raise ReplyUnreadable(doing, where="memory", status=200)

    # -- what is asked ----------------------------------------------------------------------------------

    async def send_initiate(self, parameters: InitiateParameters, *, title: str, description: str) -> str:
        await self._before("Initiating")
        job_id = f"job-{len(self.jobs)}"
        self.jobs[job_id] = _Job(title)
        self.by_mark.setdefault(title[title.rindex("[") :], []).append(job_id)
        await self._after("Initiating", repeatable=False)
        if self._draw.random() < 0.002:
            self.faults["another job's id"] += 1
            return f"job-{self._draw.randrange(len(self.jobs))}"
        return job_id

    async def send_execute(self, job_id: str, payload: Mapping[str, Any], *, workspaces: str | None = None) -> None:
        await self._before("Executing")
        if self._draw.random() < 0.1 * FAULTY:
            self.faults["late"] += 1
            asyncio.get_running_loop().call_later(LATE_S * self._draw.random(), self._execute, job_id)
            raise AnswerLost("Executing", where="memory")
        self._execute(job_id)
        await self._after("Executing", repeatable=False)

    def _execute(self, job_id: str) -> None:
        self.executions += 1
        self.jobs[job_id].executed_at.append(time.monotonic())

    async def fetch_status(self, job_id: str, **more: Any) -> JobState:
        await self._before("Asking")
        await self._after("Asking", repeatable=True)
        job = self.jobs[job_id]
        if not job.executed_at:
            return JobState("pending", "PENDING")
        if time.monotonic() - job.executed_at[0] < RUNS_FOR_S:
            return JobState("running", "IN PROGRESS")
        return JobState("completed", "COMPLETED")

    async def fetch_results(self, job_id: str, **more: Any) -> ResultsReply | None:
        await self._before("Fetching")
        await self._after("Fetching", repeatable=True)
        body = {"results": {"Answer": job_id}}
        return ResultsReply(json.dumps(body), body)

    async def fetch_audit(self, job_id: str, **more: Any) -> Any:
        await self._before("Auditing")
        await self._after("Auditing", repeatable=True)
        trail = [{"action": "Job initiated", "actor": "SYSTEM", "timestamp": "2025-01-01T00:00:00Z"}]
        if self.jobs[job_id].executed_at:
            trail.append({"action": "Node started", "actor": "SYSTEM", "timestamp": "2025-01-01T00:00:01Z"})
        return {"auditTrail": trail}

    async def fetch_detail(self, job_id: str) -> Any:
        await self._before("Looking")
        await self._after("Looking", repeatable=True)
        return {"id": job_id, "input": {"question": {}} if self.jobs[job_id].executed_at else {}}

    async def find_jobs(self, words: str) -> list[str] | None:
        await self._before("Searching")
        await self._after("Searching", repeatable=True)
        # A search lags behind now and then.
        return [] if self._draw.random() < 0.1 else list(self.by_mark.get(words, []))


class _Death:
    """Ends the thread that writes at one of its commits, before it or after it, and tells nobody.

    Parameters
    ----------
    ledger : Ledger
    opus : UnkindOpus
    executions : int
        Not before so many jobs have been executed.
    """

    def __init__(self, ledger: Ledger, opus: UnkindOpus, executions: int, draw: random.Random) -> None:
        self.came = threading.Event()
        self._opus, self._executions = opus, executions
        self._more, self._before = draw.randrange(40), draw.random() < 0.5
        self._commit = ledger.writer.commit
        self._writer = ledger.writer
        ledger.writer.commit = self._commit_or_die  # type: ignore[method-assign]

    def _commit_or_die(self, connection: sqlite3.Connection, batch: list[Write]) -> None:
        if self._opus.executions >= self._executions:
            self._more -= 1
        if self._more >= 0:
            self._commit(connection, batch)
            return
        if not self._before:
            self._writer.tell = lambda batch, failure: None  # type: ignore[method-assign]
            self._commit(connection, batch)
        connection.close()
        # Whoever would wait for the dead is told so at once; nothing of it reaches the disk.
        self._writer.put = self._refuse  # type: ignore[method-assign]
        self._writer.put_patiently = self._refuse  # type: ignore[method-assign]
        self.came.set()
        # Ends this thread, and nothing else: threading takes it for a wish.
        sys.exit()

    @staticmethod
    def _refuse(*given: Any, **more: Any) -> Any:
        raise LedgerError("It died", where="memory", next_step="The next one goes on.")


def _live(folder: Path, opus: UnkindOpus, rows: int, death_after: int | None, draw: random.Random) -> bool:
    """Work on the run until it is over, or until death comes; True when it came."""
    ledger = Ledger(folder)
    if not Book.exists(ledger, NAME):
        schema = Schema((Field("question", "Question", "str", "str", required=True),))
        Book.create(ledger, NAME, "wf", rows, {
            "workflow_name": "Torture", "base_url": "memory", "inputs": schema.to_json(),
            "outputs": Schema(()).to_json(), "parameters": {"workflow_id": "wf"}, "fetch_audit": True, "index": {},
        })  # fmt: skip
    book = Book.open(ledger, NAME)
    whole = book.record_of_run.recorded == rows
    if not whole:
        book.begin_sheet(rows)
    death = None if death_after is None else _Death(ledger, opus, death_after, draw)
    runner = Runner(
        book,
        cast(JobApi, opus),
        limits=Limits(max_concurrency=AT_ONCE, stop_after_failures=None, setbacks=10**6),
        timing=Timing(settle_s=SETTLE_S, timeout_s=TIMEOUT_S, settle_asks=40, results_asks=20),
        schedule=PollSchedule(first_s=0.01, shortest_s=0.005, longest_s=0.1),
    )
    lock = RunLock(book)
    lock.take()
    sheet = (SheetRow(n, json.dumps(n), None, f"Row {n}", "", {"question": f"What about {n}?"}) for n in range(rows))
    runner.begin(lock, None if whole else sheet)
    over = runner.over()
    while not over.done():
        if death is not None and death.came.wait(0.05):
            break
        if death is None:
            time.sleep(0.05)
    if death is not None and death.came.is_set():
        # Nothing that costs can leave any more: it would have to be on disk first.
        runner.tell(lambda: runner.engine.halt(OpusError("It died")))
        with contextlib.suppress(OpusError):
            loop.wait_for(over, timeout_s=30.0)
        ledger.closed = True
        with ledger._read_lock:
            ledger._reader.close()
        return True
    failure = runner.failure()
    runner.detach()
    ledger.close()
    if failure is not None:
        raise failure
    return False


def torture(rows: int, deaths: int, seed: int) -> dict[str, Any]:
    """Run it all and read the books; the promises are ``lost``, ``twice`` and ``unaccounted``."""
    draw = random.Random(seed)
    opus = UnkindOpus(seed)
    plan: list[int | None] = [0, 0, *sorted(draw.randrange(1, int(0.98 * rows)) for _ in range(deaths - 2))]
    died = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="opus-nb-torture-") as scratch:
        folder = Path(scratch)
        while _live(folder, opus, rows, plan.pop(0) if plan else None, draw):
            died += 1
        with Ledger(folder) as ledger:
            book = Book.open(ledger, NAME)
            outcomes, orphans = book.outcomes(), book.orphans()
            known = set(book.job_ids())
            size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    states = Counter(each.state.value for each in outcomes)
    executed = {job_id for job_id, job in opus.jobs.items() if job.executed_at}
    fine = [each for each in outcomes if each.state.value == "completed" and each.job_id in executed and each.results]
    shared = sum(number - 1 for number in Counter(each.job_id for each in fine).values())
    shells = set(opus.jobs) - executed
    unnamed = sum(each.job_id is None for each in orphans)
    return {
        "rows": rows,
        "calls": opus.calls,
        "faults": opus.faults,
        "deaths": died,
        "states": states,
        "lost": rows - len(fine) - states["uncertain"] + len(executed - known),
        "twice": sum(len(job.executed_at) - 1 for job in opus.jobs.values() if job.executed_at) + shared,
        "orphans": len(shells),
        "unaccounted": max(0, len(shells - known) - unnamed),
        "bytes_a_row": size / rows,
        "wall_s": time.monotonic() - began,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for and print it; 0 when every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--deaths", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    found = torture(given.rows, given.deaths, given.seed)
    faults = sum(found["faults"].values())
    print(f"rows {found['rows']}, calls {found['calls']}, faults {faults} ({faults / found['calls']:.1%}): "
          + ", ".join(f"{kind} {number}" for kind, number in found["faults"].most_common()))  # fmt: skip
    print(f"deaths {found['deaths']}, completed {found['states']['completed']}, uncertain "
          f"{found['states']['uncertain']}, orphan shells {found['orphans']} (in no account {found['unaccounted']}), "
          f"ledger {found['bytes_a_row']:.0f} bytes a row, {found['wall_s']:.0f} s")  # fmt: skip
    kept = not found["lost"] and not found["twice"] and not found["unaccounted"]
    # With forty questions to each witness, there is nothing that nobody can know.
    good = kept and not found["states"]["uncertain"] and found["deaths"] >= given.deaths - 2
    print(f"lost {found['lost']}, executed twice {found['twice']}: " + ("kept" if good else "BROKEN"))
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
