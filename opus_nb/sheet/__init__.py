"""The table on its way in: read, mapped, checked."""

from __future__ import annotations

from opus_nb.sheet.cells import MISSING, CellError, show_text
from opus_nb.sheet.checked import CheckedSheet
from opus_nb.sheet.checks import check_sheet
from opus_nb.sheet.findings import ISSUE_COLUMNS
from opus_nb.sheet.mapping import ColumnMapping, InputSource, map_columns
from opus_nb.sheet.reading import read_sheet

__all__ = [
    "ISSUE_COLUMNS",
    "MISSING",
    "CellError",
    "CheckedSheet",
    "ColumnMapping",
    "InputSource",
    "check_sheet",
    "map_columns",
    "read_sheet",
    "show_text",
]
