"""The thread that writes: what is put together, what waits for company, and what a bad write takes with it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from opus_nb.batch import writer as writer_module
from opus_nb.batch.ledger import Ledger
from opus_nb.errors import LedgerError

INSERT = "INSERT INTO orphans (run, key, attempt, title, job_id, at) VALUES (?,?,?,?,?,?)"
UPSERT = (
    "INSERT INTO hashes (path, size, mtime_ns, sha256) VALUES (?,?,?,?) "
    "ON CONFLICT (path) DO UPDATE SET sha256 = excluded.sha256"
)


def orphan(number: int) -> tuple[object, ...]:
    return (1, f"key {number}", 1, "a title (with, signs ?)", None, 1.0)


def keys(ledger: Ledger) -> list[str]:
    return [row["key"] for row in ledger.read("SELECT key FROM orphans ORDER BY rowid")]


@pytest.mark.parametrize("count", [1, 2, 16, 17, 100])
def test_marks_of_one_kind_arrive_whole_and_in_order(tmp_path: Path, count: int) -> None:
    """However many are made one statement, each is there, in the order in which they were handed over."""

    async def all_at_once() -> None:
        await asyncio.gather(*(ledger.write(INSERT, orphan(number)) for number in range(count)))

    with Ledger(tmp_path) as ledger:
        asyncio.run(all_at_once())
        assert keys(ledger) == [f"key {number}" for number in range(count)]


def test_the_later_of_two_marks_for_one_row_stays(tmp_path: Path) -> None:
    """Two marks for the same row in one statement are two marks, one after the other."""

    async def twice() -> None:
        await asyncio.gather(*(ledger.write(UPSERT, ("a", 1, 1, word)) for word in ("early", "late")))

    with Ledger(tmp_path) as ledger:
        asyncio.run(twice())
        assert [row["sha256"] for row in ledger.read("SELECT sha256 FROM hashes")] == ["late"]


def test_a_bad_mark_harms_none_of_those_it_travelled_with(tmp_path: Path) -> None:
    """The one that cannot be written fails alone; the others are on disk."""
    bad = (1, None, 1, "no key", None, 1.0)

    async def together() -> list[object]:
        writes = [ledger.write(INSERT, bad if number == 3 else orphan(number)) for number in range(6)]
        return await asyncio.gather(*writes, return_exceptions=True)

    with Ledger(tmp_path) as ledger:
        found = asyncio.run(together())
        assert [type(each) for each in found] == [type(None)] * 3 + [LedgerError] + [type(None)] * 2
        assert keys(ledger) == [f"key {number}" for number in (0, 1, 2, 4, 5)]


def test_a_patient_mark_goes_with_the_next_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes no transaction of its own when another comes in time."""
    monkeypatch.setattr(writer_module, "LINGER_S", 30.0)

    async def both() -> None:
        patient = asyncio.ensure_future(ledger.write_group([(INSERT, orphan(1), False)], soon=False))
        await asyncio.sleep(0)
        assert keys(ledger) == []
        await ledger.write(INSERT, orphan(2))
        await asyncio.wait_for(patient, 10.0)

    with Ledger(tmp_path) as ledger:
        asyncio.run(both())
        assert keys(ledger) == ["key 1", "key 2"]
        assert ledger.writer.commits == 1


def test_a_patient_mark_does_not_wait_for_ever(tmp_path: Path) -> None:
    """Without company it is written by itself, on one loop and on the next."""

    async def alone(number: int) -> None:
        await asyncio.wait_for(ledger.write_group([(INSERT, orphan(number), False)], soon=False), 10.0)

    with Ledger(tmp_path) as ledger:
        asyncio.run(alone(1))
        asyncio.run(alone(2))
        assert keys(ledger) == ["key 1", "key 2"]


def test_a_patient_mark_survives_a_loop_that_ends_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is left to wake the writer; closing the ledger writes it, and another loop is served as before."""
    monkeypatch.setattr(writer_module, "LINGER_S", 0.2)

    async def given_up() -> None:
        task = asyncio.ensure_future(ledger.write_group([(INSERT, orphan(1), False)], soon=False))
        await asyncio.sleep(0)
        task.cancel()

    async def another() -> None:
        await asyncio.wait_for(ledger.write_group([(INSERT, orphan(2), False)], soon=False), 10.0)

    with Ledger(tmp_path) as ledger:
        asyncio.run(given_up())
        asyncio.run(another())
        assert keys(ledger) == ["key 1", "key 2"]
        began = time.monotonic()
        asyncio.run(given_up())
    assert time.monotonic() - began < 5.0
    with Ledger(tmp_path) as ledger:
        assert keys(ledger) == ["key 1", "key 2", "key 1"]
