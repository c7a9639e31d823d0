"""Rules that make the sandbox misbehave on request."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

ENDPOINTS = frozenset(
    [
        "initiate",
        "execute",
        "upload",
        "put",
        "status",
        "results",
        "audit",
        "workflow",
        "detail",
        "search",
        "list",
        "versions",
        "archive",
        "delete",
        "download",
        "get",
        "any",
    ]
)
KINDS: dict[str, dict[str, Any]] = {
    "lost_before": {"reset": False},
    "lost_after": {"reset": False},
    "cut_off": {"keep": 0.5},
    "rate_limited": {"retry_after_s": 1, "style": "header"},
    "error": {"status": 503, "message": None, "html": False, "after": False, "body": None},
    "slow": {"before_s": 0.0, "after_s": 0.0},
    "empty": {"after": True},
    "html": {"after": True},
    "inner_error": {"status": 500, "message": "Request failed with status code 422", "after": False},
    "success_false": {"message": "Job could not be started", "after": False},
    "expired": {},
    "stuck": {},
    "script": {"seconds": None, "end": None},
    "word": {"word": "UNKNOWN"},
    "lie": {},
}
_ONLY_AT: dict[str, frozenset[str]] = {
    "expired": frozenset({"upload", "download"}),
    "stuck": frozenset({"execute"}),
    "script": frozenset({"execute"}),
    "word": frozenset({"status"}),
    "lie": frozenset({"initiate", "execute", "status", "results"}),
}


@dataclass(eq=False)
class FaultRule:
    """One rule, and how often it has struck.

    Attributes
    ----------
    endpoint, kind : str
        Where and what.
    times : int, optional
        How often at most; None means again and again.
    probability : float
        The chance at each matching request, drawn from the sandbox's seed.
    skip_first : int
        How many matching requests pass unharmed before the rule begins.
    for_s : float, optional
        How long the rule lives, on the sandbox's clock.
    job, title : str, optional
        Only this job id; only titles that match this pattern (``*`` and ``?``).
    parameters : dict
        What the kind takes, defaults filled in.
    seen, fired : int
        Matching requests so far, and how many of them were hit.
    """

    endpoint: str
    kind: str
    times: int | None = None
    probability: float = 1.0
    skip_first: int = 0
    for_s: float | None = None
    job: str | None = None
    title: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    fired: int = 0
    made_at: float = 0.0
    draws: random.Random = field(default_factory=random.Random, repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def strikes(self, *, now: float, job: str | None, title: str | None) -> bool:
        """Judge one request to the rule's endpoint, and count it."""
        if self.for_s is not None and now > self.made_at + self.for_s:
            return False
        if self.job is not None and self.job != job:
            return False
        if self.title is not None and not _suits(title, self.title):
            return False
        self.seen += 1
        if self.seen <= self.skip_first or (self.times is not None and self.fired >= self.times):
            return False
        if self.probability < 1.0 and self.draws.random() >= self.probability:
            return False
        self.fired += 1
        return True

    def describe(self) -> dict[str, Any]:
        """Show the rule as JSON."""
        names = [
            "endpoint",
            "kind",
            "times",
            "probability",
            "skip_first",
            "for_s",
            "job",
            "title",
            "parameters",
            "seen",
            "fired",
        ]
        return {name: getattr(self, name) for name in names}


def _suits(title: str | None, pattern: str) -> bool:
    """Whether a title has the pattern; brackets stand for themselves, because titles end with a marker in brackets."""
    return title is not None and fnmatchcase(title, pattern.replace("[", "[[]"))


class FaultRules:
    """All rules, judged in the order in which they were made."""

    def __init__(self, *, seed: str) -> None:
        self.rules: list[FaultRule] = []
        self._seed = seed
        self._made = 0

    def add(
        self,
        endpoint: str,
        kind: str,
        *,
        now: float,
        times: int | None = None,
        probability: float = 1.0,
        skip_first: int = 0,
        for_s: float | None = None,
        job: str | None = None,
        title: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> FaultRule:
        """Make a rule; raises ValueError for an endpoint, kind or parameter that does not exist."""
        given = dict(parameters or {})
        if endpoint not in ENDPOINTS:
            raise ValueError(f"no endpoint {endpoint!r}; there are {', '.join(sorted(ENDPOINTS))}")
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(KINDS)}")
        if endpoint not in _ONLY_AT.get(kind, ENDPOINTS):
            raise ValueError(f"{kind!r} can happen at {', '.join(sorted(_ONLY_AT[kind]))}, not at {endpoint!r}")
        unknown = sorted(set(given) - set(KINDS[kind]))
        if unknown:
            raise ValueError(f"{kind!r} takes {', '.join(KINDS[kind]) or 'no parameters'}, not {', '.join(unknown)}")
        self._made += 1
        rule = FaultRule(
            endpoint, kind, times, probability, skip_first, for_s, job, title, KINDS[kind] | given,
            made_at=now, draws=random.Random(f"{self._seed}/fault/{self._made}"),
        )  # fmt: skip
        self.rules.append(rule)
        return rule

    def judge(self, endpoint: str, *, now: float, job: str | None, title: str | None) -> list[FaultRule]:
        """Find the rules that strike a request: any number of slow ones, then at most one other."""
        struck: list[FaultRule] = []
        for rule in self.rules:
            if rule.endpoint not in (endpoint, "any") or not rule.strikes(now=now, job=job, title=title):
                continue
            struck.append(rule)
            if rule.kind != "slow":
                break
        return struck

    def clear(self) -> None:
        """Drop all rules."""
        self.rules.clear()
