"""The contract on every backend: its tests, those of processes and of every kind of query, again there.

On the dummy backend those that ask for hits are left out, or end where they ask.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.stores.test_protocol import KINDS, caches_of

#: What each backend has to pass, besides the shared memory's own run of everything.
MODULES = [
    "tests/test_contract.py",
    "tests/test_contract_settings.py",
    "tests/test_processes.py",
    "tests/test_queries.py",
]
#: What hits by plan have to be, again on one that isn't in shared memory.
PLANS = [
    "tests/test_chains.py",
    "tests/test_recorded_expressions.py",
    "tests/test_prefetches.py",
    "tests/test_forward_access.py",
]


DUMMY = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}


@pytest.mark.parametrize("kind", [*(kind for kind in KINDS if kind != "shared memory"), "dummy"])
def test_the_contract_holds_on(kind, request, tmp_path):
    entry = DUMMY if kind == "dummy" else caches_of(kind, request, tmp_path)
    # All kinds of query on one of them: what they ask of a store is the same on all.
    modules = MODULES if kind == "redis" else MODULES[:-1]
    if kind == "django-redis":
        modules = [*modules, *PLANS]
    if "redis" in kind:
        request.getfixturevalue("redis").command("CONFIG", "RESETSTAT")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *modules,
         *(["-m", "not keeps"] if kind == "dummy" else [])],
        env={**os.environ, "CACHE_ME_TEST_CACHES": json.dumps({"default": entry}),
             "CACHE_ME_ROUNDS": "10", "CACHE_ME_KILLS": "2",
             # What a store is asked doesn't depend on the database; one of them meets two.
             "CACHE_ME_TEST_VENDORS": "default postgresql" if kind == "redis" else "default"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
    print(done.stdout.splitlines()[-1])
    if "redis" in kind:
        called = set(request.getfixturevalue("redis").command("INFO", "commandstats"))
        assert {"cmdstat_mget", "cmdstat_set"} <= called
        assert not called & {"cmdstat_keys", "cmdstat_scan"}, "found by scanning keys"
