"""Values cast by what their input takes, a column at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from opus_nb.service.schema import Field
from opus_nb.service.values import check_value
from opus_nb.sheet.casts import Cast, CastSettings
from opus_nb.sheet.cells import MISSING, NO_CACHED_VALUE, is_cell_error, show_text
from opus_nb.sheet.containers import cast_any, cast_json_texts, cast_lists, cast_objects
from opus_nb.sheet.dates import cast_dates
from opus_nb.sheet.files import cast_file, cast_files
from opus_nb.sheet.findings import Problem, error
from opus_nb.sheet.numbers import cast_numbers
from opus_nb.sheet.texts import cast_bools, cast_texts, choose_options

__all__ = ["cast_values"]

_Caster = Callable[[Field, Sequence[Any], CastSettings], Cast]

_CASTERS: Final[Mapping[str, _Caster]] = {
    "str": cast_texts,
    "float": cast_numbers,
    "int": cast_numbers,
    "bool": cast_bools,
    "date": cast_dates,
    "array": cast_lists,
    "object": cast_objects,
    "file": cast_file,
    "files": cast_files,
    "json": cast_json_texts,
}


def cast_values(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    """Cast the values of one column, none of them missing, to what ``field`` takes.

    Parameters
    ----------
    field : Field
        The input; its ``kind`` chooses the caster, its ``options`` are applied after it.
    values : sequence
        Distinct values; casting looks at them together, because one value can tell how another is meant.
    settings : CastSettings

    Returns
    -------
    Cast
        As long as ``values``.
    """
    cast = Cast([MISSING] * len(values))
    good = []
    for place, value in enumerate(values):
        if is_cell_error(value):
            cast.add(place, _cell_error(value))
        else:
            good.append(place)
    chosen = [values[place] for place in good]
    part = _cast_as(field, chosen, settings)
    if field.alternatives:
        _try_alternatives(field, part, chosen, settings)
    cast.put(good, part)
    return cast


def _cast_as(field: Field, values: Sequence[Any], settings: CastSettings) -> Cast:
    cast = _CASTERS.get(field.kind, cast_any)(field, values, settings)
    if field.options and field.kind not in ("file", "files", "object", "json"):
        choose_options(field, cast)
    for place, value in enumerate(cast.values):
        # The service room has the last word on what may travel; what it refuses here would fail at Opus.
        refusal = None if value is MISSING else check_value(field, value)
        if refusal is not None:
            cast.add(place, error("not_accepted", refusal, "Correct the cell."))
    return cast


def _try_alternatives(field: Field, cast: Cast, values: Sequence[Any], settings: CastSettings) -> None:
    """Read what does not fit the primary type as one of the other types that the field accepts."""
    for other in field.alternatives:
        bad = [place for place in range(len(values)) if cast.has_error(place)]
        part = _cast_as(other, [values[place] for place in bad], settings)
        for inner, place in enumerate(bad):
            if not part.has_error(inner):
                cast.values[place] = part.values[inner]
                cast.problems[place] = part.problems.get(inner, [])


def _cell_error(value: Any) -> Problem:
    word = show_text(value).strip()
    if word.upper() == NO_CACHED_VALUE:
        fix = "Open the workbook in Excel or LibreOffice, let it calculate, and save it."
        return error("formula_without_value", "The formula was never calculated, so it has no value", fix)
    return error("cell_error", f"The workbook shows the error {word} here", "Correct the formula or the cell.")
