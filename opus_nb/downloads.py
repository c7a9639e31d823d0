"""The files that jobs have produced, brought into a folder: each whole or not at all, and none twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from opus_nb.errors import NotFound, OpusError, RequestRefused, ServiceKeyRefused, SettingsError
from opus_nb.frames.results import results_frame
from opus_nb.job import Outcome
from opus_nb.service.client import Client
from opus_nb.service.schema import Schema
from opus_nb.service.wire import Wire

__all__ = ["WantedFile", "fetch_files", "find_files"]

MANIFEST = "manifest.json"
FILES_AT_ONCE = 4
# Tries of one file; each asks for a fresh address and goes on where the one before stopped.
TRIES = 4
# Writing the manifest may take this share of the time; a large one is written less often.
_MANIFEST_SHARE = 0.1
# What the service's own addresses of files look like, wherever they stand in an answer.
_FILE_URL = re.compile(r"https?://[^/\s]+/(?:[^\s]*/)?media/(?:private|public)/\S+", re.IGNORECASE)
_OWN_COLUMNS = ("state", "job_id", "error")
NO_ROUTE = (
    "This Opus does not answer the route that gives out files (POST /job/file/download), and the addresses in the "
    "results cannot be opened by themselves: open the job in the Opus app to get them."
)


@dataclass(frozen=True, slots=True)
class WantedFile:
    """One file that a job named in its results."""

    position: int
    row: Any
    output: str
    file_url: str


@dataclass(slots=True)
class _Fetched:
    """What became of one address."""

    path: Path
    size: int | None = None
    status: str = "pending"
    error: str | None = None
    used_by: list[WantedFile] = field(default_factory=list)


def find_files(
    outcomes: Sequence[Outcome],
    index: pd.Index[Any],
    schema: Schema,
    *,
    rows: Iterable[Any] | None = None,
    outputs: Iterable[str] | str | None = None,
) -> list[WantedFile]:
    """Find the files that the results name.

    An output that is declared as a file holds one by its declaration; elsewhere an address counts when it looks
    like the service's own addresses of files, at any depth of a list or an object.

    Raises
    ------
    SettingsError
        A row or an output that does not exist.
    """
    frame = results_frame(outcomes, index, schema).drop(columns=list(_OWN_COLUMNS))
    wanted = None if outputs is None else {outputs} if isinstance(outputs, str) else set(outputs)
    if wanted is not None and (unknown := sorted(wanted - set(frame.columns))):
        there = ", ".join(map(repr, frame.columns)) or "none"
        raise SettingsError(
            "There is no such output",
            where=", ".join(map(repr, unknown)),
            came_back=f"the outputs are {there}",
            next_step="Name columns of results(), or leave outputs= out for every file there is.",
        )
    labels = None if rows is None else list(rows)
    if labels is not None and (strange := [each for each in labels if each not in index]):
        raise SettingsError(
            "These rows are not in the sheet",
            where=", ".join(map(repr, strange[:5])),
            next_step="rows= takes values of the sheet's own index, as in run.results().index.",
        )
    declared = {each.display_name for each in schema if each.kind in {"file", "files"}}
    found = []
    for position, label in enumerate(index):
        if labels is not None and label not in labels:
            continue
        for name in frame.columns:
            if wanted is not None and name not in wanted:
                continue
            is_declared = name in declared or name.rpartition(" (")[0] in declared
            urls = dict.fromkeys(_addresses(frame[name].iloc[position], is_declared))
            found += [WantedFile(position, label, str(name), url) for url in urls]
    return found


async def fetch_files(
    wire: Wire, wanted: Sequence[WantedFile], folder: str | PathLike[str], workspace_id: str | None = None
) -> tuple[pd.DataFrame, str]:
    """Fetch files into a folder; see ``run.download``.

    Returns
    -------
    tuple of (DataFrame, str)
        One row per wanted file, and a sentence that says what came of it.

    Raises
    ------
    SettingsError
        The folder cannot be written to.
    ServiceKeyRefused
        Opus does not take the key any more.
    """
    place = Path(folder).expanduser().absolute()
    try:
        place.mkdir(parents=True, exist_ok=True)
        shelf = _Shelf(place, wanted)
        shelf.write()
    except OSError as error:
        raise SettingsError(
            "The folder for the files cannot be written to",
            where=str(place),
            came_back=error.strerror or str(error),
            next_step="Give another folder; nothing was fetched.",
        ) from None
    getter = _Getter(Client(wire), workspace_id)
    places = asyncio.Semaphore(FILES_AT_ONCE)

    async def fetch(url: str, file: _Fetched) -> None:
        async with places:
            await getter.get(url, file)
        shelf.note()

    try:
        tasks = [asyncio.ensure_future(fetch(url, file)) for url, file in shelf.files.items()]
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        shelf.write()
    return shelf.frame(wanted), shelf.sentence(getter.has_route)


class _Getter:
    """Gets one file at a time from Opus, through an address that is asked for anew at every try."""

    def __init__(self, client: Client, workspace_id: str | None) -> None:
        self._client = client
        self._workspace_id = workspace_id
        self.has_route = True

    async def get(self, url: str, file: _Fetched) -> None:
        if file.status == "kept":
            return
        # The name of the half-written file belongs to this address alone: halves of two are never joined.
        part = file.path.with_name(f"{file.path.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
        for attempt in range(TRIES):
            if not self.has_route:
                file.status, file.error = "failed", NO_ROUTE
                return
            if attempt:
                await asyncio.sleep(self._client.wire.patience.wait_s(attempt))
            try:
                if await self._try(url, file, part):
                    return
            except ServiceKeyRefused:
                raise
            except NotFound as error:
                self._missing(file, error)
                return
            except OpusError as error:
                file.status, file.error = "failed", str(error)
            except OSError as error:
                file.status, file.error = "failed", f"it cannot be written: {error.strerror or error}"
                return

    async def _try(self, url: str, file: _Fetched, part: Path) -> bool:
        address = await self._client.request_download(url, workspace_id=self._workspace_id)
        start = part.stat().st_size if part.exists() else 0
        if address.size is not None and start > address.size:
            start = 0
        with part.open("r+b" if part.exists() else "wb") as sink:

            def take(at: int, piece: bytes) -> None:
                sink.seek(at)
                sink.write(piece)

            if not address.size or start < address.size:
                try:
                    await self._client.wire.fetch_file(
                        address.presigned_url, take, start=start, doing=f"Downloading {file.path.name}"
                    )
                except RequestRefused as error:
                    if error.status == 416:
                        sink.truncate(0)
                    raise
                sink.truncate()
        size = part.stat().st_size
        if address.size is not None and size != address.size:
            part.unlink()
            file.status, file.error = "failed", f"{size} bytes came, Opus had promised {address.size}"
            return False
        part.replace(file.path)
        file.status, file.size, file.error = "done", size, None
        return True

    def _missing(self, file: _Fetched, error: NotFound) -> None:
        if any(each.startswith("Cannot POST") for each in error.messages):
            self.has_route = False
            file.status, file.error = "failed", NO_ROUTE
            return
        said = error.came_back or "no such file"
        file.status, file.error = "missing", f"Opus does not give this file out ({said}); uploads cannot be read back"


class _Shelf:
    """The folder: which address lies under which name, and the manifest that remembers it."""

    def __init__(self, folder: Path, wanted: Sequence[WantedFile]) -> None:
        self._folder = folder
        self._others, known = _read_manifest(folder / MANIFEST, {each.file_url for each in wanted})
        self._taken = {entry.name.casefold() for entry in folder.iterdir()}
        self._taken |= {str(entry.get("path", "")).casefold() for entry in (*self._others, *known.values())}
        self.files: dict[str, _Fetched] = {}
        for each in wanted:
            file = self.files.get(each.file_url)
            if file is None:
                file = self.files[each.file_url] = self._place(each, known.get(each.file_url))
            file.used_by.append(each)
        self._written_at = 0.0
        self._cost_s = 0.0

    def _place(self, wanted: WantedFile, known: Mapping[str, Any] | None) -> _Fetched:
        # Only a plain name of this folder is believed.
        name = str((known or {}).get("path", ""))
        if not name or Path(name).name != name or name in {".", ".."}:
            return _Fetched(self._folder / self._name(wanted))
        file = _Fetched(self._folder / name)
        size = (known or {}).get("size")
        if file.path.is_file() and size in {None, file.path.stat().st_size}:
            file.status, file.size = "kept", file.path.stat().st_size
        return file

    def _name(self, wanted: WantedFile) -> str:
        suffix = PurePosixPath(urlsplit(wanted.file_url).path).suffix.lower()
        suffix = suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""
        stem = f"{_plain(wanted.row) or f'row-{wanted.position}'}_{_plain(wanted.output) or 'file'}"
        name, number = f"{stem}{suffix}", 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}_{number}{suffix}"
        self._taken.add(name.casefold())
        return name

    def note(self) -> None:
        """Write the manifest, unless that would cost more than its share."""
        if time.monotonic() - self._written_at > self._cost_s / _MANIFEST_SHARE:
            self.write()

    def write(self) -> None:
        """Write the manifest: all of it or, should this process die, none."""
        began = time.monotonic()
        mine = [
            {
                "row": _jsonable(used.row),
                "output": used.output,
                "file_url": url,
                "path": file.path.name,
                "size": file.size,
                "status": "done" if file.status == "kept" else file.status,
            }
            for url, file in self.files.items()
            for used in file.used_by
        ]
        text = json.dumps({"files": [*self._others, *mine]}, ensure_ascii=False, indent=1)
        draft = self._folder / f"{MANIFEST}.{os.getpid()}.part"
        draft.write_text(text, encoding="utf-8")
        draft.replace(self._folder / MANIFEST)
        self._written_at = time.monotonic()
        self._cost_s = self._written_at - began

    def frame(self, wanted: Sequence[WantedFile]) -> pd.DataFrame:
        files = [self.files[each.file_url] for each in wanted]
        there = [file.status in {"done", "kept"} for file in files]
        columns: dict[str, Any] = {
            "row": pd.Series([each.row for each in wanted], dtype=None if wanted else object),
            "output": pd.array([each.output for each in wanted], dtype="string"),
            "file_url": pd.array([each.file_url for each in wanted], dtype="string"),
            "path": pd.array(
                [str(file.path) if has else None for file, has in zip(files, there, strict=True)], dtype="string"
            ),
            "size": pd.array([file.size for file in files], dtype="Int64"),
            "status": pd.array([file.status for file in files], dtype="string"),
            "error": pd.array([file.error for file in files], dtype="string"),
        }
        frame: pd.DataFrame = pd.DataFrame(columns)
        return frame

    def sentence(self, has_route: bool) -> str:
        if not self.files:
            return "The results name no files."
        counts = Counter(file.status for file in self.files.values())
        said = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
        number = len(self.files)
        lies = "file: {}. It lies" if number == 1 else "files: {}. They lie"
        text = f"{number} {lies.format(said)} in {self._folder}; {MANIFEST} there says which is which."
        return text if has_route else f"{text}\n{NO_ROUTE}"


def _addresses(value: Any, is_declared: bool) -> Iterator[str]:
    if isinstance(value, str):
        text = value.strip()
        if _FILE_URL.fullmatch(text) or (is_declared and text.lower().startswith(("https://", "http://"))):
            yield text
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _addresses(each, is_declared)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _addresses(each, is_declared)


def _read_manifest(path: Path, wanted: set[str]) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return the entries of files that are not wanted now, and the others by address; a broken manifest is empty."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["files"]
        entries = [each for each in entries if isinstance(each, dict) and isinstance(each.get("file_url"), str)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return [], {}
    others = [each for each in entries if each["file_url"] not in wanted]
    return others, {each["file_url"]: each for each in entries if each["file_url"] in wanted}


def _plain(text: Any) -> str:
    """Return what may stand in the name of a file on any system."""
    return re.sub(r"[^\w.-]+", "-", str(text)).strip("-.")[:60]


def _jsonable(label: Any) -> Any:
    plain = label.item() if hasattr(label, "item") and not isinstance(label, (str, bytes)) else label
    return plain if isinstance(plain, (str, int, float, bool)) or plain is None else str(plain)
