"""The mode "exact": a write makes misses only of the answers that it may change.

Each case names a read, a write, and whether the read's entry has to survive it. What it rests on is
``engine/include/cache_me/dependency_rules.hpp``'s to say; what must not survive is judged by the database, in
tests/judges.
"""

from __future__ import annotations

import datetime
import decimal
import uuid

import pytest
from django.db import connections, transaction
from django.db.models import Count, F, Max, Q, Sum
from django.test import override_settings

from django_cache_me import recent_misses, stats
from django_cache_me.databases.catalog import forget
from django_cache_me.databases.identity import identity_of
from django_cache_me.stores.shared_memory import SharedMemoryStore
from tests.aliases import database
from tests.judges.defects import planted
from tests.looking import seen
from tests.shop.models import Category, Product, Review, Tag


@pytest.fixture
def shop(alias):
    """Two categories of three products each: 1 to 3 of the first, 4 to 6 of the second."""
    for number in (1, 2):
        Category.objects.using(alias).create(pk=number, name=f"c{number}")
    for number in range(1, 7):
        Product.objects.using(alias).create(
            pk=number,
            name=f"p{number}",
            category_id=1 if number <= 3 else 2,
            price=decimal.Decimal(number),
            made=datetime.date(2024, 1, number),
            code=uuid.UUID(int=number),
        )
    _settle_sequences(alias)
    return alias


def _settle_sequences(alias):
    wrapper = connections[alias]
    if wrapper.vendor == "postgresql":
        with wrapper.cursor() as cursor:
            for table in ("shop_product", "shop_category"):
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)")


def products(alias):
    return Product.objects.using(alias)


def by_key(alias):
    return list(products(alias).filter(pk=1))


def by_keys(alias):
    return list(products(alias).filter(pk__in=[1, 2]).order_by("pk"))


def missing_key(alias):
    return list(products(alias).filter(pk=50))


def missing_automatic_key(alias):
    return list(products(alias).filter(pk__in=[1, 101]).order_by("pk"))


def by_value(alias):
    return list(products(alias).filter(category=1).order_by("pk"))


def by_value_sliced(alias):
    return list(products(alias).filter(category=1).order_by("price", "pk")[:2])


def by_value_and_range(alias):
    return list(products(alias).filter(category=1, price__gt=1).order_by("pk"))


def by_date(alias):
    return list(products(alias).filter(made=datetime.date(2024, 1, 1)))


def related(alias):
    return list(Category.objects.using(alias).get(pk=1).products.order_by("pk"))


def joined(alias):
    found = products(alias).select_related("category").filter(category=1).order_by("pk")
    return [(one.pk, one.price, one.category.name) for one in found]


def counted(alias):
    return products(alias).filter(category=1).count()


def existing(alias):
    return products(alias).filter(category=1).exists()


def summed(alias):
    return products(alias).filter(category=1).aggregate(Sum("price"), Max("pk"))


def paged(alias):
    return list(products(alias).filter(category=1).order_by("price", "pk")[1:3])


def without_keys(alias):
    return list(products(alias).filter(category=1).order_by("name").values_list("name", flat=True))


def whole_table(alias):
    return list(products(alias).order_by("pk"))


def by_range(alias):
    return list(products(alias).filter(price__gt=2).order_by("pk"))


def by_band(alias):
    return list(products(alias).filter(price__range=(2, 4)).order_by("price", "pk")[:2])


def by_band_of_days(alias):
    days = {"made__gte": datetime.date(2024, 1, 2), "made__lt": datetime.date(2024, 1, 4)}
    return list(products(alias).filter(**days).order_by("pk"))


def counted_in_a_band(alias):
    return products(alias).filter(price__range=(2, 4)).count()


def tagged(alias):
    if not Tag.objects.using(alias).no_cache().exists():
        tag = Tag.objects.using(alias).create(pk=1, word="t")
        for product in products(alias).no_cache().filter(pk__lte=4):
            product.tags.add(tag)
    return list(products(alias).filter(tags=1).order_by("pk")[:2])


def save_of(pk, **values):
    def write(alias):
        product = Product.objects.using(alias).no_cache().get(pk=pk)
        for name, value in values.items():
            setattr(product, name, value)
        product.save(using=alias)

    return write


def update_of(pk, **values):
    return lambda alias: Product.objects.using(alias).filter(pk=pk).update(**values)


def insert_into(category, **values):
    def write(alias):
        Product.objects.using(alias).create(name="new", category_id=category, price=9, **values)

    return write


def delete_of(pk):
    return lambda alias: Product.objects.using(alias).no_cache().get(pk=pk).delete()


def bulk_update(alias):
    Product.objects.using(alias).filter(price__gt=5).update(weight=2)


def renamed_category(pk):
    return lambda alias: Category.objects.using(alias).filter(pk=pk).update(name="other")


#: (read, write, survives)
CASES = [
    # By key: only the rows asked for matter.
    (by_key, save_of(2, price=7), True),
    (by_key, save_of(1, price=7), False),
    (by_key, update_of(1, price=7), False),
    (by_key, update_of(2, price=F("price") + 1), True),
    (by_key, insert_into(1), True),
    (by_key, delete_of(2), True),
    (by_key, delete_of(1), False),
    (by_key, bulk_update, False),
    (by_keys, save_of(3, price=7), True),
    (by_keys, save_of(2, price=7), False),
    (missing_key, insert_into(1, pk=51), True),
    (missing_key, insert_into(1, pk=50), False),
    (missing_automatic_key, insert_into(1), False),
    # By value: the rows of the answer, what enters by its value, what is set in part.
    (by_value, save_of(4, price=7), True),
    (by_value, save_of(4, category_id=1), False),
    (by_value, save_of(1, price=7), False),
    (by_value, save_of(1, category_id=2), False),
    (by_value, insert_into(2), True),
    (by_value, insert_into(1), False),
    (by_value, insert_into(None), True),
    (by_value, delete_of(4), True),
    (by_value, delete_of(1), False),
    (by_value, update_of(4, price=7), True),
    (by_value, update_of(4, category_id=1), False),
    (by_value, bulk_update, False),
    (by_value_sliced, save_of(4, price=0), True),
    (by_value_sliced, update_of(3, price=0), False),
    (by_value_sliced, save_of(3, price=0), False),
    (by_value_sliced, update_of(4, weight=3), True),
    (by_value_and_range, save_of(4, price=9), True),
    (by_value_and_range, update_of(1, price=9), False),
    (by_value_and_range, save_of(1, price=9), False),
    (by_date, save_of(2, price=7), True),
    (by_date, save_of(2, made=datetime.date(2024, 1, 1)), False),
    (related, save_of(4, price=7), True),
    (related, save_of(1, price=7), False),
    # Joined by key.
    (joined, renamed_category(2), True),
    (joined, renamed_category(1), False),
    (joined, save_of(4, price=7), True),
    # By witness.
    (counted, insert_into(2), True),
    (counted, insert_into(1), False),
    (counted, save_of(4, price=7), True),
    (counted, save_of(4, category_id=1), False),
    (counted, save_of(1, category_id=2), False),
    (counted, delete_of(4), True),
    (counted, delete_of(1), False),
    (existing, insert_into(2), True),
    (existing, delete_of(4), True),
    (summed, save_of(4, price=7), True),
    (summed, save_of(1, price=7), False),
    (paged, save_of(4, price=0), True),
    (paged, save_of(1, price=9), False),
    (paged, delete_of(1), False),
    (without_keys, save_of(4, name="a"), True),
    (without_keys, save_of(1, name="a"), False),
    # By band.
    (by_band, save_of(6, price=9), True),
    (by_band, save_of(6, price=decimal.Decimal("3.5")), False),
    (by_band, save_of(6, price=F("price") + 1), False),
    (by_band, save_of(2, price=9), False),
    (by_band, update_of(6, price=9), False),
    (by_band, update_of(6, weight=3), True),
    (by_band, insert_into(1), True),
    (by_band, delete_of(6), True),
    (by_band, delete_of(2), False),
    (by_band, bulk_update, False),
    (by_band_of_days, save_of(6, price=1), True),
    (by_band_of_days, save_of(6, made=datetime.date(2024, 1, 3)), False),
    (counted_in_a_band, save_of(6, price=9), True),
    (counted_in_a_band, save_of(6, price=4), False),
    (counted_in_a_band, save_of(3, price=9), False),
    # Joined by key, the joined table first.
    (tagged, save_of(6, price=7), True),
    (tagged, save_of(4, price=7), True),
    (tagged, save_of(1, price=7), False),
    # All else.
    (whole_table, save_of(4, price=7), False),
    (by_range, insert_into(2), False),
]


def _plain(read, alias):
    with override_settings(DJANGO_CACHE_ME_ON=False):
        return _content(read(alias))


def _content(answer):
    if isinstance(answer, list):
        return [_content(one) for one in answer]
    if hasattr(answer, "__dict__"):
        return {name: value for name, value in vars(answer).items() if name != "_state"}
    return answer


def _name(part):
    return getattr(part, "__qualname__", str(part)).replace(".<locals>", "").replace("<lambda>", "")


@pytest.mark.parametrize(("read", "write", "survives"), CASES, ids=_name)
def test_what_a_write_makes_a_miss_of(shop, read, write, survives):
    first = _content(read(shop))
    assert first == _plain(read, shop)
    with seen(shop) as again:
        read(shop)
    assert again.misses == 0
    write(shop)
    with seen(shop) as afterwards:
        answer = _content(read(shop))
    assert answer == _plain(read, shop)
    if _misses_whole_tables(shop, read):
        return
    assert (afterwards.misses == 0) == survives, vars(afterwards)


def _misses_whole_tables(alias, read):
    # Whether SQLite's foreign keys are enforced is each connection's own business.
    return read in (joined, tagged) and connections[alias].vendor == "sqlite"


def test_writers_that_have_heard_of_no_bands_tell_of_none(shop, monkeypatch):
    """As those of a process that began its transaction before anybody asked for bands."""
    monkeypatch.setattr(SharedMemoryStore, "marked_bands", lambda self, hints: 0)
    by_band(shop)
    with transaction.atomic(using=shop):  # by the long way
        save_of(6, price=3)(shop)
    assert _content(by_band(shop)) == _plain(by_band, shop)
    assert [one.pk for one in by_band(shop)] == [2, 3]
    with transaction.atomic(using=shop):
        save_of(6, price=decimal.Decimal("2.5"))(shop)
    assert [one.pk for one in by_band(shop)] == [2, 6]


def first_by_category(alias):
    return list(products(alias).filter(made=datetime.date(2024, 1, 1)).order_by("category__name", "pk")[:1])


def by_category_or_price(alias):
    found = products(alias).filter(Q(category__name="c2") | Q(price=50), made=datetime.date(2024, 1, 1))
    return list(found.order_by("pk"))


@pytest.mark.parametrize("read", [first_by_category, by_category_or_price], ids=_name)
def test_what_a_left_join_brings_along_may_decide(shop, read):
    """The row isn't in the answer, and gets there by the column that it is joined by."""
    Category.objects.using(shop).create(pk=3, name="a")
    products(shop).filter(pk__in=[1, 2]).update(made=datetime.date(2024, 1, 1))
    assert [one.pk for one in read(shop)] == ([1] if read is first_by_category else [])
    update_of(2, category_id=3 if read is first_by_category else 2)(shop)
    assert [one.pk for one in read(shop)] == [2]


def _execute(alias, *texts):
    with connections[alias].cursor() as cursor:
        for text in texts:
            cursor.execute(text)


@pytest.fixture
def odd(alias):
    """Makes a table ``odd``, which is read as categories are."""

    def make(columns):
        _execute(alias, f"CREATE TABLE odd ({columns})")
        connections[alias].close()

    yield make
    _execute(alias, "DROP TABLE IF EXISTS odd")


def _odd(alias, condition, *params):
    found = Category.objects.using(alias).raw(f"SELECT id, name FROM odd WHERE {condition}", params)
    return [(one.pk, one.name) for one in found]


def test_a_row_that_a_constraint_deletes(alias, odd):
    if connections[alias].vendor != "sqlite":
        pytest.skip("SQLite's ON CONFLICT")
    odd("id integer PRIMARY KEY, name text UNIQUE ON CONFLICT REPLACE")
    _execute(alias, "INSERT INTO odd (id, name) VALUES (1, 'a')")
    assert _odd(alias, "id = %s", 1) == [(1, "a")]
    _execute(alias, "INSERT INTO odd (id, name) VALUES (2, 'a')")
    assert _odd(alias, "id = %s", 1) == []


def test_nought_in_a_column_that_counts(alias, odd):
    if connections[alias].vendor != "mysql":
        pytest.skip("MySQL's AUTO_INCREMENT")
    odd("id int PRIMARY KEY, name varchar(9), place int AUTO_INCREMENT UNIQUE")
    assert _odd(alias, "place = %s", 1) == []
    _execute(alias, "INSERT INTO odd (id, name, place) VALUES (7, 'a', 0)")
    assert _odd(alias, "place = %s", 1) == [(7, "a")]


def test_a_key_that_is_made_of_another_column(alias, odd):
    if connections[alias].vendor != "postgresql":
        pytest.skip("others' primary keys aren't generated")
    odd("id int GENERATED ALWAYS AS (base + 1) STORED PRIMARY KEY, name text, base int")
    _execute(alias, "INSERT INTO odd (base, name) VALUES (1, 'a')")
    assert _odd(alias, "id = %s", 3) == []
    _execute(alias, "UPDATE odd SET base = 2 WHERE id = 2")
    assert _odd(alias, "id = %s", 3) == [(3, "a")]


def test_a_column_named_like_a_clause(alias, odd):
    quote = "`" if connections[alias].vendor == "mysql" else '"'
    odd(f"id int PRIMARY KEY, name varchar(9), {quote}returning{quote} int")
    _execute(alias, "INSERT INTO odd (id, name) VALUES (5, 'a'), (6, 'b')")
    assert _odd(alias, "id = %s", 6) == [(6, "b")]
    named = f"odd.{quote}returning{quote}" if connections[alias].vendor == "sqlite" else "odd.returning"
    _execute(alias, f"DELETE FROM odd WHERE id = 5 AND {named} = 1 OR name = 'b'")
    assert _odd(alias, "id = %s", 6) == []


def _another_process(alias):
    """What follows knows of ``alias`` what another process would ask for."""
    identity = identity_of(connections[alias], ask=True)
    assert identity is not None
    forget(identity.database)


def test_ddl_that_is_rolled_back_is_not_believed(alias, odd):
    """A catalog that was read meanwhile would not show the trigger."""
    if connections[alias].vendor != "sqlite":
        pytest.skip("SQLite's DROP TRIGGER, which names no table")
    odd("id int PRIMARY KEY, name text")
    trigger = "CREATE TRIGGER odd_too AFTER INSERT ON odd BEGIN UPDATE odd SET name = 'b' WHERE id = 1; END"
    _execute(alias, "INSERT INTO odd (id, name) VALUES (1, 'a')", trigger)
    connections[alias].close()
    assert _odd(alias, "id = %s", 1) == [(1, "a")]
    _another_process(alias)
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
        _execute(alias, "DROP TRIGGER odd_too", "INSERT INTO odd (id, name) VALUES (2, 'c')")
        raise ZeroDivisionError
    connections[alias].close()
    _execute(alias, "INSERT INTO odd (id, name) VALUES (2, 'c')")
    assert _odd(alias, "id = %s", 1) == [(1, "b")]


def test_a_snapshots_catalog_is_its_own(alias, odd):
    """It shows the columns of its time: an update of some would be taken for one of all afterwards."""
    if connections[alias].vendor != "postgresql":
        pytest.skip("catalogs that are read in snapshots")
    odd("id int PRIMARY KEY, name text, other int")
    _execute(alias, "INSERT INTO odd (id, name, other) VALUES (1, 'a', 7)")
    isolated = {"options": "-c default_transaction_isolation=repeatable\\ read"}
    with database("isolated", alias, OPTIONS=isolated), transaction.atomic(using="isolated"):
        list(Tag.objects.using("isolated"))
        _execute(alias, "ALTER TABLE odd ADD COLUMN place int DEFAULT 3")
        connections[alias].close()
        assert _odd(alias, "place = %s AND other = 9", 3) == []
        _another_process(alias)
        list(Category.objects.using("isolated").filter(pk=1))
    _execute(alias, "UPDATE odd SET name = 'b', other = 9 WHERE id = 1")
    assert _odd(alias, "place = %s AND other = 9", 3) == [(1, "b")]


@pytest.mark.parametrize(
    ("defect", "read", "write"),
    [
        ("forget the row", by_key, update_of(1, price=7)),
        ("forget the value", by_value, insert_into(1)),
        ("forget what is set", by_value, update_of(4, category_id=1)),
    ],
    ids=_name,
)
def test_each_of_them_is_needed(shop, defect, read, write):
    read(shop)
    with planted(defect):
        write(shop)
    assert _content(read(shop)) != _plain(read, shop)


@pytest.mark.parametrize("mode", ["exact", "model"])
def test_the_mode_decides(shop, mode):
    with override_settings(DJANGO_CACHE_ME_INVALIDATION=mode):
        by_key(shop)
        save_of(2, price=7)(shop)
        with seen(shop) as afterwards:
            by_key(shop)
    assert afterwards.hits == (1 if mode == "exact" else 0)


def test_writes_tell_of_rows_whatever_their_own_mode(shop):
    by_key(shop)
    with override_settings(DJANGO_CACHE_ME_INVALIDATION="model"):
        save_of(1, price=7)(shop)
    assert by_key(shop)[0].price == 7


def test_a_witness_is_not_among_the_statements(shop):
    with seen(shop) as first:
        counted(shop)
    assert len(first.statements) == 1
    assert first.fills == 1


def test_a_witness_that_may_not_be_read_leaves_the_transaction_alone(postgresql):
    """Who may read the columns of WHERE but not the key gets the page that Django gives."""
    from django.db import connections, transaction

    category = Category.objects.using(postgresql).create(name="a")
    products(postgresql).create(name="p", category=category, price=1)
    with connections[postgresql].cursor() as cursor:
        cursor.execute("CREATE ROLE narrow LOGIN")
        cursor.execute("GRANT SELECT (category_id) ON shop_product TO narrow")
    wrapper = connections[postgresql].copy("narrow")
    wrapper.settings_dict = {**wrapper.settings_dict, "USER": "narrow"}
    connections["narrow"] = wrapper
    try:
        with transaction.atomic(using="narrow"), seen("narrow") as result:
            for _ in range(2):
                assert products("narrow").filter(category=category).count() == 1
        assert result.not_filled["no_witnesses"] == 2
    finally:
        wrapper.close()
        del connections["narrow"]
        with connections[postgresql].cursor() as cursor:
            cursor.execute("DROP OWNED BY narrow")
            cursor.execute("DROP ROLE narrow")


def test_an_interrupt_during_a_witness_is_the_pages_own(postgresql, monkeypatch):
    from django.db import connections, transaction

    from django_cache_me.databases.vendors.base import Driver

    category = Category.objects.using(postgresql).create(name="a")

    def interrupted(self, raw, sql, params):
        with raw.cursor() as cursor, pytest.raises(Exception, match="division"):
            cursor.execute("SELECT 1 / 0")
        raise KeyboardInterrupt

    monkeypatch.setattr(Driver, "read_rows", interrupted)
    with transaction.atomic(using=postgresql):
        with pytest.raises(KeyboardInterrupt):
            products(postgresql).filter(category=category).count()
        with connections[postgresql].cursor() as cursor:
            cursor.execute("SELECT 1")


def test_more_rows_than_can_be_named_are_a_table(shop):
    Tag.objects.using(shop).bulk_create([Tag(word=f"w{number}") for number in range(3)])
    category = Category.objects.using(shop).create(name="large")
    products(shop).bulk_create(
        [Product(name=f"n{number}", category=category, price=1) for number in range(450)]
    )
    read = lambda: list(products(shop).filter(category=category).order_by("pk"))  # noqa: E731
    read()
    with seen(shop) as again:
        read()
    assert again.misses == 0
    save_of(1, price=3)(shop)
    with seen(shop) as afterwards:
        read()
    assert afterwards.misses == 1


def test_large_groups_are_not_asked_for_their_witnesses_again_and_again(shop):
    category = Category.objects.using(shop).create(name="large")
    products(shop).bulk_create(
        [Product(name=f"n{number}", category=category, price=1) for number in range(450)]
    )
    count = lambda: products(shop).filter(category=category).count()  # noqa: E731
    assert count() == 450
    before = stats()["not_filled"]
    products(shop).create(name="one more", category=category, price=1)
    assert count() == 451
    assert stats()["not_filled"] == before


def test_many_rows_in_a_transaction_are_folded(shop):
    from django.db import transaction

    by_key(shop)
    with transaction.atomic(using=shop):
        for number in range(300):
            Review.objects.using(shop).create(product_id=2, text=str(number))
        save_of(1, price=7)(shop)
    assert by_key(shop)[0].price == 7
    assert Review.objects.using(shop).filter(product=2).aggregate(n=Count("pk"))["n"] == 300


def test_a_queryset_is_explained(shop):
    queryset = products(shop).filter(category=1).order_by("pk")
    explained = queryset.explain_cache()
    assert not explained.reason
    assert not explained.is_hit
    list(queryset.all())
    explained = queryset.explain_cache()
    assert explained.is_hit
    assert explained.key.startswith("cache_me:queryset:shop.product:")
    assert "shop_product.category_id=1" in explained.rests_on
    assert "shop_product.pk=2" in explained.rests_on
    assert "a row written to shop_product with category_id=1" in str(explained)
    assert "a write to the row 2 of shop_product" in str(explained)
    assert "a change of category_id in a row of shop_product whose other columns stay" in str(explained)


def test_the_mode_model_is_explained(shop):
    with override_settings(DJANGO_CACHE_ME_INVALIDATION="model"):
        explained = products(shop).filter(category=1).explain_cache()
    assert explained.rests_on == ["shop_product.any"]
    assert "any write to shop_product" in str(explained)


@pytest.mark.parametrize(
    ("queryset", "reason"),
    [
        (lambda alias: products(alias).order_by("?"), "volatile_function"),
        (lambda alias: products(alias).no_cache(), "options"),
        (lambda alias: products(alias).none(), "empty"),
        (lambda alias: products(alias).select_for_update(), "select_for_update"),
    ],
    ids=["random", "no_cache", "none", "locked"],
)
def test_what_is_not_cached_says_why(shop, queryset, reason):
    explained = queryset(shop).explain_cache()
    assert reason in explained.reason
    assert reason in str(explained)


def test_explaining_fills_nothing(shop):
    with seen(shop) as looked:
        products(shop).filter(pk=1).explain_cache()
    assert looked.fills == looked.hits == looked.misses == 0


def test_misses_name_the_statement_that_they_are_owed_to(shop):
    queryset = products(shop).filter(category=1).order_by("pk")
    with override_settings(DJANGO_CACHE_ME_EXPLAIN_MISSES=3):
        list(queryset.all())
        update_of(2, price=8)(shop)
        list(queryset.all())
        second = queryset.explain_cache().misses[-1]
        (cause,) = second.causes
        assert cause.dependency == "shop_product.pk=2"
        assert cause.sql.startswith("UPDATE")
        assert "shop_product.pk=2 was bumped by UPDATE" in str(second)
        list(products(shop).filter(name=f"unheard of {uuid.uuid4()}"))
        assert "there was no entry" in str(recent_misses()[-1])
        for _ in range(5):
            bulk_update(shop)
            list(queryset.all())
        assert len(recent_misses()) == 3
        (cause,) = recent_misses()[-1].causes
        assert cause.dependency == "shop_product.bulk"


def test_misses_are_not_kept_unless_asked_for(shop):
    before = recent_misses()
    by_key(shop)
    assert recent_misses() == before


def test_managers_explain_too(shop):
    assert Product.objects.explain_cache().rests_on == ["shop_product.any"]
