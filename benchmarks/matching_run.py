"""One matcher on one set, in a process of its own: `python -m benchmarks.matching_run ours|plain SET`.

Prints one JSON object: CPU and wall seconds of matching after loading, the peak of the process's memory (data
included), and by kind of evidence how many pairs there are, how many of them are wrong, and how many lines without a
partner are in wrong ones: in pairs, and in groups.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import matching_plain as plain
from benchmarks import matching_sets as sets
from bots.reconciliation.matched import BANK
from bots.reconciliation.matching.engine import match
from bots.reconciliation.policy import Policy


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("matcher", choices=["ours", "plain"])
    parser.add_argument("set", type=Path)
    options = parser.parse_args()
    print(json.dumps(measured(options.matcher, options.set)))


def measured(matcher: str, folder: Path) -> dict[str, Any]:
    """Load, match, judge."""
    bank, book = sets.load(folder)
    cpu, wall = time.process_time(), time.perf_counter()
    if matcher == "ours":
        matched = match(bank, book, Policy(), frozenset())
    else:
        found = plain.match(bank, book)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    lines = len(bank)
    del bank, book  # at ten million lines, memory to judge with
    true = sets.truth(folder)
    if matcher == "ours":
        pairs = sets.pairs(matched)
        one_sided = _one_sided(matched.members, matched.matches, true)
    else:
        columns = {"line_bank": found.bank, "line_book": found.book, "kind": found.step.astype(str)}
        pairs = pd.DataFrame(columns).assign(match=np.arange(len(found)))
        one_sided = {}
    left, right = pairs.line_bank.to_numpy(np.int64), pairs.line_book.to_numpy(np.int64)
    good = sets.right(left, right, true)
    kinds = _by_kind(pairs, good, true)
    return {
        "lines": lines,
        "cpu": cpu,
        "wall": wall,
        "peak_gb": peak,
        "true": true.total,
        "kinds": kinds,
        "one_sided": one_sided,
    }


def _by_kind(pairs: pd.DataFrame, good: np.ndarray[Any, np.dtype[np.bool_]], true: sets.Truth) -> dict[str, list[int]]:
    """Count pairs, wrong ones, and the lines without a partner that are in wrong pairs, and in wrong groups."""
    held = pd.DataFrame({"kind": pairs["kind"].astype(str), "match": pairs["match"], "wrong": ~good})
    grouped = held["match"].duplicated(keep=False)
    counted = held.groupby("kind")["wrong"].agg(["size", "sum"])
    lines = []
    for name, broken in zip(("line_bank", "line_book"), true.broken, strict=True):
        mine = held.assign(line=pairs[name], group=grouped)[broken[pairs[name].to_numpy(np.int64)]]
        wrong = mine.groupby(["kind", "match", "line", "group"], as_index=False)["wrong"].all()
        lines.append(wrong[wrong["wrong"]])
    found = pd.concat(lines).groupby(["kind", "group"]).size()
    return {
        str(kind): [int(row["size"]), int(row["sum"]), *(int(found.get((kind, group), 0)) for group in (False, True))]
        for kind, row in counted.iterrows()
    }


def _one_sided(members: pd.DataFrame, matches: pd.DataFrame, true: sets.Truth) -> dict[str, list[int]]:
    """Count matches of one side's lines (reversals, duplicates) by kind, and those that hold a line with a partner."""
    sides = members.groupby("match").side.nunique()
    held = members[members.match.isin(sides.index[sides == 1])]
    partner = np.where(
        held.side.to_numpy() == BANK,
        ~true.broken[0][np.minimum(held.line.to_numpy(), len(true.broken[0]) - 1)],
        ~true.broken[1][np.minimum(held.line.to_numpy(), len(true.broken[1]) - 1)],
    )
    wrong = pd.Series(partner, index=held.match.to_numpy()).groupby(level=0).any()
    kinds = matches.kind.astype(str).reindex(wrong.index)
    return {str(kind): [len(rows), int(rows.sum())] for kind, rows in wrong.groupby(kinds.to_numpy())}


if __name__ == "__main__":
    main()
