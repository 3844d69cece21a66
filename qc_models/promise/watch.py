"""The watch over the rates: counts what people decide, raises the alarm, sets the sampling, looks at the audits.

It is called twice a minute in every worker and scheduler, and does next to nothing while nobody decides anything. What
it remembers is in the sampling plan's row; whoever saw the row first wins, the others start from what it wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from loguru import logger
from sqlalchemy.engine import Connection

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import audit_reads, certificates, sampling
from engine.ledger.certificates import Scope
from engine.ledger.database import Database
from engine.ledger.incidents import close_incidents, incidents, open_incident
from engine.ledger.labels import Inspected, inspected
from engine.ledger.sampling import SamplingPlan
from qc_models.guarantee.switching import Event, Level, Rates, Sampling, step
from qc_models.promise.certify import Certified, Subject, certify
from qc_models.promise.counting import Counted, by_scope, count
from qc_models.promise.memory import KEPT, Memory, ScopeMemory, read_memory
from qc_models.promise.promised import Eyes, Promise, Reviewers, eyes_of, model_check, needed, reviewers_of
from qc_models.promise.standing import unproven_sentence

ALARM, HELD = "quality.alarm", "quality.stopped"
"""Kinds of incidents: the rate is over what is promised; nothing passes."""
LAG = timedelta(seconds=10)
"""Decisions younger than this are left to the next look: one that is committed late must not be passed over."""
GROWTH = 1.25
"""After a look that proved nothing, the next is made when as many audits as were missing have come, but not before the
sample has grown by this factor: looks cost, and few are made."""
_CHUNK = 500
_ACTOR = "quality watch"


@dataclass(frozen=True)
class Seen:
    """What one look at a workflow starts from."""

    workflow: Workflow
    promise: Promise
    plan: SamplingPlan
    memory: Memory
    scopes: Sequence[Scope]
    """Of the workflow, that of the newest verdict first."""

    @property
    def newest(self) -> Scope:
        """Return the scope of the newest verdict."""
        return self.scopes[0]


def watch_rates(database: Database, definitions: Callable[[str], Workflow]) -> None:
    """Look at every workflow whose outputs a model inspects. Safe beside any number of others that do the same.

    Args:
        database: the ledger.
        definitions: hash to definition; each workflow's newest one is taken.
    """
    by_workflow: dict[str, list[Scope]] = {}
    for scope in certificates.scopes(database):
        by_workflow.setdefault(scope.workflow, []).append(scope)
    for name, scopes in by_workflow.items():
        try:
            watch_workflow(database, definitions(scopes[0].definition_hash), scopes)
        except UserError as error:  # about this workflow; the others go on being watched
            logger.bind(event="quality.not_watched").error("{}: nobody watches its error rate: {}", name, error)


def watch_workflow(database: Database, workflow: Workflow, scopes: Sequence[Scope]) -> None:
    """Look at one workflow; `scopes` are its own, newest first."""
    params = model_check(workflow)
    if params is None:
        return
    plan = sampling.plan_of(database, workflow.name, workflow.review.audit_sample)
    seen = Seen(workflow, Promise.of(params), plan, start(plan), scopes)
    _count(database, seen)
    look_if_due(database, workflow, seen.promise, seen.newest)


def start(plan: SamplingPlan) -> Memory:
    """Return what is remembered; a workflow that nobody watched yet begins with the definition's own share."""
    if plan.state:
        return read_memory(plan.state)
    return Memory(sampling=Sampling(level=Level.NORMAL, reason=plan.reason))


def rates_of(workflow: Workflow) -> Rates:
    """Return the audit rates by level: the definition's share, ten times as much, half of it."""
    share = workflow.review.audit_sample
    return Rates(normal=share, tightened=min(1.0, 10 * share), reduced=share / 2)


def _count(database: Database, seen: Seen) -> bool:
    """Count what people decided since the last look; False if nothing was new, or another process was first."""
    counters = audit_reads.counters(database)
    now = database.clock.now()
    newest = seen.newest.hash
    doubted = _doubted(database, seen) if counters != seen.memory.counters else None
    outside = tuple(_outside(database, seen, now, doubted))
    floor = seen.memory.sampling.floor(rates_of(seen.workflow))
    last = list(seen.memory.scopes)[-1:]
    if last == [newest] and counters == seen.memory.counters and not outside and seen.plan.floor == floor:
        return False
    upto = now - LAG
    decided = {one.item_id: one for one in _decided(database, seen, upto)}
    late = audit_reads.decided_between(database, seen.workflow.name, upto, now)
    memory = replace(seen.memory, seen=upto, counters="" if late else counters)
    fresh = _fresh(database, seen)
    if newest not in list(memory.scopes)[-KEPT:]:
        memory = _new_scope(seen, memory, fresh)
    mine = memory.of(newest)
    if mine.look_at is None and not proven(database, newest, seen.promise):
        mine = replace(mine, look_at=fresh.look_at)
    memory = memory.with_scope(newest, mine)
    counted = {}
    for scope, outputs in by_scope(_outputs(database, seen.workflow.name, list(decided)), decided).items():
        counted[scope] = count(memory.of(scope), outputs, seen.promise)
    older = {one.scope for one in doubted.certificates} - {newest} if doubted else set()
    return _write(database, seen, memory, counted, outside, fresh, older)


def _decided(database: Database, seen: Seen, upto: datetime) -> list[audit_reads.Decided]:
    return audit_reads.decided_between(database, seen.workflow.name, seen.memory.seen, upto)


def _outputs(database: Database, workflow: str, item_ids: Sequence[int]) -> Iterator[Inspected]:
    for first in range(0, len(item_ids), _CHUNK):
        yield from inspected(database, workflow, item_ids=item_ids[first : first + _CHUNK])


def _fresh(database: Database, seen: Seen) -> ScopeMemory:
    """Return the memory of a scope that begins now: how many audits the next look wants, and nothing else."""
    eyes = eyes_of(reviewers_of(database, seen.workflow.name), seen.promise.delta)
    number = certificates.next_recalibration(database, seen.workflow.name)
    return ScopeMemory(look_at=needed(seen.promise, eyes, number))


def _new_scope(seen: Seen, memory: Memory, fresh: ScopeMemory) -> Memory:
    """Begin a scope; if there was another before, sampling is tightened."""
    if memory.scopes:
        memory = replace(memory, sampling=step(memory.sampling, Event.CHANGED, _changed(seen)))
    return memory.with_scope(seen.newest.hash, replace(fresh, after=memory.of(seen.newest.hash).after))


def _changed(seen: Seen) -> str:
    """Say what is new."""
    before = next((one for one in seen.scopes if one.hash in seen.memory.scopes), None)
    pins = seen.newest.pins
    names = [name for name in pins if before is None or before.pins.get(name) != pins[name]]
    return f"another {' and '.join(name.replace('_', ' ') for name in names)}"


def _outside(database: Database, seen: Seen, now: datetime, doubted: _Doubted | None) -> Iterator[tuple[Event, str]]:
    """Say what changed around the audits: an overdue queue, a drift, reviewers who miss more than was proven with."""
    blocks = seen.memory.sampling.blocks
    limit = seen.workflow.review.within
    since = audit_reads.waiting_since(database, seen.workflow.name) if limit is not None else None
    over = limit is not None and since is not None and now - since > limit
    if over and "backlog" not in blocks:
        yield Event.BACKLOG_OVER_SLA, f"an item waits for a person since {since:%Y-%m-%d %H:%M} UTC"
    if not over and "backlog" in blocks:
        yield Event.BACKLOG_CLEARED, "no item waits longer than it may"
    if seen.memory.sampling.level in {Level.NORMAL, Level.REDUCED}:
        drifts = [one for one in incidents(database, limit=None) if one.kind.startswith("drift.")]
        yield from [(Event.DRIFT, one.message) for one in drifts if one.subject == seen.workflow.name][:1]
    if doubted is not None:
        yield from _canaries(seen, doubted)


@dataclass(frozen=True)
class _Doubted:
    """The certificates in force that rest on reviewers who see more than canaries show now."""

    certificates: Sequence[certificates.Issued]
    said: str
    """What canaries show."""


def _doubted(database: Database, seen: Seen) -> _Doubted:
    valid = [one for one in certificates.history(database, seen.workflow.name) if one.holds]
    known = reviewers_of(database, seen.workflow.name)
    eyes = eyes_of(known, seen.promise.delta)
    over = [one for one in valid if _rests_on_more(certificates.receipt_of(database, one.id)["eyes"], known, eyes)]
    return _Doubted(over, eyes.said)


def _canaries(seen: Seen, doubted: _Doubted) -> Iterator[tuple[Event, str]]:
    """Say whether the newest certificate is doubted; those of older scopes are revoked, nobody looks at them again."""
    blocked = "canaries" in seen.memory.sampling.blocks
    below = any(one.scope == seen.newest.hash for one in doubted.certificates)
    if below and not blocked:
        yield Event.CANARIES_BELOW_PLAN, f"{doubted.said}; the certificate rests on more"
    if not below and blocked:
        yield Event.CANARIES_RESTORED, doubted.said


def _rests_on_more(plan: Mapping[str, Any], known: Reviewers, eyes: Eyes) -> bool:
    if plan["delta"] == 0:  # that audits are right was assumed: it does not go together with a canary that was missed
        return known.canaries.found < known.canaries.planted
    return eyes.sensitivity < float(plan["sensitivity"])


def _write(
    database: Database,
    seen: Seen,
    memory: Memory,
    counted: dict[str, Counted],
    outside: Sequence[tuple[Event, str]],
    fresh: ScopeMemory,
    older: Collection[str],
) -> bool:
    """Put what was counted in force, and revoke what is proven of the scopes `older`, unless another was first."""
    workflow = seen.workflow
    with database.write() as connection:
        plan = sampling.locked(connection, database, workflow.name, workflow.review.audit_sample)
        if dict(plan.state) != dict(seen.plan.state):
            return False
        for scope in older:
            certificates.revoke(connection, database, scope, "reviewers miss more than it was proven with", _ACTOR)
        state = memory.sampling
        for event, detail in outside:
            state = step(state, event, detail)
        for scope, found in counted.items():
            for event in found.events:
                state = step(state, event)
            if found.alarm is None:
                memory = _kept(memory, scope, found.memory)
                continue
            state = step(state, Event.ALARM, found.alarm)
            after = _alarmed(connection, database, seen, scope, found.alarm)
            memory = _kept(memory, scope, replace(fresh, after=after))
        put(connection, database, workflow, replace(memory, sampling=state))
    return True


def _kept(memory: Memory, scope: str, now: ScopeMemory) -> Memory:
    """Return the memory with another state of a scope that keeps its place among the others."""
    scopes = dict(memory.scopes) if scope in memory.scopes else {scope: now, **memory.scopes}
    return replace(memory, scopes={**scopes, scope: now})


def _alarmed(connection: Connection, database: Database, seen: Seen, scope: str, alarm: str) -> int:
    """Revoke what was proven and tell people; return the verdict up to which nothing proves anything any more."""
    gone = certificates.revoke(connection, database, scope, alarm, _ACTOR)
    said = f"certificate {', '.join(map(str, gone))} is revoked" if gone else "nothing was certified"
    message = f"{seen.workflow.name}: {alarm}; {said}"
    open_incident(connection, database, ALARM, seen.workflow.name, scope, message, revoked=gone)
    return certificates.newest_verdict(connection, scope)


def put(connection: Connection, database: Database, workflow: Workflow, memory: Memory) -> None:
    """Put a memory and the sampling that follows from it in force, and see to the incident that tells of a stop."""
    state = memory.sampling
    passes = state.level is not Level.STOPPED and not state.blocks
    plan = SamplingPlan(
        level=state.level.value,
        floor=state.floor(rates_of(workflow)),
        auto_pass=passes,
        reason=state.reason,
        state={**memory.as_dict(), "said": _said(workflow, memory)},
    )
    sampling.put(connection, database, workflow.name, plan, _ACTOR)
    if passes:
        close_incidents(connection, database, HELD, workflow.name)
    else:
        message = f"{workflow.name}: nothing passes without a person: {state.reason}"
        open_incident(connection, database, HELD, workflow.name, "auto-pass", message)
    if state.level in {Level.NORMAL, Level.REDUCED}:
        close_incidents(connection, database, ALARM, workflow.name)


def _said(workflow: Workflow, memory: Memory) -> str:
    """Say for reports how far the newest scope is from being proven."""
    params = model_check(workflow)
    if params is None or not memory.scopes:
        return "nothing was inspected yet"
    return unproven_sentence(Promise.of(params), list(memory.scopes.values())[-1])


def look_if_due(database: Database, workflow: Workflow, promise: Promise, scope: Scope) -> Certified | None:
    """Look at the audits if enough of them are there and nothing is proven; one look, by whoever comes first."""
    share = workflow.review.audit_sample
    mine = start(sampling.plan_of(database, workflow.name, share)).of(scope.hash)
    if mine.look_at is None or mine.there < mine.look_at or proven(database, scope.hash, promise):
        return None
    with database.write() as connection:
        memory = start(sampling.locked(connection, database, workflow.name, share))
        mine = memory.of(scope.hash)
        if mine.look_at is None or mine.there < mine.look_at:
            return None  # another process is looking
        claimed = replace(mine, look_at=int(GROWTH * mine.there) + 1)
        put(connection, database, workflow, memory.with_scope(scope.hash, claimed))
    try:
        return look(database, Subject(workflow, promise, scope, mine.after), _ACTOR)
    except UserError as error:
        logger.bind(event="quality.not_looked").info("{}", error)
        return None


def proven(database: Database, scope: str, promise: Promise) -> bool:
    """Say whether a certificate is in force that covers a promise."""
    with database.read() as connection:
        valid = certificates.in_force(connection, scope)
    return valid is not None and Promise(**certificates.receipt_of(database, valid.id)["promise"]).covers(promise)


def look(database: Database, subject: Subject, actor: str) -> Certified:
    """Certify, and remember what was found: when to look again, and that something may pass.

    Raises:
        UserError: as `certify`; or the alarm was raised when it had just been made.
    """
    workflow, scope = subject.workflow, subject.scope
    found = certify(database, subject, actor)
    with database.write() as connection:
        plan = sampling.locked(connection, database, workflow.name, workflow.review.audit_sample)
        memory = start(plan)
        mine = memory.of(scope.hash)
        if mine.after != subject.after:
            raise UserError(f"{workflow.name}: the alarm was raised right after this look; what it proved is void")
        there = max(mine.there, found.there)  # the watch may not have counted yet what was just looked at; it will
        again = max(there + found.missing, int(GROWTH * there) + 1) if found.missing else None
        memory = memory.with_scope(scope.hash, replace(mine, look_at=again))
        if found.issued.threshold is not None:
            memory = replace(memory, sampling=step(memory.sampling, Event.CERTIFIED, found.reason))
            close_incidents(connection, database, ALARM, workflow.name)
        put(connection, database, workflow, memory)
    return found
