"""A ledger file as an upgrade leaves it; each test works on its own copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.ledger.database import Database


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    database = Database(str(path))
    database.upgrade()
    database.close()
    return path
