"""What a run says of itself when it goes on, and when it has long ended: the whole run, not what this process did."""

from __future__ import annotations

import re
import time

from opus_nb.batch.book import Book
from opus_nb.batch.history import read_marks
from opus_nb.batch.ledger import Ledger


def executed(opus):
    """How many executions the server has seen."""
    return int(opus.sandbox.books(summary=True)["executions"])


def test_the_price_of_a_run_that_goes_on_is_the_runs(opus, dossier, sheet):
    """Two jobs were paid before this object began; they are part of what is spent and expected."""
    price = dossier.plan(sheet(1)).estimate["price"]
    dossier.run(sheet(6), name="on", max_jobs=2, progress="off").wait()
    run = dossier.run(sheet(6), name="on", max_jobs=5, progress="off").wait()
    spent = run._tally.snapshot().price_spent
    assert spent == 5 * price
    opened = opus.open_run("on", progress="off")
    assert f"price {5 * price:,.2f} spent of {5 * price:,.2f} expected" in opened._repr_html_()


def test_a_run_that_has_ended_says_how_long_it_took_and_what_failed(opus, dossier, sheet):
    """From the ledger alone: not how long this kernel has looked at it, and its failures by what they say."""
    opus.sandbox.fault("execute", "error", status=400, message=["Question is too long"], times=2)
    run = dossier.run(sheet(5), name="ended", progress="off").wait()
    record = run._book.record_of_run
    opus_says = opus.open_run("ended", progress="off")
    html = opus_says._repr_html_()
    assert "Question is too long" in html
    assert re.search(r'class="on-n">2<', html), html
    took = opus_says._tally  # the live numbers began only now
    assert took.snapshot().elapsed_s >= 0
    ended_at = run.jobs()["ended_at"].max().timestamp()
    assert 0 < ended_at - record.created_at < 60


def test_rows_that_wait_are_as_old_as_their_wait_in_another_kernel_too(opus, dossier, sheet):
    """The age counts from when Opus said that it waits, whoever asks, and whenever."""
    opus.sandbox.fault("status", "word", word="WAITING")
    run = dossier.run(sheet(3), name="people", progress="off").wait()
    waiting = run._tally.snapshot().waiting
    assert len(waiting) == 3
    run.let_go()
    again = opus.open_run("people", progress="off")
    marks = {mark.position: mark.at for mark in read_marks(again._book) if mark.state.value == "waiting"}
    now = again._tally.snapshot()
    assert {note.position for note in now.waiting} == {note.position for note in waiting}
    for note in now.waiting:
        assert note.since == marks[note.position] <= now.at
        (before,) = [each for each in waiting if each.position == note.position]
        assert abs(note.since - before.since) < 1.0
    again.let_go()


def test_a_window_on_a_hundred_thousand_rows_is_quick(tmp_path):
    """Any page, of all rows or of one state, first or last, in a fraction of the two seconds between two looks."""
    book = Book.create(Ledger.at(tmp_path), "big", "wf", 100_000, {"price": None})
    upto = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) "
    book.ledger.write_now(
        f"{upto} INSERT INTO rows (run, sheet, position, key, label, inputs) "
        "SELECT ?, 1, i, 'k' || i, i, '{}' FROM n",
        (book.record_of_run.run,),
    )
    book.ledger.write_now(
        f"{upto} INSERT INTO work (run, key, attempt, state, job_id, acked_at, noticed_at, error) "
        "SELECT ?, 'k' || i, 1, CASE WHEN i % 1000 = 7 THEN 'failed' ELSE 'completed' END, i, 1.0, i, 'boom ' || i "
        "FROM n WHERE i < 90000",
        (book.record_of_run.run,),
    )
    pages = {(None, 0): 0, (None, 99_975): 99_975, ("failed", 75): 75_007, ("queued", 9_975): 99_975}
    for (state, offset), first in pages.items():
        began = time.perf_counter()
        page = book.page(state, offset, 25)
        assert time.perf_counter() - began < 1.0
        assert page[0].position == first
        assert len(page) <= 25
    began = time.perf_counter()
    marks = read_marks(book)
    assert time.perf_counter() - began < 1.0
    assert [mark.position for mark in marks] == list(range(7, 90_000, 1000))
