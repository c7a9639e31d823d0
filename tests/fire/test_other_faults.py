"""What else can go wrong between a row and its results."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fire_making import CASES, OLD, PLAIN, QUEUED, SETTLE_S, QuickSchedule, Rig, bare_fire, letter_fire

from opus_nb import loop
from opus_nb.batch import ledger as ledger_module
from opus_nb.batch.book import Book
from opus_nb.batch.ledger import Ledger
from opus_nb.batch.timing import Timing
from opus_nb.errors import LedgerError, RunHalted, RunLocked, SchemaChanged
from opus_nb.sandbox import Sandbox
from opus_nb.service.wire import Patience
from opus_nb.settings import ServiceKey


def other_rig(sandbox: Sandbox, folder: Path, definition: Any, **options: Any) -> Rig:
    """A rig for another workflow."""
    sandbox.faults_clear()
    sandbox.reset()
    return Rig(sandbox, folder / "ledger", definition=definition, **options)


# -- replies that are not what they seem ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["empty", "html", "cut_off", "inner_error"])
@pytest.mark.parametrize("request_", ["initiate", "execute", "status", "results", "audit"])
def test_a_reply_that_is_none(rig: Rig, request_: str, kind: str) -> None:
    """An empty body, a page, half a body or an error inside a 2xx: believed by nobody, and nothing is bought twice."""
    parts = {"after": True} if kind == "inner_error" else {}
    rule = rig.sandbox.fault(request_, kind, times=2, **parts)
    rig.work(3)
    rig.assert_once()
    assert rule.fired == 2


def test_an_inner_4xx_is_the_rows(rig: Rig) -> None:
    """A 200 around a 422 is a refusal of the payload, told in its own words."""
    rig.sandbox.fault("execute", "inner_error", status=422, message="Question is too long", times=1)
    rig.work(1)
    assert rig.states() == ["failed"]
    assert "Question is too long" in str(rig.outcomes()[0].error)


@pytest.mark.parametrize("acted", [True, False], ids=["runs", "does-not-run"])
def test_success_false_proves_nothing(rig: Rig, acted: bool) -> None:
    """Opus is asked before the row is given up: what runs is not lost, what does not has failed."""
    rig.sandbox.fault("execute", "success_false", after=acted, times=1)
    rig.work(1)
    assert rig.states() == ["completed" if acted else "failed"]
    assert rig.door.passed["execute"] == 1
    rig.assert_never_twice()


def test_unknown_words_are_no_end(rig: Rig) -> None:
    """A word that nobody knows is shown and waited out."""
    rig.sandbox.fault("status", "word", word="ON_THE_MOON", skip_first=1, times=4)
    rig.work(1)
    rig.assert_once(1)
    assert "ON_THE_MOON" in {each.word for each in rig.heard}


def test_a_repeated_id_serves_one_row_only(rig: Rig) -> None:
    """Initiate answers with the id of another job: it is not executed for this row, another shell is made."""
    rig.limits.max_concurrency = 1
    rule = rig.sandbox.fault("initiate", "lie", skip_first=1, times=2)
    rig.work(3)
    rig.assert_once()
    assert rule.fired == 2
    assert len({each.job_id for each in rig.outcomes()}) == 3


# -- the witnesses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("definition", [OLD, QUEUED, letter_fire], ids=["v1", "queued", "files"])
@pytest.mark.parametrize("kind", ["lost_before", "lost_after"])
def test_a_lost_execute_in_every_generation(fire_sandbox: Sandbox, tmp_path: Path, definition: Any, kind: str) -> None:
    """Three witnesses: what never arrived is sent again under the same id, what waits in a queue is not."""
    rig = other_rig(fire_sandbox, tmp_path, definition)
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader")
    fire_sandbox.fault("execute", kind, times=1)
    rig.work(rig.rows(2, letter=letter if definition is letter_fire else None))
    books = rig.assert_once(2)
    assert books["orphan_shells"] == 0
    assert rig.door.passed["execute"] == (3 if kind == "lost_before" else 2)
    rig.close()


@pytest.mark.parametrize("kind", ["lost_before", "lost_after"])
def test_two_witnesses_are_not_enough(fire_sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    """The case family has no detail: a job that was started is found out, one that was not is uncertain."""
    rig = other_rig(fire_sandbox, tmp_path, CASES, settle_s=0.05)
    fire_sandbox.fault("execute", kind, times=1)
    rig.work(1)
    assert rig.states() == ["completed" if kind == "lost_after" else "uncertain"]
    assert rig.door.passed["execute"] == 1
    rig.assert_never_twice()
    rig.close()


@pytest.mark.parametrize("kind", ["lost_before", "lost_after"])
def test_a_job_without_inputs_has_no_third_witness(fire_sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    """Where nothing is sent, nothing in the detail can tell whether it came."""
    rig = other_rig(fire_sandbox, tmp_path, bare_fire, settle_s=0.05)
    fire_sandbox.fault("execute", kind, times=1)
    rig.work(1)
    assert rig.states() == ["completed" if kind == "lost_after" else "uncertain"]
    rig.assert_never_twice()
    rig.close()


@pytest.mark.parametrize("witness", ["status", "audit", "detail"])
@pytest.mark.parametrize("kind", ["lost_before", "lost_after"])
def test_a_witness_that_cannot_be_heard(rig: Rig, witness: str, kind: str) -> None:
    """503 from one of them for ever: seen running by another, it runs; else uncertain, never sent on a guess."""
    rig.wire.patience = Patience(attempts=1)
    rig.timing = type(rig.timing)(settle_s=0.05)
    rig.record(1)
    rig.sandbox.fault("execute", kind, times=1)
    rig.sandbox.fault(witness, "error", status=503, skip_first=1 if witness == "status" else 0, for_s=2.5)
    rig.work(1)
    if kind == "lost_before":
        assert rig.states() == ["uncertain"]
        assert "NOT sent again" in str(rig.outcomes()[0].error)
        assert rig.door.passed["execute"] == 1
    else:
        assert rig.states() == ["completed"]
    rig.assert_never_twice()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_detail_that_this_key_may_not_read(rig: Rig, status: int) -> None:
    """A route that is closed to a key that works elsewhere is a silent witness, not the end of the run."""
    rig.timing = type(rig.timing)(settle_s=0.05)
    rig.sandbox.fault("execute", "lost_before", times=1)
    rig.sandbox.fault("detail", "error", status=status, message="No auth cookie provided")
    rig.work(2)
    assert sorted(rig.states()) == ["completed", "uncertain"]
    assert rig.runner.failure() is None


def test_a_404_for_the_status_is_no_proof(rig: Rig) -> None:
    """A young job that is not known everywhere yet is neither running nor certainly not: asked again."""
    rig.sandbox.fault("execute", "lost_before", times=1)
    rig.sandbox.fault("status", "error", status=404, skip_first=1, times=2)
    rig.work(1)
    rig.assert_once(1)
    assert rig.door.passed["execute"] == 2


def test_uncertain_rows_are_reconciled_not_guessed(rig: Rig) -> None:
    """Asked again when Opus answers again: what ran is collected, what never ran is queued, and the account adds up."""
    rig.wire.patience = Patience(attempts=1)
    rig.timing = type(rig.timing)(settle_s=0.05)
    rig.record(3)
    rig.sandbox.fault("execute", "lost_before", times=1)
    rig.sandbox.fault("execute", "lost_after", times=1)
    for route in ("audit", "detail"):
        rig.sandbox.fault(route, "error", status=500)
    rig.sandbox.fault("status", "word", word="UNKNOWN", skip_first=1)
    loop.start(rig.begin(rig.rows(2)).engine.wait, lambda: False)
    deadline = time.monotonic() + 15
    while rig.states() != ["uncertain", "uncertain"]:
        assert time.monotonic() < deadline, rig.states()
        time.sleep(0.02)
    rig.sandbox.faults_clear()
    lines = rig.reconcile()
    assert sorted((each.before, each.now) for each in lines) == [("uncertain", "completed"), ("uncertain", "queued")]
    rig.again()
    rig.assert_once(2)


def test_reconciling_keeps_its_hands_off_what_is_just_being_sent(rig: Rig) -> None:
    """A row whose execute is on its way looks as if it had never started; it is the engine's, and not queued again."""
    rig.record(1)
    rig.sandbox.fault("execute", "slow", before_s=0.6)
    rig.begin(rig.rows(1))
    deadline = time.monotonic() + 10
    while rig.door.passed["execute"] < 1:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    [line] = rig.reconcile()
    assert (line.before, line.now, line.word) == ("running", "running", "PENDING")
    loop.wait_for(rig.runner.over(), timeout_s=20)
    rig.assert_once(1)
    assert rig.door.passed["execute"] == 1


def test_orphans_are_found_by_their_titles(rig: Rig) -> None:
    """A shell whose answer was lost while nothing could be searched is found when it can be."""
    rig.sandbox.fault("initiate", "lost_after", times=2)
    rig.sandbox.fault("search", "error", status=503)
    rig.work(3)
    assert [each.job_id for each in rig.book.orphans()] == [None, None]
    rig.sandbox.faults_clear()
    lines = rig.reconcile()
    shells = [each for each in lines if each.kind == "shell"]
    assert [(each.before, each.now, each.word) for each in shells] == [("may exist", "never executed", "PENDING")] * 2
    assert {each.job_id for each in rig.book.orphans()} == set(rig.books()["orphans"])
    assert len([each for each in lines if each.kind == "row"]) == 3


def test_the_fresh_word_is_on_disk_as_soon_as_it_is_known(rig: Rig) -> None:
    """A process that is killed later leaves it to the next one."""
    rig.sandbox.fault("execute", "stuck")
    rig.record(1)
    rig.begin(rig.rows(1))
    deadline = time.monotonic() + 10
    while rig.door.passed["execute"] < 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert rig.book.record_of_run.about["fresh_word"] == "PENDING"


def test_what_a_dead_process_sent_may_arrive_late(rig: Rig) -> None:
    """An execute that is still on its way when the next process opens the run is waited for, not sent again."""
    rig.record(1)
    rig.sandbox.fault("execute", "slow", before_s=4 * SETTLE_S)
    rig.begin(rig.rows(1))
    deadline = time.monotonic() + 10
    while rig.door.passed["execute"] < 1:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    rig.runner.engine.halt(RunHalted("let go at once"))
    rig.sandbox.faults_clear()
    rig.timing = Timing(settle_s=SETTLE_S, timeout_s=25 * SETTLE_S)
    rig.again()
    rig.assert_once(1)
    assert rig.door.passed["execute"] == 1


# -- the ledger -------------------------------------------------------------------------------------------


def test_a_full_disk_halts_and_every_mark_is_true(rig: Rig) -> None:
    """Nothing leaves that is not recorded; with room again, the run goes on and buys nothing twice."""
    rig.record(6)
    rig.limits.max_concurrency = 1
    ledger = rig.ledger
    full = threading.Event()
    commit = ledger.writer.commit

    def commit_on_full_disk(connection: sqlite3.Connection, batch: Any) -> None:
        if rig.door.passed["execute"] >= 2 and not full.is_set():
            full.set()
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={pages}")
        if full.is_set():
            # Bulky, so that the page in hand does not do.
            bulky = ("INSERT INTO hashes VALUES (hex(randomblob(8)), 1, 1, hex(zeroblob(100000)))", (), False)
            batch[0].statements = [*batch[0].statements, bulky]
        commit(connection, batch)

    ledger.writer.commit = commit_on_full_disk  # type: ignore[method-assign]
    loop.wait_for(rig.begin(rig.rows(6)).over(), timeout_s=20)
    failure = rig.runner.failure()
    assert isinstance(failure, LedgerError)
    assert "full" in str(failure)
    sent = rig.door.passed["execute"]
    assert sent <= 3
    rig.let_go()
    ledger.close()
    loop.wait_for(rig.begin(None).over(), timeout_s=20)
    rig.assert_once(6)


def test_a_ledger_that_another_program_holds_for_a_moment(rig: Rig) -> None:
    """A backup that locks the file for a while delays the run and nothing else."""
    rig.record(3)
    rig.begin(rig.rows(3))
    other = sqlite3.connect(rig.ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    time.sleep(0.4)
    other.execute("COMMIT")
    other.close()
    loop.wait_for(rig.runner.over(), timeout_s=20)
    rig.assert_once(3)


def test_a_ledger_that_another_program_holds_for_long(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run halts and says so; nothing was sent that is not recorded, and it goes on when the file is free."""
    rig.record(3)
    rig.ledger.close()
    monkeypatch.setattr(ledger_module, "BUSY_TIMEOUT_S", 0.2)
    rig.sandbox.fault("initiate", "slow", before_s=0.2)
    rig.begin(rig.rows(3))
    time.sleep(0.1)
    other = sqlite3.connect(rig.ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    loop.wait_for(rig.runner.over(), timeout_s=20)
    failure = rig.runner.failure()
    assert isinstance(failure, LedgerError)
    assert "locked" in str(failure)
    other.execute("COMMIT")
    other.close()
    executed = rig.books()["executions"]
    rig.sandbox.faults_clear()
    rig.again()
    books = rig.assert_once(3)
    assert books["executions"] == 3 >= executed


def test_one_bad_statement_harms_nobody_who_was_written_with_it(tmp_path: Path) -> None:
    """What cannot be bound fails its own caller; the others of its transaction are on disk."""
    ledger = Ledger.at(tmp_path)

    async def both() -> list[Any]:
        insert = "INSERT INTO hashes (path, size, mtime_ns, sha256) VALUES (?,1,1,'x')"
        writes = [ledger.write(insert, (name,)) for name in ("a", object(), "b")]
        return await asyncio.gather(*writes, return_exceptions=True)

    first, second, third = asyncio.run(both())
    assert (first, third) == (None, None)
    assert isinstance(second, LedgerError)
    assert [row["path"] for row in ledger.read("SELECT path FROM hashes ORDER BY path")] == ["a", "b"]


# -- clocks, loops and interrupts -------------------------------------------------------------------------


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0], ids=["back", "ahead"])
def test_a_clock_that_jumps_changes_no_age(rig: Rig, jump_s: float) -> None:
    """Ages are counted on a clock that nobody can set: what is learned and asked does not move by a day."""
    rig.record(2)
    asked: list[float] = []

    class Listening(QuickSchedule):
        def wait_s(self, age_s: float) -> float:
            asked.append(age_s)
            return 0.02

    rig.schedule = Listening()
    rig.begin(rig.rows(2))
    calls = iter(range(10_000))
    rig.runner._reporter.now = lambda: time.time() + (jump_s if next(calls) % 2 else 0.0)
    loop.wait_for(rig.runner.over(), timeout_s=20)
    rig.assert_once(2)
    assert max(asked) < 20
    assert all(0 <= low <= high < 20 for low, high in rig.schedule.learned)


def test_a_clock_that_was_set_back_before_a_death_settles_in_full() -> None:
    """A mark from the future is no reason to ask too early, an old one none to wait."""
    timing = Timing(settle_s=10.0, timeout_s=30.0)
    assert timing.still_on_its_way_s(2000.0, now=1000.0) == 40.0
    assert timing.still_on_its_way_s(None, now=1000.0) == 40.0
    # How long it was held back after its mark, and when its process died, nobody knows.
    assert timing.still_on_its_way_s(1000.0, now=1030.0) == 40.0
    assert timing.still_on_its_way_s(1000.0, now=90_000.0) == 0.0


def test_a_loop_that_is_gone_does_not_stop_the_ledger(tmp_path: Path) -> None:
    """Whoever waited on a closed event loop waits no more; what it had handed over is on disk."""
    ledger = Ledger.at(tmp_path)

    async def hand_over() -> None:
        writing = asyncio.ensure_future(
            ledger.write("INSERT INTO hashes (path, size, mtime_ns, sha256) VALUES ('p',1,1,'x')", ())
        )
        await asyncio.sleep(0)
        writing.cancel()

    asyncio.run(hand_over())
    ledger.write_now("DELETE FROM uploads", ())
    assert [row["path"] for row in ledger.read("SELECT path FROM hashes")] == ["p"]


def test_the_users_loop_may_close_while_the_run_goes_on(rig: Rig) -> None:
    """The engine lives on a loop of its own."""
    rig.record(2)

    async def begin() -> None:
        rig.begin(rig.rows(2))

    asyncio.run(begin())
    loop.wait_for(rig.runner.over(), timeout_s=20)
    rig.assert_once(2)


def test_a_run_that_was_taken_over_stops_at_once(rig: Rig) -> None:
    """A lease that could not be renewed in time: nothing more is sent here."""
    rig.record(6)
    rig.limits.max_concurrency = 1
    rig.begin(rig.rows(6))
    loop.wait_for(rig.runner.taken_in(), timeout_s=20)
    rig.runner._lose()
    loop.wait_for(rig.runner.over(), timeout_s=20)
    assert isinstance(rig.runner.failure(), RunLocked)
    assert rig.door.passed["execute"] <= 1
    rig.again()
    rig.assert_once(6)


def test_the_key_is_nowhere_in_the_ledger(tmp_path: Path) -> None:
    """Not in the run, not in an error that repeats it, not in any file beside."""
    key = "_" + "secret" * 16
    with Sandbox([PLAIN], service_keys=[key, "sandbox"]) as sandbox:
        sandbox.fault("execute", "error", status=400, message=[f"no payload for {key}"], times=1)
        rig = Rig(sandbox, tmp_path / "ledger")
        rig.wire._key = ServiceKey(key)
        rig.work(2)
        assert sorted(rig.states()) == ["completed", "failed"]
        rig.close()
    for file in (tmp_path / "ledger").rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes()


@pytest.mark.parametrize("nth", range(1, 35))
def test_interrupted_in_every_await(rig: Rig, nth: int) -> None:
    """The engine is cancelled at its n-th mark or request, whatever it awaits there; going on buys nothing twice."""
    rig.record(2)
    rig.limits.max_concurrency = 1
    steps = iter(range(1, 1000))

    def interrupt() -> None:
        if next(steps) == nth:
            rig.runner.engine.halt(RunHalted("interrupted"))

    record = Book.record

    async def record_and_count(book: Book, event: Any) -> None:
        interrupt()
        await record(book, event)
        interrupt()

    rig.door.before = rig.door.after = lambda endpoint, number: interrupt()
    book_class = type("CountingBook", (Book,), {"record": record_and_count})
    rows = rig.rows(2)
    rig.begin(rows)
    rig.runner._reporter.journal = book_class(rig.ledger, rig.book.record_of_run)
    loop.wait_for(rig.runner.over(), timeout_s=20)
    assert next(steps) > nth, "there are fewer steps than that"
    rig.door.before = rig.door.after = lambda endpoint, number: None
    rig.let_go()
    loop.wait_for(rig.begin(rows).over(), timeout_s=20)
    rig.assert_once(2)


def test_files_that_went_away_do_not_take_results_with_them(fire_sandbox: Sandbox, tmp_path: Path) -> None:
    """A finished run is opened again after its documents were moved: its rows are still completed."""
    rig = other_rig(fire_sandbox, tmp_path, letter_fire)
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader")
    rig.work(rig.rows(2, letter=letter))
    letter.unlink()
    rig.again()
    rig.assert_once(2)
    rig.close()


def test_a_schema_that_changed_between_two_runs(fire_sandbox: Sandbox, tmp_path: Path) -> None:
    """Rows that were not sent are not sent to a workflow that asks for something else; what was bought stays."""
    import opus_nb
    from opus_nb.sandbox import Input, Output, workflow

    def define(*inputs: Input) -> Any:
        @workflow("Changing fire", inputs=list(inputs), outputs=[Output("Answer")], seconds=0.02, quick=True)
        def changing(**values: Any) -> dict[str, Any]:
            return {"Answer": str(values)}

        return changing

    fire_sandbox.publish(define(Input("Question")))
    definition = define(Input("Question"))
    rig = other_rig(fire_sandbox, tmp_path, definition)
    rig.limits.max_jobs = 1
    rig.work(2)
    rig.let_go()
    fire_sandbox.publish(define(Input("Question", "int"), Input("Reason")))
    opus = opus_nb.connect("sandbox", base_url=fire_sandbox.base_url, ledger=rig.folder)
    with pytest.raises(SchemaChanged):
        opus.open_run("fire", progress="off").retry(states={"skipped"})
    assert rig.books()["executions"] == 1
    assert sorted(rig.states()) == ["completed", "skipped"]
    opus.close()
    rig.close()
