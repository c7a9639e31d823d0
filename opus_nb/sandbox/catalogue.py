"""The workflows a sandbox serves, each with its versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from opus_nb.sandbox.definition import WorkflowDefinition, derive_uuid

UUID_PATTERN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class PublishedVersion:
    """One version of a workflow, as it was published."""

    definition: WorkflowDefinition
    number: int
    created_at: float

    @property
    def version_id(self) -> str:
        """The UUID that pins this version."""
        return derive_uuid(f"{self.definition.id}/version/{self.number}")


@dataclass
class PublishedWorkflow:
    """All versions of one workflow, oldest first; the last one is current."""

    versions: list[PublishedVersion] = field(default_factory=list)

    @property
    def latest(self) -> PublishedVersion:
        """The version that a job gets when nothing is pinned."""
        return self.versions[-1]

    def find(self, *, version_id: str | None, number: float | None) -> PublishedVersion | None:
        """Find the pinned version; the UUID wins over the number; None if there is no such version."""
        if version_id:
            return next((v for v in self.versions if v.version_id == version_id), None)
        if number is not None:
            return next((v for v in self.versions if v.number == number), None)
        return self.latest


class Catalogue:
    """Workflows by id, in the order in which they were published."""

    def __init__(self, definitions: Iterable[WorkflowDefinition], *, now: float) -> None:
        self._workflows: dict[str, PublishedWorkflow] = {}
        for definition in definitions:
            self.publish(definition, now=now)

    def publish(self, definition: WorkflowDefinition, *, now: float) -> PublishedVersion:
        """Add a workflow, or a new version of the one that has its id."""
        workflow = self._workflows.setdefault(definition.id, PublishedWorkflow())
        version = PublishedVersion(definition, len(workflow.versions) + 1, now)
        workflow.versions.append(version)
        return version

    def __iter__(self) -> Iterator[PublishedWorkflow]:
        return iter(self._workflows.values())

    def find(self, workflow_id: str, *, cases: bool = False) -> PublishedWorkflow | None:
        """Find the workflow of that id as one family of routes sees it.

        Old routes do not know workflows of the case family; the case family knows every UUID.
        """
        workflow = self._workflows.get(workflow_id) or self._workflows.get(workflow_id.lower())
        if workflow is None:
            return None
        generation = workflow.latest.definition.generation
        if cases:
            return None if generation == "v1" else workflow
        return None if generation == "cases" else workflow

    def find_reference(self, reference_id: str, *, cases: bool = False) -> PublishedWorkflow | None:
        """Find the workflow behind a reference entity: its own UUID, or the one derived for a 16-letter id."""
        wanted = reference_id.lower()
        found = next((w.latest.definition.id for w in self if wanted == reference_of(w.latest.definition)), None)
        return self.find(found, cases=cases) if found is not None else None


def reference_of(definition: WorkflowDefinition) -> str:
    """Give the UUID of the workflow's reference entity."""
    return definition.id if is_uuid(definition.id) else derive_uuid(f"reference/{definition.id}")


def is_uuid(text: object) -> bool:
    """Whether a value is written as a UUID."""
    return isinstance(text, str) and UUID_PATTERN.fullmatch(text) is not None
