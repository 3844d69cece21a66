"""Pairs that accepted rules tie (`bots.reconciliation.rules`), one rule or several together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.matching import days, odds
from bots.reconciliation.matching.candidates import MOST_RIVALS, Part
from bots.reconciliation.matching.view import Ints, plain
from bots.reconciliation.policy import Policy
from bots.reconciliation.rules import KINDS, SEVERAL, Alias, Form, Late, PartyFee, Rule, Word

PAIR: Final = {
    "bank": "int64",
    "book": "int64",
    "difference": "int64",
    "days": "int64",
    "late": "int64",
    "bound": "float64",
    "kind": "str",
    "tie": "int64",
    "fee": "int64",
    "delay": "int64",
}
"""Columns of pairs. bank, book: positions in the sides. difference: bank minus books, minor units. days: business days
from the books' day to the bank's. late: those of them that a rule accounts for. bound: upper bound of the share of
wrong ones, the sum of the bounds of the rules that tie the pair. tie, fee, delay: place among the policy's rules of
the one that ties the parties or the references, the amounts, the days; -1 for none."""
Kind = TypeVar("Kind", Alias, Word, PartyFee, Late, Form)
_PURSE: Final = ["account", "currency"]
USES: Final = ["tie", "fee", "delay"]
"""Columns that name a rule."""
_NUMBER: Final = 3
"""Fewest digits, leading zeros left out, that name a document."""


class Said:
    """Some lines of one side, and their texts as rules compare them."""

    def __init__(self, side: pd.DataFrame, rows: Ints, calendar: str | None) -> None:
        lines = side.iloc[rows]
        self.text = lines["text"].reset_index(drop=True)
        self._reference = lines["reference"].reset_index(drop=True)
        self.lines = pd.DataFrame(
            {
                "line": rows,
                "account": lines["account"].to_numpy(),
                "currency": lines["currency"].to_numpy(),
                "amount": lines["amount"].to_numpy(),
                "day": days.of(lines, calendar),
                "party": plain(lines["name"]).to_numpy(),
            }
        )

    @cached_property
    def reference(self) -> pd.Series:
        """Capitals and digits of the references."""
        return plain(self._reference)

    def tied(self, rule: Alias | Word) -> pd.DataFrame:
        """Return the lines that have a rule's name, or its word in their text, whatever the case."""
        if isinstance(rule, Alias):
            return self.lines[self.lines["party"] == compared(rule.bank)]
        pattern = rf"(?:^|[^\p{{L}}\p{{N}}]){re.escape(rule.word)}(?:$|[^\p{{L}}\p{{N}}])"
        has = pc.match_substring_regex(pa.array(self.text, type=pa.large_string()), pattern, ignore_case=True)
        return self.lines.loc[np.asarray(has.to_numpy(zero_copy_only=False), bool)]

    def numbered(self, prefix: str) -> pd.DataFrame:
        """Return the lines whose reference is a prefix and a number, with both as they are compared."""
        made = self.lines.assign(reference=self.reference.to_numpy())
        made = made[made["reference"].str.startswith(prefix)]
        number = made["reference"].str.slice(len(prefix)).str.lstrip("0")
        named = number.str.len().ge(_NUMBER) & number.str.isdecimal()
        return made.assign(number=number)[named]


def fee_of(amount: int, share: Decimal, fixed: int) -> int:
    """Return what is kept of an amount of the books, minor units; the share rounded half up."""
    return int((abs(amount) * share).quantize(Decimal(1), ROUND_HALF_UP)) + fixed


def ruled(bank: pd.DataFrame, book: pd.DataFrame, open_bank: Ints, open_book: Ints, policy: Policy) -> list[Part]:
    """Return the pairs among the open lines that rules tie, a part each kind.

    `alternatives` counts the other pairs that rules make of either line. The odds are what the rules' bound leaves.
    """
    if not policy.rules:
        return []
    found = pairs(Said(bank, open_bank, policy.calendar), Said(book, open_book, policy.calendar), policy)
    one, other = found["bank"].to_numpy(), found["book"].to_numpy()
    rivals = np.maximum(*(np.bincount(line, minlength=1)[line] for line in (one, other))) - 1
    bound = found["bound"].to_numpy()
    score = odds.of(np.log1p(-bound) - np.log(bound), rivals, (found["days"] - found["late"]).to_numpy())
    count = len(found)
    whole = Part(
        "",
        found["difference"].to_numpy(),
        found["days"].to_numpy(),
        score,
        rivals,
        np.tile(np.arange(count), 2),
        np.repeat((BANK, BOOK), count),
        np.concatenate((one, other)),
    )
    kind = found["kind"].to_numpy()
    return [whole.only((kind == name) & (rivals <= MOST_RIVALS), name) for name in sorted(set(kind))]


def pairs(bank: Said, book: Said, policy: Policy) -> pd.DataFrame:
    """Return the pairs of one account and currency that rules tie, columns of PAIR, sorted by bank and book.

    Each rests on one rule at least; what ties two lines without a rule (equal names) adds nothing to the bound.
    """
    found = [_by_party(bank, book, policy), *_by_form(bank, book, policy)]
    made = pd.concat([one for one in found if len(one)] or found[:1], ignore_index=True)
    rules = [getattr(rule, "bound", 0.0) for rule in policy.rules]
    worth = np.array([*rules, 0.0])  # -1: no rule
    made["bound"] = np.minimum(sum(worth[made[use].to_numpy()] for use in USES), 1 - 1e-9)
    names = np.array([*(KINDS[type(rule)] for rule in policy.rules), ""], dtype=object)
    used = np.stack([made[use].to_numpy() for use in USES], axis=1)
    kind = names[used.max(axis=1, initial=-1)]
    made["kind"] = np.where((used >= 0).sum(axis=1) > 1, SEVERAL, kind)
    made = made.sort_values(["bank", "book", "bound", *USES]).drop_duplicates(["bank", "book"], ignore_index=True)
    return made[list(PAIR)].astype(PAIR)


def _by_party(bank: Said, book: Said, policy: Policy) -> pd.DataFrame:
    """Return pairs that one party ties, by name or by a rule, as far as any rule has a part in it."""
    parties = {compared(_party(rule)) for rule in policy.rules if not isinstance(rule, Form)} - {""}
    who = [bank.lines[bank.lines["party"].isin(parties)].assign(tie=-1)]
    for number, rule in enumerate(policy.rules):
        if isinstance(rule, Alias | Word):
            who.append(bank.tied(rule).assign(party=compared(rule.book), tie=number))
    wanted = _expected(book.lines[book.lines["party"].isin(parties)], policy.rules)
    keys = [*_PURSE, "party"]
    both = pd.concat(who, ignore_index=True).merge(
        wanted, left_on=[*keys, "amount"], right_on=[*keys, "expected"], suffixes=("", "_book")
    )
    found = _timely(both, policy)
    latest = {compared(rule.party): (number, rule.latest) for number, rule in _all(policy.rules, Late)}
    whose, most = _by(found["party"], latest)
    far = found["days"] > policy.latest
    found["delay"] = np.where(far, whose, -1)
    found["late"] = np.where(far, found["days"], 0)
    kept = (~far | (found["days"].to_numpy() <= most)) & (found[USES] >= 0).any(axis=1)
    return found[kept]


def _expected(book: pd.DataFrame, rules: Iterable[Rule]) -> pd.DataFrame:
    """Return the lines of the books with what the bank should show of them: all of it, or less by a rule's fee."""
    made = [book.assign(expected=book["amount"], fee=-1)]
    for number, rule in _all(rules, PartyFee):
        mine = book[(book["party"] == compared(rule.party)) & (book["currency"] == rule.currency)]
        fee = np.array([fee_of(int(one), rule.share, rule.fixed) for one in mine["amount"]], np.int64)
        rounding = (-1, 0, 1) if rule.share else (0,)
        made += [mine.assign(expected=mine["amount"] - fee - off, fee=number)[fee + off > 0] for off in rounding]
    return pd.concat(made, ignore_index=True)


def _by_form(bank: Said, book: Said, policy: Policy) -> Iterable[pd.DataFrame]:
    """Yield pairs of one amount whose references are one number, written in the two ways of a rule."""
    keys = [*_PURSE, "amount", "number"]
    for number, rule in _all(policy.rules, Form):
        both = bank.numbered(compared(rule.bank)).merge(
            book.numbered(compared(rule.book)), on=keys, suffixes=("", "_book")
        )
        both = both[both["reference"] != both["reference_book"]].assign(amount_book=lambda one: one["amount"])
        found = _timely(both, policy).assign(tie=number, fee=-1, delay=-1, late=0)
        yield found[found["days"] <= policy.latest]


def _timely(both: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Return pairs that are not too early, with what they are apart."""
    made = both.assign(
        bank=both["line"],
        book=both["line_book"],
        difference=both["amount"] - both["amount_book"],
        days=both["day"] - both["day_book"],
    )
    return made[made["days"] >= policy.earliest].copy()


def _by(party: pd.Series, latest: Mapping[str, tuple[int, int]]) -> tuple[Ints, Ints]:
    none = (-1, -1)
    told = np.array([latest.get(one, none) for one in party], np.int64).reshape(-1, 2)
    return told[:, 0], told[:, 1]


def _all(rules: Iterable[Rule], kind: type[Kind]) -> Iterable[tuple[int, Kind]]:
    return [(number, rule) for number, rule in enumerate(rules) if isinstance(rule, kind)]


def _party(rule: Alias | Word | PartyFee | Late) -> str:
    return rule.party if isinstance(rule, PartyFee | Late) else rule.book


def compared(text: str) -> str:
    """Return a text as rules compare it: capitals and digits, nothing else."""
    return str(plain(pd.Series([text], dtype="str")).iloc[0])
