"""Certified, or alarmed: evidence that may be looked at after every audit, as a state that fits into a ledger row.

*Certified*: the average error rate of the audited records since the start of the watch is alpha or less. *Alarm*:
there is a stretch of audits up to now whose average is over alpha. Both hold at confidence 1 - delta at all times
together, under drift and clustered errors (see `evidence`). So that long good times do not blunt the alarm, its
capital is put anew into every audit as a possible start of trouble, with weights that add up to 1 (compare J. Shin,
A. Ramdas, A. Rinaldo, "E-detectors", 2022): a false alarm ever has a chance of delta at most.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qc_models.guarantee.evidence import UP, log_evidence, rate_lower, rate_upper

ALL = ""
"""The name of all records together, beside the segments."""
_FIRST = 0.5
_TILTS = np.array([tilt for tilt, _ in UP])
_LOG_WEIGHTS = np.log([weight for _, weight in UP])


@dataclass(frozen=True)
class State:
    """What a watch remembers of one segment."""

    k: int = 0
    n: int = 0
    capital: tuple[float, ...] = (-math.inf,) * len(UP)
    """Logarithm of the alarm's capital by tilt."""
    peak: float = -math.inf
    """Highest logarithm of the alarm's evidence after a wrong one so far: an alarm is not forgotten."""


def after(state: State, outcomes: ArrayLike, rate: float) -> State:
    """Return the state after further audits, in the order of entry.

    Args:
        state: Before them.
        outcomes: Shape (audits,), true where wrong.
        rate: What the alarm guards: a rate of this or less is no reason for one.
    """
    wrong = np.asarray(outcomes, dtype=bool)
    clean = -np.log1p(rate * (_TILTS - 1))
    capital, peak, done = np.array(state.capital), state.peak, 0
    for end in (np.flatnonzero(wrong) + 1).tolist():
        capital = _run(capital, state.n + done, end - done, clean) + np.log(_TILTS)
        peak, done = max(peak, float(np.logaddexp.reduce(capital))), end
    capital = _run(capital, state.n + done, len(wrong) - done, clean)
    return State(state.k + int(wrong.sum()), state.n + len(wrong), tuple(capital.tolist()), peak)


def _run(capital: NDArray[np.float64], n: int, length: int, clean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the capital after `length` clean audits that follow audit number n; new capital is put into each."""
    if not length:
        return capital
    grown = clean[None, :] * np.arange(length, 0, -1)[:, None]
    fresh = np.log(start_weight(np.arange(n + 1, n + length + 1)))[:, None] + grown
    return np.asarray(np.logaddexp(capital + length * clean, _LOG_WEIGHTS + np.logaddexp.reduce(fresh, axis=0)))


def start_weight(n: ArrayLike) -> NDArray[np.float64]:
    """Return the part of the capital that is put on "trouble starts at audit n" (from 1); half of it on the first."""
    at = np.asarray(n, dtype=np.float64)
    return np.where(at == 1, _FIRST, 0.0) + (1 - _FIRST) * (1 / np.log2(at + 1) - 1 / np.log2(at + 2))


def certified(k: int, n: int, alpha: float, delta: float, sensitivity: float = 1.0) -> bool:
    """Say whether k wrong of n audits prove an average rate of alpha or less; auditors notice `sensitivity` or more."""
    return n > 0 and sensitivity > 0 and log_evidence(k, n, alpha * sensitivity) >= -math.log(delta)


@dataclass(frozen=True)
class Watch:
    """The audits of one promise: all records together, and each declared segment.

    Half of delta goes to all records together, the other half to the segments in equal parts. The alarm compares with
    alpha x `notice`, an upper bound on the share of wrong records that auditors find; 1 is always valid.
    """

    alpha: float
    delta: float
    segments: tuple[str, ...] = ()
    """Declared beforehand; records of any other segment make the watch fail closed (`unseen`)."""
    notice: float = 1.0
    states: Mapping[str, State] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()

    def after(self, segment: str, outcomes: ArrayLike) -> Watch:
        """Return the watch after audits of one segment, true where wrong, in the order of entry."""
        states = dict(self.states)
        for name in {ALL, segment} & {ALL, *self.segments}:
            states[name] = after(states.get(name, State()), outcomes, self.alpha * self.notice)
        new = () if not self.segments or segment in (*self.segments, *self.unseen) else (segment,)
        return replace(self, states=states, unseen=(*self.unseen, *new))

    def delta_of(self, segment: str) -> float:
        """Return the part of delta that belongs to a segment, or to all records together."""
        if not self.segments:
            return self.delta
        return self.delta / 2 if segment == ALL else self.delta / 2 / len(self.segments)

    def certified(self, segment: str = ALL, *, sensitivity: float = 1.0) -> bool:
        """Say whether alpha is proven; never after an alarm, nor while records of an undeclared segment come in."""
        state = self.states.get(segment, State())
        proven = certified(state.k, state.n, self.alpha, self.delta_of(segment), sensitivity)
        return proven and not self.unseen and not self.alarms()

    def alarms(self) -> tuple[str, ...]:
        """Return the segments over alpha ("": all records together)."""
        return tuple(n for n, s in self.states.items() if s.peak >= -math.log(self.delta_of(n)))

    def bounds(self, segment: str = ALL, *, sensitivity: float = 1.0) -> tuple[float, float]:
        """Return lower and upper bound of the average error rate, each at the segment's delta."""
        state, delta = self.states.get(segment, State()), self.delta_of(segment)
        high = rate_upper(state.k, state.n, delta)
        return rate_lower(state.k, state.n, delta), min(1.0, high / sensitivity) if sensitivity > 0 else 1.0

    def to_json(self) -> str:
        """Return the state for a ledger row."""
        states = {n: [s.k, s.n, [_written(c) for c in s.capital], _written(s.peak)] for n, s in self.states.items()}
        head = {"alpha": self.alpha, "delta": self.delta, "segments": self.segments, "notice": self.notice}
        return json.dumps({**head, "unseen": self.unseen, "states": states}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Watch:
        """Read what `to_json` wrote."""
        read: dict[str, Any] = json.loads(text)
        states = {n: State(k, m, tuple(map(_read, c)), _read(p)) for n, (k, m, c, p) in read.pop("states").items()}
        segments, unseen = tuple(read.pop("segments")), tuple(read.pop("unseen"))
        return cls(**read, segments=segments, unseen=unseen, states=states)


def _written(logarithm: float) -> float | None:
    return None if math.isinf(logarithm) else logarithm


def _read(logarithm: float | None) -> float:
    return -math.inf if logarithm is None else logarithm
