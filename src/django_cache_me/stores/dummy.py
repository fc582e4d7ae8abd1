"""The store for Django's ``DummyCache``: nothing is kept, everything else behaves the same."""

from __future__ import annotations

from typing import Any

from .base import Building, Clock, Reading, Row
from .shared_memory import SharedMemoryStore


class DummyStore(SharedMemoryStore):
    """Versions are bumped all the same, for other processes of the host that do keep entries."""

    keeps = False

    def get(
        self, key: str, fingerprint: int, clock: Clock | None = None, building: Building | None = None
    ) -> list[Any] | None:
        return None

    def put(
        self, key: str, fingerprint: int, rows: list[Row], reading: Reading, timeout: float | None
    ) -> str:
        return "dummy"

    def delete(self, key: str) -> bool:
        return False

    def clear(self) -> None:
        pass

    def stats(self) -> dict[str, Any]:
        return {}
