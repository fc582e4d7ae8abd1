"""Django without a cache: what all others are measured against."""

from __future__ import annotations

from benchmarks.contenders import Contender

PLAIN = Contender("plain", ("django",), lambda settings, site: None)
