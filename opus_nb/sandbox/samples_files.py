"""Small real documents, made with the standard library: the papers that lie beside the sample workbook."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

__all__ = ["make_csv", "make_docx", "make_huge_png", "make_png", "pack_zip"]

# The first moment that a zip archive can hold; the same bytes come out on every day.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)

_DOCX_TYPES = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">\
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>\
<Default Extension="xml" ContentType="application/xml"/>\
<Override PartName="/word/document.xml" \
ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"""
_DOCX_LINKS = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">\
<Relationship Id="rId1" \
Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" \
Target="word/document.xml"/></Relationships>"""
_DOCX_BODY = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{paragraphs}\
<w:sectPr/></w:body></w:document>"""


def pack_zip(parts: Iterable[tuple[str, bytes]]) -> bytes:
    """Pack named parts into a zip archive whose bytes depend on nothing but them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


def make_docx(lines: Sequence[str]) -> bytes:
    """Write one paragraph per line, as the smallest document that Word opens."""
    paragraphs = "".join(
        f'<w:p><w:r><w:t xml:space="preserve">{escape(line)}</w:t></w:r></w:p>' for line in lines
    )  # fmt: skip
    return pack_zip(
        [
            ("[Content_Types].xml", _DOCX_TYPES.encode()),
            ("_rels/.rels", _DOCX_LINKS.encode()),
            ("word/document.xml", _DOCX_BODY.format(paragraphs=paragraphs).encode()),
        ]
    )


def make_png(width: int, height: int, draw: random.Random) -> bytes:
    """Paint a picture that looks like a badly lit photograph: a gradient with a few dark patches."""
    top, bottom = ([draw.randrange(90, 230) for _ in range(3)] for _ in range(2))
    patches = [(draw.randrange(width), draw.randrange(height), draw.randrange(4, max(5, width // 5))) for _ in range(4)]
    lines = bytearray()
    for y in range(height):
        share = y / max(1, height - 1)
        lines.append(0)
        for x in range(width):
            dark = 0.55 if any((x - a) ** 2 + (y - b) ** 2 < r * r for a, b, r in patches) else 1.0
            lines += bytes(int((a + (b - a) * share) * dark) for a, b in zip(top, bottom, strict=True))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(lines), 9)), (b"IEND", b""))
    )


def make_huge_png(path: Path, *, size: int) -> None:
    """Write a file that begins like a PNG and is ``size`` bytes long, most of them a hole that takes no disk."""
    with path.open("wb") as stream:
        stream.write(make_png(8, 8, random.Random(0)))
        stream.truncate(size)


def make_csv(items: Sequence[tuple[str, float]]) -> bytes:
    """Write a list of receipts: what, and how much."""
    lines = ["item,amount", *(f'"{what}",{amount:.2f}' for what, amount in items)]
    return ("\r\n".join(lines) + "\r\n").encode()
