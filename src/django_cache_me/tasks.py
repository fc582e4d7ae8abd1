"""The tasks of workers: ``invalidate_model_cache_task`` for Celery, ``invalidate_model_cache`` for Django's.

Importable without either; then the names are None. So is Django's where ``TASKS`` has no backend or queue
for it: a project may use that framework for other things, and Celery for this.
"""

from __future__ import annotations

from typing import Any

from . import conf
from .writing.following import follow_up

invalidate_model_cache_task: Any = None
invalidate_model_cache: Any = None
#: Why there is no task of Django's, though its framework is there; or "".
wrong_tasks = ""

try:
    from celery import shared_task
except ImportError:
    pass
else:
    invalidate_model_cache_task = shared_task(
        name="django_cache_me.tasks.invalidate_model_cache_task", ignore_result=True
    )(follow_up)

try:
    from django.tasks import DEFAULT_TASK_QUEUE_NAME, default_task_backend, task  # Django 6.0+
except ImportError:
    pass
else:

    def _queue() -> str:
        # The one of the settings, if the backend has it: it may have no "default".
        queue = conf.setting("CELERY_QUEUE")
        return queue if queue in default_task_backend.queues else DEFAULT_TASK_QUEUE_NAME

    try:
        # Django finds a task by its module and name, so the function has to be the module's own.
        @task(queue_name=_queue())
        def invalidate_model_cache(label: str, using: str = "default", bumped: bool = False) -> None:
            follow_up(label, using=using, bumped=bumped)

    except Exception as error:  # whatever the backend raises
        wrong_tasks = f"{type(error).__name__}: {error}"
