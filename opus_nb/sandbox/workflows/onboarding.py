"""Vendor onboarding: a workflow of the case family, which answers under ``/api/v1`` only."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from opus_nb.sandbox.definition import Input, Node, Output, derive_uuid, workflow
from opus_nb.sandbox.documents import UploadedFile
from opus_nb.sandbox.timeline import Job

VENDOR_ONBOARDING_ID = derive_uuid("workflow/Vendor onboarding")

_RISKY = {"high": 0.6, "medium": 0.3, "low": 0.1}


@workflow(
    "Vendor onboarding",
    id=VENDOR_ONBOARDING_ID,
    generation="cases",
    description="Checks a new vendor's registration and certificates and grades the risk.",
    industry="Procurement",
    inputs=[
        Input("Company", "str"),
        Input("Country risk", "str", options=list(_RISKY), required=False, default="low"),
        Input("Employees", "int"),
        Input("Registration", "file", allowed=["PDF", "TXT", "DOCX"]),
        Input(
            "Contact", "object",
            fields=[Input("Email", "str", name="email"), Input("Phone", "str", name="phone", required=False)],
        ),
        Input("Certificates", "array", item="file", required=False),
    ],
    outputs=[
        Output("Vendor number", "str"),
        Output("Grade", "str"),
        Output("Risk", "float"),
        Output("Checks", "object"),
    ],
    nodes=[
        Node("Read registration", seconds=1.5),
        Node("Read certificates", seconds=1.0, beside="Read registration"),
        Node("Screen sanctions lists", seconds=1.8),
        Node("Grade", seconds=0.4),
    ],
    spread=0.35,
    price=0.12,
    quick=True,
)  # fmt: skip
def vendor_onboarding(
    job: Job,
    company: str,
    country_risk: str,
    employees: int,
    registration: UploadedFile,
    contact: Mapping[str, Any],
    certificates: Sequence[UploadedFile] | None,
) -> dict[str, Any]:
    """Read, screen, grade."""
    content = registration.bytes
    named = company.lower() in registration.text().lower()
    job.node("Read registration", output=lambda: {"named": named, "scan": base64.b64encode(content).decode()})
    job.node("Read certificates", output={"certificates": len(certificates or ())})
    job.node("Screen sanctions lists")
    risk = _RISKY.get(country_risk, 0.3) + (0.0 if named else 0.2) - 0.05 * len(certificates or ())
    risk = round(min(1.0, max(0.0, risk + (0.1 if employees < 10 else 0.0))), 2)
    job.node("Grade")
    return {
        "Vendor number": f"V-{job.random.randint(100_000, 999_999)}",
        "Grade": "A" if risk < 0.25 else "B" if risk < 0.5 else "C",
        "Risk": risk,
        "Checks": {
            "named_in_registration": named,
            "email": "@" in str(contact.get("email", "")),
            "certificates": len(certificates or ()),
        },
    }
