"""The service key shows nowhere: not in the ledger, a repr, a log, a traceback or a saved notebook."""

from __future__ import annotations

import io
import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pandas as pd
import pytest

import opus_nb
from opus_nb import errors
from opus_nb.sandbox import Sandbox
from opus_nb.sandbox.workflows import DOSSIER_ID

# As long as a real one, and nothing that could stand anywhere by chance.
KEY = "_" + "Qx7" * 31 + "Zk9"
SHEET = pd.DataFrame({"Question": [f"why {place}?" for place in range(12)], "Documents": ["letter.txt"] * 12})


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A service that repeats the key in its errors, as some do."""
    with Sandbox(time_scale=0.01, service_keys=[KEY]) as box:
        said = f"request with key {KEY} was refused"
        box.fault("execute", "error", status=400, message=said, times=2)
        box.fault("initiate", "error", status=422, message=said, times=1)
        box.fault("status", "error", status=502, html=True, message=said, times=3)
        box.fault("results", "error", status=400, message=said, times=1)
        box.fault("upload", "error", status=500, message=said, times=1)
        yield box


@pytest.fixture
def opus(box: Sandbox, tmp_path: Path) -> Iterator[opus_nb.Opus]:
    (tmp_path / "letter.txt").write_text("because")
    with opus_nb.connect(KEY, base_url=box.base_url, ledger=tmp_path / "ledger") as connected:
        yield connected


def leaks(text: str) -> bool:
    # A piece is enough: keys are cut where messages are shortened.
    return KEY[:20] in text or KEY[-20:] in text


def run_batch(opus: opus_nb.Opus, folder: Path) -> opus_nb.run.Run:
    plan = opus.workflow(DOSSIER_ID).plan(SHEET, files_root=folder)
    return plan.start(name="batch", progress="text").wait()


def test_key_is_in_no_file_frame_or_repr(opus: opus_nb.Opus, tmp_path: Path) -> None:
    """A whole batch with errors that repeat the key leaves it neither on disk nor in anything that is shown."""
    workflow = opus.workflow(DOSSIER_ID)
    plan = workflow.plan(SHEET, files_root=tmp_path)
    run = run_batch(opus, tmp_path)
    assert (run.results()["error"].dropna().str.contains("***", regex=False)).any()
    run.save(tmp_path / "results.csv")
    frames = (run.results(), run.jobs(), run.audit(), run.nodes(), opus.runs(), plan.issues, plan.mapping)
    shown = [each.to_csv() for each in frames]
    for each in (opus, opus.client, workflow, plan, run, opus.sandbox):
        shown += [repr(each), str(each), str(getattr(each, "_repr_html_", str)()), repr(getattr(each, "__dict__", ""))]
    assert [text for text in shown if leaks(text)] == []
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".sqlite" for path in files)
    assert [path.name for path in files if leaks(path.read_bytes().decode("latin-1"))] == []


def test_key_is_in_no_log(opus: opus_nb.Opus, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Everything that anybody logs at DEBUG, HTTP libraries included, is free of it."""
    caplog.set_level(logging.DEBUG)
    run_batch(opus, tmp_path)
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    assert not leaks(caplog.text)


def test_key_is_not_printed_while_a_run_goes_on(
    opus: opus_nb.Opus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Progress shows errors without it."""
    run_batch(opus, tmp_path)
    said = capsys.readouterr()
    assert "batch" in said.err
    assert not leaks(said.out + said.err)


def failing_calls(opus: opus_nb.Opus, folder: Path) -> dict[str, Any]:
    lonely = opus_nb.connect(KEY, base_url="http://127.0.0.1:9", ledger=folder / "ledger")
    other = opus_nb.connect(KEY + "x", base_url=opus.base_url, ledger=folder / "ledger")

    def closing(connection: opus_nb.Opus) -> Any:
        with connection:
            return connection.workflow(DOSSIER_ID)

    return {
        "refused key": lambda: closing(other),
        "no server": lambda: closing(lonely),
        "echoed key": lambda: opus_nb.loop.call(opus.client.fetch_results, "999999"),
    }


def test_key_is_in_no_traceback(box: Sandbox, opus: opus_nb.Opus, tmp_path: Path) -> None:
    """Plain tracebacks, those with locals, IPython's verbose ones and pickled errors are all free of it."""
    from IPython.core.ultratb import VerboseTB

    for name, call in failing_calls(opus, tmp_path).items():
        with pytest.raises(errors.OpusError) as caught:
            call()
        error = caught.value
        with_locals = traceback.TracebackException.from_exception(error, capture_locals=True)
        out = io.StringIO()
        VerboseTB(ostream=out, include_vars=True, call_pdb=False).handler((type(error), error, error.__traceback__))
        told = {
            "plain": "".join(traceback.format_exception(error)),
            "locals": "".join(with_locals.format()),
            "verbose": out.getvalue(),
            "repr": repr(error) + repr(error.__dict__),
            "pickle": pickle.dumps(error).decode("latin-1"),
        }
        assert len(told["verbose"]) > 200
        assert [(name, kind) for kind, text in told.items() if leaks(text)] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_key_is_in_no_saved_notebook(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that takes the key from the environment, shows everything and fails is saved without it."""
    (tmp_path / "letter.txt").write_text("because")
    monkeypatch.setenv("OPUS_SERVICE_KEY", KEY)
    monkeypatch.setenv("OPUS_BASE_URL", box.base_url)
    cells = (
        "%xmode Verbose",
        "import pandas as pd, opus_nb; opus = opus_nb.connect(); opus",
        f"wf = opus.workflow({DOSSIER_ID!r}); wf",
        "df = pd.DataFrame({'Question': list('abcd'), 'Documents': ['letter.txt'] * 4})",
        "run = wf.run(df); run.wait()",
        "display(opus.client, vars(opus), run, run.results(), run.audit())",
        "opus.workflow('AAAAAAAAAAAAAAAA')",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(
        notebook, timeout=60, allow_errors=True, store_widget_state=True, resources=resources
    ).execute()
    saved = nbformat.writes(notebook)
    assert "Verbose" in saved
    assert "NotFound" in saved
    assert [cell.source for cell in notebook.cells[:-1] for out in cell.outputs if out.output_type == "error"] == []
    assert not leaks(saved)
