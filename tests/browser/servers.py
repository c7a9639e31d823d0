"""Notebook servers on loopback, each with folders of its own so that nobody's settings are read or changed."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import environments

_LAB_CONFIG = """
c = get_config()  # noqa: F821
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.port_retries = 0
c.ServerApp.disable_check_xsrf = True
c.IdentityProvider.token = ""
c.LabApp.expose_app_in_browser = True
c.JupyterNotebookApp.expose_app_in_browser = True
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
"""
_SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false"},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "autoStartDefaultKernel": True},
}


class NotebookServer:
    """One server: ``lab`` serves JupyterLab 4 and Notebook 7, ``colab`` the classic notebook of Colab's age.

    Parameters
    ----------
    kind : {"lab", "colab"}
        Which environment.
    folder : Path
        Where it keeps everything; notebooks lie in ``folder/nb``.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.notebooks = folder / "nb"
        self.notebooks.mkdir(parents=True)
        self._write_kernels()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        with open(folder / "server.log", "wb") as log:
            self._process = subprocess.Popen(
                self._command(port), env=self._environ(), cwd=self.notebooks, stdout=log, stderr=subprocess.STDOUT
            )
        self._wait()

    def _command(self, port: int) -> list[str]:
        python = str(environments.python_of(self.kind))
        if self.kind == "lab":
            config = self.folder / "config.py"
            config.write_text(_LAB_CONFIG)
            for plugin, values in _SETTINGS.items():
                kept = self.folder / "settings" / f"{plugin}.jupyterlab-settings"
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(values))
            where = [f"--config={config}", f"--port={port}", f"--ServerApp.root_dir={self.notebooks}"]
            return [python, "-m", "jupyterlab", *where]
        app = ["--NotebookApp.token=", "--NotebookApp.password=", "--NotebookApp.disable_check_xsrf=True"]
        where = [
            "--ip=127.0.0.1",
            f"--port={port}",
            "--NotebookApp.port_retries=0",
            "--allow-root",
            "--no-browser",
            f"--notebook-dir={self.notebooks}",
        ]
        return [python, "-m", "notebook", *where, *app]

    def _environ(self) -> dict[str, str]:
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        return os.environ | {name: str(self.folder / place) for name, place in places.items()}

    def _write_kernels(self) -> None:
        kernels = environments.kernels()
        # The name python3 is always the server's own Python, so these have others.
        wanted = {"newest": "newest", "older": "6.31.0"} if self.kind == "lab" else {"colab": "6.17.1"}
        for name, version in wanted.items():
            kernel = kernels[version]
            place = self.folder / "data" / "kernels" / name
            place.mkdir(parents=True)
            spec = {"argv": kernel.argv, "display_name": name, "language": "python", "env": kernel.environ}
            (place / "kernel.json").write_text(json.dumps(spec))

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "server.log").read_text()[-3000:])
            time.sleep(0.1)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            self.ask("GET", "api/status")
            return True
        return False

    def ask(self, method: str, path: str) -> Any:
        """Ask the server's own API."""
        request = urllib.request.Request(f"{self.url}/{path}", method=method)
        with urllib.request.urlopen(request, timeout=10) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def stop_kernels(self) -> None:
        """End every kernel, as if it was the next day."""
        for session in self.ask("GET", "api/sessions"):
            self.ask("DELETE", f"api/sessions/{session['id']}")

    def write(self, name: str, cells: list[str], *, kernel: str) -> Path:
        """Write a notebook."""
        import nbformat

        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}},
        )
        path = self.notebooks / f"{name}.ipynb"
        nbformat.write(book, path)
        return path

    def export(self, name: str) -> Path:
        """Export a notebook as HTML, as it lies on disk."""
        command = [str(environments.python_of("lab")), "-m", "nbconvert", "--to", "html", f"{name}.ipynb"]
        done = subprocess.run(
            command, cwd=self.notebooks, env=self._environ(), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return self.notebooks / f"{name}.html"

    def close(self) -> None:
        """End it and its kernels."""
        self.stop_kernels()
        self._process.terminate()
        self._process.wait(15)
