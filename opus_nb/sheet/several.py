"""Several columns that feed one input together: members of an object, items of a list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from opus_nb.service.schema import Field
from opus_nb.sheet.cells import show_list
from opus_nb.sheet.headers import SEPARATORS, TOGETHER, fold_name
from opus_nb.sheet.sources import FORGIVEN_SCORE, InputSource, headers_of

__all__ = ["feed_together", "match_members", "match_numbered"]

_NUMBERED = re.compile(r"(.*[^\d\W_])[\s_.\-#(\[]*(\d{1,3})[)\]]?")


def feed_together(field: Field, headers: Sequence[str], *, score: float, reason: str) -> InputSource:
    """Feed a list from several columns."""
    members = tuple(((str(place),), header) for place, header in enumerate(headers, 1))
    return InputSource(field, "column", TOGETHER.join(headers), members=members, score=score, reason=reason)


def match_members(
    fields: Sequence[Field], free: Sequence[str], found: Mapping[str, InputSource]
) -> dict[str, InputSource]:
    """Feed objects from columns like ``Contact.email``."""
    taken = headers_of(found.values())
    result: dict[str, InputSource] = {}
    for field in fields:
        if field.kind != "object" or field.variable_name in found:
            continue
        names = {fold_name(field.display_name), fold_name(field.variable_name)} - {""}
        members: dict[tuple[str, ...], str] = {}
        for header in free:
            path = None if header in taken else _member_path(header, names, field)
            if path is not None and path not in members:
                members[path] = header
        if members:
            result[field.variable_name] = InputSource(
                field,
                "column",
                f"{field.display_name}.*",
                members=tuple(members.items()),
                score=1.0,
                reason=f"put together from {show_list(members.values())}",
            )
    return result


def match_numbered(
    fields: Sequence[Field], free: Sequence[str], found: Mapping[str, InputSource]
) -> dict[str, InputSource]:
    """Feed lists from columns like ``Tag 1``, ``Tag 2``: at least two, numbered from 0 or 1 without a gap."""
    taken = headers_of(found.values())
    series: dict[str, dict[int, str]] = {}
    for header in free:
        numbered = _NUMBERED.fullmatch(header.strip())
        if numbered and header not in taken:
            series.setdefault(_one(numbered[1]), {}).setdefault(int(numbered[2]), header)
    result: dict[str, InputSource] = {}
    for field in fields:
        names = {_one(field.display_name), _one(field.variable_name)} - {""}
        fitting = [series[name] for name in names if name in series]
        if field.kind not in ("array", "files") or field.variable_name in found or len(fitting) != 1:
            continue
        numbers = sorted(fitting[0])
        rivals = [each for each in fields if each is not field and names & {_one(each.display_name)}]
        if len(numbers) > 1 and numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1 and not rivals:
            headers = [fitting[0][number] for number in numbers]
            reason = f"one list of {show_list(headers)}"
            result[field.variable_name] = feed_together(field, headers, score=FORGIVEN_SCORE, reason=reason)
    return result


def _one(name: str) -> str:
    """Return a name folded and in the singular, as a numbered header has it."""
    folded = fold_name(name)
    if len(folded) > 4 and folded.endswith("ies"):
        return f"{folded[:-3]}y"
    return folded[:-1] if len(folded) > 3 and folded.endswith("s") and not folded.endswith("ss") else folded


def _member_path(header: str, names: set[str], field: Field) -> tuple[str, ...] | None:
    for place, sign in enumerate(header):
        if sign in SEPARATORS and fold_name(header[:place]) in names and header[place + 1 :].strip():
            return _known_path(header[place + 1 :].strip(), sign, field)
    return None


def _known_path(tail: str, separator: str, field: Field) -> tuple[str, ...] | None:
    """Return the path by variable names where the schema knows the members, the header's own words where not."""
    if not field.members:
        return tuple(part.strip() for part in tail.split(separator))
    head, found, rest = tail.partition(separator)
    for name, remainder in ((tail, ""), (head, rest)) if found else ((tail, ""),):
        folded = fold_name(name)
        for member in field.members:
            if folded and folded in (fold_name(member.display_name), fold_name(member.variable_name)):
                if not remainder:
                    return (member.variable_name,)
                inner = _known_path(remainder, separator, member)
                return None if inner is None else (member.variable_name, *inner)
    return None
