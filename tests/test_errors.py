"""The tree of exceptions: one root, four parts, and nothing lost on the way to another process."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from opus_nb import errors

EVERY = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, errors.OpusError)]


def test_every_exception_is_an_opus_error_and_listed() -> None:
    """``__all__`` has them all, and the picture at the head of the module names each."""
    assert {each.__name__ for each in EVERY} == set(errors.__all__)
    assert [each.__name__ for each in EVERY if each.__name__ not in (errors.__doc__ or "")] == []


PARENTS = {
    "ServiceKeyMissing": "SettingsError", "NeverSent": "OpusUnreachable", "AnswerLost": "OpusUnreachable",
    "ServiceKeyRefused": "RequestRefused", "NotFound": "RequestRefused", "RateLimited": "RequestRefused",
    "SchemaChanged": "WorkflowError", "RunLocked": "RunError", "JobUncertain": "JobError", "LedgerNewer": "LedgerError",
}  # fmt: skip


@pytest.mark.parametrize("name", PARENTS)
def test_one_except_line_catches_the_kind(name: str) -> None:
    """The tree is as it is drawn."""
    assert issubclass(getattr(errors, name), getattr(errors, PARENTS[name]))


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_every_exception_survives_the_way(kind: type[errors.OpusError], again: object) -> None:
    """Class, text and every part are the same on the other side."""
    error = kind("It broke.", where="here", came_back="no", next_step="Try again.", status=418, messages=("a", "b"))
    other = again(error)  # type: ignore[operator]
    assert type(other) is kind
    assert str(other) == str(error) == "It broke. (here): no\nTry again."
    assert vars(other) == vars(error)
    assert (other.status, other.messages) == (418, ("a", "b"))


def test_parts_that_are_missing_leave_no_trace() -> None:
    """No empty brackets, no colon without words."""
    assert str(errors.OpusError("It broke.")) == "It broke."
    assert str(errors.OpusError("It broke.", next_step="Try again.")) == "It broke.\nTry again."


def test_defaults_of_the_parts() -> None:
    """Programs may ask for a part that was not given."""
    assert (errors.RequestRefused("x").status, errors.RequestRefused("x").messages) == (0, ())
    assert errors.RateLimited("x").retry_after_s is None
    assert errors.PlanRefused("x").issues is None
    assert errors.JobError("x").job_id is None
