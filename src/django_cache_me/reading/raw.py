"""``raw()``: querysets of the user's own SQL."""

from __future__ import annotations

import functools
from typing import Any, Callable, Iterator

from django.db import connections
from django.db.models.query import QuerySet, RawQuerySet

from .admission import admitted
from .layout import driver_layout
from .lookup import Question, footing_for
from .policy import POLICY


def install() -> None:
    setattr(RawQuerySet, POLICY, None)
    setattr(RawQuerySet, "iterator", _iterating(RawQuerySet.iterator))
    setattr(QuerySet, "raw", _with_policy(QuerySet.raw))
    for name in ("_clone", "using"):
        setattr(RawQuerySet, name, _with_policy(getattr(RawQuerySet, name)))


def _with_policy(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = original(self, *args, **kwargs)
        policy = getattr(self, POLICY)
        if policy is not None:
            setattr(made, POLICY, policy)
        return made

    return method


def _iterating(original: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    @functools.wraps(original)
    def iterator(self: Any) -> Iterator[Any]:
        answer = _answer(self)
        if answer is None:
            yield from original(self)
            return
        # Django iterates over the RawQuery, which executes itself at the beginning of each iteration.
        query = self.query
        query._execute_query = lambda: setattr(query, "cursor", _Replayed(answer))
        try:
            yield from original(self)
        finally:
            del query._execute_query

    return iterator


def _answer(queryset: Any) -> list[Any] | None:
    """The columns' names and then the driver's rows, or None: Django is to execute as ever."""
    plan = admitted(queryset, whole_rows=False)
    if plan is None:
        return None
    query = queryset.query
    alias = query.using
    footing = footing_for(alias)
    if footing is None:
        return None
    wrapper = connections[alias]

    names: list[Any] = []

    def ask() -> list[Any]:
        rows = iter(query)
        names.append(tuple(column[0] for column in query.cursor.description))
        try:
            return [*map(tuple, rows)]
        finally:
            query.cursor.close()

    def keep(rows: list[Any]) -> list[Any]:
        return [*names, *rows]

    layout = driver_layout(wrapper, "raw")
    label = queryset.model._meta.label_lower
    params = _parameters(query, wrapper)
    return Question(
        alias,
        footing,
        plan,
        label,
        query.sql,
        params,
        layout.result,
        layout.fingerprint,
        ask,
        keep,
        values=params[1:],
    ).answer()


def _parameters(query: Any, wrapper: Any) -> tuple[Any, ...]:
    """The parameters as ``RawQuery`` hands them to the driver, so that no two queries share a key."""
    adapt = wrapper.ops.adapt_unknown_value
    if query.params is None:
        return (None,)
    if query.params_type is dict:
        return tuple((name, adapt(value)) for name, value in sorted(query.params.items()))
    return ((), *(adapt(value) for value in query.params))


class _Replayed:
    """What Django needs of a cursor that was executed."""

    def __init__(self, answer: list[Any]) -> None:
        self.description = [(name, None, None, None, None, None, None) for name in answer[0]]
        self._rows = answer[1:]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def close(self) -> None:
        pass
