"""Where a shape's SQL changes with its values: the numbers of LIMIT and OFFSET, and how long an IN is."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from . import probes as values_to_try
from .parameters import Unlearnable

_MARK = ", %s"
_MOST = 8  # as many as a plan of the engine may have


class Gap(NamedTuple):
    """What stands in a gap of the SQL: a value's number, less another value's; or marks of its members."""

    value: int
    less: int | None = None
    is_members: bool = False


def gaps_of(lesson: Any, probes: list[tuple[tuple[Any, ...], Any]]) -> tuple[list[str], list[Gap]]:
    """The pieces of the SQL around its gaps, and these. The probes have one member of each IN.

    Raises Unlearnable where the SQL changes in another way.
    """
    values, sql = probes[0][0], probes[0][1].sql
    places = [*_numbers(lesson.node, values, sql), *_members(lesson, values, sql)]
    places.sort(key=lambda place: place[0])
    if len(places) > _MOST:
        raise Unlearnable("gaps")
    pieces, end = [], 0
    for begin, behind, _ in places:
        pieces.append(sql[end:begin])
        end = behind
    pieces.append(sql[end:])
    gaps = [gap for _, _, gap in places]
    for other, compiled in probes:
        texts = ["" if gap.is_members else str(_number(gap, other)) for gap in gaps]
        made = pieces[0] + "".join(text + piece for text, piece in zip(texts, pieces[1:]))
        if made != compiled.sql:
            raise Unlearnable("other_sql")
    return pieces, gaps


def _number(gap: Gap, values: tuple[Any, ...]) -> int:
    return int(values[gap.value] - (0 if gap.less is None else values[gap.less]))


def _numbers(node: Any, values: tuple[Any, ...], sql: str) -> list[tuple[int, int, Gap]]:
    wanted = _slice_of(node)
    texts = [str(_number(gap, values)) for gap in wanted]
    if not texts:
        return []
    pattern = r"(?<![\w.])(" + "|".join(map(re.escape, texts)) + r")(?![\w.])"
    found = list(re.finditer(pattern, sql))
    if len(found) != len(wanted) or len(set(texts)) != len(texts):
        raise Unlearnable("numbers_in_sql")
    return [(match.start(), match.end(), wanted[texts.index(match.group())]) for match in found]


def numbers_of(node: Any) -> set[int]:
    """The positions of the values that are a slice's numbers."""
    return {at for gap in _slice_of(node) for at in (gap.value, gap.less) if at is not None}


def _slice_of(node: Any) -> list[Gap]:
    """The numbers that a slice among the steps makes."""
    while not node.is_root and node.method != "__getitem__":
        node = node.parent
    if node.is_root:
        return []
    has_start, has_stop = node.slice_ends
    start = node.first_value if has_start else None
    found = []
    if has_stop:
        found.append(Gap(node.first_value + (1 if has_start else 0), less=start))
    if start is not None:
        found.append(Gap(start))
    return found


def _members(lesson: Any, values: tuple[Any, ...], sql: str) -> list[tuple[int, int, Gap]]:
    """For each IN where the marks of two members more come in."""
    found = []
    for position, kind in enumerate(lesson.kinds):
        if kind[0] != "members":
            continue
        three = values_to_try.distinct(lesson.kinds, values, 11, members=3)[position]
        longer = lesson.compile((*values[:position], three, *values[position + 1 :])).sql
        at = next((i for i, (one, other) in enumerate(zip(sql, longer)) if one != other), len(sql))
        if longer != sql[:at] + 2 * _MARK + sql[at:]:
            raise Unlearnable("members")
        found.append((at, at, Gap(position, is_members=True)))
    return found
