"""Presigned addresses, and the object store behind them."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

from opus_nb.sandbox.definition import FILE_KINDS
from opus_nb.sandbox.replies import Call, Refusal, Reply, send_html, send_json, send_xml
from opus_nb.sandbox.state import SandboxState
from opus_nb.sandbox.uploads import MAX_FILE_BYTES, StoredFile, Ticket

BUCKET = "appliedai-opus-x1"
_SCOPES = {"jobs": ("all", "user", "workspace", "organization", "unlisted"), "cases": ("workspace", "unlisted")}


def upload(state: SandboxState, call: Call) -> Reply:
    """Give an address to PUT one file to, and the identifier it will have."""
    body = call.read_json()
    extension, workspace = _check_upload(state, call, body)
    name = body.get("originalName")
    stored = state.files.reserve(extension, name=name if isinstance(name, str) else None, workspace=workspace)
    lifetime = state.options.upload_expiry_s
    if call.fault is not None and call.fault.kind == "expired":
        lifetime = -1.0
    ticket = state.files.issue(stored.url, now=call.now, seconds=lifetime, signed_headers=state.options.signed_headers)
    return send_json({"presignedUrl": _sign(call, stored, ticket), "fileUrl": stored.url}, status=201)


def _check_upload(state: SandboxState, call: Call, body: dict[str, Any]) -> tuple[str, str]:
    problems = []
    extension = body.get("fileExtension")
    kind = extension.removeprefix(".").lower() if isinstance(extension, str) else ""
    if not kind:
        problems.append("fileExtension should not be empty")
    elif kind.upper() not in FILE_KINDS:
        known = ", ".join(f".{k.lower()}" for k in FILE_KINDS)
        problems.append(f"fileExtension must be one of the following values: {known}")
    scope, scopes = body.get("accessScope"), _SCOPES[call.family]
    if scope is not None and scope not in scopes:
        problems.append(f"accessScope must be one of the following values: {', '.join(scopes)}")
    workflow_id, workspace = body.get("workflowId"), body.get("workspaceId")
    if not workflow_id and not workspace:
        problems.append("workflowId or workspaceId is required")
    if problems:
        raise Refusal(400, problems)
    if workflow_id:
        workflow = state.catalogue.find(str(workflow_id), cases=call.family == "cases")
        if workflow is None:
            raise Refusal(404, "Workflow not found")
        workspace = workflow.latest.definition.workspace
    return kind, str(workspace)


def _sign(call: Call, stored: StoredFile, ticket: Ticket) -> str:
    moment = datetime.fromtimestamp(call.now, tz=timezone.utc)
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Date": f"{moment:%Y%m%dT%H%M%SZ}",
        "X-Amz-Expires": str(max(0, round(ticket.expires_at - call.now))),
        "X-Amz-SignedHeaders": ticket.signed_headers,
        "X-Amz-Signature": ticket.token,
    }
    path = stored.url.removeprefix("https://files.opus.com/")
    return f"{call.base_url}/{BUCKET}/{path}?{urlencode(query)}"


def put(state: SandboxState, call: Call) -> Reply:
    """Take the bytes of an upload."""
    if "x-service-key" in call.headers:
        state.books.key_leaks += 1
    stored = _redeem(state, call)
    if isinstance(stored, Reply):
        return stored
    if "content-length" not in call.headers:
        return send_xml(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    if len(call.body) > MAX_FILE_BYTES:
        return send_html(413, "413 Request Entity Too Large")
    state.books.uploads[state.files.keep(stored, call.body)] += 1
    return Reply(200, content_type="")


def _redeem(state: SandboxState, call: Call) -> StoredFile | Reply:
    ticket = state.files.redeem(call.query.get("X-Amz-Signature", ""))
    if ticket is None or not call.path.endswith(ticket.url.removeprefix("https://files.opus.com/")):
        return send_xml(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
    if call.now > ticket.expires_at:
        return send_xml(403, "AccessDenied", "Request has expired")
    stored = state.files.files[ticket.url]
    if call.method == "PUT" and not _suits_signature(state, call, ticket, stored):
        return send_xml(403, "SignatureDoesNotMatch", "Content-Type is not what was signed.")
    return stored


def _suits_signature(state: SandboxState, call: Call, ticket: Ticket, stored: StoredFile) -> bool:
    policy = state.options.content_type
    if policy == "any":
        return True
    if policy == "signed":
        policy = "required" if "content-type" in ticket.signed_headers.lower().split(";") else "forbidden"
    sent = call.headers.get("content-type", "").split(";")[0].strip().lower()
    return not sent if policy == "forbidden" else sent == stored.content_type


def download(state: SandboxState, call: Call) -> Reply:
    """Give an address to GET a file that a job has made."""
    body = call.read_json()
    url, expiry = body.get("fileUrl"), body.get("customExpiry", state.options.download_expiry_s)
    problems = []
    if not isinstance(url, str) or not url:
        problems.append("fileUrl should not be empty")
    if isinstance(expiry, bool) or not isinstance(expiry, (int, float)) or not 60 <= expiry <= 86_400:
        problems.append("customExpiry must not be less than 60 or greater than 86400")
    if problems:
        raise Refusal(400, problems)
    stored = state.files.files.get(str(url))
    content = stored.read() if stored is not None and "/generated/" in stored.url else None
    if stored is None or content is None:
        raise Refusal(404, "File not found")
    lifetime = -1.0 if call.fault is not None and call.fault.kind == "expired" else float(expiry)
    ticket = state.files.issue(stored.url, now=call.now, seconds=lifetime)
    answer = {
        "presignedUrl": _sign(call, stored, ticket),
        "fileUrl": stored.url,
        "contentType": stored.content_type,
        "contentLength": len(content),
    }
    return send_json(answer, status=201)


def get(state: SandboxState, call: Call) -> Reply:
    """Send the bytes of a file, or the part of them that a Range asks for."""
    stored = _redeem(state, call)
    if isinstance(stored, Reply):
        return stored
    content = stored.read() or b""
    reply = Reply(200, content, stored.content_type, {"accept-ranges": "bytes"})
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("range", ""))
    if wanted is None:
        return reply
    begin, end = int(wanted[1]), min(int(wanted[2] or len(content) - 1), len(content) - 1)
    if begin > end:
        return send_xml(416, "InvalidRange", "The requested range is not satisfiable")
    reply.status, reply.body = 206, content[begin : end + 1]
    reply.headers["content-range"] = f"bytes {begin}-{end}/{len(content)}"
    return reply
