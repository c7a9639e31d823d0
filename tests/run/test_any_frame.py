"""Any frame that pandas can hold gives a plan that says what is wrong, or one of our errors; never a traceback."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opus_nb.errors import OpusError

MOMENTS = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001
TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "1,25",
        "1.250,50",
        "03/04/2025",
        "x;y",
        "[1, 2",
        '{"a": 1}',
        "#N/A",
        "a.pdf",
        "\u00a0x",
        "=1+1",
        "\ud800",
        "ja",
        "12%",
    ]
)
# A dtype of pandas, and the values that go into it.
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint8": st.integers(0, 255),
    "Int64": st.none() | st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(),
    "float32": st.floats(width=32),
    "Float64": st.none() | st.floats(allow_nan=False),
    "complex128": st.complex_numbers(),
    "bool": st.booleans(),
    "boolean": st.none() | st.booleans(),
    "string": st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8),
    "category": st.sampled_from(["yes", "no", "maybe"]),
    "datetime64[ns]": MOMENTS,
    "datetime64[s]": MOMENTS,
    "datetime64[ns, Asia/Dubai]": MOMENTS,
    "timedelta64[ns]": st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999)),
    "period[D]": MOMENTS,
    "interval[int64, right]": st.integers(0, 9).map(lambda left: pd.Interval(left, left + 1)),
    "Sparse[float]": st.sampled_from([0.0, 1.0, float("nan")]),
    "int64[pyarrow]": st.none() | st.integers(-(2**63), 2**63 - 1),
    "double[pyarrow]": st.none() | st.floats(allow_nan=False),
    "string[pyarrow]": st.none() | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8),
    "bool[pyarrow]": st.none() | st.booleans(),
    "date32[pyarrow]": st.none() | MOMENTS.map(dt.datetime.date),
    "timestamp[us][pyarrow]": st.none() | MOMENTS,
    "object": st.none()
    | TEXTS
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.binary(max_size=3)
    | st.lists(TEXTS, max_size=2)
    | st.dictionaries(TEXTS, st.integers(), max_size=2)
    | st.sampled_from(
        [pd.NA, pd.NaT, Path("a.pdf"), Decimal("NaN"), np.float32(1.5), b"x", int, pd.Timestamp(0, tz="UTC")]
    ),
}
HEADERS = ["Text", "Number", "Yes or no", "Date", "Files", "", "x", 5, None, ("a", 1), "Unnamed: 3", "\ud800"]


@st.composite
def frames(draw: st.DrawFn, names: list[str]) -> pd.DataFrame:
    """Return a small frame of any dtypes, under headers of the workflow and others, with an index of any kind."""
    rows = draw(st.integers(0, 4))
    columns = []
    for _ in range(draw(st.integers(0, 5))):
        dtype = draw(st.sampled_from(sorted(COLUMNS)))
        cells = draw(st.lists(COLUMNS[dtype], min_size=rows, max_size=rows))
        series: pd.Series[Any] = pd.Series([None] * rows, dtype=object)
        for place, cell in enumerate(cells):
            series.iat[place] = cell
        columns.append(series if dtype == "object" else pd.Series(cells, dtype=dtype))
    headers = draw(st.lists(st.sampled_from([*names, *HEADERS]), min_size=len(columns), max_size=len(columns)))
    frame = pd.DataFrame(dict(enumerate(columns)), index=range(rows))
    frame.columns = pd.Index(headers, dtype=object, tupleize_cols=False)
    kind = draw(st.sampled_from(["range", "text", "date", "same", "interval", "period", "levels"]))
    frame.index = {
        "range": pd.RangeIndex(rows),
        "text": pd.Index([f"r{row}" for row in range(rows)], dtype=object),
        "date": pd.date_range("2025-01-01", periods=rows, tz="UTC"),
        "same": pd.Index([1] * rows, dtype="int64"),
        "interval": pd.interval_range(0, rows) if rows else pd.IntervalIndex([]),
        "period": pd.period_range("2025-01", periods=rows, freq="M"),
        "levels": pd.MultiIndex.from_tuples([("a", row) for row in range(rows)], names=["x", "y"]),
    }[kind]
    return frame


def test_any_frame_gives_a_plan_or_one_of_our_errors(opus, tmp_path):
    """Planned, shown, painted and written for mending: whatever the frame holds."""
    inputs = opus.workflow("C7mTqZ4LxNe2RwPa")
    names = [*inputs.inputs["display_name"], "Policy.Limit", "Evidence 1", "Evidence 2"]

    @settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
    @given(frames(names))
    def try_one(df: pd.DataFrame) -> None:
        before = df.copy()
        refused = None
        try:
            plan = inputs.plan(df, files_root=tmp_path)
        except OpusError as problem:
            refused = problem
        if refused is not None:
            assert refused.next_step
            return
        assert len(plan) == len(df)
        assert 0 <= plan.ready <= len(df)
        assert (plan.issues["problem"].str.len() > 0).all()
        assert (plan.issues["fix"].str.len() > 0).all()
        assert (plan.estimate["jobs"], plan.default_name) == (plan.ready, plan.default_name)
        assert repr(plan)
        assert plan._repr_html_()
        assert plan.show().html
        plan.to_excel(tmp_path / "fix-me.xlsx")
        pd.testing.assert_frame_equal(df, before)

    try_one()
