"""Cards: small, escaped, complete without colour."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from screen_making import make_event

from opus_nb.job import COUNT_NAMES
from opus_nb.screen.cards import job_card, plan_card, run_card, workflow_card
from opus_nb.screen.job_card import value_html
from opus_nb.screen.markup import (
    clip,
    duration_words,
    html_table,
    price_words,
    state_bar,
    text_table,
    time_left_words,
)
from opus_nb.screen.tally import Tally
from opus_nb.service.schema import Field

EVIL = "<script>alert('x')</script>\"'&\x00 " + "ü€😀" * 50
TEXT = st.text(st.characters(exclude_categories=[]), max_size=400)
VOID = {"br", "img", "hr", "input", "meta", "link"}


class Balanced(HTMLParser):
    """Follows the tags, and refuses those that nobody asked for."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.seen = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        assert not any(name.startswith("on") and name != "open" for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check(card):
    reader = Balanced()
    reader.feed(card.html)
    reader.close()
    assert reader.open == []
    assert "script" not in reader.seen
    assert len(card.html.encode()) < 10_000
    assert "\n" not in card.text
    return card


def make_field(at, text=EVIL):
    return Field(
        variable_name=f"v{at}",
        display_name=text,
        type="str",
        kind="str",
        required=at % 2 == 0,
        description=text * 5,
        options=(text,) * 20,
        allowed_file_types=("PDF",) * 12,
    )


def big_snapshot(error=EVIL):
    tally = Tally({"queued": 1000}, row_label=lambda at: EVIL)
    for position in range(300):
        state = ["failed", "waiting", "timed_out", "completed", "uncertain"][position % 5]
        tally.observe(make_event(position, "planned", "executing", job_id=EVIL))
        tally.observe(
            make_event(position, "executing", state, error=f"{chr(97 + position % 26) * 9} {error}", job_id=EVIL)
        )
    return tally.snapshot()


def test_every_card_is_small_escaped_and_whole_with_the_worst_words():
    """A hundred fields or issues full of markup and emoji: below 10 kB, tags balanced, nothing executed."""
    many = [make_field(at) for at in range(100)]
    issue = dict.fromkeys(("row", "column", "input", "severity", "problem", "fix"), EVIL)
    check(
        workflow_card(
            name=EVIL, workflow_id=EVIL, inputs=many, outputs=many, description=EVIL * 9, active=False, version=EVIL
        )
    )
    check(
        plan_card(
            workflow_name=EVIL,
            rows=10**6,
            ready=5,
            mapping=[{"input": EVIL, "column": EVIL, "why": EVIL}] * 100,
            issues=[issue] * 500,
        )
    )
    check(run_card(name=EVIL, workflow_name=EVIL, snapshot=big_snapshot(), note=EVIL * 20))
    check(
        job_card(
            title=EVIL,
            job_id=EVIL,
            state="failed",
            error=EVIL * 9,
            results={f"{EVIL}{at}": [f"https://x.example/{'%41' * 80}{at}"] * 20 for at in range(60)},
            audit=[{"event": EVIL, "actor": EVIL, "status": EVIL, "duration_s": 3.2, "started_at": EVIL}] * 200,
        )
    )


@settings(deadline=None, max_examples=60)
@given(TEXT, TEXT)
def test_any_text_is_escaped(one, other):
    """Whatever a user or Opus calls things, the card stays well formed."""
    check(job_card(title=one, job_id=other, state="completed", results={one: other, other: [one]}, error=other))


def test_a_card_says_states_in_words_and_signs():
    """Each colour of the bar has its sign, its number and its word beside it, and a label for screen readers."""
    bar = state_bar({name: at + 1 for at, name in enumerate(COUNT_NAMES)}, 55)
    for at, name in enumerate(COUNT_NAMES):
        assert f"<b>{at + 1}</b> {name.replace('_', ' ')}" in bar
    assert 'role="progressbar"' in bar
    assert 'aria-valuenow="37"' in bar


def test_the_workflow_card_tells_what_is_required_and_unknown():
    """One line for repr; unknown price and time are called unknown."""
    card = check(
        workflow_card(name="Claims", workflow_id="B9u", inputs=[make_field(0, "Invoice"), make_field(1, "Note")])
    )
    assert card.text == "<Workflow 'Claims' B9u: 2 inputs (1 required), 0 outputs>"
    assert "price unknown" in card.html
    assert "about unknown" in card.html


def test_an_inactive_workflow_is_called_so():
    """Nobody should find out by a refused job."""
    card = workflow_card(name="Claims", workflow_id="B9u", inputs=[], active=False)
    assert "NOT ACTIVE" in card.text
    assert "Not active" in card.html


def test_the_plan_card_says_that_issues_were_left_out():
    """What does not fit is counted."""
    issues = [{"row": at, "column": "a", "problem": "bad", "fix": "mend"} for at in range(3)]
    card = check(plan_card(workflow_name="W", rows=9, ready=6, mapping=[], issues=issues, issues_total=50))
    assert "47 more" in card.html
    assert card.text == "<Plan for 'W': 6 of 9 rows ready, 50 issues, nothing sent>"


def test_the_job_card_links_files_and_keeps_the_word_of_opus():
    """An address is a link that opens apart; a word that is not ours is shown letter for letter."""
    card = check(
        job_card(
            title="Claim",
            job_id="2514",
            state="running",
            word="IN PROGRESS",
            nodes_done=2,
            nodes_total=6,
            results={"Report": "https://files.example/a/report.pdf?sig=1", "Risk": 0.4, "None": None},
        )
    )
    assert 'href="https://files.example/a/report.pdf?sig=1"' in card.html
    assert ">report.pdf</a>" in card.html
    assert "IN PROGRESS" in card.html
    assert "<progress" in card.html


def test_javascript_is_no_link():
    """Only http and https become links."""
    assert "<a " not in job_card(title="", job_id="1", state="completed", results={"x": "javascript:alert(1)"}).html


def test_the_bundle_has_both_forms():
    """A notebook picks HTML, a terminal the line."""
    card = job_card(title="t", job_id=None, state="queued")
    assert card.bundle() == {"text/plain": "<Job without id yet queued>", "text/html": card.html}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "unknown"),
        (float("inf"), "unknown"),
        (0, "0 s"),
        (2.34, "2.3 s"),
        (59, "59 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (3600, "1 h"),
        (90000 * 3, "3 d 3 h"),
    ],
)
def test_durations_read_like_speech(seconds, words):
    """Two units at most, and unknown where there is nothing to say."""
    assert duration_words(seconds) == words


def test_time_left_is_a_range_in_one_unit_where_possible():
    """Roughly, never with false precision."""
    assert time_left_words((240, 380)) == "4–6 min"
    assert time_left_words((50, 600)) == "50 s – 10 min"
    assert time_left_words((300, 310)) == "5 min"
    assert time_left_words(None) == "unknown"


def test_price_names_no_currency():
    """The service gives none, so none is made up."""
    assert price_words(1234.5) == "1,234.50"
    assert price_words(None) == "unknown"


def test_clip_is_one_line_and_no_longer_than_asked():
    """Line breaks become spaces; what is cut is marked."""
    assert clip("a\nb   c", 10) == "a b c"
    assert clip("x" * 50, 10) == "x" * 9 + "…"
    assert clip(None) == ""


def test_a_table_counts_what_it_leaves_out():
    """Rows past the budget are not drawn, but said."""
    drawn = html_table(["n"], [[at] for at in range(1000)], budget=300, more=7)
    shown = drawn.count("<tr>") - 1
    assert f"{1000 - shown + 7:,} more" in drawn


def test_a_text_table_lines_up():
    """Columns start at the same place in every line."""
    lines = text_table(["name", "n"], [["a", 1], ["longer", 22]]).splitlines()
    assert lines == ["name    n", "------  --", "a       1", "longer  22"]


def test_a_file_that_opus_keeps_is_text_and_other_addresses_are_links():
    """A browser gets a 404 for a private media address, so nobody is invited to click it."""
    kept = value_html("https://files.opus.com/media/private/generated/letter.pdf")
    assert "letter.pdf" in kept
    assert "<a " not in kept
    assert 'href="https://x.example/media/a.pdf"' in value_html("https://x.example/media/a.pdf")
    assert value_html([]) == value_html(None)


def test_a_file_of_which_there_is_a_copy_here_is_a_link_to_that():
    """Quoted as an address, shown by the copy's own name; the others of a list stay as they were."""
    here, there = "https://x.example/media/private/a.pdf", "https://x.example/media/private/b.pdf"
    shown = value_html([here, there], {here: 'opus-files/25/0_Settle & "letter".pdf'})
    assert '<a href="opus-files/25/0_Settle%20%26%20%22letter%22.pdf"' in shown
    assert ">0_Settle &amp; &quot;letter&quot;.pdf</a>" in shown
    assert "b.pdf</span>" in shown


def test_the_audit_is_a_timeline():
    """Each line starts where it began and is as long as it took; a trail without ends still has its moments."""
    steps = [
        {"event": "read", "status": "COMPLETED", "started_at": 100.0, "ended_at": 101.0, "duration_s": 1.0},
        {"event": "score", "status": "FAILED", "started_at": 101.0, "ended_at": 104.0, "duration_s": 3.0},
        {"event": "never", "status": None, "started_at": None, "ended_at": None, "duration_s": None},
    ]
    card = job_card(title="x", job_id="1", state="failed", audit=steps).html
    assert "margin-left:0.0%;width:25.0%" in card
    assert "margin-left:25.0%;width:75.0%" in card
    assert card.count("on-lane") - card.count(".on-lane") == 2
    assert "failed" in card
    alone = job_card(title="x", job_id="1", state="completed", audit=[{"event": "sent", "actor": "api"}]).html
    assert "sent" in alone
    assert "on-lane" not in alone.replace(".on-lane", "")
