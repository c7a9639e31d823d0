"""One job, asked for by itself."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pandas as pd

from opus_nb.job import Outcome
from opus_nb.run import Run

__all__ = ["Job"]


class Job:
    """One job: a run of one row. Made by ``wf.submit()``.

    Attributes
    ----------
    run : Run
        The run behind it, for everything that is not here.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    @property
    def id(self) -> str | None:
        """The id that Opus gave it; None until it has one."""
        return self._outcome().job_id

    @property
    def state(self) -> str:
        """Where it stands: one of the names of ``run.counts``."""
        return self._outcome().state.count_name

    @property
    def error(self) -> str | None:
        """Why it ended without success; None when fine."""
        return self._outcome().error

    @property
    def outputs(self) -> dict[str, Any]:
        """What it answered, by output name; empty until it is complete."""
        row = self.run.results().iloc[0].drop(["state", "job_id", "error"])
        # Plain Python values: numpy's would print as np.float64(0.4).
        return {
            str(name): value.item() if hasattr(value, "item") else value
            for name, value in row.items()
            if not _is_na(value)
        }

    def _outcome(self) -> Outcome:
        return self.run.outcomes(with_texts=False)[0]

    def wait(self, *, for_people: bool = False, timeout_s: float | None = None) -> Job:
        """Block until it is at its end or waits for a person; see `Run.wait`."""
        self.run.wait(for_people=for_people, timeout_s=timeout_s)
        return self

    def __await__(self) -> Generator[Any, None, Job]:
        """Wait without blocking the event loop."""

        async def wait() -> Job:
            await self.run
            return self

        return wait().__await__()

    def results(self) -> pd.DataFrame:
        """One row: state, job id, error, then the outputs; as ``run.results()``."""
        return self.run.results()

    def audit(self) -> pd.DataFrame:
        """One row per audit event or executed node; as ``run.audit()``."""
        return self.run.audit()

    def retry(self) -> Job:
        """Send it again if it ended badly, as a new job that may be charged."""
        self.run.retry()
        return self

    def __repr__(self) -> str:
        return f"<Job {self.id or '(no id yet)'}: {self.state}>"

    def _repr_html_(self) -> str:
        return self.run._repr_html_()

    def _ipython_display_(self) -> None:
        self.run._ipython_display_()


def _is_na(value: Any) -> bool:
    return not isinstance(value, (list, dict)) and bool(pd.isna(value))
