"""The benchmarks run; what they measure is for ``make bench`` to tell."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ALL = {*(f"P{number}" for number in range(1, 15)), *(f"R{number}" for number in range(1, 5))}


def test_quick_mode_runs_and_prints_every_row():
    """Each of P1 to P14 and R1 to R4 has its line, with a target and a figure or where to find it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if re.match(r"[PR]\d+ ", line)]
    assert {line.split()[0] for line in lines} == ALL
    for line in lines:
        assert re.search(r"(yes|NO|-)$", line), line
        assert len(re.split(r"\s{2,}", line)) == 5, line


def test_one_target_can_be_measured_alone():
    """``--only`` leaves the others out."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "R4,R1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines() if re.match(r"[PR]\d+ ", line)} == {"R1", "R4"}
