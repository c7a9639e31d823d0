"""The rows that wait for a place."""

from __future__ import annotations

from collections import deque

from opus_nb.batch.entry import Entry

__all__ = ["RowQueue"]


class RowQueue:
    """Rows in the order of the sheet; those that a person asked for again go first, and while the rest is held, too."""

    def __init__(self) -> None:
        self._rows: deque[Entry] = deque()
        self._again: deque[Entry] = deque()

    def add(self, entry: Entry) -> None:
        """At the end."""
        (self._again if entry.again else self._rows).append(entry)

    def put_back(self, entry: Entry) -> None:
        """At the beginning: it was under way, and is the first to go on."""
        (self._again if entry.again else self._rows).appendleft(entry)

    def is_empty(self, *, held: bool) -> bool:
        """Whether there is nothing to take; ``held`` keeps what was not asked for again."""
        return not self._again and (held or not self._rows)

    def take(self, *, held: bool = False) -> Entry | None:
        """The next one, or None."""
        if self._again:
            return self._again.popleft()
        return None if held or not self._rows else self._rows.popleft()

    def hold_all(self) -> None:
        """What was asked for again waits with the rest from now on."""
        while self._again:
            entry = self._again.pop()
            entry.again = False
            self._rows.appendleft(entry)
