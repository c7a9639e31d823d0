"""Every way in which the service says no: error bodies, refusals hidden in a 2xx, and how long to wait."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from html import unescape
from http import HTTPStatus
from typing import Any

from opus_nb.service.spellings import look_up, walk_wrappers

__all__ = ["inner_error", "read_error_body", "retry_after_s"]

_LONGEST_MESSAGE = 300
_FIRST_ERROR = 400
# A page is read this far; its title stands near the top.
_MOST_READ = 20_000
# No envelope has been met that is deeper.
_DEEPEST = 4


def read_error_body(status: int, content_type: str, text: str) -> tuple[str, ...]:
    """Read the server's words from the body of an answer that says no.

    Parameters
    ----------
    status : int
        The HTTP status.
    content_type : str
        The header, or ``""``; JSON, HTML and XML are recognised without it too.
    text : str
        The body.

    Returns
    -------
    tuple of str
        One entry per message, each on one line and at most 300 characters. Of a page of HTML its title and main
        heading, else its text; of the storage's XML its code and message. Of an empty body the standard phrase of
        the status. Never empty.

    Source
    ------
    Contract, section 6.1; traps T22 and T23.
    """
    body = text[:_MOST_READ].strip().lstrip("\ufeff")
    messages: tuple[str, ...] = ()
    if body.startswith(("{", "[", '"')) or "json" in content_type.lower():
        messages = _messages(_json_or_none(body))
    if not messages and body.startswith("<"):
        messages = _markup_messages(body)
    if not messages and body:
        messages = _clean([body])
    return messages or (_phrase(status),)


def inner_error(reply: Any) -> tuple[int, tuple[str, ...]] | None:
    """Find the refusal that hides in an answer whose HTTP status is 2xx.

    Parameters
    ----------
    reply : Any
        The parsed JSON of a 2xx answer.

    Returns
    -------
    tuple of (int, tuple of str), or None
        The inner status (0 where none is given) and the messages, when ``statusCode`` is 400 or more, ``success``
        is false, or an ``error`` is given. None when nothing says no. A status, results or audit reply that tells
        of a failed *job* is an answer, not a refusal, unless it has one of the first two.

    Source
    ------
    Contract, section 1.6; trap T19.
    """
    if not isinstance(reply, Mapping):
        return None
    status = _whole(look_up(reply, "statusCode"))
    if status is not None and status >= _FIRST_ERROR:
        return status, _messages(reply) or (_phrase(status),)
    error = reply.get("error")
    refused = reply.get("success") is False
    is_told = error is True or (isinstance(error, (Mapping, str, list)) and bool(error))
    if not refused and (not is_told or _tells_of_a_job(reply)):
        return None
    inside = _whole(look_up(error, "statusCode", "status", "code")) if isinstance(error, Mapping) else None
    messages = _messages(error) if is_told and error is not True else ()
    return (
        inside if inside is not None and inside >= _FIRST_ERROR else 0,
        messages or _messages(reply) or ("success is false, and no reason is given",),
    )


def retry_after_s(headers: Mapping[str, str], body: Any = None, *, now: float | None = None) -> float | None:
    """Read how long the service asks us to wait.

    Parameters
    ----------
    headers : Mapping
        Response headers; their case does not matter. ``Retry-After`` may be seconds or a date, which is compared
        with the answer's own ``Date`` where it has one, so that a wrong clock here does no harm.
    body : Any, optional
        The parsed JSON: ``metadata.retryAfterSeconds``, which may be 0.
    now : float, optional
        Unix seconds; the clock of this machine by default.

    Returns
    -------
    float or None
        Seconds, never negative; None when nothing was asked. The header wins over the body.

    Source
    ------
    Contract, section 6.1, status 429.
    """
    lowered = {str(key).lower(): value for key, value in headers.items()}
    given = lowered.get("retry-after")
    wait = _seconds(given)
    if wait is None and isinstance(given, str) and (until := _http_date(given)) is not None:
        sent = _http_date(lowered.get("date", ""))
        here = time.time() if now is None else now
        wait = max(0.0, until - (here if sent is None else sent))
    if wait is None:
        for level in walk_wrappers(body, ("metadata", "error", "data"), levels=2):
            wait = _seconds(look_up(level, "retryAfterSeconds", "retryAfter"))
            if wait is not None:
                break
    return wait


def _tells_of_a_job(reply: Mapping[str, Any]) -> bool:
    keys = ("status", "state", "results", "jobResultsPayloadSchema", "auditTrail", "audit", "executedNodes")
    return any(look_up(reply, key) is not None for key in keys)


def _messages(body: Any, depth: int = 0) -> tuple[str, ...]:
    """Return the messages of a parsed error body: text, a list, an object, or one inside the other."""
    if isinstance(body, str):
        return _clean([body])
    if depth > _DEEPEST or body is None:
        return ()
    if isinstance(body, list):
        found = [message for each in body for message in _messages(each, depth + 1)]
        return tuple(dict.fromkeys(found))
    if not isinstance(body, Mapping):
        return _clean([json.dumps(body)])
    if isinstance(text := body.get("msg"), str):
        place = body.get("loc")
        lead = ".".join(str(each) for each in place) if isinstance(place, list) else ""
        return _clean([f"{lead}: {text}" if lead else text])
    for key in ("message", "messages", "errors", "error", "detail", "reason", "title"):
        if (inner := body.get(key)) is not None and (found_inside := _messages(inner, depth + 1)):
            return found_inside
    if constraints := look_up(body, "constraints"):
        return _messages(list(constraints.values()) if isinstance(constraints, Mapping) else constraints, depth + 1)
    plain = [
        f"{key}: {value}"
        for key, value in body.items()
        if isinstance(value, (str, int, float)) and key not in {"statusCode", "success"}
    ]
    return _clean([", ".join(plain)])


def _markup_messages(text: str) -> tuple[str, ...]:
    bare = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->", " ", text)
    if "<html" not in bare.lower() and "<!doctype" not in bare.lower():
        named = [_inside(bare, "Code"), _inside(bare, "Message")]
        if any(named):
            return _clean([": ".join(each for each in named if each)])
    headings = _clean([_inside(bare, "title"), _inside(bare, "h1")])
    return headings or _clean([_strip_tags(bare)])


def _inside(text: str, tag: str) -> str:
    match = re.search(rf"(?is)<{tag}\b[^>]*>(.*?)</{tag}\s*>", text)
    return _strip_tags(match.group(1)) if match else ""


def _strip_tags(text: str) -> str:
    return unescape(re.sub(r"(?s)<[^>]*>", " ", text))


def _clean(messages: list[str]) -> tuple[str, ...]:
    lines = (" ".join(each.split()) for each in messages)
    cut = (each if len(each) <= _LONGEST_MESSAGE else f"{each[: _LONGEST_MESSAGE - 1]}…" for each in lines)
    return tuple(dict.fromkeys(each for each in cut if each))


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP {status}"


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _http_date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
