"""``opus-nb sandbox``: an Opus on this machine, for other programs to talk to."""

from __future__ import annotations

import argparse

from opus_nb.cli.printing import DONE, say, tell
from opus_nb.errors import ExtraMissing, SettingsError

__all__ = ["sandbox_command"]


def sandbox_command(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from opus_nb.sandbox import serve_forever

    def ready(base_url: str) -> None:
        say(base_url)
        tell("An Opus on this machine. The service key is: sandbox. Interrupt (Ctrl-C) ends it.")
        tell(f'In Python: opus_nb.connect("sandbox", base_url="{base_url}").workflows()')

    try:
        serve_forever(port=arguments.port, time_scale=arguments.time_scale, ready=ready)
    except ImportError as error:
        raise no_server(error) from None
    except OSError as error:
        raise SettingsError(
            "The sandbox cannot listen there", where=f"--port {arguments.port}", came_back=error.strerror,
            next_step="Take another port; --port 0 finds a free one.",
        ) from error  # fmt: skip
    return DONE


def no_server(error: ImportError) -> ExtraMissing:
    return ExtraMissing(
        "The sandbox needs a web server",
        where="opus-nb sandbox",
        came_back=str(error),
        next_step='pip install "opus_nb[sandbox]"',
    )
