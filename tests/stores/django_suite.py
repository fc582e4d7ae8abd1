"""Runs Django's own tests of a cache backend against ours, in a process with settings of their own.

``python -m tests.stores.django_suite FOLDER PLACE``: the folder that holds Django's package ``cache``, and
the directory of the store. The last line is what came out, as JSON.
"""

from __future__ import annotations

import json
import sys
import unittest

BACKEND = "django_cache_me.stores.SharedMemoryCache"


def main(folder: str, place: str) -> None:
    sys.path.insert(0, folder)
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="django's own tests",
        INSTALLED_APPS=["django_cache_me", "cache"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        CACHES={"default": {"BACKEND": BACKEND, "LOCATION": place}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=False,
    )
    django.setup()
    from cache.tests import BaseCacheTests, caches_setting_for_tests
    from django.test import TestCase, override_settings
    from django.test.runner import DiscoverRunner

    # Django's own way to say that a backend culls nothing (its Memcached and Redis tests do the same).
    caches = caches_setting_for_tests(BACKEND=BACKEND, LOCATION=place, exclude={"cull", "zero_cull"})

    @override_settings(CACHES=caches)
    class SharedMemoryCacheTests(BaseCacheTests, TestCase):
        pass

    runner = DiscoverRunner(verbosity=0)
    runner.setup_test_environment()
    databases = runner.setup_databases()
    result = runner.run_suite(unittest.defaultTestLoader.loadTestsFromTestCase(SharedMemoryCacheTests))
    runner.teardown_databases(databases)
    answer = {
        "run": result.testsRun,
        "wrong": [f"{test}\n{text}" for test, text in result.errors + result.failures],
        "skipped": {test.id().rpartition(".")[2]: reason for test, reason in result.skipped},
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
