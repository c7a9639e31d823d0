"""Small workflows that lay a trap, and what the server saw of those who met it."""

from __future__ import annotations

import json
from typing import Any

import opus_nb
from opus_nb.sandbox import Input, Node, Output, WorkflowDefinition, workflow
from opus_nb.service.wire import Patience


def quicken(connection: opus_nb.Opus) -> opus_nb.Opus:
    """Let repeats follow each other without the pauses that politeness needs elsewhere."""
    connection.client.wire.patience = Patience(first_wait_s=0.01, longest_wait_s=0.05)
    return connection


def echo(generation: str = "v2", **options: Any) -> WorkflowDefinition:
    """The smallest workflow: a text comes back in capitals."""
    options = {"nodes": [Node("Shout", seconds=0.5)], "spread": 0.0, "quick": True, **options}

    @workflow("Echo", inputs=[Input("Text")], outputs=[Output("Loud")], generation=generation, **options)
    def shout(text: str) -> dict[str, Any]:
        return {"Loud": text.upper()}

    return shout


def reader(generation: str = "v2", **options: Any) -> WorkflowDefinition:
    """A workflow that opens a file."""
    options = {"nodes": [Node("Read", seconds=0.3)], "spread": 0.0, **options}

    @workflow(
        "Reader", inputs=[Input("Letter", "file")], outputs=[Output("Words", "int")], generation=generation, **options
    )
    def read(letter: Any) -> dict[str, Any]:
        return {"Words": len(letter.words())}

    return read


def books(opus: opus_nb.Opus) -> dict[str, Any]:
    """What the server has counted."""
    found: dict[str, Any] = opus.sandbox.books()
    return found


def payloads(opus: opus_nb.Opus) -> list[dict[str, Any]]:
    """What the server was asked to execute, job by job, letter for letter."""
    return [job.payload for job in opus.sandbox._state.jobs if job.payload is not None]


def bodies(opus: opus_nb.Opus) -> list[dict[str, Any]]:
    """The whole bodies of those requests."""
    return [json.loads(job.request) for job in opus.sandbox._state.jobs if job.request]


def shells(opus: opus_nb.Opus) -> list[Any]:
    """The jobs that the server has made, executed or not."""
    return list(opus.sandbox._state.jobs)


def by_label(opus: opus_nb.Opus, place: int = 0) -> dict[str, dict[str, Any]]:
    """One execution's entries by their labels."""
    return {entry["displayName"]: entry for entry in payloads(opus)[place].values()}
