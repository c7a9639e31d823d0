"""P6 and P7: how a rate limit is found, kept and spent."""

from __future__ import annotations

import threading

from benchmarks.children import ours
from benchmarks.served import Served
from benchmarks.table import Row, Scale, at_least, at_most
from benchmarks.wires import make_job

LIMIT = 100.0


def measure(scale: Scale) -> list[Row]:
    """A service with a budget of a second's worth of requests."""
    return [*_unknown(scale), *_order(scale)]


def _unknown(scale: Scale) -> list[Row]:
    seconds = scale.pick(30, 2)
    with Served() as opus, ours() as mine:

        def press(limit: float | None = None, drop: bool = False) -> tuple[float, float]:
            opus.reset()
            job_id = make_job(opus)
            opus.set_options(rate_limit_per_s=LIMIT)
            before = opus.books()
            timer = threading.Timer(seconds / 2, lambda: opus.set_options(rate_limit_per_s=LIMIT / 4))
            if drop:
                timer.start()
            found = mine.ask(way="press", base_url=opus.base_url, job_id=job_id, seconds=seconds, limit=limit)
            timer.cancel()
            books = opus.books()
            asked = books["requests"] - before["requests"]
            refused = books["rate_limited"] - before["rate_limited"]
            # The service's budget is full at first: a second's worth more than the time alone allows.
            allowed = LIMIT * (found["wall_s"] * (0.625 if drop else 1.0) + 1.0)
            return (asked - refused) / allowed, refused / asked

        used, refused = press()
        _, dropped = press(drop=True)
        _, known = press(limit=LIMIT)
    note = f"{LIMIT:.0f} requests a second, found out by 64 askers in {seconds} s from a cold start"
    return [
        at_least("P6", "unknown limit: share of it that is used", 98, 100 * used, unit=" %", digits=1, note=note),
        at_most("P6", "unknown limit: share of 429s", 1, 100 * refused, unit=" %"),
        at_most("P6", "it drops to a quarter half-way: share of 429s", 5, 100 * dropped, unit=" %"),
        at_most("P6", "known limit: share of 429s", 0, 100 * known, unit=" %"),
    ]


def _order(scale: Scale) -> list[Row]:
    rows, at_once, seconds = scale.pick(900, 20), 64, 3.0 if not scale.quick else 0.5
    walls, calls = [], []
    for first_come in (False, True):
        with Served(seconds=seconds, spread=0.3, rate_limit_per_s=LIMIT) as opus, ours() as mine:
            found = mine.ask(
                way="run",
                base_url=opus.base_url,
                workflow_id=opus.workflow_id,
                rows=rows,
                at_once=at_once,
                first_come=first_come,
            )
            walls.append(found["wall_s"])
            calls.append(opus.books()["status_calls"] / rows)
    return [
        at_most(
            "P7",
            "wall time when rate-bound, status last against first come first served",
            0.85,
            walls[0] / walls[1],
            note=f"{rows} rows of about {seconds:.0f} s, {at_once} at once, {LIMIT:.0f} requests a second: "
            f"{walls[0]:.1f} s and {walls[1]:.1f} s; status calls a job {calls[0]:.2f} and {calls[1]:.2f}",
        )
    ]
