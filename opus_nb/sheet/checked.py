"""A sheet after it was checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from opus_nb.service.schema import Schema
from opus_nb.sheet.cells import MISSING, show_text
from opus_nb.sheet.headers import header_texts
from opus_nb.sheet.mapping import ColumnMapping

__all__ = ["CheckedSheet"]


@dataclass(frozen=True, eq=False)
class CheckedSheet:
    """Rows whose values are ready for the wire, and everything that is wrong with the others.

    Attributes
    ----------
    index : pandas.Index
        The index of the frame, as it was.
    row_count : int
    columns : dict of str to list
        Variable name to one checked value per row; ``MISSING`` where the cell is empty or cannot be sent.
    constants : dict of str to Any
        Variable name to the checked value that every row gets.
    issues : pandas.DataFrame
        One row per finding, columns `ISSUE_COLUMNS`. ``row`` is the index label (NA: the whole sheet), the others
        are strings; ``column`` and ``input`` are NA where a finding is about neither.
    issue_positions : numpy.ndarray of int64
        For each issue the position of its row, -1 for the whole sheet; labels may repeat, positions do not.
    invalid : numpy.ndarray of bool
        Rows with at least one error; all of them when an error is about the whole sheet.
    schema : Schema
    mapping : ColumnMapping
    """

    index: pd.Index[Any]
    row_count: int
    columns: dict[str, list[Any]]
    constants: dict[str, Any]
    issues: pd.DataFrame
    issue_positions: npt.NDArray[np.int64]
    invalid: npt.NDArray[np.bool_]
    schema: Schema
    mapping: ColumnMapping
    _frame: pd.DataFrame = field(repr=False)
    _shown: dict[str, list[Any]] = field(default_factory=dict, repr=False)

    @property
    def is_blocked(self) -> bool:
        """True when an error is about the whole sheet, so that no row can be sent."""
        return bool(((self.issues["severity"] == "error") & (self.issue_positions < 0)).any())

    def inputs_of(self, position: int) -> dict[str, Any]:
        """Return what one row sends: variable name to checked value, in the schema's order, missing ones left out.

        Parameters
        ----------
        position : int
            Place of the row in the sheet, from 0.

        Returns
        -------
        dict
            Values that JSON can hold, `LocalFile`, or lists with `LocalFile` in them. Of an invalid row, what could
            be read.
        """
        result: dict[str, Any] = {}
        for each in self.schema:
            name = each.variable_name
            value = self.columns[name][position] if name in self.columns else self.constants.get(name, MISSING)
            if value is not MISSING:
                result[name] = value
        return result

    def row_values(self, position: int) -> dict[str, str]:
        """Return the row as a person reads it: header to text, every column of the frame; for titles.

        Of columns with the same header, the first.
        """
        if not self._shown:
            headers = header_texts(self._frame)
            for place, header in enumerate(headers):
                self._shown.setdefault(header, self._frame.iloc[:, place].tolist())
        return {header: show_text(cells[position]) for header, cells in self._shown.items()}
