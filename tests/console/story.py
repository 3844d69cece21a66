"""Tells a run's story through the engine's own ledger functions: what bots and people did, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from engine.clock import ManualClock
from engine.definition import (
    Application,
    BreakerPolicy,
    Commits,
    Evidence,
    Retry,
    Review,
    Step,
    Target,
    Time,
    Workflow,
)
from engine.evidence import EvidenceFile, EvidenceStore
from engine.ledger import protocol, queue, run_audit
from engine.ledger.database import Database
from engine.ledger.protocol import Settlement
from engine.ledger.runs import NewItem, RejectedInput, open_run
from engine.ports import Finding, Score, Verdict
from engine.redact import Redactor
from engine.snapshot import Snapshot
from engine.values import FieldSpec, Formats

LEASE = timedelta(seconds=60)
SUPPLIERS = ("Möller & Söhne GmbH", "东方贸易有限公司", "Niccolò Rossi Forniture S.p.A.", "Blackstone Systems Inc.")


def spec(kind: str, **more: Any) -> FieldSpec:
    """Return a field of the record contract."""
    return FieldSpec.model_validate({"type": kind, **more})


FIELDS = {
    "supplier": spec("text", required=True),
    "invoice_no": spec("text", required=True, pattern="[A-Z0-9-]{3,20}"),
    "invoice_date": spec("date"),
    "iban": spec("text"),
    "total": spec("money", currency="EUR", min=Decimal("0.01")),
    "lines": spec("table", columns={"description": spec("text"), "amount": spec("money")}),
}
STEPS = (("1 open", "open", 2.0), ("2 fill", "fill", 5.0), ("3 commit", "aim", 1.0), ("3 commit", "send", 4.0))


def make_workflow(
    *, audit_sample: float = 0.0, four_eyes: int | None = None, targets: bool = True, correction: bool = True
) -> Workflow:
    """Build the workflow of the story as the loader would, without YAML."""
    over = {"total": four_eyes} if four_eyes else {}
    kinds = ("open", "fill", "commit", "read")
    steps = tuple(
        Step(kind, None, number, line=10 + number, commit=kind == "commit", read=kind == "read")
        for number, kind in enumerate(kinds, start=1)
    )
    goals = {
        "error_rate": Target.model_validate({"baseline": 0.02, "benchmark": 0.001, "target": 0.0001}),
        "straight_through": Target.model_validate({"baseline": 0.6, "target": 0.95}),
    }
    return Workflow(
        name="invoice-entry",
        description="Key supplier invoices into the ERP.",
        owner="accounts-payable",
        app=Application(
            name="erp",
            base_url="http://erp.invalid",
            allowed_hosts=("erp.invalid",),
            formats=Formats(),
            commits=Commits.model_validate({"find_authoritative": True}),
            breaker=BreakerPolicy.model_validate({"failures": 3, "pause": "30s"}),
            max_sessions=64,
            rate=None,
            maintenance=(),
            timeout=timedelta(seconds=10),
            login=(),
            extras=None,
        ),
        priority=0,
        schedule=None,
        source=None,
        params={},
        fields=FIELDS,
        steps=steps,
        correction=steps if correction else (),
        checks=(),
        audit=None,
        retry=Retry.model_validate({}),
        time=Time.model_validate({"standard": "15s", "manual": "6m"}),
        review=Review.model_validate({"audit_sample": audit_sample, "four_eyes_over": over}),
        evidence=Evidence.model_validate({}),
        targets=goals if targets else {},
        snapshot=Snapshot("invoice-entry.yaml", repr((audit_sample, four_eyes, targets)), "erp.yaml", "erp", None, {}),
    )


def invoice(number: int, *, reference: str | None = None, **changes: Any) -> NewItem:
    """Return the nth invoice of the source."""
    supplier = SUPPLIERS[number % len(SUPPLIERS)]
    payload: dict[str, Any] = {
        "supplier": supplier,
        "invoice_no": f"RE-{number:04d}",
        "invoice_date": date(2026, 1, 2),
        "iban": "DE11051561280362021136",
        "total": Decimal("100.50") + number,
        "lines": [{"description": "螺丝 M8", "amount": Decimal("100.50") + number}],
        **changes,
    }
    return NewItem(reference or f"{supplier}/RE-{number:04d}", payload, f"invoices.csv:{number + 1}")


def flag(
    field: str = "iban",
    *,
    code: str = "not_equal",
    check: str = "read_back",
    expected: str = "DE11",
    observed: str = "DE12",
) -> Finding:
    """Return one reason to doubt."""
    return Finding(
        check, code, f"{field} should be {expected}, the application shows {observed}", field, expected, observed
    )


def _hurry(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # a story need not survive a power cut


@cache
def _empty_ledger() -> bytes:
    """Migrate once; every story starts from a copy."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        database = Database(str(path))
        database.upgrade()
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        return path.read_bytes()


class Story:
    """A ledger, a clock that only the story moves, and evidence on disk."""

    def __init__(self, folder: Path, workflow: Workflow | None = None) -> None:
        self.clock = ManualClock()
        (folder / "ledger.db").write_bytes(_empty_ledger())
        self.database = Database(str(folder / "ledger.db"), self.clock)
        sa.event.listen(self.database.engine, "connect", _hurry)
        self.evidence = EvidenceStore(folder / "evidence", Redactor())
        self.workflow = workflow or make_workflow()

    def open(self, items: Sequence[NewItem] | int, *, rejected: Sequence[RejectedInput] = ()) -> int:
        """Open a run; with a number, of that many ordinary invoices."""
        some = [invoice(n) for n in range(1, items + 1)] if isinstance(items, int) else items
        opened = open_run(self.database, self.workflow, some, trigger="ana", rejected=rejected, seed=7)
        return opened.run_id

    def claim(self, worker: str = "worker-1") -> queue.Claim:
        """Take the next item."""
        claimed = queue.claim(self.database, worker, LEASE)
        if claimed is None:
            raise LookupError("nothing to claim: move the clock, or enqueue more")
        return claimed

    def send(self, claimed: queue.Claim, outcome: protocol.IntentOutcome | None = "sent") -> queue.Intent:
        """Take the gate and send; with no outcome the commit stays unknown."""
        intent = protocol.gate(self.database, claimed, 0, self.workflow.app.commits)
        return self.decide(claimed, intent, outcome) if outcome else intent

    def decide(self, claimed: queue.Claim, intent: queue.Intent, outcome: protocol.IntentOutcome) -> queue.Intent:
        """Say what became of a commit."""
        url = f"http://erp.invalid/invoices/{claimed.item_id}" if outcome == "sent" else None
        return protocol.decide(self.database, claimed, intent, outcome, url=url, app_id=f"A-{claimed.item_id}")

    def settle(self, claimed: queue.Claim, end: Settlement) -> bool:
        """Settle as a worker does."""
        return protocol.settle(self.database, claimed, end, app=self.workflow.app)

    def passes(
        self, *, seconds: float = 12, probability: float | None = 0.01, claimed: queue.Claim | None = None
    ) -> int:
        """Let the next item pass: entered, read back, countersigned."""
        claimed = claimed or self.claim()
        if not any(intent.outcome == "sent" for intent in claimed.intents):
            self.send(claimed)
        self.later(seconds=seconds)
        score = None if probability is None else Score("entry-quality", "1", probability, 0.4)
        audited = claimed.audit_draw < self.workflow.review.audit_sample
        verdict = Verdict("pass", (), score)
        read_back = dict(claimed.payload)
        self.settle(
            claimed,
            Settlement(
                "passed", verdict=verdict, read_back=read_back, steps=_steps(seconds), audit_sample=float(audited)
            ),
        )
        return claimed.item_id

    def flags(
        self,
        *findings: Finding,
        seconds: float = 14,
        screenshot: bytes | None = None,
        claimed: queue.Claim | None = None,
    ) -> int:
        """Let the next item be entered and then doubted."""
        claimed = claimed or self.claim()
        if not any(intent.outcome == "sent" for intent in claimed.intents):
            self.send(claimed)
        self.later(seconds=seconds)
        doubts = findings or (flag(),)
        score = Score("entry-quality", "1", 0.9, 0.4)
        files = self._evidence(claimed, screenshot)
        read_back = {**claimed.payload, **{f.field: f.observed for f in doubts if f.field and f.observed}}
        end = Settlement(
            "review",
            reason=doubts[0].code,
            message=doubts[0].message,
            verdict=Verdict("review", doubts, score),
            read_back=read_back,
            steps=_steps(seconds),
            evidence=files,
        )
        self.settle(claimed, end)
        return claimed.item_id

    def fails(self, *, seconds: float = 5, wait: float = 0) -> int:
        """Let the next attempt end with a system exception that is retried."""
        claimed = self.claim()
        self.later(seconds=seconds)
        again = self.clock.now() + timedelta(seconds=wait)
        message = "the page did not answer within 10 s"
        self.settle(claimed, Settlement("retry", "page_timeout", "system", message, again, steps=_steps(seconds)[:1]))
        return claimed.item_id

    def dies(self) -> int:
        """Let the worker die on the next item, after the commit was sent and before anybody knew."""
        claimed = self.claim("worker-dead")
        self.send(claimed, None)
        self.later(seconds=120)
        return claimed.item_id

    def recovers(self, outcome: protocol.IntentOutcome = "sent") -> int:
        """Let the next claim settle an unknown commit first and then pass."""
        claimed = self.claim("worker-2")
        self.later(seconds=1)
        self.decide(claimed, claimed.intents[-1], outcome)
        if outcome != "sent":
            return self.passes(claimed=claimed)
        known = replace(claimed, intents=tuple(replace(intent, outcome=outcome) for intent in claimed.intents))
        return self.passes(claimed=known)

    def audit(self, counts: dict[int, int] | None = None) -> run_audit.AuditResult:
        """Audit the next finished run; by default every key is there once."""
        self.later(seconds=60)
        due = run_audit.claim_audit(self.database, "worker-1", LEASE)
        if due is None:
            raise LookupError("no audit is due")
        seen = {item.item_id: item.expected for item in due.items} | (counts or {})
        return run_audit.close_audit(self.database, "worker-1", due, seen)

    def later(self, **by: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**by))

    def _evidence(self, claimed: queue.Claim, screenshot: bytes | None) -> tuple[EvidenceFile, ...]:
        folder = self.evidence.folder(claimed.run_id, claimed.item_id, claimed.fence)
        files = [self.evidence.seal(self.evidence.write_json(folder / "payload.json", claimed.payload), "payload")]
        if screenshot is not None:
            files.append(self.evidence.seal(self.evidence.write_bytes(folder / "record.jpg", screenshot), "screenshot"))
        return tuple(files)


def _steps(seconds: float) -> list[dict[str, Any]]:
    whole = sum(share for _, _, share in STEPS)
    return [
        {
            "step": step,
            "action": action,
            "line": 11,
            "seconds": round(seconds * share / whole, 4),
            "standard": 4.0 if action == "send" else None,
        }
        for step, action, share in STEPS
    ]
