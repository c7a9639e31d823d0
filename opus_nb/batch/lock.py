"""One process at a time on one run: a file lock that dies with its holder, and who holds it beside it."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, SoftFileLock, Timeout

from opus_nb.batch.book import Book
from opus_nb.batch.lease import Lease
from opus_nb.batch.mounts import shared_kind
from opus_nb.errors import LedgerError, RunLocked

__all__ = ["RunLock"]


class RunLock:
    """The right to work on one run.

    A file lock, which the system takes away from a process that dies. Where file locks do not work, and beside
    them where they may not reach other machines (network and Drive mounts), a lease that expires.

    Parameters
    ----------
    book : Book
        The run's; locks lie in ``locks/`` beside the ledger file.
    """

    def __init__(self, book: Book) -> None:
        self.run_name = book.record_of_run.name
        self._path = book.ledger.folder / "locks" / f"{book.record_of_run.uid}.lock"
        self._owner = self._path.with_suffix(".owner")
        self._lock: Any = _file_lock(self._path)
        self._lease: Lease | None = None
        self._is_ours = False

    def take(self) -> None:
        """Take the lock, or say at once who has it.

        Raises
        ------
        RunLocked
            ``.owner`` names process, machine and time.
        """
        about = _about_us()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            works = self._take_file_lock()
            if not works or shared_kind(self._path.parent) is not None:
                self._take_lease(about)
        except OSError as error:
            self._lock.release(force=True)
            raise LedgerError("The run cannot be locked", where=str(self._path), came_back=str(error)) from None
        self._is_ours = True
        with contextlib.suppress(OSError):
            self._owner.write_text(json.dumps(about), encoding="utf-8")

    def on_lost(self, tell: Callable[[], None]) -> None:
        """Have somebody told when the right was taken away; only a lease can be."""
        if self._lease is not None:
            self._lease.on_lost = tell

    def release(self) -> None:
        """Give the lock back; harmless when it was never taken."""
        if not self._is_ours:
            return
        self._is_ours = False
        with contextlib.suppress(OSError):
            self._owner.unlink()
        if self._lease is not None:
            self._lease.release()
        self._lock.release(force=True)

    def _take_file_lock(self) -> bool:
        """Take it; False where there are no file locks."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise self._refusal(self._read_owner()) from None
        except (OSError, NotImplementedError):
            return False
        if isinstance(self._lock, SoftFileLock):
            # Its substitute does not die with its holder.
            self._lock.release(force=True)
            return False
        return True

    def _take_lease(self, about: Mapping[str, Any]) -> None:
        lease = Lease(self._path.with_suffix(".lease"))
        holder = lease.take(about)
        if holder is not None:
            self._lock.release(force=True)
            raise self._refusal(_describe(holder))
        self._lease = lease

    def _refusal(self, owner: str) -> RunLocked:
        return RunLocked(
            f"Run {self.run_name!r} is being worked on by another process",
            where=owner,
            next_step="Stop it there first (run.cancel(), or restart that kernel): two processes would pay twice.",
            owner=owner,
        )

    def _read_owner(self) -> str:
        try:
            return _describe(json.loads(self._owner.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return "an unknown process"


def _file_lock(path: Path) -> Any:
    try:
        return FileLock(str(path), thread_local=False, fallback_to_soft=False)
    except TypeError:
        # Older releases of filelock have no such choice.
        return FileLock(str(path), thread_local=False)


def _about_us() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "user": _user(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }


def _describe(about: Any) -> str:
    try:
        return f"process {about['pid']} of {about['user']} on {about['host']}, since {about['since']}"
    except (KeyError, TypeError):
        return "an unknown process"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
