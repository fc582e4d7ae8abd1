"""From a chain to Django's own queryset: its steps made again, by Django's own methods, with a real Query."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Tuple

from django.db.models import Q, QuerySet

from .. import _engine
from .policy import POLICY

#: The attribute of a queryset that holds its chain, in place of a Query.
CHAIN = "_cache_me_chain"

#: Django's methods by their names; what stands in their place records (recording.py).
DJANGOS: dict[str, Callable[..., Any]] = {}

#: What ``QuerySet._clone`` takes over from Django 3.2 to 6.1, beside model, database and hints.
CLONED = (
    "_sticky_filter",
    "_for_write",
    "_prefetch_related_lookups",
    "_known_related_objects",
    "_iterable_class",
    "_fields",
    "_fetch_mode",
)

Values = Tuple[Any, ...]


def is_recorded(queryset: Any) -> bool:
    """Whether a queryset has a chain, and no Query beside it that somebody gave it.

    Its ``__dict__`` is left alone: to ask for that makes Django slower with it ever after.
    """
    return queryset._cache_me_chain is not None and _engine.is_recorded(queryset)


def replay(cls: Any, model: Any, node: _engine.Node, values: Values, using: Any, hints: Any) -> Any:
    """A queryset with a Query of its own; raises what Django raises. A step that ends a chain is left out."""
    queryset = cls(model=model, using=using, hints=hints)
    for method, args, kwargs, sticky, _ in node.steps(values):
        if method in ENDING:
            break
        if sticky:
            queryset._sticky_filter = True
        if method == "__getitem__":
            queryset = DJANGOS[method](queryset, slice(*args))
        else:
            queryset = DJANGOS[method](queryset, *args, **kwargs)
    return queryset


def all_steps(node: _engine.Node, values: Values) -> Iterator[tuple[str, Values]]:
    """Each step's method and arguments, those of querysets within its arguments, too."""
    for method, args, kwargs, _, _ in node.steps(values):
        arguments = (*args, *kwargs.values())
        yield method, arguments
        for argument in arguments:
            for queryset in _querysets_in(argument):
                chain = queryset.__dict__[CHAIN]
                yield from all_steps(_engine.node_of(chain), _engine.values_of(chain))


def with_queries(
    args: Values, kwargs: dict[str, Any], beside: Callable[[Any], Any] | None = None
) -> tuple[Values, dict[str, Any]]:
    """A step's arguments with other querysets in place of the recorded ones in them, as a rule their twins.

    For Django, which takes the Queries of these: so they stay recorded for the next time.
    """
    beside = beside or twin_of
    return (
        tuple([_with_query(value, beside) for value in args]),
        {name: _with_query(value, beside) for name, value in kwargs.items()},
    )


def _with_query(value: Any, beside: Callable[[Any], Any]) -> Any:
    if isinstance(value, QuerySet):
        return beside(value) if is_recorded(value) else value
    if type(value) is not Q or next(_querysets_in(value), None) is None:
        return value
    children = [
        (child[0], _with_query(child[1], beside)) if isinstance(child, tuple) else _with_query(child, beside)
        for child in value.children
    ]
    return Q(*children, _connector=value.connector, _negated=value.negated)


def _querysets_in(value: Any) -> Iterator[Any]:
    """The recorded queryset that a step's argument is, or those in a Q."""
    if isinstance(value, Q):
        for child in value.children:
            yield from _querysets_in(child[1] if isinstance(child, tuple) else child)
    elif isinstance(value, QuerySet) and is_recorded(value):
        yield value


#: Methods that end a chain: their answer is no queryset.
ENDING = frozenset({"get", "count", "exists", "first", "last", "aggregate"})


def twin_of(queryset: Any) -> Any:
    """The same queryset with a Query, for Django to work with; ``queryset`` keeps its chain."""
    own = queryset.__dict__
    chain = own[CHAIN]
    node, values = _engine.node_of(chain), _engine.values_of(chain)
    twin = replay(type(queryset), own["model"], node, values, own["_db"], own["_hints"])
    for name in CLONED:
        if name in own:
            setattr(twin, name, own[name])
    twin._hints = own["_hints"]
    if POLICY in own:
        setattr(twin, POLICY, own[POLICY])
    return twin


def materialise(queryset: Any) -> Any:
    """Give ``queryset`` its Query and let it be Django's from now on: somebody may change the Query."""
    twin = twin_of(queryset)
    query = twin._query
    queryset._query = query
    queryset.__dict__.pop(CHAIN, None)
    return query
