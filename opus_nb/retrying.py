"""Which rows a retry may send again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from opus_nb.errors import SettingsError
from opus_nb.job import Outcome, RowState

__all__ = ["rows_to_retry"]

RETRIED_BY_DEFAULT = frozenset({"failed", "timed_out", "cancelled"})
RETRIED_WHEN_NAMED = RETRIED_BY_DEFAULT | {"uncertain", "skipped"}


def rows_to_retry(
    outcomes: Sequence[Outcome], index: pd.Index[Any], states: Iterable[str] | None, rows: Iterable[Any] | None
) -> list[int]:
    """Return the positions of the rows that ended badly and were asked for; see ``Run.retry``.

    Raises
    ------
    SettingsError
        A state that cannot be retried, or a row that is not in the sheet.
    """
    wanted = RETRIED_BY_DEFAULT if states is None else frozenset([states] if isinstance(states, str) else states)
    if strange := wanted - RETRIED_WHEN_NAMED:
        raise SettingsError(
            f"Rows in these states are not retried: {', '.join(sorted(map(str, strange)))}",
            next_step=f"One or more of: {', '.join(sorted(RETRIED_WHEN_NAMED))}.",
        )
    labels = None if rows is None else list(rows)
    if labels is not None and (unknown := [each for each in labels if each not in index]):
        raise SettingsError(
            "These rows are not in the sheet",
            where=", ".join(map(repr, unknown[:5])),
            next_step="rows= takes values of the sheet's own index, as in run.results().index.",
        )
    return [
        outcome.position
        for outcome in outcomes
        if outcome.state.count_name in wanted
        and outcome.state is not RowState.INVALID
        and (labels is None or index[outcome.position] in labels)
    ]
