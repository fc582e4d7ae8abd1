"""The benchmarks work: the smallest of runs, on what is installed here. Their figures are no subject here."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent

for _package in ("rich", "matplotlib", "psycopg"):
    pytest.importorskip(_package)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("benchmarks")


def run(program, folder):
    environment = {
        **os.environ,
        "QUICK": "tiny",
        "BENCH_CONTENDERS": "ours; ours, exact; ours, model; cacheops",
        "BENCH_FOLDER": str(folder),
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(
        [sys.executable, f"benchmarks/{program}.py"], cwd=ROOT, env=environment, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]


def test_hits_are_hits_and_end_in_tables_and_plots(folder):
    run("run", folder)
    results = json.loads((folder / "bench.json").read_text())
    assert {"plain", "ours"} <= set(results["contenders"])
    for row in results["hits"]:
        for name, figures in row["contenders"].items():
            assert figures["as it should"], (row["database"], row["kind"], name)
    assert all(row["contenders"]["ours"]["reads/s"] > 0 for row in results["mixed"])
    document = (folder / "results.md").read_text()
    assert "## Goals" in document
    assert "get by pk" in document
    for plot in ("hits.svg", "mixed.svg"):
        assert (folder / plot).read_text().startswith("<?xml")
        assert plot in document


def test_answers_under_writes_are_those_of_plain_django(folder):
    run("run_writes", folder)
    results = json.loads((folder / "bench-writes.json").read_text())
    ours = [name for name in results["contenders"] if name.startswith("ours")]
    assert ours
    for row in results["writes"]:
        for name in ours:
            figures = row["contenders"][name]
            assert figures["stale"] == 0
            rates = figures["all"]
            assert rates["hits"] + rates["first"] + rates["changed"] + rates["needless"] == rates["reads"]
            assert rates["hits"] > 0
    assert "Needless misses" in (folder / "results.md").read_text()
    assert (folder / "writes.svg").read_text().startswith("<?xml")


def test_the_document_in_the_repository_is_made_of_the_files_beside_it():
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks import report
    finally:
        sys.path.remove(str(ROOT))
    kept = ROOT / "docs" / "benchmarks"
    assert (kept / "results.md").read_text() == report.document(kept)
