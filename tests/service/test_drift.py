"""Differences between two readings of a workflow, and which of them a run must not ignore."""

from __future__ import annotations

from typing import Any

import pytest

from opus_nb.service.schema import Schema, read_fields, schema_changes

NAME = {"display_name": "Name", "type": "str", "is_nullable": False}
AGE = {"display_name": "Age", "type": "int", "is_nullable": True}


def schema(**entries: Any) -> Schema:
    return read_fields(entries)


def only(old: Schema, new: Schema) -> tuple[str, bool, str]:
    (change,) = schema_changes(old, new)
    return change.change, change.meaning_changed, change.sentence


def test_equal_schemas_do_not_differ() -> None:
    """Order and descriptions are no difference."""
    assert schema_changes(schema(a=NAME, b=AGE), schema(b={**AGE, "description": "years"}, a=NAME)) == ()


def test_a_new_variable_under_the_old_label_is_a_rename() -> None:
    """T30: ids change with every edit; label and type carry the mapping over."""
    (change,) = schema_changes(schema(a=NAME), schema(b=NAME))
    assert (change.change, change.variable_name, change.meaning_changed) == ("renamed", "b", False)
    assert change.old is not None
    assert change.old.variable_name == "a"
    assert change.sentence == '"Name" is now called b (was a).'


def test_two_equal_labels_are_no_rename() -> None:
    """Where the label names two, nothing is carried over."""
    changes = schema_changes(schema(a=NAME, b=NAME), schema(c=NAME, d=NAME))
    assert [each.change for each in changes] == ["removed", "removed", "added", "added"]


def test_a_rename_with_another_type_is_none() -> None:
    """Same label, other type: gone and new."""
    changes = schema_changes(schema(a=NAME), schema(b={**NAME, "type": "float"}))
    assert [(each.change, each.meaning_changed) for each in changes] == [("removed", True), ("added", True)]


@pytest.mark.parametrize(("nullable", "stops"), [(True, False), (False, True)])
def test_added(nullable: bool, stops: bool) -> None:
    """Only a required new input stops a plan that knows nothing of it."""
    added = {**AGE, "is_nullable": nullable}
    assert only(schema(a=NAME), schema(a=NAME, b=added))[:2] == ("added", stops)


def test_removed() -> None:
    """A value would be sent to nobody."""
    assert only(schema(a=NAME, b=AGE), schema(a=NAME))[:2] == ("removed", True)


def test_type() -> None:
    """Another type word: what was checked may not fit."""
    change, stops, sentence = only(schema(a=NAME), schema(a={**NAME, "type": "json_string"}))
    assert (change, stops) == ("type", True)
    assert sentence == '"Name" was str and is json_string.'


def test_one_more_type_is_harmless() -> None:
    """A field that accepts more still accepts what it did."""
    wider = {**NAME, "allowed_types": [{"type": "float"}]}
    assert only(schema(a=NAME), schema(a=wider))[:2] == ("type", False)
    assert only(schema(a=wider), schema(a=NAME))[:2] == ("type", True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"type": "date"}, {"type": "date", "type_definition": "%d/%m/%Y"}),
        (
            {"type": "object", "type_definition": {"a": {"type": "str"}}},
            {"type": "object", "type_definition": {"a": {"type": "int"}}},
        ),
        ({"type": "array"}, {"type": "array", "type_definition": {"type": "str"}}),
    ],
)
def test_definition(before: dict[str, Any], after: dict[str, Any]) -> None:
    """What a container holds and how a date is written are part of the type."""
    assert only(schema(a={**NAME, **before}), schema(a={**NAME, **after}))[:2] == ("type", True)


def test_required() -> None:
    """Becoming required stops; becoming optional does not."""
    optional = {**NAME, "is_nullable": True}
    assert only(schema(a=optional), schema(a=NAME))[:2] == ("required", True)
    assert only(schema(a=NAME), schema(a=optional))[:2] == ("required", False)


@pytest.mark.parametrize(
    ("before", "after", "stops"),
    [(["A"], ["A", "B"], False), (["A", "B"], ["A"], True), ([], ["A"], True), (["A"], [], False)],
)
def test_options(before: list[str], after: list[str], stops: bool) -> None:
    """More choices are harmless, fewer are not; none means any."""
    assert only(schema(a={**NAME, "options": before}), schema(a={**NAME, "options": after}))[:2] == ("options", stops)


def test_file_types() -> None:
    """A kind of file that is accepted no longer stops."""

    def takes(*kinds: str) -> Schema:
        return schema(a={"type": "file", "tags": [{"variable_name": "allowed_file_types", "value": list(kinds)}]})

    assert only(takes("PDF", "PNG"), takes("PDF"))[:2] == ("file_types", True)
    assert only(takes("PDF"), takes("PDF", "PNG"))[:2] == ("file_types", False)


def test_labels_that_change_places_stop() -> None:
    """Two variables that swap labels swap meanings, though every value still fits."""
    other = {**NAME, "display_name": "Town"}
    before, after = schema(a=NAME, b=other), schema(a=other, b=NAME)
    assert [(each.change, each.meaning_changed) for each in schema_changes(before, after)] == [("label", True)] * 2
    assert before.fingerprint() == after.fingerprint()


def test_a_new_label_is_harmless() -> None:
    """Relabelling alone is told and stops nothing."""
    assert only(schema(a=NAME), schema(a={**NAME, "display_name": "Full name"}))[:2] == ("label", False)


def test_several_differences_of_one_field_are_told_apart() -> None:
    """One field can differ in more than one way."""
    after = {**NAME, "type": "int", "is_nullable": True, "options": [1]}
    assert [each.change for each in schema_changes(schema(a=NAME), schema(a=after))] == ["type", "required", "options"]
