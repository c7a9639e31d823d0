"""The table on its way in: read, mapped, checked; and the workbooks that help people to fill it in and to mend it."""

from __future__ import annotations

from opus_nb.sheet.beside import write_beside
from opus_nb.sheet.cells import MISSING, CellError, show_text
from opus_nb.sheet.checked import CheckedSheet
from opus_nb.sheet.checks import check_sheet
from opus_nb.sheet.findings import ISSUE_COLUMNS
from opus_nb.sheet.folders import files_table
from opus_nb.sheet.mapping import ColumnMapping, InputSource, map_columns
from opus_nb.sheet.mending import write_fix_me
from opus_nb.sheet.painting import paint_issues
from opus_nb.sheet.reading import read_sheet
from opus_nb.sheet.template import write_template

__all__ = [
    "ISSUE_COLUMNS",
    "MISSING",
    "CellError",
    "CheckedSheet",
    "ColumnMapping",
    "InputSource",
    "check_sheet",
    "files_table",
    "map_columns",
    "paint_issues",
    "read_sheet",
    "show_text",
    "write_beside",
    "write_fix_me",
    "write_template",
]
