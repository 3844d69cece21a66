"""Rules learned from reviews: suggested by one part of the decisions, tested on the other, accepted by a person.

A hash splits the decided lines of the bank. One part suggests rules (`rule_mining.py`). Of the other part a rule sees
the lines and what matching would choose among, says which line of the books belongs with which of the bank, and is
compared with what people said; where it would fit several, it says nothing, as in matching. A name is also right where
the partner is of the party that it says, and wrong where it is of another one. Its bound is the exact
one-sided upper bound of the share of wrong ones, 95 %, from that part alone (C. J. Clopper and E. S. Pearson, "The use
of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26 (1934), 404-413). The bound is
that of each rule by itself, as those of kinds of evidence are (`gate.py`).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bots.reconciliation.gate import CONFIDENCE, Evidence
from bots.reconciliation.matching.ruled import USES, Said, compared, pairs
from bots.reconciliation.matching.view import plain
from bots.reconciliation.policy import Policy
from bots.reconciliation.reviewed import History
from bots.reconciliation.rule_file import name_of, yaml_of
from bots.reconciliation.rule_mining import LEAST, MINERS
from bots.reconciliation.rule_mining import pairs as decided_pairs
from bots.reconciliation.rules import Alias, Rule, Word

MOST_ERROR: Final = 0.5
"""Largest bound of a rule that is proposed, unless told otherwise: from there on it may be wrong more often than right,
and its suggestions are worth nothing to the matcher either."""


_DIGITS: Final = 10**6


@dataclass(frozen=True)
class Counter:
    """A line of the bank that a rule would match wrongly."""

    bank: int
    tied: int | None
    """The line of the books with which the rule would match it; None: it only says another party."""
    partner: int | None
    """The one with which a person did; None: a person only refused the other one."""


@dataclass(frozen=True)
class Tested:
    """How a rule did on some decisions."""

    right: int
    counters: tuple[Counter, ...]

    @property
    def said(self) -> int:
        """On how many lines it said something."""
        return self.right + len(self.counters)

    @property
    def bound(self) -> float:
        """Return the upper bound of its share of wrong ones, rounded up to what a definition says of it."""
        exact = Evidence("rule", self.said, len(self.counters), "own").bound(CONFIDENCE)
        return math.ceil(exact * _DIGITS) / _DIGITS


@dataclass(frozen=True)
class Proposal:
    """A rule that a person may accept."""

    name: str
    rule: Rule
    """With the bound of the half that had no part in suggesting it."""
    suggested: Tested
    """On the half that suggested it."""
    tested: Tested
    """On the other half: what counts."""

    @property
    def yaml(self) -> str:
        """Return what the definition would get."""
        return yaml_of(self.rule, self.tested.right, len(self.tested.counters))


def propose(
    history: History, policy: Policy, *, known: Collection[str] = (), most_error: float = MOST_ERROR
) -> list[Proposal]:
    """Return the rules that reviewed decisions bear out, most support first within a kind.

    A rule is proposed if the half that suggests has `rule_mining.LEAST` decisions for it, its bound from the other half
    is under `most_error`, and the error there is not more than the bound that the first half gives.

    Args:
        history: what reviewers said.
        policy: what matching uses now, accepted rules included.
        known: names (`rule_file.name_of`) of rules that are not proposed again: accepted or rejected ones.
        most_error: in (0, 1].
    """
    trial = _Trial(history, policy)
    made: list[Proposal] = []
    for mine in MINERS:
        found = []
        for rule in mine(decided_pairs(history, trial.policy), trial.policy):
            if name_of(rule) in known:
                continue
            one, other = trial.test(rule)
            if one.right >= LEAST and _holds(one, other, most_error):
                found.append(Proposal(name_of(rule), replace(rule, bound=other.bound), one, other))
        found.sort(key=lambda one: (-one.tested.right, one.name))
        trial.policy = replace(trial.policy, rules=(*trial.policy.rules, *(one.rule for one in found)))
        made += found
    return made


def _holds(suggested: Tested, tested: Tested, most_error: float) -> bool:
    """Say whether what one half suggests holds on the other."""
    if not tested.said or tested.bound >= most_error:
        return False
    return len(tested.counters) / tested.said <= suggested.bound


class _Trial:
    """Rules on trial: what each would have said of the lines that people decided."""

    def __init__(self, history: History, policy: Policy) -> None:
        self.policy = policy
        self._cases = {one.bank: one for one in history.cases}
        rows = np.array(sorted(self._cases), np.int64)
        self._bank = Said(history.bank, rows, policy.calendar)
        self._book = Said(history.book, history.free, policy.calendar)
        self._parties = plain(history.book["name"]).to_numpy()

    def test(self, rule: Rule) -> tuple[Tested, Tested]:
        """Return how a rule did, beside those that are in force, on the part that suggests and on the other one."""
        right, wrong = self._matched(rule)
        if isinstance(rule, Alias | Word):
            more, less = self._named(rule)
            wrong = less | wrong
            right = (right | more) - wrong.keys()
        parts = []
        for suggests in (True, False):
            of = [self._cases[bank].suggests == suggests for bank in wrong]
            counters = tuple(one for one, mine in zip(wrong.values(), of, strict=True) if mine)
            parts.append(Tested(sum(self._cases[bank].suggests == suggests for bank in right), counters))
        return parts[0], parts[1]

    def _matched(self, rule: Rule) -> tuple[set[int], dict[int, Counter]]:
        """Return the lines of the bank that a rule alone would match as people did, and those otherwise."""
        place = len(self.policy.rules)
        found = pairs(self._bank, self._book, replace(self.policy, rules=(*self.policy.rules, rule)))
        found = found[(found[USES] == place).any(axis=1)]
        found = found[~found["bank"].duplicated(keep=False)]
        right: set[int] = set()
        wrong: dict[int, Counter] = {}
        for bank, book in zip(found["bank"].tolist(), found["book"].tolist(), strict=True):
            case = self._cases[bank]
            if case.partner == book:
                right.add(bank)
            elif case.partner is not None or book in case.refused:
                wrong[bank] = Counter(bank, book, case.partner)
        return right, wrong

    def _named(self, rule: Alias | Word) -> tuple[set[int], dict[int, Counter]]:
        """Return the lines of the bank whose partner is of the party that a rule says, and those where it is another.

        Whatever the amounts: with a fee, a name is as right as without one.
        """
        right: set[int] = set()
        wrong: dict[int, Counter] = {}
        for bank in self._bank.tied(rule)["line"].tolist():
            case = self._cases[bank]
            refused = [one for one in sorted(case.refused) if self._is(one, rule.book)]
            if case.partner is not None and self._is(case.partner, rule.book):
                right.add(bank)
            elif case.partner is not None or refused:
                wrong[bank] = Counter(bank, refused[0] if refused else None, case.partner)
        return right, wrong

    def _is(self, book: int, name: str) -> bool:
        return bool(self._parties[book] == compared(name))
