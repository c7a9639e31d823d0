"""Workflows that are odd on purpose. They answer by id and are not listed."""

from __future__ import annotations

from typing import Any

from opus_nb.sandbox.definition import Input, Output, derive_uuid, workflow

INACTIVE_ID = derive_uuid("workflow/Not active")
NO_INPUTS_ID = "N0inPuTsAtAll000"
NO_SCHEMA_ID = derive_uuid("workflow/No schema")
RETIRED_ID = "V1rEt1rEdL0nGaGo"


@workflow(
    "Not active",
    id=INACTIVE_ID,
    inputs=[Input("Text")],
    outputs=[Output("Echo")],
    active=False,
    listed=False,
    seconds=0.5,
    quick=True,
)
def not_active(text: str) -> dict[str, Any]:
    """Its details can be read, but `initiate` refuses."""
    return {"Echo": text}


@workflow(
    "No inputs",
    id=NO_INPUTS_ID,
    generation="v1",
    outputs=[Output("Number", "int")],
    listed=False,
    seconds=0.5,
    quick=True,
)
def no_inputs() -> dict[str, Any]:
    """Asks for nothing: ``jobPayloadSchema`` is an empty object, which is right."""
    return {"Number": 42}


@workflow(
    "No schema",
    id=NO_SCHEMA_ID,
    inputs=[Input("Text")],
    outputs=[Output("Echo")],
    hides_schema=True,
    listed=False,
    seconds=0.5,
    quick=True,
)
def no_schema(text: str) -> dict[str, Any]:
    """Its details hold no schema anywhere, which must not be taken for having no inputs."""
    return {"Echo": text}


@workflow(
    "Retired",
    id=RETIRED_ID,
    generation="v1",
    inputs=[Input("Text")],
    outputs=[Output("Echo")],
    retired=True,
    listed=False,
    quick=True,
)
def retired(text: str) -> dict[str, Any]:
    """Stand for the 16-letter ids from before the change: details answer 500, `initiate` wants a UUID."""
    return {"Echo": text}


ODDITIES = (not_active, no_inputs, no_schema, retired)
