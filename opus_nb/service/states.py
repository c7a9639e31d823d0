"""Where a job stands, in every spelling that the service has been met to use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from opus_nb.job import JobState
from opus_nb.service.spellings import look_up, walk_wrappers

__all__ = ["read_state"]

# Contract, section 3: every word that has been met, without case and separators, and what it means.
_NAME_OF_WORD = {
    "PENDING": "pending",
    "INPROGRESS": "running",
    "WAITING": "waiting",
    "COMPLETED": "completed",
    "FAILED": "failed",
    "ERROR": "failed",
    "CANCELLED": "cancelled",
    "CANCELED": "cancelled",
    "STOPPED": "cancelled",
    "TIMEDOUT": "timed_out",
    "UNKNOWN": "unknown",
}


def read_state(reply: Any) -> JobState:
    """Read where a job stands from a status reply, in any spelling.

    Parameters
    ----------
    reply : Any
        The parsed JSON of ``GET /job/{id}/status`` or ``GET /case/{id}/status``; also any other reply that has a
        ``status`` (else a ``state``), at the top or inside ``data``.

    Returns
    -------
    JobState
        ``unknown`` for a word that is in no table, with the word kept letter for letter, and for a reply without
        one, with ``""``. Never an end that was not said.

    Source
    ------
    Quickstart, "Get Job Execution Status"; contract, section 3, trap T9.
    """
    if isinstance(reply, Mapping):
        word = reply.get("status")
        if isinstance(word, str):
            return _state(word)
    for level in walk_wrappers(reply, ("data", "result"), levels=1):
        for key in ("status", "state"):
            word = look_up(level, key)
            if isinstance(word, str):
                return _state(word)
            if isinstance(word, Mapping) and isinstance(inner := look_up(word, "status", "name"), str):
                return _state(inner)
    return _state(reply) if isinstance(reply, str) else JobState("unknown", "")


@lru_cache(maxsize=512)
def _state(word: str) -> JobState:
    return JobState(_NAME_OF_WORD.get(re.sub(r"[\s_-]+", "", word).upper(), "unknown"), word)
