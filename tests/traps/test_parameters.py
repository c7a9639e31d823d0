"""Every parameter of ``POST /job/initiate``: given anywhere, the nearest wins, and checked before it is sent."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trap_making import books, echo, quicken, shells

import opus_nb
from opus_nb.batch.ledger import APPLICATION_ID, FILE_NAME, MIGRATIONS, Ledger
from opus_nb.errors import MappingError, NotFound, SettingsError
from opus_nb.sandbox import Input, Node, Output, WorkflowDefinition, workflow

Serve = Callable[..., opus_nb.Opus]
TEXTS = pd.DataFrame({"Text": ["a"], "Ref": ["R-7"]})
UUID = "00000000-0000-4000-8000-00000000000a"


def longer() -> WorkflowDefinition:
    """The second version of the echo: one input more."""

    @workflow(
        "Echo",
        inputs=[Input("Text"), Input("Times", "int", name="workflow_input_times0000")],
        outputs=[Output("Loud")],
        quick=True,
    )
    def shout(text: str, times: int) -> dict[str, Any]:
        return {"Loud": text.upper() * times}

    return shout


def test_every_parameter_arrives(serve: Serve, tmp_path: Path) -> None:
    """What is given by whichever level stands on the job, and the nearest level wins."""
    box = serve(echo()).sandbox
    with opus_nb.connect(
        "sandbox", base_url=box.base_url, ledger=tmp_path / "l", source="agent", ref_user_id="far", web_app_id="app-1"
    ) as opus:
        wf = quicken(opus).workflow(echo().id, ref_user_id="near", workspaces=["w-1", " w-2 "], description="by the wf")
        values = {"day": dt.date(2025, 1, 2), "count": np.int64(3)}
        plan = wf.plan(TEXTS, title="Claim {Ref}", source="manual", initial_input=values)
        plan.start(progress="off", source="scheduled", reference_entity_id=echo().id).wait()
    (job,) = shells(opus_nb_like(box))
    assert job.initial == {
        "initialInput": {"day": "2025-01-02", "count": 3},
        "source": "scheduled",
        "refUserId": "near",
        "workspaces": "w-1,w-2",
        "webAppId": "app-1",
    }
    assert job.title.startswith("Claim R-7 [")
    assert job.description == "by the wf"


class opus_nb_like:  # noqa: N801 stands where a connection would
    """What `shells` needs of a connection."""

    def __init__(self, box: Any) -> None:
        self.sandbox = box


WRONG: dict[str, Any] = {
    "source": "carrier-pigeon", "ref_user_id": 7, "web_app_id": "", "workspaces": ["a", ""],
    "reference_entity_id": "B9uGJfZ3CFwOdMKH", "workflow_version_id": "three", "workflow_version_number": "3",
    "initial_input": [1], "title": 5, "priority": "high",
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused_wherever_they_are_given(serve: Serve, tmp_path: Path, name: str) -> None:
    """By connect, workflow, plan and start alike; nothing is initiated."""
    opus = serve(echo())
    given = {name: WRONG[name]}
    wf = opus.workflow(echo().id)
    plan = wf.plan(TEXTS)
    for act in (
        lambda: opus_nb.connect("sandbox", base_url=opus.base_url, ledger=tmp_path / "l", **given),
        lambda: opus.workflow(echo().id, **given),
        lambda: wf.plan(TEXTS, **given),
        lambda: plan.start(progress="off", **given),
    ):
        with pytest.raises(SettingsError, match=name):
            act()
    assert books(opus)["initiations"] == 0


def test_values_that_json_cannot_hold_are_refused(serve: Serve) -> None:
    """In ``initial_input`` as well."""
    opus = serve(echo())
    for value in (float("inf"), b"bytes", object()):
        with pytest.raises(SettingsError, match="initial_input"):
            opus.workflow(echo().id, initial_input={"a": value})


def test_a_pinned_version_brings_its_own_inputs(serve: Serve) -> None:
    """By number, by digits and by UUID the schema is the pinned version's, and the jobs run it."""
    opus = serve(echo())
    opus.sandbox.publish(longer())
    newest = opus.workflow(echo().id)
    assert list(newest.inputs["display_name"]) == ["Text", "Times"]
    first_id = newest._connection.record.version_id
    assert first_id is not None
    versions = opus.sandbox._state.catalogue.find(echo().id).versions
    for pin in (1, "1", versions[0].version_id):
        wf = opus.workflow(echo().id, version=pin)
        assert (list(wf.inputs["display_name"]), wf.version) == (["Text"], 1)
    run = wf.run(TEXTS, progress="off").wait()
    assert list(run.results()["Loud"]) == ["A"]
    assert shells(opus)[0].version.number == 1
    with pytest.raises(NotFound):
        opus.workflow(echo().id, version=9)


def test_the_nearer_pin_wins_whatever_its_kind(serve: Serve, tmp_path: Path) -> None:
    """A number at ``start`` is not overruled by a UUID from ``connect``, although Opus would prefer that."""
    box = serve(echo()).sandbox
    box.publish(longer())
    versions = box._state.catalogue.find(echo().id).versions
    with opus_nb.connect(
        "sandbox", base_url=box.base_url, ledger=tmp_path / "l", workflow_version_id=versions[0].version_id
    ) as opus:
        far = quicken(opus).workflow(echo().id)
        near = opus.workflow(echo().id, workflow_version_number=2)
        nearest = opus.workflow(echo().id, version=1, workflow_version_number=2)
        assert [wf.version for wf in (far, near, nearest)] == [1, 2, 1]
        run = near.plan(TEXTS.assign(Times=2)).start(progress="off").wait()
        assert list(run.results()["Loud"]) == ["AA"]


def test_a_pin_at_start_is_compared_with_what_was_checked(serve: Serve) -> None:
    """Rows that were checked for the newest version go to the pinned one only where that means the same."""
    opus = serve(echo())
    opus.sandbox.publish(longer())
    plan = opus.workflow(echo().id).plan(TEXTS.assign(Times=2))
    with pytest.raises(opus_nb.errors.SchemaChanged, match='"Times" \\(int\\) is gone'):
        plan.start(progress="off", workflow_version_number=1)
    assert books(opus)["initiations"] == 0
    opus.sandbox.publish(longer())
    run = plan.start(progress="off", workflow_version_number=2).wait()
    assert list(run.results()["Loud"]) == ["AA"]
    assert shells(opus)[0].version.number == 2


def test_a_plan_is_for_its_own_workflow(serve: Serve) -> None:
    """Another ``workflow_id`` is refused; its schema was never looked at."""
    opus = serve(echo(), longer())
    with pytest.raises(SettingsError, match="workflow that it was made with"):
        opus.workflow(echo().id).plan(TEXTS, workflow_id=UUID)


def test_what_cases_do_not_take_is_said(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """The case routes know a title and a description: anything else is left out aloud; jobs take everything."""
    opus = serve(echo("cases"), echo("v1"))
    wf = opus.workflow(echo("cases").id)
    wf.run(TEXTS, title="Claim {Ref}", initial_input={"a": 1}, source="manual", progress="off").wait()
    assert "Left out: initial_input, source. 'Echo' runs as cases" in capsys.readouterr().err
    assert shells(opus)[0].title.startswith("Claim R-7 [")
    opus.workflow(echo("v1").id).plan(TEXTS, source="manual")
    assert "Left out" not in capsys.readouterr().err


# -- templates over the row -------------------------------------------------------------------------------

CLAIMS = pd.DataFrame(
    {"Text": ["a", "b"], "Ref": ["R-7", "R-8"], "Amount": [1250.5, 3.0], "User": ["u-1", None], "Team": ["t-1", ""]}
)
STORED = {
    "ref": "{Ref}",
    "lines": [{"what": "{Text} for {Amount}"}, "{Ref}/{Ref}"],
    "fixed": 7,
    "json": '{"a": {"b": "{Ref}"}}',
    "braces": "{{Ref}}",
}


def stored(ref: str, text: str, amount: str) -> dict[str, Any]:
    """What `STORED` is for one row."""
    return {
        "ref": ref,
        "lines": [{"what": f"{text} for {amount}"}, f"{ref}/{ref}"],
        "fixed": 7,
        "json": f'{{"a": {{"b": "{ref}"}}}}',
        "braces": "{Ref}",
    }


def initial(opus: Any) -> list[Any]:
    """What each job was told when it was made, in the order of their titles."""
    return [job.initial for job in sorted(shells(opus), key=lambda job: job.title)]


def test_initial_input_follows_the_row(serve: Serve) -> None:
    """Each job is told what its own row says, at any depth; JSON in a text and braces written twice are no columns."""
    opus = serve(echo())
    wf = opus.workflow(echo().id)
    wf.run(CLAIMS, title="{Ref}", initial_input=STORED, progress="off").wait()
    told = [each["initialInput"] for each in initial(opus)]
    assert told == [stored("R-7", "a", "1250.5"), stored("R-8", "b", "3")]


def test_every_text_parameter_follows_the_row(serve: Serve) -> None:
    """User, app and workspaces too; an empty cell leaves the parameter out."""
    opus = serve(echo())
    wf = opus.workflow(echo().id, workspaces=["{Team}", "w-0"], web_app_id="app-{Ref}")
    wf.run(CLAIMS, title="{Ref}", ref_user_id="{User}", progress="off").wait()
    assert initial(opus) == [
        {"source": "api", "refUserId": "u-1", "workspaces": "t-1,w-0", "webAppId": "app-R-7"},
        {"source": "api", "workspaces": "w-0", "webAppId": "app-R-8"},
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"title": "Claim {Reff}"},
        {"description": "{Reff}"},
        {"initial_input": {"deep": [{"ref": "{Reff}"}]}},
        {"ref_user_id": "{Reff}"},
        {"workspaces": ["w", "{Reff}"]},
    ],
    ids=lambda given: next(iter(given)),
)
def test_a_template_of_no_column_is_refused(serve: Serve, given: dict[str, Any]) -> None:
    """Wherever it stands, the error names the parameter, the column and those that there are; nothing is sent."""
    opus = serve(echo())
    (name,) = given
    with pytest.raises(MappingError, match=rf"^{name}= names a column.*\{{Reff\}}.*'Ref'") as caught:
        opus.workflow(echo().id).run(TEXTS, progress="off", **given)
    assert "written" in str(caught.value.next_step) or "twice" in str(caught.value.next_step)
    assert books(opus)["initiations"] == 0


def test_only_values_follow_the_row(serve: Serve) -> None:
    """A name in braces would be another name for each row: refused."""
    opus = serve(echo())
    with pytest.raises(MappingError, match="not their names"):
        opus.workflow(echo().id).run(TEXTS, initial_input={"{Ref}": 1}, progress="off")
    assert books(opus)["initiations"] == 0


def test_a_retry_and_an_opened_run_tell_the_same(serve: Serve) -> None:
    """What a row is told lies in the ledger with it: another process and another attempt say the same."""
    opus = serve(echo(nodes=[Node("Shout", seconds=15)]))
    opus.sandbox.fault("execute", "script", seconds=0.05, end="FAILED", times=1)
    wf = opus.workflow(echo().id)
    run = wf.run(CLAIMS, title="{Ref}", initial_input={"ref": "{Ref}"}, name="half", progress="off", max_concurrency=1)
    while books(opus)["executions"] < 1:
        run.wait(timeout_s=0.02)
    run.let_go()
    again = opus.open_run("half", progress="off").wait()
    again.retry().wait()
    assert dict(again.counts) == {"completed": 2}
    told = {job.title.split()[0]: job.initial["initialInput"] for job in shells(opus)}
    assert told == {"R-7": {"ref": "R-7"}, "R-8": {"ref": "R-8"}}
    assert len([job for job in shells(opus) if job.executed_at]) == 3


def as_its_first_version(folder: Path) -> None:
    """Put what a ledger holds into the tables of the first version."""
    Ledger.at(folder).close()
    path, older = folder / FILE_NAME, folder / "older"
    old = sqlite3.connect(older)
    old.executescript(MIGRATIONS[0][1])
    old.execute("ATTACH ? AS newer", (str(path),))
    for (table,) in old.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
        columns = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})"))
        old.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
    old.commit()
    old.execute("DETACH newer")
    old.execute(f"PRAGMA application_id={APPLICATION_ID}")
    old.execute("PRAGMA user_version=1")
    old.close()
    for file in folder.glob(f"{FILE_NAME}*"):
        file.unlink()
    older.rename(path)


def test_a_run_of_the_ledgers_first_version_opens_and_goes_on(serve: Serve) -> None:
    """The ledger is brought up to date where it lies; nothing is lost or bought again, templates work."""
    opus = serve(echo(nodes=[Node("Shout", seconds=15)]))
    wf = opus.workflow(echo().id)
    sheet = pd.concat([CLAIMS, CLAIMS.assign(Text=["c", "d"], Ref=["R-9", "R-10"])], ignore_index=True)
    plain = {"initial_input": {"kept": "as it is"}, "name": "half", "progress": "off"}
    run = wf.run(sheet[:3], title="{Ref}", max_concurrency=1, **plain)
    while books(opus)["executions"] < 1:
        run.wait(timeout_s=0.02)
    run.let_go()
    before = run.jobs()["job_id"].dropna()
    as_its_first_version(opus._settings.ledger)
    again = opus.open_run("half", progress="off").wait()
    assert Ledger.at(opus._settings.ledger).read("PRAGMA user_version")[0][0] == len(MIGRATIONS)
    assert dict(again.counts) == {"completed": 3}
    assert list(again.jobs()["job_id"][before.index]) == list(before)
    assert {str(each["initialInput"]) for each in initial(opus)} == {"{'kept': 'as it is'}"}
    wf.run(sheet, title="{Ref}", initial_input={"ref": "{Ref}"}, name="half", progress="off").wait()
    assert books(opus)["executions"] == 4
    assert initial(opus)[0]["initialInput"] == {"ref": "R-10"}
