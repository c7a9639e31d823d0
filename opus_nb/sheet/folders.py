"""A table made from a folder of files."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import pandas as pd

from opus_nb.errors import SettingsError, SheetUnreadable

__all__ = ["files_table"]

_NUMBER = re.compile(r"(\d+)")


def files_table(
    files: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    pattern: str | None = None,
    by: str | None = None,
) -> pd.DataFrame:
    r"""Make a table from the files of a folder: one row per file, or one per group of files.

    Looks at names and sizes only; opens nothing. Hidden files and the lock files of office programs are left out;
    the case of the ending does not matter.

    Parameters
    ----------
    files : str, path, or several
        A folder (then everything in it), or a pattern such as ``"scans/**/*.pdf"``.
    pattern : str, optional
        A regular expression searched in the path (with ``/`` as separator) below the folder. Its named groups become
        columns: ``r"claim-(?P<claim>\d+)"``; unnamed ones are called ``group_1`` and so on. Files that it does not
        match have NA there.
    by : str, optional
        Name of a group: files with the same value share a row, and ``path`` holds a list of them. Files without it
        are left out.

    Returns
    -------
    pandas.DataFrame
        Index from 0, in natural order (2 before 10). Columns ``path`` (absolute), ``name``, ``folder`` (below the
        fixed part of the pattern), ``suffix`` (lower case), ``size_bytes`` (int64), ``modified`` (datetime64, UTC),
        then the groups (string). With ``by``: that group, ``path`` (list of str), ``files`` (int64), ``size_bytes``.

    Raises
    ------
    SheetUnreadable
        Nothing matches.
    SettingsError
        ``pattern`` is no regular expression, or ``by`` is none of its groups.
    """
    try:
        search = re.compile(pattern) if pattern is not None else None
    except re.error as reason:
        raise SettingsError(
            "pattern= is no regular expression",
            where=repr(pattern),
            came_back=str(reason),
            next_step=r'As in pattern=r"(?P<claim>\d+)_.*"; brackets and dots that are meant get a backslash.',
        ) from None
    groups = _group_names(search)
    if by is not None and by not in groups:
        shown = ", ".join(groups) or "none"
        raise SettingsError(f"by={by!r} is no group of pattern=", next_step=f"Its groups are: {shown}.", name=by)
    wanted = [files] if isinstance(files, (str, PathLike)) else list(files)
    rows: dict[str, dict[str, Any]] = {}
    for each in wanted:
        for root, found in _find(fspath(each)):
            rows.setdefault(str(found), _describe(root, found, search, groups))
    if not rows:
        raise SheetUnreadable(
            "No file matches",
            where=", ".join(fspath(each) for each in wanted),
            next_step=f"Relative patterns begin at {Path.cwd()}; ** goes through all folders below.",
        )
    ordered = [rows[key] for key in sorted(rows, key=_natural)]
    frame = pd.DataFrame(ordered)
    frame["modified"] = pd.to_datetime(frame["modified"], unit="s", utc=True)
    for group in groups:
        frame[group] = frame[group].astype("string")
    return frame if by is None else _grouped(frame, by)


def _find(text: str) -> list[tuple[Path, Path]]:
    """Return (fixed part of the pattern, file) for every match."""
    pattern = Path(text).expanduser()
    if pattern.is_dir():
        root, matches = pattern, [str(each) for each in pattern.iterdir()]
    else:
        parts = pattern.parts
        fixed = next((place for place, part in enumerate(parts) if glob.has_magic(part)), max(len(parts) - 1, 0))
        root = Path(*parts[:fixed]) if fixed else Path()
        head, _, suffix = str(pattern).rpartition(".")
        if head and suffix.isalnum():
            suffix = "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in suffix)
            matches = glob.glob(f"{head}.{suffix}", recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        else:
            matches = glob.glob(str(pattern), recursive=True)  # noqa: PTH207
    found = [Path(match) for match in matches]
    return [(root, each) for each in found if each.is_file() and not each.name.startswith((".", "~$"))]


def _group_names(search: re.Pattern[str] | None) -> list[str]:
    if search is None:
        return []
    names = {place: name for name, place in search.groupindex.items()}
    return [names.get(place, f"group_{place}") for place in range(1, search.groups + 1)]


def _describe(root: Path, found: Path, search: re.Pattern[str] | None, groups: list[str]) -> dict[str, Any]:
    state = found.stat()
    below = found.relative_to(root) if found.is_relative_to(root) else found
    row: dict[str, Any] = {
        "path": str(found.absolute()),
        "name": found.name,
        "folder": "" if below.parent == Path() else below.parent.as_posix(),
        "suffix": found.suffix.lower(),
        "size_bytes": state.st_size,
        "modified": state.st_mtime,
    }
    hit = search.search(below.as_posix()) if search is not None else None
    return row | dict(zip(groups, hit.groups() if hit else [None] * len(groups), strict=True))


def _natural(text: str) -> list[tuple[int, int, str]]:
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part.casefold()) for part in _NUMBER.split(text)]


def _grouped(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    rows = [
        {by: value, "path": part["path"].tolist(), "files": len(part), "size_bytes": int(part["size_bytes"].sum())}
        for value, part in frame.dropna(subset=[by]).groupby(by, sort=False)
    ]
    grouped: pd.DataFrame = pd.DataFrame(rows, columns=[by, "path", "files", "size_bytes"])
    return grouped
