"""Bad luck at the worst instant: processes and servers killed in a commit, files removed, clocks set."""

from __future__ import annotations

import glob
import json
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest
from django.db import connections

from tests.conftest import VENDORS, _missing
from tests.crashing import BUMPED, COMMITTED, DECLARED, DIE, STOP
from tests.processes import Worker
from tests.servers import MariaDB, PostgreSQL
from tests.shop.models import Category

#: Longer than two leases of the store (engine/src/version_table.cpp).
LONGER_THAN_ANY_LEASE = 2.2


def truth(alias):
    """What the database says, on a connection of its own."""
    try:
        return sorted(category.name for category in Category.objects.using(alias).no_cache().all())
    finally:
        connections[alias].close()


def execute(alias, *statements):
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connections[alias].close()


def assert_hits_again(worker, alias, expected, within=5.0):
    """Whatever intent stood there is gone, and what is hit is right."""
    deadline = time.monotonic() + within
    found, hit = worker.ask(f"hits_of('{alias}')")
    while not hit:
        assert found == expected
        assert time.monotonic() < deadline, "an intent of the dead stays for ever"
        time.sleep(0.02)
        found, hit = worker.ask(f"hits_of('{alias}')")
    assert found == expected


@pytest.fixture
def reader(alias):
    """A process that has the category "a" cached."""
    Category.objects.using(alias).create(name="a")
    connections[alias].close()
    with Worker() as worker:
        worker.ask(f"names('{alias}')")
        assert worker.ask(f"hits_of('{alias}')") == [["a"], 1]
        yield worker


WRITES = {
    "autocommit": "Category.objects.using('{0}').update(name='b')",
    "atomic": "transaction.atomic(using='{0}')(lambda: Category.objects.using('{0}').update(name='b'))()",
    # The second of these goes the short way (writing/single.py).
    "saves": "[one.save() for one in [Category.objects.using('{0}').get()] for one.name in ('a', 'b')]",
}
COMMITS = {"saves": 2}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("instant", [DECLARED, COMMITTED, BUMPED])
def test_a_writer_killed_in_its_commit(alias, reader, instant, write):
    with Worker() as writer:
        writer.ask(f"do('{DIE}', '{instant}', {COMMITS.get(write, 1)})")
        writer.send(WRITES[write].format(alias))
        writer.process.wait(timeout=20)
        expected = ["a"] if instant == DECLARED else ["b"]
        for _ in range(3):
            assert reader.ask(f"names('{alias}')") == expected
        assert truth(alias) == expected
        assert_hits_again(reader, alias, expected)


@pytest.mark.parametrize("instant", [DECLARED, COMMITTED])
def test_a_writer_stopped_in_its_commit_for_longer_than_any_lease(alias, reader, instant):
    with Worker() as writer:
        writer.ask(f"do('{STOP}', '{instant}')")
        writer.send(WRITES["autocommit"].format(alias))
        while state_of(writer.process.pid) != "T":
            time.sleep(0.01)
        end = time.monotonic() + LONGER_THAN_ANY_LEASE
        expected = ["a"] if instant == DECLARED else ["b"]
        while time.monotonic() < end:
            assert reader.ask(f"names('{alias}')") == expected
            time.sleep(0.05)
        os.kill(writer.process.pid, signal.SIGCONT)
        writer.receive()
        assert reader.ask(f"names('{alias}')") == ["b"]
        assert_hits_again(reader, alias, ["b"])


def state_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


# The server goes on without its client.


@pytest.fixture
def slow_commit(postgresql):
    """COMMIT takes a second: a deferred trigger sleeps."""
    execute(
        postgresql,
        "CREATE FUNCTION shop_sleep() RETURNS trigger AS"
        " $$BEGIN PERFORM pg_sleep(1); RETURN NULL; END$$ LANGUAGE plpgsql",
        "CREATE CONSTRAINT TRIGGER shop_sleep AFTER UPDATE ON shop_category"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop_sleep()",
    )
    yield postgresql
    execute(postgresql, "DROP TRIGGER shop_sleep ON shop_category", "DROP FUNCTION shop_sleep()")


SLOW_STATEMENTS = {
    "postgresql": "sql('{0}', \"UPDATE shop_category SET name = 'b' WHERE pg_sleep(1) IS NOT NULL\")",
    "mysql": "sql('{0}', \"UPDATE shop_category SET name = 'b' WHERE sleep(1) = 0\")",
}


def test_a_client_killed_while_the_server_commits(postgresql, slow_commit):
    assert_seen_when_it_is_there(postgresql, WRITES["atomic"])


@pytest.mark.parametrize("alias", [name for name in VENDORS if name != "default"], indirect=True)
def test_a_client_killed_while_the_server_is_at_its_statement(alias):
    assert_seen_when_it_is_there(alias, SLOW_STATEMENTS[alias])


@pytest.mark.parametrize("how", ["cut('{0}', 0.4)", "interrupt(0.4)"])
def test_a_commit_whose_outcome_is_unknown(postgresql, slow_commit, how):
    """The writer lives on; its connection is lost, or it no longer waits for the server's answer."""
    assert_seen_when_it_is_there(postgresql, WRITES["atomic"], how.format(postgresql))


@pytest.mark.parametrize("how", ["cut('{0}', 0.4)", "interrupt(0.4)"])
def test_a_statement_whose_outcome_is_unknown(mysql, how):
    assert_seen_when_it_is_there(mysql, SLOW_STATEMENTS[mysql], how.format(mysql))


def assert_seen_when_it_is_there(alias, write, how="kill"):
    """The server commits for a client that is gone already: its intent stands until the session is gone."""
    Category.objects.using(alias).create(name="a")
    connections[alias].close()
    with Worker() as reader, Worker() as writer:
        reader.ask(f"names('{alias}')")
        if how == "kill":
            writer.send(write.format(alias))
            time.sleep(0.4)
            writer.kill()
        else:
            writer.ask(f"names('{alias}')")
            writer.send(f"({how}, {write.format(alias)})")
            with pytest.raises(RuntimeError, match=r"OperationalError|Interrupted"):
                writer.receive()
            writer.ask(f"connections['{alias}'].close()")
        # psycopg 2 is deaf until the server has answered.
        assert truth(alias) == ["a"] or how.startswith("interrupt"), "the server is still at it"
        end = time.monotonic() + 5
        seen_b = 0
        while seen_b < 20 and time.monotonic() < end:
            before = truth(alias)
            found = reader.ask(f"names('{alias}')")
            assert found in (before, truth(alias))
            seen_b += found == ["b"]
        assert seen_b, "the server has not committed"
        assert_hits_again(reader, alias, ["b"])


@pytest.fixture(params=[name for name in VENDORS if name != "default"])
def mortal(request):
    """A server that may be killed, the settings of workers that use it, and a write that it is killed in."""
    if request.param in _missing:
        pytest.skip(_missing[request.param])
    if request.param == "postgresql":
        server = PostgreSQL()
        place = {"ENGINE": "django.db.backends.postgresql", "USER": "postgres", "HOST": server.host}
    else:
        server = MariaDB(durable=True)
        options = {**connections.databases["mysql"]["OPTIONS"], "unix_socket": server.socket}
        place = {"ENGINE": "django.db.backends.mysql", "USER": "root", "OPTIONS": options}
    server.make_database("shop")
    settings = {"DATABASES": {"default": {**place, "NAME": "shop"}}}
    yield server, {"CACHE_ME_TEST_SETTINGS": json.dumps(settings)}, request.param
    server.stop()


def test_a_server_killed_in_a_commit(mortal):
    """Nobody knows whether it was committed; after the recovery every read is what the server says."""
    server, environment, vendor = mortal
    write = SLOW_STATEMENTS["mysql"]  # in autocommit: nothing makes MariaDB's COMMIT itself slow
    with Worker(**environment) as writer, Worker(**environment) as reader:
        writer.ask("call_command('migrate', 'contenttypes', verbosity=0)")
        writer.ask("call_command('migrate', run_syncdb=True, verbosity=0)")
        writer.ask("Category.objects.create(name='a') and None")
        if vendor == "postgresql":
            write = WRITES["atomic"]
            writer.ask(
                "sql('default', 'CREATE FUNCTION nap() RETURNS trigger AS"
                " $$BEGIN PERFORM pg_sleep(3); RETURN NULL; END$$ LANGUAGE plpgsql')"
            )
            writer.ask(
                "sql('default', 'CREATE CONSTRAINT TRIGGER nap AFTER UPDATE ON shop_category"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION nap()')"
            )
        reader.ask("names('default')")
        assert_hits_again(reader, "default", ["a"])
        writer.send(write.format("default"))
        time.sleep(0.5)
        server.kill()
        with pytest.raises(RuntimeError, match="OperationalError"):
            writer.receive()
        server.start()
        for process in (reader, writer):
            process.ask("connections['default'].close()")
            process.ask("names('default')")
        assert reader.ask("names('default')") == reader.ask(
            "sorted(c.name for c in Category.objects.no_cache().all())"
        )
        assert_hits_again(reader, "default", ["a"])


# Namespaces, files, clocks.


def test_two_pid_namespaces_on_one_store(alias, reader):
    """Containers share ``/dev/shm`` and not their process numbers: the dead are known by their locks."""
    unshare = ["unshare", "--pid", "--fork", "--kill-child"]
    if os.geteuid() != 0:
        unshare[1:1] = ["--user", "--map-root-user"]
    if subprocess.run([*unshare, "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("this kernel lets this user have no pid namespaces")
    # A process that is number 1 can't kill itself, so a shell takes that place.
    within = [*unshare, "sh", "-c", '"$@"; exit $?', "sh"]
    with Worker(within=within) as writer, Worker(within=within) as other:
        assert writer.ask("os.getpid()") == other.ask("os.getpid()") < 10
        other.ask(f"names('{alias}')")
        writer.ask(f"do('{DIE}', '{COMMITTED}')")
        writer.send(WRITES["autocommit"].format(alias))
        writer.process.wait(timeout=20)
        for process in (reader, other, reader):
            assert process.ask(f"names('{alias}')") == ["b"]
        assert_hits_again(other, alias, ["b"])
        assert_hits_again(reader, alias, ["b"])


@pytest.mark.parametrize(
    ("how", "what"), [("removed", "versions"), ("removed", "entries"), ("replaced", "*")]
)
def test_files_removed_or_replaced_under_running_workers(sqlite, how, what):
    """Within a lease everybody has noticed (docs/limits.md); from then on nothing is stale."""
    Category.objects.create(name="a")
    connections[sqlite].close()
    with Worker() as one, Worker() as other:
        for worker in (one, other):
            worker.ask("names('default')")
        for path in glob.glob(os.path.join(os.environ["CACHE_ME_TEST_STORE"], f"django_cache_me.{what}.*")):
            if how == "replaced":
                shutil.copy(path, path + ".copy")
                os.replace(path + ".copy", path)
            else:
                os.unlink(path)
        time.sleep(1.1)
        for number in range(10):
            one.ask(f"Category.objects.update(name='{number}')")
            assert other.ask("names('default')") == [str(number)]
            time.sleep(0.02)
        time.sleep(LONGER_THAN_ANY_LEASE)
        other.ask("names('default')")
        assert other.ask("hits_of('default')") == [["9"], 1]
        one.ask("Category.objects.update(name='z')")
        assert other.ask("hits_of('default')") == [["z"], 0]


FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"


def test_a_clock_set_back_and_forth_changes_nothing(alias, tmp_path):
    """What ends by time ends by a clock that nobody sets."""
    library = glob.glob(FAKETIME)
    if not library:
        assert not os.environ.get("CI"), "libfaketime is missing: apt-get install faketime"
        pytest.skip("libfaketime is not installed; get it with: apt-get install faketime")
    Category.objects.using(alias).create(name="a")
    connections[alias].close()
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {
        "LD_PRELOAD": library[0],
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with Worker(**environment) as one, Worker() as other:
        for number, offset in enumerate(("-30d", "+30d", "-1d", "+3650d", "+0")):
            before = one.ask("__import__('time').time()")
            clock.write_text(offset)
            assert abs(one.ask("__import__('time').time()") - before) > 1000, "the clock was not set"
            assert_hits_again(one, alias, truth(alias))
            assert_hits_again(other, alias, truth(alias))
            one.ask(f"Category.objects.using('{alias}').update(name='{number}')")
            assert other.ask(f"names('{alias}')") == [str(number)]
            other.ask(f"Category.objects.using('{alias}').update(name='o{number}')")
            assert one.ask(f"names('{alias}')") == [f"o{number}"]


def test_many_readers_killed_at_random_leave_the_store_in_order(alias):
    """Readers fill as they read: one that dies in the middle of it must not leave half an entry."""
    for number in range(50):
        Category.objects.using(alias).create(name=f"{number:02}")
    expected = truth(alias)
    end = time.monotonic() + 3
    wrong = []

    def kill_readers():
        while time.monotonic() < end:
            with Worker() as victim:
                victim.send(
                    f"[list(Category.objects.using('{alias}').filter(id__gt=-n)) for n in range(10**5)] and 0"
                )
                time.sleep(0.05)
                victim.kill()

    with Worker() as reader:
        killer = threading.Thread(target=kill_readers)
        killer.start()
        number = 0
        while killer.is_alive():
            number = (number + 1) % 50
            found = reader.ask(
                f"sorted(c.name for c in Category.objects.using('{alias}').filter(id__gt=-{number}))"
            )
            if found != expected:
                wrong.append(found)
        killer.join()
        assert wrong == []
        assert_hits_again(reader, alias, expected)
