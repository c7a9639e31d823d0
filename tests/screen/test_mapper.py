"""The mapper: choosing by hand, judged at once, kept by display name."""

from __future__ import annotations

import json
import threading
import time

import pytest

from opus_nb.errors import MappingError
from opus_nb.screen.environment import Environment
from opus_nb.screen.mapper import InputLook, Mapper, MappingLook
from opus_nb.service.schema import read_fields

STILL = Environment("test", "widget", False, "")  # judged in the calling thread
LIVE = Environment("test", "widget", True, "")
SCHEMA = read_fields(
    {
        "v_a": {"display_name": "Invoice", "type": "file", "is_nullable": False},
        "v_b": {"display_name": "Country", "type": "str", "is_nullable": True},
        "v_c": {"display_name": "Twin", "type": "str", "is_nullable": True},
        "v_d": {"display_name": "Twin", "type": "str", "is_nullable": True},
    }
)


class Judge:
    """Says of each choice what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, columns, constants):
        self.asked.append((columns, constants))
        looks = {
            name: InputLook(column, "same name", 0.93, ("<a>", "b"), bad=2 if name == "v_a" else 0)
            for name, column in columns.items()
        }
        return MappingLook(looks, rows=10, ready=8)


@pytest.fixture
def judge():
    return Judge()


@pytest.fixture
def mapper(judge):
    return make(judge)


def make(judge, environment=STILL, **parts):
    return Mapper(
        SCHEMA,
        title="Claims",
        columns=["pdf_path", "land", 7],
        look=judge,
        plan=lambda columns, constants: ("plan", columns, constants),
        environment=environment,
        **{"proposal": {"v_a": "pdf_path"}, **parts},
    )


def line(mapper, name):
    return mapper._lines[name]


def test_it_begins_with_the_proposal_and_shows_why(mapper):
    """Column, score, reason and samples as they would be sent, escaped."""
    assert mapper.columns == {"Invoice": "pdf_path"}
    shown = line(mapper, "v_a")._about.value
    assert "same name" in shown
    assert "score 0.93" in shown
    assert "&lt;a&gt;" in shown
    assert "<b>2</b> bad cells" in shown


def test_a_choice_is_judged_at_once(mapper, judge):
    """Choosing a column asks for its consequences."""
    line(mapper, "v_b")._choice.value = 3
    assert judge.asked[-1] == ({"v_a": "pdf_path", "v_b": "land"}, {})
    assert "<b>8</b> of 10 rows ready" in mapper._summary.value


def test_columns_keep_their_own_type(mapper):
    """A column called 7 stays the number."""
    line(mapper, "v_b").choose(7)
    assert mapper.columns["Country"] == 7


def test_a_constant_feeds_every_row(mapper, judge):
    """Typed text is a constant; its box shows only then."""
    assert line(mapper, "v_b")._constant.layout.display == "none"
    line(mapper, "v_b")._choice.value = 1
    line(mapper, "v_b")._constant.value = "DE"
    assert line(mapper, "v_b")._constant.layout.display == ""
    assert mapper.constants == {"Country": "DE"}
    assert judge.asked[-1] == ({"v_a": "pdf_path"}, {"v_b": "DE"})


def test_a_constant_that_was_given_keeps_its_type(judge):
    """Five stays a number until somebody types over it."""
    mapper = make(judge, constants={"v_b": 5})
    assert mapper.constants == {"Country": 5}


def test_a_required_input_without_a_feed_is_named(mapper):
    """What is missing stands in the summary."""
    line(mapper, "v_a").choose(None)
    assert "nothing feeds Invoice" in mapper._summary.value


def test_the_plan_is_made_of_what_is_chosen(mapper):
    """plan() hands over both mappings by variable name."""
    assert mapper.plan() == ("plan", {"v_a": "pdf_path"}, {})


def test_inputs_that_share_a_display_name_are_told_apart(mapper):
    """Twins travel by variable name."""
    line(mapper, "v_c").choose("land")
    assert mapper.columns["v_c"] == "land"


def test_saving_and_loading_gives_the_same_choice(mapper, judge, tmp_path):
    """By display name, as JSON, there and back; columns get their own type again."""
    line(mapper, "v_b").choose(7)
    line(mapper, "v_c").fix("x")
    kept = mapper.save(tmp_path / "mapping.json")
    assert json.loads(kept.read_text())["columns"] == {"Invoice": "pdf_path", "Country": "7"}
    other = make(judge, proposal={})
    assert other.load(kept) == []
    assert (other.columns, other.constants) == (mapper.columns, mapper.constants)


def test_loading_says_what_is_not_there_any_more(mapper, tmp_path):
    """An input or a column that vanished is reported, the rest is taken over."""
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"columns": {"Gone": "land", "Country": "nope", "v_c": "land"}, "constants": {}}))
    assert mapper.load(path) == ["Gone", "Country: column nope"]
    assert mapper.columns["v_c"] == "land"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"columns": 3}'])
def test_a_file_that_is_no_mapping_is_refused(mapper, tmp_path, text):
    """The error names the file and what it should be."""
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(MappingError, match="saved mapping"):
        mapper.load(path)


@pytest.mark.parametrize("column", [["a", "b"], {"a": "b"}])
def test_several_columns_for_one_input_are_refused_with_where_they_go(mapper, tmp_path, column):
    """A mapper chooses one column per input; nothing of the file is taken over then."""
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"columns": {"v_c": "land", "Invoice": column}}))
    before = mapper.columns
    with pytest.raises(MappingError, match=r"Invoice is fed by several columns[^$]*wf\.plan\(df, columns"):
        mapper.load(path)
    assert mapper.columns == before


def test_a_judge_that_fails_is_told_and_the_next_choice_is_judged(mapper, judge, monkeypatch, caplog):
    """A broken judgement breaks nothing else."""

    def broken(columns, constants):
        raise RuntimeError("no <memory>")

    monkeypatch.setattr(mapper, "_look", broken)
    line(mapper, "v_b").choose("land")
    assert "no &lt;memory&gt;" in mapper._summary.value
    monkeypatch.setattr(mapper, "_look", judge)
    line(mapper, "v_b").choose(None)
    assert "rows ready" in mapper._summary.value


def test_fast_choices_are_judged_by_their_newest(judge):
    """While one judgement is at work, those in between are skipped and the last one counts."""
    gate, begun = threading.Event(), threading.Event()
    mapper = make(judge, environment=LIVE)

    def slow(columns, constants):
        begun.set()
        gate.wait(5)
        return judge(columns, constants)

    mapper._look = slow
    judge.asked.clear()
    line(mapper, "v_b").choose("land")
    assert begun.wait(5)
    for column in ("pdf_path", 7, "land", "pdf_path"):
        line(mapper, "v_b").choose(column)
    gate.set()
    end = time.monotonic() + 5
    while mapper._looking and time.monotonic() < end:
        threading.Event().wait(0.01)
    assert len(judge.asked) == 2
    assert judge.asked[-1] == ({"v_a": "pdf_path", "v_b": "pdf_path"}, {})


def test_it_shows_itself_with_words(mapper, page):
    """The fallback says how to get it back."""
    mapper._ipython_display_()
    assert "run this cell again" in page.last["text/html"]
    assert page.last["text/plain"] == "<Mapper for 'Claims': 1 of 4 inputs fed by columns>"
