"""Shells whose ids got lost: what a search can tell of them, and what its silence cannot."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from opus_nb.batch.entry import Entry
from opus_nb.batch.shells import NO_SEARCH, Shells
from opus_nb.errors import AnswerLost, RateLimited, RequestRefused, ServiceKeyRefused, ServiceTrouble
from opus_nb.job import PlannedRow


class Opus:
    """Answers a search with what it was given, and counts."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    async def find_jobs(self, words: str) -> list[str] | None:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        found: list[str] | None = self.answer
        return found


class Journal:
    """Remembers the orphans."""

    def __init__(self) -> None:
        self.orphans: list[tuple[str, str | None]] = []

    async def keep_orphan(self, key: str, attempt: int, title: str, job_id: str | None) -> None:
        self.orphans.append((title, job_id))


def shells_of(answer: Any, *known: str) -> tuple[Opus, Journal, Shells]:
    opus, journal = Opus(answer), Journal()
    return opus, journal, Shells(opus, journal, marker="abc", known=known)  # type: ignore[arg-type]


ROW = PlannedRow(0, "k", {}, "Claim 7")


def test_a_shell_that_is_found_is_used_and_the_others_are_orphans() -> None:
    """Any of them will do; ids that another row has are none of ours."""
    _, journal, shells = shells_of(["1", "2", "3"], "1")
    assert asyncio.run(shells.recover(Entry(0, "k"), ROW)) == "2"
    assert journal.orphans == [("Claim 7 [abc-k-1]", "3")]


@pytest.mark.parametrize(
    "answer", [[], None, ServiceTrouble("no"), RequestRefused("no", status=400)], ids=["no hit", "absent", "5xx", "400"]
)
def test_nothing_found_proves_nothing(answer: Any) -> None:
    """Whether Opus finds none, has no search or does not answer: a shell may be there, and is counted."""
    _, journal, shells = shells_of(answer)
    assert asyncio.run(shells.recover(Entry(0, "k"), ROW)) is None
    assert journal.orphans == [("Claim 7 [abc-k-1]", None)]


@pytest.mark.parametrize(
    ("answer", "silence"),
    [
        ([], None),
        (None, NO_SEARCH),
        (ServiceTrouble("x", came_back="Bad Gateway"), "the search could not be asked (Bad Gateway)"),
        (AnswerLost("x", came_back="ReadTimeout"), "the search could not be asked (ReadTimeout)"),
        (ServiceKeyRefused("x", came_back="not for you", status=403), "the search could not be asked (not for you)"),
    ],
)
def test_silence_and_no_hit_are_told_apart(answer: Any, silence: str | None) -> None:
    """No ids with no silence mean that Opus looked and found none."""
    _, _, shells = shells_of(answer)
    assert asyncio.run(shells.find("[abc-k-1]")) == ([], silence)


@pytest.mark.parametrize(
    ("answer", "asked"),
    [(RequestRefused("x", status=400), 1), (ServiceKeyRefused("x", status=401), 1), (RateLimited("x"), 3),
     (ServiceTrouble("x"), 3)],
    ids=["400", "401", "429", "5xx"],
)  # fmt: skip
def test_a_refusal_is_asked_for_once_and_trouble_passes(answer: Exception, asked: int) -> None:
    """What Opus will say again is not asked again by this run; what may be different later is."""
    opus, _, shells = shells_of(answer)
    for _ in range(3):
        assert asyncio.run(shells.find("[abc-k-1]")).silence is not None
    assert opus.asked == asked
