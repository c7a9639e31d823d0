"""Which control shows which kind of input: one table, whose lines users can replace.

::

    from opus_nb.screen import fields

    fields.WIDGETS["float"] = MySlider        # for every form from now on
    wf.form(widgets={"Amount": MySlider})     # for one input of one form

A control is a class (or any callable) that takes a field and a maker of controls: see
`opus_nb.screen.inputs_plain.Control`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opus_nb.screen.inputs_files import FileControl, FilesControl
from opus_nb.screen.inputs_nested import LinesControl, ListControl, ObjectControl
from opus_nb.screen.inputs_plain import (
    BoolControl,
    ChoiceControl,
    Control,
    DateControl,
    JsonControl,
    Make,
    NumberControl,
    TextControl,
)
from opus_nb.service.schema import Field

__all__ = ["WIDGETS", "Control", "make_control"]

WIDGETS: dict[str, Callable[[Field, Make], Control]] = {
    "str": TextControl,
    "float": NumberControl,
    "int": NumberControl,
    "bool": BoolControl,
    "date": DateControl,
    "choice": ChoiceControl,  # any plain kind with options
    "array": ListControl,
    "lines": LinesControl,  # an array whose items the schema does not describe
    "object": ObjectControl,
    "json": JsonControl,  # also an object without members
    "file": FileControl,
    "files": FilesControl,
    "other": TextControl,
}


def make_control(field: Field, *, widgets: Mapping[str, Callable[[Field, Make], Control]] | None = None) -> Control:
    """Make the control of one input.

    Parameters
    ----------
    field : Field
        The input.
    widgets : Mapping, optional
        Replacements for this form: by variable name, display name, or a key of `WIDGETS`.

    Returns
    -------
    Control
    """
    table = {**WIDGETS, **(widgets or {})}

    def make(inner: Field) -> Control:
        own = table.get(inner.variable_name) or table.get(inner.display_name)
        return (own or table[_line_for(inner)])(inner, make)

    return make(field)


def _line_for(field: Field) -> str:
    if field.options and field.kind in {"str", "int", "float", "other"}:
        return "choice"
    if field.kind == "array" and field.item is None:
        return "lines"
    if field.kind == "object" and not field.members:
        return "json"
    return field.kind if field.kind in WIDGETS else "other"
