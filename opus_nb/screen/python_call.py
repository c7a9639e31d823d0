"""Checked values as a person would write them: in a cell of Python, or in a cell of a sheet."""

from __future__ import annotations

import keyword
import pprint
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from opus_nb.job import LocalFile
from opus_nb.service.schema import Field

__all__ = ["as_written", "python_call"]


def as_written(field: Field, value: Any) -> Any:
    """Return a checked value as one would write it: a file by its path, a day in ISO.

    A day travels in the author's format, in which ``03/04/2025`` has two readings; ISO has one.

    Parameters
    ----------
    field : Field
        The input.
    value : Any
        A checked value, or None.

    Returns
    -------
    Any
        What ``wf.submit`` and ``wf.plan`` take back to the same checked value.
    """
    if isinstance(value, LocalFile):
        return value.path
    if isinstance(value, list):
        item = field.item
        return [each if item is None and not isinstance(each, LocalFile) else as_written(item or field, each)
                for each in value]  # fmt: skip
    if isinstance(value, dict):
        members = {each.variable_name: each for each in field.members}
        return {name: as_written(members[name], each) if name in members else each for name, each in value.items()}
    if field.kind == "date" and isinstance(value, str):
        try:
            return datetime.strptime(value, field.date_format).date().isoformat()  # noqa: DTZ007 a wall date
        except ValueError:
            return value
    return value


def python_call(call: str, arguments: Mapping[str, Any]) -> str:
    """Return the Python that makes a call and keeps its result as ``job``.

    Parameters
    ----------
    call : str
        What is called, such as ``wf.submit``.
    arguments : Mapping
        Keyword to value; one that is no identifier travels in a dict.
    """
    lines = []
    for name, value in arguments.items():
        said = pprint.pformat(value, width=90, sort_dicts=False).replace("\n", "\n    ")
        # Python folds letters beyond ASCII, so such a name may not arrive as it was written.
        plain = name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
        lines.append(f"    {name}={said},\n" if plain else f"    **{{{name!r}: {said}}},\n")
    return f"job = {call}(\n{''.join(lines)})" if lines else f"job = {call}()"
