"""What a workflow is, as the person who defines one sees it: inputs, outputs, nodes and a plain function."""

from __future__ import annotations

import hashlib
import inspect
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Generation = Literal["v1", "v2", "cases"]
StatusStyle = Literal["spaced", "underscored", "lower"]
ResultsShape = Literal["schema", "free", "list", "nested", "data", "top_data", "bare", "fenced", "flat"]
AuditShape = Literal["trail", "nodes_v1", "nodes_v2", "case"]
EstimationShape = Literal["execution", "workflow", "none"]

FILE_KINDS = ("JPEG", "PNG", "JPG", "PDF", "DOCX", "CSV", "XLS", "XLSX", "TXT", "JSON", "HTML", "XML")
HOME_WORKSPACE = "b7f4c1de-5a0e-4c5e-9d58-1f6a0c2f7a11"
_UUID_ROOT = uuid.UUID("6f1d0c55-2f0b-4a86-8f2e-0d6b8a7c9e10")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SMALL_LETTERS = _LETTERS[26:]


def derive_letters(text: str, length: int, alphabet: str = _LETTERS) -> str:
    """Spell `length` letters that depend on `text` alone."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    letters = []
    for _ in range(length):
        number, place = divmod(number, len(alphabet))
        letters.append(alphabet[place])
    return "".join(letters)


def derive_uuid(text: str) -> str:
    """Give the UUID that belongs to `text`, the same one every time."""
    return str(uuid.uuid5(_UUID_ROOT, text))


def argument_name(display_name: str) -> str:
    """Turn a label into the keyword a function takes: ``"FileInput(Single)"`` becomes ``file_input_single``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", display_name)
    name = re.sub(r"\W+", "_", spaced).strip("_").lower()
    return f"_{name}" if not name or name[0].isdigit() else name


@dataclass(frozen=True, kw_only=True)
class _Variable:
    display_name: str = field(kw_only=False)
    type: str = field(default="str", kw_only=False)
    name: str | None = None
    description: str = ""
    item: _Variable | str | None = None
    fields: Sequence[_Variable] = ()
    date_format: str | None = None

    @cached_property
    def argument(self) -> str:
        """The keyword under which the function knows this variable."""
        return argument_name(self.display_name)


@dataclass(frozen=True, kw_only=True)
class Input(_Variable):
    """One thing a workflow asks for.

    Parameters
    ----------
    display_name : str
        The label a person reads. The function gets the value as the keyword made of it: ``"Claim form"`` arrives
        as ``claim_form``.
    type : str
        ``str``, ``float``, ``int``, ``bool``, ``date``, ``array``, ``object``, ``json_string``, ``file``,
        ``array_files``, or a word of your own. In the newer generations several files are an ``array`` whose
        ``item`` is ``"file"``.
    required : bool
        False means that null, or leaving the input out, is fine; the function then gets `default`.
    name : str, optional
        The variable name on the wire. Left out, it is ``workflow_input_`` and nine letters made of the names.
    options : sequence of str
        The choices the author offers.
    default : object
        What the schema shows as the author's sample value, and what a nullable input becomes when nothing is sent.
    allowed : sequence of str
        The kinds of file the author accepts, as in ``("PDF", "PNG")``; none means all twelve.
    item, fields
        What an array holds (a type word or an `Input`) and what an object holds (several).
    also : sequence of str
        Further types that the newer generations list beside the first one.
    """

    required: bool = True
    options: Sequence[str] = ()
    default: object = None
    allowed: Sequence[str] = ()
    also: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Output(_Variable):
    """One thing a workflow answers with; a run that takes another branch may leave it out.

    The function returns it in a dict, under its label (``"Net total"``), the keyword made of it (``net_total``) or
    its variable name.
    """


@dataclass(frozen=True, kw_only=True)
class Node:
    """One step of the graph.

    Parameters
    ----------
    name : str
        The name the audit uses.
    seconds : float
        The median of its duration. Real durations scatter around it, lognormally, by the workflow's `spread`. For a
        person, ``math.inf`` waits until somebody answers.
    beside : str, optional
        Starts together with that node instead of after all earlier ones.
    person : bool
        A person works here: the job is WAITING, the node SLEEPING.
    """

    name: str = field(kw_only=False)
    seconds: float = 1.0
    beside: str | None = None
    person: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class WorkflowDefinition:
    """A workflow the sandbox can serve. Made by the decorator `workflow`, which documents the fields."""

    name: str
    function: Callable[..., Mapping[str, Any]]
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    nodes: tuple[Node, ...]
    id: str
    generation: Generation
    description: str
    industry: str
    seconds: float
    spread: float
    failure_rate: float
    queue_seconds: float
    price: float | None
    active: bool
    listed: bool
    retired: bool
    hides_schema: bool
    insists_on_callback: bool
    status_style: StatusStyle
    results_shape: ResultsShape
    audit_shape: AuditShape
    estimation: EstimationShape
    early_results: int
    workspace: str
    quick: bool
    takes_job: bool
    takes_anything: bool

    @property
    def input_node(self) -> str:
        """The name of the first node, as its generation calls it."""
        return "Workflow Input" if self.generation == "v1" else "Input"

    @property
    def output_node(self) -> str:
        """The name of the last node, as its generation calls it."""
        return "Workflow Output" if self.generation == "v1" else "Output"

    @cached_property
    def inputs_by_name(self) -> dict[str, Input]:
        """The inputs by their names on the wire, in order."""
        return {self._name("input", variable): variable for variable in self.inputs}

    @cached_property
    def outputs_by_name(self) -> dict[str, Output]:
        """The outputs by their names on the wire, in order."""
        return {self._name("output", variable): variable for variable in self.outputs}

    @cached_property
    def output_names(self) -> dict[str, str]:
        """The name on the wire for everything a function may call an output."""
        names: dict[str, str] = {}
        for name, output in self.outputs_by_name.items():
            names |= {output.display_name: name, output.argument: name, name: name}
        return names

    def _name(self, side: str, variable: _Variable) -> str:
        letters = derive_letters(f"{self.id}/{side}/{variable.display_name}", 9, _SMALL_LETTERS)
        return variable.name or f"workflow_{side}_{letters}"


def workflow(
    name: str,
    *,
    inputs: Sequence[Input] = (),
    outputs: Sequence[Output] = (),
    nodes: Sequence[Node] = (),
    generation: Generation = "v2",
    id: str | None = None,
    description: str | None = None,
    industry: str = "General",
    seconds: float | None = None,
    spread: float = 0.35,
    failure_rate: float = 0.0,
    queue_seconds: float = 0.0,
    price: float | None = None,
    active: bool = True,
    listed: bool = True,
    retired: bool = False,
    hides_schema: bool = False,
    insists_on_callback: bool = False,
    status_style: StatusStyle | None = None,
    results_shape: ResultsShape = "schema",
    audit_shape: AuditShape | None = None,
    estimation: EstimationShape = "execution",
    early_results: int | None = None,
    workspace: str = HOME_WORKSPACE,
    quick: bool = False,
) -> Callable[[Callable[..., Mapping[str, Any]]], WorkflowDefinition]:
    """Make a workflow of a plain function.

    The function gets every input as a keyword and returns its outputs in a dict. Files arrive as
    `opus_nb.sandbox.UploadedFile`. If its first parameter is called ``job`` it also gets a `opus_nb.sandbox.Job`,
    to say which nodes it passes, to ask a person, to save files and to fail. What it raises makes the job FAIL at
    the node it is in. Sandbox time costs nothing: the function runs at once and its nodes only *say* how long they
    took, so never sleep in it.

    Parameters
    ----------
    name : str
        The workflow's name in listings.
    inputs, outputs, nodes
        What it asks for, what it answers, its steps. A function that never touches ``job`` passes all nodes in
        order; without nodes there is a single one, named after the function.
    generation : {"v2", "v1", "cases"}
        Which of the platform's three generations serves it: ``jobPayloadSchema`` and 16 letters, the graph and a
        UUID on the same routes, or ``/api/v1`` only.
    id : str, optional
        16 letters or a UUID. Left out, it follows from the name.
    seconds : float, optional
        What the estimate says about one job, and how long the single node takes if there are no others. Left out, the
        sum of the nodes, or 2.
    spread : float
        Sigma of the lognormal durations; 0 makes every node take exactly its `seconds`.
    failure_rate : float
        The share of jobs in which some node fails for no reason.
    queue_seconds : float
        How long an executed job still says PENDING before its first node starts.
    price : float, optional
        What the estimate says one job costs.
    active, listed, retired, hides_schema, insists_on_callback
        Inactive workflows refuse `initiate`; unlisted ones answer only by id; for retired ones (V1) the details
        answer 500; those that hide their schema have no inputs to read; some refuse `execute` without a
        ``callbackUrl``.
    status_style : {"spaced", "underscored", "lower"}, optional
        ``IN PROGRESS`` (the default of V1), ``IN_PROGRESS`` (of the others), ``in_progress``.
    results_shape : str
        ``schema`` is what live services send, ``free`` passes the function's dict through as ``results``; the other
        words are shapes that clients have met: ``list``, ``nested``, ``data``, ``top_data``, ``bare``, ``flat`` and
        ``fenced`` (every value as JSON in a Markdown fence).
    audit_shape : {"trail", "nodes_v1", "nodes_v2", "case"}, optional
        The default follows the generation.
    estimation : {"execution", "workflow", "none"}
        Which block of the details estimates time and price.
    early_results : int, optional
        The status code of ``results`` before the end: 404, or 202.
    workspace : str
        The workspace that owns it. Files uploaded to another one cannot be opened by its jobs.
    quick : bool
        The function answers in microseconds and may run on the server's own loop instead of a worker thread.

    Examples
    --------
    >>> from opus_nb.sandbox import Input, Node, Output, workflow
    >>> @workflow(
    ...     "Greeting",
    ...     inputs=[Input("Who"), Input("Politely", "bool", required=False, default=True)],
    ...     outputs=[Output("Text")],
    ...     nodes=[Node("Think", seconds=0.5), Node("Write", seconds=1.5)],
    ... )
    ... def greeting(who, politely):
    ...     return {"Text": f"Good morning, {who}." if politely else f"Hi {who}"}
    >>> greeting.generation, len(greeting.id)
    ('v2', 36)
    """

    def define(function: Callable[..., Mapping[str, Any]]) -> WorkflowDefinition:
        parameters = list(inspect.signature(function).parameters.values())
        takes_job = bool(parameters) and parameters[0].name == "job"
        takes_anything = any(p.kind is p.VAR_KEYWORD for p in parameters)
        made_id = id or (derive_letters(name, 16) if generation == "v1" else derive_uuid(f"workflow/{name}"))
        if not takes_anything:
            named = {p.name for p in parameters[1 if takes_job else 0 :]}
            missing = [v.argument for v in inputs if v.argument not in named]
            if missing:
                raise TypeError(f"workflow {name!r}: the function has no parameter for {', '.join(missing)}")
        return WorkflowDefinition(
            name=name,
            function=function,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            nodes=tuple(nodes),
            id=made_id,
            generation=generation,
            description=description if description is not None else inspect.getdoc(function) or "",
            industry=industry,
            seconds=_expect_seconds(nodes) if seconds is None else seconds,
            spread=spread,
            failure_rate=failure_rate,
            queue_seconds=queue_seconds,
            price=price,
            active=active,
            listed=listed and generation != "cases",
            retired=retired,
            hides_schema=hides_schema,
            insists_on_callback=insists_on_callback,
            status_style=status_style or ("spaced" if generation == "v1" else "underscored"),
            results_shape=results_shape,
            audit_shape=audit_shape or _AUDIT_BY_GENERATION[generation],
            estimation=estimation,
            early_results=early_results or (202 if generation == "cases" else 404),
            workspace=workspace,
            quick=quick,
            takes_job=takes_job,
            takes_anything=takes_anything,
        )

    return define


def _expect_seconds(nodes: Sequence[Node]) -> float:
    """About how long one job takes, nodes that start together counted once and people not at all."""
    return round(sum(node.seconds for node in nodes if node.beside is None and not node.person), 3) or 2.0


_AUDIT_BY_GENERATION: dict[Generation, AuditShape] = {"v1": "nodes_v1", "v2": "nodes_v2", "cases": "case"}
