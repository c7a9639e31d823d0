"""What both families of routes do alike: put bytes to an address, execute once, read what may not be there yet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from opus_nb.errors import AnswerLost, NotFound, ReplyUnreadable, RequestRefused
from opus_nb.service.api import ResultsReply, UploadAddress
from opus_nb.service.pacing import Urgency
from opus_nb.service.spellings import look_up, name_keys, walk_wrappers
from opus_nb.service.values import guess_mime
from opus_nb.service.wire import Patience, Reply, Wire

__all__ = ["Exchange", "as_mapping", "read_download", "read_optional", "read_results", "segment"]

# Only sent when the server insists on a callback: a valid address that nobody answers.
PLACEHOLDER_CALLBACK = "https://example.com/opus-nb-no-callback"


class Exchange:
    """The steps that every generation takes in the same way.

    Parameters
    ----------
    wire : Wire
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._callback: str | None = None

    async def request_upload(
        self,
        extension: str,
        *,
        workflow_id: str | None,
        original_name: str | None,
        access_scope: str,
        workspace_id: str | None,
    ) -> UploadAddress:
        """Ask for an address to put one file to."""
        raise AssertionError("each generation asks in its own way")

    async def send_file(
        self,
        content: bytes,
        *,
        name: str,
        workflow_id: str | None = None,
        workspace_id: str | None = None,
        access_scope: str = "workspace",
    ) -> str:
        """Upload one file and return its ``fileUrl``.

        Asks for an address, then PUTs the bytes there with the length known and without the key. The
        ``Content-Type`` is sent exactly when the address's signature covers it; where that is refused
        with 403, one more try is made the other way, on a fresh address.

        Raises
        ------
        RequestRefused
            The kind or size is not taken, or the store refused both ways.

        Source
        ------
        Quickstart, "Uploading Files for Job Inputs"; contract, trap T6.
        """
        extension = PurePath(name).suffix.lower()
        doing = f"Uploading {name}"
        signed_type: bool | None = None
        while True:
            address = await self.request_upload(
                extension,
                workflow_id=workflow_id,
                original_name=PurePath(name).name,
                access_scope=access_scope,
                workspace_id=workspace_id,
            )
            first_try = signed_type is None
            signed_type = _signs_content_type(address.presigned_url) if first_try else not signed_type
            try:
                await self.wire.put_bytes(
                    address.presigned_url,
                    content,
                    content_type=guess_mime(extension) if signed_type else None,
                    doing=doing,
                )
            except RequestRefused as error:
                if error.status == 403 and first_try:
                    continue
                raise
            return address.file_url

    async def _execute(self, path: str, body: dict[str, Any], job_id: str, *, answer_has_body: bool) -> None:
        if self._callback is not None:
            body["callbackUrl"] = self._callback
        doing = f"Executing job {job_id}"
        try:
            reply = await self.wire.send("POST", path, body=body, doing=doing, urgency=Urgency.NOW)
        except RequestRefused as error:
            insists = error.status == 400 and any("callbackurl" in each.lower() for each in error.messages)
            if not insists or "callbackUrl" in body:
                raise
            self._callback = PLACEHOLDER_CALLBACK
            body["callbackUrl"] = PLACEHOLDER_CALLBACK
            reply = await self.wire.send("POST", path, body=body, doing=doing, urgency=Urgency.NOW)
        if answer_has_body and reply.body is None:
            raise AnswerLost(
                f"{doing}: the answer was empty", where=f"POST {path}", came_back=f"{reply.status} without a body"
            )


async def read_results(wire: Wire, path: str, job_id: str, patience: Patience | None = None) -> ResultsReply | None:
    """Read results as they came; None while there are none (202, 404, 409)."""
    try:
        reply = await wire.send(
            "GET", path, doing=f"Reading the results of job {job_id}", repeatable=True, patience=patience
        )
    except RequestRefused as error:
        if error.status in {404, 409, 425}:
            return None
        raise
    if reply.status == 202 or reply.body is None:
        return None
    return ResultsReply(reply.text, reply.body)


async def read_optional(wire: Wire, path: str, doing: str, patience: Patience | None = None) -> Any:
    """Read what may not exist; None on 404."""
    try:
        return (await wire.send("GET", path, doing=doing, repeatable=True, patience=patience)).body
    except NotFound:
        return None


def read_download(body: Any) -> tuple[str, int | None, str | None]:
    """Read address, size and kind of a file from what ``POST /job/file/download`` answers.

    Raises
    ------
    ReplyUnreadable
        It holds no address. The error names keys only: a presigned address is a secret.

    Source
    ------
    Contract, section 1.11.
    """
    for level in walk_wrappers(body, ("data", "result"), levels=1):
        address = look_up(level, "presignedUrl")
        if isinstance(address, str) and address.lower().startswith(("https://", "http://")):
            size, kind = look_up(level, "contentLength"), look_up(level, "contentType")
            if isinstance(size, str) and size.isdecimal():
                size = int(size)
            known = isinstance(size, int) and not isinstance(size, bool) and size >= 0
            return address, size if known else None, kind if isinstance(kind, str) else None
    raise ReplyUnreadable(
        "Opus was asked where to download a file, and its answer holds no presignedUrl",
        where="POST /job/file/download",
        came_back=name_keys(body),
        next_step="Open the job in the Opus app to get the file.",
    )


def segment(word: str) -> str:
    """Make one segment of a path of any word."""
    return quote(str(word), safe="")


def as_mapping(reply: Reply) -> Mapping[str, Any]:
    """The body of a reply that should be an object; empty when it is none."""
    return reply.body if isinstance(reply.body, Mapping) else {}


def _signs_content_type(address: str) -> bool:
    query = {name.lower(): values for name, values in parse_qs(urlsplit(address).query).items()}
    signed = ";".join(query.get("x-amz-signedheaders", [])).lower().split(";")
    return "content-type" in signed
