"""One way to open any display."""

from __future__ import annotations

from typing import Any, cast

from opus_nb.errors import SettingsError
from opus_nb.job import Observer
from opus_nb.screen.controls import Controls, Display
from opus_nb.screen.environment import Shown, possible, probe, read_signs
from opus_nb.screen.tally import Tally

__all__ = ["Controls", "Display", "open_display"]

_WORDS: dict[str, Shown] = {
    "widget": "widget",
    "widgets": "widget",
    "html": "html",
    "text": "text",
    "off": "off",
    "none": "off",  # the word of OPUS_NB_UI
}


class Silent:
    """A display that shows nothing; with an observer, the one that is told instead.

    Parameters
    ----------
    observer : Observer, optional
        The user's own.
    """

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer

    @property
    def observer(self) -> Observer | None:
        """The user's own observer, or None."""
        return self._observer

    def show(self) -> None:
        """Do nothing."""

    def paint_now(self) -> None:
        """Do nothing."""

    def hold(self, form: str | None) -> None:
        """Do nothing."""

    def close(self, note: str = "") -> None:
        """Do nothing."""


def open_display(
    progress: str | Observer = "auto",
    *,
    title: str,
    tally: Tally,
    controls: Controls,
) -> Display:
    """Open the display that fits where we are, or the one that is asked for.

    Nothing is painted before ``show()``. The caller attaches ``tally`` (and ``display.observer``, where it
    is not None) to the engine; the display reads the tally by itself, at most five times a second.

    Parameters
    ----------
    progress : {"auto", "widget", "html", "text", "off", "none"} or Observer
        ``"auto"`` asks `environment.probe`. What cannot be shown here falls to the next plainer form. An
        observer of your own gets every event, and nothing is painted.
    title : str
        Shown at the head; usually the run's name.
    tally : Tally
        Where the numbers come from.
    controls : Controls
        What the buttons do.

    Returns
    -------
    Display

    Raises
    ------
    SettingsError
        ``progress`` is a word that is not in the list, or an object without ``observe``.
    """
    signs = read_signs()
    environment = probe(signs)
    if not isinstance(progress, str):
        if not callable(getattr(progress, "observe", None)):
            raise SettingsError(
                "progress cannot be used",
                where=f"progress={type(progress).__name__}",
                next_step='Give "auto", "widget", "html", "text", "off", or an object with observe(event).',
            )
        return Silent(progress)
    if progress != "auto" and progress not in _WORDS:
        raise SettingsError(
            f"progress={progress!r} is not known",
            next_step='Give "auto", "widget", "html", "text", "off", or an object with observe(event).',
        )
    shown = environment.display if progress == "auto" else possible(_WORDS[progress], signs)
    parts: dict[str, Any] = {"title": title, "tally": tally, "controls": controls, "environment": environment}
    if shown == "off":
        return Silent()
    if shown == "widget":
        from opus_nb.screen.monitor import Monitor

        return cast("Display", Monitor(**parts))
    from opus_nb.screen.progress import BlockView, TerminalView

    if shown == "html":
        return cast("Display", BlockView(**parts))
    if signs.kernel is None:
        return cast("Display", TerminalView(**parts))
    return cast("Display", BlockView(rich=False, **parts))
