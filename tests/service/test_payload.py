"""What ``execute`` is sent: entries in the form that most generations accept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opus_nb.errors import MappingError
from opus_nb.job import LocalFile
from opus_nb.service.filekinds import ALL_EXTENSIONS, MAX_FILE_BYTES, allowed_extensions, extension_fits, guess_mime
from opus_nb.service.schema import Field, Schema, read_fields
from opus_nb.service.values import Payloads, build_payload, list_files

PDF, PNG = LocalFile("/scans/a.pdf"), LocalFile("/scans/b.png")
URLS = {PDF: "https://files.opus.com/a.pdf", PNG: "https://files.opus.com/b.png"}


def one(entry: dict[str, Any], value: Any, **more: Any) -> dict[str, Any]:
    return build_payload(read_fields({"x": entry}), {"x": value}, **more)["x"]


@pytest.mark.parametrize("word", ["str", "float", "int", "bool", "date", "json_string", "signature", "STR"])
def test_the_schemas_own_word_is_echoed(word: str) -> None:
    """T5: the type is the schema's word, letter for letter, a bare string."""
    assert one({"display_name": "Label", "type": word}, "v") == {"value": "v", "type": word, "displayName": "Label"}


def test_several_files_keep_the_schemas_word() -> None:
    """T5: ``array_files`` stays ``array_files``; an ``array`` of files stays ``array`` with its definition."""
    definition = {"id": "file", "variable_name": "file", "allowed_types": [{"type": "file"}]}
    urls = [URLS[PDF], URLS[PNG]]
    assert one({"type": "array_files"}, [PDF, PNG], file_urls=URLS) == {
        "value": urls,
        "type": "array_files",
        "displayName": "x",
    }
    assert one({"type": "array", "type_definition": definition}, [PDF, PNG], file_urls=URLS.__getitem__) == {
        "value": urls,
        "type": "array",
        "displayName": "x",
        "typeDefinition": definition,
    }


@pytest.mark.parametrize("definition", [{}, None, "", "%Y"])
def test_no_definition_is_sent_where_the_schema_has_none(definition: Any) -> None:
    """A plain list goes as V1 has always taken it."""
    assert "typeDefinition" not in one({"type": "array", "type_definition": definition}, ["a"])


def test_a_definition_is_sent_for_containers_only() -> None:
    """A date's pattern and a text's definition stay at home."""
    assert "typeDefinition" in one({"type": "object", "type_definition": {"a": {"type": "str"}}}, {"a": "b"})
    assert "typeDefinition" not in one({"type": "date", "type_definition": "%d.%m.%Y"}, "09.11.2025")
    assert "typeDefinition" not in one({"type": "str", "type_definition": {"a": {"type": "str"}}}, "b")


def test_what_has_no_value_is_left_out() -> None:
    """T20: a null is not sent for an optional input."""
    schema = read_fields({"a": {"type": "str", "is_nullable": True}, "b": {"type": "bool"}})
    assert build_payload(schema, {"a": None, "b": False}) == {"b": {"value": False, "type": "bool", "displayName": "b"}}
    assert build_payload(schema, {}) == {}


@pytest.mark.parametrize("inputs", [{}, {"a": None}])
def test_a_required_input_without_a_value_stops(inputs: dict[str, Any]) -> None:
    """The last gate before money is spent."""
    schema = read_fields({"a": {"display_name": "Amount", "type": "float", "is_nullable": False}})
    with pytest.raises(MappingError, match=r"Amount \(a\)"):
        build_payload(schema, inputs)


def test_an_unknown_key_stops() -> None:
    """Whether the service would notice a typo is not known; we do."""
    with pytest.raises(MappingError, match="wworkflow_input_a") as caught:
        build_payload(read_fields({"workflow_input_a": {"type": "str"}}), {"wworkflow_input_a": "x"})
    assert "workflow_input_a" in str(caught.value.came_back)


def test_a_file_without_an_address_stops() -> None:
    """A path of this machine never leaves it."""
    for urls in (None, {}, {}.__getitem__, lambda file: ""):
        with pytest.raises(MappingError, match=r"/scans/a\.pdf"):
            one({"type": "file"}, PDF, file_urls=urls)


def test_of_several_types_the_fitting_word_is_sent() -> None:
    """T4, T5: the word follows the value where a field takes several types."""
    entry = {
        "allowed_types": [{"type": "str"}, {"type": "float"}, {"type": "array", "type_definition": {"type": "str"}}]
    }
    assert one(entry, "a")["type"] == "str"
    assert one(entry, 1.5)["type"] == "float"
    assert one(entry, ["a"]) == {
        "value": ["a"],
        "type": "array",
        "displayName": "x",
        "typeDefinition": {"type": "str"},
    }


@pytest.mark.parametrize(
    ("value", "word"),
    [("a", "str"), (True, "bool"), (1, "int"), (1.5, "float"), ([1], "array"), ({}, "object"), (PDF, "file")],
)
def test_without_a_word_the_value_decides(value: Any, word: str) -> None:
    """Where the schema gives no type at all, the entry still needs one."""
    assert one({}, value, file_urls=URLS)["type"] == word


def test_files_deep_inside_get_their_addresses() -> None:
    """A file in an object in a list is replaced like any other; the inputs stay as they were."""
    inputs = {"x": [{"paper": PDF, "pages": [1, 2]}]}
    built = build_payload(read_fields({"x": {"type": "array"}}), inputs, URLS)
    assert built["x"]["value"] == [{"paper": URLS[PDF], "pages": [1, 2]}]
    assert inputs == {"x": [{"paper": PDF, "pages": [1, 2]}]}
    json.dumps(built, allow_nan=False)


def test_list_files_names_each_file_once() -> None:
    """Every file of a row, at any depth, once, in the order in which they are met."""
    assert list_files({"a": PNG, "b": [PDF, {"c": PNG}], "d": "text"}) == (PNG, PDF)
    assert list_files({"a": "https://files.opus.com/a.pdf"}) == ()


def test_payloads_of_many_rows_do_not_mix() -> None:
    """One maker serves many rows, and two schemas in turn do not get each other's labels."""
    first, second = read_fields({"x": {"type": "str"}}), read_fields({"x": {"display_name": "B", "type": "int"}})
    maker = Payloads(first)
    assert [maker.build({"x": text})["x"]["value"] for text in "ab"] == ["a", "b"]
    assert build_payload(first, {"x": "a"})["x"]["type"] == "str"
    assert build_payload(second, {"x": 1})["x"] == {"value": 1, "type": "int", "displayName": "B"}
    assert build_payload(first, {"x": "a"})["x"]["displayName"] == "x"


def files_field(*kinds: str) -> Field:
    return Field("x", "X", "file", "file", True, allowed_file_types=kinds)


def test_the_twelve_extensions() -> None:
    """Lower case with a dot, as the upload wants them; each with its MIME type."""
    assert ALL_EXTENSIONS == (
        ".jpeg", ".png", ".jpg", ".pdf", ".docx", ".csv", ".xls", ".xlsx", ".txt", ".json", ".html", ".xml",
    )  # fmt: skip
    assert all("/" in guess_mime(each) for each in ALL_EXTENSIONS)
    assert MAX_FILE_BYTES == 10 * 1024 * 1024


@pytest.mark.parametrize(
    ("kinds", "suffix", "fits"),
    [
        ((), ".PDF", True),
        ((), "pdf", True),
        ((), ".heic", False),
        ((), "", False),
        (("PDF",), ".pdf", True),
        (("PDF",), ".png", False),
        (("JPG",), ".jpeg", True),
        (("JPEG",), ".JPG", True),
        ((".webp",), "webp", True),
    ],
)
def test_extensions_fit_whatever_their_spelling(kinds: tuple[str, ...], suffix: str, fits: bool) -> None:
    """T28: case and dots do not matter, and JPG is JPEG."""
    assert extension_fits(files_field(*kinds), suffix) is fits


def test_allowed_extensions_keep_the_authors_order() -> None:
    """The author's kinds come first, partners of JPG and JPEG after."""
    assert allowed_extensions(files_field("PDF", "JPG")) == (".pdf", ".jpg", ".jpeg")


@pytest.mark.parametrize(
    ("suffix", "mime"), [(".PDF", "application/pdf"), ("jpg", "image/jpeg"), (".webp", "application/octet-stream")]
)
def test_mime_is_ours_and_the_same_everywhere(suffix: str, mime: str) -> None:
    """T6: no registry of the machine is asked."""
    assert guess_mime(suffix) == mime


def test_an_empty_schema_takes_an_empty_row() -> None:
    """A workflow without inputs is executed with an empty payload."""
    assert build_payload(Schema(), {}) == {}
