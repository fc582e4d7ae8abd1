"""django-cachalot on Redis (by django-redis), on locmem and on Memcached; the visits are not cached."""

from __future__ import annotations

from typing import Any, Callable

from benchmarks.contenders import Contender, Settings, Site, redis_url


def _on(cache: Callable[[Site], dict[str, Any]]) -> Callable[[Settings, Site], None]:
    def join(settings: Settings, site: Site) -> None:
        settings["INSTALLED_APPS"].insert(0, "cachalot")
        settings["CACHALOT_UNCACHABLE_TABLES"] = frozenset(("django_migrations", "catalogue_visit"))
        settings["CACHES"] = {"default": cache(site)}

    return join


def _redis(site: Site) -> dict[str, Any]:
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis_url(site)}


def _locmem(site: Site) -> dict[str, Any]:
    # Its default of 300 entries would be full at once.
    backend = "django.core.cache.backends.locmem.LocMemCache"
    return {"BACKEND": backend, "OPTIONS": {"MAX_ENTRIES": 100_000}}


def _memcached(site: Site) -> dict[str, Any]:
    backend = "django.core.cache.backends.memcached.PyMemcacheCache"
    return {"BACKEND": backend, "LOCATION": f"unix:{site['memcached']}", "KEY_PREFIX": site["name"]}


CACHALOT = (
    Contender(
        "cachalot on Redis", ("django-cachalot", "django-redis", "redis", "hiredis"), _on(_redis), ("redis",)
    ),
    Contender("cachalot on locmem", ("django-cachalot",), _on(_locmem), shared=False),
    Contender("cachalot on Memcached", ("django-cachalot", "pymemcache"), _on(_memcached), ("memcached",)),
)
