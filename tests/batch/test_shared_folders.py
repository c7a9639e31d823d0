"""Ledgers and locks where the disk is not this machine's own."""

from __future__ import annotations

import errno
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from opus_nb.batch import ledger as ledger_module
from opus_nb.batch import lock as lock_module
from opus_nb.batch import mounts
from opus_nb.batch.book import Book
from opus_nb.batch.lease import Lease
from opus_nb.batch.ledger import FILE_NAME, Ledger
from opus_nb.batch.lock import RunLock
from opus_nb.errors import LedgerError, RunLocked


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that a folder is a mount of some kind."""

    def mount(folder: Path, kind: str) -> None:
        table = tmp_path / "mounts"
        name = str(folder).replace("\\", "\\134").replace(" ", "\\040")
        table.write_text(f"/dev/vda / ext4 rw 0 0\nproc /proc proc rw 0 0\ndrive {name} {kind} rw 0 0\n")
        monkeypatch.setattr(mounts, "MOUNTS", table)

    return mount


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.drive", "fuse.sshfs", "9p", "virtiofs"])
def test_network_and_drive_mounts_are_recognised(tmp_path: Path, mounted: Any, kind: str) -> None:
    """By the longest mount point above the folder, spaces in its name included."""
    drive = tmp_path / "My Drive"
    (drive / "notebooks").mkdir(parents=True)
    mounted(drive, kind)
    assert mounts.shared_kind(drive / "notebooks") == kind
    assert mounts.shared_kind(tmp_path) is None
    assert mounts.shared_kind(tmp_path / "My Drive 2") is None


def test_without_a_table_of_mounts_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every system has one."""
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "nowhere")
    assert mounts.shared_kind(tmp_path) is None


def test_a_shared_mount_gets_a_rollback_journal(tmp_path: Path, mounted: Any) -> None:
    """WAL needs shared memory; what is written is there, and no WAL file is left beside it."""
    mounted(tmp_path / "drive", "fuse.drive")
    ledger = Ledger.at(tmp_path / "drive")
    assert ledger.journal_mode == "delete"
    book = Book.create(ledger, "run", "wf", 0, {})
    assert Book.open(ledger, "run").record_of_run.uid == book.record_of_run.uid
    assert [each.name for each in (tmp_path / "drive").iterdir()] == [FILE_NAME]


def test_a_ledger_that_moves_to_a_shared_mount_changes_its_journal(tmp_path: Path, mounted: Any) -> None:
    """The file remembers WAL; on a mount it must not be opened so."""
    ledger = Ledger.at(tmp_path / "drive")
    assert ledger.journal_mode == "wal"
    Book.create(ledger, "run", "wf", 0, {})
    ledger.close()
    mounted(tmp_path / "drive", "nfs4")
    assert Ledger.at(tmp_path / "drive").journal_mode == "delete"
    assert Book.exists(Ledger.at(tmp_path / "drive"), "run")


def test_a_mount_where_nothing_can_be_locked_is_refused(
    tmp_path: Path, mounted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the kind of mount, what SQLite said, and what to do."""

    class Unlockable(sqlite3.Connection):
        def execute(self, statement: str, *parameters: Any) -> Any:
            if statement.startswith("BEGIN"):
                raise sqlite3.OperationalError("locking protocol")
            return super().execute(statement, *parameters)

    mounted(tmp_path / "drive", "fuse.drive")
    connect = sqlite3.connect
    monkeypatch.setattr(
        ledger_module.sqlite3, "connect", lambda *args, **options: connect(*args, factory=Unlockable, **options)
    )
    with pytest.raises(LedgerError, match=r"fuse\.drive.*locking protocol") as caught:
        Ledger.at(tmp_path / "drive")
    assert "OPUS_NB_LEDGER" in str(caught.value)


# -- leases -----------------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def about(pid: int, host: str = "elsewhere") -> dict[str, Any]:
    """What a holder writes of itself."""
    return {"pid": pid, "host": host, "user": "ada", "since": "today"}


def test_a_lease_has_one_holder_until_it_expires(tmp_path: Path) -> None:
    """On another machine only the expiry tells that somebody is dead."""
    clock = Clock()
    first, second = (Lease(tmp_path / "run.lease", now=clock, length_s=60) for _ in range(2))
    assert first.take(about(1)) is None
    holder = second.take(about(2))
    assert holder is not None
    assert holder["pid"] == 1
    clock.now += 50
    assert first.renew()
    clock.now += 50
    assert second.take(about(2)) is not None
    clock.now += 11
    assert second.take(about(2)) is None
    assert not first.renew()
    first.release()
    assert second.renew()
    second.release()
    assert not (tmp_path / "run.lease").exists()


def test_on_this_machine_a_dead_holder_is_found_out_at_once(tmp_path: Path) -> None:
    """Its process number is looked up; nobody waits for an expiry."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = Lease(tmp_path / "run.lease")
    assert dead.take(about(ended.pid, socket.gethostname())) is None
    assert Lease(tmp_path / "run.lease").take(about(os.getpid(), socket.gethostname())) is None


def test_half_a_lease_counts_as_held_until_it_is_old(tmp_path: Path) -> None:
    """A holder that died while writing left something unreadable."""
    path = tmp_path / "run.lease"
    path.write_text('{"pid": 1, "ho')
    clock = Clock()
    assert Lease(path, now=clock, length_s=60).take(about(2)) is not None
    path.write_text("")
    os.utime(path, (clock.now - 100, clock.now - 100))
    assert Lease(path, now=clock, length_s=60).take(about(2)) is None


def test_who_loses_a_lease_is_told(tmp_path: Path) -> None:
    """A machine that slept for an hour must not go on as if nothing had happened."""
    lost: list[bool] = []
    lease = Lease(tmp_path / "run.lease", length_s=0.2)
    lease.on_lost = lambda: lost.append(True)
    assert lease.take(about(1)) is None
    (tmp_path / "run.lease").write_text(json.dumps({**about(2), "token": "x", "until": time.time() + 60}))
    deadline = time.monotonic() + 5
    while not lost:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    lease.release()
    assert (tmp_path / "run.lease").exists()


# -- locks ------------------------------------------------------------------------------------------------


def make_lock(folder: Path) -> RunLock:
    """A lock on a run of this folder's ledger."""
    ledger = Ledger.at(folder)
    return RunLock(Book.open(ledger, "run") if Book.exists(ledger, "run") else Book.create(ledger, "run", "wf", 0, {}))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_file_locks_do_not_work_a_lease_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The second one is refused and told who has it; given back, it is free."""

    class Broken:
        def acquire(self, timeout: float) -> None:
            raise OSError(number, os.strerror(number))

        def release(self, force: bool = False) -> None:
            return

    monkeypatch.setattr(lock_module, "FileLock", lambda *args, **options: Broken())
    first, second = make_lock(tmp_path), make_lock(tmp_path)
    first.take()
    with pytest.raises(RunLocked, match=f"process {os.getpid()}"):
        second.take()
    first.release()
    second.take()
    second.release()
    assert [each.name for each in (tmp_path / "locks").iterdir()] == []


def test_with_working_locks_there_is_no_lease(tmp_path: Path) -> None:
    """An expiry is for where nothing better can be had."""
    lock = make_lock(tmp_path)
    lock.take()
    assert {each.suffix for each in (tmp_path / "locks").iterdir()} == {".lock", ".owner"}
    lock.release()


def test_on_a_shared_mount_both_are_taken(tmp_path: Path, mounted: Any) -> None:
    """A file lock there may reach this machine only; the lease reaches the others."""
    mounted(tmp_path, "fuse.drive")
    lock = make_lock(tmp_path)
    lock.take()
    lease = tmp_path / "locks" / f"{Book.open(Ledger.at(tmp_path), 'run').record_of_run.uid}.lease"
    held = json.loads(lease.read_text())
    assert held["pid"] == os.getpid()
    lock.release()
    assert not lease.exists()
    lease.write_text(json.dumps({**held, "host": "another-machine", "until": time.time() + 60}))
    with pytest.raises(RunLocked, match="another-machine"):
        make_lock(tmp_path).take()


def test_a_refused_holder_releases_nothing_of_the_other(tmp_path: Path) -> None:
    """Giving back what was never taken does no harm."""
    first, second = make_lock(tmp_path), make_lock(tmp_path)
    first.take()
    with pytest.raises(RunLocked):
        second.take()
    second.release()
    with pytest.raises(RunLocked):
        second.take()
    first.release()


def test_a_killed_holder_frees_the_run_at_once(tmp_path: Path) -> None:
    """A second process is refused within 50 ms, and the lock is free as soon as the first is dead."""
    make_lock(tmp_path)
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from opus_nb.batch.book import Book\nfrom opus_nb.batch.ledger import Ledger\n"
        "from opus_nb.batch.lock import RunLock\n"
        "lock = RunLock(Book.open(Ledger.at(Path(sys.argv[1])), 'run'))\n"
        "lock.take()\nprint('held', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        lock = make_lock(tmp_path)
        begun = time.monotonic()
        with pytest.raises(RunLocked, match=f"process {holder.pid}"):
            lock.take()
        assert time.monotonic() - begun < 0.5
        holder.kill()
    lock.take()
    lock.release()
