"""The one thread that writes to the ledger: whatever waits is put into one transaction.

On a busy run the price of a mark is not SQLite but the change of threads: every statement gives the interpreter
away and has to queue for it again. So marks of one kind become one statement, a transaction of one statement needs
no BEGIN and no COMMIT, and marks that hold nobody up wait a moment for company.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import re
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from opus_nb.errors import LedgerError

__all__ = ["Statement", "Write", "Writer"]

# A statement, its parameters, and whether these are many sets of parameters.
Statement = tuple[str, Sequence[Any], bool]

# The longest that a mark waits for company which holds nobody up.
LINGER_S = 0.010
MOST_TOGETHER = 1024
# Each size is a statement of its own to SQLite, and those are kept ready: so not any number.
MOST_IN_A_STATEMENT = 16


@dataclass(slots=True)
class Write:
    """Statements that belong together, on their way to the disk, and who waits for them."""

    statements: Sequence[Statement]
    waiter: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | threading.Event | None = None
    failure: list[BaseException] = field(default_factory=list)


class Writer:
    """Writes in a thread of its own, in the order of arrival; tells everybody when it is on disk.

    Parameters
    ----------
    path : pathlib.Path
        For messages.
    connect : callable
        Returns a connection for the thread, in autocommit mode, as durable as it has to be.

    Attributes
    ----------
    commits : int
        Transactions so far.
    """

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self.path = path
        self.commits = 0
        self._connect = connect
        # None wakes the thread for the patient ones; False ends it.
        self._arrived: queue.SimpleQueue[Write | bool | None] = queue.SimpleQueue()
        self._patient: deque[Write] = deque()
        self._waking: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._write_all, name="opus-nb-ledger", daemon=True)
        self._thread.start()

    def put(self, write: Write) -> None:
        """Write as soon as the disk is free."""
        self._arrived.put(write)

    def put_patiently(self, write: Write, loop: asyncio.AbstractEventLoop) -> None:
        """Write with whatever comes next, and in a moment at the latest; call it on ``loop``."""
        self._patient.append(write)
        if self._waking is not loop:
            self._waking = loop
            loop.call_later(LINGER_S, self._wake)

    def _wake(self) -> None:
        self._waking = None
        if self._patient:
            self._arrived.put(None)

    def close(self, timeout_s: float) -> None:
        """Write what is under way, and end the thread."""
        self._arrived.put(False)
        self._thread.join(timeout_s)

    def _write_all(self) -> None:
        connection: sqlite3.Connection | None = None
        open_for_more = True
        while open_for_more:
            arrived = [self._arrived.get()]
            with contextlib.suppress(queue.Empty):
                while arrived[-1] is not False and len(arrived) < MOST_TOGETHER:
                    arrived.append(self._arrived.get_nowait())
            open_for_more = arrived[-1] is not False
            batch = [self._patient.popleft() for _ in range(len(self._patient))]
            batch.extend(each for each in arrived if isinstance(each, Write))
            if not batch:
                continue
            try:
                if connection is None:
                    connection = self._connect()
                self.commit(connection, batch)
            except Exception as error:
                # Whatever it is, nobody who waits may wait for ever.
                self.tell(batch, self._cannot_write(error))
        if connection is not None:
            connection.close()

    def commit(self, connection: sqlite3.Connection, batch: list[Write]) -> None:
        """Put a batch into one transaction; what cannot be written for its own sake harms nobody else."""
        try:
            statements = list(_gathered(each for write in batch for each in write.statements))
            alone = len(statements) == 1 and not statements[0][2]
            if not alone:
                connection.execute("BEGIN IMMEDIATE")
            for statement, parameters, many in statements:
                if many:
                    connection.executemany(statement, parameters)
                else:
                    connection.execute(statement, parameters)
            if not alone:
                connection.execute("COMMIT")
            self.commits += 1
        except Exception as error:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            # A full disk or a lock meets everybody, and each would wait for it anew.
            if len(batch) > 1 and not isinstance(error, sqlite3.OperationalError):
                for write in batch:
                    self.commit(connection, [write])
                return
            self.tell(batch, self._cannot_write(error))
            return
        self.tell(batch, None)

    def _cannot_write(self, error: Exception) -> LedgerError:
        return LedgerError(
            "Writing to the ledger failed",
            where=str(self.path),
            came_back=str(error),
            next_step=(
                "Nothing was sent that is not recorded. Is the disk full, or does another program hold the file? "
                "Put that right and open the run again."
            ),
        )

    def tell(self, batch: list[Write], failure: LedgerError | None) -> None:
        """Tell everybody who waits for these writes how it went."""
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for write in batch:
            if isinstance(write.waiter, threading.Event):
                if failure is not None:
                    write.failure.append(failure)
                write.waiter.set()
            elif write.waiter is not None:
                by_loop.setdefault(write.waiter[0], []).append(write.waiter[1])
        for loop, futures in by_loop.items():
            # A loop that is gone has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, futures, failure)


def _settle(futures: list[asyncio.Future[None]], failure: LedgerError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)


def _gathered(statements: Iterable[Statement]) -> Iterator[Statement]:
    """The same, with neighbours that insert into the same table made one statement."""
    alike: list[Statement] = []
    for each in statements:
        joins = not each[2] and alike and alike[0][0] == each[0] and len(alike) < MOST_IN_A_STATEMENT
        if alike and not joins:
            yield _joined(alike)
            alike = []
        if each[2] or not _VALUES.search(each[0]):
            yield each
        else:
            alike.append(each)
    if alike:
        yield _joined(alike)


def _joined(alike: list[Statement]) -> Statement:
    if len(alike) == 1:
        return alike[0]
    return _for_several(alike[0][0], len(alike)), [value for each in alike for value in each[1]], False


_VALUES = re.compile(r"VALUES (\((?:\?,)*\?\))")


@lru_cache(maxsize=256)
def _for_several(statement: str, count: int) -> str:
    return _VALUES.sub(lambda found: "VALUES " + ",".join([found[1]] * count), statement, count=1)
