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


def place() -> Place:
    """Read from the project's ``CACHES`` entry; raises :class:`StoreError` for what can't be right."""
    global _last
    last, caches, alias = _last, conf.of_django("CACHES"), conf.setting("CACHE")
    secret = conf.of_django("SECRET_KEY", "")
    if last is None or last[0] is not caches or last[1] is not alias or last[2] is not secret:
        last = _last = (caches, alias, secret, _read_place())
    found = last[3]
    if isinstance(found, str):
        raise StoreError(found)
    return found


#: What the last place was read from (CACHES, alias, secret), and the place or what is wrong with it.
_last: tuple[Any, Any, Any, Place | str] | None = None


def _read_place() -> Place | str:
    entry = _entry()
    try:
        return place_at(entry.get("LOCATION"), entry.get("OPTIONS"), f"CACHES[{conf.setting('CACHE')!r}]")
    except StoreError as error:
        return str(error)


def versions_file(database: str) -> tuple[str, int | None]:
    """The path of a database's version file, and the group (id) that may share it.

    By directory and group alone: a wrong size or a misspelt option costs the entries, but writes are told.
    Raises :class:`StoreError` for a group that isn't there.
    """
    entry = _entry()
    name = hashlib.sha256(b"django_cache_me versions\0" + database.encode()).hexdigest()[:32]
    path = os.path.join(_directory(entry.get("LOCATION")), f"django_cache_me.versions.{name}")
    return path, _group_id(_lower_case(entry.get("OPTIONS")).get("group"))


def _entry() -> dict[str, Any]:
    """The ``CACHES`` entry that the setting chooses, if its backend is ours; else an empty one."""
    entry: dict[str, Any] = settings.CACHES.get(conf.cache_alias(), {})
    return entry if str(entry.get("BACKEND", "")).startswith("django_cache_me.") else {}


def place_at(location: Any, options: Any, entry: str) -> Place:
    """The place that a ``CACHES`` entry asks for by its ``LOCATION`` and ``OPTIONS``.

    ``entry`` names it in the :class:`StoreError` that is raised for what can't be right.
    """
    directory = _directory(location)
    if options is not None and not isinstance(options, Mapping):
        raise StoreError(f"{entry}['OPTIONS'] must be a dict, not {options!r}.")
    options = _lower_case(options)
    for name in options:
        if name not in _OPTION_NAMES and name not in _IGNORED_OPTIONS:
            close = difflib.get_close_matches(name, _OPTION_NAMES, n=1)
            raise StoreError(
                f"{entry}['OPTIONS'] has {name!r}, which the shared-memory store "
                f"doesn't know.{f' Did you mean {close[0]!r}?' if close else ''}"
            )
    size = options.get("size", DEFAULT_SIZE)
    if isinstance(size, bool) or not isinstance(size, int) or not 1024 * 1024 <= size < 2**63:
        raise StoreError(f"The option 'size' must be a number of bytes of at least 1 MiB, not {size!r}.")
    secret = str(getattr(settings, "SECRET_KEY", "") or settings.SETTINGS_MODULE)
    name = hashlib.sha256(b"django_cache_me entries\0" + secret.encode()).hexdigest()[:32]
    entries = os.path.join(directory, f"django_cache_me.entries.{name}")
    return Place(directory, size, _group_id(options.get("group")), entries)


def _directory(location: Any) -> str:
    return str(location) if location else default_directory()


def default_directory() -> str:
    return _SHARED_MEMORY if os.path.isdir(_SHARED_MEMORY) else tempfile.gettempdir()


def _lower_case(options: Any) -> dict[str, Any]:
    if not isinstance(options, Mapping):
        return {}
    return {str(name).lower(): value for name, value in options.items()}


def _group_id(group: Any) -> int | None:
    if group is None or (isinstance(group, int) and 0 <= group < 2**32 - 1 and not isinstance(group, bool)):
        return group
    try:
        return grp.getgrnam(str(group)).gr_gid
    except (KeyError, ValueError):
        raise StoreError(
            f"The option 'group' names the group {group!r}, which this host doesn't know."
        ) from None
