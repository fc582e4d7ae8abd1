"""Django's own tests of its caches, which only its source distribution holds."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tarfile

import django

#: Kept from run to run: with the archive in it, no network is needed.
SOURCES = pathlib.Path(__file__).parents[2] / "build" / "django"

_DOWNLOAD = ("download", "-q", "--no-deps", "--no-binary", ":all:")


class SourceMissing(Exception):
    """The source distribution is neither here nor to be had."""


def unpacked_cache_tests() -> pathlib.Path:
    """The folder in which the installed Django's tests of caches lie as the package ``cache``.

    Taken from a source distribution in ``build/django``; the package index is asked for it if it isn't there.
    Raises :class:`SourceMissing`.
    """
    archive = _archive() or _download()
    folder = SOURCES / f"tests-{django.__version__}"
    package = folder / "cache"
    package.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as files:
        for member in files.getmembers():
            path = pathlib.PurePosixPath(member.name)
            if member.isfile() and path.parts[1:-1] == ("tests", "cache") and path.suffix == ".py":
                (package / path.name).write_bytes(files.extractfile(member).read())
    if not (package / "tests.py").exists():
        raise SourceMissing(f"{archive} has no tests/cache/tests.py")
    return folder


def _archive() -> pathlib.Path | None:
    for path in SOURCES.glob("*.tar.gz"):
        if path.name.lower() == f"django-{django.__version__}.tar.gz":
            return path
    return None


def _download() -> pathlib.Path:
    SOURCES.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "pip", *_DOWNLOAD, "--dest", str(SOURCES), f"django=={django.__version__}"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    archive = _archive()
    if archive is None:
        raise SourceMissing(
            f"Django's sources could not be fetched; put django-{django.__version__}.tar.gz into {SOURCES}. "
            f"pip said: {done.stderr.strip()[-500:]}"
        )
    return archive
