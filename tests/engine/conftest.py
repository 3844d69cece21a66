"""What the tests of the engine stand on: a real ledger in a file, a clock they move, and workflows without YAML."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings

from engine.clock import Clock, ManualClock
from engine.definition import (
    Application,
    BreakerPolicy,
    Commits,
    Evidence,
    ListAudit,
    Retry,
    Review,
    Step,
    Time,
    Workflow,
)
from engine.evidence import EvidenceStore
from engine.ledger.database import Database
from engine.ledger.protocol import Settlement, settle
from engine.ledger.queue import Claim, claim
from engine.ledger.runs import NewItem, OpenedRun, open_run
from engine.rate import Rate
from engine.redact import Redactor
from engine.snapshot import Snapshot
from engine.values import FieldSpec, Formats, Record

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

LEASE = timedelta(seconds=60)
FIELDS = {
    "supplier": FieldSpec(type="text", required=True),
    "invoice_no": FieldSpec(type="text", required=True),
    "total": FieldSpec(type="money", currency="EUR"),
    "date": FieldSpec(type="date"),
}


def steps(segments: int, *, find: bool = True, limit: timedelta | None = None) -> tuple[Step, ...]:
    """Open, fill, commit and read, as often as there are segments; each reads its share of the fields."""
    made: list[Step] = []
    for segment in range(segments):
        parts = {
            "commit": SimpleNamespace(find="by key" if find else None),
            "read": SimpleNamespace(fields=tuple(FIELDS)[segment::segments]),
        }
        for kind in ("open", "fill", "commit", "read"):
            number, params = len(made) + 1, parts.get(kind)
            made.append(
                Step(kind, params, number, line=number, limit=limit, commit=kind == "commit", read=kind == "read")
            )
    return tuple(made)


def make_workflow(
    *,
    name: str = "invoice-entry",
    app: str = "erp",
    segments: int = 1,
    find: bool = True,
    correction: bool = True,
    step_limit: timedelta | None = None,
    commits: Commits | None = None,
    breaker: BreakerPolicy | None = None,
    retry: Retry | None = None,
    time: Time | None = None,
    review: Review | None = None,
    priority: int = 0,
    max_sessions: int = 64,
    rate: Rate | None = None,
) -> Workflow:
    """Build a workflow as the loader would, without YAML."""
    said = repr(
        (name, app, segments, find, correction, commits, breaker, retry, time, review, priority, max_sessions, rate)
    )
    return Workflow(
        name=name,
        description="Key invoices into a simulated application.",
        owner="tests",
        app=Application(
            name=app,
            base_url="http://erp.invalid",
            allowed_hosts=("erp.invalid",),
            formats=Formats(),
            commits=commits or Commits(find_authoritative=True),
            breaker=breaker or BreakerPolicy(failures=1000),
            max_sessions=max_sessions,
            rate=rate,
            maintenance=(),
            timeout=timedelta(seconds=10),
            login=(),
            extras=None,
        ),
        priority=priority,
        schedule=None,
        source=None,
        params={},
        fields=FIELDS,
        steps=steps(segments, find=find, limit=step_limit),
        correction=steps(1) if correction else (),
        checks=(),
        audit=ListAudit(open="/invoices", key={"Invoice number": "${item.invoice_no}"}),
        retry=retry or Retry(attempts=4, jitter=False),
        time=time or Time(),
        review=review or Review(audit_sample=0),
        evidence=Evidence(screenshot="doubt"),
        targets={},
        snapshot=Snapshot("invoice-entry.yaml", said, "apps/erp.yaml", app, None, {}),
    )


def invoice(number: int, **changes: Any) -> NewItem:
    """Return a work item; its data differ by number."""
    payload: Record = {
        "supplier": "东方贸易有限公司",
        "invoice_no": f"INV-{number}",
        "total": Decimal("1234.50") + number,
        "date": date(2026, 1, 1),
    }
    return NewItem(f"东方/INV-{number}", payload, origin=f"invoices.csv:{number + 1}", **changes)


@dataclass
class Bench:
    """A ledger with a few words for what every test does with it."""

    database: Database
    clock: ManualClock
    workflow: Workflow = field(default_factory=make_workflow)

    def enqueue(self, *items: NewItem | int, workflow: Workflow | None = None, **how: Any) -> OpenedRun:
        """Open a run."""
        made = [invoice(item) if isinstance(item, int) else item for item in items]
        return open_run(self.database, workflow or self.workflow, made, trigger="test", **how)

    def claim(self, worker: str = "worker-1", **how: Any) -> Claim:
        """Claim what must be there."""
        claimed = claim(self.database, worker, LEASE, **how)
        assert claimed is not None
        return claimed

    def nothing_to_claim(self, worker: str = "worker-1", **how: Any) -> bool:
        """Say whether there is nothing to claim."""
        return claim(self.database, worker, LEASE, **how) is None

    def settle(self, claimed: Claim, end: Settlement, *, workflow: Workflow | None = None) -> bool:
        """Settle as a worker does."""
        app = (workflow or self.workflow).app
        return settle(self.database, claimed, end, app=app)

    def rows(self, table: sa.Table, *where: sa.ColumnElement[bool]) -> list[Any]:
        """Return a table's rows by id."""
        with self.database.read() as connection:
            return list(connection.execute(sa.select(table).where(*where).order_by(sa.text("1"))))

    def one(self, table: sa.Table, *where: sa.ColumnElement[bool]) -> Any:
        """Return the one row."""
        (row,) = self.rows(table, *where)
        return row

    def everything(self) -> dict[str, list[Any]]:
        """Return every row of every table: two equal answers mean that nothing was written."""
        from engine.ledger.tables import metadata  # noqa: PLC0415 - only here

        return {table.name: self.rows(table) for table in metadata.sorted_tables}

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**by))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger file as `Database.upgrade` leaves it; each test works on its own copy."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    database = Database(str(path))
    database.upgrade()
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """Which database the ledger lives in: whatever holds on one must hold on the other."""
    return str(request.param)


@pytest.fixture
def open_ledger(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Database]]:
    """Open a fresh ledger or, by name, the same one again."""
    opened: list[Database] = []

    def make(clock: Clock, name: str = "ledger") -> Database:
        if backend == "sqlite":
            path = tmp_path / f"{name}.db"
            if not path.exists():
                shutil.copy(request.getfixturevalue("migrated"), path)
            opened.append(Database(str(path), clock))
        else:
            opened.append(Database(request.getfixturevalue("postgres_url")(name), clock))
        return opened[-1]

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database(open_ledger: Callable[..., Database], clock: ManualClock) -> Database:
    return open_ledger(clock)


@pytest.fixture
def workflow() -> Callable[..., Workflow]:
    return make_workflow


@pytest.fixture
def bench(database: Database, clock: ManualClock) -> Bench:
    return Bench(database, clock)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence", Redactor())
