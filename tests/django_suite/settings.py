"""For Django's runtests.py; the database by ``CACHE_ME_SUITE_DATABASE``."""

import os
import tempfile

from test_sqlite import *  # noqa: F403  the suite's own settings

if os.environ["CACHE_ME_SUITE_DATABASE"] == "sqlite":
    DATABASES = {alias: {"ENGINE": "django.db.backends.sqlite3"} for alias in ("default", "other")}
else:
    DATABASES = {
        alias: {
            "ENGINE": "django.db.backends.postgresql",
            "USER": "postgres",
            "NAME": f"suite_{alias}",
            "HOST": os.environ["CACHE_ME_SUITE_PG_HOST"],
        }
        for alias in ("default", "other")
    }
CACHES = {
    "default": {
        "BACKEND": "django_cache_me.stores.SharedMemoryCache",
        "LOCATION": os.environ.get("CACHE_ME_SUITE_STORE") or tempfile.mkdtemp(),
    }
}
TEST_RUNNER = "tests.django_suite.runner.RecordingRunner"
