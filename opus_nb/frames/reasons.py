"""Why a row ended without success, in words, from whatever is known of it."""

from __future__ import annotations

from opus_nb.frames.audit import judge_node, read_node_entries
from opus_nb.job import Outcome, RowState

__all__ = ["error_text"]

_NO_REASON = {
    RowState.FAILED: "the job failed; no reason was given",
    RowState.CANCELLED: "cancelled",
    RowState.TIMED_OUT: "the job ran out of time at Opus",
    RowState.UNCERTAIN: "execute was sent, its answer was lost, and Opus cannot tell whether the job runs",
    RowState.INVALID: "not sent: a cell of this row cannot be sent as it is; plan.issues says which",
    RowState.SKIPPED: "not sent: left out by a limit of this run",
}


def error_text(outcome: Outcome) -> str | None:
    """Say why a row ended without success; None when it is fine or not over yet.

    What the engine noted comes first. Opus itself mostly gives no reason, so for a failed job without one the audit
    is asked which node failed first.

    Source
    ------
    Contract, section 5.2 (failures), trap T5.
    """
    if not outcome.state.is_final:
        return None
    if outcome.error or outcome.state is RowState.COMPLETED:
        return outcome.error or None
    if outcome.state is RowState.CANCELLED and not outcome.job_id:
        return "cancelled before it was sent"
    if outcome.state is RowState.FAILED and (told := _ask_audit(outcome)):
        return told
    said = _NO_REASON[outcome.state]
    return f"{said} (Opus says {outcome.word})" if outcome.word else said


def _ask_audit(outcome: Outcome) -> str | None:
    for _, entries in read_node_entries([outcome]):
        failed = [place for place, entry in enumerate(entries) if judge_node(entry) == "failed"]
        if not failed:
            return None
        first = entries[failed[0]]
        if first.error:
            return f"the job failed at node {first.event!r}: {first.error}"
        if failed[0] == 0:
            return (
                f"the job failed at its first node, {first.event!r}, without a reason: most often an input of the "
                "wrong type, or null where none is allowed"
            )
        return f"the job failed at node {first.event!r}; no reason was given"
    return None
