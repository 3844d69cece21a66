"""All that inspection brings to a command line: its verbs, and what every worker and scheduler sees to for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import typer

from engine.ledger.database import Database
from qc_models.canary_cli import CanaryDesk, build_canaries
from qc_models.cli import ModelDesk, build_model
from qc_models.fairness.watch import watch as watch_segments
from qc_models.promise.cli import QualityDesk, build_quality
from qc_models.promise.watch import watch_rates


class InspectionDesk(ModelDesk, QualityDesk, CanaryDesk, Protocol):
    """What verbs and watchers need of the one who runs them."""


def watchers(open_desk: Callable[[], InspectionDesk]) -> tuple[Callable[[Database], object], ...]:
    """Return what is called twice a minute, in any number of processes."""
    return (
        lambda database: watch_segments(database, open_desk().workflow),
        lambda database: watch_rates(database, open_desk().workflow),
    )


def add_inspection_verbs(app: typer.Typer, open_desk: Callable[[], InspectionDesk]) -> None:
    """Add `model`, `quality` and `canaries`."""
    app.add_typer(build_model(open_desk), name="model")
    app.add_typer(build_quality(open_desk), name="quality")
    app.add_typer(build_canaries(open_desk), name="canaries")
