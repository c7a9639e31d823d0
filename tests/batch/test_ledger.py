"""The ledger: what was acknowledged is on disk, what is not ours is left alone."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opus_nb.batch.book import Book, SheetRow
from opus_nb.batch.history import read_past, read_runs
from opus_nb.batch.ledger import APPLICATION_ID, FILE_NAME, MIGRATIONS, Ledger
from opus_nb.errors import LedgerDamaged, LedgerError, LedgerNewer
from opus_nb.job import JobEvent, LocalFile, RowState

ABOUT = {"workflow_name": "W", "price": 0.5}


def make_book(folder: Path, rows: int = 3) -> Book:
    """A run with a recorded sheet of a few rows, each with its key."""
    book = Book.create(Ledger.at(folder), "run", "wf", rows, ABOUT)
    sheet = (SheetRow(row, json.dumps(row), None, f"t{row}", "", {"a": row}, f"k{row}") for row in range(rows))
    asyncio.run(book.record_sheet(sheet))
    return book


def event(position: int, state: RowState, **known: object) -> JobEvent:
    """One event of a row of `make_book`."""
    return JobEvent(position, f"k{position}", 1, state, RowState.PLANNED, 100.0, **known)  # type: ignore[arg-type]


def test_what_is_written_is_read_again(tmp_path):
    """An event's parts come back as an outcome; rows without events are planned."""
    book = make_book(tmp_path)
    asyncio.run(
        book.record(
            event(1, RowState.COMPLETED, job_id="2514", word="COMPLETED", acked_at=50.0, started_at=51.0, ended_at=60.0,
                  results='{"a": 1}', audit="{}")
        )
    )  # fmt: skip
    first, second, _ = book.outcomes()
    assert first.state is RowState.PLANNED
    assert first.tries == 0
    assert (second.state, second.job_id, second.tries) == (RowState.COMPLETED, "2514", 1)
    assert (second.started_at, second.ended_at) == (51.0, 60.0)
    assert (second.results, second.audit, second.price_estimate) == ('{"a": 1}', "{}", 0.5)


def test_without_an_audit_times_are_what_was_seen(tmp_path):
    """The acknowledgement and the first "ended" stand in for the job's own clock."""
    book = make_book(tmp_path)
    asyncio.run(book.record(event(0, RowState.FAILED, job_id="1", acked_at=90.0)))
    outcome = book.outcomes()[0]
    assert (outcome.started_at, outcome.ended_at) == (90.0, 100.0)


def test_counts_sum_to_the_sheet_even_while_it_is_recorded(tmp_path):
    """Rows that are announced and not yet written count as queued."""
    book = Book.create(Ledger.at(tmp_path), "run", "wf", 10, ABOUT)
    rows = [SheetRow(0, "0", problem="bad"), SheetRow(1, "1", inputs={"a": 1}, key="k1")]
    asyncio.run(book.record_sheet(iter(rows)))
    asyncio.run(book.record(event(1, RowState.RUNNING, job_id="5")))
    assert book.counts() == {"invalid": 1, "running": 1, "queued": 8}


def test_a_new_attempt_keeps_the_old_ones_story(tmp_path):
    """Retrying moves the earlier attempt aside; the frames show the latest, nothing of the old one shines through."""
    book = make_book(tmp_path)
    asyncio.run(book.record(event(0, RowState.FAILED, job_id="7", error="no", acked_at=1.0, results="{}")))
    again = JobEvent(0, "k0", 2, RowState.PLANNED, RowState.FAILED, 200.0)
    asyncio.run(book.record(again))
    outcome = book.outcomes()[0]
    assert (outcome.state, outcome.job_id, outcome.error, outcome.results) == (RowState.PLANNED, None, None, None)
    kept = book.ledger.read("SELECT job_id, error FROM attempts")
    assert [tuple(row) for row in kept] == [("7", "no")]


def test_a_new_sheet_replaces_the_old_and_keeps_known_jobs(tmp_path):
    """Outcomes follow the newest sheet; jobs are found by key, wherever the row stands now."""
    book = make_book(tmp_path)
    asyncio.run(book.record(event(0, RowState.COMPLETED, job_id="7")))
    book.begin_sheet(2)
    rows = [SheetRow(0, '"x"', inputs={"a": 9}, key="new"), SheetRow(1, '"y"', inputs={"a": 0}, key="k0")]
    asyncio.run(book.record_sheet(iter(rows)))
    assert [each.state for each in book.outcomes()] == [RowState.PLANNED, RowState.COMPLETED]
    assert book.labels() == ["x", "y"]
    assert book.ledger.read("SELECT count(*) AS n FROM rows")[0]["n"] == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    inputs=st.dictionaries(st.text(min_size=1), json_values | st.builds(LocalFile, st.text(), st.none() | st.text()))
)
def test_inputs_survive_the_ledger(tmp_path, inputs):
    """Whatever JSON can hold, and local files, come back as they went in."""
    ledger = Ledger.at(tmp_path)
    book = Book.open(ledger, "p") if Book.exists(ledger, "p") else Book.create(ledger, "p", "wf", 1, {})
    book.begin_sheet(1)
    asyncio.run(book.record_sheet(iter([SheetRow(0, "0", inputs=inputs)])))
    assert dict(book.row_at(0).inputs or {}) == inputs


def test_two_callers_share_one_writer(tmp_path):
    """The same folder gives the same ledger, so that marks share their commits."""
    assert Ledger.at(tmp_path) is Ledger.at(tmp_path / ".")


def test_what_waits_together_is_committed_together(tmp_path):
    """A thousand marks that are awaited at once need far fewer transactions."""
    ledger = Ledger.at(tmp_path)
    book = make_book(tmp_path, 1000)
    before = ledger.writer.commits

    async def many() -> None:
        await asyncio.gather(*(book.record(event(row, RowState.INITIATING)) for row in range(1000)))

    asyncio.run(many())
    assert ledger.writer.commits - before < 100
    assert book.counts() == {"queued": 1000}


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path):
    """A writer that is killed without warning has on disk every mark that it was told is on disk."""
    script = textwrap.dedent(
        f"""
        import asyncio, sys
        from pathlib import Path
        from opus_nb.batch.book import Book
        from opus_nb.batch.ledger import Ledger
        from opus_nb.job import JobEvent, RowState
        book = Book.create(Ledger.at(Path({str(tmp_path)!r})), "run", "wf", 0, {{}})
        async def mark(number):
            state, before = RowState.EXECUTING, RowState.INITIATED
            await book.record(JobEvent(number, f"k{{number}}", 1, state, before, 1.0, job_id=str(number)))
            sys.stdout.write(f"{{number}}\\n"); sys.stdout.flush()
        async def main():
            for start in range(0, 100000, 20):
                await asyncio.gather(*(mark(start + each) for each in range(20)))
        asyncio.run(main())
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(300)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    acknowledged = {line.strip() for line in told if line.endswith("\n")}
    ledger = Ledger.at(tmp_path)
    on_disk = {row["job_id"] for row in ledger.read("SELECT job_id FROM work")}
    assert len(acknowledged) >= 300
    assert acknowledged <= on_disk


def test_a_newer_ledger_is_refused_and_left_as_it_is(tmp_path):
    """The message names both versions, and not a byte changes."""
    Ledger.at(tmp_path).close()
    file = tmp_path / FILE_NAME
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 3}")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(LedgerNewer, match=f"version is {len(MIGRATIONS) + 3}"):
        Ledger.at(tmp_path)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"this is not a database, it is a letter to a friend" * 100, b"SQLite format 3\x00" + b"\xff" * 4000]
)
def test_a_damaged_ledger_is_refused_and_left_as_it_is(tmp_path, content):
    """Nothing is overwritten: ids may yet be rescued from it."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(LedgerDamaged, match="not touched"):
        Ledger.at(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_somebody_elses_database_is_not_ours_to_write(tmp_path):
    """A SQLite file without our mark is refused."""
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(LedgerDamaged, match="something else"):
        Ledger.at(tmp_path)


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(LedgerError, match="OPUS_NB_LEDGER"):
        Ledger.at(tmp_path / "taken")


def test_a_failed_write_reaches_whoever_waits_and_nobody_else(tmp_path):
    """A statement that cannot be carried out fails its caller; the ledger goes on."""
    ledger = Ledger.at(tmp_path)
    with pytest.raises(LedgerError, match="no such table"):
        ledger.write_now("INSERT INTO missing VALUES (1)", ())
    book = make_book(tmp_path)
    assert book.counts() == {"queued": 3}


def test_a_closed_ledger_says_so(tmp_path):
    """Writing after closing is an error, not silence."""
    ledger = Ledger(tmp_path)
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        ledger.write_now("SELECT 1", ())


def test_our_mark_is_in_the_file(tmp_path):
    """The application id tells a ledger from other databases."""
    Ledger.at(tmp_path)
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    connection.close()


def test_past_runs_are_intervals_between_two_questions(tmp_path):
    """The true end lies between the last "not yet" and the first "ended"."""
    book = make_book(tmp_path)
    asyncio.run(book.record(event(0, RowState.RUNNING, job_id="1", acked_at=50.0)))
    asyncio.run(book.record(event(0, RowState.COMPLETED, job_id="1", acked_at=50.0, still_going_at=80.0)))
    past = read_past(book.ledger, "wf")
    assert past.intervals_s == ((30.0, 50.0),)
    assert past.states == {"completed": 1}
    assert read_past(book.ledger, "other").intervals_s == ()


def test_runs_are_listed_with_their_counts(tmp_path):
    """The list is what ``opus.runs()`` shows."""
    book = make_book(tmp_path)
    asyncio.run(book.record(event(0, RowState.WAITING, job_id="1")))
    [(record, counts)] = read_runs(book.ledger)
    assert (record.name, counts) == ("run", {"waiting": 1, "queued": 2})


def test_a_fork_does_not_write_with_its_parents_hands(tmp_path):
    """A forked child has no writer thread: it is told, instead of waiting for ever."""
    script = textwrap.dedent(
        f"""
        import os
        from pathlib import Path
        from opus_nb.batch.ledger import Ledger
        from opus_nb.errors import LedgerError
        ledger = Ledger.at(Path({str(tmp_path)!r}))
        pid = os.fork()
        if pid == 0:
            try:
                ledger.write_now("DELETE FROM runs", ())
            except LedgerError:
                os._exit(7)
            os._exit(0)
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """
    )
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", script], timeout=30, check=False)
    assert ended.returncode == 7
