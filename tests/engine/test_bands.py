"""Bands by what Python tells the engine: columns of catalogs, and parameters of Python's types."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_cache_me import _engine
from django_cache_me.databases.vendors.sqlite import _column


def rules(columns):
    tables = _engine.Tables()
    tables.add("t", [("id", "integer", 0, False, -1), *columns], ["id"], [])
    return tables


def test_no_reader_rests_on_a_band_that_no_writer_tells():
    columns = [(f"c{number}", "", 0, False, 2) for number in range(70)]
    names = ["id", *(name for name, *_ in columns)]
    tables = rules(columns)
    insert = f"INSERT INTO t ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"
    write = _engine.WriteRule.of(insert, "sqlite", tables)
    bumped = set(write.dependencies([1, *["1.50"] * 70], True, 0))
    for number in (0, 63, 64, 69):
        read = f"SELECT t.id FROM t WHERE t.c{number} BETWEEN %s AND %s"
        rests_on = _engine.ReadRule.of(read, "sqlite", tables).words_before(["1.00", "2.00"], True)
        assert bumped & {dependency for dependency, _ in rests_on}, number


@pytest.mark.parametrize(
    ("declared", "digits"),
    [("decimal", 2), ("NUMERIC(10,2)", 2), ("decimal_text", -1), ("numeric char", -1), ("real", -1)],
)
def test_sqlites_affinity_decides_what_is_a_number(declared, digits):
    assert _column("c", declared, False, "CREATE TABLE t (c)").digits == digits


class Cents(int):
    def __str__(self):
        return "1.50"


@pytest.mark.parametrize(
    ("value", "is_told"),
    [(Decimal("1.50"), True), ("1.50", True), (2, True), (Cents(150), False), (1.5, False)],
)
def test_decimals_are_told_by_pythons_own_types(value, is_told):
    write = _engine.WriteRule.of(
        "INSERT INTO t (id, price) VALUES (%s, %s)", "sqlite", rules([("price", "", 0, False, 2)])
    )
    words = {word for _, word in write.words([1, value], True, 1)}
    assert ("t.price≈?" not in words) == is_told
