"""How right inspection is on the demo's invoices, as reviews come in: `python -m benchmarks.portal_inspection`.

Each seed is a world of suppliers that the program was not tuned on: a history to train from, and a stream with the
demo's share of mistakes (wrong in the source, or stored wrong by the application). The earlier part of the stream is
the pool: records that were inspected, of which a reviewer judges those that the picker asks for. What is measured is
the later part, which nobody reviewed. The verdict is production's own: read-back, the definition's rules and the model.

    python -m benchmarks.portal_inspection [--quick] [--json] [--seeds N] [--reviewers perfect,careless]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.definition import Workflow
from engine.ports import Case
from engine.sources import read_source
from engine.values import Record, decode
from fixtures.demo import SOURCE_ERRORS
from fixtures.generate import write_history, write_invoices
from qc_models import training
from qc_models.artifact import load
from qc_models.countersigner import Countersigner
from qc_models.entry.learning import Prior
from qc_models.entry.picking import pick
from qc_models.entry.reviewed import Reviewed
from qc_models.metrics import Share
from qc_models.store import ModelStore, Opinion, Served
from runner import Office

WORKFLOW = Path(__file__).parents[1] / "workflows" / "invoice-entry.yaml"
FIRST_SEED = 301
"""Worlds that nothing in the repository was tried on."""
STORED_WRONG = 0.04
"""Share of right invoices that the portal stores wrong, as in the demo."""
STAGES = (0, 20, 50, 100)
MISSED = {"perfect": 0.0, "careless": 0.15}
"""Share of wrong records that a reviewer lets pass."""


@dataclass(frozen=True)
class Item:
    """One record of the stream, as it was read back, and what is wrong with it."""

    case: Case
    kind: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of one unreviewed record."""

    kind: str
    flagged: bool
    by_model: bool


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small world (under a minute)")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument("--seeds", type=int, default=4, help="how many held-out worlds")
    parser.add_argument("--reviewers", default="perfect,careless", help="perfect, careless (misses 15 %%), or both")
    options = parser.parse_args()
    seeds, history, pool, stream = (1, 600, 200, 300) if options.quick else (options.seeds, 2500, 400, 600)
    reviewers = ["perfect"] if options.quick else options.reviewers.split(",")
    outcomes: dict[tuple[str, int], list[Outcome]] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for key, found in world(seed, history, pool, stream, reviewers).items():
            outcomes.setdefault(key, []).extend(found)
            wrong = sum(one.flagged != bool(one.kind) for one in found)
            print(
                f"world {seed}, {key[0]} reviewer, {key[1]} reviews: {wrong} of {len(found)} verdicts wrong", flush=True
            )
    figures = {}
    for (reviewer, reviews), found in outcomes.items():
        figures[f"{reviewer}_{reviews}"] = _report(f"{reviewer} reviewer, {reviews} reviews", found)
    if options.json:
        print(json.dumps(figures))


def world(
    seed: int, history: int, pool: int, stream: int, reviewers: Sequence[str]
) -> dict[tuple[str, int], list[Outcome]]:
    """Return the outcomes of the unreviewed stream by reviewer and number of reviews."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        office = Office(home=folder / "home")
        workflow = office.load(WORKFLOW)
        past = write_history(folder / "past.jsonl", history, seed, world=seed)
        records = [decode(json.loads(line), workflow.fields) for line in past.read_text(encoding="utf-8").splitlines()]
        items = _stream(workflow, folder, seed, pool + stream)
        prior = training.study(workflow.fields, records, seed=1)
        found: dict[tuple[str, int], list[Outcome]] = {}
        for reviewer in reviewers:
            found |= _stages(workflow, folder / reviewer, prior, items, pool, reviewer)
        return found


def _stream(workflow: Workflow, folder: Path, seed: int, count: int) -> list[Item]:
    truth = write_invoices(folder / "stream", count, seed + 1, SOURCE_ERRORS, world=seed)
    rng = random.Random(f"stored wrong {seed}")  # noqa: S311 - seeded, not secret
    items = []
    for source in read_source(workflow, folder / "stream").items:
        planted = truth.planted.get(source.reference, [])
        kind, names = (planted[0].kind, tuple(part.field for part in planted)) if planted else ("", ())
        shown = dict(source.payload)
        if not kind and rng.random() < STORED_WRONG:
            kind, names = "stored_wrong", (_store_wrong(shown, rng),)
        items.append(Item(Case(workflow.name, source.reference, source.payload, shown, workflow.fields), kind, names))
    return items


def _store_wrong(shown: Record, rng: random.Random) -> str:
    """Spoil the record as the portal may: a field cut short, another option; return the field."""
    name = rng.choice(("iban", "invoice_no", "currency", "cost_center"))
    value = str(shown[name])
    cut = {"iban": value[:9], "invoice_no": value[:4]}
    shown[name] = cut.get(name) or ("USD" if name == "currency" and value != "USD" else "4100 Office X")
    return name


def _stages(
    workflow: Workflow, folder: Path, prior: Prior, items: Sequence[Item], pool: int, reviewer: str
) -> dict[tuple[str, int], list[Outcome]]:
    rng = random.Random(reviewer)  # noqa: S311 - seeded, not secret
    missed = MISSED[reviewer]
    reviewed: dict[int, Reviewed] = {}
    found: dict[tuple[str, int], list[Outcome]] = {}
    version = ""
    for reviews in STAGES:
        if reviews == 0 and reviewer != next(iter(MISSED)):
            continue  # without reviews there is no reviewer to tell apart
        if reviews:
            version = version or f"entry-quality/{training.finish(prior, models_dir=folder).version}"
            opinions = Served(load(folder / version)).opinions([item.case for item in items[:pool]], remember=True)
            for place in _choose(opinions, list(reviewed), reviews - len(reviewed)):
                reviewed[place] = _judged(items[place], missed, rng)
        labels = [reviewed[place] for place in sorted(reviewed)]
        trained = training.finish(prior, labels, misses=missed, models_dir=folder, name="entry-quality")
        version = f"entry-quality/{trained.version}"
        verdicts = _inspect(workflow, folder, items, trained.version)
        found[reviewer, reviews] = verdicts[pool:]
    return found


def _choose(opinions: Sequence[Opinion], known: Sequence[int], count: int) -> list[int]:
    left = [place for place in range(len(opinions)) if place not in known]
    chosen = pick(
        [opinions[place] for place in left],
        count,
        known=[opinions[place] for place in known],
        threshold=1 / (1 + training.COST_OF_A_MISS),
    )
    return [left[position] for position in chosen]


def _judged(item: Item, missed: float, rng: random.Random) -> Reviewed:
    wrong = bool(item.kind) and rng.random() >= missed
    names = item.fields if wrong else ()
    return Reviewed(item.case.payload, wrong, names, item.case.record, {}, item.case.reference, picked=True)


def _inspect(workflow: Workflow, folder: Path, items: Sequence[Item], version: str) -> list[Outcome]:
    store = ModelStore(folder, champion=lambda _: version)
    inspector = Countersigner(store)
    outcomes = []
    for item in items:
        verdict = inspector.inspect(workflow, item.case)
        score = verdict.score
        if score is None:
            raise SystemExit(f"no score for {item.case.reference}: {verdict.findings}")
        flagged = verdict.decision == "review"
        outcomes.append(Outcome(item.kind, flagged, score.probability >= score.threshold))
    return outcomes


def _report(title: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    whole, model = shares(outcomes), shares([replace(one, flagged=one.by_model) for one in outcomes])
    print(f"\n{title} ({len(outcomes)} records nobody reviewed)")
    for name in whole:
        print(f"  {name:10} {whole[name]!s:58} model alone {model[name]}")
    missed = Counter(one.kind for one in outcomes if one.kind and not one.flagged)
    total = Counter(one.kind for one in outcomes if one.kind)
    kinds = {kind: Share(total[kind] - missed[kind], total[kind]) for kind in sorted(total)}
    print("  found by kind: " + ", ".join(f"{kind} {share.k}/{share.n}" for kind, share in kinds.items()))
    listed = {name: share.as_dict() for name, share in whole.items()}
    alone = {name: share.as_dict() for name, share in model.items()}
    return {**listed, "model_alone": alone, "by_kind": {kind: share.as_dict() for kind, share in kinds.items()}}


def shares(outcomes: Sequence[Outcome]) -> Mapping[str, Share]:
    """Return accuracy, recall, precision, and the share of wrong records among those that passed."""
    wrong = [one for one in outcomes if one.kind]
    flagged = [one for one in outcomes if one.flagged]
    passed = [one for one in outcomes if not one.flagged]
    return {
        "accuracy": Share(sum(one.flagged == bool(one.kind) for one in outcomes), len(outcomes)),
        "recall": Share(sum(one.flagged for one in wrong), len(wrong)),
        "precision": Share(sum(bool(one.kind) for one in flagged), len(flagged)),
        "residual": Share(sum(bool(one.kind) for one in passed), len(passed)),
    }


if __name__ == "__main__":
    main()
