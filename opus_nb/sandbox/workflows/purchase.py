"""Purchase approval: a person has to say yes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opus_nb.sandbox.definition import Input, Node, Output, derive_uuid, workflow
from opus_nb.sandbox.documents import UploadedFile
from opus_nb.sandbox.timeline import Job

PURCHASE_APPROVAL_ID = derive_uuid("workflow/Purchase approval")


@workflow(
    "Purchase approval",
    id=PURCHASE_APPROVAL_ID,
    generation="v2",
    description="Compares the quotes for a purchase and waits until a person approves or declines it.",
    industry="Procurement",
    inputs=[
        Input("Item", "str"),
        Input("Amount", "float"),
        Input("Cost centre", "str", options=["Research", "Production", "Sales"], required=False, default="Production"),
        Input("Needed by", "date", required=False, date_format="%Y-%m-%d"),
        Input("Quotes", "array", item="file", required=False),
    ],
    outputs=[
        Output("Approved", "bool"),
        Output("Comment", "str"),
        Output("Order number", "str"),
        Output("Best quote", "str"),
    ],
    nodes=[
        Node("Compare quotes", seconds=0.8),
        Node("Approve the purchase", seconds=60, person=True),
        Node("Place the order", seconds=0.6),
    ],
    spread=0.3,
    price=0.04,
    quick=True,
)
def purchase_approval(
    job: Job,
    item: str,
    amount: float,
    cost_centre: str,
    needed_by: Any,
    quotes: Sequence[UploadedFile] | None,
) -> dict[str, Any]:
    """Compare, ask, order."""
    smallest = min(quotes or (), key=lambda quote: quote.size, default=None)
    best = smallest.name if smallest is not None else ""
    job.node("Compare quotes", output={"quotes": len(quotes or ()), "best": best})
    approved = amount <= 5000
    said = job.person(
        "Approve the purchase",
        answer={"approved": approved, "comment": "within budget" if approved else "too expensive"},
    )
    answer = said if isinstance(said, Mapping) else {"approved": bool(said)}
    comment = str(answer.get("comment", ""))
    if not answer.get("approved"):
        return {"Approved": False, "Comment": comment, "Best quote": best}
    job.node("Place the order")
    number = f"{cost_centre[:1].upper()}-{job.random.randint(10_000, 99_999)}"
    return {"Approved": True, "Comment": comment, "Order number": number, "Best quote": best}
