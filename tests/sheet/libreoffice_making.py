"""Makes the workbooks in ``fixtures/libreoffice``; needs LibreOffice, which the tests themselves do not.

Each begins as a workbook of openpyxl's or of ours, goes through LibreOffice's own formats, and comes back as an xlsx
whose every byte LibreOffice has written::

    python tests/sheet/libreoffice_making.py

They were made with LibreOffice 7.4 (Debian 12): ``soffice --headless --convert-to``.
"""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation

sys.path.insert(0, str(Path(__file__).parent))

from sheet_making import make_field

from opus_nb.service.schema import Schema
from opus_nb.sheet import read_sheet, write_beside, write_template

FIXTURES = Path(__file__).parent / "fixtures" / "libreoffice"

# Name of the fixture and the formats that it goes through on its way.
WAYS = {
    "claims": ["ods", "xlsx"],
    "claims_through_xls": ["xls", "xlsx"],
    "epoch_1904": ["ods", "xlsx"],
    "text": ["xlsx"],
    "template": ["xlsx"],
    "results": ["ods", "xlsx"],
}
TEMPLATE = Schema(
    (
        make_field("str", "Claim no", required=True),
        make_field("float", "Amount"),
        make_field("date", "Due"),
        make_field("str", "Area", options=("North", "South")),
        make_field("bool", "Urgent"),
    )
)


def make_claims(path: Path) -> None:
    """A title, merged groups over two header rows, formats, formulas, errors, hidden rows, a filter, notes, a total."""
    book: Any = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Claims & more"
    sheet.append(["Ref", "Contact", None, "Amount", "Share", "Due", "Paid", "Rest", "Note"])
    sheet.append([None, "email", "phone", None, None, None, None, None, None])
    for cells in ("A1:A2", "B1:C1", *(f"{letter}1:{letter}2" for letter in "DEFGHI")):
        sheet.merge_cells(cells)
    for row in range(3, 9):
        sheet.append(
            [
                f"00{row}",
                f"a{row}@b.example",
                4_900_000 + row,
                1250.5 * row,
                row / 100,
                dt.date(2025, 1, row),
                row % 2 == 0,
                f'=IF(G{row},"",D{row}*(1-E{row}))',
                "Zoë\u00a0said:\n=not a formula",
            ]
        )
    sheet["H4"], sheet["H6"] = "=1/0", "=NA()"
    sheet["I7"] = None
    sheet.append(["Total", None, None, "=SUM(D3:D8)"])
    for row in range(3, 9):
        sheet.cell(row, 4).number_format = '#,##0.00 "€"'
        sheet.cell(row, 5).number_format = "0.0%"
        sheet.cell(row, 6).number_format = "dd.mm.yyyy"
        sheet.cell(row, 3).number_format = "00000000"
    sheet["A3"].comment = Comment("the first", "Bo")
    sheet["A1"].font, sheet["A1"].fill = Font(bold=True), PatternFill("solid", fgColor="FFFF00")
    sheet.row_dimensions[5].hidden = True
    sheet.column_dimensions["G"].hidden = True
    sheet.auto_filter.ref = "A2:I8"
    rule = DataValidation(type="list", formula1='"yes,no"')
    sheet.add_data_validation(rule)
    rule.add("G3:G99")
    other = book.create_sheet("Hidden")
    other.sheet_state = "hidden"
    other.append(["x"])
    book.save(path)


def make_epoch_1904(path: Path) -> None:
    """Dates that count from 1904."""
    book: Any = openpyxl.Workbook()
    book.epoch = dt.datetime(1904, 1, 1)  # noqa: DTZ001
    book.active.append(["Value", "serial"])
    book.active.append([dt.date(2025, 1, 31), 44226])
    book.save(path)


def make_text(path: Path) -> None:
    """A csv as LibreOffice imports it."""
    path.write_text('id,name,n\n007,"Zoë, again",1.5\n008,,2\n', encoding="utf-8")


def make_template(path: Path) -> None:
    """A template of ours."""
    write_template(path, TEMPLATE, "Claims")


def make_results(path: Path) -> None:
    """A copy of ours with results beside the rows."""
    source = path.with_name("source.xlsx")
    book: Any = openpyxl.Workbook()
    for row in (["Question", "Amount"], ["Why?", "many"], ["How?", 3]):
        book.active.append(row)
    book.save(source)
    reason = "Amount: 'many' is no number"
    results = {"state": ["invalid", "completed"], "error": [reason, None], "Summary": [None, "=1+1"]}
    write_beside(path, read_sheet(source), pd.DataFrame(results))


def convert(path: Path, target: str) -> Path:
    """Let LibreOffice write the file in another format."""
    folder = path.parent / f"as {target} {path.suffix[1:]}"
    command = ["soffice", "--headless", "--convert-to", target, "--outdir", str(folder), str(path)]
    if path.suffix == ".csv":
        command.insert(2, "--infilter=CSV:44,34,76")  # commas, double quotes, UTF-8
    subprocess.run(command, check=True, capture_output=True)
    return folder / f"{path.stem}.{target}"


def main() -> None:
    """Make all of them."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    makers = {
        "claims": make_claims,
        "claims_through_xls": make_claims,
        "epoch_1904": make_epoch_1904,
        "text": make_text,
        "template": make_template,
        "results": make_results,
    }
    for name, formats in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / (f"{name}.csv" if name == "text" else f"{name}.xlsx")
            makers[name](path)
            for target in formats:
                path = convert(path, target)
            shutil.copy(path, FIXTURES / f"{name}.xlsx")


if __name__ == "__main__":
    main()
