"""Reading uploaded files with the standard library."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib

import openpyxl
import pytest

from opus_nb.sandbox import UploadedFile
from opus_nb.sandbox.documents import make_pdf


def _file(content: bytes, kind: str) -> UploadedFile:
    return UploadedFile(f"original.{kind}", f"https://files.opus.com/media/private/uploaded/m.{kind}", content)


def _zip(**parts: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), text)
    return out.getvalue()


def _docx(*paragraphs: str) -> bytes:
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    return _zip(word__document_xml=f"<w:document {space}><w:body>{body}</w:body></w:document>")


def _pdf(stream: bytes, filters: bytes = b"/FlateDecode") -> bytes:
    packed = zlib.compress(stream) if b"Flate" in filters else stream
    head = b"<< /Length %d /Filter [%s] >>" % (len(packed), filters)
    return b"%PDF-1.4\n1 0 obj\n" + head + b"\nstream\n" + packed + b"\nendstream\nendobj\n"


def test_own_pdf_reads_back() -> None:
    """What make_pdf writes, text() reads, brackets and umlauts included."""
    document = _file(make_pdf(["Grüße (an alle)", r"back\slash"]), "pdf")
    assert document.text() == "Grüße (an alle)\nback\\slash"
    assert document.words() == ["Grüße", "an", "alle", "back", "slash"]
    assert document.pages() == 1


def test_own_pdf_is_well_formed() -> None:
    """The cross references of what make_pdf writes point to its objects, and its stream has the length it says."""
    content = make_pdf(["One line", "Another"])
    start = int(content.rpartition(b"startxref\n")[2].split()[0])
    assert content[start : start + 5] == b"xref\n"
    places = [int(line[:10]) for line in content[start:].splitlines()[3:8]]
    assert [content[place : place + 7] for place in places] == [b"%d 0 obj" % number for number in range(1, 6)]
    length = int(content.partition(b"/Length ")[2].split()[0])
    stream = content.partition(b"stream\n")[2].partition(b"\nendstream")[0]
    assert len(stream) == length
    assert content.endswith(b"%%EOF\n")


def test_compressed_and_kerned_pdf() -> None:
    """Deflated streams, kerned arrays and octal escapes are read; pictures among the streams are not text."""
    stream = rb"BT [(Inv) -20 (oice)] TJ (No. \101\)) Tj (plain) ' ET"
    assert _file(_pdf(stream), "pdf").text() == "Invoice\nNo. A)\nplain"


def test_pdf_of_another_writer() -> None:
    """ASCII85 over deflate, as common writers use it, is read, one text per page; pictures are left alone."""
    pages = b""
    for text in (b"(Invoice 4711) Tj", b"(Total \\(gross\\) 119.00) Tj"):
        packed = base64.a85encode(zlib.compress(text)) + b"~>"
        pages += b"9 0 obj << /Type /Page >> endobj\n8 0 obj\n<< /Filter [ /ASCII85Decode /FlateDecode ] >>\nstream\n"
        pages += packed + b"endstream\nendobj\n"
    picture = b"7 0 obj << /Subtype /Image >>\nstream\n(noise) Tj\nendstream\nendobj\n"
    document = _file(b"%PDF-1.3\n" + pages + picture, "pdf")
    assert document.text() == "Invoice 4711\nTotal (gross) 119.00"
    assert document.pages() == 2


def test_docx_and_xlsx() -> None:
    """Paragraphs of a DOCX and cells of an XLSX are text."""
    assert _file(_docx("First & last".replace("&", "&amp;"), "Second"), "docx").text() == "First & last\nSecond"
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    sheet = _zip(
        xl__sharedStrings_xml=f"<sst {space}><si><t>Name</t></si><si><r><t>Ada</t></r></si></sst>",
        xl__worksheets__sheet1_xml=(
            f'<worksheet {space}><sheetData><row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c><v>4.5</v></c>'
            '<c t="inlineStr"><is><t>here</t></is></c><c/></row></sheetData></worksheet>'
        ),
    )
    assert _file(sheet, "xlsx").text() == "Name Ada 4.5 here"


def test_workbook_of_the_usual_library() -> None:
    """A workbook as openpyxl writes it is read."""
    out, book = io.BytesIO(), openpyxl.Workbook()
    book.active.append(["Total", 12])
    book.save(out)
    assert _file(out.getvalue(), "xlsx").text() == "Total 12"


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        ("Grüße".encode(), "txt", "Grüße"),
        ("Grüße".encode("cp1252"), "txt", "Grüße"),
        ("Grüße".encode("utf-16"), "txt", "Grüße"),
        (b"\xef\xbb\xbfwith mark", "txt", "with mark"),
        (b'{"a": ["\xc3\xbc"]}', "json", '{"a": ["ü"]}'),
        (b"{broken", "json", ""),
        (b"<style>p{}</style><p>One&amp;two</p><script>x()</script>", "html", "One&two"),
        (b"<a><b>deep</b></a>", "xml", "deep"),
        (b"not a zip", "docx", ""),
        (b"PK", "xlsx", ""),
        (b"\x89PNG", "png", ""),
        (b"old binary", "xls", ""),
    ],
)
def test_text_of_every_kind(content: bytes, kind: str, text: str) -> None:
    """Text is found in each kind that has some, whatever the encoding; what cannot be read is empty."""
    assert _file(content, kind).text() == text


def test_csv_rows_and_sums() -> None:
    """Rows come by header whatever the delimiter; sums skip what is no number."""
    document = _file(b"item;net\r\nDesk;1,200.50\r\nChair;80\r\nnote;n/a\r\n", "csv")
    assert document.rows()[0] == {"item": "Desk", "net": "1,200.50"}
    assert document.column_total("net") == 1280.5
    assert document.numbers_total() == 1280.5
    assert document.column_total("gross") == 0
    assert _file(b"", "csv").rows() == []
    assert _file(b"a,b\n1\n2,3,4\n", "csv").numbers_total() == 6


def test_picture_sizes() -> None:
    """Width and height are read from PNG and JPEG headers; other bytes have none."""
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480)
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08" + struct.pack(">HH", 300, 200) + b"\x00" * 8
    assert _file(png, "png").picture_size() == (640, 480)
    assert _file(jpeg, "jpg").picture_size() == (200, 300)
    assert _file(b"\xff\xd8\xff", "jpg").picture_size() is None
    assert _file(b"GIF89a", "png").picture_size() is None


def test_facts_of_a_file() -> None:
    """Name, kind and size are attributes."""
    document = UploadedFile("Scan 1.PDF", "https://files.opus.com/media/x.PDF", b"12345")
    assert (document.name, document.extension, document.size) == ("Scan 1.PDF", "pdf", 5)
