"""Real kernels of four versions; like the browser tests, only ``make test-browser`` asks for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "browser")]  # for kernel_talk and environments

collect_ignore_glob = [] if os.environ.get("OPUS_NB_BROWSER_TESTS") else ["test_*.py"]

VERSIONS = ("6.17.1", "6.31.0", "7.0.1", "newest")


class _Pool:
    """One kernel per version, started when first asked for, and again when a test left it busy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._talks: dict[str, Any] = {}
        self._started = 0

    def get(self, version: str) -> Any:
        import environments
        from kernel_talk import KernelTalk

        talk = self._talks.get(version)
        if talk is None or not talk.is_idle:
            self.close(version)
            self._started += 1
            folder = self._folder / f"{version}-{self._started}"
            talk = self._talks[version] = KernelTalk(environments.kernels()[version], folder)
        return talk

    def close(self, version: str) -> None:
        talk = self._talks.pop(version, None)
        if talk is not None:
            talk.close()


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Pool]:
    """Kernels by version."""
    pool = _Pool(tmp_path_factory.mktemp("kernels"))
    yield pool
    for version in VERSIONS:
        pool.close(version)


@pytest.fixture(params=VERSIONS)
def talk(request: pytest.FixtureRequest, kernels: _Pool) -> Any:
    """A kernel that is ready, of each version in turn."""
    return kernels.get(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Give a test another kernel, once, when its own has gone deaf; which version does that stands in kernel_talk."""
    if not os.environ.get("OPUS_NB_BROWSER_TESTS"):
        return None
    from kernel_talk import DeafKernel

    wanted = pyfuncitem._fixtureinfo.argnames
    try:
        pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted})
    except DeafKernel:
        pool = pyfuncitem.funcargs["kernels"]
        pool.close("7.0.1")
        if "talk" in wanted:
            pyfuncitem.funcargs["talk"] = pool.get("7.0.1")
        pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted})
    return True
