"""Does a proof betray every change: `python -m benchmarks.proof_faults [--quick] [--json] [--faults N] [--seed N]`.

A thousand faults of seven kinds in the proofs of a hundred small reconciliations, made by three hands: one that edits
and no more, one that also computes the whole chain anew, and one that mends every sum, count and number as well. Each
is put to `tools/verify_reconciliation.py` three times: alone, followed by `tools/recount_reconciliation.py` with the
files that were reconciled, and with the head that was kept apart (`--head`). A fault is detected if the last finds it.
The hundred themselves must be clean.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.proof_forgers import FAULTS, FORGERS, forge
from benchmarks.proof_worlds import World, proven_world

TOOLS = Path(__file__).parents[1] / "tools"
MODES = ("alone", "files", "head")


def main() -> None:
    """Run, print, and end with one line of JSON if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="ten worlds, 105 faults")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--faults", type=int, default=1_000)
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    faults, worlds = (105, 10) if asked.quick else (asked.faults, asked.worlds)
    with tempfile.TemporaryDirectory() as folder:
        told = measure(Path(folder), faults, worlds, asked.seed)
    show(told)
    if asked.json:
        print(json.dumps(told))


def measure(folder: Path, faults: int, worlds: int, seed: int) -> dict[str, Any]:
    """Return how many faults were detected, and how, and how many clean proofs raised an alarm."""
    clean = [proven_world(folder / str(number), seed * 1_000 + number) for number in range(worlds)]
    alarms = sum(bool(failures(one, one.proof.path, "all")) for one in clean)
    rng = random.Random(f"faults {seed}")  # noqa: S311 - seeded faults
    found: Counter[tuple[str, str, str]] = Counter()
    made: Counter[tuple[str, str]] = Counter()
    names = [(fault, forger) for fault in FAULTS for forger in FORGERS]
    for number in range(faults):
        fault, forger = names[number % len(names)]
        one = clean[number % len(clean)]
        target = folder / "forged.json"
        forge(one.proof.path, target, fault, forger, rng)
        made[fault, forger] += 1
        for mode in MODES:
            found[fault, forger, mode] += bool(failures(one, target, mode))
    table = {
        fault: {
            forger: {"made": made[fault, forger], **{mode: found[fault, forger, mode] for mode in MODES}}
            for forger in FORGERS
        }
        for fault in FAULTS
    }
    detected = sum(found[fault, forger, "head"] for fault, forger in names)
    return {"faults": faults, "detected": detected, "clean": worlds, "false_alarms": alarms, "table": table}


def failures(world: World, proof: Path, mode: str) -> list[str]:
    """Return what the verifiers say of a proof, with what the mode gives them."""
    found = said(_VERIFY, proof, *(["--head", world.proof.head] if mode in {"head", "all"} else []))
    return found + (said(_RECOUNT, proof, *world.files) if mode in {"files", "all"} else [])


def said(tool: Any, *arguments: str | Path) -> list[str]:
    """Return the failures that a tool prints."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        code = tool.main([str(argument) for argument in arguments])
    lines = [line for line in told.getvalue().splitlines() if line.startswith("FAILED: ")]
    if bool(code) != bool(lines):
        raise AssertionError(f"exit code {code} with {len(lines)} failures")
    return lines


def show(told: dict[str, Any]) -> None:
    """Print the table."""
    print(f"{'fault':>14} {'by a hand that':>14} {'made':>5} {'alone':>6} {'files':>6} {'head':>6}")
    for fault, forgers in told["table"].items():
        for forger, counts in forgers.items():
            print(f"{fault:>14} {forger:>14} " + " ".join(f"{counts[name]:>5}" for name in ("made", *MODES)))
    print(f"{told['detected']} of {told['faults']} detected with the head that was kept apart;")
    print(f"{told['false_alarms']} false alarms on {told['clean']} clean proofs")


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_VERIFY, _RECOUNT = _load("verify_reconciliation"), _load("recount_reconciliation")

if __name__ == "__main__":
    main()
