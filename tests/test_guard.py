"""The guard over instruction counts says what has grown, and only that. (`make guard` does the counting.)"""

from __future__ import annotations

import json

import pytest
from benchmarks.guard import figures


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "instructions.json"
    monkeypatch.setattr(figures, "FILE", path)
    return path


def test_what_grows_by_over_five_percent_is_told_of():
    kept = {"get": 100_000, "save": 200_000}
    assert figures.grown({"get": 104_900, "save": 150_000}, kept) == []
    (complaint,) = figures.grown({"get": 105_100, "save": 200_000}, kept)
    assert "get" in complaint
    assert "5.1%" in complaint


def test_a_case_that_is_new_has_to_be_kept():
    (complaint,) = figures.grown({"get": 1}, {})
    assert "no figure" in complaint


def test_what_became_faster_is_told_of_so_that_it_stays_so():
    assert figures.shrunk({"get": 96}, {"get": 100}) == []
    assert len(figures.shrunk({"get": 94}, {"get": 100})) == 1


def test_figures_are_kept_with_their_reasons(file):
    figures.keep({"get": 2}, "First figures")
    figures.keep({"get": 1}, "One call less")
    assert figures.why_not_comparable() == ""
    kept = figures.kept()[figures.interpreter()]
    assert kept["instructions"] == {"get": 1}
    assert kept["reasons"] == ["One call less", "First figures"]


def test_figures_of_another_interpreter_or_library_are_not_compared(file):
    assert "no figures" in figures.why_not_comparable()
    figures.keep({"get": 1}, "First figures")
    every = json.loads(file.read_text())
    every[figures.interpreter()]["with"]["SQLite"] = "2.0"
    file.write_text(json.dumps(every))
    assert "SQLite 2.0" in figures.why_not_comparable()


def test_the_figures_in_the_repository_are_of_the_cases_that_are_counted():
    for kept in figures.kept().values():
        assert {"get(pk=…), a hit", "20 rows of an ordered slice, a hit", "save()"} <= set(
            kept["instructions"]
        )
        assert all(reason.strip() for reason in kept["reasons"])
