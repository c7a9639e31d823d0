"""Fixtures that the tests of the sheet share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from opus_nb.service.schema import Field, Schema
from opus_nb.sheet import CheckedSheet, check_sheet, map_columns

sys.path.insert(0, str(Path(__file__).parent))  # for sheet_making

from sheet_making import PDF, PNG, make_field


@pytest.fixture
def check() -> Callable[..., CheckedSheet]:
    """Check one column called ``Value`` against one input of that name."""

    def run(kind: str, cells: Any, *, required: bool = False, attrs: Any = None, **options: Any) -> CheckedSheet:
        parts = {key: options.pop(key) for key in list(options) if key in Field.__dataclass_fields__}
        schema = Schema((make_field(kind, required=required, **parts),))
        series = cells if isinstance(cells, (pd.Series, pd.Categorical)) else pd.Series(cells, dtype=object)
        df = pd.DataFrame({"Value": series})
        if attrs:
            df.attrs["opus_nb"] = attrs
        return check_sheet(df, schema, map_columns(df, schema), **options)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Hold a few files of each kind, good and bad."""
    (tmp_path / "scans").mkdir()
    (tmp_path / "a.pdf").write_bytes(PDF)
    (tmp_path / "b.PNG").write_bytes(PNG)
    (tmp_path / "page.pdf").write_bytes(b"<!DOCTYPE html><html>not found</html>")
    (tmp_path / "odd.pdf").write_bytes(b"\x00\x01\x02" * 30)
    (tmp_path / "empty.pdf").touch()
    (tmp_path / "note.txt").write_text("hello")
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "semi;colon.pdf").write_bytes(PDF)
    (tmp_path / "scans" / "deep.pdf").write_bytes(PDF)
    with (tmp_path / "big.pdf").open("wb") as stream:
        stream.write(PDF)
        stream.truncate(11 * 1024 * 1024)
    return tmp_path
