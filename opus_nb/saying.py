"""One sentence to the person at the keyboard."""

from __future__ import annotations

import sys

__all__ = ["say"]


def say(text: str) -> None:
    """Tell a person what happened: in a notebook under the cell, elsewhere where progress goes."""
    in_notebook = hasattr(getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)(), "kernel")
    stream = sys.stdout if in_notebook else sys.stderr
    stream.write(text + "\n")
    stream.flush()
