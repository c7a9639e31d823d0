"""Every wait of the row protocol that is not about polling, and what may be different after one."""

from __future__ import annotations

from dataclasses import dataclass

from opus_nb.errors import OpusUnreachable, RateLimited, ReplyUnreadable, ServiceTrouble

__all__ = ["PASSING", "Timing"]

# What may be different in a moment: the way was blocked, the row is not to blame.
PASSING = (OpusUnreachable, ServiceTrouble, RateLimited, ReplyUnreadable)
# A request of a process that died may still be on its way for as long as a request may take at all.
IN_FLIGHT_S = 60.0


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

    Notes
    -----
    The waits between those questions double, from a twentieth of ``settle_s`` to twice it.
    """

    settle_s: float = 10.0
    settle_asks: int = 6
    results_asks: int = 8

    def wait_s(self, asked: int) -> float:
        """The wait after so many questions."""
        return float(min(2.0 * self.settle_s, 0.05 * self.settle_s * 2.0 ** min(asked, 60)))

    def settle_after_death_s(self, sent_at: float | None, now: float) -> float:
        """How long to wait before asking after an execute that another process sent, and died.

        The whole settling time, unless it left so long ago that nothing of it can be under way any more. A clock
        that was set back meanwhile makes it the whole time, too.
        """
        if sent_at is not None and now - sent_at > IN_FLIGHT_S + self.settle_s:
            return 0.0
        return self.settle_s
