"""Cell-level error detection from a few labelled tuples: `python -m benchmarks.error_detection --data DIR`.

DIR holds one folder a data set with dirty.csv and clean.csv, columns aligned by position. Labelled tuples are excluded
from scoring, for Raha as for us. `--raha PYTHON` names the interpreter of an environment with raha 1.26, pandas < 2 and
numpy < 2. Without it, or if Raha ends no seed in time, its figures are null, and the output says so. `--made` adds the
generated tables of benchmarks/made_tables.py. Every set is printed as soon as it is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.made_tables import MADE
from qc_models.tables.detector import Detector
from qc_models.tables.table import Table, read_table

SETS = ("hospital", "flights", "beers")
_RUNNER = Path(__file__).parent / "raha_runner.py"
_LABELS = 20
_CURVE = (5, 10, 20, 50, 100)
_CURVE_SEEDS = 3
_CARELESS_SEEDS = 3
_MISSED = 0.15


@dataclass(frozen=True)
class Case:
    """A dirty table and which of its cells are wrong."""

    table: Table
    clean: Table
    wrong: NDArray[np.bool_]


def main() -> None:
    """Measure every set, print a line each, and one JSON object at the end if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of folders with dirty.csv and clean.csv")
    parser.add_argument("--sets", default=",".join(SETS), help="which of them, comma separated")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--raha", type=Path, help="interpreter of Raha's environment")
    parser.add_argument("--raha-minutes", type=float, default=15, help="how long Raha may take for one set")
    parser.add_argument("--raha-seeds", type=int, help="how many seeds Raha runs (default: as many as we)")
    parser.add_argument("--made", action="store_true", help="also the generated tables")
    parser.add_argument("--quick", action="store_true", help="one seed, no curve to 100 tuples")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    seeds = 1 if options.quick else options.seeds
    result: dict[str, Any] = {}
    for name in options.sets.split(","):
        case = read_case(options.data / name)
        result[name] = measure([case] * seeds, quick=options.quick)
        show(name, result[name])
        wanted = seeds if options.raha_seeds is None else options.raha_seeds
        result[name] |= beside(name, raha(case, options.raha, wanted, options.raha_minutes))
    for name, make in MADE.items() if options.made else ():
        result[name] = measure([made_case(*make(seed)) for seed in range(seeds)], quick=True)
        show(name, result[name])
    if options.json:
        print(json.dumps(result))


def read_case(folder: Path) -> Case:
    """Read dirty.csv and clean.csv; names of columns may differ, their order may not."""
    dirty, clean = read_table(folder / "dirty.csv"), read_table(folder / "clean.csv")
    return _case(dirty, Table(dirty.columns, clean.rows))


def made_case(header: list[str], dirty: list[list[str]], clean: list[list[str]]) -> Case:
    """Return a generated table as a case."""
    tables = [Table(tuple(header), tuple(tuple(row) for row in rows)) for rows in (dirty, clean)]
    return _case(*tables)


def _case(dirty: Table, clean: Table) -> Case:
    wrong = [[a != b for a, b in zip(*pair, strict=True)] for pair in zip(dirty.rows, clean.rows, strict=True)]
    return Case(dirty, clean, np.array(wrong, dtype=bool))


def measure(cases: list[Case], *, quick: bool) -> dict[str, Any]:
    """Return the F1s of one set over its seeds: at 20 labels, along the curve, cold, with a careless reviewer."""
    started = time.perf_counter()
    curves = [
        curve(case, seed, _LABELS if quick or seed >= _CURVE_SEEDS else _CURVE[-1]) for seed, case in enumerate(cases)
    ]
    seconds = time.perf_counter() - started
    at = [one[_LABELS] for one in curves]
    careless = [noisy(case, seed) for seed, case in enumerate(cases[:_CARELESS_SEEDS])]
    return {
        "f1": mean(at),
        "sd": pstdev(at),
        "worst": min(at),
        "seeds": len(at),
        "curve": {size: mean([one[size] for one in curves if size in one]) for size in _CURVE if size in curves[0]},
        "curve_seeds": {size: sum(size in one for one in curves) for size in _CURVE if size in curves[0]},
        **cold(cases[0]),
        "noise_seeds": len(careless),
        "noise_f1": mean(one[0] for one in careless),
        "noise_adjudicated_f1": mean(one[1] for one in careless),
        "second_looks": mean(one[2] for one in careless),
        "seconds": seconds / len(cases),
    }


def curve(case: Case, seed: int, labels: int) -> dict[int, float]:
    """Return F1 by number of labelled tuples, from one run of picking and labelling."""
    detector = Detector(case.table, seed=seed)
    found = {}
    for count in range(1, min(labels, len(case.table.rows)) + 1):
        row = detector.next()
        detector.label(row, np.flatnonzero(case.wrong[row]).tolist())
        if count in _CURVE:
            found[count] = score(detector.verdicts(), case.wrong, detector.labelled)
    return found


def noisy(case: Case, seed: int) -> tuple[float, float, int]:
    """Return F1 when 15 % of the errors are missed, F1 after second looks at disputed labels, and how many looks."""
    rng = np.random.default_rng(seed)
    detector = Detector(case.table, seed=seed)
    for _ in range(min(_LABELS, len(case.table.rows))):
        row = detector.next()
        detector.label(row, _seen(np.flatnonzero(case.wrong[row]), rng))
    before = score(detector.verdicts(), case.wrong, detector.labelled)
    disputed = detector.disputed()
    for row, column in disputed:
        found = _seen(np.array([column] if case.wrong[row, column] else []), rng)
        detector.label(row, detector.labelled[row] | set(found))
    return before, score(detector.verdicts(), case.wrong, detector.labelled), len(disputed)


def _seen(wrong: NDArray[Any], rng: np.random.Generator) -> list[int]:
    return [int(column) for column in wrong if rng.random() >= _MISSED]


def cold(case: Case) -> dict[str, float]:
    """Return F1 and the precision of the hundred most suspicious cells, without any label."""
    detector = Detector(case.table)
    order = np.argsort(-detector.probabilities().ravel(), kind="stable")[:100]
    flagged = score(detector.verdicts(), case.wrong, ())
    return {"cold_f1": flagged, "cold_p100": float(case.wrong.ravel()[order].mean())}


def raha(case: Case, python: Path | None, seeds: int, minutes: float) -> dict[str, Any]:
    """Return Raha's F1 on the same set: same budget, its own tuples, which are excluded too; null where it has none."""
    nothing: dict[str, Any] = {"raha_f1": None, "raha_sd": None, "raha_seeds": 0}
    if python is None:
        return nothing | {"raha_note": "not asked for (--raha)"}
    started = time.perf_counter()
    answers, note = _run_raha(case, python, seeds, minutes)
    scores = []
    for answer in answers:
        flags = np.zeros_like(case.wrong)
        for row, column in answer["cells"]:
            flags[row, column] = True
        scores.append(score(flags, case.wrong, answer["rows"]))
    told = {"raha_seeds": len(scores), "raha_seconds": time.perf_counter() - started, "raha_note": note}
    return nothing | ({"raha_f1": mean(scores), "raha_sd": pstdev(scores)} if scores else {}) | told


def _run_raha(case: Case, python: Path, seeds: int, minutes: float) -> tuple[list[dict[str, Any]], str | None]:
    """Return what Raha found with each seed that it ended in time, and what went wrong.

    It runs in a session of its own, for its worker processes outlive it and hold its output open.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("dirty.csv", "clean.csv")]
        for path, table in zip(paths, (case.table, case.clean), strict=True):
            with path.open("w", encoding="utf-8", newline="") as handle:
                csv.writer(handle).writerows([table.columns, *table.rows])
        command = [str(python), str(_RUNNER), *map(str, paths), str(_LABELS), *map(str, range(seeds))]
        out, log = Path(folder) / "out", Path(folder) / "log"
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
        with out.open("wb") as output, log.open("wb") as errors:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=errors,
                cwd=folder,
                env=os.environ | threads | {"TMPDIR": folder},
                start_new_session=True,
            )
            try:
                code = process.wait(timeout=60 * minutes)
                last = log.read_text(errors="replace").strip().splitlines()[-1:]
                note = f"ended with code {code}: {' '.join(last)}" if code else None
            except subprocess.TimeoutExpired:
                note = f"stopped after {minutes:g} minutes (--raha-minutes)"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        whole = [line for line in out.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [json.loads(line) for line in whole], note


def score(flags: NDArray[np.bool_], wrong: NDArray[np.bool_], labelled: Collection[int]) -> float:
    """Return the F1 over the rows that are not labelled; 1 if there is nothing to find and nothing flagged."""
    keep = np.ones(len(wrong), dtype=bool)
    keep[list(labelled)] = False
    both = float(flags[keep].sum() + wrong[keep].sum())
    return 2 * float((flags & wrong)[keep].sum()) / both if both else 1.0


def show(name: str, result: dict[str, Any]) -> None:
    """Print one set's figures."""
    sizes = "  ".join(f"{size}: {value:.3f}" for size, value in result["curve"].items())
    print(
        f"{name:>10}  F1 {result['f1']:.4f} sd {result['sd']:.4f} worst {result['worst']:.4f} seeds {result['seeds']}  "
        f"by tuples {sizes}  cold {result['cold_f1']:.3f} P@100 {result['cold_p100']:.2f}  "
        f"15 % missed {result['noise_f1']:.3f}, adjudicated {result['noise_adjudicated_f1']:.3f} "
        f"({result['second_looks']:.1f} looks)  {result['seconds']:.1f} s a seed",
        flush=True,
    )


def beside(name: str, result: dict[str, Any]) -> dict[str, Any]:
    """Print what Raha reached on a set and what went wrong, and return it."""
    theirs, note = result["raha_f1"], result["raha_note"]
    said = (
        "no figure" if theirs is None else f"F1 {theirs:.4f} sd {result['raha_sd']:.4f} of {result['raha_seeds']} seeds"
    )
    print(f"{name:>10}  Raha: {said}{f'; {note}' if note else ''}", flush=True)
    return result


if __name__ == "__main__":
    main()
