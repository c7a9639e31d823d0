"""Killed at every commit boundary: no row is lost, none is bought twice, each attempt executes one id."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from fire_making import PLAIN, Nurseries, Rig, letter_fire

from opus_nb.sandbox import Sandbox


def order_for(sandbox: Sandbox, definition: Any, **more: Any) -> dict[str, Any]:
    """What a child is told."""
    return {"base_url": sandbox.base_url, "workflow": definition.id, "rows": 2, **more}


@pytest.mark.parametrize(("concurrency", "when"), [(1, "before"), (1, "after"), (2, "after")])
def test_killed_at_every_commit(
    fire_sandbox: Sandbox, tmp_path: Path, nursery: Nurseries, when: str, concurrency: int
) -> None:
    """Before the n-th commit nothing of it is on disk, after it everything is; both for every n that there is."""
    fire_sandbox.faults_clear()
    fire_sandbox.reset()
    order = order_for(fire_sandbox, PLAIN, max_concurrency=concurrency)

    def kill_at(nth: int) -> bool:
        folder = tmp_path / str(nth) / "ledger"
        survived = nursery.bear(**order, folder=str(folder), kill={"commit": nth, "when": when}) is not None
        assert nursery.bear(**order, folder=str(folder)) is not None
        rig = Rig(fire_sandbox, folder)
        rig.assert_once(2)
        rig.close()
        return survived

    assert nursery.until_survived(kill_at) > 8


def test_killed_at_every_commit_after_a_kill(fire_sandbox: Sandbox, tmp_path: Path, nursery: Nurseries) -> None:
    """The process that picks up the pieces is killed, too: at its n-th commit after a death with execute on its way."""
    fire_sandbox.faults_clear()
    fire_sandbox.reset()
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader")
    order = order_for(fire_sandbox, letter_fire, letter=str(letter))

    def kill_twice(nth: int) -> bool:
        folder = tmp_path / str(nth) / "ledger"
        first = {"endpoint": "initiate" if nth % 2 else "execute", "nth": 1, "when": "after"}
        assert nursery.bear(**order, folder=str(folder), kill=first) is None
        survived = nursery.bear(**order, folder=str(folder), kill={"commit": nth, "when": "after"}) is not None
        assert nursery.bear(**order, folder=str(folder)) is not None
        rig = Rig(fire_sandbox, folder, definition=letter_fire)
        rig.assert_once(2)
        rig.close()
        return survived

    assert nursery.until_survived(kill_twice) > 6


def test_killed_at_every_commit_of_a_retry(
    fire_sandbox: Sandbox,
    tmp_path: Path,
    nursery: Nurseries,
) -> None:
    """A retry is one more attempt however often its process dies: two executed jobs for the failed row, never three."""
    fire_sandbox.reset()
    order = order_for(fire_sandbox, PLAIN, retry=True)
    for nth in itertools.count(6):
        folder = tmp_path / str(nth) / "ledger"
        fire_sandbox.faults_clear()
        fire_sandbox.fault("execute", "script", end="FAILED", times=1)
        survived = nursery.bear(**order, folder=str(folder), kill={"commit": nth, "when": "after"}) is not None
        assert nursery.bear(**order, folder=str(folder)) is not None
        rig = Rig(fire_sandbox, folder)
        rig.assert_once(2, jobs=3)
        assert sorted(each.tries for each in rig.outcomes()) == [1, 2]
        rig.close()
        if survived:
            break
    assert nth > 12
