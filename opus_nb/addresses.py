"""How people name a workflow and its version: by id, by the address in the browser, by number or UUID."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opus_nb.errors import SettingsError
from opus_nb.service.api import is_uuid

__all__ = ["PINS", "read_pins", "read_workflow_id"]

PINS = ("workflow_version_number", "workflow_version_id")
_COPY = "Open the workflow in the Opus app and copy the address: .../app/workflow/<id>."


def read_workflow_id(text: str) -> str:
    """Return the id in what somebody has copied: the id itself, or the address of a page of the app.

    Raises
    ------
    SettingsError
        There is none in it.

    Source
    ------
    Quickstart, "Finding your Workflow ID".
    """
    if not isinstance(text, str) or not text.strip():
        raise SettingsError("A workflow is named by its id or its address", where=repr(text), next_step=_COPY)
    word = text.strip()
    if "/" in word:
        found = re.search(r"/workflows?/([^/?#\s]+)", word)
        if found is None:
            raise SettingsError(
                "There is no workflow id in this address",
                where=word,
                next_step=_COPY,
            )
        word = found[1]
    if not re.fullmatch(r"[A-Za-z0-9_-]+", word):
        raise SettingsError(
            "This is not a workflow id",
            where=repr(word),
            next_step="It is the part of the app's address after /workflow/: 16 letters and digits, or a UUID.",
        )
    return word


def _read_version(version: int | str | None) -> tuple[int | None, str | None]:
    if version is None:
        return None, None
    if isinstance(version, int) and not isinstance(version, bool):
        return version, None
    if isinstance(version, str) and version.strip().isdigit():
        return int(version), None
    if isinstance(version, str) and is_uuid(version.strip()):
        return None, version.strip()
    raise SettingsError(
        "A version is a number or the UUID of a version",
        where=f"version={version!r}",
        next_step="As in version=3; leave it out for the latest that is active.",
    )


def read_pins(
    version: int | str | None, initiate: Mapping[str, Any], farther: Mapping[str, Any]
) -> tuple[int | None, str | None]:
    """Return the version to read and to run: what was said nearest, as a number or a UUID.

    Parameters
    ----------
    version : int or str, optional
        The argument of its own; wins.
    initiate, farther : Mapping
        Parameters of ``POST /job/initiate`` given for the workflow and for the connection.

    Raises
    ------
    SettingsError
        It is neither a number nor a UUID.
    """
    if version is not None:
        return _read_version(version)
    for given in (initiate, farther):
        if any(given.get(name) is not None for name in PINS):
            number, version_id = (given.get(name) for name in PINS)
            return number, version_id
    return None, None
