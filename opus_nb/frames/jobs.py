"""What became of each job, one row per row of the sheet."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from opus_nb.frames.columns import (
    build_frame,
    check_lengths,
    float_column,
    int_column,
    state_column,
    text_column,
    time_column,
)
from opus_nb.frames.reasons import error_text
from opus_nb.job import Outcome

__all__ = ["jobs_frame"]


def jobs_frame(outcomes: Sequence[Outcome], index: pd.Index) -> pd.DataFrame:
    """Lay ids, states, times and tries beside the rows they belong to.

    Parameters
    ----------
    outcomes : sequence of Outcome
        One per row of the sheet, in the sheet's order.
    index : pandas.Index
        The sheet's own index; as long as ``outcomes``.

    Returns
    -------
    pandas.DataFrame
        Shape ``(len(outcomes), 11)``, index as given.

        ``job_id`` : string
        ``state`` : category of `opus_nb.job.COUNT_NAMES`
        ``started_at``, ``ended_at`` : datetime64[ns, UTC]
            The job's own clock; NaT while unknown.
        ``duration_s`` : Float64
            Seconds between the two; NA while one is unknown.
        ``tries`` : Int64
            0 while nothing left.
        ``error`` : string
            As in `results_frame`.
        ``word`` : string
            What Opus said last, letter for letter.
        ``title`` : string
        ``price_estimate`` : Float64
            In the currency of the workflow's own estimate; NA where Opus gives none.
        ``note`` : string
            On a row that is not over: what is being waited for, where known.

    Raises
    ------
    SettingsError
        ``index`` and ``outcomes`` differ in length.
    """
    check_lengths(outcomes, index)
    columns = {
        "job_id": text_column(o.job_id for o in outcomes),
        "state": state_column(outcomes),
        "started_at": time_column([o.started_at for o in outcomes]),
        "ended_at": time_column([o.ended_at for o in outcomes]),
        "duration_s": float_column([_seconds_between(o.started_at, o.ended_at) for o in outcomes]),
        "tries": int_column([o.tries for o in outcomes]),
        "error": text_column(error_text(o) for o in outcomes),
        "word": text_column(o.word for o in outcomes),
        "title": text_column(o.title for o in outcomes),
        "price_estimate": float_column([o.price_estimate for o in outcomes]),
        "note": text_column(None if o.state.is_final else o.error for o in outcomes),
    }
    return build_frame(columns, index)


def _seconds_between(start: float | None, end: float | None) -> float | None:
    # Microseconds are what a Unix time in a float can tell apart.
    return None if start is None or end is None else round(end - start, 6)
