"""System checks of warmers and workers."""

from __future__ import annotations

import difflib
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

from . import conf
from .checks import hint_for
from .registry import cache_me_registry

_SETTING = f"{conf.PREFIX}WARMERS"


@register("django_cache_me")
def check_warmers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E007: a label of no model. E008: a path of nothing callable. W004: a model that isn't registered."""
    warmers = conf.setting("WARMERS")
    if not isinstance(warmers, dict):
        return []  # E004
    messages: list[CheckMessage] = []
    for label, paths in warmers.items():
        if isinstance(label, str):
            messages += _wrong_label(label)
        for path in paths if isinstance(paths, (list, tuple)) else ():
            messages += _wrong_path(label, path)
    return messages


def _wrong_label(label: str) -> list[CheckMessage]:
    # As the warmers are found: by the lower-case label.
    models = {model._meta.label_lower: model for model in apps.get_models(include_auto_created=True)}
    model = models.get(label.lower())
    if model is None:
        close = difflib.get_close_matches(label.lower(), models, n=1)
        text = f"Did you mean {models[close[0]]._meta.label!r}?" if close else "A label is 'app.Model'."
        return [
            Error(
                f"{_SETTING} names {label!r}, which is no model.",
                hint=hint_for(text, "django_cache_me.E007"),
                id="django_cache_me.E007",
            )
        ]
    if not cache_me_registry.is_registered(model):
        return [
            Warning(
                f"{_SETTING} names {label!r}, which isn't registered: its writes run no warmer.",
                hint=hint_for("Register it in a cache_me.py.", "django_cache_me.W004"),
                id="django_cache_me.W004",
            )
        ]
    return []


def _wrong_path(label: Any, path: Any) -> list[CheckMessage]:
    if not isinstance(path, str):
        wrong = "is no dotted path of a callable"
    else:
        try:
            wrong = "" if callable(import_string(path)) else "isn't callable"
        except Exception as error:  # whatever the module raises
            wrong = f"can't be imported ({type(error).__name__}: {error})"
    if not wrong:
        return []
    return [
        Error(
            f"{_SETTING}[{label!r}] has {path!r}, which {wrong}.",
            hint=hint_for("A warmer returns a queryset, or several.", "django_cache_me.E008"),
            id="django_cache_me.E008",
        )
    ]


@register("django_cache_me")
def check_worker(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W005: no worker can be told. W006: the queue is none of the task backend's. No connection is opened."""
    from .writing.dispatch import why_no_worker

    if conf.setting("ASYNC_ENABLED") is not True:
        return []
    why = why_no_worker()
    if why is None:
        return _unknown_queue()
    text = "Configure Celery's broker or TASKS, or switch it off: until then pages do the work themselves."
    return [
        Warning(
            f"{conf.PREFIX}ASYNC_ENABLED is True, but no worker can be told: {why}.",
            hint=hint_for(text, "django_cache_me.W005"),
            id="django_cache_me.W005",
        )
    ]


def _unknown_queue() -> list[CheckMessage]:
    from .writing.dispatch import uses_django_tasks

    queue = conf.setting("CELERY_QUEUE")
    if not queue or not uses_django_tasks():
        return []
    from django.tasks import default_task_backend

    queues = default_task_backend.queues
    if not queues or queue in queues:
        return []
    return [
        Warning(
            f"{conf.PREFIX}CELERY_QUEUE is {queue!r}, but the default backend of TASKS has no such queue "
            f"({', '.join(sorted(queues))}): its default queue is used.",
            hint=hint_for("Add it to the QUEUES of that backend.", "django_cache_me.W006"),
            id="django_cache_me.W006",
        )
    ]
