"""What there is, as tables: workflows and jobs at Opus, runs in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timezone
from typing import Any

import pandas as pd

from opus_nb.batch.history import read_runs
from opus_nb.batch.ledger import Ledger
from opus_nb.errors import NotFound, RequestRefused, SettingsError
from opus_nb.frames.columns import UTC_DTYPE, time_column
from opus_nb.job import COUNT_NAMES
from opus_nb.saying import call_patiently
from opus_nb.service.api import is_uuid
from opus_nb.service.client import Client
from opus_nb.service.families import timed
from opus_nb.service.replies import read_state
from opus_nb.service.spellings import look_up

__all__ = ["jobs_at_opus_frame", "runs_frame", "workflows_frame"]

# The words that the search takes for the names that we use (contract, section 3).
_WORDS_OF_NAME = {
    "pending": ("PENDING",),
    "queued": ("PENDING",),
    "running": ("IN_PROGRESS",),
    "waiting": ("WAITING",),
    "completed": ("COMPLETED",),
    "failed": ("FAILED",),
    "cancelled": ("CANCELLED", "STOPPED"),
    "timed_out": ("TIMED_OUT",),
}
_ARCHIVE = {False: "nonArchivedOnly", True: "archivedOnly", None: "all"}


def workflows_frame(client: Client, query: str | None) -> pd.DataFrame:
    """List the workflows that the key can see; see ``opus.workflows``."""

    async def fetch() -> list[Mapping[str, Any]]:
        return await timed(client.fetch_workflows(query=query))

    rows = call_patiently(client.wire.base_url, fetch)
    frame: pd.DataFrame = pd.DataFrame(
        {
            "id": [str(look_up(row, "workflowId", "id") or "") for row in rows],
            "name": [str(look_up(row, "name") or "") for row in rows],
            "description": [str(look_up(row, "description") or "") for row in rows],
            "workspace": [str(look_up(row, "workspaceName") or "") for row in rows],
        },
        dtype="string",
    )
    generation = ["v2" if is_uuid(each) else "v1" for each in frame["id"]]
    frame.insert(2, "generation", pd.Series(generation, dtype="string"))
    frame["created_at"] = _times([look_up(row, "createdAt") for row in rows])
    return frame


def runs_frame(ledger: Ledger | None) -> pd.DataFrame:
    """List the runs of a ledger, the one touched last first; see ``opus.runs``."""
    found = [] if ledger is None else read_runs(ledger)
    columns: dict[str, Any] = {
        "name": pd.array([record.name for record, _ in found], dtype="string"),
        "workflow": pd.array([str(record.about.get("workflow_name", "")) for record, _ in found], dtype="string"),
        "workflow_id": pd.array([record.workflow_id for record, _ in found], dtype="string"),
        "created_at": time_column([record.created_at for record, _ in found]),
        "touched_at": time_column([record.touched_at for record, _ in found]),
        "rows": pd.array([record.row_count for record, _ in found], dtype="int64"),
    }
    for state in COUNT_NAMES:
        columns[state] = pd.array([counts.get(state, 0) for _, counts in found], dtype="int64")
    frame: pd.DataFrame = pd.DataFrame(columns)
    return frame


def jobs_at_opus_frame(
    client: Client,
    *,
    workflow_id: str | None,
    status: str | Iterable[str] | None,
    query: str | None,
    since: Any,
    archived: bool | None,
    limit: int,
) -> pd.DataFrame:
    """Search the jobs at Opus; see ``opus.jobs``."""
    moment = _moment(since)
    names = _names(status)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise SettingsError(
            "limit must be a whole number from 1", where=f"limit={limit!r}", next_step="As in limit=500."
        )
    if archived not in _ARCHIVE:
        raise SettingsError(
            "archived must be True, False or None",
            where=f"archived={archived!r}",
            next_step="True for archived jobs only, False for the others, None for both.",
        )
    filters = {
        "workflowId": workflow_id,
        "query": query,
        "startDate": None if moment is None else f"{moment:%Y-%m-%d}",
        "archiveStatus": _ARCHIVE[archived],
        "status": ",".join(word for name in names for word in _WORDS_OF_NAME.get(name, (name.upper(),))) or None,
    }
    rows = call_patiently(client.wire.base_url, _search, client, filters, limit)
    frame = _jobs_frame(rows)
    # The service counts whole days and knows fewer words than we do: what is asked for is looked at here again.
    if moment is not None:
        frame = frame[frame["created_at"].isna() | (frame["created_at"] >= moment)]
    if names:
        wanted = {"pending" if name == "queued" else name for name in names}
        frame = frame[
            frame["state"].isin(wanted) | frame["word"].str.casefold().isin({each.casefold() for each in names})
        ]
    found: pd.DataFrame = frame.reset_index(drop=True)
    return found


async def _search(client: Client, filters: dict[str, str | None], limit: int) -> list[Mapping[str, Any]]:
    try:
        try:
            return await timed(client.search_jobs(limit=limit, **filters))
        except RequestRefused as error:
            # A word that this service does not know: ask for all, and choose here.
            if error.status != 400 or filters["status"] is None:
                raise
            return await client.search_jobs(limit=limit, **{**filters, "status": None})
    except NotFound as error:
        raise NotFound(
            "This Opus does not answer the search for jobs; which jobs there are is not known",
            where="GET /job/search",
            came_back=error.came_back,
            next_step="opus.runs() lists what this ledger started; opus.job(id) opens any job by its id.",
            status=error.status,
            messages=error.messages,
        ) from None


def _jobs_frame(rows: list[Mapping[str, Any]]) -> pd.DataFrame:
    states = [read_state(row) for row in rows]

    def text(*keys: str, inside: str | None = None) -> Any:
        found = []
        for row in rows:
            level = row if inside is None else look_up(row, inside)
            value = look_up(level, *keys) if isinstance(level, Mapping) else None
            found.append(None if value is None else str(value))
        return pd.array(found, dtype="string")

    columns: dict[str, Any] = {
        "job_id": text("jobExecutionId"),
        "title": text("title"),
        "state": pd.array([state.name for state in states], dtype="string"),
        "word": pd.array([state.word for state in states], dtype="string"),
        "workflow_id": text("workflowId"),
        "workflow": text("name", inside="workflow"),
        "created_at": _times([look_up(row, "createdAt") for row in rows]),
        "user": text("name", "email", inside="user"),
        "workspace": text("name", "id", inside="workspace"),
        "archived": pd.array([look_up(row, "archived") is True for row in rows], dtype="bool"),
        "description": text("description"),
    }
    frame: pd.DataFrame = pd.DataFrame(columns)
    return frame


def _times(values: list[Any]) -> Any:
    """Read ISO moments as datetime64[ns, UTC], whatever resolution this pandas reads them in."""
    given: Any = pd.Series([each if isinstance(each, str) else None for each in values], dtype=object)
    read = pd.to_datetime(given, utc=True, errors="coerce", format="ISO8601")
    # What nanoseconds cannot hold is no moment at which a job was made.
    return read.where(read.dt.year.between(1678, 2261)).astype(UTC_DTYPE)


def _names(status: str | Iterable[str] | None) -> list[str]:
    if status is None:
        return []
    given = [status] if isinstance(status, str) else list(status)
    if not all(isinstance(each, str) and each.strip() for each in given):
        raise SettingsError(
            "status is a word or several", where=f"status={status!r}", next_step='As in status=["completed", "failed"].'
        )
    # One of our names, whatever its spelling; any other word is looked for as it stands.
    known = [(each, read_state(each).name) for each in given]
    return [
        name if name != "unknown" else each.strip().lower() if each.strip().lower() in _WORDS_OF_NAME else each.strip()
        for each, name in known
    ]


def _moment(since: Any) -> datetime | None:
    if since is None:
        return None
    try:
        if isinstance(since, date) and not isinstance(since, datetime):
            since = since.isoformat()
        moment = pd.Timestamp(since)
    except (ValueError, TypeError):
        moment = pd.NaT
    if moment is pd.NaT:
        raise SettingsError(
            "since must be a date or a moment", where=f"since={since!r}", next_step="As in '2025-10-31'."
        )
    plain: datetime = moment.to_pydatetime(warn=False)
    return plain.replace(tzinfo=timezone.utc) if plain.tzinfo is None else plain.astimezone(timezone.utc)
