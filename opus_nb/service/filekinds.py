"""The kinds of files that Opus takes, by extension."""

from __future__ import annotations

from opus_nb.service.definitions import Field

__all__ = ["ALL_EXTENSIONS", "MAX_FILE_BYTES", "allowed_extensions", "extension_fits", "guess_mime"]

# Ten megabytes a file (contract, section 6.2), as file managers and upload limits count them.
MAX_FILE_BYTES = 10 * 1024 * 1024

# An own table: the standard library's answers depend on the machine's registry.
_MIME_OF_EXTENSION = {
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".csv": "text/csv",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".txt": "text/plain",
    ".json": "application/json",
    ".html": "text/html",
    ".xml": "application/xml",
}

ALL_EXTENSIONS: tuple[str, ...] = tuple(_MIME_OF_EXTENSION)


def allowed_extensions(field: Field) -> tuple[str, ...]:
    """Return the extensions that an input accepts.

    Parameters
    ----------
    field : Field
        Of kind ``file`` or ``files``.

    Returns
    -------
    tuple of str
        Lower case with a leading dot, in the author's order; ``.jpg`` and ``.jpeg`` always come together. All
        twelve of the service where the author names none.

    Source
    ------
    Quickstart, "Uploading Files for Job Inputs"; contract, section 2.1 and trap T28.
    """
    if not field.allowed_file_types:
        return ALL_EXTENSIONS
    listed = [_dotted(each) for each in field.allowed_file_types]
    pairs = {".jpg": ".jpeg", ".jpeg": ".jpg"}
    partners = [pairs[each] for each in listed if each in pairs]
    return tuple(dict.fromkeys(each for each in [*listed, *partners] if each))


def extension_fits(field: Field, suffix: str) -> bool:
    """Tell whether a file with this suffix may go into this input, whatever its case, with or without a dot."""
    return _dotted(suffix) in allowed_extensions(field)


def guess_mime(suffix: str) -> str:
    """Return the MIME type for a suffix; ``application/octet-stream`` where it is none of the twelve."""
    return _MIME_OF_EXTENSION.get(_dotted(suffix), "application/octet-stream")


def _dotted(suffix: str) -> str:
    bare = suffix.strip().lstrip(".").lower()
    return f".{bare}" if bare else ""
