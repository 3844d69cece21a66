"""A labelled world of breaks: a generator's bank and books, with true pairs damaged in every way that a break has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from bots.reconciliation.matched import BANK, BOOK, MATCH, SIDE, Matched
from bots.reconciliation.policy import Policy
from fixtures.generate import statements

DAYS = 90
DAMAGES = ("timing", "transposed digits", "wrong sign", "wrong account", "partial", "fee", "FX")


@dataclass
class World:
    """Two sides with what is true of every line."""

    bank: pd.DataFrame
    """Columns of SIDE, and id, group (-1 without a partner), label (the cause of a break, empty without one) and, in a
    world that is cut off, clears (the day of a partner that comes after the cut)."""
    book: pd.DataFrame
    asof: date

    def sides(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return what a matcher sees."""
        return self.bank[list(SIDE)], self.book[list(SIDE)]

    def solved(self) -> Matched:
        """Return the solution that a matcher without error would find: all true groups that nothing was done to."""
        members = pd.concat(
            [
                pd.DataFrame({"match": side["group"], "side": number, "line": side.index, "day": side["booked"]})
                for number, side in ((BANK, self.bank), (BOOK, self.book))
            ]
        )
        held = members[members["match"] >= 0]
        whole = held.groupby("match")["side"].nunique()
        spoilt = set(self.bank.loc[self.bank["label"] != "", "group"]) | set(
            self.book.loc[self.book["label"] != "", "group"]
        )
        good = sorted(set(whole.index[whole == 2]) - spoilt)
        number = {group: place for place, group in enumerate(good)}
        kept = held[held["match"].isin(number)].assign(match=lambda frame: frame["match"].map(number))
        kept = kept.sort_values(["match", "side", "line"], ignore_index=True)
        ours, theirs = (kept[kept["side"] == side].groupby("match")["day"].max() for side in (BOOK, BANK))
        between = np.busday_count(ours.to_numpy("datetime64[D]"), theirs.to_numpy("datetime64[D]"))
        matches = pd.DataFrame(
            {
                "kind": "truth",
                "difference": 0,
                "days": between,
                "score": 9.0,
                "margin": np.inf,
                "rivals": 0,
                "alternatives": 0,
                "runner_up": -1,
                "closed": True,
            }
        ).astype(MATCH)
        empty = kept[["match", "side", "line"]].iloc[:0]
        return Matched(matches, kept[["match", "side", "line"]].astype("int64"), matches.iloc[:0], empty)


def world(gen: Callable[..., dict[str, Any]], rows: int, seed: int, profile: str, share: float = 0.004) -> World:
    """Generate, damage and cut off a world.

    Args:
        gen: of a generator's file, see `benchmarks.match_quality`.
        rows: lines a side.
        seed: of everything.
        profile: of the generator.
        share: of the lines a side that each damage is done to.
    """
    rng = np.random.default_rng(seed)
    tables = gen(rows, seed, DAYS, profile)
    bank, book = _labelled(tables)
    count = max(5, int(share * rows))
    bank = _returned(bank, rng, count)
    last = bank["booked"].min() + pd.Timedelta(days=int(DAYS * 0.9))
    pairs = _single(bank, book, last)
    chosen = rng.permutation(len(pairs))[: count * len(DAMAGES)]
    _damage(bank, book, pairs[chosen], rng)
    bank, book = (_cut(side, other, last) for side, other in ((bank, book), (book, bank)))
    return World(bank, book, last.date())


def _damage(bank: pd.DataFrame, book: pd.DataFrame, pairs: Any, rng: np.random.Generator) -> None:
    """Damage pairs (places at the bank and in the books), each way in turn, and label both lines with the cause."""
    theirs, ours = _records(bank, pairs[:, 0]), _records(book, pairs[:, 1])
    accounts = sorted(set(zip(book["currency"], book["account"], strict=True)))
    for number, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        cause = DAMAGES[number % len(DAMAGES)]
        if _DAMAGE[cause](one, other, rng, accounts):
            one["label"] = other["label"] = cause
    for frame, rows, places in ((bank, theirs, pairs[:, 0]), (book, ours, pairs[:, 1])):
        changed = pd.DataFrame(rows, index=places).astype(frame.dtypes)
        frame.loc[places] = changed


def _records(frame: pd.DataFrame, places: Any) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in frame.loc[places].to_dict("records")]


def _labelled(tables: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    truth, broken = tables["truth"], tables["breaks"]
    names = {"bank_only": "missing on one side", "ledger_only": "missing on one side"}
    sides = []
    for table, key, day in (("bank", "bank_id", "value_date"), ("ledger", "ledger_id", "posting_date")):
        frame = side(tables[table], key, day)
        groups = truth.drop_duplicates(key).set_index(key)["group_id"]
        label = broken[broken["side"] == table].set_index("id")["kind"].replace(names)
        frame["group"] = frame["id"].map(groups).fillna(-1).astype("int64")
        frame["label"] = frame["id"].map(label).fillna("")
        sides.append(frame)
    return sides[0], sides[1]


def side(table: pd.DataFrame, key: str, day: str) -> pd.DataFrame:
    """Return a generator's table with the columns of SIDE and its id."""
    known = {
        "account": table["account"],
        "currency": table["currency"],
        "amount": table["amount_cents"],
        "booked": table[day],
        "valued": table[day],
        "reference": table["reference"],
        "text": table["description"],
        "name": table["counterparty"],
    }
    found = pd.DataFrame({column: known.get(column, "") for column in SIDE}, index=range(len(table)))
    return found.assign(reversal=False).astype(SIDE).assign(id=table[key].astype(str).to_numpy())


def _single(bank: pd.DataFrame, book: pd.DataFrame, last: pd.Timestamp) -> Any:
    """Return true pairs of single lines of equal amounts, well before the cut: places, shape (pairs, 2)."""
    early = last - pd.Timedelta(days=45)
    parts = []
    for frame in (bank, book):
        alone = frame[(frame["group"] >= 0) & ~frame["group"].duplicated(keep=False) & (frame["booked"] < early)]
        parts.append(pd.Series(alone.index, index=alone["group"].to_numpy()))
    both = pd.concat(parts, axis=1, join="inner").sort_index().to_numpy()
    equal = bank["amount"].to_numpy()[both[:, 0]] == book["amount"].to_numpy()[both[:, 1]]
    return both[equal]


def _returned(bank: pd.DataFrame, rng: np.random.Generator, count: int) -> pd.DataFrame:
    """Add bank lines that take back a payment which the books have."""
    alone = np.flatnonzero((bank["group"] >= 0) & (bank["label"] == "") & ~bank["group"].duplicated(keep=False))
    back = bank.iloc[rng.permutation(alone)[:count]].copy()
    back["amount"] = -back["amount"]
    for column in ("booked", "valued"):
        back[column] = back[column] + pd.to_timedelta(rng.integers(1, 6, len(back)), unit="D")
    back["id"], back["group"], back["label"] = "R" + back["id"], -1, "reversal"
    return pd.concat([bank, back.astype(bank.dtypes)], ignore_index=True)


def _cut(side: pd.DataFrame, other: pd.DataFrame, last: pd.Timestamp) -> pd.DataFrame:
    """Keep what has come until the cut: a line whose partner comes later waits, groups cut in two are left out."""
    late = set(side.loc[side["booked"] > last, "group"]) | set(other.loc[other["booked"] > last, "group"])
    late.discard(-1)
    kept = side[side["booked"] <= last].copy()
    torn = kept["group"].isin(late)
    partner_left = kept["group"].isin(set(other.loc[other["booked"] <= last, "group"]))
    whole = ~kept["group"].duplicated(keep=False)
    kept.loc[torn & ~partner_left & whole, "label"] = "timing"
    kept["clears"] = kept["group"].map(other.drop_duplicates("group").set_index("group")["booked"]).where(torn)
    return kept[~torn | (~partner_left & whole)].reset_index(drop=True)


Row = dict[str, Any]
Accounts = list[tuple[str, str]]


def _date(one: Row, other: Row, rng: np.random.Generator, _accounts: Accounts) -> bool:
    late = np.busday_offset(other["booked"].date(), Policy().latest + int(rng.integers(2, 20)), roll="forward")
    one["booked"] = one["valued"] = pd.Timestamp(late)
    return True


def _swap(_one: Row, other: Row, rng: np.random.Generator, _accounts: Accounts) -> bool:
    digits = list(str(abs(other["amount"])))
    places = [k for k in range(len(digits) - 1) if digits[k] != digits[k + 1] and (k or digits[1] != "0")]
    if not places:
        return False
    k = places[int(rng.integers(len(places)))]
    digits[k], digits[k + 1] = digits[k + 1], digits[k]
    other["amount"] = int("".join(digits)) * (1 if other["amount"] > 0 else -1)
    return True


def _turn(_one: Row, other: Row, _rng: np.random.Generator, _accounts: Accounts) -> bool:
    other["amount"] = -other["amount"]
    return True


def _move(_one: Row, other: Row, rng: np.random.Generator, accounts: Accounts) -> bool:
    others = [name for money, name in accounts if money == other["currency"] and name != other["account"]]
    other["account"] = others[int(rng.integers(len(others)))] if others else "ELSEWHERE"
    return True


def _part(one: Row, other: Row, rng: np.random.Generator, _accounts: Accounts) -> bool:
    part = max(1, int(abs(other["amount"]) * rng.uniform(0.2, 0.8)))
    one["amount"] = part if other["amount"] > 0 else -part
    return True


def _fee(one: Row, other: Row, rng: np.random.Generator, _accounts: Accounts) -> bool:
    """Keep a little more than the policy allows: receipts arrive short, payments cost more."""
    policy, size = Policy(), abs(other["amount"])
    fee = int((policy.fee_fixed + float(policy.fee_share) * size) * (1.05 + rng.exponential(0.4)))
    if fee > size // 3:
        return False
    one["amount"] = other["amount"] - fee
    return True


def _foreign(_one: Row, other: Row, rng: np.random.Generator, _accounts: Accounts) -> bool:
    other["currency"], other["amount"] = "CHF", round(other["amount"] * 0.94 * rng.normal(1, 0.01))
    return True


_DAMAGE = dict(zip(DAMAGES, (_date, _swap, _turn, _move, _part, _fee, _foreign), strict=True))


_CAUSES = {
    "bank_only": "missing on one side",
    "book_only": "missing on one side",
    "transposed": "transposed digits",
    "wrong_sign": "wrong sign",
    "wrong_account": "wrong account",
}


def own(seed: int, days: int = 60, per_day: int = 60) -> World:
    """Return the world of `fixtures.generate.statements` with the causes that it planted, two weeks later."""
    made = statements.world(seed=seed, days=days, per_day=per_day, accounts=4)
    groups = {key: number for number, link in enumerate(made.links) for key in (*link.bank, *link.book)}
    labels = {one.key: _CAUSES.get(one.cause, one.cause) for one in made.breaks}
    labels |= {key: "reversal" for link in made.links if link.kind == "reversal" for key in link.bank}
    paired = [one for one in made.breaks if one.related and one.cause != "duplicate"]
    for number, one in enumerate(paired, start=len(made.links)):
        groups.setdefault(one.key, groups.get(one.related[0], number))
    sides = []
    for entries in (made.bank, made.book):
        frame = pd.DataFrame([{column: getattr(one, column, "") for column in SIDE} for one in entries]).astype(SIDE)
        keys = [one.key for one in entries]
        sides.append(
            frame.assign(
                id=keys, group=[groups.get(key, -1) for key in keys], label=[labels.get(key, "") for key in keys]
            )
        )
    last = max(frame["booked"].max() for frame in sides)
    return World(sides[0], sides[1], (last + pd.Timedelta(days=14)).date())
