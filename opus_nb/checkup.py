"""The connection test in words: what works between here and Opus, and what to do about what does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from opus_nb import loop
from opus_nb.errors import NotFound, OpusError, RequestRefused, ServiceKeyRefused, ServiceTrouble, WorkflowError
from opus_nb.screen.card_pieces import head, make_card
from opus_nb.screen.markup import escape
from opus_nb.service.families import AT_THE_PROMPT, Families

__all__ = ["Checkup", "Finding", "run_checkup"]

_SIGNS = {"ok": "✓", "bad": "✗", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the test.

    Attributes
    ----------
    what : str
        ``address``, ``service key``, ``workflow``, ``active``, ``inputs`` or ``round trip``.
    verdict : str
        ``ok``, ``bad``, or ``unknown`` where it could not be told.
    words : str
        What was found, and what to do about it.
    """

    what: str
    verdict: str
    words: str


@dataclass(frozen=True, slots=True)
class Checkup:
    """What ``opus.check()`` found.

    Attributes
    ----------
    base_url : str
    findings : tuple of Finding
    round_trip_s : float or None
        Seconds of one small request on an open connection; None where none was answered.
    """

    base_url: str
    findings: tuple[Finding, ...]
    round_trip_s: float | None = None

    @property
    def ok(self) -> bool:
        """True when nothing is wrong; what could not be told is not wrong."""
        return all(each.verdict != "bad" for each in self.findings)

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        verdict = "works" if self.ok else "does not work"
        lines = [f"  {_SIGNS[each.verdict]} {each.what}: {each.words}" for each in self.findings]
        return "\n".join([f"The connection to {self.base_url} {verdict}.", *lines])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{_SIGNS[each.verdict]}</td><td>{escape(each.what)}</td>"
            f'<td style="text-align:left">{escape(each.words)}</td></tr>'
            for each in self.findings
        )
        verdict = "works" if self.ok else "does not work"
        return make_card(
            repr(self), head(f"Connection {verdict}", escape(self.base_url)), f"<table>{rows}</table>"
        ).html


def run_checkup(families: Families, base_url: str, workflow_id: str | None) -> Checkup:
    """Ask Opus a few harmless questions (two or three GETs) and tell what came of each; never raises `OpusError`."""
    return loop.call(_run, families, base_url, workflow_id)


async def _run(families: Families, base_url: str, workflow_id: str | None) -> Checkup:
    findings: list[Finding] = []

    async def first() -> Any:
        if workflow_id is not None:
            return await families.find_workflow(workflow_id)
        return await families.jobs.wire.get(
            "/workflow/private", query={"maxResults": 1}, doing="Testing the connection"
        )

    found, refusal = await _try(first)
    reached = refusal is None or isinstance(refusal, (RequestRefused, ServiceTrouble, WorkflowError))
    findings.append(
        Finding("address", "ok", f"{base_url} answers")
        if reached
        else Finding("address", "bad", _say(refusal, "cannot be reached"))
    )
    if reached:
        findings.append(await _judge_key(families, workflow_id, refusal))
    if reached and workflow_id is not None and not isinstance(refusal, ServiceKeyRefused):
        findings += _judge_workflow(workflow_id, found, refusal)
    seconds = await _round_trip(families) if reached else None
    if seconds is not None:
        findings.append(Finding("round trip", "ok", f"{seconds * 1000:.0f} ms for one small request"))
    return Checkup(base_url, tuple(findings), seconds)


async def _judge_key(families: Families, workflow_id: str | None, refusal: OpusError | None) -> Finding:
    if isinstance(refusal, ServiceKeyRefused):
        return Finding("service key", "bad", _say(refusal, "not accepted"))
    if isinstance(refusal, ServiceTrouble):
        return Finding("service key", "unknown", _say(refusal, "Opus is in trouble"))
    if workflow_id is None and isinstance(refusal, NotFound):
        # A route that does not exist says nothing about the key; another one may.
        _, refusal = await _try(lambda: _get(families, "/job/search"))
        if isinstance(refusal, ServiceKeyRefused):
            return Finding("service key", "bad", _say(refusal, "not accepted"))
        if refusal is not None:
            return Finding(
                "service key", "unknown", "this Opus lists neither workflows nor jobs; try opus.check(workflow)"
            )
    return Finding("service key", "ok", "accepted")


def _judge_workflow(workflow_id: str, found: Any, refusal: OpusError | None) -> list[Finding]:
    if isinstance(refusal, WorkflowError):
        return [
            Finding("workflow", "ok", f"{workflow_id} is visible to this key"),
            Finding("inputs", "bad", _say(refusal, "nowhere to be found")),
        ]
    if refusal is not None:
        return [Finding("workflow", "bad", _say(refusal, "not visible to this key"))]
    api, record = found
    kind = "cases" if api.name == "cases" else record.generation
    version = "" if record.version is None else f", version {record.version}"
    required = sum(each.required for each in record.inputs)
    active = {
        True: Finding("active", "ok", "jobs can be started"),
        False: Finding("active", "bad", "it is not active: its author can activate it in Opus"),
        None: Finding("active", "unknown", "Opus does not say whether it is active"),
    }[record.active]
    return [
        Finding("workflow", "ok", f"{record.name!r} is visible to this key (generation {kind}{version})"),
        active,
        Finding("inputs", "ok", f"{len(record.inputs)}, of which {required} required"),
    ]


async def _round_trip(families: Families) -> float | None:
    clock = asyncio.get_running_loop().time
    began = clock()
    _, refusal = await _try(lambda: _get(families, "/workflow/private"))
    answered = refusal is None or isinstance(refusal, RequestRefused)
    return clock() - began if answered else None


async def _get(families: Families, path: str) -> Any:
    return await families.jobs.wire.send(
        "GET", path, query={"maxResults": 1}, doing="Testing the connection", repeatable=True, patience=AT_THE_PROMPT
    )


async def _try(ask: Callable[[], Awaitable[Any]]) -> tuple[Any, OpusError | None]:
    try:
        return await ask(), None
    except OpusError as error:
        return None, error


def _say(error: OpusError | None, what: str) -> str:
    if error is None:
        return what
    return ". ".join(each.rstrip(".") for each in (f"{what}: {error.came_back or error.what}", error.next_step) if each)
