"""The other side: a sandbox in a process of its own, on a core of its own, and how to start it.

Run as a program it serves until its standard input closes, and says its address in one line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SERVICE_KEY = "sandbox"


def pin(core: int) -> None:
    """Stay on one core, where the system can do that and has more than one."""
    if hasattr(os, "sched_setaffinity") and len(cores := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(0, {cores[core % len(cores)]})


class Served:
    """A sandbox in another process; ``with Served(seconds=0.5) as opus``.

    Parameters
    ----------
    seconds : float
        How long one job takes, exactly.
    spread : float
        Sigma of lognormal durations around it.
    **options
        Whatever ``Sandbox`` takes.
    """

    def __init__(self, *, seconds: float = 0.5, spread: float = 0.0, **options: Any) -> None:
        self._given = json.dumps({"seconds": seconds, "spread": spread, "options": options})
        self.base_url = ""
        self.workflow_id = ""

    def __enter__(self) -> Served:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.served", self._given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self.base_url, self.workflow_id = told["base_url"], told["workflow_id"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def books(self) -> dict[str, Any]:
        """What the service saw."""
        return self._call("GET", "/__sandbox__/books?summary=1")

    def reset(self) -> None:
        """Forget everything that was seen."""
        self._call("POST", "/__sandbox__/reset")

    def set_options(self, **options: Any) -> None:
        """Change how the service behaves, from now on."""
        self._call("POST", "/__sandbox__/options", options)

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base_url + path, data=data, method=method, headers={"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else {}


def serve(given: str) -> None:
    """Serve one plain workflow until nobody holds our standard input any more."""
    from opus_nb.sandbox import Input, Output, Sandbox, workflow

    told = json.loads(given)
    pin(0)

    @workflow(
        "Measured",
        inputs=[Input("Number", "int"), Input("Text"), Input("Amount", "float", required=False, default=1.5)],
        outputs=[Output("Double", "int"), Output("Echo"), Output("Half", "float")],
        seconds=told["seconds"],
        spread=told["spread"],
        quick=True,
    )
    def measured(number: int, text: str, amount: float) -> dict[str, Any]:
        return {"Double": 2 * number, "Echo": text, "Half": amount / 2}

    with Sandbox([measured], **told["options"]) as sandbox:
        print(json.dumps({"base_url": sandbox.base_url, "workflow_id": measured.id}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    serve(sys.argv[1])
