"""What a job is called in Opus: the user's templates over the row's columns, or what reads well."""

from __future__ import annotations

import json
import re

from opus_nb.connection import Connection
from opus_nb.errors import MappingError, SettingsError
from opus_nb.sheet.checked import CheckedSheet

__all__ = ["Titles"]


class Titles:
    """Makes the title and the description of each row's job.

    Parameters
    ----------
    connection : Connection
        Holds the templates.
    sheet : CheckedSheet

    Raises
    ------
    MappingError
        A template names a column that the sheet does not have.
    SettingsError
        ``initial_input`` holds a template: it is the same for every row.
    """

    _hole = re.compile(r"\{([^{}]+)\}")

    def __init__(self, connection: Connection, sheet: CheckedSheet) -> None:
        self._sheet = sheet
        self._title = connection.titles.get("title")
        self._description = connection.titles.get("description")
        self._name = connection.record.name or "opus_nb"
        self._needs_row = False
        known = set(sheet.row_values(0)) if sheet.row_count else set()
        for template in (self._title, self._description):
            for hole in self._hole.findall(template or ""):
                self._needs_row = True
                if sheet.row_count and hole not in known:
                    raise MappingError(
                        "A title or description names a column that the sheet does not have",
                        where="{" + hole + "}",
                        came_back="its columns are " + ", ".join(map(repr, sorted(known)[:12])),
                    )

        # Sent as it stands it would look like a value; titles and descriptions are what can follow the row.
        stored = json.dumps(connection.parameters.initial_input or {}, ensure_ascii=False)
        if filled := [hole for hole in self._hole.findall(stored) if hole in known]:
            raise SettingsError(
                "initial_input is the same for every row and is not filled in",
                where="{" + filled[0] + "}",
                next_step="Use the column in title= or description=, or leave the braces out.",
            )

    def of(self, position: int) -> tuple[str, str]:
        """Return title and description of one row."""
        values = self._sheet.row_values(position) if self._needs_row else {}

        def fill(template: str) -> str:
            return self._hole.sub(lambda hole: values.get(hole[1], ""), template)

        label = self._sheet.index[position]
        title = fill(self._title) if self._title is not None else f"{self._name}, row {label}"
        return title, fill(self._description) if self._description is not None else ""
