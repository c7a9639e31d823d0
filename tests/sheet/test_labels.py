"""The index of a frame, written down and made again."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from opus_nb.sheet.labels import pack_index, pack_labels, unpack_index

INDEXES = {
    "range": pd.RangeIndex(3),
    "range with steps": pd.RangeIndex(2, 8, 2),
    "numbers with a name": pd.Index([3, 1, 2], name="claim"),
    "decimals with a gap": pd.Index([1.5, np.nan]),
    "texts twice": pd.Index(["a", "a", "b"], dtype="string"),
    "mixed": pd.Index(["a", None, 3], dtype=object),
    "nullable": pd.Index([1, None], dtype="Int64"),
    "yes and no": pd.Index([True, False]),
    "moments in a zone": pd.DatetimeIndex(["2025-01-01", "2025-07-01 12:00"], tz="Europe/Berlin", name="day"),
    "days": pd.Index([dt.date(2025, 1, 1), dt.date(2025, 1, 2)], dtype=object),
    "months": pd.period_range("2025-01", periods=3, freq="M"),
    "durations": pd.TimedeltaIndex(["1h", "1h 2s"]),
    "intervals": pd.interval_range(0, 3, name="size"),
    "intervals of days": pd.interval_range(pd.Timestamp("2025-01-01"), periods=2, freq="D", closed="left"),
    "intervals with a gap": pd.IntervalIndex.from_tuples([(0, 1.5), np.nan]),
    "categories": pd.CategoricalIndex(["a", None, "b"], categories=["b", "a", "z"], ordered=True),
    "categories of intervals": pd.CategoricalIndex(pd.cut([1, 5, 9], 3)),
    "nothing": pd.Index([], dtype=object),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_an_index_survives_being_written_down(index: pd.Index[Any]) -> None:
    """Labels, dtype and name are what they were after a trip through JSON."""
    about = json.loads(json.dumps(pack_index(index)))
    made = unpack_index(about, [json.loads(label) for label in pack_labels(index)])
    pd.testing.assert_index_equal(made, index, exact="equiv", check_names=True)


def test_labels_that_do_not_fit_their_dtype_any_more_are_kept_as_they_are() -> None:
    """A ledger that is damaged, or newer, still gives labels."""
    assert unpack_index({"dtype": "int64"}, ["x", [1, 2]]).tolist() == ["x", (1, 2)]
    assert unpack_index({"dtype": "category"}, ["x"]).tolist() == ["x"]
