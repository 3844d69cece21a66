"""Matching beside plain SQL and peers: `python -m benchmarks.matching --data DIR [--learn DIR] [--peers PYTHON]`.

DIR is a frozen set (`matching_sets`), or a folder of sets. Every matcher runs on every set in a process of its own;
CPU seconds are of matching after loading, peaks are of the process with its data.

Coverage is the share of true pairs that are closed with 0.01 % wrong or less, in two senses. "Gate": by the kinds that
close as Countersign is shipped, each proven by Clopper and Pearson on the worlds it was seeded with. "Together": by as
many kinds as have half of the limit in all, best first, in every learned set. Those are learned on the sets of
`--learn` and told of the sets of `--data`, which nobody has looked at; without `--learn` both are the same sets, and
the output says so. A pair of lines that look the same as a true pair is right, as often as there are such true pairs.
F1 counts suggestions as well. Of sets that differ in their seed alone, mean and worst follow (`matching_quality`).

`--quick`: sets of up to 100,000 lines only, no peers. `--peers`: a Python that has pandas, polars, datacompy,
recordlinkage and splink; each gets `--timeout` seconds a set. `--growth`: only how time and memory grow from set to
set. `--json`: the last line is one object; `coverage_at_1e4` and `f1` are of the set that covers least, `cpu_ratio` and
`peak_gb` of the largest set on which plain SQL ran too.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.matching_quality import Run, quality, spread, together
from bots.reconciliation.gate import closing as closes
from bots.reconciliation.gate import seeded
from bots.reconciliation.versions import matcher_digest

SMALL = 100_000
Failed = tuple[str, str, str]
"""Set, matcher, and why there are no figures."""
DOES = {
    "ours": "Weigh references, amounts, days, names, fees, sums and reversals; one best set, each match with its odds.",
    "plain": "Join in four passes in SQL, the nearest day where both sides agree.",
}


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a frozen set, or a folder of sets")
    parser.add_argument("--learn", type=Path, metavar="DIR", help="sets on which the kinds that close are chosen")
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="a Python with the peers installed")
    parser.add_argument("--timeout", type=int, default=900, metavar="SECONDS", help="of a peer on a set (900)")
    parser.add_argument("--growth", action="store_true", help="only how time and memory grow from set to set")
    parser.add_argument("--quick", action="store_true", help="small sets only, no peers")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    console = Console(width=160)
    sets = found_sets(options.data, quick=options.quick)
    if options.growth:
        runs = [(run("ours", folder), run("plain", folder)) for folder in sets]
        console.print(growth(runs))
        if options.json:
            print(json.dumps([one.found | {"plain": other.found} for one, other in runs]))
        return
    ours = [run("ours", folder) for folder in sets]
    learned = [run("ours", folder) for folder in found_sets(options.learn, quick=False)] if options.learn else ours
    closing, gate = together(learned), sorted(closes(seeded().evidence))
    plain = [run("plain", folder) for folder in sets]
    peers, failed = ([], []) if options.quick or not options.peers else peer_runs(options.peers, sets, options.timeout)
    where = f"learned on {len(learned)} other sets" if options.learn else "chosen on the same sets"
    console.print(quality(ours, closing, f"together, {where}"))
    console.print(quality(ours, gate, f"gate, {seeded().words}"))
    if seeded().matcher != matcher_digest():
        console.print(
            "The gate was seeded by another matcher than this one: python -m benchmarks.evidence --write FILE"
        )
    console.print(speed([*ours, *plain, *peers], failed))
    if options.json:
        by_gate = {
            "coverage_gate_at_1e4": min(one.coverage(gate) for one in ours),
            "gate": {one.name: one.figures(gate) for one in ours} | spread(ours, gate),
            "gate_is_current": seeded().matcher == matcher_digest(),
        }
        print(json.dumps(summary(ours, plain, peers, closing) | by_gate))


def found_sets(folder: Path, *, quick: bool) -> list[Path]:
    """Return the sets in a folder, the smallest first; the folder itself if it is one."""
    sets = [path.parent for path in [*folder.glob("truth.parquet"), *folder.glob("*/truth.parquet")]]
    if not sets:
        raise SystemExit(f"{folder}: no set (truth.parquet) in it")
    sized = sorted((json.loads((one / "meta.json").read_text(encoding="utf-8"))["n"], one) for one in sets)
    return [one for size, one in sized if size <= SMALL or not quick]


def run(matcher: str, folder: Path) -> Run:
    """Run one matcher on one set."""
    command = [sys.executable, "-m", "benchmarks.matching_run", matcher, str(folder)]
    return Run(folder.name, matcher, _world(folder), _last_line(command), DOES[matcher])


def _world(folder: Path) -> str:
    """Return what a set has in common with those that differ in their seed alone."""
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return json.dumps([meta["n"], meta["profile"]], sort_keys=True)


def peer_runs(python: Path, sets: list[Path], timeout: int) -> tuple[list[Run], list[Failed]]:
    """Run the peers on each set, with their Python; also return those that did not come to an end, and why."""
    script = Path(__file__).with_name("matching_peers.py")
    runs, failed = [], []
    for folder in sets:
        for name, does in _last_line([str(python), str(script), "--list"]).items():
            try:
                found = _last_line([str(python), str(script), name, str(folder)], timeout)
            except subprocess.CalledProcessError as error:
                failed.append((folder.name, name, f"ended with {error.returncode}"))
            except subprocess.TimeoutExpired:
                failed.append((folder.name, name, f"stopped after {timeout} s"))
            else:
                runs.append(Run(folder.name, name, _world(folder), found, does))
    return runs, failed


def speed(runs: list[Run], failed: list[Failed]) -> Table:
    """Return what each matcher took."""
    table = Table(title="All matchers: every pair they make, closed or suggested")
    for name in ("set", "matcher", "CPU s", "wall s", "peak GB", "pairs", "wrong %", "recall", "F1", "what it does"):
        table.add_column(name, justify="left" if name in {"set", "matcher", "what it does"} else "right")
    for one in sorted(runs, key=lambda one: (one.found["lines"], one.name)):
        right = one.pairs - one.wrong
        table.add_row(
            one.name,
            one.matcher,
            f"{one.found['cpu']:.2f}",
            f"{one.found['wall']:.2f}",
            f"{one.found['peak_gb']:.2f}",
            f"{one.pairs:,}",
            f"{100 * one.wrong / max(one.pairs, 1):.3f}",
            f"{right / one.found['true']:.4f}",
            f"{one.f1:.4f}",
            one.does,
        )
    for folder, name, why in failed:
        table.add_row(folder, name, *[""] * 7, why)
    return table


def growth(runs: list[tuple[Run, Run]]) -> Table:
    """Return what the matcher took on sets of growing size, beside plain SQL.

    Exponent: of the CPU seconds between a set and the one before, 1 where they grow as the lines do.
    """
    table = Table(title="Growth: lines a side, matching after loading; memory of the process with its data")
    for name in ("set", "lines", "CPU s", "us a line", "exponent", "wall s", "peak GB", "KB a line", "F1", "plain SQL"):
        table.add_column(name, justify="left" if name == "set" else "right")
    last: dict[str, Any] = {}
    for one, plain in runs:
        found, lines = one.found, one.found["lines"]
        exponent = math.log(found["cpu"] / last["cpu"]) / math.log(lines / last["lines"]) if last else math.nan
        table.add_row(
            one.name,
            f"{lines:,}",
            f"{found['cpu']:.2f}",
            f"{1e6 * found['cpu'] / lines:.1f}",
            f"{exponent:.2f}" if last else "",
            f"{found['wall']:.1f}",
            f"{found['peak_gb']:.2f}",
            f"{1e6 * found['peak_gb'] / lines:.1f}",
            f"{one.f1:.4f}",
            f"{plain.found['cpu']:.2f} s, {found['cpu'] / plain.found['cpu']:.2f} x",
        )
        last = found
    return table


def summary(ours: list[Run], plain: list[Run], peers: list[Run], closing: list[str]) -> dict[str, Any]:
    """Return the figures for machines."""
    worst = min(ours, key=lambda one: one.coverage(closing))
    big, base = ours[-1], plain[-1]
    return {
        "cpu_ratio": big.found["cpu"] / base.found["cpu"],
        "peak_gb": big.found["peak_gb"],
        "coverage_at_1e4": worst.coverage(closing),
        "f1": worst.f1,
        "sets": {
            one.name: one.figures(closing)
            | {
                "cpu_s": one.found["cpu"],
                "cpu_ratio": one.found["cpu"] / other.found["cpu"],
                "peak_gb": one.found["peak_gb"],
            }
            for one, other in zip(ours, plain, strict=True)
        },
        "seeds": spread(ours, closing),
        "closing": closing,
        "peers": [
            {"set": one.name, "matcher": one.matcher, "f1": one.f1}
            | {name: one.found[name] for name in ("cpu", "wall", "peak_gb")}
            for one in peers
        ],
    }


def _last_line(command: list[str], timeout: int = 3600) -> Any:
    """Run a command on one thread of each library, and return the JSON of its last line."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **one_thread}, timeout=timeout
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
