"""Where the store's files lie: who shares them, and what is said where they can't be made or shared."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import time
import traceback
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.db import connections
from django.test import override_settings

from django_cache_me import _engine, log, stats
from django_cache_me.databases.identity import identity_of
from django_cache_me.exceptions import StoreError
from django_cache_me.stores import places, select, shared_memory
from tests.processes import Worker
from tests.shop.models import Category

#: Nobody in particular, and a group that no file has by itself.
NOBODY, SHARED_GROUP = 65534, 54321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def set_up(directory, **options):
    entry = {
        "BACKEND": "django_cache_me.stores.SharedMemoryCache",
        "LOCATION": str(directory),
        "OPTIONS": options,
    }
    return override_settings(CACHES={"default": entry})


def names():
    return [category.name for category in Category.objects.all()]


def in_child(body, user=None, groups=()):
    """What ``body()`` returns in a forked child, by way of JSON; as that user, if one is given."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if user is not None:
                os.setgroups(groups)
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            answer = {"value": body()}
        except BaseException:
            answer = {"error": traceback.format_exc()}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        answer = json.loads(pipe.read())
    os.waitpid(child, 0)
    assert "error" not in answer, answer["error"]
    return answer["value"]


def life():
    """What a worker process meets: its checks, two reads, a write; as JSON."""
    connections["default"].close()
    errors = [message.msg for message in run_checks(tags=["django_cache_me"])]
    found = [names(), names()]
    try:
        Category.objects.update(name="b")
        refused = None
    except StoreError as error:
        refused = str(error)
    return {
        "errors": errors,
        "found": found,
        "hits": stats()["hits"],
        "uncached": stats()["passed"].get("no_store", 0) + stats()["not_filled"].get("no_store", 0),
        "refused": refused,
    }


@pytest.fixture
def shop(sqlite, monkeypatch):
    """A database with the category "a" that every user may use; each test gets its own stores."""
    Category.objects.create(name="a")
    connections[sqlite].close()
    names()  # all that is imported lazily, while it can be read
    run_checks(tags=["django_cache_me"])
    monkeypatch.setattr(select, "_stores", {})
    monkeypatch.setattr(log, "_last", {})
    connections[sqlite].close()
    database = Path(connections[sqlite].settings_dict["NAME"])
    before = stat.S_IMODE(database.parent.stat().st_mode)
    database.parent.chmod(0o777)
    database.chmod(0o666)
    yield sqlite
    database.parent.chmod(before)
    shared_memory._opened.clear()
    shared_memory._closed_until.clear()


@pytest.fixture
def folder(tmp_path):
    """A directory that every user can reach."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.owner() == tmp_path.owner() and parent != Path("/"):
            parent.chmod(stat.S_IMODE(parent.stat().st_mode) | 0o055)
    found = tmp_path / "shared"
    found.mkdir()
    return found


@as_root
def test_a_directory_that_cannot_be_written(shop, folder):
    folder.chmod(0o555)
    with set_up(folder):
        told = in_child(life, user=NOBODY)
    assert len(told["errors"]) == 1
    assert str(folder) in told["errors"][0]
    assert "Permission denied" in told["errors"][0]
    assert "choose another place" in told["errors"][0]
    assert (told["found"], told["hits"], told["uncached"]) == ([["a"], ["a"]], 0, 2)
    assert str(folder) in told["refused"], "nobody else would hear of it"
    assert names() == ["a"]
    assert list(folder.iterdir()) == [], "no second file, no rest"


@as_root
def test_files_of_another_user(shop, folder):
    """They are left alone, and nothing is made beside them: two stores would not hear of each other."""
    folder.chmod(0o1777)
    with set_up(folder):
        names()
        connections[shop].close()
        before = {path.name: path.stat() for path in folder.iterdir()}
        assert len(before) == 2
        told = in_child(life, user=NOBODY)
    assert len(told["errors"]) == 2
    for kind, error in zip(("versions", "entries"), told["errors"]):
        assert places_of(kind, before) in error
        assert "belongs to user 0" in error
        assert "group that all users share" in error
    assert (told["found"], told["hits"], told["uncached"]) == ([["a"], ["a"]], 0, 2)
    assert places_of("versions", before) in told["refused"]
    assert "belongs to user 0" in told["refused"]
    assert names() == ["a"]
    after = {path.name: path.stat() for path in folder.iterdir()}
    assert [(name, about.st_ino, about.st_mode) for name, about in sorted(before.items())] == [
        (name, about.st_ino, about.st_mode) for name, about in sorted(after.items())
    ]


def places_of(kind, files):
    (found,) = (name for name in files if f".{kind}." in name)
    return found


@as_root
def test_files_that_a_group_shares(shop, folder):
    """One user's entry is the other's hit, and its commit the other's miss."""
    folder.chmod(0o1777)
    with set_up(folder, group=SHARED_GROUP):
        names()
        for path in folder.iterdir():
            about = path.stat()
            assert (about.st_gid, stat.S_IMODE(about.st_mode)) == (SHARED_GROUP, 0o660)
        time.sleep(2.2)  # nobody trusts a new version file before two leases have passed
        names()
        connections[shop].close()
        hits = stats()["hits"]
        assert names() == ["a"]
        assert stats()["hits"] - hits == 1
        told = in_child(life, user=NOBODY, groups=[SHARED_GROUP])
        assert told == {**told, "errors": [], "found": [["a"], ["a"]], "refused": None}
        assert told["hits"] - hits - 1 == 2
        assert names() == ["b"]
        assert len(list(folder.iterdir())) == 2


def with_little_room(size, body):
    """As where a file may not grow beyond ``size``: to the store the same as a file system that is full."""

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return body()

    return in_child(limited)


def test_no_room_for_any_file(shop, tmp_path):
    with set_up(tmp_path, size=64 << 20):
        told = with_little_room(4096, life)
    assert len(told["errors"]) == 1
    assert "cannot reserve 67.08 MB" in told["errors"][0]
    assert str(tmp_path) in told["errors"][0]
    assert "choose a smaller size or another place" in told["errors"][0]
    assert (told["found"], told["hits"], told["uncached"]) == ([["a"], ["a"]], 0, 2)
    assert "cannot reserve" in told["refused"]
    assert names() == ["a"]
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_the_entries(shop, tmp_path):
    """Reads are misses; writes go on, and those who have more room hear of them."""
    with set_up(tmp_path, size=64 << 20):
        identity = identity_of(connections[shop], ask=False).database
        versions = _engine.VersionTable.open(places.versions_file(identity)[0], identity, fresh=True)
        clock = versions.clock()
        told = with_little_room(16 << 20, life)
        assert len(told["errors"]) == 1
        assert "cannot reserve 67.08 MB" in told["errors"][0]
        assert (told["found"], told["refused"], told["uncached"]) == ([["a"], ["a"]], None, 2)
        assert versions.clock() == clock + 1
        assert names() == ["b"]


def test_workers_in_other_folders_meet(sqlite):
    Category.objects.create(name="a")
    names()
    connections[sqlite].close()
    here = str(Path(__file__).parent.parent)
    elsewhere = ["env", "-C", "/", f"PYTHONPATH={here}", "HOME=/", "TMPDIR=/", "USER=somebody"]
    with Worker(within=elsewhere) as worker:
        assert worker.ask("os.getcwd()") == "/"
        assert worker.ask("hits_of('default')") == [["a"], 1]
        worker.ask("Category.objects.update(name='b')")
        assert names() == ["b"]


def test_paths_are_the_same_in_every_release(tmp_path):
    """Workers of two releases run side by side during a deployment: what they share must not move.

    If this fails, the names were changed; don't.
    """
    with set_up(tmp_path), override_settings(SECRET_KEY="secret"):
        assert places.place().entries == f"{tmp_path}/django_cache_me.entries.{ENTRIES_OF_SECRET}"
        assert places.versions_file("a database")[0] == f"{tmp_path}/django_cache_me.versions.{VERSIONS}"


ENTRIES_OF_SECRET = "df0d030f96d6f033bea19c0019dfc0a1"
VERSIONS = "67ecc38ead3c068692136f7d174d6654"


def test_projects_share_versions_and_no_entries(sqlite, tmp_path):
    identity = identity_of(connections[sqlite], ask=False)
    found = []
    for secret in ("one", "other"):
        with set_up(tmp_path), override_settings(SECRET_KEY=secret):
            found.append((places.place().entries, places.versions_file(identity.database)[0]))
    assert found[0][0] != found[1][0]
    assert found[0][1] == found[1][1]
