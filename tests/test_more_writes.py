"""Writes by commands, upserts, and what else changes rows in ways of its own."""

from __future__ import annotations

import contextlib
import json
import warnings

import django
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections, migrations, models, transaction
from django.db.migrations.state import ProjectState
from django.test import override_settings

from tests.looking import assert_hit, assert_miss
from tests.shop.models import Category, Product, Review, Tag


def names(alias):
    return sorted(category.name for category in Category.objects.using(alias).filter(name__gt=""))


def words(alias):
    return sorted(tag.word for tag in Tag.objects.using(alias).all())


@pytest.fixture
def warm(alias):
    Category.objects.using(alias).create(name="a")
    names(alias)
    assert_hit(alias, lambda: names(alias))
    return alias


def assert_seen(alias, expected):
    assert assert_miss(alias, lambda: names(alias)) == expected
    assert assert_hit(alias, lambda: names(alias)) == expected


# Commands.


def test_loaddata(warm, tmp_path):
    fixture = tmp_path / "some.json"
    pk = Category.objects.using(warm).get().pk
    rows = [{"model": "shop.category", "pk": pk, "fields": {"name": "loaded", "parent": None}}]
    fixture.write_text(json.dumps(rows))
    call_command("loaddata", str(fixture), database=warm, verbosity=0)
    connections[warm].close()
    assert_seen(warm, ["loaded"])


def test_flush(warm):
    call_command("flush", database=warm, interactive=False, verbosity=0)
    connections[warm].close()
    assert_seen(warm, [])


class Renaming(migrations.Migration):
    """Of the app "shop": one operation on the schema and one on the rows."""

    operations = (
        migrations.AddField("category", "size", models.IntegerField(default=7)),
        migrations.RunPython(
            lambda state_apps, editor: (
                state_apps.get_model("shop", "Category")
                .objects.using(editor.connection.alias)
                .update(name="migrated")
            )
        ),
    )


MODULE = """
from django.db import migrations, models

def rename(apps, editor):
    apps.get_model("shop", "Category").objects.using(editor.connection.alias).update(name="migrated")

class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Category",
            [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=50))],
        ),
        migrations.RunPython(rename, migrations.RunPython.noop),
        migrations.RunSQL(
            "UPDATE shop_category SET name = 'twice ' || name"
            if SQL else "UPDATE shop_category SET name = concat('twice ', name)",
            "UPDATE shop_category SET name = 'back'",
        ),
    ]
"""


def test_migrate(warm, tmp_path, monkeypatch):
    """The command itself: a migration of rows by functions and by SQL, forth and back."""
    package = tmp_path / f"migrations_of_{warm}"
    package.mkdir()
    (package / "__init__.py").touch()
    text = MODULE.replace("SQL else", f"{connections[warm].vendor != 'mysql'} else")
    # The table is there already: what makes it is looked at by the migration's state alone.
    made = text.replace("migrations.CreateModel(", "STATE(").replace("class Migration", STATE_ONLY, 1)
    (package / "m0001.py").write_text(made)
    monkeypatch.syspath_prepend(str(tmp_path))
    with override_settings(MIGRATION_MODULES={"shop": package.name}):
        call_command("migrate", "shop", database=warm, verbosity=0)
        connections[warm].close()
        assert names(warm) == names(warm) == ["twice migrated"]
        call_command("migrate", "shop", "zero", database=warm, verbosity=0)
        connections[warm].close()
        assert names(warm) == names(warm) == ["back"]


STATE_ONLY = """def STATE(*args):
    return migrations.SeparateDatabaseAndState(state_operations=[migrations.CreateModel(*args)])

class Migration"""


def test_migrations(warm):
    """What ``migrate`` does with each migration, and the way back."""
    state = ProjectState.from_apps(apps)
    wrapper = connections[warm]
    with contextlib.closing(wrapper):
        if wrapper.vendor == "sqlite":  # the table is made anew, which needs the constraints off
            wrapper.close()
        migration = Renaming("9999_renaming", "shop")
        with wrapper.schema_editor(atomic=migration.atomic) as editor:
            after = migration.apply(state.clone(), editor)
    try:
        assert names(warm) == ["migrated"]
        assert names(warm) == ["migrated"]
    finally:
        with wrapper.schema_editor() as editor:
            model = after.apps.get_model("shop", "Category")
            editor.remove_field(model, model._meta.get_field("size"))
        wrapper.close()
    assert names(warm) == ["migrated"]


# Upserts.


@pytest.mark.skipif(django.VERSION < (4, 1), reason="Django has update_conflicts since 4.1")
def test_bulk_create_that_updates_conflicts(alias):
    Tag.objects.using(alias).bulk_create([Tag(pk=1, word="x"), Tag(pk=2, word="y")])
    words(alias)
    assert_hit(alias, lambda: words(alias))
    unique = {} if connections[alias].vendor == "mysql" else {"unique_fields": ["id"]}
    Tag.objects.using(alias).bulk_create(
        [Tag(pk=1, word="z"), Tag(pk=3, word="w")], update_conflicts=True, update_fields=["word"], **unique
    )
    assert assert_miss(alias, lambda: words(alias)) == ["w", "y", "z"]


def test_bulk_create_that_ignores_conflicts(alias):
    Tag.objects.using(alias).create(word="x")
    words(alias)
    Tag.objects.using(alias).bulk_create([Tag(word="x"), Tag(word="y")], ignore_conflicts=True)
    assert assert_miss(alias, lambda: words(alias)) == ["x", "y"]


def test_merge(postgresql):
    if connections[postgresql].pg_version < 150000:
        pytest.skip("PostgreSQL has MERGE since 15")
    Category.objects.using(postgresql).create(name="a")
    names(postgresql)
    with connections[postgresql].cursor() as cursor:
        cursor.execute(
            "MERGE INTO shop_category AS c USING (SELECT 'a' AS name) AS n ON c.name = n.name"
            " WHEN MATCHED THEN UPDATE SET name = 'b'"
        )
    assert names(postgresql) == ["b"]
    assert assert_hit(postgresql, lambda: names(postgresql)) == ["b"]


def test_replace(sqlite):
    Tag.objects.create(pk=1, word="x")
    words(sqlite)
    with connections[sqlite].cursor() as cursor:
        cursor.execute("REPLACE INTO shop_tag (id, word) VALUES (2, 'x')")
    assert assert_miss(sqlite, lambda: words(sqlite)) == ["x"]
    assert Tag.objects.get().pk == 2


def test_callproc(postgresql):
    Category.objects.using(postgresql).create(name="a")
    with connections[postgresql].cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION rename_them(new text) RETURNS void LANGUAGE sql AS"
            " $$ UPDATE shop_category SET name = new $$"
        )
    connections[postgresql].close()
    names(postgresql)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with connections[postgresql].cursor() as cursor:
            if not hasattr(cursor.cursor, "callproc"):
                cursor.execute("SELECT rename_them('b')")  # what Django does in its place with psycopg 3
            else:
                cursor.callproc("rename_them", ["b"])
    assert names(postgresql) == ["b"]
    connections[postgresql].close()
    assert names(postgresql) == ["b"]


# Rows that change with others.


@contextlib.contextmanager
def made(alias, *created):
    with connections[alias].schema_editor() as editor:
        for model in created:
            editor.create_model(model)
    try:
        yield
    finally:
        with connections[alias].schema_editor() as editor:
            for model in reversed(created):
                editor.delete_model(model)
        for model in created:
            del apps.all_models["shop"][model._meta.model_name]
        apps.clear_cache()


@pytest.mark.skipif(not hasattr(models, "DB_CASCADE"), reason="Django has database-level on_delete since 6.1")
@pytest.mark.parametrize("how", ["instance", "queryset", "raw"])
@pytest.mark.parametrize(
    ("action", "left"), [("DB_CASCADE", []), ("DB_SET_NULL", [None]), ("DB_SET_DEFAULT", [1])]
)
def test_on_delete_in_the_database(alias, action, left, how):
    """It reaches the children of the children, of which neither the statement nor Django says a word."""
    wrapper = connections[alias]
    if action == "DB_SET_DEFAULT" and not wrapper.features.supports_on_delete_db_default:
        pytest.skip("InnoDB has no SET DEFAULT")

    class Owner(models.Model):
        class Meta:
            app_label = "shop"

    class Owned(models.Model):
        default = {"db_default": 1} if action == "DB_SET_DEFAULT" else {}
        owner = models.ForeignKey(Owner, getattr(models, action), null=True, **default)

        class Meta:
            app_label = "shop"

    class Part(models.Model):
        of = models.ForeignKey(Owned, models.DB_CASCADE)

        class Meta:
            app_label = "shop"

    with made(alias, Owner, Owned, Part):
        Owner.objects.using(alias).create(pk=1)
        owner = Owner.objects.using(alias).create(pk=2)
        owned = Owned.objects.using(alias).create(owner=owner)
        Part.objects.using(alias).create(of=owned)

        def owners():
            return [owned.owner_id for owned in Owned.objects.using(alias).all().cache()]

        def parts():
            return Part.objects.using(alias).all().cache().count()

        assert (owners(), parts()) == ([2], 1)
        assert_hit(alias, owners)
        assert_hit(alias, parts)
        if how == "instance":
            owner.delete()
        elif how == "queryset":
            Owner.objects.using(alias).filter(pk=2).delete()
        else:
            with wrapper.cursor() as cursor:
                cursor.execute("DELETE FROM shop_owner WHERE id = 2")
        assert assert_miss(alias, owners) == left
        assert assert_miss(alias, parts) == len(left)


def test_swapped_models(alias):
    """The swapped model's place is taken by another, which rows elsewhere point at."""
    with override_settings(CACHE_ME_TEST_PERSON="shop.OwnPerson"):

        class Person(models.Model):
            class Meta:
                app_label = "shop"
                swappable = "CACHE_ME_TEST_PERSON"

        class OwnPerson(models.Model):
            name = models.CharField(max_length=20)

            class Meta:
                app_label = "shop"

        class Card(models.Model):
            person = models.ForeignKey(Person._meta.swapped, models.CASCADE)

            class Meta:
                app_label = "shop"

        with made(alias, OwnPerson, Card):
            ann = OwnPerson.objects.using(alias).create(name="ann")
            Card.objects.using(alias).create(person=ann)

            def holders():
                cards = Card.objects.using(alias).select_related("person").filter(person__name__gt="")
                return [card.person.name for card in cards.cache()]

            assert holders() == ["ann"]
            assert_hit(alias, holders)
            OwnPerson.objects.using(alias).update(name="bob")
            assert assert_miss(alias, holders) == ["bob"]
            assert_hit(alias, holders)
            ann.delete()
            assert assert_miss(alias, holders) == []
        del apps.all_models["shop"]["person"]
        apps.clear_cache()


def test_set_null_by_the_orm(alias):
    category = Category.objects.using(alias).create(name="a")
    Category.objects.using(alias).create(name="child", parent=category)

    def parents():
        return [child.parent_id for child in Category.objects.using(alias).filter(name="child")]

    assert parents() == [category.pk]
    category.delete()
    assert assert_miss(alias, parents) == [None]


def test_an_update_by_a_subquery(alias):
    category = Category.objects.using(alias).create(name="a")
    Product.objects.using(alias).create(name="p", category=category)

    def found():
        return [product.name for product in Product.objects.using(alias).all()]

    found()
    newest = Category.objects.using(alias).filter(pk=models.OuterRef("category_id")).values("name")[:1]
    Product.objects.using(alias).update(name=models.Subquery(newest))
    assert assert_miss(alias, found) == ["a"]


def test_reverse_foreign_keys_write(alias):
    product = Product.objects.using(alias).create(name="p")
    reviews = lambda: sorted(review.text for review in product.reviews.all())  # noqa: E731
    for change, expected in (
        (lambda: product.reviews.create(text="a"), ["a"]),
        (lambda: product.reviews.add(Review(text="b"), bulk=False), ["a", "b"]),
        (lambda: product.reviews.update_or_create(text="b", defaults={"text": "c"}), ["a", "c"]),
        (lambda: product.reviews.filter(text="a").delete(), ["c"]),
    ):
        reviews()
        change()
        assert assert_miss(alias, reviews) == expected


def test_saves_within_on_commit_hooks(warm):
    with transaction.atomic(using=warm):
        Category.objects.using(warm).update(name="b")
        transaction.on_commit(lambda: Category.objects.using(warm).update(name="c"), using=warm)
    assert_seen(warm, ["c"])


def test_select_for_update_and_save(warm):
    with transaction.atomic(using=warm):
        row = Category.objects.using(warm).select_for_update().get()
        row.name = "b"
        row.save()
    assert_seen(warm, ["b"])


def test_a_write_through_the_drivers_own_connection_is_heard_at_the_next_statement(sqlite):
    """docs/limits.md: until then it isn't."""
    Category.objects.create(name="a")
    names(sqlite)
    connections[sqlite].ensure_connection()
    raw = connections[sqlite].connection
    with connections[sqlite].cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE shop_category SET name = 'b'")
    raw.commit()
    with connections[sqlite].cursor() as cursor:
        cursor.execute("SELECT 1")
    assert names(sqlite) == ["b"]


def test_async_writes(warm):
    if django.VERSION < (4, 2):
        pytest.skip("Django has async saves since 4.2")
    import asyncio

    async def write():
        category = await Category.objects.using(warm).aget()
        category.name = "b"
        await category.asave()
        await Category.objects.using(warm).acreate(name="c")
        return sorted([c.name async for c in Category.objects.using(warm).all()])

    assert asyncio.run(write()) == ["b", "c"]
    assert names(warm) == ["b", "c"]


def test_deleting_through_a_generic_relation(alias):
    from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
    from django.contrib.contenttypes.models import ContentType

    class Remark(models.Model):
        content_type = models.ForeignKey(ContentType, models.CASCADE)
        object_id = models.IntegerField()
        about = GenericForeignKey()

        class Meta:
            app_label = "shop"

    class Remarked(models.Model):
        remarks = GenericRelation(Remark)

        class Meta:
            app_label = "shop"

    with made(alias, Remark, Remarked):
        ContentType.objects.clear_cache()
        thing = Remarked.objects.using(alias).create()
        Remark.objects.using(alias).create(
            content_type=ContentType.objects.db_manager(alias).get_for_model(Remarked), object_id=thing.pk
        )
        count = lambda: len(Remark.objects.using(alias).all().cache())  # noqa: E731
        assert count() == 1
        assert_hit(alias, count)
        thing.delete()
        assert assert_miss(alias, count) == 0
        ContentType.objects.clear_cache()
