"""``opus.runs()``, ``opus.jobs()`` and ``opus.workflows()``: the same columns and dtypes, full or empty."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import opus_nb
from opus_nb import listings
from opus_nb.batch.book import Book
from opus_nb.batch.ledger import Ledger

UTC = "datetime64[ns, UTC]"


class Client:
    """Answers lists with what it was given."""

    wire = SimpleNamespace(base_url="http://127.0.0.1:9")

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    async def fetch_workflows(self, *, query: str | None = None) -> list[dict[str, Any]]:
        return self.rows

    async def search_jobs(self, *, limit: int, **filters: Any) -> list[dict[str, Any]]:
        return self.rows


def jobs(rows: list[dict[str, Any]], **asked: Any) -> pd.DataFrame:
    """The frame of a search."""
    given: dict[str, Any] = {"workflow_id": None, "status": None, "query": None, "since": None}
    given |= {"archived": False, "limit": 500, **asked}
    return listings.jobs_at_opus_frame(Client(rows), **given)  # type: ignore[arg-type]


MOMENTS = {
    "milliseconds": "2026-02-03T04:05:06.789Z",
    "seconds": "2026-02-03T04:05:06Z",
    "another zone": "2026-02-03T05:05:06+01:00",
    "a day": "2026-02-03",
    "microseconds": "2026-02-03T04:05:06.789012Z",
    "nothing": None,
    "no moment": "yesterday",
    "a number": 1770091506,
    "beyond nanoseconds": "9999-12-31T00:00:00Z",
}
UNKNOWN = {"nothing", "no moment", "a number", "beyond nanoseconds"}


@pytest.mark.parametrize("kind", MOMENTS)
def test_moments_have_one_dtype_however_they_are_written(kind: str) -> None:
    """Nanoseconds in UTC in every version of pandas; what is no moment is NaT."""
    rows = [{"jobExecutionId": "1", "workflowId": "w", "createdAt": MOMENTS[kind]}]
    for frame in (jobs(rows), listings.workflows_frame(Client(rows), None)):  # type: ignore[arg-type]
        assert str(frame["created_at"].dtype) == UTC
        moment = frame["created_at"].iloc[0]
        assert pd.isna(moment) if kind in UNKNOWN else moment.date() == pd.Timestamp("2026-02-03").date()


def test_empty_tables_have_the_same_dtypes(tmp_path: Path) -> None:
    """A program that works on a full table works on an empty one, and on one where a filter left nothing."""
    row = {"jobExecutionId": "1", "createdAt": MOMENTS["seconds"], "status": "COMPLETED"}
    full, none = jobs([row]), jobs([])
    assert full.dtypes.to_dict() == none.dtypes.to_dict() == jobs([row], since="2100-01-01").dtypes.to_dict()
    assert none["created_at"].dt.year.tolist() == []
    workflows, no_workflows = (listings.workflows_frame(Client(each), None) for each in ([row], []))  # type: ignore[arg-type]
    assert workflows.dtypes.to_dict() == no_workflows.dtypes.to_dict()
    ledger = Ledger.at(tmp_path)
    before, no_ledger = listings.runs_frame(ledger), listings.runs_frame(None)
    Book.create(ledger, "run", "wf", 0, {"workflow_name": "W"})
    after = listings.runs_frame(ledger)
    assert after.dtypes.to_dict() == before.dtypes.to_dict() == no_ledger.dtypes.to_dict()
    assert [str(after[name].dtype) for name in ("created_at", "touched_at")] == [UTC, UTC]
    assert abs((pd.Timestamp.now(tz="UTC") - after["created_at"].iloc[0]).total_seconds()) < 60


def test_what_a_sandbox_lists(tmp_path: Path) -> None:
    """Against a real server, too; and times of runs and jobs can be laid side by side."""
    with opus_nb.sandbox(time_scale=0.01, ledger=tmp_path) as opus:
        opus.workflow("N0inPuTsAtAll000").run(pd.DataFrame({"Item": ["pen"]}), name="first", progress="off").wait()
        frames = [opus.runs(), opus.jobs(), opus.workflows()]
    assert {str(frame["created_at"].dtype) for frame in frames} == {UTC}
    assert all(frame["created_at"].notna().all() for frame in frames)
    assert len(pd.concat([frame["created_at"] for frame in frames])) >= 3
