"""Who takes part: each contender is a name in the tables and a change to the settings of a plain project."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Callable, Dict

Settings = Dict[str, Any]
#: What a worker process is told: its contender's name, its database, sockets of servers, a folder.
Site = Dict[str, Any]


@dataclass(frozen=True)
class Contender:
    name: str
    #: The distributions it is made of: they have to be installed, and their versions are told.
    packages: tuple[str, ...]
    #: Changes the settings of a plain project that it is handed.
    join: Callable[[Settings, Site], None]
    #: The servers it needs, as keys of the site.
    needs: tuple[str, ...] = ()
    #: Whether writes of one process reach the caches of the others.
    shared: bool = True

    def missing(self, site: Site) -> list[str]:
        """What it needs and isn't there."""
        return [one for one in self.packages if _version(one) is None] + [
            f"a server: {one}" for one in self.needs if not site.get(one)
        ]

    def versions(self) -> dict[str, str]:
        return {package: _version(package) or "" for package in self.packages}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def known() -> dict[str, Contender]:
    """All of them by name, in the order of the tables."""
    from benchmarks.contenders import cachalot, cacheops, ours, plain

    every = [plain.PLAIN, *ours.OURS, cacheops.CACHEOPS, *cachalot.CACHALOT]
    return {one.name: one for one in every}


#: Those of ``make bench`` and of ``make bench-writes``.
HITS = (
    "plain", "ours", "ours on Redis",
    "cacheops", "cachalot on Redis", "cachalot on locmem", "cachalot on Memcached",
)  # fmt: skip
WRITES = ("plain", "ours, exact", "ours, model", "cacheops", "cachalot on Redis", "cachalot on locmem")


def settings_of(site: Site) -> Settings:
    """The whole settings of the contender that ``site`` names."""
    settings: Settings = {
        "SECRET_KEY": site["secret"],
        "DATABASES": {"default": site["database"]},
        "INSTALLED_APPS": ["benchmarks.catalogue"],
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "USE_TZ": True,
    }
    known()[site["contender"]].join(settings, site)
    return settings


def redis_url(site: Site) -> str:
    """A database of the Redis server for this site alone."""
    return f"unix://{site['redis']}?db={site['redis database']}"
