"""What past records look like: everything that the features compare a new record with.

A profile is made of verified records and is stored as those records (canonical JSON, SHA-256); the statistics follow
from them, so that a stored profile can be read, checked, and erased record by record.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from math import log10
from statistics import median

from engine.values import FieldSpec, Record, Scalar, decode, encode
from qc_models.entry import dependencies, relations, sequences
from qc_models.entry.columns import Column, columns, mask, rows, shape, text_of, values
from qc_models.entry.duplicates import Memory
from qc_models.entry.process import Reliability

FORMAT = 2
MOST_RECORDS = 20_000
_KEY_UNIQUE = 0.8
_RECENT = 15


@dataclass
class Stats:
    """One column, or one column within one party."""

    count: int = 0
    missing: int = 0
    values: Counter[str] = field(default_factory=Counter)
    masks: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    bigrams: Counter[str] = field(default_factory=Counter)
    weekdays: Counter[int] = field(default_factory=Counter)
    logs: list[float] = field(default_factory=list)
    center: float = float("nan")
    spread: float = float("nan")

    def close(self) -> Stats:
        """Work out what needs all values."""
        if self.logs:
            self.center, self.spread = spread_of(self.logs)
        return self


class Profile:
    """Statistics of a contract's columns over past records, oldest first."""

    def __init__(
        self,
        fields: Mapping[str, FieldSpec],
        records: Sequence[Record],
        reliability: Reliability | None = None,
        references: Sequence[str] = (),
    ) -> None:
        """Count; `references` are those of the records, if known: none of them is then its own twin."""
        self.fields = dict(fields)
        self.reliability = reliability or Reliability()
        self.records = list(records)[-MOST_RECORDS:]
        known: Sequence[str | None] = references[-MOST_RECORDS:]
        self._references = known or [None] * len(self.records)
        self.columns = columns(fields)
        self.header = tuple(column for column in self.columns if column.table is None)
        self._tell_dependencies()
        self.stats: dict[str, Stats] = {}
        self.groups: dict[tuple[str, str], Stats] = {}
        self.lags: defaultdict[tuple[str, str, str], Counter[int]] = defaultdict(Counter)
        self.fine: dict[tuple[str, ...], tuple[float, int]] = {}
        self._count()
        self._tell_keys()
        self.relations = relations.discover(self.columns, self.records)
        self.recent: dict[str, deque[int]] = {}
        self._remember()

    def party(self, record: Record) -> str:
        """Return the value of the column that tells most about the others; empty if there is none."""
        return text_of(values(record, self._party)[0]) if self._party else ""

    @property
    def party_column(self) -> Column | None:
        """Return the column that tells most about the others."""
        return self._party

    def day(self, record: Record) -> date | None:
        """Return a record's first date."""
        return next((day for column in self.dates if (day := date_in(record, column)) is not None), None)

    def line(self, column: str, party: str) -> sequences.Line | None:
        """Return how a party's running numbers grow."""
        return self.lines.get((column, party))

    def observe(self, record: Record, reference: str | None = None) -> None:
        """Take note of a record that was just processed: for twins, running numbers and what is recent."""
        self.memory.observe(record, reference)
        day, party = self.day(record), self.party(record)
        for column in self.dates:
            found = date_in(record, column)
            if found is not None:
                self.recent.setdefault(column.name, deque(maxlen=_RECENT)).append(found.toordinal())
        for column in self.keys:
            line = self.line(column.name, party)
            if line is not None and day is not None:
                parsed = sequences.parse(text_of(values(record, column)[0]), day, strip=line.strip)
                if parsed is not None and parsed.frame in line.frames:
                    line.observe(parsed, day)

    def to_json(self) -> str:
        """Return the text that stands for this profile; everything in it is in the order of the contract."""
        stored = {
            "format": FORMAT,
            "fields": {name: spec.model_dump(mode="json", exclude_defaults=True) for name, spec in self.fields.items()},
            "reviewed": {party: list(tally) for party, tally in sorted(self.reliability.tallies.items())},
            "records": [encode({name: record.get(name) for name in self.fields}) for record in self.records],
        }
        return json.dumps(stored, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read a stored profile. Raises ValueError if it is of another format."""
        stored = json.loads(text)
        if stored.get("format") != FORMAT:
            raise ValueError(f"profile format {stored.get('format')}, this program reads {FORMAT}")
        fields = {name: FieldSpec.model_validate(spec) for name, spec in stored["fields"].items()}
        reliability = Reliability({party: (seen, expected) for party, (seen, expected) in stored["reviewed"].items()})
        return cls(fields, [decode(record, fields) for record in stored["records"]], reliability)

    def _tell_dependencies(self) -> None:
        texts = {
            column.name: [text_of(values(record, column)[0]) for record in self.records]
            for column in self.header
            if column.kind != "date"  # a day comes back by chance; numbers that do (terms, rates, sizes) mean something
        }
        found = dependencies.discover(texts)
        self.into: dict[str, list[dependencies.Dependency]] = defaultdict(list)
        self.out_of: dict[str, list[dependencies.Dependency]] = defaultdict(list)
        for dependency in found:
            self.into[dependency.target].append(dependency)
            self.out_of[dependency.source].append(dependency)
        name = dependencies.entity([column.name for column in self.header if column.kind == "text"], found)
        self._party = next((column for column in self.header if column.name == name), None)

    def _count(self) -> None:
        self.dates = tuple(column for column in self.header if column.kind == "date")
        by_column: defaultdict[str, Stats] = defaultdict(Stats)
        by_group: defaultdict[tuple[str, str], Stats] = defaultdict(Stats)
        fine: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
        for record in self.records:
            party = self.party(record)
            for column in self.columns:
                for value in values(record, column):
                    _add(by_column[column.name], column, value, bigrams=True)
                    _add(by_group[column.name, party], column, value)
            self._count_lags(record, party)
            self._count_rows(record, party, fine)
        for column in self.columns:
            by_column[column.name].close()
        self.stats = dict(by_column)
        self.groups = {key: stats.close() for key, stats in by_group.items()}
        self.fine = {key: (median(logs), len(logs)) for key, logs in fine.items()}

    def _count_lags(self, record: Record, party: str) -> None:
        days = [(column.name, day) for column in self.dates if (day := date_in(record, column)) is not None]
        for left, first in days:
            for right, second in days:
                if left != right:
                    self.lags[left, right, party][(first - second).days] += 1
                    self.lags[left, right, ""][(first - second).days] += 1

    def _count_rows(self, record: Record, party: str, fine: defaultdict[tuple[str, ...], list[float]]) -> None:
        for column in self.columns:
            if column.table is None or column.kind != "number":
                continue
            for row in rows(record, column.table):
                number = magnitude(row.get(column.part))
                if number is not None:
                    for key in self.fine_keys(column, party, row):
                        fine[key].append(number)

    def fine_keys(self, column: Column, party: str, row: Mapping[str, Scalar]) -> list[tuple[str, ...]]:
        """Return the groups in which a row's number is compared, finest first."""
        texts = tuple(
            text_of(row.get(other.part))
            for other in self.columns
            if other.table == column.table and other.kind == "text"
        )
        return [(column.name, party, *texts), (column.name, "", *texts)]

    def _tell_keys(self) -> None:
        found = []
        for column in self.header:
            stats = self.stats[column.name]
            known = stats.count - stats.missing
            if column.kind == "text" and known and len(stats.values) / known >= _KEY_UNIQUE:
                numbered = sum(most for text, most in stats.masks.items() if "9" in text)
                if numbered / known >= _KEY_UNIQUE:
                    found.append(column)
        self.keys = tuple(found)

    def _remember(self) -> None:
        party = self._party.name if self._party else None
        self.memory = Memory(self.columns, [column.name for column in self.keys], party)
        points: defaultdict[tuple[str, str], list[tuple[str, date | None]]] = defaultdict(list)
        for record, reference in zip(self.records, self._references, strict=True):
            self.memory.observe(record, reference)
            day = self.day(record)
            for column in self.keys:
                points[column.name, self.party(record)].append((text_of(values(record, column)[0]), day))
        self.lines: dict[tuple[str, str], sequences.Line] = {}
        for column in self.keys:
            mine = {key: found for key, found in points.items() if key[0] == column.name}
            self.lines.update(sequences.fit_all(mine))
        for column in self.dates:
            days = [day.toordinal() for record in self.records if (day := date_in(record, column)) is not None]
            self.recent[column.name] = deque(days[-_RECENT:], maxlen=_RECENT)


def fingerprint(text: str) -> str:
    """Return the SHA-256 of a canonical text, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def date_in(record: Record, column: Column) -> date | None:
    """Return the date in a header column."""
    value = record.get(column.name)
    return value if isinstance(value, date) else None


def magnitude(value: Scalar) -> float | None:
    """Return the decimal logarithm of a number's size."""
    if value is None or isinstance(value, (str, date, bool)):
        return None
    return log10(abs(float(value)) + 0.01)


def bigrams_of(text: str) -> list[str]:
    """Return the pairs of neighbouring signs, ends included."""
    return [one + two for one, two in pairwise(f"^{text}$")]


def spread_of(logs: Sequence[float]) -> tuple[float, float]:
    """Return the median and the robust spread, which is never quite zero."""
    center = median(logs)
    return center, max(0.02, 1.4826 * median(abs(value - center) for value in logs))


def _add(stats: Stats, column: Column, value: Scalar, *, bigrams: bool = False) -> None:
    stats.count += 1
    text = text_of(value)
    if not text:
        stats.missing += 1
        return
    stats.values[text] += 1
    if column.kind == "text":
        stats.masks[mask(text)] += 1
        stats.shapes[shape(text)] += 1
        if bigrams:
            stats.bigrams.update(bigrams_of(text))
    elif isinstance(value, date):
        stats.weekdays[value.weekday()] += 1
    elif (number := magnitude(value)) is not None:
        stats.logs.append(number)
