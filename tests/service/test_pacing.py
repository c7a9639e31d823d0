"""How fast requests leave, in virtual time: a loop whose clock jumps to the next timer, and a service with a budget."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from opus_nb.service.pacing import KNOWN_SHARE, LONGEST_PAUSE_S, Pacer, Urgency

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Sleeps by setting its clock; nothing here waits in earnest."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_s = 1000.0
        select = self._selector.select

        def jump(timeout: float | None) -> object:
            if timeout is not None and timeout > 0:
                self._virtual_s += timeout
            return select(0)

        self._selector.select = jump

    def time(self) -> float:
        return self._virtual_s


def virtually(work: Callable[[], Awaitable[Result]]) -> Result:
    """Run a coroutine in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work())
    finally:
        loop.close()


def now() -> float:
    """Virtual seconds."""
    return asyncio.get_running_loop().time()


@dataclass
class Service:
    """Answers after a while; lets ``limit`` requests through a second, a second's worth at once."""

    limit: float
    latency_s: float = 0.005
    passed: int = 0
    refused: int = 0
    level: float = field(init=False)
    at: float | None = None
    noise: random.Random = field(default_factory=lambda: random.Random(5))

    def __post_init__(self) -> None:
        self.level = self.limit

    async def answer(self) -> bool:
        await asyncio.sleep(self.latency_s * self.noise.uniform(0.4, 0.6))
        before, self.at = self.at or now(), now()
        self.level = min(max(1.0, self.limit), self.level + (self.at - before) * self.limit)
        good = self.level >= 1.0
        self.level -= good
        self.passed += good
        self.refused += not good
        await asyncio.sleep(self.latency_s * self.noise.uniform(0.4, 0.6))
        return good


async def press(pacer: Pacer, service: Service, seconds: float, *, workers: int = 48) -> None:
    """Send as much as the pacer lets through, from many sides at once."""
    until = now() + seconds

    async def work() -> None:
        while now() < until:
            await pacer.turn()
            sent_at = now()
            if not await service.answer():
                pacer.slow_down(0, sent_at=sent_at)
            pacer.done()

    await asyncio.gather(*(work() for _ in range(workers)))


@pytest.mark.parametrize("limit", [20.0, 60.0, 250.0])
def test_an_unknown_limit_is_found_and_used(limit):
    """Nearly all of it is used, and at most one request in a hundred is refused."""

    async def main() -> Service:
        service = Service(limit)
        await press(Pacer(), service, 60.0)
        return service

    service = virtually(main)
    assert service.passed >= 0.98 * limit * 60.0
    assert service.refused <= 0.01 * (service.passed + service.refused)


@pytest.mark.parametrize("limit", [40.0, 200.0])
def test_a_limit_that_drops_to_a_quarter_is_followed(limit):
    """From one moment to the next the service lets through a quarter: at most one in twenty is refused."""

    async def main() -> Service:
        pacer, service = Pacer(), Service(limit)
        await press(pacer, service, 30.0)
        service.limit, service.passed, service.refused = limit / 4, 0, 0
        await press(pacer, service, 30.0)
        return service

    service = virtually(main)
    assert service.passed >= 0.95 * service.limit * 30.0
    assert service.refused <= 0.05 * (service.passed + service.refused)


def test_a_limit_that_rises_again_is_found():
    """Four times as much is allowed: within a minute most of it is used."""

    async def main() -> Service:
        pacer, service = Pacer(), Service(20.0)
        await press(pacer, service, 30.0)
        service.limit = 80.0
        await press(pacer, service, 60.0)
        service.passed = 0
        await press(pacer, service, 30.0)
        return service

    assert virtually(main).passed >= 0.9 * 80.0 * 30.0


@pytest.mark.parametrize("limit", [2.0, 15.0, 120.0])
def test_a_known_limit_is_never_overstepped(limit):
    """No 429 at all, and the limit is used but for what is kept to spare."""

    async def main() -> Service:
        service = Service(limit)
        await press(Pacer(limit), service, 60.0)
        return service

    service = virtually(main)
    assert service.refused == 0
    assert service.passed >= (KNOWN_SHARE - 0.02) * limit * 60.0


def test_a_named_limit_that_is_too_high_is_corrected():
    """Somebody said 100 and the service allows 20: the pacer believes the service."""

    async def main() -> Service:
        service = Service(20.0)
        await press(Pacer(100.0), service, 60.0)
        return service

    service = virtually(main)
    assert service.refused <= 0.02 * service.passed


def test_no_limit_is_invented_where_none_is_met():
    """A service that never refuses is soon asked as fast as this client can."""

    async def main() -> Pacer:
        pacer = Pacer()
        await press(pacer, Service(1e9), 5.0)
        return pacer

    assert virtually(main).rate is None


def test_a_handful_of_requests_leaves_at_once():
    """A person's first calls are not slowed down by caution."""

    async def main() -> float:
        pacer, began = Pacer(), now()
        for _ in range(12):
            await pacer.turn()
            pacer.done()
        return now() - began

    assert virtually(main) == 0.0


@pytest.mark.parametrize(("named", "pause"), [(7.0, 7.0), (0.0, 0.0), (None, 1.0), (1e9, LONGEST_PAUSE_S)])
def test_one_429_pauses_everybody_for_the_time_it_names(named, pause):
    """Zero included; an unnamed time is a second, an absurd one is cut."""

    async def main() -> float:
        pacer = Pacer()
        await pacer.turn()
        pacer.slow_down(named, sent_at=now())
        pacer.done()
        paused_at = now()
        await pacer.turn(Urgency.NOW)
        return now() - paused_at

    assert virtually(main) == pytest.approx(pause, abs=0.03)


def test_many_429s_of_one_moment_are_one_pause():
    """What was under way when the first was refused tells nothing new: one pause, one fall of the rate."""

    async def main() -> tuple[int, float, float]:
        pacer = Pacer()
        for _ in range(10):
            await pacer.turn()
        sent_at, before = now(), pacer.rate
        await asyncio.sleep(0.05)
        for _ in range(10):
            pacer.slow_down(2.0, sent_at=sent_at)
            pacer.done()
            await asyncio.sleep(0.01)
        assert before is not None
        assert pacer.rate is not None
        return pacer.pauses, pacer.paused_for_s, pacer.rate / before

    pauses, left, share = virtually(main)
    assert pauses == 1
    assert left == pytest.approx(2.0, abs=0.05)
    assert share > 0.5


def test_starts_go_before_reads_and_reads_before_questions():
    """When the budget is short, what starts jobs leaves first, whoever came first."""

    async def main() -> list[str]:
        pacer, left = Pacer(10.0), []

        async def send(urgency: Urgency) -> None:
            await pacer.turn(urgency)
            left.append(urgency.name)
            pacer.done()

        await pacer.turn()
        pacer.done()
        wanted = [Urgency.STATUS, Urgency.STATUS, Urgency.READ, Urgency.START, Urgency.NOW, Urgency.START]
        await asyncio.gather(*(send(each) for each in wanted))
        return left

    assert virtually(main) == ["NOW", "START", "START", "READ", "STATUS", "STATUS"]


def test_no_more_than_the_places_are_in_flight():
    """The next leaves when an answer has come."""

    async def main() -> list[int]:
        pacer, met = Pacer(max_in_flight=3), []

        async def send() -> None:
            await pacer.turn()
            met.append(pacer.in_flight)
            await asyncio.sleep(1.0)
            pacer.done()

        await asyncio.gather(*(send() for _ in range(10)))
        return [*met, pacer.in_flight]

    met = virtually(main)
    assert max(met) == 3
    assert met[-1] == 0


def test_a_cancelled_wait_gives_its_place_back():
    """Whether it was still waiting or just let through."""

    async def main() -> int:
        pacer = Pacer(max_in_flight=1)
        await pacer.turn()
        waiting = [asyncio.ensure_future(pacer.turn()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        pacer.done()  # lets the second through
        waiting[1].cancel()
        await asyncio.gather(*waiting[:2], return_exceptions=True)
        await waiting[2]
        pacer.done()
        return pacer.in_flight

    assert virtually(main) == 0


def test_most_requests_failing_makes_everybody_wait_longer_each_time():
    """The breaker opens, lets one go first, and closes with the first good answer."""

    async def main() -> tuple[list[float], int, float | None]:
        pacer, left = Pacer(), []

        async def send(*, good: bool) -> None:
            await pacer.turn()
            left.append(now())
            await asyncio.sleep(0.01)
            (pacer.went_well if good else pacer.went_wrong)()
            pacer.done()

        for _ in range(17):
            await send(good=False)
        broken = pacer.breaks
        began = now()
        await asyncio.gather(*(send(good=True) for _ in range(5)))
        assert now() - began < 30.0
        gaps = [b - a for a, b in itertools.pairwise(left)]
        assert pacer.pauses == 0
        return gaps, broken, pacer.paused_for_s

    gaps, broken, left = virtually(main)
    assert broken >= 4
    assert max(gaps[:11]) < 0.05
    assert gaps[14] > 1.5 * gaps[13] > 2.0 * gaps[12]
    assert left == 0.0


def test_a_few_failures_open_nothing():
    """One request in five failing is for those requests to bear."""

    async def main() -> int:
        pacer = Pacer()
        for number in range(200):
            await pacer.turn()
            (pacer.went_wrong if number % 5 == 0 else pacer.went_well)()
            pacer.done()
        return pacer.breaks

    assert virtually(main) == 0


def test_while_the_breaker_is_open_one_goes_first():
    """Not everybody at once finds out that Opus is still away."""

    async def main() -> int:
        pacer = Pacer()
        for _ in range(12):
            await pacer.turn()
            pacer.went_wrong()
            pacer.done()
        met = []

        async def send() -> None:
            await pacer.turn()
            met.append(pacer.in_flight)
            await asyncio.sleep(0.5)
            pacer.went_wrong()
            pacer.done()

        waiting = [asyncio.ensure_future(send()) for _ in range(6)]
        await asyncio.sleep(3.0)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return max(met)

    assert virtually(main) == 1


def test_one_key_at_one_address_has_one_pacer():
    """However many connections are made; another key or another address has its own."""
    first = Pacer.shared("https://a.example", "key-1")
    assert Pacer.shared("https://a.example", "key-1") is first
    assert Pacer.shared("https://a.example", "key-2") is not first
    assert Pacer.shared("https://b.example", "key-1") is not first


def test_a_limit_named_later_holds_for_all():
    """``None`` changes nothing; a number is kept from then on."""
    first = Pacer.shared("https://c.example", "key-1")
    second = Pacer.shared("https://c.example", "key-1", 5.0)
    assert second is first
    assert Pacer.shared("https://c.example", "key-1").rate == KNOWN_SHARE * 5.0


def test_a_limit_measured_over_a_pause_is_not_mistaken_for_a_lower_one():
    """Between two busy times lies an idle one, in which the budget filled unused: the rate stays near the limit."""

    async def main() -> tuple[float, float]:
        pacer, service = Pacer(), Service(50.0)
        await press(pacer, service, 40.0)
        await asyncio.sleep(600.0)
        service.passed = 0
        await press(pacer, service, 20.0)
        return service.passed / (50.0 * 20.0), service.refused

    share, _ = virtually(main)
    assert share > 0.93
