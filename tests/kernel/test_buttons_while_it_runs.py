"""When does a press act? Three ways of holding a run, four kernels, with and without a subshell for presses.

The table that these tests hold is measured; where a press cannot act while a cell holds the kernel, the monitor
has to say so, and the stop button has to work.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

# So many that no press can come too late, however slow the machine is.
ROWS = 150
FORMS = {
    "start": f"run = wf.run(sheet({{name!r}}, {ROWS}), name={{name!r}}, max_concurrency=2)",
    "await": f"run = await wf.run(sheet({{name!r}}, {ROWS}), name={{name!r}}, max_concurrency=2)",
    "wait": f"run = wf.run(sheet({{name!r}}, {ROWS}), name={{name!r}}, max_concurrency=2).wait()",
}
SOON_S = 1.0
# Not even a machine that does ten other things takes so long; the run would go on for much longer.
LATEST_S = 15.0
# (form, over a subshell): the kernels on which a press acts at once
ACTS = {
    ("start", False): {"6.17.1", "6.31.0", "7.0.1", "newest"},
    ("await", False): {"6.17.1", "6.31.0", "newest"},
    ("wait", False): {"6.17.1", "6.31.0"},
    ("start", True): {"7.0.1", "newest"},
    ("await", True): {"7.0.1", "newest"},
    ("wait", True): {"7.0.1"},
}
NAMES = (f"run-{number}" for number in itertools.count())


@pytest.fixture
def name(talk: Any) -> str:
    """A name for a run that no other test has, on an empty screen."""
    talk.forget()
    return next(NAMES)


def begin(talk: Any, form: str, name: str) -> str:
    """Start a run in one of the three forms, and wait until two jobs are at Opus."""
    cell: str = talk.send(FORMS[form].format(name=name))
    assert talk.sees("In flight", timeout_s=LATEST_S), talk.screen()
    return cell


def press_and_time(talk: Any, label: str, answer: str) -> float:
    """Press a button; return the seconds until the monitor answers."""
    began = time.monotonic()
    talk.press(label)
    assert talk.sees(answer, timeout_s=LATEST_S), talk.screen()
    return time.monotonic() - began


def press_all(talk: Any, is_running: Callable[[], bool]) -> None:
    """Pause and Resume twice, then Cancel; each acts while the run runs, and within a second unless others compute."""
    took = []
    for _ in range(2):
        took.append(press_and_time(talk, "Pause", "Paused: nothing more is submitted"))
        took.append(press_and_time(talk, "Resume", "Going on."))
    assert is_running()
    assert min(took) < SOON_S, took
    press_and_time(talk, "Cancel", "Cancelled: what had not left stays here")


@pytest.mark.parametrize("form", FORMS)
def test_a_press_acts_within_a_second_wherever_the_kernel_can_serve_it(talk, name, form, request):
    """Pause, Resume and Cancel while the run runs; afterwards the books agree with the counts."""
    version = request.node.callspec.params["talk"]
    if version not in ACTS[(form, False)]:
        return check_that_it_says_how_to_stop(talk, form, name)
    cell = begin(talk, form, name)
    press_all(talk, lambda: form == "start" or not talk.has_ended(cell))
    talk.end_of(cell)
    found = settled(talk)
    assert found["cancelled"] > ROWS // 2
    assert sum(found.values()) == ROWS
    assert talk.executed() == found["completed"]
    return None


def ended(talk: Any) -> int:
    """How many rows have ended, as the screen says."""
    found = re.search(rf"(\d+) of {ROWS} rows ended", talk.screen())
    return int(found[1]) if found else 0


def settled(talk: Any) -> dict[str, int]:
    """The counts when the jobs at Opus have ended."""
    talk.run("run.wait(timeout_s=30)", timeout_s=60)
    found: dict[str, int] = talk.counts()
    return found


def check_that_it_says_how_to_stop(talk: Any, form: str, name: str) -> None:
    """Where a press cannot be served: the monitor says so, and the stop button stops."""
    cell = begin(talk, form, name)
    assert talk.sees("■ (interrupt)", timeout_s=LATEST_S), talk.screen()
    talk.press("Cancel")
    assert not talk.sees("Cancelled: what had not left", timeout_s=0.8)
    talk.interrupt()
    reply = talk.end_of(cell, timeout_s=40)
    if form == "wait":
        assert reply.status == "ok"
        assert "Interrupted: nothing more is submitted" in reply.text
        found = talk.counts()
        assert "running" not in found
        assert talk.executed() == found["completed"] < ROWS // 2
    else:
        assert reply.errors in (["KeyboardInterrupt"], ["CancelledError"])
        assert "Let go" in reply.text


@pytest.mark.parametrize("version", ["7.0.1", "newest"])
@pytest.mark.parametrize("form", FORMS)
def test_presses_over_a_subshell_act_too(kernels, form, version):
    """JupyterLab from 4.4 on sends presses over a subshell; the handler then runs on another thread."""
    talk = kernels.get(version)
    talk.forget()
    name = next(NAMES)
    talk.open_subshell()
    try:
        if version not in ACTS[(form, True)]:
            check_that_it_says_how_to_stop(talk, form, name)
            return
        cell = begin(talk, form, name)
        press_all(talk, lambda: form == "start" or not talk.has_ended(cell))
        talk.end_of(cell)
    finally:
        talk.close_subshell()
    assert sum(settled(talk).values()) == ROWS


def test_another_cell_that_holds_the_kernel_stops_nothing(talk, name):
    """The run goes on, and so does the monitor, while the next cell computes."""
    begin(talk, "start", name)
    cell = talk.send("import time; time.sleep(6)")
    before = ended(talk)
    assert talk.hear(5.5, lambda: ended(talk) > before + 1), talk.screen()
    assert not talk.has_ended(cell)
    talk.end_of(cell)
    talk.run("run.cancel()")
    assert sum(settled(talk).values()) == ROWS
