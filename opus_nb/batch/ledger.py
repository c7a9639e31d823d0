"""The ledger file: one SQLite database in one folder, written by one thread.

Everything that must survive the kernel is here: which rows there are, what left, what came back. It is
written *before* a request that costs money leaves. The service key is never in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from opus_nb.batch.mounts import shared_kind
from opus_nb.batch.writer import Statement, Write, Writer
from opus_nb.errors import LedgerDamaged, LedgerError, LedgerNewer

__all__ = ["Ledger"]

FILE_NAME = "ledger.sqlite"
# "opnb" in ASCII: tells our file from any other SQLite database.
APPLICATION_ID = 0x6F706E62
BUSY_TIMEOUT_S = 10.0

_FIRST_TABLES = """
CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    workflow_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    touched_at REAL NOT NULL,
    row_count INTEGER NOT NULL,
    recorded INTEGER NOT NULL DEFAULT 0,
    sheet INTEGER NOT NULL DEFAULT 1,
    about TEXT NOT NULL
);
CREATE TABLE rows (
    run INTEGER NOT NULL,
    sheet INTEGER NOT NULL,
    position INTEGER NOT NULL,
    key TEXT,
    label TEXT,
    problem TEXT,
    title TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT '',
    inputs TEXT,
    PRIMARY KEY (run, sheet, position)
) WITHOUT ROWID;
CREATE INDEX rows_by_key ON rows (run, sheet, key, problem);
CREATE TABLE work (
    run INTEGER NOT NULL,
    key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    job_id TEXT,
    word TEXT,
    error TEXT,
    sent_at REAL,
    acked_at REAL,
    still_going_at REAL,
    noticed_at REAL,
    started_at REAL,
    ended_at REAL,
    results TEXT,
    audit TEXT,
    PRIMARY KEY (run, key)
);
CREATE INDEX work_by_state ON work (run, state);
CREATE TABLE attempts (
    run INTEGER NOT NULL,
    key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    job_id TEXT,
    word TEXT,
    error TEXT,
    sent_at REAL,
    acked_at REAL,
    still_going_at REAL,
    noticed_at REAL,
    started_at REAL,
    ended_at REAL,
    results TEXT,
    audit TEXT,
    PRIMARY KEY (run, key, attempt)
);
CREATE TABLE orphans (
    run INTEGER NOT NULL,
    key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    title TEXT NOT NULL,
    job_id TEXT,
    at REAL NOT NULL
);
CREATE TABLE hashes (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE uploads (
    sha256 TEXT NOT NULL,
    extension TEXT NOT NULL,
    scope TEXT NOT NULL,
    file_url TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (sha256, extension, scope)
) WITHOUT ROWID;
"""

# Each step by its name; PRAGMA user_version counts how many a file has been through. Only ever append.
MIGRATIONS: tuple[tuple[str, str], ...] = (
    ("first tables", _FIRST_TABLES),
    ("parameters of initiate row by row", "ALTER TABLE rows ADD COLUMN initiate TEXT"),
)


class Ledger:
    """One ledger folder. Open it with `Ledger.at`, which hands every caller in this process the same one.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is not there.

    Raises
    ------
    LedgerDamaged, LedgerNewer
        The file is not ours to read; it is left as it is.
    LedgerError
        The folder cannot be written to, or is on a mount where SQLite cannot lock.

    Attributes
    ----------
    journal_mode : str
        ``wal``; ``delete`` (a rollback journal) on network and Drive mounts.

    Notes
    -----
    Reads go through a connection of their own and see what is committed. Writes are handed to one thread,
    which puts all that wait into one transaction: the more rows run, the cheaper each mark becomes.
    """

    # What is acknowledged has survived a power cut, too. Only tests, which cut no power, have it otherwise.
    synchronous: ClassVar[str] = "FULL"
    _open: ClassVar[weakref.WeakValueDictionary[str, Ledger]] = weakref.WeakValueDictionary()
    _open_lock = threading.Lock()

    @classmethod
    def at(cls, folder: Path) -> Ledger:
        """Return the ledger of this folder, opening it on first use."""
        name = os.path.realpath(folder)
        with cls._open_lock:
            ledger = cls._open.get(name)
            if ledger is None or ledger.closed:
                ledger = cls(Path(name))
                cls._open[name] = ledger
            return ledger

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self.closed = False
        self.journal_mode = ""
        self._pid = os.getpid()
        self._read_lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(
                "The ledger's folder cannot be made",
                where=str(folder),
                came_back=str(error),
                next_step="Give another folder: connect(ledger=...) or the environment variable OPUS_NB_LEDGER.",
            ) from None
        self._reader = self._connect()
        try:
            self._prepare(self._reader)
        except BaseException:
            self._reader.close()
            raise
        self.writer = Writer(self.path, self._connect_writer)

    # -- opening ----------------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise LedgerError("The ledger cannot be opened", where=str(self.path), came_back=str(error)) from None
        connection.row_factory = sqlite3.Row
        return connection

    def _connect_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute(f"PRAGMA synchronous={self.synchronous}")
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        try:
            marked = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise LedgerError(
                "The ledger cannot be read now",
                where=str(self.path),
                came_back=str(error),
                next_step="Another program holds it, or the disk does not answer. Nothing was sent; try again.",
            ) from None
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from None
        if tables and marked != APPLICATION_ID:
            raise self._damaged("it is a database of something else")
        if version > len(MIGRATIONS):
            raise LedgerNewer(
                "The ledger was written by a newer opus_nb",
                where=str(self.path),
                came_back=f"its version is {version}, this opus_nb knows {len(MIGRATIONS)}",
                next_step="Update opus_nb, or give another folder with connect(ledger=...). The file was not touched.",
            )
        try:
            self.journal_mode = self._set_journal(connection)
            for number in range(version, len(MIGRATIONS)):
                connection.execute("BEGIN IMMEDIATE")
                if connection.execute("PRAGMA user_version").fetchone()[0] != number:
                    connection.execute("ROLLBACK")  # another process was quicker
                    continue
                for statement in MIGRATIONS[number][1].split(";"):
                    if statement.strip():
                        connection.execute(statement)
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={number + 1}")
                connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise LedgerError(
                "The ledger cannot be prepared",
                where=str(self.path),
                came_back=str(error),
                next_step="Is the disk full, or the folder read-only? Nothing was sent.",
            ) from None

    def _set_journal(self, connection: sqlite3.Connection) -> str:
        """Choose the journal that is safe here: WAL needs memory that all who open the file share."""
        kind = shared_kind(self.folder)
        wanted = "wal" if kind is None else "delete"
        try:
            mode = str(connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()[0]).lower()
            if mode != wanted and wanted == "wal":
                # Not possible here, for a reason that SQLite does not tell: then the one that is safe everywhere.
                mode = str(connection.execute("PRAGMA journal_mode=delete").fetchone()[0]).lower()
            if mode not in {wanted, "delete"}:
                raise sqlite3.OperationalError(f"its journal is {mode!r} and cannot be changed while others have it")
            if kind is not None:
                # Whether locks work at all on such a mount shows only when one is taken.
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            where = "this folder" if kind is None else f"a folder on a mount of kind {kind!r}"
            raise LedgerError(
                f"The ledger cannot live in {where}",
                where=str(self.path),
                came_back=str(error),
                next_step=(
                    "Give a folder on a disk of this machine: connect(ledger=...) or OPUS_NB_LEDGER; copy the ledger "
                    "folder there and back while no run is at work. Nothing was sent."
                ),
            ) from None
        return mode

    def _damaged(self, came_back: str) -> LedgerDamaged:
        return LedgerDamaged(
            "The ledger cannot be read",
            where=str(self.path),
            came_back=came_back,
            next_step=(
                "The file was not touched. Keep it: job ids may be rescued from it. To go on, give another folder "
                "with connect(ledger=...); rows that ran before would then run, and cost, again."
            ),
        )

    # -- reading ----------------------------------------------------------------------------------------

    def read(self, statement: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of one SELECT, from any thread."""
        with self._read_lock:
            try:
                return self._reader.execute(statement, parameters).fetchall()
            except sqlite3.DatabaseError as error:
                raise LedgerError("Reading the ledger failed", where=str(self.path), came_back=str(error)) from None

    # -- writing ----------------------------------------------------------------------------------------

    async def write(self, statement: str, parameters: Sequence[Any]) -> None:
        """Write one statement; returning means that it is on disk."""
        await self.write_group([(statement, parameters, False)])

    async def write_many(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Write one statement for many parameters, in one transaction."""
        await self.write_group([(statement, parameters, True)])

    async def write_group(self, statements: Sequence[Statement], *, soon: bool = True) -> None:
        """Write several statements, all or none, as (statement, parameters, whether these are many).

        What is not needed ``soon`` goes with the next transaction, and in a moment at the latest; writes that are
        not awaited one after the other may then arrive in another order.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._check_open()
        write = Write(statements, waiter=(loop, future))
        if soon:
            self.writer.put(write)
        else:
            self.writer.put_patiently(write, loop)
        await future

    def write_now(self, statement: str, parameters: Sequence[Any], *, many: bool = False) -> None:
        """Write from a thread that has no loop, and wait for the disk."""
        done = threading.Event()
        write = Write([(statement, parameters, many)], waiter=done)
        self._check_open()
        self.writer.put(write)
        done.wait()
        if write.failure:
            raise write.failure[0]

    def note(self, statement: str, parameters: Sequence[Any]) -> None:
        """Write without waiting: it is on disk with the next transaction."""
        self._check_open()
        self.writer.put(Write([(statement, parameters, False)]))

    def _check_open(self) -> None:
        if self.closed or self._pid != os.getpid():
            raise LedgerError("The ledger is closed", where=str(self.path), next_step="Connect again.")

    def close(self) -> None:
        """Write what is under way and close the file."""
        if self.closed:
            return
        self.closed = True
        if self._pid == os.getpid():
            self.writer.close(BUSY_TIMEOUT_S)
            with self._read_lock:
                self._reader.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _begin_anew_after_fork() -> None:
    # Closing the parent's connections here would take its locks away: they are kept, and never used.
    _of_parent.extend(Ledger._open.values())
    Ledger._open.clear()
    Ledger._open_lock = threading.Lock()


_of_parent: list[Ledger] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_after_fork)
