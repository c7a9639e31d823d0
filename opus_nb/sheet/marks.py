"""Marks in the user's own workbook: a colour where something is wrong, and the reason as a note."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from opus_nb.sheet.copies import WorkbookCopy, note_size
from opus_nb.sheet.safe_cells import plain_text
from opus_nb.sheet.workbooks import OWN_SHEETS

__all__ = ["ISSUE_SHEET", "MOST_MARKS", "mark_cell", "paint_cell", "take_away_marks"]

ISSUE_SHEET: Final = f"{OWN_SHEETS}issues"
MOST_MARKS: Final = 20_000  # each note is a drawing; far more make the workbook slow to open

_COLORS: Final = {"error": "FFF4B6B6", "warning": "FFFCE8B2"}
_UNDER_LIGHT_TEXT: Final = {"error": "FFB02A2A", "warning": "FF8A6100"}
_AUTHOR: Final = "opus_nb"
_HEADING: Final = "[opus_nb]"
_LONGEST_NOTE: Final = 2000


def mark_cell(sheet: Any, row: int, column: int, told: Iterable[tuple[str, str]]) -> None:
    """Colour a cell and add a note; the owner's own note stays above ours.

    Parameters
    ----------
    sheet : Any
        Of openpyxl.
    row, column : int
        From 1.
    told : iterable of (str, str)
        Severity and reason; the worst gives the colour.
    """
    from openpyxl.cell.cell import MergedCell

    every = list(told)
    cell = sheet.cell(row, column)
    if isinstance(cell, MergedCell):
        area = next(each for each in sheet.merged_cells.ranges if cell.coordinate in each)
        cell = sheet.cell(area.min_row, area.min_col)
    paint_cell(cell, "error" if any(severity == "error" for severity, _ in every) else "warning")
    own = cell.comment.text.rstrip() + "\n\n" if cell.comment is not None else ""
    reasons = "\n".join(dict.fromkeys(text for _, text in every))
    cell.comment = _new_note(f"{own}{_HEADING} {reasons}"[:_LONGEST_NOTE])


def paint_cell(cell: Any, severity: str) -> None:
    """Give a cell the colour of an error or of a warning."""
    from openpyxl.styles import PatternFill

    cell.fill = PatternFill("solid", fgColor=(_UNDER_LIGHT_TEXT if _has_light_text(cell) else _COLORS)[severity])


def _has_light_text(cell: Any) -> bool:
    color = cell.font.color if cell.has_style else None
    if color is None:
        return False
    if color.type == "theme":
        return int(color.theme) in (0, 2)  # the two backgrounds of a theme
    if color.type != "rgb" or len(str(color.rgb)) != 8:
        return False
    red, green, blue = (int(color.rgb[at : at + 2], 16) for at in (2, 4, 6))
    return 0.3 * red + 0.59 * green + 0.11 * blue > 150


def take_away_marks(copy: WorkbookCopy) -> None:
    """Take away what an earlier copy of ours marked; notes and colours of its owner stay."""
    from openpyxl.styles import PatternFill

    was_ours = ISSUE_SHEET in copy.book.sheetnames or copy.results
    if not was_ours:
        return
    if ISSUE_SHEET in copy.book.sheetnames:
        del copy.book[ISSUE_SHEET]
    ours = {*_COLORS.values(), *_UNDER_LIGHT_TEXT.values()}
    for cell in list(copy.sheet._cells.values()):
        if cell.comment is not None and (mine := cell.comment.text.find(_HEADING)) >= 0:
            kept = cell.comment.text[:mine].rstrip()
            cell.comment = _new_note(kept) if kept else None
        if cell.has_style and cell.fill.fgColor.rgb in ours:
            cell.fill = PatternFill()


def _new_note(text: str) -> Any:
    from openpyxl.comments import Comment

    note = Comment(plain_text(text), _AUTHOR)
    note.width, note.height = note_size(text)
    return note
