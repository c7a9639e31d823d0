"""Where the project lies, and a sandbox that costs no time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import opus_nb

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def opus(tmp_path: Path) -> Iterator[opus_nb.Opus]:
    with opus_nb.sandbox(time_scale=0.01, ledger=tmp_path / "ledger") as connected:
        yield connected
