"""Tables made from folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from opus_nb.errors import SettingsError, SheetUnreadable
from opus_nb.sheet.folders import files_table


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Make a folder of scans, with files that nobody means."""
    for name in (
        "claim-10/front.pdf",
        "claim-2/front.PDF",
        "claim-2/back.pdf",
        "note.txt",
        ".hidden.pdf",
        "~$lock.pdf",
    ):
        place = tmp_path / "scans" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"%PDF-")
    return tmp_path / "scans"


def test_one_row_per_file_in_natural_order(scans: Path) -> None:
    """Endings match in any case, 2 comes before 10, hidden and lock files are left out."""
    df = files_table(scans / "**" / "*.pdf")
    assert df["folder"].tolist() == ["claim-2", "claim-2", "claim-10"]
    assert df["name"].tolist() == ["back.pdf", "front.PDF", "front.pdf"]
    assert df["suffix"].tolist() == [".pdf"] * 3
    assert df["size_bytes"].tolist() == [5, 5, 5]
    assert str(df["modified"].dt.tz) == "UTC"
    assert all(Path(each).is_absolute() and Path(each).is_file() for each in df["path"])


def test_groups_of_the_pattern_become_columns(scans: Path) -> None:
    """Named groups by name, others by number; NA where the pattern does not match."""
    df = files_table([scans / "**" / "*.pdf", scans], pattern=r"claim-(?P<claim>\d+)/(front|back)")
    assert df["claim"].tolist()[:3] == ["2", "2", "10"]
    assert df["group_2"].tolist()[:3] == ["back", "front", "front"]
    assert df["claim"].isna().tolist() == [False, False, False, True]


def test_files_of_a_group_share_a_row(scans: Path) -> None:
    """by= gives one row per group with the list of its paths, ready for a multi-file input."""
    df = files_table(scans / "**" / "*", pattern=r"(?P<claim>claim-\d+)", by="claim")
    assert df["claim"].tolist() == ["claim-2", "claim-10"]
    assert [len(paths) for paths in df["path"]] == df["files"].tolist() == [2, 1]


def test_relative_patterns_begin_here(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative pattern gives absolute paths, so the table works from anywhere."""
    monkeypatch.chdir(scans.parent)
    assert files_table("scans/*.txt")["path"].tolist() == [str(scans / "note.txt")]


def test_nothing_found_and_wrong_patterns_are_refused(scans: Path) -> None:
    """An empty table would only be an error later."""
    with pytest.raises(SheetUnreadable, match="No file"):
        files_table(scans / "*.heic")
    with pytest.raises(SettingsError, match="regular expression"):
        files_table(scans, pattern="(")
    with pytest.raises(SettingsError, match="no group"):
        files_table(scans, pattern="(?P<a>x)", by="b")
