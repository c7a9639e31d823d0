"""Where we are, and what a person can see there.

One table, one line per environment, the first that fits wins. To add one, add a line and a test that draws
its signs.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Environment", "Signs", "probe", "read_signs"]

Shown = Literal["widget", "html", "text", "off"]

_log = logging.getLogger("opus_nb")


@dataclass(frozen=True, slots=True)
class Environment:
    """What the place we run in can show.

    Attributes
    ----------
    name : str
        What people call it: ``"Google Colab"``, ``"VS Code"``, ``"terminal"`` ...
    display : {"widget", "html", "text", "off"}
        The richest form that works there.
    repaints_finished_cells : bool
        Whether a view goes on changing after the cell that showed it has ended.
    advice : str
        What a person there should know, one sentence; empty where nothing is odd.
    replaces_outputs : bool
        Whether what was displayed can be replaced; else only widgets change.
    """

    name: str
    display: Shown
    repaints_finished_cells: bool
    advice: str
    replaces_outputs: bool = True


@dataclass(frozen=True, slots=True)
class Signs:
    """What can be seen from inside the process, without importing anything heavy.

    Attributes
    ----------
    environ : Mapping
        Environment variables.
    modules : Mapping
        ``sys.modules``.
    shell : object or None
        What ``get_ipython()`` returns.
    widgets : bool
        Whether ipywidgets is installed beside the kernel.
    tty : bool
        Whether stderr is a terminal.
    """

    environ: Mapping[str, str]
    modules: Mapping[str, Any]
    shell: Any
    widgets: bool
    tty: bool

    @property
    def kernel(self) -> Any:
        """The Jupyter kernel that runs us, or None."""
        return getattr(self.shell, "kernel", None)

    @property
    def stdin_allowed(self) -> bool:
        """Whether somebody is there to answer; runners of whole notebooks say no."""
        return bool(getattr(self.kernel, "_allow_stdin", True))

    @property
    def opened_by_vscode(self) -> bool:
        """VS Code leaves the path of the notebook among the variables of the kernel."""
        names: Mapping[str, Any] = getattr(self.shell, "user_ns", None) or {}
        return "__vsc_ipynb_file__" in names or any(name.startswith("VSCODE_") for name in self.environ)


_COLAB_ADVICE = (
    "Colab does not repaint a cell that has ended: end the cell with run.wait() (or await run) to watch and to stop it."
)

# (name, does it fit?, richest form there, repaints finished cells, advice)
_TABLE: tuple[tuple[str, Callable[[Signs], bool], Shown, bool, str], ...] = (
    (
        "Google Colab",
        lambda s: s.kernel is not None and ("google.colab" in s.modules or "COLAB_RELEASE_TAG" in s.environ),
        "widget",
        False,
        _COLAB_ADVICE,
    ),
    (
        "Voila",
        lambda s: s.kernel is not None and s.environ.get("SERVER_SOFTWARE", "").lower().startswith("voila"),
        "widget",
        True,
        "",
    ),
    (
        "Spyder",
        lambda s: s.kernel is not None and any(name.startswith("SPY_") for name in s.environ),
        "text",
        True,
        "",
    ),
    (
        "notebook runner (nbconvert, nbclient, papermill)",
        lambda s: s.kernel is not None and not s.stdin_allowed,
        "html",
        False,
        "Nobody can press a button here: end the cell with run.wait(), so that the next finds the results.",
    ),
    ("VS Code", lambda s: s.kernel is not None and s.opened_by_vscode, "widget", True, ""),
    (
        "JupyterLab or Notebook 7",
        lambda s: s.kernel is not None and "JPY_SESSION_NAME" in s.environ,
        "widget",
        True,
        "",
    ),
    ("classic notebook or another front end", lambda s: s.kernel is not None, "widget", True, ""),
    ("IPython terminal", lambda s: s.shell is not None, "text", True, ""),
    ("terminal", lambda s: s.tty, "text", True, ""),
    ("script without a terminal", lambda s: True, "text", True, ""),
)

_WORDS: dict[str, Shown] = {
    "widgets": "widget",
    "widget": "widget",
    "html": "html",
    "text": "text",
    "none": "off",
    "off": "off",
}


def read_signs() -> Signs:
    """Look around: environment variables, loaded modules, the shell. Imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    stderr = sys.stderr
    return Signs(
        environ=os.environ,
        modules=sys.modules,
        shell=shell,
        widgets="ipywidgets" in sys.modules or importlib.util.find_spec("ipywidgets") is not None,
        tty=bool(stderr is not None and hasattr(stderr, "isatty") and stderr.isatty()),
    )


def probe(signs: Signs | None = None) -> Environment:
    """Say where we are and what can be shown here.

    Cheap, sends nothing and imports nothing. ``OPUS_NB_UI`` (``widgets``, ``html``, ``text`` or ``none``)
    overrides what is shown; a wish that cannot be met here falls to the next plainer form.

    Parameters
    ----------
    signs : Signs, optional
        What to judge by; None looks around.

    Returns
    -------
    Environment
    """
    signs = signs or read_signs()
    name, _, display, repaints, advice = next(line for line in _TABLE if line[1](signs))
    if display == "widget" and not signs.widgets:
        display, advice = "html", advice or "Install ipywidgets beside the kernel to get buttons."
    word = signs.environ.get("OPUS_NB_UI", "").strip().lower()
    if word and word not in _WORDS:
        _log.warning("OPUS_NB_UI=%r is none of widgets, html, text, none; it is ignored", word)
    elif word:
        display = possible(_WORDS[word], signs)
    # Voila's page takes in what cells have displayed once, and afterwards listens to widgets alone.
    return Environment(name, display, repaints, advice, replaces_outputs=name != "Voila")


def possible(wish: Shown, signs: Signs | None = None) -> Shown:
    """Return ``wish``, or the next plainer form where it cannot be shown.

    Parameters
    ----------
    wish : {"widget", "html", "text", "off"}
        What is asked for.
    signs : Signs, optional
        What to judge by; None looks around.

    Returns
    -------
    {"widget", "html", "text", "off"}
    """
    signs = signs or read_signs()
    if wish == "widget" and not signs.widgets:
        wish = "html"
    if wish in {"widget", "html"} and signs.kernel is None:
        return "text"
    return wish
