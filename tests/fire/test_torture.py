"""A small torture: the large one is ``make torture``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_hundred_and_fifty_rows_under_fire() -> None:
    """Faults on an eighth of all requests and six kills: nothing lost, nothing bought twice, every shell known."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "error", "-m", "benchmarks.torture"]
    ended = subprocess.run(
        [*command, "--rows", "150", "--kills", "8", "--seeds", "1"],
        cwd=root, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "lost 0, executed twice 0: kept" in ended.stdout
