"""What `save_frames` writes, read back."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opus_nb.errors import ExtraMissing, SettingsError
from opus_nb.frames.audit import audit_frame, nodes_frame
from opus_nb.frames.jobs import jobs_frame
from opus_nb.frames.results import results_frame
from opus_nb.frames.saving import save_frames
from opus_nb.job import Outcome
from opus_nb.service.schema import Schema

Maker = Callable[..., Any]
INDEX = pd.Index(["r1", "r2"], name="claim")


@pytest.fixture
def results(make_outcome: Maker, make_schema: Maker, results_text: Maker) -> pd.DataFrame:
    """Return two results, one with a text, a number and an object."""
    reply = results_text(o_1={"value": "fine"}, o_2={"value": 1.5}, o_3={"value": {"grade": "A", "issues": [1]}})
    schema = make_schema(o_1=("Summary", "str"), o_2=("Score", "float"), o_3=("Detail", "object"))
    return results_frame([make_outcome(0, results=reply), make_outcome(1)], INDEX, schema)


def cells_of(path: Path, sheet: str = "results") -> dict[str, list[Any]]:
    """Return the cells below each header."""
    book = openpyxl.load_workbook(path)
    columns = list(book[sheet].iter_cols(values_only=True))
    book.close()
    return {str(column[0]): list(column[1:]) for column in columns}


def test_a_workbook_has_the_users_columns_beside_the_results(tmp_path: Path, results: pd.DataFrame) -> None:
    """The user's index and columns come first, then state, error and outputs, row for row."""
    sheet = pd.DataFrame({"Amount": [10, 20]}, index=INDEX)
    assert save_frames(tmp_path / "r.xlsx", results, sheet=sheet) == [tmp_path / "r.xlsx"]
    cells = cells_of(tmp_path / "r.xlsx")
    assert list(cells) == ["claim", "Amount", "state", "job_id", "error", "Summary", "Score", "Detail"]
    assert cells["claim"] == ["r1", "r2"]
    assert cells["Amount"] == [10, 20]
    assert cells["Score"] == [1.5, None]
    assert json.loads(cells["Detail"][0]) == {"grade": "A", "issues": [1]}


def test_a_plain_index_is_not_written(tmp_path: Path, make_outcome: Maker) -> None:
    """0, 1, 2, ... says nothing; a filtered sheet keeps its numbers."""
    frame = results_frame([make_outcome(0), make_outcome(1)], pd.RangeIndex(2), Schema())
    save_frames(tmp_path / "plain.csv", frame, sheet=pd.DataFrame({"a": [1, 2]}))
    save_frames(tmp_path / "cut.csv", frame, sheet=pd.DataFrame({"a": [1, 2]}, index=[3, 9]))
    assert pd.read_csv(tmp_path / "plain.csv").columns[0] == "a"
    assert pd.read_csv(tmp_path / "cut.csv")["index"].tolist() == [3, 9]


def test_the_users_names_win(tmp_path: Path, results: pd.DataFrame) -> None:
    """A user's column called ``state`` stays; ours gets ``_opus``."""
    sheet = pd.DataFrame({"state": ["Bavaria", "Hesse"], "x": [1, 2]}, index=INDEX)
    save_frames(tmp_path / "r.csv", results, sheet=sheet)
    read = pd.read_csv(tmp_path / "r.csv")
    assert read["state"].tolist() == ["Bavaria", "Hesse"]
    assert read["state_opus"].tolist() == ["completed", "completed"]


@pytest.mark.parametrize("suffix", [".xlsx", ".csv", ".parquet"])
def test_odd_sheets_can_be_saved(tmp_path: Path, results: pd.DataFrame, suffix: str) -> None:
    """Equal column names, numbers as names and two levels of index lose no column."""
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 1)])
    sheet = pd.DataFrame([[1, 2, 3], [4, 5, 6]], columns=["x", "x", 7], index=index)
    (path,) = save_frames(tmp_path / f"r{suffix}", results, sheet=sheet)
    read = {".xlsx": pd.read_excel, ".csv": pd.read_csv, ".parquet": pd.read_parquet}[suffix](path)
    assert read["x"].tolist() == [1, 4]
    assert read["x_2"].tolist() == [2, 5]
    assert read["7"].tolist() == [3, 6]
    assert len(read.columns) == 2 + 3 + len(results.columns)


@pytest.mark.parametrize("text", ["=1+1", "+49 170 1", "-5", "@name", "#N/A", "007", "TRUE", "1e5"])
def test_text_stays_text_in_a_workbook(tmp_path: Path, results: pd.DataFrame, text: str) -> None:
    """What looks like a formula, an error or a number is a string cell with the very same letters."""
    sheet = pd.DataFrame({"note": [text, "x"]}, index=INDEX)
    save_frames(tmp_path / "r.xlsx", results, sheet=sheet)
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    cell = book["results"]["B2"]
    assert (cell.value, cell.data_type) == (text, "s")
    assert bool(cell.quotePrefix) == (text[0] in "=+-@")
    book.close()


def test_numbers_too_long_for_a_workbook_are_text(tmp_path: Path, results: pd.DataFrame) -> None:
    """An id of 16 digits or more would come back as another one, so it is written as text."""
    sheet = pd.DataFrame({"id": [1234567890123456, 12]}, index=INDEX)
    save_frames(tmp_path / "r.xlsx", results, sheet=sheet)
    assert cells_of(tmp_path / "r.xlsx")["id"] == ["1234567890123456", 12]


def test_times_are_utc_and_the_header_says_so(tmp_path: Path, results: pd.DataFrame) -> None:
    """A workbook knows no zones: aware times are written in UTC under a header with ``(UTC)``."""
    when = pd.to_datetime(["2025-07-01 12:00", "2025-07-02 12:00"]).tz_localize("Europe/Berlin")
    save_frames(tmp_path / "r.xlsx", results, sheet=pd.DataFrame({"when": when}, index=INDEX))
    assert cells_of(tmp_path / "r.xlsx")["when (UTC)"][0] == pd.Timestamp("2025-07-01 10:00")


def test_what_does_not_fit_is_said(tmp_path: Path, results: pd.DataFrame) -> None:
    """Control characters are removed and long cells cut, and both the notes and a sheet say so."""
    sheet = pd.DataFrame({"a": ["bell\x07", "fine"], "b": ["x" * 40_000, "fine"]}, index=INDEX)
    saved = save_frames(tmp_path / "r.xlsx", results, sheet=sheet)
    cells = cells_of(tmp_path / "r.xlsx")
    assert cells["a"][0] == "bell"
    assert len(cells["b"][0]) == 32_767
    assert len(saved.notes) == 2
    assert "control characters were removed from 1 cell" in saved.notes[0]
    assert "32,767" in saved.notes[1]
    assert list(cells_of(tmp_path / "r.xlsx", "notes")) == [saved.notes[0]]


def test_nothing_to_say_makes_no_notes(tmp_path: Path, results: pd.DataFrame) -> None:
    """A workbook into which everything fits has no sheet of notes."""
    saved = save_frames(tmp_path / "r.xlsx", results, sheet=pd.DataFrame(index=INDEX))
    assert saved.notes == ()
    assert openpyxl.load_workbook(tmp_path / "r.xlsx").sheetnames == ["results"]


def test_a_workbook_can_be_read_by_people(tmp_path: Path, mixed_outcomes: list[Outcome]) -> None:
    """All frames are sheets, with a frozen, bold header, a filter and columns as wide as their text."""
    index = pd.RangeIndex(len(mixed_outcomes))
    save_frames(
        tmp_path / "r.xlsx",
        results_frame(mixed_outcomes, index, Schema()),
        sheet=pd.DataFrame({"a": ["long " * 40] * len(index)}),
        jobs=jobs_frame(mixed_outcomes, index),
        audit=audit_frame(mixed_outcomes, index),
        nodes=nodes_frame(mixed_outcomes),
    )
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    assert book.sheetnames == ["results", "jobs", "audit", "nodes"]
    for sheet in book:
        assert sheet.freeze_panes == "A2"
        assert sheet["A1"].font.bold
        assert sheet.auto_filter.ref == sheet.dimensions
    assert book["results"].column_dimensions["A"].width == 60
    assert book["results"]["A2"].alignment.wrap_text
    assert book["jobs"]["A1"].value == "row"


@pytest.mark.parametrize("suffix", [".xlsx", ".csv", ".parquet"])
def test_no_rows_still_give_a_file_with_headers(tmp_path: Path, make_schema: Maker, suffix: str) -> None:
    """An empty run can be saved."""
    empty = results_frame([], pd.RangeIndex(0), make_schema(o_1=("Score", "float")))
    (path,) = save_frames(tmp_path / f"r{suffix}", empty, sheet=pd.DataFrame({"a": []}))
    read = {".xlsx": pd.read_excel, ".csv": pd.read_csv, ".parquet": pd.read_parquet}[suffix](path)
    assert list(read.columns) == ["a", "state", "job_id", "error", "Score"]


def test_csv_opens_in_excel_and_keeps_nested_values(tmp_path: Path, results: pd.DataFrame) -> None:
    """CSV begins with the mark for UTF-8, and lists and dicts are JSON."""
    save_frames(tmp_path / "r.csv", results, sheet=pd.DataFrame({"name": ["Žofie", "大"]}, index=INDEX))
    assert (tmp_path / "r.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    read = pd.read_csv(tmp_path / "r.csv", encoding="utf-8-sig")
    assert read["name"].tolist() == ["Žofie", "大"]
    assert json.loads(read["Detail"][0]) == {"grade": "A", "issues": [1]}


def test_csv_notes_what_a_spreadsheet_would_run(tmp_path: Path, results: pd.DataFrame) -> None:
    """CSV is not escaped, so that programs read what was there; the note says how many cells are affected."""
    saved = save_frames(tmp_path / "r.csv", results, sheet=pd.DataFrame({"a": ["=1+1", "b"]}, index=INDEX))
    assert pd.read_csv(tmp_path / "r.csv")["a"][0] == "=1+1"
    assert len(saved.notes) == 1
    assert saved.notes[0].startswith("1 cell begins")


def test_other_frames_are_files_beside(tmp_path: Path, mixed_outcomes: list[Outcome]) -> None:
    """Formats of one table put jobs and audit in files of their own, named after the first."""
    index = pd.RangeIndex(len(mixed_outcomes))
    frames = {"jobs": jobs_frame(mixed_outcomes, index), "audit": audit_frame(mixed_outcomes, index)}
    results = results_frame(mixed_outcomes, index, Schema())
    saved = save_frames(tmp_path / "r.parquet", results, sheet=pd.DataFrame(index=index), **frames)
    assert [path.name for path in saved] == ["r.parquet", "r-jobs.parquet", "r-audit.parquet"]
    assert str(pd.read_parquet(saved[2])["started_at"].dt.tz) == "UTC"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(JSON, max_size=3) | st.dictionaries(st.text("abc"), JSON, max_size=3), min_size=1, max_size=5))
def test_nested_values_come_back_from_parquet(tmp_path: Path, values: list[Any]) -> None:
    """Lists and dicts are JSON text in Parquet, and the same values when read again."""
    frame = pd.DataFrame({"Detail": pd.Series(values, dtype=object)})
    save_frames(tmp_path / "r.parquet", frame, sheet=pd.DataFrame(index=frame.index))
    assert [json.loads(text) for text in pd.read_parquet(tmp_path / "r.parquet")["Detail"]] == values


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=6))
def test_any_text_comes_back_from_a_workbook(tmp_path: Path, texts: list[str]) -> None:
    """Text without control characters is read back letter for letter, whatever it looks like."""
    frame = pd.DataFrame({"Text": pd.Series(texts, dtype=object)})
    saved = save_frames(tmp_path / "r.xlsx", frame, sheet=pd.DataFrame(index=frame.index))
    kept = [text.replace("\ufffe", "").replace("\uffff", "") or None for text in texts]
    assert cells_of(tmp_path / "r.xlsx")["Text"] == kept
    assert bool(saved.notes) == (kept != texts)


def test_an_unknown_suffix_names_the_known_ones(tmp_path: Path, results: pd.DataFrame) -> None:
    """Nothing is written under a name that says no format."""
    with pytest.raises(SettingsError, match=r"\.parquet"):
        save_frames(tmp_path / "r.docx", results, sheet=pd.DataFrame(index=INDEX))
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_of_another_length_is_refused(tmp_path: Path, results: pd.DataFrame) -> None:
    """Results are never written beside the wrong rows."""
    with pytest.raises(SettingsError, match="differ in length"):
        save_frames(tmp_path / "r.csv", results, sheet=pd.DataFrame({"a": [1]}))


def test_a_failed_save_leaves_the_old_file(
    tmp_path: Path, results: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old file stays whole, no half-written one is left, and the error says what to do."""
    (tmp_path / "r.csv").write_text("old", encoding="utf-8")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pd.DataFrame, "to_csv", refuse)
    with pytest.raises(SettingsError, match="open in another program"):
        save_frames(tmp_path / "r.csv", results, sheet=pd.DataFrame(index=INDEX))
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]
    assert (tmp_path / "r.csv").read_text(encoding="utf-8") == "old"


def test_parquet_without_its_package_says_what_to_install(
    tmp_path: Path, results: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet is optional; without pyarrow or fastparquet the error names them."""
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] in {"pyarrow", "fastparquet"}:
            raise ImportError(name)
        return real(name, *rest, **named)

    def raise_missing(*_: Any, **__: Any) -> None:
        without("pyarrow")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", raise_missing)
    with pytest.raises(ExtraMissing, match="pyarrow"):
        save_frames(tmp_path / "r.parquet", results, sheet=pd.DataFrame(index=INDEX))
    assert list(tmp_path.iterdir()) == []


def test_missing_folders_are_made(tmp_path: Path, results: pd.DataFrame) -> None:
    """``outputs/today/r.csv`` needs no preparation."""
    save_frames(tmp_path / "a" / "b" / "r.csv", results, sheet=pd.DataFrame(index=INDEX))
    assert (tmp_path / "a" / "b" / "r.csv").exists()
