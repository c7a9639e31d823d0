"""An empty workbook to fill in, made from what a workflow wants."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Final

import pandas as pd

from opus_nb.errors import SettingsError
from opus_nb.service.schema import Field, Schema
from opus_nb.service.values import allowed_extensions, check_value
from opus_nb.sheet.cells import show_text
from opus_nb.sheet.findings import warning
from opus_nb.sheet.grids import row_digest
from opus_nb.sheet.headers import column_letter, header_texts, require_table
from opus_nb.sheet.mapping import address_names
from opus_nb.sheet.origins import ATTRS_KEY, read_origin
from opus_nb.sheet.places import cell_text
from opus_nb.sheet.safe_cells import column_width, plain_text, put_value
from opus_nb.sheet.workbooks import EXAMPLE_PROPERTY, OWN_SHEETS

__all__ = ["leave_out_example", "write_template"]

_ROWS: Final = 10_000  # how far down drop-downs reach
_LONGEST_INLINE: Final = 250  # characters of a drop-down's choices that fit into the cell's own rule
_KIND_WORDS: Final = {
    "str": "Text",
    "float": "Number",
    "int": "Whole number",
    "bool": "yes or no",
    "date": "Date",
    "array": "List: items separated by ; or line breaks",
    "object": "JSON object",
    "file": "Path of one file",
    "files": "Paths of files, separated by ;",
    "json": "JSON",
}


_LIST_EXAMPLES: Final = {
    "float": "1250.5; 990",
    "int": "3; 7",
    "bool": "yes; no",
    "date": "2025-01-31; 2025-02-28",
    "object": '[{"name": "value"}]',
    "json": '["1"]',
}


@dataclass(frozen=True)
class _Column:
    """One column of the template."""

    header: str
    field: Field
    required: bool


def write_template(path: str | PathLike[str], schema: Schema, workflow_name: str = "") -> Path:
    """Write a workbook with a column for each input, ready to be filled in and read back.

    Each header has a note with the type and the description, required ones are dark; choices and yes/no inputs have
    drop-downs, text columns are formatted as text so that 007 stays 007; objects whose members are known get a
    column per member. The second row is an example, which reading leaves out unless it was written over. Writes the
    one file and sends nothing.

    Parameters
    ----------
    path : str or path
        Where to; must end in ``.xlsx``. An existing file is replaced.
    schema : Schema
        The workflow's inputs.
    workflow_name : str
        Shown in the sheet that explains the columns.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    SettingsError
        The path does not end in ``.xlsx``, or cannot be written.
    """
    import openpyxl

    place = Path(path).expanduser()
    if place.suffix.lower() != ".xlsx":
        raise SettingsError("A template is an xlsx workbook", where=str(place), next_step="Let the name end in .xlsx.")
    columns = list(_columns(schema))
    book: Any = openpyxl.Workbook()
    sheet = book.active
    sheet.title = _sheet_title(workflow_name)
    examples = [_example(column.field) for column in columns]
    choices = book.create_sheet(f"{OWN_SHEETS}choices")
    choices.sheet_state = "hidden"
    for position, (column, example) in enumerate(zip(columns, examples, strict=True)):
        _write_column(sheet, choices, position, column, example)
    sheet.freeze_panes = "A2"
    sheet.row_dimensions[1].height = 32
    _write_guide(book.create_sheet(f"{OWN_SHEETS}guide"), columns, workflow_name)
    from openpyxl.packaging.custom import StringProperty

    book.custom_doc_props.append(StringProperty(name=EXAMPLE_PROPERTY, value=row_digest(examples)))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        book.save(place)
    except OSError as reason:
        raise SettingsError(
            "The template cannot be written",
            where=str(place),
            came_back=str(reason),
            next_step="Give another place, or close the program that has it open.",
        ) from None
    return place


def leave_out_example(df: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Leave out the example row of a template that another program has saved, so that nobody pays for it.

    `read_sheet` knows the row by a property of the workbook, which not every program keeps, and a csv never has. Here
    the first row is the example when the sheet has the template's columns in their order, and each cell there says
    what the template would. Examples that a row of one's own could well equal, of yes, numbers and choices alone, are
    kept.

    Parameters
    ----------
    df : pandas.DataFrame
        As `read_sheet` gave it.
    schema : Schema
        The workflow's inputs.

    Returns
    -------
    pandas.DataFrame
        ``df`` itself, or one row less, which the notes of the sheet say; the labels stay.
    """
    columns = list(_columns(schema))
    headers = header_texts(require_table(df))
    wanted = [column.header for column in columns]
    own_words = any(
        not column.field.options and column.field.kind not in ("bool", "int", "float") for column in columns
    )
    if not len(df) or not own_words or [header for header in headers if header in wanted] != wanted:
        return df
    for column in columns:
        told = cell_text(df.iat[0, headers.index(column.header)])
        example = cell_text(_example(column.field))
        decimal_comma = column.field.kind == "float" and told.replace(",", ".") == example
        if told != example and not decimal_comma:
            return df
    origin = read_origin(df)
    note = warning("example_row", "The example row of the template is left out", "Nothing to do; you may delete it.")
    rest: pd.DataFrame = df.iloc[1:].copy()
    rest.attrs[ATTRS_KEY] = replace(origin, notes=(*origin.notes, note)).to_attrs()
    return rest


def _columns(schema: Schema) -> Iterator[_Column]:
    fields = list(schema)
    for name, field in zip(address_names(fields), fields, strict=True):
        plain = [member for member in field.members if not member.members]
        if field.kind != "object" or not field.members or len(plain) < len(field.members):
            yield _Column(name, field, field.required)
            continue
        for member in field.members:
            yield _Column(f"{name}.{member.display_name}", member, field.required and member.required)


def _sheet_title(workflow_name: str) -> str:
    title = re.sub(r"[\[\]:*?/\\\x00-\x1f]", " ", workflow_name).strip(" '")[:31].strip(" '")
    return title if title and not title.startswith(OWN_SHEETS.strip()) else "Rows"


def _example(field: Field) -> Any:
    """Return what stands in the example row: the author's sample where a cell can hold it, else one of our own."""
    default = field.default
    if field.options:
        return show_text(default if default in field.options else field.options[0])
    if field.kind in ("str", "float", "int") and default is not None and check_value(field, default) is None:
        return default
    kinds = [each.lstrip(".") for each in allowed_extensions(field)] if field.kind in ("file", "files") else []
    suffix = "pdf" if "pdf" in kinds or not kinds else kinds[0]
    samples: dict[str, Any] = {
        "str": "some text",
        "float": 1250.5,
        "int": 3,
        "bool": "yes",
        "date": dt.date(2025, 1, 31),
        "array": _LIST_EXAMPLES.get(field.item.kind if field.item else "", "first; second"),
        "object": json.dumps({member.variable_name: "…" for member in field.members} or {"name": "value"}),
        "file": f"scans/example.{suffix}",
        "files": f"scans/example-1.{suffix}; scans/example-2.{suffix}",
        "json": '{"name": "value"}',
    }
    return samples.get(field.kind, "a value")


def _write_column(sheet: Any, choices: Any, position: int, column: _Column, example: Any) -> None:
    from openpyxl.comments import Comment
    from openpyxl.styles import Alignment, Font, PatternFill

    letter = column_letter(position)
    head = sheet.cell(1, position + 1)
    put_value(head, column.header)
    head.font = Font(bold=True, color="FFFFFF" if column.required else "1F3864")
    head.fill = PatternFill("solid", fgColor="1F3864" if column.required else "D9E2F3")
    head.alignment = Alignment(wrap_text=True, vertical="center")
    note = Comment(_note(column), "opus_nb")
    note.width, note.height = 320, 160
    head.comment = note
    body = sheet.cell(2, position + 1)
    put_value(body, example)
    body.font = Font(italic=True, color="808080")
    form = {"date": "yyyy-mm-dd", "float": "General", "int": "General"}.get(column.field.kind, "@")
    body.number_format = form
    sheet.column_dimensions[letter].number_format = form
    sheet.column_dimensions[letter].width = column_width([column.header, show_text(example)])
    _add_rule(sheet, choices, position, column)


def _note(column: _Column) -> str:
    field = column.field
    lines = ["REQUIRED" if column.required else "optional", _KIND_WORDS.get(field.kind, field.type or "Any value")]
    if field.kind in ("file", "files"):
        lines.append("Kinds: " + ", ".join(_choices(field)))
    if field.options:
        lines.append("One of: " + "; ".join(show_text(option) for option in field.options))
    if field.description:
        lines.append(field.description)
    return plain_text("\n".join(lines)[:1500])


def _choices(field: Field) -> list[str]:
    if field.kind in ("file", "files"):
        return [each.lstrip(".").upper() for each in allowed_extensions(field)]
    return [show_text(option) for option in field.options]


def _add_rule(sheet: Any, choices: Any, position: int, column: _Column) -> None:
    from openpyxl.worksheet.datavalidation import DataValidation

    field = column.field
    words = [show_text(option) for option in field.options] or (["yes", "no"] if field.kind == "bool" else [])
    letter = column_letter(position)
    if words and field.kind != "array":
        inline = ",".join(words)
        if len(inline) <= _LONGEST_INLINE and not any("," in word or '"' in word for word in words):
            formula = f'"{inline}"'
        else:
            for row, word in enumerate(words, 1):
                put_value(choices.cell(row, position + 1), word)
            formula = f"'{choices.title}'!${letter}$1:${letter}${len(words)}"
        rule = DataValidation(type="list", formula1=formula, allow_blank=not column.required)
    elif field.kind == "int":
        rule = DataValidation(type="whole", operator="between", formula1="-999999999999999", formula2="999999999999999")
    elif field.kind == "float":
        rule = DataValidation(type="decimal", operator="between", formula1="-1E+300", formula2="1E+300")
    elif field.kind == "date":
        rule = DataValidation(type="date", operator="greaterThan", formula1="1")
    else:
        return
    rule.showErrorMessage = True
    rule.errorTitle = plain_text(column.header[:32])
    rule.error = _note(column)[:220]
    rule.errorStyle = "warning"  # the plan judges; the workbook only warns
    sheet.add_data_validation(rule)
    rule.add(f"{letter}2:{letter}{_ROWS}")


def _write_guide(sheet: Any, columns: list[_Column], workflow_name: str) -> None:
    from openpyxl.styles import Alignment, Font

    put_value(sheet.cell(1, 1), f"How to fill in the sheet{f' for {workflow_name}' if workflow_name else ''}")
    sheet.cell(1, 1).font = Font(bold=True, size=14)
    told = "One row is one job. Dark headers are required. The grey example row is not sent."
    put_value(sheet.cell(2, 1), told if columns else "This workflow takes no inputs, so there is nothing to fill in.")
    for at, title in enumerate(("Column", "Required", "What goes in", "Choices", "Description"), 1):
        put_value(sheet.cell(4, at), title)
        sheet.cell(4, at).font = Font(bold=True)
    for row, column in enumerate(columns, 5):
        field = column.field
        texts = (
            column.header,
            "yes" if column.required else "no",
            _KIND_WORDS.get(field.kind, field.type or "Any value"),
            "; ".join(_choices(field)),
            field.description,
        )
        for at, text in enumerate(texts, 1):
            put_value(sheet.cell(row, at), text)
            sheet.cell(row, at).alignment = Alignment(wrap_text=True, vertical="top")
    for letter, width in zip("ABCDE", (28, 10, 34, 34, 60), strict=True):
        sheet.column_dimensions[letter].width = width
