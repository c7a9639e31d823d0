"""Every notebook of the project runs from top to bottom, and is kept clean and small."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))

pytestmark = [
    # Both come from the packages that run the kernel, and say nothing about the notebook.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def run_notebook(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Execute a copy in ``folder``, as a runner of notebooks does, and return it with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def shown(notebook: nbformat.NotebookNode, code: str) -> dict[str, Any]:
    """Return what the cell that begins with ``code`` shows as its value."""
    (cell,) = [each for each in notebook.cells if each.cell_type == "code" and each.source.startswith(code)]
    return next(dict(each.data) for each in reversed(cell.outputs) if "data" in each)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path: Path) -> None:
    """What is in git is what a person writes: no outputs, no widget state, less than 10 kB."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in kept["cells"] if cell["cell_type"] == "code"]
    assert code
    assert [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"]] == []
    assert "widgets" not in kept["metadata"]
    assert path.stat().st_size < 10_000


def test_quickstart_runs_from_top_to_bottom(root: Path, tmp_path: Path) -> None:
    """Card, issues, run, join, audit, plots and the saved workbook, each with the numbers it promises."""
    shutil.copy(root / "notebooks" / "01-quickstart.ipynb", tmp_path)
    notebook = run_notebook(tmp_path / "01-quickstart.ipynb", tmp_path)
    assert "Claim triage" in shown(notebook, "wf = opus.workflow")["text/html"]
    assert "'Decision'" in shown(notebook, "from opus_nb.sandbox.samples")["text/plain"]
    assert "<NA>" in shown(notebook, "plan.issues")["text/plain"]
    assert "invalid       8" in shown(notebook, "run.wait()")["text/plain"]
    assert "settled" in shown(notebook, "joined.groupby")["text/plain"]
    assert "image/png" in shown(notebook, "run.plot.outcomes")
    assert "image/png" in shown(notebook, "run.plot.timeline")
    assert (tmp_path / "claims-results.xlsx").stat().st_size > 10_000


def test_outcomes_runs_from_top_to_bottom(root: Path, tmp_path: Path) -> None:
    """A finished run opened again: failures with their nodes, ways, times, answers, files and the account."""
    shutil.copy(root / "notebooks" / "02-outcomes.ipynb", tmp_path)
    notebook = run_notebook(tmp_path / "02-outcomes.ipynb", tmp_path)
    assert "62 completed, 2 failed, 8 invalid" in shown(notebook, "run = opus.open_run")["text/plain"]
    assert "at node 'Settle automatically'" in shown(notebook, "failed = ")["text/plain"]
    assert "Refer to an adjuster" in shown(notebook, "audit = ")["text/plain"]
    assert "settled" in shown(notebook, "joined = ")["text/plain"]
    assert "image/png" in shown(notebook, "run.plot.durations")
    assert len(list((tmp_path / "outputs").glob("*.pdf"))) == 44
    assert "completed    64" in shown(notebook, "run.retry()")["text/plain"]
