"""What the audit, nodes and paths frames promise."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opus_nb.frames.audit import audit_frame, nodes_frame, rank_nodes
from opus_nb.frames.paths import paths_frame
from opus_nb.job import Outcome

Maker = Callable[..., Any]
COLUMNS = {
    "row": "int64",
    "job_id": "string",
    "event": "string",
    "actor": "string",
    "status": "string",
    "started_at": "datetime64[ns, UTC]",
    "ended_at": "datetime64[ns, UTC]",
    "duration_s": "Float64",
    "order": "Int64",
    "source": "string",
    "error": "string",
}


def dtypes_of(frame: pd.DataFrame) -> dict[str, str]:
    """Return the dtypes as text."""
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


def test_the_quickstarts_trail_becomes_one_row_per_event(make_outcome: Maker, trail_text: str) -> None:
    """Action, actor and time of each event, marked as trail."""
    frame = audit_frame([make_outcome(audit=trail_text)], pd.Index([7]))
    assert frame["event"].tolist() == ["Job initiated", "File validated and processed", "Job completed successfully"]
    assert frame["actor"].unique().tolist() == ["SYSTEM"]
    assert frame["started_at"].iloc[0] == pd.Timestamp("2025-10-27T12:32:00Z")
    assert frame["source"].unique().tolist() == ["trail"]
    assert frame["order"].tolist() == [0, 1, 2]
    assert frame["row"].tolist() == [7, 7, 7]
    assert frame[["ended_at", "duration_s"]].isna().all().all()


def test_a_node_audit_becomes_one_row_per_node(make_outcome: Maker) -> None:
    """Name, status and times of each node, milliseconds turned into UTC times and seconds."""
    data = {
        "Workflow Input": {
            "execution_status": "COMPLETED",
            "execution_start_time": 1763374603736,
            "execution_time": 1,
            "execution_index": 0,
        },
        "Fetch profile": {
            "execution_status": "COMPLETED",
            "execution_start_time": 1763374603739,
            "execution_time": 6024,
            "execution_index": 1,
        },
    }
    audit = json.dumps({"nb_nodes": 3, "audit": {"nodes_execution_data": data}})
    frame = audit_frame([make_outcome(audit=audit, job_id="3115")], pd.Index([0]))
    assert frame["event"].tolist() == ["Workflow Input", "Fetch profile"]
    assert frame["job_id"].unique().tolist() == ["3115"]
    assert frame["status"].tolist() == ["COMPLETED", "COMPLETED"]
    assert frame["started_at"].iloc[1] == pd.Timestamp("2025-11-17T10:16:43.739Z")
    assert frame["ended_at"].iloc[1] == pd.Timestamp("2025-11-17T10:16:49.763Z")
    assert frame["duration_s"].tolist() == [0.001, 6.024]
    assert frame["source"].unique().tolist() == ["nodes"]
    assert dtypes_of(frame) == COLUMNS


def test_both_forms_stand_in_one_table(make_outcome: Maker, audit_text: Maker, trail_text: str) -> None:
    """A trail and a node audit in one run make one frame of one dtype per column, in the sheet's order."""
    outcomes = [make_outcome(0, audit=trail_text), make_outcome(1), make_outcome(2, audit=audit_text(("A", "DONE", 1)))]
    frame = audit_frame(outcomes, pd.Index([10, 20, 30]))
    assert frame["source"].tolist() == ["trail"] * 3 + ["nodes"]
    assert frame["row"].tolist() == [10, 10, 10, 30]
    assert dtypes_of(frame) == COLUMNS


@pytest.mark.parametrize(
    ("index", "label"),
    [
        (pd.Index(["a"]), "a"),
        (pd.MultiIndex.from_tuples([("a", 1)]), ("a", 1)),
        (pd.DatetimeIndex(["2025-01-01"]), pd.Timestamp("2025-01-01")),
    ],
)
def test_row_is_the_index_value(make_outcome: Maker, trail_text: str, index: pd.Index, label: Any) -> None:
    """``row`` leads back to the sheet whatever its index is made of."""
    assert audit_frame([make_outcome(audit=trail_text)], index)["row"].iloc[0] == label


def test_without_an_audit_the_columns_remain(make_outcome: Maker) -> None:
    """No audit gives no rows, and the same columns and dtypes."""
    frame = audit_frame([make_outcome()], pd.RangeIndex(1))
    assert frame.empty
    assert dtypes_of(frame) == COLUMNS


def test_an_audit_that_cannot_be_read_is_logged_and_left_out(
    make_outcome: Maker, trail_text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged audit hurts no other row, and is not passed over in silence."""
    frame = audit_frame([make_outcome(0, audit="{"), make_outcome(1, audit=trail_text)], pd.RangeIndex(2))
    assert frame["row"].tolist() == [1, 1, 1]
    assert "row 0" in caplog.text


def test_nodes_count_where_jobs_stand(mixed_outcomes: list[Outcome]) -> None:
    """Per node: how many jobs came, and how they stand there; the four counts add up."""
    nodes = nodes_frame(mixed_outcomes).set_index("node")
    assert nodes.index.tolist() == ["Input", "Read", "Ask", "Output"]
    assert nodes["jobs"].tolist() == [5, 5, 2, 4]
    assert nodes.loc["Read", ["completed", "failed", "failed_first"]].tolist() == [4, 1, 1]
    assert nodes.loc["Ask", ["completed", "waiting"]].tolist() == [1, 1]
    assert (nodes[["completed", "failed", "waiting", "running"]].sum(axis=1) == nodes["jobs"]).all()


def test_a_cascade_counts_as_one_first_failure(mixed_outcomes: list[Outcome]) -> None:
    """Nodes that Opus marks failed after the first one are failed, but not failed first."""
    nodes = nodes_frame(mixed_outcomes).set_index("node")
    assert nodes.loc["Output", "failed"] == 1
    assert nodes.loc["Output", "failed_first"] == 0


def test_node_durations_are_in_seconds(mixed_outcomes: list[Outcome]) -> None:
    """Median, 90th percentile and total over the jobs that have left the node."""
    read = nodes_frame(mixed_outcomes).set_index("node").loc["Read"]
    assert read["duration_median_s"] == 8
    assert read["duration_p90_s"] == pytest.approx(9.6)
    assert read["duration_total_s"] == 38


def test_a_trail_names_no_nodes(make_outcome: Maker, trail_text: str) -> None:
    """Events of a trail are no nodes: the frames by node are empty, with their columns."""
    outcomes = [make_outcome(audit=trail_text)]
    assert nodes_frame(outcomes).shape == (0, 11)
    assert paths_frame(outcomes).shape == (0, 9)


def test_paths_count_the_ways_of_the_jobs(mixed_outcomes: list[Outcome]) -> None:
    """Branches, failures and unfinished jobs are paths of their own, the most travelled first."""
    paths = paths_frame(mixed_outcomes)
    assert paths["path"].tolist()[0] == "Input → Read → Output"
    assert paths["jobs"].tolist() == [2, 1, 1, 1]
    assert paths["share"].sum() == pytest.approx(1)
    failed = paths[paths["failed"] == 1].iloc[0]
    assert failed["nodes"] == ("Input", "Read")
    assert failed["failed_at"] == "Read"
    assert (paths[["completed", "failed", "unfinished"]].sum(axis=1) == paths["jobs"]).all()


def test_nodes_side_by_side_do_not_split_a_path(make_outcome: Maker, audit_text: Maker) -> None:
    """Which of two parallel nodes starts first is chance, not another way."""
    ways = [("A", "B", "C", "D"), ("A", "C", "B", "D"), ("A", "B", "C", "D")]
    outcomes = [
        make_outcome(place, audit=audit_text(*[(name, "COMPLETED", 1.0) for name in way]))
        for place, way in enumerate(ways)
    ]
    paths = paths_frame(outcomes)
    assert paths["nodes"].tolist() == [("A", "B", "C", "D")]
    assert paths["jobs"].tolist() == [3]


@settings(deadline=None)
@given(st.permutations(list("abcdefg")), st.lists(st.sets(st.integers(0, 6), min_size=1), min_size=1, max_size=8))
def test_one_order_agrees_with_all_that_agree_among_themselves(order: list[str], picks: list[set[int]]) -> None:
    """Sequences cut from one order are ranked without contradicting any of them."""
    sequences = [[order[place] for place in sorted(pick)] for pick in picks]
    ranked = rank_nodes(sequences)
    assert sorted(ranked) == sorted({name for sequence in sequences for name in sequence})
    for sequence in sequences:
        assert sorted(sequence, key=ranked.index) == sequence
