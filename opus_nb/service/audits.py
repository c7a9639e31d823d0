"""What happened inside a job, read from both forms of the audit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple

from opus_nb.service.shortening import ERROR_KEYS, shorten_audit, summarise, summarise_error
from opus_nb.service.spellings import fold_keys, look_up, walk_wrappers

__all__ = ["Audit", "AuditEntry", "find_progress", "read_audit", "shorten_audit"]

# A node in one of these has not ended, so that its start plus the time so far is not an end. The words of
# section 3 of the contract, without case and separators, and the executor's internal gates.
_STILL_GOING = frozenset(
    {
        "running", "inprogress", "pending", "sleeping", "waiting", "dispatched", "paused", "pendingreview",
        "mappingcomputed", "inputcompliant", "outputcompliant",
    }
)  # fmt: skip
# The first Unix time that would lie beyond the year 5000 in seconds: everything above is a finer unit.
_SECONDS_END = 1e11
_FRACTION = re.compile(r"[.,](\d+)")
_OFFSET = re.compile(r"(:\d\d.*[+-]\d\d)(\d\d)$")


class AuditEntry(NamedTuple):
    """One event of the trail, or one node that was executed. Times are Unix seconds (UTC).

    Attributes
    ----------
    event : str
        The action, or the name of the node.
    actor : str or None
        Who did it; None where the audit does not say, as for every node.
    status : str or None
        Of a node, the audit's word letter for letter: ``COMPLETED``, ``FAILED``, ``SLEEPING`` (a person is asked).
        Where the audit only lists names, ``COMPLETED``, ``FAILED`` or ``RUNNING`` by the list that it stands in.
        None for most events of a trail.
    started_at, ended_at : float or None
        ``ended_at`` is None while the node has not ended.
    duration_s : float or None
        The node's own time; a person's thinking is in it.
    order : int
        Place in the trail, or the node's ``execution_index``.
    source : str
        ``trail`` or ``nodes``.
    output : str or None
        What the node gave, at most 200 characters.
    error : str or None
        What the node said went wrong, at most 300 characters; mostly the service gives no text.
    """

    event: str
    actor: str | None
    status: str | None
    started_at: float | None
    ended_at: float | None
    duration_s: float | None
    order: int
    source: str
    output: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit of one job. Times are Unix seconds (UTC).

    Attributes
    ----------
    job_id : str
    entries : tuple of AuditEntry
        The trail in its order, then the nodes in the order in which they started.
    nodes_done, nodes_total : int or None
        As the service counts them; see `find_progress` for a pair that is safe to show.
    running_node : str or None
        None between nodes and at the end.
    failed_nodes : tuple of str
    started_at, ended_at : float or None
        From the first start to the last end: the wall span. The nodes' times must not be summed, they overlap.
        ``ended_at`` is None while a node has not ended.
    """

    job_id: str
    entries: tuple[AuditEntry, ...] = ()
    nodes_done: int | None = None
    nodes_total: int | None = None
    running_node: str | None = None
    failed_nodes: tuple[str, ...] = ()
    started_at: float | None = None
    ended_at: float | None = None


def read_audit(reply: Any, job_id: str = "") -> Audit:
    """Read an audit in either form, or both at once.

    The trail (``auditTrail``: timestamp, actor, action) of the quickstart, and the nodes
    (``nodes_execution_data``) that the service answers with, in snake case or camel case, at the top or inside
    ``audit`` or ``data``. Where only names of executed nodes are told, they are entries without times.
    Times in milliseconds and in seconds are told apart by their size; node durations are milliseconds.

    Parameters
    ----------
    reply : Any
        The parsed JSON of ``GET /job/{id}/audit`` or ``GET /case/{id}/audit``, or of the job detail; whole or as
        `shorten_audit` left it.
    job_id : str, optional
        Kept in the record; the reply's own ``jobExecutionId`` where empty.

    Returns
    -------
    Audit
        Without entries where the reply holds none; nothing raises here.

    Source
    ------
    Quickstart, "Job Audit Log"; contract, section 5, traps T15 to T18.
    """
    block = _gather(reply)
    failed = _names(block.get("failednodes"))
    running = next(iter(_names(block.get("runningnode"))), None)
    nodes = _read_nodes(block, failed, running)
    entries = (*_read_trail(block.get("audittrail")), *nodes)
    done = _count(block.get("nbexecutednodes"))
    if done is None and (nodes or "executednodes" in block):
        executed = _names(block.get("executednodes"))
        done = len(executed) or sum(not _is_going(each.status) for each in nodes)
    told_failed = [each.event for each in nodes if (each.status or "").upper() == "FAILED"]
    starts = [each.started_at for each in entries if each.started_at is not None]
    # A node that waits for its turn behind a failed one keeps no job going.
    is_going = running is not None or any(_is_going(each.status) and each.started_at is not None for each in nodes)
    ends = [each.ended_at or each.started_at for each in entries]
    own_id = look_up(reply, "jobExecutionId", "caseId") if isinstance(reply, Mapping) else None
    return Audit(
        job_id=job_id or (str(own_id) if isinstance(own_id, (str, int)) else ""),
        entries=entries,
        nodes_done=done,
        nodes_total=_count(block.get("nbnodes")) or None,
        running_node=running,
        failed_nodes=tuple(dict.fromkeys([*failed, *told_failed])),
        started_at=min(starts, default=None),
        ended_at=None if is_going else max((each for each in ends if each is not None), default=None),
    )


def find_progress(audit: Audit) -> tuple[int | None, int | None]:
    """Return nodes done and nodes in all, fit to be shown.

    Counts only what was executed: the service's list of remaining nodes is wrong even at the end.

    Parameters
    ----------
    audit : Audit

    Returns
    -------
    tuple of (int or None, int or None)
        Done is never negative and never more than the total; None is unknown. A total of 0 is unknown.

    Source
    ------
    Contract, section 5.2, trap T16.
    """
    done, total = audit.nodes_done, audit.nodes_total
    if total is not None and total <= 0:
        total = None
    if done is not None:
        done = max(0, done if total is None else min(done, total))
    return done, total


def _gather(reply: Any) -> dict[str, Any]:
    """Return what the reply says of the audit under folded keys, wherever in it that stands."""
    block: dict[str, Any] = {}
    if isinstance(reply, list):
        return {"audittrail": reply}
    for level in walk_wrappers(reply, ("audit", "data", "results"), levels=3):
        for key, value in fold_keys(level).items():
            if value is not None:
                block.setdefault(key, value)
        for key in ("audit", "audit_log", "trail"):
            if isinstance(events := look_up(level, key), list):
                block.setdefault("audittrail", events)
    return block


def _read_trail(trail: Any) -> Iterator[AuditEntry]:
    for order, given in enumerate(trail if isinstance(trail, list) else ()):
        if isinstance(given, str):
            yield AuditEntry(given, None, None, None, None, None, order, "trail")
        if not isinstance(given, Mapping):
            continue
        event = _plain(look_up(given, "action", "event", "name", "message")) or "(no action given)"
        moment = _moment(look_up(given, "timestamp", "time", "created_at", "date"))
        yield AuditEntry(
            event=event,
            actor=_plain(look_up(given, "actor", "user")),
            status=_status(look_up(given, "status")),
            started_at=moment,
            ended_at=None,
            duration_s=None,
            order=order,
            source="trail",
        )


def _read_nodes(block: Mapping[str, Any], failed: tuple[str, ...], running: str | None) -> list[AuditEntry]:
    executed = _names(block.get("executednodes"))
    told = dict.fromkeys([*executed, *failed, *([running] if running else [])])
    found: list[AuditEntry] = []
    for place, (name, data) in enumerate(_node_data(block.get("nodesexecutiondata"))):
        entry = _read_node(name, fold_keys(data), place)
        if entry.status is None and (entry.started_at is not None or name in told):
            status = _told_status(name, failed, running)
            entry = entry._replace(status=status, ended_at=None if _is_going(status) else entry.ended_at)
        # A node of which nothing is told has not been reached.
        if entry.status is not None:
            found.append(entry)
    known = {each.event for each in found}
    # One page calls the listed names ids. If none of them names a node with data, they are the same nodes again.
    if not found or known & set(executed):
        for place, name in enumerate((each for each in told if each not in known), start=len(found)):
            status = _told_status(name, failed, running)
            found.append(AuditEntry(name, None, status, None, None, None, place, "nodes"))
    return sorted(found, key=lambda each: (each.order, each.started_at or math.inf))


def _read_node(name: str, folded: Mapping[str, Any], place: int) -> AuditEntry:
    status = _status(folded.get("executionstatus") or folded.get("status"))
    started = _moment(folded.get("executionstarttime") or folded.get("starttime"))
    took = _number(folded.get("executiontime"))
    index = _count(folded.get("executionindex"))
    duration = None if took is None or took < 0 else took / 1000
    ended = _moment(folded.get("executionendtime") or folded.get("endtime"))
    if ended is None and started is not None and duration is not None:
        ended = started + duration
    output = folded.get("executionoutput")
    return AuditEntry(
        event=name,
        actor=None,
        status=status,
        started_at=started,
        ended_at=None if _is_going(status) else ended,
        duration_s=duration,
        order=place if index is None else index,
        source="nodes",
        output=None if output in (None, [], {}, "") else summarise(output),
        error=_error(folded),
    )


def _node_data(given: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(given, Mapping):
        for name, data in given.items():
            yield str(name), data if isinstance(data, Mapping) else {}
    elif isinstance(given, list):
        for place, data in enumerate(given):
            if isinstance(data, Mapping):
                yield _plain(look_up(data, "node_name", "name", "node_id", "id")) or f"node {place}", data


def _error(folded: Mapping[str, Any]) -> str | None:
    told = (summarise_error(folded[key]) for key in ERROR_KEYS if folded.get(key) not in (None, True, False))
    return next((text for text in told if text), None)


def _told_status(name: str, failed: Iterable[str], running: str | None) -> str:
    if name in failed:
        return "FAILED"
    return "RUNNING" if name == running else "COMPLETED"


def _names(given: Any) -> tuple[str, ...]:
    """Return names from a name, an object with a name, or a list of either."""
    found = [_plain(each) for each in (given if isinstance(given, list) else [given])]
    return tuple(dict.fromkeys(each for each in found if each))


def _plain(given: Any) -> str | None:
    if isinstance(given, Mapping):
        given = look_up(given, "name", "node_name", "label", "email", "id", "node_id")
    if isinstance(given, bool) or not isinstance(given, (str, int, float)):
        return None
    return str(given).strip() or None


def _status(given: Any) -> str | None:
    if not isinstance(given, str) or not given.strip():
        return None
    return given.strip()


@lru_cache(maxsize=512)
def _is_going(status: str | None) -> bool:
    return status is not None and re.sub(r"[\s_-]+", "", status).lower() in _STILL_GOING


def _count(given: Any) -> int | None:
    number = _number(given)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def _number(given: Any) -> float | None:
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        return None
    try:
        number = float(given)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _moment(given: Any) -> float | None:
    """Read a time as Unix seconds: ISO text (UTC where it names no zone), or a number of s, ms, us or ns."""
    number = _number(given)
    if number is not None:
        while abs(number) >= _SECONDS_END:
            number /= 1000
        return number if number > 0 else None
    if not isinstance(given, str):
        return None
    try:
        moment = datetime.fromisoformat(_as_python_reads(given.strip()))
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


def _as_python_reads(text: str) -> str:
    """Spell out what Python 3.10 insists on: six digits of a second, a colon in the offset."""
    text = _OFFSET.sub(r"\1:\2", f"{text[:-1]}+00:00" if text[-1:] in {"Z", "z"} else text)
    match = _FRACTION.search(text)
    return text if match is None else f"{text[: match.start()]}.{match[1][:6]:0<6}{text[match.end() :]}"
