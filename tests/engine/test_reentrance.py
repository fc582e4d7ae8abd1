"""A read within a read: values are made by Python code, and Python code may read."""

from __future__ import annotations

import datetime
import importlib

import pytest

from django_cache_me import _engine

try:
    import zoneinfo
except ImportError:
    from backports import zoneinfo  # type: ignore[no-redef]

FINGERPRINT = 7
NOT_TOO_OLD = (1 << 64) - 1


@pytest.fixture
def shared(tmp_path):
    store = _engine.SharedStore.open(str(tmp_path / "django_cache_me.entries.test"), 8 << 20)
    versions = _engine.VersionTable.private_table()
    reading = versions.read(b"")
    assert reading is not None

    def put(key, rows):
        assert store.put(key, FINGERPRINT, rows, b"", reading, 60_000) == "stored"

    return store, versions, put


def test_an_entry_read_while_another_is_made(shared, monkeypatch):
    """Its bytes stay as they are, however much is read in between.

    A zone that is new to the process is made by ``zoneinfo``, whose search for it stands here for any code.
    """
    store, versions, put = shared
    common = importlib.import_module(f"{zoneinfo.__name__}._common")
    real = common.load_tzdata
    with zoneinfo_file("Europe/Berlin", real) as file:
        zone = zoneinfo.ZoneInfo.from_file(file, key="Test/Within")
    moment = datetime.datetime(2020, 1, 1, tzinfo=zone)
    rows = [(moment if number == 0 else number, f"row {number}" * 3) for number in range(300)]
    # Fewer, so that they would fit into the same memory.
    other_rows = [(-number, f"else {number}" * 3) for number in range(200)]
    put(b"outer", rows)
    put(b"inner", other_rows)
    inner = []

    def load_tzdata(key):
        inner.append(store.get(b"inner", versions, FINGERPRINT, NOT_TOO_OLD))
        return zoneinfo_file("Europe/Berlin", real)

    monkeypatch.setattr(common, "load_tzdata", load_tzdata)
    outer = store.get(b"outer", versions, FINGERPRINT, NOT_TOO_OLD)
    zoneinfo.ZoneInfo.clear_cache(only_keys=["Test/Within"])
    assert [list(map(tuple, found)) for found in inner] == [other_rows]
    assert [text for _, text in outer] == [text for _, text in rows]
    assert outer[0][0].replace(tzinfo=None) == moment.replace(tzinfo=None)
    assert outer[0][0].tzinfo.key == "Test/Within"


def zoneinfo_file(key, load_tzdata):
    for folder in zoneinfo.TZPATH:
        try:
            return open(f"{folder}/{key}", "rb")
        except OSError:
            pass
    return load_tzdata(key)
