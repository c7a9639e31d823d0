"""What can be read of a run at any moment: counts, frames, pictures, files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from opus_nb import loop
from opus_nb.batch.book import Book
from opus_nb.downloads import fetch_files, find_files
from opus_nb.frames.audit import audit_frame, nodes_frame
from opus_nb.frames.jobs import jobs_frame
from opus_nb.frames.paths import paths_frame
from opus_nb.frames.pictures import Plots
from opus_nb.frames.results import results_frame
from opus_nb.frames.saving import save_frames
from opus_nb.job import COUNT_NAMES, Outcome, RowState
from opus_nb.saying import say
from opus_nb.service.api import JobApi
from opus_nb.service.schema import Schema
from opus_nb.sheet.beside import write_beside
from opus_nb.sheet.labels import unpack_index
from opus_nb.sheet.origins import recall_sheet

__all__ = ["RunFrames"]


class RunFrames:
    """The readable side of a run: everything here comes from the ledger, whether or not anybody works on it.

    Parameters
    ----------
    book : Book
    api : JobApi
        Only asked for files, and for audits that were left out.
    index : pandas.Index, optional
        The sheet's own; None makes it again from the ledger.
    sheet : DataFrame, optional
        The sheet itself, where this process has it.
    """

    def __init__(
        self, book: Book, api: JobApi, *, index: pd.Index[Any] | None = None, sheet: pd.DataFrame | None = None
    ) -> None:
        about = book.record_of_run.about
        self._book = book
        self._api = api
        self._index = unpack_index(about.get("index", {}), book.labels()) if index is None else index
        self._sheet = sheet
        self._outputs = Schema.from_json(about["outputs"])

    @property
    def name(self) -> str:
        """The run's name in the ledger."""
        return self._book.record_of_run.name

    @property
    def counts(self) -> pd.Series[int]:
        """Rows by state, those that occur; the sum is the number of rows of the sheet."""
        found = self._book.counts()
        names = [name for name in COUNT_NAMES if found.get(name)]
        return pd.Series([found[name] for name in names], index=names, name="rows", dtype="int64")

    def results(self) -> pd.DataFrame:
        """One row per row of the sheet, same index, same order: state, job id, error, then the outputs.

        Never blocks: rows that are not final show their state and NA. Dtypes and details stand in
        `opus_nb.frames.results.results_frame`.
        """
        return results_frame(self.outcomes(), self._index, self._outputs)

    def jobs(self) -> pd.DataFrame:
        """One row per row of the sheet: ids, states, UTC times, tries. See `opus_nb.frames.jobs.jobs_frame`."""
        return jobs_frame(self.outcomes(with_texts=False), self._index)

    def audit(self) -> pd.DataFrame:
        """One row per audit event or executed node, times in UTC. See `opus_nb.frames.audit.audit_frame`.

        Fetches what is missing when the run was started with ``fetch_audit=False``.
        """
        if not self._book.record_of_run.about.get("fetch_audit", True):
            self._fetch_audits()
        return audit_frame(self.outcomes(), self._index)

    def nodes(self) -> pd.DataFrame:
        """One row per node of the workflow: counts, failures, durations. See `opus_nb.frames.audit.nodes_frame`."""
        return nodes_frame(self.outcomes())

    def paths(self) -> pd.DataFrame:
        """One row per way through the workflow that jobs took. See `opus_nb.frames.paths.paths_frame`."""
        return paths_frame(self.outcomes())

    @property
    def plot(self) -> Plots:
        """Pictures of the frames: ``run.plot.outcomes()`` and its like return matplotlib Axes."""
        return Plots(jobs=self.jobs, nodes=self.nodes, paths=self.paths)

    def save(self, path: str | Path, *, into: str | Path | None = None) -> list[Path]:
        """Write the results beside the sheet's own columns.

        Parameters
        ----------
        path : str or path
            ``.xlsx``, ``.csv``, ``.tsv`` or ``.parquet``; what goes where stands in
            `opus_nb.frames.saving.save_frames`.
        into : str or path, optional
            The workbook that the sheet was read from: ``path`` becomes a copy of it, formats and formulas kept, with
            the results in columns beside each row. Mend the rows that went wrong there, plan it again, and only
            those run.

        Returns
        -------
        list of Path
            The files written. What had to be changed to fit is printed.

        Raises
        ------
        SettingsError
            Another suffix, or a place that cannot be written to.
        SheetUnreadable
            ``into`` is not the workbook that this run's sheet was read from.
        """
        sheet = pd.DataFrame(index=self._index) if self._sheet is None else self._sheet
        if into is not None:
            if self._sheet is None:
                sheet = recall_sheet(self._book.record_of_run.about.get("sheet"), self._index)
            for note in write_beside(path, sheet, self.results(), source=into):
                say(note)
            return [Path(path)]
        saved = save_frames(path, self.results(), sheet=sheet, jobs=self.jobs(), audit=self.audit(), nodes=self.nodes())
        for note in saved.notes:
            say(note)
        return saved

    def download(
        self,
        folder: str | PathLike[str],
        *,
        rows: Iterable[Any] | None = None,
        outputs: Iterable[str] | str | None = None,
    ) -> pd.DataFrame:
        """Fetch the files that the jobs have produced.

        Each file is written under another name first and takes its own when its size is right. ``manifest.json`` in
        the folder says what lies where; running this again fetches only what is missing. Nothing is uploaded, and
        the service key goes to Opus only, never to the addresses where the files lie.

        Parameters
        ----------
        folder : str or path
            Made if it is not there.
        rows : iterable, optional
            Index values; None means all rows.
        outputs : str or iterable of str, optional
            Columns of `results`; None means every one that holds files.

        Returns
        -------
        DataFrame
            One row per file: ``row`` (index value), ``output``, ``file_url``, ``path`` (NA where it is not there),
            ``size`` (bytes), ``status`` (``done``, ``kept``: was there already, ``missing``: Opus does not have
            it, ``failed``) and ``error``.

        Raises
        ------
        SettingsError
            The folder cannot be written to, or a row or output that does not exist.

        Source
        ------
        Contract, sections 1.11 and 4.5, trap T35.
        """
        found = find_files(self.outcomes(), self._index, self._outputs, rows=rows, outputs=outputs)
        workspace_id = self._book.record_of_run.about.get("workspace_id")
        frame, note = loop.call(fetch_files, self._api.wire, found, folder, workspace_id)
        say(note)
        return frame

    # -- inside -----------------------------------------------------------------------------------------

    def _fetch_audits(self) -> None:
        """Fetch the audits that the ledger lacks; whoever works on the run knows how."""

    def outcomes(self, *, with_texts: bool = True) -> list[Outcome]:
        """The records behind the frames, one per row of the sheet, in its order."""
        outcomes = self._book.outcomes(with_texts=with_texts)
        # While the sheet is still being recorded, its last rows are queued like any other.
        outcomes.extend(Outcome(position, RowState.PLANNED) for position in range(len(outcomes), len(self._index)))
        return outcomes

    def _label(self, position: int) -> Any:
        return self._index[position]

    def _page(self, state: str | None, offset: int, limit: int) -> list[Mapping[str, Any]]:
        return [
            {"row": self._label(each.position), "state": each.state.count_name, "job": each.job_id, "error": each.error}
            for each in self._book.page(state, offset, limit)
        ]
