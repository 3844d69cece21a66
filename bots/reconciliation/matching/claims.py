"""Whether a bank line quotes a document of the books, and therefore speaks against every match with another one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bots.reconciliation.matching.view import Flags, Ints, View, among

_COMMON = 0.01
"""Share of the books' references that have a word before it counts as a word of references."""
_SHORTEST = 2
_SAMPLE = 20_000


def quoting(bank: pd.DataFrame, book: pd.DataFrame) -> Flags:
    """Say which lines of the bank quote a document of the books, whole or damaged.

    A reference does if it shares a word with the books' references ("INV" in "INV-2025-0000123", in "PMT INV 2025
    123" and in a cut "INV-2025-00001"), or if it is a bare number no longer than those that end them. A batch's or a
    bank's own id does not. Where there is no reference, the text speaks, if it has a number of four digits or more.
    How the books' references look is learnt from a sample, evenly spread.
    """
    said = bank["reference"].where(bank["reference"] != "", bank["end_to_end"])
    silent = bank["text"][said == ""]
    said = said.where(said != "", silent.where(_matches(silent, r"\p{N}{4}"), ""))
    books = book["reference"].iloc[:: max(1, len(book) // _SAMPLE)]
    books = books[books != ""]
    counts: dict[str, int] = {}
    for shape, count in _words(books).value_counts().items():
        for word in set(str(shape).split()):
            counts[word] = counts.get(word, 0) + int(count)
    common = {word for word, count in counts.items() if len(word) >= _SHORTEST and count >= _COMMON * len(books)}
    shapes = _words(said)
    number, distinct = pd.factorize(shapes)
    found = np.array([not common.isdisjoint(shape.split()) for shape in distinct], dtype=bool)[number]
    bare = np.flatnonzero((shapes == "").to_numpy() & (said != "").to_numpy())
    longest = _tails(books).str.len().max() if len(books) else 0
    if len(bare):
        found[bare] = (_tails(said.iloc[bare]).str.len() <= longest).to_numpy()
    return np.asarray(found, dtype=bool)


def against(
    bank: View, book: View, quoting: Flags, from_bank: tuple[Ints, Ints], from_book: tuple[Ints, Ints], count: int
) -> Flags:
    """Say which of `count` groups hold a bank line that quotes a document which is not among the group's.

    `from_bank` and `from_book` are the members, as (group, row of the view).
    """
    owner, row = from_bank
    spoken = quoting[row] & (bank.reference[row] >= 0)
    silent = quoting[row] & (bank.reference[row] < 0)
    own = owner[spoken] * _width(bank, book) + bank.reference[row[spoken]]
    there = from_book[0] * _width(bank, book) + book.reference[from_book[1]]
    found = np.zeros(count, dtype=bool)
    found[owner[spoken][~among(own, there)]] = True
    found[owner[silent]] = True
    return found


def elsewhere(bank: View, book: View, quoting: Flags) -> Flags:
    """Say which lines of the bank quote a document that no line of the books' view is: they are in no other group."""
    row, key = bank.keys
    column, other = book.keys
    width = 1 + max(int(key.max(initial=0)), int(other.max(initial=0)))
    there = among(bank.purse[row] * width + key, book.purse[column] * width + other)
    found = quoting.copy()
    found[row[there]] = False
    return found


def _width(bank: View, book: View) -> int:
    return 2 + max(int(view.reference.max(initial=0)) for view in (bank, book))


def _words(texts: pd.Series) -> pd.Series:
    """Return the letters of each text, everything else a space: its shape."""
    array = pc.utf8_upper(pa.array(texts, type=pa.large_string()))
    shape = pc.utf8_trim_whitespace(pc.replace_substring_regex(array, r"[^\p{L}]+", " "))
    return pd.Series(shape, index=texts.index, dtype="str")


def _tails(texts: pd.Series) -> pd.Series:
    """Return the last number of each text without leading zeros."""
    array = pa.array(texts, type=pa.large_string())
    numbers = pc.utf8_trim_whitespace(pc.replace_substring_regex(array, r"\P{N}+", " "))
    tail = pc.utf8_ltrim(pc.replace_substring_regex(numbers, "^.* ", ""), "0")
    return pd.Series(tail, index=texts.index, dtype="str")


def _matches(texts: pd.Series, pattern: str) -> Flags:
    found = pc.match_substring_regex(pa.array(texts, type=pa.large_string()), pattern)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)
