"""Run one Opus job per row of a spreadsheet, and get everything back as DataFrames.

>>> import opus_nb
>>> with opus_nb.sandbox(time_scale=0.01) as opus:
...     names = list(opus.workflows()["name"])
>>> names[0]
'All input types'

Start with `connect` (a real account) or `sandbox` (an Opus on this machine, no key needed).
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from opus_nb import errors

# Loaded here once, so that the name opus_nb.sandbox can stand for the function below: loading a package
# puts it on its parent, and a later import of it does not do so again. It imports only the standard library.
from opus_nb import sandbox as _sandbox_package  # noqa: F401
from opus_nb.errors import OpusError
from opus_nb.loop import allow_nested_loops
from opus_nb.opus import Opus, connect, sandbox
from opus_nb.sheet.folders import files_table
from opus_nb.workflow import Workflow

try:
    __version__ = version("opus_nb")
except PackageNotFoundError:  # used from a checkout that is not installed
    __version__ = "0.0.0"

__all__ = [
    "Opus",
    "OpusError",
    "Workflow",
    "__version__",
    "allow_nested_loops",
    "connect",
    "errors",
    "files_table",
    "sandbox",
]
