"""Candidates of several lines beside the truth: `python -m benchmarks.groups --data SET [--json]`.

SET is a frozen set (`matching_sets`). By kind: how many candidates there are that nothing rivals (no alternative), how
many of them are a whole true group and nothing else, and how many true groups are found at all. Two stages: what the
generators make of all lines that are open after exact references (`made`), and what the matcher takes of it (`taken`,
over all strengths, and of the strongest alone: `certain`). Time: CPU seconds of the generators, and of one subset sum
of the most items that the policy looks among, 99th percentile of 500.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks import matching_sets as sets
from bots.reconciliation.kinds import GROUPS
from bots.reconciliation.matched import BANK
from bots.reconciliation.matching import subsets
from bots.reconciliation.matching.engine import match
from bots.reconciliation.matching.groups import group_candidates
from bots.reconciliation.policy import Policy

Ints = NDArray[np.int64]
_EXACT = ["account", "currency", "amount", "reference"]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="SET", help="a frozen set")
    parser.add_argument("--quick", action="store_true", help="without the matcher")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    found = measured(options.data, Policy(), quick=options.quick)
    table = Table("kind", "made", "right", "taken", "right", "certain", "right", title=str(options.data))
    for kind, row in found["kinds"].items():
        table.add_row(kind, *(str(count) for pair in row.values() for count in pair))
    console = Console()
    console.print(table)
    console.print({name: value for name, value in found.items() if name != "kinds"})
    if options.json:
        print(json.dumps(found))


def measured(folder: Path, policy: Policy, *, quick: bool) -> dict[str, Any]:
    """Make candidates and judge them."""
    bank, book = sets.load(folder)
    true = _Groups(folder)
    rest = _open(bank, book)
    spent = time.process_time()
    made = group_candidates(bank, book, *rest, policy)
    spent = time.process_time() - spent
    good = true.right(made.members, "candidate", len(made.rows))
    rows = made.rows.assign(good=good)[made.rows["alternatives"] == 0]
    counts = {kind: {"made": _count(rows[rows["kind"] == kind])} for kind in GROUPS}
    if not quick:
        matched = match(bank, book, policy, frozenset())
        good = true.right(matched.members, "match", len(matched.matches))
        whole = matched.matches["kind"].astype(str).str.rsplit("_", n=1, expand=True)
        taken = pd.DataFrame({"kind": whole[0], "strength": whole[1], "good": good})
        for kind, row in counts.items():
            of_kind = taken[taken["kind"] == kind]
            row |= {"taken": _count(of_kind), "certain": _count(of_kind[of_kind["strength"] == "certain"])}
    return {
        "open": [len(lines) for lines in rest],
        "cpu": round(spent, 2),
        "cut": len(made.cut),
        "sum_ms_p99": _sum_p99(policy),
        "true_groups": int(true.several.sum()),
        "found": len(true.found(made.members, "candidate", len(made.rows))),
        "kinds": {kind: row for kind, row in counts.items() if any(count for count, _ in row.values())},
    }


def _count(rows: pd.DataFrame) -> tuple[int, int]:
    return len(rows), int(rows["good"].sum())


def _open(bank: pd.DataFrame, book: pd.DataFrame) -> tuple[Ints, Ints]:
    """Return the lines that are left when the n-th of equal reference and amount went to the n-th."""
    sides = []
    for side in (bank, book):
        keyed = side.loc[side["reference"] != "", [*_EXACT, "booked"]].sort_values("booked", kind="stable")
        sides.append(keyed.assign(nth=keyed.groupby(_EXACT).cumcount()).reset_index())
    both = sides[0].merge(sides[1], on=[*_EXACT, "nth"])
    left, right = both["index_x"].to_numpy(), both["index_y"].to_numpy()
    return np.setdiff1d(np.arange(len(bank)), left), np.setdiff1d(np.arange(len(book)), right)


def _sum_p99(policy: Policy) -> float:
    """Return milliseconds of CPU for one total among as many lines as the policy allows."""
    rng = np.random.default_rng(7)
    times = []
    for _ in range(500):
        items = rng.integers(1_000, 500_000, (1, policy.subset))
        start = time.process_time()
        subsets.solve(items, items[:, :6].sum(axis=1), policy.group, 4)
        times.append(time.process_time() - start)
    return round(float(np.quantile(times, 0.99)) * 1000, 2)


class _Groups:
    """True groups of a set, by line; a reversal is a group of two lines of the bank."""

    def __init__(self, folder: Path) -> None:
        truth = pd.read_parquet(folder / "truth.parquet")
        numbers = []
        for table, column in (("bank", "bank_id"), ("ledger", "ledger_id")):
            ids = pd.Index(pd.read_parquet(folder / f"{table}.parquet", columns=[column])[column])
            numbers.append((ids, ids.get_indexer(pd.Index(truth[column]))))
        self.of = [np.full(len(ids), -1, dtype=np.int64) for ids, _ in numbers]
        for of, (_, rows) in zip(self.of, numbers, strict=True):
            of[rows] = truth["group_id"]
        breaks = pd.read_parquet(folder / "breaks.parquet")
        self.reversed = np.asarray(numbers[0][0].isin(breaks.loc[breaks["kind"] == "reversal", "id"]))
        groups = int(truth["group_id"].max()) + 1
        self.size = np.sum([np.bincount(of[of >= 0], minlength=groups) for of in self.of], axis=0)
        self.several = self.size > 2

    def found(self, members: pd.DataFrame, name: str, count: int) -> Ints:
        """Return the true groups of several lines that some candidate is."""
        good, group = self._judged(members, name, count)
        return np.unique(group[good & self.several[group]])

    def right(self, members: pd.DataFrame, name: str, count: int) -> NDArray[np.bool_]:
        """Say which candidates are a whole true group, or a reversal."""
        bank = members["side"].to_numpy() == BANK
        line = members["line"].to_numpy()
        back = np.zeros(len(line), dtype=bool)
        back[bank] = self.reversed[line[bank]]
        taken_back = np.ones(count, dtype=bool)
        taken_back[members[name].to_numpy()[~back]] = False
        return np.asarray(self._judged(members, name, count)[0] | taken_back)

    def _judged(self, members: pd.DataFrame, name: str, count: int) -> tuple[NDArray[np.bool_], Ints]:
        number, line = members[name].to_numpy(), members["line"].to_numpy()
        bank = members["side"].to_numpy() == BANK
        group = np.empty(len(line), dtype=np.int64)
        for of, chosen in zip(self.of, (bank, ~bank), strict=True):
            group[chosen] = of[line[chosen]]
        low, high = np.full(count, len(self.size)), np.full(count, -1)
        np.minimum.at(low, number, group)
        np.maximum.at(high, number, group)
        one = (low == high) & (low >= 0)
        group = np.where(one, low, 0)
        return one & (np.bincount(number, minlength=count) == self.size[group]), group


if __name__ == "__main__":
    main()
