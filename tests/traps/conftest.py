"""A sandbox for each trap."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import opus_nb
from opus_nb.sandbox import WorkflowDefinition

sys.path.insert(0, str(Path(__file__).parent))  # for trap_making

from trap_making import quicken

Serve = Callable[..., opus_nb.Opus]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a sandbox with the workflows that are given, and connect to it; all are closed in the end."""
    opened: list[opus_nb.Opus] = []

    def start(*definitions: WorkflowDefinition, **options: Any) -> opus_nb.Opus:
        folder = tmp_path / f"ledger-{len(opened)}"
        options = {"time_scale": 0.01, "settle_s": 0.1, **options}
        connection = opus_nb.sandbox(list(definitions) or None, ledger=folder, **options)
        opened.append(connection)
        return quicken(connection)

    yield start
    for each in opened:
        each.close()
