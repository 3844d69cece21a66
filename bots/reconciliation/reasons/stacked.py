"""Both sides as one stack of columns, folded so that equal things are equal numbers: the bank's lines, then the books'.

Texts are folded by Arrow, column by column (Unicode NFKC, then upper case, letters and digits only). A *mark* is
anything that may name a payment: a reference, an end-to-end id or a run of at least three digits in one of them or in
the free text, without leading zeros, but a year. How many lines carry a mark says what it is worth: a branch stands in
every reference, a running number in one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bots.reconciliation.matched import BANK, BOOK
from bots.reconciliation.matching.days import ordinals

if TYPE_CHECKING:
    from bots.reconciliation.reasons.picked import Picked

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Texts = NDArray[np.object_]
Bools = NDArray[np.bool_]
SHORTEST: Final = 3
"""Digits of a run that is a mark."""
_NOT_PROVIDED: Final = "NOTPROVIDED"
"""ISO 20022's word for no end-to-end id."""
_YEAR: Final = "^(19|20)[0-9]{2}$"
_DAY: Final = np.timedelta64(1, "D")
_PLACES: Final = 18


@dataclass(frozen=True)
class Stacked:
    """All lines of both sides, by position in the stack; every array has one entry a line, shape (lines,)."""

    banks: int
    """How many lines of the bank's side there are, before those of the books."""
    number: Ints
    """Number of each line within its side."""
    wholes: tuple[int, int]
    """How many lines each side has, those that are not here included."""
    worth: Floats
    """For how many lines of its side each line stands."""
    sizes: Ints
    """How many lines of its whole side have its currency and absolute amount."""
    accounts: Ints
    """The same of its account."""
    account: Ints
    currency: Ints
    amount: Ints
    size: Ints
    """Code of currency and absolute amount."""
    day: Ints
    """Value date, else booking date, in days since 1970-01-01."""
    work: Ints
    """The same in business days since some day: differences are what counts."""
    name: Ints
    """Code of the folded name; 0 is none."""
    names: Texts
    """Folded names by code."""
    reference: Texts
    """Folded reference, else folded end-to-end id."""
    words: Texts
    """Folded free text."""
    digits: Ints
    """Equal for amounts of one currency that have the same digits in any order."""
    mark_of: Ints
    """Line of each mark, ascending; shape (marks,)."""
    mark: Ints
    """Its code; shape (marks,)."""
    reversal: Bools

    def __len__(self) -> int:
        return len(self.amount)

    @property
    def side(self) -> Ints:
        """Return BANK or BOOK of each line."""
        return np.where(np.arange(len(self)) < self.banks, BANK, BOOK)

    @property
    def wording(self) -> Ints:
        """Return a code of each line's words."""
        return pd.factorize(self.words)[0].astype(np.int64)

    def line(self, at: Ints) -> Ints:
        """Return the lines' numbers within their sides."""
        return self.number[at]

    def at(self, side: Ints, line: Ints) -> Ints:
        """Return the places in the stack of lines given by side and number, all of which must be there."""
        bank = np.searchsorted(self.number[: self.banks], line)
        return np.where(side == BANK, bank, self.banks + np.searchsorted(self.number[self.banks :], line))


def stack(bank: pd.DataFrame, book: pd.DataFrame, picked: Picked, calendar: str | None = None) -> Stacked:
    """Return the picked lines of both sides (columns of `matched.SIDE`) as one stack; `calendar` is the policy's."""
    both = pd.concat([bank.iloc[picked.rows[BANK]], book.iloc[picked.rows[BOOK]]], ignore_index=True)
    amount = both["amount"].to_numpy(np.int64)
    currency = _codes(both["currency"])
    valued = both["valued"].fillna(both["booked"]).to_numpy("datetime64[D]")
    references, traces = folded(both["reference"]), folded(both["end_to_end"])
    traces = pc.if_else(pc.equal(traces, _NOT_PROVIDED), "", traces)
    names = pd.Series(_strings(party(both["name"])))
    codes, distinct = pd.factorize(pd.concat([pd.Series([""]), names], ignore_index=True))
    mark_of, mark = _marks(both, references, traces)
    return Stacked(
        banks=len(picked.rows[BANK]),
        number=np.concatenate(picked.rows),
        wholes=picked.wholes,
        worth=picked.worth,
        sizes=picked.sizes,
        accounts=picked.accounts,
        account=_codes(both["account"]),
        currency=currency,
        amount=amount,
        size=_pairs(currency, np.abs(amount)),
        day=((valued - np.datetime64(0, "D")) // _DAY).astype(np.int64),
        work=ordinals(valued, calendar),
        name=codes[1:].astype(np.int64),
        names=np.asarray(distinct, dtype=object),
        reference=_strings(pc.if_else(pc.equal(references, ""), traces, references)),
        words=_strings(folded(both["text"])),
        digits=_pairs(currency, _digit_bag(np.abs(amount))),
        mark_of=mark_of,
        mark=mark,
        reversal=both["reversal"].to_numpy(bool),
    )


def folded(texts: pd.Series[str]) -> Any:
    """Return texts as letters and digits alone, upper case; an Arrow array."""
    plain = pc.utf8_upper(pc.utf8_normalize(_arrow(texts), form="NFKC"))
    return pc.replace_substring_regex(plain, r"[^\p{L}\p{N}]+", "")


def party(names: pd.Series[str]) -> Any:
    """Return names without case, accents and punctuation, words apart by one blank; an Arrow array."""
    plain = pc.utf8_normalize(pc.utf8_lower(pc.utf8_normalize(_arrow(names), form="NFKD")), form="NFKD")
    plain = pc.utf8_normalize(pc.replace_substring_regex(plain, "[\u0300-\u036f.]", ""), form="NFC")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(plain, r"[^\p{L}\p{M}\p{N}]+", " "))


def _marks(both: pd.DataFrame, references: Any, traces: Any) -> tuple[Ints, Ints]:
    """Return which line carries which mark, each pair once, by line and then by mark."""
    everywhere = np.arange(len(both))
    lines, texts = [everywhere, everywhere], [references, traces]
    for column in ("reference", "end_to_end", "text"):
        parts = pc.split_pattern_regex(pc.utf8_normalize(_arrow(both[column]), form="NFKC"), r"\D+")
        runs = pc.utf8_ltrim(pc.list_flatten(parts), characters="0")
        long = pc.and_not(pc.greater_equal(pc.utf8_length(runs), SHORTEST), pc.match_substring_regex(runs, _YEAR))
        lines.append(pc.list_parent_indices(parts).filter(long).to_numpy(zero_copy_only=False))
        texts.append(runs.filter(long))
    line = np.concatenate(lines).astype(np.int64)
    text = pa.concat_arrays([pa.array(part, type=pa.large_string()) for part in texts])
    named = pc.not_equal(text, "").to_numpy(zero_copy_only=False)
    encoded = text.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    pairs = pd.unique(line[named] * (len(text) + 1) + encoded[named])
    pairs.sort()
    return pairs // (len(text) + 1), pairs % (len(text) + 1)


def _digit_bag(amounts: Ints) -> Ints:
    """Return a number that only amounts with the same digits share, but for a chance of 2 ** -63."""
    worth = np.random.default_rng(0).integers(1, 2**62, 10, dtype=np.int64)
    left, bag = amounts.copy(), np.zeros_like(amounts)
    with np.errstate(over="ignore"):
        for _ in range(_PLACES):
            bag += np.where(left > 0, worth[left % 10], 0)
            left //= 10
    return bag


def _pairs(first: Ints, second: Ints) -> Ints:
    """Return one code for each distinct pair."""
    codes, distinct = pd.factorize(second)
    joint, _ = pd.factorize(first * max(1, len(distinct)) + codes)
    return joint.astype(np.int64)


def _codes(texts: pd.Series[str]) -> Ints:
    return pd.factorize(texts)[0].astype(np.int64)


def _arrow(texts: pd.Series[str]) -> Any:
    found = pa.array(texts, type=pa.large_string(), from_pandas=True)
    return pc.fill_null(found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found, "")


def _strings(texts: Any) -> Texts:
    strings: Texts = texts.to_numpy(zero_copy_only=False)
    return strings
