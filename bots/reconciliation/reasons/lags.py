"""How long partners wait for each other: the business days of matches, and what they say of lines still open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bots.reconciliation.matched import BANK, BOOK, Matched
from bots.reconciliation.matching.days import ordinals
from bots.reconciliation.policy import Policy
from bots.reconciliation.reasons.stacked import Bools, Floats, Ints

_AFTER = 0.02
"""Share of partners outside the window, before any is seen."""
_AHEAD = 1_000
"""Days beyond the last line's that the calendar is worked out for."""


@dataclass(frozen=True)
class Waits:
    """How many business days after a line its partner came; sorted, shape (matches,).

    Suggested matches count as closed ones do: where nothing closes, their days are all that is known.
    """

    days: Ints

    @classmethod
    def of(cls, matched: Matched, side: int) -> Waits:
        """Return the waits of one side's lines: a partner of the books' is later where the bank was first."""
        held = matched.members.groupby("match")["side"].nunique().reindex(matched.matches.index).to_numpy()
        days = matched.matches["days"].to_numpy(np.int64)[held == 2]  # noqa: PLR2004 - both sides
        return cls(np.sort(days if side == BOOK else -days))

    def later(self, age: Ints, longest: int) -> Floats:
        """Return the share of partners that come later than so many business days, never quite 0 or 1.

        Args:
            age: business days.
            longest: wait within the policy's window, business days. One more partner is taken to have come on any day
                of it, or, seldom, after: with few matches closed, an old line would else seem to wait.
        """
        after = len(self.days) - np.searchsorted(self.days, age, side="right")
        ahead = np.clip((longest + 1 - age) / (longest + 2.0), _AFTER, 1.0 - _AFTER)
        found: Floats = (after + ahead) / (len(self.days) + 1.0)
        return found

    def median_after(self, age: Ints) -> tuple[Ints, Bools]:
        """Return the median wait of those that are longer than the age, and whether there was any."""
        begin = np.searchsorted(self.days, age, side="right")
        any_later = begin < len(self.days)
        middle = np.minimum((begin + len(self.days)) // 2, max(0, len(self.days) - 1))
        return (self.days[middle] if len(self.days) else np.zeros_like(age)), any_later


def delays(matched: Matched, policy: Policy) -> Floats:
    """Return the share of right pairs with each delay of the window, earliest to latest, as the matches have it."""
    days = -Waits.of(matched, BANK).days - policy.earliest
    width = policy.latest - policy.earliest + 1
    counts = np.bincount(days[(days >= 0) & (days < width)], minlength=width) + 0.5
    found: Floats = counts / counts.sum()
    return found


def expected(waits: Waits, work: Ints, age: Ints, first: int, last: int, country: str | None) -> Any:
    """Return the day on which each line should clear, as datetime64[D]; NaT where no partner ever came so late.

    Args:
        waits: of the lines' side.
        work: the lines' days as business day ordinals.
        age: business days that they have waited.
        first: first day of all lines, days since 1970-01-01.
        last: last day of all lines.
        country: the policy's calendar.
    """
    wait, known = waits.median_after(age)
    days = np.arange(first, last + _AHEAD).astype("datetime64[D]")
    place = np.searchsorted(ordinals(days, country), work + wait)
    return np.where(known, days[np.clip(place, 0, len(days) - 1)], np.datetime64("NaT"))
