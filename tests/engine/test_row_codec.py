"""The row codec: what goes in comes out, with the same types, and nothing else."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import math
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_cache_me import _engine

try:
    import zoneinfo
except ImportError:
    from backports import zoneinfo  # type: ignore[no-redef]

UTC = datetime.timezone.utc
ZONES = [
    None,
    UTC,
    datetime.timezone(datetime.timedelta(hours=-5, microseconds=-1)),
    datetime.timezone(datetime.timedelta(hours=14)),
    zoneinfo.ZoneInfo("Europe/Berlin"),
]

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**200), max_value=2**200),
    st.floats(),
    st.text(st.characters(blacklist_categories=())),
    st.binary(),
    st.decimals(),
    st.dates(),
    st.times(),
    st.builds(
        lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
        st.datetimes(),
        st.sampled_from(ZONES),
        st.integers(0, 1),
    ),
    st.timedeltas(),
    st.uuids(),
)
values = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers()), inner, max_size=4),
    ),
    max_leaves=12,
)


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for pair in zip(one, other):
            assert_same(*pair)
    elif isinstance(one, dict):
        for pair in zip(one.items(), other.items()):
            assert_same(*pair)
        assert len(one) == len(other)
    elif isinstance(one, float):
        assert math.copysign(1, one) == math.copysign(1, other)
        assert one == other or (math.isnan(one) and math.isnan(other))
    elif isinstance(one, decimal.Decimal):
        assert one.as_tuple() == other.as_tuple()
    elif isinstance(one, (datetime.datetime, datetime.time)):
        assert one.replace(tzinfo=None) == other.replace(tzinfo=None)
        assert one.fold == other.fold
        assert one.tzinfo == other.tzinfo
        assert type(one.tzinfo) is type(other.tzinfo)
    else:
        assert one == other


@given(values)
def test_values_come_back_with_their_types(value):
    assert_same(_engine.decode_value(_engine.encode_value(value)), value)


@given(st.lists(st.tuples(values, values, values), max_size=5))
def test_rows_come_back(rows):
    assert_same(_engine.decode_rows(_engine.encode_rows(rows)), rows)
    lists = [list(row) for row in rows]
    assert_same(_engine.decode_rows(_engine.encode_rows(lists)), lists)


@given(values)
def test_encoding_is_canonical(value):
    encoded = _engine.encode_value(value)
    assert _engine.encode_value(_engine.decode_value(encoded)) == encoded


@settings(max_examples=300)
@given(st.lists(st.tuples(values, values), min_size=1, max_size=3), st.data())
def test_mutated_bytes_give_an_error_or_values_but_never_a_crash(rows, data):
    encoded = bytearray(_engine.encode_rows(rows))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(encoded)))
    for mutated in (bytes(encoded), bytes(encoded[:cut])):
        try:
            assert isinstance(_engine.decode_rows(mutated), list)
        except ValueError:
            pass


def test_utc_is_the_very_object():
    moment = datetime.datetime(2024, 1, 1, tzinfo=UTC)
    assert _engine.decode_value(_engine.encode_value(moment)).tzinfo is UTC


def test_zone_of_a_key_is_the_cached_object():
    zone = zoneinfo.ZoneInfo("Asia/Tokyo")
    moment = datetime.datetime(2024, 1, 1, tzinfo=zone)
    assert _engine.decode_value(_engine.encode_value(moment)).tzinfo is zone


def test_uuid_is_whole():
    value = uuid.UUID(int=2**127 + 5)
    back = _engine.decode_value(_engine.encode_value(value))
    assert (back, hash(back), str(back), back.is_safe) == (value, hash(value), str(value), value.is_safe)


def test_views_of_bytes_come_back_as_views():
    for view in (memoryview(b"\x00\xff"), memoryview(b"\x00\xff").cast("c"), memoryview(b"")):
        back = _engine.decode_value(_engine.encode_value(view))
        assert type(back) is memoryview
        assert (back, back.format) == (view, view.format)
    assert _engine.encode_value(memoryview(b"x")) != _engine.encode_value(b"x")


def test_mutable_values_are_made_anew():
    encoded = _engine.encode_rows([([1], {"a": []})])
    one, other = _engine.decode_rows(encoded), _engine.decode_rows(encoded)
    one[0][0].append(2)
    one[0][1]["a"].append(3)
    assert other == [([1], {"a": []})]


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        Name("x"),
        object(),
        {1, 2},
        bytearray(b"x"),
        memoryview(b"xxxx").cast("I"),
        memoryview(b"xxxx")[::2],
        1j,
        collections.OrderedDict(a=1),
        datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1), "MEZ")),
        [[Name("deep")]],
        {"key": Name("deep")},
    ],
)
def test_other_types_are_refused_by_name(value):
    with pytest.raises(_engine.UnsupportedType) as caught:
        _engine.encode_rows([("first", value)])
    name, column = caught.value.args
    assert "." in name
    assert column == 1


def test_nests_too_deep_are_refused():
    value: list = []
    for _ in range(100):
        value = [value]
    with pytest.raises(_engine.UnsupportedType):
        _engine.encode_value(value)


def test_nests_too_deep_are_malformed():
    with pytest.raises(ValueError, match="malformed"):
        _engine.decode_value(b"\x13\x01" * 100 + b"\x00")


@pytest.mark.parametrize("rows", [[(1,), (1, 2)], [(1,), [1]], [[1], (1,)]])
def test_rows_must_be_alike(rows):
    with pytest.raises(_engine.UnsupportedType):
        _engine.encode_rows(rows)


@pytest.mark.parametrize("rows", [b"", b"\x00", b"\xff" * 20, b"\x01\x00\x01\x00\x00\x00\x01\x00\x00\x00"])
def test_malformed_rows(rows):
    with pytest.raises(ValueError, match="malformed"):
        _engine.decode_rows(rows)
