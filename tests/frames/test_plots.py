"""What the plots draw, and what they say when there is nothing to draw."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from opus_nb.errors import SettingsError
from opus_nb.frames.audit import nodes_frame
from opus_nb.frames.canvas import STATE_COLOURS
from opus_nb.frames.jobs import jobs_frame
from opus_nb.frames.paths import paths_frame
from opus_nb.frames.plots import (
    plot_durations,
    plot_nodes,
    plot_outcomes,
    plot_paths,
    plot_throughput,
    plot_timeline,
)
from opus_nb.frames.wording import plain_text, say_seconds, say_share
from opus_nb.job import COUNT_NAMES, Outcome, RowState

Maker = Callable[..., Any]
NOW = pd.Timestamp("2025-11-17T10:30Z")
PLOTS_OF_JOBS = [plot_outcomes, plot_durations, plot_timeline, plot_throughput]


def words_of(ax: Axes) -> str:
    """Return every text on the axes, as one."""
    legend = ax.get_legend()
    texts = [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label, *ax.get_yticklabels(), *ax.get_xticklabels()]
    texts += legend.get_texts() if legend else []
    return "\n".join([ax.get_title(loc="left"), *(text.get_text() for text in texts)])


def draw(ax: Axes) -> bytes:
    """Return the picture as PNG, drawn for real."""
    buffer = BytesIO()
    ax.figure.savefig(buffer, format="png")
    return buffer.getvalue()


@pytest.fixture
def jobs(mixed_outcomes: list[Outcome]) -> pd.DataFrame:
    """Return a frame with jobs in most states."""
    return jobs_frame(mixed_outcomes, pd.RangeIndex(len(mixed_outcomes)))


def many_jobs(make_outcome: Maker, count: int, spread: float = 0.5) -> pd.DataFrame:
    """Return a frame of jobs, 20 at once, with durations of this spread."""
    lasting = 40 * np.exp(spread * np.random.default_rng(1).standard_normal(count))
    return jobs_frame(
        [
            make_outcome(place, started_at=1e9 + 2 * place, ended_at=1e9 + 2 * place + float(each))
            for place, each in enumerate(lasting)
        ],
        pd.RangeIndex(count),
    )


def test_every_state_has_one_colour() -> None:
    """Each word of ``run.counts`` has a colour of its own, the same in every plot."""
    assert set(STATE_COLOURS) == set(COUNT_NAMES)
    assert len(set(STATE_COLOURS.values())) == len(COUNT_NAMES)


def test_outcomes_show_each_state_with_its_count(jobs: pd.DataFrame) -> None:
    """One bar per state that occurs, its length the count, the count and the share beside it."""
    ax = plot_outcomes(jobs)
    assert [bar.get_width() for bar in ax.patches] == [3, 1, 1, 1, 1, 1]
    assert "3  (38 %)" in words_of(ax)
    assert "Where 8 rows stand" in words_of(ax)


def test_durations_hold_every_ended_job(jobs: pd.DataFrame) -> None:
    """The bars of the histogram add up to the jobs with a duration, and a note counts the others."""
    ax = plot_durations(jobs)
    heights = {(bar.get_x(), bar.get_y() + bar.get_height()) for bar in ax.patches if bar.get_height()}
    assert sum(bar.get_height() for bar in ax.patches) == 4
    assert heights
    assert "4 rows without a duration not shown" in words_of(ax)
    assert "half within" in words_of(ax)
    assert "(s)" in ax.get_xlabel()


def test_durations_far_apart_get_a_logarithmic_axis(make_outcome: Maker) -> None:
    """Seconds and hours in one run stay readable, and no job falls off the axis."""
    ax = plot_durations(many_jobs(make_outcome, 400, spread=2.5))
    assert ax.get_xscale() == "log"
    assert sum(bar.get_height() for bar in ax.patches) == 400


@pytest.mark.parametrize("seconds", [0.0, 1e-3, 42.0, 3e5])
def test_jobs_of_one_duration_can_be_drawn(make_outcome: Maker, seconds: float) -> None:
    """Equal durations, also of zero, give one bar and no error."""
    outcomes = [make_outcome(place, started_at=1e9, ended_at=1e9 + seconds) for place in range(3)]
    ax = plot_durations(jobs_frame(outcomes, pd.RangeIndex(3)))
    assert sum(bar.get_height() for bar in ax.patches) == 3
    assert draw(ax)


def test_timeline_has_a_line_per_started_job_in_utc(jobs: pd.DataFrame) -> None:
    """Each line goes from start to end in UTC; a job that is not over reaches to now."""
    ax = plot_timeline(jobs, now=NOW)
    lines = ax.collections[0].get_segments()  # type: ignore[attr-defined]
    assert len(lines) == 6
    first = jobs["started_at"].iloc[0]
    assert lines[0][0][0] * 86_400 == pytest.approx(first.timestamp(), abs=1e-3)
    assert lines[5][1][0] * 86_400 == pytest.approx(NOW.timestamp(), abs=1e-3)
    assert ax.get_xlabel() == "time (UTC)"
    assert "2 rows without a start not shown" in words_of(ax)


def test_timeline_of_thousands_shows_how_many_ran_at_once(make_outcome: Maker) -> None:
    """Too many jobs for a line each become one area whose height is the number at once, and a note says so."""
    ax = plot_timeline(many_jobs(make_outcome, 3000), now=NOW)
    assert ax.get_ylabel() == "jobs at once"
    assert "too many for a line each" in words_of(ax)
    assert 15 < ax.dataLim.y1 < 60
    assert draw(ax)


def test_throughput_counts_every_end_once(make_outcome: Maker) -> None:
    """The bars add up to the ended jobs, and the axis says the stretch of time."""
    ax = plot_throughput(many_jobs(make_outcome, 500))
    assert sum(bar.get_height() for bar in ax.patches) == 500
    assert "jobs ended per 30 s" in ax.get_ylabel()
    assert "at once" in words_of(ax)


def test_throughput_of_one_instant(make_outcome: Maker) -> None:
    """A single job that took no time is one bar, not an error."""
    ax = plot_throughput(jobs_frame([make_outcome(started_at=1e9, ended_at=1e9)], pd.RangeIndex(1)))
    assert sum(bar.get_height() for bar in ax.patches) == 1
    assert draw(ax)


def test_nodes_show_time_failures_and_waits(mixed_outcomes: list[Outcome]) -> None:
    """One bar per node in order, with its median, its jobs, first failures and waiting jobs."""
    ax = plot_nodes(nodes_frame(mixed_outcomes))
    words = words_of(ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Input", "Read", "Ask", "Output"]
    assert ax.patches[1].get_width() == 8
    assert "·  1 failed here" in words
    assert "·  1 waiting" in words
    assert "(s)" in ax.get_xlabel()


def test_many_nodes_are_limited_with_a_note(make_outcome: Maker, audit_text: Maker) -> None:
    """Past 40 nodes those with the most time are drawn, in the workflow's order."""
    audit = audit_text(*[(f"node {place}", "COMPLETED", float(place)) for place in range(60)])
    ax = plot_nodes(nodes_frame([make_outcome(audit=audit)]))
    assert "the 40 of 60 nodes with the most time in all" in words_of(ax)
    assert ax.get_yticklabels()[0].get_text() == "node 20"


def test_paths_show_each_way_with_its_jobs(mixed_outcomes: list[Outcome]) -> None:
    """One line per path, one column per node, counts and failures beside."""
    ax = plot_paths(paths_frame(mixed_outcomes))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["Input", "Read", "Ask", "Output"]
    assert len(ax.lines) == 4
    assert "2 jobs  (40 %)" in words_of(ax)
    assert "·  1 failed" in words_of(ax)


def test_many_long_paths_are_limited_with_notes(make_outcome: Maker, audit_text: Maker) -> None:
    """Twenty ways through seventy nodes still make one picture, and notes say what is left out."""
    outcomes = [
        make_outcome(
            place, audit=audit_text(*[(f"n{node}", "COMPLETED", 1.0) for node in range(70) if node != place + 10])
        )
        for place in range(20)
    ]
    ax = plot_paths(paths_frame(outcomes))
    assert len(ax.lines) == 12
    assert "8 rarer paths (8 jobs) not shown" in words_of(ax)
    assert "nodes not shown" in words_of(ax)
    assert draw(ax)


@pytest.mark.parametrize("plot", PLOTS_OF_JOBS)
@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_to_draw_is_said_in_words(make_outcome: Maker, plot: Maker, rows: int) -> None:
    """A run without rows, or in which nothing has begun, gets a sentence instead of empty axes."""
    waiting = make_outcome(state=RowState.PLANNED, job_id=None, started_at=None, ended_at=None)
    ax = plot(jobs_frame([waiting][:rows], pd.RangeIndex(rows)))
    assert draw(ax)
    assert any(text in words_of(ax) for text in ("no rows", "no job has", "queued"))


@pytest.mark.parametrize(("plot", "frame_of"), [(plot_nodes, nodes_frame), (plot_paths, paths_frame)])
def test_no_audit_is_said_in_words(plot: Maker, frame_of: Maker, make_outcome: Maker) -> None:
    """Without node audits the plots by node say that there are none."""
    assert "no audit names a node yet" in words_of(plot(frame_of([make_outcome()])))


@pytest.mark.parametrize("plot", [*PLOTS_OF_JOBS, plot_nodes, plot_paths])
def test_another_frame_is_refused(plot: Maker) -> None:
    """A frame without the needed columns is named in the error."""
    with pytest.raises(SettingsError, match="lacks"):
        plot(pd.DataFrame({"x": [1]}))


@pytest.mark.parametrize("face", ["white", "#111111"])
def test_given_axes_are_drawn_on_and_stay_readable(jobs: pd.DataFrame, face: str) -> None:
    """``ax=`` draws there, opens no figure, and writes in a colour that can be read on its ground."""
    ax = Figure().add_subplot(facecolor=face)
    assert plot_outcomes(jobs, ax=ax) is ax
    ink = str(ax.texts[0].get_color())
    assert (int(ink[1:3], 16) > 127) == (face == "#111111")


def test_names_with_dollars_and_great_length_can_be_drawn(make_outcome: Maker, audit_text: Maker) -> None:
    """A node's name is text: no dollar in it is read as mathematics, and a long one is cut in the middle."""
    name = "Pay $5 or $_x^{ " + "very " * 30 + "end"
    ax = plot_nodes(nodes_frame([make_outcome(audit=audit_text((name, "COMPLETED", 1.0)))]))
    assert draw(ax)
    assert len(plain_text(name)) < 40
    assert plain_text(name).endswith("end")


def test_drawing_never_touches_pyplot() -> None:
    """All plots work without pyplot ever being loaded, so no other thread's figures can be disturbed."""
    code = (
        "import sys, pandas as pd\n"
        "from opus_nb.frames.jobs import jobs_frame\n"
        "from opus_nb.frames import plots\n"
        "from opus_nb.job import Outcome, RowState\n"
        "assert 'matplotlib' not in sys.modules\n"
        "jobs = jobs_frame([Outcome(0, RowState.COMPLETED, '1', 1, started_at=1.0, ended_at=2.0)], pd.RangeIndex(1))\n"
        "for name in ('outcomes', 'durations', 'timeline', 'throughput'):\n"
        "    assert getattr(plots, 'plot_' + name)(jobs)._repr_png_()[0].startswith(b'\\x89PNG')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_plots_can_be_drawn_from_another_thread(jobs: pd.DataFrame) -> None:
    """A callback on a subshell's thread gets its figure like anybody else."""
    pictures: list[bytes] = []
    thread = threading.Thread(target=lambda: pictures.append(draw(plot_timeline(jobs, now=NOW))))
    thread.start()
    thread.join()
    assert pictures[0].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"),
        (0.41, "410 ms"),
        (0.9999, "1 s"),
        (42, "42 s"),
        (61.5, "62 s"),
        (192, "3.2 min"),
        (7560, "2.1 h"),
        (293_760, "3.4 days"),
    ],
)
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    """Each size of duration has its unit."""
    assert say_seconds(seconds) == said


def test_shares_never_round_to_nothing_or_all() -> None:
    """One of a thousand is not 0 %, and 999 of 1,000 are not all."""
    assert say_share(1, 1000) == "< 1 %"
    assert say_share(999, 1000) == "> 99 %"
    assert say_share(1000, 1000) == "100 %"
