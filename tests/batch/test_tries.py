"""How often a row was tried: attempts that left, and no others."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from opus_nb.batch.book import Book, SheetRow
from opus_nb.batch.ledger import Ledger
from opus_nb.job import JobEvent, RowState

# What an attempt comes to, and the id it had.
Story = list[tuple[RowState, str | None]]
STAYED: Story = [(RowState.PLANNED, None), (RowState.CANCELLED, None)]
SKIPPED: Story = [(RowState.SKIPPED, None)]
REFUSED: Story = [(RowState.INITIATING, None), (RowState.FAILED, None)]
FAILED: Story = [(RowState.INITIATED, "7"), (RowState.FAILED, "7")]
DONE: Story = [(RowState.INITIATED, "9"), (RowState.COMPLETED, "9")]


@pytest.mark.parametrize(
    ("attempts", "tries"),
    [
        ([DONE], 1),
        ([STAYED], 0),
        ([STAYED, DONE], 1),
        ([STAYED, STAYED], 0),
        ([FAILED, STAYED], 1),
        ([FAILED, STAYED, DONE], 2),
        ([SKIPPED, DONE], 1),
        ([REFUSED, DONE], 2),
        ([FAILED, DONE], 2),
    ],
)
def test_only_attempts_that_left_are_counted(tmp_path: Path, attempts: list[Story], tries: int) -> None:
    """One that was cancelled before it was sent is no try, neither as the latest nor once a later one has gone."""
    book = Book.create(Ledger.at(tmp_path), "run", "wf", 1, {})
    asyncio.run(book.record_sheet(iter([SheetRow(0, json.dumps(0), None, "t", "", {}, "k")])))
    before = RowState.PLANNED
    for number, story in enumerate(attempts, 1):
        if number > 1:
            asyncio.run(book.record(JobEvent(0, "k", number, RowState.PLANNED, before, 1.0)))
        for state, job_id in story:
            asyncio.run(book.record(JobEvent(0, "k", number, state, before, 1.0, job_id=job_id)))
            before = state
    assert book.outcomes()[0].tries == tries
    assert book.page(None, 0, 10)[0].tries == tries
