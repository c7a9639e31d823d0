"""A small batch below the sheet, a door in front of the wire that can be shut, and children to be killed."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from opus_nb import loop
from opus_nb.batch.book import Book, SheetRow
from opus_nb.batch.ledger import Ledger
from opus_nb.batch.lock import RunLock
from opus_nb.batch.reconciling import AccountLine
from opus_nb.batch.runner import Runner
from opus_nb.batch.stopping import Limits
from opus_nb.batch.timing import Timing
from opus_nb.job import LocalFile, Outcome
from opus_nb.sandbox import Input, Node, Output, Sandbox, workflow
from opus_nb.service.cases import CaseClient
from opus_nb.service.client import Client
from opus_nb.service.pacing import Pacer
from opus_nb.service.schema import Schema, read_workflow
from opus_nb.service.wire import Patience, Wire
from opus_nb.settings import ServiceKey, Settings

SETTLE_S = 0.08
# Made once: it costs more than all requests of a test, and nothing here is encrypted.
_secure = httpx.create_ssl_context()
httpx.create_ssl_context = lambda *args, **options: _secure  # type: ignore[assignment]


# Processes are killed here, the power stays on: the system keeps what was written either way.
Ledger.synchronous = "OFF"


def _define(name: str, **options: Any) -> Any:
    @workflow(
        name,
        inputs=[Input("Question")],
        outputs=[Output("Answer")],
        nodes=[Node("Think", seconds=0.02)],
        spread=0.0,
        quick=True,
        **options,
    )
    def answer(question: str) -> dict[str, Any]:
        return {"Answer": f"You asked: {question}"}

    return answer


@workflow(
    "Fire with a letter",
    inputs=[Input("Question"), Input("Letter", "file")],
    outputs=[Output("Answer")],
    nodes=[Node("Read", seconds=0.02)],
    spread=0.0,
    quick=True,
)
def letter_fire(question: str, letter: Any) -> dict[str, Any]:
    """Answer with the letter's first word."""
    return {"Answer": f"{question}: {letter.text().split()[0]}"}


@workflow("Fire without inputs", outputs=[Output("Answer")], nodes=[Node("Think", seconds=0.02)], quick=True)
def bare_fire() -> dict[str, Any]:
    """Answer without being asked anything."""
    return {"Answer": "nothing was asked"}


PLAIN = _define("Fire")
OLD = _define("Old fire", generation="v1")
CASES = _define("Fire in cases", generation="cases")
QUEUED = _define("Queued fire", queue_seconds=0.5)
FIRE_WORKFLOWS = [PLAIN, OLD, CASES, QUEUED, letter_fire, bare_fire]


class QuickSchedule:
    """Asks every few hundredths of a second, whatever was learned."""

    def __init__(self) -> None:
        self.learned: list[tuple[float, float]] = []

    def wait_s(self, age_s: float) -> float:
        return 0.02

    def learn(self, low_s: float, high_s: float) -> None:
        self.learned.append((low_s, high_s))


# -- the door ---------------------------------------------------------------------------------------------


def endpoint_of(method: str, path: str) -> str:
    """The name under which the sandbox and these tests know a request."""
    if method == "PUT":
        return "put"
    for pattern, name in (
        (r"/workflow/[^/]+$", "workflow"),
        (r"/file/upload", "upload"),
        (r"/job/initiate$|/case$", "initiate"),
        (r"/execute$", "execute"),
        (r"/status$", "status"),
        (r"/results$", "results"),
        (r"/audit$", "audit"),
        (r"/job/search$", "search"),
        (r"/job/[^/]+$", "detail"),
    ):
        if re.search(pattern, path):
            return name
    return "other"


class Door(httpx.AsyncBaseTransport):
    """Stands in front of the connections: can refuse to open, and can tell when somebody goes through."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.shut: dict[str, list[type[Exception]]] = {}
        self.passed: Counter[str] = Counter()
        self.before: Callable[[str, int], None] = lambda endpoint, number: None
        self.after: Callable[[str, int], None] = lambda endpoint, number: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        endpoint = endpoint_of(request.method, request.url.path)
        if self.shut.get(endpoint):
            raise self.shut[endpoint].pop(0)("the door is shut")
        self.passed[endpoint] += 1
        number = self.passed[endpoint]
        self.before(endpoint, number)
        response = await self.inner.handle_async_request(request)
        self.after(endpoint, number)
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


def put_door(wire: Wire) -> Door:
    """Put a door in front of a wire."""

    async def put() -> Door:
        http = wire._open()
        door = Door(http._transport)
        http._transport = door
        return door

    return loop.call(put)


# -- a run below the sheet --------------------------------------------------------------------------------


class Rig:
    """One run of a few rows: make it with `record`, work on it with `work`, look at it with `states` and `books`."""

    def __init__(
        self,
        sandbox: Sandbox | None,
        folder: Path,
        *,
        base_url: str = "",
        definition: Any = PLAIN,
        timeout_s: float = 5.0,
        settle_s: float = SETTLE_S,
    ) -> None:
        self.sandbox: Any = sandbox
        self.folder = folder
        self.base_url = base_url or self.sandbox.base_url
        self.definition = definition
        self.settle_s = settle_s
        self.limits = Limits(max_concurrency=4)
        self.timing = Timing(settle_s=settle_s, timeout_s=settle_s)
        self.schedule: Any = QuickSchedule()
        self.said: list[str] = []
        self.heard: list[Any] = []
        self.runner: Any = None
        self.connect(timeout_s)

    def connect(self, timeout_s: float) -> None:
        """Open a wire of its own, with a door in front."""
        settings = Settings(ServiceKey("sandbox"), base_url=self.base_url, timeout_s=timeout_s)
        self.wire = Wire(settings, pacer=Pacer(5000.0), patience=Patience(first_wait_s=0.01, longest_wait_s=0.04))
        self.door = put_door(self.wire)
        cases = self.definition.generation == "cases"
        self.api: Any = CaseClient(self.wire) if cases else Client(self.wire)

    def observe(self, event: Any) -> None:
        self.heard.append(event)

    @property
    def ledger(self) -> Ledger:
        return Ledger.at(self.folder)

    @property
    def book(self) -> Book:
        return Book.open(self.ledger, "fire")

    def rows(self, count: int, *, letter: Path | None = None) -> list[SheetRow]:
        """Different questions, the same letter."""
        names = list(self.definition.inputs_by_name)
        rows = []
        for place in range(count):
            inputs: dict[str, Any] = {} if not names else {names[0]: f"{self.folder.parent.name} question {place}"}
            if letter is not None:
                inputs[names[1]] = LocalFile(str(letter))
            rows.append(SheetRow(place, json.dumps(place), None, f"Row {place}", "", inputs))
        return rows

    def about(self) -> dict[str, Any]:
        record = loop.call(self.api.fetch_workflow, self.definition.id)
        assert read_workflow(record.raw).inputs is not None
        return {
            "workflow_name": record.name,
            "base_url": self.base_url,
            "api": self.api.name,
            "inputs": record.inputs.to_json(),
            "outputs": Schema(()).to_json(),
            "parameters": {"workflow_id": self.definition.id},
            "fetch_audit": True,
            "index": {},
        }

    def record(self, count: int) -> None:
        """Enter the run, without its sheet."""
        if not Book.exists(self.ledger, "fire"):
            Book.create(self.ledger, "fire", self.definition.id, count, self.about())

    def begin(self, rows: list[SheetRow] | None) -> Any:
        """Start working, on a new sheet or on what is recorded."""
        book = self.book
        lock = RunLock(book)
        lock.take()
        if rows is not None:
            book.begin_sheet(len(rows))
        self.runner = self.new_runner()
        self.runner.begin(lock, None if rows is None else iter(rows))
        return self.runner

    def new_runner(self) -> Runner:
        """One that has not begun."""
        return Runner(
            self.book,
            self.api,
            limits=self.limits,
            timing=self.timing,
            schedule=self.schedule,
            observers=[self],
            on_stop=self.said.append,
        )

    def work(self, rows: int | list[SheetRow] | None = 3, *, within_s: float = 20.0) -> None:
        """Record, start and wait until the run is over."""
        sheet = self.rows(rows) if isinstance(rows, int) else rows
        self.record(0 if sheet is None else len(sheet))
        runner = self.begin(sheet)
        loop.wait_for(runner.over(), timeout_s=within_s)

    def again(self, *, within_s: float = 20.0) -> None:
        """What a new process does: go on with what the ledger holds."""
        self.let_go()
        loop.wait_for(self.begin(None).over(), timeout_s=within_s)

    def retry(self, positions: list[int]) -> int:
        """What ``run.retry`` does: at once where somebody is at work, else for the next to begin."""
        opened = self.runner.retry(positions)
        return self.runner.reopen(positions) if opened is None else opened

    def reconcile(self) -> list[AccountLine]:
        """What ``run.reconcile`` does."""
        lines = self.runner.reconcile() if self.runner.is_alive else None
        if lines is None:
            lines = self.new_runner().reconcile()
        assert lines is not None
        return lines

    def let_go(self) -> None:
        if self.runner is not None:
            self.runner.detach()

    def close(self) -> None:
        self.let_go()
        loop.call(self.wire.aclose)
        self.ledger.close()

    # -- looking ----------------------------------------------------------------------------------------

    def outcomes(self) -> list[Outcome]:
        return self.book.outcomes()

    def states(self) -> list[str]:
        return [each.state.value for each in self.outcomes()]

    def books(self) -> dict[str, Any]:
        books: dict[str, Any] = self.sandbox.books()
        assert books["internal_errors"] == []
        assert books["key_leaks"] == 0
        return books

    def assert_once(self, rows: int = 3, *, jobs: int | None = None) -> dict[str, Any]:
        """Every row is completed, with its own results, and was executed exactly once.

        ``jobs`` is how many were executed in all, where a retry was asked for.
        """
        outcomes = self.outcomes()
        assert [each.state.value for each in outcomes] == ["completed"] * rows, [each.error for each in outcomes]
        assert all(each.results for each in outcomes)
        books = self.assert_never_twice()
        mine = [kept for kept in books["job_books"].values() if self.mark in kept["title"] and kept["executed_at"]]
        assert len(mine) == (rows if jobs is None else jobs), "a row was bought again under another attempt"
        return books

    def assert_never_twice(self) -> dict[str, Any]:
        """Nothing was executed twice, and every shell is accounted for."""
        books = self.books()
        mine = {job: kept for job, kept in books["job_books"].items() if self.mark in kept["title"]}
        executed = {job for job, kept in mine.items() if kept["executed_at"]}
        assert all(len(kept["executed_at"]) <= 1 for kept in mine.values()), "one id was executed twice"
        # A title ends with run, row and attempt: two executed jobs with one title are one row bought twice.
        titles = Counter(mine[job]["title"] for job in executed)
        assert all(times == 1 for times in titles.values()), f"bought twice: {titles}"
        known = set(self.book.job_ids())
        assert executed <= known, f"executed and forgotten: {executed - known}"
        shells = set(mine) - known
        unnamed = sum(each.job_id is None for each in self.book.orphans())
        assert len(shells) <= unnamed, f"shells {shells} are not in the account"
        return books

    @property
    def mark(self) -> str:
        return f"[{self.book.record_of_run.uid}-"


# -- children that are killed -----------------------------------------------------------------------------


def die() -> None:
    """What the out-of-memory killer does."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def live(order: Mapping[str, Any]) -> dict[str, Any]:
    """What a child does: work on the run of an order, and die where it says."""
    definition = {each.id: each for each in FIRE_WORKFLOWS}[order["workflow"]]
    rig = Rig(None, Path(order["folder"]), base_url=order["base_url"], definition=definition)
    rig.limits.max_concurrency = order.get("max_concurrency", 1)
    kill = order.get("kill") or {}
    commits = {"begun": 0, "done": 0}
    ledger = rig.ledger
    writer = ledger.writer
    commit, tell = writer.commit, writer.tell

    def count_commit(connection: Any, batch: Any) -> None:
        commits["begun"] += 1
        if kill.get("commit") == commits["begun"] and kill["when"] == "before":
            die()
        commit(connection, batch)

    def count_told(batch: Any, failure: Any) -> None:
        commits["done"] += 1
        if kill.get("commit") == commits["done"] and kill["when"] == "after":
            die()
        tell(batch, failure)

    def at_door(when: str) -> Callable[[str, int], None]:
        def pass_door(endpoint: str, number: int) -> None:
            if kill.get("endpoint") == endpoint and kill["nth"] == number and kill["when"] == when:
                die()

        return pass_door

    rig.door.before, rig.door.after = at_door("before"), at_door("after")
    letter = Path(order["letter"]) if order.get("letter") else None
    rows = rig.rows(order["rows"], letter=letter)
    if not Book.exists(ledger, "fire"):
        rig.record(len(rows))
    # Counted from here: the run is there, its rows are not.
    writer.commit, writer.tell = count_commit, count_told  # type: ignore[method-assign]
    recorded = rig.book.record_of_run.recorded == len(rows)
    runner = rig.begin(None if recorded else rows)
    loop.wait_for(runner.over(), timeout_s=20)
    if order.get("retry"):
        failed = [each.position for each in rig.outcomes() if each.state.value == "failed"]
        if failed:
            opened = rig.retry(failed)
            assert opened == len(failed)
            if not runner.is_alive:
                runner = rig.begin(None)
            loop.wait_for(runner.over(), timeout_s=20)
    rig.let_go()
    return {"commits": commits["done"], "passed": dict(rig.door.passed), "states": rig.states()}


class Nursery:
    """Bears a child for each order, by fork from a process without threads, so that a birth costs milliseconds."""

    def __enter__(self) -> Nursery:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *exception: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=20)

    def bear(self, **order: Any) -> dict[str, Any] | None:
        """Let one child live; None when it was killed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        if told["signal"] == signal.SIGKILL:
            return None
        assert told["signal"] == 0, told
        return dict(told["told"])


class Nurseries:
    """Several of them, so that children who mostly wait can wait together."""

    def __init__(self, number: int = 4) -> None:
        self._number = number
        self._free: queue.SimpleQueue[Nursery] = queue.SimpleQueue()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Nurseries:
        for _ in range(self._number):
            self._free.put(self._stack.enter_context(Nursery()))
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def bear(self, **order: Any) -> dict[str, Any] | None:
        """Let one child live; None when it was killed. From any thread."""
        nursery = self._free.get()
        try:
            return nursery.bear(**order)
        finally:
            self._free.put(nursery)

    def until_survived(self, live_and_look: Callable[[int], bool], *, first: int = 1) -> int:
        """Call it with 1, 2, 3, ... side by side until one child was not killed any more; return the first such."""
        with ThreadPoolExecutor(self._number) as pool:
            for start in itertools.count(first, self._number):
                numbers = range(start, start + self._number)
                survived = list(pool.map(live_and_look, numbers))
                if any(survived):
                    return numbers[survived.index(True)]
        raise AssertionError("unreachable")


def _serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        there, here = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(there)
            try:
                told: Any = live(order)
            except BaseException as error:
                told = {"error": f"{type(error).__name__}: {error}"}
            os.write(here, json.dumps(told).encode())
            os._exit("error" in told)
        os.close(here)
        with os.fdopen(there) as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        number = status & 0x7F or status >> 8
        sys.stdout.write(json.dumps({"signal": number, "told": json.loads(said) if said else None}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
