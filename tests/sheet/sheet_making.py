"""What the tests of the sheet are made of."""

from __future__ import annotations

from typing import Any

from opus_nb.service.schema import Field

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
PDF = b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n"


def make_field(kind: str, name: str = "Value", *, required: bool = False, **parts: Any) -> Field:
    """Return an input called ``name`` whose variable name is its name in lower case with underscores."""
    types = {"json": "json_string", "files": "array_files", "other": "mystery"}
    variable_name = parts.pop("variable_name", name.lower().replace(" ", "_"))
    return Field(variable_name, name, types.get(kind, kind), kind, required, **parts)
