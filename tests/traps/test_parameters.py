"""Every parameter of ``POST /job/initiate``: given anywhere, the nearest wins, and checked before it is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trap_making import books, echo, quicken, shells

import opus_nb
from opus_nb.errors import NotFound, SettingsError
from opus_nb.sandbox import Input, Output, WorkflowDefinition, workflow

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


def test_initial_input_is_no_template(serve: Serve) -> None:
    """A column in braces would be sent as it stands: that is refused instead; other braces are text."""
    opus = serve(echo())
    wf = opus.workflow(echo().id)
    with pytest.raises(SettingsError, match="not filled in"):
        wf.plan(TEXTS, initial_input={"ref": "{Ref}"}).start(progress="off")
    assert books(opus)["initiations"] == 0
    wf.run(TEXTS, initial_input={"ref": "{anything}"}, progress="off").wait()
    assert shells(opus)[0].initial["initialInput"] == {"ref": "{anything}"}
