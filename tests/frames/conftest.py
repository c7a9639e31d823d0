"""Outcomes as the ledger would tell them, with replies in the documented shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from opus_nb.job import Outcome, RowState
from opus_nb.service.schema import Field, Schema

STARTED = 1_763_374_603.736


def wrap(**values: Any) -> str:
    """Return a results reply in the shape of every live capture."""
    payload = {name: value if isinstance(value, dict) else {"value": value} for name, value in values.items()}
    return json.dumps({"jobResultsPayloadSchema": payload})


def nodes_audit(*nodes: tuple[str, str, float | None]) -> str:
    """Return a node audit: name, status and seconds of each node, one after the other."""
    data, start = {}, STARTED
    for place, (name, status, seconds) in enumerate(nodes):
        data[name] = {
            "execution_status": status,
            "execution_start_time": round(start * 1000),
            "execution_time": None if seconds is None else seconds * 1000,
            "execution_index": place,
        }
        start += seconds or 0
    names = [name for name, *_ in nodes]
    reply = {"nb_nodes": len(nodes), "executed_nodes": names, "audit": {"nodes_execution_data": data}}
    return json.dumps(reply)


@pytest.fixture
def make_outcome() -> Callable[..., Outcome]:
    """Return a maker of completed jobs; every attribute can be given."""

    def make(position: int = 0, **parts: Any) -> Outcome:
        given: dict[str, Any] = {
            "state": RowState.COMPLETED,
            "job_id": str(2500 + position),
            "tries": 1,
            "word": "COMPLETED",
            "started_at": STARTED + position,
            "ended_at": STARTED + position + 12.5,
        }
        return Outcome(position=position, **{**given, **parts})

    return make


@pytest.fixture
def make_schema() -> Callable[..., Schema]:
    """Return a maker of output schemas from ``variable_name=(display name, kind)``."""

    def make(**fields: tuple[str, str]) -> Schema:
        words = {"files": "array_files", "json": "json_string"}
        return Schema(
            tuple(
                Field(variable_name=name, display_name=label, type=words.get(kind, kind), kind=kind, required=False)
                for name, (label, kind) in fields.items()
            )
        )

    return make


@pytest.fixture
def results_text() -> Callable[..., str]:
    """Return the maker of results replies."""
    return wrap


@pytest.fixture
def audit_text() -> Callable[..., str]:
    """Return the maker of node audits."""
    return nodes_audit


@pytest.fixture
def trail_text() -> str:
    """Return the quickstart's audit reply."""
    return json.dumps(
        {
            "jobExecutionId": "2514",
            "auditTrail": [
                {"timestamp": "2025-10-27T12:32:00Z", "actor": "SYSTEM", "action": "Job initiated"},
                {"timestamp": "2025-10-27T12:33:15Z", "actor": "SYSTEM", "action": "File validated and processed"},
                {"timestamp": "2025-10-27T12:34:10Z", "actor": "SYSTEM", "action": "Job completed successfully"},
            ],
        }
    )


@pytest.fixture
def mixed_outcomes(make_outcome: Callable[..., Outcome]) -> list[Outcome]:
    """Return one job per path and state: two branches, a failure, a person, a running, a queued and a bad row."""
    simple = nodes_audit(("Input", "COMPLETED", 0.01), ("Read", "COMPLETED", 8), ("Output", "COMPLETED", 0.01))
    asked = nodes_audit(
        ("Input", "COMPLETED", 0.01), ("Read", "COMPLETED", 10), ("Ask", "COMPLETED", 30), ("Output", "COMPLETED", 0.01)
    )
    broken = nodes_audit(("Input", "COMPLETED", 0.01), ("Read", "FAILED", 3), ("Output", "FAILED", 0))
    sleeping = nodes_audit(("Input", "COMPLETED", 0.01), ("Read", "COMPLETED", 9), ("Ask", "SLEEPING", None))
    return [
        make_outcome(0, audit=simple),
        make_outcome(1, audit=simple),
        make_outcome(2, audit=asked, ended_at=STARTED + 42),
        make_outcome(3, state=RowState.FAILED, word="FAILED", audit=broken),
        make_outcome(4, state=RowState.WAITING, word="WAITING", audit=sleeping, ended_at=None, error="a person"),
        make_outcome(5, state=RowState.RUNNING, word="IN PROGRESS", ended_at=None),
        make_outcome(6, state=RowState.PLANNED, job_id=None, tries=0, word=None, started_at=None, ended_at=None),
        make_outcome(
            7,
            state=RowState.INVALID,
            job_id=None,
            tries=0,
            word=None,
            started_at=None,
            ended_at=None,
            error="amount: 'abc' is no number",
        ),
    ]
