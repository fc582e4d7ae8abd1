"""The tasks of workers: ``invalidate_model_cache_task`` for Celery, ``invalidate_model_cache`` for Django's.

Importable without either; then the names are None.
"""

from __future__ import annotations

from typing import Any

from .writing.following import follow_up

invalidate_model_cache_task: Any = None
invalidate_model_cache: Any = None

try:
    from celery import shared_task
except ImportError:
    pass
else:
    invalidate_model_cache_task = shared_task(
        name="django_cache_me.tasks.invalidate_model_cache_task", ignore_result=True
    )(follow_up)

try:
    from django.tasks import task  # Django 6.0+
except ImportError:
    pass
else:
    # Django finds a task by its module and name, so the function has to be the module's own.
    @task
    def invalidate_model_cache(label: str, using: str = "default", bumped: bool = False) -> None:
        follow_up(label, using=using, bumped=bumped)
