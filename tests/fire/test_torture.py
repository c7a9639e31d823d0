"""Small tortures: the large ones are ``make torture`` and ``make torture-large``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("program", "deaths"),
    [
        ("torture --rows 150 --kills 8 --seeds 1", None),
        ("torture_inside --rows 2000 --deaths 16 --seed 7", 14),
    ],
    ids=["processes killed, over HTTP", "deaths at commits, in memory"],
)
def test_nothing_is_lost_and_nothing_bought_twice(program: str, deaths: int | None) -> None:
    """Faults on an eighth of all calls, and deaths: every row completed once, and every shell in the account."""
    name, *arguments = program.split()
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"benchmarks.{name}", *arguments],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "lost 0, executed twice 0: kept" in ended.stdout
    if deaths is not None:
        told = re.search(r"deaths (\d+)", ended.stdout)
        assert told is not None
        assert int(told[1]) >= deaths
