"""One request as the endpoints see it, and what they answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from http import HTTPStatus
from typing import Any

from opus_nb.sandbox.faults import FaultRule
from opus_nb.sandbox.jobs import Family


@dataclass(slots=True)
class Reply:
    """A status, a body and what goes into the headers."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """An answer of 4xx or 5xx, in the envelope the service uses.

    `message` is a string or a list of strings, as it happens to be for that error.
    """

    def __init__(self, status: int, message: str | list[str]) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


@dataclass(slots=True)
class Call:
    """One request to a known endpoint.

    `job_id` is whatever stands in the path where an id belongs, a workflow's too. `spoiled` says that a fault will
    keep the answer from arriving.
    """

    endpoint: str
    family: Family
    method: str
    path: str
    base_url: str
    job_id: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    now: float
    fault: FaultRule | None = None
    spoiled: bool = False

    def read_json(self) -> dict[str, Any]:
        """Read the body as a JSON object; an empty body is an empty object."""
        if not self.body:
            return {}
        try:
            value = json.loads(self.body, parse_constant=_refuse_constant)
        except ValueError as error:
            raise Refusal(400, f"Unexpected token in JSON: {error}") from None
        if not isinstance(value, dict):
            raise Refusal(400, "Expected a JSON object")
        return value

    def read_number(self, name: str, default: int) -> int:
        """Read a whole number from the query."""
        text = self.query.get(name, "")
        if not text:
            return default
        try:
            return max(0, int(text))
        except ValueError:
            raise Refusal(400, [f"{name} must be an integer number"]) from None


def send_json(value: object, *, status: int = 200) -> Reply:
    """Answer with JSON."""
    return Reply(status, write_json(value))


def write_json(value: object) -> bytes:
    """JSON as the service writes it: no spaces, dates in ISO, letters as they are."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)
    return text.encode("utf-8", errors="replace")


def send_refusal(refusal: Refusal, *, path: str, now: float) -> Reply:
    """Answer in the error envelope."""
    status = refusal.status
    envelope = {
        "statusCode": status,
        "message": refusal.message,
        "timestamp": iso_time(now),
        "path": path,
        "error": HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error",
    }
    return send_json(envelope, status=status)


def send_html(status: int, title: str) -> Reply:
    """Answer with the page a proxy in front of the service would show."""
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
    return Reply(status, f"{page}<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n".encode(), "text/html")


def send_xml(status: int, code: str, message: str) -> Reply:
    """Answer as the object store does."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(status, body.encode(), "application/xml")


def iso_time(moment: float) -> str:
    """Write a moment as the service does: UTC, milliseconds, Z."""
    stamp = datetime.fromtimestamp(moment, tz=timezone.utc)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{stamp.microsecond // 1000:03d}Z"


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _plain(value: object) -> object:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    url = getattr(value, "url", None)
    return url if isinstance(url, str) else str(value)
