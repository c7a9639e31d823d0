"""Child processes that measure on command, and the environment in which the peers live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.served import ROOT

BENCH_ENV = ROOT / ".bench-env"
PEER_PACKAGES = ("httpx==0.28.1", "requests>=2.31")


def peer_python(*, may_make: bool) -> str | None:
    """The Python of the peers' environment: httpx as pip gives it, without sniffio. None where there is none."""
    python = BENCH_ENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (BENCH_ENV / ".complete").exists():
        if not may_make:
            return None
        venv.create(BENCH_ENV, with_pip=True, clear=True)
        # It is nobody's to commit.
        (BENCH_ENV / ".gitignore").write_text("*\n")
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEER_PACKAGES], check=False
        )
        if done.returncode:
            return None
        (BENCH_ENV / ".complete").touch()
    return str(python)


class Child:
    """A process that takes JSON commands on its standard input; ``with Child([...]) as child: child.ask(way=...)``."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments

    def __enter__(self) -> Child:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPUS_NB_LEDGER": ""}
        self._process = subprocess.Popen(
            self._arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
        )
        return self

    def ask(self, **command: Any) -> dict[str, Any]:
        """Have it measure something."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._arguments)} died over {command}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def ours() -> Child:
    """A child that measures opus_nb, in this environment."""
    return Child([sys.executable, "-m", "benchmarks.ours"])


def peers(python: str) -> Child:
    """A child that measures the peers, in theirs."""
    return Child([python, str(Path(__file__).with_name("peers.py"))])
