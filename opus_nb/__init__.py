"""Run one Opus job per row of a spreadsheet, and get everything back as DataFrames.

>>> import opus_nb
>>> with opus_nb.sandbox(time_scale=0.01) as opus:
...     names = list(opus.workflows()["name"])
>>> names[0]
'All input types'

Start with `connect` (a real account) or `sandbox` (an Opus on this machine, no key needed).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Loading a package puts it on its parent, once. So the one of the sandbox, which loads next to nothing, comes first,
# and the name is given back: opus_nb.sandbox is the function, however often the package is imported later.
import_module("opus_nb.sandbox")
del globals()["sandbox"]

if TYPE_CHECKING:
    from opus_nb import errors
    from opus_nb.errors import OpusError
    from opus_nb.loop import allow_nested_loops
    from opus_nb.opus import Opus, connect, sandbox
    from opus_nb.screen.saved import strip_widget_state
    from opus_nb.sheet.folders import files_table
    from opus_nb.workflow import Workflow

    __version__: str

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
    "strip_widget_state",
]

# Everything is loaded with the first name that needs it: the import itself costs a notebook nothing.
_HOMES = {
    "Opus": "opus_nb.opus",
    "OpusError": "opus_nb.errors",
    "Workflow": "opus_nb.workflow",
    "allow_nested_loops": "opus_nb.loop",
    "connect": "opus_nb.opus",
    "files_table": "opus_nb.sheet.folders",
    "sandbox": "opus_nb.opus",
    "strip_widget_state": "opus_nb.screen.saved",
}


def __getattr__(name: str) -> Any:
    found: Any
    if name == "__version__":
        found = _read_version()
    elif name == "errors":
        found = import_module("opus_nb.errors")
    elif name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)


def _read_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("opus_nb")
    except PackageNotFoundError:  # used from a checkout that is not installed
        return "0.0.0"
