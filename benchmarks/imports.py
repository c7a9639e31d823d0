"""P14: what ``import opus_nb`` takes, against ``import pandas, httpx``.

The import itself loads next to nothing; what the first name then loads is told beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks.served import ROOT
from benchmarks.table import Row, Scale, at_most, median, median_ratio


def _cpu_s(statement: str, caches: str) -> float:
    """CPU seconds of a fresh interpreter that runs this, without its start; compiled code comes from ``caches``."""
    code = f"import time; began = time.process_time(); {statement}; print(time.process_time() - began)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": caches}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout)


def measure(scale: Scale) -> list[Row]:
    """Fresh interpreters in turn."""
    figures: dict[str, list[float]] = {
        "import opus_nb": [],
        "import pandas, httpx": [],
        "import opus_nb; opus_nb.connect": [],
    }
    with tempfile.TemporaryDirectory() as caches:
        for number in range(scale.pick(15, 1) + 1):
            for statement, found in figures.items():
                value = _cpu_s(statement, caches)
                if number:  # the first fills the caches
                    found.append(value)
    mine, theirs, all_of_it = figures.values()
    note = (
        f"{1000 * median(mine):.0f} ms and {1000 * median(theirs):.0f} ms; with everything that the first use of a "
        f"name loads, pandas and httpx among it, {1000 * median(all_of_it):.0f} ms "
        f"({median_ratio(all_of_it, theirs):.2f})"
    )
    return [at_most("P14", "import opus_nb against import pandas, httpx", 1.10, median_ratio(mine, theirs), note=note)]
