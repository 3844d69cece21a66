"""Does the proven error rate hold: `python -m benchmarks.guarantee [--quick] [--json] [--streams N] [--seed N]`.

A thousand streams whose truth is known: base error 0.1 to 5 %, independent, drifting, clustered, or just over alpha
whatever the score says, scores of different quality, reviewers who miss 0, 5 or 15 %. Each is promised two things
with delta together: the threshold's error rate is alpha or less, and the published residual bound holds at each of
ten looks. A stream in which either breaks is a violation. Beside it the same audits with ten looks while they come in
(any_time), with the threshold that merely looks right (naive), SGR and Bonferroni. Then: audits until a certificate
and until an alarm. docs/reference/guarantee.md says what exactly is promised under drift and clusters.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.guarantee_streams import Outcome, kind_of, stream
from benchmarks.guarantee_times import alarm_times, certify_times
from qc_models.guarantee.bounds import audits_needed

DELTA = 0.05
METHODS = ("learn_then_test", "any_time", "naive", "sgr", "bonferroni", "oracle")
RARE = 1e-4


def main() -> None:
    """Run, print, and end with one line of JSON if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="100 streams, fewer repetitions")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    streams, repeats = (min(asked.streams, 100), 40) if asked.quick else (asked.streams, 400)
    outcomes = []
    for number in range(streams):
        draws = np.random.default_rng([asked.seed, number])
        outcomes.append(stream(kind_of(number, draws), DELTA, draws))
    groups = {name: figures(part) for name, part in grouped(outcomes)}
    show(groups)
    times = measured_times(repeats, np.random.default_rng([asked.seed, 1_000_000]))
    for name, value in times.items():
        print(f"{name:>34}  {value}")
    if asked.json:
        print(json.dumps({"delta": DELTA, **groups["all"], **times, "scenarios": groups}))


def grouped(outcomes: list[Outcome]) -> Iterable[tuple[str, list[Outcome]]]:
    """Yield all streams, then those of each scenario, alpha, reviewer and quality."""
    yield "all", outcomes
    keys: dict[str, Callable[[Outcome], Any]] = {
        "": lambda one: one.kind.scenario,
        "alpha ": lambda one: one.kind.alpha,
        "base ": lambda one: one.kind.base,
        "quality ": lambda one: one.kind.quality,
        "reviewers miss ": lambda one: one.kind.missed,
        "confirmed ": lambda one: one.kind.confirmed,
    }
    for name, key in keys.items():
        # streams at the edge have a base error and a quality of their own
        among = [one for one in outcomes if name not in {"base ", "quality "} or one.kind.scenario != "edge"]
        for value in sorted({key(one) for one in among}):
            yield f"{name}{value}", [one for one in among if key(one) == value]


def figures(outcomes: list[Outcome]) -> dict[str, Any]:
    """Return the figures of a group of streams; coverage and abstention are means over its streams."""
    told: dict[str, Any] = {"streams": len(outcomes)}
    told["violations"] = sum(broken(one, "learn_then_test") or one.bound_broken for one in outcomes)
    told["bound_violations"] = sum(one.bound_broken for one in outcomes)
    told["estimate_violations"] = sum(one.estimate_broken for one in outcomes)
    for method in METHODS:
        start = "" if method == "learn_then_test" else f"{method}_"
        told[f"{start}threshold_violations" if not start else f"{start}violations"] = sum(
            broken(one, method) for one in outcomes
        )
        told[f"{start}coverage"] = round(float(np.mean([one.choices[method].coverage for one in outcomes])), 4)
        told[f"{start}abstained"] = sum(one.choices[method].coverage == 0 for one in outcomes)
    told["published_p50"] = round(float(np.median([one.published for one in outcomes])), 6)
    told["residual_p50"] = round(float(np.median([one.residual for one in outcomes])), 6)
    told["sensitivity_error_p50"] = round(float(np.median([one.sensitivity_gap for one in outcomes])), 4)
    return told


def broken(one: Outcome, method: str) -> bool:
    """Say whether what passes is worse than alpha."""
    return one.choices[method].rate > one.kind.alpha


def measured_times(repeats: int, draws: np.random.Generator) -> dict[str, Any]:
    """Return audits until a certificate and until an alarm, at alpha = 0.0001."""
    told: dict[str, Any] = {"fixed_plan_n": audits_needed(RARE, DELTA)}
    for factor in (0.0, 0.1, 0.2, 0.5, 1.0, 2.0):
        found = certify_times(RARE, DELTA, factor * RARE, 5 * repeats, draws)
        told[f"certify_{factor:g}x"] = asdict(found)
    told["certify_n_p50"] = told["certify_0.2x"]["p50"]
    few = repeats // 4
    for factor in (2.0, 5.0, 10.0, 100.0):
        told[f"alarm_{factor:g}x"] = asdict(alarm_times(RARE, DELTA, factor, few, draws))
        told[f"alarm_{factor:g}x_after_100000_good"] = asdict(
            alarm_times(RARE, DELTA, factor, few, draws, good=100_000)
        )
    told["alarm_n_p50"] = told["alarm_10x_after_100000_good"]["p50"]
    told["false_alarms"] = alarm_times(RARE, DELTA, 1.0, repeats, draws, most=300_000).share
    return told


def show(groups: dict[str, dict[str, Any]]) -> None:
    """Print violations / mean coverage / abstained of each method, by group."""
    print(f"promise and delta = {DELTA}: violations / mean coverage / everything reviewed")
    head = f"{'':>22} {'streams':>7} {'both':>5} {'bound':>5} {'plain':>5} {'published':>9} {'true':>8}"
    print(head + "".join(f"{name:>22}" for name in METHODS))
    for name, told in groups.items():
        cells = []
        for method in METHODS:
            start = "" if method == "learn_then_test" else f"{method}_"
            count = told[f"{start}violations"] if start else told["threshold_violations"]
            cells.append(f"{count:>7} /{told[f'{start}coverage']:6.3f} /{told[f'{start}abstained']:4}")
        broke = f"{told['violations']:>5} {told['bound_violations']:>5} {told['estimate_violations']:>5}"
        rates = f"{told['published_p50']:>9.5f} {told['residual_p50']:>8.5f}"
        print(f"{name:>22} {told['streams']:>7} {broke} {rates}" + "".join(cells))


if __name__ == "__main__":
    main()
