"""The one watcher: asks when a job is due, and stops when it is told to."""

from __future__ import annotations

import asyncio

from opus_nb.batch.entry import Entry
from opus_nb.batch.watch import Watch


def test_asks_in_the_order_of_what_is_due() -> None:
    """The job that is due first is asked after first, whoever was added first."""
    asked: list[str] = []

    async def ask(entry: Entry) -> None:
        asked.append(entry.key)

    async def main() -> None:
        watch = Watch(ask, at_once=1)
        for key, wait_s in (("late", 0.06), ("now", 0.0), ("soon", 0.03)):
            watch.add(Entry(0, key), wait_s)
        task = asyncio.ensure_future(watch.run())
        while watch.watched:
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert asked == ["now", "soon", "late"]


def test_ends_even_when_something_changes_at_the_moment_it_is_cancelled() -> None:
    """A change that comes together with the cancellation does not keep it alive."""

    async def ask(entry: Entry) -> float:
        return 30.0

    async def main() -> set[asyncio.Task[None]]:
        still_there = set()
        for _ in range(20):
            watch = Watch(ask)
            task = asyncio.ensure_future(watch.run())
            watch.add(Entry(0, "one"), 30.0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            # Wakes it for good reason, and ends it before it has woken.
            watch.add(Entry(1, "two"), 20.0)
            await asyncio.sleep(0)
            task.cancel()
            still_there |= (await asyncio.wait({task}, timeout=1.0))[1]
        return still_there

    assert asyncio.run(main()) == set()


def test_hurry_asks_after_everything_now() -> None:
    """What was to be asked after in half a minute is asked after at once."""
    asked: set[str] = set()

    async def ask(entry: Entry) -> None:
        asked.add(entry.key)

    async def main() -> None:
        watch = Watch(ask)
        for key in ("one", "two"):
            watch.add(Entry(0, key), 30.0)
        task = asyncio.ensure_future(watch.run())
        await asyncio.sleep(0)
        assert not asked
        watch.hurry()
        for _ in range(10_000):
            if not watch.watched:
                break
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert asked == {"one", "two"}
