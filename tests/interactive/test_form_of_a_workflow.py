"""``wf.form()`` against the sandbox: filled from rows, judged as a sheet, sent once, followed to its end."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pytest

import opus_nb
from opus_nb.errors import MappingError, SettingsError, SheetUnreadable
from opus_nb.job import LocalFile
from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID, QUICKSTART_ID
from opus_nb.screen import sending


@pytest.fixture
def claims(opus: opus_nb.Opus) -> opus_nb.Workflow:
    """A workflow with an input of every kind."""
    return opus.workflow(CLAIM_TRIAGE_ID)


@pytest.fixture
def claim(tmp_path: Path) -> dict[str, Any]:
    """One row of a sheet for it."""
    form = tmp_path / "form.txt"
    form.write_text("Claim CL-7, a broken window.")
    return {
        "Claim reference": "CL-7",
        "Line of business": "household",
        "Claimed amount": "1.250,50",
        "Date of loss": "2025-03-04",
        "Claim form": "form.txt",
        "Number of items": 2.0,
        "Policy.Policy number": "P-1",
        "Policy.Limit": 5000,
        "Police informed": "no",
        "Remark of ours": "feeds nothing",
    }


@pytest.fixture(autouse=True)
def quick_reader(monkeypatch):
    """Presses in tests follow each other without time to read."""
    monkeypatch.setattr(sending, "_READ_S", 0.0)
    monkeypatch.setattr(sending, "_LOOK_EVERY_S", 0.02)


def executions(workflow: opus_nb.Workflow) -> int:
    """How many executions the server has seen."""
    return int(workflow._opus.sandbox.books(summary=True)["executions"])


def until(said: Any) -> None:
    """Wait for something that a thread of the form does."""
    end = time.monotonic() + 20
    while not said():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def press(form: Any, *, until: str = "completed") -> None:
    """Press Run and wait until the form is free again and its card says what is expected."""
    form._sending.button.click()
    end = time.monotonic() + 20
    while form._sending.busy.locked() or until not in form._sending.card.value:
        assert time.monotonic() < end, (form._sending.said.value, form._sending.card.value)
        time.sleep(0.01)


def test_a_row_fills_the_form_as_the_plan_would_read_it(claims, claim, tmp_path):
    """Guessed columns, casts, files and members of objects; what nothing feeds stays empty, also with a default."""
    row = pd.Series(claim, name="r1")
    form = claims.form(row, files_root=tmp_path, columns={"Claimed amount": "Claimed amount"})
    expected = claims.plan(pd.DataFrame([claim]), files_root=tmp_path)
    assert len(expected.issues.query("severity == 'error'")) == 0
    assert form.value == expected._sheet.inputs_of(0)
    assert form.value["claimed_amount"] == 1250.5
    assert form.value["policy"] == {"number": "P-1", "limit": 5000.0}
    assert form.value["claim_form"] == LocalFile(str(tmp_path / "form.txt"))
    assert form.problems() == {}


def test_a_bad_row_is_shown_as_it_is_and_can_be_mended_and_sent(claims, claim, tmp_path):
    """The cell's own text stands in the field with the sheet's own problem beside it; mended, it is sent."""
    form = claims.form(claim | {"Claimed amount": "lots", "Date of loss": "03/04/2025"}, files_root=tmp_path)
    amount = form._controls["claimed_amount"].widget
    assert amount.value == "lots"
    assert "lots" in form._problems["claimed_amount"].value
    assert "3 April 2025 or 4 March 2025" in form._problems["date_of_loss"].value
    form._sending.button.click()
    assert "Nothing was sent" in form._sending.said.value
    form.update({"Claimed amount": 1250.5, "Date of loss": "2025-03-04"})
    press(form)
    assert executions(claims) == 1
    assert "Settle automatically" in form._sending.card.value


def test_an_optional_cell_that_cannot_be_sent_stops_the_job(opus):
    """A choice that is none and a day that is none: the job is not bought without them."""
    purchases = opus.workflow("66f2c623-256d-5b44-84f3-5f1ae10e9e20")
    row = {"Item": "chair", "Amount": "lots", "Cost centre": "Legal", "Needed by": "31.02.2025"}
    form = purchases.form(row)
    form.update({"Amount": 10})
    problems = form.problems()
    assert len(problems) == 2
    assert "'Legal' is none of the choices" in " ".join(problems.values())
    assert "'31.02.2025'" in " ".join(problems.values())
    form._sending.button.click()
    assert "Nothing was sent" in form._sending.said.value
    assert executions(purchases) == 0


def test_a_frame_of_one_row_is_a_row_and_two_rows_are_none(claims, claim, tmp_path):
    """Somebody selects with [[3]]; a whole sheet is refused with what to write instead."""
    df = pd.DataFrame([claim, claim])
    assert claims.form(df.iloc[[1]], files_root=tmp_path).value["claim_reference"] == "CL-7"
    with pytest.raises(SheetUnreadable, match=r"a DataFrame of 2 rows"):
        claims.form(df)
    with pytest.raises(SheetUnreadable, match=r"df\.iloc\[3\]"):
        claims.form(7)


def test_the_sheets_checks_are_the_forms_checks(claims, claim, tmp_path):
    """What only the sheet knows, here a file whose bytes are not what its name says, stands beside the field."""
    (tmp_path / "scan.pdf").write_bytes(b"<!doctype html><title>Not found</title>")
    form = claims.form(claim, files_root=tmp_path)
    form.update({"Claim form": str(tmp_path / "scan.pdf")})
    form._sending.button.click()
    assert "is named PDF and holds HTML" in form._problems["claim_form"].value
    assert executions(claims) == 0


def test_equal_inputs_are_never_sent_twice_by_accident(claims, claim, tmp_path):
    """The second press shows the job that there is; only the press after that buys; a change makes it a Run again."""
    form = claims.form(claim, files_root=tmp_path)
    press(form)
    assert executions(claims) == 1
    press(form)
    assert executions(claims) == 1
    assert re.search(
        r"Nothing was sent: these inputs were sent already, as job \w+ \(completed\)", form._sending.said.value
    )
    assert form._sending.button.description == "Buy a new job"
    form.update({"Remarks": "look again"})
    assert form._sending.button.description == "Run"
    form.update({"Remarks": ""})
    press(form)
    assert form._sending.button.description == "Buy a new job"
    press(form)
    assert executions(claims) == 2
    assert form._sending.button.description == "Run"


def test_a_double_click_buys_one_job(claims, claim, tmp_path, monkeypatch):
    """A press that follows faster than anybody reads is no confirmation."""
    monkeypatch.setattr(sending, "_READ_S", 60.0)
    form = claims.form(claim, files_root=tmp_path)
    press(form)
    for _ in range(4):
        press(form)
    assert executions(claims) == 1


def test_another_form_and_another_kernel_know_the_job_too(claims, claim, tmp_path):
    """What counts is the ledger, not this widget."""
    press(claims.form(claim, files_root=tmp_path))
    other = claims.form(claim, files_root=tmp_path)
    press(other)
    assert executions(claims) == 1
    assert "sent already" in other._sending.said.value


def test_a_job_that_was_left_running_is_followed_to_its_end(claims, claim, tmp_path):
    """The kernel died while it ran: the next form finds it, watches it, and buys nothing."""
    form = claims.form(claim, files_root=tmp_path)
    claims._opus.sandbox.fault("status", "error", status=503, times=1000)
    form._sending.button.click()
    end = time.monotonic() + 10
    while not executions(claims):
        assert time.monotonic() < end
        time.sleep(0.01)
    while form.job is None:
        time.sleep(0.01)
    form.job.job.run.let_go()
    claims._opus.sandbox.faults_clear()
    other = claims.form(claim, files_root=tmp_path)
    press(other)
    assert "sent already" in other._sending.said.value
    assert executions(claims) == 1


def test_a_row_of_a_run_is_known_by_the_form(claims, claim, tmp_path):
    """An unchanged row of a batch was paid for there; a changed file is another purchase."""
    df = pd.DataFrame([claim, claim | {"Claim reference": "CL-8"}])
    claims.run(df, files_root=tmp_path, name="batch", progress="off").wait()
    assert executions(claims) == 2
    form = claims.form(df.iloc[1], files_root=tmp_path)
    press(form, until="CL-8")
    assert executions(claims) == 2
    assert "of run &#x27;batch&#x27;" in form._sending.said.value
    (tmp_path / "form.txt").write_text("Claim CL-8, another story.")
    press(form)
    assert executions(claims) == 3


def test_the_job_is_followed_to_results_and_audit(claims, claim, tmp_path):
    """Results by output name, a file at Opus as text and no link, the audit as a timeline with a bar per node."""
    form = claims.form(claim, files_root=tmp_path)
    press(form)
    card = form._sending.card.value
    assert "Settlement letter" in card
    assert "a file at Opus" in card
    assert "<a href" not in card
    assert card.count("on-lane") >= 5
    assert form.job.job.state == "completed"


def test_a_refusal_of_the_service_is_told_and_the_form_stays_usable(claims, claim, tmp_path):
    """A job that fails at Opus ends with its reason on the card."""
    claims._opus.sandbox.fault("initiate", "error", status=400, times=1)
    form = claims.form(claim, files_root=tmp_path)
    press(form, until="failed")
    assert executions(claims) == 0
    assert not form._sending.button.disabled


def test_copied_python_runs_and_finds_the_same_job(claims, claim, tmp_path):
    """The copied call, executed, is the same purchase: same job, no second execution."""
    form = claims.form(claim, files_root=tmp_path, title="Claim seven")
    press(form)
    code = form.code()
    assert "claim_reference='CL-7'" in code
    assert "title='Claim seven'" in code
    scope: dict[str, Any] = {"wf": claims}
    exec(code.replace("job = wf.submit(", "job = wf.submit(progress='off', "), scope)
    assert scope["job"].wait().id == form.job.job.id
    assert executions(claims) == 1


def test_collected_forms_are_a_sheet_that_the_plan_reads(claims, claim, tmp_path):
    """form.table goes straight into wf.plan: by display name, files by path, days in ISO."""
    form = claims.form(claim, files_root=tmp_path)
    form.add_to_table()
    form.update({"Claim reference": "CL-9", "Earlier claims": [1.5, 2.0]})
    form.add_to_table()
    plan = claims.plan(form.table)
    assert plan.ready == 2
    assert plan._sheet.inputs_of(1) == form.value


def test_every_kind_of_the_quickstart_goes_through(opus, tmp_path):
    """A form filled with one value of every type gives exactly what wf.submit would send."""
    workflow = opus.workflow(QUICKSTART_ID)
    paper = tmp_path / "a.txt"
    paper.write_text("one two three")
    form = workflow.form()
    form.value = {
        "TextInput": "007",
        "NumberInput": 45.8,
        "FileInput(Single)": str(paper),
        "BoolInput": False,
        "ListInput": ["Ana", 7],
        "ObjectInput": {"key": [1, None]},
        "DateInput": "2025-11-09",
        "FileInput(Multiple)": [str(paper)],
    }
    press(form)
    assert "score" in form._sending.card.value
    assert executions(workflow) == 1


@pytest.mark.parametrize("option", ["fresh", "progress", "nonsense"])
def test_an_option_that_is_none_is_refused_at_once(claims, option):
    """Not only when Run is pressed."""
    with pytest.raises(SettingsError, match=option):
        claims.form(**{option: True})


def test_names_that_mean_options_travel_as_variable_names(opus):
    """An input called Title must not become the job's title, nor two inputs of one name each other."""
    from opus_nb.interactive.forms import _argument_names
    from opus_nb.service.schema import read_fields

    schema = read_fields(
        {
            "v_1": {"display_name": "Title", "type": "str"},
            "v_2": {"display_name": "Due date", "type": "date"},
            "v_3": {"display_name": "Due-Date", "type": "date"},
            "v_4": {"display_name": "class", "type": "str"},
            "v_5": {"display_name": "Größe", "type": "str"},
            "v_6": {"display_name": "Country code", "type": "str"},
        }
    )
    names = _argument_names(schema)
    assert names == {**{f"v_{at}": f"v_{at}" for at in range(1, 6)}, "v_6": "country_code"}


def test_a_column_that_does_not_exist_is_refused(claims, claim):
    """As in wf.plan."""
    with pytest.raises(MappingError, match="nope"):
        claims.form(claim, columns={"Claimed amount": "nope"})


def test_the_files_of_a_job_come_here_by_a_button_and_are_links_then(claims, claim, tmp_path, monkeypatch):
    """Their addresses at Opus open for nobody; what the card links to is a file that is there."""
    monkeypatch.chdir(tmp_path)
    form = claims.form(claim, files_root=tmp_path)
    assert form._sending.files_button.layout.display == "none"
    press(form)
    button = form._sending.files_button
    until(lambda: button.layout.display == "")
    button.click()
    until(lambda: "<a href" in form._sending.card.value)
    (href,) = re.findall(r'<a href="([^"]+)"', form._sending.card.value)
    (path,) = (tmp_path / "opus-files").glob(f"{form.job.job.id}_*.pdf")
    assert tmp_path / unquote(href) == path
    assert path.read_bytes().startswith(b"%PDF")
    until(lambda: not button.disabled)
    assert "1 file: 1 done" in form._sending.said.value
    assert executions(claims) == 1


def test_files_that_cannot_be_fetched_are_told(claims, claim, tmp_path, monkeypatch):
    """A folder that cannot be made is said beside the buttons, and the card stays."""
    (tmp_path / "opus-files").write_text("in the way")
    monkeypatch.chdir(tmp_path)
    form = claims.form(claim, files_root=tmp_path)
    press(form)
    form._sending.files_button.click()
    until(lambda: "cannot be written to" in form._sending.said.value)
    assert "a file at Opus" in form._sending.card.value
    until(lambda: not form._sending.files_button.disabled)
