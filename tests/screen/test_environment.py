"""The probe: one line of its table, one test."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from opus_nb.screen.environment import Signs, possible, probe


def draw(*, environ=None, modules=(), kernel=True, stdin=True, names=(), widgets=True, tty=False, shell=True):
    inside = SimpleNamespace(_allow_stdin=stdin) if kernel else None
    spoken = SimpleNamespace(kernel=inside, user_ns=dict.fromkeys(names)) if shell else None
    return Signs(dict(environ or {}), dict.fromkeys(modules), spoken, widgets, tty)


LINES = [
    (draw(modules=["google.colab"]), "Google Colab", "widget", False),
    (draw(environ={"COLAB_RELEASE_TAG": "x"}), "Google Colab", "widget", False),
    (draw(environ={"SERVER_SOFTWARE": "voila/0.5.13"}, stdin=False), "Voila", "widget", True),
    (draw(environ={"SPY_EXTERNAL_INTERPRETER": "False"}), "Spyder", "text", True),
    (draw(stdin=False), "notebook runner (nbconvert, nbclient, papermill)", "html", False),
    (draw(names=["__vsc_ipynb_file__"]), "VS Code", "widget", True),
    (draw(environ={"VSCODE_PID": "1"}), "VS Code", "widget", True),
    (draw(environ={"JPY_SESSION_NAME": "a.ipynb"}), "JupyterLab or Notebook 7", "widget", True),
    (draw(environ={"JPY_PARENT_PID": "1"}), "classic notebook or another front end", "widget", True),
    (draw(kernel=False), "IPython terminal", "text", True),
    (draw(shell=False, tty=True), "terminal", "text", True),
    (draw(shell=False), "script without a terminal", "text", True),
]


@pytest.mark.parametrize(("signs", "name", "display", "repaints"), LINES, ids=[line[1] for line in LINES])
def test_each_environment_is_known_by_its_signs(signs, name, display, repaints):
    """Name, richest form and repainting are read from what the place leaves behind."""
    found = probe(signs)
    assert (found.name, found.display, found.repaints_finished_cells) == (name, display, repaints)


def test_places_that_do_not_repaint_say_what_to_do():
    """Where a finished cell stands still, the advice names run.wait()."""
    for signs, _, _, repaints in LINES:
        assert repaints or "run.wait()" in probe(signs).advice


def test_without_ipywidgets_html_is_shown():
    """A kernel without ipywidgets gets the HTML block and a word about buttons."""
    found = probe(draw(widgets=False))
    assert found.display == "html"
    assert "ipywidgets" in found.advice


@pytest.mark.parametrize(
    ("wish", "signs", "display"),
    [
        ("widgets", draw(stdin=False), "widget"),
        ("html", draw(), "html"),
        ("TEXT", draw(), "text"),
        ("none", draw(), "off"),
        ("widgets", draw(widgets=False), "html"),
        ("widgets", draw(shell=False), "text"),
        ("html", draw(kernel=False), "text"),
        ("none", draw(shell=False), "off"),
    ],
)
def test_the_environment_variable_overrides(wish, signs, display):
    """OPUS_NB_UI wins where its wish can be met, and falls to the next plainer form where not."""
    found = probe(Signs({**signs.environ, "OPUS_NB_UI": wish}, signs.modules, signs.shell, signs.widgets, signs.tty))
    assert found.display == display


def test_an_unknown_wish_is_ignored_and_said(caplog):
    """A typing error in OPUS_NB_UI changes nothing but the log."""
    found = probe(draw(environ={"OPUS_NB_UI": "widgetz"}))
    assert found.display == "widget"
    assert "widgetz" in caplog.text


def test_possible_leaves_plain_wishes_alone():
    """Text and off can be had anywhere."""
    assert possible("text", draw(shell=False)) == "text"
    assert possible("off", draw()) == "off"


def test_looking_around_loads_nothing_heavy():
    """The probe and the whole of display.py load neither IPython nor ipywidgets nor tqdm."""
    code = (
        "import sys; import opus_nb.screen.display as d; from opus_nb.screen.environment import probe; probe();"
        "heavy = {'IPython', 'ipywidgets', 'tqdm', 'matplotlib', 'openpyxl', 'ipykernel'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
