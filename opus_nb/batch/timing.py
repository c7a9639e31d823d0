"""Every wait of the row protocol that is not about polling, and what may be different after one."""

from __future__ import annotations

from dataclasses import dataclass

from opus_nb.errors import OpusUnreachable, RateLimited, ReplyUnreadable, ServiceTrouble

__all__ = ["PASSING", "Timing"]

# The longest that a request may be held back after its mark: by pauses that Opus asks for, one after the other.
LONGEST_HELD_S = 6 * 3600.0
# What may be different in a moment: the way was blocked, the row is not to blame.
PASSING = (OpusUnreachable, ServiceTrouble, RateLimited, ReplyUnreadable)


@dataclass(frozen=True, slots=True)
class Timing:
    """Every wait of the protocol that is not about polling, in seconds.

    Attributes
    ----------
    settle_s : float
        After a lost ``execute``: how long Opus gets to act on it before it is asked. A job that was started
        shows it within seconds; asking earlier could find a fresh shell that is about to run.
    settle_asks : int
        How often witnesses are heard before a row is called uncertain.
    results_asks : int
        How often the results of a completed job are asked for while they are not there yet.
    timeout_s : float
        The longest that one request may take.

    Notes
    -----
    The waits between those questions double, from a twentieth of ``settle_s`` to twice it.
    """

    settle_s: float = 10.0
    settle_asks: int = 6
    results_asks: int = 8
    timeout_s: float = 30.0

    def wait_s(self, asked: int) -> float:
        """The wait after so many questions."""
        return float(min(2.0 * self.settle_s, 0.05 * self.settle_s * 2.0 ** min(asked, 60)))

    def still_on_its_way_s(self, sent_at: float | None, now: float) -> float:
        """How long an execute that another process sent, and died, may still take to arrive and to show.

        As long as that process itself would have waited before it asked, from now on: between the mark and the
        sending a request may be held back for long, and nobody knows when that process died. Only a mark so old that
        no request can have been held back since needs no wait; a clock that was set back makes it the whole time.
        """
        whole_s = self.timeout_s + self.settle_s
        return 0.0 if sent_at is not None and now - sent_at > LONGEST_HELD_S + whole_s else whole_s
