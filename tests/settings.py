"""The test project. Places come from the environment, so that worker processes get the same ones."""

import json
import os

from tests.packages import installed

SECRET_KEY = os.environ.get("CACHE_ME_TEST_SECRET", "test")
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django_cache_me",
    "tests.shop",
    "tests.shapes",
    "tests.everything",
    "tests.judges",
    *installed.apps(),
]
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["CACHE_ME_TEST_SQLITE"],
        "OPTIONS": {"timeout": 20},
    },
    "other": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["CACHE_ME_TEST_SQLITE"] + "-other",
        "OPTIONS": {"timeout": 20},
    },
}
if os.environ.get("CACHE_ME_TEST_PG_HOST"):
    DATABASES["postgresql"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "USER": "postgres",
        "HOST": os.environ["CACHE_ME_TEST_PG_HOST"],
    }
if os.environ.get("CACHE_ME_TEST_MARIA_SOCKET"):
    if not os.environ.get("CACHE_ME_TEST_MYSQLCLIENT"):
        import pymysql

        # Django asks for a recent mysqlclient by its number; PyMySQL does what it needs.
        pymysql.version_info = (2, 2, 8, "final", 1)
        pymysql.install_as_MySQLdb()
    DATABASES["mysql"] = {
        "ENGINE": "django.db.backends.mysql",
        "NAME": "shop",
        "USER": "root",
        "OPTIONS": {
            "unix_socket": os.environ["CACHE_ME_TEST_MARIA_SOCKET"],
            "charset": "utf8mb4",
            # Found rows, as Django wants them; several statements in one text, as mysqlclient takes them.
            "client_flag": 2 | 65536,
        },
    }
if "postgresql" in DATABASES:
    INSTALLED_APPS += ["django.contrib.postgres", "tests.pgfields"]
    DATABASE_ROUTERS = ["tests.routers.PostgreSQLAlone"]
if os.environ.get("CACHE_ME_TEST_GIS"):
    INSTALLED_APPS += ["django.contrib.gis", "tests.geometries"]
    DATABASE_ROUTERS += ["tests.routers.GeometriesAlone"]
    DATABASES["gis"] = {
        **DATABASES["postgresql"],
        "ENGINE": "django.contrib.gis.db.backends.postgis",
        "NAME": "gis",
    }
CACHES = json.loads(os.environ.get("CACHE_ME_TEST_CACHES", "null")) or {
    "default": {
        "BACKEND": "django_cache_me.stores.SharedMemoryCache",
        "LOCATION": os.environ["CACHE_ME_TEST_STORE"],
        "OPTIONS": {"size": 16 * 1024 * 1024},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
ROOT_URLCONF = "tests.urls"
if os.environ.get("CACHE_ME_TEST_OFF"):
    DJANGO_CACHE_ME_ON = False
# Worker processes get settings of their own this way.
globals().update(json.loads(os.environ.get("CACHE_ME_TEST_SETTINGS", "{}")))
if os.environ.get("CACHE_ME_TEST_NO_CHAINS"):
    DJANGO_CACHE_ME_CHAINS = False
