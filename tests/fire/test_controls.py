"""What a person may set and say while a run runs."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fire_making import PLAIN, Rig

import opus_nb
from opus_nb import loop
from opus_nb.batch.entry import Entry
from opus_nb.batch.stopping import AlikeFailures, Limits, describe_shared, read_limits
from opus_nb.errors import SettingsError
from opus_nb.sandbox import Sandbox
from opus_nb.service.wire import Patience


@pytest.fixture
def fire(fire_sandbox: Sandbox, tmp_path: Path) -> Any:
    """A connection to the session's sandbox, and the plain workflow."""
    fire_sandbox.faults_clear()
    fire_sandbox.reset()
    opus = opus_nb.connect(
        "sandbox",
        base_url=fire_sandbox.base_url,
        ledger=tmp_path / "ledger",
        settle_s=0.1,
        timeout_s=2.0,
        max_requests_per_second=5000.0,
    )
    opus.client.wire.patience = Patience(first_wait_s=0.01, longest_wait_s=0.04)
    opus.sandbox = fire_sandbox
    yield opus
    opus.sandbox = None
    opus.close()


def sheet(rows: int, **columns: Any) -> pd.DataFrame:
    """Questions, and whatever else is wanted."""
    return pd.DataFrame({"Question": [f"Why {row}?" for row in range(rows)], **columns})


# -- caps -------------------------------------------------------------------------------------------------


def test_max_minutes_skips_what_is_beyond_and_a_higher_cap_continues(fire: Any) -> None:
    """Nothing starts after the time; what is at Opus is watched to its end, and the reason stands in the row."""
    fire.sandbox.fault("execute", "script", seconds=1.0)
    wf = fire.workflow(PLAIN.id)
    run = wf.plan(sheet(6)).start(name="m", max_concurrency=2, max_minutes=0.4 / 60, progress="off").wait()
    assert dict(run.counts) == {"completed": 2, "skipped": 4}
    errors = run.results()["error"].dropna()
    assert len(errors) == 4
    assert errors.str.contains("max_minutes").all()
    fire.sandbox.faults_clear()
    run = wf.plan(sheet(6)).start(name="m", max_minutes=5, progress="off").wait()
    assert dict(run.counts) == {"completed": 6}
    assert fire.sandbox.books(summary=True)["executions"] == 6


def test_caps_are_kept_by_a_run_that_is_opened_again(fire: Any) -> None:
    """``open_run`` after a death spends no more than the person had allowed."""
    run = fire.workflow(PLAIN.id).plan(sheet(8)).start(name="c", max_jobs=3, max_concurrency=1, progress="off")
    run.wait(timeout_s=0.05)
    run.let_go()
    again = fire.open_run("c", progress="off").wait()
    assert dict(again.counts) == {"completed": 3, "skipped": 5}
    assert fire.sandbox.books(summary=True)["executions"] == 3


def test_a_lost_and_repeated_execute_counts_once_against_the_cap(rig: Rig) -> None:
    """What never arrived costs nothing, also in the next process."""
    rig.limits = Limits(max_concurrency=1, max_jobs=2)
    rig.sandbox.fault("execute", "lost_before", times=1)
    rig.work(4)
    assert sorted(rig.states()) == ["completed", "completed", "skipped", "skipped"]
    rig.limits = Limits(max_concurrency=1, max_jobs=3)
    rig.again()
    assert sorted(rig.states()) == ["completed", "completed", "completed", "skipped"]
    rig.assert_never_twice()


def test_alike_failures_stop_the_run_and_say_what_they_share(fire: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Three refusals in the same words: nothing more starts, the rest stays queued, ``resume`` goes on."""
    rule = fire.sandbox.fault("execute", "error", status=400, message=["Question 17 is not answered here"], times=4)
    wf = fire.workflow(PLAIN.id)
    run = wf.plan(sheet(12)).start(name="s", max_concurrency=1, stop_after_failures=3, progress="off").wait()
    assert dict(run.counts) == {"failed": 3, "queued": 9}
    assert run.state == "stopped"
    said = capsys.readouterr().err
    assert "Stopped: 3 rows failed" in said
    assert "rows 0, 1, 2" in said
    run.resume()
    run.wait()
    assert dict(run.counts) == {"completed": 8, "failed": 4}
    assert rule.fired == 4


def test_what_differs_between_failures_does_not_make_them_different() -> None:
    """Node and message count, numbers and quoted values in it do not."""
    alike = AlikeFailures()
    found = None
    for position, node in enumerate(["Read", "Write", "Read", "Read"]):
        entry = Entry(position, f"k{position}")
        entry.signature = (node, "no such customer")
        found = alike.note(entry, 3)
    assert found == (("Read", "no such customer"), [0, 2, 3])


def test_what_failed_rows_share_is_told_against_those_that_went_well() -> None:
    """A value that only the failed rows have comes first; one that all have is no explanation."""
    failed = [{"Country": "DE", "Year": 2025, "Name": "a"}, {"Country": "DE", "Year": 2025, "Name": "b"}]
    fine = [{"Country": "FR", "Year": 2025}, {"Country": "IT", "Year": 2025}]
    told = describe_shared(failed, fine)
    assert told.index("Country = 'DE' (none of 2") < told.index("Year = 2025 (so have 2 of 2")
    assert "Name" not in told
    assert describe_shared([{"a": 1}, {"a": 2}], []) == "The rows have no value in common."


@pytest.mark.parametrize(
    "wrong",
    [{"max_minutes": -1}, {"max_minutes": float("nan")}, {"stop_after_failures": 0}, {"patience_s": "1"},
     {"max_concurrency": None}, {"max_jobs": True}, {"max_cost": 1.0}],
)  # fmt: skip
def test_limits_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    """The message names the option and what it may be."""
    given: dict[str, Any] = {
        "max_concurrency": 1, "max_jobs": None, "max_cost": None, "max_minutes": None, "stop_after_failures": None,
        "patience_s": None, "price": None,
    } | wrong  # fmt: skip
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        read_limits(**given)


# -- patience ---------------------------------------------------------------------------------------------


def test_patience_leaves_the_row_running_and_lets_others_go_on(fire: Any) -> None:
    """A stuck job takes no place for ever: the run is over without it, its id is kept, and it is picked up later."""
    fire.sandbox.fault("execute", "stuck", times=1)
    wf = fire.workflow(PLAIN.id)
    run = wf.plan(sheet(4)).start(name="p", max_concurrency=1, patience_s=0.5, progress="off").wait(timeout_s=20)
    assert dict(run.counts) == {"completed": 3, "running": 1}
    row = run.jobs().query("state == 'running'").iloc[0]
    notes = [each.error for each in run.outcomes() if each.state.value == "running"]
    assert notes == ["not at its end after 0.5 s; its job goes on at Opus and is watched on"]
    run.let_go()
    fire.sandbox.end(row["job_id"], "FAILED")
    again = fire.open_run("p", progress="off").wait(timeout_s=20)
    assert dict(again.counts) == {"completed": 3, "failed": 1}
    assert fire.sandbox.books(summary=True)["executions"] == 4


# -- reconciling ------------------------------------------------------------------------------------------


def test_reconcile_prints_an_account_that_adds_up(fire: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows, earlier attempts and shells: every job that the run ever had is in one line, and the sums agree."""
    fire.sandbox.fault("initiate", "lost_after", times=2)
    fire.sandbox.fault("search", "error", status=503)
    fire.sandbox.fault("execute", "script", end="FAILED", times=1)
    run = fire.workflow(PLAIN.id).plan(sheet(5)).start(name="r", max_concurrency=1, max_jobs=4, progress="off").wait()
    run.retry(states={"failed"}).wait()
    fire.sandbox.faults_clear()
    frame = run.reconcile()
    books = fire.sandbox.books()
    assert (frame["kind"] == "row").sum() == 5
    assert set(frame["job_id"].dropna()) == set(books["job_books"])
    assert frame["kind"].value_counts()["shell"] == books["orphan_shells"] == 2
    said = capsys.readouterr().err
    assert "5 rows = " in said
    assert "2 = 2 found at Opus" in said
    assert frame.loc[frame["kind"] == "row", "now"].value_counts().to_dict() == dict(run.counts)


def test_reconcile_asks_after_jobs_nobody_watches(fire: Any) -> None:
    """A run that was let go: the jobs that have ended meanwhile are collected without starting anything."""
    fire.sandbox.fault("execute", "script", seconds=1.0)
    run = fire.workflow(PLAIN.id).plan(sheet(4)).start(name="l", max_concurrency=2, progress="off")
    while fire.sandbox.books(summary=True)["executions"] < 2:
        time.sleep(0.02)
    run.let_go()
    fire.sandbox.advance(60)
    frame = run.reconcile()
    assert frame["now"].value_counts().to_dict() == {"completed": 2, "queued": 2}
    assert fire.sandbox.books(summary=True)["executions"] == 2
    run.resume()
    assert dict(run.wait().counts) == {"completed": 4}


def test_reconcile_leaves_running_rows_to_the_engine(fire: Any) -> None:
    """While the run is at work, it is told to hurry, and what Opus says is shown."""
    fire.sandbox.fault("execute", "stuck")
    run = fire.workflow(PLAIN.id).plan(sheet(1)).start(name="w", progress="off")
    while run.counts.get("running") != 1 or fire.sandbox.books(summary=True)["status_calls"] < 2:
        time.sleep(0.02)
    line = run.reconcile().iloc[0]
    assert (line["before"], line["now"], line["word"]) == ("running", "running", "IN_PROGRESS")
    assert run.state == "running"


# -- interrupts -------------------------------------------------------------------------------------------

_INTERRUPTED = textwrap.dedent(
    """
    import sys, time
    import pandas as pd
    import opus_nb
    opus = opus_nb.connect("sandbox", base_url=sys.argv[1], ledger=sys.argv[2], settle_s=0.1,
                            max_requests_per_second=5000.0)
    run = opus.workflow(sys.argv[3]).plan(pd.DataFrame({"Question": [f"Why {n}?" for n in range(6)]})).start(
        name="i", max_concurrency=2, progress="off")
    print("started", flush=True)
    run.wait()
    print("over", run.counts.to_dict(), flush=True)
    opus.close()
    """
)


def interrupted(fire: Any, tmp_path: Path, presses: int) -> str:
    """Run six rows in a child, press Ctrl-C so often, and return all that it said."""
    fire.sandbox.fault("execute", "script", seconds=2.0)
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _INTERRUPTED, fire.base_url, str(tmp_path / "ledger"), PLAIN.id],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout is not None
    said = [child.stdout.readline()]
    while fire.sandbox.books(summary=True)["executions"] < 2:
        time.sleep(0.02)
    for _ in range(presses):
        child.send_signal(signal.SIGINT)
        said.append(child.stdout.readline())
    said += child.stdout.readlines()
    child.stdout.close()
    child.wait(timeout=20)
    return "".join(said)


def test_interrupted_once_nothing_more_is_submitted(fire: Any, tmp_path: Path) -> None:
    """The jobs at Opus are watched to their ends, the others stay queued, and the meaning is printed."""
    said = interrupted(fire, tmp_path, 1)
    assert "nothing more is submitted" in said
    assert "over {'completed': 2, 'queued': 4}" in said
    assert fire.sandbox.books(summary=True)["executions"] == 2


def test_interrupted_twice_the_run_is_let_go(fire: Any, tmp_path: Path) -> None:
    """Rows in flight keep their ids, and another process finishes the run."""
    said = interrupted(fire, tmp_path, 2)
    assert "rows in flight go on at Opus" in said
    assert "'running': 2" in said
    fire.sandbox.faults_clear()
    run = fire.open_run("i", progress="off").wait()
    assert dict(run.counts) == {"completed": 6}
    assert fire.sandbox.books(summary=True)["executions"] == 6


def test_an_interrupt_at_any_moment_of_waiting_harms_no_row(fire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever slice of ``wait`` it hits: each row is bought once in the end."""
    wf = fire.workflow(PLAIN.id)
    for nth in range(1, 6):
        run = wf.plan(sheet(2)).start(name=f"k{nth}", max_concurrency=1, progress="off")
        slices = iter(range(1, 10_000))

        def interrupt(nth: int = nth, slices: Any = slices) -> None:
            if next(slices) in {nth, nth + 2}:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("opus_nb.run.pump", interrupt)
            run.wait()
        assert fire.open_run(f"k{nth}", progress="off").wait().counts.to_dict() == {"completed": 2}
    assert fire.sandbox.books(summary=True)["executions"] == 10


def test_a_cell_that_awaits_may_be_cancelled_at_any_moment(fire: Any) -> None:
    """Cancelling the await lets go of the run; opening it again finishes it, buying nothing twice."""
    import asyncio

    wf = fire.workflow(PLAIN.id)
    for after_s in (0.0, 0.05, 0.2):
        name = f"a{after_s}"

        async def cell(name: str = name, after_s: float = after_s) -> None:
            run = wf.plan(sheet(3)).start(name=name, max_concurrency=1, progress="off")
            waiting = asyncio.ensure_future(run._wait_async())
            await asyncio.sleep(after_s)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

        asyncio.run(cell())
        assert fire.open_run(name, progress="off").wait().counts.to_dict() == {"completed": 3}
    assert fire.sandbox.books(summary=True)["executions"] == 9


def test_rows_in_trouble_do_not_fail_while_nothing_gets_through(rig: Rig) -> None:
    """A service that is down for everybody is nobody's fault: rows stay queued until it is back."""
    rig.wire.patience = Patience(attempts=1)
    rig.record(3)
    rig.timing = type(rig.timing)(settle_s=0.02)
    rule = rig.sandbox.fault("initiate", "error", status=503, times=40)
    rig.work(3, within_s=60)
    rig.assert_once()
    assert rule.fired == 40


def test_an_outage_without_end_halts_the_run(rig: Rig) -> None:
    """Nothing gets through for long: the run stops by itself, its rows are queued, and it can go on."""
    rig.wire.patience = Patience(attempts=1)
    rig.record(2)
    rig.limits = Limits(max_concurrency=2, outage_s=0.5)
    rig.door.shut["initiate"] = [__import__("httpx").ConnectError] * 1000
    rig.work(2)
    assert "cannot be reached" in str(rig.runner.failure())
    assert rig.book.counts() == {"queued": 2}
    rig.door.shut.clear()
    rig.again()
    rig.assert_once(2)


def test_one_row_that_nobody_can_send_fails_alone(rig: Rig) -> None:
    """Where others get through, a row that never does is its own fault after some tries."""
    rig.wire.patience = Patience(attempts=1)
    rig.timing = type(rig.timing)(settle_s=0.02)
    rig.record(12)
    rig.limits = Limits(max_concurrency=2, setbacks=3)
    rig.sandbox.fault("initiate", "error", status=500, title="Row 0 *")
    rig.work(12)
    assert rig.states() == ["failed"] + ["completed"] * 11
    rig.assert_never_twice()


def test_the_run_loop_is_never_waited_for_on_itself() -> None:
    """Blocking calls on the background loop are refused instead of hanging."""

    async def wait_here() -> None:
        loop.call(lambda: None)  # type: ignore[arg-type]

    with pytest.raises(SettingsError, match="wait for itself"):
        loop.call(wait_here)
