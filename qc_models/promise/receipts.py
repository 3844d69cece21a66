"""The receipt of one auto-pass: threshold, certificate and the audits behind it, to be checked anywhere."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.ledger import certificates
from engine.ledger.database import Database
from qc_models.guarantee import verify
from qc_models.guarantee.certificate import Certificate, canonical, export
from qc_models.guarantee.sample import Audit
from qc_models.promise.audits import key_of


def receipt(database: Database, item_id: int) -> dict[str, Any]:
    """Return what stands behind an item's auto-pass, for people and for JSON.

    Raises:
        UserError: nothing was inspected of it, or it did not pass.
    """
    item = certificates.verdict_on(database, item_id)
    if item.decision != "pass":
        raise UserError(f"item {item_id} did not pass by itself: a person decides, or decided, about it")
    said: dict[str, Any] = {**asdict(item), "inspected_at": item.inspected_at.isoformat(), "proven": False}
    if item.certificate_id is None:
        return said | {"reason": "no certificate stands behind it: its error rate was not proven"}
    kept, proof = _proof(database, item.certificate_id)
    behind = {"wrong": proof.k, "audits": proof.n, "p_value": proof.p_value, "sample": proof.sample_size}
    promise = {"promise": kept["promise"], "assumes": kept["eyes"]["said"], "certificate_sha256": proof.sha256}
    promise |= {"revoked": certificates.issued(database, item.certificate_id).revoked_reason}
    return said | {"proven": True, "reason": kept["reason"], "behind": behind, "key": key_of(item.reference)} | promise


def exported(database: Database, item_id: int) -> str:
    """Return an item's receipt with its certificate and all audits behind it, as JSON that `verify.py` checks alone.

    Raises:
        UserError: as `receipt`, or no certificate stands behind the pass.
    """
    item = certificates.verdict_on(database, item_id)
    told = receipt(database, item_id)
    if item.certificate_id is None or item.probability is None:
        raise UserError(f"item {item_id}: {told['reason']}, so there is nothing to verify")
    kept, proof = _proof(database, item.certificate_id)
    audits = [_audit(row, proof) for row in kept["audits"]]
    return export(proof, audits, [proof.receipt(key_of(item.reference), item.probability)])


def problems(path: Path) -> list[str]:
    """Return what does not hold in an exported receipt.

    Raises:
        UserError: the file cannot be read, or is no receipt.
    """
    try:
        return verify.problems(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: is no receipt that can be verified ({error!r})") from error


def _proof(database: Database, certificate_id: int) -> tuple[dict[str, Any], Certificate]:
    kept = certificates.receipt_of(database, certificate_id)
    return kept, Certificate.from_json(canonical(kept["certificate"]))


def _audit(row: dict[str, Any], proof: Certificate) -> Audit:
    return Audit(**row, probability=1.0, flagged=False, at=proof.issued_at)
