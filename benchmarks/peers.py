"""What people write by hand, and httpx as everybody uses it. Knows nothing of opus_nb.

A program of its own, so that it can run in an environment of its own: reads one JSON command a line, does it,
and answers with one line: CPU and wall seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

KEY = {"x-service-key": "sandbox"}
POLL_S = 0.2


def payload(number: int, names: dict[str, str]) -> dict[str, Any]:
    """What one row sends, in the schema's own spelling."""
    values = {"Number": (number, "int"), "Text": (f"row {number}", "str")}
    return {
        names[label]: {"value": value, "type": kind, "displayName": label} for label, (value, kind) in values.items()
    }


def names_of(base_url: str, workflow_id: str) -> dict[str, str]:
    """Label to variable name, from the workflow's details."""
    details = httpx.get(f"{base_url}/workflow/{workflow_id}", headers=KEY).json()
    found: dict[str, str] = {}

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            label, name = value.get("display_name"), value.get("variable_name")
            if isinstance(label, str) and isinstance(name, str) and name.startswith("workflow_input"):
                found.setdefault(label, name)
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(details)
    return found


async def small_requests(base_url: str, job_id: str, count: int, in_flight: int) -> dict[str, float]:
    """One client with a pool of 32, as everybody writes it: small GETs, so many waiting at once."""
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
    async with httpx.AsyncClient(base_url=base_url, headers=KEY, limits=limits, timeout=60) as client:

        async def ask(times: int) -> None:
            for _ in range(times):
                (await client.get(f"/job/{job_id}/status")).json()

        await asyncio.gather(*(ask(2) for _ in range(32)))
        return await measured(lambda: asyncio.gather(*(ask(count // in_flight) for _ in range(in_flight))))


async def measured(work: Any) -> dict[str, float]:
    """CPU and wall seconds of one coroutine."""
    cpu, wall = time.process_time(), time.perf_counter()
    await work()
    return {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


async def gathered(base_url: str, workflow_id: str, rows: int, at_once: int) -> dict[str, float]:
    """``asyncio.gather`` over all rows, a semaphore, and httpx."""
    names = names_of(base_url, workflow_id)
    places = asyncio.Semaphore(at_once)

    async def all_rows() -> None:
        async with httpx.AsyncClient(base_url=base_url, headers=KEY, timeout=60) as client:

            async def row(number: int) -> None:
                async with places:
                    body: dict[str, Any] = {"workflowId": workflow_id, "title": f"row {number}", "description": ""}
                    job_id = (await client.post("/job/initiate", json=body)).json()["jobExecutionId"]
                    body = {"jobExecutionId": job_id, "jobPayloadSchemaInstance": payload(number, names)}
                    (await client.post("/job/execute", json=body)).raise_for_status()
                    while True:
                        await asyncio.sleep(POLL_S)
                        status = (await client.get(f"/job/{job_id}/status")).json()["status"]
                        if status in {"COMPLETED", "FAILED"}:
                            break
                    (await client.get(f"/job/{job_id}/results")).json()
                    (await client.get(f"/job/{job_id}/audit")).json()

            await asyncio.gather(*(row(number) for number in range(rows)))

    return await measured(all_rows)


def threaded(base_url: str, workflow_id: str, rows: int, at_once: int) -> dict[str, float]:
    """A thread pool, a requests session a thread, and sleep. ``at_once`` of 1 is the plain for loop."""
    import threading

    import requests  # type: ignore[import-untyped]  # there only in the peers' own environment

    names = names_of(base_url, workflow_id)
    local = threading.local()

    def row(number: int) -> None:
        session = getattr(local, "session", None)
        if session is None:
            session = local.session = requests.Session()
            session.headers.update(KEY)
        body: dict[str, Any] = {"workflowId": workflow_id, "title": f"row {number}", "description": ""}
        job_id = session.post(f"{base_url}/job/initiate", json=body).json()["jobExecutionId"]
        body = {"jobExecutionId": job_id, "jobPayloadSchemaInstance": payload(number, names)}
        session.post(f"{base_url}/job/execute", json=body).raise_for_status()
        while True:
            time.sleep(POLL_S)
            if session.get(f"{base_url}/job/{job_id}/status").json()["status"] in {"COMPLETED", "FAILED"}:
                break
        session.get(f"{base_url}/job/{job_id}/results").json()
        session.get(f"{base_url}/job/{job_id}/audit").json()

    cpu, wall = time.process_time(), time.perf_counter()
    if at_once == 1:
        for number in range(rows):
            row(number)
    else:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(row, range(rows)))
    return {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


def main() -> None:
    """Serve commands from standard input."""
    if hasattr(os, "sched_setaffinity") and len(cores := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(0, {cores[1 % len(cores)]})
    for line in sys.stdin:
        command = json.loads(line)
        way = command.pop("way")
        if way == "small":
            answer: Any = asyncio.run(small_requests(**command))
        elif way == "gather":
            answer = asyncio.run(gathered(**command))
        elif way == "threads":
            answer = threaded(**command)
        else:
            answer = {"sniffio": "sniffio" in sys.modules, "httpx": httpx.__version__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
