"""``opus-nb run``: what it refuses, what it runs, what it prints where, and how it ends."""

from __future__ import annotations

import contextlib
import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from opus_nb.cli import main
from opus_nb.sandbox import Input, Job, Node, Output, Sandbox, workflow

COUNT_ID = "CoUnTtHeWoRdS001"
ASK_ID = "AsKaPeRsOnFiRsT1"
SLOW_ID = "TaKeSaVeRyLoNg01"


@workflow(
    "Count words", id=COUNT_ID, generation="v1", quick=True, price=0.5,
    inputs=[Input("Letter", "file", allowed=["TXT"]), Input("Limit", "int")], outputs=[Output("Words", "int")],
)  # fmt: skip
def count_words(job: Job, letter: Any, limit: int) -> dict[str, Any]:
    words = len(letter.words())
    if words > limit:
        job.fail()
    return {"Words": words}


@workflow(
    "Ask a person", id=ASK_ID, generation="v2", quick=True, inputs=[Input("Question")], outputs=[Output("Answer")],
    nodes=[Node("Ask", person=True)],
)  # fmt: skip
def ask_person(job: Job, question: str) -> dict[str, Any]:
    return {"Answer": job.person("Ask", seconds=math.inf)}


@workflow(
    "Take long", id=SLOW_ID, generation="v1", inputs=[Input("Text")], outputs=[Output("Echo")],
    nodes=[Node("Sleep", seconds=360_000)],
)  # fmt: skip
def take_long(text: str) -> dict[str, Any]:
    return {"Echo": text}


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox([count_words, ask_person, take_long], time_scale=0.01) as box:
        monkeypatch.setenv("OPUS_SERVICE_KEY", "sandbox")
        monkeypatch.setenv("OPUS_BASE_URL", box.base_url)
        monkeypatch.setenv("OPUS_NB_LEDGER", str(tmp_path / "ledger"))
        yield box


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[..., Path]:
    """Write a csv with letters beside it; 'gone' is a letter that is not there."""

    def write(*letters: str, limit: int = 3, **columns: Any) -> Path:
        for place, letter in enumerate(letters):
            path = tmp_path / f"{place}.txt"
            path.write_text(letter)
            if letter == "gone":
                path.unlink()
        frame = pd.DataFrame({"LETTER ": [f"{place}.txt" for place in range(len(letters))], "limit": limit, **columns})
        frame.to_csv(tmp_path / "letters.csv", index=False)
        return tmp_path / "letters.csv"

    return write


def run(sheet: Path, *options: str, workflow_id: str = COUNT_ID, out: str = "out.csv") -> int:
    return main(["run", str(sheet), "--workflow", workflow_id, "--out", str(sheet.parent / out), *options])


def test_all_well_is_zero(box: Sandbox, sheet: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every row ended well: exit 0, counts and paths on stdout, progress on stderr."""
    assert run(sheet("a", "a b", "a b c")) == 0
    said = capsys.readouterr()
    assert "3  completed" in said.out
    assert str(tmp_path / "out.csv") in said.out
    assert "rows ended" in said.err
    assert "rows ended" not in said.out
    assert pd.read_csv(tmp_path / "out.csv")["Words"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("out", ["out.xlsx", "out.csv", "out.tsv", "out.parquet"])
def test_every_suffix_that_is_accepted_is_written(out: str, box: Sandbox, sheet: Any, tmp_path: Path) -> None:
    """What is allowed before the run can be saved after it."""
    assert run(sheet("a"), out=f"new/folder/{out}") == 0
    assert (tmp_path / "new" / "folder" / out).stat().st_size > 0


def test_some_failed_is_three(box: Sandbox, sheet: Any, tmp_path: Path) -> None:
    """One row failed: exit 3, and its row is in the file with the reason."""
    assert run(sheet("a", "far too many words for this limit", "c")) == 3
    saved = pd.read_csv(tmp_path / "out.csv")
    assert saved["state"].tolist() == ["completed", "failed", "completed"]
    assert saved["error"].notna().tolist() == [False, True, False]


def test_bad_cells_are_refused_with_two(box: Sandbox, sheet: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """All bad cells, with the line of the sheet, on stderr; nothing sent, nothing written."""
    path = sheet("a", "gone", "c", limit=3)
    assert run(path) == 2
    said = capsys.readouterr()
    assert "line 3" in said.err
    assert "1.txt does not exist" in said.err
    assert "--on-invalid skip" in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert box.books()["initiations"] == 0
    assert not (path.parent / "out.csv").exists()


def test_skipping_bad_cells_is_three(box: Sandbox, sheet: Any, tmp_path: Path) -> None:
    """The other rows run, the bad one is in the file as invalid, and the exit code says that not all is well."""
    assert run(sheet("a", "gone", "c"), "--on-invalid", "skip") == 3
    assert pd.read_csv(tmp_path / "out.csv")["state"].tolist() == ["completed", "invalid", "completed"]


def test_nothing_that_can_be_sent_is_two(box: Sandbox, sheet: Any) -> None:
    """Skipping all rows is no run."""
    assert run(sheet("gone", "gone"), "--on-invalid", "skip") == 2
    assert box.books()["initiations"] == 0


def test_the_limit_of_jobs_is_kept(box: Sandbox, sheet: Any, tmp_path: Path) -> None:
    """Rows beyond --max-jobs are skipped, and --max-cost counts by the estimated price."""
    assert run(sheet("a", "b", "c"), "--max-jobs", "2") == 3
    assert box.books()["executions"] == 2
    assert sorted(pd.read_csv(tmp_path / "out.csv")["state"]) == ["completed", "completed", "skipped"]
    assert run(sheet("d", "e", "f"), "--max-cost", "0.5", "--name", "cheap") == 3
    assert box.books()["executions"] == 3


def test_a_waiting_person_is_three(box: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run ends while somebody thinks; the same command later picks up the answer, and pays nothing again."""
    (tmp_path / "q.csv").write_text("question\nwhy?\n")
    assert run(tmp_path / "q.csv", workflow_id=ASK_ID) == 3
    assert "wait for a person" in capsys.readouterr().err
    (job_id,) = box.books()["executions_by_job"]
    assert box.answer(job_id, "because")
    box.advance(60)
    assert run(tmp_path / "q.csv", workflow_id=ASK_ID) == 0
    assert box.books()["executions"] == 1
    assert pd.read_csv(tmp_path / "out.csv")["Answer"].tolist() == ["because"]


def test_the_same_command_twice_pays_once(box: Sandbox, sheet: Any) -> None:
    """Without a name the run is known by workflow and mapping."""
    path = sheet("a", "b")
    assert (run(path), run(path)) == (0, 0)
    assert box.books()["executions"] == 2
    assert run(path, "--name", "bought again") == 0
    assert box.books()["executions"] == 4


def test_dry_run_shows_everything_and_sends_nothing(
    box: Sandbox, sheet: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mapping, issues and estimate on stdout; the exit code is that of the refusal it would be."""
    assert run(sheet("a", "b"), "--dry-run") == 0
    said = capsys.readouterr().out
    assert "Letter" in said
    assert "LETTER" in said
    assert "2 of 2 rows can be sent. Estimated price 1.00" in said
    assert run(sheet("a", "gone"), "--dry-run") == 2
    assert "does not exist" in capsys.readouterr().out
    assert run(sheet("a", "gone"), "--dry-run", "--on-invalid", "skip") == 3
    assert box.books()["initiations"] == 0


def test_mappings_come_from_files(box: Sandbox, sheet: Any, tmp_path: Path) -> None:
    """--columns and --constants read JSON objects, --files-root says where the files lie."""
    path = sheet("a b c d")
    (tmp_path / "elsewhere").mkdir()
    moved = path.rename(tmp_path / "elsewhere" / "letters.csv")
    (tmp_path / "columns.json").write_text(json.dumps({"Letter": "LETTER "}))
    (tmp_path / "constants.json").write_text(json.dumps({"Limit": 10}))
    options = ["--columns", str(tmp_path / "columns.json"), "--constants", str(tmp_path / "constants.json")]
    assert run(moved, *options, "--files-root", str(tmp_path)) == 0


REFUSALS: dict[str, tuple[list[str], str]] = {
    "an unknown suffix": (["--out", "out.docx"], "cannot be saved under this name"),
    "the sheet as its own result": (["--out", "letters.csv"], "would replace the sheet"),
    "a mapping that is not there": (["--columns", "nowhere.json"], "cannot be opened"),
    "a mapping that is no JSON": (["--columns", "letters.csv"], "is not JSON"),
    "a mapping that is a list": (["--constants", "list.json"], "not a JSON object"),
    "a column that does not exist": (["--columns", "wrong.json"], "Lettre"),
    "an unknown workflow": (["--workflow", "AAAAAAAAAAAAAAAA"], "404"),
    "a sheet of that name": (["--sheet", "Second"], ""),
    "an address that is none": (["--base-url", "opus.com"], "not a web address"),
    "a server that is not there": (["--base-url", "http://127.0.0.1:9"], "cannot be reached"),
    "an order of dates that is none": (["--dates", "backwards"], "dates"),
    "a cost without sense": (["--max-cost", "-1"], "max_cost"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_two_and_say_why(
    case: str, box: Sandbox, sheet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Exit 2, the reason on stderr without a traceback, and nothing sent."""
    monkeypatch.chdir(tmp_path)
    sheet("a")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "wrong.json").write_text('{"Letter": "Lettre"}')
    options, reason = REFUSALS[case]
    base = ["run", "letters.csv"]
    for option, value in (("--workflow", COUNT_ID), ("--out", "out.csv")):
        base += [] if option in options else [option, value]
    if case == "a sheet of that name":
        pd.DataFrame({"Letter": ["0.txt"], "Limit": [3]}).to_excel(tmp_path / "book.xlsx", index=False)
        base[1] = "book.xlsx"
    assert main([*base, *options]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.startswith("opus-nb: ")
    assert "Traceback" not in said
    assert box.books()["initiations"] == 0


@pytest.mark.parametrize(
    "arguments",
    [["run"], ["run", "a.csv", "--workflow", "x"], [], ["fly"],
     ["demo", "--rows", "0"], ["sandbox", "--time-scale", "0"],
     ["run", "a.csv", "--workflow", "x", "--out", "o.csv", "--max-concurrency", "0"],
     ["run", "a.csv", "--workflow", "x", "--out", "o.csv", "--service-key", "k"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_arguments_are_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Usage on stderr; the key is not among the arguments at all."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: opus-nb" in capsys.readouterr().err


def test_no_key_anywhere_is_two(
    box: Sandbox, sheet: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cron has no terminal to ask on: the message names the places that were looked in."""
    monkeypatch.delenv("OPUS_SERVICE_KEY")
    monkeypatch.setattr("sys.stdin", None)
    assert run(sheet("a")) == 2
    assert "OPUS_SERVICE_KEY" in capsys.readouterr().err


def test_a_key_that_dies_on_the_way_is_three_and_saves_what_there_is(
    box: Sandbox, sheet: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run stops by itself, the rows so far are in the file, and the same command goes on later."""
    box.fault("initiate", "error", status=401, message="Invalid or expired API key")
    assert run(sheet("a", "b")) == 3
    said = capsys.readouterr().err
    assert "Invalid or expired API key" in said
    assert "Traceback" not in said
    assert len(pd.read_csv(tmp_path / "out.csv")) == 2
    box.faults_clear()
    assert run(sheet("a", "b")) == 0
    assert box.books()["jobs_executed_twice"] == 0


def test_two_interrupts_detach_and_the_same_command_continues(box: Sandbox, tmp_path: Path) -> None:
    """Exit 130 with the way to resume; then the jobs that went on at Opus are picked up, and none is executed again."""
    (tmp_path / "texts.csv").write_text("text\na\nb\nc\n")
    arguments = ["run", "texts.csv", "--workflow", SLOW_ID, "--out", "out.csv", "--name", "long"]
    # The handler is set by hand, because a shell may have started us with interrupts ignored.
    start = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        f"from opus_nb.cli import main; sys.exit(main({arguments!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", start], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stderr is not None
    while process.poll() is None and box.books(summary=True)["executions"] < 3:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
    process.send_signal(signal.SIGINT)
    assert any("Interrupted: nothing more is submitted" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 130
    assert "The same command again continues run 'long'" in rest
    assert len(pd.read_csv(tmp_path / "out.csv")) == 3
    box.advance(4000)
    assert (
        main([*arguments[:1], str(tmp_path / "texts.csv"), *arguments[2:5], str(tmp_path / "out.csv"), *arguments[6:]])
        == 0
    )
    assert box.books()["executions"] == 3
