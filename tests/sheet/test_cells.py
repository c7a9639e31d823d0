"""What cells hold, and the parts that everything else stands on."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from opus_nb.sheet import MISSING, CellError, show_text
from opus_nb.sheet.cells import is_cell_error, shorten, show_list
from opus_nb.sheet.distinct import distinct_values, spread_values
from opus_nb.sheet.headers import column_letter, fold_name


def test_missing_is_one_thing_in_every_process() -> None:
    """Copies and pickles of MISSING are MISSING, and it counts as nothing."""
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING
    assert copy.deepcopy(MISSING) is MISSING
    assert not MISSING


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (5.0, "5"),
        (5.5, "5.5"),
        (True, "TRUE"),
        (pd.Timestamp("2025-01-31"), "2025-01-31"),
        (pd.Timestamp("2025-01-31 10:30"), "2025-01-31 10:30:00"),
        (np.datetime64("2025-01-31"), "2025-01-31"),
        (" x ", " x "),
        (float("inf"), "inf"),
    ],
)
def test_text_is_what_a_person_reads_in_the_cell(value: object, text: str) -> None:
    """Whole floats lose their .0 and midnights their time."""
    assert show_text(value) == text


def test_an_object_without_text_is_shown_by_its_type() -> None:
    """Even a cell whose text cannot be made can be named in an issue."""

    class Silent:
        def __str__(self) -> str:
            raise ValueError

    assert show_text(Silent()) == "<Silent>"


def test_error_words_are_known_by_their_letters() -> None:
    """A CellError that became plain text is still one; other texts with # are not."""
    assert is_cell_error(CellError("#SPILL!"))
    assert is_cell_error(" #n/a ")
    assert is_cell_error("Err:502")
    assert not is_cell_error("Err: the 502")
    assert not is_cell_error("#1")


def test_long_texts_and_lists_are_shortened() -> None:
    """One line, a few items, and how many more."""
    assert shorten("a\nb", 80) == "a b"
    assert len(shorten("x" * 500)) == 80
    assert show_list("abcdefg", 2) == '"a", "b" and 5 more'


def test_values_that_compare_equal_are_still_different_cells() -> None:
    """1, 1.0, True and "1" are four values; equal texts are one; nothing is nothing."""
    codes, uniques = distinct_values([1, 1.0, True, "1", "1", None, float("nan"), [1], [1], [True], [[1]], [[1]]])
    assert codes.tolist() == [0, 1, 2, 3, 3, -1, -1, 4, 4, 5, 6, 7]
    assert spread_values(list("abcdefgh"), codes)[5] is MISSING
    assert len(uniques) == 8


def test_names_and_letters() -> None:
    """Folding takes case, spaces, punctuation and accents away; letters count like a spreadsheet."""
    assert fold_name(" É-Mail_(Adresse) ") == "emailadresse"
    assert [column_letter(each) for each in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]


def test_the_room_does_not_load_what_it_may_not_need() -> None:
    """Importing the sheet loads no reader of workbooks; they load when a workbook is read."""
    heavy = "('openpyxl', 'xlrd', 'IPython', 'matplotlib')"
    code = f"import sys, opus_nb.sheet; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
