"""Which database this is: the two identities of the design.

*Dependencies* belong to the physical database alone, so that every writer meets every reader whatever host
name, user or prefix they use. *Keys* add all that shapes an answer. What a server says is asked at a
connection's first use and remembered per process and settings, so that a request of hits alone never
connects; each new connection asks again.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .. import _engine
from .raw_connections import remember, remembered_of
from .replicas import replica_of

PRIVATE = "private"


class Identity(NamedTuple):
    """Whose answer it is."""

    #: Names the physical database, as text; ``private:…`` for one that only this process can see.
    database: str
    #: Digest over all that shapes an answer read through these settings.
    key: str
    #: Whether the database holds nothing yet, so that no other process can know older answers of it.
    is_new: bool
    #: A reason why reads can't be cached at all through these settings, or "".
    uncacheable: str

    def answers_like(self, other: Identity) -> bool:
        """Whether what is read here may be kept as an answer of ``other``."""
        return not self.uncacheable and (self.database, self.key) == (other.database, other.key)

    @property
    def is_private(self) -> bool:
        return self.database.startswith(PRIVATE)


class ServerFacts(NamedTuple):
    """What a PostgreSQL server says of itself and of one session."""

    database: str
    shaping: tuple[str, ...]
    backend: str  # "<pid>@<start>"
    isolation: str
    in_recovery: bool
    is_new: bool


#: SQLite: how long (s) a file's identity is believed before the path is looked at again.
_LEASE = 1.0

_KNOWN = "_cache_me_identity"
_OPENED = "_cache_me_opened"

_remembered: dict[tuple[Any, ...], Identity] = {}
_private_names: dict[str, str] = {}
_lock = threading.Lock()


def _forget_after_fork() -> None:
    # A forked child has its own copy of every in-memory database: another database, another name.
    global _lock
    _lock = threading.Lock()
    _remembered.clear()
    _private_names.clear()


os.register_at_fork(after_in_child=_forget_after_fork)


def identity_of(wrapper: BaseDatabaseWrapper, ask: bool) -> Identity | None:
    """The identity of ``wrapper``'s database; a declared replica's dependencies are its primary's.

    Without ``ask`` only what is remembered or needs no connection: None when it would have to be asked.
    With ``ask`` the connection must be open and able to run a query; the driver's errors are raised.
    """
    identity = _own_identity(wrapper, ask)
    replica = replica_of(wrapper.alias)
    if replica is None or identity is None:
        return identity
    if not replica.of:
        return identity._replace(uncacheable="replica_settings")
    other = connections[replica.of]
    if ask:
        other.ensure_connection()
    of_primary = _own_identity(other, ask)
    if of_primary is None:
        return None
    return Identity(of_primary.database, identity.key, is_new=False, uncacheable="")


def _own_identity(wrapper: BaseDatabaseWrapper, ask: bool) -> Identity | None:
    if wrapper.vendor == "sqlite":
        return _sqlite_identity(wrapper)
    facts: ServerFacts | None = None
    state_facts = wrapper.__dict__.get("_cache_me_facts")
    if state_facts is not None and state_facts[0] is wrapper.connection and wrapper.connection is not None:
        facts = state_facts[1]
    elif ask:
        facts = server_facts(wrapper)
    settings_key = _settings_key(wrapper)
    if facts is None:
        return _remembered.get(settings_key)
    identity = Identity(
        database=facts.database,
        key=_digest("postgresql", settings_key, facts.shaping),
        is_new=facts.is_new,
        uncacheable="in_recovery" if facts.in_recovery else "",
    )
    _remembered[settings_key] = identity
    return identity


def server_facts(wrapper: BaseDatabaseWrapper) -> ServerFacts:
    """Ask a PostgreSQL server once per connection what it is. The driver's errors are raised."""
    known = wrapper.__dict__.get("_cache_me_facts")
    raw = wrapper.connection
    if known is not None and known[0] is raw:
        facts: ServerFacts = known[1]
        return facts
    pooled: ServerFacts | None = remembered_of(raw, _FACTS, None)
    if pooled is not None:
        wrapper.__dict__["_cache_me_facts"] = (raw, pooled)
        return pooled
    with raw.cursor() as cursor:
        cursor.execute(_FACTS_SQL)
        row = cursor.fetchone()
    (system, oid, pid, start, isolation, in_recovery, tables, *shaping) = row
    facts = ServerFacts(
        database=f"postgresql:{system}:{oid}",
        shaping=tuple(str(fact) for fact in (system, oid, in_recovery, *shaping)),
        backend=f"{pid}@{start}",
        isolation=str(isolation),
        in_recovery=bool(in_recovery),
        is_new=not tables,
    )
    wrapper.__dict__["_cache_me_facts"] = (raw, facts)
    remember(raw, _FACTS, facts)
    return facts


_FACTS = "server_facts"
_FACTS_SQL = """
SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system())::text,
       (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())::text,
       pg_backend_pid()::text,
       (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint::text FROM pg_catalog.pg_stat_activity
         WHERE pid = pg_backend_pid()),
       current_setting('default_transaction_isolation'),
       pg_is_in_recovery(),
       EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')),
       current_user::text, session_user::text,
       current_setting('search_path'), current_setting('TimeZone'), current_setting('DateStyle'),
       current_setting('IntervalStyle'), current_setting('bytea_output'),
       current_setting('extra_float_digits'), current_setting('row_security'),
       current_setting('standard_conforming_strings'), current_setting('server_version_num'),
       pg_postmaster_start_time()::text,
       (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())::text
"""


def _sqlite_identity(wrapper: BaseDatabaseWrapper) -> Identity:
    name = str(wrapper.settings_dict["NAME"])
    if wrapper.is_in_memory_db():  # type: ignore[attr-defined]
        return _memory_identity(wrapper, name)
    now = time.monotonic()
    # The same, for this connection object, without looking at all of its settings.
    known = wrapper.__dict__.get(_KNOWN)
    sources = (wrapper.settings_dict["NAME"], wrapper.timezone_name, settings.USE_TZ)
    if known is not None and now - known[0] < _LEASE and known[1] == sources:
        identity: Identity = known[2]
        return identity
    settings_key = _settings_key(wrapper)
    path = _sqlite_path(name)
    found = _engine.file_identity(path)
    opened = wrapper.__dict__.get(_OPENED)
    if opened is not None and opened[0] is wrapper.connection and opened[1] != found:
        # An open connection goes on with the file that it has opened, whatever has its name by now.
        database = f"sqlite:{opened[1]}"
        return Identity(database, _digest("sqlite", settings_key, (database,)), False, "replaced_file")
    if found is None:
        # No file yet: whoever connects makes it. Until then nothing can be read, so any name will do that
        # no file can have.
        return Identity(f"{PRIVATE}:missing:{path}", "", is_new=True, uncacheable="no_database_file")
    database = f"sqlite:{found}"
    identity = Identity(
        database=database,
        key=_digest("sqlite", settings_key, (database,)),
        is_new=_is_empty(path),
        uncacheable="",
    )
    wrapper.__dict__[_KNOWN] = (now, sources, identity)
    return identity


def note_opened_file(wrapper: BaseDatabaseWrapper) -> None:
    """``wrapper`` has just opened its SQLite file: which one is that?"""
    wrapper.__dict__.pop(_KNOWN, None)
    if not wrapper.is_in_memory_db():  # type: ignore[attr-defined]
        found = _engine.file_identity(_sqlite_path(str(wrapper.settings_dict["NAME"])))
        wrapper.__dict__[_OPENED] = (wrapper.connection, found)


def _is_empty(path: str) -> bool:
    try:
        return os.path.getsize(path) == 0
    except OSError:
        return False


def _sqlite_path(name: str) -> str:
    if name.startswith("file:"):
        name = name[len("file:") :].partition("?")[0]
        if name.startswith("//"):
            name = "/" + name[2:].partition("/")[2]
    return os.path.realpath(name)


def _memory_identity(wrapper: BaseDatabaseWrapper, name: str) -> Identity:
    if "mode=memory" in name and "cache=shared" in name:
        holder = name  # shared by all connections of this process that use this name
    else:
        known = wrapper.__dict__.get("_cache_me_memory")
        if known is None or known[0] is not wrapper.connection:
            known = (wrapper.connection, uuid.uuid4().hex)
            wrapper.__dict__["_cache_me_memory"] = known
        holder = known[1]
    with _lock:
        unique = _private_names.setdefault(holder, uuid.uuid4().hex)
    database = f"{PRIVATE}:sqlite:{unique}"
    return Identity(
        database=database,
        key=_digest("sqlite", _settings_key(wrapper), (database,)),
        is_new=True,
        uncacheable="",
    )


def _settings_key(wrapper: BaseDatabaseWrapper) -> tuple[Any, ...]:
    """All of the project's settings that shape what this connection answers."""
    own = wrapper.settings_dict
    return (
        type(wrapper).__module__,
        str(own.get("NAME")),
        str(own.get("HOST")),
        str(own.get("PORT")),
        str(own.get("USER")),
        repr(sorted((own.get("OPTIONS") or {}).items(), key=str)),
        str(wrapper.timezone_name),
        bool(settings.USE_TZ),
    )


def _digest(*parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        text = repr(part).encode("utf-8", "backslashreplace")
        digest.update(len(text).to_bytes(8, "little") + text)
    return digest.hexdigest()[:32]
