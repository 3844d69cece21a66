"""Small reconciliations with everything in them that a proof may hold, and their proofs; seeded."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd

from bots.reconciliation.lines import Delivery
from bots.reconciliation.matched import BANK, BOOK, MATCH, SIDE, Matched
from bots.reconciliation.proof import Proof, write_proof
from bots.reconciliation.proven import FORWARD, Decision, ProvenSide, Reconciliation, proven_side
from bots.reconciliation.readers.registry import read
from engine.intervals import clopper_pearson
from fixtures.generate.deliveries import whole
from fixtures.generate.statement_files import WRITERS
from fixtures.generate.statements import world

_START = datetime(2026, 2, 2, 7, tzinfo=UTC)
CONFIDENCE = 0.95
_CLOSES, _SUGGESTS = "reference", "amount"


@dataclass(frozen=True)
class Kind:
    """What was found out about a kind of evidence."""

    kind: str
    reviewed: int
    wrong: int
    closes: bool
    source: str = "seeded by a generator"

    @property
    def bound(self) -> float:
        """Return the one-sided upper bound."""
        found = clopper_pearson(self.wrong, self.reviewed, 2 * CONFIDENCE - 1)
        return found[1] if found else 1.0


GATE = (Kind(_CLOSES, 60_000, 1, closes=True), Kind(_SUGGESTS, 900, 7, closes=False), Kind("new", 0, 0, closes=False))


@dataclass(frozen=True)
class World:
    """One reconciliation, its files and its proof."""

    facts: Reconciliation
    proof: Proof
    files: tuple[Path, ...]


def proven_world(folder: Path, seed: int) -> World:
    """Write the files of a small reconciliation and its proof into a folder.

    Bank and books in any format, with and without balances; matches 1-1, 1-N, N-1, reversals, with differences; closed
    by evidence, closed by a person, suggested; open lines, held back lines, lines carried forward.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"proof {seed}")  # noqa: S311 - a seeded world
    made = world(seed=seed, days=3, per_day=4, accounts=rng.randint(1, 3))
    files, deliveries, keys = [], {}, {}
    for side in ("bank", "book"):
        ending, write = WRITERS[rng.choice(["camt", "mt940", "csv"] if side == "bank" else sorted(WRITERS))]
        sent = whole(made, side)
        path = write(folder / f"{side}{ending}", sent)
        if ending == ".csv" and rng.random() < 0.3:
            path.write_text(path.read_text(encoding="utf-8") + _torn(sent.side), encoding="utf-8")
        files.append(path)
        deliveries[side] = read(path)
        keys[side] = [one.key for issued in sent.statements for one in issued.entries]
    bank, book = (_side(deliveries[side]) for side in ("bank", "book"))
    if rng.random() < 0.5:
        bank = _forward(bank, rng)
    at = {key: (number, n) for number, side in enumerate(("bank", "book")) for n, key in enumerate(keys[side])}
    groups = [[at[key] for key in (*link.bank, *link.book) if key in at] for link in made.links]
    matched = _matched([group for group in groups if len(group) > 1 and rng.random() < 0.9], (bank, book), rng)
    facts = Reconciliation(
        name=f"world {seed}",
        made=_START + timedelta(days=seed),
        asof=date(2026, 1, 31),
        bank=bank,
        book=book,
        matched=matched,
        gate=GATE,
        limit=0.0001,
        confidence=CONFIDENCE,
        definition=f"# 对账 {seed}\nlimit: 0.0001\n",
        decisions=_decisions(len(matched.matches), rng),
        causes={(BOOK, n): "timing" for n in range(len(book.lines))},
        software="0.4.0",
        models={"match-quality 3": hashlib.sha256(b"model").hexdigest()},
    )
    return World(facts, write_proof(facts, folder / "proof.json"), tuple(files))


def frame(delivery: Delivery) -> pd.DataFrame:
    """Return the lines of a delivery as the matcher's columns."""
    rows = [(statement, line) for statement in delivery.statements for line in statement.lines]
    columns = {
        name: pd.Series(
            [statement.account if name == "account" else getattr(line, name) for statement, line in rows], dtype=kind
        )
        for name, kind in SIDE.items()
    }
    return pd.DataFrame(columns)


def _side(delivery: Delivery) -> ProvenSide:
    return proven_side([delivery], frame(delivery))


def _torn(side: str) -> str:
    return "DE1;2026-01-31;;x,y;EUR;broken\n" if side == "bank" else "DE1,2026-02-30,,5.00,EUR,broken\n"


def _forward(side: ProvenSide, rng: random.Random) -> ProvenSide:
    """Add lines that were open before; they need not explain the difference of the opening balances."""
    old = side.lines.iloc[: rng.randint(1, 3)].copy()
    old = old.assign(statement=FORWARD, row=0, origin="december.sta:17", amount=old["amount"] + rng.randint(-9, 9))
    lines = pd.concat([side.lines.assign(origin=""), old], ignore_index=True)
    return ProvenSide(lines, side.statements, side.inputs, side.quarantined)


def _matched(groups: list[list[tuple[int, int]]], sides: tuple[ProvenSide, ProvenSide], rng: random.Random) -> Matched:
    rows, members = [], []
    for number, group in enumerate(groups):
        amounts = [(side, int(sides[side].lines["amount"].iloc[line])) for side, line in group]
        closed = rng.random() < 0.8
        row = {
            "kind": _CLOSES if closed else _SUGGESTS,
            "difference": sum(amount if side == BANK else -amount for side, amount in amounts),
            "days": rng.randint(0, 4),
            "score": rng.gauss(5, 2),
            "margin": float("inf") if rng.random() < 0.7 else rng.random(),
            "rivals": 0,
            "alternatives": 0,
            "runner_up": -1,
            "closed": closed,
        }
        rows.append(row)
        members += [(number, side, line) for side, line in sorted(group)]
    matches = pd.DataFrame(rows, columns=list(MATCH)).astype(MATCH)
    of = pd.DataFrame(members, columns=["match", "side", "line"]).astype("int64")
    return Matched(matches, of, matches.iloc[:0], of.iloc[:0])


def _decisions(matches: int, rng: random.Random) -> list[Decision]:
    found = []
    for number in rng.sample(range(matches), matches // 4):
        at = _START + timedelta(seconds=rng.randrange(3600))
        found.append(Decision(at, "ana", rng.choice(["confirm", "approve"]), number, reason="seen the invoice"))
    return [*found, Decision(_START, "ben", "undo", None, "bank 3 / book 4", "wrong customer")]
