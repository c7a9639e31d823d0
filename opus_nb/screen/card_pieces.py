"""What every card is put together from."""

from __future__ import annotations

from dataclasses import dataclass

from opus_nb.screen.markup import STYLE, clip, escape

__all__ = ["Card", "head", "make_card", "note_html", "soft_line"]


@dataclass(frozen=True, slots=True)
class Card:
    """One thing, described twice.

    Attributes
    ----------
    text : str
        One line, for ``repr`` and terminals.
    html : str
        For notebooks; below 10 kB.
    """

    text: str
    html: str

    def bundle(self) -> dict[str, str]:
        """Return both, keyed by their media type, as ``_repr_mimebundle_`` wants them."""
        return {"text/plain": self.text, "text/html": self.html}

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self.bundle()


def make_card(text: str, *pieces: str) -> Card:
    """Put a card together from its line and the pieces of its HTML."""
    return Card(" ".join(text.split()), f'{STYLE}<div class="opus-nb on-card">{"".join(pieces)}</div>')


def head(title: str, aside: str = "") -> str:
    """Draw the head of a card: its title, and ``aside`` (HTML) beside it."""
    soft = f' <span class="on-soft">{aside}</span>' if aside else ""
    return f'<div><span class="on-head">{escape(clip(title, 120))}</span>{soft}</div>'


def soft_line(*pieces: str) -> str:
    """Draw pieces of HTML on one quiet line; empty ones are left out."""
    said = " · ".join(piece for piece in pieces if piece)
    return f'<div class="on-soft">{said}</div>' if said else ""


def note_html(text: str, *, bad: bool = False) -> str:
    """Draw a sentence that should be noticed; ``""`` for none."""
    return f'<div class="on-note{" on-bad" if bad else ""}">{escape(clip(text, 500))}</div>' if text else ""
