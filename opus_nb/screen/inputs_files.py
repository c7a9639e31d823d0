"""How an input that takes files looks in a form: a path with completion, or an upload from the browser."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from opus_nb.job import LocalFile
from opus_nb.screen.inputs_nested import ListControl
from opus_nb.screen.inputs_plain import WIDE, Control, label_for
from opus_nb.screen.markup import escape
from opus_nb.service.schema import Field
from opus_nb.service.values import MAX_FILE_BYTES, allowed_extensions, is_url

__all__ = ["FileControl", "FilesControl", "Upload", "complete_path", "read_upload"]

_MOST_COMPLETIONS = 50


@dataclass(frozen=True, slots=True)
class Upload:
    """One file as the browser sent it; ``size`` is what the browser says, which the content may fall short of."""

    name: str
    content: bytes
    size: int | None


def read_upload(widget: Any) -> list[Upload]:
    """Read what a FileUpload holds, in ipywidgets 7 (a dict by name) and 8 (a tuple of dicts) alike."""
    value = widget.value
    if isinstance(value, dict):
        entries = [(name, each["content"], each.get("metadata", {}).get("size")) for name, each in value.items()]
    else:
        entries = [(each["name"], each["content"], each.get("size")) for each in value]
    return [Upload(str(name), bytes(content), size) for name, content, size in entries]


def complete_path(typed: str, extensions: tuple[str, ...]) -> list[str]:
    """Return paths that begin as typed: folders, and files of the accepted kinds; at most 50, in order.

    Parameters
    ----------
    typed : str
        As the user has it so far; ``~`` is followed.
    extensions : tuple of str
        Lower case, with a leading dot.

    Returns
    -------
    list of str
    """
    head, slash, begin = typed.rpartition("/")
    folder = Path(f"{head}{slash}" or ".").expanduser()
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    found = []
    for entry in entries:
        if not entry.name.lower().startswith(begin.lower()) or (entry.name.startswith(".") and not begin):
            continue
        if entry.is_dir():
            found.append(f"{head}{slash}{entry.name}/")
        elif entry.suffix.lower() in extensions:
            found.append(f"{head}{slash}{entry.name}")
    return found[:_MOST_COMPLETIONS]


def _from_here(path: str) -> str:
    """Return a path as one would type it: relative where it lies below the folder that we are in."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return path


def _kinds_words(extensions: tuple[str, ...]) -> str:
    return ", ".join(each.lstrip(".").upper() for each in extensions)


def _size_words(size: int) -> str:
    if size < 1000:
        return f"{size} byte{'' if size == 1 else 's'}"
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size / 1000:.1f} kB"


@cache
def _uploads_folder() -> Path:
    """Make a folder that only this user can read; one per process."""
    return Path(tempfile.mkdtemp(prefix="opus_nb-uploads-"))


def _kept_upload(upload: Upload) -> Path:
    """Write an upload where the run finds it; equal content has one place."""
    if upload.size is not None and upload.size != len(upload.content):
        raise ValueError(
            f"{upload.name} has {upload.size:,} bytes, but only {len(upload.content):,} arrived. "
            "Give its path instead, or upload it again."
        )
    if len(upload.content) > MAX_FILE_BYTES:
        raise ValueError(f"{upload.name} has {_size_words(len(upload.content))}; Opus takes up to 10 MB.")
    name = Path(upload.name.replace("\\", "/")).name
    if name in {"", ".", ".."} or "\0" in name:
        raise ValueError(f"An upload named {upload.name!r} cannot be kept; give the file a name, or type its path.")
    folder = _uploads_folder() / hashlib.sha256(upload.content).hexdigest()[:16]
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(upload.content)
    return path


class FileControl(Control):
    """One file: type its path (completed as you type), or upload it from the browser."""

    def build(self) -> Any:
        """Return a path box, an upload button and a line that says what is chosen."""
        import ipywidgets as widgets

        self._extensions = allowed_extensions(self.field)
        self._path = widgets.Combobox(
            placeholder="a path, or upload",
            ensure_option=False,
            continuous_update=True,
            description=label_for(self.field),
            layout={"width": "500px"},
            style={"description_width": "initial"},
        )
        self._upload = widgets.FileUpload(
            accept=",".join(self._extensions), multiple=False, description="Upload", layout={"width": "112px"}
        )
        self._upload.add_class("opus-nb-upload")
        self._about = widgets.HTML()
        self._path.observe(lambda _: self._typed(), "value")
        self._upload.observe(lambda _: self._uploaded(), "value")
        self._typed()
        row = widgets.HBox([self._path, self._upload], layout={"align_items": "flex-end", "width": WIDE})
        return widgets.VBox([row, self._about])

    def _typed(self) -> None:
        text = self._path.value.strip()
        options = tuple(complete_path(text, self._extensions))
        if self._path.options != options:
            self._path.options = options
        self._say(self._about_path(text))

    def _about_path(self, text: str) -> str:
        kinds = _kinds_words(self._extensions)
        if not text:
            return f"{kinds}; up to 10 MB"
        if is_url(text):
            return "an address: sent as it is"
        path = Path(text).expanduser()
        return f"{path.name}: {_size_words(path.stat().st_size)}" if path.is_file() else f"no file yet; {kinds}"

    def _say(self, text: str) -> None:
        self._about.value = f'<span class="opus-nb-help">{escape(text)}</span>'

    def _uploaded(self) -> None:
        try:
            for upload in read_upload(self._upload):
                self._path.value = str(_kept_upload(upload))
        except (ValueError, OSError) as error:
            self._path.value = ""
            self._say(str(error))

    def read(self) -> Any:
        """Return a `LocalFile` with an absolute path, or an http(s) address as it is."""
        text = self._path.value.strip()
        if not text:
            return None
        if is_url(text):
            return text
        path = Path(text).expanduser().absolute()
        if not path.is_file():
            raise ValueError(f"There is no file {text}.")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ValueError(f"{path.name} has {_size_words(size)}; Opus takes up to 10 MB.")
        if size == 0:
            raise ValueError(f"{path.name} is empty.")
        return LocalFile(str(path))

    def write(self, value: Any) -> None:
        """Show a path, a `LocalFile` or an address."""
        missing = value is None or str(value) in {"nan", "NaT", "<NA>"}
        self._path.value = "" if missing else _from_here(value.path) if isinstance(value, LocalFile) else str(value)

    def watch(self, changed: Callable[[], None]) -> None:
        """Follow the path; an upload changes it too."""
        self._path.observe(lambda _: changed(), "value")


class FilesControl(ListControl):
    """Several files: one line each, and an upload of many at once."""

    def build(self) -> Any:
        """Return the list of files with an upload button below it."""
        import ipywidgets as widgets

        box = super().build()
        extensions = allowed_extensions(self.item_field(1))
        self._many = widgets.FileUpload(
            accept=",".join(extensions), multiple=True, description="Upload files", layout={"width": "auto"}
        )
        self._many.add_class("opus-nb-upload")
        self._many.add_class("opus-nb-uploads")
        self._many.observe(lambda _: self._uploaded(), "value")
        self._trouble = widgets.HTML()
        said = f"{_kinds_words(extensions)}; up to 10 MB each"
        self._about = widgets.HTML(f'<span class="opus-nb-help">{escape(said)}</span>')
        head, rows, buttons = box.children
        buttons.children = (*buttons.children, self._many)
        box.children = (head, rows, buttons, self._about, self._trouble)
        return box

    def _draw(self) -> None:
        super()._draw()
        # Each file has such a line of its own.
        self._about.layout.display = "none" if self.items else ""

    def item_field(self, number: int) -> Field:
        """Return the field of one file, with the kinds that the whole accepts."""
        kinds = self.field.allowed_file_types or (self.field.item.allowed_file_types if self.field.item else ())
        name = f"{self.field.display_name}, file {number}"
        return replace(
            self.field, display_name=name, type="file", kind="file", required=False, allowed_file_types=kinds, item=None
        )

    def _uploaded(self) -> None:
        told = [said for upload in read_upload(self._many) if (said := self._take(upload))]
        self._trouble.value = f'<span class="opus-nb-help">{escape(" ".join(told))}</span>' if told else ""
        self._tell()

    def _take(self, upload: Upload) -> str:
        try:
            self.add(str(_kept_upload(upload)))
        except (ValueError, OSError) as error:
            return str(error)
        return ""
