"""The stop button in each form, cells that were queued meanwhile, and what stays on the page."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

WIDGET = "application/vnd.jupyter.widget-view+json"
NAMES = (f"stop-{number}" for number in itertools.count())


@pytest.fixture
def name(talk: Any) -> str:
    """A name for a run that no other test has, on an empty screen."""
    talk.forget()
    return next(NAMES)


def start(talk: Any, name: str, rows: int = 40) -> None:
    """Start a run and wait until it is at Opus."""
    talk.run(f"run = wf.run(sheet({name!r}, {rows}), name={name!r}, max_concurrency=2)")
    assert talk.sees("In flight"), talk.screen()


def test_one_interrupt_of_wait_stops_submitting_and_watches_on(talk, name):
    """The cell ends without an error when the jobs at Opus have; the other rows stay queued."""
    start(talk, name)
    cell = talk.send("run.wait()")
    talk.hear(0.4)
    talk.interrupt()
    reply = talk.end_of(cell, timeout_s=10)
    assert reply.status == "ok"
    assert "Interrupted: nothing more is submitted" in reply.text
    found = talk.counts()
    assert found["queued"] > 20
    assert "running" not in found
    assert talk.executed() == found["completed"]


def test_two_interrupts_let_go_and_open_run_carries_on(talk, name):
    """Nothing is lost and nothing is bought twice: the same ids, each executed once."""
    start(talk, name, rows=6)
    cell = talk.send("opus.sandbox.fault('status', 'slow', before_s=2.0, times=2)\nrun.wait()")
    talk.hear(0.4)
    talk.interrupt()
    assert talk.hear(5, lambda: any("Interrupted" in str(each["content"].get("text")) for each in talk.heard))
    talk.interrupt()
    reply = talk.end_of(cell, timeout_s=20)
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
    cell = talk.send("await run")
    talk.hear(0.4)
    talk.interrupt()
    reply = talk.end_of(cell, timeout_s=20)
    assert reply.errors in (["KeyboardInterrupt"], ["CancelledError"])
    assert "Let go" in reply.text
    talk.run(f"run = opus.open_run({name!r}); run.wait()")
    assert talk.counts() == {"completed": 6}


@pytest.mark.parametrize("form", ["run.wait()", "await run"])
def test_queued_cells_run_afterwards_in_their_order(talk, name, form):
    """Two more cells were sent while one holds the kernel; a press in between jumps no queue and loses none."""
    start(talk, name)
    holding = talk.send(form)
    first, second = talk.send("print('first')"), talk.send("print('second')")
    talk.hear(0.3)
    talk.press("Cancel")
    talk.hear(0.5)
    if not talk.has_ended(holding) and "Cancelled" not in talk.screen():
        talk.interrupt()
    talk.end_of(holding, timeout_s=15)
    if not talk.hear(1.0, lambda: talk.has_ended(first) and talk.has_ended(second)):
        # A kernel drops what was queued behind an interrupted cell; that is the kernel's own rule, not ours.
        assert form == "await run"
    said = [each["content"]["text"] for each in talk.heard if each["msg_type"] == "stream"]
    order = [text.strip() for text in said if text.strip() in {"first", "second"}]
    assert order in (["first", "second"], [])
    assert order or form == "await run"
    talk.run("run.cancel(); run.wait(timeout_s=10)")


def test_at_the_end_a_plain_picture_stands_where_the_widget_was(talk, name):
    """One display id: live it is a widget, over it is HTML and text, also when the cell has long ended."""
    start(talk, name, rows=3)
    assert any(WIDGET in each for each in talk.outputs().values())
    talk.run("run.wait();")
    assert talk.hear(3, lambda: not any(WIDGET in each for each in talk.outputs().values()))
    (picture,) = [each for each in talk.outputs().values() if name in each.get("text/html", "")]
    assert "3</b> completed" in picture["text/html"]
    assert "3 of 3 rows ended" in picture["text/plain"]


def test_the_run_in_another_cell_is_the_monitor_again(talk, name):
    """``run`` alone shows it live in that cell; in a new kernel the ledger knows it."""
    start(talk, name)
    talk.hear(0.2)
    talk.heard.clear()
    cell = talk.send("run")
    assert talk.sees("of 40 rows ended")
    reply = talk.end_of(cell)
    assert any(WIDGET in each["content"]["data"] for each in reply.messages if each["msg_type"] == "display_data")
    talk.run("run.cancel(); run.wait(timeout_s=10)")


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
