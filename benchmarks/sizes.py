"""P10's delay, P12 and P13: 100,000 rows, without a network."""

from __future__ import annotations

import tempfile
from typing import Any

from benchmarks.children import ours
from benchmarks.served import Served
from benchmarks.table import Row, Scale, at_most


def measure(scale: Scale) -> list[Row]:
    """A small and a large table, each in a process of its own, and the large one opened again."""
    small, large = scale.pick(10_000, 1_000), scale.pick(100_000, 5_000)
    with Served() as opus, tempfile.TemporaryDirectory() as folder:
        given = {"base_url": opus.base_url, "workflow_id": opus.workflow_id}
        found = {}
        for rows in (small, large):
            with ours() as mine:
                found[rows] = mine.ask(way="take_in", rows=rows, folder=f"{folder}/{rows}", **given)
        whole = {}
        for rows in (small, large):
            with ours() as mine:
                whole[rows] = mine.ask(way="whole", rows=rows, folder=f"{folder}/whole-{rows}", **given)
        again = {}
        for finished in (False, True):
            with ours() as mine:
                again[finished] = mine.ask(way="reopen", folder=f"{folder}/{large}", finished=finished, **given)
    grown = (found[large]["bytes"] - found[small]["bytes"]) / (large - small) / 1024
    delays = found[large]["first_request_s"], found[small]["first_request_s"]
    calls = again[True]["calls"]
    return [
        at_most(
            "P10",
            f"first request's delay after start(), {large:,} rows against {small:,}",
            1.5,
            delays[0] / delays[1],
            note=f"{1000 * delays[0]:.0f} ms and {1000 * delays[1]:.0f} ms; flat is 1; checking {large:,} rows before "
            f"takes {found[large]['plan_s']:.1f} s",
        ),
        at_most(
            "P12",
            f"memory growth from {small:,} to {large:,} rows",
            1.5,
            grown,
            unit=" KB/row",
            note=f"resident, all rows taken in, {found[large]['taken_in_s']:.0f} s; without the user's own frame",
        ),
        *_whole(small, large, whole),
        at_most(
            "P13",
            f"open_run of {large:,} rows, half of them at Opus: to the first request",
            2.0,
            again[False]["first_request_s"],
            unit=" s",
        ),
        Row(
            "P13",
            f"open_run of {large:,} finished rows: requests",
            "0",
            str(calls),
            calls == 0,
            f"opened in {again[True]['opened_s']:.2f} s, results() in {again[True]['results_s']:.2f} s",
        ),
    ]


def _whole(small: int, large: int, found: dict[int, dict[str, Any]]) -> list[Row]:
    """Whole runs to their ends: a row of the large one may cost no more than a row of the small one."""
    few, many = found[small], found[large]
    if (few["done"], many["done"]) != (small, large):
        raise RuntimeError(f"not every row was completed: {found}")
    grown = (many["bytes"] - few["bytes"]) / (large - small) / 1024
    return [
        at_most(
            "P12",
            f"a whole run, memory growth from {small:,} to {large:,} rows",
            1.5,
            grown,
            unit=" KB/row",
            note="resident at the end, every row completed, its results in the ledger",
        ),
        at_most(
            "P12",
            f"a whole run, CPU a row of {large:,} against {small:,}",
            1.25,
            (many["cpu_s"] / large) / (few["cpu_s"] / small),
            note=f"{1000 * many['cpu_s'] / large:.2f} ms and {1000 * few['cpu_s'] / small:.2f} ms, without a network; "
            f"{many['wall_s']:.0f} s in all; flat is 1",
        ),
        at_most(
            "P12",
            f"a whole run, ledger bytes a row of {large:,} against {small:,}",
            1.1,
            (many["ledger_bytes"] / large) / (few["ledger_bytes"] / small),
            note=f"{many['ledger_bytes'] / large:.0f} and {few['ledger_bytes'] / small:.0f} bytes a row, the "
            "sheet's own values and the results among them",
        ),
    ]
