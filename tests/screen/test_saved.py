"""Widget state in saved notebooks: out with it, and nothing else changes."""

from __future__ import annotations

import json

import pytest

from opus_nb.errors import SettingsError
from opus_nb.screen.saved import strip_widget_state

VIEW = "application/vnd.jupyter.widget-view+json"


def notebook(*outputs, **metadata):
    cell = {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": list(outputs), "source": "form"}
    words = {"cell_type": "markdown", "metadata": {}, "source": "# Größe"}
    return {"cells": [words, cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def shown(**data):
    return {"output_type": "display_data", "metadata": {}, "data": data}


def test_state_and_views_go_and_everything_else_stays(tmp_path):
    """What was typed or uploaded is gone from the file; the HTML that stood beside the widget is shown then."""
    path = tmp_path / "claims.ipynb"
    printed = {"output_type": "stream", "name": "stdout", "text": "hello"}
    kept = shown(**{"text/html": "<b>3</b> completed", "text/plain": "3 of 3"})
    widget = shown(**{VIEW: {"model_id": "1"}, "text/html": "<i>run this cell again</i>"})
    state = {"application/vnd.jupyter.widget-state+json": {"state": {"1": {"state": {"value": "secret"}}}}}
    path.write_text(json.dumps(notebook(printed, kept, widget, widgets=state, kernelspec={"name": "python3"})) + "\n")
    assert strip_widget_state(path)
    text = path.read_text(encoding="utf-8")
    assert "secret" not in text
    after = json.loads(text)
    assert after == notebook(
        printed, kept, shown(**{"text/html": "<i>run this cell again</i>"}), kernelspec={"name": "python3"}
    )
    assert "# Größe" in text
    assert text.endswith("}\n")
    assert [each.name for each in tmp_path.iterdir()] == ["claims.ipynb"]


def test_a_notebook_without_widgets_is_not_touched(tmp_path):
    """Not one byte: it may be under version control."""
    path = tmp_path / "plain.ipynb"
    path.write_text(json.dumps(notebook(shown(**{"text/plain": "4"})), indent=4))
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert not strip_widget_state(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_who_may_read_the_notebook_stays_as_it_was_and_so_does_a_link(tmp_path):
    """A private file stays private; a symbolic link still leads to the file, which is what is written."""
    path, link = tmp_path / "private.ipynb", tmp_path / "link.ipynb"
    path.write_text(json.dumps(notebook(shown(**{VIEW: {}}))))
    path.chmod(0o600)
    link.symlink_to(path)
    assert strip_widget_state(link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert VIEW not in path.read_text()
    path.write_text(json.dumps(notebook(shown(**{VIEW: {}}))))
    path.chmod(0o644)
    assert strip_widget_state(path)
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("outputs", [None, 3, [None], ["text"]])
def test_outputs_that_are_none_are_refused_by_name(tmp_path, outputs):
    """Not by an error of Python."""
    path = tmp_path / "odd.ipynb"
    book = notebook(widgets={})
    book["cells"][1]["outputs"] = outputs
    path.write_text(json.dumps(book))
    with pytest.raises(SettingsError, match=r"odd\.ipynb"):
        strip_widget_state(path)
    assert json.loads(path.read_text()) == book


@pytest.mark.parametrize("text", ["", "[1]", '{"cells": 3, "metadata": {}}', '{"worksheets": []}', "\ud800"])
def test_what_is_no_notebook_is_refused_by_name(tmp_path, text):
    """The file is left as it is."""
    path = tmp_path / "odd.ipynb"
    path.write_text(text, errors="surrogatepass")
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=r"odd\.ipynb"):
        strip_widget_state(path)
    assert path.read_bytes() == before
    with pytest.raises(SettingsError, match=r"nowhere\.ipynb"):
        strip_widget_state(tmp_path / "nowhere.ipynb")
