"""What follows when *Run* is pressed in a form: one job, never two by accident, and its card."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from opus_nb.screen.environment import Environment
from opus_nb.screen.followed import Hold, JobLook, JobToFollow, KnownJob
from opus_nb.screen.job_card import job_card
from opus_nb.screen.markup import escape
from opus_nb.screen.pump import pump
from opus_nb.screen.widget_pieces import action_button

__all__ = ["Sending"]

_log = logging.getLogger("opus_nb")

_LOOK_EVERY_S = 0.5
# A second press counts as a decision only when there was time to read what the first one said.
_READ_S = 1.0
_RUN = ("Run", "check everything, then send one paid job", "play", "primary")
_AGAIN = ("Buy a new job", "send the same inputs again, as another job that is paid for", "repeat", "warning")

Values = dict[str, Any]


class Sending:
    """The *Run* button of a form, and below it the job that it sent.

    Parameters
    ----------
    title : str
        What the card is called until the job has a name.
    pressed : callable
        Takes nothing; called when *Run* is pressed.
    submit, submit_anew, find_known : callable
        As `opus_nb.screen.form.Form` takes them.
    environment : Environment
        Where we are.

    Attributes
    ----------
    button, said, card, files_button : ipywidgets.Widget
        *Run*, what is said of the press, what is seen of the job, and *Get files*, which appears when there are some.
    job : JobToFollow or None
        The newest.
    busy : threading.Lock
        Held while a job is on its way.
    """

    def __init__(
        self,
        *,
        title: str,
        pressed: Callable[[], None],
        submit: Callable[[Values], JobToFollow],
        submit_anew: Callable[[Values], JobToFollow],
        find_known: Callable[[Values], KnownJob | None],
        environment: Environment,
    ) -> None:
        import ipywidgets as widgets

        self._title, self._environment = title, environment
        self._submit, self._submit_anew, self._find_known = submit, submit_anew, find_known
        self._told: tuple[Values, float] | None = None  # the inputs that a known job has, and since when
        self._card_id: str | None = None
        self.busy = threading.Lock()
        self.job: JobToFollow | None = None
        self.button = action_button(_RUN[0], _RUN[1], pressed, icon=_RUN[2], style=_RUN[3])
        self.said, self.card = widgets.HTML(), widgets.HTML()
        self.files_button = action_button(
            "Get files", "bring the files that the job produced into a folder here", self._fetch, icon="download"
        )
        self.files_button.layout.display = "none"

    def say(self, text: str) -> None:
        """Show a sentence below the buttons; ``""`` takes it away."""
        self.said.value = f'<div class="opus-nb" role="status" aria-live="polite">{escape(text)}</div>' if text else ""

    def send(self, values: Values) -> None:
        """Send one job and follow it; returns at once, where a finished cell is repainted.

        Elsewhere (Colab) it returns when the job is over.

        Parameters
        ----------
        values : dict
            Variable name to checked value; everything is fine with them.
        """
        if not self.busy.acquire(blocking=False):
            self.say("A job of this form is still on its way; nothing more was sent.")
            return
        hold = Hold(self.busy, self.button)
        told, self._told = self._told, None
        anew = told is not None and told[0] == values and time.monotonic() - told[1] >= _READ_S
        self.offer(anew=None)
        self.say("Sending …")
        follower = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._send, values, anew, hold),
            name="opus-nb-form",
            daemon=True,
        )
        follower.start()
        while hold.is_held and not self._environment.repaints_finished_cells:
            pump()
            follower.join(0.05)

    def _send(self, values: Values, anew: bool, hold: Hold) -> None:
        try:
            known = None if anew else self._find_known(values)
            if known is not None:
                job, said = (
                    known.job,
                    f"Nothing was sent: these inputs were sent already, as {known.words}, shown below.",
                )
                self.offer(anew=values)
                hold.let_go()
                said += " Press again to send them anew, as another job that is paid for; or change an input."
            else:
                job, said = (self._submit_anew if anew else self._submit)(values), "Sent."
            self.job = job
            self.say(said)
            self._follow(job, hold, keep_saying=known is not None)
        except Exception as error:
            _log.warning("the form of %s could not submit or follow its job", self._title, exc_info=True)
            self.say(str(error))
        finally:
            hold.let_go()

    def _follow(self, job: JobToFollow, hold: Hold, *, keep_saying: bool) -> None:
        """Paint the job until it is over, or another one of this form is followed."""
        self._keep_card("")
        self.files_button.layout.display = "none"
        while self.job is job:
            look = job.look()
            if self.job is not job:
                return
            self._paint(look)
            if look.is_over or look.state == "waiting":
                # A person may think for days; meanwhile others can be sent.
                if not keep_saying:
                    self.say("")
                hold.let_go()
            if look.is_over:
                self._keep_card(self.card.value)
                if look.has_files:
                    self.files_button.layout.display = ""
                return
            time.sleep(_LOOK_EVERY_S)

    def offer(self, *, anew: Values | None) -> None:
        """Say on the button what the next press does: run, or buy the same inputs again."""
        self._told = None if anew is None else (anew, time.monotonic())
        label, meaning, icon, style = _RUN if anew is None else _AGAIN
        button = self.button
        if button.description != label:
            button.description, button.tooltip, button.icon, button.button_style = label, meaning, icon, style

    # the card

    def _paint(self, look: JobLook) -> None:
        card = job_card(
            title=look.title or self._title,
            job_id=look.job_id,
            state=look.state,
            word=look.word,
            nodes_done=look.nodes_done,
            nodes_total=look.nodes_total,
            elapsed_s=look.elapsed_s,
            error=look.error,
            results=look.results,
            audit=look.audit,
            links=look.links,
        )
        if self.card.value != card.html:
            self.card.value = card.html

    def _fetch(self) -> None:
        """Bring the job's files here, in a thread, and link to them on the card."""
        job = self.job
        if job is None:
            return
        self.say("Fetching the files …")
        self.files_button.disabled = True

        def fetch() -> None:
            try:
                said = job.fetch_files()
                if self.job is job:
                    self._paint(job.look())
                    self._keep_card(self.card.value)
                self.say(said)
            except Exception as error:
                _log.warning("the files of a job of %s could not be fetched", self._title, exc_info=True)
                self.say(str(error))
            finally:
                self.files_button.disabled = False

        fetcher = threading.Thread(
            target=contextvars.copy_context().run, args=(fetch,), name="opus-nb-form-files", daemon=True
        )
        fetcher.start()
        if not self._environment.repaints_finished_cells:
            fetcher.join()

    def place_card(self) -> None:
        """Make a place for the card below the form, in the cell that is current now, where it can be filled later."""
        if not self._environment.replaces_outputs:
            return
        from IPython.display import display

        self._card_id = f"opus-nb-{uuid.uuid4().hex}"
        display(_card_bundle(""), raw=True, display_id=self._card_id)

    def _keep_card(self, html: str) -> None:
        """Leave the card beside the widget, as plain HTML: a saved notebook then has what came of the job."""
        if self._card_id is None:
            return
        from IPython.display import update_display

        update_display(_card_bundle(html), raw=True, display_id=self._card_id)
        if html:
            self.card.value = ""


def _card_bundle(html: str) -> dict[str, str]:
    return {"text/html": html, "text/plain": ""}
