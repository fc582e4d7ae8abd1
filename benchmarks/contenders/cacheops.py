"""django-cacheops on Redis, with everything of the catalogue cached but the visits."""

from __future__ import annotations

from benchmarks.contenders import Contender, Settings, Site, redis_url


def _join(settings: Settings, site: Site) -> None:
    settings["INSTALLED_APPS"].insert(0, "cacheops")
    settings["CACHEOPS_REDIS"] = redis_url(site)
    settings["CACHEOPS"] = {
        "catalogue.visit": {"ops": (), "timeout": 3600},
        "catalogue.*": {"ops": "all", "timeout": 3600},
    }


CACHEOPS = Contender("cacheops", ("django-cacheops", "redis", "hiredis"), _join, ("redis",))
