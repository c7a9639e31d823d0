"""The stop button in each form, cells that were queued meanwhile, and what stays on the page."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

WIDGET = "application/vnd.jupyter.widget-view+json"
NAMES = (f"stop-{number}" for number in itertools.count())
MARKS = itertools.count()


@pytest.fixture
def name(talk: Any) -> str:
    """A name for a run that no other test has, on an empty screen."""
    talk.forget()
    return next(NAMES)


def start(talk: Any, name: str, rows: int = 40) -> None:
    """Start a run and wait until it is at Opus."""
    talk.run(f"run = wf.run(sheet({name!r}, {rows}), name={name!r}, max_concurrency=2)")
    assert talk.sees("In flight", timeout_s=20), talk.screen()


def hold(talk: Any, form: str, before: str = "") -> str:
    """Let a cell hold the kernel; return its id when it does, which is when its first words have come."""
    mark = f"holding {next(MARKS)}"
    cell: str = talk.send(f"{before}\nprint({mark!r}, flush=True)\n{form}")
    assert talk.hear(20, lambda: any(mark in each for each in talk.streams())), talk.screen()
    talk.hear(0.3)
    return cell


def test_one_interrupt_of_wait_stops_submitting_and_watches_on(talk, name):
    """The cell ends without an error when the jobs at Opus have; the other rows stay queued."""
    start(talk, name)
    cell = hold(talk, "run.wait()")
    talk.interrupt()
    reply = talk.end_of(cell, timeout_s=30)
    assert reply.status == "ok"
    assert "Interrupted: nothing more is submitted" in reply.text
    assert "Interrupt again to let go" in reply.text
    found = talk.counts()
    assert found["queued"] > 20
    assert "running" not in found
    assert talk.executed() == found["completed"]
    # What the cell leaves on the page needs no kernel, and says how it stands.
    assert talk.hear(5, lambda: not any(WIDGET in each for each in talk.outputs().values()))
    assert any("stopped" in each["text/html"] and "carries on" in each["text/html"] for each in talk.outputs().values())
    assert talk.run("print(run.cancel())").text.startswith(f"Cancelled: {found['queued']} rows")
    assert talk.counts() == {"completed": found["completed"], "cancelled": found["queued"]}


def test_two_interrupts_let_go_and_open_run_carries_on(talk, name):
    """Nothing is lost and nothing is bought twice: the same ids, each executed once."""
    start(talk, name, rows=6)
    cell = hold(talk, "run.wait()", "opus.sandbox.fault('status', 'slow', before_s=4.0, times=4)")
    talk.interrupt()
    assert talk.hear(20, lambda: any("Interrupted" in each for each in talk.streams()))
    talk.interrupt()
    reply = talk.end_of(cell, timeout_s=40)
    assert reply.status == "ok"
    if "Let go" in reply.text:
        assert talk.counts().get("completed", 0) < 6
    talk.run("opus.sandbox.faults_clear()")
    talk.run(f"run = opus.open_run({name!r}); run.wait()")
    assert talk.counts() == {"completed": 6}
    assert talk.executed() == 6


def test_an_interrupt_of_await_lets_go_at_once(talk, name):
    """The cell ends with the interrupt; the ids are kept and the run can be opened again."""
    start(talk, name, rows=6)
    cell = hold(talk, "await run")
    talk.interrupt()
    reply = talk.end_of(cell, timeout_s=40)
    assert reply.errors in (["KeyboardInterrupt"], ["CancelledError"])
    assert "Let go" in reply.text
    assert talk.hear(5, lambda: not any(WIDGET in each for each in talk.outputs().values()))
    talk.run(f"run = opus.open_run({name!r}); run.wait()")
    assert talk.counts() == {"completed": 6}


@pytest.mark.parametrize("form", ["run.wait()", "await run"])
def test_queued_cells_run_afterwards_in_their_order(talk, name, form):
    """Two more cells were sent while one holds the kernel; a press in between jumps no queue and loses none."""
    start(talk, name)
    holding = hold(talk, form)
    first, second = talk.send("print('first')"), talk.send("print('second')")
    talk.hear(0.3)
    talk.press("Cancel")
    talk.hear(1.0, lambda: "Cancelled" in talk.screen())
    if not talk.has_ended(holding) and "Cancelled" not in talk.screen():
        talk.interrupt()
    talk.end_of(holding, timeout_s=40)
    if not talk.hear(5.0, lambda: talk.has_ended(first) and talk.has_ended(second)):
        # A kernel drops what was queued behind an interrupted cell; that is the kernel's own rule, not ours.
        assert form == "await run"
    order = [text.strip() for text in talk.streams() if text.strip() in {"first", "second"}]
    assert order in (["first", "second"], [])
    assert order or form == "await run"
    talk.run("run.cancel(); run.wait(timeout_s=20)")


def test_at_the_end_a_plain_picture_stands_where_the_widget_was(talk, name):
    """One display id: live it is a widget, over it is HTML and text, also when the cell has long ended."""
    start(talk, name, rows=3)
    assert any(WIDGET in each for each in talk.outputs().values())
    talk.run("run.wait();")
    assert talk.hear(20, lambda: not any(WIDGET in each for each in talk.outputs().values()))
    (picture,) = [each for each in talk.outputs().values() if name in each.get("text/html", "")]
    assert "3</b> completed" in picture["text/html"]
    assert "3 of 3 rows ended" in picture["text/plain"]


def test_the_run_in_another_cell_is_the_monitor_again(talk, name):
    """``run`` alone shows it live in that cell; in a new kernel the ledger knows it."""
    start(talk, name)
    talk.hear(0.2)
    talk.heard.clear()
    cell = talk.send("run")
    assert talk.sees("of 40 rows ended", timeout_s=20)
    reply = talk.end_of(cell)
    assert any(WIDGET in each["content"]["data"] for each in reply.messages if each["msg_type"] == "display_data")
    talk.run("run.cancel(); run.wait(timeout_s=20)")


def test_few_messages_however_fast_it_goes(talk, name):
    """Two hundred quick rows cost a bounded number of messages, far below what a server drops."""
    talk.run("opus.sandbox._state.time_scale = 0.001")
    before = len(talk.heard)
    try:
        talk.run(f"run = wf.run(sheet({name!r}, 200), name={name!r}, max_concurrency=50); run.wait()", timeout_s=60)
    finally:
        talk.run("opus.sandbox._state.time_scale = 0.15")
    seconds = float(
        talk.run("print((run.jobs()['ended_at'].max() - run.jobs()['started_at'].min()).total_seconds())").text
    )
    updates = sum(each["msg_type"] == "comm_msg" for each in talk.heard[before:])
    assert updates < 60 + 60 * seconds
