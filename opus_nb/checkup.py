"""The connection test in words: what works between here and Opus, and what to do about what does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opus_nb.errors import (
    NeverSent,
    NotFound,
    OpusError,
    OpusUnreachable,
    RateLimited,
    ReplyUnreadable,
    RequestRefused,
    ServiceKeyRefused,
    ServiceTrouble,
    WorkflowError,
)
from opus_nb.saying import call_patiently
from opus_nb.screen.card_pieces import head, make_card
from opus_nb.screen.markup import escape
from opus_nb.service.families import AT_THE_PROMPT, Families, timed
from opus_nb.service.replies import read_error_body
from opus_nb.service.spellings import look_up, name_keys
from opus_nb.settings import DEFAULT_BASE_URL

__all__ = ["Checkup", "Finding", "run_checkup"]

_SIGNS = {"ok": "✓", "bad": "✗", "unknown": "?"}
LIST, SEARCH = "/workflow/private", "/job/search"
FORBIDDEN, PROXY_WANTS_A_NAME = 403, 407
_ADVICE = (
    f"The API of Opus is at {DEFAULT_BASE_URL}, unless you were given an address of your own (base_url=, "
    "OPUS_BASE_URL); app.opus.com is for people, and a login page or proxy may stand in between"
)
_ASK_FOR_ONE = "opus.check(workflow) tells more: give an id, or the address of a workflow"
_ELSEWHERE = (
    "A key is for one workspace: was this one made for the workflow's, with the permission Workflow: Full? Else make "
    "one there"
)


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
    return call_patiently(base_url, _run, families, base_url, workflow_id)


async def _run(families: Families, base_url: str, workflow_id: str | None) -> Checkup:
    async def first() -> Any:
        return await (_list(families) if workflow_id is None else families.find_workflow(workflow_id))

    found, refusal = await _try(first)
    probed = refusal
    if _is_forbidden(refusal) or (isinstance(refusal, NotFound) and (workflow_id is None or not _is_opus(refusal))):
        # One route that is not there or not open says little about the key and about who answers; another one may.
        _, probed = await _try(lambda: _get(families, SEARCH))
    findings = _judge_address(base_url, refusal, probed)
    seconds = None
    if all(each.verdict == "ok" for each in findings):
        findings.append(_judge_key(workflow_id, probed))
        if workflow_id is not None and not _is_key_unknown(refusal):
            findings += _judge_workflow(workflow_id, found, refusal)
        seconds = await _round_trip(families)
    if seconds is not None:
        findings.append(Finding("round trip", "ok", f"{seconds * 1000:.0f} ms for one small request"))
    return Checkup(base_url, tuple(findings), seconds)


def _judge_address(base_url: str, refusal: OpusError | None, probed: OpusError | None) -> list[Finding]:
    """Tell who answers, if anybody; a key that cannot be sent comes before that."""
    if isinstance(refusal, NeverSent) and (refusal.came_back or "").startswith("LocalProtocolError"):
        return [
            Finding("address", "unknown", "not asked: the key cannot be sent"),
            Finding("service key", "bad", _join("no header can hold it", refusal.next_step)),
        ]
    if isinstance(refusal, OpusUnreachable):
        return [Finding("address", "bad", _say(refusal, "cannot be reached"))]
    if isinstance(refusal, ReplyUnreadable):
        page = read_error_body(200, "", refusal.came_back)[0] if refusal.came_back else "an empty answer"
        return [Finding("address", "bad", _join(f"what answers there is not the API of Opus: {page}", _ADVICE))]
    if isinstance(refusal, ServiceTrouble):
        said = f"it answers, but is in trouble: {refusal.came_back}"
        return [Finding("address", "bad", _join(said, "That passes, as a rule: try again in a few minutes"))]
    if isinstance(refusal, RequestRefused) and refusal.status == PROXY_WANTS_A_NAME:
        said = f"a proxy in between wants a name and a password ({refusal.came_back})"
        return [
            Finding(
                "address", "bad", _join(said, "Set HTTPS_PROXY=http://name:password@host:port before Python starts")
            )
        ]
    if isinstance(refusal, RequestRefused) and 300 <= refusal.status < 400:
        said = f"it only points elsewhere ({refusal.status}), and the key is not sent after it"
        return [Finding("address", "bad", _join(said, _ADVICE))]
    if not (_is_opus(refusal) or _is_opus(probed)):
        said = f"something answers there, but not as Opus does: {refusal.came_back if refusal else ''}"
        return [Finding("address", "bad", _join(said, _ADVICE))]
    return [Finding("address", "ok", f"{base_url} answers")]


def _is_opus(refusal: OpusError | None) -> bool:
    """Whether this is an answer of the service: any web server says 404, but not in these words."""
    if not isinstance(refusal, NotFound):
        return not isinstance(refusal, (OpusUnreachable, ReplyUnreadable))
    words = " ".join(refusal.messages).lower()
    return any(word in words for word in ("cannot get", "workflow", "job", "case"))


def _is_forbidden(refusal: OpusError | None) -> bool:
    return isinstance(refusal, ServiceKeyRefused) and refusal.status == FORBIDDEN


def _is_key_unknown(refusal: OpusError | None) -> bool:
    return isinstance(refusal, ServiceKeyRefused) and refusal.status != FORBIDDEN


def _judge_key(workflow_id: str | None, refusal: OpusError | None) -> Finding:
    if _is_key_unknown(refusal):
        return Finding("service key", "bad", _say(refusal, "not accepted"))
    if isinstance(refusal, RateLimited):
        return Finding("service key", "unknown", _say(refusal, "Opus wants to be asked less"))
    if _is_forbidden(refusal):
        said = f"whatever is asked with it is refused ({refusal.came_back if refusal else ''})"
        why = "It may do little in its workspace, or something in front of Opus refuses"
        return Finding("service key", "unknown", _join(said, why, _ASK_FOR_ONE if workflow_id is None else None))
    if workflow_id is None and refusal is not None:
        return Finding("service key", "unknown", _join("this Opus lists neither workflows nor jobs", _ASK_FOR_ONE))
    return Finding("service key", "ok", "accepted")


def _judge_workflow(workflow_id: str, found: Any, refusal: OpusError | None) -> list[Finding]:
    if isinstance(refusal, WorkflowError):
        return [
            Finding("workflow", "ok", f"{workflow_id} is visible to this key"),
            Finding("inputs", "bad", _say(refusal, "nowhere to be found")),
        ]
    if isinstance(refusal, (NotFound, ServiceKeyRefused)):
        if not isinstance(refusal, NotFound):
            said = f"this key may not read it: {refusal.came_back}"
            return [Finding("workflow", "bad", _join(said, _ELSEWHERE))]
        said = f"{workflow_id} does not exist, or is not visible to this key: {refusal.came_back}"
        copied = "Is the id complete? Copy the workflow's address from the Opus app"
        return [Finding("workflow", "bad", f"{_join(said, copied)}. {_ELSEWHERE}")]
    if refusal is not None:
        return [Finding("workflow", "bad", _say(refusal, "it cannot be read"))]
    api, record = found
    kind = "cases" if api.name == "cases" else record.generation
    version = "" if record.version is None else f", version {record.version}"
    required = sum(each.required for each in record.inputs)
    active = {
        True: Finding("active", "ok", "jobs can be started"),
        False: Finding("active", "bad", "not active, so no job can be started: its author can activate it in Opus"),
        None: Finding("active", "unknown", "Opus does not say whether it is active"),
    }[record.active]
    return [
        Finding("workflow", "ok", f"{record.name!r} is visible to this key (generation {kind}{version})"),
        active,
        Finding("inputs", "ok", f"{len(record.inputs)}, of which {required} required"),
    ]


async def _list(families: Families) -> None:
    reply = await _get(families, LIST)
    if not isinstance(reply.body, Mapping) or look_up(reply.body, "workflows", "totalCount") is None:
        raise ReplyUnreadable("The list of workflows is none", where=f"GET {LIST}", came_back=name_keys(reply.body))


async def _round_trip(families: Families) -> float | None:
    clock = asyncio.get_running_loop().time
    began = clock()
    _, refusal = await _try(lambda: _get(families, LIST))
    answered = refusal is None or (isinstance(refusal, RequestRefused) and not isinstance(refusal, RateLimited))
    return clock() - began if answered else None


async def _get(families: Families, path: str) -> Any:
    return await timed(
        families.jobs.wire.send(
            "GET",
            path,
            query={"maxResults": 1},
            doing="Testing the connection",
            repeatable=True,
            patience=AT_THE_PROMPT,
        )
    )


async def _try(ask: Callable[[], Awaitable[Any]]) -> tuple[Any, OpusError | None]:
    try:
        return await ask(), None
    except OpusError as error:
        return None, error


def _say(error: OpusError | None, what: str) -> str:
    return what if error is None else _join(f"{what}: {error.came_back or error.what}", error.next_step)


def _join(*sentences: str | None) -> str:
    return ". ".join(each.rstrip(".") for each in sentences if each)
