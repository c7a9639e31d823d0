"""Frames to a workbook, CSV or Parquet, each through a temporary name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from opus_nb.errors import ExtraMissing, SettingsError
from opus_nb.frames.cells import is_missing, json_text, starts_formula
from opus_nb.frames.workbook import write_workbook

__all__ = ["SavedFiles", "save_frames"]

_SUFFIXES = (".xlsx", ".csv", ".tsv", ".parquet")
# What Parquet can hold as it is, of the columns that pandas calls object.
_PLAIN_OBJECTS = frozenset({"string", "boolean", "integer", "floating", "date", "bytes", "empty"})


class SavedFiles(list[Path]):
    """The files that were written, the results first.

    Attributes
    ----------
    notes : tuple of str
        What had to be changed to fit the format, one sentence each; empty when every cell went in as it was.
    """

    notes: tuple[str, ...] = ()


def save_frames(
    path: str | os.PathLike[str],
    results: pd.DataFrame,
    *,
    sheet: pd.DataFrame,
    jobs: pd.DataFrame | None = None,
    audit: pd.DataFrame | None = None,
    nodes: pd.DataFrame | None = None,
) -> SavedFiles:
    """Write the results beside the user's own columns, and the other frames with them.

    The user's columns come first and keep their names; a result column whose name is taken gets ``_opus`` at
    its end. The user's index is written before them unless it only counts the rows.

    In a workbook text stays text (also ``=1+1`` and ``007``), lists and dicts are JSON text, times are UTC
    (which the header says, because a workbook knows no zones), whole numbers of more than 15 digits are text, and a
    sheet ``notes`` says what did not fit: control characters, more than 32,767 characters in a cell. CSV is
    UTF-8 with the mark that Excel needs, lists and dicts as JSON; nothing is escaped, and ``.notes`` counts
    the cells that a spreadsheet program would take for formulas. In Parquet columns of mixed or nested
    objects are JSON text.

    Parameters
    ----------
    path : str or path
        ``.xlsx``, ``.csv``, ``.tsv`` or ``.parquet``. Missing folders are made; an existing file is replaced
        in one step when the new one is complete, never before.
    results : DataFrame
        From `results_frame`, row for row with ``sheet``.
    sheet : DataFrame
        The user's own.
    jobs, audit, nodes : DataFrame, optional
        In a workbook they become the sheets of that name. In the other formats they are files beside, with
        their name at the end: ``claims-audit.csv`` beside ``claims.csv``.

    Returns
    -------
    SavedFiles
        A list of the paths written, with ``.notes``.

    Raises
    ------
    SettingsError
        Another suffix, frames of different lengths, or a place that cannot be written to.
    ExtraMissing
        Parquet without pyarrow or fastparquet.
    """
    target = Path(path).expanduser()
    suffix = target.suffix.lower()
    if suffix not in _SUFFIXES:
        raise SettingsError(
            "The results cannot be saved under this name",
            where=str(target),
            came_back=f"the suffix is {target.suffix!r}",
            next_step="End the name in " + ", ".join(_SUFFIXES) + ".",
        )
    frames = {"results": _lay_beside(sheet, results)}
    if jobs is not None:
        frames["jobs"] = _with_labels(jobs, name="row")
    frames.update({name: frame for name, frame in (("audit", audit), ("nodes", nodes)) if frame is not None})
    saved = SavedFiles()
    notes: list[str] = []
    if suffix == ".xlsx":
        with _replacing(target) as draft:
            notes = write_workbook(draft, frames, results=results.shape[1])
        saved.append(target)
    else:
        for name, frame in frames.items():
            file = target if name == "results" else target.with_name(f"{target.stem}-{name}{target.suffix}")
            with _replacing(file) as draft:
                notes += _write_table(draft, frame, suffix)
            saved.append(file)
    saved.notes = tuple(notes)
    return saved


def _lay_beside(sheet: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    if len(sheet) != len(results):
        raise SettingsError(
            "The results cannot be laid beside the sheet: they differ in length",
            came_back=f"{len(sheet)} rows in the sheet, {len(results)} results",
            next_step="Pass the sheet that the run was planned from.",
        )
    counts = isinstance(sheet.index, pd.RangeIndex) and sheet.index.equals(pd.RangeIndex(len(sheet)))
    mine = sheet.reset_index(drop=True) if counts else _with_labels(sheet, name="index")
    taken: set[str] = set()
    names = [_free(_join_levels(column), taken, "") for column in mine.columns]
    names += [_free(str(column), taken, "_opus") for column in results.columns]
    both: pd.DataFrame = pd.concat([mine, results.reset_index(drop=True)], axis=1)
    both.columns = pd.Index(names, dtype=object)
    return both


def _with_labels(frame: pd.DataFrame, *, name: str) -> pd.DataFrame:
    """Return the frame with its index as first columns, whatever it and the columns are called."""
    index = frame.index
    labels = [
        pd.Series(index.get_level_values(level), name=_join_levels(label) if label is not None else name)
        for level, label in enumerate(index.names)
    ]
    flat = frame.reset_index(drop=True)
    flat.columns = pd.Index([_join_levels(column) for column in flat.columns], dtype=object)
    labelled: pd.DataFrame = pd.concat([*labels, flat], axis=1)
    return labelled


def _join_levels(column: Any) -> str:
    return ".".join(str(part) for part in column if str(part)) if isinstance(column, tuple) else str(column)


def _free(name: str, taken: set[str], suffix: str) -> str:
    free, count = name, 1
    if free in taken and suffix:
        free = name = f"{name}{suffix}"
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    taken.add(free)
    return free


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Give a name to write under; the target appears, or is replaced, only when all went well."""
    draft = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(target)
    except OSError as problem:
        raise SettingsError(
            "The results could not be written",
            where=str(target),
            came_back=f"{type(problem).__name__}: {problem.strerror or problem}",
            next_step="If the file is open in another program, close it there; else save under another name.",
        ) from problem
    finally:
        draft.unlink(missing_ok=True)


def _write_table(draft: Path, frame: pd.DataFrame, suffix: str) -> list[str]:
    if suffix == ".parquet":
        _write_parquet(draft, frame)
        return []
    text = pd.DataFrame({name: _csv_cells(frame[name]) for name in frame.columns}, index=frame.index)
    text.to_csv(
        draft,
        index=False,
        encoding="utf-8-sig",
        sep="\t" if suffix == ".tsv" else ",",
        errors="backslashreplace",
    )
    risky = sum(int(text[name].map(starts_formula).sum()) for name in text.columns if text[name].dtype == object)
    if not risky:
        return []
    cells = "1 cell begins" if risky == 1 else f"{risky:,} cells begin"
    return [f"{cells} with =, +, - or @: a spreadsheet program may take that for a formula; .xlsx is safe."]


def _csv_cells(column: pd.Series[Any]) -> pd.Series[Any]:
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype):
        return column.astype(object).map(lambda cell: None if is_missing(cell) else json_text(cell)).astype(object)
    return column


def _write_parquet(draft: Path, frame: pd.DataFrame) -> None:
    table = pd.DataFrame({name: _parquet_cells(frame[name]) for name in frame.columns}, index=frame.index)
    try:
        table.to_parquet(draft, index=False)
    except ImportError as problem:
        raise ExtraMissing(
            "Parquet files need a package that is not installed",
            came_back="neither pyarrow nor fastparquet can be imported",
            next_step="Install pyarrow, or save as .xlsx or .csv.",
        ) from problem


def _parquet_cells(column: pd.Series[Any]) -> pd.Series[Any]:
    if column.dtype == object:
        if pd.api.types.infer_dtype(column, skipna=True) in _PLAIN_OBJECTS:
            return column
        return column.map(lambda cell: None if is_missing(cell) else json.dumps(cell, default=str, ensure_ascii=False))
    if isinstance(column.dtype, (pd.IntervalDtype, pd.PeriodDtype, pd.SparseDtype)) or column.dtype.kind == "c":
        return column.astype(str)
    return column
