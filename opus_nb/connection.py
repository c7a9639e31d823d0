"""What a plan needs of the connection and the workflow that it was made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opus_nb.batch.ledger import Ledger
from opus_nb.errors import SettingsError
from opus_nb.service.api import InitiateParameters, JobApi
from opus_nb.service.schema import WorkflowRecord
from opus_nb.settings import Settings

__all__ = ["Connection", "check_parameter_names", "with_parameters"]


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
    """Return the connection with parameters of ``POST /job/initiate`` set; what is given here wins."""
    check_parameter_names(given)
    titles = {name: str(given[name]) for name in ("title", "description") if given.get(name) is not None}
    rest = {name: value for name, value in given.items() if name not in {"title", "description"}}
    return replace(
        connection,
        parameters=replace(connection.parameters, **rest),
        titles={**connection.titles, **titles},
    )


def check_parameter_names(given: Mapping[str, Any]) -> None:
    """Refuse what ``POST /job/initiate`` does not take.

    Source
    ------
    Initiate page, "Body Parameters".
    """
    known = {*InitiateParameters.__slots__, "title", "description"}
    if unknown := sorted(set(given) - known):
        raise SettingsError(
            f"There is no such option: {', '.join(unknown)}",
            next_step=f"Opus takes, for each job: {', '.join(sorted(known))}.",
        )
