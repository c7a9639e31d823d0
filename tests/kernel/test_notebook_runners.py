"""Notebooks run by nobody: what nbconvert (nbclient, papermill) saves and exports holds the end, and no error."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import environments
import nbformat
import pytest
from kernel_talk import SETUP

CELLS = [
    SETUP,
    'run = wf.run(sheet("nightly", 6), name="nightly")',
    "run.wait();",
    "print(int(run.counts['completed']))",
    "await wf.run(sheet('awaited', 4), name='awaited');",
    "form = wf.form({'Question': 'Why?', 'Documents': 'letter.txt'})\nform",
    "wf.map(sheet('mapped', 3))",
]


@pytest.fixture(scope="module", params=["newest", "6.31.0"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    """The notebook as nbconvert saves it after running it, and the HTML that it exports from that."""
    env = environments.kernels()[request.param]
    folder = tmp_path_factory.mktemp("runner")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbformat.write(book, folder / "nightly.ipynb")
    clean = {name: value for name, value in os.environ.items() if name not in {"JPY_SESSION_NAME", "OPUS_NB_UI"}}
    for arguments in (["--to", "notebook", "--execute", "--inplace"], ["--to", "html"]):
        command = [str(env.python), "-m", "nbconvert", *arguments, "nightly.ipynb"]
        done = subprocess.run(
            command, cwd=folder, env=clean | env.environ, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return nbformat.read(folder / "nightly.ipynb", 4), (folder / "nightly.html").read_text(encoding="utf-8")


def words(cell: Any) -> str:
    """Everything that a cell's outputs say, in any form."""
    return "\n".join(str(output.get("data", output.get("text", ""))) for output in cell["outputs"])


def test_the_saved_notebook_holds_the_final_state(exported):
    """In the cell that started the run, although it ended before the run did, and in the one that awaited."""
    cells = exported[0]["cells"]
    assert "6</b> completed" in words(cells[1])
    assert "6 of 6 rows ended" in words(cells[1])
    assert "going on" not in words(cells[1])
    assert words(cells[3]).strip() == "6"
    assert "4</b> completed" in words(cells[4])
    assert "<b>6</b> completed" in exported[1]


def test_form_and_mapper_leave_words_for_readers(exported):
    """Where nobody can fill anything in, the file says what would be there."""
    cells = exported[0]["cells"]
    assert "run this cell again" in words(cells[5])
    assert "run this cell again" in words(cells[6])
    assert exported[1].count("run this cell again") == 2
    assert not [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
