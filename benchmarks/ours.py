"""opus_nb at work in a process of its own: one JSON command a line in, one line of figures out."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

import opus_nb
from benchmarks.instant import Instant
from benchmarks.served import SERVICE_KEY, pin
from opus_nb import loop
from opus_nb.service import transport
from opus_nb.service.pacing import Pacer, Urgency
from opus_nb.service.wire import Wire
from opus_nb.settings import read_settings


def sheet(rows: int) -> pd.DataFrame:
    """As many rows as wanted, all different."""
    df: pd.DataFrame = pd.DataFrame({"Number": range(rows), "Text": [f"row {number}" for number in range(rows)]})
    return df


def small(base_url: str, job_id: str, count: int, in_flight: int, client: str) -> dict[str, float]:
    """Small GETs through our wire, through the bare client with the same pools, or through one pool of 32."""
    settings = read_settings(service_key=SERVICE_KEY, base_url=base_url)
    wire = Wire(settings, pacer=Pacer())
    path = f"/job/{job_id}/status"

    async def through_wire() -> None:
        await wire.get(path, doing="Measuring")

    async def main() -> dict[str, float]:
        bare = _bare(settings, client)
        headers = {"x-service-key": SERVICE_KEY}

        async def through_bare() -> None:
            (await bare.get(base_url + path, headers=headers)).json()

        ask = through_wire if client == "wire" else through_bare
        places = asyncio.Semaphore(32)

        async def one_of_many() -> None:
            async with places:
                await through_bare()

        # Beyond 32 in flight it is the pacer that holds our requests back; a bare client needs somebody who does.
        try:
            await _repeat(ask, 800 if client == "wire" else 160, 32)
            return await _measured(_repeat(ask if client == "wire" else one_of_many, count, in_flight))
        finally:
            await bare.aclose()
            await wire.aclose()

    return loop.call(main)


def _bare(settings: Any, client: str) -> httpx.AsyncClient:
    if client == "plain":
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
        return httpx.AsyncClient(limits=limits, timeout=60)
    door = transport.open_http(settings)
    return httpx.AsyncClient(transport=door._transport, timeout=60)


async def _repeat(ask: Callable[[], Awaitable[None]], count: int, in_flight: int) -> None:
    async def many() -> None:
        for _ in range(count // in_flight):
            await ask()

    await asyncio.gather(*(many() for _ in range(in_flight)))


async def _measured(work: Awaitable[None]) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    await work
    return {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


def run_rows(base_url: str, workflow_id: str, rows: int, at_once: int, *, first_come: bool = False) -> dict[str, Any]:
    """One run of so many rows, to its end; ``first_come`` takes the order of requests away from the pacer."""
    df = sheet(rows)
    with tempfile.TemporaryDirectory() as folder:
        opus = opus_nb.connect(SERVICE_KEY, base_url=base_url, ledger=folder)
        if first_come:
            _forget_order(opus.client.wire.pacer)
        wf = opus.workflow(workflow_id)
        cpu, wall = time.process_time(), time.perf_counter()
        ledger_cpu = 0.0
        run = wf.run(df, name=f"bench-{uuid.uuid4().hex[:8]}", max_concurrency=at_once, progress="off")
        run.wait()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        for thread in threading.enumerate():
            if thread.name == "opus-nb-ledger" and thread.ident is not None and hasattr(time, "pthread_getcpuclockid"):
                ledger_cpu += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        counts = {name: int(number) for name, number in run.counts.items()}
        opus.close()
        opus_nb_ledger(Path(folder))
    return {"cpu_s": cpu, "wall_s": wall, "ledger_cpu_s": ledger_cpu, "counts": counts}


def opus_nb_ledger(folder: Path) -> None:
    """Close the ledger of a folder, so that the next run has a thread of its own."""
    from opus_nb.batch.ledger import Ledger

    Ledger.at(folder).close()


def _forget_order(pacer: Pacer) -> None:
    ordered = pacer.turn

    async def first_come_first_served(urgency: Urgency = Urgency.READ) -> None:
        await ordered(Urgency.NOW)

    pacer.turn = first_come_first_served  # type: ignore[method-assign]


def press(base_url: str, job_id: str, seconds: float, limit: float | None = None) -> dict[str, Any]:
    """Small GETs from 64 sides for so long, through a fresh pacer; what was refused tells the service's books."""
    wire = Wire(read_settings(service_key=SERVICE_KEY, base_url=base_url), pacer=Pacer(limit))

    async def main() -> None:
        until = time.monotonic() + seconds

        async def ask() -> None:
            while time.monotonic() < until:
                await wire.get(f"/job/{job_id}/status", doing="Measuring")

        await asyncio.gather(*(ask() for _ in range(64)))
        await wire.aclose()

    wall = time.perf_counter()
    loop.call(main)
    return {"wall_s": time.perf_counter() - wall, "pauses": wire.pacer.pauses}


def take_in(base_url: str, workflow_id: str, rows: int, folder: str) -> dict[str, Any]:
    """A run of many rows, all of them taken in and few of them started: memory, and the delay of the first request."""
    df = sheet(rows)
    opus = opus_nb.connect(SERVICE_KEY, base_url=base_url, ledger=folder)
    wf, api = opus.workflow(workflow_id), Instant(opus)
    before = _resident_bytes()
    planned = time.perf_counter()
    plan = wf.plan(df)
    planned = time.perf_counter() - planned
    began = time.perf_counter()
    run = plan.start(name="large", max_concurrency=1, progress="off")
    first_at = api.wait()
    run.pause()
    engine = run._runner.engine
    while engine._taking_in:
        time.sleep(0.05)
    taken_in_s = time.perf_counter() - began
    grown = _resident_bytes() - before
    run.let_go()
    opus.close()
    return {"bytes": grown, "first_request_s": first_at - began, "plan_s": planned, "taken_in_s": taken_in_s}


def whole(base_url: str, workflow_id: str, rows: int, folder: str) -> dict[str, Any]:
    """A run of many rows to its end, every job of which ends at once: what a row costs when there are many."""
    df = sheet(rows)
    opus = opus_nb.connect(SERVICE_KEY, base_url=base_url, ledger=folder)
    wf = opus.workflow(workflow_id)
    Instant(opus)
    before = _resident_bytes()
    cpu, wall = time.process_time(), time.perf_counter()
    run = wf.run(df, name="whole", max_concurrency=64, progress="off")
    run.wait()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    grown = _resident_bytes() - before
    done = int(run.counts["completed"])
    opus.close()
    opus_nb_ledger(Path(folder))
    size = sum(each.stat().st_size for each in Path(folder).rglob("*") if each.is_file())
    return {"done": done, "cpu_s": cpu, "wall_s": wall, "bytes": grown, "ledger_bytes": size}


def reopen(base_url: str, workflow_id: str, folder: str, finished: bool) -> dict[str, Any]:
    """A run of the ledger opened again; half of its rows at Opus, or all of them at their ends."""
    from opus_nb.batch.book import Book
    from opus_nb.batch.ledger import Ledger

    ledger = Ledger.at(Path(folder))
    number = Book.open(ledger, "large").record_of_run.run
    state = "'completed'" if finished else "CASE WHEN position % 2 THEN 'running' ELSE 'completed' END"
    ledger.write_now(
        "INSERT OR REPLACE INTO work (run, key, attempt, state, job_id, acked_at, noticed_at, results) "
        f"SELECT run, key, 1, {state}, 'job-' || position, 1.0, 2.0, '{{\"results\": {{\"Double\": 2}}}}' "
        "FROM rows WHERE run = ?",
        (number,),
    )
    opus = opus_nb.connect(SERVICE_KEY, base_url=base_url, ledger=folder)
    api = Instant(opus)
    began = time.perf_counter()
    run = opus.open_run("large", progress="off")
    opened_s = time.perf_counter() - began
    first_s = 0.0 if finished else api.wait() - began
    counts = run.counts
    answer = {"opened_s": opened_s, "first_request_s": first_s, "calls": api.calls + opus.client.wire.sent}
    if finished:
        began = time.perf_counter()
        run.results()
        answer["results_s"] = time.perf_counter() - began
    else:
        run.let_go()
    answer["rows"] = int(counts.sum())
    opus.close()
    return answer


def _resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


WAYS: dict[str, Callable[..., dict[str, Any]]] = {
    "small": small,
    "run": run_rows,
    "press": press,
    "take_in": take_in,
    "reopen": reopen,
    "whole": whole,
}


def main() -> None:
    """Serve commands from standard input."""
    pin(1)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(WAYS[command.pop("way")](**command)), flush=True)


if __name__ == "__main__":
    main()
