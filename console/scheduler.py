"""The verbs about what starts by itself: the `scheduler` process, `schedules`, `incidents`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from console.definitions import WORKFLOWS
from console.desk import Desk
from console.incidents import build_incidents
from console.schedule_changes import add_changes
from console.schedules import ScheduleDesk, build_schedules
from engine.errors import UserError
from engine.ledger.database import Database

if TYPE_CHECKING:
    from engine.scheduler import Scheduler


class SchedulerDesk(ScheduleDesk, Desk, Protocol):
    """What the verbs need of the one who runs them."""

    def say(self, text: str) -> None:
        """Tell the person at the terminal."""
        ...


def add_scheduler_verbs(
    app: typer.Typer, desk: Callable[[], SchedulerDesk], watchers: Sequence[Callable[[Database], object]] = ()
) -> None:
    """Add `scheduler`, `schedules` and `incidents`; the scheduler calls the watchers twice a minute."""

    @app.command()
    def scheduler(
        workflows: Annotated[Path, typer.Option(help="Folder of definitions; read again when it changes.")] = WORKFLOWS,
    ) -> None:
        """Start runs at the slots of their schedules, until stopped; any number of schedulers may run."""
        if not workflows.is_dir():
            raise UserError(f"{workflows} is no folder; name the one that holds the definitions")
        from engine.scheduler import Scheduler  # noqa: PLC0415 - APScheduler's clock is for this verb alone

        here = desk()
        asyncio.run(_schedule(Scheduler(here.database, workflows, here.registry, watchers), here))

    changes = build_schedules(desk)
    add_changes(changes, desk)
    app.add_typer(changes, name="schedules")
    app.add_typer(build_incidents(desk), name="incidents")


async def _schedule(scheduler: Scheduler, here: SchedulerDesk) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, scheduler.stop)
    here.say(f"scheduler {scheduler.name} looks after {scheduler.folder}; Ctrl-C stops it")
    await scheduler.run()
