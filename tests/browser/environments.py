"""Makes the environments of the browser and kernel tests, once; ``python tests/browser/environments.py`` prints where.

Two virtual environments: ``lab`` has the newest JupyterLab, Notebook and ipykernel, and drives the browser;
``colab`` has Colab's pins. Other kernels are a folder each with that ipykernel alone, put before ``lab`` on
the path, which takes a second instead of a minute. All lie in ``.browser-envs`` and are made anew when what they are
made from has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = Path(__file__).resolve().parent / "pins"
ENVS = Path(os.environ.get("OPUS_NB_BROWSER_ENVS", ROOT / ".browser-envs"))
OTHER_KERNELS = ("6.31.0", "7.0.1")


@dataclass(frozen=True)
class KernelEnv:
    """One kernel to test on: a Python, and the folder that lies before its packages."""

    name: str
    python: Path
    overlay: Path | None = None

    @property
    def argv(self) -> list[str]:
        """The command line of a kernel specification."""
        return [str(self.python), "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]

    @property
    def environ(self) -> dict[str, str]:
        """What has to be set for it."""
        if self.overlay is None:
            return {}
        return {"PYTHONPATH": os.pathsep.join([str(self.overlay), *filter(None, [os.environ.get("PYTHONPATH")])])}


def python_of(name: str) -> Path:
    """The interpreter of one environment."""
    return ENVS / name / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def kernels() -> dict[str, KernelEnv]:
    """Every kernel that is tested, by the name that tests give it."""
    found = {
        "newest": KernelEnv("newest", python_of("lab")),
        "6.17.1": KernelEnv("6.17.1", python_of("colab")),
    }
    for version in OTHER_KERNELS:
        found[version] = KernelEnv(version, python_of("lab"), ENVS / f"ipykernel-{version}")
    return found


def make_all() -> None:
    """Make what is missing or out of date."""
    ENVS.mkdir(exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(_make_venv, name) for name in ("lab", "colab")]:
            each.result()
    for version in OTHER_KERNELS:
        _make_overlay(version)


def _make_venv(name: str) -> None:
    pins = PINS / f"{name}.txt"
    stamp = _stamp(pins.read_text(), (ROOT / "pyproject.toml").read_text())
    place = ENVS / name
    if _is_fresh(place, stamp):
        return
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, with_pip=True)
    # The pins are a constraint for our own package too: nothing that Colab has may be replaced for it.
    constraints = ["--constraint", str(pins)] if name == "colab" else []
    _pip(python_of(name), "--requirement", str(pins), *constraints, "--editable", f"{ROOT}[sandbox]")
    (place / "stamp").write_text(stamp)


def _make_overlay(version: str) -> None:
    place = ENVS / f"ipykernel-{version}"
    stamp = _stamp(version)
    if _is_fresh(place, stamp):
        return
    shutil.rmtree(place, ignore_errors=True)
    # The Python that runs this need not have pip.
    _pip(python_of("lab"), "--no-deps", "--target", str(place), f"ipykernel=={version}")
    (place / "stamp").write_text(stamp)


def _stamp(*texts: str) -> str:
    return hashlib.sha256("\n".join([sys.version, *texts]).encode()).hexdigest()


def _is_fresh(place: Path, stamp: str) -> bool:
    kept = place / "stamp"
    return kept.exists() and kept.read_text() == stamp


def _pip(python: Path, *args: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    make_all()
    sys.stdout.write(f"{python_of('lab')}\n")
