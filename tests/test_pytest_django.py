"""pytest-django's fixtures: a project's tests cache as its site does, and see nothing of one another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SETTINGS = """
from tests.settings import *

DATABASES = {"default": DATABASES["%s"]}
DATABASE_ROUTERS = []
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_cache_me", "tests.shop"]
"""

TESTS = """
import pytest
from django.db import connection, transaction

from tests.looking import assert_hit, assert_miss
from tests.shop.models import Category


def names():
    return sorted(category.name for category in Category.objects.all())


@pytest.mark.parametrize("name", "ab")
def test_each_begins_with_nothing_and_hits_what_it_has_written(db, name):
    assert connection.in_atomic_block
    assert names() == []
    Category.objects.create(name=name)
    assert assert_miss("default", names) == [name]
    assert assert_hit("default", names) == [name]
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Category.objects.all().delete()
        assert names() == []
        raise ZeroDivisionError
    assert assert_miss("default", names) == [name]


def test_the_request_of_the_client(db, client):
    Category.objects.create(name="a")
    assert names() == names() == ["a"]
    client.get("/nowhere")
    assert assert_hit("default", names) == ["a"]


def test_hooks_after_the_commit(db, django_capture_on_commit_callbacks):
    found = []
    with django_capture_on_commit_callbacks(execute=True):
        Category.objects.create(name="a")
        transaction.on_commit(lambda: found.append(names()))
    assert found == [["a"]]


@pytest.mark.parametrize("name", "ab")
def test_real_transactions_that_are_flushed(transactional_db, name):
    assert not connection.in_atomic_block
    assert names() == []
    Category.objects.create(name=name)
    assert names() == [name]
    assert assert_hit("default", names) == [name]


def test_without_the_database_there_is_no_hit_either():
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        names()


class TestRowsOfAWiderScope:
    @pytest.fixture(scope="class")
    def made(self, django_db_setup, django_db_blocker):
        with django_db_blocker.unblock():
            category = Category.objects.create(name="of all")
        yield
        with django_db_blocker.unblock():
            category.delete()

    def test_a_read(self, made, db):
        assert names() == names() == ["of all"]  # SQLite's first read of a transaction makes its snapshot
        assert assert_hit("default", names) == ["of all"]

    def test_a_write(self, made, db):
        names()
        assert assert_hit("default", names) == ["of all"]
        Category.objects.all().delete()
        assert names() == names() == []

    def test_it_is_undone(self, made, db):
        assert names() == ["of all"]
"""


def test_the_tests_of_a_project(alias, tmp_path):
    (tmp_path / "own_settings.py").write_text(SETTINGS % alias)
    (tmp_path / "test_shop.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nDJANGO_SETTINGS_MODULE = own_settings\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    environment.pop("DJANGO_SETTINGS_MODULE")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--create-db", str(tmp_path)],
        cwd=tmp_path, check=False, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout
