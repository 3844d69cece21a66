"""The registry of checks, and the inspector that asks them all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from engine.definition import CheckSpec
from engine.errors import UserError
from engine.ports import Case, Finding, Score
from engine.values import Record
from qc_models.checks.model import Judgement, ModelParams
from qc_models.countersigner import Countersigner
from qc_models.registry import CHECKS, check_kinds
from tests.qc_models.cases import case, invoice


class Fixed:
    """A judge with one opinion."""

    def __init__(self, judgement: Judgement | UserError) -> None:
        self.judgement = judgement

    def first_look(self, case: Case) -> tuple[Finding, ...]:
        """See nothing."""
        del case
        return ()

    def judge(self, params: ModelParams, case: Case, review_at: float | None = None) -> Judgement:
        """Return the opinion, or raise it."""
        del params, case, review_at
        if isinstance(self.judgement, UserError):
            raise self.judgement
        return self.judgement


def workflow(*checks: tuple[str, Any]) -> Any:
    kinds = check_kinds()
    specs = [CheckSpec(kind, kinds[kind].params.model_validate(raw), 1) for kind, raw in checks]
    return SimpleNamespace(checks=tuple(specs))


def test_every_check_has_parameters_and_a_docstring() -> None:
    kinds = check_kinds()
    assert list(kinds) == list(CHECKS)
    for kind in kinds.values():
        assert kind.doc
        assert callable(kind.params.model_validate({"name": "x"} if kind.name == "model" else _LEAST[kind.name]).named)  # type: ignore[attr-defined]
        with pytest.raises(ValidationError):
            kind.params.model_validate({"coffee": "black"})


UNPROVEN = {"name": "entry-quality", "until_proven": "model"}
_LEAST: dict[str, Any] = {"read_back": "all", "rule": {"iban": "iban"}}


def test_all_checks_are_asked_and_their_findings_kept() -> None:
    payload: Record = invoice(iban="DE11051561280362021163")
    flow = workflow(("read_back", "all"), ("rule", {"iban": "iban"}), ("model", UNPROVEN))
    passing = Fixed(Judgement(Score("entry-quality", "1", 0.1, 0.5), ()))
    verdict = Countersigner(passing).inspect(flow, case(payload, {**payload, "net": None}))
    assert verdict.decision == "review"
    assert [finding.check for finding in verdict.findings] == ["read_back", "rule"]
    assert verdict.score == Score("entry-quality", "1", 0.1, 0.5)


def test_a_clean_output_passes() -> None:
    verdict = Countersigner(Fixed(UserError("not asked"))).inspect(workflow(("read_back", "all")), case(invoice()))
    assert (verdict.decision, verdict.findings, verdict.score) == ("pass", (), None)


def test_without_a_usable_model_a_person_looks() -> None:
    flow = workflow(("model", {"name": "entry-quality"}))
    verdict = Countersigner(Fixed(UserError("the file was changed"))).inspect(flow, case(invoice()))
    assert verdict.decision == "review"
    assert verdict.findings[0].code == "model_unusable"
    assert "the file was changed" in verdict.findings[0].message
