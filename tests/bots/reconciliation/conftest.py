"""Rolling open items stand on the real ledger, on both databases."""

from __future__ import annotations

from tests.engine.conftest import backend, clock, database, migrated, open_ledger

__all__ = ["backend", "clock", "database", "migrated", "open_ledger"]
