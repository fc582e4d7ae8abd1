"""Which database this is: the two identities of the design.

*Dependencies* belong to the physical database alone, so that every writer meets every reader whatever host
name, user or prefix they use. *Keys* add all that shapes an answer. What a server says is asked at a
connection's first use and remembered per process and settings, so that a request of hits alone never
connects; each new connection asks again.
"""

from __future__ import annotations

import os
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .drivers import driver_for
from .raw_connections import remember, remembered_of
from .replicas import replica_of
from .vendors.base import PRIVATE, Identity, ServerFacts, digest, settings_key

__all__ = [
    "PRIVATE",
    "Identity",
    "ServerFacts",
    "forget_connection",
    "identity_of",
    "is_of_this_connection",
    "is_to_be_asked",
    "server_facts",
]

_FACTS = "_cache_me_facts"
#: The identity, with the facts and settings that it was worked out of.
_WORKED_OUT = "_cache_me_identity_of_server"
_remembered: dict[tuple[Any, ...], Identity] = {}
os.register_at_fork(after_in_child=_remembered.clear)


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
    driver = driver_for(wrapper)
    if driver is None:
        return None
    if not driver.has_server:
        return driver.file_identity(wrapper)
    facts: ServerFacts | None = None
    state_facts = wrapper.__dict__.get(_FACTS)
    if state_facts is not None and state_facts[0] is wrapper.connection and wrapper.connection is not None:
        facts = state_facts[1]
    elif ask:
        facts = server_facts(wrapper)
    shaping = settings_key(wrapper)
    if facts is None:
        return _remembered.get(shaping)
    worked_out = wrapper.__dict__.get(_WORKED_OUT)
    if worked_out is not None and worked_out[0] is facts and worked_out[1] is shaping:
        identity: Identity = worked_out[2]
    else:
        identity = Identity(
            database=facts.database,
            key=digest(driver.vendor, shaping, facts.shaping),
            is_new=facts.is_new,
            uncacheable=facts.uncacheable,
        )
        wrapper.__dict__[_WORKED_OUT] = (facts, shaping, identity)
    _remembered[shaping] = identity
    return identity


def forget_connection(wrapper: BaseDatabaseWrapper) -> None:
    """The driver's connection isn't this one's any more: whoever has it next asks anew."""
    wrapper.__dict__.pop(_FACTS, None)
    wrapper.__dict__.pop(_WORKED_OUT, None)


def is_of_this_connection(wrapper: BaseDatabaseWrapper, identity: Identity) -> bool:
    """Whether ``identity`` was worked out of what the server said over the connection that is open now."""
    known, worked_out = wrapper.__dict__.get(_FACTS), wrapper.__dict__.get(_WORKED_OUT)
    return (
        known is not None
        and known[0] is wrapper.connection
        and worked_out is not None
        and worked_out[0] is known[1]
        and worked_out[2] is identity
    )


def is_to_be_asked(wrapper: BaseDatabaseWrapper) -> bool:
    """Whether the server is still to be asked over the connection that is open now.

    What is SET until then shapes its answer; what it said when a pool handed the connection out before
    doesn't count then.
    """
    known = wrapper.__dict__.get(_FACTS)
    if known is not None and known[0] is wrapper.connection:
        return False
    remember(wrapper.connection, _FACTS, None)
    return True


def server_facts(wrapper: BaseDatabaseWrapper) -> ServerFacts:
    """Ask the server once per connection what it is. The driver's errors are raised."""
    known = wrapper.__dict__.get(_FACTS)
    raw = wrapper.connection
    if known is not None and known[0] is raw:
        facts: ServerFacts = known[1]
        return facts
    pooled: ServerFacts | None = remembered_of(raw, _FACTS, None)
    if pooled is None:
        driver = driver_for(wrapper)
        assert driver is not None
        pooled = driver.ask_server(wrapper)
        remember(raw, _FACTS, pooled)
    wrapper.__dict__[_FACTS] = (raw, pooled)
    return pooled
