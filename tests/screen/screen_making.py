"""Ready-made events, tallies and controls for the tests of this folder."""

from __future__ import annotations

from typing import Any

from opus_nb.job import JobEvent, RowState
from opus_nb.screen.controls import Controls


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def make_event(position: int, before: str, state: str, **parts: Any) -> JobEvent:
    """One event of one row; ``at`` defaults to 0."""
    given = {"at": 0.0, "attempt": 1, **parts}
    return JobEvent(position=position, key=f"k{position}", state=RowState(state), before=RowState(before), **given)


class FakeRun:
    """What a display may know of a run, with a book of what was pressed."""

    def __init__(self, total: int = 0) -> None:
        self.pressed: list[str] = []
        self.paused = False
        self.over = False
        self.total = total
        self.asked: list[tuple[str | None, int, int]] = []

    def pause(self) -> None:
        self.pressed.append("pause")
        self.paused = True

    def resume(self) -> None:
        self.pressed.append("resume")
        self.paused = False

    def cancel(self) -> str:
        self.pressed.append("cancel")
        return "Cancelled 3 rows."

    def retry(self) -> None:
        self.pressed.append("retry")

    def rows(self, state: str | None, offset: int, limit: int) -> list[dict[str, Any]]:
        self.asked.append((state, offset, limit))
        return [
            {"row": at, "state": state or "queued", "error": "<b>bad</b>"}
            for at in range(offset, min(self.total, offset + limit))
        ]

    @property
    def controls(self) -> Controls:
        return Controls(
            pause=self.pause,
            resume=self.resume,
            cancel=self.cancel,
            retry_failed=self.retry,
            is_paused=lambda: self.paused,
            is_over=lambda: self.over,
            rows=self.rows,
            name="claims",
        )
