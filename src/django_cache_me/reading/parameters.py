"""How the parameters of a shape's queries come of its values: found by trying, taken only if exact.

Each probe is a compiled query with its values. A parameter that is the same in all probes is a constant. Any
other one must come of exactly one value, by one of the conversions that Django has for values of that kind;
whatever doesn't is left to Django. What is found is judged by the keys that come of it (learning.py).
"""

from __future__ import annotations

import datetime
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
    before: str | None = None
    after: str | None = None
    convert: Convert | None = None
    #: The value's members are parameters each.
    is_members: bool = False
    #: The value is text that is read as an integer.
    is_numeral: bool = False


class Unlearnable(Exception):
    """No plan: the shape's queries are the second tier's. The argument says why."""


class Probe(NamedTuple):
    values: tuple[Any, ...]
    #: As they go into the key: plain (reading/key.py).
    params: list[Any]


def recipes(
    kinds: list[Kind], probes: list[Probe], models: Any, connection: Any, text_check: Any
) -> list[Recipe]:
    """A recipe for each parameter; raises Unlearnable. The probes differ in every value, and have one member
    of each IN."""
    found = [_recipe(i, kinds, probes, models, connection, text_check) for i in range(len(probes[0].params))]
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
    i: int, kinds: list[Kind], probes: list[Probe], models: Any, connection: Any, text_check: Any
) -> Recipe:
    all_encoded = [encoded(probe.params[i]) for probe in probes]
    if all(one == all_encoded[0] for one in all_encoded):
        return Recipe(all_encoded[0])
    for position, kind in enumerate(kinds):
        for candidate in _candidates(kind, models, text_check):
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
    if recipe.convert is not None:
        return recipe.convert(value, connection)
    if recipe.before is not None or recipe.after is not None:
        return (recipe.before or "") + value + (recipe.after or "")
    return value


def _candidates(kind: Kind, models: Any, text_check: Any) -> Iterator[Recipe]:
    name = kind[0]
    if name == "instance" and not kind[4]:
        return  # its key is a value of its own
    if name == "number":
        return
    if name == "members":
        name = kind[2]
    is_text = name in ("text", "numeral", "uuid_text")
    if is_text and text_check is not None:
        yield Recipe(b"", convert=functools.partial(_checked_text, text_check))
    else:
        yield Recipe(b"")
    if name == "numeral":
        yield Recipe(b"", is_numeral=True)
    if name == "uuid_text":
        yield Recipe(b"", convert=_uuid)
        yield Recipe(b"", convert=_hexadecimal_of_text)
    if is_text:
        for before, after in (("%", "%"), ("", "%"), ("%", ""), ("", "")):
            yield Recipe(b"", convert=functools.partial(_pattern, before, after, text_check))
    elif name == "uuid":
        yield Recipe(b"", convert=_hexadecimal)
    elif name in _ADAPTED:
        yield Recipe(b"", convert=functools.partial(_adapted, _ADAPTED[name]))
    if name in ("integer", "real", "decimal", "numeral"):
        for field in _decimal_fields(models):
            yield Recipe(b"", convert=functools.partial(_decimal, field))
    if name in ("integer", "numeral"):
        yield Recipe(b"", convert=_real)
    if name == "integer":
        yield Recipe(b"", convert=_text)
    elif name == "duration":
        yield Recipe(b"", convert=_microseconds)


_ADAPTED = {
    "date": "adapt_datefield_value",
    "naive_datetime": "adapt_datetimefield_value",
    "aware_datetime": "adapt_datetimefield_value",
    "time": "adapt_timefield_value",
}


def _checked_text(check: Any, value: str, connection: Any) -> str:
    if check((value,)):
        raise Unlearnable("clock_text")
    return value


def _pattern(before: str, after: str, check: Any, value: str, connection: Any) -> str:
    text = before + str(connection.ops.prep_for_like_query(value)) + after
    return text if check is None else _checked_text(check, text, connection)


def _hexadecimal(value: Any, connection: Any) -> str:
    return str(value.hex)


def _adapted(method: str, value: Any, connection: Any) -> Any:
    return getattr(connection.ops, method)(value)


def _decimal(field: Any, value: Any, connection: Any) -> Any:
    """As DecimalField.get_db_prep_value() does it, which reads numbers of any class."""
    number = field.to_python(value)
    return connection.ops.adapt_decimalfield_value(number, field.max_digits, field.decimal_places)


def _uuid(value: str, connection: Any) -> uuid.UUID:
    return uuid.UUID(value)


def _hexadecimal_of_text(value: str, connection: Any) -> str:
    return value.replace("-", "")


def _real(value: Any, connection: Any) -> float:
    return float(value)


def _text(value: int, connection: Any) -> str:
    return str(value)


def _microseconds(value: datetime.timedelta, connection: Any) -> int:
    return value // datetime.timedelta(microseconds=1)


def _decimal_fields(models: Any) -> Iterator[Any]:
    """One of Django's own for each number of digits and places."""
    found = {}
    for model in models:
        for field in model._meta.concrete_fields:
            if type(field) is DecimalField:
                found[field.max_digits, field.decimal_places] = field
    yield from found.values()
