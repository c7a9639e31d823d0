"""What the jobs answered, one row per row of the sheet."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from json.scanner import make_scanner
from typing import Any

import pandas as pd

from opus_nb.frames.columns import Column, build_frame, check_lengths, state_column, text_column, typed_column
from opus_nb.frames.reasons import error_text
from opus_nb.job import Outcome
from opus_nb.service.replies import OutputColumn, ResultReader
from opus_nb.service.schema import Schema

__all__ = ["results_frame"]

_OWN = ("state", "job_id", "error")
# Kinds whose values are text at the service: JSON inside it is still that text.
_TEXTS = frozenset({"str", "file", "date"})


# What `json.loads` calls once it has looked at its arguments.
_scan: Callable[[str, int], tuple[Any, int]] = make_scanner(json.JSONDecoder())  # type: ignore[arg-type]


def _read_json(text: str) -> Any:
    """`json.loads` without what it does around the parser, which for small texts takes as long as parsing."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return json.loads(text)
    return value if end == len(text) else json.loads(text)


def _find_loads() -> Callable[[str], Any]:
    try:  # twice as fast where somebody has it; not worth a dependency
        import orjson
    except ImportError:
        return _read_json
    loads: Callable[[str], Any] = orjson.loads
    return loads


_loads = _find_loads()


def results_frame(outcomes: Sequence[Outcome], index: pd.Index, outputs: Schema) -> pd.DataFrame:
    """Lay the answers of the jobs beside the rows they belong to.

    Works offline: nothing is asked, nothing is waited for. One row in, one row out, in the order given; a
    failure is a row, not an exception.

    Parameters
    ----------
    outcomes : sequence of Outcome
        One per row of the sheet, in the sheet's order.
    index : pandas.Index
        The sheet's own index, of any kind, duplicates allowed; as long as ``outcomes``.
    outputs : Schema
        The workflow's declared outputs; may be empty.

    Returns
    -------
    pandas.DataFrame
        Shape ``(len(outcomes), 3 + outputs)``, index as given.

        ``state`` : category
            One of `opus_nb.job.COUNT_NAMES`, all of which are categories.
        ``job_id`` : string
            NA where nothing was initiated.
        ``error`` : string
            NA when fine or not over yet; on every row that ended without success a text.
        one column per output
            The declared ones first, in the schema's order, present even while no row has them; then those
            that only replies name, in the order in which they are met. Named by display name; answers in the
            quickstart's free shape by key, nested keys dotted (``data.score``).

        Declared types become ``str`` and ``file`` string, ``float`` Float64, ``int`` Int64, ``bool`` boolean,
        ``date`` datetime64[ns] (datetime64[ns, UTC] where every value names its offset), anything else object
        (lists, dicts, None where missing; text that is JSON is parsed). Numbers and truth values that came as
        text are read where nothing is lost by it. One value that does not fit makes its whole column object,
        with every value as it came. Outputs without a declared type are typed by their values.

        A job whose results cannot be read has NA in its outputs and says so under ``error``.

    Raises
    ------
    SettingsError
        ``index`` and ``outcomes`` differ in length.

    Notes
    -----
    An output called ``state``, ``job_id`` or ``error`` is shown as ``state_output``, ``job_id_output``,
    ``error_output``. Where outputs share a display name, each carries its variable name in brackets behind
    it. An output that no longer has its declared variable name (an edit of the workflow renames them) but
    still has its display name fills the declared column, as long as no job answers under both.

    Source
    ------
    Quickstart, "Get Job Execution Results"; the other shapes in the contract, section 4.
    """
    check_lengths(outcomes, index)
    errors = [error_text(outcome) for outcome in outcomes]
    with _collector_resting():
        replies = [_read_reply(outcome, errors, place) for place, outcome in enumerate(outcomes)]
        found = _join_twins(ResultReader(outputs).columns(replies), outputs)
        del replies
        columns: dict[str, Any] = {
            "state": state_column(outcomes),
            "job_id": text_column(outcome.job_id for outcome in outcomes),
            "error": text_column(errors),
        }
        for column in _without_hollow(found):
            columns[_free_name(column.name, columns)] = _type_values(column, outputs)
    return build_frame(columns, index)


@contextmanager
def _collector_resting() -> Iterator[None]:
    """Let the cycle collector rest while hundreds of thousands of small, acyclic objects come to be.

    It would walk over all of them again and again to find nothing: a third of the time for 100,000 rows.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_reply(outcome: Outcome, errors: list[str | None], place: int) -> Any:
    if outcome.results is None:
        return None
    try:
        return _loads(outcome.results)
    except (ValueError, RecursionError) as problem:
        said = f"the results cannot be read, they are no JSON: {problem}"
        errors[place] = f"{errors[place]}; {said}" if errors[place] else said
        return None


def _type_values(column: OutputColumn, outputs: Schema) -> Column:
    variable = column.variable_name
    if variable in outputs:
        kind = outputs[variable].kind
        return typed_column(column.raws if kind in _TEXTS else column.values, None if kind == "other" else kind)
    if column.type:
        return typed_column(column.raws if column.type in _TEXTS else column.values, column.type)
    # Free text, of which some may happen to be JSON, stays text; where all of it is JSON, it was meant to be.
    met = set(map(type, column.values)) - {type(None)}
    return typed_column(column.raws if str in met else column.values, None)


def _join_twins(columns: list[OutputColumn], outputs: Schema) -> list[OutputColumn]:
    """Let an output whose variable name changed fill the declared column that has its display name."""
    labels = [field.display_name for field in outputs]
    homes = {column.variable_name: column for column in columns if column.variable_name in outputs}
    strangers = [column for column in columns if column.variable_name not in homes]
    for field in outputs if strangers else ():
        label, home = field.display_name, homes[field.variable_name]
        twins = [each for each in strangers if each.name in {label, f"{label} ({each.variable_name})"}]
        if len(twins) != 1 or labels.count(label) > 1:
            continue
        mine, its = home.raws, twins[0].raws
        if any(a is not None and b is not None for a, b in zip(mine, its, strict=True)):
            continue
        taken = [place for place, raw in enumerate(its) if raw is not None]
        values, raws = home.values.copy(), mine.copy()
        for place in taken:
            values[place], raws[place] = twins[0].values[place], its[place]
        homes[field.variable_name] = replace(home, name=label, values=values, raws=raws)
        strangers.remove(twins[0])
    return [*homes.values(), *strangers]


def _without_hollow(columns: list[OutputColumn]) -> Iterator[OutputColumn]:
    """Leave out a declared object that no job answered whole, because its members came one by one (``data.score``)."""
    names = [column.name for column in columns]
    for column in columns:
        split = any(name.startswith(f"{column.name}.") for name in names)
        if not split or any(raw is not None for raw in column.raws):
            yield column


def _free_name(name: str, taken: dict[str, Any]) -> str:
    base = f"{name}_output" if name in _OWN else name
    free, count = base, 1
    while free in taken:
        count += 1
        free = f"{base}_{count}"
    return free
