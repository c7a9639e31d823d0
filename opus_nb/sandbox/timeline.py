"""One execution of a workflow in sandbox time: which node ran when, how it ended, what it answered.

A function is called once, at once; its nodes only say how long they take. What a client sees at any moment is then
read off the timeline, so that a hundred thousand sleeping jobs need neither a task nor a timer.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from opus_nb.sandbox.definition import Node, WorkflowDefinition

INPUT_SECONDS = 0.003
OUTPUT_SECONDS = 0.002

NodeOutput = Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None
FileSaver = Callable[[str, "bytes | str | Callable[[], bytes]"], str]


@dataclass(slots=True)
class NodeRun:
    """One node that ran: offsets in seconds from the start of the execution."""

    name: str
    start: float
    seconds: float
    status: str = "COMPLETED"
    output: NodeOutput = None
    person: bool = False
    answer: Any = None

    @property
    def end(self) -> float:
        """When it ended; infinite while it waits for an answer that nobody promised."""
        return self.start + self.seconds


@dataclass(slots=True)
class Timeline:
    """All nodes of one execution, the status word at its end, and what it answered."""

    nodes: list[NodeRun]
    word: str = "COMPLETED"
    outputs: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0

    def close(self) -> Timeline:
        """Fix the total from the last node's end."""
        self.seconds = max((node.end for node in self.nodes), default=0.0)
        return self

    def person_at(self, offset: float) -> NodeRun | None:
        """Find the node at which a person is being waited for, if any."""
        for node in self.nodes:
            if node.person and node.start <= offset < node.end:
                return node
        return None


@dataclass(frozen=True)
class Answer:
    """What a person said, and how many seconds after the node began."""

    value: Any
    seconds: float


class _Ended(Exception):
    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class _Waiting(Exception):
    pass


class Job:
    """What a workflow function holds of the job it runs in, if its first parameter is called ``job``.

    Attributes
    ----------
    id : str
        The job's number.
    title : str
        The title the client gave.
    random : random.Random
        A generator seeded by the sandbox's seed and the payload: the same payload draws the same numbers.
    """

    def __init__(
        self,
        definition: WorkflowDefinition,
        *,
        id: str,
        title: str,
        seed: str,
        time_scale: float,
        answers: Sequence[Answer],
        save: FileSaver,
    ) -> None:
        self.id = id
        self.title = title
        self._definition = definition
        self._declared = {node.name: node for node in definition.nodes}
        self._seed = seed
        self._durations = random.Random(f"{seed}/durations")
        self._scale = time_scale
        self._answers = answers
        self._asked = 0
        self._save = save
        self._random: random.Random | None = None
        self._end = INPUT_SECONDS * time_scale
        self._runs = [NodeRun(definition.input_node, 0.0, self._end)]

    @property
    def random(self) -> random.Random:
        """The generator for the function's own draws."""
        if self._random is None:
            self._random = random.Random(f"{self._seed}/function")
        return self._random

    def node(
        self,
        name: str,
        *,
        seconds: float | None = None,
        spread: float | None = None,
        beside: str | None = None,
        output: NodeOutput = None,
    ) -> None:
        """Say that the job passes a node.

        Parameters
        ----------
        name : str
            A declared node, or a new one.
        seconds : float, optional
            The median of its duration; left out, what the node was declared with, else 1.
        spread : float, optional
            Sigma of the lognormal scatter; left out, the workflow's.
        beside : str, optional
            Start together with that node, not after all earlier ones.
        output : mapping or callable, optional
            What the audit shows as the node's output. A callable is asked only when someone reads the audit.
        """
        declared = self._declared.get(name)
        if seconds is None:
            seconds = declared.seconds if declared is not None else 1.0
        if beside is None and declared is not None:
            beside = declared.beside
        start = next((run.start for run in self._runs if run.name == beside), self._end)
        self._append(NodeRun(name, start, self._scatter(seconds, spread), output=output))

    def person(self, name: str, *, seconds: float | None = None, answer: Any = None) -> Any:
        """Wait for a person at a node: the job is WAITING until someone answers.

        Parameters
        ----------
        name : str
            The node.
        seconds : float, optional
            After how long a pretended person gives `answer`. Left out, what the node was declared with, else 60;
            ``math.inf`` waits for `Sandbox.answer` however long it takes.
        answer : object
            What the pretended person says.

        Returns
        -------
        object
            What was answered.
        """
        declared = self._declared.get(name)
        if seconds is None:
            seconds = declared.seconds if declared is not None else 60.0
        place, self._asked = self._asked, self._asked + 1
        if place < len(self._answers):
            given = self._answers[place]
            self._append(NodeRun(name, self._end, given.seconds, person=True, answer=given.value))
            return given.value
        if math.isinf(seconds):
            self._append(NodeRun(name, self._end, math.inf, person=True))
            raise _Waiting
        self._append(NodeRun(name, self._end, self._scatter(seconds, None), person=True, answer=answer))
        return answer

    def chance(self, probability: float) -> bool:
        """Draw yes with the given probability, alike for alike payloads."""
        return self.random.random() < probability

    def save(self, name: str, content: bytes | str | Callable[[], bytes]) -> str:
        """Keep a file that the job has made, and return its ``fileUrl``.

        A callable makes the bytes when somebody downloads them.
        """
        return self._save(name, content)

    def end(self, word: str) -> NoReturn:
        """End the job here with any status word: ``"TIMED_OUT"``, ``"STOPPED"``, one of your own."""
        raise _Ended(word)

    def fail(self) -> NoReturn:
        """End the job here as FAILED."""
        raise _Ended("FAILED")

    def _append(self, run: NodeRun) -> None:
        self._runs.append(run)
        self._end = max(self._end, run.end)

    def _scatter(self, seconds: float, spread: float | None) -> float:
        sigma = self._definition.spread if spread is None else spread
        factor = math.exp(sigma * self._durations.gauss(0.0, 1.0)) if sigma else 1.0
        return seconds * factor * self._scale

    def _pass_declared_nodes(self) -> None:
        definition = self._definition
        fallback = Node(definition.function.__name__.replace("_", " ").capitalize(), seconds=definition.seconds)
        for node in definition.nodes or (fallback,):
            if node.person:
                self.person(node.name, seconds=node.seconds)
            else:
                self.node(node.name, seconds=node.seconds, beside=node.beside)

    def _play(self, values: Mapping[str, Any]) -> Timeline:
        definition = self._definition
        timeline = Timeline(self._runs)
        try:
            answered = definition.function(self, **values) if definition.takes_job else definition.function(**values)
            if len(self._runs) == 1:
                self._pass_declared_nodes()
            timeline.outputs = _name_outputs(definition, answered)
        except _Waiting:
            return timeline.close()
        except _Ended as ended:
            timeline.word = ended.word
        except Exception as error:
            timeline.word = "FAILED"
            timeline.reason = f"{type(error).__name__}: {error}"
        if timeline.word != "COMPLETED":
            if len(self._runs) == 1:
                self._pass_declared_nodes()
            self._runs[-1].status = "FAILED" if timeline.word in ("FAILED", "ERROR") else timeline.word
            return timeline.close()
        if definition.failure_rate and self._durations.random() < definition.failure_rate:
            return self._break(timeline)
        self._append(NodeRun(definition.output_node, self._end, OUTPUT_SECONDS * self._scale))
        return timeline.close()

    def _break(self, timeline: Timeline) -> Timeline:
        candidates = [run for run in self._runs[1:] if not run.person]
        broken = self._durations.choice(candidates or self._runs)
        broken.seconds *= self._durations.random()
        broken.status = "FAILED"
        timeline.nodes = [run for run in self._runs if run.start <= broken.start]
        for run in timeline.nodes:
            run.seconds = run.seconds if run.end <= broken.end or run is broken else broken.end - run.start
        timeline.word, timeline.outputs, timeline.reason = "FAILED", {}, "the failure rate drew this job"
        return timeline.close()


def play(job: Job, values: Mapping[str, Any]) -> Timeline:
    """Run the workflow's function and give the timeline it makes."""
    return job._play(values)


def _name_outputs(definition: WorkflowDefinition, answered: Mapping[str, Any]) -> dict[str, Any]:
    if definition.results_shape == "free":
        return dict(answered)
    names = definition.output_names
    unknown = [key for key in answered if key not in names]
    if unknown:
        raise KeyError(f"the function returned {unknown}, which are no outputs of {definition.name!r}")
    return {names[key]: value for key, value in answered.items()}
