"""Why a match was made, and why not the runner-up; why a line is open, and what to do about it.

Everything said is counted anew from the lines; of the matcher's own figures only the margin is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bots.reconciliation.matched import BANK, BOOK, Matched
from bots.reconciliation.matching.days import ordinals
from bots.reconciliation.policy import Policy
from bots.reconciliation.reasons import causes, lags
from bots.reconciliation.reasons.compare import Compared, compare
from bots.reconciliation.reasons.entries import Open, proposal
from bots.reconciliation.reasons.nearest import across, along
from bots.reconciliation.reasons.picked import pick
from bots.reconciliation.reasons.stacked import Bools, Floats, Ints, Stacked, stack
from bots.reconciliation.reasons.why import explained

BREAK: Final = {
    "side": "int8",
    "line": "int64",
    "cause": "str",
    "blocks": "str",
    "nearest_1": "int64",
    "nearest_2": "int64",
    "nearest_3": "int64",
    "twin": "int64",
    "odds": "float64",
    "age": "int32",
    "expected": "datetime64[s]",
    "entry": "int64",
    "proposal": "str",
}
"""Columns of breaks.

side, line: the open line. cause: a name of `causes.CAUSES`. blocks: the one field in which its nearest candidate
differs (a name of `odds.DIFFERS`); empty where nothing differs, or where there is none. nearest_1..3: the likeliest
lines of the other side, -1 for none; a candidate may be taken already, which then blocks. twin: the line of its own
side that it repeats or takes back, -1 for none. odds: ln of the odds that line and nearest_1 are one payment, NaN
without one. age: calendar days. expected: day on which a line that waits should clear, from the waits of closed
matches; NaT for others. entry: proposed entry in the books' bank account, minor units, debit positive; 0 for none.
proposal: the same in words.
"""


def why(
    bank: pd.DataFrame, book: pd.DataFrame, matched: Matched, policy: Policy, chosen: Sequence[int] | None = None
) -> pd.DataFrame:
    """Explain matches, closed ones and suggestions.

    Args:
        bank: columns of `matched.SIDE`.
        book: the same.
        matched: the solution over both.
        policy: the one that it was matched under.
        chosen: the matches to explain, numbers of `matched.matches`; None for all.

    Returns:
        Indexed by match: evidence (what ties it, in words), margin (ln of odds, infinite where nothing rivals it),
        runner_up (the lines in which its best rival differs, empty without one), lost (why that one lost).
    """
    numbers = np.arange(len(matched.matches)) if chosen is None else np.asarray(chosen, dtype=np.int64)
    rivals = matched.matches["runner_up"].to_numpy(np.int64)[numbers]
    asked = [matched.members[matched.members["match"].isin(numbers)]]
    asked.append(matched.lost_members[matched.lost_members["match"].isin(rivals)])
    picked = pick(bank, book, _held(bank, book, pd.concat(asked)), near=False)
    lines = stack(bank, book, picked, policy.calendar)
    money = [side["currency"].iloc[rows] for side, rows in zip((bank, book), picked.rows, strict=True)]
    codes, names = pd.factorize(pd.concat(money, ignore_index=True))
    return explained(lines, codes.astype(np.int64), list(names), matched, numbers, policy)


def breaks(bank: pd.DataFrame, book: pd.DataFrame, matched: Matched, policy: Policy, asof: date) -> pd.DataFrame:
    """Explain every open line: one that is in no match and in no suggestion.

    Args:
        bank: columns of `matched.SIDE`.
        book: the same.
        matched: the solution over both.
        policy: the one that it was matched under.
        asof: the day that age is counted to.

    Returns:
        Columns of BREAK, the bank's lines first, in the order of the sides.
    """
    held = _held(bank, book, matched.members)
    picked = pick(bank, book, (~held[BANK], ~held[BOOK]))
    lines = stack(bank, book, picked, policy.calendar)
    taken = np.concatenate([held[side][picked.rows[side]] for side in (BANK, BOOK)])
    open_lines = np.flatnonzero(~taken)
    delays = lags.delays(matched, policy)
    found = compare(lines, *across(lines, open_lines, taken), taken, policy, delays)
    beside = causes.twins(lines, compare(lines, *along(lines, open_lines, taken), taken, policy), taken)
    late, expected = _waiting(lines, matched, open_lines, asof, policy)
    told = causes.explain(lines, found, beside, open_lines, taken, late)
    expected[(told.cause != "timing") | (told.partner >= 0)] = np.datetime64("NaT")
    nearest = _first(found, causes.ranked(found, open_lines), open_lines, told.partner, len(lines))
    paired = told.partner >= 0
    frame = pd.DataFrame(
        {
            "side": lines.side[open_lines],
            "line": lines.line(open_lines),
            "cause": told.cause,
            "blocks": np.where(paired & (told.cause == "partial"), "amount", _blocks(found, nearest)),
            **{f"nearest_{k + 1}": _numbers(lines, found, nearest[:, k]) for k in range(3)},
            "twin": np.where(told.twin >= 0, lines.line(np.maximum(told.twin, 0)), -1),
            "odds": np.where(nearest[:, 0] >= 0, _at(found.odds, nearest[:, 0]), np.nan),
            "age": np.maximum(0, _ordinal(asof) - lines.day[open_lines]),
            "expected": expected.astype("datetime64[s]"),
        }
    )
    both = pd.concat([bank.iloc[picked.rows[BANK]], book.iloc[picked.rows[BOOK]]], ignore_index=True)
    said = [
        proposal(why, line)
        for why, line in zip(told.cause, _opened(both, lines, open_lines, told, taken, expected, policy), strict=True)
    ]
    frame["entry"], frame["proposal"] = [amount for amount, _ in said], [words for _, words in said]
    return frame.astype(BREAK)


def _held(bank: pd.DataFrame, book: pd.DataFrame, members: pd.DataFrame) -> tuple[Bools, Bools]:
    """Return of each line of both sides whether it is among these members."""
    held = np.zeros(len(bank), bool), np.zeros(len(book), bool)
    for side in (BANK, BOOK):
        held[side][members["line"].to_numpy(np.int64)[members["side"].to_numpy() == side]] = True
    return held


def _first(found: Compared, nearest: Ints, open_lines: Ints, partner: Ints, width: int) -> Ints:
    """Return the nearest candidates, the partner before all others; pairs are sorted by both lines."""
    wanted = np.searchsorted(found.one * width + found.other, open_lines * width + partner)
    later = np.where(nearest == wanted[:, None], -1, nearest)
    order = np.argsort(later < 0, axis=1, kind="stable")
    moved = np.concatenate([wanted[:, None], np.take_along_axis(later, order, axis=1)[:, :-1]], axis=1)
    return np.where(partner[:, None] >= 0, moved, nearest)


def _ordinal(day: date) -> int:
    return int((np.datetime64(day, "D") - np.datetime64(0, "D")).astype(np.int64))


def _waiting(lines: Stacked, matched: Matched, open_lines: Ints, asof: date, policy: Policy) -> tuple[Floats, Any]:
    """Return which share of partners comes later than each open line is old, and the day on which they would."""
    today = int(ordinals(np.array([asof], dtype="datetime64[D]"), policy.calendar)[0])
    late, expected = np.zeros(len(open_lines)), np.full(len(open_lines), np.datetime64("NaT"), "datetime64[D]")
    if not len(lines):
        return late, expected
    first, last = int(lines.day.min()), max(int(lines.day.max()), _ordinal(asof))
    for side in (BANK, BOOK):
        mine = lines.side[open_lines] == side
        age = today - lines.work[open_lines[mine]]
        waits = lags.Waits.of(matched, side)
        late[mine] = waits.later(age, policy.latest if side == BOOK else -policy.earliest)
        expected[mine] = lags.expected(waits, lines.work[open_lines[mine]], age, first, last, policy.calendar)
    return late, expected


def _opened(
    both: pd.DataFrame,
    lines: Stacked,
    open_lines: Ints,
    told: causes.Explained,
    taken: Bools,
    expected: Any,
    policy: Policy,
) -> Iterator[Open]:
    amount, account = lines.amount, both["account"].to_numpy(object)
    currency, name = both["currency"].to_numpy(object), both["name"].to_numpy(object)
    day = lines.day.astype("datetime64[D]")
    parts, rests = _parts(lines, open_lines, told)
    for at, mate, double, sure, count, rest, due in zip(
        *(each.tolist() for each in (open_lines, told.partner, told.twin, told.sure, parts, rests)),
        expected,
        strict=True,
    ):
        side = BANK if at < lines.banks else BOOK
        yield Open(
            side=side,
            amount=int(amount[at]),
            currency=currency[at],
            account=account[at],
            party=name[at] or (name[mate] if mate >= 0 else ""),
            partner=int(lines.number[mate]) if mate >= 0 else -1,
            partner_amount=int(amount[mate]) if mate >= 0 else 0,
            partner_account=account[mate] if mate >= 0 else "",
            partner_currency=currency[mate] if mate >= 0 else "",
            rate=_rate(policy, currency[mate], currency[at], day[at].item()) if mate >= 0 else None,
            expected="" if np.isnat(due) else str(due),
            twin=int(lines.number[double]) if double >= 0 else -1,
            twin_open=double >= 0 and not taken[double],
            twin_sure=sure,
            parts=count,
            rest=rest,
        )


def _parts(lines: Stacked, open_lines: Ints, told: causes.Explained) -> tuple[Ints, Ints]:
    """Return of each open line with the cause partial how many parts its whole has, and what they leave of it."""
    size, count, paid = np.abs(lines.amount), np.zeros(len(lines), np.int64), np.zeros(len(lines), np.int64)
    whole = np.where(size[open_lines] < size[told.partner], told.partner, open_lines)
    part = (told.cause == "partial") & (told.partner >= 0) & (whole != open_lines)
    np.add.at(count, whole[part], 1)
    np.add.at(paid, whole[part], size[open_lines[part]])
    return count[whole], np.where(count[whole] > 0, size[whole] - paid[whole], 0)


def _rate(policy: Policy, books: str, bank: str, day: date) -> Decimal | None:
    return policy.rates.get((books, bank, day))


def _blocks(found: Compared, nearest: Ints) -> NDArray[np.object_]:
    if not len(found.odds):
        return np.full(len(nearest), "", dtype=object)
    return np.where(nearest[:, 0] >= 0, found.blocks[np.maximum(nearest[:, 0], 0)], "")


def _numbers(lines: Stacked, found: Compared, pair: Ints) -> Ints:
    return np.where(pair >= 0, lines.line(_at(found.other, pair)), -1)


def _at(values: Any, pair: Ints) -> Any:
    return values[np.maximum(pair, 0)] if len(values) else np.zeros(len(pair), np.int64)
