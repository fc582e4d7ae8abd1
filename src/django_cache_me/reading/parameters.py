"""How the parameters of a shape's queries come of its values: found by trying, taken only if exact.

Each probe is a compiled query with its values. A parameter that is the same in all probes is a constant. Any
other one must come of exactly one value, by one of the conversions that Django has for values of that kind;
whatever doesn't is left to Django. What is found is judged by the keys that come of it (learning.py).
"""

from __future__ import annotations

import datetime
import decimal
import functools
import uuid
from typing import Any, Callable, Iterator, NamedTuple

from django.db.models import DecimalField

from .. import _engine
from .probes import Kind

Convert = Callable[[Any, Any], Any]


class Recipe(NamedTuple):
    """One parameter: a constant's bytes, or what comes before the bytes of a (converted) value."""

    head: bytes
    #: The value's position; None: a constant.
    value: int | None = None
    convert: Convert | None = None
    #: The value's members are parameters each.
    is_members: bool = False
    #: The value is text that is read as an integer.
    is_numeral: bool = False
    #: The value is text that the server may read as a time.
    refuses_clock_words: bool = False


class Unlearnable(ValueError):
    """No plan: the shape's queries are the second tier's. The argument says why."""


class Probe(NamedTuple):
    values: tuple[Any, ...]
    #: As they go into the key: plain (reading/key.py).
    params: list[Any]


def recipes(
    kinds: list[Kind], probes: list[Probe], models: Any, connection: Any, reads_clock_words: bool
) -> list[Recipe]:
    """A recipe for each parameter; raises Unlearnable. The probes differ in every value, and have one member
    of each IN."""
    found = [
        _recipe(i, kinds, probes, models, connection, reads_clock_words) for i in range(len(probes[0].params))
    ]
    used = {recipe.value for recipe in found}
    for position, kind in enumerate(kinds):
        is_keyed_elsewhere = kind[0] == "instance" and not kind[4]
        if position not in used and kind[0] != "number" and not is_keyed_elsewhere:
            raise Unlearnable("value_not_in_parameters")
    return found


def encoded(value: Any) -> bytes:
    try:
        return _engine.encode_value(value)
    except _engine.UnsupportedType as error:
        raise Unlearnable("unknown_parameter") from error


def _recipe(
    i: int, kinds: list[Kind], probes: list[Probe], models: Any, connection: Any, reads_clock_words: bool
) -> Recipe:
    all_encoded = [encoded(probe.params[i]) for probe in probes]
    if all(one == all_encoded[0] for one in all_encoded):
        return Recipe(all_encoded[0])
    for position, kind in enumerate(kinds):
        for candidate in _candidates(kind, models, reads_clock_words):
            head = _head(candidate, position, kind, probes, all_encoded, connection)
            if head is not None:
                return candidate._replace(head=head, value=position, is_members=kind[0] == "members")
    raise Unlearnable("parameter_of_no_value")


def _head(
    candidate: Recipe,
    position: int,
    kind: Kind,
    probes: list[Probe],
    all_encoded: list[bytes],
    connection: Any,
) -> bytes | None:
    """What comes before the value's own bytes, if every probe's parameter ends with these."""
    head: bytes | None = None
    for probe, whole in zip(probes, all_encoded):
        value = probe.values[position]
        if kind[0] == "instance":
            value = getattr(value, kind[3])
        elif kind[0] == "members":
            value = value[0]
        try:
            own = _engine.encode_value(made_of(candidate, value, connection))
        except Exception:  # whatever a conversion raises for a value that isn't its own
            return None
        if not whole.endswith(own):
            return None
        before = whole[: len(whole) - len(own)]
        if head is not None and before != head:
            return None
        head = before
    return head


def made_of(recipe: Recipe, value: Any, connection: Any) -> Any:
    """The parameter as the engine makes it."""
    if recipe.is_numeral:
        return int(value)
    if recipe.refuses_clock_words and _engine.may_read_the_clock(value):
        raise Unlearnable("clock_text")
    return value if recipe.convert is None else recipe.convert(value, connection)


def _candidates(kind: Kind, models: Any, reads_clock_words: bool) -> Iterator[Recipe]:
    name = kind[0]
    if name == "number" or (name == "instance" and not kind[4]):
        return  # the SQL's own numbers; and an instance's key is a value of its own
    if name == "members":
        name = kind[2]
    is_text = name in ("text", "numeral", "uuid_text")
    refuses = is_text and reads_clock_words
    yield Recipe(b"", refuses_clock_words=refuses)
    if is_text:
        # A pattern has the words of its value.
        for before, after in (("%", "%"), ("", "%"), ("%", ""), ("", "")):
            pattern = functools.partial(_pattern, before, after)
            yield Recipe(b"", convert=pattern, refuses_clock_words=refuses)
    if name == "numeral":
        yield Recipe(b"", is_numeral=True)
    for convert in _CONVERSIONS.get(name, ()):
        yield Recipe(b"", convert=convert)
    if name == "real":
        for field in _decimal_fields(models):
            yield Recipe(b"", convert=functools.partial(_rounded, field))


def _pattern(before: str, after: str, value: str, connection: Any) -> str:
    return before + str(connection.ops.prep_for_like_query(value)) + after


def _hexadecimal(value: Any, connection: Any) -> str:
    return str(value.hex)


def _uuid(value: str, connection: Any) -> uuid.UUID:
    return uuid.UUID(value)


def _hexadecimal_of_text(value: str, connection: Any) -> str:
    return value.replace("-", "")


def _adapted(method: str, value: Any, connection: Any) -> Any:
    return getattr(connection.ops, method)(value)


def _decimal(value: Any, connection: Any) -> decimal.Decimal:
    return decimal.Decimal(value)


def _rounded(field: Any, value: float, connection: Any) -> Any:
    """A float as the field reads it, which rounds it to as many digits as it has."""
    return field.to_python(value)


def _real(value: Any, connection: Any) -> float:
    return float(value)


def _text(value: int, connection: Any) -> str:
    return str(value)


def _microseconds(value: datetime.timedelta, connection: Any) -> int:
    return value // datetime.timedelta(microseconds=1)


_datetime = functools.partial(_adapted, "adapt_datetimefield_value")
#: What Django's fields and backends make of values, by the values' kinds.
_CONVERSIONS: dict[str, tuple[Convert, ...]] = {
    "integer": (_decimal, _real, _text),
    "numeral": (_decimal, _real),
    "uuid": (_hexadecimal,),
    "uuid_text": (_uuid, _hexadecimal_of_text),
    "date": (functools.partial(_adapted, "adapt_datefield_value"),),
    "naive_datetime": (_datetime,),
    "aware_datetime": (_datetime,),
    "time": (functools.partial(_adapted, "adapt_timefield_value"),),
    "duration": (_microseconds,),
}


def _decimal_fields(models: Any) -> Iterator[Any]:
    """One of Django's own for each number of digits; the probes have more digits than any."""
    found = {}
    for model in models:
        for field in model._meta.concrete_fields:
            if type(field) is DecimalField:
                found[field.max_digits] = field
    yield from found.values()
