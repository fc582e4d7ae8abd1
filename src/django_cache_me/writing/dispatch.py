"""Handing the work after a commit over to a worker: Celery's, or one of Django's own tasks framework.

A broker that is down costs the page at most a second, once in a while: then the work is done here.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any, Callable

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from .. import conf
from ..log import trouble

#: The longest (s) that enqueueing may hold up the page.
PATIENCE = 0.8
NOT_CONFIGURED = "neither Celery nor django.tasks is configured"
#: How long (s) nothing is handed over after a failure.
PAUSE = 30.0

_tried_again_at = 0.0


def hand_over(label: str, alias: str) -> bool:
    """Enqueue the work for ``label``'s model. False (logged): it has to be done here."""
    global _tried_again_at
    if time.monotonic() < _tried_again_at:
        return False
    error: BaseException | None
    try:
        enqueue = _enqueuer()
    except Exception as wrong:  # whatever Celery's or a backend's configuration raises
        error = wrong
    else:
        if enqueue is None:
            trouble(
                "no_worker",
                f"DJANGO_CACHE_ME_ASYNC_ENABLED is set, but {NOT_CONFIGURED}: what it would do is done here.",
            )
            return False
        error = _within(PATIENCE, partial(enqueue, label, alias))
    if error is None:
        return True
    _tried_again_at = time.monotonic() + PAUSE
    trouble("broker", "No worker could be told to follow up %s, so it is done here: %s", label, error)
    return False


def why_no_worker() -> str | None:
    """Why no worker can be told, as far as that is known without a connection; None: it seems well."""
    try:
        if _enqueuer() is None:
            return NOT_CONFIGURED
        if uses_django_tasks():
            from django.tasks import default_task_backend

            default_task_backend.validate_task(_django_task())
        else:
            from celery import current_app

            if not current_app.conf.task_always_eager:
                with current_app.connection_for_write() as never_opened:
                    never_opened.transport  # noqa: B018  (its client library may be missing)
    except Exception as error:  # whatever Celery's or a backend's configuration raises
        return f"{type(error).__name__}: {error}"
    return None


def uses_django_tasks() -> bool:
    """Whether Django's tasks framework is used: there is no Celery with a broker."""
    return _celery_task() is None and _django_task() is not None


def forget_failures() -> None:
    """Try again at once; for tests."""
    global _tried_again_at
    _tried_again_at = 0.0


def _enqueuer() -> Callable[[str, str], Any] | None:
    celery_task = _celery_task()
    if celery_task is not None:
        options: dict[str, Any] = {"retry": False, "ignore_result": True}
        queue = conf.setting("CELERY_QUEUE")
        if queue:
            options["queue"] = queue
        return lambda label, alias: celery_task.apply_async(
            args=[label], kwargs={"using": alias, "bumped": True}, **options
        )
    django_task = _django_task()
    if django_task is not None:
        return lambda label, alias: django_task.enqueue(label, using=alias, bumped=True)
    return None


def _celery_task() -> Any:
    """The task, if Celery is installed and has a broker (or runs tasks at once)."""
    try:
        from celery import current_app
    except ImportError:
        return None
    config = current_app.conf
    if not (config.broker_url or config.broker_write_url or config.task_always_eager):
        return None
    from ..tasks import invalidate_model_cache_task

    return invalidate_model_cache_task


def _django_task() -> Any:
    """The task of Django 6's framework, if the project has configured a backend."""
    configured: Any = settings.TASKS if settings.is_overridden("TASKS") else None
    if not configured:
        return None
    try:
        from django.tasks import default_task_backend
    except ImportError:
        return None
    from ..tasks import invalidate_model_cache, wrong_tasks

    if invalidate_model_cache is None:
        raise ImproperlyConfigured(f"TASKS has no backend for the task of django_cache_me ({wrong_tasks})")
    task: Any = invalidate_model_cache
    queue = conf.setting("CELERY_QUEUE")
    if queue and (not default_task_backend.queues or queue in default_task_backend.queues):
        task = task.using(queue_name=queue)
    return task


def _within(seconds: float, function: Callable[[], Any]) -> BaseException | None:
    """Call ``function`` for at most ``seconds``; the error, if it failed or took longer.

    In a thread of its own, for a connection that hangs (a host that doesn't answer) can't be hurried.
    """
    if _is_eager():
        return _error_of(function)
    outcome: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: outcome.append(_error_of(function)), daemon=True)
    thread.start()
    thread.join(seconds)
    return outcome[0] if outcome else TimeoutError(f"the broker did not answer within {seconds} s")


def _error_of(function: Callable[[], Any]) -> BaseException | None:
    try:
        function()
    except Exception as error:
        return error
    return None


def _is_eager() -> bool:
    """Whether enqueueing runs the task at once: then it needs this thread's database connections."""
    try:
        from celery import current_app
    except ImportError:
        return True  # django.tasks: a database backend needs this thread's connections too
    return bool(current_app.conf.task_always_eager) or _celery_task() is None
