"""What a match is seen against: how common its amounts, references and names are, and who paid whom before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from qc_models.match.pair import Line, Pair, Side


@dataclass
class Population:
    """Counts over all lines of one side of the reconciliation, open ones and closed ones of the period."""

    amounts: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By currency and size: an amount that many lines share is weak evidence."""
    keys: Counter[str] = field(default_factory=Counter)
    """By folded reference."""
    runs: Counter[str] = field(default_factory=Counter)
    """By run of digits: a year stands in every reference, a running number in one."""
    parties: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """By folded name, currency and size: what one party pays again and again."""

    def add(self, lines: Iterable[Line]) -> None:
        """Count lines."""
        for line in lines:
            self.amounts[line.value] += 1
            self.keys.update(line.keys)
            self.runs.update(line.runs)
            self.parties[line.party, *line.value] += 1

    def amount_copies(self, line: Line) -> int:
        """Return how many lines have this line's amount; the line itself counts, whether it was added or not."""
        return max(1, self.amounts[line.value])

    def party_copies(self, line: Line) -> int:
        """Return how many lines of this line's party have its amount, itself included."""
        return max(1, self.parties[line.party, *line.value])

    def key_copies(self, line: Line) -> int:
        """Return how many lines carry the most common of this line's references, itself included; 0 without one."""
        return max((max(1, self.keys[key]) for key in line.keys), default=0)


@dataclass
class History:
    """Matches that people or proven rules have closed: which payer belongs to which party, with what lag in days."""

    together: dict[tuple[str, str], list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    by_payer: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, pair: Pair) -> None:
        """Remember a closed match; its first lines speak for it."""
        payer, party, bank_id = payer_of(pair.bank), party_of(pair.book), pair.bank.lines[0].id
        if payer and party:
            self.together[payer, party].append((bank_id, lag_of(pair)))
            self.by_payer[payer].append(bank_id)

    def look(self, pair: Pair) -> tuple[int, int, float | None] | None:
        """Return how often this payer was matched with this party, with others, and how far off the usual lag it is.

        A match of this very bank line does not count. None: the payer is not known.
        """
        payer, party, bank_id = payer_of(pair.bank), party_of(pair.book), pair.bank.lines[0].id
        known = self.by_payer.get(payer, ()) if payer else ()
        total = len(known) - known.count(bank_id)
        if not total:
            return None
        lags = [lag for one, lag in self.together.get((payer, party), ()) if one != bank_id]
        return len(lags), total - len(lags), lag_of(pair) - median(lags) if lags else None


@dataclass
class Context:
    """Both populations and the history; the matcher builds it once a run."""

    bank: Population = field(default_factory=Population)
    book: Population = field(default_factory=Population)
    history: History = field(default_factory=History)

    @classmethod
    def of(cls, bank: Iterable[Line], book: Iterable[Line], closed: Iterable[Pair] = ()) -> Context:
        """Count both lists, and remember the matches that are closed."""
        made = cls()
        made.bank.add(bank)
        made.book.add(book)
        for pair in closed:
            made.history.add(pair)
        return made


def payer_of(side: Side) -> str:
    """Return what tells the payer of a bank line: its account, else its name."""
    line = side.lines[0]
    return line.account or line.party


def party_of(side: Side) -> str:
    """Return what tells the party in the books: its name, else its account."""
    line = side.lines[0]
    return line.party or line.account


def lag_of(pair: Pair) -> int:
    """Return bank's day minus books' day; 0 where a day is not known."""
    if pair.days is not None:
        return pair.days
    ours, theirs = pair.book.lines[0].day, pair.bank.lines[0].day
    return (theirs - ours).days if ours and theirs else 0
