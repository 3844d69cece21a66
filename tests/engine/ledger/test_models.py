"""Which version is in service: promoted, rolled back by one step, and never another file than the registered one."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from engine.errors import UserError
from engine.ledger import models
from engine.ledger import tables as t
from tests.engine.conftest import Bench

NAME = "entry-quality"


def register(bench: Bench, *versions: str) -> None:
    for version in versions:
        models.register(bench.database, models.ModelRow(NAME, version, "challenger", version * 64, {}), "ana")


def stages(bench: Bench) -> dict[str, str]:
    return {row.version: row.stage for row in models.listing(bench.database, NAME)}


def kinds(bench: Bench) -> list[str]:
    with bench.database.read() as connection:
        return list(connection.execute(sa.select(t.events.c.kind).order_by(t.events.c.id)).scalars())


def test_a_promotion_can_be_rolled_back_once(bench: Bench) -> None:
    register(bench, "a", "b")
    models.promote(bench.database, NAME, "b", "ana", sha256="b" * 64)
    assert stages(bench) == {"a": "previous", "b": "champion"}
    assert models.rollback(bench.database, NAME, "a", "ana", sha256="a" * 64) == "b"
    assert stages(bench) == {"a": "champion", "b": "retired"}
    assert kinds(bench)[-1] == "model.rolled_back"
    assert models.at_stage(bench.database, NAME, "previous") is None
    with pytest.raises(UserError, match="b is not the previous version"):
        models.rollback(bench.database, NAME, "b", "ana", sha256="b" * 64)


def test_another_file_than_the_registered_one_changes_nothing(bench: Bench) -> None:
    register(bench, "a", "b", "c")
    models.promote(bench.database, NAME, "b", "ana")
    before = stages(bench), kinds(bench)
    with pytest.raises(UserError, match="SHA-256 differs"):
        models.promote(bench.database, NAME, "c", "ana", sha256="0" * 64)
    with pytest.raises(UserError, match="SHA-256 differs"):
        models.rollback(bench.database, NAME, "a", "ana", sha256="0" * 64)
    assert (stages(bench), kinds(bench)) == before


def test_promoting_the_champion_again_keeps_the_previous_one(bench: Bench) -> None:
    register(bench, "a", "b")
    models.promote(bench.database, NAME, "b", "ana")
    models.promote(bench.database, NAME, "b", "ana")
    assert stages(bench) == {"a": "previous", "b": "champion"}


def test_a_digest_is_known_for_registered_versions_only(bench: Bench) -> None:
    register(bench, "a")
    assert models.digest(bench.database, NAME, "a") == "a" * 64
    assert models.digest(bench.database, NAME, "b") is None
