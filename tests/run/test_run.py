"""A sheet through the sandbox and back: frames line up, rows are isolated, names are identities."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

import opus_nb
from opus_nb.errors import PlanRefused, RunLocked, RunNotFound, SettingsError
from opus_nb.job import JobEvent


def executed(opus: opus_nb.Opus) -> int:
    """How many executions the server has seen."""
    return int(opus.sandbox.books(summary=True)["executions"])


def test_one_row_in_one_row_out(dossier, sheet):
    """Results have the sheet's own index, in its order, and every row is complete."""
    df = sheet(5, index=["e", "b", "d", "a", "b"])
    results = dossier.run(df, progress="off").wait().results()
    assert list(results.index) == list(df.index)
    assert set(results["state"]) == {"completed"}
    for question, summary in zip(df["Question"], results["Summary"], strict=True):
        assert question in summary


def test_counts_always_add_up(dossier, sheet):
    """The counts sum to the rows of the sheet at every moment, before, while and after it runs."""
    df = sheet(30)
    run = dossier.run(df, progress="off")
    seen = set()
    for _ in range(2000):
        assert run.counts.sum() == 30
        seen.update(run.counts.index)
        if run.counts.get("completed") == 30:
            break
    run.wait()
    assert dict(run.counts) == {"completed": 30}
    assert "queued" in seen


def test_start_returns_before_the_jobs_end(dossier, sheet):
    """``start`` is not a wait: the first look at the counts finds unfinished rows."""
    run = dossier.plan(sheet(8)).start(progress="off", max_concurrency=4)
    assert run.counts.get("completed", 0) < 8
    run.wait()
    assert run.counts["completed"] == 8


def test_the_same_name_again_starts_nothing_twice(opus, dossier, sheet):
    """Running a cell again finds the run: no further execution, the same job ids."""
    df = sheet(6)
    first = dossier.run(df, name="again", progress="off").wait()
    ids = list(first.jobs()["job_id"])
    second = dossier.run(df, name="again", progress="off").wait()
    assert executed(opus) == 6
    assert list(second.jobs()["job_id"]) == ids


def test_without_a_name_the_run_is_found_by_workflow_and_mapping(opus, dossier, sheet):
    """No name given: the second call continues the first."""
    df = sheet(3)
    first = dossier.run(df, progress="off").wait()
    second = dossier.run(df, progress="off").wait()
    assert second.name == first.name
    assert executed(opus) == 3


def test_sorting_and_notes_buy_nothing_and_one_changed_cell_buys_one_job(opus, dossier, sheet, tmp_path):
    """Identity is what a row means: order, extra columns and file names do not matter, values do."""
    df = sheet(5)
    dossier.run(df, name="identity", progress="off").wait()
    assert executed(opus) == 5
    changed = df.iloc[::-1].assign(remark="looked at")
    renamed = tmp_path / "renamed.txt"
    renamed.write_bytes((tmp_path / "letter-0.txt").read_bytes())
    changed.loc[0, "Documents"] = str(renamed)
    run = dossier.run(changed, name="identity", progress="off").wait()
    assert executed(opus) == 5
    assert list(run.results().index) == [4, 3, 2, 1, 0]
    changed.loc[2, "Question"] = "Something else?"
    dossier.run(changed, name="identity", progress="off").wait()
    assert executed(opus) == 6


def test_equal_rows_are_different_purchases(opus, dossier, sheet):
    """Two rows with the same values are two jobs, and adding a third buys one more."""
    df = pd.concat([sheet(1)] * 2, ignore_index=True)
    dossier.run(df, name="twins", progress="off").wait()
    assert executed(opus) == 2
    dossier.run(pd.concat([sheet(1)] * 3, ignore_index=True), name="twins", progress="off").wait()
    assert executed(opus) == 3


def test_fresh_buys_anew_and_keeps_the_old_run(opus, dossier, sheet, capsys):
    """``fresh=True`` is a new purchase, says so, and the earlier run stays readable."""
    df = sheet(2)
    dossier.run(df, name="f", progress="off").wait()
    dossier.run(df, name="f", progress="off", fresh=True).wait()
    assert executed(opus) == 4
    assert "new purchase" in capsys.readouterr().err
    assert sorted(opus.runs()["name"]) == ["f", "f~1"]
    assert opus.open_run("f~1").counts["completed"] == 2


def test_a_file_used_by_many_rows_is_uploaded_once(opus, dossier, sheet):
    """Content is what counts: 12 rows that name 3 files make 3 uploads, and a second run none."""
    dossier.run(sheet(12), name="one", progress="off").wait()
    assert sum(opus.sandbox.books()["uploads"].values()) == 3
    dossier.run(sheet(12), name="two", progress="off").wait()
    assert sum(opus.sandbox.books()["uploads"].values()) == 3


def test_no_more_rows_at_opus_than_allowed(opus, dossier, sheet):
    """``max_concurrency`` bounds what runs at once."""
    dossier.run(sheet(9), progress="off", max_concurrency=3).wait()
    assert opus.sandbox.books(summary=True)["peak_running"] <= 3


def test_rows_beyond_the_cap_are_skipped_and_a_higher_cap_continues(opus, dossier, sheet):
    """``max_jobs`` leaves rows skipped, not failed; raising it runs them and repeats nothing."""
    run = dossier.run(sheet(6), name="cap", max_jobs=2, progress="off").wait()
    assert dict(run.counts) == {"completed": 2, "skipped": 4}
    run = dossier.run(sheet(6), name="cap", max_jobs=5, progress="off").wait()
    assert dict(run.counts) == {"completed": 5, "skipped": 1}
    assert executed(opus) == 5


def test_max_cost_is_max_jobs_in_money(dossier, sheet):
    """A workflow at 0.05 a job and a cap of 0.12 gives two jobs."""
    run = dossier.run(sheet(4), max_cost=0.12, progress="off").wait()
    assert run.counts["completed"] == 2


def test_bad_rows_refuse_the_plan_or_are_skipped_as_invalid(opus, dossier, sheet, tmp_path):
    """Nothing is sent while a row is bad; with ``skip`` the others run and the bad one says why."""
    df = sheet(4)
    df.loc[1, "Documents"] = str(tmp_path / "nowhere.txt")
    df.loc[3, "Question"] = None
    with pytest.raises(PlanRefused) as caught:
        dossier.run(df, progress="off")
    assert executed(opus) == 0
    assert len(caught.value.issues) == 2
    assert "nowhere.txt" in str(caught.value)
    assert 'on_invalid="skip"' in str(caught.value)
    run = dossier.run(df, progress="off", on_invalid="skip").wait()
    assert dict(run.counts) == {"completed": 2, "invalid": 2}
    results = run.results()
    assert list(results["state"]) == ["completed", "invalid", "completed", "invalid"]
    assert "nowhere.txt" in results.loc[1, "error"]
    assert pd.isna(results.loc[1, "job_id"])


def test_a_refused_row_hurts_nobody_else(opus, dossier, sheet):
    """One row that Opus refuses is one failed row."""
    opus.sandbox.fault("execute", "error", status=400, message=["Question is too long"], times=1)
    run = dossier.run(sheet(5), progress="off").wait()
    assert dict(run.counts) == {"completed": 4, "failed": 1}
    errors = run.results()["error"].dropna()
    assert len(errors) == 1
    assert "Question is too long" in errors.iloc[0]


def test_retry_opens_a_new_attempt_only_for_what_ended_badly(opus, dossier, sheet):
    """Failed rows get one more job and count two tries; completed rows keep their ids."""
    opus.sandbox.fault("execute", "script", seconds=0.1, end="FAILED", times=2)
    run = dossier.run(sheet(5), progress="off").wait()
    before = run.jobs()
    assert run.counts["failed"] == 2
    run.retry().wait()
    after = run.jobs()
    assert dict(run.counts) == {"completed": 5}
    fine = before["state"] == "completed"
    assert (after.loc[fine, "job_id"] == before.loc[fine, "job_id"]).all()
    assert (after.loc[~fine, "job_id"] != before.loc[~fine, "job_id"]).all()
    assert list(after["tries"][~fine]) == [2, 2]
    assert executed(opus) == 7


def test_retry_refuses_states_that_are_never_sent_again(dossier, sheet):
    """Asking to retry completed rows is an error, not a second bill."""
    run = dossier.run(sheet(1), progress="off").wait()
    with pytest.raises(SettingsError, match="completed"):
        run.retry(states={"completed"})


def test_cancel_marks_what_never_left(opus, dossier, sheet):
    """Cancelled rows have no job id; rows at Opus are watched to their ends."""
    opus.sandbox.fault("execute", "script", seconds=40, times=2)
    run = dossier.run(sheet(8), max_concurrency=2, progress="off")
    while executed(opus) < 2:
        pass
    assert "no call that cancels" in run.cancel()
    run.wait()
    jobs = run.jobs()
    assert dict(run.counts) == {"completed": 2, "cancelled": 6}
    assert jobs.loc[jobs["state"] == "cancelled", "job_id"].isna().all()


def test_pause_and_resume(opus, dossier, sheet):
    """A paused run starts nothing; resumed, it goes on to the end."""
    run = dossier.plan(sheet(5)).start(max_concurrency=1, progress="off")
    run.pause()
    assert run.state == "paused"
    run.wait(timeout_s=0.3)
    after_pause = executed(opus)
    run.wait(timeout_s=0.3)
    assert executed(opus) == after_pause < 5
    run.resume()
    assert dict(run.wait().counts) == {"completed": 5}


def test_waiting_for_a_person_ends_no_run_and_takes_no_place(opus):
    """Jobs that wait for a person do not hold up others; ``wait`` returns, ``for_people`` stays."""
    listed = opus.workflows().set_index("name")
    wf = opus.workflow(listed.loc["Purchase approval", "id"])
    df = _rows_for(wf, 4)
    run = wf.run(df, max_concurrency=1, progress="off")
    run.wait()
    waiting = run.jobs().query("state == 'waiting'")
    for job_id in waiting["job_id"]:
        opus.sandbox.answer(job_id)
    run.wait(for_people=True)
    assert run.counts.drop(["completed", "failed"], errors="ignore").sum() == 0


def _rows_for(wf: opus_nb.Workflow, rows: int) -> pd.DataFrame:
    """Plain values for every required input of a workflow without files."""
    samples = {
        "str": "text",
        "float": 6000.0,
        "int": 3,
        "bool": True,
        "date": "2025-01-31",
        "array": ["a"],
        "object": {},
    }
    columns = {}
    for field in wf.inputs[wf.inputs["required"]].itertuples():
        value = field.options[0] if len(field.options) else samples[field.type]
        columns[field.display_name] = [value] * rows
    return pd.DataFrame(columns)


def test_another_process_finds_and_finishes_the_run(opus, dossier, sheet):
    """A run that was let go is finished by ``open_run``, without a second execution of any row."""
    df = sheet(10, index=pd.date_range("2025-01-01", periods=10, name="day"))
    run = dossier.run(df, name="tomorrow", max_concurrency=2, progress="off")
    while executed(opus) < 3:
        pass
    run.let_go()
    assert run.state == "stopped"
    again = opus.open_run("tomorrow", progress="off").wait()
    assert dict(again.counts) == {"completed": 10}
    assert executed(opus) == 10
    assert list(again.results().index) == list(df.index)
    assert again.results().index.name == "day"


def test_a_finished_run_is_opened_without_a_single_request(opus, dossier, sheet):
    """What is in the ledger needs no server."""
    dossier.run(sheet(3), name="done", progress="off").wait()
    before = sum(opus.sandbox.books(summary=True)["calls"].values())
    run = opus.open_run("done", progress="off").wait()
    assert len(run.results()) == 3
    assert len(run.audit()) > 3
    assert sum(opus.sandbox.books(summary=True)["calls"].values()) == before


def test_an_unknown_run_names_the_known_ones(opus, dossier, sheet):
    """The error lists what is there."""
    dossier.run(sheet(1), name="known", progress="off").wait()
    with pytest.raises(RunNotFound, match="'known'"):
        opus.open_run("unknown")


def test_a_run_of_another_workflow_keeps_its_name(opus, dossier, sheet):
    """One name cannot mix two workflows."""
    dossier.run(sheet(1), name="mine", progress="off").wait()
    other = opus.workflow(opus.workflows().set_index("name").loc["Purchase approval", "id"])
    with pytest.raises(SettingsError, match="belongs to another workflow"):
        other.run(_rows_for(other, 1), name="mine", progress="off")


def test_a_second_holder_is_refused_and_told_who_has_it(opus, dossier, sheet):
    """The lock is the run's, names its owner, and is free when the run is over."""
    from opus_nb.batch.book import Book
    from opus_nb.batch.ledger import Ledger
    from opus_nb.batch.lock import RunLock

    run = dossier.run(sheet(4), name="locked", progress="off", max_concurrency=1)
    lock = RunLock(Book.open(Ledger.at(Path(opus._settings.ledger)), "locked"))
    with pytest.raises(RunLocked, match="process"):
        lock.take()
    run.wait()
    lock.take()
    lock.release()


def test_await_works_in_a_loop_of_the_users_own(dossier, sheet):
    """``await run`` needs nothing patched."""

    async def main() -> pd.DataFrame:
        run = dossier.run(sheet(3), progress="off")
        return (await run).results()

    assert list(asyncio.run(main())["state"]) == ["completed"] * 3


def test_every_step_is_told_to_an_observer(dossier, sheet):
    """An observer hears each state once per row, in the order of the protocol, before and after requests."""
    heard: list[JobEvent] = []

    class Ear:
        def observe(self, event: JobEvent) -> None:
            heard.append(event)
            raise RuntimeError("observers cannot harm a row")

    run = dossier.run(sheet(2), progress=Ear()).wait()
    assert run.counts["completed"] == 2
    steps = [event.state.value for event in heard if event.position == 1 and event.state is not event.before]
    # Only a row between whose two requests another is asked stops at "initiated": the first of the run.
    steps = [each for each in steps if each not in {"waiting", "initiated"}]
    assert steps[:4] == ["uploading", "initiating", "executing", "running"]
    assert steps[-2:] == ["collecting", "completed"]


def test_titles_are_templates_and_end_with_a_marker(opus, dossier, sheet):
    """``title="Q: {Question}"`` is filled per row; the marker of run and row always ends it."""
    dossier.run(sheet(2), title="Q: {Question}", description="row of {Documents}", progress="off").wait()
    titles = Counter(opus.sandbox.books()["executions_by_title"])
    assert len(titles) == 2
    for title in titles:
        assert title.startswith("Q: What is the answer to ")
        assert title.endswith("]")
        assert title.rsplit(" ", 1)[1].startswith("[")


def test_an_audit_can_be_fetched_later(opus, dossier, sheet):
    """With ``fetch_audit=False`` nothing is asked until the frame is wanted."""
    run = dossier.run(sheet(2), fetch_audit=False, progress="off").wait()
    assert opus.sandbox.books(summary=True)["calls"].get("audit", 0) == 0
    assert set(run.audit()["row"]) == {0, 1}


def test_the_workbook_lies_beside_the_sheets_own_columns(dossier, sheet, tmp_path):
    """``run.save`` writes xlsx, csv and parquet that pandas reads back."""
    run = dossier.run(sheet(3), progress="off").wait()
    run.save(tmp_path / "out.xlsx")
    run.save(tmp_path / "out.csv")
    run.save(tmp_path / "out.parquet")
    book = pd.read_excel(tmp_path / "out.xlsx", sheet_name=None)
    assert list(book["results"]["Question"]) == list(sheet(3)["Question"])
    assert {"results", "jobs", "audit", "nodes"} <= set(book)
    assert list(pd.read_csv(tmp_path / "out.csv")["state"]) == ["completed"] * 3
    assert list(pd.read_parquet(tmp_path / "out.parquet")["state"]) == ["completed"] * 3


def test_submit_runs_one_job_and_finds_it_again(opus, dossier, sheet):
    """Keyword arguments by display name; the same call again is the same job, ``fresh`` buys one."""
    path = sheet(1)["Documents"][0]
    job = dossier.submit(question="Why?", documents=[path], progress="off").wait()
    assert job.state == "completed"
    assert "Why?" in job.outputs["Summary"]
    again = dossier.submit(question="Why?", documents=[path], progress="off").wait()
    assert again.id == job.id
    assert executed(opus) == 1
    other = dossier.submit(question="Why?", documents=[path], progress="off", fresh=True).wait()
    assert other.id != job.id


def test_one_line_and_a_small_card(dossier, sheet):
    """``repr`` is one line; the HTML card is escaped and below 10 kB."""
    run = dossier.run(sheet(2), name="<b>bold</b>", progress="off").wait()
    assert "\n" not in repr(run)
    assert "\n" not in repr(dossier)
    assert "<b>bold</b>" not in run._repr_html_()
    assert len(run._repr_html_().encode()) < 10_000
    assert len(dossier._repr_html_().encode()) < 10_000


def test_a_pilot_runs_a_few_telling_rows_and_the_same_run_goes_on(opus, dossier, sheet):
    """Skipped rows wait for ``start``; the pilot's rows are not bought again, and the estimate knows them."""
    df = sheet(8)
    df["Notes"] = None
    df.loc[5, "Notes"] = "the only one"
    plan = dossier.plan(df)
    run = plan.pilot(3, name="pilot", progress="off").wait()
    assert dict(run.counts) == {"completed": 3, "skipped": 5}
    assert run.results().loc[5, "state"] == "completed"
    assert plan.estimate["based_on"] == 3
    run = plan.start(name="pilot", progress="off").wait()
    assert dict(run.counts) == {"completed": 8}
    assert executed(opus) == 8


def test_a_known_run_is_never_shown_as_queued(dossier, sheet):
    """Right after ``start`` of a finished run its rows are completed, in the counts and in the frames."""
    df = sheet(6)
    dossier.run(df, name="known", progress="off").wait()
    run = dossier.plan(df.iloc[::-1]).start(name="known", progress="off")
    assert dict(run.counts) == {"completed": 6}
    assert set(run.results()["state"]) == {"completed"}


def test_closing_one_connection_leaves_runs_of_other_ledgers_alone(opus, dossier, sheet, tmp_path):
    """A ledger folder that was never made is no reason to fail, and the other run goes on."""
    run = dossier.run(sheet(3), progress="off", max_concurrency=1)
    with opus_nb.sandbox(ledger=tmp_path / "never made") as other:
        assert other.sandbox.running
    assert not other.sandbox.running
    assert dict(run.wait().counts) == {"completed": 3}


def test_an_older_object_of_the_same_run_waits_for_the_one_at_work(dossier, sheet):
    """``wait`` on the first object does not return while rows are left."""
    first = dossier.run(sheet(5), name="live", progress="off", max_concurrency=1)
    dossier.run(sheet(5), name="live", progress="off", max_concurrency=2)
    assert dict(first.wait().counts) == {"completed": 5}


def test_a_misspelt_option_is_recognised(dossier, sheet):
    """The cap that somebody meant is named."""
    with pytest.raises(SettingsError, match="Did you mean max_jobs"):
        dossier.run(sheet(1), max_job=5)


def test_a_sheet_that_was_cut_off_while_it_was_recorded_says_so_and_adds_up(opus, dossier, sheet, capsys):
    """``open_run`` works on the rows that are there, counts them alone, and the sheet brings the others."""
    from opus_nb.batch.book import Book
    from opus_nb.batch.ledger import Ledger

    df = sheet(4)
    dossier.plan(df).pilot(1, name="cut", progress="off").wait()
    ledger = Ledger.at(Path(opus._settings.ledger))
    ledger.write_now("DELETE FROM rows WHERE position >= 2", ())
    ledger.write_now("UPDATE runs SET recorded = 2", ())
    assert Book.open(ledger, "cut").record_of_run.row_count == 4
    run = opus.open_run("cut", progress="off").wait()
    assert "2 of 4 rows" in capsys.readouterr().err
    assert run.counts.sum() == len(run.results()) == 2
    assert dict(dossier.run(df, name="cut", progress="off").wait().counts) == {"completed": 4}
    assert executed(opus) == 4
