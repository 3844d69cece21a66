"""The commit protocol's writes (DESIGN section 5): gate, decision, settlement; each one transaction, each fenced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.breaker import after_failure
from engine.definition import Application, BreakerPolicy, Commits
from engine.errors import NotSent
from engine.evidence import EvidenceFile
from engine.ledger import sampling
from engine.ledger import tables as t
from engine.ledger.database import Database, record_event
from engine.ledger.enqueue import Followers
from engine.ledger.incidents import close_incidents, open_incident
from engine.ledger.queue import Claim, Intent, guarded
from engine.ledger.runs import close_corrected, finish_run_if_done, open_following
from engine.ledger.verdicts import keep_verdict
from engine.ports import Verdict
from engine.values import encode

LEDGER_AWAY = "ledger_away"
"""The reason of an attempt that failed for want of the ledger."""
OURS = frozenset({LEDGER_AWAY, "lease_too_short", "lease_lost"})
"""Reasons that are nobody's fault but ours: after an outage of the ledger every item in hand may end so."""
IntentOutcome = Literal["sent", "absent", "not_clicked", "rejected"]


def gate(database: Database, claimed: Claim, segment: int, commits: Commits) -> Intent:
    """Write the intent to commit, in one transaction with the state `submitting`.

    Raises:
        NotSent: the lease would not outlive click window and submit time-out; nothing may be sent.
        Stale: the item is another worker's by now.
    """
    with database.write() as connection:
        now = database.clock.now()
        leased_until = guarded(connection, claimed, state="submitting")
        if leased_until is None or leased_until <= now + commits.click_window + commits.submit_timeout:
            raise NotSent(
                "lease_too_short", "the lease would not outlive the commit; raise the lease or lower the limits"
            )
        columns = [t.intents.c[name] for name in Intent.__dataclass_fields__]
        ours = sa.and_(
            t.intents.c.item_id == claimed.item_id, t.intents.c.segment == segment, t.intents.c.fence == claimed.fence
        )
        when = {"at": now, "lands_until": now + commits.click_window + commits.submit_timeout + commits.settle_time}
        # written before, but the answer was lost with the database's connection: nothing was sent on it
        again = sa.update(t.intents).where(ours, t.intents.c.outcome.is_(None)).values(**when).returning(*columns)
        intent = connection.execute(again).first()
        if intent is None:
            row = {
                "item_id": claimed.item_id,
                "segment": segment,
                "fence": claimed.fence,
                "gate": sa.select(sa.func.count()).where(ours).scalar_subquery(),
                "payload_hash": claimed.payload_hash,
                **when,
            }
            intent = connection.execute(sa.insert(t.intents).values(**row).returning(*columns)).one()
        return Intent(**intent._asdict())


def decide(
    database: Database,
    claimed: Claim,
    intent: Intent,
    outcome: IntentOutcome,
    *,
    url: str | None = None,
    app_id: str | None = None,
) -> Intent:
    """Write what became of an intent, and the item's state with it; return the decided intent.

    Raises:
        Stale: the item is another worker's by now.
    """
    now = database.clock.now()
    with database.write() as connection:
        state = {"sent": "submitted", "absent": "working", "not_clicked": "working", "rejected": "submitting"}[outcome]
        seen = {"record_url": url, "app_id": app_id} if outcome == "sent" else {}
        guarded(connection, claimed, state=state, **{key: value for key, value in seen.items() if value})
        connection.execute(
            sa.update(t.intents)
            .where(t.intents.c.id == intent.id, t.intents.c.outcome.is_(None))
            .values(outcome=outcome, decided_at=now, url=url, app_id=app_id)
        )
    return replace(intent, outcome=outcome, decided_at=now, url=url, app_id=app_id)


@dataclass(frozen=True)
class Settlement:
    """How an attempt ended, and where that leaves the item."""

    outcome: Literal["passed", "review", "retry", "in_doubt", "released"]
    reason: str | None = None
    """Stable code: why it is in review or will be tried again."""
    error_kind: Literal["business", "system"] | None = None
    message: str | None = None
    available_at: datetime | None = None
    """When the next attempt may start (retry, in_doubt)."""
    verdict: Verdict | None = None
    read_back: Mapping[str, Any] | None = None
    record_url: str | None = None
    steps: Sequence[Mapping[str, Any]] = ()
    evidence: Sequence[EvidenceFile] = ()
    audit_sample: float = 0.0
    """Share of passed items that the definition wants reviewed, while no sampling plan says otherwise."""
    signals: Mapping[str, float] | None = None
    """What the inspection was told of how the work went."""
    events: Sequence[tuple[str, Mapping[str, Any]]] = field(default=())
    followers: Followers | None = None
    """What the item hands on to another workflow if it passed."""


_STATE = {"passed": "passed", "review": "review"}


def settle(database: Database, claimed: Claim, end: Settlement, *, app: Application | None) -> bool:
    """Close the attempt and place the item, with everything learned, in one transaction.

    Args:
        database: the ledger.
        claimed: the claim whose attempt ends.
        end: how it ended.
        app: the application's profile; None where the definition could not be loaded, and nothing was tried.

    Returns:
        True if this opened the application's breaker.

    Raises:
        Stale: the item is another worker's by now; nothing was written.
    """
    with database.write() as connection:
        now = database.clock.now()
        draw = sampling.draw(connection, claimed, end.outcome, end.verdict, end.audit_sample)
        guarded(connection, claimed, audited=draw.audited, **_item_values(claimed, end, now))
        connection.execute(
            sa.update(t.attempts).where(t.attempts.c.id == claimed.attempt_id).values(**_attempt_values(end, now))
        )
        _keep(connection, claimed, end, draw, now)
        if end.outcome == "passed":
            close_corrected(connection, claimed.corrects, now)
            if end.followers is not None:
                open_following(connection, database, claimed.run_id, end.followers)
        for kind, data in end.events:
            record_event(
                connection,
                database.clock,
                kind,
                claimed.worker,
                run_id=claimed.run_id,
                item_id=claimed.item_id,
                **encode(data),
            )
        opened = app is not None and _count_towards_breaker(connection, database, app.name, end, app.breaker)
        if end.outcome in {"passed", "review"}:
            settle_time = app.commits.settle_time if app else Commits().settle_time
            finish_run_if_done(connection, database, claimed.run_id, settle_time)
        return opened


def _item_values(claimed: Claim, end: Settlement, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": _STATE.get(end.outcome) or sa.case((t.items.c.state == "working", "ready"), else_=t.items.c.state),
        "reason": end.reason,
        "owner": None,
        "lease_until": None,
        "failures": claimed.failures + (end.outcome == "retry"),
    }
    if end.record_url:
        values["record_url"] = end.record_url
    if end.outcome in {"passed", "review"}:
        values["closed_at"] = now
    else:
        values["available_at"] = end.available_at or now
    return values


def _attempt_values(end: Settlement, now: datetime) -> dict[str, Any]:
    return {
        "ended_at": now,
        "outcome": end.outcome,
        "error_kind": end.error_kind,
        "error_code": end.reason if end.error_kind else None,
        "message": end.message,
        "steps": list(end.steps),
        "read_back": encode(end.read_back) if end.read_back is not None else None,
    }


def _keep(connection: Connection, claimed: Claim, end: Settlement, draw: sampling.Draw, now: datetime) -> None:
    common = {"item_id": claimed.item_id, "attempt_id": claimed.attempt_id, "created_at": now}
    files = [{**common, **asdict(file)} for file in end.evidence]
    if files:
        connection.execute(sa.insert(t.evidence), files)
    if end.verdict is not None:
        keep_verdict(connection, common, end.verdict, draw, end.signals, claimed)


def _count_towards_breaker(
    connection: Connection, database: Database, app: str, end: Settlement, policy: BreakerPolicy
) -> bool:
    """Count consecutive system exceptions of an application; at the limit, pause it for every worker."""
    if end.reason in OURS or (end.error_kind is None and end.outcome not in {"passed", "review"}):
        return False  # it says nothing about the application, neither good nor bad
    failed = end.error_kind == "system"
    now = database.clock.now()
    of_app = sa.select(t.apps.c.failures, t.apps.c.open_until).where(t.apps.c.app == app)
    if not failed and not connection.execute(of_app).one().failures:
        return False  # the usual case, in which workers need not wait for each other
    row = connection.execute(of_app.with_for_update(key_share=True)).one()
    failures = row.failures + 1 if failed else 0
    is_open = row.open_until is not None and row.open_until > now
    pause = after_failure(policy, failures) if failed and not is_open else None
    opens = pause is not None
    values: dict[str, Any] = {"failures": failures, "changed_at": now}
    if pause is not None:
        values |= {"open_until": now + pause, "reason": end.reason}
    elif not failed:
        values |= {"open_until": None, "reason": None}
    connection.execute(sa.update(t.apps).where(t.apps.c.app == app).values(**values))
    if opens:
        record_event(
            connection, database.clock, "breaker.opened", "worker", app=app, failures=failures, reason=end.reason
        )
        message = f"{app}: {failures} consecutive system exceptions ({end.reason}); it is left alone for a while"
        open_incident(connection, database, "breaker.opened", app, app, message, failures=failures, reason=end.reason)
    elif not failed:
        close_incidents(connection, database, "breaker.opened", app)
    return opens
