from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from qc_models.guarantee import verify
from qc_models.guarantee.certificate import Certificate, certify, export
from qc_models.guarantee.dial import dial
from qc_models.guarantee.learn_then_test import calibrate, grid_of
from qc_models.guarantee.sample import Audit
from tests.qc_models.guarantee.samples import START, audits, traffic

PINS = {"model": "7", "schema": "ab12", "contract": "cd34", "app": "erp 5.1", "segments": "north,south"}


def issued(seed: int = 1, n: int = 3_000, **other: Any) -> tuple[Certificate, list[Audit]]:
    """Return a certificate and the audits behind it."""
    scores, wrong = traffic(n, seed, quality=4.0)
    sample = audits(scores, wrong)
    given = {"alpha": 0.01, "delta": 0.05, "index": 2, "sensitivity": 0.97, "pins": PINS, "issued_at": START, **other}
    _, certificate = certify(sample, grid_of(traffic(20_000, 99)[0]), **given)
    assert certificate is not None
    return certificate, sample


def test_a_certificate_survives_json_with_its_hash() -> None:
    certificate, _ = issued()
    again = Certificate.from_json(certificate.to_json())
    assert (again, again.sha256) == (certificate, certificate.sha256)
    with pytest.raises(UserError, match="no certificate"):
        Certificate.from_json('{"alpha": 1}')


def test_a_retrain_resets_the_certificate() -> None:
    certificate, _ = issued()
    assert certificate.holds_for(PINS) == ()
    assert certificate.holds_for({**PINS, "model": "8"}) == ("model is 8, certified is 7",)
    assert certificate.holds_for({**PINS, "region": "x"}) == ("region is x, certified is nothing",)


def test_nothing_is_issued_where_nothing_is_proven() -> None:
    scores, wrong = traffic(100, 1)
    given: dict[str, Any] = {"alpha": 0.01, "delta": 0.05, "index": 1, "pins": PINS, "issued_at": START}
    found, certificate = certify(audits(scores, wrong), grid_of(scores), **given)
    assert certificate is None
    assert found.missing > 0


def test_a_record_over_the_threshold_gets_no_receipt() -> None:
    certificate, _ = issued()
    assert certificate.receipt("r1", certificate.threshold)["certificate"] == certificate.sha256
    for score in (1.0, float("nan")):
        with pytest.raises(UserError, match="must be reviewed"):
            certificate.receipt("r1", score)


def test_every_certificate_and_receipt_verifies_offline_with_one_file(tmp_path: Path) -> None:
    for seed in range(4):
        certificate, sample = issued(
            seed, n=1_500 + 700 * seed, index=None if seed % 2 else 1 + seed, any_time=seed % 3 == 0
        )
        passed = [certificate.receipt(one.key, one.score) for one in sample if one.score <= certificate.threshold]
        assert verify.problems(json.loads(export(certificate, sample, passed))) == []
    alone, exported = tmp_path / "check.py", tmp_path / "export.json"
    alone.write_text(Path(verify.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    exported.write_text(export(certificate, sample, passed), encoding="utf-8")
    command = [sys.executable, "-I", "-S", str(alone), str(exported)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert answer.stdout.startswith("holds: error rate <= 0.01 at 0.95 confidence")
    exported.write_text(exported.read_text(encoding="utf-8").replace('"alpha":0.01', '"alpha":0.001'), encoding="utf-8")
    refused = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert refused.returncode == 1
    assert "FAILED: the certificate was changed" in refused.stdout


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (lambda e: e["audits"].pop(), "the number of audits is another"),
        (lambda e: e["audits"][0].update(wrong=True), "the audits are not those of the certificate"),
        (lambda e: e["audits"][0].update(draw=0.5), "an audit was not drawn at random"),
        (lambda e: e["certificate"].update(threshold=0.99), "the audits prove another threshold"),
        (lambda e: e["certificate"].update(k=0), "the counts at the threshold are others"),
        (lambda e: e["certificate"].update(p_value=0.001), "the p-value is another"),
        (lambda e: e["certificate"].update(spent=0.05), "more of delta was spent than this calibration may"),
        (lambda e: e["certificate"]["shares"].pop(), "the grid was changed: its hash is another"),
        (lambda e: e["certificate"].update(alpha=1e-6), "nothing is proven by these audits"),
        (lambda e: e["receipts"].append({"key": "x", "score": 0.99, "certificate": "y"}), "x should not have passed"),
    ],
)
def test_the_verifier_notices_every_change(tamper: Any, problem: str) -> None:
    certificate, sample = issued()
    exported = json.loads(export(certificate, sample))
    tamper(exported)
    assert problem in verify.problems(exported)


def test_the_dial_shows_the_price_and_refuses_what_is_not_proven() -> None:
    scores, wrong = traffic(4_000, 3, base=0.03, quality=3.0)
    sample, grid = audits(scores, wrong), grid_of(traffic(20_000, 99, base=0.03, quality=3.0)[0], points=20)
    curve = dial(sample, grid, alpha=0.01, delta=0.05, minutes=1.5, floor=0.02)
    proven = calibrate(sample, grid, alpha=0.01, delta=0.05)
    assert [one.certifiable for one in curve.points] == [at in proven.accepted for at in range(len(grid.thresholds))]
    assert proven.threshold is not None
    assert curve.choose(proven.threshold).threshold == proven.threshold
    assert all(one.residual[0] <= one.residual[1] <= one.residual[2] for one in curve.points)
    assert all(low <= mid <= high for low, mid, high in (one.queue for one in curve.points))
    assert all(strict.minutes >= loose.minutes for strict, loose in pairwise(curve.points))
    last = curve.points[-1]
    assert [last.queue[1], last.minutes] == pytest.approx([20, 30])
    with pytest.raises(UserError, match=r"is not proven: \d+ of 4000 audited records .* \d+ audits there with"):
        curve.choose(last.threshold)
    often = dial(sample, grid, alpha=0.01, delta=0.05, minutes=1.5, floor=0.02, any_time=True)
    assert all(one.residual[2] >= two.residual[2] for one, two in zip(often.points, curve.points, strict=True))
    with pytest.raises(UserError, match="no setting of the dial"):
        curve.choose(0.123)


def test_the_dials_queue_forecast_is_within_ten_percent() -> None:
    grid = grid_of(traffic(20_000, 99)[0], points=20)
    later, _ = traffic(20_000, 98)
    scores, wrong = traffic(1_000, 3)
    curve = dial(audits(scores, wrong), grid, alpha=0.01, delta=0.05, minutes=1, floor=0.01)
    for point in curve.points[:-3]:
        passes = float((later <= point.threshold).mean())
        assert 1000 * (1 - passes + 0.01 * passes) == pytest.approx(point.queue[1], rel=0.1)


def test_the_dial_without_any_proof_says_what_is_missing() -> None:
    scores, wrong = traffic(50, 3)
    curve = dial(audits(scores, wrong), grid_of(scores), alpha=0.0001, delta=0.05, minutes=1, floor=0.01)
    with pytest.raises(UserError, match="No setting is proven"):
        curve.choose(curve.points[0].threshold)
    with pytest.raises(UserError, match="canaries are missing"):
        replace(curve, calibration=replace(curve.calibration, sensitivity=0.0)).choose(curve.points[0].threshold)
