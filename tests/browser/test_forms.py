"""A person fills in the form, runs it, and reads the result from the page."""

from __future__ import annotations

import re
from typing import Any

import pytest

PLACES = [("lab", "newest"), ("lab", "older"), ("notebook", "newest"), ("notebook", "older"), ("classic", "colab")]

SETUP = """
import opus_nb
from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID
opus = opus_nb.sandbox(time_scale=1.0, ledger="ledger-{ledger}")
wf = opus.workflow(CLAIM_TRIAGE_ID)
open("claim.txt", "w").write("Claim CL-7: a broken window. Police informed.")
print(opus.base_url)
"""


def fill(page: Any) -> None:
    """Type a claim, as a person does."""
    page.field("Claim reference *").fill("CL-7")
    page.field("Line of business *").select_option(label="Household")
    page.field("Claimed amount *").fill("1250.5")
    page.field("Date of loss *").fill("2025-03-04")
    page.field("Claim form *").fill("claim.txt")
    page.field("Policy number *").fill("P-1")
    page.field("Limit *").fill("5000")
    page.field("Limit *").press("Tab")


@pytest.mark.parametrize(("app", "kernel"), PLACES)
def test_fill_run_and_read_the_result(open_notebook, app, kernel):
    """Bad values are refused beside the field, good ones become one job, a second press buys nothing."""
    page = open_notebook(app, kernel, [SETUP.format(ledger=f"{app}-{kernel}"), "form = wf.form()\nform"])
    page.run_all()
    page.field("Claim reference *").wait_for(timeout=60_000)
    page.field("Claimed amount *").fill("lots")
    page.button("Run").click()
    page.sees("Nothing was sent")
    page.sees("lots")
    assert page.books()["executions"] == 0
    fill(page)
    page.sees(r"claim\.txt: ")
    page.button("Run").click()
    page.sees(r"\d of \d nodes")
    page.sees("settled")
    page.sees("Settle automatically")
    assert page.books()["executions"] == 1
    page.button("Run").click()
    page.sees(r"Nothing was sent: these inputs were sent already, as job \w+ \(completed\)")
    page.button("Buy a new job").wait_for()
    assert page.books()["executions"] == 1
    # Copy as Python gives a call that names the inputs.
    page.button("Copy as Python").click()
    page.page.wait_for_function("() => [...document.querySelectorAll('textarea')].some(t => /wf.submit/.test(t.value))")
    assert "claim_reference='CL-7'" in " ".join(each.input_value() for each in page.page.locator("textarea").all())
    # The file that the job produced comes here by a button, and is a link then.
    page.button("Get files").click()
    page.sees("1 file: 1 (done|kept)")
    link = page.page.locator(".on-card a", has_text="Settlement").last
    assert "opus-files/" in link.get_attribute("href")
    assert list((page.server.notebooks / "opus-files").glob("*_Settlement*.pdf"))
    # What came of the job stands in the saved file, as plain HTML.
    page.sees("settled")
    saved = str(page.save()["cells"][1]["outputs"])
    assert "Settle automatically" in saved
    assert re.search(r"Decision.{1,80}settled", saved)
    page.server.stop_kernels()
    page.open(kernel=False)
    page.sees("Settle automatically")


def test_an_upload_from_the_browser_becomes_the_file(open_notebook, tmp_path):
    """The bytes that the browser has are the bytes that are sent; the size is shown."""
    paper = tmp_path / "from-my-desk.txt"
    paper.write_text("Claim CL-9: hail. " * 50)
    page = open_notebook("lab", "newest", [SETUP.format(ledger="upload"), "form = wf.form()\nform"])
    page.run_all()
    page.field("Claim reference *").wait_for(timeout=60_000)
    with page.page.expect_file_chooser() as chooser:
        page.button("Upload").first.click()
    chooser.value.set_files(paper)
    page.sees(r"from-my-desk\.txt: 900 bytes")


def test_everything_has_a_name_and_can_be_reached_from_the_keyboard(open_notebook):
    """Tab goes through every field to the buttons, Space presses them, and a screen reader can name each."""
    page = open_notebook("lab", "newest", [SETUP.format(ledger="keys"), "form = wf.form()\nform"])
    page.run_all()
    page.field("Claim reference *").wait_for(timeout=60_000)
    assert page.nameless(".opus-nb-form") == []
    page.field("Claim reference *").focus()
    passed = page.tab_to("Run")
    for label in ("Line of business *", "Claimed amount *", "Date of loss *", "Claim form *", "Limit *", "Broker data"):
        assert label in passed
    page.page.keyboard.press("Space")
    page.sees("Nothing was sent")
    page.tab_to("Copy as Python")
    page.page.keyboard.press("Space")
    page.page.wait_for_function("() => [...document.querySelectorAll('textarea')].some(t => /wf.submit/.test(t.value))")
    assert page.nameless(".opus-nb-form") == []
