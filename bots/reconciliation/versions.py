"""What decides beside a definition's text, by name and hash: the matcher, its evidence, a rate table, a model.

A proof and a what-if name them, so that whoever repeats one knows whether it is the same that speaks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Protocol, runtime_checkable

from bots.reconciliation.definition import Definition
from bots.reconciliation.judging import Judge

_HOME = Path(__file__).parent
SEED = _HOME / "seeded.json"


@runtime_checkable
class Versioned(Protocol):
    """A judge that says which model speaks."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Return name and version to the SHA-256 of the artifact."""
        ...


def versions(definition: Definition, judge: Judge | None = None) -> dict[str, str]:
    """Return name to SHA-256 of what decides beside the definition's text.

    Args:
        definition: its rate table counts, because its own hash does not cover that.
        judge: gives suggestions a probability; what it is made of counts where it says so.
    """
    found = {"matcher": matcher_digest(), "seeded evidence": _digest(SEED.read_bytes())}
    if definition.rates:
        rates = sorted(f"{base} {to} {day} {rate}" for (base, to, day), rate in definition.rates.items())
        found["rates"] = _digest("\n".join(rates).encode())
    return found | (dict(judge.versions) if isinstance(judge, Versioned) else {})


@cache
def matcher_digest(folder: Path = _HOME) -> str:
    """Return the SHA-256 of the matcher's source: where it differs from the seed's, the seed is of another matcher."""
    files = [folder / "kinds.py", folder / "policy.py", *sorted((folder / "matching").glob("*.py"))]
    return _digest(b"".join(path.read_bytes() for path in files))


def software() -> str:
    """Return the version of Countersign; empty in a clone that is not installed."""
    try:
        return metadata.version("countersign")
    except metadata.PackageNotFoundError:
        return ""


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
