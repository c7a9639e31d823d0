"""What comes together with an end: a retry, a question, a cancel, a letting go. And what the next one may believe."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fire_making import PLAIN, Rig

from opus_nb import loop
from opus_nb.batch import engine as engine_module
from opus_nb.batch import ledger as ledger_module
from opus_nb.batch.entry import Entry
from opus_nb.batch.ledger import Ledger
from opus_nb.batch.lock import RunLock
from opus_nb.batch.timing import Timing
from opus_nb.errors import LedgerDamaged, LedgerError
from opus_nb.sandbox import Sandbox
from opus_nb.service.wire import Patience
from opus_nb.settings import ServiceKey


def until(condition: Callable[[], bool], *, within_s: float = 15.0) -> None:
    """Wait for what other threads bring about."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_execute_that_was_given_up_is_not_taken_for_one_that_never_came(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let go while an execute is on its way: reconciling leaves the row, going on waits for it, and it runs once."""
    monkeypatch.setattr(engine_module, "GRACE_S", 0.05)
    rig.timing = Timing(settle_s=0.1, timeout_s=3.0)
    rig.sandbox.fault("execute", "slow", before_s=1.0)
    rig.record(1)
    rig.begin(rig.rows(1))
    until(lambda: rig.door.passed["execute"] == 1)
    rig.let_go()
    [line] = rig.reconcile()
    assert (line.before, line.now) == ("running", "running")
    assert "may still arrive" in str(line.note)
    rig.sandbox.faults_clear()
    rig.again()
    rig.assert_once(1)
    assert rig.door.passed["execute"] == 1


def test_a_retry_that_meets_the_end_is_still_watched(rig: Rig) -> None:
    """The last job ends while a failed row gets its new attempt: the engine stays for it, and so does the lock."""
    rig.limits.max_concurrency = 2
    rig.sandbox.fault("execute", "script", end="FAILED", title="Row 0 *", times=1)
    rig.sandbox.fault("execute", "stuck", title="Row 1 *", times=1)
    rig.record(2)
    runner = rig.begin(rig.rows(2))
    until(lambda: rig.states() == ["failed", "running"])
    rig.sandbox.faults_clear()
    open_attempt = runner.engine.protocol.open_attempt

    async def open_slowly(entry: Entry) -> None:
        await open_attempt(entry)
        await asyncio.sleep(0.2)

    runner.engine.protocol.open_attempt = open_slowly
    with ThreadPoolExecutor(1) as pool:
        retrying = pool.submit(runner.retry, [0])
        until(lambda: rig.outcomes()[0].state.value == "planned")
        rig.sandbox.end(rig.outcomes()[1].job_id, "COMPLETED")
        assert retrying.result(10) == 1
    loop.wait_for(runner.over(), timeout_s=20)
    rig.assert_once(2, jobs=3)


def test_a_retry_after_the_end_asks_for_the_lock(rig: Rig) -> None:
    """An engine that has ended takes no row up any more: it says so, and its lock is free."""
    rig.sandbox.fault("execute", "script", end="FAILED", times=1)
    rig.work(1)
    assert rig.states() == ["failed"]
    until(lambda: not rig.runner.is_alive)
    assert rig.runner.retry([0]) is None
    assert rig.runner.engine.closed
    lock = RunLock(rig.book)
    lock.take()
    lock.release()
    assert rig.retry([0]) == 1
    rig.again()
    rig.assert_once(1, jobs=2)


def test_what_reconciling_finds_is_looked_after_though_the_last_job_ends_meanwhile(rig: Rig) -> None:
    """An uncertain row that never started is sent by an engine that is still there, once, and seen to its end."""
    rig.wire.patience = Patience(attempts=1)
    rig.limits.max_concurrency = 1
    rig.sandbox.fault("execute", "lost_before", skip_first=1, times=1)
    rig.sandbox.fault("detail", "error", status=503)
    rig.sandbox.fault("execute", "stuck", skip_first=2, times=1)
    rig.record(3)
    runner = rig.begin(rig.rows(3))
    until(lambda: rig.states() == ["completed", "uncertain", "running"])
    rig.sandbox.faults_clear()
    rig.sandbox.fault("detail", "slow", before_s=0.3)
    with ThreadPoolExecutor(1) as pool:
        reconciling = pool.submit(runner.reconcile)
        time.sleep(0.05)
        rig.sandbox.end(rig.outcomes()[2].job_id, "COMPLETED")
        lines = reconciling.result(20)
    assert lines is not None
    assert [each.now for each in lines if each.before == "uncertain"] == ["queued"]
    rig.sandbox.faults_clear()
    loop.wait_for(runner.over(), timeout_s=20)
    rig.assert_once(3)


@pytest.mark.parametrize("endpoint", ["initiate", "execute"])
def test_cancel_ends_though_what_is_on_its_way_is_refused(rig: Rig, endpoint: str) -> None:
    """A row that would go back to the queue after the cancel is cancelled with the others."""
    rig.wire.patience = Patience(attempts=1)
    rig.limits.max_concurrency = 4
    rig.sandbox.fault(endpoint, "slow", before_s=0.2)
    rig.sandbox.fault(endpoint, "rate_limited" if endpoint == "execute" else "error", **(
        {"retry_after_s": 0} if endpoint == "execute" else {"status": 503}))  # fmt: skip
    rig.record(8)
    runner = rig.begin(rig.rows(8))
    until(lambda: rig.door.passed[endpoint] >= 2)
    runner.cancel()
    loop.wait_for(runner.over(), timeout_s=20)
    assert set(rig.states()) == {"cancelled"}
    rig.assert_never_twice()


def test_a_shell_found_by_its_mark_that_was_executed_is_not_executed_again(rig: Rig) -> None:
    """A ledger that was copied back from a moment earlier: the job runs already, and is watched."""
    rig.work(1)
    rig.let_go()
    rig.ledger.write_now(
        "UPDATE work SET state = 'initiating', job_id = NULL, acked_at = NULL, sent_at = NULL, results = NULL", ()
    )
    rig.again()
    rig.assert_once(1)


def test_jobs_of_an_earlier_sheet_take_nobodys_place(rig: Rig) -> None:
    """Reconciling accounts for them; the rows of the sheet have the places."""
    rig.limits.max_concurrency = 2
    rig.sandbox.fault("execute", "stuck", times=2)
    rig.record(3)
    sheet = rig.rows(3)
    runner = rig.begin(sheet[:2])
    until(lambda: rig.states() == ["running", "running"])
    rig.let_go()
    rig.sandbox.fault("execute", "stuck")
    runner = rig.begin(sheet[2:])
    until(lambda: rig.books()["executions"] == 3)
    for _ in range(2):
        lines = runner.reconcile()
        assert lines is not None
        assert sum(each.kind == "earlier row" for each in lines) == 2
    assert runner.engine.in_flight == 1
    rig.let_go()


def test_a_row_in_doubt_counts_for_the_cap_before_it_is_its_turn(rig: Rig) -> None:
    """What may have been executed by a process that died is a job that was bought, wherever it stands in the sheet."""
    rig.record(4)
    rig.limits.max_jobs = 2
    rig.work(4)
    assert sorted(rig.states()) == ["completed", "completed", "skipped", "skipped"]
    rig.let_go()
    rig.ledger.write_now("UPDATE work SET state = 'executing', acked_at = NULL WHERE state = 'completed'", ())
    assert rig.book.executed() == 2
    rig.again()
    assert sorted(rig.states()) == ["completed", "completed", "skipped", "skipped"]
    assert rig.books()["executions"] == 2


def test_a_key_that_is_cut_in_two_is_not_in_the_ledger(tmp_path: Path) -> None:
    """A refusal that repeats the key where its words are cut short: not even the first half stays."""
    key = "_" + "secret" * 16
    with Sandbox([PLAIN], service_keys=[key, "sandbox"]) as sandbox:
        rig = Rig(sandbox, tmp_path / "ledger")
        rig.wire._key = ServiceKey(key)
        sandbox.fault("execute", "error", status=400, message="x" * 230 + " no job for " + key)
        rig.work(1)
        assert rig.states() == ["failed"]
        error = str(rig.outcomes()[0].error)
        rig.close()
    assert "no job for" in error
    assert "secretsecret" not in error
    assert all(b"secretsecret" not in each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())


def test_a_ledger_that_another_program_holds_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told to take another folder, where every row would be bought again."""
    Ledger(tmp_path).close()
    monkeypatch.setattr(ledger_module, "BUSY_TIMEOUT_S", 0.05)
    other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerError) as refused:
        Ledger(tmp_path)
    other.close()
    assert not isinstance(refused.value, LedgerDamaged)
    assert "try again" in str(refused.value)
    Ledger(tmp_path).close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_the_ledger_anew(tmp_path: Path) -> None:
    """The parent's connections are none of its business; its own work, and the parent's go on."""
    ledger = Ledger.at(tmp_path)
    child = os.fork()
    if child == 0:
        code: Any = 1
        try:
            mine = Ledger.at(tmp_path)
            mine.write_now("INSERT INTO hashes (path, size, mtime_ns, sha256) VALUES ('child',1,1,'x')", ())
            code = 0 if mine is not ledger else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ledger.write_now("INSERT INTO hashes (path, size, mtime_ns, sha256) VALUES ('parent',1,1,'x')", ())
    assert {row["path"] for row in ledger.read("SELECT path FROM hashes")} == {"child", "parent"}
    ledger.close()


def test_a_retry_of_a_stopped_run_sends_what_was_asked_for_and_no_other(rig: Rig) -> None:
    """Interrupted, and the failed row retried: it goes, the queued rows stay where they are until a resume."""
    rig.limits.max_concurrency = 1
    rig.sandbox.fault("execute", "script", end="FAILED", times=1)
    rig.sandbox.fault("execute", "script", seconds=0.3, skip_first=1)
    rig.record(6)
    runner = rig.begin(rig.rows(6))
    until(lambda: rig.states()[:2] == ["failed", "running"])
    runner.tell(runner.engine.stop_starting)
    assert runner.retry([0]) == 1
    loop.wait_for(runner.over(), timeout_s=20)
    assert rig.book.counts() == {"completed": 2, "queued": 4}
    rig.sandbox.faults_clear()
    rig.again()
    rig.assert_once(6, jobs=7)


def test_a_cancel_that_nobody_waits_for_is_carried_out(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up by an interrupt half-way: every row that had not left is cancelled all the same, and the run ends."""
    monkeypatch.setattr(engine_module, "TOGETHER", 2)
    rig.limits.max_concurrency = 1
    rig.sandbox.fault("execute", "script", seconds=0.3)
    rig.record(30)
    runner = rig.begin(rig.rows(30))
    until(lambda: rig.door.passed["execute"] == 1 and not runner.engine.is_taking_in)

    async def press_and_give_up() -> None:
        pressed = asyncio.ensure_future(runner.engine.cancel())
        await asyncio.sleep(0)
        pressed.cancel()
        await asyncio.gather(pressed, return_exceptions=True)

    loop.call(press_and_give_up)
    loop.wait_for(runner.over(), timeout_s=20)
    assert rig.book.counts() == {"completed": 1, "cancelled": 29}
    rig.assert_never_twice()
