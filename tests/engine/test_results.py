"""The engine's results of rows: both tiers, values that are shared, and what goes wrong on the way."""

from __future__ import annotations

import collections
import datetime
import decimal
import gc
import os
import subprocess
import sys
import uuid

import pytest

from django_cache_me import _engine

try:
    import zoneinfo
except ImportError:
    from backports import zoneinfo  # type: ignore[no-redef]

Pair = collections.namedtuple("Pair", "one two")


class State:
    """As Django's ModelState, from Django 6.1 on."""

    fetch_mode = None


_engine.share_keys_of_state(State)


@pytest.fixture
def budget():
    """Nothing is kept of before, and nothing afterwards."""
    _engine.set_decoded_budget(0)
    _engine.set_decoded_budget(8 << 20)
    yield
    _engine.set_decoded_budget(0)
    _engine.set_decoded_budget(8 << 20)


def plan_of(model, names, foreign=()):
    flags = tuple(name in foreign for name in names)
    return _engine.InstancePlan(State, (model, 0, names, flags, (), (), 0, None, None))


def picture(instance):
    own = dict(instance.__dict__)
    return list(own), list(own.pop("_state").__dict__.items()), own


def test_attributes_in_both_tiers(tier):
    class Model:
        pass

    names = ("id", "name", "owner_id")
    plan = plan_of(Model, names, foreign=("owner_id",))
    rows = [(number, f"n{number}", None if number % 2 else number) for number in range(10)]
    for _ in range(3):
        for instance, row in zip(plan.build(rows, "default", None), rows):
            order, state, own = picture(instance)
            assert order == ["_state", *names]
            assert own == dict(zip(names, row))
            wanted = [("adding", False), ("db", "default")]
            assert state == ([] if row[2] is None else [("fields_cache", {})]) + wanted
            instance.later = 1
            del instance.name
            assert list(instance.__dict__) == ["_state", "id", "owner_id", "later"]


@pytest.mark.parametrize("count", [1, 29, 30, 31, 200])
def test_more_attributes_than_a_class_shares(tier, count):
    class Model:
        pass

    names = tuple(f"attribute_{number}" for number in range(count))
    plan = plan_of(Model, names)
    for _ in range(3):
        for instance in plan.build([tuple(range(count))] * 3, "default", "mode"):
            order, state, own = picture(instance)
            assert order == ["_state", *names]
            assert list(own.values()) == list(range(count))
            assert state == [("adding", False), ("db", "default"), ("fetch_mode", "mode")]


def test_attributes_that_came_in_another_order(tier):
    """The class shares its keys in the order in which it met them; each instance has its own."""

    class Model:
        pass

    first = Model()
    first.c = first.x = first.a = 1
    names = ("a", "b", "c")
    plan = plan_of(Model, names)
    for _ in range(3):
        for instance in plan.build([(1, 2, 3)] * 3, "default", None):
            assert list(instance.__dict__.items())[1:] == [("a", 1), ("b", 2), ("c", 3)]
            assert not hasattr(instance, "x")


def test_a_key_that_a_descriptor_wrote(tier):
    """Django's descriptor of foreign keys writes to the __dict__ under a name that isn't interned."""

    class Model:
        pass

    for _ in range(100):
        first = Model()
        first.a = 1
        first.__dict__["".join(["own", "er_id"])] = 1
    plan = plan_of(Model, ("a", "owner_id"))
    (instance,) = plan.build([(1, 2)], "default", None)
    assert (instance.a, instance.owner_id) == (1, 2)
    if sys.version_info >= (3, 12):  # 3.11 shares no keys that come by way of a __dict__
        assert plan.is_fast() is (tier == "fast")


def test_two_plans_of_one_class(tier):
    class Model:
        pass

    some, more = plan_of(Model, ("a",)), plan_of(Model, ("a", "b", "c"))
    for _ in range(3):
        assert list(some.build([(1,)], "default", None)[0].__dict__) == ["_state", "a"]
        assert list(more.build([(1, 2, 3)], "default", None)[0].__dict__) == ["_state", "a", "b", "c"]


def test_instances_are_collected(tier):
    class Model:
        pass

    gone = []
    Model.__del__ = lambda self: gone.append(1)
    plan = plan_of(Model, ("a",))
    for _ in range(3):
        for instance in plan.build([([],)] * 5, "default", None):
            instance.a.append(instance)  # a cycle
        del instance
        gc.collect()
    assert len(gone) == 15


@pytest.mark.parametrize(
    ("made", "names", "wanted"),
    [
        (None, (), [3, 6]),
        (tuple, (), [(3, 1), (6, 4)]),
        (Pair, (), [Pair(3, 1), Pair(6, 4)]),
        (dict, ("c", "a"), [{"c": 3, "a": 1}, {"c": 6, "a": 4}]),
    ],
)
def test_rows(made, names, wanted):
    plan = _engine.RowsPlan(made, names, [2] if made is None else [2, 0])
    rows = [(1, 2, 3), (4, 5, 6)]
    for found in (
        plan.build(rows, "default", None),
        plan.build([list(row) for row in rows], "default", None),
        *(plan.build_from(_engine.encode_rows(rows), "default", None) for _ in range(3)),
    ):
        assert found == wanted
        assert [type(one) for one in found] == [type(one) for one in wanted]
        if made is dict:
            assert [list(one) for one in found] == [["c", "a"]] * 2
    assert plan.build([], "default", None) == []
    assert plan.build_from(_engine.encode_rows([]), "default", None) == []


@pytest.mark.parametrize("size", [0, 1, 5, 6, 11, 100])
def test_dicts_of_any_size_are_no_ones_but_the_callers(size):
    names = tuple(f"name {number}" for number in range(size))
    plan = _engine.RowsPlan(dict, names, list(range(size)))
    first, second = plan.build([tuple(range(size))] * 2, "default", None)
    assert list(first.items()) == list(zip(names, range(size)))
    first["more"] = 1
    assert len(second) == size
    assert len(plan.build([tuple(range(size))], "default", None)[0]) == size


@pytest.mark.parametrize(
    ("made", "names", "columns", "error"),
    [
        (list, (), [0], TypeError),
        (int, (), [0], TypeError),
        (type("Tuple", (tuple,), {}), (), [0], TypeError),  # its instances have a __dict__
        (None, (), [0, 1], ValueError),
        (None, (), [], ValueError),
        (dict, ("a",), [0, 1], ValueError),
        (tuple, ("a",), [0], ValueError),
    ],
)
def test_plans_that_are_none(made, names, columns, error):
    with pytest.raises(error):
        _engine.RowsPlan(made, names, columns)


UTC = datetime.timezone.utc
IMMUTABLE = (
    12345,
    "text",
    "t€xt",
    b"bytes",
    decimal.Decimal("1.50"),
    uuid.UUID(int=7),
    datetime.datetime(2024, 2, 29, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    datetime.time(1, 2, tzinfo=UTC),
    datetime.timedelta(5),
    10**30,
)
MUTABLE = ([1, [2]], {"a": [1]}, ([],))


@pytest.mark.parametrize("mutable_first", [True, False])
def test_mutable_values_are_always_new(budget, mutable_first):
    row = MUTABLE + IMMUTABLE if mutable_first else IMMUTABLE + MUTABLE
    rows = [row, (*[None] * (len(row) - 1), [3]), row]
    blob = _engine.encode_rows(rows)
    plan = _engine.RowsPlan(tuple, (), list(range(len(row))))
    results = [plan.build_from(blob, "default", None) for _ in range(4)]
    assert results == [rows] * 4
    for one in results:
        for other in results:
            if one is not other:
                assert not {id(v) for r in one for v in r if type(v) in (list, dict)} & {
                    id(v) for r in other for v in r if type(v) in (list, dict)
                }
    at = row.index(MUTABLE[0])
    results[3][0][at][1].append(5)
    assert plan.build_from(blob, "default", None)[0][at] == [1, [2]]


def test_immutable_values_are_shared_from_the_second_time_on(budget):
    if hasattr(sys, "_is_gil_enabled") and not sys._is_gil_enabled():
        pytest.skip("only with the GIL")
    blob = _engine.encode_rows([IMMUTABLE])
    plan = _engine.RowsPlan(tuple, (), list(range(len(IMMUTABLE))))
    _first, second, third = (plan.build_from(blob, "default", None)[0] for _ in range(3))
    assert second == third == IMMUTABLE
    assert all(one is other for one, other in zip(second, third))


def wide_rows(first, last):
    return [(number, f"{number} {'x' * 300}", [number]) for number in range(first, last)]


def test_lists_share_the_rows_that_both_hold(budget):
    if hasattr(sys, "_is_gil_enabled") and not sys._is_gil_enabled():
        pytest.skip("only with the GIL")
    plan = _engine.RowsPlan(tuple, (), [0, 1, 2])
    sizes, results = [], []
    for first in (0, 10):
        blob = _engine.encode_rows(wide_rows(first, first + 100))
        for _ in range(3):
            result = plan.build_from(blob, "default", None)
            assert result == wide_rows(first, first + 100)
        results.append(result)
        sizes.append(_engine.decoded_size())
    assert all(one[1] is other[1] for one, other in zip(results[0][10:], results[1]))
    assert not any(one[2] is other[2] for one, other in zip(results[0][10:], results[1]))
    assert sizes[1] < 1.5 * sizes[0]


def test_a_row_that_changed_is_told_from_its_neighbours(budget):
    """Lists that differ in one row, and rows that begin alike, come back as they are."""
    plan = _engine.RowsPlan(tuple, (), [0, 1, 2])
    rows = wide_rows(0, 50)
    variants = [rows, rows[1:], rows[:-1], [*rows[:20], (7, "y" * 300, []), *rows[21:]], rows[::-1]]
    blobs = [_engine.encode_rows(one) for one in variants]
    for _ in range(4):
        for expected, blob in zip(variants, blobs):
            assert plan.build_from(blob, "default", None) == expected


def test_wide_rows_stay_within_the_budget(budget):
    plan = _engine.RowsPlan(tuple, (), [0, 1, 2])
    _engine.set_decoded_budget(400_000)
    for first in (*range(0, 2000, 30), *range(0, 300, 7)):
        blob = _engine.encode_rows(wide_rows(first, first + 60))
        for _ in range(3):
            assert plan.build_from(blob, "default", None) == wide_rows(first, first + 60)
        assert _engine.decoded_size() <= 400_000
    _engine.set_decoded_budget(0)
    assert _engine.decoded_size() == 0


def test_what_is_too_large_is_made_anew_each_time(budget):
    """Small numbers take little room in bytes and much in memory."""
    rows = [tuple(range(1000 * i, 1000 * i + 100)) for i in range(900)]
    blob = _engine.encode_rows(rows)
    plan = _engine.RowsPlan(tuple, (), list(range(100)))
    assert len(blob) < (8 << 20) / 16
    for _ in range(4):
        assert plan.build_from(blob, "default", None) == rows
        assert _engine.decoded_size() == 0


def test_no_rows_of_very_many_columns(budget):
    head = bytearray(_engine.encode_rows([]))
    head[6:10] = b"\xff\xff\xff\xff"
    assert _engine.RowsPlan(None, (), [0]).build_from(bytes(head), "default", None) == []


def test_memory_views_are_new(budget):
    blob = _engine.encode_rows([(memoryview(b"ab"),)])
    plan = _engine.RowsPlan(None, (), [0])
    for _ in range(4):
        (view,) = plan.build_from(blob, "default", None)
        assert bytes(view) == b"ab"
        view.release()


def test_what_is_kept_stays_within_its_budget(budget):
    plan = _engine.RowsPlan(None, (), [0])
    _engine.set_decoded_budget(100_000)
    for number in range(500):
        blob = _engine.encode_rows([(f"{number} {'x' * 500}",)] * 3)
        for _ in range(3):
            assert plan.build_from(blob, "default", None)[0].startswith(str(number))
        assert _engine.decoded_size() <= 100_000
    if _engine.decoded_size() == 0:
        pytest.skip("only with the GIL")
    large = _engine.encode_rows([("x" * 50_000,)])
    before = _engine.decoded_size()
    for _ in range(3):
        assert plan.build_from(large, "default", None) == ["x" * 50_000]
    assert _engine.decoded_size() == before
    _engine.set_decoded_budget(0)
    assert _engine.decoded_size() == 0
    assert plan.build_from(blob, "default", None)[0].startswith("499")


def test_malformed_bytes_are_an_error_each_time(budget, tier):
    """Each cut and each changed byte gives a ValueError or other values; the collector runs afterwards."""

    class Model:
        pass

    rows = [(number, "text", decimal.Decimal(number), [1], None) for number in range(3)]
    blob = _engine.encode_rows(rows)
    plans = [
        plan_of(Model, tuple("abcde")),
        _engine.RowsPlan(dict, tuple("abcde"), list(range(5))),
        _engine.RowsPlan(tuple, (), [4, 3]),
    ]
    cut = [blob[:size] for size in range(len(blob))] + [blob + b"\0"]
    changed = [blob[:at] + bytes([blob[at] ^ 0x55]) + blob[at + 1 :] for at in range(len(blob))]
    for plan in plans:
        for bad in cut:
            for _ in range(3):
                with pytest.raises(ValueError, match="rows"):
                    plan.build_from(bad, "default", None)
        for other in changed:
            for _ in range(3):
                try:
                    plan.build_from(other, "default", None)
                except ValueError:
                    pass
        assert gc.isenabled()


def test_too_few_columns(budget):
    plan = _engine.RowsPlan(tuple, (), [0, 2])
    blob = _engine.encode_rows([(1, 2)] * 2)
    for _ in range(3):
        with pytest.raises(ValueError, match="columns"):
            plan.build_from(blob, "default", None)
    with pytest.raises(ValueError, match="columns"):
        plan.build([(1, 2)] * 2, "default", None)
    with pytest.raises(TypeError):
        plan.build([(1, 2, 3), 5], "default", None)
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off(budget):
    plan = _engine.RowsPlan(tuple, (), [0])
    gc.disable()
    try:
        plan.build([(1,)] * 5000, "default", None)
        assert not gc.isenabled()
        with pytest.raises(ValueError, match="columns"):
            plan.build([(1,), ()], "default", None)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_no_references_are_lost(budget, tier):
    class Model:
        pass

    value, text = object(), "a text of its own"
    plans = [
        plan_of(Model, ("a", "b"), foreign=("b",)),
        _engine.RowsPlan(dict, ("a", "b"), [0, 1]),
        _engine.RowsPlan(Pair, (), [0, 1]),
        _engine.RowsPlan(None, (), [1]),
    ]
    row = (value, text)
    for plan in plans:
        plan.build([row] * 3, "default", None)
    gc.collect()
    before = [sys.getrefcount(one) for one in (value, text, Model, State, Pair)]
    for plan in plans:
        for _ in range(100):
            plan.build([row] * 3, "default", None)
            with pytest.raises(ValueError, match="columns"):
                plan.build([row, ()], "default", None)
    gc.collect()
    assert [sys.getrefcount(one) for one in (value, text, Model, State, Pair)] == before


def test_the_environment_chooses_the_portable_tier():
    code = (
        "from django_cache_me import _engine; print(_engine.fast_tier()); "
        "_engine.use_fast_tier(True); print(_engine.fast_tier())"
    )

    def tiers(**more):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **more},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        return done.stdout.split()

    # Compiled here, so for this very Python: the fast tier is on wherever there is one.
    free_threaded = hasattr(sys, "_is_gil_enabled") and not sys._is_gil_enabled()
    there = (3, 11) <= sys.version_info < (3, 14) and not free_threaded
    assert tiers(CACHE_ME_PORTABLE_ROWS="") == [str(there), str(there)]
    assert tiers(CACHE_ME_PORTABLE_ROWS="1") == ["False", str(there)]
