"""Who a row is: what it means, not where it stands.

Two rows are the same purchase when workflow, pinned version, values and the bytes of the files are the
same; equal rows in one sheet are told apart by their occurrence. Sorting a sheet, renaming a file or
adding a column that feeds nothing changes no identity; changing one cell changes one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, Protocol

from opus_nb.errors import OpusError
from opus_nb.job import LocalFile

__all__ = ["HashMemory", "Identities", "hash_file", "local_files"]

BLOCK_BYTES = 1 << 20


class HashMemory(Protocol):
    """Remembers content hashes, so that a file that did not change is read once."""

    def known_hash(self, path: str, size: int, mtime_ns: int) -> str | None:
        """The hash, if this very file was read before."""

    def keep_hash(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        """Remember one."""


def local_files(inputs: Mapping[str, Any]) -> Iterator[LocalFile]:
    """Every file that the inputs of a row name, lists included."""
    for value in inputs.values():
        if isinstance(value, LocalFile):
            yield value
        elif isinstance(value, list):
            yield from (each for each in value if isinstance(each, LocalFile))


def hash_file(path: str, memory: HashMemory) -> str:
    """The SHA-256 of a file's bytes, from memory if size and time of change are the same.

    Raises
    ------
    OpusError
        The file cannot be read now.
    """
    try:
        stat = Path(path).stat()
        known = memory.known_hash(path, stat.st_size, stat.st_mtime_ns)
        if known is not None:
            return known
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise OpusError(
            "A file cannot be read",
            where=path,
            came_back=error.strerror or str(error),
            next_step="It was there when checked.",
        ) from None
    memory.keep_hash(path, stat.st_size, stat.st_mtime_ns, digest.hexdigest())
    return digest.hexdigest()


class Identities:
    """Gives each row of one sheet its key; asks for the rows in the order of the sheet.

    Parameters
    ----------
    workflow_id : str
    version : str or None
        The version the run is pinned to; None where it follows the latest.
    names : Mapping
        Variable name to the name that survives a rebuilt workflow (the display name where it is unique).
    memory : HashMemory
    """

    def __init__(self, workflow_id: str, version: str | None, names: Mapping[str, str], memory: HashMemory) -> None:
        self._start = json.dumps([workflow_id, version])
        self._names = names
        self._memory = memory
        self._seen: Counter[str] = Counter()

    def key(self, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The row's key, and its inputs with the content hash in every file.

        Reads the bytes of the files that are not known; the hash that the key was made of is what the
        upload compares with later.
        """
        hashed = {name: self._with_hash(value) for name, value in inputs.items()}
        meaning = {self._names.get(name, name): _plain(value) for name, value in hashed.items()}
        text = self._start + json.dumps(meaning, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self._seen[digest] += 1
        occurrence = self._seen[digest]
        return (digest if occurrence == 1 else f"{digest}.{occurrence}"), hashed

    def recall(self, key: str) -> None:
        """Count a row whose key is known, so that equal rows behind it get the next occurrence."""
        digest, _, occurrence = key.partition(".")
        self._seen[digest] = max(self._seen[digest], int(occurrence or 1))

    def _with_hash(self, value: Any) -> Any:
        if isinstance(value, LocalFile):
            return LocalFile(value.path, hash_file(value.path, self._memory))
        if isinstance(value, list):
            return [self._with_hash(each) for each in value]
        return value


def _plain(value: Any) -> Any:
    if isinstance(value, LocalFile):
        suffix = PurePath(value.path).suffix.lower()
        return {"sha256": value.sha256, "suffix": {".jpeg": ".jpg"}.get(suffix, suffix)}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
