"""A workbook and a folder of documents to try everything on: what an insurer's clerk might have on the desk.

The sheet suits the workflow "Claim triage". Its headers are spelled as people spell them, its numbers are text here
and there, its dates come in three ways, and some of its rows are bad on purpose, each in another way.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from opus_nb.sandbox.documents import make_pdf
from opus_nb.sandbox.samples_files import make_csv, make_docx, make_huge_png, make_png, pack_zip

__all__ = ["MISTAKES", "write_samples"]

HEADERS = (
    "Claim  Reference ",
    " line of business",
    "CLAIMED AMOUNT",
    "Date of loss:",
    "claim-form",
    "Evidence",
    "Number_of_items",
    "Policy",
    "Earlier Claims",
    "Police informed?",
    "broker data",
    "Remarks",
    "Handler",
)
MISTAKES: Mapping[str, str] = {
    "missing file": "The claim form is not in the folder; a file of a similar name is.",
    "text in a number": "The amount says 'about 800'.",
    "unknown option": "There is no such line of business.",
    "empty cell": "A required cell is empty.",
    "ambiguous date": "03/04 can be March or April.",
    "wrong kind of file": "The claim form is a picture.",
    "broken formula": "The amount is #REF!.",
    "file too large": "A picture of more than 10 MB.",
}

_LINES = ("Motor", "Household", "Travel", "Liability")
_EVENTS = {
    "Motor": ("Another car hit mine from behind.", "The mirror was torn off in a car park.", "Hail on the roof."),
    "Household": ("Water came through the ceiling.", "The washing machine leaked.", "A window was broken."),
    "Travel": ("The suitcase never arrived.", "The flight was cancelled and I paid for a hotel.", "I broke my ankle."),
    "Liability": ("My dog damaged a parked bicycle.", "Our ladder fell on a neighbour's fence.", "I spilled paint."),
}
_DOUBTS = ("It was paid in cash.", "I have no receipt.", "The ring was lost again.", "Please make an urgent transfer.")
_NAMES = ("Ada Brandt", "Bo Okafor", "Chloé Martin", "Dmitri Lehmann", "Emre Kaya", "Fatou Diallo", "Grete Öz")
_REMARKS = (
    "",
    "",
    "",
    "called twice",
    'says "no hurry"',
    "see last year; same roof",
    "photos are dark",
    "=SUM is wrong",
)
_TOO_LARGE_BYTES = 10 * 1024 * 1024 + 4096
_FIRST_DAY = dt.date(2025, 9, 1)
# Spelled out, because strftime follows the language of the machine.
_MONTHS = {9: "September", 10: "October"}


@dataclass
class _Claim:
    """One row in the making, and the documents that belong to it."""

    number: int
    cells: dict[str, Any]
    documents: dict[str, bytes | int] = field(default_factory=dict)


def write_samples(folder: str | PathLike[str], *, rows: int = 72, seed: int = 0) -> Path:
    """Write a workbook of claims with its documents, some rows bad on purpose.

    The same arguments give the same bytes, on every machine and day. Nothing but ``folder`` is written to; files of
    the same names there are replaced, others stay.

    Parameters
    ----------
    folder : str or path
        Gets ``claims.xlsx`` and the folder ``files`` with PDF, DOCX, TXT, PNG and CSV; made if it is not there.
    rows : int
        Rows of the sheet. One row in nine is bad, in the ways of `MISTAKES`, until each has occurred once.
    seed : int
        Amounts, names and pictures follow from it.

    Returns
    -------
    pathlib.Path
        The workbook. Paths in its cells are relative to ``folder``.

    Raises
    ------
    ValueError
        ``rows`` is below 1.

    Examples
    --------
    >>> import tempfile
    >>> write_samples(tempfile.mkdtemp(), rows=9).name
    'claims.xlsx'
    """
    if rows < 1:
        raise ValueError(f"rows must be at least 1, not {rows}")
    place = Path(folder).expanduser()
    (place / "files").mkdir(parents=True, exist_ok=True)
    claims = [_make_claim(number, random.Random(f"{seed}/{number}")) for number in range(1, rows + 1)]
    for claim, mistake in zip(claims[5::9], MISTAKES, strict=False):
        _SPOIL[mistake](claim)
    for claim in claims:
        for name, content in claim.documents.items():
            if isinstance(content, bytes):
                (place / name).write_bytes(content)
            else:
                make_huge_png(place / name, size=content)
    workbook = place / "claims.xlsx"
    workbook.write_bytes(_make_workbook(claims))
    return workbook


def _make_claim(number: int, draw: random.Random) -> _Claim:
    line = draw.choice(_LINES)
    reference = f"00{4100 + number * 7}"
    amount = round(draw.lognormvariate(6.9, 1.15), 2)
    limit = draw.choice((2500, 5000, 15000, 50000))
    if number % 19 == 8:
        # Somebody has lost the decimal point; no policy covers that, and the claim is turned down.
        limit, amount = 2500, 60_000.0 + 1000 * number
    claim = _Claim(number, {})
    paper = f"files/claim-{reference}.{'docx' if number % 7 == 3 else 'txt' if number % 7 == 5 else 'pdf'}"
    claim.documents[paper] = _make_form(paper, reference, line, amount, draw)
    evidence = [_add_evidence(claim, reference, place, draw) for place in range(draw.choice((0, 1, 1, 2, 2, 3)))]
    policy: dict[str, Any] = {"number": f"0{draw.randrange(1000, 9999)}-{line[0]}"}
    policy["limit"] = limit
    if draw.random() < 0.7:
        policy["deductible"] = draw.choice((100, 150, 250))
    earlier = [round(draw.uniform(40, 900), 2) for _ in range(draw.choice((0, 0, 1, 2, 3)))]
    broker = {"agency": draw.choice(("North", "South")), "tags": draw.sample(["vip", "online", "fleet"], 2)}
    values = (
        reference,
        line if draw.random() < 0.8 else line.upper(),
        amount if number % 3 else f"{amount:,.2f}",
        _spell_date(_FIRST_DAY + dt.timedelta(days=draw.randrange(60)), number),
        paper,
        _spell_paths(evidence, number),
        draw.randrange(1, 6) if draw.random() < 0.8 else None,
        json.dumps(policy),
        json.dumps(earlier) if number % 4 == 0 and earlier else ("; ".join(map(str, earlier)) or None),
        draw.choice(("yes", "no", "Yes", "N", True, False, None)),
        json.dumps(broker) if draw.random() < 0.5 else None,
        draw.choice(_REMARKS) or None,
        draw.choice(_NAMES).split()[0],
    )
    claim.cells = dict(zip(HEADERS, values, strict=True))
    return claim


def _make_form(path: str, reference: str, line: str, amount: float, draw: random.Random) -> bytes:
    lines = [
        f"Claim {reference}",
        f"Name: {draw.choice(_NAMES)}",
        f"Line of business: {line}",
        draw.choice(_EVENTS[line]),
        f"I claim {amount:.2f} for the damage.",
    ]
    lines += draw.sample(_DOUBTS, draw.choice((0, 0, 0, 1, 1, 2, 3)))
    lines.append("Everything I have said is true.")
    if path.endswith(".docx"):
        return make_docx(lines)
    return make_pdf(lines) if path.endswith(".pdf") else ("\n".join(lines) + "\n").encode()


def _add_evidence(claim: _Claim, reference: str, place: int, draw: random.Random) -> str:
    kind = draw.choice(("png", "png", "csv", "txt"))
    path = f"files/{reference}-{place + 1}.{kind}"
    if kind == "png":
        claim.documents[path] = make_png(draw.choice((48, 64, 80)), draw.choice((36, 48, 60)), draw)
    elif kind == "csv":
        bought = draw.sample(["paint", "glass", "taxi", "hotel", "bandage", "rope"], draw.randrange(1, 4))
        claim.documents[path] = make_csv([(what, round(draw.uniform(5, 300), 2)) for what in bought])
    else:
        claim.documents[path] = f"Witness: {draw.choice(_NAMES)} saw it happen.\n".encode()
    return path


def _spell_date(day: dt.date, number: int) -> Any:
    if number % 5 == 2:
        return day.isoformat()
    if number % 5 == 4:
        return f"{day.day} {_MONTHS[day.month]} {day.year}"
    return dt.datetime(day.year, day.month, day.day)  # noqa: DTZ001  (workbooks know no zones)


def _spell_paths(paths: list[str], number: int) -> str | None:
    if number % 6 == 2 and paths:
        return json.dumps(paths)
    return ("\n" if number % 4 == 1 else "; ").join(paths) or None


# -- the mistakes -------------------------------------------------------------------------------------------


def _lose_form(claim: _Claim) -> None:
    path = claim.cells["claim-form"]
    claim.cells["claim-form"] = re.sub(r"claim-00", "claim-0", path)


def _picture_as_form(claim: _Claim) -> None:
    path = f"files/scan-{claim.number:03}.png"
    claim.documents[path] = make_png(60, 80, random.Random(claim.number))
    claim.cells["claim-form"] = path


def _add_huge_photo(claim: _Claim) -> None:
    path = f"files/photo-{claim.number:03}-full-size.png"
    claim.documents[path] = _TOO_LARGE_BYTES
    claim.cells["Evidence"] = path


def _setter(header: str, value: Any) -> Callable[[_Claim], None]:
    def spoil(claim: _Claim) -> None:
        claim.cells[header] = value

    return spoil


_SPOIL: Mapping[str, Callable[[_Claim], None]] = {
    "missing file": _lose_form,
    "text in a number": _setter("CLAIMED AMOUNT", "about 800"),
    "unknown option": _setter(" line of business", "Pets"),
    "empty cell": _setter("Policy", None),
    "ambiguous date": _setter("Date of loss:", "03/04/2025"),
    "wrong kind of file": _picture_as_form,
    "broken formula": _setter("CLAIMED AMOUNT", "#REF!"),
    "file too large": _add_huge_photo,
}

# -- the workbook -------------------------------------------------------------------------------------------


def _make_workbook(claims: list[_Claim]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font

    book = Workbook()
    book.remove(book.worksheets[0])
    sheet = book.create_sheet("Claims")
    sheet.append(list(HEADERS))
    for claim in claims:
        sheet.append([None] * len(HEADERS))
        for column, value in enumerate(claim.cells.values(), 1):
            cell = sheet.cell(row=sheet.max_row, column=column, value=value)
            if isinstance(value, str):
                # Otherwise a remark that begins with = would become a formula.
                cell.data_type = "e" if value == "#REF!" else "s"
                cell.alignment = Alignment(wrap_text="\n" in value, vertical="top")
            elif isinstance(value, dt.datetime):
                cell.number_format = "yyyy-mm-dd"
            elif isinstance(value, float):
                cell.number_format = "#,##0.00"
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    sheet.freeze_panes = "B2"
    for letter, width in zip("ABCDEFGHIJKLM", (16, 16, 16, 18, 26, 34, 16, 46, 20, 15, 44, 24, 10), strict=True):
        sheet.column_dimensions[letter].width = width
    buffer = io.BytesIO()
    book.save(buffer)
    return _without_clock(buffer.getvalue())


def _without_clock(workbook: bytes) -> bytes:
    """Return the workbook without the moment at which it was written."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    moment = rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*"
    return pack_zip(
        (name, re.sub(moment, rb"\g<1>2025-11-03T09:00:00Z", content) if name == "docProps/core.xml" else content)
        for name, content in parts
    )
