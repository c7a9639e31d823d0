"""The command ``opus-nb``: check, demo, run, runs, sandbox.

Progress goes to stderr, what came of it to stdout, so that it works in cron, in pipes and under a scheduler.
The service key is never an argument: other users of the machine can read those.
"""

from __future__ import annotations

from opus_nb.cli.arguments import main

__all__ = ["main"]
