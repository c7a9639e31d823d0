"""Interrupt once, twice, cancel: three meanings, printed, at whichever line the interrupt arrives."""

from __future__ import annotations

import pytest

from opus_nb import run as run_module
from opus_nb.errors import RunLocked


def executed(opus):
    """How many executions the server has seen."""
    return int(opus.sandbox.books(summary=True)["executions"])


@pytest.fixture
def slow(opus):
    """Jobs that take long enough to be interrupted in."""
    opus.sandbox.fault("execute", "script", seconds=40)
    return opus


@pytest.fixture
def begun(slow, dossier, sheet):
    """A run of eight rows with two at Opus."""
    run = dossier.run(sheet(8), name="begun", max_concurrency=2, progress="off")
    while executed(slow) < 2:
        pass
    return run


def interrupt_in(monkeypatch, *places):
    """Raise KeyboardInterrupt the first time that each of these is called: (owner, name), before it does anything."""
    for owner, name in places:
        real = getattr(owner, name)
        left = [1]

        def interrupted(*given, _real=real, _left=left, **named):
            if _left:
                _left.pop()
                raise KeyboardInterrupt
            return _real(*given, **named)

        monkeypatch.setattr(owner, name, interrupted)


def test_one_interrupt_stops_submitting_watches_on_and_says_what_comes_next(begun, slow, monkeypatch, capsys):
    """The wait ends when the two jobs at Opus have; what the second, resume and cancel do is printed."""
    interrupt_in(monkeypatch, (run_module.loop, "wait_for"))
    begun.wait()
    assert dict(begun.counts) == {"completed": 2, "queued": 6}
    said = capsys.readouterr().err
    assert "Interrupted: nothing more is submitted" in said
    assert "Interrupt again to let go" in said
    assert "run.resume()" in said
    assert "run.cancel()" in said


def test_a_second_interrupt_while_the_first_is_met_lets_go_without_a_traceback(begun, slow, monkeypatch, capsys):
    """It arrives while the first is still being said."""
    interrupt_in(monkeypatch, (run_module.loop, "wait_for"), (run_module, "say"))
    begun.wait()
    assert begun.state == "stopped"
    assert "Let go: rows in flight go on at Opus" in capsys.readouterr().err
    assert executed(slow) == 2


def test_a_third_interrupt_while_the_run_is_let_go_changes_nothing_but_the_wait(begun, slow, monkeypatch, capsys):
    """Somebody hammers on the stop button: the run is let go all the same, and the wait returns."""
    interrupt_in(
        monkeypatch,
        (run_module.loop, "wait_for"),
        (begun._runner, "tell"),
        (begun._runner, "detach"),
        (begun._display, "paint_now"),
    )
    begun.wait()
    assert "Let go" in capsys.readouterr().err
    begun._runner.detach()
    assert begun.state == "stopped"
    assert executed(slow) == 2


def test_an_interrupt_while_a_runner_detaches_does_not_keep_it_from_detaching(begun, monkeypatch):
    """The letting go itself is not taken back."""
    interrupt_in(monkeypatch, (run_module.loop, "wait_for"))
    with pytest.raises(KeyboardInterrupt):
        begun._runner.detach()
    begun._runner.detach()
    assert begun.state == "stopped"


def test_cancel_after_an_interrupted_wait_gives_up_what_is_queued(begun, slow, dossier, sheet, monkeypatch):
    """Nobody works on the run any more: the rows are marked all the same, for good, and nothing is sent."""
    interrupt_in(monkeypatch, (run_module.loop, "wait_for"))
    begun.wait()
    said = begun.cancel()
    assert said.startswith("Cancelled: 6 rows that had not left will not be sent.")
    assert dict(begun.counts) == {"completed": 2, "cancelled": 6}
    jobs = begun.jobs()
    assert jobs.loc[jobs["state"] == "cancelled", "job_id"].isna().all()
    assert begun.state == "over"
    assert begun.cancel() == "Nothing was left to cancel: no row is queued."
    assert executed(slow) == 2
    slow.sandbox.faults_clear()
    assert dict(slow.open_run("begun", progress="off").wait().counts) == {"completed": 2, "cancelled": 6}
    assert dict(begun.retry().wait().counts) == {"completed": 8}


def test_cancel_of_a_run_that_was_let_go_leaves_its_jobs_at_opus_alone(begun, slow):
    """The two at Opus stay running, and the sentence says what that means."""
    begun.let_go()
    said = begun.cancel()
    assert "no call that cancels" in said
    assert dict(begun.counts) == {"running": 2, "cancelled": 6}
    slow.sandbox.faults_clear()
    assert dict(slow.open_run("begun", progress="off").wait().counts) == {"completed": 2, "cancelled": 6}
    assert executed(slow) == 2


def test_cancel_where_another_process_works_is_refused(begun, opus):
    """The rows are that process's to cancel."""
    from opus_nb.batch.lock import RunLock

    begun.let_go()
    lock = RunLock(begun._book)
    lock.take()
    try:
        with pytest.raises(RunLocked):
            begun.cancel()
    finally:
        lock.release()
    assert begun.counts["queued"] == 6


def test_pausing_a_run_that_nobody_works_on_claims_nothing(begun):
    """There is nothing to pause, and what goes on with it is named."""
    begun.let_go()
    assert "nobody works on this run" in begun.pause()


def test_an_older_object_of_the_run_steers_the_one_at_work(begun, slow, dossier, sheet):
    """The same name was started again since: pause, resume and cancel mean that."""
    again = dossier.run(sheet(8), name="begun", max_concurrency=2, progress="off")
    assert "Paused" in begun.pause()
    assert again.state == "paused"
    assert begun.resume() == "Going on."
    assert again.state == "running"
    assert "Cancelled" in begun.cancel()
    again.wait(timeout_s=20)
    assert dict(again.counts) == {"completed": 2, "cancelled": 6}
