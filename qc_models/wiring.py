"""All that inspection brings to a command line: its verbs, and what every worker and scheduler sees to for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import typer

from engine.ledger.database import Database
from qc_models.canary_cli import CanaryDesk, build_canaries
from qc_models.cli import ModelDesk, build_model
from qc_models.countersigner import Countersigner
from qc_models.fairness.watch import watch as watch_segments
from qc_models.loop.drift.watch import watch_drift
from qc_models.loop.shadow import shadows_of
from qc_models.promise.cli import QualityDesk, build_quality
from qc_models.promise.standing import Promises
from qc_models.promise.watch import watch_rates
from qc_models.store import ModelStore
from qc_models.tables.cli import InspectDesk, add_inspect


class InspectionDesk(ModelDesk, QualityDesk, CanaryDesk, InspectDesk, Protocol):
    """What verbs and watchers need of the one who runs them."""


def inspector_of(models: ModelStore, database: Database) -> Countersigner:
    """Return what gives verdicts: the champions as far as they are proven, with challengers in shadow beside them."""
    return Countersigner(models, Promises(database, models), shadows_of(models, database))


def watchers(open_desk: Callable[[], InspectionDesk]) -> tuple[Callable[[Database], object], ...]:
    """Return what is called twice a minute, in any number of processes."""

    def verified(name: str, version: str) -> str:
        return open_desk().models.verified(name, version).sha256

    return (
        lambda database: watch_segments(database, open_desk().workflow),
        lambda database: watch_rates(database, open_desk().workflow),
        lambda database: watch_drift(database, verified),
    )


def add_inspection_verbs(app: typer.Typer, open_desk: Callable[[], InspectionDesk]) -> None:
    """Add `inspect`, `model`, `quality` and `canaries`."""
    add_inspect(app, open_desk)
    app.add_typer(build_model(open_desk), name="model")
    app.add_typer(build_quality(open_desk), name="quality")
    app.add_typer(build_canaries(open_desk), name="canaries")
