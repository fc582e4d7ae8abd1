"""Databases, servers and the Django project that the tests share."""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import shutil
import tempfile
import warnings

import pytest

from .packages.installed import own_labels
from .servers import MariaDB, Memcached, PostgreSQL, Redis, ServerMissing

_folder = tempfile.mkdtemp(prefix="cache_me_tests_")
_missing: dict[str, str] = {}
#: The databases of this run, as aliases: all, but where the tests of one store are run again on another.
VENDORS = os.environ.get("CACHE_ME_TEST_VENDORS", "default postgresql mysql").split()
#: Tests of plans have nothing to look at where chains aren't recorded.
collect_ignore = (
    [
        "test_chains.py",
        "test_chains_fuzz.py",
        "test_forward_access.py",
        "test_planned_misses.py",
        "test_plans_of_values.py",
        "test_prefetches.py",
        "test_recorded_expressions.py",
        "stores/test_hits_elsewhere.py",
    ]
    if os.environ.get("CACHE_ME_TEST_NO_CHAINS")
    else []
)


#: Files that take minutes, the longest first: handed out last, one would hold up a whole run.
_SLOW = (
    "test_backends.py",
    "test_random_programs.py",
    "test_crashes.py",
    "test_published_numbers.py",
    "test_processes.py",
    "test_leaks.py",
    "test_benchmarks.py",
    "test_rules_simulator.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _SLOW.index(item.path.name) if item.path.name in _SLOW else len(_SLOW))


def pytest_configure(config: pytest.Config) -> None:
    if _hands_out_tests(config):
        if hasattr(config.option, "loadscopereorder"):  # pytest-xdist 3.7+: as collected, not by their number
            config.option.loadscopereorder = False
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ["CACHE_ME_TEST_SQLITE"] = os.path.join(_folder, "shop.sqlite3")
    os.environ["CACHE_ME_TEST_STORE"] = tempfile.mkdtemp(
        prefix="cache_me_tests_", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    )
    for name, start in (("postgresql", _start_postgresql), ("mysql", _start_mariadb)):
        if name not in VENDORS:
            _missing[name] = "not asked for by CACHE_ME_TEST_VENDORS"
            continue
        try:
            start()
        except (ServerMissing, ImportError) as missing:
            if os.environ.get("CI"):
                raise
            _missing[name] = str(missing)
    import django

    django.setup()
    _make_tables()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _hands_out_tests(config):
        return
    _remove_version_files()
    shutil.rmtree(_folder, ignore_errors=True)
    shutil.rmtree(os.environ["CACHE_ME_TEST_STORE"], ignore_errors=True)


def _hands_out_tests(config: pytest.Config) -> bool:
    """Whether this is pytest-xdist's own process, which runs no test; each of its workers has its servers."""
    return bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")


def _start_postgresql() -> None:
    server = PostgreSQL()
    server.make_database("shop")
    os.environ["CACHE_ME_TEST_PG_HOST"] = server.host
    if ctypes.util.find_library("gdal") and ctypes.util.find_library("geos_c") and server.has("postgis"):
        server.make_database("gis", "postgis")
        os.environ["CACHE_ME_TEST_GIS"] = "yes"
    elif os.environ.get("CI"):
        raise ServerMissing("PostGIS is not installed; get it with: apt-get install postgresql-15-postgis-3")


def _start_mariadb() -> None:
    server = MariaDB()
    server.make_database("shop")
    os.environ["CACHE_ME_TEST_MARIA_SOCKET"] = server.socket


def _remove_version_files() -> None:
    """Those of our databases that lie in the default place, where every backend but ours has them."""
    from django.db import connections

    from django_cache_me.databases.identity import identity_of
    from django_cache_me.stores.places import default_directory, versions_file

    for alias in connections:
        identity = identity_of(connections[alias], ask=False)
        if identity is not None:
            path = os.path.join(default_directory(), os.path.basename(versions_file(identity.database)[0]))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _make_tables() -> None:
    from django.core.management import call_command
    from django.db import connections

    # First of all, where CACHES has a DatabaseCache: one that fails is left alone for a while.
    call_command("createcachetable", verbosity=0)
    for alias in connections:
        call_command("migrate", "contenttypes", database=alias, verbosity=0)
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
        # The worker processes and the tests begin with a connection that no migration has changed.
        connections[alias].close()


@pytest.fixture
def new_shapes():
    """Nothing was proven or learnt of any shape before, and nothing is left behind."""
    from django_cache_me import _engine
    from django_cache_me.reading import learning

    _engine.forget_shapes()
    learning.refusals.clear()
    yield
    _engine.forget_shapes()


@pytest.fixture(params=VENDORS)
def alias(request: pytest.FixtureRequest) -> str:
    """The alias of an empty database, once per vendor."""
    if request.param in _missing:
        pytest.skip(_missing[request.param])
    _clean(request.param)
    request.addfinalizer(lambda: _close(request.param))
    return str(request.param)


@pytest.fixture
def sqlite(request: pytest.FixtureRequest) -> str:
    """The alias of an empty SQLite database, for what doesn't depend on the vendor."""
    _clean("default")
    request.addfinalizer(lambda: _close("default"))
    return "default"


@pytest.fixture
def postgresql(request: pytest.FixtureRequest) -> str:
    return _of_server(request, "postgresql")


@pytest.fixture
def mysql(request: pytest.FixtureRequest) -> str:
    return _of_server(request, "mysql")


def _of_server(request: pytest.FixtureRequest, alias: str) -> str:
    if alias in _missing:
        pytest.skip(_missing[alias])
    _clean(alias)
    request.addfinalizer(lambda: _close(alias))
    return alias


def _clean(alias: str) -> None:
    from django.apps import apps
    from django.db import connections, transaction

    from django_cache_me import counters

    connections[alias].close()
    apps_of_tests = ("shop", "shapes", "everything", "judges", *own_labels())
    models = [
        model
        for app in (*apps_of_tests, *(["pgfields"] if alias == "postgresql" else []))
        for model in apps.get_app_config(app).get_models(include_auto_created=True)
        if not model._meta.proxy and model._meta.managed
    ]
    filled = _not_empty(alias, {model._meta.db_table for model in models})
    if filled:
        # Constraints are looked at when it ends, or (MariaDB) not at all.
        with transaction.atomic(using=alias), connections[alias].constraint_checks_disabled():
            for model in models:
                if model._meta.db_table in filled:
                    model._base_manager.using(alias).all()._raw_delete(alias)
        connections[alias].close()
    counters.reset()


def _not_empty(alias: str, tables: set[str]) -> set[str]:
    """Which of the tables have rows, by one statement: a hundred deletions before each test take long."""
    from django.db import connections

    quoted = connections[alias].ops.quote_name
    parts = (
        f"SELECT '{table}' FROM (SELECT 1) one WHERE EXISTS (SELECT 1 FROM {quoted(table)})"
        for table in sorted(tables)
    )
    with connections[alias].cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return {row[0] for row in cursor.fetchall()}


def _close(alias: str) -> None:
    from django.db import connections

    wrapper = connections[alias]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapper.in_atomic_block = False
        wrapper.savepoint_ids = []
        wrapper.close()


@pytest.fixture
def settings_off():
    """A context in which the cache is off: what Django alone says."""
    from django.test import override_settings

    return lambda: override_settings(DJANGO_CACHE_ME_ON=False)


@pytest.fixture(params=["fast", "portable"])
def tier(request: pytest.FixtureRequest):
    """Both ways in which the engine makes instances."""
    from django_cache_me import _engine

    was = _engine.fast_tier()
    _engine.use_fast_tier(request.param == "fast")
    if _engine.fast_tier() is not (request.param == "fast"):
        pytest.skip("no fast tier in this Python")
    yield request.param
    _engine.use_fast_tier(was)


def _started(server):
    """With CI=true a missing server is a failure."""
    try:
        return server()
    except ServerMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def redis() -> Redis:
    return _started(Redis)


@pytest.fixture(scope="session")
def memcached() -> Memcached:
    return _started(Memcached)
