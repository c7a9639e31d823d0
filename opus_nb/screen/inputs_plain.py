"""How one plain input looks in a form: text, number, yes or no, date, choice, JSON.

A control shows one `Field` and gives back a checked value. Making your own takes a subclass of `Control` and a
line in the table of `opus_nb.screen.fields`.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from opus_nb.service.schema import Field
from opus_nb.service.values import coerce_value, show_value

__all__ = [
    "BoolControl",
    "ChoiceControl",
    "Control",
    "DateControl",
    "JsonControl",
    "Make",
    "NumberControl",
    "TextControl",
    "label_for",
]

Make = Callable[[Field], "Control"]

_LONG_WORDS = (
    "paragraph",
    "long",
    "describe",
    "description",
    "notes",
    "comment",
    "message",
    "instructions",
    "body",
    "letter",
)
WIDE = "620px"
# From here on not every whole number is a float.
_EXACT = 2.0**53
_MOST_NAMED = 12


class Control:
    """One input on the screen.

    Parameters
    ----------
    field : Field
        What is asked for.
    make : callable
        Makes the control of another field; containers need it for what they hold.

    Attributes
    ----------
    widget : ipywidgets.Widget
        What is shown.
    """

    widget: Any

    def __init__(self, field: Field, make: Make) -> None:
        self.field, self.make = field, make
        self.widget = self.build()

    def build(self) -> Any:
        """Return the widget; called once."""
        raise TypeError(f"{type(self).__name__} does not say how it looks")

    def read(self) -> Any:
        """Return the checked value, None for nothing.

        Raises
        ------
        ValueError
            What stands there cannot be read; the message is shown beside the field.
        """
        return coerce_value(self.field, self.widget.value)

    def write(self, value: Any) -> None:
        """Show ``value``, whatever it is: what does not fit stays visible, so that it can be mended."""
        self.widget.value = "" if _is_missing(value) else str(value)

    def watch(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever the user changes something."""
        self.widget.observe(lambda _: changed(), "value")


def _is_negative_zero(value: float) -> bool:
    return value == 0 and math.copysign(1.0, value) < 0


def _is_missing(value: Any) -> bool:
    return value is None or str(value) in {"nan", "NaT", "<NA>"}


def _is_blank(value: Any) -> bool:
    return _is_missing(value) or not str(value).strip()


def label_for(field: Field) -> str:
    """Return the label of a field; ipywidgets 7 reads labels as HTML, 8 does not."""
    import ipywidgets as widgets

    text = f"{field.display_name} *" if field.required else field.display_name
    return text if widgets.Text().has_trait("description_allow_html") else html.escape(text)


def _style(field: Field) -> dict[str, Any]:
    return {"description": label_for(field), "layout": {"width": WIDE}, "style": {"description_width": "initial"}}


class TextControl(Control):
    """Text on one line, or a box where the author seems to expect more."""

    def build(self) -> Any:
        """Return a Text or a Textarea."""
        import ipywidgets as widgets

        hint = f"{self.field.display_name} {self.field.description}".lower()
        sample = str(self.field.default or "")
        long = any(word in hint for word in _LONG_WORDS) or len(sample) > 80 or "\n" in sample
        return widgets.Textarea(rows=4, **_style(self.field)) if long else widgets.Text(**_style(self.field))

    def read(self) -> Any:
        """Return the text; nothing where it is empty."""
        return coerce_value(self.field, self.widget.value) if self.widget.value != "" else None


class NumberControl(Control):
    """A number in a text box: what is no number is said beside it, and never silently replaced."""

    def build(self) -> Any:
        """Return a Text."""
        import ipywidgets as widgets

        hint = "a whole number" if self.field.kind == "int" else "a number, such as 45.8"
        return widgets.Text(placeholder=hint, **_style(self.field))

    def read(self) -> Any:
        """Return an int or a float."""
        text = self.widget.value.strip()
        return coerce_value(self.field, text) if text else None

    def write(self, value: Any) -> None:
        """Show a number as people write it: 5000, not 5000.0."""
        whole = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
        super().write(int(value) if whole and not _is_negative_zero(value) else value)


class ChoiceControl(Control):
    """One of the author's choices; an empty line says that none is made yet.

    What was written and is none of the choices stands in a last line of its own, until another line is chosen.
    """

    def build(self) -> Any:
        """Return a Dropdown."""
        import ipywidgets as widgets

        self._stranger: Any = None
        return widgets.Dropdown(options=self._lines(), value=0, **_style(self.field))

    def _lines(self) -> list[tuple[str, int]]:
        # By place: a drop-down takes a value of None for "no line at all", and would show none.
        labels = [self.nothing(), *(label for label, _ in self.choices())]
        if self._stranger is not None:
            labels.append(f"✗ {show_value(self._stranger)}")
        return [(label, at) for at, label in enumerate(labels)]

    def choices(self) -> list[tuple[str, Any]]:
        """Return label and value of each choice."""
        return [(str(each), each) for each in self.field.options]

    def nothing(self) -> str:
        """Return what the first line says, which means no value."""
        return "choose …" if self.field.required else "(nothing)"

    def read(self) -> Any:
        """Return the choice itself, in its own type."""
        place, choices = self.widget.value, self.choices()
        if place > len(choices):
            known = ", ".join(label for label, _ in choices[:_MOST_NAMED])
            more = f" and {len(choices) - _MOST_NAMED} more" if len(choices) > _MOST_NAMED else ""
            raise ValueError(f"{show_value(self._stranger)} is none of the choices: {known}{more}.")
        return choices[place - 1][1] if place else None

    def write(self, value: Any) -> None:
        """Show the choice; a value that is none of them stands in a line of its own, which is never sent."""
        texts = {str(value)}
        with suppress(ValueError):
            texts.add(str(coerce_value(self.field, value)))
        places = [at for at, (label, each) in enumerate(self.choices(), start=1) if texts & {label, str(each)}]
        place = places[0] if places and not _is_missing(value) else 0
        self._stranger = None if place or _is_blank(value) else value
        lines = self._lines()
        if tuple(lines) != tuple(self.widget.options):
            self.widget.options = lines
        self.widget.value = place if self._stranger is None else len(lines) - 1


class BoolControl(ChoiceControl):
    """Yes, no, or nothing said: no answer is never taken for a no."""

    def choices(self) -> list[tuple[str, Any]]:
        """Return yes and no."""
        return [("yes", True), ("no", False)]

    def nothing(self) -> str:
        """Return what the third line says."""
        return "choose …" if self.field.required else "(not said)"


class DateControl(Control):
    """A day, from a calendar; it travels in the format that the author chose.

    A calendar cannot show all that is written to it (no day at all, a time of day): until the person changes the day,
    what was written counts.
    """

    def build(self) -> Any:
        """Return a DatePicker."""
        import ipywidgets as widgets

        self._written: Any = None
        self._refusal = ""
        picker = widgets.DatePicker(**_style(self.field))
        picker.observe(lambda _: self._forget(), "value")
        return picker

    def _forget(self) -> None:
        self._written, self._refusal = None, ""

    def read(self) -> Any:
        """Return the day as text in the field's own format."""
        if self._refusal:
            raise ValueError(self._refusal)
        if self._written is not None:
            return self._written
        return None if self.widget.value is None else self.widget.value.strftime(self.field.date_format)

    def write(self, value: Any) -> None:
        """Show a day; what is no day is said, and refused until the person chooses one or clears the field."""
        text, day, refusal = None, None, ""
        try:
            text = coerce_value(self.field, value)
        except ValueError as error:
            refusal = f"{str(error).rstrip('.')}. Choose a day; to send none, choose one and clear it again."
        with suppress(ValueError, TypeError):
            day = datetime.strptime(text, self.field.date_format).date()  # type: ignore[arg-type] # noqa: DTZ007 a wall date
        self.widget.value = day
        # Only now: the calendar has told of its change, which forgets what stood there before.
        self._written, self._refusal = text, refusal


class JsonControl(Control):
    """JSON in a box, with the place of the first error said."""

    def build(self) -> Any:
        """Return a Textarea."""
        import ipywidgets as widgets

        hint = '{"name": "value"}' if self.field.kind == "object" else "JSON"
        return widgets.Textarea(rows=5, placeholder=hint, **_style(self.field))

    def read(self) -> Any:
        """Return the parsed value; for ``json_string`` the text itself, once it is JSON."""
        text = self.widget.value.strip()
        if not text:
            return None
        if self.field.kind == "other":
            return coerce_value(self.field, text)
        try:
            parsed = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
        return text if self.field.kind == "json" else coerce_value(self.field, parsed)

    def write(self, value: Any) -> None:
        """Show a value as indented JSON; text that is given stays as it is."""
        if isinstance(value, (dict, list)):
            self.widget.value = json.dumps(value, ensure_ascii=False, indent=2, default=str)
        else:
            super().write(value)
