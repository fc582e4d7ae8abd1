"""The support matrix: the Python tests on pairs of Python and Django, each in an environment of its own.

``make test-matrix`` runs all of them, ``make test-oldest`` the oldest (CI runs it; the newest is what
``make test-python`` runs on). Interpreters come from the PATH, from pyenv, or else from uv.
"""

from __future__ import annotations

import glob
import os
import shutil

import nox

#: Python and Django, the oldest first.
MATRIX = [
    ("3.8", "3.2"),
    ("3.9", "4.2"),
    ("3.10", "4.2"),
    ("3.11", "5.2"),
    ("3.12", "5.2"),
    ("3.12", "6.0"),
    ("3.13", "5.2"),
    ("3.13", "6.1"),
]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "auto"


def interpreter(version: str) -> str:
    """A program of that version, or the version itself for nox (and uv) to find."""
    found = shutil.which(f"python{version}")
    if found is not None and "/shims/" not in found:  # pyenv's shims stand for versions that aren't chosen
        return found
    home = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    return next(iter(sorted(glob.glob(f"{home}/versions/{version}.*/bin/python"))), version)


def _define(python: str, django: str) -> None:
    @nox.session(name=f"python{python}-django{django}", python=interpreter(python))
    def tests(session: nox.Session) -> None:
        session.install(".[test,packages]", f"django~={django}.0")
        # Two processes, each with servers of its own: much of the time goes by in waiting for these.
        session.run("python", "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", *session.posargs)


for pair in MATRIX:
    _define(*pair)
