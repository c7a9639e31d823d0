"""A plan: what would be sent for each row of a sheet, what is wrong with it, and what it will take."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from opus_nb.batch.book import Book, SheetRow
from opus_nb.batch.history import read_past
from opus_nb.batch.ledger import Ledger
from opus_nb.batch.lock import RunLock
from opus_nb.batch.stopping import MAX_CONCURRENCY, Limits, read_limits
from opus_nb.connection import Connection, with_parameters
from opus_nb.drift_guard import Drift, guard_plan, identity_names
from opus_nb.errors import LedgerError, SettingsError, WorkflowInactive
from opus_nb.estimates import compare_caps, expect
from opus_nb.job import Observer, PastRuns
from opus_nb.run import Run
from opus_nb.saying import say
from opus_nb.screen.cards import Card, plan_card
from opus_nb.service.schema import Schema
from opus_nb.sheet.cells import MISSING
from opus_nb.sheet.checks import CheckedSheet
from opus_nb.sheet.labels import pack_index, pack_labels
from opus_nb.sheet.mending import write_fix_me
from opus_nb.sheet.origins import keep_sheet
from opus_nb.sheet.painting import paint_issues
from opus_nb.sheet.refusals import SHOWN_ISSUES, refusal
from opus_nb.sheet.sampling import choose_sample
from opus_nb.titles import Titles

__all__ = ["Plan"]

_CAPS = {"max_concurrency", "max_jobs", "max_cost", "max_minutes", "stop_after_failures", "patience_s"}


class Plan:
    """A checked sheet, ready to start. Made by ``wf.plan(df)``; nothing has been sent.

    Attributes
    ----------
    mapping : DataFrame
        One row per input: which column or constant feeds it, with a score from 0 to 1, and why.
    issues : DataFrame
        One row per finding: ``row`` (index value, NA for the whole sheet), ``column``, ``input``, ``severity``
        (``error`` or ``warning``), ``code``, ``value``, ``problem``, ``fix``.
    """

    def __init__(self, connection: Connection, df: pd.DataFrame, sheet: CheckedSheet) -> None:
        self._connection = connection
        self._df = df
        self._sheet = sheet
        self.mapping: pd.DataFrame = sheet.mapping.mapping_frame
        self.issues: pd.DataFrame = sheet.issues

    def __len__(self) -> int:
        return self._sheet.row_count

    @property
    def ready(self) -> int:
        """How many rows can be sent."""
        return int((~self._sheet.invalid).sum())

    @property
    def columns(self) -> dict[str, Any]:
        """The mapping as ``columns=`` takes it: input to column; by display name, so it fits a rebuilt workflow too."""
        return self._sheet.mapping.columns

    @property
    def estimate(self) -> pd.Series[Any]:
        """What starting this plan would take, as ranges; what is not known is NA, never 0.

        From what Opus says of the workflow and from earlier jobs of it in this ledger, a pilot's included. The
        fields stand in `opus_nb.estimates.expect`.
        """
        estimate = self._connection.record.estimate
        return expect(self.ready, estimate, self._history(), max_concurrency=MAX_CONCURRENCY)

    def start(
        self,
        *,
        name: str | None = None,
        max_concurrency: int = MAX_CONCURRENCY,
        max_jobs: int | None = None,
        max_cost: float | None = None,
        max_minutes: float | None = None,
        stop_after_failures: int | None = None,
        patience_s: float | None = None,
        on_invalid: str = "raise",
        fetch_audit: bool = True,
        progress: str | Observer = "auto",
        fresh: bool = False,
        **initiate: Any,
    ) -> Run:
        """Start the rows, and return at once; the cell shows the live monitor.

        The ledger is written before anything leaves. Without a name, the name follows from workflow and
        mapping, so that running a cell again finds the same run: rows that it knows are kept, and only new ones
        are started, whatever their order. Another name, or ``fresh=True``, is a new purchase.

        Parameters
        ----------
        name : str, optional
            The run's name in the ledger.
        max_concurrency : int
            Rows at Opus at once; those that wait for a person take no place.
        max_jobs : int, optional
            Jobs that this run may execute in all; rows beyond are ``skipped``. None means no limit.
        max_cost : float, optional
            The same in money, by the price that Opus estimates for one job. None means no limit.
        max_minutes : float, optional
            Nothing more starts so many minutes after this call; rows beyond are ``skipped``, and those at Opus are
            watched on. None means no limit.
        stop_after_failures : int, optional
            Nothing more starts when so many rows have failed alike (the same node and message), and what these rows
            have in common is printed; ``run.resume()`` goes on all the same. None means never.
        patience_s : float, optional
            How long a row at Opus is waited for. Beyond, it stays ``running``, keeps its id, takes no place from
            others, and ``wait()`` may return; it is watched on while this process lives, and `open_run` picks it
            up. None means as long as it takes.
        on_invalid : {"raise", "skip"}
            What to do when rows cannot be sent: refuse the whole plan, or run the others.
        fetch_audit : bool
            Whether the audit of each ended job is fetched with its results.
        progress : {"auto", "widget", "html", "text", "off"} or Observer
            What is shown; an observer of your own is told of every event.
        fresh : bool
            True sets an earlier run of the same name aside and buys everything anew.
        **initiate
            Parameters of ``POST /job/initiate`` for this run; see ``wf.plan``.

        Returns
        -------
        Run

        Raises
        ------
        PlanRefused
            Rows cannot be sent, and ``on_invalid`` is ``"raise"``; or no row can be sent at all. Nothing was sent.
        RunLocked
            Another process works on the run of this name.
        SchemaChanged
            The workflow was edited since the sheet was checked, in a way that matters to it; ``.changes`` lists how.
            What only has a new variable name is sent under that.
        """
        return self._start(
            name=name,
            max_concurrency=max_concurrency,
            max_jobs=max_jobs,
            max_cost=max_cost,
            max_minutes=max_minutes,
            stop_after_failures=stop_after_failures,
            patience_s=patience_s,
            on_invalid=on_invalid,
            fetch_audit=fetch_audit,
            progress=progress,
            fresh=fresh,
            **initiate,
        )

    def pilot(self, rows: int = 5, **options: Any) -> Run:
        """Run a few rows that stand for the sheet first: rare categories, missing values, the largest files.

        The others are ``skipped`` until ``start()`` of the same name goes on with them; nothing is repeated. What
        the pilot's jobs took sharpens ``estimate``.

        Parameters
        ----------
        rows : int
            How many at most.
        **options
            What `start` takes.

        Returns
        -------
        Run
        """
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
            raise SettingsError(
                "A pilot needs a whole number of rows from 1", where=f"rows={rows!r}", next_step="As in plan.pilot(5)."
            )
        return self._start(only=tuple(choose_sample(self._sheet, rows)), **options)

    def show(self) -> Card:
        """Paint the problems over the sheet: the bad rows, each bad cell coloured, its reason when pointed at."""
        html = paint_issues(self._df, self.issues, self._sheet.issue_positions)
        return Card(f"{self!r}\n{self.issues.head(SHOWN_ISSUES).to_string()}", html)

    def to_excel(self, path: str | PathLike[str]) -> Path:
        """Write a copy of the sheet's own workbook with every bad cell marked and the reason as a note.

        Mend it there and read it again. A frame that was not read from a workbook is written as a plain table. See
        `opus_nb.sheet.mending.write_fix_me`.

        Raises
        ------
        SettingsError
            The path does not end in ``.xlsx``, cannot be written, or is that of the workbook itself.
        """
        notes: list[str] = []
        place = write_fix_me(path, self._df, self.issues, self._sheet.issue_positions, notes=notes)
        for note in notes:
            say(note)
        return place

    @property
    def default_name(self) -> str:
        """The name of the run that ``start()`` without a name begins or continues."""
        record = self._connection.record
        slug = re.sub(r"[^a-z0-9]+", "-", record.name.lower()).strip("-")[:32] or "run"
        constants = {name: repr(value) for name, value in self._sheet.constants.items()}
        meaning = json.dumps(
            [self._connection.settings.base_url, record.workflow_id, self.columns, constants], sort_keys=True
        )
        return f"{slug}-{hashlib.sha256(meaning.encode()).hexdigest()[:6]}"

    # -- how it looks -----------------------------------------------------------------------------------

    def _card(self) -> Any:
        estimate = self.estimate
        times = (estimate["time_low_s"], estimate["time_high_s"])
        return plan_card(
            workflow_name=self._connection.record.name,
            rows=len(self),
            ready=self.ready,
            mapping=self.mapping[["input", "column", "source", "reason"]].to_dict("records"),
            issues=self.issues.head(SHOWN_ISSUES).to_dict("records"),
            issues_total=len(self.issues),
            price=None if estimate["price"] is pd.NA else float(estimate["price"]),
            time_s=None if any(each is pd.NA for each in times) else (float(times[0]), float(times[1])),
        )

    def __repr__(self) -> str:
        return str(self._card().text)

    def _repr_html_(self) -> str:
        return str(self._card().html)

    # -- inside -----------------------------------------------------------------------------------------

    def _history(self) -> PastRuns:
        # Looking at a plan must not make a ledger.
        if not (self._connection.settings.ledger / "ledger.sqlite").exists():
            return PastRuns()
        return read_past(self._connection.ledger(), self._connection.record.workflow_id)

    def _start(
        self,
        *,
        only: tuple[int, ...] | None = None,
        name: str | None = None,
        on_invalid: str = "raise",
        fetch_audit: bool = True,
        progress: str | Observer = "auto",
        fresh: bool = False,
        **options: Any,
    ) -> Run:
        caps = {each: options.pop(each) for each in _CAPS & set(options)}
        limits = replace(read_limits(**caps, price=self._connection.record.estimate.price), only=only)
        self._require_active()
        self._refuse(on_invalid)
        self._compare(caps, len(only) if only is not None else self.ready, limits.max_concurrency)
        connection = with_parameters(self._connection, options)
        titles = Titles(connection, self._sheet)
        connection, drift = guard_plan(connection, self._sheet.schema, self._fed())
        if drift.changes:
            say(drift.sentence)
        ledger = connection.ledger()
        about = self._about(connection, fetch_audit=fetch_audit, limits=limits)
        book, lock = self._open_book(ledger, name or self.default_name, about, fresh=fresh)
        try:
            run = Run(
                book,
                connection.api,
                index=self._sheet.index,
                sheet=self._df,
                limits=limits,
                invalid=len(self) - self.ready,
                progress=progress,
                settle_s=connection.settings.settle_s,
                timeout_s=connection.settings.timeout_s,
            )
            return run.begin(lock, self._rows(titles, drift))
        except BaseException:
            lock.release()
            raise

    def _compare(self, caps: Mapping[str, Any], jobs: int, max_concurrency: int) -> None:
        """Say before the start where a cap is below what is expected."""
        given = {name: caps[name] for name in ("max_jobs", "max_cost", "max_minutes") if caps.get(name) is not None}
        if not given:
            return
        estimate = expect(jobs, self._connection.record.estimate, self._history(), max_concurrency=max_concurrency)
        told = compare_caps(estimate, **given)
        if told:
            say("Before the start: " + "; ".join(told) + ". What a cap leaves out is skipped; a higher one continues.")

    def _require_active(self) -> None:
        record = self._connection.record
        if record.active is False:
            raise WorkflowInactive(
                f"Workflow {record.name!r} is not active",
                where=record.workflow_id,
                came_back=record.activity,
                next_step="Its author can activate it in Opus; then read it again. Nothing was sent.",
            )

    def _refuse(self, on_invalid: str) -> None:
        if on_invalid not in {"raise", "skip"}:
            raise SettingsError(
                "on_invalid must be 'raise' or 'skip'",
                where=f"on_invalid={on_invalid!r}",
                next_step="'skip' runs the rows that can be sent; 'raise' runs none while one cannot.",
            )
        errors = self.issues["severity"] == "error"
        if errors.any() and not (on_invalid == "skip" and self.ready):
            raise refusal(self.issues, rows=len(self), ready=self.ready, workflow_name=self._connection.record.name)

    def _about(self, connection: Connection, *, fetch_audit: bool, limits: Limits) -> dict[str, Any]:
        record = connection.record
        parameters = connection.parameters
        return {
            "workflow_name": record.name,
            "base_url": connection.settings.base_url,
            "api": connection.api.name,
            "inputs": record.inputs.to_json(),
            "outputs": record.outputs.to_json(),
            "parameters": {
                name: getattr(parameters, name)
                for name in parameters.__slots__
                if getattr(parameters, name) is not None
            },
            "workspace_id": connection.workspace_id,
            "version": connection.version,
            "checked_version": record.version,
            "names": identity_names(record.inputs),
            "fetch_audit": fetch_audit,
            # A run that is opened again has the caps that it was started with.
            "limits": limits.to_json(),
            "price": record.estimate.price,
            "time_s": record.estimate.time_s,
            "index": pack_index(self._sheet.index),
            "sheet": keep_sheet(self._df),
        }

    def _open_book(self, ledger: Ledger, name: str, about: dict[str, Any], *, fresh: bool) -> tuple[Book, RunLock]:
        workflow_id = self._connection.record.workflow_id
        if Book.exists(ledger, name):
            known = Book.open(ledger, name)
            if (alive := Run.alive(known)) is not None:
                alive.let_go()
            if fresh:
                lock = RunLock(known)
                lock.take()
                kept = known.set_aside()
                lock.release()
                say(f"fresh=True: a new purchase. The earlier run of this name is kept as {kept!r}.")
        if not Book.exists(ledger, name):
            try:
                book = Book.create(ledger, name, workflow_id, len(self), about)
            except LedgerError:
                # Another process made it a moment ago.
                if not Book.exists(ledger, name):
                    raise
            else:
                lock = RunLock(book)
                lock.take()
                return book, lock
        book = Book.open(ledger, name)
        if book.record_of_run.workflow_id != workflow_id:
            raise SettingsError(
                f"Run {name!r} belongs to another workflow",
                where=f"{book.record_of_run.about.get('workflow_name')} ({book.record_of_run.workflow_id})",
                next_step="Choose another name; nothing was sent.",
            )
        lock = RunLock(book)
        lock.take()
        counts = ", ".join(f"{number} {state}" for state, number in book.counts().items())
        say(
            f"Run {name!r} goes on ({counts}): rows that it knows are kept, only new ones are started. "
            "Another name, or fresh=True, buys everything anew."
        )
        book.begin_sheet(len(self))
        known_about = book.record_of_run.about
        before, now = Schema.from_json(known_about["inputs"]), Schema.from_json(about["inputs"])
        about = {**about, "names": identity_names(now, before=before, names=known_about.get("names"))}
        fresh_word = known_about.get("fresh_word")
        book.change_about(**about, **({} if fresh_word is None else {"fresh_word": fresh_word}))
        return book, lock

    def _fed(self) -> dict[str, bool]:
        """Variable name of each input that rows feed, and whether all that can be sent have a value there."""
        sent = (~self._sheet.invalid).nonzero()[0].tolist()
        found = {name: True for name, value in self._sheet.constants.items() if value is not MISSING}
        for name, values in self._sheet.columns.items():
            there = sum(values[position] is not MISSING for position in sent)
            if there:
                found[name] = there == len(sent)
        return found

    def _rows(self, titles: Titles, drift: Drift) -> Iterator[SheetRow]:
        sheet = self._sheet
        reasons = self._reasons()
        for position, label in enumerate(pack_labels(sheet.index)):
            if sheet.invalid[position]:
                yield SheetRow(position, label, problem=reasons.get(position) or reasons.get(-1) or "cannot be sent")
            else:
                title, description, initiate = titles.of(position)
                inputs = drift.rename(sheet.inputs_of(position))
                yield SheetRow(position, label, None, title, description, inputs, initiate=initiate)

    def _reasons(self) -> dict[int, str]:
        reasons: dict[int, str] = {}
        errors = (self.issues["severity"] == "error").to_numpy()
        for position, column, problem in zip(
            self._sheet.issue_positions[errors],
            self.issues["column"][errors],
            self.issues["problem"][errors],
            strict=True,
        ):
            text = problem if pd.isna(column) else f"{column}: {problem}"
            known = reasons.get(int(position))
            reasons[int(position)] = text if known is None else f"{known}; {text}"
        return reasons
