"""One notebook, open in a browser: in JupyterLab, in Notebook 7 or in the classic notebook."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page
from servers import NotebookServer

# An address per front end, where its outputs are, and how it is told what to do.
_PLACES = {
    "lab": "lab/tree/{name}.ipynb?reset",
    "notebook": "notebooks/{name}.ipynb",
    "classic": "notebooks/{name}.ipynb",
    "voila": "voila/render/{name}.ipynb",
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


_NAMELESS = """inside => [...document.querySelectorAll(`${inside} :is(input, select, textarea, button, [role])`)]
    .filter(each => each.offsetParent && each.type !== 'file')
    .filter(each => !(each.ariaLabel || each.title || each.textContent.trim() || each.labels?.[0]?.textContent.trim()))
    .map(each => each.outerHTML.slice(0, 200))"""
_FOCUSED = """() => { const at = document.activeElement;
    return at?.labels?.[0]?.textContent || at?.innerText || at?.title || at?.tagName || '' }"""
# Contrast as WCAG 2 defines it, of every text node of ours, with opacity and see-through backgrounds reckoned in.
_FAINTEST = """inside => {
    const read = text => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1] }
    const over = (top, below, a) => [0, 1, 2].map(at => top[at] * a + below[at] * (1 - a))
    const light = rgb => { const [r, g, b] = rgb.map(c => { c /= 255;
        return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b }
    const ground = at => { if (!at) return [255, 255, 255]
        const c = read(getComputedStyle(at).backgroundColor)
        return c[3] === 1 ? c.slice(0, 3) : over(c, ground(at.parentElement), c[3]) }
    let worst = [99, '']
    for (const each of document.querySelectorAll(`${inside} :is(.opus-nb, [class*=opus-nb-], .widget-label)`)) {
        const walker = document.createTreeWalker(each, NodeFilter.SHOW_TEXT)
        for (let node; node = walker.nextNode();) {
            const at = node.parentElement
            if (!node.textContent.trim() || !at.offsetParent || at.closest('button, style, option, textarea')) continue
            let opacity = 1
            for (let up = at; up; up = up.parentElement) opacity *= getComputedStyle(up).opacity
            const below = ground(at), c = read(getComputedStyle(at).color)
            const [a, b] = [light(over(c, below, c[3] * opacity)), light(below)].sort((x, y) => y - x)
            const contrast = (a + 0.05) / (b + 0.05)
            if (contrast < worst[0]) worst = [contrast, node.textContent.trim().slice(0, 80)]
        }
    }
    return worst
}"""


class NotebookPage:
    """A notebook on the screen.

    Parameters
    ----------
    browser : Browser
    server : NotebookServer
    app : {"lab", "notebook", "classic", "voila"}
        Voila runs all cells by itself when the page is opened.
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
        self.page.goto(f"{self.server.url}/{_PLACES[self.app].format(name=self.name)}", timeout=120_000)
        if self.app == "voila":
            return
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
            self.page.wait_for_function(
                "() => Jupyter.notebook.kernel.widget_manager && Jupyter.notebook.kernel.comm_manager"
                ".targets['jupyter.widget'] && document.readyState === 'complete'",
                timeout=60_000,
            )
            # It asks the kernel for widgets that are there already, and says nowhere when it has heard.
            self.page.wait_for_load_state("networkidle")
            self.page.wait_for_timeout(1500)
            self.page.evaluate("() => { Jupyter.notebook.execute_all_cells() }")
        else:
            self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")

    def text(self) -> str:
        """Everything that stands in the outputs."""
        return "\n".join(self.page.locator(self._outputs).all_inner_texts())

    def sees(self, pattern: str, *, timeout_s: float = 60.0) -> str:
        """Wait until an output matches; return what matched."""
        found = f".map(each => each.innerText.match(/{pattern}/)?.[0]).find(Boolean)"
        handle = self.page.wait_for_function(
            f"() => [...document.querySelectorAll('{self._outputs}')]{found}", timeout=timeout_s * 1000
        )
        return str(handle.json_value())

    def sees_no(self, pattern: str, *, timeout_s: float = 60.0) -> None:
        """Wait until no output matches any more."""
        self.page.wait_for_function(
            f"() => ![...document.querySelectorAll('{self._outputs}')].some(each => /{pattern}/.test(each.innerText))",
            timeout=timeout_s * 1000,
        )

    def sees_the_end(self) -> None:
        """Wait until the monitor has made room for its picture."""
        self.page.wait_for_function("() => !document.querySelector('.opus-nb-monitor')", timeout=60_000)

    def until(self, said: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
        """Wait for something that the page does not show."""
        end = time.monotonic() + timeout_s
        while not said():
            assert time.monotonic() < end, f"it did not happen within {timeout_s} s: {self.text()}"
            self.page.wait_for_timeout(50)

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
        self.until(lambda: path.stat().st_mtime_ns != before and path.read_text(encoding="utf-8").endswith("}\n"))
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return saved

    def dark(self, on: bool = True) -> None:
        """Change the theme of JupyterLab."""
        theme = "JupyterLab Dark" if on else "JupyterLab Light"
        self.page.evaluate(f"() => window.jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})")
        self.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{str(not on).lower()}'")
        self.page.wait_for_timeout(400)

    def nameless(self, inside: str) -> list[str]:
        """The controls below something that a screen reader could not name."""
        found: list[str] = self.page.evaluate(_NAMELESS, inside)
        return found

    def tab_to(self, label: str) -> list[str]:
        """Press Tab until a button that begins like this has the focus; return what had it on the way."""
        passed: list[str] = []
        for _ in range(120):
            self.page.keyboard.press("Tab")
            said = self.page.evaluate(_FOCUSED)
            if re.match(rf"\s*{label}", said):
                return passed
            passed.append(said)
        raise AssertionError(f"{label} cannot be reached by Tab: {passed}")

    def faintest(self, inside: str) -> tuple[float, str]:
        """The lowest contrast of any text of ours below something, and that text."""
        contrast, text = self.page.evaluate(_FAINTEST, inside)
        return float(contrast), str(text)

    def picture(self, path: Path, inside: str) -> None:
        """Keep a picture of the output that holds something."""
        self.page.locator(self._outputs, has=self.page.locator(inside)).last.screenshot(path=path)

    def close(self) -> None:
        """Close the page."""
        self.page.close()
