"""Measure each kind of evidence against a generator's truth: `python -m benchmarks.evidence --data GENERATOR.py`.

GENERATOR is a Python file with `gen(n, seed, days, profile)`, see `benchmarks.match_quality`; it also returns `breaks`,
the lines without a partner. Every seed of every profile makes one world, which is matched under the default policy. A
match is wrong if one of its pairs is (of lines that look the same, any counts), or, of one side only, if a line of it
is no reversal. By default eight hard worlds, two plain ones, and one of each ("-text") whose references and names stand
in the text alone, as in a plain table of date, text and amount: real files have lines of all of them. A kind of
evidence must hold over all together, and where one profile by itself shows it to be worse than the limit, the figures
of that profile alone are its figures.

`--write FILE` writes the figures that the gate is seeded with, and how they were made, after every world. Where FILE
already holds worlds that this matcher was measured on, with this generator and as many lines, they are kept and only
the others are run: a run that was broken off goes on, and further worlds are added.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import runpy
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import matching_sets as sets
from benchmarks.breaks_world import DAYS, side
from bots.reconciliation.gate import CONFIDENCE, LIMIT, Evidence, standings
from bots.reconciliation.kinds import KINDS
from bots.reconciliation.matched import BANK, Matched
from bots.reconciliation.matching.engine import match_as_read
from bots.reconciliation.policy import Policy
from bots.reconciliation.versions import matcher_digest

WORLDS = [("hard", list(range(101, 109))), ("std", [109, 110]), ("hard-text", [111]), ("std-text", [112])]
_HELP = "profiles of the generator with their seeds, like hard:101,102 std:109 std-text:112"
TEXT = "-text"
Counts = dict[str, dict[str, tuple[int, int]]]
"""Profile -> kind -> (matches of it, wrong ones)."""
WHAT = "Matches by kind of evidence, counted against a generator's own truth: nobody's books, nobody's reviews."


def main() -> None:
    """Measure, print how each kind stands, and write the seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="GENERATOR.py", help="file with gen(n, seed, ...)")
    parser.add_argument("--worlds", type=_world, nargs="+", default=WORLDS, metavar="PROFILE:SEED,...", help=_HELP)
    parser.add_argument("--rows", type=int, default=1_000_000, help="lines a side")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the figures as JSON, or go on with them")
    parser.add_argument("--quick", action="store_true", help="20,000 lines a side, one seed of each profile")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    asked = dict(options.worlds)
    if options.quick:
        options.rows, asked = 20_000, {profile: seeds[:1] for profile, seeds in asked.items()}
    gen = runpy.run_path(str(options.data))["gen"]
    made = kept(options)
    counts: Counts = made["by_profile"]
    done: dict[str, list[int]] = made["made_by"]["worlds"]
    for profile, seed in [(profile, seed) for profile, seeds in asked.items() for seed in seeds]:
        if seed in done.get(profile, []):
            print(f"{profile} {seed}: kept", flush=True)
            continue
        before = time.process_time()
        of = counts.setdefault(profile, {})
        for kind, (reviewed, wrong) in measured(world(gen, options.rows, seed, profile)).items():
            had = of.get(kind, (0, 0))
            of[kind] = had[0] + reviewed, had[1] + wrong
        done.setdefault(profile, []).append(seed)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{profile} {seed}: {time.process_time() - before:.0f} CPU-s, peak so far {peak:.1f} GB", flush=True)
        made = document(counts, options, done)
        if options.write:  # after every world: what is measured is measured
            options.write.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    print_standings(judged(counts))
    if options.json:
        print(json.dumps(made))


def _world(said: str) -> tuple[str, list[int]]:
    profile, _, seeds = said.partition(":")
    return profile, [int(seed) for seed in seeds.split(",")]


def kept(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the file to write already holds of this matcher, generator and size; otherwise nothing yet."""
    nothing = document({}, options, {})
    if options.write is None or not options.write.exists():
        return nothing
    found: dict[str, Any] = json.loads(options.write.read_text(encoding="utf-8"))
    same = ("sha256", "rows", "matcher")
    if any(found["made_by"].get(name) != nothing["made_by"][name] for name in same):
        print(f"{options.write}: of another generator, size or matcher; all worlds are measured again", flush=True)
        return nothing
    return found


def world(gen: Callable[..., dict[str, pd.DataFrame]], rows: int, seed: int, profile: str) -> dict[str, pd.DataFrame]:
    """Make one world; of a profile that ends with "-text", references and names stand in the text alone."""
    tables = gen(rows, seed, DAYS, profile.removesuffix(TEXT))
    if profile.endswith(TEXT):
        tables |= {name: tables[name].assign(reference="", counterparty="") for name in ("bank", "ledger")}
    return tables


def judged(counts: Counts) -> dict[str, tuple[int, int]]:
    """Return the figures of each kind: of all profiles, or of the worst one where that is shown to break the limit."""
    found = {}
    for kind in KINDS:
        each = [Evidence(kind, *of[kind], "seed") for of in counts.values() if kind in of]
        worst = max(each, key=lambda one: one.least(CONFIDENCE), default=Evidence(kind, 0, 0, "seed"))
        if worst.least(CONFIDENCE) > LIMIT:
            found[kind] = worst.reviewed, worst.wrong
        elif each:
            found[kind] = sum(one.reviewed for one in each), sum(one.wrong for one in each)
    return found


def measured(tables: Mapping[str, pd.DataFrame]) -> dict[str, tuple[int, int]]:
    """Return for each kind of evidence how many matches it made, and how many of them are wrong."""
    bank = side(tables["bank"], "bank_id", "value_date").drop(columns="id")
    book = side(tables["ledger"], "ledger_id", "posting_date").drop(columns="id")
    matched = match_as_read(bank, book, Policy(), frozenset(KINDS))
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
    """Print each kind: how often, how often wrong, the bound of the sample that decides, and whether it would close."""
    found = {one.kind: one for one in standings([Evidence(kind, *both, "seed") for kind, both in counts.items()])}
    for kind, (reviewed, wrong) in sorted(counts.items(), key=lambda one: -one[1][0]):
        closes = "closes" if found[kind].closes else ""
        print(f"{kind:<28} {reviewed:>10,} {wrong:>7,}  <= {found[kind].bound:.6f}  {closes}")
    closed = [both for kind, both in counts.items() if found[kind].closes]
    total, bad = sum(reviewed for reviewed, _ in closed), sum(wrong for _, wrong in closed)
    if total:
        every = sum(reviewed for reviewed, _ in counts.values())
        bound = Evidence("", total, bad, "seed").bound(CONFIDENCE)
        print(f"closing at {LIMIT}: {total:,} of {every:,} matches, {bad} wrong, bound {bound:.6f}")


def document(counts: Counts, options: argparse.Namespace, worlds: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Return what `bots.reconciliation.gate.read_seed` reads, from the worlds that are done."""
    name = options.data.name
    said = " ".join(f"{profile}:{','.join(map(str, seeds))}" for profile, seeds in worlds.items())
    made_by = {
        "generator": name,
        "sha256": hashlib.sha256(options.data.read_bytes()).hexdigest(),
        "rows": options.rows,
        "worlds": {profile: list(seeds) for profile, seeds in worlds.items()},
        "matcher": matcher_digest(),
        "command": f"python -m benchmarks.evidence --data {name} --rows {options.rows} --worlds {said}",
    }
    kinds = {kind: {"reviewed": reviewed, "wrong": wrong} for kind, (reviewed, wrong) in judged(counts).items()}
    return {"what": WHAT, "made_by": made_by, "kinds": kinds, "by_profile": counts}


if __name__ == "__main__":
    main()
