"""Likely columns: many right, none wrong."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from header_sets import BY_KIND, CELLS, SETS
from sheet_making import make_field

from opus_nb.service.schema import Schema
from opus_nb.sheet import map_columns
from opus_nb.sheet.likeness import SAME_WORDS, likeness


def judge(inputs: list[str], headers: list[str], truth: dict[str, str]) -> tuple[int, list[str], list[str]]:
    """Return how many inputs got their column, which stayed open wrongly, and which got a wrong one."""
    kinds = dict(each.split(":") for each in inputs)
    owner = {header: name for name, header in truth.items()}
    cells = {
        header: CELLS.get(header) or BY_KIND[kinds[owner[header]] if header in owner else "str"] for header in headers
    }
    fields = tuple(
        make_field(kind, name, variable_name=f"workflow_input_{place}")
        for place, (name, kind) in enumerate(kinds.items())
    )
    mapping = map_columns(pd.DataFrame(cells), Schema(tuple(fields)))
    got = {each.field.display_name: each.column for each in mapping.sources if each.column}
    hits = sum(got.get(name) == header for name, header in truth.items())
    missed = [f"{name} <- {header}" for name, header in truth.items() if name not in got]
    wrong = [f"{name} <- {header}" for name, header in got.items() if truth.get(name) != header]
    return hits, missed, wrong


def test_the_test_set_is_large_enough() -> None:
    """At least forty header sets, and as many traps as a person meets."""
    assert len(SETS) >= 40
    assert sum(not truth for *_, truth in SETS) >= 15


@pytest.mark.parametrize(("inputs", "headers", "truth"), [each[1:] for each in SETS], ids=[each[0] for each in SETS])
def test_no_guess_is_wrong(inputs: list[str], headers: list[str], truth: dict[str, str]) -> None:
    """An input gets the column that is meant, or none."""
    assert judge(inputs, headers, truth)[2] == []


def test_most_columns_are_found() -> None:
    """Nine of ten columns that are meant are found without a word."""
    found = [judge(*each[1:]) for each in SETS]
    hits, missed = sum(each[0] for each in found), [name for each in found for name in each[1]]
    assert hits / (hits + len(missed)) >= 0.9, missed


def test_what_stays_open_shows_what_may_be_meant() -> None:
    """A misspelt header is suggested, with the reason why it was not taken."""
    schema = Schema((make_field("date", "Received date", variable_name="v"),))
    source = map_columns(pd.DataFrame({"Recieved date": ["2025-01-31"]}), schema)["v"]
    assert (source.source, source.suggestions[0][0]) == ("missing", "Recieved date")
    assert "perhaps" in source.reason


def test_files_that_exist_are_part_of_the_reason(tmp_path: Path) -> None:
    """The values of a column are looked for on disk, and what was found is said; it decides between two columns."""
    for name in ("a.pdf", "b.pdf"):
        (tmp_path / name).touch()
    schema = Schema((make_field("file", "Application form", variable_name="v"),))
    df = pd.DataFrame({"pdf_path": ["a.pdf", "b.pdf"], "upload_file": ["x.pdf", "y.pdf"]})
    source = map_columns(df, schema, files_root=tmp_path)["v"]
    assert source.column == "pdf_path"
    assert source.reason.endswith("its 2 first values are files that exist")
    df["pdf_path"] = ["a.pdf", "gone.pdf"]
    assert "1 of its 2 first values" in map_columns(df, schema, files_root=tmp_path)["v"].reason
    assert map_columns(df, schema, files_root=tmp_path / "nowhere")["v"].column is None
    odd = pd.DataFrame({"signature_scan_of_witness": ["a.pdf", "b.pdf"]})
    open_source = map_columns(odd, schema, files_root=tmp_path)["v"]
    assert open_source.column is None
    assert "files that exist" in open_source.reason


def test_a_guess_is_said_as_a_warning_and_can_be_switched_off() -> None:
    """Guessed columns score below 0.95 and guess=False leaves them open."""
    schema = Schema((make_field("str", "Invoice number", variable_name="v"),))
    df = pd.DataFrame({"Inv. No.": ["1"]})
    source = map_columns(df, schema)["v"]
    assert (source.column, source.score, source.is_guess) == ("Inv. No.", SAME_WORDS, True)
    assert map_columns(df, schema, guess=False)["v"].column is None


def test_likeness_is_the_same_both_ways_and_never_full_for_other_words() -> None:
    """Only equal concepts reach the score at which a column is taken."""
    names = sorted(
        {name.split(":")[0] for each in SETS for name in each[1]} | {name for each in SETS for name in each[2]}
    )
    for name in names[:60]:
        for other in names[:60]:
            assert likeness(name, other) == pytest.approx(likeness(other, name))
    assert likeness("Contact", "Contract") < SAME_WORDS
