"""Saved notebooks, and what widgets leave in them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from opus_nb.errors import SettingsError

__all__ = ["strip_widget_state"]

_VIEW = "application/vnd.jupyter.widget-view+json"


def strip_widget_state(path: str | os.PathLike[str]) -> bool:
    """Take the state of widgets out of a saved notebook, before it is shared or committed.

    Some front ends (Colab, nbclient, JupyterLab when it is told to) write everything that widgets hold into the file:
    what was typed into a form, the bytes of an upload. And where no kernel is behind a widget, readers see an error
    in place of it. Afterwards each output shows what else it holds: tables, pictures, the static picture of a run.
    Nothing is run, and a notebook without widgets is not written.

    Parameters
    ----------
    path : str or path
        An ``.ipynb`` file; close it in the front end first.

    Returns
    -------
    bool
        Whether there was something to take out.

    Raises
    ------
    SettingsError
        There is no such file, it is no notebook, or it cannot be written.
    """
    try:
        place = Path(path).resolve()
        text = place.read_text(encoding="utf-8")
        book: Any = json.loads(text)
        cells = [cell for cell in book["cells"] if cell.get("cell_type") == "code"]
        outputs = [_object(output) for cell in cells for output in cell.get("outputs", [])]
        found = book["metadata"].pop("widgets", None) is not None
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SettingsError(
            "This is no notebook that can be read",
            where=str(path),
            came_back=f"{type(error).__name__}: {error}",
            next_step="Name an .ipynb file of format 4.",
        ) from error
    for output in outputs:
        found |= isinstance(output.get("data"), dict) and output["data"].pop(_VIEW, None) is not None
    if found:
        _write(place, json.dumps(book, ensure_ascii=False, indent=1) + ("\n" if text.endswith("\n") else ""))
    return found


def _object(output: Any) -> dict[str, Any]:
    if not isinstance(output, dict):
        raise TypeError(f"an output of a cell is no object but {type(output).__name__}")
    return output


def _write(place: Path, text: str) -> None:
    """Write all of it or, should this process die, none; who may read the notebook stays as it was."""
    draft = place.with_name(f"{place.name}.{os.getpid()}.part")
    try:
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        shutil.copymode(place, draft)
        draft.replace(place)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise SettingsError(
            "The notebook cannot be written",
            where=str(place),
            came_back=error.strerror or str(error),
            next_step="Give another place; the notebook is as it was.",
        ) from error
