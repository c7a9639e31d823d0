"""A sandbox and a nursery for everything in this folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fire_making import FIRE_WORKFLOWS, Nurseries, Rig

from opus_nb.sandbox import Sandbox


@pytest.fixture(scope="session")
def fire_sandbox() -> Iterator[Sandbox]:
    """One server for all tests of this folder; each clears its faults."""
    with Sandbox(FIRE_WORKFLOWS) as sandbox:
        yield sandbox


@pytest.fixture
def rig(fire_sandbox: Sandbox, tmp_path: Path) -> Iterator[Rig]:
    """A run of a few rows below the sheet, with its own ledger, against a sandbox without memory."""
    fire_sandbox.faults_clear()
    fire_sandbox.reset()
    rig = Rig(fire_sandbox, tmp_path / "ledger")
    yield rig
    rig.close()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nurseries]:
    """Processes that bear children which may be killed."""
    with Nurseries() as nurseries:
        yield nurseries
