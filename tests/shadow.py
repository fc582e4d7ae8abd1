"""The eager shadow: beside each recorded queryset the one that Django builds of the same calls, at once.

At each evaluation both are compared: the SQL, the parameters and their types; and the key that the shape's
plan makes with the key of the shadow's query. A call that Django refuses must be refused at the same place.
What doesn't agree is written down in :data:`found`; nothing else is changed, and rows come as they would.

Every step is proven and every plan learnt at first sight here, so that all of them are compared.
"""

from __future__ import annotations

import copy
import functools
import threading
from collections import Counter
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import Q, QuerySet, prefetch_related_objects
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor
from django.db.models.manager import BaseManager

from django_cache_me import _engine
from django_cache_me.databases.drivers import driver_for
from django_cache_me.databases.identity import identity_of
from django_cache_me.reading import forward_access, learning, prefetching, proving, recording
from django_cache_me.reading.capturing import capture
from django_cache_me.reading.key import encoded_parameters, key_of, table_key_of
from django_cache_me.reading.layout import driver_layout, layout_of
from django_cache_me.reading.policy import plan_of
from django_cache_me.reading.replaying import CHAIN, DJANGOS, ENDING, all_steps, twin_of, with_queries
from django_cache_me.registry import cache_me_registry

SHADOW = "_cache_me_shadow"
counts: Counter[str] = Counter()
#: What didn't agree: kind, shape, both sides.
found: list[tuple[str, str, str]] = []
_local = threading.local()


def install() -> None:
    proving.PROVE_AT = learning.LEARN_AT = 1
    for name in (*recording._STEPS, *ENDING):
        setattr(QuerySet, name, _beside(name, QuerySet.__dict__[name]))
        if name != "__getitem__":
            plain = (
                BaseManager.all if name == "all" else recording._manager_method(name, getattr(QuerySet, name))
            )
            setattr(recording._managers_class(), name, plain)
    _wrap_clone()
    setattr(recording, "rows", _evaluating(recording.rows))
    setattr(prefetching, "consider", _comparing_prefetches(prefetching.consider))
    setattr(prefetching, "_node_of_querysets", _without_shadows(prefetching._node_of_querysets))
    setattr(_engine, "prefetch", _comparing_given(_engine.prefetch))
    setattr(forward_access, "consider", _comparing_forwards(forward_access.consider))
    access = _comparing_accesses(ForwardManyToOneDescriptor.__get__)
    setattr(ForwardManyToOneDescriptor, "__get__", access)
    forward_access._installed.update({(kind, "__get__"): access for kind in forward_access._KINDS})


def _wrap_clone() -> None:
    recorded = QuerySet._clone

    @functools.wraps(recorded)
    def _clone(self: Any, *args: Any, **kwargs: Any) -> Any:
        clone = recorded(self, *args, **kwargs)
        if CHAIN in clone.__dict__ and SHADOW in self.__dict__:
            # A clone of the shadow that keeps what _chain() is going to look at.
            clone.__dict__[SHADOW] = self.__dict__[SHADOW]._clone()
        return clone

    setattr(QuerySet, "_clone", _clone)
    recording._relied_on["_clone"] = _clone


def _shadow_of(queryset: Any) -> Any:
    """The eager queryset beside ``queryset``; a root's is made here."""
    own = queryset.__dict__
    shadow = own.get(SHADOW)
    if shadow is None:
        node = _engine.node_of(own[CHAIN])
        shadow = twin_of(queryset)
        if not node.is_root:
            counts["shadows made late"] += 1
        own[SHADOW] = shadow
    for name in ("_sticky_filter", "_defer_next_filter", "_hints", "_db", "_fetch_mode", "_for_write"):
        if name in own:
            setattr(shadow, name, own[name])
    return shadow


def _beside(name: str, recorded: Any) -> Any:
    @functools.wraps(recorded)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        own = self.__dict__
        if CHAIN not in own or getattr(_local, "inside", False):
            return recorded(self, *args, **kwargs)
        if name in ENDING:
            if own["_result_cache"] is None or name == "get":
                _compare_ending(self, name, args, kwargs)
            _local.inside = True
            try:
                return recorded(self, *args, **kwargs)
            finally:
                _local.inside = False
        if name == "__getitem__" and (own["_result_cache"] is not None or not isinstance(args[0], slice)):
            return recorded(self, *args, **kwargs)
        in_place = not own.get("_cloning_enabled", True)
        shadow = _shadow_of(self)
        try:
            given, named = with_queries(args, kwargs, _shadow_of)
            eager, error = DJANGOS[name](shadow, *given, **named), None
        except Exception as raised:
            eager, error = None, raised
        try:
            made = recorded(self, *args, **kwargs)
        except Exception as raised:
            if type(raised) is not type(error):
                _note("error", name, repr(error), repr(raised))
            raise
        if error is not None:
            _note("late error", name, repr(error), "none")
        elif isinstance(made, QuerySet) and CHAIN in made.__dict__:
            counts["steps"] += 1
            made.__dict__[SHADOW] = eager
        elif in_place:
            own.pop(SHADOW, None)
        return made

    return method


def _described(argument: Any) -> str:
    """Not by ``repr()``, which evaluates a queryset."""
    if isinstance(argument, QuerySet):
        return f"<{argument.model.__name__}>"
    if isinstance(argument, Q):
        return f"Q({argument.connector}, {argument.negated}, {', '.join(map(_described, argument.children))})"
    return f"({', '.join(map(_described, argument))})" if isinstance(argument, tuple) else repr(argument)


def _evaluating(rows: Any) -> Any:
    @functools.wraps(rows)
    def evaluating(queryset: Any) -> Any:
        if getattr(_local, "inside", False):
            return rows(queryset)
        chain = queryset.__dict__[CHAIN]
        shadow = _shadow_of(queryset)
        # Once: compiling changes some of Django's lookups, which clones and deep copies of a Query share.
        eager = _compiled(shadow, queryset.db)
        _compare(queryset, chain, shadow, eager, queryset.db)
        result = rows(queryset)
        if _engine.node_of(chain).has_plan(queryset.db):
            _compare(queryset, chain, shadow, eager, queryset.db)
        return result

    return evaluating


def _compiled(queryset: Any, alias: str) -> tuple[Any, Any, Any]:
    query = copy.deepcopy(queryset.query)
    compiler = query.get_compiler(using=alias)
    try:
        sql, params = compiler.as_sql()
    except EmptyResultSet:
        return "EMPTY", (), None
    return sql, tuple(params), compiler


def _compare_ending(queryset: Any, name: str, args: Any, kwargs: Any) -> None:
    own = queryset.__dict__
    if own["_for_write"] or own["_sticky_filter"]:
        return
    longer = _engine.longer_chain(own[CHAIN], name, args, kwargs, False, False)
    if longer is None:
        counts["opaque"] += 1
        return
    alias = queryset.db

    try:
        eager = _asked(_shadow_of(queryset), name, *with_queries(args, kwargs, _shadow_of), alias)
        _compare(queryset, longer, None, eager, alias)
    except Exception:
        return  # Django raises it for the caller, too
    learning.consider(queryset, longer, alias)
    if _engine.node_of(longer).has_plan(alias):
        _compare(queryset, longer, None, eager, alias)


def _asked(queryset: Any, name: str, args: Any, kwargs: Any, alias: str) -> tuple[Any, Any, Any]:
    method = learning.innermost(DJANGOS[name])
    try:
        captured = capture(lambda: method(queryset, *args, **kwargs))
        if captured is None:
            return "NOTHING", (), None
        if captured.compiler is not None:
            sql, params = captured.compiler.as_sql()
            return sql, tuple(params), captured.compiler
    except EmptyResultSet:
        return "EMPTY", (), None
    return _compiled(captured.queryset, alias)


def _compare(queryset: Any, chain: Any, shadow: Any, eager: Any, alias: str) -> None:
    node, values = _engine.node_of(chain), _engine.values_of(chain)
    counts["evaluations"] += 1
    shape = " . ".join(
        f"{method}({', '.join(map(_described, given))})" for method, given in all_steps(node, values)
    )
    lesson = learning.Lesson(type(queryset), queryset.model, node, alias)
    try:
        mine = lesson.compile(values)
        lazy = (mine.sql, mine.params)
    except EmptyResultSet:
        lazy = ("EMPTY", ())
    except learning.Unlearnable:
        lazy = ("NOTHING", ())
    sql, params, compiler = eager
    if lazy[0] != sql or _typed(lazy[1]) != _typed(params):
        if compiler is not None and compiler.as_sql()[0] != sql:
            # Django's look-ups of UUIDs in text put one more REPLACE() into the Query each time.
            counts["changed by compiling"] += 1
            return
        _note("replay", shape, f"{sql} {_typed(params)}", f"{lazy[0]} {_typed(lazy[1])}")
        return
    if not node.has_plan(alias):
        counts["chain, no plan"] += 1
        return
    by_plan = _engine.key_by_plan(chain, alias)
    if by_plan is None:
        counts["not by this plan"] += 1
        return
    expected = _key(lesson, compiler, sql, params, queryset, shadow, alias)
    if expected is None:
        counts["no key"] += 1
    elif expected != by_plan and "supports_tuple_lookups" in vars(connections[alias].features):
        counts["the database is said to be another"] += 1  # by a patch of Django's tests of composite keys
    elif expected != by_plan:
        _note("plan", shape, f"{expected!r} {sql} {params!r}", repr(by_plan))
    else:
        counts["plan equal"] += 1
        if shape.count("filter(<") + shape.count("exclude(<"):
            counts["equal with a queryset within"] += 1


def _key(lesson: Any, compiler: Any, sql: str, params: Any, queryset: Any, shadow: Any, alias: str) -> Any:
    """The key of the second tier for the shadow's query, in the store."""
    single = lesson.node.method in ("count", "exists", "aggregate") and not lesson.node.is_root
    asked = (
        lesson.compile(_engine.values_of(queryset.__dict__[CHAIN])).queryset
        if not single and shadow is not None
        else None
    )
    if compiler is None:
        return None
    if asked is None:
        return _key_of(twin_of(queryset), False, single, compiler, sql, params, alias)
    whole = asked._iterable_class.__name__ == "ModelIterable"
    return _key_of(asked, whole, single, compiler, sql, params, alias)


def _key_of(
    queryset: Any, whole: bool, single: bool, compiler: Any, sql: str, params: Any, alias: str
) -> Any:
    wrapper = connections[alias]
    identity = identity_of(wrapper, ask=False)
    options = cache_me_registry.get_options(queryset.model)
    if identity is None or options is None:
        return None
    plan = plan_of(queryset, options, None, whole)
    if plan is None:
        return None
    label = queryset.model._meta.label_lower
    if plan.is_table:
        return f"{table_key_of(plan.kind, label, None)}\0{identity.database}".encode()
    layout = driver_layout(wrapper, "single") if single else layout_of(compiler)
    driver = driver_for(wrapper)
    assert driver is not None
    encoded = encoded_parameters(params, driver.plain_parameter)
    assert encoded is not None
    key = key_of(plan.kind, label, sql, encoded, layout.result, identity.key)
    return f"{key}\0{identity.database}".encode()


def _comparing_prefetches(consider: Any) -> Any:
    """Django has prefetched: would the plan have asked the same, and have given the same querysets?"""

    @functools.wraps(consider)
    def considering(queryset: Any) -> None:
        consider(queryset)
        instances = queryset.__dict__["_result_cache"]
        for name in queryset.__dict__["_prefetch_related_lookups"]:
            if instances and type(name) is str:
                _compare_prefetch(queryset, name, instances)

    return considering


def _without_shadows(node_of_querysets: Any) -> Any:
    @functools.wraps(node_of_querysets)
    def node_of(relation: Any, instances: list[Any]) -> Any:
        for one in instances:
            one._prefetched_objects_cache[relation.cache_name].__dict__.pop(SHADOW, None)
        return node_of_querysets(relation, instances)

    return node_of


def _compare_prefetch(queryset: Any, name: str, instances: list[Any]) -> None:
    root = _engine.root_of(queryset.model)
    alias = instances[0]._state.db
    if root.prefetch_whose(name, alias) is None:
        counts["prefetch, no plan"] += 1
        return
    relation = prefetching._relation(queryset.model, name, instances[0])
    keys = tuple(dict.fromkeys(getattr(one, relation.key_attribute) for one in instances))
    lesson = prefetching._Lesson(relation, instances[0], alias)
    compiled = lesson.compile((keys,))
    expected = _key_of(
        compiled.queryset, True, False, compiled.compiler, compiled.sql, compiled.params, alias
    )
    if expected is not None and expected != root.prefetch_key(name, alias, keys):
        _note("prefetch", f"{queryset.model} {name} {keys}", repr(expected), "another")
        return
    try:
        prefetching._node_of_querysets(relation, instances)
    except learning.Unlearnable as why:
        _note("prefetched querysets", f"{queryset.model} {name}", "as the plan", str(why))
        return
    counts["prefetch equal"] += 1


def _comparing_given(prefetch: Any) -> Any:
    """The plan has prefetched: Django does it again, for copies of the instances."""

    def prefetching_beside(queryset: Any) -> bool:
        if not prefetch(queryset):
            return False
        instances = queryset.__dict__["_result_cache"]
        names = queryset.__dict__["_prefetch_related_lookups"]
        copies = [copy.copy(one) for one in instances]
        for one in copies:
            one._state = copy.copy(one._state)
            del one.__dict__["_prefetched_objects_cache"]
        prefetch_related_objects(copies, *names)
        if _given(instances) != _given(copies):
            _note("prefetched", f"{queryset.model} {names}", str(_given(copies)), str(_given(instances)))
        else:
            counts["prefetched equal"] += 1
        return True

    return prefetching_beside


def _given(instances: list[Any]) -> Any:
    """What each instance was given, with the numbers of the objects that are the same ones."""
    numbers = {id(one): i for i, one in enumerate(instances)}
    found = []
    for one in instances:
        for name, queryset in one._prefetched_objects_cache.items():
            results = queryset._result_cache
            number = numbers.setdefault(id(results), len(numbers))
            rows = [(type(row), row.pk, sorted(row.__dict__), row._state.db,
                     {key: numbers.get(id(value)) for key, value in row._state.fields_cache.items()}
                     if "fields_cache" in row._state.__dict__ else None) for row in results]  # fmt: skip
            hints = {key: numbers.get(id(value)) for key, value in queryset._hints.items()}
            known = [(str(field), {key: numbers.get(id(value)) for key, value in objects.items()})
                     for field, objects in queryset._known_related_objects.items()]  # fmt: skip
            found.append(
                (name, number, rows, hints, known, queryset._prefetch_done, str(twin_of(queryset).query))
            )
    return found


def _comparing_forwards(consider: Any) -> Any:
    """Django has fetched what a foreign key points to: would the plan have asked the same?"""

    @functools.wraps(consider)
    def considering(descriptor: Any, instance: Any, related: Any) -> None:
        consider(descriptor, instance, related)
        root, alias = _engine.root_of(type(instance)), related._state.db
        if alias is None or _engine.forward_whose(root, descriptor, alias) is None:
            counts["forward, no plan"] += 1
            return
        attribute = descriptor.field.attname
        value = getattr(instance, attribute)
        if type(value) not in forward_access._VALUES:
            return
        lesson = forward_access._Lesson(descriptor, instance, attribute, value, alias)
        made = lesson.compile((value,))
        expected = _key_of(made.queryset, True, False, made.compiler, made.sql, made.params, alias)
        found = _engine.forward_key(root, descriptor, alias, value)
        if found is None:
            counts["forward, not by this plan"] += 1
        elif expected is not None and expected != found:
            _note("forward", f"{descriptor.field} {value!r}", repr(expected), repr(found))
        else:
            counts["forward equal"] += 1

    return considering


def _comparing_accesses(access: Any) -> Any:
    """The plan has given what a foreign key points to: Django gets it again, for a copy of the instance."""
    djangos = learning.innermost(access)

    @functools.wraps(access)
    def accessing(descriptor: Any, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return access(descriptor, instance, cls)
        before = _engine.forward_hits()
        other = object.__new__(type(instance))
        other.__dict__.update(instance.__dict__)
        other._state = copy.copy(instance._state)
        if "fields_cache" in other._state.__dict__:
            other._state.fields_cache = dict(other._state.fields_cache)
        related = access(descriptor, instance, cls)
        if _engine.forward_hits() == before:
            return related
        _engine.enter_bypass()
        try:
            expected = djangos(descriptor, other, cls)
        finally:
            _engine.leave_bypass()
        if _pair(other, expected) != _pair(instance, related):
            _note(
                "accessed", str(descriptor.field), str(_pair(other, expected)), str(_pair(instance, related))
            )
        else:
            counts["accessed equal"] += 1
        return related

    return accessing


def _pair(instance: Any, related: Any) -> Any:
    """Both sides of a relation, with what they keep of each other."""
    names = {id(instance): "instance", id(related): "related"}
    found = []
    for one in (instance, related):
        state = dict(one._state.__dict__)
        fields = [(name, names.get(id(value), "?")) for name, value in state.pop("fields_cache", {}).items()]
        own = [(name, type(value), repr(value)) for name, value in one.__dict__.items() if name != "_state"]
        found.append((type(one), own, list(state.items()), fields))
    return found


def _typed(params: Any) -> list[tuple[str, str]]:
    return [(type(one).__name__, repr(one)) for one in params]


def _note(kind: str, shape: str, eager: str, lazy: str) -> None:
    counts[f"MISMATCH: {kind}"] += 1
    if len(found) < 200:
        found.append((kind, shape[:2000], f"eager: {eager[:3000]}\nlazy:  {lazy[:3000]}"))


def report() -> dict[str, Any]:
    return {"counts": dict(counts), "refused": dict(learning.refusals), "found": found}
