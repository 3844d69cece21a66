"""How many passed records are audited, and whether anything may pass at all: normal, tightened, reduced, stopped.

In the manner of ISO 2859-1 (sampling by attributes): tightened after 2 of 5 or fewer consecutive lots were rejected,
normal again after 5 accepted in a row, stopped after 5 rejected while tightened, reduced at a switching score of 30
(2 for each lot accepted in a row), normal again after the first rejected one. On top of the standard: nothing passes
without a certificate, and whatever makes the certificate doubtful (a new model, an alarm, reviewers who miss too
much, a queue that nobody works off) closes auto-pass until it is mended. A pure function of state and event.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum


class Level(StrEnum):
    """The severity of sampling."""

    NORMAL = "normal"
    TIGHTENED = "tightened"
    REDUCED = "reduced"
    STOPPED = "stopped"


class Event(StrEnum):
    """What may happen to a promise."""

    LOT_ACCEPTED = "lot accepted"
    LOT_REJECTED = "lot rejected"
    CERTIFIED = "certified"
    ALARM = "alarm"
    DRIFT = "drift"
    CHANGED = "changed"
    """A new model, feature schema, contract or application version, or a segment that was never seen."""
    CANARIES_BELOW_PLAN = "canaries below plan"
    CANARIES_RESTORED = "canaries restored"
    BACKLOG_OVER_SLA = "backlog over SLA"
    BACKLOG_CLEARED = "backlog cleared"
    RESUMED = "resumed"
    """A person found and mended the cause after a stop."""


@dataclass(frozen=True)
class Rates:
    """The audit rate of passed records by level."""

    normal: float = 0.01
    tightened: float = 0.10
    reduced: float = 0.005

    def of(self, level: Level) -> float:
        """Return the rate; after a stop nothing passes, and what a certificate needs is sampled as when tightened."""
        return {Level.NORMAL: self.normal, Level.REDUCED: self.reduced}.get(level, self.tightened)


@dataclass(frozen=True)
class Sampling:
    """Where a promise stands."""

    level: Level = Level.TIGHTENED
    certified: bool = False
    lots: tuple[bool, ...] = ()
    """The last five lots on this level, oldest first; True: accepted."""
    score: int = 0
    """Switching score."""
    rejected: int = 0
    """Lots rejected since tightened sampling began."""
    blocks: tuple[str, ...] = ()
    """What keeps auto-pass closed beside the certificate."""
    reason: str = "nothing is certified yet"

    @property
    def auto_pass(self) -> bool:
        """Say whether records may pass without review."""
        return self.certified and self.level is not Level.STOPPED and not self.blocks

    def floor(self, rates: Rates) -> float:
        """Return the audit rate of passed records."""
        return rates.of(self.level)

    def to_json(self) -> str:
        """Return it for a ledger row."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Sampling:
        """Read what `to_json` wrote."""
        read = json.loads(text)
        read |= {name: tuple(read[name]) for name in ("lots", "blocks")}
        return cls(**{**read, "level": Level(read["level"])})


def step(state: Sampling, event: Event, detail: str = "") -> Sampling:
    """Return what an event makes of a state; `detail` names its cause for people, e.g. "model 7 is new"."""
    moved = _MOVES[event](state)
    if moved == state:
        return state
    return replace(moved, reason=f"{event.value}: {detail}" if detail else event.value)


def _accepted(state: Sampling) -> Sampling:
    lots, score = (*state.lots, True)[-5:], state.score + 2
    now = replace(state, lots=lots, score=score)
    if state.level is Level.TIGHTENED and lots == (True,) * 5:
        return _moved(now, Level.NORMAL)
    if state.level is Level.NORMAL and score >= 30 and state.auto_pass:  # noqa: PLR2004 - the standard's score
        return _moved(now, Level.REDUCED)
    return now


def _rejected(state: Sampling) -> Sampling:
    now = replace(state, lots=(*state.lots, False)[-5:], score=0)
    if state.level is Level.TIGHTENED:
        count = state.rejected + 1
        return replace(now, rejected=count) if count < 5 else _moved(now, Level.STOPPED)  # noqa: PLR2004
    if state.level is Level.REDUCED:
        return _moved(now, Level.NORMAL)
    return _moved(now, Level.TIGHTENED) if now.lots.count(False) >= 2 else now  # noqa: PLR2004


def _moved(state: Sampling, level: Level) -> Sampling:
    if state.level is Level.STOPPED and level is not Level.STOPPED:
        return state
    return state if level is state.level else replace(state, level=level, lots=(), score=0, rejected=0)


def _alarm(state: Sampling) -> Sampling:
    return replace(_moved(state, Level.TIGHTENED), certified=False, score=0)


def _drift(state: Sampling) -> Sampling:
    return replace(_moved(state, Level.TIGHTENED), score=0)


def _resumed(state: Sampling) -> Sampling:
    return Sampling(blocks=state.blocks) if state.level is Level.STOPPED else state


def _block(cause: str) -> Callable[[Sampling], Sampling]:
    return lambda state: replace(state, blocks=tuple(sorted({*state.blocks, cause})), score=0)


def _unblock(cause: str) -> Callable[[Sampling], Sampling]:
    return lambda state: replace(state, blocks=tuple(block for block in state.blocks if block != cause))


_MOVES: dict[Event, Callable[[Sampling], Sampling]] = {
    Event.LOT_ACCEPTED: _accepted,
    Event.LOT_REJECTED: _rejected,
    Event.CERTIFIED: lambda state: replace(state, certified=True),
    Event.ALARM: _alarm,
    Event.DRIFT: _drift,
    Event.CHANGED: _alarm,
    Event.CANARIES_BELOW_PLAN: _block("canaries"),
    Event.CANARIES_RESTORED: _unblock("canaries"),
    Event.BACKLOG_OVER_SLA: _block("backlog"),
    Event.BACKLOG_CLEARED: _unblock("backlog"),
    Event.RESUMED: _resumed,
}
