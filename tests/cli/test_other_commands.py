"""``opus-nb demo``, ``runs``, ``sandbox`` and ``--help``."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pandas as pd
import pytest

import opus_nb
from opus_nb.cli import main

DEMO = ["demo", "--time-scale", "0.01", "--out"]


def test_demo_leaves_everything_it_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Workbook, audit and three pictures; issues before, counts after, what to do next at the end."""
    out = tmp_path / "demo"
    assert main([*DEMO, str(out)]) == 0
    said = capsys.readouterr()
    for file in ("results.xlsx", "audit.csv", "outcomes.png", "durations.png", "timeline.png"):
        assert (out / file).stat().st_size > 5_000
        assert str(out / file) in said.out
    results = pd.read_excel(out / "results.xlsx")
    assert len(results) == 72
    assert results["state"].value_counts()["invalid"] == 8
    assert results["Claim  Reference "].notna().all()
    assert said.out.index("does not exist") < said.out.index("64 of 72 rows are sent")
    assert "8  invalid" in said.out
    assert "started once more: 0 new jobs" in said.out
    assert "OPUS_SERVICE_KEY" in said.out
    assert "72 of 72 rows ended" in said.err


def test_demo_works_twice_in_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second time is a new run under a new name, says so, and replaces the files."""
    assert main([*DEMO, str(tmp_path / "demo"), "--rows", "12"]) == 0
    before = (tmp_path / "demo" / "results.xlsx").read_bytes()
    capsys.readouterr()
    assert main([*DEMO, str(tmp_path / "demo"), "--rows", "12"]) == 0
    assert "run 'demo-2'" in capsys.readouterr().out
    assert (tmp_path / "demo" / "results.xlsx").read_bytes() != before


def test_demo_into_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A place that cannot be a folder is told, not traced."""
    (tmp_path / "demo").write_text("a file")
    assert main([*DEMO, str(tmp_path / "demo")]) == 2
    assert "cannot write there" in capsys.readouterr().err


def test_runs_lists_the_ledger_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Name, workflow, rows and counts of every run; nothing is asked for."""
    with opus_nb.sandbox(time_scale=0.01, ledger=tmp_path) as opus:
        frame = pd.DataFrame({"Item": ["pen", "ink"], "Amount": [1, 2]})
        opus.workflow("N0inPuTsAtAll000").run(frame, name="first", progress="off").wait()
    monkeypatch.delenv("OPUS_SERVICE_KEY", raising=False)
    monkeypatch.setattr("sys.stdin", None)
    assert main(["runs", "--ledger", str(tmp_path)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("first")]
    assert "No inputs" in line
    assert line.endswith("2 completed")


def test_runs_of_an_empty_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Looking makes no ledger, and nothing is no error."""
    assert main(["runs", "--ledger", str(tmp_path / "none")]) == 0
    assert "No runs" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_sandbox_prints_its_address_and_answers() -> None:
    """The address is the only line on stdout, so that a script can read it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "opus_nb.cli", "sandbox", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        request = urllib.request.Request(f"{base_url}/workflow/private", headers={"x-service-key": "sandbox"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["workflows"]
    finally:
        process.terminate()
        process.communicate()


def test_taken_port_is_two(capsys: pytest.CaptureFixture[str]) -> None:
    """Two sandboxes cannot share a port; the message says how to find a free one."""
    with opus_nb.sandbox() as opus:
        assert main(["sandbox", "--port", opus.base_url.rsplit(":", 1)[1]]) == 2
    assert "--port 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [[], ["check"], ["run"], ["demo"], ["runs"], ["sandbox"]], ids=lambda words: " ".join(words)
)
def test_help_is_there_for_each(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help goes to stdout with code 0."""
    with pytest.raises(SystemExit) as left:
        main([*command, "--help"])
    assert left.value.code == 0
    assert "usage: opus-nb" in capsys.readouterr().out


def test_cli_writes_where_ascii_is_all_there_is(tmp_path: Path) -> None:
    """A terminal or log that cannot show a character gets a question mark, not a traceback."""
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-m", "opus_nb.cli", "demo", "--rows", "9", "--time-scale", "0.01", "--out",
         str(tmp_path / "démo")],
        capture_output=True, env={"PYTHONIOENCODING": "ascii", "PATH": "", "HOME": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
