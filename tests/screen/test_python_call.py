"""Checked values written as a person would, and the call that has them."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.job import LocalFile
from opus_nb.screen.python_call import as_written, python_call
from opus_nb.service.schema import read_fields

DAY = {"display_name": "When", "type": "date", "type_definition": "%d.%m.%Y"}
FIELDS = read_fields(
    {
        "day": DAY,
        "who": {"display_name": "Who", "type": "object", "type_definition": {"born": DAY}},
        "days": {
            "display_name": "Days",
            "type": "array",
            "type_definition": {"type": "date", "type_definition": "%m/%d/%Y"},
        },
        "free": {"display_name": "Free", "type": "array"},
        "scan": {"display_name": "Scan", "type": "file"},
        "scans": {"display_name": "Scans", "type": "array_files"},
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("day", "09.11.2025", "2025-11-09"),
        ("day", "soon", "soon"),
        ("who", {"born": "01.02.2003", "else": "01.02.2003"}, {"born": "2003-02-01", "else": "01.02.2003"}),
        ("days", ["03/04/2025"], ["2025-03-04"]),
        ("free", ["03/04/2025", 7, None], ["03/04/2025", 7, None]),
        ("scan", LocalFile("/a/b.pdf"), "/a/b.pdf"),
        ("scans", [LocalFile("/a/b.pdf"), "https://x.example/c.pdf"], ["/a/b.pdf", "https://x.example/c.pdf"]),
        ("scan", None, None),
    ],
)
def test_days_are_iso_and_files_are_paths_at_any_depth(name, value, written):
    """What could be read in two ways is written in the one that cannot."""
    assert as_written(FIELDS[name], value) == written


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None, max_examples=80)
@given(st.dictionaries(st.text(min_size=1, max_size=8), JSON, max_size=4))
def test_the_call_evaluates_to_what_it_was_made_of(arguments):
    """Whatever the names and values are, running the text passes exactly them."""
    text = python_call("f", arguments)
    ast.parse(text)
    scope = {"f": lambda **given: given}
    exec(text, scope)
    assert scope["job"] == arguments
