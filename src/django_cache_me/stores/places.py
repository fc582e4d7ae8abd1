"""Where the files of the shared-memory store lie, how large they are and who may share them.

A version file's path comes from its database's identity alone, so that every project, user, release and
folder of the host that writes to that database meets there. The entries' file is one per project, named by
its ``SECRET_KEY``: the same for every release, folder and user of the project, and for no other project.
"""

from __future__ import annotations

import difflib
import grp
import hashlib
import os
import tempfile
from typing import Any, Mapping, NamedTuple

from django.conf import settings

from .. import conf
from ..exceptions import StoreError

DEFAULT_SIZE = 32 * 1024 * 1024
_SHARED_MEMORY = "/dev/shm"
_OPTION_NAMES = ("size", "group")
#: Options of Django's own backends, which bound a cache by its number of values: this one has its size.
_IGNORED_OPTIONS = ("max_entries", "cull_frequency")


class Place(NamedTuple):
    """Directory, size of the entries' file in bytes, and the group (id) that may share the files."""

    directory: str
    size: int
    group: int | None
    #: The path of the entries' file.
    entries: str

    def versions(self, database: str) -> str:
        name = hashlib.sha256(b"django_cache_me versions\0" + database.encode()).hexdigest()[:32]
        return os.path.join(self.directory, f"django_cache_me.versions.{name}")


def place() -> Place:
    """Read from the project's ``CACHES`` entry; raises :class:`StoreError` for what can't be right."""
    global _last
    sources = (settings.CACHES, conf.setting("CACHE"), getattr(settings, "SECRET_KEY", ""))
    if _last is None or any(one is not other for one, other in zip(_last[0], sources)):
        _last = (sources, _read_place())
    return _last[1]


#: What the last place was read from, and the place.
_last: tuple[tuple[Any, ...], Place] | None = None


def _read_place() -> Place:
    alias = conf.setting("CACHE")
    entry: dict[str, Any] = settings.CACHES.get(alias, {})
    if not str(entry.get("BACKEND", "")).startswith("django_cache_me."):
        entry = {}
    return place_at(entry.get("LOCATION"), entry.get("OPTIONS"), f"CACHES[{alias!r}]")


def place_at(location: Any, options: Mapping[str, Any] | None, entry: str) -> Place:
    """The place that a ``CACHES`` entry asks for by its ``LOCATION`` and ``OPTIONS``.

    ``entry`` names it in the :class:`StoreError` that is raised for what can't be right.
    """
    directory = str(location or default_directory())
    options = {str(name).lower(): value for name, value in (options or {}).items()}
    for name in options:
        if name not in _OPTION_NAMES and name not in _IGNORED_OPTIONS:
            close = difflib.get_close_matches(name, _OPTION_NAMES, n=1)
            raise StoreError(
                f"{entry}['OPTIONS'] has {name!r}, which the shared-memory store "
                f"doesn't know.{f' Did you mean {close[0]!r}?' if close else ''}"
            )
    size = options.get("size", DEFAULT_SIZE)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1024 * 1024:
        raise StoreError(f"The option 'size' must be a number of bytes of at least 1 MiB, not {size!r}.")
    secret = str(getattr(settings, "SECRET_KEY", "") or settings.SETTINGS_MODULE)
    name = hashlib.sha256(b"django_cache_me entries\0" + secret.encode()).hexdigest()[:32]
    entries = os.path.join(directory, f"django_cache_me.entries.{name}")
    return Place(directory, size, _group_id(options.get("group")), entries)


def default_directory() -> str:
    return _SHARED_MEMORY if os.path.isdir(_SHARED_MEMORY) else tempfile.gettempdir()


def _group_id(group: Any) -> int | None:
    if group is None or (isinstance(group, int) and not isinstance(group, bool)):
        return group
    try:
        return grp.getgrnam(str(group)).gr_gid
    except KeyError:
        raise StoreError(
            f"The option 'group' names the group {group!r}, which this host doesn't know."
        ) from None
