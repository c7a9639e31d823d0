"""Values of every type: from a cell to the wire, and through a workbook and back."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sheet_making import make_field

from opus_nb.service.schema import Field, Schema
from opus_nb.service.values import build_payload
from opus_nb.sheet import check_sheet, map_columns, read_sheet, write_fix_me
from opus_nb.sheet.cells import clean_text, is_cell_error

# What stays as it is: nothing that XML has no place for, no spaces at the ends, nothing that looks empty.
LETTERS = st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"])
TEXTS = st.text(LETTERS | st.sampled_from("=+-@;\n\u00a0_x0041_"), min_size=1, max_size=20).filter(
    lambda text: (
        text == text.strip(" \t\r\n\u00a0\u202f\u2007\ufeff\u200b") and clean_text(text) and not is_cell_error(text)
    )
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ADDRESS = st.from_regex(r"https://files\.example/[a-z0-9]{1,9}\.pdf", fullmatch=True)

# For each type: what stands in the cells, and what is to arrive.
KINDS: dict[str, tuple[Field, st.SearchStrategy[tuple[Any, Any]]]] = {
    "str": (make_field("str"), TEXTS.map(lambda value: (value, value))),
    "float": (make_field("float"), NUMBERS.map(lambda value: (value, value))),
    "float, written": (
        make_field("float"),
        st.decimals(-(10**12), 10**12, places=2).map(lambda value: (f"{value:,.2f}", float(value))),
    ),
    "int": (make_field("int"), st.integers(-(2**80), 2**80).map(lambda value: (value, value))),
    "bool": (make_field("bool"), st.booleans().map(lambda value: (value, value))),
    "bool, written": (make_field("bool"), st.sampled_from([("ja", True), ("non", False), ("x", True), ("0", False)])),
    "date": (make_field("date"), st.dates(dt.date(1000, 1, 1)).map(lambda value: (value, value.isoformat()))),
    "date, as asked": (
        make_field("date", type_definition="%d.%m.%Y"),
        st.dates(dt.date(1900, 3, 1)).map(lambda value: (value, value.strftime("%d.%m.%Y"))),
    ),
    "array": (make_field("array"), st.lists(JSON, max_size=4).map(lambda value: (value, value))),
    "array, written": (
        make_field("array", item=make_field("int", "item")),
        st.lists(st.integers(-99, 10**9), min_size=2, max_size=4).map(lambda value: (";".join(map(str, value)), value)),
    ),
    "object": (make_field("object"), st.dictionaries(TEXTS, JSON, max_size=3).map(lambda value: (value, value))),
    "json": (make_field("json"), JSON.map(json.dumps).map(lambda value: (value, value))),
    "file": (make_field("file"), ADDRESS.map(lambda value: (value, value))),
    "files": (make_field("files"), st.lists(ADDRESS, min_size=2, max_size=3).map(lambda v: (v, v))),
}


def payload(df: pd.DataFrame, schema: Schema) -> list[Any]:
    """Return what each row would send, as the other side reads it."""
    checked = check_sheet(df, schema, map_columns(df, schema), decimal=".")
    assert not checked.invalid.any(), checked.issues[["value", "problem"]].to_string()
    sent = [build_payload(schema, checked.inputs_of(position)) for position in range(len(df))]
    return [row["value"] for row in json.loads(json.dumps(sent, allow_nan=False))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_arrives_as_it_was_meant_also_by_way_of_a_workbook(kind: str, tmp_path: Path) -> None:
    """What a cell says is what is sent, and the copy to be mended says the same."""
    field, pairs = KINDS[kind]
    schema = Schema((field,))

    @settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
    @given(st.lists(pairs, min_size=1, max_size=4))
    def there_and_back(drawn: list[tuple[Any, Any]]) -> None:
        series = pd.Series([None] * len(drawn), dtype=object)
        for place, (cell, _) in enumerate(drawn):
            series.iat[place] = cell
        df = pd.DataFrame({"Value": series})
        sent = payload(df, schema)
        assert [each["value"] for each in sent] == [value for _, value in drawn]
        assert {(each["type"], each["displayName"]) for each in sent} == {(field.type, "Value")}
        checked = check_sheet(df, schema, map_columns(df, schema), decimal=".")
        copy = write_fix_me(tmp_path / "copy.xlsx", df, checked.issues, checked.issue_positions)
        assert payload(read_sheet(copy), schema) == sent

    there_and_back()
