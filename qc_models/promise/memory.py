"""What the watch over a workflow's rates remembers, in `sampling_plans.state`: small, and the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from qc_models.guarantee.sequential import Watch
from qc_models.guarantee.switching import Sampling

KEPT = 8
"""Scopes that are remembered, those of the newest verdicts: a fleet may work under several while it is updated.

One that had an alarm is remembered for good: an older model may come into service again, and what was void stays so."""


@dataclass(frozen=True)
class ScopeMemory:
    """The state of one scope."""

    watch: Watch | None = None
    """Evidence on the audited passes since the scope began, or since its last alarm."""
    after: int = 0
    """Only verdicts with a larger id count: what was before an alarm proves nothing any more."""
    there: int = 0
    """Audits of the random sample that somebody decided."""
    look_at: int | None = None
    """The watch looks at the audits when so many are there; None: not before they were counted, or no need."""
    lot: tuple[int, int] = (0, 0)
    """Wrong and audited ones of the lot that is being filled."""


@dataclass(frozen=True)
class Memory:
    """The state of a workflow."""

    seen: datetime | None = None
    """Decisions up to then were counted."""
    counters: str = ""
    """What `audit_reads.counters` said then."""
    sampling: Sampling = field(default_factory=Sampling)
    scopes: Mapping[str, ScopeMemory] = field(default_factory=dict)

    def of(self, scope: str) -> ScopeMemory:
        """Return what is remembered of a scope."""
        return self.scopes.get(scope, ScopeMemory())

    def with_scope(self, scope: str, now: ScopeMemory) -> Memory:
        """Return the state with another memory of a scope, which becomes the newest."""
        others = {name: one for name, one in self.scopes.items() if name != scope}
        newest = set(list(others)[-(KEPT - 1) :])
        kept = {name: one for name, one in others.items() if name in newest or one.after}
        return replace(self, scopes=kept | {scope: now})

    def sampled(self, now: Sampling) -> Memory:
        """Return the state with another sampling."""
        return replace(self, sampling=now)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; the scopes keep their order, newest last."""
        return {
            "seen": self.seen.isoformat() if self.seen else None,
            "counters": self.counters,
            "sampling": self.sampling.to_json(),
            "scopes": [[name, _scope_dict(one)] for name, one in self.scopes.items()],
        }


def read_memory(state: Mapping[str, Any]) -> Memory:
    """Read what `as_dict` wrote; an empty state is that of a workflow that nobody watched yet."""
    if "scopes" not in state:
        return Memory()
    scopes = {name: _read_scope(one) for name, one in state["scopes"]}
    seen = datetime.fromisoformat(state["seen"]) if state["seen"] else None
    return Memory(seen, state["counters"], Sampling.from_json(state["sampling"]), scopes)


def _scope_dict(one: ScopeMemory) -> dict[str, Any]:
    return asdict(replace(one, watch=None)) | {"watch": one.watch.to_json() if one.watch else None}


def _read_scope(stored: Mapping[str, Any]) -> ScopeMemory:
    watch = Watch.from_json(stored["watch"]) if stored["watch"] else None
    return ScopeMemory(watch, stored["after"], stored["there"], stored["look_at"], tuple(stored["lot"]))
