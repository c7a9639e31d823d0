"""P1 and P2: what one request costs, beside the bare client and beside httpx as everybody uses it."""

from __future__ import annotations

import json
import urllib.request

from benchmarks.children import ours, peer_python, peers
from benchmarks.served import SERVICE_KEY, Served
from benchmarks.table import Row, Scale, at_least, at_most, median, median_ratio


def make_job(opus: Served) -> str:
    """Make a shell to ask after."""
    request = urllib.request.Request(
        f"{opus.base_url}/job/initiate",
        data=json.dumps({"workflowId": opus.workflow_id, "title": "asked after", "description": ""}).encode(),
        headers={"content-type": "application/json", "x-service-key": SERVICE_KEY},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["jobExecutionId"])


def measure(scale: Scale) -> list[Row]:
    """Interleaved rounds, medians of the ratios inside each round."""
    count, rounds = scale.pick(1600, 320), scale.pick(5, 1)
    python = peer_python(may_make=not scale.quick)
    figures: dict[str, list[float]] = {}
    speeds: dict[str, list[float]] = {}
    with Served() as opus, ours() as mine:
        job_id = make_job(opus)

        def ask(client: str, in_flight: int, times: int) -> float:
            found = mine.ask(
                way="small", base_url=opus.base_url, job_id=job_id, count=times, in_flight=in_flight, client=client
            )
            speeds.setdefault(client if in_flight == 32 else "many", []).append(times / float(found["wall_s"]))
            return float(found["cpu_s"]) / times

        for _ in range(rounds):
            for client in ("wire", "pools", "plain"):
                # One pool of 32 is so much slower that fewer requests say as much.
                times = max(320, count // 2) if client == "plain" else count
                figures.setdefault(client, []).append(ask(client, 32, times))
            for in_flight in (32, 1000):
                figures.setdefault(f"wire {in_flight}", []).append(
                    ask("wire", in_flight, max(count, 2000 if in_flight > 32 else 0))
                )
            if python is not None:
                with peers(python) as their:
                    times = max(320, count // 3)
                    found = their.ask(way="small", base_url=opus.base_url, job_id=job_id, count=times, in_flight=32)
                    figures.setdefault("plain outside", []).append(found["cpu_s"] / times)
    micro = {name: f"{1e6 * median(values):.0f} us" for name, values in figures.items()}
    rows = [
        at_most(
            "P1",
            "CPU a request, against the bare client with the same pools",
            1.25,
            median_ratio(figures["wire"], figures["pools"]),
            note=f"opus_nb {micro['wire']}, bare {micro['pools']}; against httpx with one pool of 32 in our own "
            f"environment, with sniffio ({micro['plain']}): {median_ratio(figures['wire'], figures['plain']):.2f}",
        )
    ]
    rows.append(
        at_least(
            "P1",
            "requests a second, of what the bare client with the same pools reaches",
            0.8,
            median(speeds["wire"]) / median(speeds["pools"]),
            note=f"{median(speeds['wire']):.0f} and {median(speeds['pools']):.0f} a second, 32 in flight, the "
            f"server on the other core; one pool of 32: {median(speeds['plain']):.0f}",
        )
    )
    what = "CPU a request, against plain httpx without sniffio, one pool of 32"
    if "plain outside" in figures:
        ratio = median_ratio(figures["wire"], figures["plain outside"])
        rows.append(at_most("P1", what, 0.30, ratio, note=f"plain httpx {micro['plain outside']}"))
    else:
        rows.append(Row("P1", what, "<= 0.3", "needs .bench-env: run make bench once", None))
    rows.append(
        at_most(
            "P2",
            "CPU a request, with 1,000 in flight against 32",
            1.15,
            median_ratio(figures["wire 1000"], figures["wire 32"]),
            note=f"{micro['wire 1000']} against {micro['wire 32']}",
        )
    )
    return rows
