"""Talking to a kernel as a front end does: cells, presses of buttons, interrupts, and what comes back on screen."""

from __future__ import annotations

import json
import os
import queue
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from environments import KernelEnv
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

Message = dict[str, Any]

# A sandbox whose jobs take about half a second; every test gets a sheet of its own, so that nothing is known twice.
SETUP = """
import json, pandas as pd, opus_nb
opus = opus_nb.sandbox(time_scale=0.15, ledger="ledger", settle_s=0.2)
_listed = opus.workflows()
wf = opus.workflow(_listed.loc[_listed["generation"] == "v2", "id"].iloc[0])
open("letter.txt", "w").write("Dear reader, the answer is forty-two.")
def sheet(name, rows):
    return pd.DataFrame({"Question": [f"{name} {at}?" for at in range(rows)], "Documents": "letter.txt"})
def executed(run):
    # What the server's books have under this run's marker.
    jobs = opus.sandbox.books()["job_books"].values()
    return sum(len(job["executed_at"]) for job in jobs if run._book.record_of_run.uid in job["title"])
"""


class KernelTalk:
    """A started kernel, ready with a sandbox in it.

    Parameters
    ----------
    env : KernelEnv
        Which one.
    folder : Path
        Where it runs, and keeps its ledger.
    """

    def __init__(self, env: KernelEnv, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.manager = KernelManager()
        self.manager._kernel_spec = KernelSpec(argv=env.argv, display_name=env.name, language="python", env={})
        clean = {name: value for name, value in os.environ.items() if name not in {"JPY_SESSION_NAME", "OPUS_NB_UI"}}
        with open(folder / "kernel.log", "ab") as log:
            self.manager.start_kernel(
                cwd=str(folder), stdout=log, stderr=log, env={**clean, "IPYTHONDIR": str(folder / "ipy"), **env.environ}
            )
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.widgets: dict[str, dict[str, Any]] = {}
        self.heard: list[Message] = []
        self.cells: list[str] = []
        self.subshell: str | None = None
        try:
            reply = self.run(SETUP, timeout_s=60)
            assert reply.status == "ok", reply.text
            version = self.run("import ipykernel; print(ipykernel.__version__)").text.strip()
            assert env.name in {version, "newest"}, version
        except BaseException:
            self.close()
            raise

    # -- what goes in -------------------------------------------------------------------------------------

    def send(self, code: str) -> str:
        """Send a cell and return its id at once."""
        cell: str = self.client.execute(code, allow_stdin=True)
        self.cells.append(cell)
        return cell

    def run(self, code: str, *, timeout_s: float = 30.0) -> Reply:
        """Run a cell to its end."""
        return self.end_of(self.send(code), timeout_s=timeout_s)

    def press(self, label: str) -> None:
        """Press the button that reads like this, as a front end says it."""
        self.hear(0.0)
        comm = [name for name, state in self.widgets.items() if str(state.get("description", "")).startswith(label)]
        assert comm, f"no button {label!r} among {[state.get('description') for state in self.widgets.values()]}"
        content = {"comm_id": comm[-1], "data": {"method": "custom", "content": {"event": "click"}}}
        message = self.client.session.msg("comm_msg", content)
        if self.subshell is not None:
            message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def open_subshell(self) -> None:
        """Send presses over a subshell from now on, as JupyterLab does from 4.4 on."""
        self.client.control_channel.send(self.client.session.msg("create_subshell_request", {}))
        reply = self.client.control_channel.get_msg(timeout=10)
        self.subshell = reply["content"]["subshell_id"]

    def close_subshell(self) -> None:
        """Send presses over the main shell again."""
        message = self.client.session.msg("delete_subshell_request", {"subshell_id": self.subshell})
        self.client.control_channel.send(message)
        self.client.control_channel.get_msg(timeout=10)
        self.subshell = None

    def counts(self) -> dict[str, int]:
        """``run.counts``, asked for in a cell."""
        found: dict[str, int] = json.loads(
            self.run("print(json.dumps({k: int(v) for k, v in run.counts.items()}))").text
        )
        return found

    def executed(self) -> int:
        """How many executions of ``run`` the sandbox has in its books."""
        return int(self.run("print(executed(run))").text)

    def interrupt(self) -> None:
        """The stop button."""
        self.manager.interrupt_kernel()

    # -- what comes back ------------------------------------------------------------------------------------

    def hear(self, timeout_s: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Take in messages until something is so; return whether it is."""
        end = time.monotonic() + timeout_s
        while not until():
            try:
                message = self.client.iopub_channel.get_msg(timeout=max(0.0, min(0.05, end - time.monotonic())))
            except queue.Empty:
                if time.monotonic() >= end:
                    return until()
                continue
            self.heard.append(message)
            self._learn(message)
        return True

    def _learn(self, message: Message) -> None:
        kind, content = message["msg_type"], message["content"]
        if kind == "comm_open":
            self.widgets[content["comm_id"]] = dict(content["data"].get("state", {}))
        elif kind == "comm_msg" and content["data"].get("method") in {"update", "echo_update"}:
            self.widgets.setdefault(content["comm_id"], {}).update(content["data"].get("state", {}))

    def end_of(self, cell: str, *, timeout_s: float = 30.0) -> Reply:
        """Wait until a cell is idle."""
        assert self.hear(timeout_s, lambda: self.has_ended(cell)), f"still busy after {timeout_s} s: {self.screen()}"
        return Reply([each for each in self.heard if each["parent_header"].get("msg_id") == cell])

    def has_ended(self, cell: str) -> bool:
        """Whether a cell has said that it is idle."""
        return any(
            each["msg_type"] == "status"
            and each["content"]["execution_state"] == "idle"
            and each["parent_header"].get("msg_id") == cell
            for each in reversed(self.heard)
        )

    def screen(self) -> str:
        """The text of every HTML widget, as it stands now."""
        texts = [str(state["value"]) for state in self.widgets.values() if state.get("_model_name") == "HTMLModel"]
        return "\n".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", text) for text in texts)

    def sees(self, words: str, *, timeout_s: float = 10.0) -> bool:
        """Wait until some widget shows these words."""
        return self.hear(timeout_s, lambda: words in self.screen())

    def streams(self) -> list[str]:
        """What cells have printed since the screen was last forgotten."""
        return [each["content"]["text"] for each in self.heard if each["msg_type"] == "stream"]

    def forget(self) -> None:
        """A page that was closed: nothing on the screen, nothing heard."""
        self.hear(0.2)
        self.widgets.clear()
        self.heard.clear()

    @property
    def is_idle(self) -> bool:
        """Whether it is alive and every cell has ended."""
        return bool(self.manager.is_alive()) and all(self.has_ended(cell) for cell in self.cells[-3:])

    def outputs(self) -> dict[str, dict[str, Any]]:
        """The newest bundle of every display id."""
        found = {}
        for each in self.heard:
            if each["msg_type"] in {"display_data", "update_display_data"}:
                found[each["content"].get("transient", {}).get("display_id", "")] = each["content"]["data"]
        return found

    def is_deaf(self) -> bool:
        """Whether the kernel answers nothing although nothing holds it."""
        if not self.manager.is_alive():
            return True
        self.interrupt()
        self.hear(5.0)
        asked = self.client.kernel_info()
        return not self.hear(10.0, lambda: any(each["parent_header"].get("msg_id") == asked for each in self.heard))

    def close(self) -> None:
        """End it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        # The sockets are only closed by the context that they came from.
        self.client.context.destroy(linger=0)


class Reply:
    """What a cell answered."""

    def __init__(self, messages: list[Message]) -> None:
        self.messages = messages
        self.text = "".join(each["content"]["text"] for each in messages if each["msg_type"] == "stream")
        self.errors = [each["content"]["ename"] for each in messages if each["msg_type"] == "error"]
        self.status = "error" if self.errors else "ok"
