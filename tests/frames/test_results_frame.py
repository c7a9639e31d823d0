"""What `results_frame` promises, column by column."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opus_nb.errors import SettingsError
from opus_nb.frames.results import results_frame
from opus_nb.job import COUNT_NAMES, Outcome, RowState
from opus_nb.service.schema import Schema

NO_OUTPUTS = Schema()
Maker = Callable[..., Any]


def frame_of(outcomes: list[Outcome], outputs: Schema = NO_OUTPUTS) -> pd.DataFrame:
    """Return the frame over a plain index."""
    return results_frame(outcomes, pd.RangeIndex(len(outcomes)), outputs)


def test_state_is_the_count_name_and_every_name_is_a_category(mixed_outcomes: list[Outcome]) -> None:
    """``state`` holds the words of ``run.counts``, with all of them as categories."""
    frame = frame_of(mixed_outcomes)
    assert list(frame["state"]) == [each.state.count_name for each in mixed_outcomes]
    assert tuple(frame["state"].cat.categories) == COUNT_NAMES


def test_every_state_of_a_row_has_its_place(make_outcome: Maker) -> None:
    """No state of the protocol is without a word in the frame."""
    frame = frame_of([make_outcome(place, state=state) for place, state in enumerate(RowState)])
    assert list(frame["state"]) == [state.count_name for state in RowState]


def test_job_id_is_text_and_missing_where_nothing_was_initiated(mixed_outcomes: list[Outcome]) -> None:
    """``job_id`` comes from the outcome as string, NA where there is none."""
    frame = frame_of(mixed_outcomes)
    assert frame["job_id"].dtype == "string"
    assert frame["job_id"].iloc[0] == "2500"
    assert frame["job_id"].isna().tolist() == [each.job_id is None for each in mixed_outcomes]


def test_error_is_missing_when_fine_and_text_when_not(mixed_outcomes: list[Outcome]) -> None:
    """``error`` is NA on rows that are fine or not over, and text on every row that ended without success."""
    frame = frame_of(mixed_outcomes)
    assert frame["error"].dtype == "string"
    assert frame["error"].notna().tolist() == [False, False, False, True, False, False, False, True]
    assert frame["error"].iloc[7] == "amount: 'abc' is no number"


@pytest.mark.parametrize("state", [s for s in RowState if s.is_final and s is not RowState.COMPLETED])
def test_a_row_that_ended_badly_always_says_something(make_outcome: Maker, state: RowState) -> None:
    """Where nobody gave a reason, the error still says what happened."""
    frame = frame_of([make_outcome(state=state, word=None, error=None)])
    assert len(frame["error"].iloc[0]) > 8


def test_a_failure_without_a_reason_names_the_node(mixed_outcomes: list[Outcome]) -> None:
    """Opus seldom says why; which node failed first is in the audit."""
    assert "'Read'" in frame_of(mixed_outcomes)["error"].iloc[3]


def test_a_failure_at_the_first_node_points_at_the_inputs(make_outcome: Maker, audit_text: Maker) -> None:
    """A run that fails in its input node was most often sent a wrong type."""
    audit = audit_text(("Input", "FAILED", 0.002), ("Read", "FAILED", 0))
    frame = frame_of([make_outcome(state=RowState.FAILED, audit=audit)])
    assert "'Input'" in frame["error"].iloc[0]
    assert "wrong type" in frame["error"].iloc[0]


def test_cancelled_before_sending_says_so(make_outcome: Maker) -> None:
    """A row that was cancelled before it left has no job id and says that it was never sent."""
    frame = frame_of([make_outcome(state=RowState.CANCELLED, job_id=None, word=None)])
    assert frame["error"].iloc[0] == "cancelled before it was sent"


@pytest.mark.parametrize(
    ("kind", "value", "dtype", "shown"),
    [
        ("str", "text", "string", "text"),
        ("str", '{"a": 1}', "string", '{"a": 1}'),
        ("file", "https://files.example/o.pdf", "string", "https://files.example/o.pdf"),
        ("float", 1.5, "Float64", 1.5),
        ("float", 3, "Float64", 3.0),
        ("float", "92.5", "Float64", 92.5),
        ("int", 7, "Int64", 7),
        ("int", 7.0, "Int64", 7),
        ("int", "7", "Int64", 7),
        ("bool", True, "boolean", True),
        ("bool", "false", "boolean", False),
        ("date", "2025-10-27", "datetime64[ns]", pd.Timestamp("2025-10-27")),
        ("date", "2025-10-27T12:00:00Z", "datetime64[ns, UTC]", pd.Timestamp("2025-10-27T12:00Z")),
        ("array", [1, 2], "object", [1, 2]),
        ("array", "```json\n[1, 2]\n```", "object", [1, 2]),
        ("object", {"grade": "A"}, "object", {"grade": "A"}),
        ("files", ["https://files.example/a.pdf"], "object", ["https://files.example/a.pdf"]),
        ("json", '{"a": [1]}', "object", {"a": [1]}),
    ],
)
def test_an_output_has_the_dtype_of_its_declared_type(
    make_outcome: Maker, make_schema: Maker, results_text: Maker, kind: str, value: Any, dtype: str, shown: Any
) -> None:
    """A declared type decides the dtype, beside a row that has no answer."""
    outcomes = [
        make_outcome(0, results=results_text(o_1={"value": value})),
        make_outcome(1, state=RowState.RUNNING),
    ]
    frame = frame_of(outcomes, make_schema(o_1=("Answer", kind)))
    assert str(frame["Answer"].dtype) == dtype
    assert frame["Answer"].iloc[0] == shown
    assert pd.isna(frame["Answer"].iloc[1])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("float", [1.5, "about two"]),
        ("float", [1.5, "007"]),
        ("float", [0.5, 2**53 + 1]),
        ("float", [1.0, True]),
        ("int", [1, 2.5]),
        ("int", [1, 2**63]),
        ("bool", [True, 1]),
        ("date", ["2025-10-27", "soon"]),
        ("date", ["2025-10-27", "9999-12-31"]),
        ("date", ["2025-10-27", "2025-10-27T10:00:00+02:00"]),
        ("date", ["2025-10-27", 20251027]),
        ("str", ["text", 5]),
        ("str", ["text", ["a", "b"]]),
    ],
)
def test_a_value_that_does_not_fit_is_kept_as_it_came(
    make_outcome: Maker, make_schema: Maker, results_text: Maker, kind: str, values: list[Any]
) -> None:
    """One value beyond the declared type makes the column object, and every value stays what it was."""
    outcomes = [make_outcome(place, results=results_text(o_1={"value": v})) for place, v in enumerate(values)]
    frame = frame_of(outcomes, make_schema(o_1=("Answer", kind)))
    assert frame["Answer"].dtype == object
    assert list(frame["Answer"]) == values
    assert list(map(type, frame["Answer"])) == list(map(type, values))


def test_declared_columns_exist_before_any_answer(make_outcome: Maker, make_schema: Maker) -> None:
    """A run that has just begun already has the columns that it will fill, typed."""
    frame = frame_of(
        [make_outcome(state=RowState.PLANNED)], make_schema(o_1=("Summary", "str"), o_2=("Score", "float"))
    )
    assert list(frame.columns) == ["state", "job_id", "error", "Summary", "Score"]
    assert str(frame["Score"].dtype) == "Float64"


def test_the_free_shape_becomes_columns_by_key(make_outcome: Maker) -> None:
    """The quickstart's answers become ``summary``, ``outputFiles`` and dotted keys below ``data``."""
    reply = {
        "jobExecutionId": "2514",
        "status": "COMPLETED",
        "results": {
            "summary": "text",
            "outputFiles": ["https://files.opus.com/media/private/generated/o.pdf"],
            "data": {"score": 92, "verdict": "PASS"},
        },
    }
    frame = frame_of([make_outcome(0, results=json.dumps(reply)), make_outcome(1)])
    assert list(frame.columns[3:]) == ["summary", "outputFiles", "data.score", "data.verdict"]
    assert frame.loc[0, "data.score"] == 92
    assert frame.loc[0, "outputFiles"] == reply["results"]["outputFiles"]
    assert frame.loc[1, "summary":].isna().all()


def test_columns_are_the_union_over_branches(make_outcome: Maker, results_text: Maker) -> None:
    """Jobs that end at different output nodes fill different columns."""
    frame = frame_of(
        [
            make_outcome(0, results=results_text(o_a={"value": "yes", "displayName": "Approval", "type": "str"})),
            make_outcome(1, results=results_text(o_b={"value": "no", "displayName": "Refusal", "type": "str"})),
        ]
    )
    assert frame["Approval"].isna().tolist() == [False, True]
    assert frame["Refusal"].isna().tolist() == [True, False]


@pytest.mark.parametrize("name", ["state", "job_id", "error"])
def test_an_output_never_replaces_our_own_columns(
    make_outcome: Maker, make_schema: Maker, results_text: Maker, name: str
) -> None:
    """An output called like one of our columns stands beside it with ``_output`` at its end."""
    outcome = make_outcome(results=results_text(o_1={"value": "theirs"}))
    frame = frame_of([outcome], make_schema(o_1=(name, "str")))
    assert list(frame.columns) == ["state", "job_id", "error", f"{name}_output"]
    assert frame[f"{name}_output"].iloc[0] == "theirs"
    assert frame["state"].iloc[0] == "completed"


def test_outputs_with_one_display_name_stay_apart(make_outcome: Maker, make_schema: Maker, results_text: Maker) -> None:
    """Two outputs called the same are two columns, and neither loses a value."""
    outcome = make_outcome(results=results_text(o_1={"value": "first"}, o_2={"value": "second"}))
    frame = frame_of([outcome], make_schema(o_1=("Summary", "str"), o_2=("Summary", "str")))
    assert frame.columns.is_unique
    assert frame.iloc[0, 3:].tolist() == ["first", "second"]


def test_a_renamed_variable_fills_the_declared_column(
    make_outcome: Maker, make_schema: Maker, results_text: Maker
) -> None:
    """An author's edit in the middle of a run gives new variable names; the display name still leads home."""
    outcomes = [
        make_outcome(0, results=results_text(old={"value": "a", "displayName": "Summary"})),
        make_outcome(1, results=results_text(new={"value": "b", "displayName": "Summary"})),
    ]
    frame = frame_of(outcomes, make_schema(old=("Summary", "str")))
    assert list(frame.columns[3:]) == ["Summary"]
    assert frame["Summary"].tolist() == ["a", "b"]


def test_two_answers_under_one_name_in_one_job_are_not_merged(
    make_outcome: Maker, make_schema: Maker, results_text: Maker
) -> None:
    """Where a job answers under the declared and under a strange name, both answers are kept."""
    reply = results_text(old={"value": "a", "displayName": "Summary"}, new={"value": "b", "displayName": "Summary"})
    frame = frame_of([make_outcome(results=reply)], make_schema(old=("Summary", "str")))
    assert sorted(frame.iloc[0, 3:]) == ["a", "b"]


def test_results_that_are_no_json_are_an_error_in_their_row(make_outcome: Maker, results_text: Maker) -> None:
    """A damaged reply is said in ``error`` and hurts no other row."""
    outcomes = [make_outcome(0, results='{"cut'), make_outcome(1, results=results_text(o_1={"value": "fine"}))]
    frame = frame_of(outcomes)
    assert "cannot be read" in frame["error"].iloc[0]
    assert pd.isna(frame["error"].iloc[1])
    assert frame["o_1"].iloc[1] == "fine"


def test_an_index_of_another_length_is_refused(make_outcome: Maker) -> None:
    """Answers are never laid beside the wrong rows."""
    with pytest.raises(SettingsError, match="not as many"):
        results_frame([make_outcome()], pd.RangeIndex(2), NO_OUTPUTS)


INDEXES = st.one_of(
    st.lists(st.integers(-5, 5)).map(lambda labels: pd.Index(labels, dtype="int64")),
    st.lists(st.text(max_size=3)).map(lambda labels: pd.Index(labels, dtype=object)),
    st.lists(st.floats()).map(lambda labels: pd.Index(labels, dtype="float64")),
    st.lists(st.datetimes(min_value=pd.Timestamp("1990-01-01").to_pydatetime())).map(pd.DatetimeIndex),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), min_size=1).map(pd.MultiIndex.from_tuples),
    st.lists(st.sampled_from(["x", "y"])).map(lambda labels: pd.CategoricalIndex(labels, categories=["x", "y"])),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(index=INDEXES, data=st.data())
def test_index_in_is_index_out(make_outcome: Maker, results_text: Maker, index: pd.Index, data: Any) -> None:
    """Whatever the index is, duplicates and no rows included, the frame has it, and each answer stands in its row."""
    states = data.draw(st.lists(st.sampled_from(list(RowState)), min_size=len(index), max_size=len(index)))
    outcomes = [
        make_outcome(place, state=state, results=results_text(o_1=place) if state is RowState.COMPLETED else None)
        for place, state in enumerate(states)
    ]
    frame = results_frame(outcomes, index, NO_OUTPUTS)
    pd.testing.assert_index_equal(frame.index, index, exact=True)
    assert frame["state"].tolist() == [state.count_name for state in states]
    if "o_1" in frame:
        expected = [place if state is RowState.COMPLETED else None for place, state in enumerate(states)]
        assert [None if pd.isna(value) else value for value in frame["o_1"]] == expected


def test_no_rows_still_have_their_columns(make_schema: Maker) -> None:
    """A sheet without rows gives a frame without rows, with every column and dtype."""
    frame = frame_of([], make_schema(o_1=("Score", "float")))
    assert frame.shape == (0, 4)
    assert str(frame["Score"].dtype) == "Float64"


def test_a_declared_object_that_came_in_pieces_leaves_no_empty_column(make_outcome: Maker, make_schema: Maker) -> None:
    """``data`` is declared, the answers hold ``data.score``: no hollow ``data`` beside it, unless a job filled it."""
    outputs = make_schema(out_data=("data", "object"))
    pieces = make_outcome(0, results=json.dumps({"results": {"data": {"score": 92}}}))
    whole = make_outcome(1, results=json.dumps({"jobResultsPayloadSchema": {"out_data": {"value": {"score": 5}}}}))
    assert list(frame_of([pieces], outputs).columns)[3:] == ["data.score"]
    both = frame_of([pieces, whole], outputs)
    assert both.loc[1, "data"] == {"score": 5}
