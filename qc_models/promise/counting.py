"""What fresh decisions of people mean for one scope: evidence, lots, audits that are there, alarms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.ledger.audit_reads import Decided
from engine.ledger.labels import Inspected
from qc_models.guarantee.bounds import p_values
from qc_models.guarantee.sequential import ALL, Watch
from qc_models.guarantee.switching import Event
from qc_models.promise.audits import only_the_model
from qc_models.promise.memory import ScopeMemory
from qc_models.promise.promised import Promise, percent

LOT = 50
"""Audited passes that are accepted or rejected together, in the sense of ISO 2859-1."""
_ACCEPTED = 0.95
"""A lot at the promised rate is accepted with this chance at least."""


@dataclass(frozen=True)
class Counted:
    """A scope's memory after fresh decisions, and what they set off."""

    memory: ScopeMemory
    events: tuple[Event, ...]
    alarm: str | None
    """What the alarm says, if the evidence has just reached it."""


def count(memory: ScopeMemory, outputs: Sequence[tuple[Inspected, Decided]], promise: Promise) -> Counted:
    """Count decisions in the order in which they were made.

    Audited passes of the random sample are evidence: top-ups look where a model doubts and would tell too much. One
    that a second look turned counts once more, as wrong. A promise that was changed is watched anew.
    """
    known = memory.watch
    kept = known is not None and (known.alpha, known.delta) == (promise.alpha, promise.delta)
    watch = known if known is not None and kept else Watch(promise.alpha, promise.delta)
    lot, there = memory.lot, memory.there
    events: list[Event] = []
    seen: list[bool] = []
    for one, decided in outputs:
        wrong = _outcome(one, decided)
        if wrong is None or one.verdict_id <= memory.after or one.draw >= (one.floor or 0.0) or not only_the_model(one):
            continue
        there += decided.anew
        if one.decision != "pass":
            continue
        seen.append(wrong)
        lot = (lot[0] + wrong, lot[1] + 1)
        if lot[1] >= LOT:
            events.append(Event.LOT_ACCEPTED if lot[0] <= acceptance(promise.alpha) else Event.LOT_REJECTED)
            lot = (0, 0)
    watch = watch.after(ALL, seen) if seen else watch
    alarm = _alarm(watch, promise) if watch.alarms() else None
    return Counted(replace(memory, watch=watch, lot=lot, there=there), tuple(events), alarm)


def acceptance(alpha: float) -> int:
    """Return how many of a lot may be wrong: the acceptance number."""
    return next(wrong for wrong in range(LOT + 1) if p_values(wrong, LOT, alpha) >= _ACCEPTED)


def by_scope(
    outputs: Iterable[Inspected], decided: Mapping[int, Decided]
) -> dict[str, list[tuple[Inspected, Decided]]]:
    """Return the outputs with what was decided, by scope, in the order of the decisions."""
    order = {item_id: number for number, item_id in enumerate(decided)}
    found: dict[str, list[tuple[Inspected, Decided]]] = {}
    for one in sorted(outputs, key=lambda output: order[output.item_id]):
        if one.scope is not None:
            found.setdefault(one.scope, []).append((one, decided[one.item_id]))
    return found


def _outcome(one: Inspected, decided: Decided) -> bool | None:
    """Return whether the output counts as wrong or right now; None: it does not count, or did before."""
    if one.label is None:
        return None
    return one.label.wrong if decided.anew else (True if decided.turned and one.label.wrong else None)


def _alarm(watch: Watch, promise: Promise) -> str:
    state = watch.states[ALL]
    return (
        f"{state.k} of {state.n:,} audited passes were wrong: a stretch of them is over the promised {promise}; a "
        f"false alarm ever has a chance of {percent(promise.delta)} at most"
    )
