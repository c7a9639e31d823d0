"""``wf.map(df)`` against the sandbox's schema: what the plan would do, changed by hand, with its consequences."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import opus_nb
from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID


@pytest.fixture
def claims(opus: opus_nb.Opus) -> opus_nb.Workflow:
    """A workflow with an input of every kind."""
    return opus.workflow(CLAIM_TRIAGE_ID)


@pytest.fixture
def df(tmp_path) -> pd.DataFrame:
    """Six claims: one amount is no number, one form is missing; two columns feed one object."""
    for at in range(6):
        (tmp_path / f"form-{at}.txt").write_text(f"Claim CL-{at}")
    return pd.DataFrame(
        {
            "Claim reference": [f"CL-{at}" for at in range(6)],
            "LoB": ["motor", "travel"] * 3,
            "Claimed amount": ["100", "250,5", "lots", "3", "4", "5"],
            "Loss date": ["2025-03-04"] * 6,
            "Claim form": [str(tmp_path / f"form-{at}.txt") for at in range(5)] + ["missing.txt"],
            "Policy.Policy number": "P-1",
            "Policy.Limit": 5000,
            "Notes": "none",
        },
        index=[f"row {at}" for at in range(6)],
    )


def shown(mapper: Any, name: str) -> str:
    """What stands beside one input."""
    return str(mapper._lines[name]._about.value)


def choose(mapper: Any, name: str, column: Any) -> None:
    """Choose a column and judge at once, in this thread."""
    object.__setattr__(mapper._environment, "repaints_finished_cells", False)
    mapper._lines[name].choose(column)


def test_it_begins_where_the_plan_would(claims, df):
    """The same columns, scores and reasons as plan.mapping."""
    mapper, plan = claims.map(df), claims.plan(df)
    expected = dict(zip(plan.mapping["variable_name"], plan.mapping["column"], strict=True))
    assert mapper._chosen() == {name: column for name, column in expected.items() if not pd.isna(column)}
    for line in plan.mapping.itertuples():
        if not pd.isna(line.column):
            assert f"score {line.score:.2f}" in shown(mapper, line.variable_name)


def test_samples_are_as_they_would_be_sent_and_bad_cells_are_counted(claims, df):
    """Numbers cast, files by name, the first bad cell with its row and its problem."""
    mapper = claims.map(df, columns={"Claimed amount": "Claimed amount"}, decimal=",")
    assert "<code>100.0</code>, <code>250.5</code>, <code>3.0</code>" in shown(mapper, "claimed_amount")
    assert "<b>1</b> bad cell, the first in row row 2: " in shown(mapper, "claimed_amount")
    assert "<code>form-0.txt</code>" in shown(mapper, "claim_form")
    assert "row row 5" in shown(mapper, "claim_form")


def test_the_counts_are_those_of_the_plan_whatever_is_chosen(claims, df):
    """Ready rows by input add up to what the whole sheet's check says."""
    mapper = claims.map(df)
    for name, column in [("line_of_business", "LoB"), ("date_of_loss", "Loss date"), ("remarks", "Notes")]:
        choose(mapper, name, column)
        look = mapper._look(mapper._chosen(), mapper._fixed())
        assert look.ready == mapper.plan().ready
        assert look.rows == 6
    choose(mapper, "claim_reference", None)
    assert "nothing feeds Claim reference" in mapper._summary.value
    assert mapper._look(mapper._chosen(), mapper._fixed()).ready == mapper.plan().ready == 0


def test_nothing_means_nothing_also_where_the_names_are_equal(claims, df):
    """A column left out by hand does not come back by its name in the plan."""
    mapper = claims.map(df.assign(Remarks="private"))
    assert mapper.columns["Remarks"] == "Remarks"
    choose(mapper, "remarks", None)
    plan = mapper.plan()
    assert "remarks" not in plan._sheet.inputs_of(0)
    assert "left out by hand" in shown(mapper, "remarks")


def test_a_guess_that_was_left_is_no_guess_in_the_plan(claims, df):
    """Who looked at it need not be warned of it."""
    mapper = claims.map(df)
    choose(mapper, "line_of_business", "LoB")
    choose(mapper, "date_of_loss", "Loss date")
    assert "guessed_column" not in set(mapper.plan().issues["code"])


def test_an_object_fed_by_several_columns_stays_so(claims, df):
    """It is offered for its input alone, is no column of the sheet, and reaches the plan."""
    mapper = claims.map(df)
    assert mapper._lines["policy"].column == "Policy.*"
    assert "Policy" not in mapper.columns
    assert mapper.plan()._sheet.inputs_of(0)["policy"] == {"number": "P-1", "limit": 5000.0}


def test_constants_are_cast_and_their_problems_told(claims, df):
    """A typed constant is shown as it would be sent."""
    mapper = claims.map(df, constants={"Number of items": "3", "Police informed": "perhaps"})
    assert "<code>3</code>" in shown(mapper, "number_of_items")
    assert "perhaps" in shown(mapper, "police_informed")
    assert mapper.constants == {"Number of items": "3", "Police informed": "perhaps"}


def test_a_saved_choice_is_loaded_for_another_sheet(claims, df, tmp_path):
    """By display name, with what is fed by nothing on purpose."""
    mapper = claims.map(df.assign(Remarks="private"))
    choose(mapper, "line_of_business", "LoB")
    choose(mapper, "remarks", None)
    kept = mapper.save(tmp_path / "mapping.json")
    assert json.loads(kept.read_text())["columns"]["Line of business"] == "LoB"
    other = claims.map(df.assign(Remarks="private").iloc[:2])
    assert other.load(kept) == []
    assert other.columns == mapper.columns
    assert "Remarks" not in other.columns


def test_another_choice_costs_one_column(claims, df, monkeypatch):
    """Only the input that changed is judged again; going back costs nothing."""
    from opus_nb.interactive import mappers

    mapper = claims.map(df)
    asked: list[int] = []
    real = mappers.check_sheet
    monkeypatch.setattr(mappers, "check_sheet", lambda *a, **k: asked.append(1) or real(*a, **k))
    choose(mapper, "line_of_business", "LoB")
    before = len(asked)
    choose(mapper, "remarks", "Notes")
    assert len(asked) == before + 1
    choose(mapper, "remarks", None)
    choose(mapper, "remarks", "Notes")
    assert len(asked) <= before + 2


def test_the_plan_of_the_mapper_runs(claims, df):
    """Through to results, the bad rows left out."""
    mapper = claims.map(df, constants={"Remarks": "by map"}, decimal=",")
    choose(mapper, "line_of_business", "LoB")
    choose(mapper, "date_of_loss", "Loss date")
    results = mapper.plan().start(on_invalid="skip", progress="off").wait().results()
    assert list(results.index) == list(df.index)
    assert list(np.flatnonzero(results["state"] == "invalid")) == [2, 5]
