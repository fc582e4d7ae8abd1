"""Instances that the engine builds equal Django's own, for models of every shape."""

from __future__ import annotations

import gc
import pickle
import sys
import threading

import django
import pytest
from django.db import connections, models
from django.db.models import Count, F, FilteredRelation, Prefetch, Q
from django.db.models.signals import post_init, pre_init

from django_cache_me import _engine
from django_cache_me.reading import columns
from tests.looking import assert_hit, assert_miss
from tests.shapes.models import (
    Child,
    Grandchild,
    Linked,
    Listened,
    Mixed,
    OwnFromDb,
    OwnInit,
    OwnSetattr,
    Parent,
    Plain,
    Proxy,
    Single,
    SingleKey,
    Slotted,
    Target,
    Wide,
    WithFile,
    WithProperty,
    WithTracked,
)


@pytest.fixture
def shapes(alias):
    one = Plain.objects.using(alias).create(name="one", number=1)
    two = Plain.objects.using(alias).create(name="two")
    target = Target.objects.using(alias).create(code="abc")
    Linked.objects.using(alias).create(first=one, second=two, target=target)
    Linked.objects.using(alias).create(first=two)
    Single.objects.using(alias).create(plain=one, text="single")
    SingleKey.objects.using(alias).create(plain=two, text="key")
    Child.objects.using(alias).create(name="child", extra="e", plain=one)
    Grandchild.objects.using(alias).create(name="grandchild", extra="e", more="m")
    for model in (Mixed, OwnInit, OwnFromDb, OwnSetattr, WithTracked, Slotted, Listened, WithProperty):
        model.objects.using(alias).create(name="a")
    WithFile.objects.using(alias).create(name="a", paper="a.txt")
    Wide.objects.using(alias).create()
    return alias


def picture(value, seen=None):
    """Every attribute in order with its type, and which objects are the same one."""
    seen = {} if seen is None else seen
    if isinstance(value, models.Model):
        if id(value) in seen:
            return ("the same as", seen[id(value)])
        seen[id(value)] = len(seen)
        return (
            type(value),
            [(name, picture(one, seen)) for name, one in value.__dict__.items() if name != "_state"],
            list(value.__dict__).index("_state"),
            type(value._state),
            [(name, picture(one, seen)) for name, one in value._state.__dict__.items()],
        )
    if isinstance(value, dict):
        return [(name, picture(one, seen)) for name, one in value.items()]
    if isinstance(value, (list, tuple)):
        return (type(value), [picture(one, seen) for one in value])
    if isinstance(value, memoryview):  # whose repr is an address
        return (type(value), bytes(value))
    if hasattr(value, "hexewkb"):  # a geometry
        return (type(value), value.hexewkb)
    if " at 0x" in repr(value):  # an object whose repr is its address
        if id(value) in seen:
            return ("the same as", seen[id(value)])
        seen[id(value)] = len(seen)
        return (type(value), picture(getattr(value, "__dict__", None), seen))
    return (type(value), repr(value))


#: Name -> a queryset, and whether the engine builds its instances.
SHAPES = {
    "plain": (lambda: Plain.objects.all(), True),
    "foreign keys": (lambda: Linked.objects.all(), True),
    "only": (lambda: Plain.objects.only("number"), True),
    "defer": (lambda: Linked.objects.defer("second"), True),
    "select_related": (lambda: Linked.objects.select_related("first", "target"), True),
    "select_related of null": (lambda: Linked.objects.select_related("second", "target"), True),
    "select_related and only": (
        lambda: Linked.objects.select_related("first").only("first__number", "second"),
        True,
    ),
    "select_related deep": (lambda: Child.objects.select_related("plain__single"), True),
    "one-to-one": (lambda: Single.objects.select_related("plain"), True),
    "one-to-one backwards": (lambda: Plain.objects.select_related("single"), True),
    "both ways": (lambda: Plain.objects.select_related("single", "single_key"), True),
    "one-to-one as key": (lambda: SingleKey.objects.select_related("plain"), True),
    "child": (lambda: Child.objects.all(), True),
    "grandchild": (lambda: Grandchild.objects.all(), True),
    "children from the parent": (lambda: Parent.objects.select_related("child__grandchild"), False),
    "parent from the child": (lambda: Child.objects.select_related("parent_ptr"), True),
    "proxy": (lambda: Proxy.objects.all(), True),
    "annotated": (lambda: Plain.objects.annotate(links=Count("first_of"), other=F("number")), True),
    "annotated over a property": (lambda: WithProperty.objects.annotate(size=F("pk")), False),
    "extra": (lambda: Plain.objects.extra(select={"more": "1 + 1"}), True),
    "filtered relation": (
        lambda: Plain.objects.annotate(
            chosen=FilteredRelation("single", condition=Q(single__text="single"))
        ).select_related("chosen"),
        False,
    ),
    "wide": (lambda: Wide.objects.all(), True),
    "own __init__": (lambda: OwnInit.objects.all(), False),
    "own __init__ behind Model": (lambda: Mixed.objects.all(), False),
    "own from_db": (lambda: OwnFromDb.objects.all(), False),
    "own __setattr__": (lambda: OwnSetattr.objects.all(), False),
    "slots": (lambda: Slotted.objects.all(), False),
    "file": (lambda: WithFile.objects.all(), False),
    "own descriptor": (lambda: WithTracked.objects.all(), False),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_instances_equal_djangos(shapes, shape, settings_off, monkeypatch, tier):
    make, built_by_engine = SHAPES[shape]
    ask = lambda: list(make().using(shapes).order_by("pk"))  # noqa: E731
    with settings_off():
        truth = picture(ask())
    plans = []
    original = columns.building_of

    def spy(*given):
        plans.append(original(*given))
        return plans[-1]

    monkeypatch.setattr("django_cache_me.reading.fetch.building_of", spy)
    assert picture(assert_miss(shapes, ask)) == truth
    for _ in range(3):  # places are known after the first, decoded values after the second
        assert picture(assert_hit(shapes, ask)) == truth
    assert picture(pickle.loads(pickle.dumps(assert_hit(shapes, ask)))) == picture(
        pickle.loads(pickle.dumps(ask()))
    )
    assert [plan is not None for plan in plans] == [built_by_engine] * len(plans)
    assert plans  # hits of recorded chains ask no more


def test_which_tier_makes_instances(shapes, tier, monkeypatch):
    """They can't be told apart from outside, so that one falls back to the other isn't seen elsewhere."""
    plans = []
    original = columns.building_of
    monkeypatch.setattr(
        "django_cache_me.reading.fetch.building_of",
        lambda *given: plans.append(original(*given)) or plans[-1],
    )
    ask = lambda: list(Linked.objects.using(shapes).select_related("first", "target"))  # noqa: E731
    _engine.forget_shapes()  # by a plan that is known the engine would do it all by itself
    ask()
    assert_hit(shapes, ask)
    assert plans[-1].plan.is_fast() is (tier == "fast")


@pytest.mark.parametrize("signal", [pre_init, post_init])
def test_receivers_of_init_signals_are_called(shapes, signal):
    ask = lambda: list(Listened.objects.using(shapes).all())  # noqa: E731
    ask()
    assert_hit(shapes, ask)
    heard = []

    def receiver(sender, **kwargs):
        heard.append(sender)

    signal.connect(receiver, sender=Listened)
    try:
        assert_hit(shapes, ask)
        assert heard == [Listened]
    finally:
        signal.disconnect(receiver, sender=Listened)
    assert_hit(shapes, ask)
    assert heard == [Listened]


def test_known_related_objects_are_the_very_ones(shapes, settings_off, tier):
    def ask():
        one = Plain.objects.using(shapes).get(name="one")
        found = list(one.first_of.all())
        assert all(link.first is one for link in found)
        return picture([one, found])

    def ask_deferred():
        """Some versions of Django ask for the deferred column then, of each object."""
        one = Plain.objects.using(shapes).get(name="one")
        deferred = list(one.first_of.only("pk"))
        assert all("first_id" not in link.__dict__ or link.first is one for link in deferred)
        return picture([one, deferred])

    with settings_off():
        truth, truth_of_deferred = ask(), ask_deferred()
    ask()
    assert assert_hit(shapes, ask) == truth
    assert ask_deferred() == ask_deferred() == truth_of_deferred


def test_prefetched_objects_equal_djangos(shapes, settings_off, tier):
    def ask():
        return picture(
            list(
                Plain.objects.using(shapes)
                .order_by("pk")
                .prefetch_related("first_of__second", Prefetch("second_of", to_attr="seconds"), "single")
            )
        )

    with settings_off():
        truth = ask()
    ask()
    assert assert_hit(shapes, ask) == truth


@pytest.mark.skipif(django.VERSION < (6, 1), reason="fetch modes came with Django 6.1")
def test_fetch_modes(shapes, settings_off, tier):
    from django.core.exceptions import FieldFetchBlocked
    from django.db.models import FETCH_ONE, FETCH_PEERS, FETCH_RAISE

    for mode in (FETCH_ONE, FETCH_PEERS, FETCH_RAISE):
        ask = lambda: list(Linked.objects.using(shapes).fetch_mode(mode).order_by("pk"))  # noqa: B023, E731
        with settings_off():
            truth = ask()
        ask()
        found = assert_hit(shapes, ask)
        for ours, theirs in zip(found, truth):
            assert ours._state.fetch_mode is theirs._state.fetch_mode is mode
            assert list(ours._state.__dict__) == list(theirs._state.__dict__)
            assert [peer().pk for peer in ours._state.peers] == [peer().pk for peer in theirs._state.peers]
        if mode is FETCH_RAISE:
            with pytest.raises(FieldFetchBlocked):
                found[0].first  # noqa: B018


def test_every_hit_makes_new_objects(shapes, tier):
    ask = lambda: list(Linked.objects.using(shapes).select_related("first"))  # noqa: E731
    ask()
    first, second = assert_hit(shapes, ask), assert_hit(shapes, ask)
    assert first[0] is not second[0]
    assert first[0].first is not second[0].first
    assert first[0]._state is not second[0]._state
    first[0].first.name = "changed"
    assert assert_hit(shapes, ask)[0].first.name == "one"


def test_nothing_leaks(shapes, tier):
    ask = lambda: list(Linked.objects.using(shapes).select_related("first", "target"))  # noqa: E731
    ask()

    def counts():
        gc.collect()
        return [sys.getrefcount(one) for one in (Linked, Plain, Target, None, False, shapes)] + [
            sum(type(one) in (Linked, Plain, Target) for one in gc.get_objects())
        ]

    for _ in range(3):
        ask()
    before = counts()
    for _ in range(500):
        ask()
    after = counts()
    assert after[-1] == before[-1]
    assert all(abs(now - then) < 200 for now, then in zip(after, before)), (before, after)


def test_threads_build_at_once(shapes, tier):
    Plain.objects.using(shapes).bulk_create(Plain(name=str(n), number=n) for n in range(2000))
    ask = lambda: list(Plain.objects.using(shapes).order_by("pk"))  # noqa: E731
    truth = picture(ask())
    wrong = []

    def run():
        for _ in range(5):
            if picture(ask()) != truth:
                wrong.append(1)
        connections[shapes].close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert gc.isenabled()


def test_own_converters_run_before_the_engine_builds(alias):
    from tests.shop.fields import Money
    from tests.shop.models import Purse

    Purse.objects.using(alias).create(owner="a", money=Money(5))
    ask = lambda: Purse.objects.using(alias).get(owner="a")  # noqa: E731
    ask()
    assert assert_hit(alias, ask).money == Money(5)
