"""One line of a mapper: an input, what feeds it, and what that means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opus_nb.screen.inputs_plain import label_for
from opus_nb.screen.markup import clip, escape
from opus_nb.service.schema import Field

__all__ = ["InputLook", "MappingLine"]

# Options of a drop-down travel by place, so these can never be mistaken for a column of the same name.
_NOTHING, _CONSTANT = object(), object()
_ONE_LINE = 70  # characters of samples that stand side by side


@dataclass(frozen=True, slots=True)
class InputLook:
    """What a choice means for one input.

    Attributes
    ----------
    column : Any
        The column that feeds it by the newest choice; None for none.
    reason : str
        Why it was proposed; ``"chosen by hand"`` and the like.
    score : float or None
        0 to 1; None where it was not guessed.
    samples : tuple of str
        Up to three values as they would be sent.
    bad : int
        Rows whose cell cannot be sent.
    example : str
        The first of these rows and what is wrong there.
    problem : str
        What is wrong, such as ``"required, and nothing feeds it"``.
    """

    column: Any = None
    reason: str = ""
    score: float | None = None
    samples: tuple[str, ...] = ()
    bad: int = 0
    example: str = ""
    problem: str = ""


class MappingLine:
    """One input: a drop-down, a box for a constant, and what the choice means.

    Parameters
    ----------
    field : Field
        The input.
    columns : list
        What the drop-down offers, beside nothing and a constant.
    changed : callable
        Takes nothing; called when a person has chosen otherwise.
    together : Any, optional
        The first of ``columns``, where it stands for several of them.
    """

    def __init__(self, field: Field, columns: list[Any], changed: Callable[[], None], *, together: Any = None) -> None:
        import ipywidgets as widgets

        self.field = field
        self._columns = columns
        self._options: list[Any] = [_NOTHING, _CONSTANT, *columns]
        labels = ["(nothing)", "(a constant)", *(clip(column, 60) or "(no name)" for column in columns)]
        if together is not None:
            labels[2] = f"{together} (several columns)"
        self._choice = widgets.Dropdown(
            options=[(label, at) for at, label in enumerate(labels)],
            value=0,
            description=label_for(field),
            layout={"width": "300px"},
            style={"description_width": "initial"},
        )
        self._constant = widgets.Text(
            placeholder="the same value for every row",
            description="Constant",
            layout={"width": "220px", "display": "none", "margin": "2px 0 0 6px"},
            style={"description_width": "initial"},
        )
        # The margin above is the height of a label, so that the words stand beside the drop-down.
        self._about = widgets.HTML(layout={"flex": "1 1 320px", "width": "auto", "margin": "19px 0 0 14px"})
        row = [self._choice, self._constant, self._about]
        self.widget = widgets.HBox(
            row, layout={"align_items": "flex-start", "flex_flow": "row wrap", "margin": "0 0 8px 0"}
        )
        self._given: Any = None
        self._choice.observe(lambda _: self._chosen(changed), "value")
        self._constant.observe(lambda _: self._typed(changed), "value")

    def _chosen(self, changed: Callable[[], None]) -> None:
        self._constant.layout.display = "" if self._options[self._choice.value] is _CONSTANT else "none"
        changed()

    def _typed(self, changed: Callable[[], None]) -> None:
        self._given = self._constant.value or None
        changed()

    @property
    def column(self) -> Any:
        """The column that feeds the input; None for none."""
        chosen = self._options[self._choice.value]
        return None if chosen is _NOTHING or chosen is _CONSTANT else chosen

    @property
    def constant(self) -> Any:
        """The constant that feeds it; None for none."""
        return self._given if self._options[self._choice.value] is _CONSTANT else None

    def choose(self, column: Any) -> None:
        """Choose a column, None for nothing; one that there is not changes nothing."""
        if column is None:
            self._choice.value = 0
        elif column in self._columns:
            self._choice.value = 2 + self._columns.index(column)

    def fix(self, value: Any) -> None:
        """Choose a constant."""
        self._choice.value = 1
        self._constant.value = str(value)
        self._given = value  # in its own type until somebody types over it

    def paint(self, look: InputLook) -> None:
        """Show what the choice means."""
        parts = []
        if look.problem:
            parts.append(f'<span class="opus-nb-problem">✗ {escape(clip(look.problem, 160))}</span>')
        if look.bad:
            cells = f"<b>{look.bad:,}</b> bad cell{'' if look.bad == 1 else 's'}"
            first = f", {escape(clip(look.example, 160))}" if look.example else ""
            parts.append(f'<div class="opus-nb-problem">! {cells}{first}</div>')
        if look.samples:
            # What is long stands on a line of its own.
            between, kept = (", ", 40) if sum(map(len, look.samples[:3])) <= _ONE_LINE else ("<br>", 90)
            said = between.join(f"<code>{escape(clip(sample, kept))}</code>" for sample in look.samples[:3])
            parts.append(f"<div>{said}</div>")
        # What is missing says why by itself.
        why = [escape(clip(look.reason, 110))] if look.reason and not look.problem else []
        why += [f"score {look.score:.2f}"] if look.score is not None else []
        if why:
            parts.append(f'<div class="on-soft">{" · ".join(why)}</div>')
        text = f'<div class="opus-nb">{"".join(parts)}</div>'
        if self._about.value != text:
            self._about.value = text
