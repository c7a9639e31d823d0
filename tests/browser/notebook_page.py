"""One notebook, open in a browser: in JupyterLab, in Notebook 7 or in the classic notebook."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page
from servers import NotebookServer

# An address per front end, where its outputs are, and how it is told what to do.
_PLACES = {
    "lab": "lab/tree/{name}.ipynb?reset",
    "notebook": "notebooks/{name}.ipynb",
    "classic": "notebooks/{name}.ipynb",
}
_IS_READY = {
    "lab": """() => { const k = window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel;
                      return k && k.status === 'idle' && k.connectionStatus === 'connected' }""",
    "classic": """() => window.Jupyter?.notebook?.kernel?.is_connected() && Jupyter.notebook._fully_loaded
                        && !Jupyter.notebook.kernel_busy""",
}
_SAVE = {
    "lab": "() => window.jupyterapp.commands.execute('docmanager:save')",
    "classic": "() => Jupyter.notebook.save_notebook()",
}


class NotebookPage:
    """A notebook on the screen.

    Parameters
    ----------
    browser : Browser
    server : NotebookServer
    app : {"lab", "notebook", "classic"}
    name : str
        Of the notebook.
    """

    def __init__(self, browser: Browser, server: NotebookServer, app: str, name: str) -> None:
        self.server, self.app, self.name = server, app, name
        self._way = "classic" if app == "classic" else "lab"
        self._outputs = ".output_area" if app == "classic" else ".jp-OutputArea-output"
        self.page: Page = browser.new_page(viewport={"width": 1100, "height": 1500})
        self.open()

    def open(self, *, kernel: bool = True) -> None:
        """Open it, or open it again."""
        self.page.goto(f"{self.server.url}/{_PLACES[self.app].format(name=self.name)}")
        if kernel:
            self.page.wait_for_function(_IS_READY[self._way], timeout=60_000)
            if self.app == "lab":
                self.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        else:
            self.page.locator(self._outputs).first.wait_for(timeout=60_000)

    def run_all(self) -> None:
        """Run all cells; returns at once."""
        if self._way == "classic":
            # The widget manager of that age has to be there before the first widget is.
            self.page.wait_for_timeout(1500)
            self.page.evaluate("() => { Jupyter.notebook.execute_all_cells() }")
        else:
            self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")

    def text(self) -> str:
        """Everything that stands in the outputs."""
        return "\n".join(self.page.locator(self._outputs).all_inner_texts())

    def sees(self, pattern: str, *, timeout_s: float = 20.0) -> str:
        """Wait until an output matches; return what matched."""
        regex = f"/{pattern}/"
        self.page.wait_for_function(
            f"() => [...document.querySelectorAll('{self._outputs}')].some(each => {regex}.test(each.innerText))",
            timeout=timeout_s * 1000,
        )
        found = re.search(pattern, self.text())
        return "" if found is None else found[0]

    def button(self, label: str) -> Locator:
        """The button that begins like this."""
        return self.page.locator(f"{self._outputs} button", has_text=re.compile(rf"^\s*{label}")).last

    def field(self, label: str) -> Locator:
        """The input with this label."""
        return self.page.locator(self._outputs).get_by_label(label, exact=True).last

    def interrupt(self) -> None:
        """The stop button of the front end."""
        if self._way == "classic":
            self.page.evaluate("() => Jupyter.notebook.kernel.interrupt()")
        else:
            self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:interrupt-kernel') }")

    def books(self) -> dict[str, Any]:
        """What the sandbox in this kernel has in its books; the first cell prints its address."""
        address = re.search(r"http://127\.0\.0\.1:\d+", self.text())
        assert address is not None, self.text()
        with urllib.request.urlopen(f"{address[0]}/__sandbox__/books", timeout=10) as reply:
            found: dict[str, Any] = json.load(reply)
        return found

    def save(self) -> dict[str, Any]:
        """Save, and return the notebook as it lies on disk then."""
        path = self.server.notebooks / f"{self.name}.ipynb"
        before = path.stat().st_mtime_ns
        self.page.evaluate(_SAVE[self._way])
        for _ in range(100):
            if path.stat().st_mtime_ns != before:
                break
            self.page.wait_for_timeout(50)
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return saved

    def dark(self, on: bool = True) -> None:
        """Change the theme of JupyterLab."""
        theme = "JupyterLab Dark" if on else "JupyterLab Light"
        self.page.evaluate(f"() => window.jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})")
        self.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{str(not on).lower()}'")
        self.page.wait_for_timeout(400)

    def picture(self, path: Path, inside: str) -> None:
        """Keep a picture of the output that holds something."""
        self.page.locator(self._outputs, has=self.page.locator(inside)).last.screenshot(path=path)

    def close(self) -> None:
        """Close the page."""
        self.page.close()
