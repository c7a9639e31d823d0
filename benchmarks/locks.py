"""R4: a second process on the same run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.served import ROOT
from benchmarks.table import Row, Scale, at_most, median
from opus_nb.batch.book import Book
from opus_nb.batch.ledger import Ledger
from opus_nb.batch.lock import RunLock
from opus_nb.errors import RunLocked

_HOLDER = """
import sys, time
from pathlib import Path
from opus_nb.batch.book import Book
from opus_nb.batch.ledger import Ledger
from opus_nb.batch.lock import RunLock
lock = RunLock(Book.open(Ledger.at(Path(sys.argv[1])), "held"))
lock.take()
print("held", flush=True)
time.sleep(600)
"""


def measure(scale: Scale) -> list[Row]:
    """Hold a run in another process, be refused, kill it, and have the run."""
    refused, freed = [], []
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder)) as ledger:
        book = Book.create(ledger, "held", "workflow", 1, {})
        for _ in range(scale.pick(5, 1)):
            holder = subprocess.Popen(
                [sys.executable, "-c", _HOLDER, folder], stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            assert holder.stdout is not None
            holder.stdout.readline()
            lock = RunLock(book)
            began = time.perf_counter()
            try:
                lock.take()
                raise AssertionError("two processes have the same run")
            except RunLocked:
                refused.append(time.perf_counter() - began)
            holder.kill()
            holder.wait()
            holder.stdout.close()
            began = time.perf_counter()
            lock.take()
            freed.append(time.perf_counter() - began)
            lock.release()
    note = f"free {1000 * median(freed):.1f} ms after the first was killed"
    return [at_most("R4", "a second kernel on the same run is refused within", 50, 1000 * max(refused), unit=" ms",
                    digits=1, note=note)]  # fmt: skip
