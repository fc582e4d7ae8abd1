"""Runs Django's own tests (from the source distribution of the installed version) with the cache under them.

    python -m tests.django_suite.run [--databases sqlite postgresql] [--labels …] [--part]

Each test that fails is run again with nothing hit while it captures queries: if it passes then, it counts
queries or looks at statements, and that is all that was wrong. Any other failure must stand in
``excused.json`` with its reason, and what stands there must fail.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import django

from tests.servers import PostgreSQL

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent

#: The ORM's parts of the suite; a version has most of them.
LABELS = """
aggregation aggregation_regress annotations async backends base basic bulk_create composite_pk
constraints contenttypes_tests custom_columns custom_lookups custom_managers custom_methods custom_pk
datatypes dates datetimes db_functions db_typecasts db_utils defer defer_regress delete delete_regress
distinct_on_fields empty_models expressions expressions_case expressions_window extra_regress
field_deconstruction field_defaults field_subclassing filtered_relation fixtures fixtures_model_package
fixtures_regress force_insert_update foreign_object from_db_value generic_relations
generic_relations_regress get_earliest_or_latest get_object_or_404 get_or_create indexes inspectdb
known_related_objects lookup m2m_and_m2o m2m_intermediary m2m_multiple m2m_recursive m2m_regress
m2m_signals m2m_through m2m_through_regress m2o_recursive managers_regress many_to_many many_to_one
many_to_one_null max_lengths model_enums model_fields model_formsets model_formsets_regress model_indexes
model_inheritance model_inheritance_regress model_meta model_options model_package model_regress
model_utils multiple_database mutually_referential nested_foreign_keys null_fk null_fk_ordering
null_queries one_to_one or_lookups order_with_respect_to ordering pagination postgres_tests
prefetch_related properties proxy_model_inheritance proxy_models queries queryset_pickle raw_query
reserved_names reverse_lookup save_delete_hooks schema select_for_update select_related
select_related_onetoone select_related_regress serializers signals string_lookup swappable_models
timezones transaction_hooks transactions unmanaged_models update update_only_fields validation
xor_lookups
""".split()
#: What CI has time for: the parts with most reads by the second.
PART = """
aggregation annotations basic composite_pk custom_managers custom_pk defer delete expressions
expressions_case filtered_relation foreign_object from_db_value generic_relations get_or_create
known_related_objects lookup m2m_through many_to_many many_to_one model_inheritance multiple_database
null_fk one_to_one ordering prefetch_related proxy_models queries raw_query select_related_onetoone
transaction_hooks transactions update
""".split()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--labels", nargs="+")
    parser.add_argument("--shadow", action="store_true", help="compare recorded chains with eager ones")
    parser.add_argument("--part", action="store_true", help="only what CI has time for")
    options = parser.parse_args()
    suite = source() / "tests"
    labels = options.labels or [
        label for label in (PART if options.part else LABELS) if (suite / label).is_dir()
    ]
    if options.shadow:
        return sum(compare(database, suite, labels) for database in options.databases) and 1
    excused = json.loads((HERE / "excused.json").read_text())
    failures = 0
    for database in options.databases:
        failures += judge(database, suite, labels, excused)
    return 1 if failures else 0


def source() -> Path:
    """The unpacked source distribution of the installed Django, from the package index."""
    version = django.get_version()
    folder = ROOT / "build" / "django-suite"
    unpacked = folder / version
    if unpacked.is_dir():
        return unpacked
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        print(f"getting the sources of Django {version}", flush=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-binary", "django", "--no-deps"]
        subprocess.run([*command, "--dest", scratch, f"django=={version}"], check=True)
        (archive,) = Path(scratch).glob("*.tar.gz")
        with tarfile.open(archive) as opened:
            # Python before 3.12 knows no filter; the archive is the package index's own.
            opened.extractall(scratch, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        (top,) = (path for path in Path(scratch).iterdir() if path.is_dir())
        os.replace(top, unpacked)
    return unpacked


def compare(database: str, suite: Path, labels: list[str]) -> int:
    """Run with the eager shadow (tests/shadow.py) beside every recorded queryset; how much doesn't agree."""
    environment = {"CACHE_ME_SUITE_DATABASE": database, "CACHE_ME_SUITE_SHADOW": "1"}
    server = None
    if database == "postgresql":
        server = PostgreSQL()
        environment["CACHE_ME_SUITE_PG_HOST"] = server.host
    try:
        record = run(suite, labels, environment)
    finally:
        if server is not None:
            server.stop()
    shadow = record["shadow"]
    print(f"{database}: {record['run']} tests, {len(record['failed'])} fail beside the shadow;"
          f"\n{shadow['counts']}\nrefused: {shadow['refused']}")  # fmt: skip
    for kind, shape, sides in shadow["found"]:
        print(f"\n=== {kind}: {shape}\n{sides}")
    if os.environ.get("CACHE_ME_SUITE_VERBOSE"):
        for name, text in record["failed"].items():
            print(f"\n=== {name}\n{text}")
    return sum(number for name, number in shadow["counts"].items() if name.startswith("MISMATCH"))


def judge(database: str, suite: Path, labels: list[str], excused: dict[str, Any]) -> int:
    """Run, run what failed again, and say what is left; how many failures that are."""
    environment = {"CACHE_ME_SUITE_DATABASE": database}
    server = None
    if database == "postgresql":
        server = PostgreSQL()
        environment["CACHE_ME_SUITE_PG_HOST"] = server.host
    try:
        first = run(suite, labels, environment)
        again = sorted({test_label(name) for name in first["failed"]})
        second: dict[str, Any] = {"failed": {}}
        if again:
            second = run(suite, again, {**environment, "CACHE_ME_SUITE_CAPTURES": "1"})
    finally:
        if server is not None:
            server.stop()
    stats = first["stats"]
    counting = set(first["failed"]) - set(second["failed"])
    known = {name for name, entry in excused.items() if database in entry["databases"]}
    wrong = {name: text for name, text in second["failed"].items() if name not in known}
    print(
        f"\n{database}: {first['run']} tests, {first['skipped']} of them skipped by Django;"
        f" {len(counting)} fail because they count queries, {len(second['failed']) - len(wrong)} are excused,"
        f" {len(wrong)} fail. {stats['hits']} hits, {stats['misses']} misses, {stats['fills']} fills;"
        f"\npassed: {stats['passed']}\nnot filled: {stats['not_filled']}"
    )
    for name, text in wrong.items():
        print(f"\n=== {name}\n{text}")
    ran = {name for name in known if any(name.startswith(f"{label}.") for label in labels)}
    stale = ran - set(second["failed"])
    for name in sorted(stale):
        print(f"excused, but passes: {name}")
    return len(wrong) + len(stale)


def test_label(name: str) -> str:
    """What to call for one test; a fixture of a class, "setUpClass (a.b.C)", by its class."""
    return name.partition("(")[2].rstrip(")") if "(" in name and " (" in name else name


def run(suite: Path, labels: list[str], environment: dict[str, str]) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="cache_me_suite_"))
    record = folder / "record.json"
    program = (
        "import sys; source = open('runtests.py').read();"
        " mark = 'ALWAYS_INSTALLED_APPS = ['; assert mark in source;"
        ' apps = \'"django_cache_me", "tests.django_suite.registered.Registered",\';'
        " exec(compile(source.replace(mark, mark + apps), 'runtests.py', 'exec'),"
        " {'__name__': '__main__', '__file__': 'runtests.py'})"
    )
    shared_memory = Path("/dev/shm")
    store = tempfile.mkdtemp(prefix="cache_me_suite_", dir=shared_memory if shared_memory.is_dir() else None)
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, "--settings=tests.django_suite.settings",
             "--parallel=1", "--noinput", "-v0", *labels],
            cwd=suite, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **environment, "PYTHONPATH": f"{suite}:{ROOT}",
                 "RUNNING_DJANGOS_TEST_SUITE": "true", "CACHE_ME_SUITE_RECORD": str(record),
                 "CACHE_ME_SUITE_STORE": store},
        )  # fmt: skip
        if not record.exists():
            raise SystemExit(f"Django's suite did not run:\n{done.stdout[-6000:]}")
        found: dict[str, Any] = json.loads(record.read_text())
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(store, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
