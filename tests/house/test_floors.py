"""The walls of the house: who imports whom, what loads when, how large a room may be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest and mypy there

HEAVY = ("matplotlib", "ipywidgets", "openpyxl", "IPython", "starlette", "uvicorn", "tqdm.auto", "nbformat")
DRAWERS = {"utils", "util", "core", "base", "common", "helpers", "misc", "types"}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("opus_nb", cache_dir=None)


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Plots, widgets, workbooks and servers load when they are first used."""
    ask = f"import sys, opus_nb; print([name for name in {HEAVY!r} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_there_is_no_circle_of_imports(graph: grimp.ImportGraph) -> None:
    """No module reaches itself, not through functions and not for typing either."""
    circles = [
        module
        for module in graph.modules
        if any(
            module in graph.find_upstream_modules(other) or module == other
            for other in graph.find_modules_directly_imported_by(module)
        )
    ]
    assert circles == []


def test_every_room_stands_on_a_floor(root: Path) -> None:
    """A module that the linter's floors do not name would be free to import anything."""
    rules = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(rule["layers"] for rule in rules if rule["type"] == "layers")
    named = {name.strip() for layer in layers for name in layer.split("|")}
    there = {
        path.stem for path in (root / "opus_nb").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert there - named == {"__init__"}
    assert named - there == set()


def test_the_sandbox_shares_no_module_with_what_it_imitates(graph: grimp.ImportGraph) -> None:
    """Whatever rooms are added: it imports its own modules and nobody else's, so one cannot hide the other's faults."""
    own = {module for module in graph.modules if f"{module}.".startswith("opus_nb.sandbox.")}
    assert len(own) > 10
    assert {module: graph.find_modules_directly_imported_by(module) - own for module in own} == {
        module: set() for module in own
    }


def test_what_does_the_work_never_leans_on_the_sandbox(graph: grimp.ImportGraph) -> None:
    """Only the two doors that start one know that there is a sandbox."""
    who = graph.find_modules_that_directly_import("opus_nb.sandbox") | {
        module
        for inner in graph.find_descendants("opus_nb.sandbox")
        for module in graph.find_modules_that_directly_import(inner)
    }
    rooms = {module.split(".")[1] for module in who if module.count(".")}
    assert rooms <= {"sandbox", "opus", "cli"}


def test_no_module_is_a_drawer_or_too_large(root: Path) -> None:
    """450 lines are the end, and a name says what is inside."""
    modules = sorted((root / "opus_nb").rglob("*.py"))
    assert [path.name for path in modules if path.stem in DRAWERS] == []
    assert [path.name for path in modules if len(path.read_text().splitlines()) > 450] == []


def test_nothing_is_left_for_later(root: Path) -> None:
    """No stubs, and no notes to oneself."""
    words = ("TO" + "DO", "FIX" + "ME", "raise NotImplemented" + "Error")
    left = [
        f"{path.name}: {word}"
        for folder in ("opus_nb", "tests")
        for path in (root / folder).rglob("*.py")
        for word in words
        if word in path.read_text()
    ]
    assert left == []


def test_every_module_says_what_it_is_for(root: Path) -> None:
    """The first line of a module is a sentence; only a package that holds nothing needs none."""
    modules = {path: path.read_text().lstrip() for path in (root / "opus_nb").rglob("*.py")}
    silent = [str(path.relative_to(root)) for path, text in modules.items() if text and not text.startswith('"""')]
    assert silent == []
