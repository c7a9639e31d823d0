"""Reading uploaded files with the standard library."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

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


def test_own_pdf_is_a_pdf_to_others() -> None:
    """A strict reader opens what make_pdf writes."""
    pypdf = pytest.importorskip("pypdf")
    page = pypdf.PdfReader(io.BytesIO(make_pdf(["One line", "Another"])), strict=True).pages[0]
    assert page.extract_text().split("\n") == ["One line", "Another"]


def test_compressed_and_kerned_pdf() -> None:
    """Deflated streams, kerned arrays and octal escapes are read; pictures among the streams are not text."""
    stream = rb"BT [(Inv) -20 (oice)] TJ (No. \101\)) Tj (plain) ' ET"
    assert _file(_pdf(stream), "pdf").text() == "Invoice\nNo. A)\nplain"


def test_pdf_of_another_writer() -> None:
    """ASCII85 over deflate, as common writers use it, is read."""
    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    out = io.BytesIO()
    sheet = canvas.Canvas(out, pageCompression=1)
    for text in ("Invoice 4711", "Total (gross) 119.00"):
        sheet.drawString(72, 700, text)
        sheet.showPage()
    sheet.save()
    document = _file(out.getvalue(), "pdf")
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


def test_written_by_real_libraries() -> None:
    """Files of the usual libraries are read."""
    docx, openpyxl = pytest.importorskip("docx"), pytest.importorskip("openpyxl")
    out = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("Dear Ada")
    document.save(out)
    assert _file(out.getvalue(), "docx").words() == ["Dear", "Ada"]
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
