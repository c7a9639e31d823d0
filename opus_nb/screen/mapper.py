"""``wf.map(df)``: which column feeds which input, by hand, with the consequences shown at once."""

from __future__ import annotations

import contextvars
import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opus_nb.errors import MappingError
from opus_nb.screen.environment import Environment, probe
from opus_nb.screen.mapping_line import InputLook, MappingLine
from opus_nb.screen.markup import STYLE, clip, escape
from opus_nb.screen.widget_pieces import FORM_STYLE, show_controls
from opus_nb.service.schema import Field, Schema

__all__ = ["InputLook", "Mapper", "MappingLook"]

_log = logging.getLogger("opus_nb")


@dataclass(frozen=True, slots=True)
class MappingLook:
    """What a choice means for the whole sheet; ``inputs`` by variable name."""

    inputs: Mapping[str, InputLook]
    rows: int = 0
    ready: int = 0


class Mapper:
    """One line per input: the column or the constant that feeds it, samples, and what is wrong.

    Parameters
    ----------
    schema : Schema
        The inputs.
    title : str
        Shown at the head.
    columns : sequence
        The columns of the sheet, as it has them.
    look : callable
        ``look(columns, constants)`` judges a choice and returns a `MappingLook`; called from a thread. Both are
        mappings by variable name; an input that is in neither is fed by nothing.
    plan : callable
        ``plan(columns, constants)`` makes the plan, with the same two.
    proposal : Mapping, optional
        Variable name to column, to begin with. One that is no column (several of them feed an object, say) is
        offered for its input alone, and is not part of ``columns``.
    constants : Mapping, optional
        Variable name to constant, to begin with.
    environment : Environment, optional
        Where we are; None asks the probe.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        title: str,
        columns: Sequence[Any],
        look: Callable[[dict[str, Any], dict[str, Any]], MappingLook],
        plan: Callable[[dict[str, Any], dict[str, Any]], Any],
        proposal: Mapping[str, Any] | None = None,
        constants: Mapping[str, Any] | None = None,
        environment: Environment | None = None,
    ) -> None:
        self.schema, self.title = schema, title
        self._columns = list(columns)
        self._look, self._plan = look, plan
        self._environment = environment or probe()
        self._lock = threading.Lock()
        self._looking, self._dirty = False, False
        self._quiet = True
        self._lines = {
            field.variable_name: self._make_line(field, (proposal or {}).get(field.variable_name)) for field in schema
        }
        for name, column in (proposal or {}).items():
            self._lines[name].choose(column)
        for name, value in (constants or {}).items():
            self._lines[name].fix(value)
        self._build()
        self._quiet = False
        self._paint(self._look(self._chosen(), self._fixed()))

    def _make_line(self, field: Field, proposed: Any) -> MappingLine:
        if proposed is None or proposed in self._columns:
            return MappingLine(field, self._columns, self._changed)
        return MappingLine(field, [proposed, *self._columns], self._changed, together=proposed)

    def _build(self) -> None:
        import ipywidgets as widgets

        self._summary = widgets.HTML(layout={"margin": "0 0 8px 2px"})
        head = widgets.HTML(
            f'{STYLE}{FORM_STYLE}<div class="opus-nb"><span class="on-head">'
            f"{escape(clip(self.title, 100))}</span> "
            '<span class="on-soft">what feeds each input; * required</span></div>'
        )
        self.widget = widgets.VBox([head, self._summary, *(line.widget for line in self._lines.values())])
        self.widget.add_class("opus-nb-form")
        self.widget.add_class("opus-nb-mapper")

    # what is chosen

    def _chosen(self) -> dict[str, Any]:
        return {name: line.column for name, line in self._lines.items() if line.column is not None}

    def _fixed(self) -> dict[str, Any]:
        return {name: line.constant for name, line in self._lines.items() if line.constant is not None}

    @property
    def columns(self) -> dict[str, Any]:
        """Input (display name) to column, ready for ``wf.plan(df, columns=...)``.

        ``wf.plan`` matches by name what is left out here; `plan` of this mapper leaves it out.
        """
        return {self._name(name): column for name, column in self._chosen().items() if column in self._columns}

    @property
    def constants(self) -> dict[str, Any]:
        """Input (display name) to constant, ready for ``wf.plan(df, constants=...)``."""
        return {self._name(name): value for name, value in self._fixed().items()}

    def _name(self, variable_name: str) -> str:
        """Return the display name, or the variable name where two inputs share a display name."""
        shown = self.schema[variable_name].display_name
        return shown if sum(field.display_name == shown for field in self.schema) == 1 else variable_name

    def plan(self) -> Any:
        """Make the plan of what is chosen. Nothing is sent."""
        return self._plan(self._chosen(), self._fixed())

    # keeping

    def save(self, path: str | Path) -> Path:
        """Write the choice as JSON, by display name, so that it fits the next version of the workflow too.

        ``columns`` and ``constants`` are what ``wf.plan`` takes; ``nothing`` lists the inputs that nothing feeds.
        """
        fed = {**self._chosen(), **self._fixed()}
        kept = {
            "columns": {name: str(column) for name, column in self.columns.items()},
            "constants": self.constants,
            "nothing": [self._name(name) for name in self._lines if name not in fed],
        }
        target = Path(path)
        target.write_text(json.dumps(kept, ensure_ascii=False, indent=2, default=str) + "\n", encoding="utf-8")
        return target

    def load(self, path: str | Path) -> list[str]:
        """Take over a choice that `save` wrote.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        list of str
            What could not be taken over because the sheet or the workflow does not have it.

        Raises
        ------
        MappingError
            The file is no such choice.
        """
        try:
            kept = json.loads(Path(path).read_text(encoding="utf-8"))
            columns, constants = dict(kept.get("columns", {})), dict(kept.get("constants", {}))
            nothing = [str(name) for name in list(kept.get("nothing", []))]
            for name, column in columns.items():
                if isinstance(column, (list, dict)):
                    raise ValueError(f"{name} is fed by several columns; here each input is fed by one")
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise MappingError(
                "A saved mapping cannot be read.",
                where=str(path),
                came_back=f"{type(error).__name__}: {error}",
                next_step="It is the JSON that mapper.save(path) writes: columns and constants by display name. "
                "Several columns for one input go to wf.map(df, columns=...) or wf.plan(df, columns=...).",
            ) from error
        by_name = {self._name(name): line for name, line in self._lines.items()} | self._lines
        by_text = {str(column): column for column in self._columns}
        missed = [name for name in [*columns, *constants] if name not in by_name]
        missed += [f"{name}: column {column}" for name, column in columns.items() if column not in by_text]
        self._quiet = True
        for name, column in columns.items():
            if name in by_name and column in by_text:
                by_name[name].choose(by_text[column])
        for name, value in constants.items():
            if name in by_name:
                by_name[name].fix(value)
        for name in nothing:
            if name in by_name:
                by_name[name].choose(None)
        self._quiet = False
        self._changed()
        return missed

    # following

    def _changed(self) -> None:
        """Judge the newest choice in a thread; while one is at work, only remember that there is more to do."""
        if self._quiet:
            return
        with self._lock:
            self._dirty = True
            if self._looking:
                return
            self._looking = True
        if not self._environment.repaints_finished_cells:
            self._judge()
            return
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._judge,), name="opus-nb-mapper", daemon=True).start()

    def _judge(self) -> None:
        while True:
            with self._lock:
                if not self._dirty:
                    self._looking = False
                    return
                self._dirty = False
            try:
                self._paint(self._look(self._chosen(), self._fixed()))
            except Exception as error:
                _log.warning("a mapping could not be judged", exc_info=True)
                self._summary.value = f'<div class="opus-nb on-note on-bad">{escape(clip(error, 400))}</div>'

    def _paint(self, look: MappingLook) -> None:
        missing = []
        bad = 0
        for name, line in self._lines.items():
            seen = look.inputs.get(name, InputLook())
            line.paint(seen)
            bad += seen.bad
            if self.schema[name].required and line.column is None and line.constant is None:
                missing.append(self.schema[name].display_name)
        words = [f"<b>{look.ready:,}</b> of {look.rows:,} rows ready", f"<b>{bad:,}</b> bad cells"]
        if missing:
            words.append(f"✗ nothing feeds {escape(clip(', '.join(missing), 200))}")
        elif not bad:
            words.append("✓ every required input is fed")
        self._summary.value = f'<div class="opus-nb" role="status" aria-live="polite">{" · ".join(words)}</div>'

    # showing

    def __repr__(self) -> str:
        return f"<Mapper for {self.title!r}: {len(self._chosen())} of {len(self.schema)} inputs fed by columns>"

    def _ipython_display_(self) -> None:
        html = f"<i>A mapping for {escape(self.title)}: run this cell again to change it.</i>"
        show_controls(self.widget, html=html, text=repr(self))
