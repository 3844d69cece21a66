"""Check a certificate without trusting who issued it: `python verify.py EXPORT.json`; exit code 0 if all of it holds.

This file stands alone: copy it anywhere. It imports the standard library only, and computes hashes, p-values, starts
and the choice of the threshold again from the audits in the export. What it cannot know is whether the outcomes are
true, and whether the draws were logged before them: that is what the ledger's append-only rows are for.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import Any


def canonical(value: Any) -> str:
    """Return JSON with sorted keys and no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def chance(k: int, n: int, alpha: float) -> float:
    """Return P(at most k of n are wrong | each is with chance alpha), summed in logarithms."""
    if k >= n:
        return 1.0
    fixed = math.lgamma(n + 1) + n * math.log1p(-alpha)
    odds = math.log(alpha) - math.log1p(-alpha)
    return math.fsum(math.exp(fixed - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * odds) for i in range(k + 1))


def starts(shares: list[float], n: int, alpha: float, delta: float) -> list[int]:
    """Return where the walks over the grid begin: at 1, 2 and 4 times the least sample if there is enough."""
    for factors in ((1, 2, 4), (1,)):
        few = math.ceil(math.log(delta / len(factors)) / math.log1p(-alpha) - 1e-9)
        if len(factors) > 1 and n < 3 * few:
            continue
        found: list[int] = []
        for factor in factors:
            expected = [n * share - 2 * math.sqrt(n * share * (1 - share)) for share in shares]
            enough = [i for i, count in enumerate(expected) if count >= few * factor]
            if enough and enough[0] not in found:
                found.append(enough[0])
        if found:
            return found
    return []


def any_time_chance(k: int, n: int, alpha: float) -> float:
    """Return 1 / evidence, at most 1: the p-value that holds at all looks together."""
    evidence = 0.0
    for tilt, weight in ((0.0, 0.5), (0.05, 0.125), (0.1, 0.125), (0.25, 0.125), (0.5, 0.125)):
        if tilt or not k:
            won = k * math.log(tilt) if k else 0.0
            evidence += weight * math.exp(min(700.0, won - n * math.log1p(-alpha * (1 - tilt))))
    return min(1.0, 1 / evidence) if evidence else 1.0


def choose(certificate: dict[str, Any], audits: list[dict[str, Any]]) -> tuple[int, int, int, float, list[int]] | None:
    """Return grid position, wrong ones, audited ones, p-value and starts of the loosest proven threshold."""
    alpha = certificate["alpha"] * certificate["sensitivity"]
    any_time, shares = certificate["any_time"], certificate["shares"]
    begun = starts(shares, len(audits), alpha, certificate["spent"])
    if any_time:
        begun = sorted({next(i for i, have in enumerate(shares) if have >= share) for share in (0.25, 0.5, 0.75)})
    order = sorted((audit["score"], bool(audit["wrong"])) for audit in audits)
    scores = [score for score, _ in order]
    wrong = [0, *accumulate(int(bad) for _, bad in order)]
    best = None
    level = 0.0  # a walk that reaches the next start takes that one's part of delta along (fallback procedure)
    for i in range(begun[0] if begun else len(certificate["grid"]), len(certificate["grid"])):
        level += certificate["spent"] / len(begun) if i in begun else 0.0
        n = bisect_right(scores, certificate["grid"][i])
        p = (any_time_chance if any_time else chance)(wrong[n], n, alpha) if level else 1.0
        if level and p <= level:
            best = (i, wrong[n], n, p)
        else:
            level = 0.0
    return None if best is None else (*best, begun)


def problems(exported: dict[str, Any]) -> list[str]:
    """Return what does not hold."""
    certificate, audits = exported["certificate"], exported["audits"]
    index = certificate["index"]
    spent = certificate["delta"] * (1 if index is None else 6 / (math.pi * index) ** 2)
    grid = [certificate["grid"], certificate["shares"]]
    rows = sorted([audit["key"], audit["score"], audit["wrong"]] for audit in audits)
    found = choose(certificate, audits)
    checks = {
        "the certificate was changed: its hash is another": digest(certificate) == exported["sha256"],
        "the grid was changed: its hash is another": digest(grid) == certificate["grid_sha256"],
        "the grid is not in order": sorted(set(certificate["grid"])) == certificate["grid"],
        "the audits are not those of the certificate": digest(rows) == certificate["sample_sha256"],
        "the number of audits is another": len(audits) == certificate["sample_size"],
        "a record is audited twice": len({audit["key"] for audit in audits}) == len(audits),
        "an audit was not drawn at random": all(_drawn(audit) for audit in audits),
        "more of delta was spent than this calibration may": math.isclose(spent, certificate["spent"]),
        "nothing is proven by these audits": found is not None,
        "the sensitivity is no share": 0 < certificate["sensitivity"] <= 1,
    }
    if found is not None:
        at, k, n, p, begun = found
        checks |= {
            "the audits prove another threshold": certificate["grid"][at] == certificate["threshold"],
            "the counts at the threshold are others": (k, n) == (certificate["k"], certificate["n"]),
            "the p-value is another": math.isclose(p, certificate["p_value"], rel_tol=1e-6, abs_tol=1e-300),
            "the walks begin elsewhere": begun == certificate["starts"],
        }
    for receipt in exported.get("receipts", []):
        key = receipt["key"]
        checks[f"{key} refers to another certificate"] = receipt["certificate"] == exported["sha256"]
        checks[f"{key} should not have passed"] = receipt["score"] <= certificate["threshold"]
    return [problem for problem, holds in checks.items() if not holds]


def _drawn(audit: dict[str, Any]) -> bool:
    return audit["draw"] is not None and audit["draw"] < audit["floor"]


def main(arguments: list[str]) -> int:
    """Check one file and say what does not hold."""
    if len(arguments) != 1:
        sys.stderr.write("usage: verify.py EXPORT.json\n")
        return 2
    exported = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    found = problems(exported)
    for problem in found:
        sys.stdout.write(f"FAILED: {problem}\n")
    receipts = len(exported.get("receipts", []))
    if not found:
        one = exported["certificate"]
        confidence = 1 - one["delta"] - one["sensitivity_delta"]
        assumed = ", if every audit is right" if one["sensitivity_delta"] == 0 else ""
        sys.stdout.write(
            f"holds: error rate <= {one['alpha']:g} at {confidence:g} confidence up to score "
            f"{one['threshold']:g} ({one['k']} wrong of {one['n']} audits, p = {one['p_value']:.3g}){assumed}; "
            f"{receipts} receipts\n"
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
