"""An Opus on this machine: a real HTTP server on loopback that behaves as the service is met in the wild.

It serves every generation of the API from workflows that are plain Python functions, computes real results from real
inputs and uploaded bytes, takes time, waits for people, fails now and then, misbehaves on request, and keeps books
that a test can ask. Any client can be pointed at it; the key is the word ``sandbox``.

Start one and talk to it
------------------------
>>> import json, urllib.request
>>> from opus_nb.sandbox import Sandbox
>>> def ask(url, **body):
...     data = json.dumps(body).encode() if body else None
...     headers = {"x-service-key": "sandbox", "content-type": "application/json"}
...     return json.load(urllib.request.urlopen(urllib.request.Request(url, data, headers)))
>>> with Sandbox(time_scale=0.01) as opus:
...     first = ask(opus.base_url + "/workflow/private")["workflows"][0]
...     job = ask(opus.base_url + "/job/initiate", workflowId=first["workflowId"], title="Row 1")
...     said = ask(opus.base_url + "/job/" + job["jobExecutionId"] + "/status")
...     shells = opus.books()["orphan_shells"]
>>> first["workflowId"], said["status"], shells
('B9uGJfZ3CFwOdMKH', 'PENDING', 1)

What it serves
--------------
`opus_nb.sandbox.workflows` holds the default ones and their ids: all eight input types of the quickstart
(``QUICKSTART_ID``), a claim triage with branches, node audits and one failure in twenty (``CLAIM_TRIAGE_ID``), the
plain graph (``DOSSIER_ID``), a purchase that waits for a person (``PURCHASE_APPROVAL_ID``), and a vendor's onboarding
under ``/api/v1`` only (``VENDOR_ONBOARDING_ID``). Four oddities answer by id without being listed: ``INACTIVE_ID``,
``NO_INPUTS_ID``, ``NO_SCHEMA_ID`` and ``RETIRED_ID``. `SandboxOptions` lists the habits that can be switched, such as
what a second execute does.

Define a workflow
-----------------
>>> from opus_nb.sandbox import Input, Node, Output, workflow
>>> @workflow(
...     "Word count",
...     inputs=[Input("Letter", "file", allowed=["TXT", "PDF"]), Input("Limit", "int", required=False, default=100)],
...     outputs=[Output("Words", "int"), Output("Verdict")],
...     nodes=[Node("Read the letter", seconds=1.5), Node("Ask the editor", seconds=30, person=True)],
... )
... def word_count(job, letter, limit):
...     job.node("Read the letter", output={"characters": len(letter.text())})
...     words = len(letter.words())
...     if words > limit and not job.person("Ask the editor", answer=True):
...         return {"Words": words, "Verdict": "too long"}
...     return {"Words": words, "Verdict": "fine"}
>>> sandbox = Sandbox([word_count], time_scale=0.1)

A function without the parameter ``job`` passes its nodes in order. What it raises makes the job fail.

Make it misbehave, and ask what happened
----------------------------------------
>>> rule = sandbox.fault("execute", "lost_after", times=1)
>>> rule = sandbox.fault("status", "error", status=502, html=True, probability=0.1)
>>> sandbox.advance(3600)
>>> sandbox.books(summary=True)["executions"]
0

The same over HTTP, without a key: ``GET /__sandbox__/books[?summary=1]``, ``GET``, ``POST``, ``DELETE
/__sandbox__/faults``, ``POST /__sandbox__/jobs/{id}/answer`` and ``/end``, ``POST /__sandbox__/clock``, ``GET``, ``POST
/__sandbox__/options``, ``GET /__sandbox__/workflows``, ``POST /__sandbox__/reset``.

Importing this package loads next to nothing; a module comes with the first of its names that is used, starlette and
uvicorn with `Sandbox.start`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opus_nb.sandbox.definition import Input, Node, Output, WorkflowDefinition, workflow
    from opus_nb.sandbox.documents import UploadedFile
    from opus_nb.sandbox.faults import FaultRule
    from opus_nb.sandbox.server import Sandbox, serve_forever
    from opus_nb.sandbox.state import SandboxOptions
    from opus_nb.sandbox.timeline import Job

__all__ = [
    "FaultRule",
    "Input",
    "Job",
    "Node",
    "Output",
    "Sandbox",
    "SandboxOptions",
    "UploadedFile",
    "WorkflowDefinition",
    "serve_forever",
    "workflow",
]

_HOMES = {
    "definition": ("Input", "Node", "Output", "WorkflowDefinition", "workflow"),
    "documents": ("UploadedFile",),
    "faults": ("FaultRule",),
    "server": ("Sandbox", "serve_forever"),
    "state": ("SandboxOptions",),
    "timeline": ("Job",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            globals()[name] = found = getattr(import_module(f"{__name__}.{home}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
