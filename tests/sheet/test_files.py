"""Cells that name files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sheet_making import PDF

from opus_nb.job import LocalFile
from opus_nb.sheet import MISSING, CheckedSheet

Check = Callable[..., CheckedSheet]


def codes(checked: CheckedSheet) -> list[str]:
    """Return the codes of all issues."""
    return checked.issues["code"].tolist()


def test_a_path_becomes_an_absolute_local_file(check: Check, folder: Path) -> None:
    """Relative to files_root, absolute, quoted, as Path, as file:// and with a stray space: one file."""
    place = str(folder / "a.pdf")
    cells = ["a.pdf", "./a.pdf", place, f'"{place}"', Path("a.pdf"), (folder / "a.pdf").as_uri(), " a.pdf\u00a0"]
    checked = check("file", cells, files_root=folder)
    assert codes(checked) == []
    assert checked.columns["value"] == [LocalFile(place)] * len(cells)


def test_windows_separators_are_understood(check: Check, folder: Path) -> None:
    r"""scans\deep.pdf is found on every system."""
    checked = check("file", ["scans\\deep.pdf"], files_root=folder)
    assert checked.columns["value"] == [LocalFile(str(folder / "scans" / "deep.pdf"))]


@pytest.mark.parametrize(
    ("on_disk", "in_cell"),
    [
        ("Shot at 9.41\u202fAM.pdf", "Shot at 9.41\u202fAM.pdf"),
        ("Shot at 9.41 AM.pdf", "Shot at 9.41\u202fAM.pdf"),
        ("Zoe\u0308.pdf", "Zo\u00eb.pdf"),
        ("Zo\u00eb.pdf", "Zoe\u0308.pdf"),
        ("scans/Zoe\u0308.pdf", "scans\\Zo\u00eb.pdf"),
    ],
)
def test_a_name_is_found_however_its_letters_are_spelled(
    check: Check, folder: Path, on_disk: str, in_cell: str
) -> None:
    """No-break spaces of a Mac's screenshots, and accents composed or not, do not hide a file."""
    (folder / on_disk).write_bytes(PDF)
    assert check("file", [in_cell], files_root=folder).columns["value"] == [LocalFile(str(folder / on_disk))]


def test_a_copy_of_ours_in_another_folder_finds_the_files_of_its_original(check: Check, folder: Path) -> None:
    """What lies beside the copy wins; what does not is looked for beside the original."""
    (folder / "out").mkdir()
    (folder / "out" / "b.PNG").write_bytes((folder / "b.PNG").read_bytes())
    attrs = {"path": str(folder / "out" / "fix-me.xlsx"), "other_folder": ".."}
    checked = check("file", ["a.pdf", "b.PNG", "c.pdf"], attrs=attrs)
    assert checked.columns["value"][:2] == [LocalFile(str(folder / "a.pdf")), LocalFile(str(folder / "out" / "b.PNG"))]
    assert codes(checked) == ["file_missing"]
    assert str(folder / "out") in checked.issues["fix"][0]


def test_an_address_passes_as_it_is(check: Check) -> None:
    """An http(s) URL is a checked value already; other schemes are errors."""
    assert check("file", ["https://files.opus.com/media/a.pdf"]).columns["value"] == [
        "https://files.opus.com/media/a.pdf"
    ]
    assert codes(check("file", ["s3://bucket/a.pdf"])) == ["file_scheme"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("missing.pdf", "file_missing"),
        ("scans", "file_is_folder"),
        ("empty.pdf", "file_empty"),
        ("big.pdf", "file_too_large"),
        ("photo.heic", "file_kind"),
        ("page.pdf", "file_content"),
        ("a" * 5000, "file_missing"),
        ("nul\0byte.pdf", "file_missing"),
    ],
)
def test_a_file_that_cannot_be_sent_is_an_error(check: Check, folder: Path, name: str, code: str) -> None:
    """Each way in which a file can be wrong has its own code, and the row is not sent."""
    checked = check("file", [name], files_root=folder)
    assert codes(checked) == [code]
    assert checked.columns["value"] == [MISSING]
    assert checked.invalid.all()


def test_content_that_is_not_recognised_is_a_warning(check: Check, folder: Path) -> None:
    """Bytes that are no known kind are sent, and said; only certain contradictions stop a row."""
    checked = check("file", ["odd.pdf"], files_root=folder)
    assert checked.issues["severity"].tolist() == ["warning"]
    assert not checked.invalid.any()


def test_kinds_are_compared_without_case_and_jpg_is_jpeg(check: Check, folder: Path) -> None:
    """B.PNG is a PNG; .jpg fits JPEG; a kind that this input does not take is an error that lists what it takes."""
    (folder / "p.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    assert codes(check("file", ["b.PNG"], files_root=folder)) == []
    assert codes(check("file", ["p.jpg"], files_root=folder, allowed_file_types=("JPEG", "JPG"))) == []
    wrong = check("file", ["b.PNG"], files_root=folder, allowed_file_types=("PDF",))
    assert codes(wrong) == ["file_kind"]
    assert "PDF" in wrong.issues["problem"][0]


def test_a_missing_file_suggests_the_one_that_is_meant(check: Check, folder: Path) -> None:
    """A near name in the same folder is offered."""
    checked = check("file", ["scans/deap.pdf"], files_root=folder)
    assert '"deep.pdf"' in checked.issues["fix"][0]


@pytest.mark.parametrize(
    "cell", ["a.pdf;b.PNG", "a.pdf\nb.PNG", '["a.pdf", "b.PNG"]', ["a.pdf", "b.PNG"], ("a.pdf", Path("b.PNG"))]
)
def test_several_files_come_from_marks_lines_json_and_python(check: Check, folder: Path, cell: Any) -> None:
    """A multi-file input takes them all; a single one says that they are too many."""
    checked = check("files", [cell], files_root=folder)
    assert checked.columns["value"] == [[LocalFile(str(folder / "a.pdf")), LocalFile(str(folder / "b.PNG"))]]
    assert codes(check("file", [cell], files_root=folder)) == ["too_many_files"]


def test_one_bad_file_of_several_stops_the_row_and_each_bad_one_is_told(check: Check, folder: Path) -> None:
    """Two bad files of three are two issues of one row."""
    checked = check("files", ["a.pdf; missing.pdf; empty.pdf"], files_root=folder)
    assert codes(checked) == ["file_missing", "file_empty"]
    assert checked.issues["value"].tolist() == ["missing.pdf", "empty.pdf"]
    assert checked.columns["value"] == [MISSING]


def test_a_semicolon_in_a_name_is_no_separator_when_that_file_exists(check: Check, folder: Path) -> None:
    """A file whose name holds a semicolon is found as a whole."""
    assert check("file", ["semi;colon.pdf"], files_root=folder).columns["value"] == [
        LocalFile(str(folder / "semi;colon.pdf"))
    ]


def test_commas_separate_files_only_when_each_part_is_one(check: Check, folder: Path) -> None:
    """Two files with a comma between are two; a comma in a name that exists, or with nothing there, is part of it."""
    (folder / "x, y.pdf").write_bytes(PDF)
    checked = check("files", ["a.pdf, b.PNG", "x, y.pdf", "a.pdf, nope.pdf"], files_root=folder)
    assert [len(each) for each in checked.columns["value"][:2]] == [2, 1]
    assert checked.issues["value"].tolist() == ["a.pdf, nope.pdf"]


def test_paths_begin_at_the_folder_of_the_workbook(check: Check, folder: Path) -> None:
    """Without files_root, a frame that was read from a file looks beside that file."""
    checked = check("file", ["a.pdf"], attrs={"path": str(folder / "claims.xlsx")})
    assert checked.columns["value"] == [LocalFile(str(folder / "a.pdf"))]


def test_the_home_folder_is_understood(check: Check, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde is the home folder; somebody unknown's home is a missing file, not a crash."""
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert check("file", ["~/a.pdf"]).columns["value"] == [LocalFile(str(folder / "a.pdf"))]
    assert codes(check("file", ["~nobody-knows-me/a.pdf"])) == ["file_missing"]


def test_a_files_root_that_is_no_folder_is_said_once(check: Check, folder: Path) -> None:
    """The wrong root is an issue about the whole sheet."""
    checked = check("file", ["a.pdf", "b.PNG"], files_root=folder / "nowhere")
    assert codes(checked)[0] == "files_root_missing"
    assert checked.is_blocked


def test_each_distinct_file_is_looked_at_once(check: Check, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand rows with one file cost one look."""
    looks: list[str] = []
    real = Path.open

    def counting(self: Path, *args: Any, **kwargs: Any) -> Any:
        looks.append(self.name)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", counting)
    check("file", ["a.pdf"] * 500 + [Path("a.pdf")] * 500, files_root=folder)
    assert looks == ["a.pdf"]


def test_an_unreadable_file_is_an_error(check: Check, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that exists and may not be read is told with the system's reason."""

    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    checked = check("file", ["a.pdf"], files_root=folder)
    assert codes(checked) == ["file_unreadable"]
    assert "Permission denied" in checked.issues["problem"][0]


def test_a_pipe_is_not_waited_for(check: Check, folder: Path) -> None:
    """A named pipe would block the reader for ever; it is no ordinary file."""
    os.mkfifo(folder / "pipe.pdf")
    assert codes(check("file", ["pipe.pdf"], files_root=folder)) == ["file_unreadable"]


@pytest.mark.parametrize("cell", [5, [5], True, "[", b"a.pdf", [], "[]"])
def test_what_names_no_file_is_an_error(check: Check, folder: Path, cell: Any) -> None:
    """Numbers, empty lists and broken JSON name no file."""
    assert check("files", [cell], files_root=folder).invalid.all()


def test_named_pdf_with_leading_bytes_is_still_a_pdf(check: Check, folder: Path) -> None:
    """Readers accept a PDF whose mark comes a little late, so do we."""
    (folder / "late.pdf").write_bytes(b"\r\n\r\n" + PDF)
    assert codes(check("file", ["late.pdf"], files_root=folder)) == []
