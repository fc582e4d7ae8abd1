"""System checks of warmers and workers."""

from __future__ import annotations

import subprocess
import sys

import django
import pytest
from django.core.checks import run_checks
from django.test import override_settings

from django_cache_me.writing import dispatch

NOT_CALLABLE = "no function"


def messages(**settings):
    settings = {f"DJANGO_CACHE_ME_{name}": value for name, value in settings.items()}
    with override_settings(**settings):
        return run_checks(tags=["django_cache_me"])


@pytest.mark.parametrize(
    ("warmers", "check_id", "said", "hint"),
    [
        ({"shop.Prodct": ["tests.warmers.categories"]}, "E007", "'shop.Prodct'", "'shop.Product'?"),
        ({"nowhere": []}, "E007", "'nowhere'", "'app.Model'"),
        ({"shop.Plain": ["tests.warmers.categories"]}, "W004", "isn't registered", "cache_me.py"),
        ({"shop.Product": ["tests.warmers.categoris"]}, "E008", "can't be imported (ImportError", "queryset"),
        ({"shop.Product": ["categories"]}, "E008", "can't be imported (ImportError", "queryset"),
        ({"shop.Product": ["tests.async_broken.x"]}, "E008", "ModuleNotFoundError", "queryset"),
        ({"shop.Product": ["tests.test_async_checks.NOT_CALLABLE"]}, "E008", "isn't callable", "queryset"),
        ({"shop.Product": [5]}, "E008", "has 5, which is no dotted path", "queryset"),
    ],
)
def test_wrong_warmers(warmers, check_id, said, hint):
    (message,) = messages(WARMERS=warmers)
    assert message.id == f"django_cache_me.{check_id}"
    assert said in message.msg
    assert hint in message.hint
    assert f"docs/checks.md#{check_id.lower()}" in message.hint


def test_each_wrong_path_is_said():
    found = messages(WARMERS={"shop.Product": ["a.b", "tests.warmers.categories", "a.c"], "shop.X": []})
    assert [message.id[-4:] for message in found] == ["E008", "E008", "E007"]


@pytest.mark.parametrize("label", ["shop.Category", "shop.category", "SHOP.CATEGORY"])
def test_right_warmers_pass(label):
    assert messages(WARMERS={label: ["tests.warmers.categories", "tests.warmers.failing"]}) == []


def test_a_module_that_fails_is_said(tmp_path, monkeypatch):
    (tmp_path / "cache_me_test_broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    (message,) = messages(WARMERS={"shop.Product": ["cache_me_test_broken.warm"]})
    assert "ZeroDivisionError" in message.msg


# Workers.


@pytest.fixture
def broker():
    """A function that gives this process a Celery app with that broker."""
    from celery import Celery, current_app

    before, apps = current_app._get_current_object(), []

    def use(url, **config):
        app = Celery("tests", set_as_current=True, broker=url)
        app.conf.update(config)
        app.set_default()
        apps.append(app)

    yield use
    for app in apps:
        app.close()
    before.set_default()
    before.set_current()


def test_without_celery_and_tasks_it_is_a_warning(monkeypatch):
    monkeypatch.setattr(dispatch, "_celery_task", lambda: None)
    (message,) = messages(ASYNC_ENABLED=True)
    assert message.id == "django_cache_me.W005"
    assert dispatch.NOT_CONFIGURED in message.msg
    assert messages(ASYNC_ENABLED=False) == []


def test_a_celery_without_a_broker_is_a_warning(broker):
    broker(None)
    assert [message.id for message in messages(ASYNC_ENABLED=True)] == ["django_cache_me.W005"]


@pytest.mark.parametrize("url", ["redis://10.255.255.1:6379/0", "amqp://nowhere.invalid", "filesystem://"])
def test_a_configured_broker_is_not_asked(broker, url):
    broker(url)
    assert messages(ASYNC_ENABLED=True) == []


def test_tasks_that_run_at_once_need_no_broker(broker):
    broker(None, task_always_eager=True)
    assert messages(ASYNC_ENABLED=True) == []


def test_a_broker_whose_kind_is_unknown_is_a_warning(broker):
    broker("nosuch://host")
    (message,) = messages(ASYNC_ENABLED=True)
    assert message.id == "django_cache_me.W005"
    assert "nosuch" in message.msg


tasks_framework = pytest.mark.skipif(django.VERSION < (6, 0), reason="django.tasks came with Django 6.0")
DUMMY = "django.tasks.backends.dummy.DummyBackend"


@tasks_framework
@pytest.mark.parametrize(
    ("backend", "queue", "check_id"),
    [
        ({"BACKEND": DUMMY}, None, None),
        ({"BACKEND": DUMMY, "QUEUES": ["default", "warm"]}, "warm", None),
        ({"BACKEND": DUMMY, "QUEUES": []}, "warm", None),
        ({"BACKEND": DUMMY, "QUEUES": ["default"]}, "warm", "W006"),
        ({"BACKEND": "nowhere.Backend"}, None, "W005"),
        ({"BACKEND": "nowhere.Backend"}, "warm", "W005"),
        ({"BACKEND": DUMMY, "QUEUES": ["slow"]}, None, "W005"),
        ({"BACKEND": DUMMY, "QUEUES": ["slow"]}, "slow", None),
    ],
)
def test_djangos_own_tasks(monkeypatch, backend, queue, check_id):
    monkeypatch.setattr(dispatch, "_celery_task", lambda: None)
    with override_settings(TASKS={"default": backend}):
        found = messages(ASYNC_ENABLED=True, CELERY_QUEUE=queue)
    assert [message.id for message in found] == ([f"django_cache_me.{check_id}"] if check_id else [])


@tasks_framework
@pytest.mark.parametrize("queue", [None, "warm"])
def test_a_wrong_backend_of_tasks_breaks_no_write(sqlite, monkeypatch, queue):
    """What a check says at start is no reason to break a page later."""
    from tests import warmers
    from tests.shop.models import Category

    monkeypatch.setattr(dispatch, "_celery_task", lambda: None)
    warmers.calls.clear()
    dispatch.forget_failures()
    try:
        with override_settings(
            TASKS={"default": {"BACKEND": "nowhere.Backend"}},
            DJANGO_CACHE_ME_ASYNC_ENABLED=True,
            DJANGO_CACHE_ME_CELERY_QUEUE=queue,
            DJANGO_CACHE_ME_WARM_ON_INVALIDATE=True,
            DJANGO_CACHE_ME_WARMERS={"shop.Category": ["tests.warmers.categories"]},
        ):
            Category.objects.create(name="a")
        assert warmers.calls == ["categories"], "it runs here"
    finally:
        dispatch.forget_failures()


@tasks_framework
@pytest.mark.parametrize(
    ("tasks", "there"),
    [
        ({"default": {"BACKEND": DUMMY}}, True),
        ({"default": {"BACKEND": DUMMY, "QUEUES": ["slow", "warm"]}}, True),
        ({"default": {"BACKEND": DUMMY, "QUEUES": ["slow"]}}, False),
        ({"other": {"BACKEND": DUMMY}}, False),
        ({"default": {"BACKEND": "nowhere.Backend"}}, False),
    ],
)
def test_celerys_task_is_there_whatever_the_project_uses_djangos_for(tasks, there):
    script = f"""
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django_cache_me"], TASKS={tasks!r}, DJANGO_CACHE_ME_CELERY_QUEUE="warm")
django.setup()
from django_cache_me import tasks
assert tasks.invalidate_model_cache_task is not None
assert (tasks.invalidate_model_cache is not None) is {there}
assert bool(tasks.wrong_tasks) is not {there}
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
