"""Everything that can befall a fleet, at random instants of its work: `python -m benchmarks.chaos [--quick] [--json]`.

Real `runner.py worker` processes with real browsers enter invoices into the portal, which itself answers 500 after it
saved, cuts connections, answers late and ends sessions. Meanwhile workers are killed with SIGKILL, with their browsers
or without (a stranger takes over, never the same identity), or frozen with SIGSTOP for longer than a lease and woken;
the PostgreSQL server is killed and started again; the evidence disk is full for seconds (needs root on Linux); the wall
clock of a worker jumps by minutes, both ways. With `--schedulers 2` the run is opened by a schedule, whose schedulers
are killed every few seconds. The portal's own records decide:

    lost         the ledger calls it entered and the portal does not hold it, it is still open at the end, or it was in
                 the source and the ledger does not know it
    duplicates   keys that the portal holds more than once, whether anybody noticed or not
    stale_sends  requests that the portal received from one worker after another had claimed the item
    pickup       from kill or freeze to the next claim of each item in hand, in lease lengths (7 s)

The items and kills are per database, shared among the numbers of workers. Ends with 1 if anything is lost, double
or was sent by a stale worker.
"""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.chaos_outcome import Outcome, figures
from benchmarks.chaos_run import FAULTS, Backend, Kind, Plan, torment
from fixtures.postgres import PostgresServer, server_binaries

SHARES: dict[Kind, int] = {"kills": 1, "stops": 5, "restarts": 10, "clock_jumps": 5, "disk_full": 20}
"""One of these for so many kills, unless it is said otherwise."""
SLOTS = {1: 4, 2: 3, 4: 2}


def main() -> None:
    """Torment, count and print."""
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)  # even in the background, where shells have it ignored
    outcomes = []
    for plan in _plans(arguments):
        outcome = _one(plan, arguments.keep)
        outcomes.append(outcome)
        print(f"{plan.database}, {plan.workers} worker(s)")
        _print(figures([outcome]))
        for title in ("lost", "duplicates", "stale_sends"):
            for line in getattr(outcome, title):
                print(f"  {title}: {line}")
    total = figures(outcomes)
    print("total")
    _print(total)
    if arguments.json:
        each = [{"database": one.database, "workers": one.workers, **figures([one])} for one in outcomes]
        print(json.dumps({**total, "runs": each}))
    raise SystemExit(1 if total["lost"] or total["duplicates"] or total["stale_sends"] else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="24 items and 3 kills on each database, with 2 workers")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--workers", default="1,2,4", help="numbers of workers at a time, e.g. 1,2,4")
    parser.add_argument(
        "--slots", type=int, help="items at a time of one worker (default: 4, 3, 2 for 1, 2, 4 workers)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--schedulers", type=int, default=0, help="so many schedulers open the run at a slot and are killed meanwhile"
    )
    parser.add_argument("--no-faults", action="store_true", help="the portal behaves")
    parser.add_argument("--keep", type=Path, help="leave ledgers, logs and evidence in this folder")
    for kind, share in list(SHARES.items())[1:]:
        name = f"--{kind.replace('_', '-')}"
        parser.add_argument(name, type=int, help=f"(default: one for {share} kills)")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.items, arguments.kills, arguments.workers = 24, 3, "2"
        for kind in list(SHARES)[1:]:
            setattr(arguments, kind, 1 if getattr(arguments, kind) is None else getattr(arguments, kind))
    return arguments


def _plans(arguments: argparse.Namespace) -> Iterator[Plan]:
    databases: tuple[Backend, ...] = ("sqlite", "postgresql") if arguments.database == "both" else (arguments.database,)
    if "postgresql" in databases and server_binaries() is None:
        raise SystemExit("no PostgreSQL server binaries here: `make setup` as root installs them")
    workers = [int(number) for number in arguments.workers.split(",")]
    for database in databases:
        for place, number in enumerate(workers):
            blows = {kind: _share(_wanted(arguments, kind), place, len(workers)) for kind in SHARES}
            if database == "sqlite":
                blows["restarts"] = 0
            yield Plan(
                database,
                number,
                _share(arguments.items, place, len(workers)),
                blows,
                arguments.seed + place,
                arguments.slots or SLOTS.get(number, 2),
                () if arguments.no_faults else FAULTS,
                arguments.schedulers,
            )


def _wanted(arguments: argparse.Namespace, kind: Kind) -> int:
    said = getattr(arguments, kind)
    return int(said) if said is not None else -(-arguments.kills // SHARES[kind])


def _share(total: int, place: int, places: int) -> int:
    return total * (place + 1) // places - total * place // places


def _one(plan: Plan, keep: Path | None) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="countersign-chaos-") as name:
        folder = keep / f"{plan.database}-{plan.workers}" if keep else Path(name)
        if plan.database == "sqlite":
            return torment(plan, folder, None)
        with PostgresServer(durable=True) as server:
            return torment(plan, folder, server)


def _print(values: dict[str, Any]) -> None:
    for key, value in values.items():
        print(f"  {key:20} {value}")


if __name__ == "__main__":
    main()
