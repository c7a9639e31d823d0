"""One process at a time on one run: a file lock that dies with its holder, and who holds it beside it."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import time

from filelock import FileLock, Timeout

from opus_nb.batch.book import Book
from opus_nb.errors import LedgerError, RunLocked

__all__ = ["RunLock"]


class RunLock:
    """The right to work on one run.

    Parameters
    ----------
    book : Book
        The run's; locks lie in ``locks/`` beside the ledger file.
    """

    def __init__(self, book: Book) -> None:
        self.run_name = book.record_of_run.name
        self._path = book.ledger.folder / "locks" / f"{book.record_of_run.uid}.lock"
        self._owner = self._path.with_suffix(".owner")
        self._lock = FileLock(str(self._path), thread_local=False)

    def take(self) -> None:
        """Take the lock, or say at once who has it.

        Raises
        ------
        RunLocked
            ``.owner`` names process, machine and time.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            owner = self._read_owner()
            raise RunLocked(
                f"Run {self.run_name!r} is being worked on by another process",
                where=owner,
                next_step="Stop it there first (run.cancel(), or restart that kernel): two processes would pay twice.",
                owner=owner,
            ) from None
        except OSError as error:
            raise LedgerError("The run cannot be locked", where=str(self._path), came_back=str(error)) from None
        about = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "user": _user(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        }
        with contextlib.suppress(OSError):
            self._owner.write_text(json.dumps(about), encoding="utf-8")

    def release(self) -> None:
        """Give the lock back; harmless when it was never taken."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                self._owner.unlink()
            self._lock.release(force=True)

    def _read_owner(self) -> str:
        try:
            about = json.loads(self._owner.read_text(encoding="utf-8"))
            return f"process {about['pid']} of {about['user']} on {about['host']}, since {about['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "an unknown process"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
