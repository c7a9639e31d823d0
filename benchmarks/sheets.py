"""P10 and P11: from a sheet to payloads, and from answers to a frame, beside what pandas offers."""

from __future__ import annotations

import gc
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pandas as pd

from benchmarks.table import Row, Scale, at_most, median, median_ratio
from opus_nb.frames.results import results_frame
from opus_nb.job import Outcome, RowState
from opus_nb.service.definitions import Schema
from opus_nb.service.entries import read_fields
from opus_nb.service.values import build_payload
from opus_nb.sheet.checks import check_sheet
from opus_nb.sheet.mapping import map_columns

_FIELDS = [("Number", "int"), ("Text", "str"), ("Amount", "float"), ("Day", "date"), ("Urgent", "bool")]


def measure(scale: Scale) -> list[Row]:
    """Rounds in turn, medians of the ratios inside each."""
    return [*_payloads(scale), *_results(scale)]


def _in_turn(rounds: int, *works: Callable[[], object]) -> list[list[float]]:
    """CPU seconds of each piece of work, round by round."""
    found: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for place, work in enumerate(works):
            gc.collect()
            cpu = time.process_time()
            work()
            found[place].append(time.process_time() - cpu)
    return found


def _schema(fields: list[tuple[str, str]], side: str) -> Schema:
    return read_fields(
        {
            f"workflow_{side}_{place:09d}": {
                "variable_name": f"workflow_{side}_{place:09d}",
                "display_name": label,
                "type": kind,
                "is_nullable": True,
            }
            for place, (label, kind) in enumerate(fields)
        },
        is_output=side == "output",
    )


def _payloads(scale: Scale) -> list[Row]:
    rows, rounds = scale.pick(100_000, 2_000), scale.pick(3, 1)
    schema = _schema(_FIELDS, "input")
    df = pd.DataFrame(
        {
            "Number": range(rows),
            "Text": [f"row {row}" for row in range(rows)],
            "Amount": [row / 7 for row in range(rows)],
            "Day": pd.date_range("2025-01-01", periods=rows, freq="min"),
            "Urgent": [row % 2 == 0 for row in range(rows)],
        }
    )
    sheet = check_sheet(df, schema, map_columns(df, schema, None, None))
    names = {each.display_name: each for each in schema}

    def ours() -> None:
        for position in range(rows):
            build_payload(schema, sheet.inputs_of(position))

    def by_hand() -> None:
        for row in df.itertuples(index=False):
            values = {
                "Number": int(row.Number),
                "Text": str(row.Text),
                "Amount": float(row.Amount),
                "Day": row.Day.strftime("%Y-%m-%d"),
                "Urgent": bool(row.Urgent),
            }
            {
                names[label].variable_name: {"value": value, "type": names[label].type, "displayName": label}
                for label, value in values.items()
                if not pd.isna(value)
            }

    mine, theirs = _in_turn(rounds, ours, by_hand)
    note = f"{1e6 * median(mine) / rows:.1f} us and {1e6 * median(theirs) / rows:.1f} us a row of five inputs"
    what = f"building {rows:,} payloads from a checked sheet, against itertuples by hand"
    return [at_most("P10", what, 0.45, median_ratio(mine, theirs), note=note)]


def _replies(rows: int, shape: str) -> tuple[list[str], Schema]:
    draw = random.Random(1)
    labels = [("Summary", "str"), ("Score", "float"), ("Approved", "bool"), ("Count", "int"), ("Note", "str")]
    schema = _schema(labels, "output")
    texts = []
    for row in range(rows):
        values = {
            "Summary": f"This is the summary of document {row}, in a sentence.",
            "Score": draw.random(),
            "Approved": row % 3 == 0,
            "Count": row,
            "Note": f"note {row % 100}",
        }
        if shape == "free":
            free = {
                "summary": values["Summary"],
                "data": {"score": values["Score"], "approved": values["Approved"], "count": row},
                "note": values["Note"],
            }
            texts.append(json.dumps({"jobExecutionId": str(row), "status": "COMPLETED", "results": free}))
        else:
            entries = {
                each.variable_name: {"value": values[each.display_name], "type": each.type,
                                     "display_name": each.display_name}
                for each in schema
            }  # fmt: skip
            texts.append(
                json.dumps({"jobExecutionId": str(row), "status": "COMPLETED", "jobResultsPayloadSchema": entries})
            )
    return texts, (Schema(()) if shape == "free" else schema)


def _results(scale: Scale) -> list[Row]:
    rows, rounds = scale.pick(100_000, 1_000), scale.pick(3, 1)
    made = []
    for shape, name in (("schema", "as live services answer"), ("free", "the quickstart's free shape")):
        texts, schema = _replies(rows, shape)
        outcomes = [
            Outcome(place, RowState.COMPLETED, job_id=str(place), tries=1, results=text)
            for place, text in enumerate(texts)
        ]
        index = pd.RangeIndex(rows)

        def ours(outcomes: list[Outcome] = outcomes, index: pd.Index = index, schema: Schema = schema) -> Any:
            return results_frame(outcomes, index, schema)

        def normalized(texts: list[str] = texts) -> Any:
            return pd.json_normalize([json.loads(text) for text in texts])

        mine, theirs = _in_turn(rounds, ours, normalized)
        note = f"{median(mine):.2f} s and {median(theirs):.2f} s"
        what = f"results of {rows:,} rows to a frame, {name}, against json_normalize"
        made.append(at_most("P11", what, _p11_limit(), median_ratio(mine, theirs), note=note))
    return made


def _p11_limit() -> float:
    try:
        import orjson  # noqa: F401
    except ImportError:
        return 0.55
    return 0.40
