"""A right that expires, for places where file locks do not work or do not reach another machine."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["LEASE_S", "Lease"]

# Who has not renewed for so long is taken for dead; renewed four times as often.
LEASE_S = 120.0


class Lease:
    """A file that says who works here and until when; renewed while its holder lives.

    On this machine a holder that died is found out at once, by its process number. On another one only the
    expiry tells.

    Parameters
    ----------
    path : Path
    now : callable
        Unix seconds.
    length_s : float
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time, length_s: float = LEASE_S) -> None:
        self._path = path
        self._now = now
        self._length_s = length_s
        self._token = uuid.uuid4().hex
        self._about: Mapping[str, Any] = {}
        self._stop = threading.Event()
        self.on_lost: Callable[[], None] = lambda: None

    def take(self, about: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Take it; return None, or what the one wrote who has it.

        Raises
        ------
        OSError
            The folder cannot be written to.
        """
        self._about = about
        while True:
            if self._create():
                self._stop.clear()
                threading.Thread(target=self._renew_for_ever, name="opus-nb-lease", daemon=True).start()
                return None
            there = self.read()
            if there is None:
                continue
            if not self._is_over(there):
                return there
            if not self._set_aside(there):
                return self.read() or there

    def read(self) -> Mapping[str, Any] | None:
        """Return what its holder wrote; None where nobody has it. What cannot be read counts as held."""
        try:
            text = self._path.read_text(encoding="utf-8")
            age_s = self._now() - self._path.stat().st_mtime
        except FileNotFoundError:
            return None
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        # A holder that dies while it writes leaves half a line behind.
        return found if isinstance(found, dict) else {"until": self._now() + self._length_s - age_s}

    def renew(self) -> bool:
        """Put the expiry off; False when somebody else has it by now."""
        there = self.read()
        if there is None or there.get("token") != self._token:
            return False
        beside = self._path.with_suffix(f".{self._token}")
        beside.write_text(self._text(), encoding="utf-8")
        beside.replace(self._path)
        return True

    def release(self) -> None:
        """Give it back, where it is still ours."""
        self._stop.set()
        with contextlib.suppress(OSError):
            there = self.read()
            if there is not None and there.get("token") == self._token:
                self._path.unlink()

    # -- inside -----------------------------------------------------------------------------------------

    def _text(self) -> str:
        return json.dumps({**self._about, "token": self._token, "until": self._now() + self._length_s})

    def _create(self) -> bool:
        try:
            handle = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(self._text())
        return True

    def _is_over(self, there: Mapping[str, Any]) -> bool:
        if float(there.get("until") or 0.0) < self._now():
            return True
        if there.get("host") != socket.gethostname() or not isinstance(there.get("pid"), int):
            return False
        return not _is_alive(there["pid"])

    def _set_aside(self, there: Mapping[str, Any]) -> bool:
        """Move an expired one out of the way; False when it was another one by then."""
        aside = self._path.with_suffix(f".{self._token}.over")
        try:
            self._path.rename(aside)
        except FileNotFoundError:
            return True
        try:
            moved = json.loads(aside.read_text(encoding="utf-8") or "{}")
        except ValueError:
            moved = {}  # half written by somebody who died over it, as what we looked at was
        if moved.get("token") == there.get("token"):
            aside.unlink()
            return True
        # Somebody took it between our look and our move: it is theirs.
        aside.rename(self._path)
        return False

    def _renew_for_ever(self) -> None:
        while not self._stop.wait(self._length_s / 4):
            try:
                held = self.renew()
            except OSError:
                continue  # the network is away; it is not lost before it has expired
            if not held:
                self.on_lost()
                return


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # no harmless question there; the expiry tells
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
