"""The verbs: gauge, certificates, receipts that anybody can verify, a dial that refuses what is not proven."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import certificates, sampling
from engine.ledger.database import Database
from engine.ledger.proof import proof
from qc_models.guarantee import verify
from qc_models.guarantee.switching import Level, Sampling
from qc_models.promise.cli import build_quality
from qc_models.promise.memory import Memory
from qc_models.promise.standing import UNSEEN
from qc_models.promise.watch import put
from tests.qc_models.promise.conftest import Works, definition

Open = Callable[..., Works]


@dataclass
class Desk:
    """Somebody at the works' ledger."""

    works: Works
    user: str = "ana"

    @property
    def database(self) -> Database:
        """The works' ledger."""
        return self.works.bench.database

    @property
    def console(self) -> Console:
        """Standard output."""
        return Console(width=200)

    def load(self, path: Path) -> Workflow:
        """Load nothing: workflows are named."""
        raise AssertionError(path)

    def workflow(self, definition_hash: str) -> Workflow:
        """Return the works' definition."""
        assert definition_hash == self.works.workflow.hash
        return self.works.workflow


def quality(works: Works, *said: str) -> Result:
    return CliRunner().invoke(build_quality(lambda: Desk(works)), said)


def told(works: Works, *said: str, code: int = 0) -> Any:
    result = quality(works, *said, "--json")
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == code, result.output
    return json.loads(result.output)


NAME = "invoice-entry"


def certified(works: Open) -> Works:
    here = works()
    here.stream([n % 50 >= 45 and n % 2 == 0 for n in range(200)])
    assert told(here, "certify", NAME)["threshold"] > 0.3
    return here


def test_the_gauge_says_what_is_left_wrong_at_most_and_what_is_missing(works: Open) -> None:
    here = works(definition({"audit_sample": 0.5}))
    here.stream([False] * 20)
    here.watch()
    early = told(here, "status", NAME)
    assert early["proof"]["proven"] is False
    assert early["audits"] == {"there": 20, "missing": 51}
    assert "51 audited records without an error are missing, 20 are there" in early["proof"]["sentence"]
    here.stream([False] * 60, scores=lambda _: 0.1)
    here.watch()
    here.stream([n == 3 for n in range(40)], scores=lambda _: 0.1)
    late = told(here, "status", NAME)
    assert late["proof"]["proven"] is True
    assert late["residual"]["records"] == 120
    assert late["residual"]["coverage"] == pytest.approx(40 / 120)
    assert late["residual"]["rho"] == 1.0, "without canaries nothing is known of what reviewers miss"
    assert any("no canary was reviewed" in one for one in late["residual"]["missing"])
    assert late["figures"]["error_rate"]["low"] <= 1 / 120 <= late["figures"]["error_rate"]["high"]
    assert late["certificates"][0]["holds"] is True
    shown = quality(here, "status", NAME).output
    assert "is proven up to P(wrong)" in shown
    assert "sampling  normal" in shown


def test_the_gauge_of_a_stricter_promise_is_not_proven_by_the_certificate_of_a_looser_one(works: Open) -> None:
    here = certified(works)
    here.workflow = replace(definition(max_residual_error=0.05), snapshot=here.workflow.snapshot)
    seen = told(here, "status", NAME)
    assert seen["proof"]["proven"] is False
    assert seen["proof"]["sentence"].startswith("5 % at 90 % confidence is NOT proven: what is in force promises less.")
    assert seen["audits"]["missing"] > 0


def test_before_anything_counts_the_gauge_claims_nothing_of_records_or_reviewers(works: Open) -> None:
    here = works(definition({"audit_sample": 0.5}))
    here.inspect(0.2)
    shown = quality(here, "status", NAME).output
    assert f"budget    nothing counts yet; what counts ends at item {here.claimed.item_id} (" in shown
    assert "what they find is not proven" in shown
    assert "0 of 0" not in shown


def test_certify_ends_with_one_while_nothing_is_proven(works: Open) -> None:
    here = works()
    here.stream([False] * 45)
    assert told(here, "certify", NAME, code=1)["threshold"] is None


def test_a_receipt_names_what_stands_behind_a_pass_and_verifies_with_nothing_but_python(
    works: Open, tmp_path: Path
) -> None:
    here = certified(works)
    passed = here.inspect(0.2)
    item = str(here.claimed.item_id)
    out = tmp_path / "receipt.json"
    receipt = told(here, "receipt", item, "--out", str(out))
    assert (receipt["certificate_id"], receipt["proven"]) == (passed.certificate, True)
    assert receipt["behind"]["p_value"] < 0.061
    script = [sys.executable, "-I", str(Path(verify.__file__)), str(out)]
    good = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout[:6]) == (0, "holds:")
    assert told(here, "verify", str(out)) == {"holds": True, "problems": []}
    said = quality(here, "verify", str(tmp_path / "none.json")).exception
    assert str(said) == f"{tmp_path / 'none.json'}: cannot be read: No such file or directory"
    changed = json.loads(out.read_text())
    changed["audits"][0]["wrong"] = not changed["audits"][0]["wrong"]
    out.write_text(json.dumps(changed))
    assert subprocess.run(script, capture_output=True, check=False).returncode == 1
    assert "the audits are not those of the certificate" in told(here, "verify", str(out), code=1)["problems"]


def test_a_receipt_says_that_its_certificate_was_revoked_since(works: Open) -> None:
    here = certified(works)
    here.inspect(0.2)
    item = str(here.claimed.item_id)
    assert told(here, "receipt", item)["revoked"] is None
    database = here.bench.database
    with database.write() as connection:
        certificates.revoke(connection, database, here.subject().scope.hash, "9 of 40 audited passes were wrong", "eve")
    assert told(here, "receipt", item)["revoked"] == "9 of 40 audited passes were wrong"
    assert "since then: 9 of 40 audited passes were wrong" in quality(here, "receipt", item).output


def test_what_did_not_pass_or_passed_unproven_has_no_receipt_to_verify(works: Open, tmp_path: Path) -> None:
    here = works(definition(until_proven="model"))
    here.inspect(0.2)
    passed = str(here.claimed.item_id)
    assert "was not proven" in told(here, "receipt", passed)["reason"]
    with pytest.raises(UserError, match="nothing to verify"):
        told(here, "receipt", passed, "--out", str(tmp_path / "receipt.json"))
    here.inspect(0.9)
    with pytest.raises(UserError, match="did not pass by itself"):
        told(here, "receipt", str(here.claimed.item_id))


def test_the_dial_shows_minutes_against_the_bound_and_sets_only_what_is_proven(works: Open) -> None:
    here = certified(works)
    curve = told(here, "dial", NAME, "--minutes", "2")
    points = curve["points"]
    assert [point["minutes"] for point in points] == sorted((point["minutes"] for point in points), reverse=True)
    proven = [point for point in points if point["certifiable"]]
    strict, loose = proven[0], proven[-1]
    assert loose is not points[-1]
    before = certificates.history(here.bench.database, NAME)
    with pytest.raises(UserError, match="is not proven"):
        told(here, "dial", NAME, "--set", "0.9")
    assert certificates.history(here.bench.database, NAME) == before
    set_to = told(here, "dial", NAME, "--set", str(strict["review_at"] + 1e-9))
    assert set_to["threshold"] == strict["review_at"]
    newest, older = certificates.history(here.bench.database, NAME)[:2]
    assert (newest.holds, older.holds) == (True, False)
    verdict = here.inspect(strict["review_at"])
    assert (verdict.decision, verdict.certificate) == ("review", newest.id)
    assert "minutes a review, as given" in quality(here, "dial", NAME, "--minutes", "2").output


def test_a_stricter_setting_reaches_only_groups_that_have_an_audited_record_which_passes_by_it(works: Open) -> None:
    here = works(definition({"audit_sample": 1, "segments": {"supplier": "each"}}))
    here.stream([False] * 200)
    here.inspect(0.3, supplier="Other Ltd")
    here.rule_on(here.claimed.item_id, wrong=False)
    assert told(here, "certify", NAME)["threshold"] > 0.3
    assert here.inspect(0.1, supplier="Other Ltd").decision == "pass"
    told(here, "dial", NAME, "--set", "0.25")
    assert [one.code for one in here.inspect(0.1, supplier="Other Ltd").findings] == [UNSEEN]
    assert here.inspect(0.1).decision == "pass"


def test_the_dial_does_not_bring_back_what_an_alarm_revoked(works: Open) -> None:
    here = works(definition({"audit_sample": 1}))
    here.stream([False] * 75, scores=lambda _: 0.1)
    here.watch()
    setting = told(here, "dial", NAME)["points"][-1]["review_at"]
    here.stream([n % 3 > 0 for n in range(40)], scores=lambda _: 0.05)
    here.watch()
    with pytest.raises(UserError, match=r"is revoked: .* audited passes were wrong"):
        told(here, "dial", NAME, "--set", str(setting))
    assert here.inspect().decision == "review"
    curve = told(here, "dial", NAME)
    assert "audited passes were wrong" in curve["revoked"]
    assert not any(point["certifiable"] for point in curve["points"])
    assert "is revoked: 2" in quality(here, "dial", NAME).output


def test_a_setting_may_be_copied_from_the_table_and_a_strict_one_is_refused_for_the_reason_that_holds(
    works: Open,
) -> None:
    here = certified(works)
    proven = [point for point in told(here, "dial", NAME)["points"] if point["certifiable"]]
    assert f"{proven[0]['review_at']:.4g}" == f"{proven[0]['threshold']:.4g}"
    set_to = told(here, "dial", NAME, "--set", f"{proven[0]['review_at']:.4g}")
    assert set_to["threshold"] == proven[0]["review_at"]
    with pytest.raises(UserError, match=r"stricter than where the test begins") as refused:
        told(here, "dial", NAME, "--set", f"{proven[0]['threshold'] - 0.02:.4g}")
    assert "would prove it" not in str(refused.value)


def test_a_threshold_of_one_s_own_is_never_reported_as_proven_although_a_certificate_is_in_force(works: Open) -> None:
    here = works()
    here.stream([False] * 75, scores=lambda _: 0.1)
    here.watch()
    for other in (definition(threshold=0.9), definition(max_residual_error=0.01)):
        here.workflow = other
        here.inspect(0.8)
        seen = told(here, "status", NAME)["proof"]
        assert (seen["proven"], seen["certificate"]) == (False, 1)
        assert "NOT proven" in seen["sentence"]
    here.workflow = definition()
    here.inspect(0.1)
    assert told(here, "status", NAME)["proof"]["proven"] is True


def test_without_a_look_the_dial_says_so(works: Open) -> None:
    here = works()
    here.inspect()
    with pytest.raises(UserError, match="nobody has looked at the audits"):
        told(here, "dial", NAME)


def test_reports_say_in_one_line_what_is_proven(works: Open) -> None:
    here = works()
    assert proof(here.bench.database, NAME) is None
    here.inspect()
    first = proof(here.bench.database, NAME)
    assert first is not None
    assert first.sentence == "not proven: no audit of this model and contract was counted yet"
    here.rule_on(here.claimed.item_id, wrong=False)
    here.stream([False] * 20)
    here.watch()
    second = proof(here.bench.database, NAME)
    assert second is not None
    assert second.sentence == (
        "10 % at 90 % confidence is NOT proven: 50 audited records without an error are missing, 21 are there"
    )
    here.stream([False] * 60, scores=lambda _: 0.1)
    here.watch()
    third = proof(here.bench.database, NAME)
    assert third is not None
    assert third.proven
    assert third.sentence.startswith("10 % at 90 % confidence is proven up to P(wrong)")


def test_a_stopped_promise_is_resumed_by_a_person_with_a_reason(works: Open) -> None:
    here = works()
    here.inspect()
    with pytest.raises(UserError, match="is not stopped"):
        raise quality(here, "resume", NAME, "--reason", "mended").exception or AssertionError
    with here.bench.database.write() as connection:
        stopped = Memory(sampling=Sampling(level=Level.STOPPED, reason="five lots were rejected"))
        sampling.locked(connection, here.bench.database, NAME, 1.0)
        put(connection, here.bench.database, here.workflow, stopped)
    assert quality(here, "resume", NAME, "--reason", "mended").exit_code == 0
    plan = sampling.plan_of(here.bench.database, NAME, 1.0)
    assert (plan.level, plan.auto_pass, plan.reason) == ("tightened", True, "resumed: mended (ana)")
