"""How well breaks are explained: `python -m benchmarks.breaks [--data GENERATOR.py] [--quick] [--json]`.

The world of `fixtures.generate.statements` has causes of its own. GENERATOR is a Python file with `gen(n, seed, days,
profile)`, see `benchmarks.match_quality`; true pairs of its worlds are damaged in every way that has a cause class
(`benchmarks.breaks_world`), payments are taken back, and the world is cut off nine tenths through, so that some lines
only wait. What counts: macro-F1 of the causes, and how often the true partner is among the three nearest candidates
of a line that has one. `--matcher truth` explains what a matcher without error would leave open, `ours` what ours does.
"""

from __future__ import annotations

import argparse
import json
import resource
import runpy
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.breaks_world import World, own, world
from bots.reconciliation.explain import breaks
from bots.reconciliation.matched import BANK, Matched
from bots.reconciliation.policy import Policy


def main() -> None:
    """Measure each profile of the generator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, metavar="GENERATOR.py", help="file with gen(n, seed, ...)")
    parser.add_argument("--profiles", nargs="+", default=["std", "hard"], help="profiles of the generator")
    parser.add_argument("--rows", type=int, default=50_000, help="lines a side")
    parser.add_argument("--seeds", type=int, nargs="+", default=[21, 22, 23])
    parser.add_argument("--matcher", choices=["truth", "ours"], default="truth")
    parser.add_argument("--quick", action="store_true", help="10,000 lines a side, one seed")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    rows, seeds = (10_000, options.seeds[:1]) if options.quick else (options.rows, options.seeds)
    worlds: dict[str, Callable[[int], World]] = {"own": own}
    if options.data:
        gen = runpy.run_path(str(options.data))["gen"]
        worlds |= {name: partial(_world, gen, rows, name) for name in options.profiles}
    result: dict[str, Any] = {}
    for profile, make in worlds.items():
        runs = [run(make(seed), options.matcher) for seed in seeds]
        names = sorted({name for one in runs for name in one})
        result[profile] = {name: float(np.mean([one[name] for one in runs if name in one])) for name in names}
        result[profile]["macro_f1_worst"] = min(one["macro_f1"] for one in runs)
        result[profile]["top3_worst"] = min(one["top3"] for one in runs)
        for name, value in result[profile].items():
            print(f"{profile:>6}  {name:<28} {value:.5g}")
    if options.data:
        result["open_lines"], result["cpu_s_open"], result["peak_gb"] = speed(gen, 10_000 if options.quick else 100_000)
        print(f"{result['open_lines']:,} open lines, nothing matched: {result['cpu_s_open']:.2f} CPU-s")
    if options.json:
        print(json.dumps(result))


def run(made: World, matcher: str) -> dict[str, float]:
    """Return the figures of one world."""
    bank, book = made.sides()
    solved = made.solved() if matcher == "truth" else _ours(bank, book)
    before = time.process_time()
    found = breaks(bank, book, solved, Policy(), made.asof)
    seconds = time.process_time() - before
    found = _with_truth(found, made)
    judged = found[found["label"] != ""]
    figures = {"lines": float(len(found)), "cpu_s": seconds}
    scores = {cause: _f1(judged, cause) for cause in sorted(set(judged["label"]))}
    figures["macro_f1"] = float(np.mean(list(scores.values())))
    paired = judged[judged["partner"] >= 0]
    hit = np.any([paired[f"nearest_{k}"] == paired["partner"] for k in (1, 2, 3)], axis=0)
    figures["top3"], figures["top1"] = float(hit.mean()), float((paired["nearest_1"] == paired["partner"]).mean())
    waits = judged[judged["clears"].notna() & judged["expected"].notna()]
    if len(waits):
        off = (waits["expected"] - waits["clears"]).dt.days.abs()
        figures["cleared on the day"], figures["cleared within 2 days"] = (
            float((off == 0).mean()),
            float((off <= 2).mean()),
        )
    figures.update({f"f1 {cause}": score for cause, score in scores.items()})
    figures.update(
        {f"top3 {cause}": float(hit[paired["label"] == cause].mean()) for cause in sorted(set(paired["label"]))}
    )
    return figures


def _ours(bank: pd.DataFrame, book: pd.DataFrame) -> Matched:
    from bots.reconciliation.kinds import KINDS  # noqa: PLC0415
    from bots.reconciliation.matching.engine import match  # noqa: PLC0415

    return match(bank, book, Policy(), frozenset(KINDS))


def _with_truth(found: pd.DataFrame, made: World) -> pd.DataFrame:
    """Add each line's label, the number of its true partner (-1 without one), and the day on which that one comes."""
    label, partner = np.full(len(found), "", dtype=object), np.full(len(found), -1)
    clears = np.full(len(found), np.datetime64("NaT"), dtype="datetime64[s]")
    for number, (ours, theirs) in enumerate(((made.bank, made.book), (made.book, made.bank))):
        place = np.flatnonzero(found["side"] == (BANK if number == 0 else 1))
        rows = ours.iloc[found["line"].to_numpy()[place]]
        label[place] = rows["label"].to_numpy()
        if "clears" in rows:
            clears[place] = rows["clears"].to_numpy("datetime64[s]")
        known = theirs[theirs["group"] >= 0].drop_duplicates("group")
        other = pd.Series(known.index, index=known["group"].to_numpy())
        partner[place] = rows["group"].map(other).fillna(-1).to_numpy(np.int64)
    return found.assign(label=label, partner=partner, clears=clears)


def _f1(judged: pd.DataFrame, cause: str) -> float:
    said, true = judged["cause"] == cause, judged["label"] == cause
    return float(2 * (said & true).sum() / (said.sum() + true.sum()))


def _world(gen: Callable[..., dict[str, Any]], rows: int, profile: str, seed: int) -> World:
    return world(gen, rows, seed, profile)


def speed(gen: Callable[..., dict[str, Any]], rows: int) -> tuple[int, float, float]:
    """Explain half of a world of which nothing was matched; return its lines, CPU seconds and peak memory in GB."""
    made = world(gen, rows, 5, "hard")
    bank, book = (side.iloc[: len(side) // 2] for side in made.sides())
    some = made.solved()
    none = Matched(some.matches.iloc[:0], some.members.iloc[:0], some.lost, some.lost_members)
    before = time.process_time()
    found = breaks(bank, book, none, Policy(), made.asof)
    return len(found), time.process_time() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
