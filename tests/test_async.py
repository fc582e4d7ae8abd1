"""After the commit: reclaiming, warming, and handing both over to a worker."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time

import django
import pytest
from django.db import connection, transaction
from django.test import override_settings

from django_cache_me import invalidate_model_cache
from django_cache_me.writing import dispatch
from tests import warmers
from tests.looking import assert_hit, seen, stored_keys
from tests.shop.models import Both, Category, Product

WARMING = {
    "DJANGO_CACHE_ME_WARM_ON_INVALIDATE": True,
    "DJANGO_CACHE_ME_WARMERS": {
        "shop.Category": ["tests.warmers.failing", "tests.warmers.categories", "tests.warmers.several"]
    },
}


@pytest.fixture(autouse=True)
def fresh():
    warmers.calls.clear()
    dispatch.forget_failures()


def read():
    return [category.name for category in Category.objects.filter(name__gt="")]


def test_warmers_fill_after_an_autocommitted_write(sqlite, caplog):
    with override_settings(**WARMING):
        Category.objects.create(name="a")
    assert warmers.calls == ["categories"]
    assert assert_hit("default", read) == ["a"]
    assert_hit("default", lambda: list(Category.objects.order_by("pk")))
    assert_hit("default", lambda: list(Product.objects.filter(active=True)))


def test_a_failing_warmer_is_logged_and_harms_nothing(sqlite, monkeypatch):
    from django_cache_me.writing import aftermath

    lines = []
    monkeypatch.setattr(aftermath, "trouble", lambda cause, text, *args: lines.append(text % args))
    with override_settings(**WARMING):
        Category.objects.create(name="a")
    assert lines == ["The warmer tests.warmers.failing failed: ValueError: this warmer fails"]
    assert warmers.calls == ["categories"]


def test_warmers_run_once_the_transaction_is_over(sqlite):
    with override_settings(**WARMING):
        with transaction.atomic():
            Category.objects.create(name="a")
            with transaction.atomic():
                Category.objects.create(name="b")
            assert warmers.calls == []
        assert warmers.calls == ["categories"]
    assert assert_hit("default", read) == ["a", "b"]
    assert connection.get_autocommit()


def test_no_warmer_runs_after_a_rollback(sqlite):
    with override_settings(**WARMING):
        with contextlib.suppress(KeyError), transaction.atomic():
            Category.objects.create(name="a")
            raise KeyError
        with transaction.atomic():
            with contextlib.suppress(KeyError), transaction.atomic():
                Category.objects.create(name="a")
                raise KeyError
            list(Category.objects.all())
    assert read() == []


def test_warmers_run_after_invalidation_by_hand(sqlite):
    with override_settings(**WARMING):
        invalidate_model_cache(Category, using="default")
        assert warmers.calls == ["categories"]
        with transaction.atomic():
            invalidate_model_cache(Category)
            assert warmers.calls == ["categories"]
        assert set(warmers.calls) == {"categories"}
        assert len(warmers.calls) >= 2


def test_a_warmer_that_writes_is_not_called_again_by_it(sqlite):
    settings = {**WARMING, "DJANGO_CACHE_ME_WARMERS": {"shop.category": ["tests.warmers.writing"]}}
    with override_settings(**settings):
        Category.objects.create(name="a")
    assert warmers.calls == ["writing"]
    assert len(read()) == 2


def test_a_whole_table_is_reclaimed(sqlite):
    def kept():
        return [key for key in stored_keys() if key == "cache_me:table:shop.both"]

    list(Both.objects.all())
    assert kept()
    with override_settings(DJANGO_CACHE_ME_WARM_ON_INVALIDATE=True):
        Both.objects.create(name="a")
    assert not kept()


def test_manual_transactions_get_their_warmers_when_they_end(sqlite):
    with override_settings(**WARMING):
        transaction.set_autocommit(False)
        Category.objects.create(name="a")
        transaction.commit()
        assert warmers.calls == []
        transaction.set_autocommit(True)
        assert warmers.calls == ["categories"]


# With Celery.


class CeleryWorker:
    """A real worker in a process of its own."""

    def __init__(self, broker, transport, queue, log):
        self.environment = {
            **os.environ,
            "CACHE_ME_TEST_BROKER": broker,
            "CACHE_ME_TEST_TRANSPORT": json.dumps(transport),
            "CACHE_ME_TEST_SETTINGS": json.dumps(WARMING),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "tests.celery_app", "worker", "--pool=solo",
             "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "warning", "-Q", queue],
            env=self.environment, stderr=log,
        )  # fmt: skip

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(params=["redis", "filesystem"])
def broker(request, tmp_path):
    """A broker, and the transport's options."""
    if request.param == "redis":
        server = request.getfixturevalue("redis")
        server.flush()
        return f"redis+socket://{server.socket}", {}
    for name in ("messages", "processed", "control"):
        (tmp_path / name).mkdir()
    options = {
        "data_folder_in": str(tmp_path / "messages"),
        "data_folder_out": str(tmp_path / "messages"),
        "control_folder": str(tmp_path / "control"),
    }
    return "filesystem://", options


@pytest.fixture
def celery(broker):
    """This process's Celery app, on the broker; the task enqueues only if the settings say so."""
    from celery import Celery, current_app

    url, options = broker
    before = current_app._get_current_object()
    app = Celery("tests", set_as_current=True, broker=url)
    app.conf.update(broker_transport_options=options, task_ignore_result=True)
    app.set_default()
    yield app
    app.close()
    before.set_default()
    before.set_current()


ASYNC = {**WARMING, "DJANGO_CACHE_ME_ASYNC_ENABLED": True}


def waiting(app, queue="celery"):
    """How many messages wait in the queue."""
    with app.connection_for_read() as to_broker, to_broker.channel() as channel:
        return channel._size(queue)


def test_a_worker_warms_and_the_next_read_is_a_hit(sqlite, celery, broker, request, tmp_path):
    """On one of the brokers by a queue of its own. A warmer that fails is in the worker's log."""
    queue = "warmers" if "filesystem" in request.node.name else "celery"
    settings = {**ASYNC, "DJANGO_CACHE_ME_CELERY_QUEUE": None if queue == "celery" else queue}
    with (tmp_path / "log").open("w") as log:
        worker = CeleryWorker(*broker, queue, log)
    try:
        with override_settings(**settings):
            with transaction.atomic():
                Category.objects.create(name="a")
            assert warmers.calls == [], "it was done here"
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            with seen("default") as result:
                found = [category.name for category in Category.objects.filter(name__gt="").iterator()]
            if result.hits:
                break
            assert worker.process.poll() is None
            time.sleep(0.1)
        assert result.hits == 1, f"the worker filled nothing: {(tmp_path / 'log').read_text()}"
        assert found == ["a"]
        lines = (tmp_path / "log").read_text()
        assert "The warmer tests.warmers.failing failed: ValueError: this warmer fails" in lines
    finally:
        worker.stop()


def test_freshness_never_waits_for_a_worker(sqlite, celery):
    """Nobody works at the queue: the commit itself bumps the versions."""
    with override_settings(**ASYNC):
        Category.objects.create(name="a")
        assert read() == ["a"]
        assert assert_hit("default", read) == ["a"]
        for name in ("b", "c"):
            Category.objects.update(name=name)
            assert read() == [name]
        with transaction.atomic():
            Category.objects.update(name="d")
        assert read() == ["d"]
    assert warmers.calls == []
    assert waiting(celery) == 4
    celery.control.purge()


def test_the_task_is_enqueued_after_the_commit_and_not_after_a_rollback(sqlite, celery, broker):
    with override_settings(**ASYNC):
        with contextlib.suppress(KeyError), transaction.atomic():
            Category.objects.create(name="a")
            raise KeyError
        assert waiting(celery) == 0
        with transaction.atomic():
            Category.objects.create(name="a")
            assert waiting(celery) == 0
        assert waiting(celery) == 1
    celery.control.purge()


def test_the_task_is_enqueued_at_the_write_if_wanted(sqlite, celery):
    with override_settings(**ASYNC, DJANGO_CACHE_ME_ASYNC_ON_COMMIT=False), transaction.atomic():
        Category.objects.create(name="a")
        assert waiting(celery) == 1
    celery.control.purge()


def test_the_queue_of_the_settings(sqlite, celery):
    with override_settings(**ASYNC, DJANGO_CACHE_ME_CELERY_QUEUE="warmers"):
        Category.objects.create(name="a")
    assert waiting(celery, "celery") == 0
    assert waiting(celery, "warmers") == 1


@pytest.mark.parametrize(
    "url",
    ["redis+socket:///nowhere/at/all.sock", "redis://127.0.0.1:1/0", "redis://10.255.255.1:6379/0"],
)
def test_a_broker_that_is_down_costs_less_than_a_second(sqlite, url, monkeypatch):
    from celery import Celery, current_app

    lines = []
    monkeypatch.setattr(dispatch, "trouble", lambda cause, text, *args: lines.append(cause))
    before = current_app._get_current_object()
    app = Celery("tests", set_as_current=True, broker=url)
    app.set_default()
    try:
        with override_settings(**ASYNC):
            for times in (1, 2):
                begin = time.monotonic()
                Category.objects.create(name="a")
                assert time.monotonic() - begin < 1.0
                assert warmers.calls == ["categories"] * times, "it runs here"
        assert lines == ["broker"], "the second write didn't try again"
    finally:
        app.close()
        before.set_default()
        before.set_current()


def test_the_task_by_hand_invalidates_too(sqlite):
    from django_cache_me.tasks import invalidate_model_cache_task

    Category.objects.create(name="a")
    read()
    assert_hit("default", read)
    with override_settings(**WARMING):
        invalidate_model_cache_task("shop.Category")
    assert warmers.calls == ["categories"]
    with seen("default") as result:
        list(Category.objects.filter(name="a"))
    assert result.hits == 0


def test_without_celery_it_runs_here():
    script = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("celery", "kombu", "redis", "django_redis", "pymemcache"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocker())
import django
django.setup()
import logging
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from tests import warmers
from tests.shop.models import Category
import django_cache_me.tasks
assert django_cache_me.tasks.invalidate_model_cache_task is None
Category.objects.create(name="without celery")
assert warmers.calls == ["categories"], warmers.calls
Category.objects.filter(name="without celery").delete()
"""
    settings = {key: value for key, value in ASYNC.items() if not callable(value)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "CACHE_ME_TEST_SETTINGS": json.dumps(settings)},
        stdout=subprocess.PIPE, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "neither Celery nor django.tasks is configured" in done.stdout


@pytest.mark.skipif(django.VERSION < (6, 0), reason="django.tasks came with Django 6.0")
def test_djangos_own_tasks(sqlite, monkeypatch):
    from django.tasks import default_task_backend

    monkeypatch.setattr(dispatch, "_celery_task", lambda: None)
    tasks = {
        "default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend", "QUEUES": ["default", "warm"]}
    }
    with override_settings(**ASYNC, TASKS=tasks, DJANGO_CACHE_ME_CELERY_QUEUE="warm"):
        with transaction.atomic():
            Category.objects.create(name="a")
            assert default_task_backend.results == []
        (result,) = default_task_backend.results
        assert result.args == ["shop.category"]
        assert result.task.queue_name == "warm"
        assert warmers.calls == []
        result.task.call(*result.args, **result.kwargs)
        assert warmers.calls == ["categories"]
        assert assert_hit("default", read) == ["a"], "the failing warmer did no harm"
        with contextlib.suppress(KeyError), transaction.atomic():
            Category.objects.create(name="rolled back")
            raise KeyError
        assert len(default_task_backend.results) == 1
        Category.objects.filter(name="a").update(name="fresh")
        assert read() == ["fresh"], "freshness doesn't wait for the task"
    immediate = {"default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}}
    with override_settings(**ASYNC, TASKS=immediate):
        Category.objects.create(name="b")
        assert warmers.calls == ["categories"] * 2


# The mixin.


@pytest.mark.parametrize("name", ["MixedBefore", "MixedBehind"])
def test_the_mixin_calls_its_hook_in_either_order(sqlite, name):
    from tests.shop import models

    model = getattr(models, name)
    model.heard.clear()
    one = model.objects.create(name="a")
    one.save()
    assert model.heard == [("a", "default", False)] * 2
    model.objects.all().delete()
    assert model.heard[2:] == [("a", "default", True)]


def test_the_mixin_costs_other_models_nothing():
    from django.db.models.signals import post_delete, post_save

    assert not post_save.has_listeners(Category)
    assert not post_delete.has_listeners(Category)
