"""Which version is in service: promoted, rolled back by one step, and never another file than the registered one."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from engine.errors import UserError
from engine.ledger import models
from engine.ledger import tables as t
from engine.ledger.incidents import incidents
from engine.ledger.model_rule import automatic_rollback, roll_back_if_told, set_automatic_rollback
from engine.ledger.protocol import Settlement
from engine.ports import Score, Verdict
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


def test_only_a_challenger_goes_in_shadow_and_a_failure_is_told_until_it_leaves(bench: Bench) -> None:
    register(bench, "a", "b")
    models.set_shadow(bench.database, NAME, "b", "ana", on=True)
    models.set_shadow(bench.database, NAME, "b", "ana", on=True)
    assert models.in_shadow(bench.database, NAME) == ("b",)
    models.shadow_failed(bench.database, NAME, "b", "model.onnx is missing")
    models.shadow_failed(bench.database, NAME, "b", "model.onnx is missing")
    [incident] = incidents(bench.database, kind="shadow.failed")
    assert "b is in shadow and cannot be scored: model.onnx is missing" in incident.message
    with pytest.raises(UserError, match="is champion; only a challenger can be in shadow"):
        models.set_shadow(bench.database, NAME, "a", "ana", on=True)
    models.promote(bench.database, NAME, "b", "ana", why={"anyway": "needed"})
    assert incidents(bench.database, kind="shadow.failed") == []
    assert models.in_shadow(bench.database, NAME) == ()
    assert kinds(bench).count("model.in_shadow") == 1
    assert bench.one(t.events, t.events.c.kind == "model.promoted").data["anyway"] == "needed"


def test_shadow_scores_and_inspected_workflows_are_read_by_model(bench: Bench) -> None:
    bench.enqueue(1)
    claimed = bench.claim()
    beside = Score(NAME, "b", 0.25, 0.5)
    verdict = Verdict("pass", score=Score(NAME, "a", 0.1, 0.5), shadows=(beside,))
    bench.settle(claimed, Settlement("passed", verdict=verdict))
    assert models.shadow_scores(bench.database, NAME, "b", "invoice-entry") == {claimed.attempt_id: (0.25, 0.5)}
    assert models.shadow_scores(bench.database, NAME, "a", "invoice-entry") == {}
    assert models.inspected_workflows(bench.database, NAME) == {"invoice-entry": claimed.definition_hash}


def of_file(name: str, version: str) -> str:
    """Return what a look at the file finds."""
    assert name == NAME
    return version * 64


def test_a_model_goes_back_by_itself_only_where_a_person_said_so(bench: Bench) -> None:
    register(bench, "a", "b")
    models.promote(bench.database, NAME, "b", "ana")
    assert roll_back_if_told(bench.database, NAME, "b", "more errors", of_file) is None
    set_automatic_rollback(bench.database, NAME, "ana", on=True)
    assert roll_back_if_told(bench.database, NAME, "a", "more errors", of_file) is None  # not the champion any more
    assert roll_back_if_told(bench.database, NAME, "b", "more errors", of_file) == "a"
    assert roll_back_if_told(bench.database, NAME, "a", "more errors", of_file) is None  # there is no previous one
    set_automatic_rollback(bench.database, NAME, "ana", on=False)
    assert not automatic_rollback(bench.database, NAME)
    rolled = bench.one(t.events, t.events.c.kind == "model.rolled_back")
    assert rolled.actor == "drift watch"


def test_a_model_never_goes_back_to_a_file_that_cannot_be_trusted(bench: Bench) -> None:
    def damaged(name: str, version: str) -> str:
        raise UserError(f"{name} {version}: damaged")

    register(bench, "a", "b")
    models.promote(bench.database, NAME, "b", "ana", sha256="b" * 64)
    set_automatic_rollback(bench.database, NAME, "ana", on=True)
    for of_bad_file in (damaged, lambda _name, _version: "0" * 64):
        assert roll_back_if_told(bench.database, NAME, "b", "more errors", of_bad_file) is None
    assert stages(bench) == {"a": "previous", "b": "champion"}


def test_a_promotion_that_was_shown_against_another_champion_is_refused(bench: Bench) -> None:
    register(bench, "a", "b", "c")
    models.promote(bench.database, NAME, "b", "ben")
    with pytest.raises(UserError, match="b has become champion meanwhile"):
        models.promote(bench.database, NAME, "c", "ana", against="a")
    models.promote(bench.database, NAME, "c", "ana", against="b")
    assert models.champion(bench.database, NAME) == "c"
