"""All eight input types of the quickstart, with the quickstart's own names, answered in the quickstart's shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from opus_nb.sandbox.definition import Input, Node, Output, workflow
from opus_nb.sandbox.documents import UploadedFile, make_pdf
from opus_nb.sandbox.timeline import Job

QUICKSTART_ID = "B9uGJfZ3CFwOdMKH"


@workflow(
    "All input types",
    id=QUICKSTART_ID,
    generation="v1",
    description="Takes one value of every kind, reads the files, and scores how complete the request is.",
    industry="Operations",
    inputs=[
        Input("TextInput", "str", name="workflow_input_we4tej0ly", description="A name or a note"),
        Input("NumberInput", "float", name="workflow_input_a0hk6ujuo", description="An amount; above 0 scores"),
        Input("FileInput(Single)", "file", name="workflow_input_h69vx5i4a", description="The main document"),
        Input("BoolInput", "bool", name="workflow_input_m2z6rkzgj", description="Whether it is urgent"),
        Input("ListInput", "array", name="workflow_input_2kbsjrx1y", description="The people concerned"),
        Input("ObjectInput", "object", name="workflow_input_bzti690ga", description="Anything else, by key"),
        Input("DateInput", "date", name="workflow_input_k3ayfjyh7", description="The day it is due"),
        Input("FileInput(Multiple)", "array_files", name="workflow_input_auqgnzk8d", description="Supporting papers"),
    ],
    outputs=[Output("summary"), Output("outputFiles", "array_files"), Output("data", "object")],
    nodes=[
        Node("File validated and processed", seconds=1.2),
        Node("Supporting documents read", seconds=0.8),
        Node("Request scored", seconds=0.6),
        Node("Report written", seconds=0.9),
    ],
    spread=0.4,
    price=0.08,
    results_shape="free",
    audit_shape="trail",
    quick=True,
)
def all_input_types(
    job: Job,
    text_input: str,
    number_input: float,
    file_input_single: UploadedFile,
    bool_input: bool,
    list_input: Sequence[Any],
    object_input: Mapping[str, Any],
    date_input: date,
    file_input_multiple: Sequence[UploadedFile],
) -> dict[str, Any]:
    """Score a request by what it brings."""
    job.node("File validated and processed")
    words = len(file_input_single.words())
    job.node("Supporting documents read")
    files = [file_input_single, *file_input_multiple]
    size = sum(file.size for file in files)
    job.node("Request scored")
    points = [
        (20, bool(text_input.strip()), "the text is empty"),
        (20, number_input > 0, "the number is not above 0"),
        (20, file_input_single.size > 0, "the main document is empty"),
        (15, bool(list_input), "nobody is listed"),
        (15, bool(object_input), "the object has no keys"),
        (10, date_input.year >= 2000, "the date lies before 2000"),
    ]
    score = sum(worth for worth, met, _ in points if met)
    missing = [problem for _, met, problem in points if not met]
    verdict = "PASS" if score >= 80 else "REVIEW" if score >= 50 else "FAIL"
    job.node("Report written")
    report = [
        f"Report on {text_input}",
        f"Verdict {verdict}, score {score} of 100",
        f"{len(files)} files, {size} bytes, {words} words in {file_input_single.name}",
        f"Due {date_input.isoformat()}",
    ]
    urgency = "urgent" if bool_input else "routine"
    return {
        "summary": f"{text_input}: {len(files)} files with {size} bytes read for {len(list_input)} people, {urgency}.",
        "outputFiles": [job.save("report.pdf", lambda: make_pdf(report))],
        "data": {
            "score": score,
            "verdict": verdict,
            "comments": "; ".join(missing) or "All documents validated successfully.",
            "words": words,
            "bytes": size,
            "amount": round(number_input, 2),
            "keys": sorted(object_input),
        },
    }
