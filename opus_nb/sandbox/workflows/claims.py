"""Claim triage: an insurer reads a claim form and its evidence, and pays, refers or rejects."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from opus_nb.sandbox.definition import Input, Node, Output, workflow
from opus_nb.sandbox.documents import UploadedFile, make_pdf
from opus_nb.sandbox.timeline import Job

CLAIM_TRIAGE_ID = "C7mTqZ4LxNe2RwPa"

_LINES = {"Motor": 0.15, "Household": 0.10, "Travel": 0.20, "Liability": 0.35}
_SUSPICIOUS = ("cash", "no receipt", "lost again", "urgent transfer", "unknown person")
_SAMPLE_FORM = "https://files.opus.com/media/private/uploaded/media_0d5a5d0e-1f5b-4d3f-8e57-3d1f0c6f2b11.pdf"


@workflow(
    "Claim triage",
    id=CLAIM_TRIAGE_ID,
    generation="v1",
    description="Reads a claim form and the evidence, checks the policy, and settles, refers or rejects the claim.",
    industry="Insurance",
    inputs=[
        Input("Claim reference", "str", name="claim_reference", description="The number on the form"),
        Input("Line of business", "str", name="line_of_business", options=list(_LINES), default="Household"),
        Input("Claimed amount", "float", name="claimed_amount", description="In the policy's currency"),
        Input("Date of loss", "date", name="date_of_loss", date_format="%Y-%m-%d"),
        Input("Claim form", "file", name="claim_form", allowed=["PDF", "DOCX", "TXT"], default=_SAMPLE_FORM),
        Input("Evidence", "array_files", name="evidence", required=False, description="Photos, receipts, lists"),
        Input("Number of items", "int", name="number_of_items", required=False, default=1),
        Input(
            "Policy", "object", name="policy",
            fields=[
                Input("Policy number", "str", name="number"),
                Input("Limit", "float", name="limit"),
                Input("Deductible", "float", name="deductible", required=False),
            ],
            description="What the policy covers",
        ),
        Input("Earlier claims", "array", name="earlier_claims", item=Input("Amount", "float"), required=False),
        Input("Police informed", "bool", name="police_informed", required=False, default=False),
        Input("Broker data", "json_string", name="broker_data", required=False, description="JSON from the broker"),
        Input("Remarks", "str", name="remarks", required=False, default=""),
    ],
    outputs=[
        Output("Decision", "str", name="decision"),
        Output("Risk score", "float", name="risk_score"),
        Output("Payout", "float", name="payout"),
        Output("Reasons", "array", name="reasons", item="str"),
        Output("Breakdown", "object", name="breakdown"),
        Output("Extracted", "json_string", name="extracted"),
        Output("Settlement letter", "file", name="settlement_letter"),
        Output("Questions", "array", name="questions", item="str"),
        Output("Answer by", "date", name="answer_by"),
    ],
    nodes=[
        Node("Read claim form", seconds=1.8),
        Node("Read evidence", seconds=1.1, beside="Read claim form"),
        Node("Check policy", seconds=0.5),
        Node("Score risk", seconds=0.9),
        Node("Settle automatically", seconds=0.7),
        Node("Refer to an adjuster", seconds=1.6),
        Node("Reject", seconds=0.3),
    ],
    seconds=4.2,
    spread=0.5,
    failure_rate=0.05,
    price=0.25,
    estimation="workflow",
    quick=True,
)  # fmt: skip
def claim_triage(
    job: Job,
    claim_reference: str,
    line_of_business: str,
    claimed_amount: float,
    date_of_loss: date,
    claim_form: UploadedFile,
    evidence: Sequence[UploadedFile] | None,
    number_of_items: int,
    policy: Mapping[str, Any],
    earlier_claims: Sequence[float] | None,
    police_informed: bool,
    broker_data: Any,
    remarks: str,
) -> dict[str, Any]:
    """Triage a claim: read, check, score, then one of three branches."""
    words = len(claim_form.words())
    content = claim_form.bytes
    job.node("Read claim form", output=lambda: {"words": words, "scan": base64.b64encode(content).decode()})
    found = _read_evidence(evidence or ())
    job.node("Read evidence", output=found)
    limit, deductible = float(policy.get("limit") or 0), float(policy.get("deductible") or 0)
    payable = round(max(0.0, min(claimed_amount, limit or claimed_amount) - deductible), 2)
    job.node("Check policy", output={"payable": payable, "limit": limit})
    text = f"{claim_form.text()} {remarks}".lower()
    doubts = [phrase for phrase in _SUSPICIOUS if phrase in text]
    earlier = len(earlier_claims or ())
    risk = _LINES.get(line_of_business, 0.25) + 0.12 * len(doubts) + 0.05 * earlier + min(0.3, claimed_amount / 50_000)
    risk = round(min(1.0, max(0.0, risk - (0.05 if police_informed else 0.0) - 0.02 * found["files"])), 3)
    job.node("Score risk", output={"risk": risk, "doubts": doubts})
    extracted = {
        "reference": claim_reference,
        "words": words,
        "mentions_reference": claim_reference.lower() in text,
        "broker": broker_data,
    }
    answer: dict[str, Any] = {
        "Risk score": risk,
        "Reasons": [f"the form says {phrase!r}" for phrase in doubts],
        "Breakdown": {"claimed": claimed_amount, "deductible": deductible, "items": number_of_items, "evidence": found},
        "Extracted": f"```json\n{json.dumps(extracted)}\n```",
    }
    if claimed_amount <= 0 or (limit and claimed_amount > 20 * limit):
        job.node("Reject")
        return answer | {"Decision": "rejected", "Payout": 0.0}
    if risk >= 0.5 or claimed_amount > 10_000:
        job.node("Refer to an adjuster")
        questions = [f"What does {phrase!r} mean?" for phrase in doubts] or ["Is the amount plausible?"]
        return answer | {
            "Decision": "referred",
            "Questions": questions,
            "Answer by": date_of_loss + timedelta(days=30),
        }
    job.node("Settle automatically")
    lines = [f"Claim {claim_reference}", f"We pay {payable:.2f} for {number_of_items} item(s)."]
    letter = job.save(f"settlement-{claim_reference}.pdf", lambda: make_pdf(lines))
    return answer | {"Decision": "settled", "Payout": payable, "Settlement letter": letter}


def _read_evidence(files: Sequence[UploadedFile]) -> dict[str, Any]:
    pictures = [size for size in (file.picture_size() for file in files) if size is not None]
    return {
        "files": len(files),
        "bytes": sum(file.size for file in files),
        "receipts_total": round(sum(file.numbers_total() for file in files if file.extension == "csv"), 2),
        "pixels": sum(width * height for width, height in pictures),
        "words": sum(len(file.words()) for file in files),
    }
