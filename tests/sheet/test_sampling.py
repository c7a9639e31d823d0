"""The rows of a pilot stand for the sheet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.service.schema import Field, Schema
from opus_nb.sheet import check_sheet, map_columns
from opus_nb.sheet.checked import CheckedSheet
from opus_nb.sheet.sampling import choose_sample


def checked(df: pd.DataFrame, **kinds: str) -> CheckedSheet:
    """Check a frame against nullable inputs of these kinds."""
    fields = tuple(Field(name, name, kind, kind, False) for name, kind in kinds.items())
    schema = Schema(fields)
    return check_sheet(df, schema, map_columns(df, schema))


def test_rare_categories_missing_values_and_extremes_come_first() -> None:
    """Among a hundred alike rows the four odd ones are found."""
    df = pd.DataFrame({"kind": ["usual"] * 100, "amount": [10.0] * 100})
    df.loc[17, "kind"] = "rare"
    df.loc[42, "kind"] = None
    df.loc[63, "amount"] = 99_999.0
    df.loc[80, "amount"] = 0.5
    assert {17, 42, 63, 80} <= set(choose_sample(checked(df, kind="str", amount="float"), 5))


def test_the_largest_file_and_each_kind_of_file_are_in(tmp_path: Path) -> None:
    """Files count by size and kind."""
    for number in range(20):
        (tmp_path / f"{number}.txt").write_text("x" * (10 + number % 3))
    (tmp_path / "7.txt").write_text("x" * 5000)
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.4 x")
    paths = [str(tmp_path / f"{number}.txt") for number in range(20)]
    paths[13] = str(tmp_path / "scan.pdf")
    chosen = choose_sample(checked(pd.DataFrame({"file": paths}), file="file"), 3)
    assert {7, 13} <= set(chosen)


def test_rows_that_cannot_be_sent_are_never_chosen() -> None:
    """A bad cell makes no pilot."""
    df = pd.DataFrame({"amount": ["1", "two", "3"]})
    assert choose_sample(checked(df, amount="float"), 3) == [0, 2]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["a", "b", "c", None]), max_size=30), st.integers(1, 12))
def test_never_more_than_asked_never_twice_always_the_same(cells: list[str | None], count: int) -> None:
    """As many as asked where there are enough, in the order of the sheet, every time alike."""
    sheet = checked(pd.DataFrame({"kind": pd.Series(cells, dtype=object)}), kind="str")
    chosen = choose_sample(sheet, count)
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= count
    assert chosen == choose_sample(sheet, count)
