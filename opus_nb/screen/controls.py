"""What a display is handed, and what it offers in return.

A display never holds a run: it is given a `Controls` full of callables, reads a `Tally`, and answers to the
three verbs of `Display`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from opus_nb.job import Observer

__all__ = ["Controls", "Display"]


def _nothing() -> None:
    return None


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Controls:
    """The callables that a display may use. All are called from any thread and must return at once.

    Attributes
    ----------
    pause, resume, cancel, retry_failed : callable
        Take nothing. Where one returns text, that text is shown as the answer to the press; otherwise the
        display says in its own words what the button does.
    is_paused, is_over : callable
        Return a bool. Over means that nothing will change any more unless a person asks; the display then
        replaces itself by its static picture.
    rows : callable or None
        ``rows(state, offset, limit)`` returns one dict per row of the sheet, in sheet order, at most
        ``limit`` of them, skipping ``offset``; ``state`` is a count name or None for all. The keys become
        the columns. None: no table of rows is offered.
    look_inside : callable or None
        ``look_inside(job_id)`` begins to ask how far a job is and returns a future of (nodes done, nodes in all) or
        None; called a few times a second at most, only while a live view is open. None: never asked.
    name : str
        The name of the run, for "how to come back"; empty where there is none.
    """

    pause: Callable[[], Any] = _nothing
    resume: Callable[[], Any] = _nothing
    cancel: Callable[[], Any] = _nothing
    retry_failed: Callable[[], Any] = _nothing
    is_paused: Callable[[], bool] = _never
    is_over: Callable[[], bool] = _never
    rows: Callable[[str | None, int, int], list[Mapping[str, Any]]] | None = None
    look_inside: Callable[[str], Future[tuple[int, int] | None]] | None = None
    name: str = ""


class Display(Protocol):
    """A live view of one run. No method ever raises: a broken screen is logged and the run goes on."""

    @property
    def observer(self) -> Observer | None:
        """The user's own observer, to be told of every event; None for the displays that read the tally."""

    def show(self) -> None:
        """Paint into the cell (or terminal) that is current now, and keep it fresh until the run is over.

        May be called again, from another cell: both views stay live. Call it on the thread that runs the
        cell. After `close`, it starts anew if the run is going on again, else it paints the static picture.
        """

    def paint_now(self) -> None:
        """Paint at once, from the calling thread; waiting code calls this last, so that the file is right."""

    def hold(self, form: str | None) -> None:
        """Say what holds the cell: ``"wait"``, ``"await"``, or None when it is free again.

        The view then tells how to stop where its buttons cannot be served meanwhile.
        """

    def close(self, note: str = "") -> None:
        """Paint for the last time and leave a static picture behind; may be called twice, from any thread.

        Parameters
        ----------
        note : str
            One more sentence for the picture, such as "Detached: rows in flight go on at Opus."
        """
