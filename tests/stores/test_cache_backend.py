"""The cache backend: values, ends, several processes, whose keys are whose, and bad luck."""

from __future__ import annotations

import asyncio
import collections
import datetime
import os
import subprocess
import sys
import threading
import time

import pytest
from django.core.cache import caches
from django.core.checks import run_checks
from django.test import override_settings

from django_cache_me import invalidate_all_caches, log, stats
from django_cache_me.stores import SharedMemoryCache, cache_backend, shared_memory
from tests.looking import assert_hit
from tests.processes import Worker
from tests.shop.models import Category

BACKEND = "django_cache_me.stores.SharedMemoryCache"


@pytest.fixture
def cache(tmp_path):
    """A cache in a place of its own."""
    return SharedMemoryCache(str(tmp_path), {})


@pytest.fixture
def shared():
    """The test project's cache, which worker processes have as well."""
    caches["default"].clear()
    yield caches["default"]
    caches["default"].clear()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """Each test gets its own log lines, and its own patience."""
    monkeypatch.setattr(log, "_last", {})
    monkeypatch.setattr(cache_backend, "_impatient_until", 0.0)


def dropped(reason):
    return stats()["dropped"].get(reason, 0)


# --- Values

Pair = collections.namedtuple("Pair", "a b")


class Text(str):
    pass


class Number(int):
    pass


@pytest.mark.parametrize(
    "value",
    [
        *(0, 1, -1, 2**63 - 1, -(2**63), 2**63, -(2**200), True, False, None, 1.5, float("inf")),
        *("", "text", "Grüße 清 😀", "\ud800\udc00", "a\0b", b"", b"\x00\xff", bytearray(b"x")),
        *((), (1, "a"), [1, [2]], {"a": {1, 2}}, Pair(1, 2), Text("x"), Number(5)),
        *(datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc), "x" * 500_000, b"x" * 500_000),
    ],
    ids=lambda value: f"{type(value).__name__}-{str(value)[:12]!a}",
)
def test_values_come_back_as_they_were(cache, value):
    cache.set("key", value)
    found = cache.get("key", "nothing")
    assert found == value
    assert type(found) is type(value)


def test_each_get_gives_a_value_of_its_own(cache):
    cache.set("key", [1])
    cache.get("key").append(2)
    assert cache.get("key") == [1]


def test_keys_of_any_kind(cache):
    for key in ("清", 5, "a" * 200, "\ud800", ""):
        cache.set(key, f"value of {key!r}")
        assert cache.get(key) == f"value of {key!r}"


def test_a_value_whose_class_has_gone_is_a_miss(cache, caplog, monkeypatch):
    cache.set("key", Pair(1, 2))
    cache.set("other", [1])
    monkeypatch.delattr(sys.modules[__name__], "Pair")
    assert cache.get("key", "default") == "default"
    assert "key" not in cache
    assert cache.get_many(["key", "other"]) == {"other": [1]}
    with pytest.raises(ValueError, match="not found"):
        cache.incr("key")
    assert "can't be read" in caplog.text


def test_bytes_of_the_file_are_not_trusted(cache, tmp_path):
    entries = shared_memory.entries_at(cache._place)
    for spoilt in (b"", b"i12", b"s\xff", b"p", b"pgarbage", b"?"):
        entries.put_bytes(cache._full_key("key", None), spoilt, 0)
        assert cache.get("key", "default") == "default"


# --- Ends


def test_values_end(cache):
    cache.set("a", 1)  # makes the file
    cache.set("short", 1, timeout=0.3)
    cache.set("long", 2, timeout=1000)
    cache.set("default", 3)
    cache.set("never", 4, timeout=None)
    cache.set("beyond", 5, timeout=10**30)
    cache.set("infinite", 6, timeout=float("inf"))
    assert cache.get("short") == 1
    time.sleep(0.35)
    keys = ["short", "long", "default", "never", "beyond", "infinite"]
    assert cache.get_many(keys) == {"long": 2, "default": 3, "never": 4, "beyond": 5, "infinite": 6}


@pytest.mark.parametrize("timeout", [0, -1, -0.5])
def test_a_timeout_that_is_over_keeps_nothing(cache, timeout):
    cache.set("set", 1)
    cache.set("set", 2, timeout=timeout)
    cache.set("touched", 1)
    assert cache.touch("touched", timeout=timeout) is True
    assert cache.touch("touched", timeout=timeout) is False
    assert cache.add("added", 1, timeout=timeout) is True
    assert cache.set_many({"many": 1}, timeout=timeout) == []
    assert cache.get_many(["set", "touched", "added", "many"]) == {}
    cache.set("there", 1)
    assert cache.add("there", 2, timeout=timeout) is False
    assert cache.get("there") == 1


def test_the_default_timeout_is_the_aliases(tmp_path):
    cache = SharedMemoryCache(str(tmp_path), {"TIMEOUT": 1})
    cache.set("a", 1)
    cache.set("b", 1, timeout=None)
    assert cache.touch("b")
    assert cache.get_many(["a", "b"]) == {"a": 1, "b": 1}
    time.sleep(1.05)
    assert cache.get_many(["a", "b"]) == {}


def test_touch_moves_the_end_and_keeps_the_value(cache):
    cache.set("a", ["value"], timeout=0.3)
    assert cache.touch("a", timeout=1000) is True
    time.sleep(0.35)
    assert cache.get("a") == ["value"]
    assert cache.touch("nothing") is False


def test_incr_keeps_the_end(cache):
    cache.set_many({"integer": 1, "float": 1.5}, timeout=0.4)
    assert cache.incr("integer") == 2
    assert cache.incr("float") == 2.5
    time.sleep(0.45)
    assert cache.get_many(["integer", "float"]) == {}


# --- Numbers


@pytest.mark.parametrize(
    ("value", "delta", "total"),
    [
        (1, 5, 6),
        (1, -5, -4),
        (2**63 - 1, 1, 2**63),
        (-(2**63), -1, -(2**63) - 1),
        (2**100, 1, 2**100 + 1),
        (1, 2**70, 2**70 + 1),
        (2**63, -1, 2**63 - 1),
        (1.5, 1, 2.5),
        (1, 0.5, 1.5),
        (True, 1, 2),
        ("a", "b", "ab"),
    ],
)
def test_incr_adds_what_python_adds(cache, value, delta, total):
    cache.set("n", value)
    assert cache.incr("n", delta) == total
    assert cache.get("n") == total


def test_incr_of_what_is_no_number(cache):
    cache.set("text", "a")
    with pytest.raises(TypeError):
        cache.incr("text")
    assert cache.get("text") == "a"
    for change in (cache.incr, cache.decr, cache.incr_version):
        with pytest.raises(ValueError, match="'nothing' not found"):
            change("nothing")


# --- Several processes


def test_processes_share_values(shared):
    with Worker() as worker:
        shared.set("a", {"from": "here"})
        assert worker.ask("caches['default'].get('a')") == {"from": "here"}
        worker.ask("caches['default'].set_many({'b': [1], 'c': 'x'})")
        assert shared.get_many(["b", "c"]) == {"b": [1], "c": "x"}
        worker.ask("caches['default'].delete('b')")
        assert "b" not in shared
        worker.ask("caches['default'].clear()")
        assert shared.get_many(["a", "b", "c"]) == {}


@pytest.mark.parametrize(("start", "delta"), [("0", 1), ("0.0", 0.5), ("2**63", 1)])
def test_no_processes_addition_is_lost(shared, start, delta):
    rounds = 2000
    with Worker() as one, Worker() as other:
        one.ask(f"caches['default'].set('n', {start})")
        for worker in (one, other):
            worker.send(f"[caches['default'].incr('n', {delta}) for _ in range({rounds})][-1]")
        mine = [shared.incr("n", delta) for _ in range(rounds)]
        last = [one.receive(), other.receive(), mine[-1]]
    assert shared.get("n") == eval(start) + 3 * rounds * delta == max(last)
    assert len(set(mine)) == rounds


def test_only_one_process_adds(shared):
    keys = range(500)
    with Worker() as one, Worker() as other:
        for name, worker in (("one", one), ("other", other)):
            worker.send(f"[caches['default'].add(n, {name!r}) for n in range({len(keys)})]")
        added = {"one": one.receive(), "other": other.receive()}
    for key in keys:
        winners = [name for name in added if added[name][key]]
        assert winners == [shared.get(key)]


def test_a_killed_process_leaves_whole_values(shared):
    endless = (
        "all(not caches['default'].set('v', [n] * (n % 3000)) and caches['default'].add('n', 7) is not None "
        "and caches['default'].incr('n', 7) for n in __import__('itertools').count())"
    )
    for attempt in range(4):
        shared.set("n", 7)
        with Worker() as worker:
            worker.send(endless)
            time.sleep(0.05 + attempt * 0.03)
            worker.kill()
        value, number = shared.get("v", []), shared.get("n", 7)
        assert number % 7 == 0
        assert len(value) == 0 or value == [value[0]] * (value[0] % 3000)
        shared.set("after", attempt)
        assert shared.get("after") == attempt


def test_a_forked_child_goes_on(cache):
    cache.set("n", 1)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if cache.incr("n") == 2 and cache.add("child", "here") else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert cache.get_many(["n", "child"]) == {"n": 2, "child": "here"}


def test_threads_share_an_object(cache):
    cache.set("n", 0)

    def work():
        for number in range(500):
            cache.incr("n")
            cache.set(f"key{number}", number)
            assert cache.get(f"key{number}") == number

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.get("n") == 2000


# --- Whose keys


def test_aliases_of_one_place_differ_by_their_keys(tmp_path):
    plain = SharedMemoryCache(str(tmp_path), {})
    same = SharedMemoryCache(str(tmp_path), {"OPTIONS": {"size": 1 << 20}})
    prefixed = SharedMemoryCache(str(tmp_path), {"KEY_PREFIX": "shop"})
    newer = SharedMemoryCache(str(tmp_path), {"VERSION": 2})
    own = SharedMemoryCache(str(tmp_path), {"KEY_FUNCTION": lambda key, prefix, version: f"own-{key}"})
    for number, cache in enumerate((plain, prefixed, newer, own)):
        cache.set("key", number)
    assert [cache.get("key") for cache in (plain, same, prefixed, newer, own)] == [0, 0, 1, 2, 3]
    prefixed.clear()
    assert [cache.get("key") for cache in (plain, same, prefixed, newer, own)] == [None] * 5


def test_aliases_of_other_places_are_apart(tmp_path):
    (tmp_path / "other").mkdir()
    here, there = SharedMemoryCache(str(tmp_path), {}), SharedMemoryCache(str(tmp_path / "other"), {})
    here.set("key", 1)
    assert there.get("key") is None
    there.set("key", 2)
    here.clear()
    assert there.get("key") == 2


def test_querysets_and_the_cache_leave_each_other_alone(sqlite, shared):
    Category.objects.create(name="a")
    names = lambda: [category.name for category in Category.objects.all()]  # noqa: E731
    names()
    shared.set_many({f"key{number}": number for number in range(100)}, timeout=None)
    shared.clear()
    assert shared.get_many([f"key{number}" for number in range(100)]) == {}
    assert_hit(sqlite, names)
    shared.set("session", "precious")
    Category.objects.create(name="b")
    invalidate_all_caches()
    assert shared.get("session") == "precious"
    assert names() == ["a", "b"]


def test_the_file_is_its_owners_alone(cache):
    cache.set("a", 1)
    assert os.stat(cache._place.entries).st_mode & 0o777 == 0o600


# --- Room


@pytest.mark.parametrize("change", ["set", "set_many", "incr", "add"])
def test_what_is_too_large_is_dropped_and_the_old_value_with_it(tmp_path, change):
    cache = SharedMemoryCache(str(tmp_path), {"OPTIONS": {"size": 1 << 20}})
    large = "x" * (1 << 20)
    before = dropped("too_large")
    if change == "add":
        assert cache.add("key", large) is False
    elif change == "incr":
        cache.set("key", "small")
        with pytest.raises(ValueError, match="not found"):
            cache.incr("key", large)
    else:
        cache.set("key", "small")
        many = {"key": large, "other": 1}
        assert (cache.set("key", large) if change == "set" else cache.set_many(many)) in (None, ["key"])
    assert cache.get("key") is None
    assert dropped("too_large") == before + 1


def test_old_values_make_room_for_new_ones(tmp_path):
    cache = SharedMemoryCache(str(tmp_path), {"OPTIONS": {"size": 1 << 20}})
    for number in range(3000):
        cache.set(number, "x" * 1000, timeout=None)
        assert cache.get(number) is not None
    assert 0 < len(cache.get_many(range(3000))) < 3000


# --- On an event loop


def test_async_twins_answer_without_a_thread(cache, monkeypatch):
    def no_thread(*args, **kwargs):
        raise AssertionError("a hop to a thread")

    async def use():
        monkeypatch.setattr(cache_backend, "sync_to_async", no_thread)
        await cache.aset("a", 1)
        assert await cache.aget("a") == 1
        assert await cache.aget("nothing", "default") == "default"
        assert await cache.aadd("a", 2) is False
        assert await cache.aadd("b", 2) is True
        assert await cache.aincr("a", 5) == 6
        assert await cache.atouch("a", 1000) is True
        assert await cache.aset_many({"c": 3, "d": 4}) == []
        assert await cache.adelete("b") is True
        await cache.adelete_many(key for key in ["c"])
        with pytest.raises(ValueError, match="not found"):
            await cache.aincr("nothing")
        monkeypatch.undo()
        assert cache.get_many(["a", "b", "c", "d"]) == {"a": 6, "d": 4}
        await cache.aclear()
        await cache.aclose()
        assert cache.get_many(["a", "b", "c", "d"]) == {}

    asyncio.run(use())


# --- Bad luck


class Busy:
    """Entries whose lock somebody else holds, for the first so many attempts."""

    def __init__(self, entries, times):
        self._entries, self._times = entries, times
        self.threads = []

    def put_bytes(self, *args):
        self.threads.append(threading.current_thread())
        if len(self.threads) <= self._times:
            return "busy"
        return self._entries.put_bytes(*args)


def busy(monkeypatch, cache, times):
    entries = Busy(shared_memory.entries_at(cache._place), times)
    monkeypatch.setattr(cache_backend, "entries_at", lambda place: entries)
    return entries


def test_a_change_waits_for_a_busy_entry(cache, monkeypatch):
    entries = busy(monkeypatch, cache, times=5)
    cache.set("a", 1)
    assert len(entries.threads) == 6
    monkeypatch.undo()
    assert cache.get("a") == 1


def test_a_change_on_an_event_loop_waits_in_a_thread(cache, monkeypatch):
    entries = busy(monkeypatch, cache, times=5)
    asyncio.run(cache.aset("a", 1))
    assert len(entries.threads) == 6
    assert entries.threads[0] is threading.main_thread()
    assert threading.main_thread() not in entries.threads[1:]
    monkeypatch.undo()
    assert cache.get("a") == 1


def test_a_change_that_waits_in_vain_is_counted_and_said_and_the_next_does_not_wait(
    cache, monkeypatch, caplog
):
    before = dropped("busy")
    busy(monkeypatch, cache, times=10**6)
    began = time.monotonic()
    cache.set("a", 1)
    assert 0.4 < time.monotonic() - began < 5
    began = time.monotonic()
    assert cache.set_many({"a": 1, "b": 2}) == ["a", "b"]
    assert time.monotonic() - began < 0.3
    assert dropped("busy") == before + 3
    assert caplog.text.count("an old value may stay") == 1


def test_a_store_that_cannot_be_opened_is_misses_and_one_log_line(tmp_path, caplog):
    cache = SharedMemoryCache(str(tmp_path / "nowhere"), {})
    before = dropped("no_store")
    cache.set("a", 1)
    assert cache.get("a", "default") == "default"
    assert cache.get_many(["a"]) == {}
    assert cache.set_many({"a": 1}) == ["a"]
    assert cache.add("a", 1) is False
    assert cache.add("a", 1, timeout=0) is False
    assert cache.touch("a") is False
    assert cache.delete("a") is False
    assert cache.get_or_set("a", 5) == 5
    assert "a" not in cache
    cache.delete_many(["a"])
    cache.clear()
    cache.close()
    with pytest.raises(ValueError, match="not found"):
        cache.incr("a")
    (line,) = caplog.messages
    assert line.startswith("[django-cache-me] Nothing is cached: cannot create")
    assert str(tmp_path / "nowhere") in line
    assert dropped("no_store") >= before + 7
    # As soon as it can be opened, it is.
    (tmp_path / "nowhere").mkdir()
    shared_memory._closed_until.clear()
    cache.set("a", 1)
    assert cache.get("a") == 1


def test_the_file_may_be_removed_under_a_running_process(cache):
    cache.set("a", 1)
    os.unlink(cache._place.entries)
    time.sleep(1.1)
    assert cache.get("a") is None
    cache.set("a", 2)
    assert cache.get("a") == 2
    assert os.path.exists(cache._place.entries)


# --- Set-up


class OwnCache(SharedMemoryCache):
    pass


@pytest.mark.parametrize("backend", [BACKEND, "tests.stores.test_cache_backend.OwnCache"])
def test_the_checks_look_at_every_alias(tmp_path, backend):
    broken = {"BACKEND": backend, "LOCATION": str(tmp_path / "nowhere")}
    misspelt = {"BACKEND": backend, "LOCATION": str(tmp_path), "OPTIONS": {"sise": 5 << 20}}
    fine = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    with override_settings(CACHES={"default": fine, "broken": broken, "misspelt": misspelt}):
        found = [message for message in run_checks() if message.id == "django_cache_me.E006"]
    assert len(found) == 2
    assert str(tmp_path / "nowhere") in found[0].msg
    assert "CACHES['misspelt']" in found[1].msg
    assert "Did you mean 'size'?" in found[1].msg


def test_the_checks_leave_other_backends_to_django():
    missing = {"BACKEND": "nowhere.Cache"}
    with override_settings(CACHES={"default": caches.settings["default"], "missing": missing}):
        assert run_checks(tags=["django_cache_me"]) == []


@pytest.mark.parametrize(
    ("options", "said"), [({"sise": 5 << 20}, "Did you mean 'size'?"), ({"size": "5 MB"}, "at least 1 MiB")]
)
def test_with_wrong_options_all_is_a_miss_and_the_log_says_why(tmp_path, caplog, options, said):
    cache = SharedMemoryCache(str(tmp_path), {"OPTIONS": options})
    cache.set("a", 1)
    assert cache.get("a", "default") == "default"
    cache.clear()
    assert caplog.text.count(said) == 1
    assert list(tmp_path.iterdir()) == []


def test_bounds_of_other_backends_are_let_pass(tmp_path):
    cache = SharedMemoryCache(str(tmp_path), {"OPTIONS": {"MAX_ENTRIES": 3, "CULL_FREQUENCY": 2}})
    cache.set_many({number: number for number in range(50)})
    assert len(cache.get_many(range(50))) == 50


def test_it_needs_neither_the_app_nor_its_set_up(tmp_path):
    code = f"""
import sys
import django_cache_me.stores
assert "django_cache_me.stores.cache_backend" not in sys.modules
from django.conf import settings
entry = {{"BACKEND": {BACKEND!r}, "LOCATION": {str(tmp_path)!r}}}
settings.configure(SECRET_KEY="x", CACHES={{"default": entry}})
from django.core.cache import cache, caches
cache.set("a", [1])
print(cache.get("a"), type(caches["default"]).__name__)
"""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout == "[1] SharedMemoryCache\n", done.stderr
