"""The receipt of a proven threshold: everything that is needed to compute it again, and a hash over all of it.

`verify.py` beside this file checks an export with nothing but Python's standard library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any

from engine.errors import UserError
from qc_models.guarantee.learn_then_test import Calibration, Grid, calibrate, spend
from qc_models.guarantee.sample import Audit

METHOD = "fixed-sequence Learn-then-Test, exact binomial, fallback between starts by expected sample (1)"


@dataclass(frozen=True)
class Certificate:
    """One proven threshold. It holds for records that are exchangeable with the sample's, and for the pins alone."""

    method: str
    alpha: float
    delta: float
    """Of all calibrations of this promise together."""
    spent: float
    """Of this one."""
    index: int | None
    """Number of the calibration, from 1; None: the only one there will ever be, so that it may spend all of delta."""
    any_time: bool
    """Whether delta covers all looks at the growing sample on this grid, which then need no number."""
    sensitivity: float
    sensitivity_delta: float
    """What the lower bound of the sensitivity spent beside delta."""
    grid: tuple[float, ...]
    shares: tuple[float, ...]
    grid_source: int
    grid_sha256: str
    threshold: float
    k: int
    n: int
    p_value: float
    starts: tuple[int, ...]
    sample_size: int
    sample_sha256: str
    pins: Mapping[str, str]
    """What it holds for: model version, feature schema, contract hash, application version, segments seen."""
    issued_at: datetime

    @cached_property
    def sha256(self) -> str:
        """Return the hash that receipts refer to."""
        return hashlib.sha256(canonical(self.as_dict()).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "pins": dict(self.pins), "issued_at": self.issued_at.isoformat()}

    def to_json(self) -> str:
        """Return one JSON object, always the same text for the same certificate."""
        return canonical(self.as_dict())

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read what `to_json` wrote.

        Raises:
            UserError: it is no certificate.
        """
        try:
            read = json.loads(text)
            values = {one.name: read.pop(one.name) for one in fields(cls)}
            values |= {name: tuple(values[name]) for name in ("grid", "shares", "starts")}
            values["issued_at"] = datetime.fromisoformat(values["issued_at"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"this is no certificate: {error}") from error
        return cls(**values)

    def holds_for(self, pins: Mapping[str, str]) -> tuple[str, ...]:
        """Return what differs from the pins; anything that does voids the certificate (fail closed)."""
        names = sorted({*self.pins, *pins})
        return tuple(
            f"{name} is {pins.get(name, 'unknown')}, certified is {self.pins.get(name, 'nothing')}"
            for name in names
            if pins.get(name) != self.pins.get(name)
        )

    def receipt(self, key: str, score: float) -> dict[str, Any]:
        """Return the proof of one record's auto-pass.

        Raises:
            UserError: the record must be reviewed.
        """
        if not score <= self.threshold:
            raise UserError(f"record {key} has score {score}, over the certified {self.threshold}: it must be reviewed")
        return {"key": key, "score": score, "certificate": self.sha256}


def certify(
    audits: Sequence[Audit],
    grid: Grid,
    *,
    alpha: float,
    delta: float,
    index: int | None,
    pins: Mapping[str, str],
    issued_at: datetime,
    sensitivity: float = 1.0,
    sensitivity_delta: float = 0.0,
    any_time: bool = False,
) -> tuple[Calibration, Certificate | None]:
    """Calibrate on a certification sample and write the certificate, if anything is proven.

    Args and errors are those of `calibrate`; `delta` is that of all calibrations together, of which number `index`
    spends its part. Looks at the same growing sample with `any_time` are one calibration.
    """
    spent = delta if index is None else spend(delta, index)
    found = calibrate(audits, grid, alpha=alpha, delta=spent, sensitivity=sensitivity, any_time=any_time)
    if found.threshold is None:
        return found, None
    return found, Certificate(
        method=METHOD,
        alpha=alpha,
        delta=delta,
        spent=spent,
        index=index,
        any_time=any_time,
        sensitivity=sensitivity,
        sensitivity_delta=sensitivity_delta,
        grid=grid.thresholds,
        shares=grid.shares,
        grid_source=grid.source,
        grid_sha256=grid.digest,
        threshold=found.threshold,
        k=found.k,
        n=found.n,
        p_value=found.p_value,
        starts=found.starts,
        sample_size=len(audits),
        sample_sha256=sample_digest(audits),
        pins=dict(pins),
        issued_at=issued_at,
    )


def sample_digest(audits: Iterable[Audit]) -> str:
    """Return the SHA-256 of the sorted keys with their scores and outcomes."""
    rows = sorted([audit.key, audit.score, bool(audit.wrong)] for audit in audits)
    return hashlib.sha256(canonical(rows).encode()).hexdigest()


def export(certificate: Certificate, audits: Iterable[Audit], receipts: Iterable[Mapping[str, Any]] = ()) -> str:
    """Return the JSON that `verify.py` checks: the certificate, its audits, and receipts of passed records."""
    rows = [
        {"key": one.key, "score": one.score, "wrong": bool(one.wrong), "draw": one.draw, "floor": one.floor}
        for one in audits
    ]
    body = {"certificate": certificate.as_dict(), "sha256": certificate.sha256, "audits": rows}
    return canonical({**body, "receipts": [dict(one) for one in receipts]})


def canonical(value: Any) -> str:
    """Return JSON with sorted keys and no blanks, so that equal values have equal hashes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
