"""One sentence to the person at the keyboard, also when Opus keeps them waiting."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from opus_nb import loop
from opus_nb.screen.progress import write_line

__all__ = ["call_patiently", "say"]

T = TypeVar("T")
# A person wonders what is going on after about this time.
SILENCE_S = 4.0


def say(text: str) -> None:
    """Tell a person what happened: in a notebook under the cell, elsewhere where progress goes."""
    in_notebook = hasattr(getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)(), "kernel")
    write_line(text, sys.stdout if in_notebook else sys.stderr)


def call_patiently(address: str, work: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Do what `loop.call` does, and say once that nobody has answered where that takes long.

    Parameters
    ----------
    address : str
        Who is asked.
    work : callable
        Ends by itself, however long nobody answers.
    """
    future = loop.start(work, *args)
    try:
        try:
            return loop.wait_for(future, timeout_s=SILENCE_S)
        except TimeoutError:
            if not future.done():
                say(f"{address} has not answered for {SILENCE_S:g} s; asking on. Interrupt to stop.")
        return loop.wait_for(future)
    except BaseException:
        future.cancel()
        raise
