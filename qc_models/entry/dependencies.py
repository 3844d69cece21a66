"""Soft functional dependencies: which column tells another, how surely, and which column tells most."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_LIFT = 0.3
_REPEATS = 3.0
_TIE = 0.05


@dataclass(frozen=True)
class Dependency:
    """`source` tells `target`: for each value of the source, how often each value of the target was seen."""

    source: str
    target: str
    confidence: float
    lift: float
    groups: Mapping[str, Counter[str]]

    def look(self, source: str, target: str) -> tuple[int, float, float]:
        """Return records in the group, the share of its commonest value, and the share of this value."""
        group = self.groups.get(source)
        if not group:
            return 0, 0.0, 0.0
        size = group.total()
        return size, max(group.values()) / size, group[target] / size


def repeating(cells: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the columns whose values come back often enough to group by."""
    found = []
    for name, texts in cells.items():
        known = [text for text in texts if text]
        distinct = len(set(known))
        if distinct > 1 and len(known) / distinct >= _REPEATS:
            found.append(name)
    return found


def discover(cells: Mapping[str, Sequence[str]]) -> list[Dependency]:
    """Return the dependencies between repeating columns that beat guessing the commonest value, surest first."""
    names = repeating(cells)
    found = [_dependency(source, target, cells) for source in names for target in names if source != target]
    kept = [dependency for dependency in found if dependency.lift >= _LIFT]
    return sorted(kept, key=lambda dependency: -dependency.lift)


def entity(names: Sequence[str], dependencies: Sequence[Dependency]) -> str | None:
    """Return the column that tells the others best (the party, as a rule); the earlier one if two are nearly equal."""
    power: defaultdict[str, float] = defaultdict(float)
    for dependency in dependencies:
        power[dependency.source] += dependency.lift
    best = max((power[name] for name in names if name in power), default=0.0)
    if not best:
        return None
    return next((name for name in names if power.get(name, 0) >= best * (1 - _TIE)), None)


def _dependency(source: str, target: str, cells: Mapping[str, Sequence[str]]) -> Dependency:
    groups: defaultdict[str, Counter[str]] = defaultdict(Counter)
    overall: Counter[str] = Counter()
    for left, right in zip(cells[source], cells[target], strict=True):
        if left and right:
            groups[left][right] += 1
            overall[right] += 1
    total = max(1, overall.total())
    proven = sum(most for group in groups.values() if (most := max(group.values())) > 1)
    base = max(overall.values(), default=0) / total
    confidence = proven / total
    return Dependency(source, target, confidence, (confidence - base) / max(1e-9, 1 - base), dict(groups))
