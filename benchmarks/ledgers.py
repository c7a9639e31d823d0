"""P8: what it costs to have each mark on disk before going on."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from pathlib import Path

from benchmarks.table import Row, Scale, at_least, at_most, median
from opus_nb.batch.ledger import Ledger

AT_ONCE = 512
_INSERT = "INSERT INTO orphans (run, key, attempt, title, job_id, at) VALUES (?,?,?,?,?,?)"


def measure(scale: Scale) -> list[Row]:
    """Marks that many coroutines wait for, against a commit for each; on the disk that temporary folders are on."""
    count, rounds = scale.pick(20_000, 2_000), scale.pick(5, 1)
    speed_ups, late, syncs = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            syncs.append(_fsync_s(Path(folder), scale.pick(200, 20)))
            each_s = _commit_each_s(Path(folder), scale.pick(500, 50))
            with Ledger(Path(folder) / "ledger") as ledger:
                group_s, _ = asyncio.run(_together(ledger, count, AT_ONCE))
                _, waits = asyncio.run(_together(ledger, count // 4, 64))
            speed_ups.append(each_s / group_s)
            late.append(sorted(waits)[int(0.99 * len(waits))])
    sync_s = median(syncs)
    limit_ms = 1000 * max(0.003, 3 * sync_s)
    return [
        at_most("P8", "acknowledgement p99, 64 at once", round(limit_ms, 2), 1000 * median(late), unit=" ms",
                note=f"an fsync takes {1e6 * sync_s:.0f} us here"),
        at_least("P8", f"group commit ({AT_ONCE} at once) against a commit each", 20, median(speed_ups), unit=" x",
                 digits=1),
    ]  # fmt: skip


def _fsync_s(folder: Path, times: int) -> float:
    with open(folder / "synced", "wb") as file:
        began = time.perf_counter()
        for _ in range(times):
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        return (time.perf_counter() - began) / times


def _commit_each_s(folder: Path, times: int) -> float:
    """Seconds a mark with a commit for each, in the same journal mode and as safe."""
    connection = sqlite3.connect(folder / "each.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE orphans (run, key, attempt, title, job_id, at)")
    began = time.perf_counter()
    for number in range(times):
        connection.execute(_INSERT, (1, f"key-{number}", 1, "a title", None, 1.0))
    each_s = (time.perf_counter() - began) / times
    connection.close()
    return each_s


async def _together(ledger: Ledger, count: int, at_once: int) -> tuple[float, list[float]]:
    """Seconds a mark, and how long each was waited for, when many wait at once."""
    waits: list[float] = []

    async def write(place: int) -> None:
        for number in range(count // at_once):
            began = time.perf_counter()
            await ledger.write(_INSERT, (1, f"key-{place}-{number}", 1, "a title", None, 1.0))
            waits.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(write(place) for place in range(at_once)))
    return (time.perf_counter() - began) / len(waits), waits
