"""A broken definition and the lines it must print are one test; set COUNTERSIGN_UPDATE=1 to write the lines anew."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from bots.reconciliation.definition import DEFAULT
from bots.reconciliation.loading import load, load_one
from bots.reconciliation.policy import Policy
from engine.errors import UserError

ROOT = Path(__file__).parents[3]
BROKEN = ROOT / "fixtures" / "reconciliations" / "broken"
OK = ROOT / "fixtures" / "reconciliations" / "ok"
_KINDS = ("name", "reference")


@pytest.mark.parametrize("name", sorted(path.stem for path in BROKEN.glob("*.yaml")))
def test_a_broken_definition_prints_all_its_problems_in_one_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    definition, problems = load(Path(f"{name}.yaml"), _KINDS)
    printed = "".join(f"{problem}\n" for problem in problems)
    expected = BROKEN / f"{name}.out"
    if os.environ.get("COUNTERSIGN_UPDATE"):
        expected.write_text(printed, encoding="utf-8")
    assert definition is None
    assert printed
    assert printed == expected.read_text(encoding="utf-8")


def test_every_expectation_has_its_file() -> None:
    assert {path.stem for path in BROKEN.glob("*.out")} == {path.stem for path in BROKEN.glob("*.yaml")}


def test_good_definitions_print_nothing() -> None:
    for path in sorted(OK.glob("*.yaml")):
        definition, problems = load(path, _KINDS)
        assert problems == []
        assert definition is not None
        assert definition.file.name == path.stem


def test_without_a_definition_the_policy_is_the_default_one() -> None:
    assert DEFAULT.policy == Policy()
    assert DEFAULT.sha256 == ""


def test_what_a_definition_declares_reaches_the_matcher_and_the_reader() -> None:
    definition = load_one(OK / "main-account.yaml", _KINDS)
    policy = definition.policy
    assert (policy.latest, policy.calendar, policy.fee_share, policy.fee_fixed, policy.group) == (
        8,
        "DE",
        Decimal("0.03"),
        500,
        10,
    )
    assert policy.rates["USD", "EUR", date(2026, 3, 3)] == Decimal("0.9198")
    assert definition.four_eyes_over("EUR") == 1_000_000
    assert definition.four_eyes_over("JPY") == 1_500_000
    assert definition.four_eyes_over("GBP") is None
    assert definition.file.book.spec().negate


def test_a_definition_that_is_not_there_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml:1:1: cannot be read"):
        load_one(tmp_path / "none.yaml", _KINDS)
