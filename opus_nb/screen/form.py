"""``wf.form()``: one job, filled in by hand.

The form knows a schema and some callables. It checks everything before it hands anything over, says what is
wrong beside each field, follows the job, and shows what came of it. Equal inputs are not sent twice unless a person
has been told so and presses again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from opus_nb.screen.environment import Environment, probe
from opus_nb.screen.fields import Control, make_control
from opus_nb.screen.followed import JobToFollow, KnownJob
from opus_nb.screen.inputs_plain import Make
from opus_nb.screen.markup import STYLE, clip, escape
from opus_nb.screen.python_call import as_written, python_call
from opus_nb.screen.sending import Sending
from opus_nb.screen.widget_pieces import FORM_STYLE, action_button, show_controls
from opus_nb.service.schema import Field, Schema
from opus_nb.service.values import check_value

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Form"]


class Form:
    """One input after the other, *Run*, and the job's card below.

    Parameters
    ----------
    schema : Schema
        The inputs.
    title : str
        Shown at the head; usually the workflow's name.
    submit : callable
        ``submit(values)`` sends one job and returns a `JobToFollow`. Called from a thread of the form, with
        every value checked. What it raises is shown.
    submit_anew : callable, optional
        The same for inputs that were sent before, when a person wants another job of them; None takes ``submit``.
    find_known : callable, optional
        ``find_known(values)`` returns a `KnownJob` when a job with these inputs was sent already, else None.
    check : callable, optional
        ``check(values)`` returns variable name to problem, for what the schema alone cannot tell.
    values : Mapping, optional
        Variable name to value, to begin with; whatever does not fit is shown all the same.
    argument_names : Mapping, optional
        Variable name to the keyword that ``wf.submit`` takes; None uses the variable names.
    call : str
        What the copied Python calls.
    options : Mapping, optional
        Further arguments of that call, which are no inputs.
    widgets : Mapping, optional
        Own controls; see `opus_nb.screen.fields.make_control`.
    environment : Environment, optional
        Where we are; None asks the probe.

    Notes
    -----
    Nothing is sent before *Run* is pressed, and a second press while a job is on its way sends nothing. Where a job
    with the same inputs is known, the first press shows that job and says so; only the next press, on a button that
    reads *Buy a new job* by then, sends another.
    Uploaded files are kept in a temporary folder of this process.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        title: str,
        submit: Callable[[dict[str, Any]], JobToFollow],
        submit_anew: Callable[[dict[str, Any]], JobToFollow] | None = None,
        find_known: Callable[[dict[str, Any]], KnownJob | None] | None = None,
        check: Callable[[dict[str, Any]], Mapping[str, str]] | None = None,
        values: Mapping[str, Any] | None = None,
        argument_names: Mapping[str, str] | None = None,
        call: str = "wf.submit",
        options: Mapping[str, Any] | None = None,
        widgets: Mapping[str, Callable[[Field, Make], Control]] | None = None,
        environment: Environment | None = None,
    ) -> None:
        self.schema, self.title = schema, title
        self._check = check
        self._argument_names = dict(argument_names or {})
        self._call, self._options = call, dict(options or {})
        self._sending = Sending(
            title=title,
            pressed=self.run,
            submit=submit,
            submit_anew=submit_anew or submit,
            find_known=find_known or (lambda _: None),
            environment=environment or probe(),
        )
        self._collected: list[dict[str, Any]] = []
        self._controls = {field.variable_name: make_control(field, widgets=widgets) for field in schema}
        self._build()
        for field in schema:
            if field.default is not None and field.kind not in {"file", "files"}:
                _begin_with(self._controls[field.variable_name], field)
        for name, value in self._by_variable_name(values or {}).items():
            self._controls[name].write(value)
        for name, control in self._controls.items():
            control.watch(partial(self._judge, name))

    def _build(self) -> None:
        import ipywidgets as widgets

        self._problems = {name: widgets.HTML() for name in self._controls}
        rows: list[Any] = []
        for field in self.schema:
            shown = [self._controls[field.variable_name].widget]
            words = _help_words(field)
            if words:
                shown.append(widgets.HTML(f'<span class="opus-nb-help">{escape(words)}</span>'))
            shown.append(self._problems[field.variable_name])
            rows.append(widgets.VBox(shown, layout={"margin": "0 0 10px 0"}))
        buttons = [
            self._sending.button,
            action_button("Copy as Python", "the call that sends these values", self._show_code, icon="code"),
            action_button("Add to table", "keep these values as one row of form.table", self.add_to_table, icon="plus"),
            self._sending.files_button,
        ]
        self._code = widgets.Textarea(
            description="The same as Python",
            rows=6,
            layout={"width": "620px", "display": "none"},
            style={"description_width": "initial"},
        )
        head = widgets.HTML(
            f'{STYLE}{FORM_STYLE}<div class="opus-nb"><span class="on-head">{escape(clip(self.title, 100))}</span>'
            '<div class="on-soft">* required. Nothing is sent before Run; the same inputs are never sent twice unless '
            "you confirm it.</div></div>"
        )
        wrap = widgets.HBox(buttons, layout=widgets.Layout(flex_flow="row wrap"))
        self.widget = widgets.VBox([head, *rows, wrap, self._sending.said, self._code, self._sending.card])
        self.widget.add_class("opus-nb-form")

    # values

    @property
    def value(self) -> dict[str, Any]:
        """The values as they would be sent, by variable name; empty inputs and unreadable ones are left out.

        Assigning sets exactly what is given, by variable name or display name: inputs that are left out become empty.
        `update` changes some and keeps the others. A name that is no input raises KeyError, and nothing is changed.
        """
        return self._read()[0]

    @value.setter
    def value(self, values: Mapping[str, Any]) -> None:
        self.update({**dict.fromkeys(self._controls), **self._by_variable_name(values)})

    def update(self, values: Mapping[str, Any]) -> None:
        """Set these inputs and keep what stands in the others, what cannot be read included.

        Parameters
        ----------
        values : Mapping
            Variable name or display name to value; None empties an input.

        Raises
        ------
        KeyError
            A name that is no input; nothing is changed then.
        """
        given = self._by_variable_name(values)
        for name, value in given.items():
            self._controls[name].write(value)
        for name in given:
            self._judge(name)

    def _by_variable_name(self, values: Mapping[str, Any]) -> dict[str, Any]:
        by_label = {field.display_name: field.variable_name for field in self.schema}
        found = {}
        for name, value in values.items():
            variable_name = name if name in self._controls else by_label.get(name)
            if variable_name is None:
                known = ", ".join(field.display_name for field in self.schema)
                raise KeyError(f"{name!r} is no input of this workflow; its inputs are {known}")
            found[variable_name] = value
        return found

    def problems(self) -> dict[str, str]:
        """Check every input and return variable name to problem; the same is shown beside each field."""
        values, problems = self._read()
        if not problems and self._check is not None:
            problems = {str(name): str(problem) for name, problem in self._check(values).items()}
        self.tell_problems(problems)
        return problems

    def tell_problems(self, problems: Mapping[str, str]) -> None:
        """Show what is wrong beside each field, by variable name; a field that is left out has nothing wrong."""
        for name, shown in self._problems.items():
            _show_problem(shown, problems.get(name, ""))

    def _read(self) -> tuple[dict[str, Any], dict[str, str]]:
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for field in self.schema:
            value, problem = self._read_one(field)
            if problem:
                problems[field.variable_name] = problem
            elif value is not None:
                values[field.variable_name] = value
        return values, problems

    def _read_one(self, field: Field) -> tuple[Any, str | None]:
        try:
            value = self._controls[field.variable_name].read()
        except ValueError as error:
            return None, str(error)
        return value, check_value(field, value)

    def _judge(self, name: str) -> None:
        """Look at one field again while it is changed: what is mended should look mended at once."""
        self._sending.offer(anew=None)
        value, problem = self._read_one(self.schema[name])
        if value is None and problem and not self._problems[name].value:
            return  # an empty field that was not judged yet is no reproach
        _show_problem(self._problems[name], problem or "")

    # verbs

    def run(self) -> None:
        """Check everything; if nothing is wrong, send one job and follow it below. Returns at once.

        Where a finished cell is not repainted (Colab), it returns when the job is over.
        """
        problems = self.problems()
        if problems:
            number = f"{len(problems)} input{'s' if len(problems) > 1 else ''}"
            self._sending.say(f"Nothing was sent: {number} cannot be used yet; the reason stands beside each.")
            return
        self._sending.send(self.value)

    @property
    def job(self) -> JobToFollow | None:
        """The newest job of this form; None before the first."""
        return self._sending.job

    def code(self) -> str:
        """Return the Python call that sends what stands in the form."""
        given = {
            self._argument_names.get(name, name): as_written(self.schema[name], value)
            for name, value in self.value.items()
        }
        return python_call(self._call, {**given, **self._options})

    def _show_code(self) -> None:
        self._code.value = self.code()
        self._code.layout.display = ""

    def add_to_table(self) -> None:
        """Keep what stands in the form as one row of ``table``; what cannot be used yet is told, and empty there."""
        values, problems = self._read()
        self.tell_problems(problems)
        self._collected.append(
            {field.display_name: as_written(field, values.get(field.variable_name)) for field in self.schema}
        )
        rows = "1 row" if len(self._collected) == 1 else f"{len(self._collected)} rows"
        inputs = "1 input is" if len(problems) == 1 else f"{len(problems)} inputs are"
        left_out = f" {inputs} empty in the new one; the reason stands beside." if problems else ""
        self._sending.say(f"form.table has {rows} now; wf.plan(form.table) checks them.{left_out}")

    @property
    def table(self) -> pd.DataFrame:
        """The collected forms: one row each, one object column per input by its display name."""
        import pandas as pd

        columns = [field.display_name for field in self.schema]
        frame: pd.DataFrame = pd.DataFrame(self._collected, columns=columns, dtype=object)
        return frame

    # showing

    def __repr__(self) -> str:
        return f"<Form for {self.title!r}: {len(self.schema)} inputs>"

    def _ipython_display_(self) -> None:
        html = f"<i>A form for {escape(self.title)}: run this cell again to use it.</i>"
        show_controls(self.widget, html=html, text=repr(self))
        self._sending.place_card()


def _begin_with(control: Control, field: Field) -> None:
    """Show the author's sample; one that the author's own choices or calendar do not take is no start."""
    control.write(field.default)
    if field.options or field.kind in {"bool", "date"}:
        try:
            control.read()
        except ValueError:
            control.write(None)


def _help_words(field: Field) -> str:
    words = [field.description] if field.description else []
    if field.kind in {"file", "files"} and field.default:
        shown = field.default[0] if isinstance(field.default, list) else field.default
        name = str(shown).split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1]
        words.append(f"The author's own example, {clip(name, 60)}, is not sent.")
    return " ".join(words)


def _show_problem(shown: Any, problem: str) -> None:
    text = f'<span class="opus-nb-problem" role="alert">✗ {escape(problem)}</span>' if problem else ""
    if shown.value != text:
        shown.value = text
