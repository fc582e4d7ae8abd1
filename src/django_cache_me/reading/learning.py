"""Plans: all that is worked out once for the queries of one shape on one database.

A plan is learnt from private replays of the chain, each compiled once and thrown away; the user's own
queryset is never compiled for it. It is only kept if the keys that it makes are those of the second tier, for
the actual values and for probes that differ in every value. So a wrong plan would have to be right for all of
these and wrong for others: that is what the kinds of values (exact types), the bounds of integers and the
checks of another time zone and language are for.
"""

from __future__ import annotations

import contextlib
import datetime
import warnings
from collections import Counter
from typing import Any, Dict, Iterable, Iterator, NamedTuple, Tuple
from typing import Counter as CounterType

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models.query import ModelIterable
from django.utils import timezone, translation

from .. import _engine
from ..databases.drivers import driver_for
from ..databases.identity import identity_of
from ..databases.statements import read_script
from ..options import CacheMeOptions
from ..registry import cache_me_registry
from . import probes as values_to_try
from .aggregation import aggregate_plan
from .building import building_plan, fetch_mode, loads_all, may_build
from .capturing import capture
from .conversions import are_djangos
from .gaps import gaps_of, numbers_of
from .ground import GROUND, ground_of
from .key import encoded_parameters, key_of, table_key_of
from .layout import driver_layout, layout_of
from .parameters import Probe, Recipe, Unlearnable, recipes
from .planned_misses import PlannedMiss
from .policy import Plan as CachingPlan
from .policy import plan_of
from .probes import Kind
from .proving import is_due, lock
from .replaying import DJANGOS, ENDING, all_steps, replay
from .rows import rows_plan

#: At which sight of an evaluated shape its plan is learnt. Tests set 1.
LEARN_AT = 2
#: Sets of values that a plan is found by, and those that it has to be right for, too: of two and of three
#: members. Each is a query that is built and compiled, and that's nearly all that learning takes.
_FINDING, _JUDGING = 2, 2


class Compiled(NamedTuple):
    sql: str
    params: tuple[Any, ...]
    compiler: Any
    #: None: a single row is asked for.
    queryset: Any


def consider(queryset: Any, chain: Any, alias: str) -> None:
    """``queryset`` was evaluated by the second tier; ``chain`` may hold the method that did it, too."""
    node = _engine.node_of(chain)
    if node.is_refused or not node.is_current:
        return
    known = node.plan_whose(alias)
    if known is not None and not is_of_others(known, alias):
        return  # it was a miss
    node.sights += 1
    if not is_due(node.sights, LEARN_AT) or not lock.acquire(blocking=False):
        return
    try:
        learn(queryset, chain, alias)
    except Unlearnable as why:
        _refuse(node, str(why))
    except Exception as error:  # whatever Django or a project's field raises for a probe
        _refuse(node, type(error).__name__)
    finally:
        lock.release()


def is_of_others(whose: str, alias: str) -> bool:
    """Whether that database is another one by now (a file was replaced, a setting changed)."""
    ground = connections[alias].__dict__.get(GROUND)
    return ground is not None and ground.whose != whose


#: Why shapes have no plan; for tests and for people who wonder.
refusals: CounterType[str] = Counter()


def _refuse(node: _engine.Node, reason: str) -> None:
    node.is_refused = True
    refusals[reason] += 1


def learn(queryset: Any, chain: Any, alias: str) -> None:
    """Learn the plan, or raise Unlearnable."""
    wrapper = connections[alias]
    ground = ground_of(wrapper)
    if ground is None:
        return  # not now
    node, actual = _engine.node_of(chain), _engine.values_of(chain)
    lesson = Lesson(type(queryset), queryset.model, node, alias)
    plan = lesson.plan(actual, wrapper, ground)
    if plan is not None:
        node.add_plan(plan)


#: Values and what they were compiled to.
Probed = Tuple[Tuple[Any, ...], Compiled]


class Lesson:
    """A shape whose plan is to be learnt; ``node`` None: one that isn't made of recorded steps."""

    def __init__(self, cls: Any, model: Any, node: Any, alias: str) -> None:
        self.cls = cls
        self.model = model
        self.node: _engine.Node = _engine.root_of(model) if node is None else node
        self.alias = alias
        self.kinds: list[Kind] = self.node.values
        #: Whether the plan may ask the database by itself: prefetches that miss are Django's as a whole.
        self.asks = node is not None

    def compile(self, values: tuple[Any, ...]) -> Compiled:
        """A private replay, compiled. Raises EmptyResultSet, and Unlearnable if nothing is asked."""
        made = replay(self.cls, self.model, self.node, values, self.alias, None)
        if self.node.method in ENDING and not self.node.is_root:
            _, args, kwargs, _, _ = self.node.steps(values)[-1]
            method = innermost(DJANGOS[self.node.method])
            captured = capture(lambda: method(made, *args, **kwargs))
            if captured is None:
                raise Unlearnable("asks_nothing")
            if captured.compiler is not None:
                sql, params = captured.compiler.as_sql()
                return Compiled(sql, tuple(params), captured.compiler, None)
            made = captured.queryset
        compiler = made.query.get_compiler(using=self.alias)
        sql, params = compiler.as_sql()
        return Compiled(sql, tuple(params), compiler, made)

    def plan(self, actual: tuple[Any, ...], wrapper: Any, ground: _engine.Ground) -> _engine.Plan | None:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                first = self.compile(actual)
            except EmptyResultSet as empty:
                raise Unlearnable("empty") from empty
        if heard:
            raise Unlearnable("warns")  # as it is to do each time
        if not are_djangos(first.compiler.query):
            raise Unlearnable("own_conversions_of_values")
        if not first.sql or not read_script(first.sql, wrapper.vendor).readable:
            raise Unlearnable("unreadable")
        options = cache_me_registry.get_options(self.model)
        whole_rows = first.queryset is not None and first.queryset._iterable_class is ModelIterable
        asked = first.queryset if first.queryset is not None else self._base(actual)
        caching = plan_of(asked, options, None, whole_rows)
        if caching is None or options is None:
            raise Unlearnable("not_cached")
        to_try = [
            values_to_try.distinct(self.kinds, actual, i, members=max(1, i + 2 - _FINDING))
            for i in range(_FINDING + _JUDGING)
        ]
        probes = [(values, self.compile(values)) for values in to_try[:-1]]
        with _elsewhere():
            # Whether another current time zone or language makes another query.
            probes.append((to_try[-1], self.compile(to_try[-1])))
        # A slice's numbers have an order among them.
        corners = [
            (values, self._compile_corner(values))
            for values in values_to_try.corners(self.kinds, actual, 0, left=numbers_of(self.node))
        ]
        finder = _Finder(self, wrapper, caching)
        plan = finder.plan((actual, first), probes[:_FINDING], ground)
        for values, compiled in [(actual, first), *probes]:
            if plan.make_key(values, wrapper) != finder.key_of(compiled, ground):
                raise Unlearnable("other_key")
        for values, corner in corners:
            made = plan.make_key(values, wrapper)
            if made is not None and (corner is None or made != finder.key_of(corner, ground)):
                raise Unlearnable("other_key")
        if self.asks:
            compiled_corners = [(values, corner) for values, corner in corners if corner is not None]
            finder.let_it_ask(plan, (actual, first), [*probes, *compiled_corners], options)
        watch_options(plan, options)
        # Of others than recorded chains the values aren't of steps.
        for method, arguments in [] if self.node.is_root else all_steps(self.node, actual):
            if method in ("aggregate", "annotate"):
                for cls in {type(expression) for expression in arguments}:
                    plan.watch_class(cls)
        return plan

    def _compile_corner(self, values: tuple[Any, ...]) -> Compiled | None:
        """None: Django asks nothing, for a number that the column can't have."""
        try:
            return self.compile(values)
        except EmptyResultSet:
            return None

    def _base(self, values: tuple[Any, ...]) -> Any:
        return replay(self.cls, self.model, self.node, values, self.alias, None)

    def bounds(self, positions: Iterable[int], actual: tuple[Any, ...], sql: str, wrapper: Any) -> Bounds:
        """Of each of these integers a range, of those that columns have, in which the SQL stays the same.

        As a rule the widest. What their columns hold is tried for all of them at once: if the SQL stays the
        same, it does so for each of them.
        """
        most = {position: self._guess(position, wrapper) for position in positions}
        if not self._stays(most, actual, sql):
            most = {one: self._limit(one, _MOST, actual, sql) for one in positions}
        least = {position: -number - 1 for position, number in most.items()}
        if not self._stays(least, actual, sql):
            least = {one: self._limit(one, _LEAST, actual, sql) for one in positions}
        return {position: (least[position], most[position]) for position in most}

    def _guess(self, position: int, wrapper: Any) -> int:
        name = str(self.kinds[position][1]).partition("__")[0]
        meta = self.model._meta
        try:
            field = meta.pk if name == "pk" else meta.get_field(name)
            while field.remote_field is not None:
                field = field.target_field
            end = wrapper.ops.integer_field_range(field.get_internal_type())[1]
        except Exception:  # it's but a guess
            end = None
        return next((number for number in _MOST if end is not None and number <= end), _MOST[0])

    def _limit(self, position: int, numbers: tuple[int, ...], actual: tuple[Any, ...], sql: str) -> int:
        """The first of the numbers that leaves the SQL as it is."""
        for number in numbers:
            if self._stays({position: number}, actual, sql):
                return number
        raise Unlearnable("bounds")

    def _stays(self, numbers: dict[int, int], actual: tuple[Any, ...], sql: str) -> bool:
        values = list(actual)
        for position, number in numbers.items():
            kind = self.kinds[position]
            if kind[0] == "instance":
                values[position] = values_to_try.stand_in(values[position], str(kind[3]), number)
            elif kind[0] == "members":
                values[position] = (str(number) if kind[2] == "numeral" else number,)
            else:
                values[position] = str(number) if kind[0] == "numeral" else number
            following = self.kinds[position + 1] if position + 1 < len(self.kinds) else None
            if following is not None and following[0] == "instance" and not following[4]:
                instance = values_to_try.stand_in(actual[position + 1], str(following[3]), values[position])
                values[position + 1] = instance
        try:
            return self.compile(tuple(values)).sql == sql
        except Exception:  # EmptyResultSet, or what a field says of such a number
            return False


#: Ends of the ranges that columns of integers have, the widest first.
_MOST = (2**63 - 1, 2**31 - 1, 2**15 - 1)
_LEAST = (-(2**63), -(2**31), -(2**15), 0)
#: Of values' positions the least and the most.
Bounds = Dict[int, Tuple[int, int]]


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """In another time zone and another language than the current ones."""
    languages = [name for name in ("de", "ar") if not str(translation.get_language()).startswith(name)]
    zone = datetime.timezone(datetime.timedelta(hours=-11, minutes=-30), "another")
    with timezone.override(zone), translation.override(languages[0]):
        yield


#: Where the classes of parameters stand that no driver has wrapped.
_PLAIN = frozenset({"builtins", "datetime", "decimal", "uuid"})


def innermost(method: Any) -> Any:
    while hasattr(method, "__wrapped__"):
        method = method.__wrapped__
    return method


class _Finder:
    """From compiled probes to a plan."""

    def __init__(self, lesson: Lesson, wrapper: Any, caching: CachingPlan) -> None:
        self.lesson = lesson
        self.wrapper = wrapper
        self.caching = caching
        driver = driver_for(wrapper)
        assert driver is not None
        self.driver = driver
        self.label = lesson.model._meta.label_lower
        self.database = ""

    def plan(self, actual: Probed, probes: list[Probed], ground: _engine.Ground) -> _engine.Plan:
        identity = identity_of(self.wrapper, ask=False)
        if identity is None or identity.key != ground.whose:
            raise Unlearnable("identity")
        self.database = identity.database
        first = actual[1]
        self.outcome = layout, building, is_unheard = self._outcome(first)
        fingerprint = layout.fingerprint
        if self.caching.is_table:
            fingerprint ^= _engine.hash64(f"{first.sql}\0{ground.whose}".encode())
        self.fingerprint = fingerprint
        queryset = first.queryset
        knows = is_unheard is None or loads_all(queryset)
        plan = _engine.Plan(self.lesson.alias, ground.whose, fingerprint, knows)
        if building is not None:
            plan.set_building(building, is_unheard)
        self.result = layout.result
        if self.caching.is_table:
            if self.lesson.kinds:
                raise Unlearnable("table")
            plan.set_fixed_key(self._placed(table_key_of(self.caching.kind, self.label, None)))
            self.pieces = [first.sql]
            for value in first.params:
                plan.add_constant(b"", value)
            return plan
        self.pieces, gaps = gaps_of(self.lesson, probes)
        pieces = self.pieces
        plan.set_key(
            f"cache_me:{self.caching.kind}:{self.label}:",
            [piece.encode("utf-8", "surrogatepass") for piece in pieces],
            self.result.encode(),
            f"\0{self.database}".encode(),
        )
        numbers: set[int | None] = set()
        for gap in gaps:
            plan.add_gap(gap.value, gap.less, gap.is_members)
            if not gap.is_members:
                numbers |= {gap.value, gap.less}
        kinds = [
            ("number", *kind[1:]) if position in numbers else kind
            for position, kind in enumerate(self.lesson.kinds)
        ]
        self._add_parameters(plan, kinds, probes)
        return plan

    def let_it_ask(
        self, plan: _engine.Plan, actual: Probed, probes: list[Probed], options: CacheMeOptions
    ) -> None:
        """Let the plan ask the database for its misses, if it would ask what Django has compiled."""
        plan.set_miss([piece.encode("utf-8", "surrogatepass") for piece in self.pieces], None)
        for values, compiled in (actual, *probes):
            made = plan.statement(values, self.wrapper)
            is_by_plan = plan.make_key(values, self.wrapper) is not None
            if is_by_plan and (made is None or not self._are_equal(made, compiled)):
                return
        # Of a probe: the actual values are the project's, and none of ours to keep.
        compiled = probes[0][1]
        queryset = compiled.queryset
        layout, building, _ = self.outcome
        mode = None if queryset is None else fetch_mode(queryset)
        plan.set_miss(
            [piece.encode("utf-8", "surrogatepass") for piece in self.pieces],
            PlannedMiss(compiled.compiler, layout, self.fingerprint, building, mode, options),
        )

    def _are_equal(self, made: tuple[str, tuple[Any, ...]], compiled: Compiled) -> bool:
        """Whether a plan's statement is the compiled one, to the types of its parameters."""
        sql, params = made
        return (
            sql == compiled.sql
            and [type(one) for one in params] == [type(one) for one in compiled.params]
            and encoded_parameters(params, self.driver.plain_parameter)
            == encoded_parameters(compiled.params, self.driver.plain_parameter)
        )

    def _placed(self, key: str) -> bytes:
        return f"{key}\0{self.database}".encode()

    def key_of(self, compiled: Compiled, ground: _engine.Ground) -> bytes:
        """As the second tier makes it."""
        if self.caching.is_table:
            return self._placed(table_key_of(self.caching.kind, self.label, None))
        params = encoded_parameters(compiled.params, self.driver.plain_parameter)
        if params is None:
            raise Unlearnable("unknown_parameter")
        return self._placed(
            key_of(self.caching.kind, self.label, compiled.sql, params, self.result, ground.whose)
        )

    def _outcome(self, first: Compiled) -> tuple[Any, Any, Any]:
        """The layout of its rows, how they become results (None: tuples), whether nobody listens to that."""
        if first.queryset is None:
            layout = driver_layout(first.compiler.connection, "single")
            if self.lesson.node.method != "aggregate":
                return layout, None, None
            return layout, aggregate_plan(first.compiler), None
        iterable = first.queryset._iterable_class
        layout = layout_of(first.compiler)
        if layout.own or layout.driver_rows:
            raise Unlearnable("own_conversions")
        if iterable is ModelIterable:
            building = building_plan(first.compiler)
            if building is None or not may_build(first.queryset) or not building.holds_now():
                raise Unlearnable("built_by_django")
            return layout, building.plan, building.holds_now
        made = rows_plan(first.queryset, self.lesson.alias, first.compiler)
        if made is None:
            raise Unlearnable("iterable")
        return layout, made, None

    def _add_parameters(self, plan: _engine.Plan, kinds: Any, probes: list[Probed]) -> None:
        plain, as_list = self._plain([compiled.params for _, compiled in probes])
        plan.as_list = as_list
        reads_clock_words = self.driver.dialect == "postgresql"
        samples = [Probe(values, params) for (values, _), params in zip(probes, plain)]
        found = recipes(kinds, samples, self._models(), self.wrapper, reads_clock_words)
        values, compiled = probes[0]
        integers = {
            recipe.value: None
            for recipe in found
            if recipe.value is not None and (recipe.is_numeral or type(_own(recipe, kinds, values)) is int)
        }
        bounds = self.lesson.bounds(integers, values, compiled.sql, self.wrapper) if integers else {}
        for recipe, parameter in zip(found, compiled.params):
            _add(plan, recipe, parameter, kinds, bounds)

    def _plain(self, all_params: list[tuple[Any, ...]]) -> tuple[list[list[Any]], bool]:
        try:
            for params in all_params:
                _engine.encode_value(params)
        except _engine.UnsupportedType:
            return [[self.driver.plain_parameter(one) for one in params] for params in all_params], True
        return [list(params) for params in all_params], False

    def _models(self) -> Any:
        opts = self.lesson.model._meta
        related = {field.related_model for field in opts.get_fields() if field.related_model is not None}
        return [self.lesson.model, *(one for one in related if hasattr(one, "_meta"))]


def _own(recipe: Recipe, kinds: Any, values: tuple[Any, ...]) -> Any:
    """What of the values becomes that parameter; of several the first."""
    assert recipe.value is not None
    value = values[recipe.value]
    if kinds[recipe.value][0] == "instance":
        value = getattr(value, kinds[recipe.value][3])
    return value[0] if recipe.is_members else value


def _add(plan: _engine.Plan, recipe: Recipe, parameter: Any, kinds: Any, bounds: Bounds) -> None:
    """Add the recipe to the plan; ``parameter`` is what a probe was compiled to there."""
    if recipe.value is None:
        plan.add_constant(recipe.head, parameter)
        return
    kind = kinds[recipe.value]
    least, most = bounds.get(recipe.value, (None, None))
    plan.add_parameter(
        recipe.value,
        recipe.head,
        kind[3] if kind[0] == "instance" else None,
        least,
        most,
        recipe.convert,
        recipe.is_members,
        # psycopg's wrapper of a number; whether it makes the same is seen when all is compared.
        None if type(parameter).__module__ in _PLAIN else type(parameter),
        recipe.is_numeral,
        recipe.refuses_clock_words,
    )


def watch_options(plan: _engine.Plan, options: Any) -> None:
    """The plan holds as long as the model's options say what they said."""
    own = vars(options)
    for name in ("cache_table", "cache_queryset"):
        plan.watch(own, name, own.get(name), absent=name not in own)
    plan.watch_class(type(options))
