"""A person starts a batch, presses Pause and Cancel while it runs, reloads, and finds the end in the saved notebook."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

PLACES = [("lab", "newest"), ("lab", "older"), ("notebook", "newest"), ("notebook", "older"), ("classic", "colab")]
# So many that no press can come too late, however slow the machine is.
ROWS = 200
SOON_S = 1.0
# Where a press acts although a cell holds the kernel (measured; see tests/kernel for every version).
HELD = [("lab", "older", "run.wait()"), ("lab", "newest", "await run"), ("classic", "colab", "run.wait()")]

SETUP = """
import pandas as pd, opus_nb
opus = opus_nb.sandbox(time_scale=0.2, ledger="ledger-{ledger}")
listed = opus.workflows()
wf = opus.workflow(listed.loc[listed["generation"] == "v2", "id"].iloc[0])
open("letter.txt", "w").write("Dear reader, the answer is forty-two.")
df = pd.DataFrame({{"Question": [f"What is {{at}}?" for at in range({rows})], "Documents": "letter.txt"}})
print(opus.base_url)
"""
START = 'run = wf.run(df, name="batch", max_concurrency=2)'


def click_and_time(page: Any, label: str, answer: str) -> float:
    """Click a button; return the seconds until the page shows the answer."""
    began = time.monotonic()
    page.button(label).click()
    page.sees(answer, timeout_s=20)
    return time.monotonic() - began


@pytest.mark.parametrize(("app", "kernel"), PLACES)
def test_pause_resume_and_cancel_act_while_the_batch_runs(open_notebook, app, kernel):
    """Each press answers within a second; the sandbox's books agree; the end stays in the file without a kernel."""
    page = open_notebook(app, kernel, [SETUP.format(ledger=f"{app}-{kernel}", rows=ROWS), START])
    page.run_all()
    page.sees("In flight")
    page.sees(r"\t\d of \d\t")  # nodes done, of a job in flight
    took = []
    for _ in range(2):
        took.append(click_and_time(page, "Pause", "Paused: nothing more is submitted"))
        page.sees_no(r"[1-9]\d* running")
        paused_at = page.books()["executions"]
        page.page.wait_for_timeout(1000)
        assert page.books()["executions"] == paused_at
        took.append(click_and_time(page, "Resume", r"Going on\."))
        page.until(lambda at=paused_at: page.books()["executions"] > at)
    # The machine may have been busy at one of them.
    assert min(took) < SOON_S, took
    click_and_time(page, "Cancel", "Cancelled: what had not left stays here|cancelled")
    page.sees_the_end()
    executed = page.books()["executions"]
    completed = int(page.sees(r"\d+ completed").split()[0])
    cancelled = int(page.sees(r"\d+ cancelled").split()[0])
    assert completed == executed
    assert completed + cancelled == ROWS
    check_saved(page, completed)


def check_saved(page: Any, completed: int) -> None:
    """Saved, its kernel ended, opened again, exported: the final state is there, and nothing that needs a kernel."""
    saved = str(page.save()["cells"][1]["outputs"])
    assert f"<b>{completed}</b> completed" in saved
    assert "widget-view" not in saved
    page.server.stop_kernels()
    page.open(kernel=False)
    page.sees(rf"{completed} completed")
    if page.app == "lab":
        page.page.goto(page.server.export(page.name).as_uri())
        page.page.get_by_text(re.compile(rf"{completed}\s*completed")).first.wait_for(timeout=60_000)
        page.page.get_by_text("rows ended").first.wait_for(state="detached")


@pytest.mark.parametrize(("app", "kernel", "form"), HELD)
def test_cancel_acts_although_the_cell_waits(open_notebook, app, kernel, form):
    """The cell holds the kernel, and the button in its output answers all the same."""
    name = f"{app}-{kernel}-held"
    page = open_notebook(app, kernel, [SETUP.format(ledger=name, rows=ROWS), f"{START}\n{form};"])
    page.run_all()
    page.sees("In flight")
    took = [click_and_time(page, "Pause", "Paused: nothing more is submitted")]
    took.append(click_and_time(page, "Resume", r"Going on\."))
    took.append(click_and_time(page, "Pause", "Paused: nothing more is submitted"))
    assert min(took) < SOON_S, took
    click_and_time(page, "Cancel", "Cancelled: what had not left stays here|cancelled")
    page.sees_the_end()
    completed = int(page.sees(r"\d+ completed").split()[0])
    assert page.books()["executions"] == completed < ROWS


def test_where_no_press_can_act_the_monitor_says_how_to_stop_and_that_stops(open_notebook):
    """run.wait() on the newest kernel: the page names the stop button, and it works."""
    page = open_notebook("lab", "newest", [SETUP.format(ledger="stop", rows=ROWS), f"{START}\nrun.wait();"])
    page.run_all()
    page.sees("the buttons act only after it: ■")
    page.interrupt()
    page.sees("Interrupted: nothing more is submitted")
    page.sees_the_end()
    page.sees("stopped")
    page.sees("carries on")
    completed = int(page.sees(r"\d+ completed").split()[0])
    assert page.books()["executions"] == completed < ROWS
    check_saved(page, completed)


def test_a_reloaded_page_shows_the_run_again(open_notebook):
    """The page is reloaded while the batch runs: it went on meanwhile, and ``run`` is the monitor again."""
    page = open_notebook("lab", "newest", [SETUP.format(ledger="reload", rows=24), START])
    page.run_all()
    page.sees("In flight")
    page.save()
    before = page.books()["executions"]
    page.open()
    page.page.locator(".jp-Notebook .jp-CodeCell").last.click()
    page.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:insert-cell-below') }")
    page.page.keyboard.press("Enter")
    page.page.keyboard.type("run")
    page.page.keyboard.press("Shift+Enter")
    page.page.wait_for_function(
        "() => /of 24 rows ended|24 completed/.test([...document.querySelectorAll('.jp-OutputArea-output')].pop()"
        "?.innerText ?? '')",
        timeout=60_000,
    )
    page.sees("24 completed")
    assert page.books()["executions"] == 24 > before


def test_rows_are_shown_by_the_page_and_by_state(open_notebook):
    """The table of rows is a window on the sheet: a page of 25, filtered by state, turned by button."""
    page = open_notebook("lab", "newest", [SETUP.format(ledger="rows", rows=200), START])
    page.run_all()
    page.sees("In flight")
    page.button("Show rows").click()
    page.sees("1 to 25 of 200")
    page.button("Later").click()
    page.sees("26 to 50 of 200")
    page.button(r"·.*queued").click()
    page.sees(r"1 to 25 of 1\d\d")
    assert page.nameless(".opus-nb-monitor") == []
    page.button("Pause").focus()
    page.page.keyboard.press("Space")
    page.sees("Paused: nothing more is submitted")
    page.button("Cancel").click()
    page.sees_the_end()


def test_in_voila_the_monitor_lives_and_its_buttons_act(open_notebook):
    """A page without cells: the batch runs, Pause and Cancel act, and the end stands there."""
    page = open_notebook("voila", "newest", [SETUP.format(ledger="voila", rows=ROWS), START])
    page.sees("In flight")
    took = [click_and_time(page, "Pause", "Paused: nothing more is submitted")]
    took.append(click_and_time(page, "Resume", r"Going on\."))
    took.append(click_and_time(page, "Pause", "Paused: nothing more is submitted"))
    assert min(took) < SOON_S, took
    click_and_time(page, "Cancel", "Cancelled: what had not left stays here|cancelled")
    page.sees(r"batch over")
    assert page.page.locator("button", has_text="Pause").count() == 0
    completed = int(page.sees(r"\d+ completed").split()[0])
    assert page.books()["executions"] == completed < ROWS
