"""The head of a proof of reconciliation, kept apart from the proof: whoever changes the file cannot change this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class NewHead:
    """A proof that was written."""

    name: str
    """Of the reconciliation."""
    series: str
    """Equal for proofs of the same reconciliation of the same accounts, period after period."""
    asof: str
    file: str
    head: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Side and name of each file to its SHA-256."""
    definition: str = ""
    """SHA-256 of its text."""
    states: Mapping[str, int] = field(default_factory=dict)
    """Lines closed, suggested and open; bookings quarantined."""


@dataclass(frozen=True)
class KeptHead(NewHead):
    """One that is kept; none is ever changed or deleted."""

    at: datetime = field(kw_only=True)
    by: str = field(kw_only=True)
