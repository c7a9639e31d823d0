"""Keeps rows that were checked against one version of a workflow from being sent to another that means something else.

The workflow is read again before anything is sent: by ``plan.start()``, ``opus.open_run()``, ``run.resume()`` and
``run.retry()``. What does not matter is let pass; an input that only has a new variable name gets it; anything else
that touches what the rows feed is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from opus_nb import loop
from opus_nb.batch.book import Book
from opus_nb.connection import Connection, read_again
from opus_nb.errors import SchemaChanged, WorkflowInactive
from opus_nb.job import JobEvent, RowState
from opus_nb.service.api import InitiateParameters, JobApi
from opus_nb.service.drift import FieldChange, schema_changes
from opus_nb.service.families import AT_THE_PROMPT
from opus_nb.service.schema import Schema, WorkflowRecord

__all__ = ["Drift", "guard_book", "guard_plan", "identity_names"]

# What a person reads before the list is cut; ``.changes`` has them all.
SHOWN_CHANGES = 12
# States of rows whose inputs may still travel.
_TO_BE_SENT = frozenset(
    {
        RowState.PLANNED,
        RowState.UPLOADING,
        RowState.INITIATING,
        RowState.INITIATED,
        RowState.EXECUTING,
        RowState.SKIPPED,
    }
)
# Shells that were made for the version before; the one that holds now wants new ones.
_WITH_A_SHELL = frozenset({RowState.INITIATING, RowState.INITIATED})


@dataclass(frozen=True)
class Drift:
    """How a workflow differs from the one that rows were checked against, where that does no harm.

    Attributes
    ----------
    changes : tuple of FieldChange
    new_names : Mapping of str to str
        The variable name that rows were checked under, to the one that holds now; only where they differ.
    """

    changes: tuple[FieldChange, ...] = ()
    new_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What to tell the person; ``""`` when nothing changed."""
        if not self.changes:
            return ""
        return (
            "The workflow was changed since the sheet was checked; what is sent means the same.\n"
            f"{_list_changes(self.changes)}"
        )

    def rename(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs of one row under the names that hold now."""
        return {self.new_names.get(name, name): value for name, value in inputs.items()}


def guard_plan(connection: Connection, checked: Schema, fed: Mapping[str, bool]) -> tuple[Connection, Drift]:
    """Read the workflow again (one GET) and compare it with the schema that a sheet was checked against.

    Parameters
    ----------
    connection : Connection
        With the pins that the jobs would get.
    checked : Schema
    fed : Mapping of str to bool
        The variable names that the sheet feeds, and whether each row that would be sent has a value there.

    Returns
    -------
    tuple of (Connection, Drift)
        The connection holds the workflow as it is now.

    Raises
    ------
    SchemaChanged
        ``.changes`` has every difference. Nothing was sent.
    WorkflowInactive
        Its author has switched it off.
    """
    record = read_again(connection)
    _require_active(record)
    drift = _judge(record, connection.record.version, checked, fed)
    return replace(connection, record=record), drift


def guard_book(book: Book, api: JobApi, positions: Collection[int] | None = None) -> Drift:
    """The same for a run in the ledger, before it goes on; its rows get the names that hold now.

    Asks nothing when no row is left to be sent. The run must not be at work elsewhere meanwhile.

    Parameters
    ----------
    book : Book
    api : JobApi
    positions : collection of int, optional
        Rows that will be sent again; None means those that were never sent.

    Raises
    ------
    SchemaChanged, WorkflowInactive
        As in `guard_plan`; the ledger is as it was.
    """
    wanted = set(positions or ())
    if positions is None:
        wanted = book.positions(_TO_BE_SENT)
    if not wanted:
        return Drift()
    return loop.call(_guard_book, book, api, wanted)


async def _guard_book(book: Book, api: JobApi, wanted: set[int]) -> Drift:
    about = book.record_of_run.about
    parameters = InitiateParameters(**about["parameters"])
    record = await api.fetch_workflow(
        book.record_of_run.workflow_id,
        version=parameters.workflow_version_number,
        workflow_version_id=parameters.workflow_version_id,
        patience=AT_THE_PROMPT,
    )
    _require_active(record)
    old = Schema.from_json(about["inputs"])
    if not schema_changes(old, record.inputs):
        return Drift()
    rows = _rows(book)
    drift = _judge(record, about.get("checked_version"), old, _fed(rows, wanted))
    if drift.new_names:
        await _forget_shells(book, wanted)
        # What was identified keeps its identity; what was not gets it when it is its turn.
        renamed = [(place, cast(str, key), drift.rename(inputs)) for place, key, inputs in rows]
        await book.keep_keys(renamed)
    book.change_about(
        inputs=record.inputs.to_json(),
        names=identity_names(record.inputs, before=old, names=about.get("names")),
        checked_version=record.version,
    )
    return drift


def identity_names(
    schema: Schema, *, before: Schema | None = None, names: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return, for each variable name, the name that the identity of a row is made of.

    The label where it is unique: a rebuilt workflow has new variable names, the label is what stays. Where the
    schema before is given, an input that is still the same keeps the name it had then, also under a new label, so
    that an author's better wording buys nothing again.
    """
    times = Counter(each.display_name for each in schema)
    found = {each.variable_name: each.display_name for each in schema if times[each.display_name] == 1}
    if before is None:
        return found
    changes = schema_changes(before, schema)
    moved = {each.variable_name for each in changes if each.change == "label" and each.meaning_changed}
    old_name = {each.variable_name: each.variable_name for each in schema if each.variable_name in before}
    old_name |= {
        each.variable_name: each.old.variable_name for each in changes if each.change == "renamed" and each.old
    }
    kept = {new: (names or {}).get(old, old) for new, old in old_name.items() if new not in moved}
    taken = set(kept.values())
    return {name: label for name, label in found.items() if label not in taken} | kept


def _judge(record: WorkflowRecord, version: int | None, old: Schema, fed: Mapping[str, bool]) -> Drift:
    changes = schema_changes(old, record.inputs)
    harmful = [each for each in changes if _is_harmful(each, fed)]
    if harmful:
        versions = f", version {version} then and {record.version} now" if record.version != version else ""
        raise SchemaChanged(
            f"Workflow {record.name!r} was changed, and what the rows were checked for no longer holds. "
            f"Nothing was sent.\n{_list_changes(changes)}",
            where=f"{record.workflow_id}{versions}",
            next_step=(
                "Read the workflow again and plan the sheet anew: wf = opus.workflow(...); wf.plan(df).start(...). "
                "The same name keeps the rows that it knows. A version can be pinned: opus.workflow(..., version=...)."
            ),
            changes=changes,
        )
    return Drift(
        changes,
        {each.old.variable_name: each.variable_name for each in changes if each.change == "renamed" and each.old},
    )


def _is_harmful(change: FieldChange, fed: Mapping[str, bool]) -> bool:
    if not change.meaning_changed:
        return False
    if change.change == "added" or change.old is None:
        return True
    name = change.old.variable_name
    if change.change == "required":
        return not fed.get(name, False)
    return name in fed


def _list_changes(changes: tuple[FieldChange, ...]) -> str:
    lines = [f"  {each.change}: {each.sentence}" for each in changes[:SHOWN_CHANGES]]
    if len(changes) > SHOWN_CHANGES:
        lines.append(f"  ... and {len(changes) - SHOWN_CHANGES} more")
    return "\n".join(lines)


def _require_active(record: WorkflowRecord) -> None:
    if record.active is False:
        raise WorkflowInactive(
            f"Workflow {record.name!r} is not active any more",
            where=record.workflow_id,
            came_back=record.activity,
            next_step="Its author can activate it in Opus; then start again. Nothing was sent.",
        )


def _rows(book: Book) -> list[tuple[int, str | None, Mapping[str, Any]]]:
    found: list[tuple[int, str | None, Mapping[str, Any]]] = []
    position = -1
    while chunk := book.rows_after(position):
        found += [(row.position, row.key, row.inputs) for row in chunk if row.inputs is not None]
        position = chunk[-1].position
    return found


def _fed(rows: list[tuple[int, str | None, Mapping[str, Any]]], wanted: set[int]) -> dict[str, bool]:
    sent = [inputs for position, _, inputs in rows if position in wanted]
    times = Counter(name for inputs in sent for name, value in inputs.items() if value is not None)
    return {name: number == len(sent) for name, number in times.items()}


async def _forget_shells(book: Book, wanted: set[int]) -> None:
    keys = book.keys()
    known = book.known_jobs(keys[each] for each in wanted if each in keys)
    for position in wanted:
        job = known.get(keys.get(position, ""))
        if job is None or job.state not in _WITH_A_SHELL:
            continue
        if job.job_id is not None:
            await book.keep_orphan(job.key, job.attempt, "", job.job_id)
        event = JobEvent(position, job.key, job.attempt, RowState.PLANNED, job.state, 0.0)
        await book.record(event)
