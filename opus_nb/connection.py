"""What a plan needs of the connection and the workflow that it was made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opus_nb.addresses import PINS
from opus_nb.batch.ledger import Ledger
from opus_nb.errors import SettingsError
from opus_nb.saying import call_patiently, say
from opus_nb.service.api import InitiateParameters, JobApi
from opus_nb.service.families import AT_THE_PROMPT, timed
from opus_nb.service.schema import WorkflowRecord
from opus_nb.settings import Settings
from opus_nb.sheet.likeness import closest_names

__all__ = ["Connection", "check_parameters", "read_again", "with_parameters"]


@dataclass(frozen=True)
class Connection:
    """What a plan needs of the connection and the workflow it was made with.

    Attributes
    ----------
    settings : Settings
    api : JobApi
        The family of routes that this workflow answers on.
    record : WorkflowRecord
        The version whose schema the sheet was checked against.
    parameters : InitiateParameters
    version : str or None
        The version the user pinned; None follows the latest.
    """

    settings: Settings
    api: JobApi
    record: WorkflowRecord
    parameters: InitiateParameters
    version: str | None = None
    workspace_id: str | None = None
    titles: Mapping[str, str] = field(default_factory=dict)

    def ledger(self) -> Ledger:
        """Open the ledger of this connection."""
        return Ledger.at(self.settings.ledger)


def with_parameters(connection: Connection, given: Mapping[str, Any]) -> Connection:
    """Return the connection with parameters of ``POST /job/initiate`` set; what is given here wins.

    Where another version of the workflow is pinned, that version's inputs and outputs are read (one GET).

    Raises
    ------
    SettingsError
        A parameter or a value that Opus does not take; nothing was sent.
    NotFound
        There is no such version.
    """
    check_parameters(given)
    if not given:
        return connection
    workflow_id = connection.record.workflow_id
    if given.get("workflow_id") not in {None, workflow_id}:
        raise SettingsError(
            "A plan is for the workflow that it was made with",
            where=f"workflow_id={given['workflow_id']!r}",
            came_back=f"this one is {workflow_id}",
            next_step="Read the other one: opus.workflow(...).",
        )
    titles = {name: given[name] for name in _TITLES if given.get(name) is not None}
    rest = {name: value for name, value in given.items() if name not in {*_TITLES, "workflow_id"}}
    if rest.keys() & set(PINS):
        # Of two kinds of pin Opus prefers the UUID; here the nearer one wins, whatever its kind.
        rest = {**dict.fromkeys(PINS), **rest}
    _tell_left_out(connection, rest)
    parameters = replace(connection.parameters, **rest)
    changed = replace(connection, parameters=parameters, titles={**connection.titles, **titles})
    if _pin(parameters) == _pin(connection.parameters):
        return changed
    record = read_again(changed)
    version = parameters.workflow_version_id or parameters.workflow_version_number
    return replace(changed, record=record, version=None if version is None else str(version))


def _tell_left_out(connection: Connection, given: Mapping[str, Any]) -> None:
    """Say which parameters the routes of this workflow do not take: what is left out in silence looks like sent."""
    left = sorted(name for name in given if given[name] is not None and name not in {*PINS, *_TITLES})
    if left and connection.api.name == "cases":
        say(f"Left out: {', '.join(left)}. {connection.record.name!r} runs as cases, and those do not take it.")


def read_again(connection: Connection) -> WorkflowRecord:
    """Read the workflow as it is now, in the version that the jobs would run: one GET."""

    async def fetch() -> WorkflowRecord:
        parameters = connection.parameters
        return await timed(
            connection.api.fetch_workflow(
                connection.record.workflow_id,
                version=parameters.workflow_version_number,
                workflow_version_id=parameters.workflow_version_id,
                patience=AT_THE_PROMPT,
            )
        )

    record = call_patiently(connection.settings.base_url, fetch)
    return replace(record, workflow_id=connection.record.workflow_id)


def check_parameters(given: Mapping[str, Any]) -> None:
    """Refuse what ``POST /job/initiate`` does not take, by name and by value.

    Raises
    ------
    SettingsError
        Names what Opus takes.

    Source
    ------
    Initiate page, "Body Parameters".
    """
    known = {*InitiateParameters.__slots__, *_TITLES}
    if unknown := sorted(set(given) - known):
        near = closest_names(unknown[0], [*_OPTIONS, *sorted(known)])
        meant = f"Did you mean {near[0]}? " if near else ""
        raise SettingsError(
            f"There is no such option: {', '.join(unknown)}",
            where=f"{unknown[0]}={given[unknown[0]]!r}"[:80],
            next_step=f"{meant}What Opus takes for each job is {', '.join(sorted(known - {'workflow_id'}))}.",
        )
    for name in _TITLES:
        if given.get(name) is not None and not isinstance(given[name], str):
            raise SettingsError(
                f"{name} must be text", where=f"{name}={given[name]!r}", next_step='As in title="Claim {Ref}".'
            )
    values = {name: value for name, value in given.items() if name not in _TITLES}
    InitiateParameters(**{"workflow_id": "any", **values})


def _pin(parameters: InitiateParameters) -> tuple[int | None, str | None]:
    return parameters.workflow_version_number, parameters.workflow_version_id


_TITLES = ("title", "description")
# What people may have meant that is not a parameter of Opus: options of plan and start.
_OPTIONS = (
    "columns", "constants", "files_root", "dates", "decimal", "use_defaults", "name", "max_concurrency", "max_jobs",
    "max_cost", "max_minutes", "stop_after_failures", "patience_s", "on_invalid", "fetch_audit", "progress", "fresh",
)  # fmt: skip
