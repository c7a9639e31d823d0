"""What people install: a wheel, in an environment that has never seen this folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

SITE_OF_THE_DEPENDENCIES = [path for path in sys.path if path.endswith("site-packages")]


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--disable-pip-version-check", "--wheel-dir", str(folder), str(root)],
        check=True,
    )  # fmt: skip
    (built,) = folder.glob("opus_nb-*.whl")
    return built


def test_wheel_holds_every_module_and_nothing_else(wheel: Path, root: Path) -> None:
    """All of opus_nb with its mark for type checkers, no tests, no notebooks."""
    names = set(zipfile.ZipFile(wheel).namelist())
    package = root / "opus_nb"
    there = {f"opus_nb/{path.relative_to(package).as_posix()}" for path in package.rglob("*.py")} | {"opus_nb/py.typed"}
    assert there <= names
    assert {name.split("/")[0] for name in names} == {"opus_nb", wheel.name.rsplit("-", 3)[0] + ".dist-info"}


def test_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Installed into a new venv, it imports from there, and its command answers.

    The dependencies are lent by path, so that the test needs no network; an editable install that lies beside
    them is not, because the lines of a .pth file do not count there.
    """
    home = tmp_path / "empty"
    venv.create(home, with_pip=False)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    (site,) = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index",
         "--disable-pip-version-check", str(wheel)],
        check=True,
    )  # fmt: skip
    (Path(site) / "lent.pth").write_text("\n".join(SITE_OF_THE_DEPENDENCIES))
    said = subprocess.run(
        [python, "-W", "error", "-c", "import opus_nb; print(opus_nb.__file__, opus_nb.__version__)"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    assert Path(said.split()[0]).is_relative_to(Path(site).resolve()) or said.startswith(site)
    told = subprocess.run(
        [python.parent / "opus-nb", "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert told.stdout.startswith("opus_nb ")
