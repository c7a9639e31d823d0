"""Where the rows of a frame stand in a workbook that somebody has worked on."""

from __future__ import annotations

from typing import Any

import openpyxl
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.sheet.places import find_places

ROWS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 2), st.sampled_from(["open", None])), max_size=9)


@settings(deadline=None, max_examples=300)
@given(ROWS, st.data())
def test_a_place_always_holds_a_row_that_is_alike(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    """Rows of the frame are taken out and numbered anew, rows of the workbook put in: no two rows share a place."""
    df = pd.DataFrame(rows, columns=["Ref", "Amount", "State"], dtype=object)
    part = df.iloc[[at for at in range(len(rows)) if data.draw(st.booleans())]]
    part = part.reset_index(drop=True) if data.draw(st.booleans()) else part
    now = list(rows)
    for row in data.draw(ROWS):
        now.insert(data.draw(st.integers(0, len(now))), row)
    book: Any = openpyxl.Workbook()
    for row in [("Ref", "Amount", "State"), *now]:
        book.active.append(row)
    numbers = list(range(2, len(rows) + 2))
    supposed = [numbers[label] for label in part.index]
    places = find_places(part, book.active, [1, 2, 3], supposed, header_row=1, read_rows=numbers)
    found = [place for place in places if place is not None]
    assert len(found) == len(set(found))
    for place, ours in zip(places, part.itertuples(index=False), strict=True):
        if place is not None:
            pairs = zip(ours, [cell.value for cell in book.active[place]], strict=True)
            assert sum(mine != other for mine, other in pairs if not pd.isna(mine) and other is not None) <= 1


@given(st.lists(st.text(max_size=5).filter(str.isalnum), unique=True, min_size=1, max_size=8), st.data())
def test_rows_that_differ_are_found_wherever_they_are(refs: list[str], data: st.DataObject) -> None:
    """A frame in any order, numbered anew, finds each of its rows."""
    order = data.draw(st.permutations(range(len(refs))))
    book: Any = openpyxl.Workbook()
    for row in [("Ref",), *((ref,) for ref in refs)]:
        book.active.append(row)
    df = pd.DataFrame({"Ref": [refs[at] for at in order]}, dtype=object)
    numbers = list(range(2, len(refs) + 2))
    places = find_places(df, book.active, [1], numbers, header_row=1, read_rows=numbers)
    assert places == [at + 2 for at in order]
