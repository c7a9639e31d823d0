"""The account of a run as a frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from opus_nb.batch.reconciling import AccountLine

__all__ = ["account_frame"]


def account_frame(lines: Sequence[AccountLine], label: Callable[[int], Any]) -> pd.DataFrame:
    """Put the account of a run into a frame; its columns stand in `Run.reconcile`.

    Parameters
    ----------
    lines : sequence of AccountLine
    label : callable
        Gives the index value of a position.
    """
    frame: pd.DataFrame = pd.DataFrame(
        {
            "kind": pd.Series([line.kind for line in lines], dtype="string"),
            "row": pd.Series(
                [pd.NA if line.position is None else label(line.position) for line in lines], dtype=object
            ),
            **{
                name: pd.Series([getattr(line, name) for line in lines], dtype="string")
                for name in ("job_id", "before", "now", "word", "note")
            },
        }
    )
    return frame
