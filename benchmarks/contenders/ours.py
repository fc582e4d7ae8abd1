"""django_cache_me: in shared memory, on Redis, and in each mode of invalidation."""

from __future__ import annotations

from typing import Any, Callable

from benchmarks.contenders import Contender, Settings, Site, redis_url


def _shared_memory(settings: Settings, site: Site) -> None:
    settings["INSTALLED_APPS"].insert(0, "django_cache_me")
    # In a folder that is thrown away afterwards, and with room for all: the others' servers have no bound,
    # and what is measured is a hit, not which of fifty answers of 1,000 rows is evicted.
    settings["CACHES"] = {
        "default": {
            "BACKEND": "django_cache_me.stores.SharedMemoryCache",
            "LOCATION": site["store"],
            "OPTIONS": {"size": 256 * 1024 * 1024},
        }
    }


def _redis(settings: Settings, site: Site) -> None:
    settings["INSTALLED_APPS"].insert(0, "django_cache_me")
    settings["CACHES"] = {
        "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis_url(site)}
    }


def _in_mode(mode: str) -> Callable[[Settings, Site], None]:
    def join(settings: Settings, site: Site) -> None:
        _shared_memory(settings, site)
        settings["DJANGO_CACHE_ME_INVALIDATION"] = mode

    return join


def knows_modes() -> bool:
    """Whether the installed package has the setting that chooses between exact and model."""
    settings: dict[str, Any] = {}
    try:
        from django_cache_me import conf

        settings = conf.DEFAULTS
    except ImportError:
        pass
    return "INVALIDATION" in settings


OURS = (
    Contender("ours", ("django-cache-me",), _shared_memory),
    Contender("ours on Redis", ("django-cache-me", "django-redis", "redis", "hiredis"), _redis, ("redis",)),
    Contender("ours, exact", ("django-cache-me",), _in_mode("exact")),
    Contender("ours, model", ("django-cache-me",), _in_mode("model")),
)
