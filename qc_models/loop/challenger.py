"""A challenger: trained from the ledger's verified history and its reviewed labels, registered with its lineage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.definition import Workflow
from engine.ledger import models as registry
from engine.ledger.database import Database
from engine.values import Record
from qc_models.loop.labels import Material, lineage, material
from qc_models.store import ModelStore

if TYPE_CHECKING:
    from qc_models.export import Trained


def retrain(
    database: Database,
    store: ModelStore,
    workflow: Workflow,
    definitions: Callable[[str], Workflow],
    *,
    name: str,
    seed: int,
    models_dir: Path,
    older: Sequence[Record] = (),
    misses: float = 0.0,
    shadow: bool = False,
    actor: str,
    trees: int | None = None,
) -> tuple[Trained, Material]:
    """Train a challenger and register it.

    Args:
        database: the ledger.
        store: the artifacts.
        workflow: the definition whose records the model inspects.
        definitions: the definition of a hash.
        name: name of the model.
        seed: decides every draw.
        models_dir: where it is written.
        older: verified records of before the ledger, oldest first. They are not checked against held-out references:
            they must not be records that are in the ledger.
        misses: share of wrong records that reviewers let pass, in [0, 1).
        shadow: put it in shadow at once.
        actor: who trains.
        trees: size of the boosting; the trainer's own if not given.

    Raises:
        UserError: too little verified history.
    """
    from qc_models.entry.boosting import TREES  # noqa: PLC0415 - as below
    from qc_models.training import train  # noqa: PLC0415 - scikit-learn costs a second

    found = material(database, workflow, definitions)
    history = [*older, *found.history]
    parent = registry.champion(database, name)
    trained = train(
        workflow.fields,
        history,
        seed=seed,
        models_dir=models_dir,
        reviewed=found.reviewed,
        misses=misses,
        name=name,
        trees=trees or TREES,
        clock=database.clock,
    )
    artifact = store.get(name, trained.version)
    metrics = {**trained.metrics, "lineage": lineage(found, parent, history, seed)}
    registry.register(database, registry.ModelRow(name, trained.version, "challenger", artifact.sha256, metrics), actor)
    row = next(row for row in registry.listing(database, name) if row.version == trained.version)
    if shadow and row.stage == "challenger":
        registry.set_shadow(database, name, trained.version, actor, on=True)
    return trained, found
