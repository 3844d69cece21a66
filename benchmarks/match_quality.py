"""How good and how fast the match-quality model is: `python -m benchmarks.match_quality --data GENERATOR.py [--quick]`.

GENERATOR is a Python file with `gen(n, seed, days, profile)` that returns tables of a bank statement and a ledger with
their truth (`bank`, `ledger`, `truth`, `bankclass`, `ledclass`). One world is learned from, its truth unseen: examples
are made of the two lists alone. Another world is judged. "Proposed" are the candidates that are the best of both their
lines, as a simple matcher would propose them; the rules of the first day and a model that was also taught by reviewed
proposals stand beside. Times are CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import json
import runpy
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from qc_models import artifact as artifacts
from qc_models.artifact import Artifact
from qc_models.match import training
from qc_models.match.candidates import candidates, ranked
from qc_models.match.context import Context
from qc_models.match.evaluation import evaluate
from qc_models.match.examples import Examples, reviewed, self_made
from qc_models.match.features import matrix
from qc_models.match.judge import MatchJudge
from qc_models.match.pair import Line, Pair, Side

DAYS = 90


@dataclass(frozen=True)
class World:
    """Two lists, and every single-line candidate with its truth."""

    bank: list[Line]
    book: list[Line]
    judged: Examples
    groups: list[tuple[Pair, Pair]]
    """True groups (1-N, N-1), each with the same group in which one line is another of nearly its amount and day."""

    def proposed(self) -> Examples:
        """Return the candidates that are the best of both their lines."""
        keep = mutual_best(self.judged.pairs)
        pairs = [self.judged.pairs[place] for place in keep]
        kinds = [self.judged.kinds[place] for place in keep]
        return reviewed(pairs, self.judged.wrong[keep].tolist(), context=self.judged.context, kinds=kinds)


def main() -> None:
    """Measure each profile of the generator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="GENERATOR.py", help="file with gen(n, seed, ...)")
    parser.add_argument("--profiles", nargs="+", default=["std", "hard"], help="profiles of the generator")
    parser.add_argument("--rows", type=int, default=12_000, help="lines a side")
    parser.add_argument("--reviews", type=int, default=300, help="reviewed proposals that teach the second model")
    parser.add_argument("--quick", action="store_true", help="4,000 lines a side")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    gen = runpy.run_path(str(options.data))["gen"]
    rows = 4_000 if options.quick else options.rows
    result = {profile: run(gen, rows, profile, options.reviews) for profile in options.profiles}
    for profile, figures in result.items():
        for name, value in figures.items():
            print(f"{profile:>6}  {name:<28} {value:.5g}")
    if options.json:
        print(json.dumps(result))


def run(gen: Callable[..., dict[str, Any]], rows: int, profile: str, reviews: int) -> dict[str, float]:
    """Learn from one world and judge another; return the figures of one profile."""
    past, fresh = world(gen, rows, 7, profile), world(gen, rows, 8, profile)
    with tempfile.TemporaryDirectory() as folder:
        before = time.process_time()
        made = self_made(past.bank, past.book, seed=1)
        own = artifacts.load(training.train([made], seed=1, models_dir=Path(folder)).folder)
        seconds = time.process_time() - before
        taught = artifacts.load(
            training.train([made, sample(past.proposed(), reviews)], seed=1, models_dir=Path(folder)).folder
        )
    proposed = fresh.proposed()
    figures: dict[str, float] = {"proposed": len(proposed.pairs), "wrong_among_proposed": float(proposed.wrong.mean())}
    for label, judge in (("rules", MatchJudge()), ("model", MatchJudge(own)), ("reviewed", MatchJudge(taught))):
        figures.update({f"{label}_{name}": value for name, value in quality(judge, proposed).items()})
    figures["model_auc_all_candidates"] = evaluate(MatchJudge(own), fresh.judged)["auc"]
    figures.update(of_groups(MatchJudge(own), fresh))
    figures.update(speed(own, fresh.judged, made))
    return {**figures, "parity": own.metrics["parity_max_difference"], "examples": len(made.pairs), "train_s": seconds}


def quality(judge: MatchJudge, proposed: Examples) -> dict[str, float]:
    """Return what counts of one judge on proposed matches."""
    found = evaluate(judge, proposed, target=1e-3)
    closable = found["closable"]
    return {
        "auc": found["auc"],
        "recall": found["recall"]["value"],
        "precision": found["precision"]["value"],
        "brier": found["brier"],
        "ece": found["calibration_error"],
        "closable": closable["share"],
        "closable_wrong": closable["wrong"],
        "closable_bound": closable["bound"],
    }


def speed(own: Artifact, judged: Examples, made: Examples) -> dict[str, float]:
    """Return candidates a second of the whole judge, and the model alone against scikit-learn on single rows."""
    pairs = judged.pairs[:40_000]
    MatchJudge(own).judge_all(pairs[:200], judged.context)
    before = time.process_time()
    MatchJudge(own).judge_all(pairs, judged.context)
    seconds = time.process_time() - before
    rows = matrix(pairs[:300], judged.context)
    with threadpool_limits(limits=1):
        model = training.boost(matrix(made.pairs[:20_000], made.context), made.wrong[:20_000], 1)
        slow = _each(model.predict_proba, rows)
    return {"pairs_per_s": len(pairs) / seconds, "speedup": slow / _each(own.session.probabilities, rows)}


def world(gen: Callable[..., dict[str, Any]], rows: int, seed: int, profile: str) -> World:
    """Return a generated world; lines that agree in every visible field count as the same line."""
    tables = gen(rows, seed, DAYS, profile)
    bank = _lines(tables["bank"], "bank_id", "value_date")
    book = _lines(tables["ledger"], "ledger_id", "posting_date")
    ours = dict(zip(tables["bankclass"].bank_id, tables["bankclass"].class_id, strict=True))
    theirs = dict(zip(tables["ledclass"].ledger_id, tables["ledclass"].class_id, strict=True))
    truth = tables["truth"]
    single = truth[truth.groupby("group_id").bank_id.transform("size") == 1]
    right = {(ours[one], theirs[other]) for one, other in zip(single.bank_id, single.ledger_id, strict=True)}
    context = Context.of(bank, book)
    pairs = candidates(bank, book, context)
    wrong = [(ours[pair.bank.lines[0].id], theirs[pair.book.lines[0].id]) not in right for pair in pairs]
    return World(bank, book, reviewed(pairs, wrong, context=context), _groups(truth, bank, book))


def _groups(truth: Any, bank: list[Line], book: list[Line]) -> list[tuple[Pair, Pair]]:
    banks, books = {line.id: line for line in bank}, {line.id: line for line in book}
    found = []
    for _, rows in truth.groupby("group_id"):
        theirs, ours = (
            [banks[one] for one in dict.fromkeys(rows.bank_id)],
            [books[one] for one in rows.ledger_id.unique()],
        )
        if len(theirs) + len(ours) > 2:
            many, lines = (theirs, bank) if len(theirs) > len(ours) else (ours, book)
            swapped = [
                *many[:-1],
                min((line for line in lines if line not in many), key=lambda line: _far(line, many[-1])),
            ]
            wrong = (swapped, ours) if many is theirs else (theirs, swapped)
            found.append((_group(theirs, ours), _group(*wrong)))
    return found


def _group(bank: list[Line], book: list[Line]) -> Pair:
    return Pair(Side(tuple(bank)), Side(tuple(book)), frozenset({"subset_sum"}))


def _far(one: Line, other: Line) -> tuple[bool, float, int]:
    days = abs((one.day - other.day).days) if one.day and other.day else 0
    return one.currency != other.currency, abs(one.amount - other.amount), days


def of_groups(judge: MatchJudge, fresh: World) -> dict[str, float]:
    """Return how well right and wrong groups are told apart, seen against all single-line candidates."""
    pairs = [pair for both in fresh.groups for pair in both]
    seen = ranked([*pairs, *fresh.judged.pairs], fresh.judged.context)[: len(pairs)]
    found = evaluate(judge, reviewed(seen, [False, True] * len(fresh.groups), context=fresh.judged.context))
    return {
        "groups": len(pairs),
        "groups_auc": found["auc"],
        "groups_recall": found["recall"]["value"],
        "groups_precision": found["precision"]["value"],
    }


def mutual_best(pairs: Sequence[Pair]) -> list[int]:
    """Return the places of the candidates that both their lines score highest; of equals, the nearest in days."""
    best: dict[tuple[str, str], tuple[float, int, int]] = {}
    for place, pair in enumerate(pairs):
        for side, line in (("bank", pair.bank.lines[0]), ("book", pair.book.lines[0])):
            rank = (pair.score or 0.0, -_apart(pair), -place)
            key = (side, line.id)
            best[key] = max(best.get(key, rank), rank)
    return [
        place
        for place, pair in enumerate(pairs)
        if -best["bank", pair.bank.lines[0].id][2] == place == -best["book", pair.book.lines[0].id][2]
    ]


def sample(judged: Examples, count: int) -> Examples:
    """Return that many proposals of the learned world, drawn at random, as a person would have reviewed them."""
    drawn = np.random.default_rng(1).choice(len(judged.pairs), min(count, len(judged.pairs)), replace=False)
    pairs = [judged.pairs[place] for place in drawn]
    return reviewed(pairs, judged.wrong[drawn].tolist(), context=judged.context)


def _apart(pair: Pair) -> int:
    one, other = pair.bank.lines[0].day, pair.book.lines[0].day
    return abs((one - other).days) if one and other else 0


def _lines(table: Any, name: str, day: str) -> list[Line]:
    columns = (table[name], table.amount_cents, table.currency, table[day], table.reference, table.counterparty)
    return [
        Line(
            str(one),
            int(amount),
            currency,
            valued=valued.date(),
            structured=(reference,) if reference else (),
            name=party,
            text=text,
        )
        for one, amount, currency, valued, reference, party, text in zip(*columns, table.description, strict=True)
    ]


def _each(call: Callable[[Any], object], rows: Any) -> float:
    """Return the median seconds of a call on a single row."""
    taken = []
    for place in range(len(rows)):
        before = time.perf_counter()
        call(rows[place : place + 1])
        taken.append(time.perf_counter() - before)
    return float(np.median(taken))


if __name__ == "__main__":
    main()
