"""Every exception of opus_nb, one tree.

::

    OpusError                     catch this one for anything opus_nb can raise
    ├── SettingsError             an argument, address or folder that cannot be used
    │   ├── ServiceKeyMissing     no key found in any of the places looked in
    │   └── ExtraMissing          an optional package is not installed
    ├── OpusUnreachable           no usable answer came at all
    │   ├── NeverSent             ... and the request certainly never left this machine
    │   └── AnswerLost            ... and the request may have been acted on
    ├── RequestRefused            Opus answered, and the answer is no (4xx); ``.status``, ``.messages``
    │   ├── ServiceKeyRefused     401, 403
    │   ├── NotFound              404
    │   └── RateLimited           429, after every repeat
    ├── ServiceTrouble            Opus answered 5xx, after every repeat
    ├── ReplyUnreadable           2xx, but not something we can read
    ├── WorkflowError             the workflow cannot be used as it is
    │   ├── SchemaNotFound        its inputs are nowhere to be found
    │   ├── SchemaChanged         its inputs changed after the plan was checked
    │   └── WorkflowInactive      it must be activated in Opus first
    ├── SheetUnreadable           a file or frame that is no table
    ├── MappingError              a column or an input that does not exist
    ├── PlanRefused               cells that cannot be sent; ``.issues``
    ├── RunError
    │   ├── RunNotFound           no run of that name in the ledger
    │   ├── RunLocked             another process has it; ``.owner``
    │   └── RunHalted             the run stopped by itself; ``.counts``
    ├── JobError                  one job, asked for by itself
    │   ├── JobFailed
    │   └── JobUncertain
    └── LedgerError               the ledger cannot be read or written
        ├── LedgerDamaged
        └── LedgerNewer           written by a newer opus_nb

The line to write::

    except opus_nb.errors.OpusError as error:
        print(error)
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AnswerLost",
    "ExtraMissing",
    "JobError",
    "JobFailed",
    "JobUncertain",
    "LedgerDamaged",
    "LedgerError",
    "LedgerNewer",
    "MappingError",
    "NeverSent",
    "NotFound",
    "OpusError",
    "OpusUnreachable",
    "PlanRefused",
    "RateLimited",
    "ReplyUnreadable",
    "RequestRefused",
    "RunError",
    "RunHalted",
    "RunLocked",
    "RunNotFound",
    "SchemaChanged",
    "SchemaNotFound",
    "ServiceKeyMissing",
    "ServiceKeyRefused",
    "ServiceTrouble",
    "SettingsError",
    "SheetUnreadable",
    "WorkflowError",
    "WorkflowInactive",
]


def _rebuild(cls: type[OpusError], what: str, parts: dict[str, Any]) -> OpusError:
    error = cls.__new__(cls)
    Exception.__init__(error, what)
    error.__dict__.update(parts)
    return error


class OpusError(Exception):
    """Something opus_nb could not do, told in four parts.

    Parameters
    ----------
    what : str
        What we were doing and what went wrong, one sentence.
    where : str, optional
        The row, file, endpoint or argument it is about.
    came_back : str, optional
        What the other side said, letter for letter.
    next_step : str, optional
        The call to make or the thing to do next; None takes what usually helps against this kind of error.
    **parts
        Kept as attributes, for programs that want to decide.

    Notes
    -----
    Survives pickling, attributes included, so it can cross a process boundary.
    """

    what: str
    where: str | None
    came_back: str | None
    next_step: str | None

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        came_back: str | None = None,
        next_step: str | None = None,
        **parts: Any,
    ) -> None:
        super().__init__(what)
        self.what, self.where, self.came_back = what, where, came_back
        self.next_step = next_step or self._usual_next_step()
        self.__dict__.update(parts)

    def _usual_next_step(self) -> str | None:
        """What to do where whoever raised it knew nothing better."""
        return None

    def __str__(self) -> str:
        head = f"{self.what} ({self.where})" if self.where else self.what
        if self.came_back:
            # What is indented or has several lines begins on a line of its own.
            gap = "\n" if self.came_back.startswith(" ") or "\n" in self.came_back else " "
            head = f"{head.rstrip('.')}:{gap}{self.came_back}"
        return f"{head}\n{self.next_step}" if self.next_step else head

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.what, dict(self.__dict__))


class SettingsError(OpusError):
    """An argument, address or folder that cannot be used; nothing was sent."""


class ServiceKeyMissing(SettingsError):
    """No service key in any of the places looked in."""


class ExtraMissing(SettingsError):
    """An optional package is needed here and is not installed; says what to install."""


class OpusUnreachable(OpusError):
    """No usable answer came."""


class NeverSent(OpusUnreachable):
    """No connection could be made: the request certainly never left, so it is safe to send again."""

    def _usual_next_step(self) -> str:
        return "Nothing was sent. Check the address, the network and a proxy, then try again."


class AnswerLost(OpusUnreachable):
    """The request left and no usable answer came back: Opus may have acted on it.

    Also raised where a 5xx answers a request that is not safe to repeat (a gateway can time out
    after the service has acted).
    """

    def _usual_next_step(self) -> str:
        if (self.where or "").startswith("GET"):
            return (
                "Nothing was changed. Try again in a while; opus.check() tells whether Opus answers, and "
                "connect(timeout_s=...) waits longer for each answer."
            )
        return (
            "Opus may have acted on it: look before it is sent again. In a run nothing is bought twice; "
            "run.reconcile() asks what became of it."
        )


class RequestRefused(OpusError):
    """Opus answered with a 4xx.

    Attributes
    ----------
    status : int
        The HTTP status, or the inner ``statusCode`` where Opus hid one in a 2xx.
    messages : tuple of str
        What Opus said, one entry per message.
    """

    status: int = 0
    messages: tuple[str, ...] = ()

    def _usual_next_step(self) -> str | None:
        return "Opus will say the same again: correct what it names first."


class ServiceKeyRefused(RequestRefused):
    """401 or 403: the key is not accepted, or not for this."""


class NotFound(RequestRefused):
    """404: no such thing, or not visible to this key."""


class RateLimited(RequestRefused):
    """429 after every repeat; ``retry_after_s`` is what Opus asked for last, or None."""

    retry_after_s: float | None = None

    def _usual_next_step(self) -> str:
        return (
            "More is asked with this key than Opus allows: wait a minute, then go on. "
            "connect(max_requests_per_second=...) keeps below a limit that you know of."
        )


class ServiceTrouble(OpusError):
    """5xx after every repeat; ``status`` and ``messages`` as in `RequestRefused`."""

    status: int = 0
    messages: tuple[str, ...] = ()

    def _usual_next_step(self) -> str:
        return (
            "Opus, or a gateway in front of it, is in trouble; that passes, as a rule. Try again in a few minutes; "
            "opus.check() tells whether it answers."
        )


class ReplyUnreadable(OpusError):
    """A 2xx whose body is not what the contract describes; ``status`` and the first 300 characters kept."""

    status: int = 0

    def _usual_next_step(self) -> str:
        return (
            "Is this the address of Opus itself, and not of a login page or a proxy in front of it? "
            "opus.check() tests it, connect(base_url=...) sets it."
        )


class WorkflowError(OpusError):
    """The workflow cannot be used as it is."""


class SchemaNotFound(WorkflowError):
    """The reply describes no inputs in any known place; an empty form would be a lie."""


class SchemaChanged(WorkflowError):
    """The workflow's inputs changed after the plan was checked; ``.changes`` lists how."""


class WorkflowInactive(WorkflowError):
    """The workflow is not active; only its author can change that, in Opus."""


class SheetUnreadable(OpusError):
    """What was given cannot be opened as a table."""


class MappingError(OpusError):
    """A column or an input was named that does not exist, or one twice."""


class PlanRefused(OpusError):
    """Some cells cannot be sent and nothing was; ``.issues`` is the DataFrame of all of them."""

    issues: Any = None


class RunError(OpusError):
    """About a whole run."""


class RunNotFound(RunError):
    """The ledger holds no run of that name."""


class RunLocked(RunError):
    """Another process works on this run; ``.owner`` says which, since when."""

    owner: str = ""


class RunHalted(RunError):
    """The run stopped by itself before its rows were done; nothing is lost, ``resume()`` continues."""


class JobError(OpusError):
    """About one job that was asked for by itself; ``.job_id`` where it is known."""

    job_id: str | None = None


class JobFailed(JobError):
    """The job ended without success."""


class JobUncertain(JobError):
    """Execute was sent, its answer lost, and Opus cannot tell; it was not sent again."""


class LedgerError(OpusError):
    """The ledger cannot be read or written."""

    def _usual_next_step(self) -> str:
        return (
            "Look whether the disk is full, the folder may be written to, and no other program holds the file; or give "
            "another folder: connect(ledger=...) or OPUS_NB_LEDGER."
        )


class LedgerDamaged(LedgerError):
    """The ledger file is not a database any more; it is left as it is."""


class LedgerNewer(LedgerError):
    """The ledger was written by a newer opus_nb; it is left as it is."""
