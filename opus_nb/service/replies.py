"""Everything that the service answers with, read: the door to this room's readers.

States, refusals, results and audits each have a module of their own; ids and upload addresses are read here. No
reader raises anything but `OpusError`, whatever JSON it is given.
"""

from __future__ import annotations

from typing import Any

from opus_nb.errors import ReplyUnreadable
from opus_nb.service.audits import Audit, AuditEntry, find_progress, read_audit
from opus_nb.service.refusals import inner_error, read_error_body, retry_after_s
from opus_nb.service.results import OutputColumn, OutputValue, ResultReader, Results, read_results
from opus_nb.service.shortening import shorten_audit
from opus_nb.service.spellings import look_up, name_keys, walk_wrappers
from opus_nb.service.states import read_state

__all__ = [
    "Audit",
    "AuditEntry",
    "OutputColumn",
    "OutputValue",
    "ResultReader",
    "Results",
    "find_progress",
    "inner_error",
    "read_audit",
    "read_error_body",
    "read_job_id",
    "read_results",
    "read_state",
    "read_upload_urls",
    "retry_after_s",
    "shorten_audit",
]


def read_job_id(reply: Any) -> str:
    """Read the id of a new job or case.

    Parameters
    ----------
    reply : Any
        The parsed JSON that ``POST /job/initiate`` or ``POST /case`` answered with.

    Returns
    -------
    str
        ``jobExecutionId``, else ``caseId``; a number becomes text. The executor's ``execution_id`` and a bare
        ``id`` are other things and are not taken for it.

    Raises
    ------
    ReplyUnreadable
        There is none; nothing is made up.

    Source
    ------
    Initiate page, "Response"; contract, sections 1.3 and 1.12.
    """
    for level in walk_wrappers(reply, ("data", "result"), levels=1):
        found = look_up(level, "jobExecutionId", "caseId", "jobId")
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        if isinstance(found, str) and found.strip():
            return found.strip()
    raise ReplyUnreadable(
        "Opus was asked for a new job and its answer holds no job id.",
        where="initiate",
        came_back=name_keys(reply),
        next_step="Look in Opus whether a job of this title has appeared before starting it again.",
    )


def read_upload_urls(reply: Any) -> tuple[str, str]:
    """Read where to put a file, and under which address the job will know it.

    Parameters
    ----------
    reply : Any
        The parsed JSON that ``POST /job/file/upload`` or ``POST /file/upload/presigned`` answered with.

    Returns
    -------
    tuple of (str, str)
        ``presignedUrl`` and ``fileUrl``, letter for letter.

    Raises
    ------
    ReplyUnreadable
        One of them is missing or no http(s) address. The error names keys only: a presigned address is a secret.

    Source
    ------
    Quickstart, "Generate Presigned File Upload URL"; contract, section 1.4.
    """
    for level in walk_wrappers(reply, ("data", "result"), levels=1):
        presigned, file_url = look_up(level, "presignedUrl"), look_up(level, "fileUrl")
        if _is_address(presigned) and _is_address(file_url):
            return presigned, file_url
    raise ReplyUnreadable(
        "Opus was asked for an upload address and its answer holds no presignedUrl and fileUrl.",
        where="file upload",
        came_back=name_keys(reply),
        next_step="Nothing was uploaded and nothing is paid; try again, and report it to Opus if it stays so.",
    )


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value.lower().startswith(("https://", "http://"))
