"""Writes down what became of each test, and what the cache did."""

from __future__ import annotations

import json
import os
import unittest
from typing import Any

from django.test.runner import DiscoverRunner


class _Recording(unittest.TextTestResult):
    failed: dict[str, str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.failed = {}

    def _note(self, test: Any, error: Any) -> None:
        # A fixture of a class fails as "setUpClass (module.Class)".
        self.failed[test.id()] = self._exc_info_to_string(error, test)  # type: ignore[attr-defined]

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._note(test, err)

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self._note(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, err)

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self.failed[test.id()] = "unexpected success"


class RecordingRunner(DiscoverRunner):
    def get_resultclass(self) -> Any:
        return _Recording

    def suite_result(self, suite: Any, result: Any, **kwargs: Any) -> int:
        import django_cache_me

        record = {
            "run": result.testsRun,
            "skipped": len(result.skipped),
            "failed": result.failed,
            "stats": django_cache_me.stats(),
        }
        if os.environ.get("CACHE_ME_SUITE_SHADOW"):
            from tests import shadow

            record["shadow"] = shadow.report()
        with open(os.environ["CACHE_ME_SUITE_RECORD"], "w") as file:
            json.dump(record, file)
        return int(super().suite_result(suite, result, **kwargs))
