"""Real browsers need environments of their own, so ``make test-browser`` asks for these tests and nothing else does."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for environments and the drivers beside this file

collect_ignore_glob = [] if os.environ.get("OPUS_NB_BROWSER_TESTS") else ["test_*.py"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests."""
    from playwright.sync_api import sync_playwright

    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "these tests need Chromium: apt-get install chromium fonts-dejavu-core, or CHROMIUM=<path>"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Servers by kind, each started when first asked for."""
    from servers import NotebookServer

    started: dict[str, Any] = {}

    def get(kind: str) -> Any:
        if kind not in started:
            started[kind] = NotebookServer(kind, tmp_path_factory.mktemp(kind))
        return started[kind]

    yield get
    for server in started.values():
        server.close()


@pytest.fixture
def open_notebook(browser: Any, servers: Callable[[str], Any], request: pytest.FixtureRequest) -> Iterator[Any]:
    """``open_notebook("lab", "newest", [cells])`` writes a notebook and opens it."""
    from notebook_page import NotebookPage

    pages: list[Any] = []

    def open_(app: str, kernel: str, cells: list[str]) -> Any:
        server = servers("colab" if app == "classic" else "lab")
        name = re.sub(r"\W+", "-", request.node.name).strip("-")
        server.write(name, cells, kernel=kernel)
        pages.append(NotebookPage(browser, server, app, name))
        return pages[-1]

    yield open_
    for page in pages:
        page.close()
        page.server.stop_kernels()
