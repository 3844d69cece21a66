"""The engine's bench: real ledgers on both databases."""

from tests.engine.conftest import backend, bench, clock, database, migrated, open_ledger

__all__ = ["backend", "bench", "clock", "database", "migrated", "open_ledger"]
