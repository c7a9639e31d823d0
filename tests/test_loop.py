"""The one background loop: from a script, inside a running loop, after a fork, and when interrupted."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from opus_nb import loop
from opus_nb.errors import SettingsError


async def where() -> tuple[str, int]:
    return threading.current_thread().name, id(asyncio.get_running_loop())


async def fail() -> None:
    raise ValueError("as it was")


def test_a_script_without_a_loop_gets_its_answer() -> None:
    """Work runs on one loop in one thread, the same one each time, and errors come as they are."""
    first, second = loop.call(where), loop.call(where)
    assert first == second
    assert first[0] != threading.current_thread().name
    with pytest.raises(ValueError, match="as it was"):
        loop.call(fail)


def test_inside_a_running_loop_nothing_has_to_be_nested() -> None:
    """Blocking works in a cell whose loop runs, and awaiting does not block that loop."""
    home = loop.call(where)

    async def cell() -> tuple[Any, Any, bool]:
        ticked = asyncio.Event()
        asyncio.get_running_loop().call_soon(ticked.set)
        awaited = await loop.on_loop(where)
        return loop.call(where), awaited, ticked.is_set()

    assert asyncio.run(cell()) == (home, home, True)


def test_on_the_loop_itself_work_is_awaited_and_never_waited_for() -> None:
    """Blocking there would wait for itself, and says so."""

    async def here() -> tuple[str, int]:
        with pytest.raises(SettingsError, match="own loop"):
            loop.wait_for(loop.start(where))
        return await loop.on_loop(where)

    assert loop.call(here) == loop.call(where)


def test_waiting_can_end_before_the_work() -> None:
    """A time limit raises and leaves the work; what is done meanwhile is done often."""
    release = threading.Event()

    async def slow() -> str:
        await asyncio.to_thread(release.wait, 5)
        return "done"

    future, beats = loop.start(slow), []
    with pytest.raises(TimeoutError, match="goes on"):
        loop.wait_for(future, timeout_s=0.2, meanwhile=lambda: beats.append(1))
    assert len(beats) >= 2
    release.set()
    assert loop.wait_for(future) == "done"


def test_an_interrupt_cancels_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a blocking call does not leave it running behind the user's back."""
    begun, cancelled = threading.Event(), threading.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    def press(_: object) -> None:
        assert begun.wait(2)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "wait_for", press)
    with pytest.raises(KeyboardInterrupt):
        loop.call(endless)
    assert cancelled.wait(2)


def test_the_callers_context_goes_along() -> None:
    """Widget messages keep the cell that they belong to."""
    cell: contextvars.ContextVar[str] = contextvars.ContextVar("cell")

    async def read() -> str:
        return cell.get()

    cell.set("In [7]")
    assert loop.call(read) == "In [7]"


@pytest.mark.parametrize("before", ["loop.call(asyncio.sleep, 0)", "None"])
def test_a_forked_child_has_a_loop_of_its_own(before: str) -> None:
    """A fork keeps the parent's memory but not its threads: the child starts anew instead of hanging."""
    script = f"""
import asyncio, os, sys, warnings
warnings.simplefilter("ignore")
from opus_nb import loop
async def answer():
    return 42
{before}
child = os.fork()
if child == 0:
    os._exit(loop.call(answer))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), loop.call(answer))
"""
    if not hasattr(os, "fork"):
        return
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert said.stdout.split() == ["42", "42"]


def test_nested_loops_only_on_request() -> None:
    """Nothing of ours patches asyncio; on request one's own ``asyncio.run`` works inside a running loop."""
    script = """
import asyncio, warnings
warnings.simplefilter("ignore")
import opus_nb
async def inner():
    return 1
async def outer():
    try:
        coroutine = inner()
        asyncio.run(coroutine)
    except RuntimeError:
        coroutine.close()
        print("refused")
    opus_nb.allow_nested_loops()
    print(asyncio.run(inner()))
asyncio.run(outer())
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert said.stdout.split() == ["refused", "1"]


def test_nothing_is_patched_by_importing_and_one_place_alone_can() -> None:
    """asyncio is the standard library's own after the import, and no other module names the package that patches."""
    code = (
        "import asyncio, sys; before = asyncio.run, asyncio.Task, asyncio.new_event_loop\n"
        "import opus_nb, opus_nb.run, opus_nb.interactive.forms, opus_nb.screen.monitor\n"
        "assert (asyncio.run, asyncio.Task, asyncio.new_event_loop) == before\n"
        "assert not {'nest_asyncio', 'nest_asyncio2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    package = Path(loop.__file__).parent
    naming = [each.name for each in package.rglob("*.py") if "import nest_asyncio" in each.read_text(encoding="utf-8")]
    assert naming == ["loop.py"]
