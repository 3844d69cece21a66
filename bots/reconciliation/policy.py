"""What counts as a possible match: windows, fees, bounds of groups, rates; defaults serve a first use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from bots.reconciliation.rules import Rule


@dataclass(frozen=True)
class Policy:
    """The limits within which candidates are looked for."""

    earliest: int = -2
    """Business days from the books' day to the bank's day, at least; negative: the bank was first."""
    latest: int = 10
    """The same, at most."""
    calendar: str | None = None
    """Country (ISO 3166) whose holidays are no business days; None: Monday to Friday."""
    fee_share: Decimal = Decimal("0.04")
    """Most that a bank keeps of an amount, as a share of it."""
    fee_fixed: int = 2_500
    """Most that a bank keeps on top of the share, minor units."""
    group: int = 12
    """Most lines on the larger side of a 1-N or N-1 match."""
    net: int = 4
    """Most lines on either side of an N-M match."""
    subset: int = 24
    """Most candidates among which a sum is looked for."""
    reversal: int = 10
    """Business days between a booking and its reversal, at most."""
    rates: Mapping[tuple[str, str, date], Decimal] = field(default_factory=dict)
    """(from, to, day) -> how many units of `to` one unit of `from` is."""
    rate_tolerance: Decimal = Decimal("0.01")
    """How far the rate of a match may be off the table's, as a share."""
    rules: tuple[Rule, ...] = ()
    """What people accepted of what their reviews taught."""

    def watched(self) -> Policy:
        """Return the same with a window no narrower than the default one.

        A line's partner may lie outside a narrow window, and another line with its amount and name inside. Rivals are
        looked for where partners are, whatever is allowed to match: the bounds of `gate.py` were measured so.
        """
        return replace(self, earliest=min(self.earliest, Policy.earliest), latest=max(self.latest, Policy.latest))
