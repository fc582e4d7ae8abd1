"""Values to try a shape with: of the kinds that its own values have, and apart from each other."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any, Collection, Iterator, Tuple

Kind = Tuple[str, Any, Any, Any, bool]
Values = Tuple[Any, ...]

#: What Django's own code treats differently from others, if it treats any value differently.
_CORNERS: dict[str, list[Any]] = {
    "integer": [0, -3, 2**40 + 7],
    "text": ["", "a%b_c\\d'\"", "\u00e4\u4e2d"],
    "numeral": ["0", "-3", str(2**40 + 7)],
    "uuid_text": [str(uuid.UUID(int=number)) for number in (0, 2**128 - 1, 5)],
    "real": [0.0, -2 / 3, 1e30],
    "decimal": [decimal.Decimal(0), decimal.Decimal("-1.50"), decimal.Decimal("12345678.9")],
    "uuid": [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID(int=5)],
    "date": [datetime.date(1901, 1, 1), datetime.date(2038, 12, 31), datetime.date(2000, 2, 29)],
    "naive_datetime": [
        datetime.datetime(1901, 1, 1),
        datetime.datetime(2038, 12, 31, 23, 59, 59, 999999),
        datetime.datetime(2000, 2, 29),
    ],
    "time": [datetime.time(0), datetime.time(23, 59, 59, 999999), datetime.time(1, 2)],
    "duration": [datetime.timedelta(0), datetime.timedelta(-3), datetime.timedelta(99, 7, 5)],
}
_DAY = datetime.timedelta(days=1)


def _one(kind: str, number: int, actual: Any) -> Any:
    """A value that stands out, another one for each number."""
    if kind == "integer":
        return 1009 + 2 * number
    if kind == "text":
        return f"Qz%{number}_\\x"
    if kind == "numeral":
        return str(1009 + 2 * number)
    if kind == "uuid_text":
        return str(uuid.UUID(int=2**100 + number))
    if kind == "real":
        return 1009 + number + 1 / 3  # as many digits as a float has
    if kind == "decimal":
        return decimal.Decimal(10 + number)
    if kind == "uuid":
        return uuid.UUID(int=2**100 + number)
    if kind == "date":
        return datetime.date(2003, 1, 1) + number * _DAY
    if kind == "naive_datetime":
        return datetime.datetime(2003, 1, 1, 2, 3, 4, 5) + number * _DAY
    if kind == "aware_datetime":
        return datetime.datetime(2003, 1, 1, 2, 3, 4, 5, tzinfo=actual.tzinfo) + number * _DAY
    if kind == "time":
        return datetime.time(number // 3600 % 24, number // 60 % 60, number % 60, 7)
    if kind == "duration":
        return datetime.timedelta(days=number, seconds=3)
    return actual


def distinct(kinds: list[Kind], actual: Values, round_number: int, members: int = 1) -> Values:
    """Values that all differ from each other, and from those of other rounds; so many members of each IN."""
    found: list[Any] = []
    for position, (kind, _, detail, attribute, late) in enumerate(kinds):
        number = 1 + round_number * (len(kinds) + 7) * 17 + position * 3
        if kind == "members":
            found.append(tuple(_one(detail, number + 5000 * i, None) for i in range(members)))
        elif kind == "instance":
            key = _one_like(getattr(actual[position], attribute), number) if late else found[-1]
            found.append(stand_in(actual[position], attribute, key))
        else:
            found.append(_one(kind, number, actual[position]))
    return tuple(found)


def corners(kinds: list[Kind], actual: Values, first: int, left: Collection[int] = ()) -> Iterator[Values]:
    """The values from ``first`` on at their corners; those before, and those at ``left``, as they are."""
    for i in range(3):
        found = list(actual[:first])
        for position, (kind, _, detail, attribute, late) in enumerate(kinds[first:], first):
            if position in left:
                found.append(actual[position])
            elif kind == "members":
                # One, two and three of them.
                some = _CORNERS[detail]
                found.append(tuple(some[: i + 1]))
            elif kind == "instance":
                key = _one_like(getattr(actual[position], attribute), i) if late else found[-1]
                found.append(stand_in(actual[position], attribute, key))
            elif kind == "aware_datetime":
                corner = _CORNERS["naive_datetime"][i]
                found.append(corner.replace(tzinfo=actual[position].tzinfo))
            else:
                found.append(_CORNERS[kind][i] if kind in _CORNERS else actual[position])
        yield tuple(found)


def _one_like(value: Any, number: int) -> Any:
    if type(value) is int:
        return 1009 + 2 * number
    if type(value) is uuid.UUID:
        return uuid.UUID(int=2**100 + number)
    if type(value) is str:
        return f"Qz{number}x"
    return value


def stand_in(instance: Any, attribute: str, key: Any) -> Any:
    """An instance like ``instance`` with another primary key, made without running its class's code."""
    made = object.__new__(type(instance))
    made.__dict__.update(instance.__dict__)
    made.__dict__[attribute] = key
    return made
