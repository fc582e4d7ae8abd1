"""What one answer rests on: taken in two steps, before the database is asked and once its rows are there.

Early dependencies are known from the query. Their versions are taken before the database is asked, so that
an entry overtaken by a commit is born invalid. Late ones (rows that came back) can be named only afterwards;
each is accepted only if its version is not younger than a reading of the store's clock from before the
database was asked, and it carries no intent: then no commit that touches it has returned since that reading.

Which dependencies, is the engine's to say (``dependency_rules.hpp``), in the mode "exact"; in the mode
"model", in a transaction's overlay, and in stores without a clock an answer rests on ``any`` of each table.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

from .. import _engine
from ..counters import not_filled
from ..databases.connection import state_of
from ..databases.declared import with_declared
from ..databases.statements import Script
from ..databases.vendors.base import Catalog
from ..log import trouble
from ..registry import cache_me_registry
from ..stores.base import Clock, Reading, Store
from ..stores.dependencies import ALL, SCHEMA, Dependencies, any_of, pack

#: Answers whose witnesses were too many, with the number of misses for which they aren't asked for again.
_many: dict[str, int] = {}
_MOST_KNOWN = 4096
_NOT_AGAIN_FOR = 31


class Exactly(NamedTuple):
    """How an answer rests on single rows and values."""

    rule: _engine.ReadRule
    footing: _engine.ReadFooting
    parameters: Sequence[Any]
    witnesses: list[Any] | None


class ReadPlan(NamedTuple):
    """What is the same each time that a text is read, under one catalog and registry."""

    #: Why its answers must not be kept, or "".
    reason: str
    rule: _engine.ReadRule
    #: What the rule doesn't tell.
    always: Dependencies


#: Texts whose plans are kept, of one catalog.
_MOST_PLANS = 4096


def read_plan_of(
    catalog: Catalog, script: Script, sql: str, dialect: str, sessions_are_told_apart: bool
) -> ReadPlan:
    key = (sql, cache_me_registry.revision, sessions_are_told_apart)
    plan: ReadPlan | None = catalog.read_plans.get(key)
    if plan is None:
        if len(catalog.read_plans) >= _MOST_PLANS:
            catalog.read_plans.clear()
        plan = catalog.read_plans[key] = ReadPlan(
            catalog.reason_to_pass(with_declared(script.reads), sessions_are_told_apart),
            catalog.rules.of_read(sql, dialect),
            pack([ALL, SCHEMA, *(any_of(name) for name in _declared_beside(script))]),
        )
    return plan


class Taken(NamedTuple):
    """What a miss has taken from the store before the database is asked."""

    reading: Reading
    #: Nothing late may be younger.
    clock: Clock | None = None
    exactly: Exactly | None = None


def tables_of(script: Script) -> list[int]:
    """What an answer rests on where single rows don't count."""
    return [ALL, SCHEMA, *(any_of(name) for name in with_declared(script.reads))]


def take_exactly(
    wrapper: Any,
    store: Store,
    plan: ReadPlan,
    parameters: Sequence[Any],
    clock: Clock | None,
    key: str,
) -> Taken | None:
    """The early part in the mode "exact"; None: an intent stands, or something is too young.

    ``clock``: that of a snapshot or replica, older than now.
    """
    rule = plan.rule
    before = store.clock()
    if clock is not None:
        before = store.older(before, clock)
    footing, early = rule.before(parameters, witnesses_pay(key, rule))
    hints = footing.hints
    if hints:
        store.mark_bands(Dependencies(hints))
    reading = store.versions(Dependencies(plan.always + early), clock)
    if reading is None:
        return None
    witnesses = None
    if footing.needs_witnesses:
        witnesses = witnesses_of(wrapper, rule, parameters)
        if witnesses is None:
            return None
        if len(witnesses) > _engine.MOST_ROWS:
            note_many(key)
    return Taken(reading, before, Exactly(rule, footing, parameters, witnesses))


def in_words(
    wrapper: Any, script: Script, plan: ReadPlan, parameters: Sequence[Any], rows: list[Any]
) -> list[str]:
    """What the answer ``rows`` (the driver's) rests on in the mode "exact"."""
    rule = plan.rule
    footing, _ = rule.before(parameters, bool(rule.witness_sql))
    witnesses = witnesses_of(wrapper, rule, parameters) if footing.needs_witnesses else None
    early = rule.words_before(parameters, bool(rule.witness_sql))
    late = rule.words_after(footing, parameters, rows, witnesses)
    declared = {f"{name}.any" for name in _declared_beside(script)}
    return sorted({words for _, words in [*early, *late]} | declared)


def tables_in_words(script: Script) -> list[str]:
    return sorted(f"{name}.any" for name in with_declared(script.reads))


def _declared_beside(script: Script) -> set[str]:
    """The tables that are declared of those that the text reads, and that it doesn't name."""
    return with_declared(script.reads) - script.reads


def settled(taken: Taken, store: Store, rows: list[Any]) -> Reading | None:
    """The whole of what the answer ``rows`` (the driver's) rests on; None (counted): don't fill."""
    exactly = taken.exactly
    if exactly is None or not (exactly.footing.needs_rows or exactly.footing.needs_witnesses):
        return taken.reading
    late = exactly.rule.after(exactly.footing, exactly.parameters, rows, exactly.witnesses)
    if not late:
        return taken.reading
    reading = store.extended(taken.reading, Dependencies(late), taken.clock)
    if reading is None:
        not_filled("overtaken")
    return reading


def witnesses_pay(key: str, rule: _engine.ReadRule) -> bool:
    """Whether the keys of the rows behind the answer are to be asked for, at this miss."""
    if not rule.witness_sql:
        return False
    left = _many.get(key, 0)
    if not left:
        return True
    _many[key] = left - 1
    return False


def note_many(key: str) -> None:
    """The rows behind that answer were too many."""
    if len(_many) >= _MOST_KNOWN:
        _many.clear()
    _many[key] = _NOT_AGAIN_FOR


def witnesses_of(wrapper: Any, rule: _engine.ReadRule, parameters: Sequence[Any]) -> list[Any] | None:
    """The keys of the rows behind the answer, asked for past Django: no hook of the project's sees it."""
    state = state_of(wrapper)
    assert state.driver is not None
    first, last = rule.witness_parameters
    try:
        return state.driver.read_rows(state.raw, rule.witness_sql, tuple(parameters[first:last]))
    except Exception as error:  # the driver's; what the page itself asks tells it the same
        not_filled("no_witnesses")
        trouble("witnesses", "The rows behind an answer could not be asked for: %s", error)
        return None
