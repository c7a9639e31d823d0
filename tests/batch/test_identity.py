"""Who a row is: values and bytes, not places and names."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from opus_nb.batch.identity import Identities, hash_file
from opus_nb.job import LocalFile


class Memory:
    """Remembers hashes, and counts how often it helped."""

    def __init__(self) -> None:
        self.hits = 0
        self.kept: dict[tuple[str, int, int], str] = {}

    def known_hash(self, path: str, size: int, mtime_ns: int) -> str | None:
        found = self.kept.get((path, size, mtime_ns))
        self.hits += found is not None
        return found

    def keep_hash(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        self.kept[path, size, mtime_ns] = sha256


def key(inputs: dict[str, object], *, workflow: str = "wf", version: str | None = None) -> str:
    """The key of a first row."""
    return Identities(workflow, version, {"v1": "Label"}, Memory()).key(inputs)[0]


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans(), min_size=2))
def test_the_order_of_the_inputs_does_not_matter(inputs):
    """A sheet with its columns moved is the same sheet."""
    assert key(inputs) == key(dict(reversed(inputs.items())))


def test_values_types_workflow_and_version_matter():
    """1, "1" and true are three purchases; so are two workflows and two pinned versions."""
    keys = {
        key({"a": 1}), key({"a": "1"}), key({"a": True}), key({"a": 1, "b": 2}),
        key({"a": 1}, workflow="other"), key({"a": 1}, version="3"),
    }  # fmt: skip
    assert len(keys) == 6


def test_a_rebuilt_workflow_keeps_its_rows():
    """A new variable name under the same label is the same input."""
    assert (
        Identities("wf", None, {"v1": "Label"}, Memory()).key({"v1": 5})[0]
        == Identities("wf", None, {"v2": "Label"}, Memory()).key({"v2": 5})[0]
    )


def test_equal_rows_are_counted():
    """The second of two equal rows has a key of its own, stable when the sheet is read again."""
    identities = Identities("wf", None, {}, Memory())
    first, second = identities.key({"a": 1})[0], identities.key({"a": 1})[0]
    assert second == first + ".2"


def test_a_file_is_its_bytes_and_its_kind(tmp_path: Path):
    """A renamed copy is the same; other bytes or another kind are not."""
    (tmp_path / "a.pdf").write_bytes(b"one")
    (tmp_path / "b.PDF").write_bytes(b"one")
    (tmp_path / "c.pdf").write_bytes(b"two")
    (tmp_path / "d.txt").write_bytes(b"one")
    one, renamed, other, kind = (
        key({"f": [LocalFile(str(tmp_path / name))]}) for name in ("a.pdf", "b.PDF", "c.pdf", "d.txt")
    )
    assert one == renamed
    assert len({one, other, kind}) == 3


def test_jpg_is_jpeg(tmp_path: Path):
    """Two spellings of one kind."""
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "a.jpeg").write_bytes(b"x")
    assert key({"f": LocalFile(str(tmp_path / "a.jpg"))}) == key({"f": LocalFile(str(tmp_path / "a.jpeg"))})


def test_the_hash_travels_with_the_inputs(tmp_path: Path):
    """What the key was made of is what the upload will compare with."""
    (tmp_path / "a.txt").write_bytes(b"x")
    _, inputs = Identities("wf", None, {}, Memory()).key({"f": LocalFile(str(tmp_path / "a.txt"))})
    assert inputs["f"].sha256 == hash_file(str(tmp_path / "a.txt"), Memory())


def test_an_unchanged_file_is_read_once(tmp_path: Path):
    """Size and time of change tell; a changed file is read again."""
    memory = Memory()
    path = tmp_path / "a.txt"
    path.write_bytes(b"x")
    first = hash_file(str(path), memory)
    assert hash_file(str(path), memory) == first
    assert memory.hits == 1
    path.write_bytes(b"yy")
    assert hash_file(str(path), memory) != first
