"""What people call inputs and columns in ``columns=`` and ``constants=``, and what they mean by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opus_nb.errors import MappingError
from opus_nb.service.schema import Field, Schema
from opus_nb.sheet.cells import show_list, show_text
from opus_nb.sheet.headers import fold_name
from opus_nb.sheet.likeness import closest_names

__all__ = ["Names"]

_SEVERAL = (list, tuple, set, frozenset)


class Names:
    """Resolves what people call inputs and columns; exact names win over forgiven ones."""

    def __init__(self, schema: Schema, headers: Sequence[str]) -> None:
        self.fields = list(schema)
        self.headers = list(dict.fromkeys(headers))

    def find_input(self, name: str) -> tuple[list[Field], bool]:
        """Return the inputs of that name, and whether it is theirs letter for letter."""
        by_variable = [field for field in self.fields if field.variable_name == name]
        if by_variable:
            return by_variable, True
        by_display = [field for field in self.fields if field.display_name == name]
        if by_display:
            return by_display, True
        folded = fold_name(name)
        return [
            field
            for field in self.fields
            if folded and folded in (fold_name(field.display_name), fold_name(field.variable_name))
        ], False

    def find_column(self, name: str) -> tuple[list[str], bool]:
        """Return the headers of that name, and whether it is theirs letter for letter."""
        if name in self.headers:
            return [name], True
        folded = fold_name(name)
        return [header for header in self.headers if folded and fold_name(header) == folded], False

    def require_input(self, name: Any, where: str) -> Field:
        """Return the one input of that name."""
        found, _ = self.find_input(show_text(name))
        if len(found) == 1:
            return found[0]
        if found:
            raise MappingError(
                f'{len(found)} inputs are called "{name}"',
                where=where,
                next_step=f"Say which by variable name: {show_list(field.variable_name for field in found)}.",
                name=name,
            )
        labels = [field.display_name for field in self.fields] + [field.variable_name for field in self.fields]
        raise MappingError(
            f'The workflow has no input "{name}"',
            where=where,
            next_step=_did_you_mean(str(name), labels, "inputs", [field.display_name for field in self.fields]),
            name=name,
        )

    def require_column(self, name: Any, where: str) -> str:
        """Return the one header of that name."""
        found, _ = self.find_column(show_text(name))
        if len(found) == 1:
            return found[0]
        if found:
            raise MappingError(
                f'Several columns could be "{name}"',
                where=where,
                came_back=show_list(found),
                next_step="Write the header letter for letter.",
                name=name,
            )
        raise MappingError(
            f'The sheet has no column "{name}"',
            where=where,
            next_step=_did_you_mean(str(name), self.headers, "columns", self.headers),
            name=name,
        )

    def read_columns(self, columns: Mapping[str, Any]) -> list[tuple[Field, tuple[str, ...], str]]:
        """Return (input, headers, reason) for every pair of ``columns=``, whichever way round it was written.

        An input that is to be left out has no headers; only a list can have several.
        """
        ways = {key: self._way(show_text(key), value) for key, value in columns.items() if value is not None}
        votes = [way for way in ways.values() if way]
        majority = ""
        if "column first" in votes and "input first" not in votes:
            majority = "column first"
        elif "input first" in votes and "column first" not in votes:
            majority = "input first"
        result: list[tuple[Field, tuple[str, ...], str]] = []
        for key, value in columns.items():
            if value is None:
                if self.find_input(show_text(key))[0] or not self.find_column(show_text(key))[0]:
                    result.append((self.require_input(key, "columns="), (), "left out in columns="))
                continue
            way = ways[key] or majority
            if not way:
                raise MappingError(
                    f"columns={{{key!r}: {value!r}}} can be read both ways: both names are columns and both are inputs",
                    next_step="Write the input by its variable name, "
                    f"e.g. columns={{{self.find_input(show_text(key))[0][0].variable_name!r}: {value!r}}}.",
                    name=key,
                )
            if way == "input first":
                field = self.require_input(key, "columns=")
                several = tuple(value) if isinstance(value, _SEVERAL) else (value,)
                headers = tuple(self.require_column(each, "columns=") for each in several)
                if len(headers) > 1 and field.kind not in ("array", "files"):
                    raise MappingError(
                        f'The input "{field.display_name}" takes one value, and several columns are named for it',
                        came_back=show_list(headers),
                        next_step="Name one column; only lists can be fed from several.",
                        name=key,
                    )
                result.append((field, headers, "named in columns="))
                continue
            header = self.require_column(key, "columns=")
            several = tuple(value) if isinstance(value, _SEVERAL) else (value,)
            result += [(self.require_input(each, "columns="), (header,), "named in columns=") for each in several]
        return result

    def left_alone(self, columns: Mapping[str, Any]) -> set[str]:
        """Return the headers that ``columns=`` keeps from feeding anything by their name: ``{header: None}``."""
        keys = [show_text(key) for key, value in columns.items() if value is None]
        return {found[0] for key in keys if len(found := self.find_column(key)[0]) == 1}

    def _way(self, key: str, value: Any) -> str:
        """Return which of the two names is the column; ``""`` when both readings are as good and differ."""
        if isinstance(value, _SEVERAL):
            texts = [show_text(each) for each in value]
            all_columns = bool(texts) and all(self.find_column(text)[0] for text in texts)
            all_inputs = all(self.find_input(text)[0] for text in texts)
            is_input_first = self.find_input(key)[0] and all_columns and not (self.find_column(key)[0] and all_inputs)
            return "input first" if is_input_first else "column first"
        other = show_text(value)
        (key_inputs, key_input_exact), (key_columns, key_column_exact) = self.find_input(key), self.find_column(key)
        (other_inputs, other_input_exact), (other_columns, other_column_exact) = (
            self.find_input(other),
            self.find_column(other),
        )
        column_first, input_first = bool(key_columns and other_inputs), bool(key_inputs and other_columns)
        if column_first and input_first:
            same = key_columns == other_columns and key_inputs == other_inputs
            if same:
                return "input first"
            exact_column_first = key_column_exact and other_input_exact
            exact_input_first = key_input_exact and other_column_exact
            if exact_column_first != exact_input_first:
                return "column first" if exact_column_first else "input first"
            return ""
        if column_first or input_first:
            return "column first" if column_first else "input first"
        # Neither reading works: complain about the name that is unknown in the more plausible one.
        if key_inputs and (key_input_exact or not key_columns):
            return "input first"
        if other_columns and not other_inputs:
            return "input first"
        return "column first"


def _did_you_mean(name: str, choices: Sequence[str], what: str, every: Sequence[str]) -> str:
    close = closest_names(name, choices)
    if close:
        return f"Did you mean {show_list(close, 3)}? All {what}: {show_list(every, 12)}."
    return f"The {what} are {show_list(every, 12)}." if every else f"There are no {what}."
