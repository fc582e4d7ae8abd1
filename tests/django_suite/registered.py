"""An app that registers every model there is, at its preparation, and lets most reads be hits.

What has just been filled is at once read again from the cache, and that is what the test gets, so that every
value goes through the store. With ``CACHE_ME_SUITE_CAPTURES`` nothing is hit while a test captures queries.
"""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import class_prepared
from django.test.utils import CaptureQueriesContext

from django_cache_me import CacheMeOptions, _engine, counters
from django_cache_me.exceptions import RegistrationError
from django_cache_me.registry import cache_me_registry


class Options(CacheMeOptions):
    cache_table = True
    cache_queryset = True


def _register(sender: Any, **kwargs: Any) -> None:
    try:
        cache_me_registry.register(sender, Options)
    except RegistrationError:  # abstract, a proxy, swapped
        pass


class_prepared.connect(_register)


class Registered(AppConfig):
    name = "tests.django_suite.registered"
    label = "cache_me_suite"
    path = os.path.dirname(__file__)

    def ready(self) -> None:
        _answer_twice()
        if os.environ.get("CACHE_ME_SUITE_CAPTURES"):
            _pass_within_captures()
        if os.environ.get("CACHE_ME_SUITE_SHADOW"):
            from tests import shadow

            shadow.install()


def _answer_twice() -> None:
    from django_cache_me.reading.lookup import Question

    original = Question.answer

    @functools.wraps(original)
    def answer(self: Any) -> Any:
        before = counters.stats()["fills"]
        found = original(self)
        return original(self) if counters.stats()["fills"] > before else found

    setattr(Question, "answer", answer)


_local = threading.local()


def _pass_within_captures() -> None:
    from django_cache_me.reading import bypass

    enter, leave, reason = (
        CaptureQueriesContext.__enter__,
        CaptureQueriesContext.__exit__,
        bypass.reason_to_pass,
    )

    def entering(self: Any) -> Any:
        _local.depth = getattr(_local, "depth", 0) + 1
        _engine.enter_bypass()
        return enter(self)

    def leaving(self: Any, *args: Any) -> Any:
        _local.depth -= 1
        _engine.leave_bypass()
        return leave(self, *args)

    def reason_to_pass(queryset: Any) -> str | None:
        return "captured" if getattr(_local, "depth", 0) else reason(queryset)

    setattr(CaptureQueriesContext, "__enter__", entering)
    setattr(CaptureQueriesContext, "__exit__", leaving)
    setattr(bypass, "reason_to_pass", reason_to_pass)
