"""Cells that name files: found, looked into once, and judged."""

from __future__ import annotations

import os
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import Any, Final
from urllib.parse import unquote, urlparse
from urllib.request import url2pathname

from opus_nb.job import LocalFile
from opus_nb.service.schema import Field
from opus_nb.service.values import MAX_FILE_BYTES, allowed_extensions, extension_fits
from opus_nb.sheet.casts import Cast, CastSettings
from opus_nb.sheet.cells import MISSING, clean_text, has_odd_spaces, is_missing, shorten, show_text
from opus_nb.sheet.containers import split_list
from opus_nb.sheet.findings import Problem, error, warning
from opus_nb.sheet.likeness import closest_names

__all__ = ["FileDesk", "cast_file", "cast_files"]

_TEXT_KINDS: Final = frozenset({"TXT", "CSV", "JSON", "HTML", "XML"})
_LOOK_BYTES: Final = 1024
_EDGES: Final = " \t\r\n\u00a0\u202f\u2007\ufeff\u200b"


def cast_file(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    """Cast to ``file``: a `LocalFile` for a path, the address itself for a URL."""
    return _cast_paths(field, values, settings.find_file, several=False)


def cast_files(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    """Cast to a list of files: paths separated by ``;`` or line breaks, a JSON list, or a Python list."""
    return _cast_paths(field, values, settings.find_file, several=True)


def _cast_paths(
    field: Field,
    values: Sequence[Any],
    find_file: Callable[[Field, str], tuple[Any, list[Problem]]],
    *,
    several: bool,
) -> Cast:
    cast = Cast([MISSING] * len(values))
    for place, value in enumerate(values):
        try:
            texts = _path_texts(value)
        except ValueError as reason:
            fix = "Write one path, or several separated by ; or line breaks."
            cast.add(place, error("not_a_path", f"This names no file: {reason}", fix))
            continue
        whole = value if isinstance(value, str) and len(texts) > 1 else None
        if whole is not None:  # a name may itself hold a semicolon
            found, problems = find_file(field, clean_text(whole))
            if not any(each.code == "file_missing" for each in problems):
                texts = [clean_text(whole)]
        if len(texts) == 1 and "," in texts[0]:
            texts = _split_commas(field, texts[0], find_file)
        if len(texts) > 1 and not several:
            problem = f"{len(texts)} files are named, and this input takes one"
            cast.add(place, error("too_many_files", problem, "Keep one, or give each file a row of its own."))
            continue
        every: list[Any] = []
        cast.values[place] = every if several else MISSING
        for text in texts:
            found, problems = find_file(field, text)
            every.append(found)
            if not several:
                cast.values[place] = found
            for each in problems:
                cast.add(place, each)
        if not texts:
            cast.add(place, error("not_a_path", "The list of files is empty", "Name a file, or leave the cell empty."))
    return cast


def _split_commas(field: Field, text: str, find_file: Callable[[Field, str], tuple[Any, list[Problem]]]) -> list[str]:
    """Return the parts between commas when each is a file and the whole is none; commas are common in names."""
    parts = [part.strip() for part in text.split(",") if part.strip()]

    def is_there(path: str) -> bool:
        return not any(each.code == "file_missing" for each in find_file(field, path)[1])

    return [text] if is_there(text) or not all(is_there(part) for part in parts) else parts


def _path_texts(value: Any) -> list[str]:
    """Return the paths that a cell names."""
    if isinstance(value, LocalFile):
        return [value.path]
    if isinstance(value, (os.PathLike, PurePath)):
        return [os.fsdecode(value)]
    # A single name keeps its odd spaces: they may be the file's own.
    is_one = isinstance(value, str) and not any(sign in value for sign in ";\n[{")
    texts = []
    for item in [value] if is_one else split_list(value):
        if isinstance(item, (str, os.PathLike)):
            texts.append((item if isinstance(item, str) else os.fsdecode(item)).strip(_EDGES))
        elif isinstance(item, LocalFile):
            texts.append(item.path)
        elif not is_missing(item):
            raise ValueError(f"{shorten(show_text(item), 40)} is a {type(item).__name__}")
    return [text for text in texts if text]


class FileDesk:
    """Finds the files that cells name, and looks at each distinct one once.

    Parameters
    ----------
    root : str or path
        Where relative paths begin.
    also : sequence of str
        Where they may begin, too, when nothing lies at ``root``.
    """

    def __init__(self, root: str | os.PathLike[str], *, also: Sequence[str] = ()) -> None:
        self.root = Path(root).expanduser()
        self._roots = (self.root, *(Path(each) for each in also))
        self._looks: dict[str, _Look] = {}
        self._folders: dict[str, list[str]] = {}

    def find(self, field: Field, text: str) -> tuple[Any, list[Problem]]:
        """Return the checked value for one path or URL, and what is wrong with it for this input.

        A missing, empty or unreadable file, a folder, more than 10 MB, and a kind that the input does not take are
        errors. So is content that certainly is of another kind than the name says (a web page saved as ``.pdf``);
        content that is merely not recognised is a warning.
        """
        plain = text.strip().strip("\"'")
        scheme = urlparse(plain).scheme.lower() if "://" in plain else ""
        if scheme in ("http", "https"):
            return plain, []
        if scheme == "file":
            plain = url2pathname(unquote(urlparse(plain).path))
        elif scheme:
            fix = "Download the file first, or give an http(s) address."
            return MISSING, [error("file_scheme", f"{scheme}:// addresses cannot be read here", fix, shorten(plain))]
        look = self._looks.get(plain)
        if look is None:
            look = self._looks[plain] = self._look(plain)
        if look.problem is not None:
            return MISSING, [look.problem]
        problems = _judge(field, look, plain)
        if any(each.severity == "error" for each in problems):
            return MISSING, problems
        return LocalFile(look.path), problems

    def is_there(self, text: str) -> bool:
        """Return True when a path leads to something."""
        plain = text.strip().strip("\"'")
        return bool(plain) and len(plain) < 4096 and "\n" not in plain and _exists(self._resolve(plain))

    def _look(self, text: str) -> _Look:
        path = self._resolve(text)
        shown = shorten(text)
        try:
            state = path.stat()
        except (OSError, ValueError) as reason:
            return _Look(str(path), problem=self._missing(path, shown, reason))
        if path.is_dir():
            fix = "Name the files in it, or make a table of them with opus_nb.files_table."
            return _Look(str(path), problem=error("file_is_folder", f"{shown} is a folder", fix, shown))
        if not path.is_file():
            return _Look(str(path), problem=error("file_unreadable", f"{shown} is no ordinary file", "Copy it.", shown))
        if state.st_size == 0:
            fix = "Put the right file in its place."
            return _Look(str(path), problem=error("file_empty", f"{shown} is empty (0 bytes)", fix, shown))
        try:
            with path.open("rb") as stream:
                head = stream.read(_LOOK_BYTES)
        except OSError as reason:
            fix = "Make the file readable for you, or copy it."
            problem = error("file_unreadable", f"{shown} cannot be read: {reason.strerror or reason}", fix, shown)
            return _Look(str(path), problem=problem)
        return _Look(str(path), state.st_size, _kind_by_content(path, head))

    def _resolve(self, text: str) -> Path:
        """Return the path that is meant: as it stands, else as other systems and programs spell the same name."""
        first = None
        for root in self._roots:
            for spelling in _spellings(text):
                try:
                    path = Path(spelling).expanduser()
                except (RuntimeError, ValueError):  # "~name" of somebody whom this machine does not know
                    path = Path(spelling)
                path = Path(os.path.abspath(root / path))  # noqa: PTH100 - without following links
                if _exists(path):
                    return path
                first = first or path
        return first or self.root

    def _missing(self, path: Path, shown: str, reason: Exception) -> Problem:
        if isinstance(reason, PermissionError):
            return error("file_unreadable", f"{shown} cannot be read: permission denied", "Ask for access.", shown)
        folder = str(path.parent)
        if folder not in self._folders:
            try:
                self._folders[folder] = sorted(os.listdir(folder))[:5000]  # noqa: PTH208 - names only, one call
            except (OSError, ValueError):
                self._folders[folder] = []
        close = closest_names(path.name, self._folders[folder], 1)
        if close:
            fix = f'Did you mean "{close[0]}", in the same folder?'
        elif _exists(path.parent):
            fix = f"Nothing like it lies in {folder}. Correct the path, or say where the files are with files_root=."
        else:
            fix = f"There is no folder {folder}. Correct the path, or say where the files are with files_root=."
        return error("file_missing", f"{shown} does not exist", fix, shown)


def _spellings(text: str) -> list[str]:
    """Return the ways to write a path: odd spaces plain, accents composed or not, separators of Windows turned."""
    ways = [text, clean_text(text)] if has_odd_spaces(text) else [text]
    if not text.isascii():
        ways += [unicodedata.normalize(form, way) for way in list(ways) for form in ("NFC", "NFD")]
    if "\\" in text and os.sep == "/":
        ways += [way.replace("\\", "/") for way in ways]
    return list(dict.fromkeys(ways))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


class _Look:
    """What one look at one path told."""

    __slots__ = ("kind", "path", "problem", "size")

    def __init__(self, path: str, size: int = 0, kind: str | None = None, problem: Problem | None = None) -> None:
        self.path, self.size, self.kind, self.problem = path, size, kind, problem


def _judge(field: Field, look: _Look, text: str) -> list[Problem]:
    suffix = Path(look.path).suffix
    shown = shorten(text)
    if not extension_fits(field, suffix):
        kinds = ", ".join(sorted({str(each).lstrip(".").upper() for each in allowed_extensions(field)}))
        what = f"{suffix!r} is not accepted here ({kinds})" if suffix else f"it has no ending, and this takes {kinds}"
        return [error("file_kind", f"{shown}: {what}", "Convert it, or name another file.", shown)]
    if look.size > MAX_FILE_BYTES:
        size = f"{look.size / 1_000_000:.1f} MB"
        fix = "Make it smaller: compress or split it."
        return [
            error(
                "file_too_large",
                f"{shown} has {size}; Opus takes up to {MAX_FILE_BYTES / 1_000_000:.0f} MB",
                fix,
                shown,
            )
        ]
    return _judge_content(suffix.lstrip(".").upper().replace("JPG", "JPEG"), look.kind, shown)


def _judge_content(named: str, kind: str | None, shown: str) -> list[Problem]:
    if kind == named or (kind is None and named in _TEXT_KINDS):
        return []
    if kind == "text":
        if named in _TEXT_KINDS:
            return []
        kind = "plain text"
    elif kind in _TEXT_KINDS and named in _TEXT_KINDS:
        return []
    if named == "XLS" and kind in ("XLSX", "HTML", "XML", "plain text"):
        # Many programs export tables under this name; most readers take them.
        return [warning("file_content", f"{shown} is named XLS and holds {kind}", "Save it again as XLSX.", shown)]
    if kind is None:
        fix = "Open it once; save it again if it is damaged."
        return [warning("file_content", f"{shown} does not begin like {_article(named)} file", fix, shown)]
    fix = f"Rename it, if it is the right file; a web page instead of {_article(named)} is often a failed download."
    return [error("file_content", f"{shown} is named {named} and holds {kind}", fix, shown)]


def _article(kind: str) -> str:
    return f"an {kind}" if kind[:1] in ("X", "H") else f"a {kind}"


def _kind_by_content(path: Path, head: bytes) -> str | None:
    """Return the kind of a file by its first bytes; ``"text"`` for text of no special kind, None if unknown."""
    if b"%PDF-" in head:
        return "PDF"
    for start, kind in ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"BM", "BMP")):
        if head.startswith(start):
            return kind
    if head.startswith((b"II*\x00", b"MM\x00*")):
        return "TIFF"
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "HEIC"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "XLS" if path.suffix.lower() == ".xls" else "an old Office file"
    return _kind_of_text(head)


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError):
        return "a damaged archive"
    for start, kind in (("word/", "DOCX"), ("xl/", "XLSX"), ("ppt/", "PPTX")):
        if any(name.startswith(start) for name in names):
            return kind
    return "ZIP"


def _kind_of_text(head: bytes) -> str | None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text"
    if b"\x00" in head:
        return None
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:300].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML"
    if start.startswith(b"<?xml"):
        return "HTML" if b"<html" in start else "XML"
    control = sum(byte < 32 and byte not in (9, 10, 12, 13, 27) for byte in head)
    return "text" if control == 0 else None
