"""Files on their way up: each content once, whoever asks and however often."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Protocol

from opus_nb.batch.identity import local_files
from opus_nb.errors import OpusError, RequestRefused, ServiceKeyRefused
from opus_nb.job import Journal, LocalFile

__all__ = ["Uploads"]

# File bytes are held in memory while they travel; this many files at once bounds it.
FILES_AT_ONCE = 4
# What the store answers when an address has expired or its signature does not fit.
EXPIRED = 403


class _Sender(Protocol):
    async def send_file(
        self, content: bytes, *, name: str, workflow_id: str | None, workspace_id: str | None, access_scope: str
    ) -> str: ...


class Uploads:
    """Uploads files for one workflow and scope, and remembers where they lie.

    Parameters
    ----------
    sender : client
        Has ``send_file``.
    journal : Journal
        Its memory of uploads outlives the process.
    """

    def __init__(
        self,
        sender: _Sender,
        journal: Journal,
        *,
        workflow_id: str | None,
        workspace_id: str | None = None,
        access_scope: str = "workspace",
        base_url: str = "",
    ) -> None:
        self._sender = sender
        self._journal = journal
        self._workflow_id = workflow_id
        self._workspace_id = workspace_id
        self._access_scope = access_scope
        self._scope = "|".join((base_url, access_scope, workflow_id or "", workspace_id or ""))
        self._under_way: dict[tuple[str, str], asyncio.Task[str]] = {}
        self._places = asyncio.Semaphore(FILES_AT_ONCE)

    async def urls_for(self, inputs: Mapping[str, Any]) -> dict[str, str]:
        """Upload what the inputs name and is not there yet; return path to ``fileUrl``.

        Raises
        ------
        OpusError
            A file changed or went away since it was checked, or Opus refused it.
        """
        files = {each.path: each for each in local_files(inputs)}
        urls = await asyncio.gather(*(self._url_for(each) for each in files.values()))
        return dict(zip(files, urls, strict=True))

    async def _url_for(self, file: LocalFile) -> str:
        content = await asyncio.to_thread(_read, file.path) if file.sha256 is None else None
        sha256 = file.sha256 or hashlib.sha256(content or b"").hexdigest()
        which = (sha256, PurePath(file.path).suffix.lower())
        known = await self._journal.find_upload(*which, self._scope)
        if known is not None:
            return known
        # One task per content: rows that need the same file at the same time share it. Nobody's
        # cancellation takes it away from the others.
        task = self._under_way.get(which)
        if task is None:
            task = asyncio.ensure_future(self._upload(file, which))
            self._under_way[which] = task
            task.add_done_callback(lambda _: self._under_way.pop(which, None))
        return await asyncio.shield(task)

    async def _upload(self, file: LocalFile, which: tuple[str, str]) -> str:
        async with self._places:
            content = await asyncio.to_thread(_read, file.path)
            if hashlib.sha256(content).hexdigest() != which[0]:
                raise OpusError(
                    "A file changed after it was checked",
                    where=file.path,
                    came_back="its bytes are others now",
                    next_step="Nothing was sent for this row. Plan the sheet again to send the new content.",
                )
            try:
                url = await self._send(content, file)
            except RequestRefused as error:
                if error.status != EXPIRED or isinstance(error, ServiceKeyRefused):
                    raise
                # The address had expired before the bytes were there; a new one is free.
                url = await self._send(content, file)
        await self._journal.keep_upload(*which, self._scope, url)
        return url

    async def _send(self, content: bytes, file: LocalFile) -> str:
        return await self._sender.send_file(
            content,
            name=file.path,
            workflow_id=self._workflow_id,
            workspace_id=self._workspace_id,
            access_scope=self._access_scope,
        )


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise OpusError(
            "A file cannot be read any more",
            where=path,
            came_back=error.strerror or str(error),
            next_step="It was there when the sheet was checked; nothing was sent for this row.",
        ) from None
