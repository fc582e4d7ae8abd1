"""Django's own tests of a cache backend, those of the installed version, pass with ours."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from .django_source import SourceMissing, unpacked_cache_tests

#: Tests that don't apply, and what Django's suite says then.
EXCUSED = {
    # Room is made by the store, when the file is full: there is no number of values to cull at.
    "test_cull": "Culling isn't implemented.",
    "test_zero_cull": "Culling isn't implemented.",
    "test_cull_delete_when_store_empty": "Culling isn't implemented.",
}


def test_djangos_own_tests(tmp_path):
    try:
        folder = unpacked_cache_tests()
    except SourceMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.stores.django_suite", str(folder), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        cwd=pathlib.Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["wrong"] == [], "\n".join(answer["wrong"])
    assert answer["skipped"] == EXCUSED
    assert answer["run"] > 50
