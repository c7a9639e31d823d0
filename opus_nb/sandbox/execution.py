"""What `execute` sets going: the Input node, the function, the timeline; and what a person does to it later."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from opus_nb.sandbox.faults import FaultRule
from opus_nb.sandbox.jobs import JobRecord
from opus_nb.sandbox.payload import FileUnreadable, InputNodeFailure, digest_payload, read_values
from opus_nb.sandbox.state import SandboxState
from opus_nb.sandbox.timeline import INPUT_SECONDS, Answer, Job, NodeRun, Timeline, play

INLINE_FILE_BYTES = 200_000


def start_execution(
    state: SandboxState,
    job: JobRecord,
    instance: dict[str, Any],
    *,
    request: bytes,
    script: FaultRule | None = None,
) -> None:
    """Let a job run from now on; a second time is a second purchase.

    The job keeps the `request` as it came, because ten thousand parsed payloads weigh ten times as much.
    """
    now = state.clock.now()
    job.request = request
    job.executed_at.append(now)
    job.started_at = now + job.version.definition.queue_seconds * state.time_scale
    job.digest = digest_payload(job.version.definition.id, instance, state.files)
    job.answers, job.forced, job.end_seen_at, job.not_before = [], None, None, 0.0
    state.books.note_execution(job)
    job.draw = state.books.payloads[job.digest]
    _plan(state, job, instance, script)


def answer_person(state: SandboxState, job: JobRecord, value: Any) -> bool:
    """Answer the person's node a job waits at; False if it does not wait."""
    now = state.clock.now()
    waiting = job.timeline.person_at(now - job.started_at) if job.timeline is not None else None
    if job.timeline is None or waiting is None or job.word(now) != "WAITING":
        return False
    earlier = [n for n in job.timeline.nodes if n.person and n.start < waiting.start]
    job.answers = [
        *(Answer(n.answer, n.seconds) for n in earlier),
        Answer(waiting.answer if value is None else value, now - job.started_at - waiting.start),
    ]
    _plan(state, job, job.payload or {}, None)
    return True


def end_job(state: SandboxState, job: JobRecord, word: str) -> bool:
    """Stop a job from outside with any status word; False if it was over already."""
    now = state.clock.now()
    if job.is_over(now):
        return False
    job.forced = (now, word)
    return True


def _plan(state: SandboxState, job: JobRecord, instance: dict[str, Any], script: FaultRule | None) -> None:
    definition, attempt = job.version.definition, len(job.executed_at)
    answers = tuple(job.answers)
    seed = f"{state.seed}/{job.digest}/{job.draw}"

    def make() -> Timeline:
        handle = Job(
            definition,
            id=job.id,
            title=job.title,
            seed=seed,
            time_scale=state.time_scale,
            answers=answers,
            save=lambda name, content: state.files.generate(name, content, workspace=definition.workspace),
        )
        try:
            values = read_values(definition, instance, state.files)
        except InputNodeFailure as failure:
            node = NodeRun(definition.input_node, 0.0, failure.seconds * state.time_scale, "FAILED")
            return Timeline([node], "FAILED", reason=str(failure)).close()
        except FileUnreadable as failure:
            return _fail_at_first_node(job, state.time_scale, str(failure))
        return _follow(play(handle, values), script, state.time_scale)

    if state.pool is None or _is_light(state, definition.quick, instance):
        job.timeline = make()
        return
    job.timeline = None

    async def make_elsewhere() -> None:
        timeline = await asyncio.get_running_loop().run_in_executor(state.pool, make)
        if len(job.executed_at) == attempt and tuple(job.answers) == answers:
            job.timeline = timeline
            job.not_before = state.clock.now() if math.isfinite(timeline.seconds) else 0.0

    task = asyncio.get_running_loop().create_task(make_elsewhere())
    state.plans.add(task)
    task.add_done_callback(state.plans.discard)


def _is_light(state: SandboxState, quick: bool, instance: dict[str, Any]) -> bool:
    if not quick:
        return False
    total = 0
    for entry in instance.values():
        value = entry.get("value") if isinstance(entry, dict) else None
        for url in value if isinstance(value, list) else [value]:
            stored = state.files.files.get(url) if isinstance(url, str) else None
            if stored is not None and isinstance(stored.content, bytes):
                total += len(stored.content)
    return total <= INLINE_FILE_BYTES


def _fail_at_first_node(job: JobRecord, scale: float, reason: str) -> Timeline:
    definition = job.version.definition
    first = NodeRun(definition.input_node, 0.0, INPUT_SECONDS * scale)
    name = definition.nodes[0].name if definition.nodes else definition.function.__name__
    return Timeline([first, NodeRun(name, first.end, 0.4 * scale, "FAILED")], "FAILED", reason=reason).close()


def _follow(timeline: Timeline, script: FaultRule | None, scale: float) -> Timeline:
    """Bend a timeline to what a scripted fault wants of it."""
    if script is None:
        return timeline
    if script.kind == "stuck":
        timeline.nodes = timeline.nodes[:2]
        timeline.nodes[-1].seconds, timeline.nodes[-1].person = math.inf, False
        timeline.word, timeline.outputs = "IN_PROGRESS", {}
        return timeline.close()
    if script["seconds"] is not None:
        _stretch(timeline, float(script["seconds"]) * scale)
    if script["end"] is not None and script["end"] != timeline.word:
        timeline.word, timeline.outputs = str(script["end"]), {}
        timeline.nodes[-1].status = timeline.word
    return timeline.close()


def _stretch(timeline: Timeline, seconds: float) -> None:
    """Make all nodes longer or shorter, so that the whole takes that many seconds."""
    for node in timeline.nodes:
        node.seconds = seconds if math.isinf(node.seconds) else node.seconds
    factor = seconds / (timeline.close().seconds or 1.0)
    for node in timeline.nodes:
        node.start, node.seconds = node.start * factor, node.seconds * factor
