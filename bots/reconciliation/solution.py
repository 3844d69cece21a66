"""The same lines under several definitions: what is matched and closed, and nothing that only a report needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from bots.reconciliation.bridge import states
from bots.reconciliation.definition import Definition
from bots.reconciliation.gate import Evidence, closing_under
from bots.reconciliation.matched import BANK, BOOK, Matched
from bots.reconciliation.matching.engine import match
from bots.reconciliation.matching.remittance import with_references
from bots.reconciliation.reading import Sides


@dataclass(frozen=True)
class Solution:
    """What a definition makes of two sides."""

    definition: Definition
    sides: Sides
    matched: Matched

    @cached_property
    def states(self) -> tuple[pd.Series, pd.Series]:
        """Return the one state of each line, of the bank's side and of the books'."""
        bank, book = self.sides.bank.lines, self.sides.book.lines
        return states(BANK, bank, self.matched), states(BOOK, book, self.matched)


def solutions(sides: Sides, definitions: Sequence[Definition], evidence: Sequence[Evidence] = ()) -> list[Solution]:
    """Match two sides under each definition.

    Args:
        sides: both sides, read.
        definitions: what is declared.
        evidence: what own reviews found of each kind of evidence; the seeded figures are added.
    """
    seen = with_references(sides.bank.lines, sides.book.lines)
    return [
        Solution(one, sides, match(*seen, one.policy, closing_under(one.file.gate, evidence))) for one in definitions
    ]
