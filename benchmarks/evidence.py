"""Measure each kind of evidence against a generator's truth: `python -m benchmarks.evidence --data GENERATOR.py`.

GENERATOR is a Python file with `gen(n, seed, days, profile)`, see `benchmarks.match_quality`; it also returns `breaks`,
the lines without a partner. Every seed makes one world, which is matched under the default policy; a match is wrong if
one of its pairs is (of lines that look the same, any counts), or, of one side only, if a line of it is no reversal.
`--write FILE` writes the figures that the gate is seeded with, and how they were made.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import runpy
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import matching_sets as sets
from benchmarks.breaks_world import DAYS, side
from bots.reconciliation.gate import CONFIDENCE, LIMIT, Evidence, standings
from bots.reconciliation.kinds import KINDS
from bots.reconciliation.matched import BANK, Matched
from bots.reconciliation.matching.engine import match
from bots.reconciliation.policy import Policy
from bots.reconciliation.versions import matcher_digest

WHAT = "Matches by kind of evidence, counted against a generator's own truth: nobody's books, nobody's reviews."


def main() -> None:
    """Measure, print how each kind stands, and write the seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="GENERATOR.py", help="file with gen(n, seed, ...)")
    parser.add_argument("--profile", default="hard", help="profile of the generator")
    parser.add_argument("--rows", type=int, default=1_000_000, help="lines a side")
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104, 105])
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="20,000 lines a side, one seed")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.seeds = 20_000, options.seeds[:1]
    gen = runpy.run_path(str(options.data))["gen"]
    counts: dict[str, tuple[int, int]] = {}
    for number, seed in enumerate(options.seeds, start=1):
        before = time.process_time()
        for kind, (reviewed, wrong) in measured(gen(options.rows, seed, DAYS, options.profile)).items():
            had = counts.get(kind, (0, 0))
            counts[kind] = had[0] + reviewed, had[1] + wrong
        print(f"seed {seed}: {time.process_time() - before:.0f} CPU-s", flush=True)
        made = document(counts, options, options.seeds[:number])
        if options.write:  # after every seed: what is measured is measured
            options.write.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    print_standings(counts)
    if options.json:
        print(json.dumps(made))


def measured(tables: Mapping[str, pd.DataFrame]) -> dict[str, tuple[int, int]]:
    """Return for each kind of evidence how many matches it made, and how many of them are wrong."""
    bank = side(tables["bank"], "bank_id", "value_date").drop(columns="id")
    book = side(tables["ledger"], "ledger_id", "posting_date").drop(columns="id")
    matched = match(bank, book, Policy(), frozenset(KINDS))
    bad = wrong(matched, tables)
    frame = pd.DataFrame({"kind": matched.matches["kind"].astype(str), "wrong": bad})
    found = frame.groupby("kind")["wrong"].agg(["size", "sum"])
    return {str(kind): (int(row["size"]), int(row["sum"])) for kind, row in found.iterrows()}


def wrong(matched: Matched, tables: Mapping[str, pd.DataFrame]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Say of each match whether it is wrong."""
    pairs = sets.pairs(matched)
    good = sets.right(pairs["line_bank"].to_numpy(), pairs["line_book"].to_numpy(), _truth(tables))
    bad = np.zeros(len(matched.matches), bool)
    bad[pairs["match"].to_numpy()[~good]] = True
    sides = matched.members.groupby("match")["side"].nunique()
    alone = matched.members[matched.members["match"].isin(sides.index[sides == 1])]
    breaks = tables["breaks"]
    for number, (table, key) in enumerate((("bank", "bank_id"), ("ledger", "ledger_id"))):
        back = np.asarray(tables[table][key].isin(breaks["id"][breaks["kind"] == "reversal"]))
        mine = alone[(alone["side"] == BANK) == (number == 0)]
        bad[mine["match"].to_numpy()[~back[mine["line"].to_numpy()]]] = True
    return bad


def _truth(tables: Mapping[str, pd.DataFrame]) -> sets.Truth:
    classes, of = [], []
    for table, key, column in (("bank", "bank_id", "bankclass"), ("ledger", "ledger_id", "ledclass")):
        by_id = tables[column].set_index(key)["class_id"]
        classes.append(by_id.reindex(tables[table][key]).to_numpy(np.int64))
        of.append(tables["truth"][key].map(by_id).to_numpy(np.int64))
    pairs = pd.Series(of[0] * 2**32 + of[1]).value_counts(sort=False)
    none = np.zeros(0, bool)
    return sets.Truth((classes[0], classes[1]), pairs, len(of[0]), (none, none))


def print_standings(counts: Mapping[str, tuple[int, int]]) -> None:
    """Print each kind: how often, how often wrong, its bound, and whether it would close."""
    found = standings([Evidence(kind, *both, "seed") for kind, both in counts.items()])
    for one in sorted(found, key=lambda one: -one.reviewed):
        closes = "closes" if one.closes else ""
        print(f"{one.kind:<28} {one.reviewed:>10,} {one.wrong:>7,}  <= {one.bound:.6f}  {closes}")
    closed = [one for one in found if one.closes]
    total, bad, every = (
        sum(one.reviewed for one in closed),
        sum(one.wrong for one in closed),
        sum(one.reviewed for one in found),
    )
    if total:
        bound = Evidence("", total, bad, "seed").bound(CONFIDENCE)
        print(f"closing at {LIMIT}: {total:,} of {every:,} matches, {bad} wrong, bound {bound:.6f}")


def document(counts: Mapping[str, tuple[int, int]], options: argparse.Namespace, seeds: list[int]) -> dict[str, Any]:
    """Return what `bots.reconciliation.gate.read_seed` reads, from the seeds that are done."""
    name = options.data.name
    command = f"python -m benchmarks.evidence --data {name} --profile {options.profile} --rows {options.rows}"
    made_by = {
        "generator": name,
        "sha256": hashlib.sha256(options.data.read_bytes()).hexdigest(),
        "profile": options.profile,
        "rows": options.rows,
        "seeds": seeds,
        "matcher": matcher_digest(),
        "command": f"{command} --seeds {' '.join(map(str, seeds))}",
    }
    kinds = {kind: {"reviewed": counts[kind][0], "wrong": counts[kind][1]} for kind in KINDS if kind in counts}
    return {"what": WHAT, "made_by": made_by, "kinds": kinds}


if __name__ == "__main__":
    main()
