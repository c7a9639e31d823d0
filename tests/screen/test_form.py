"""The form: typed values both ways, problems beside the field, and never a job that was not meant."""

from __future__ import annotations

import json
import threading
import time
from datetime import date
from html import escape
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.job import LocalFile
from opus_nb.screen.environment import Environment
from opus_nb.screen.fields import WIDGETS, make_control
from opus_nb.screen.followed import JobLook
from opus_nb.screen.form import Form
from opus_nb.screen.inputs_files import complete_path, read_upload
from opus_nb.screen.inputs_nested import LinesControl, ListControl, ObjectControl
from opus_nb.screen.inputs_plain import ChoiceControl, Control, JsonControl, TextControl
from opus_nb.service.schema import Schema, read_fields

WIDGET = "application/vnd.jupyter.widget-view+json"
HERE = Environment("test", "widget", True, "")

ENTRIES = {
    "v_name": {"display_name": "Name", "type": "str", "is_nullable": False, "description": "Who it is for"},
    "v_note": {"display_name": "Notes", "type": "str", "is_nullable": True},
    "v_amount": {"display_name": "Amount", "type": "float", "is_nullable": False, "value": 12.5},
    "v_count": {"display_name": "Count", "type": "int", "is_nullable": True},
    "v_urgent": {"display_name": "Urgent", "type": "bool", "is_nullable": True},
    "v_day": {"display_name": "Day", "type": "date", "is_nullable": True, "type_definition": "%d.%m.%Y"},
    "v_kind": {"display_name": "Kind", "type": "str", "is_nullable": True, "options": ["old", "new"]},
    "v_tags": {"display_name": "Tags", "type": "array", "is_nullable": True},
    "v_sums": {
        "display_name": "Sums",
        "type": "array",
        "is_nullable": True,
        "type_definition": {"variable_name": "sum", "type": "float"},
    },
    "v_who": {
        "display_name": "Contact",
        "type": "object",
        "is_nullable": True,
        "type_definition": {
            "email": {"display_name": "Email", "type": "str", "is_nullable": False},
            "age": {"display_name": "Age", "type": "int", "is_nullable": True},
        },
    },
    "v_free": {"display_name": "Free", "type": "object", "is_nullable": True},
    "v_json": {"display_name": "Payload", "type": "json_string", "is_nullable": True},
    "v_scan": {
        "display_name": "Scan",
        "type": "file",
        "is_nullable": True,
        "value": "https://files.example/author.pdf",
        "tags": [{"variable_name": "allowed_file_types", "value": ["PDF", "PNG"]}],
    },
    "v_more": {"display_name": "More files", "type": "array_files", "is_nullable": True},
    "v_odd": {"display_name": "Odd", "type": "quaternion", "is_nullable": True},
}
SCHEMA = read_fields(ENTRIES)


class FakeJob:
    """A job that is over when it is told to be."""

    def __init__(self):
        self.done = threading.Event()
        self.looked = 0

    def look(self):
        self.looked += 1
        if self.done.is_set():
            return JobLook("completed", True, job_id="2514", results={"Summary": "fine <b>"})
        return JobLook("running", False, job_id="2514", nodes_done=1, nodes_total=4)


@pytest.fixture
def sent():
    return SimpleNamespace(values=[], job=FakeJob())


@pytest.fixture
def form(sent):
    def submit(values):
        sent.values.append(values)
        return sent.job

    return Form(SCHEMA, title="Claims <1>", submit=submit, environment=HERE)


def until(said, timeout_s=5.0):
    end = time.monotonic() + timeout_s
    while not said():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.01)


def control(form, name):
    return form._controls[name]


def everything(tmp_path):
    scan, more = tmp_path / "a.pdf", tmp_path / "b.txt"
    scan.write_bytes(b"%PDF")
    more.write_text("x")
    return {
        "v_name": "Ana",
        "v_note": "two\nlines",
        "v_amount": 3.25,
        "v_count": 7,
        "v_urgent": False,
        "v_day": "09.11.2025",
        "v_kind": "new",
        "v_tags": ["a", "b"],
        "v_sums": [1.5, 2.0],
        "v_who": {"email": "a@b.example", "age": 3},
        "v_free": {"deep": [1, {"x": None}]},
        "v_json": '{"a": 1}',
        "v_scan": LocalFile(str(scan)),
        "v_more": [LocalFile(str(more)), "https://files.example/x.csv"],
        "v_odd": "whatever",
    }


class TestValues:
    """form.value."""

    def test_every_type_goes_in_and_comes_out_as_it_is(self, form, tmp_path):
        """What is set is what is read, typed, for each of the service's types."""
        values = everything(tmp_path)
        form.value = values
        assert form.value == values
        assert form.problems() == {}

    def test_display_names_work_too(self, form):
        """A row of a sheet has the names that people see."""
        form.value = {"Name": "Bo", "Count": 4}
        assert (form.value["v_name"], form.value["v_count"]) == ("Bo", 4)

    def test_an_unknown_name_is_refused_with_the_list(self, form):
        """A typing error must not vanish."""
        with pytest.raises(KeyError, match="Amount"):
            form.value = {"Nmae": "x"}

    def test_defaults_are_filled_in_but_never_a_file(self, form):
        """The author's sample is a start; the author's file is shown and not sent."""
        assert form.value == {"v_amount": 12.5}
        texts = [widget.value for widget in walk(form.widget) if type(widget).__name__ == "HTML"]
        assert any("The author&#x27;s own example, author.pdf, is not sent." in text for text in texts)

    def test_false_and_zero_are_values(self, form):
        """No is an answer, nothing is none."""
        form.value = {"v_urgent": False, "v_count": 0}
        assert form.value["v_urgent"] is False
        assert form.value["v_count"] == 0
        form.value = {"v_urgent": None, "v_count": float("nan")}
        assert "v_urgent" not in form.value
        assert "v_count" not in form.value

    def test_a_bad_row_is_shown_to_be_mended(self, form):
        """Whatever a cell held stays visible, with its problem beside it."""
        form.update({"v_name": "x", "v_count": "seven", "v_sums": ["1.5", "many"]})
        assert control(form, "v_count").widget.value == "seven"
        assert set(form.problems()) == {"v_count", "v_sums"}
        assert "seven" in form._problems["v_count"].value
        control(form, "v_count").widget.value = "7"
        assert form._problems["v_count"].value == ""

    def test_assigning_sets_exactly_what_is_given(self, form, tmp_path):
        """A saved value restores the form: what is left out becomes empty, the author's samples included."""
        form.value = {"v_name": "Ana", "v_kind": "old"}
        saved = form.value
        form.value = everything(tmp_path)
        form.value = saved
        assert form.value == saved == {"v_name": "Ana", "v_kind": "old"}

    def test_an_update_keeps_the_others_what_cannot_be_read_included(self, form):
        """What stands in the other inputs is neither emptied nor forgiven."""
        form.value = {"v_note": "n", "v_kind": "elsewhere", "v_day": "31.02.2025"}
        form.update({"Name": "Bo", "v_amount": 1.0})
        assert form.value == {"v_name": "Bo", "v_note": "n", "v_amount": 1.0}
        assert set(form.problems()) == {"v_kind", "v_day"}
        form.update({"v_note": None})
        assert "v_note" not in form.value

    def test_a_name_that_is_none_changes_nothing(self, form):
        """Refused before anything is written."""
        with pytest.raises(KeyError, match="Nmae"):
            form.value = {"v_name": "Bo", "Nmae": "x"}
        assert form.value == {"v_amount": 12.5}

    @pytest.mark.parametrize(
        ("name", "bad", "good"),
        [
            ("v_kind", "elsewhere", 1),
            ("v_urgent", "perhaps", 2),
            ("v_day", "31.02.2025", date(2025, 11, 9)),
        ],
    )
    def test_what_an_optional_input_does_not_take_is_never_dropped(self, sent, name, bad, good):
        """A choice, a yes or no, a day: refused by its text until the person changes it, and nothing is sent."""
        form = Form(Schema((SCHEMA[name],)), title="x", submit=sent.values.append, values={name: bad}, environment=HERE)
        assert bad in form.problems()[name]
        form.run()
        assert sent.values == []
        assert bad in form._problems[name].value
        control(form, name).widget.value = good
        assert form.problems() == {}
        assert form._problems[name].value == ""
        assert set(form.value) == {name}
        form.value = {name: bad}
        assert bad in form.problems()[name]
        form.value = {}
        assert form.problems() == form.value == {}

    def test_a_choice_that_is_none_stands_in_a_line_of_its_own(self, form):
        """It can be left for the empty line, and is gone with the next value."""
        kind = control(form, "v_kind")
        form.value = {"v_kind": "elsewhere"}
        assert kind.widget.label == "✗ 'elsewhere'"
        kind.widget.value = 0
        assert "v_kind" not in form.problems()
        form.value = {"v_kind": "new"}
        assert len(kind.widget.options) == 3

    def test_a_required_choice_says_what_stood_there(self):
        """Not only that a value is required."""
        schema = read_fields({"v": {"display_name": "Kind", "type": "str", "options": ["a"], "is_nullable": False}})
        form = Form(schema, title="x", submit=lambda _: None, values={"v": "Legal"}, environment=HERE)
        assert form.problems() == {"v": "'Legal' is none of the choices: a."}

    def test_a_sample_that_is_no_choice_is_no_start(self):
        """The author's own slip does not keep anybody from running."""
        entry = {"display_name": "Kind", "type": "str", "options": ["a"], "is_nullable": True, "value": "pick one"}
        form = Form(read_fields({"v": entry}), title="x", submit=lambda _: None, environment=HERE)
        assert form.problems() == form.value == {}

    def test_members_that_the_schema_does_not_know_are_kept_and_named(self, form):
        """As wf.plan sends them; they go with the next value."""
        given = {"email": "a@b.example", "zz": [1, None]}
        form.value = {"v_who": given}
        assert form.value["v_who"] == given
        assert "sent as given: zz" in control(form, "v_who")._about.value
        control(form, "v_who").members["age"].widget.value = "3"
        assert form.value["v_who"] == given | {"age": 3}
        form.value = {"v_who": {"email": "c@d.example"}}
        assert form.value["v_who"] == {"email": "c@d.example"}
        assert control(form, "v_who")._about.value == ""

    @pytest.mark.parametrize("bad", ["{broken", "[1]", [1, 2]])
    def test_what_is_no_object_is_refused_until_a_member_is_changed(self, form, bad):
        """Shown below the members, never dropped."""
        form.value = {"v_who": bad}
        assert "no JSON object" in form.problems()["v_who"]
        assert escape(str(bad)) in control(form, "v_who")._about.value
        control(form, "v_who").members["email"].widget.value = "a@b.example"
        assert form.value["v_who"] == {"email": "a@b.example"}
        assert control(form, "v_who")._about.value == ""

    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4), st.integers())
    def test_numbers_survive(self, numbers, whole):
        """Numbers are shown so that the same number is read back."""
        form = Form(Schema((SCHEMA["v_sums"], SCHEMA["v_count"])), title="x", submit=lambda _: None, environment=HERE)
        form.value = {"v_sums": numbers, "v_count": whole}
        assert form.value == {"v_sums": numbers, "v_count": whole}

    @settings(deadline=None, max_examples=40)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda s: st.lists(s), max_leaves=6
        )
    )
    def test_objects_without_members_survive(self, inside):
        """What JSON holds comes back from the JSON box as it was."""
        form = Form(Schema((SCHEMA["v_free"],)), title="x", submit=lambda _: None, environment=HERE)
        form.value = {"v_free": {"x": inside}}
        assert form.value == {"v_free": {"x": inside}}


class TestProblems:
    """What is said beside a field."""

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("v_count", "7.5", "whole number"),
            ("v_amount", "lots", "lots"),
            ("v_free", '{"a": }', "line 1, column 7"),
            ("v_json", "{", "not JSON"),
            ("v_tags", "[1,", "not JSON"),
        ],
    )
    def test_words_are_refused_where_they_stand(self, form, name, text, said):
        """The problem names what was written or where it breaks."""
        control(form, name).widget.value = text
        assert said in form.problems()[name]
        assert said in form._problems[name].value
        assert 'role="alert"' in form._problems[name].value

    def test_a_missing_member_names_its_label(self, form):
        """Inside an object the required member is named."""
        form.value = {"v_who": {"age": 3}}
        assert "email" in form.problems()["v_who"].lower()

    def test_a_file_that_is_not_there_or_of_the_wrong_kind(self, form, tmp_path):
        """Existence, kind, size and emptiness are judged before anything is sent."""
        big, empty, wrong = tmp_path / "big.pdf", tmp_path / "empty.pdf", tmp_path / "a.exe"
        big.write_bytes(b"x" * (10 * 1024 * 1024 + 1))
        empty.write_bytes(b"")
        wrong.write_bytes(b"x")
        for path, said in [(tmp_path / "no.pdf", "no file"), (big, "10 MB"), (empty, "empty"), (wrong, "not accepted")]:
            form.value = {"v_scan": str(path)}
            assert said in form.problems()["v_scan"]

    def test_problems_are_escaped(self, form):
        """What a user writes is text, never markup."""
        control(form, "v_count").widget.value = "<img src=x>"
        form.problems()
        assert "<img" not in form._problems["v_count"].value


class TestRunning:
    """The Run button."""

    def test_nothing_is_sent_while_something_is_wrong(self, form, sent):
        """All problems at once, and no job."""
        form._sending.button.click()
        assert sent.values == []
        assert "Nothing was sent" in form._sending.said.value
        assert "required" in form._problems["v_name"].value

    def test_one_press_is_one_job_and_a_second_press_none(self, form, sent):
        """While a job is on its way, Run does nothing more."""
        form.update({"v_name": "Ana"})
        form._sending.button.click()
        form.run()
        until(lambda: "1 of 4 nodes" in form._sending.card.value)
        form.run()
        assert "still on its way" in form._sending.said.value
        sent.job.done.set()
        until(lambda: not form._sending.button.disabled)
        assert sent.values == [{"v_name": "Ana", "v_amount": 12.5}]
        assert "fine &lt;b&gt;" in form._sending.card.value

    def test_what_submit_raises_is_shown(self, caplog):
        """A refusal of the service is told in the form, and Run can be pressed again."""

        def submit(values):
            raise RuntimeError("401: the key is not accepted")

        form = Form(Schema((SCHEMA["v_note"],)), title="x", submit=submit, environment=HERE)
        form.run()
        until(lambda: not form._sending.button.disabled)
        assert "the key is not accepted" in form._sending.said.value

    def test_where_cells_are_not_repainted_run_stays_until_the_end(self, sent):
        """On Colab the press itself holds until the job is over."""
        sent.job.done.set()
        place = Environment("Google Colab", "widget", False, "")
        form = Form(Schema((SCHEMA["v_note"],)), title="x", submit=lambda _: sent.job, environment=place)
        form.run()
        assert "completed" in form._sending.card.value

    def test_a_check_from_outside_is_shown_beside_the_field(self, sent):
        """What only the sheet's rules know stops the job as well."""
        form = Form(
            Schema((SCHEMA["v_note"],)),
            title="x",
            submit=sent.values.append,
            check=lambda values: {"v_note": "too rude"},
            environment=HERE,
        )
        form.run()
        assert "too rude" in form._problems["v_note"].value
        assert sent.values == []


class TestTakingAway:
    """Copy as Python, and the table."""

    def test_the_code_is_python_that_gives_the_same_values(self, form, tmp_path):
        """Evaluated, the call passes what stands in the form; files as paths."""
        form.value = everything(tmp_path)
        form._argument_names = {"v_name": "name", "v_more": "More files"}
        got = {}
        wf = SimpleNamespace(submit=lambda **given: got.update(given))
        exec(form.code(), {"wf": wf})
        expected = {
            {"v_name": "name", "v_more": "More files"}.get(name, name): value for name, value in form.value.items()
        }
        assert expected["v_day"] == "09.11.2025"
        expected["v_day"] = "2025-11-09"  # the same day, in the one spelling that cannot be misread
        plain = {
            name: [each.path if isinstance(each, LocalFile) else each for each in value]
            if isinstance(value, list)
            else value.path
            if isinstance(value, LocalFile)
            else value
            for name, value in expected.items()
        }
        assert got == plain

    def test_forms_are_collected_as_rows(self, form):
        """One row per press, a column per input by its display name, kept as objects."""
        form.value = {"v_name": "Ana", "v_tags": ["a", "b"]}
        form.add_to_table()
        form.value = {"v_name": "Bo", "v_tags": None}
        form.add_to_table()
        table = form.table
        assert list(table.columns) == [field.display_name for field in SCHEMA]
        assert list(table["Name"]) == ["Ana", "Bo"]
        assert table["Tags"][0] == ["a", "b"]
        assert table["Tags"][1] is None
        assert set(table.dtypes.astype(str)) == {"object"}


class TestControls:
    """Which control shows which kind."""

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("v_name", TextControl),
            ("v_kind", ChoiceControl),
            ("v_tags", LinesControl),
            ("v_sums", ListControl),
            ("v_who", ObjectControl),
            ("v_free", JsonControl),
            ("v_odd", TextControl),
        ],
    )
    def test_the_table_decides(self, name, kind):
        """Options make a choice, unknown items make lines, an unknown word a text box."""
        assert type(make_control(SCHEMA[name])) is kind

    def test_every_kind_has_a_line(self):
        """No type is without a control."""
        assert {field.kind for field in SCHEMA} <= set(WIDGETS)

    def test_a_control_of_ones_own(self):
        """By variable name, by display name or by kind."""

        class Shout(TextControl):
            def read(self):
                return self.widget.value.upper()

        for key in ("v_name", "Name", "str"):
            made = make_control(SCHEMA["v_name"], widgets={key: Shout})
            made.write("ana")
            assert made.read() == "ANA"

    def test_a_control_without_a_look_says_so(self):
        """A subclass has to build something."""
        with pytest.raises(TypeError, match="Control"):
            Control(SCHEMA["v_name"], make_control)

    def test_long_text_gets_a_box(self):
        """Where the author expects more than a line."""
        assert type(make_control(SCHEMA["v_note"]).widget).__name__ == "Textarea"
        assert type(make_control(SCHEMA["v_name"]).widget).__name__ == "Text"

    def test_a_day_is_a_day(self, form):
        """The calendar gives a date, the value the author's format."""
        control(form, "v_day").widget.value = date(2025, 11, 9)
        assert form.value["v_day"] == "09.11.2025"

    def test_list_items_come_and_go_by_button(self, form):
        """Add and take out, by pressing."""
        sums = control(form, "v_sums")
        sums.widget.children[-1].children[0].click()
        sums.widget.children[-1].children[0].click()
        sums.items[0].widget.value, sums.items[1].widget.value = "1", "2"
        sums._rows.children[0].children[1].click()
        assert form.value["v_sums"] == [2.0]

    def test_labels_are_text_in_both_generations(self):
        """A display name with markup stays text, whichever ipywidgets draws it."""
        evil = read_fields({"v": {"display_name": "<b>x</b>", "type": "str"}})["v"]
        shown = make_control(evil).widget
        safe = shown.has_trait("description_allow_html") and not shown.description_allow_html
        assert safe or "<b>" not in shown.description


class TestFiles:
    """Paths and uploads."""

    def test_both_forms_of_an_upload_are_read(self):
        """ipywidgets 7 gives a dict by name, 8 a tuple of dicts."""
        seven = SimpleNamespace(value={"a.pdf": {"metadata": {"size": 3}, "content": b"abc"}})
        eight = SimpleNamespace(value=({"name": "a.pdf", "size": 3, "content": memoryview(b"abc")},))
        assert read_upload(seven) == read_upload(eight)

    def upload(self, form, monkeypatch, content, size, name="a.pdf"):
        scan = control(form, "v_scan")
        monkeypatch.setattr(
            "opus_nb.screen.inputs_files.read_upload",
            lambda _: read_upload(SimpleNamespace(value=({"name": name, "size": size, "content": content},))),
        )
        scan._uploaded()
        return scan

    def test_an_upload_becomes_a_file_with_its_size_shown(self, form, monkeypatch):
        """The bytes arrive as they are, under their own name."""
        scan = self.upload(form, monkeypatch, b"x" * 2500, 2500)
        from pathlib import Path

        kept = Path(form.value["v_scan"].path)
        assert (kept.name, kept.read_bytes()) == ("a.pdf", b"x" * 2500)
        assert "2.5 kB" in scan._about.value

    def test_a_shortened_upload_is_noticed(self, form, monkeypatch):
        """Fewer bytes than the browser announced: said, and nothing is taken."""
        scan = self.upload(form, monkeypatch, b"xx", 2500)
        assert "only 2 arrived" in scan._about.value
        assert "v_scan" not in form.value

    def test_a_name_cannot_climb_out(self, form, monkeypatch):
        """Only the last part of an uploaded name counts."""
        self.upload(form, monkeypatch, b"xx", 2, name="../../..\\evil.pdf")
        assert form.value["v_scan"].path.endswith("/evil.pdf")
        assert ".." not in form.value["v_scan"].path

    @pytest.mark.parametrize("name", ["", ".", "..", "a/..", "a\0.pdf"])
    def test_an_upload_without_a_usable_name_is_refused_in_words(self, form, monkeypatch, name):
        """No error number of the system."""
        scan = self.upload(form, monkeypatch, b"xx", 2, name=name)
        assert "cannot be kept; give the file a name" in scan._about.value
        assert "v_scan" not in form.value

    def test_several_files_say_kinds_and_size_before_the_first(self, form, tmp_path):
        """The same words as for one file; each file has its own line later."""
        more = control(form, "v_more")
        assert "PDF" in more._about.value
        assert "up to 10 MB each" in more._about.value
        assert more._about.layout.display != "none"
        more.add(str(tmp_path / "a.pdf"))
        assert more._about.layout.display == "none"

    def test_paths_are_completed_by_kind(self, tmp_path):
        """Folders and accepted kinds, no other."""
        for name in ("a.pdf", "b.PDF", "c.exe", ".hidden.pdf"):
            (tmp_path / name).write_text("x")
        (tmp_path / "sub").mkdir()
        found = complete_path(f"{tmp_path}/", (".pdf",))
        assert found == [f"{tmp_path}/a.pdf", f"{tmp_path}/b.PDF", f"{tmp_path}/sub/"]
        assert complete_path(f"{tmp_path}/B", (".pdf",)) == [f"{tmp_path}/b.PDF"]
        assert complete_path("/no/such/folder/", (".pdf",)) == []


def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def test_the_form_shows_itself_with_words_for_readers_without_widgets(form, page):
    """A viewer that cannot draw widgets says what to do."""
    form._ipython_display_()
    (bundle,), _ = page.outputs.values()
    assert "run this cell again" in bundle["text/html"]
    assert "Claims &lt;1&gt;" in bundle["text/html"]
    assert bundle["text/plain"] == "<Form for 'Claims <1>': 15 inputs>"


def test_a_runner_of_notebooks_gets_the_words_and_no_widget(form, page, in_kernel):
    """Nobody can fill it in there, and the export would show nothing in its place."""
    in_kernel.kernel._allow_stdin = False
    form._ipython_display_()
    bundle, _ = page.outputs.values()
    assert set(bundle[-1]) == {"text/html", "text/plain"}
    assert "run this cell again" in bundle[-1]["text/html"]


def test_the_code_shown_is_json_free_python(form):
    """Names that are no identifiers travel in a dict."""
    form.value = {"v_name": "Ana"}
    form._argument_names = {"v_name": "Full name"}
    assert "**{'Full name': 'Ana'}," in form.code()
    json.dumps(form.value)


def test_a_drop_down_shows_that_nothing_is_said(form):
    """An unanswered question has a line of its own, which is shown, and false is not it."""
    urgent = control(form, "v_urgent").widget
    assert urgent.label == "(not said)"
    form.value = {"v_urgent": False, "v_kind": "old"}
    assert (urgent.label, control(form, "v_kind").widget.label) == ("no", "old")
    form.value = {"v_urgent": True}
    assert (urgent.label, control(form, "v_kind").widget.label) == ("yes", "(nothing)")


def test_the_card_of_an_ended_job_stays_on_the_page_as_plain_html(form, sent, page):
    """Beside the widget and under an id of its own, so that a saved notebook has it."""
    form._ipython_display_()
    form.update({"v_name": "Ana"})
    form._sending.button.click()
    sent.job.done.set()
    until(lambda: form._sending.card.value == "" and not form._sending.busy.locked())
    widget, card = page.outputs.values()
    assert WIDGET in widget[-1]
    assert "completed" in card[-1]["text/html"]
    assert set(card[-1]) == {"text/html", "text/plain"}


def test_where_outputs_are_not_replaced_the_card_stays_in_the_form(sent, page):
    """Voila: there is no place beside the widget that could be filled later."""
    there = Environment("Voila", "widget", True, "", replaces_outputs=False)
    form = Form(SCHEMA, title="x", submit=lambda _: sent.job, environment=there)
    form._ipython_display_()
    form.update({"v_name": "Ana"})
    form._sending.button.click()
    sent.job.done.set()
    until(lambda: "completed" in form._sending.card.value and not form._sending.busy.locked())
    assert len(page.outputs) == 1


def test_whole_numbers_and_near_files_are_shown_as_people_write_them(form, tmp_path, monkeypatch):
    """5000 and not 5000.0; a path below this folder without the folder; what is read is the same."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    form.value = {"v_amount": 5000.0, "v_scan": LocalFile(str(tmp_path / "a.pdf"))}
    assert control(form, "v_amount").widget.value == "5000"
    assert control(form, "v_scan")._path.value == "a.pdf"
    assert form.value["v_scan"] == LocalFile(str(tmp_path / "a.pdf"))
    assert type(form.value["v_amount"]) is float


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text() | st.integers(), min_size=1, max_size=4))
def test_a_list_without_a_schema_survives(items):
    """Shown line by line where that reads back the same, else as JSON."""
    form = Form(Schema((SCHEMA["v_tags"],)), title="x", submit=lambda _: None, environment=HERE)
    form.value = {"v_tags": items}
    assert form.value == {"v_tags": items}


def test_what_cannot_be_read_is_told_when_a_form_is_kept_in_the_table(form):
    """A number that is none does not vanish in silence: its problem stands beside it, and the sentence says so."""
    form.update({"v_name": "Ana", "v_count": "seven"})
    form.add_to_table()
    assert "form.table has 1 row now" in form._sending.said.value
    assert "1 input is empty in the new one" in form._sending.said.value
    assert "seven" in form._problems["v_count"].value
    form.update({"v_count": 7})
    form.add_to_table()
    assert "empty" not in form._sending.said.value
    assert form.table["Count"].tolist() == [None, 7]
