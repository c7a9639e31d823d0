"""The routes under ``/__sandbox__``: books, faults, people's answers, the clock. No key is asked for."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from opus_nb.sandbox.books import summarise, tell
from opus_nb.sandbox.execution import answer_person, end_job
from opus_nb.sandbox.jobs import JobRecord
from opus_nb.sandbox.replies import Call, Refusal, Reply, send_json
from opus_nb.sandbox.state import SandboxOptions, SandboxState

_RULE_NAMES = ("times", "probability", "skip_first", "for_s", "job", "title")


def books(state: SandboxState, call: Call) -> Reply:
    """Open the books; ``?summary=1`` leaves out the line per job."""
    brief = call.query.get("summary", "0") not in ("0", "", "false")
    return send_json((summarise if brief else tell)(state.books, state.jobs, now=call.now))


def list_faults(state: SandboxState, call: Call) -> Reply:
    """List the rules and how often each has struck."""
    return send_json({"faults": [rule.describe() for rule in state.faults.rules]})


def add_fault(state: SandboxState, call: Call) -> Reply:
    """Make a rule; keys that are no part of a rule are parameters of its kind."""
    body = call.read_json()
    endpoint, kind = str(body.pop("endpoint", "any")), str(body.pop("kind", ""))
    extra = body.pop("parameters", {})
    rule = {name: body.pop(name) for name in _RULE_NAMES if name in body}
    try:
        made = state.faults.add(endpoint, kind, now=call.now, parameters=body | extra, **rule)
    except (ValueError, TypeError) as error:
        raise Refusal(400, str(error)) from None
    return send_json(made.describe(), status=201)


def clear_faults(state: SandboxState, call: Call) -> Reply:
    """Drop all rules."""
    state.faults.clear()
    return Reply(204)


def answer_job(state: SandboxState, call: Call) -> Reply:
    """Answer for the person a job waits for; ``{"answer": ...}`` is what they say."""
    body = call.read_json()
    if not answer_person(state, _find(state, call), body.get("answer")):
        raise Refusal(409, "The job is not waiting for a person")
    return send_json({"answered": True})


def end(state: SandboxState, call: Call) -> Reply:
    """Stop a job from outside; ``{"status": "STOPPED"}`` says with which word."""
    word = str(call.read_json().get("status", "STOPPED"))
    if not end_job(state, _find(state, call), word):
        raise Refusal(409, "The job is over already")
    return send_json({"ended": True, "status": word})


def advance_clock(state: SandboxState, call: Call) -> Reply:
    """Let time pass: ``{"advance_s": 60}``."""
    seconds = call.read_json().get("advance_s", 0)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds < 0:
        raise Refusal(400, "advance_s must be a number of seconds, not negative")
    state.clock.advance(seconds)
    return send_json({"now": state.clock.now()})


def options(state: SandboxState, call: Call) -> Reply:
    """Read the options, or change some with POST."""
    names = [field.name for field in fields(SandboxOptions)]
    changes = call.read_json() if call.method == "POST" else {}
    unknown = sorted(set(changes) - set(names))
    if unknown:
        raise Refusal(400, f"no option {', '.join(unknown)}; there are {', '.join(names)}")
    for name, value in changes.items():
        setattr(state.options, name, value)
    return send_json({name: getattr(state.options, name) for name in names})


def workflows(state: SandboxState, call: Call) -> Reply:
    """List all workflows that are not oddities, those of the case family too, with their generation."""
    rows: list[dict[str, Any]] = []
    for published in state.catalogue:
        definition = published.latest.definition
        if definition.listed or definition.generation == "cases":
            row = {"id": definition.id, "name": definition.name, "generation": definition.generation}
            rows.append(row | {"active": definition.active, "versions": len(published.versions)})
    return send_json({"workflows": rows})


def reset(state: SandboxState, call: Call) -> Reply:
    """Forget jobs, files, books and faults."""
    state.reset()
    return Reply(204)


def _find(state: SandboxState, call: Call) -> JobRecord:
    job = state.jobs.find_any(call.job_id)
    if job is None:
        raise Refusal(404, "Job execution not found")
    return job
