"""Is a folder on a disk of this machine? Databases and locks need to know."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["shared_kind"]

# What Linux tells about its mounts; elsewhere there is no such file, and nothing is known.
MOUNTS = Path("/proc/self/mounts")
# Served by another machine, or by a program: shared memory does not reach across, locks perhaps not.
_SHARED = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs",
        "davfs", "vboxsf", "vmhgfs", "prl_fs", "drvfs", "virtiofs", "osxfs", "grpcfuse",
    }
)  # fmt: skip


def shared_kind(folder: Path) -> str | None:
    """Return the kind of file system, where a folder is on a network or on a mount served by a program.

    Google Drive in Colab is ``fuse.drive``. None means a local disk, as far as can be told.
    """
    place = os.path.realpath(folder)
    if place.startswith("\\\\"):
        return "a network share"
    best, kind = "", ""
    for mount_point, found in _mounts():
        inside = place == mount_point or place.startswith(mount_point.rstrip("/") + "/")
        # The last of equal ones is the one on top.
        if inside and len(mount_point) >= len(best):
            best, kind = mount_point, found
    return kind if kind in _SHARED or kind.startswith("fuse") else None


def _mounts() -> list[tuple[str, str]]:
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    parts = [line.split(" ") for line in lines]
    return [(_unescape(part[1]), part[2]) for part in parts if len(part) > 2]


def _unescape(text: str) -> str:
    for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, letter)
    return text
