"""P3, P4 and P8's share: whole runs over HTTP, beside what people write by hand."""

from __future__ import annotations

from typing import Any

from benchmarks.children import ours, peer_python, peers
from benchmarks.served import Served
from benchmarks.table import Row, Scale, at_most, median, median_ratio

AT_ONCE = 64


def _one_run(seconds: float, rows: int) -> tuple[dict[str, Any], dict[str, Any]]:
    with Served(seconds=seconds) as opus, ours() as mine:
        found = mine.ask(way="run", base_url=opus.base_url, workflow_id=opus.workflow_id, rows=rows, at_once=AT_ONCE)
        books = opus.books()
    if found["counts"] != {"completed": rows} or books["jobs_executed_twice"]:
        raise RuntimeError(f"the run did not end well: {found['counts']}")
    return found, books


def measure_walls(scale: Scale) -> list[Row]:
    """P3: a long run against the time that its jobs alone would take."""
    rows = []
    plans = (
        (0.5, scale.pick(10_000, 64), 1.10, "0.5 s jobs"),
        # 45 s jobs are measured at a tenth: what a start costs weighs ten times as much here.
        (4.5, scale.pick(960, 64), 1.05, "45 s jobs, measured with 4.5 s"),
    )
    for seconds, count, limit, name in plans:
        if scale.quick and seconds > 1:
            rows.append(Row("P3", f"wall / bound, {name}", f"<= {limit:g}", "left out in quick mode", None))
            continue
        found, books = _one_run(seconds, count)
        bound = count * seconds / AT_ONCE
        late = books["lateness_s"]["mean"]
        note = (
            f"{count} rows; {1000 * found['cpu_s'] / count:.1f} ms CPU a row, of {1000 * bound / count:.1f} ms that a "
            f"core has; {books['status_calls'] / count:.2f} status calls a job, end noticed {1000 * late:.0f} ms late "
            f"({100 * late / seconds:.0f} % of a job); most jobs at once {books['peak_running']}"
        )
        rows.append(at_most("P3", f"wall / bound, 64 at once, {name}", limit, found["wall_s"] / bound, note=note))
    return rows


def measure_shares(scale: Scale) -> list[Row]:
    """P4 and P8: short runs side by side with the ways that people write by hand."""
    count, rounds = scale.pick(800, 64), scale.pick(3, 1)
    python = peer_python(may_make=not scale.quick)
    figures: dict[str, list[float]] = {}
    walls: dict[str, list[float]] = {}
    ledger: list[float] = []
    bound = count * 0.5 / AT_ONCE
    with Served(seconds=0.5) as opus:
        given = {"base_url": opus.base_url, "workflow_id": opus.workflow_id}
        for _ in range(rounds):
            with ours() as mine:
                # What is loaded and learned once is no part of a row.
                mine.ask(way="run", rows=32, at_once=AT_ONCE, **given)
                found = mine.ask(way="run", rows=count, at_once=AT_ONCE, **given)
            figures.setdefault("ours", []).append(found["cpu_s"] / count)
            walls.setdefault("ours", []).append(found["wall_s"] / bound)
            ledger.append(found["ledger_cpu_s"] / found["cpu_s"])
            if python is None:
                continue
            with peers(python) as their:
                for way in ("gather", "threads"):
                    opus.reset()
                    their.ask(way=way, rows=32, at_once=AT_ONCE, **given)
                    found = their.ask(way=way, rows=count, at_once=AT_ONCE, **given)
                    figures.setdefault(way, []).append(found["cpu_s"] / count)
                    walls.setdefault(way, []).append(found["wall_s"] / bound)
                opus.reset()
                found = their.ask(way="threads", rows=16, at_once=1, **given)
                figures.setdefault("loop", []).append(found["cpu_s"] / 16)
                walls.setdefault("loop", []).append(found["wall_s"] / (16 * 0.5 / AT_ONCE))
            opus.reset()
    rows = []
    told = ", ".join(
        f"{name} {1000 * median(figures[name]):.1f} ms and {median(walls[name]):.2f} x the bound" for name in figures
    )
    for way, name, limit in (("gather", "gather + httpx", 0.5), ("threads", "threads + requests", 1.3)):
        what = f"CPU a row, against {name}"
        if way in figures:
            rows.append(at_most("P4", what, limit, median_ratio(figures["ours"], figures[way]), note=told))
        else:
            rows.append(Row("P4", what, f"<= {limit:g}", "needs .bench-env: run make bench once", None))
        told = ""
    share = 100 * median(ledger)
    rows.append(
        at_most(
            "P8",
            "the ledger thread's share of a run's CPU",
            5.0,
            share,
            unit=" %",
            digits=1,
            note="about half of it is the kernel's fsync, a few hundred a second where marks come one by one",
        )
    )
    return rows
