"""The tree of exceptions: one root, four parts, and nothing lost on the way to another process."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
from collections.abc import Iterator
from pathlib import Path

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


def test_several_lines_begin_on_their_own() -> None:
    """What came back is not glued to the sentence before where it is a list."""
    lines = errors.PlanRefused("Nothing was sent", where="workflow 'W'", came_back="  a\n  b", next_step="Mend.")
    assert str(lines) == "Nothing was sent (workflow 'W'):\n  a\n  b\nMend."
    assert str(errors.PlanRefused("Nothing was sent", came_back="  a")) == "Nothing was sent:\n  a"


# -- what to do next, everywhere --------------------------------------------------------------------------

USUAL = {
    "NeverSent": "Check the address",
    "AnswerLost": "look before it is sent again",
    "RequestRefused": "correct what it names",
    "RateLimited": "max_requests_per_second",
    "ServiceTrouble": "Try again in a few minutes",
    "ReplyUnreadable": "base_url",
    "LedgerError": "disk is full",
    "LedgerDamaged": "disk is full",
}


@pytest.mark.parametrize("name", USUAL)
def test_what_usually_helps_is_said_where_nothing_better_is_known(name: str) -> None:
    """A step that was given wins; the usual one is an attribute like any other, and travels."""
    kind = getattr(errors, name)
    error = kind("It broke", where="POST /x", came_back="no")
    assert USUAL[name] in str(error)
    assert USUAL[name] in pickle.loads(pickle.dumps(error)).next_step
    assert str(kind("It broke", next_step="Do this.")) == "It broke\nDo this."


def test_a_lost_answer_to_a_read_may_be_asked_for_again() -> None:
    """Reading changes nothing; whatever else was sent may have been acted on."""
    assert "Nothing was changed" in str(errors.AnswerLost("Reading", where="GET /job/1/status"))
    assert "Nothing was changed" not in str(errors.AnswerLost("Executing", where="POST /job/execute"))


def _made(root: Path) -> Iterator[tuple[str, str, set[str | None]]]:
    """Where in the package an exception of ours is made, which, and with which parts."""
    for path in sorted((root / "opus_nb").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in errors.__all__:
                    place = f"{path.relative_to(root)}:{node.lineno} {name}"
                    yield place, name, {keyword.arg for keyword in node.keywords}


def test_every_error_says_what_to_do_next(pytestconfig: pytest.Config) -> None:
    """Whoever makes one names the next step, unless its kind has a usual one."""
    found = list(_made(pytestconfig.rootpath))
    assert len(found) > 100
    silent = [
        place
        for place, name, parts in found
        if not parts & {"next_step", None} and getattr(errors, name)("x").next_step is None
    ]
    assert silent == []


def test_every_error_about_opus_says_where(pytestconfig: pytest.Config) -> None:
    """What speaks to the service, or reads what it said, names the endpoint, the job, the workflow or the argument."""
    service = [
        each for each in _made(pytestconfig.rootpath) if each[0].startswith(("opus_nb/service", "opus_nb/batch"))
    ]
    assert len(service) > 30
    assert [place for place, _, parts in service if not parts & {"where", None}] == []
