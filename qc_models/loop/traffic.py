"""Logged outputs as traffic for a replay: both models' flags on the same records, and how likely each was looked at.

A model's logged verdict or shadow score is taken where there is one; the rest is scored again, in the order it came, by
a fresh copy that has seen neither the record's label nor any record of a held-out reference. Outputs that a version may
have been trained on are left out: those up to its training whose reference is not held out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import models as registry
from engine.ledger.database import Database
from engine.ledger.labels import Inspected, inspected
from engine.ports import Case
from engine.segments import segments_of
from engine.values import decode
from qc_models.checks.model import ModelParams
from qc_models.loop.labels import held_out, of_contract
from qc_models.loop.replay import Traffic
from qc_models.store import ModelStore, Served


@dataclass(frozen=True)
class Replayed:
    """The traffic of a replay, and what could not be in it."""

    traffic: Traffic
    trained_on: int
    """Outputs left out because one of the models may have learnt from them."""
    unknown_probability: int
    """Outputs of before audit probabilities were kept, and those that passed when nobody could have been sent one."""
    unscorable: int
    """Outputs whose contents are gone and that one of the models never scored, or of another record contract."""
    rescored: Mapping[str, int]
    """How many outputs each model scored again, by version."""


class Voice:
    """What one version says of logged outputs: as it said at the time, or scored again."""

    def __init__(self, database: Database, store: ModelStore, row: registry.ModelRow, workflow: Workflow) -> None:
        """Prepare a version; its files are read only if something has to be scored again."""
        self.row, self._workflow, self._store = row, workflow, store
        self._shadow = registry.shadow_scores(database, row.name, row.version, workflow.name)
        self._served: Served | None = None
        self._threshold = next(
            (spec.params.threshold for spec in workflow.checks if isinstance(spec.params, ModelParams)), None
        )
        self.shadowed = self.rescored = 0
        lineage = row.metrics.get("lineage") or {}
        self._until, self._share = int(lineage.get("until_verdict", 0)), float(lineage.get("held_out_share", 0.0))

    def trained_on(self, one: Inspected) -> bool:
        """Say whether the version may have learnt from this output or its label."""
        return one.verdict_id <= self._until and not held_out(one.workflow, one.reference, self._share)

    def flags(self, one: Inspected) -> bool | None:
        """Return whether inspection with this version sends it to review; None if nobody can say any more."""
        if any(check != "model" for check in one.checks):
            return True
        if (one.model, one.model_version) == (self.row.name, self.row.version) and one.probability is not None:
            return one.probability >= (one.threshold or 0.0)  # it may have gone to a person although it was under that
        if one.attempt_id in self._shadow:
            self.shadowed += 1
            probability, threshold = self._shadow[one.attempt_id]
            return probability >= threshold
        return self._again(one)

    def _again(self, one: Inspected) -> bool | None:
        if one.erased:
            return None
        if self._served is None:
            self._served = Served(self._store.get(self.row.name, self.row.version))
        if not self._served.expects(self._workflow.fields):
            return None
        fields = self._workflow.fields
        payload, read_back = decode(one.payload, fields), decode(one.read_back or {}, fields)
        case = Case(one.workflow, one.reference, payload, read_back, fields, one.signals or {})
        probability = self._served.opinion(case).probability
        self._served.observe(case)
        self.rescored += 1
        limit = self._served.artifact.threshold if self._threshold is None else self._threshold
        return bool(probability >= limit)


def replay(
    database: Database,
    store: ModelStore,
    workflow: Workflow,
    definitions: Callable[[str], Workflow],
    *,
    champion: registry.ModelRow,
    challenger: registry.ModelRow,
    since: datetime | None = None,
) -> Replayed:
    """Put the logged outputs of a workflow before two versions of a model.

    Args:
        database: the ledger.
        store: the artifacts.
        workflow: whose outputs; its newest definition declares the segments and a threshold.
        definitions: the definition of a hash.
        champion: one version.
        challenger: the other.
        since: only outputs that were inspected at or after this instant.
    """
    old, new = (Voice(database, store, row, workflow) for row in (champion, challenger))
    same = of_contract(workflow, definitions)
    kept: list[Inspected] = []
    flags: list[tuple[bool, bool]] = []
    left: defaultdict[str, int] = defaultdict(int)
    for one in inspected(database, workflow.name):
        if since is not None and one.inspected_at < since:
            continue
        if not one.audit_probability:
            left["unknown"] += 1
        elif old.trained_on(one) or new.trained_on(one):
            left["trained_on"] += 1
        elif same(one.definition_hash) and (pair := _pair(old, new, one)):
            kept.append(one)
            flags.append(pair)
        else:
            left["unscorable"] += 1
    if not kept:
        raise UserError(
            f"no output of {workflow.name} can be replayed: {left['trained_on']} may have been learnt from, "
            f"{left['unknown']} have no audit probability, {left['unscorable']} cannot be scored any more"
        )
    return Replayed(
        traffic_of(kept, flags, workflow, new.shadowed),
        left["trained_on"],
        left["unknown"],
        left["unscorable"],
        {champion.version: old.rescored, challenger.version: new.rescored},
    )


def _pair(old: Voice, new: Voice, one: Inspected) -> tuple[bool, bool] | None:
    before, after = old.flags(one), new.flags(one)  # both look at everything, as they would have
    return None if before is None or after is None else (before, after)


def traffic_of(kept: list[Inspected], flags: list[tuple[bool, bool]], workflow: Workflow, shadowed: int) -> Traffic:
    """Return outputs with both models' flags as traffic; one on which two people disagree waits for a third.

    Args:
        kept: the outputs, oldest first; all have an audit probability over 0.
        flags: of champion and challenger.
        workflow: declares the segments.
        shadowed: how many challenger scores were given in shadow.
    """
    selected = np.array([one.decision == "review" or one.audited for one in kept])
    labels = [None if one.label is None or one.label.disputed else one.label for one in kept]
    labelled = np.array([label is not None for label in labels]) & selected
    groups: dict[str, list[Any]] = {name: [] for name in workflow.review.segments}
    for one in kept:
        for name, group in segments_of(workflow, one.payload).items():
            groups[name].append(group)
    return Traffic(
        champion=np.array([before for before, _ in flags]),
        challenger=np.array([after for _, after in flags]),
        probability=np.array([one.audit_probability for one in kept], dtype=np.float64),
        selected=selected,
        labelled=labelled,
        wrong=np.array([label is not None and label.wrong for label in labels]) & labelled,
        segments={name: np.array(values) for name, values in groups.items()},
        shadowed=shadowed,
    )
