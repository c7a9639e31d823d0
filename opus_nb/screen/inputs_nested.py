"""How an input that holds others looks in a form: lists and objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from opus_nb.screen.inputs_plain import WIDE, Control, JsonControl, Make, label_for
from opus_nb.screen.markup import clip, escape
from opus_nb.service.schema import Field
from opus_nb.service.values import check_value, coerce_value, show_value

__all__ = ["LinesControl", "ListControl", "ObjectControl"]


class LinesControl(JsonControl):
    """A list of which the schema says nothing: one text per line, or a JSON list."""

    def build(self) -> Any:
        """Return a Textarea."""
        import ipywidgets as widgets

        return widgets.Textarea(
            rows=4,
            placeholder='one per line, or a JSON list such as [1, 2] or ["a", "b"]',
            description=label_for(self.field),
            layout={"width": WIDE},
            style={"description_width": "initial"},
        )

    def read(self) -> Any:
        """Return a list."""
        text = self.widget.value.strip()
        if text.startswith("["):
            return super().read()
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return coerce_value(self.field, lines) if lines else None

    def write(self, value: Any) -> None:
        """Show texts one per line where that is read back the same, anything else as JSON."""
        shown = "\n".join(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else ""
        if (
            shown
            and not shown.startswith("[")
            and [line.strip() for line in shown.splitlines()] == value
            and all(value)
        ):
            value = shown
        super().write(value)


def _head(field: Field) -> Any:
    import ipywidgets as widgets

    return widgets.HTML(
        f'<span class="opus-nb-label">{escape(field.display_name)}{" *" if field.required else ""}</span>'
    )


class ListControl(Control):
    """A list with a control for each item, a button to add one, and one beside each to take it out."""

    def __init__(self, field: Field, make: Make) -> None:
        self.items: list[Control] = []
        self._changed: list[Callable[[], None]] = []
        super().__init__(field, make)

    def build(self) -> Any:
        """Return a box of rows."""
        import ipywidgets as widgets

        self._rows = widgets.VBox([])
        add = widgets.Button(
            description="Add", icon="plus", tooltip=f"one more for {self.field.display_name}", layout={"width": "auto"}
        )
        add.on_click(lambda _: self.add())
        return widgets.VBox([_head(self.field), self._rows, widgets.HBox([add])])

    def item_field(self, number: int) -> Field:
        """Return the field of an item, labelled by its place in the list."""
        item = self.field.item or Field("item", "item", "str", "str", required=False)
        return replace(item, display_name=f"{self.field.display_name}, item {number}", required=False, description="")

    def add(self, value: Any = None) -> Control:
        """Add an item at the end and return its control."""
        control = self.make(self.item_field(len(self.items) + 1))
        if value is not None:
            control.write(value)
        for changed in self._changed:
            control.watch(changed)
        self.items.append(control)
        self._draw()
        return control

    def _draw(self) -> None:
        import ipywidgets as widgets

        rows = []
        for control in self.items:
            # The margin above is the height of a label: the button stands beside the box, not below it.
            place = {"width": "36px", "margin": "21px 0 0 4px"}
            out = widgets.Button(icon="times", tooltip="take this one out", layout=place)
            out.on_click(lambda _, gone=control: self._remove(gone))
            rows.append(widgets.HBox([control.widget, out], layout={"align_items": "flex-start"}))
        self._rows.children = tuple(rows)

    def _remove(self, control: Control) -> None:
        if control in self.items:
            self.items.remove(control)
            self._draw()
            self._tell()

    def _tell(self) -> None:
        for changed in self._changed:
            changed()

    def read(self) -> Any:
        """Return a list of what stands in the items; empty items are left out, no items is nothing."""
        values = []
        for number, control in enumerate(self.items, start=1):
            try:
                value = control.read()
            except ValueError as error:
                raise ValueError(f"Item {number}: {error}") from error
            if value is not None:
                values.append(value)
        return values or None

    def write(self, value: Any) -> None:
        """Show one item per entry; text that is a JSON list is read as one."""
        self.items = []
        for each in _as_list(self.field, value):
            self.add(each)
        self._draw()

    def watch(self, changed: Callable[[], None]) -> None:
        """Follow every item, those added later included."""
        self._changed.append(changed)
        for control in self.items:
            control.watch(changed)


def _as_list(field: Field, value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    if value is None or str(value) in {"", "nan", "NaT", "<NA>"}:
        return []
    try:
        return list(coerce_value(field, value))
    except (ValueError, TypeError):
        return [part.strip() for part in str(value).replace("\n", ";").split(";") if part.strip()]


class ObjectControl(Control):
    """An object whose members the schema defines: one control each, in a frame.

    Members that the schema does not know are kept, named below the others, and sent as they were given. What is no
    object at all is named there too, and refused until the person changes a member.
    """

    def build(self) -> Any:
        """Return a box with the members' controls."""
        import ipywidgets as widgets

        self.members = {each.variable_name: self.make(each) for each in self.field.members}
        inside = widgets.VBox([control.widget for control in self.members.values()])
        inside.add_class("opus-nb-object")
        self._unknown: dict[str, Any] = {}
        self._unread: Any = None
        self._about = widgets.HTML()
        for control in self.members.values():
            control.watch(self._forget_unread)
        return widgets.VBox([_head(self.field), inside, self._about])

    def _forget_unread(self) -> None:
        self._unread = None
        self._say()

    def _say(self) -> None:
        names = ", ".join(map(str, self._unknown))
        said = f"Not in the schema, sent as given: {clip(names, 200)}" if names else ""
        if self._unread is not None:
            said = f"Cannot be read: {clip(self._unread, 400)}"
        self._about.value = f'<span class="opus-nb-help">{escape(said)}</span>' if said else ""

    def read(self) -> Any:
        """Return a dict of the members that hold something, the unknown ones last; nothing where none does."""
        if self._unread is not None:
            raise ValueError(f"{show_value(self._unread)} is no JSON object; fill in the members instead.")
        found: dict[str, Any] = {}
        for name, control in self.members.items():
            try:
                value = control.read()
                problem = check_value(control.field, value) if value is not None else None
            except ValueError as error:
                problem = str(error)
            if problem:
                raise ValueError(f"{control.field.display_name}: {problem}")
            if value is not None:
                found[name] = value
        if self._unknown:
            found |= coerce_value(self.field, self._unknown)
        return found or None

    def write(self, value: Any) -> None:
        """Show the members of a dict, or of text that is a JSON object."""
        given = value
        if isinstance(value, str):
            with suppress(ValueError):
                given = json.loads(value)
        nothing = value is None or str(value).strip() in {"", "nan", "NaT", "<NA>"}
        is_object = isinstance(given, Mapping)
        members: Mapping[str, Any] = given if is_object else {}
        for name, control in self.members.items():
            control.write(members.get(name))
        # Only now: each member has told of its change, which forgets what stood there before.
        self._unknown = {name: each for name, each in members.items() if name not in self.members}
        self._unread = None if nothing or is_object or given is None else value
        self._say()

    def watch(self, changed: Callable[[], None]) -> None:
        """Follow every member."""
        for control in self.members.values():
            control.watch(changed)
