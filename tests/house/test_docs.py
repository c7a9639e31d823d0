"""What the documents say is so: links lead somewhere, code runs, commands are accepted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import opus_nb
from opus_nb.cli.arguments import read_arguments
from opus_nb.sandbox import Sandbox
from opus_nb.sandbox.samples import write_samples

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(path for path in ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_link_is_broken(document: Path) -> None:
    """Every relative link and picture exists."""
    links = re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
    local = [link.split("#")[0] for link in links if "://" not in link and not link.startswith("#")]
    assert [link for link in local if not (document.parent / link).exists()] == []


def test_every_path_that_the_readme_names_exists() -> None:
    """The table for contributors and the picture of the house name what is there."""
    named = re.findall(r"`((?:tests|sandbox|service|sheet|frames|screen|batch)/[\w/.]+)`", README)
    tree = re.findall(r"^  (\w+(?:\.py|/))", README, re.MULTILINE)
    assert len(named) > 10
    assert [name for name in named if not any((place / name).exists() for place in (ROOT, ROOT / "opus_nb"))] == []
    rooms = {f"{path.parent.name}/" for path in (ROOT / "opus_nb").glob("*/__init__.py")}
    assert [name for name in tree if not (ROOT / "opus_nb" / name).exists()] == []
    assert rooms - set(tree) == set()


def test_every_command_of_the_readme_is_accepted() -> None:
    """The parser takes each line that begins with opus-nb."""
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("opus-nb")]
    assert len(commands) >= 5
    for line in commands:
        assert callable(read_arguments(shlex.split(line, comments=True)[1:]).act)


def test_every_target_of_make_in_the_readme_exists() -> None:
    """`make something` is only promised where the Makefile has it."""
    makefile = (ROOT / "Makefile").read_text()
    promised = set(re.findall(r"(?:`|^)make (\w+)", README, re.MULTILINE))
    assert {"demo", "test"} <= promised
    assert [target for target in promised if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_code_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All Python blocks, top to bottom in one namespace, with a sandbox where the service would be."""
    monkeypatch.chdir(tmp_path)
    write_samples(tmp_path, rows=18)
    names: dict[str, Any] = {}
    opened: list[opus_nb.Opus] = []
    with Sandbox(time_scale=0.01) as box:
        monkeypatch.setenv("OPUS_BASE_URL", box.base_url)
        monkeypatch.setenv("OPUS_SERVICE_KEY", "sandbox")
        monkeypatch.setenv("OPUS_NB_UI", "none")
        for number, block in enumerate(blocks("python")):
            exec(compile(block, f"README.md, block {number}", "exec"), names)
            opened.append(names["opus"])
            if isinstance(run := names.get("run"), opus_nb.run.Run):
                assert int(run.counts.sum()) == 18
        for each in opened:
            each.close()
    assert (tmp_path / "claims-results.xlsx").exists()


def test_the_readme_promises_no_method_that_is_missing() -> None:
    """Every `wf.`, `plan.`, `run.` and `opus.` name in the text exists."""
    owners = {
        "wf": opus_nb.Workflow,
        "opus": opus_nb.Opus,
        "plan": opus_nb.plan.Plan,
        "run": opus_nb.run.Run,
        "opus_nb": opus_nb,
    }
    named = set(re.findall(r"`(wf|opus|plan|run|opus_nb)\.(\w+)", README))
    # What __init__ sets is no attribute of the class.
    own = {("plan", "mapping"), ("plan", "issues")}
    assert [f"{owner}.{name}" for owner, name in named - own if not hasattr(owners[owner], name)] == []


def test_pictures_are_small() -> None:
    """A clone should not carry a film."""
    assert [path.name for path in (ROOT / "docs" / "images").iterdir() if path.stat().st_size > 300_000] == []
