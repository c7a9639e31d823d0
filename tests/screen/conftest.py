"""A notebook's output area for tests: what was displayed, and what replaced it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for screen_making


class Page:
    """The outputs of a notebook by display id, newest bundle last; and what happened in order."""

    def __init__(self) -> None:
        self.outputs: dict[str, list[dict[str, str]]] = {}
        self.log: list[str] = []

    def display(self, bundle, *, raw, display_id=None):
        assert raw
        self.log.append("display")
        self.outputs.setdefault(display_id, []).append(dict(bundle))

    def update(self, bundle, *, raw, display_id=None):
        assert raw
        assert display_id in self.outputs, "only what was displayed can be replaced"
        self.log.append("update")
        self.outputs[display_id].append(dict(bundle))

    @property
    def last(self) -> dict[str, str]:
        (only,) = self.outputs.values()
        return only[-1]


@pytest.fixture
def page(monkeypatch):
    """A front end that keeps what it is sent."""
    import IPython.display

    kept = Page()
    monkeypatch.setattr(IPython.display, "display", kept.display)
    monkeypatch.setattr(IPython.display, "update_display", kept.update)
    return kept


@pytest.fixture
def in_kernel(monkeypatch):
    """Look like a Jupyter kernel to the probe."""
    import IPython

    shell = SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=True), user_ns={})
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", IPython)
    return shell
