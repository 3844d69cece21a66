"""Near-duplicates: an earlier record of the same party with the same amounts, and a number that differs in a sign."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from engine.values import Record
from qc_models.entry.columns import Column, text_of, values

_MOST = 40
_REMEMBERED = 20_000
"""Records that were seen pass through, newest first to stay: a worker that runs for weeks must not grow."""


@dataclass(frozen=True)
class Twin:
    """The earlier record that comes nearest: the share of equal cells, and how many signs its number differs in."""

    key: str
    equal: float
    distance: int


@dataclass(frozen=True)
class _Seen:
    reference: str | None
    key: str
    print: tuple[str, ...]


class Memory:
    """Earlier records by party and amount, so that looking for a twin costs a few look-ups."""

    def __init__(self, columns: Sequence[Column], keys: Sequence[str], party: str | None) -> None:
        self._key = next((column for column in columns if column.name in keys), None)
        self._amounts = [column for column in columns if column.kind == "number" and column.table is None]
        self._compared = [column for column in columns if column.kind in {"number", "date"} or column.table is not None]
        self._party = next((column for column in columns if column.name == party), None)
        self._index: defaultdict[tuple[str, str, str], list[_Seen]] = defaultdict(list)
        self._order: deque[tuple[_Seen, list[tuple[str, str, str]]]] = deque()

    @property
    def key(self) -> str | None:
        """Return the name of the column that numbers the records."""
        return self._key.name if self._key else None

    def observe(self, record: Record, reference: str | None = None) -> None:
        """Remember a record."""
        if self._key is None:
            return
        seen = _Seen(reference, text_of(values(record, self._key)[0]), self._print(record))
        places = self._places(record)
        for place in places:
            kept = self._index[place]
            kept.append(seen)
            del kept[:-_MOST]
        self._order.append((seen, places))
        if len(self._order) > _REMEMBERED:
            self._forget(*self._order.popleft())

    def twin(self, record: Record, reference: str | None = None) -> Twin | None:
        """Return the earlier record that comes nearest, other than the one of this reference."""
        if self._key is None:
            return None
        votes: Counter[_Seen] = Counter()
        for place in self._places(record):
            votes.update(self._index.get(place, ()))
        found = [seen for seen, _ in votes.most_common(8) if reference is None or seen.reference != reference]
        if not found:
            return None
        key, mine = text_of(values(record, self._key)[0]), self._print(record)
        twins = [Twin(seen.key, _share(mine, seen.print), OSA.distance(key, seen.key)) for seen in found]
        return max(twins, key=lambda twin: (twin.equal, -twin.distance))

    def _forget(self, oldest: _Seen, places: Sequence[tuple[str, str, str]]) -> None:
        for place in places:
            kept = self._index.get(place, [])
            if kept and kept[0] is oldest:  # else a newer one pushed it out already
                del kept[0]
            if not kept:
                self._index.pop(place, None)

    def _places(self, record: Record) -> list[tuple[str, str, str]]:
        party = text_of(values(record, self._party)[0]) if self._party else ""
        texts = ((column.name, text_of(values(record, column)[0])) for column in self._amounts)
        return [(party, name, text) for name, text in texts if text not in {"", "0"}]

    def _print(self, record: Record) -> tuple[str, ...]:
        return tuple("|".join(map(text_of, values(record, column))) for column in self._compared)


def _share(left: tuple[str, ...], right: tuple[str, ...]) -> float:
    return sum(one == two for one, two in zip(left, right, strict=True)) / max(1, len(left))
