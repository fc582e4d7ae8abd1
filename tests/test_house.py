"""The rooms know their business: arrows go one way."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest

import django_cache_me

PACKAGE = pathlib.Path(django_cache_me.__file__).parent
ROOT = pathlib.Path(__file__).parent.parent

MAY_USE = {
    "reading": {"reading", "databases", "stores"},
    "writing": {"writing", "databases", "stores"},
    "databases": {"databases", "stores"},
    "stores": {"stores"},
}


def imported_rooms(path):
    """The rooms of the package that a module imports."""
    package = path.relative_to(PACKAGE.parent).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            whole = (*base, *(node.module or "").split("."))
            names = [whole] if node.module else [(*base, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] == "django_cache_me" and len(name) > 1 and name[1] in MAY_USE:
                yield name[1]


@pytest.mark.parametrize("room", MAY_USE)
def test_rooms_import_only_what_they_may(room):
    modules = list((PACKAGE / room).rglob("*.py"))
    assert modules
    for module in modules:
        assert set(imported_rooms(module)) <= MAY_USE[room], module.name


def test_the_engines_core_knows_no_python():
    sources = [
        path
        for folder in ("include", "src", "tests", "bench", "fuzz")
        for path in (ROOT / "engine" / folder).rglob("*")
        if path.suffix in (".hpp", ".cpp")
    ]
    assert len(sources) > 10
    for path in sources:
        assert "Python.h" not in path.read_text(), path.name
        assert "nanobind" not in path.read_text(), path.name


def test_files_stay_small():
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "engine").rglob("*.?pp")]:
        assert len(path.read_text().splitlines()) <= 700, path.name


def test_every_check_has_a_section_and_every_section_a_check():
    sources = "".join(path.read_text() for path in PACKAGE.glob("*checks.py"))
    sections = re.findall(r"^## ([EW]\d{3})$", (ROOT / "docs" / "checks.md").read_text(), re.MULTILINE)
    assert len(sections) == len(set(sections))
    assert set(re.findall(r"\b[EW]0\d\d\b", sources)) == set(sections)


LINK = re.compile(r"\]\(([^)#:]+)(?:#([^)]+))?\)")


@pytest.mark.parametrize("path", [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"], ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(path):
    for target, anchor in LINK.findall(path.read_text()):
        found = path.parent / target
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, f"{target}#{anchor}"


def test_every_promise_of_the_contract_names_tests_that_are_there():
    text = (ROOT / "docs" / "contract.md").read_text()
    rows = [line for line in text.splitlines() if re.match(r"\| (?!promise|---)", line)]
    assert len(rows) > 60
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        assert named or re.search(r"make test-matrix|`conftest\.py`|\]\(", row), row
        for file, test in named:
            source = (ROOT / "tests" / file).read_text()
            assert re.search(rf"^def {test}\(", source, re.MULTILINE), f"{file}::{test}"
