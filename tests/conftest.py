"""What every test may use: a sandbox that is quick, a connection to it, and small sheets with real files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import opus_nb
from opus_nb.service.wire import Patience


@pytest.fixture
def opus(tmp_path: Path) -> Iterator[opus_nb.Opus]:
    """A connection to a sandbox of its own, with a ledger of its own; jobs take hundredths of a second."""
    with opus_nb.sandbox(time_scale=0.01, ledger=tmp_path / "ledger", settle_s=0.2) as connection:
        quicken(connection)
        yield connection


def quicken(connection: opus_nb.Opus) -> None:
    """Let repeats follow each other without the pauses that politeness needs elsewhere."""
    connection.client.wire.patience = Patience(first_wait_s=0.01, longest_wait_s=0.05)


@pytest.fixture
def dossier(opus: opus_nb.Opus) -> opus_nb.Workflow:
    """The plainest graph of the sandbox: a question, several files, no failures."""
    return opus.workflow(dossier_id(opus))


def dossier_id(opus: opus_nb.Opus) -> str:
    """The id of the plain graph."""
    listed = opus.workflows()
    return str(listed.loc[listed["generation"] == "v2", "id"].iloc[0])


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """Make a sheet for the plain graph: ``sheet(5)`` has five different rows with one real file each."""

    def make(rows: int, *, index: Any = None, files: int = 3) -> pd.DataFrame:
        for number in range(files):
            (tmp_path / f"letter-{number}.txt").write_text(f"Dear reader {number}, the answer is forty-two.")
        return pd.DataFrame(
            {
                "Question": [f"What is the answer to {row}?" for row in range(rows)],
                "Documents": [str(tmp_path / f"letter-{row % files}.txt") for row in range(rows)],
            },
            index=index,
        )

    return make
