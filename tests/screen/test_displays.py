"""Live views: they open, follow, answer presses, close into a static picture, and never harm the run."""

from __future__ import annotations

import contextlib
import contextvars
import fcntl
import io
import os
import struct
import termios
import threading
import time
import warnings
from itertools import pairwise

import pytest
from screen_making import FakeRun, make_event

from opus_nb.errors import SettingsError
from opus_nb.saying import say
from opus_nb.screen import monitor as monitor_module
from opus_nb.screen.display import Silent, open_display
from opus_nb.screen.environment import Environment
from opus_nb.screen.monitor import Monitor
from opus_nb.screen.progress import BlockView, TerminalView
from opus_nb.screen.tally import Tally
from opus_nb.screen.ticker import Ticker

HERE = Environment("test", "widget", True, "")
WIDGET = "application/vnd.jupyter.widget-view+json"


def until(said, timeout_s=5.0):
    """Wait for something that another thread does."""
    end = time.monotonic() + timeout_s
    while not said():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.01)


@pytest.fixture
def run():
    return FakeRun(total=60)


@pytest.fixture
def tally():
    return Tally({"queued": 60})


@pytest.fixture(params=[Monitor, BlockView, TerminalView], ids=["widget", "html", "text"])
def view(request, page, run, tally, monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    kind = request.param(title="claims", tally=tally, controls=run.controls, environment=HERE)
    yield kind
    kind.close()


def fail_some(tally, number=3):
    for position in range(number):
        tally.observe(make_event(position, "planned", "running", job_id=str(position)))
        tally.observe(make_event(position, "running", "failed", error=f"bad <b>date</b> {position}"))


def press(monitor, verb):
    monitor._buttons[verb].click()


class TestEveryView:
    """What holds for widget, block and terminal alike."""

    def test_it_closes_by_itself_when_the_run_is_over(self, view, run, tally):
        """Nobody has to close a display: the ticker sees the end."""
        view.show()
        fail_some(tally)
        run.over = True
        until(lambda: not view._open)
        assert view._ticker is not None
        until(lambda: not view._ticker._thread.is_alive())

    def test_a_broken_screen_is_logged_and_nothing_is_raised(self, view, run, caplog, monkeypatch):
        """Painting fails, the run does not notice."""

        def broken(*_):
            raise OSError("no pipe")

        monkeypatch.setattr(view, "_paint", broken)
        monkeypatch.setattr(view, "_finish", broken)
        view.show()
        view.paint_now()
        view.close()
        assert "the run is not affected" in caplog.text

    def test_a_screen_that_stays_broken_does_not_fill_the_log(self, view, caplog, monkeypatch):
        """Three warnings are enough."""
        view.show()
        monkeypatch.setattr(view, "_paint", lambda _: 1 / 0)
        for _ in range(10):
            view.paint_now()
        assert caplog.text.count("the run is not affected") == 3

    def test_a_run_that_nobody_works_on_is_called_stopped_while_rows_are_left(self, view, run, tally):
        """Over means that nothing is left; else the picture says how to carry on."""
        view.show()
        run.over = True
        view.close()
        assert "stopped" in view.final_card().text
        assert "opus.open_run(&#x27;claims&#x27;) carries on" in view.final_card().html

    def test_broken_controls_are_logged_too(self, page, tally, caplog):
        """A question to the run that raises is no reason to raise."""

        def broken():
            raise RuntimeError("gone")

        controls = FakeRun().controls
        object.__setattr__(controls, "is_over", broken)
        display = BlockView(title="x", tally=tally, controls=controls, environment=HERE)
        display.show()
        display.close()
        assert "gone" in caplog.text

    def test_closing_twice_and_from_another_thread_is_fine(self, view):
        """The engine and the waiting cell may both close."""
        view.show()
        thread = threading.Thread(target=view.close)
        thread.start()
        thread.join()
        view.close()
        view.paint_now()

    def test_painting_now_closes_a_run_that_is_over(self, view, run):
        """The waiting cell leaves the picture itself; the ticker may come too late for a saved file."""
        view.show()
        run.over = True
        view.paint_now()
        assert not view._open

    def test_it_can_be_opened_again_after_a_retry(self, view, run, tally):
        """A run that is over and goes on again is shown live again."""
        view.show()
        run.over = True
        until(lambda: not view._open)
        run.over = False
        view.show()
        assert view._open


class TestMonitor:
    """The widget view."""

    @pytest.fixture
    def monitor(self, page, run, tally):
        kind = Monitor(title="claims <b>", tally=tally, controls=run.controls, environment=HERE)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kind.show()
        yield kind
        kind.close()

    def test_the_widget_and_its_picture_share_one_display_id(self, monitor, page, run, tally):
        """Live it is a widget with readable fallbacks; at the end plain HTML and text stand in its place."""
        assert WIDGET in page.last
        assert "0 of 60 rows ended" in page.last["text/plain"]
        fail_some(tally)
        run.over = True
        until(lambda: WIDGET not in page.last)
        assert set(page.last) == {"text/html", "text/plain"}
        assert "run.retry()" in page.last["text/html"]
        assert "claims &lt;b&gt;" in page.last["text/html"]
        assert page.log[0] == "display"

    @pytest.mark.parametrize(
        ("verb", "pressed", "answer"),
        [
            ("pause", "pause", "Paused: nothing new is sent"),
            ("resume", "resume", "Resumed"),
            ("cancel", "cancel", "Cancelled 3 rows."),
            ("retry_failed", "retry", "queued again"),
        ],
    )
    def test_each_button_does_its_work_and_says_so(self, monitor, run, verb, pressed, answer):
        """One press, one call; the answer of the run is shown, or our own words."""
        press(monitor, verb)
        assert run.pressed == [pressed]
        assert answer in monitor._answer.value
        assert 'role="status"' in monitor._answer.value

    def test_every_button_is_a_button_with_its_meaning(self, monitor):
        """Only custom messages; each has a tooltip, and the word that Opus documents no cancel call is said."""
        import ipywidgets as widgets

        found = []

        def walk(widget):
            found.append(widget)
            for child in getattr(widget, "children", ()):
                walk(child)

        walk(monitor._box)
        allowed = (widgets.Button, widgets.HTML, widgets.HBox, widgets.VBox)
        assert all(isinstance(widget, allowed) for widget in found)
        assert all(widget.tooltip for widget in found if isinstance(widget, widgets.Button))
        assert any("documents no cancel call" in widget.value for widget in found if isinstance(widget, widgets.HTML))

    def test_buttons_are_offered_where_they_make_sense(self, monitor, run, tally):
        """Resume only while paused, pause only while rows are queued, retry only with failures."""
        off = {verb: button.disabled for verb, button in monitor._buttons.items()}
        assert off == {"pause": False, "resume": True, "cancel": False, "retry_failed": True}
        run.paused = True
        fail_some(tally)
        monitor.paint_now()
        off = {verb: button.disabled for verb, button in monitor._buttons.items()}
        assert off == {"pause": True, "resume": False, "cancel": False, "retry_failed": False}
        assert monitor._buttons["retry_failed"].description == "Retry 3 failed"
        tally.observe(make_event(9, "planned", "cancelled"))
        monitor.paint_now()
        assert monitor._buttons["retry_failed"].description == "Retry 3 failed, 1 cancelled"

    def test_a_press_that_raises_is_told(self, monitor, run, monkeypatch, caplog):
        """An error behind a button is logged and shown as the answer."""

        def broken():
            raise RuntimeError("the engine is gone")

        object.__setattr__(monitor.controls, "pause", broken)
        press(monitor, "pause")
        assert "the engine is gone" in caplog.text
        assert "the engine is gone" in monitor._answer.value

    def test_the_head_adds_up_and_follows(self, monitor, tally):
        """Counts, rate and failures by what they say, escaped."""
        fail_some(tally)
        monitor.paint_now()
        assert "3 of 60 rows ended" in monitor._head.value
        assert "bad &lt;b&gt;date&lt;/b&gt; 2" in monitor._detail.value
        assert monitor._detail.value.count("bad &lt;b&gt;date") == 1

    def test_rows_are_fetched_by_window_and_filter(self, monitor, run, tally):
        """Nothing is fetched before it is asked for; then one page, by state."""
        assert run.asked == []
        monitor._toggle.click()
        assert run.asked == [(None, 0, 25)]
        monitor._later.click()
        assert run.asked[-1] == (None, 25, 25)
        assert "26 to 50 of 60" in monitor._table.value
        fail_some(tally)
        monitor._filters["failed"].click()
        assert run.asked[-1] == ("failed", 0, 25)
        assert "&lt;b&gt;bad&lt;/b&gt;" in monitor._table.value
        assert monitor._filters["failed"].button_style == "info"

    def test_only_what_changes_is_sent(self, monitor, monkeypatch):
        """Two paints of the same moment send nothing the second time."""
        snapshot = monitor.tally.snapshot()
        monitor._paint(snapshot)
        sent = []
        for widget in (monitor._head, monitor._detail, monitor._answer, *monitor._buttons.values()):
            widget.observe(sent.append)
        monitor._paint(snapshot)
        assert sent == []

    def test_a_held_cell_says_how_to_stop(self, monitor, monkeypatch):
        """Where presses lie until the cell ends, the view says what works instead."""
        monkeypatch.setattr(monitor_module, "buttons_act", lambda form: False)
        monitor.hold("wait")
        assert "interrupt" in monitor._head.value
        monitor.hold(None)
        assert "interrupt" not in monitor._head.value

    def test_a_hundred_thousand_events_cost_a_few_repaints(self, page, run):
        """However fast events come, the page gets at most five repaints a second."""
        tally = Tally({"queued": 100_000})
        monitor = Monitor(title="big", tally=tally, controls=run.controls, environment=HERE)
        monitor.show()
        painted = []
        monitor._head.observe(painted.append, "value")
        began = time.monotonic()
        for position in range(50_000):
            tally.observe(make_event(position, "planned", "executing"))
        took = time.monotonic() - began
        monitor.close()
        assert len(painted) <= took * 5 + 2

    def test_the_widget_itself_ends_as_the_picture_too(self, monitor, page, run, tally):
        """A page that never replaces outputs (Voila) shows no button that does nothing; going on, they are back."""
        parts = monitor._box.children
        fail_some(tally)
        run.over = True
        monitor.paint_now()
        (left,) = monitor._box.children
        assert "stopped" in left.value
        assert "3</b> failed" in left.value
        run.over = False
        monitor.show()
        assert monitor._box.children == parts
        assert "going on" in monitor._head.value

    def test_the_note_of_a_detach_is_in_the_picture(self, monitor, page):
        """A cell that was interrupted leaves a picture which says how to come back."""
        monitor.close("Detached: rows in flight go on at Opus.")
        assert "Detached: rows in flight go on at Opus." in page.last["text/html"]
        assert "Detached" in page.last["text/plain"]

    def test_a_run_that_is_over_is_shown_as_a_picture(self, page, run, tally):
        """Shown next week, it needs no widget."""
        run.over = True
        Monitor(title="claims", tally=tally, controls=run.controls, environment=HERE).show()
        assert set(page.last) == {"text/html", "text/plain"}


class TestBlock:
    """The HTML block."""

    def test_it_is_replaced_in_place(self, page, run, tally):
        """One output, whose last form is the final state."""
        block = BlockView(title="claims", tally=tally, controls=run.controls, environment=HERE)
        block.show()
        fail_some(tally)
        run.over = True
        block.close()
        assert page.log == ["display", "update", "update"]
        assert "3 failed" in page.last["text/plain"]
        assert set(page.last) == {"text/html", "text/plain"}

    def test_plain_text_leaves_html_out(self, page, run, tally):
        """progress="text" in a notebook is text only."""
        block = BlockView(rich=False, title="claims", tally=tally, controls=run.controls, environment=HERE)
        block.show()
        block.close()
        assert set(page.last) == {"text/plain"}


class TestTerminal:
    """stderr."""

    def test_a_log_gets_lines_and_no_carriage_return(self, run, tally, monkeypatch):
        """Not a terminal: a line at the beginning, each ten percent, and at the end; nothing on stdout."""
        log, out = io.StringIO(), io.StringIO()
        monkeypatch.setattr("sys.stderr", log)
        monkeypatch.setattr("sys.stdout", out)
        view = TerminalView(title="claims", tally=tally, controls=run.controls, environment=HERE)
        view.show()
        for position in range(60):
            tally.observe(make_event(position, "planned", "running"))
            tally.observe(make_event(position, "running", "completed"))
            view.paint_now()
        run.over = True
        view.close()
        view.close()
        lines = log.getvalue().splitlines()
        assert 10 <= len(lines) <= 13
        assert "\r" not in log.getvalue()
        assert "60 of 60 rows ended (60 completed)" in lines[-1]
        assert out.getvalue() == ""

    def test_a_terminal_gets_a_bar(self, run, tally, monkeypatch):
        """A terminal: tqdm's bar with the counts beside it, then a last line that stays."""

        class Terminal(io.StringIO):
            def isatty(self):
                return True

        screen = Terminal()
        monkeypatch.setattr("sys.stderr", screen)
        view = TerminalView(title="claims", tally=tally, controls=run.controls, environment=HERE)
        view.show()
        fail_some(tally)
        view.paint_now()
        view.close()
        assert "3/60" in screen.getvalue()
        assert "3 failed" in screen.getvalue()
        assert screen.getvalue().endswith("\n")

    @pytest.mark.parametrize("columns", [0, 60, 200])
    def test_a_bar_fits_the_terminal_also_where_that_says_it_has_no_columns(self, run, tally, monkeypatch, columns):
        """Some report 0 columns: the bar then takes what COLUMNS says, and never runs over the line."""
        monkeypatch.setenv("COLUMNS", "70")
        with real_terminal(columns) as (screen, read):
            monkeypatch.setattr("sys.stderr", screen)
            view = TerminalView(title="claims-2025-q4", tally=tally, controls=run.controls, environment=HERE)
            view.show()
            fail_some(tally)
            view.paint_now()
            view._bar.close()
            painted = [each for line in read().split("\n") for each in line.split("\r") if "%|" in each]
            view.close()
        assert painted
        assert max(map(len, painted)) <= (columns or 70)

    def test_a_sentence_stands_above_the_bar_and_not_in_it(self, run, tally, monkeypatch):
        """What is said while a bar is on the screen has a line of its own, and the bar goes on below."""
        with real_terminal(100) as (screen, read):
            monkeypatch.setattr("sys.stderr", screen)
            view = TerminalView(title="claims", tally=tally, controls=run.controls, environment=HERE)
            view.show()
            say("Interrupted: nothing more is submitted.")
            view.paint_now()
            told = read()
            view.close()
        line = next(each for each in told.split("\n") if "Interrupted" in each)
        assert line.split("\r")[-2 if line.endswith("\r") else -1] == "Interrupted: nothing more is submitted."
        assert "claims:" in told.split("Interrupted")[1]

    def test_a_log_says_nothing_twice(self, run, monkeypatch):
        """A run of which half is known: one line when it is shown, none more for waiting."""
        log = io.StringIO()
        monkeypatch.setattr("sys.stderr", log)
        tally = Tally({"completed": 30, "queued": 30})
        view = TerminalView(title="claims", tally=tally, controls=run.controls, environment=HERE)
        view.show()
        view.hold("wait")
        view.paint_now()
        assert len(log.getvalue().splitlines()) == 1
        view.close()


@contextlib.contextmanager
def real_terminal(columns):
    """A terminal of that width, and a function that reads what was written to it."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with open(slave, "w", encoding="utf-8", buffering=1) as screen:

        def read():
            screen.flush()
            return os.read(master, 100_000).decode().replace("\r\n", "\n")

        yield screen, read
    os.close(master)


class TestOpening:
    """open_display."""

    def test_auto_follows_the_probe(self, in_kernel, tally, monkeypatch):
        """A kernel with ipywidgets gets the monitor, the same place without gets the block."""
        asked = {"title": "x", "tally": tally, "controls": FakeRun().controls}
        monkeypatch.delenv("OPUS_NB_UI", raising=False)
        assert isinstance(open_display("auto", **asked), Monitor)
        monkeypatch.setenv("OPUS_NB_UI", "html")
        assert isinstance(open_display("auto", **asked), BlockView)
        monkeypatch.setenv("OPUS_NB_UI", "none")
        assert isinstance(open_display("auto", **asked), Silent)
        assert isinstance(open_display("off", **asked), Silent)
        assert isinstance(open_display("none", **asked), Silent)
        assert isinstance(open_display("widget", **asked), Monitor)
        assert isinstance(open_display("text", **asked), BlockView)

    def test_a_script_gets_text(self, tally):
        """Outside a kernel even "widget" falls to text."""
        display = open_display("widget", title="x", tally=tally, controls=FakeRun().controls)
        assert isinstance(display, TerminalView)

    def test_an_observer_of_ones_own_is_handed_through(self, tally):
        """Nothing is painted, and the caller can attach it."""
        display = open_display(tally, title="x", tally=tally, controls=FakeRun().controls)
        display.show()
        display.hold("wait")
        display.paint_now()
        display.close()
        assert display.observer is tally

    @pytest.mark.parametrize("wrong", ["bars", 3, None])
    def test_anything_else_is_refused_with_the_list(self, tally, wrong):
        """The error names what can be given."""
        with pytest.raises(SettingsError, match='"auto", "widget", "html", "text", "off"'):
            open_display(wrong, title="x", tally=tally, controls=FakeRun().controls)


class TestTicker:
    """The heartbeat."""

    def test_it_runs_in_the_context_of_its_maker(self):
        """What the maker's context holds, the tick sees; newer kernels keep the cell there."""
        cell = contextvars.ContextVar("cell", default="none")
        cell.set("cell 3")
        seen = []

        def tick():
            seen.append(cell.get())
            return False

        Ticker(tick).start()
        until(lambda: seen)
        assert seen == ["cell 3"]

    def test_waking_it_often_does_not_make_it_faster_than_five_a_second(self):
        """A press wakes it, a thousand presses do not flood the page."""
        seen = []

        def tick():
            seen.append(time.monotonic())
            return len(seen) < 4

        ticker = Ticker(tick)
        ticker.start()
        while len(seen) < 4:
            ticker.wake()
        gaps = [later - sooner for sooner, later in pairwise(seen)]
        assert min(gaps) >= 0.19
