"""Uploaded files as a workflow function gets them, read with the standard library alone."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from xml.etree import ElementTree

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@dataclass(frozen=True)
class UploadedFile:
    """One file that a client has uploaded.

    Attributes
    ----------
    name : str
        The original name if the client gave one, else the last part of the address.
    url : str
        The ``fileUrl`` that stands in the payload.
    bytes : bytes
        The content, byte for byte.
    """

    name: str
    url: str
    bytes: bytes

    @property
    def extension(self) -> str:
        """The kind in lower case without a dot: ``pdf``."""
        return self.url.rsplit(".", 1)[-1].lower()

    @property
    def size(self) -> int:
        """The length in bytes."""
        return len(self.bytes)

    def text(self) -> str:
        """Everything in the file that reads as text; empty for pictures and for what cannot be read."""
        reader = _READERS.get(self.extension)
        if reader is None:
            return ""
        try:
            return reader(self.bytes)
        except (ValueError, KeyError, zipfile.BadZipFile, ElementTree.ParseError, zlib.error):
            return ""

    def words(self) -> list[str]:
        """Split into the words of `text`."""
        return re.findall(r"[^\W_]+(?:['’.-][^\W_]+)*", self.text())

    def rows(self) -> list[dict[str, str]]:
        """Read the rows of a CSV file by header; the delimiter is found from the first line."""
        text = _plain_text(self.bytes)
        first = text.split("\n", 1)[0]
        delimiter = max(",;\t|", key=first.count)
        return [
            {key: value or "" for key, value in row.items() if key is not None}
            for row in csv.DictReader(io.StringIO(text), delimiter=delimiter)
        ]

    def column_total(self, column: str) -> float:
        """Add up one CSV column; cells that are not numbers count nothing."""
        return round(sum(_number(row.get(column, "")) for row in self.rows()), 6)

    def numbers_total(self) -> float:
        """Add up every cell of a CSV file that is a number."""
        return round(sum(_number(cell) for row in self.rows() for cell in row.values()), 6)

    def picture_size(self) -> tuple[int, int] | None:
        """Width and height of a PNG or JPEG in pixels, else None."""
        if self.bytes[:8] == b"\x89PNG\r\n\x1a\n" and len(self.bytes) >= 24:
            width, height = struct.unpack(">II", self.bytes[16:24])
            return int(width), int(height)
        if self.bytes[:2] == b"\xff\xd8":
            return _jpeg_size(self.bytes)
        return None

    def pages(self) -> int:
        """How many pages a PDF has; 1 for every other file."""
        return max(1, len(re.findall(rb"/Type\s*/Page(?![a-zA-Z])", self.bytes))) if self.extension == "pdf" else 1


def _number(cell: str) -> float:
    try:
        return float(cell.replace(",", ""))
    except ValueError:
        return 0.0


def _plain_text(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _markup_text(content: bytes) -> str:
    without_code = re.sub(r"(?is)<(script|style).*?</\1>", " ", _plain_text(content))
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", without_code)).split())


def _json_text(content: bytes) -> str:
    return json.dumps(json.loads(_plain_text(content)), ensure_ascii=False)


def _docx_text(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        document = ElementTree.fromstring(archive.read("word/document.xml"))
    return "\n".join(
        "".join(run.text or "" for run in paragraph.iter(f"{_WORD}t")) for paragraph in document.iter(f"{_WORD}p")
    )


def _xlsx_text(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        shared: list[str] = []
        if "xl/sharedStrings.xml" in names:
            strings = ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
            shared = ["".join(t.text or "" for t in si.iter(f"{_SHEET}t")) for si in strings.iter(f"{_SHEET}si")]
        cells: list[str] = []
        for name in sorted(n for n in names if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", n)):
            for cell in ElementTree.fromstring(archive.read(name)).iter(f"{_SHEET}c"):
                value = cell.find(f"{_SHEET}v")
                inline = "".join(t.text or "" for t in cell.iter(f"{_SHEET}t"))
                if value is not None and value.text is not None:
                    cells.append(shared[int(value.text)] if cell.get("t") == "s" else value.text)
                elif inline:
                    cells.append(inline)
    return " ".join(cells)


def _pdf_streams(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each stream of a PDF with the dictionary before it."""
    begin = _PDF_STREAM.search(content)
    while begin is not None:
        end = content.find(b"endstream", begin.end())
        if end < 0:
            return
        yield content[max(0, begin.start() - 400) : begin.start()].rpartition(b"obj")[2], content[begin.end() : end]
        begin = _PDF_STREAM.search(content, end + len(b"endstream"))


def _pdf_text(content: bytes) -> str:
    lines: list[str] = []
    for head, packed in _pdf_streams(content):
        stream = packed
        if b"/Image" in head or b"/FontFile" in head:
            continue
        try:
            if b"ASCII85Decode" in head:
                stream = base64.a85decode(b"<~" + stream.strip().removeprefix(b"<~"), adobe=True)
            if b"FlateDecode" in head:
                stream = zlib.decompressobj().decompress(stream, _MOST_TEXT_BYTES)
        except (ValueError, zlib.error):
            continue
        for shown in _PDF_SHOWN.finditer(stream):
            pieces = re.findall(rb"\(((?:\\.|[^\\()])*)\)", shown[0], re.DOTALL)
            lines.append("".join(_pdf_string(piece) for piece in pieces))
    return "\n".join(lines)


_PDF_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_MOST_TEXT_BYTES = 5_000_000
_PDF_SHOWN = re.compile(rb"\[(?:\((?:\\.|[^\\()])*\)|[^()\[\]])*\]\s*TJ|\((?:\\.|[^\\()])*\)\s*(?:Tj|'|\")", re.DOTALL)
_PDF_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def _pdf_string(raw: bytes) -> str:
    def replace(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8) & 255]) if code.isdigit() else _PDF_ESCAPES.get(code, code)

    return re.sub(rb"\\([0-7]{1,3}|.)", replace, raw, flags=re.DOTALL).decode("cp1252", errors="replace")


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 < len(content) and content[place] == 0xFF:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if marker in (0xC0, 0xC1, 0xC2):
            height, width = struct.unpack(">HH", content[place + 5 : place + 9])
            return int(width), int(height)
        place += 2 + length
    return None


_READERS: dict[str, Callable[[bytes], str]] = {
    "pdf": _pdf_text,
    "docx": _docx_text,
    "xlsx": _xlsx_text,
    "txt": _plain_text,
    "csv": _plain_text,
    "json": _json_text,
    "html": _markup_text,
    "xml": _markup_text,
}


def make_pdf(lines: list[str]) -> bytes:
    """Set a few lines of text on one page, as the smallest PDF that readers accept."""
    shown = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in lines]
    text = "BT /F1 11 Tf 56 780 Td 15 TL " + " T* ".join(f"({line}) Tj" for line in shown) + " ET"
    stream = text.encode("cp1252", errors="replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        out += b"%010d 00000 n \n" % place
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
