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

# With cells that only say `1`, this one took no more of them after 76 and after 245, and answered nothing from then on;
# 7.4.0 did not in 2,500 (measured 2026-11-22). Binder comes with it, so it stays in the tests.
DEAF = "7.0.1"
CHANCES = 5
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
        if talk is not None and talk.is_idle:
            return talk
        self.close(version)
        for chance in range(CHANCES):
            self._started += 1
            try:
                talk = KernelTalk(environments.kernels()[version], self._folder / f"{version}-{self._started}")
                break
            except Exception:
                if version != DEAF or chance == CHANCES - 1:
                    raise
        self._talks[version] = talk
        return talk

    def is_deaf(self, version: str) -> bool:
        talk = self._talks.get(version)
        return talk is not None and talk.is_deaf()

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
    """Run a test again in another kernel, when its own is a 7.0.1 that has gone deaf; never for any other reason."""
    if DEAF not in pyfuncitem.name:
        return None
    wanted = pyfuncitem._fixtureinfo.argnames
    pool = pyfuncitem.funcargs["kernels"]
    for chance in range(CHANCES):
        try:
            pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted})
            break
        except Exception:
            if chance == CHANCES - 1 or not pool.is_deaf(DEAF):
                raise
            pool.close(DEAF)
            if "talk" in wanted:
                pyfuncitem.funcargs["talk"] = pool.get(DEAF)
    return True
