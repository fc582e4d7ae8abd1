"""Two versions of one app on one store: what was kept under another schema, codec or Django is a miss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

MODELS = """
from django.db import models
import json

class Decoder(json.JSONDecoder):
    pass

class Thing(models.Model):
    name = {name}
    price = {price}
    data = {data}
    {more}
"""
OLD = {
    "name": "models.CharField(max_length=9)",
    "price": "models.DecimalField(max_digits=8, decimal_places=2)",
    "data": "models.JSONField(null=True)",
    "more": "",
}
SCRIPT = """
import json, os, sys
import django
import django_cache_me._engine as engine
if {codec!r}:
    engine.CODEC_VERSION = {codec!r}
if {version!r}:
    django.get_version = lambda: {version!r}
from django.conf import settings
settings.configure(
    SECRET_KEY={secret!r},
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {database!r}}}}},
    CACHES={{"default": {{"BACKEND": "django_cache_me.stores.SharedMemoryCache", "LOCATION": {store!r}}}}},
    INSTALLED_APPS=["django_cache_me", "versioned"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
from versioned.models import Thing
import django_cache_me
hits = []
def ask(read):
    before = django_cache_me.stats()["hits"]
    value = read()
    hits.append(django_cache_me.stats()["hits"] - before)
    return value
things = Thing.objects.defer("later") if hasattr(Thing, "later") else Thing.objects.all()
ask(lambda: list(things.filter(pk=1)))
ask(lambda: list(Thing.objects.all()))
ask(lambda: list(Thing.objects.values_list("name", "price")))
ask(lambda: list(Thing.objects.filter(pk=1).values("data")))
ask(lambda: Thing.objects.count())
ask(lambda: list(Thing.objects.raw("SELECT id, name FROM versioned_thing")))
print(json.dumps(hits))
"""


class Project:
    def __init__(self, folder):
        self.folder = folder
        self.app = folder / "versioned"
        self.app.mkdir()
        (self.app / "__init__.py").write_text("")
        (self.app / "cache_me.py").write_text(
            "from django_cache_me import CacheMeOptions, cache_me_register\nfrom .models import Thing\n"
            "@cache_me_register(Thing)\nclass Options(CacheMeOptions):\n    cache_table = True\n"
        )
        self.database = str(folder / "things.sqlite3")
        self.store = os.environ["CACHE_ME_TEST_STORE"]
        import sqlite3

        with sqlite3.connect(self.database) as connection:
            connection.execute(
                "CREATE TABLE versioned_thing (id INTEGER PRIMARY KEY, name varchar(9), price decimal,"
                " data text, later integer DEFAULT 1)"
            )
            connection.execute("INSERT INTO versioned_thing VALUES (1, 'a', 1.5, '[1]', 1)")
        connection.close()

    def hits(self, codec=0, version="", **changes):
        """Hits of six kinds of read (1 or 0 each) in a process with these models."""
        (self.app / "models.py").write_text(MODELS.format(**{**OLD, **changes}))
        script = SCRIPT.format(
            secret=str(self.folder), database=self.database, store=self.store, codec=codec, version=version
        )
        done = subprocess.run(
            [sys.executable, "-B", "-c", textwrap.dedent(script)],
            cwd=self.folder, stdout=subprocess.PIPE, text=True, check=True, timeout=60,
        )  # fmt: skip
        return json.loads(done.stdout)


@pytest.fixture
def project(tmp_path):
    import time

    project = Project(tmp_path)
    project.hits()
    time.sleep(2.2)  # a new version file beside a database that isn't new is trusted after two leases
    project.hits()
    assert project.hits() == [1, 1, 1, 1, 1, 1]
    return project


def test_schemas_codecs_and_djangos_are_told_apart(project):
    # instances, whole table, values_list, values, count, raw: misses wherever the column is part of the rows.
    assert project.hits(name="models.TextField()") == [0, 0, 0, 1, 1, 1]
    assert project.hits(data="models.JSONField(null=True, decoder=Decoder)") == [0, 0, 1, 0, 1, 1]
    assert project.hits(price="models.DecimalField(max_digits=9, decimal_places=3)") == [0, 0, 0, 1, 1, 1]
    assert project.hits(data="models.JSONField()")[3] == 0
    assert project.hits(more="later = models.IntegerField(default=1)")[1] == 0
    # And each version finds its own again, the old one too; but the whole table has one key for all of them.
    assert project.hits(name="models.TextField()") == [1, 0, 1, 1, 1, 1]
    assert project.hits() == [1, 0, 1, 1, 1, 1]


def test_another_codec_is_a_miss(project):
    assert project.hits(codec=99) == [0, 0, 0, 0, 0, 0]
    assert project.hits(codec=99) == [1, 1, 1, 1, 1, 1]


def test_another_django_is_a_miss(project):
    assert project.hits(version="99.1") == [0, 0, 0, 0, 0, 0]
