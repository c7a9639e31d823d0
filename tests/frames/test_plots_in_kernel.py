"""That a plot is shown exactly once as the value of a cell, in a real IPython kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[2]
SETUP = """
import threading
import pandas as pd
from opus_nb.frames.jobs import jobs_frame
from opus_nb.frames.plots import plot_outcomes
from opus_nb.job import Outcome, RowState
jobs = jobs_frame([Outcome(0, RowState.COMPLETED, "1", 1, started_at=1.0, ended_at=2.0)], pd.RangeIndex(1))
"""


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    """Return a client of a kernel in which a small frame of jobs stands ready."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": ""})
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    assert show(client, SETUP) == []
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def show(client: Any, code: str) -> list[dict[str, Any]]:
    """Run a cell and return what it displays."""
    shown: list[dict[str, Any]] = []

    def keep(message: dict[str, Any]) -> None:
        if message["msg_type"] in {"display_data", "execute_result"}:
            shown.append(message["content"])
        assert message["msg_type"] != "error", message["content"]

    client.execute_interactive(code, output_hook=keep, timeout=60)
    return shown


def pictures(shown: list[dict[str, Any]]) -> int:
    """Count the outputs that have a picture."""
    return sum("image/png" in each["data"] for each in shown)


@pytest.mark.parametrize("before", ["", "%matplotlib inline\nimport matplotlib.pyplot as plt\n"])
@pytest.mark.parametrize("last", ["plot_outcomes(jobs)", "plot_outcomes(jobs).figure", "display(plot_outcomes(jobs))"])
def test_a_plot_is_shown_exactly_once(kernel: Any, before: str, last: str) -> None:
    """As a cell's last value, as its figure or by ``display``, with or without the inline backend."""
    assert pictures(show(kernel, before + last)) == 1


def test_a_plot_that_is_not_the_value_is_not_shown(kernel: Any) -> None:
    """Keeping the Axes in a name shows nothing, also where pyplot is in use."""
    assert show(kernel, "import matplotlib.pyplot as plt\nax = plot_outcomes(jobs)") == []
    assert show(kernel, "plot_outcomes(jobs);") == []


def test_a_plot_from_another_thread_is_shown_where_it_is_asked_for(kernel: Any) -> None:
    """Drawn on a thread, nothing appears; as the value of a later cell it appears once."""
    thread = "t = threading.Thread(target=lambda: made.append(plot_outcomes(jobs)))\nt.start(); t.join()"
    assert show(kernel, f"made = []\n{thread}") == []
    assert pictures(show(kernel, "made[0]")) == 1


def test_a_picture_is_sharp_and_of_modest_size(kernel: Any) -> None:
    """Twice the pixels of its size on the page, and small enough for a saved notebook."""
    (shown,) = show(kernel, "plot_outcomes(jobs)")
    assert shown["metadata"]["image/png"]["width"] == 700
    assert len(shown["data"]["image/png"]) < 100_000


def test_an_axes_of_pyplot_is_left_to_pyplot(kernel: Any) -> None:
    """Drawn on the user's own subplot, the picture is pyplot's, and shown once."""
    code = (
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nfigure, own = plt.subplots()\nplot_outcomes(jobs, ax=own)"
    )
    assert pictures(show(kernel, code)) == 1
