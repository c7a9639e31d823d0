"""What `jobs_frame` promises, column by column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.frames.columns import time_column
from opus_nb.frames.jobs import jobs_frame
from opus_nb.job import Outcome, RowState

Maker = Callable[..., Any]
COLUMNS = {
    "job_id": "string",
    "state": "category",
    "started_at": "datetime64[ns, UTC]",
    "ended_at": "datetime64[ns, UTC]",
    "duration_s": "Float64",
    "tries": "Int64",
    "error": "string",
    "word": "string",
    "title": "string",
    "price_estimate": "Float64",
    "note": "string",
}


@pytest.mark.parametrize("rows", [0, 1])
def test_columns_and_dtypes_are_always_the_same(make_outcome: Maker, rows: int) -> None:
    """The eleven columns keep their order and dtypes, also without rows."""
    frame = jobs_frame([make_outcome()][:rows], pd.RangeIndex(rows))
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == COLUMNS


@pytest.mark.parametrize(
    ("column", "attribute", "value", "shown"),
    [
        ("job_id", "job_id", "9761", "9761"),
        ("state", "state", RowState.TIMED_OUT, "timed_out"),
        ("started_at", "started_at", 1_763_374_603.25, pd.Timestamp("2025-11-17T10:16:43.25Z")),
        ("ended_at", "ended_at", 1_763_374_700.0, pd.Timestamp("2025-11-17T10:18:20Z")),
        ("tries", "tries", 3, 3),
        ("error", "error", "the reason", "the reason"),
        ("word", "word", "TIMED_OUT", "TIMED_OUT"),
        ("title", "title", "Claim 7", "Claim 7"),
        ("price_estimate", "price_estimate", 0.25, 0.25),
    ],
)
def test_each_column_comes_from_the_field_it_names(
    make_outcome: Maker, column: str, attribute: str, value: Any, shown: Any
) -> None:
    """Changing one field of the outcome changes the column of that name."""
    outcome = make_outcome(**{"state": RowState.FAILED, attribute: value})
    assert jobs_frame([outcome], pd.Index(["row"]))[column].iloc[0] == shown


def test_duration_is_the_span_between_start_and_end(make_outcome: Maker) -> None:
    """``duration_s`` is in seconds, and NA while one of the two is unknown."""
    outcomes = [make_outcome(started_at=100.0, ended_at=112.5), make_outcome(started_at=100.0, ended_at=None)]
    frame = jobs_frame(outcomes, pd.RangeIndex(2))
    assert frame["duration_s"].iloc[0] == 12.5
    assert frame["duration_s"].isna().tolist() == [False, True]


def test_what_is_waited_for_is_a_note_and_no_error(mixed_outcomes: list[Outcome]) -> None:
    """A row that waits for a person is not wrong: its text stands under ``note``."""
    frame = jobs_frame(mixed_outcomes, pd.RangeIndex(len(mixed_outcomes)))
    assert frame["note"].iloc[4] == "a person"
    assert pd.isna(frame["error"].iloc[4])
    assert pd.isna(frame["note"].iloc[7])


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0, 4e9).map(lambda t: round(t, 6)))))
def test_times_survive_to_the_microsecond(seconds: list[float | None]) -> None:
    """Unix seconds become UTC times and come back as they were, to the microsecond."""
    back = [None if pd.isna(stamp) else stamp.timestamp() for stamp in time_column(seconds)]
    assert back == [None if each is None else pytest.approx(each, abs=1.1e-6) for each in seconds]
