"""``opus-nb check``: does the connection work, and if not, why."""

from __future__ import annotations

import argparse

import opus_nb
from opus_nb.cli.printing import DONE, REFUSED, say

__all__ = ["check_command"]


def check_command(arguments: argparse.Namespace) -> int:
    """Ask Opus two or three harmless questions, and print a line for each finding."""
    with opus_nb.connect(base_url=arguments.base_url) as opus:
        found = opus.check(arguments.workflow)
    say(repr(found))
    return DONE if found.ok else REFUSED
