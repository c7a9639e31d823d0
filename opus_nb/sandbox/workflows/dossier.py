"""Dossier summary: the plainest graph there is. Text and files in, text and numbers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from opus_nb.sandbox.definition import Input, Node, Output, derive_uuid, workflow
from opus_nb.sandbox.documents import UploadedFile, make_pdf
from opus_nb.sandbox.timeline import Job

DOSSIER_ID = derive_uuid("workflow/Dossier summary")


@workflow(
    "Dossier summary",
    id=DOSSIER_ID,
    generation="v2",
    description="Reads a handful of documents and says what they have to do with a question.",
    industry="Legal",
    inputs=[
        Input("Question", "str", description="What you want to know"),
        Input("Documents", "array", item="file", description="Everything that may hold the answer"),
        Input("Notes", "str", required=False, default="", description="Printed at the end of the summary"),
    ],
    outputs=[
        Output("Summary", "str"),
        Output("Words", "int"),
        Output("Relevance", "float"),
        Output("Most frequent word", "str"),
        Output("Report", "file"),
    ],
    nodes=[
        Node("Read documents", seconds=1.4),
        Node("Find passages", seconds=0.9),
        Node("Write summary", seconds=0.7),
    ],
    spread=0.3,
    price=0.05,
    estimation="workflow",
    quick=True,
)
def dossier_summary(job: Job, question: str, documents: Sequence[UploadedFile], notes: str) -> dict[str, Any]:
    """Count what the documents say about the question."""
    texts = [document.words() for document in documents]
    words = sum(len(text) for text in texts)
    size = sum(document.size for document in documents)
    job.node("Read documents", output={"documents": len(documents), "words": words, "bytes": size})
    asked = {word.strip(".,;:?!").lower() for word in question.split() if len(word) > 3}
    hits = sum(word.lower() in asked for text in texts for word in text)
    job.node("Find passages", output={"hits": hits})
    frequent = Counter(word.lower() for text in texts for word in text if len(word) > 3).most_common(1)
    job.node("Write summary")
    summary = f"{len(documents)} documents, {words} words, {hits} of them in the question: {question}"
    if notes:
        summary += f" ({notes})"
    return {
        "Summary": summary,
        "Words": words,
        "Relevance": round(hits / words, 4) if words else 0.0,
        "Most frequent word": frequent[0][0] if frequent else "",
        "Report": job.save("summary.pdf", lambda: make_pdf([summary])),
    }
