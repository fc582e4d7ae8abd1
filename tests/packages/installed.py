"""Which of the packages are here, and the apps that each brings into the test project."""

from __future__ import annotations

import importlib.util

#: Module of a package -> apps, in their order.
APPS = {
    "modeltranslation": ["modeltranslation", "tests.packages.stories"],
    "polymorphic": ["polymorphic", "tests.packages.animals"],
    "mptt": ["mptt", "tests.packages.trees"],
    "model_utils": ["tests.packages.places"],
    "taggit": ["taggit", "tests.packages.photos"],
}


def is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def apps() -> list[str]:
    return [app for module, brought in APPS.items() if is_installed(module) for app in brought]


def own_labels() -> list[str]:
    return [app.rpartition(".")[2] for app in apps()]
