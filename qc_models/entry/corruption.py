"""Mistakes planted into verified records, by field type, so that a model can learn before anyone labelled anything.

Nothing here knows what a workflow calls its fields. Every function returns the spoilt record and the columns to blame,
or None where the record has no room for the mistake.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from engine.values import Record, Scalar, Value
from qc_models.entry.columns import Column, number_of, rows, values
from qc_models.entry.profile import Profile, date_in

_LOOK_ALIKE = {"0": "O", "O": "0", "1": "I", "I": "1", "l": "1", "5": "S", "S": "5", "8": "B", "B": "8", "2": "Z"}
_ROUNDED = Decimal("0.01")
_ORDINARY = date(3, 1, 1), date(9996, 12, 31)
"""Days outside stand for `always` or `never`, and cannot be moved by a year."""
Spoilt = tuple[Record, tuple[str, ...]]


@dataclass(frozen=True)
class Bench:
    """What a mistake is made of: the profile, the records that came before, and chance."""

    profile: Profile
    earlier: Sequence[Record]
    rng: random.Random

    def column(self, *kinds: str, table: bool = False) -> Column | None:
        """Draw a column of a kind."""
        found = [
            column for column in self.profile.columns if column.kind in kinds and (column.table is not None) == table
        ]
        return self.rng.choice(found) if found else None


def typo(record: Record, bench: Bench) -> Spoilt | None:
    """Mistype a text."""
    column = bench.column("text")
    value = record.get(column.name) if column else None
    if column is None or not isinstance(value, str) or not value:
        return None
    return _changed(record, {column.name: slip(value, bench.rng)}, column.name)


def key_typo(record: Record, bench: Bench) -> Spoilt | None:
    """Mistype a running number."""
    if not bench.profile.keys:
        return None
    name = bench.profile.keys[0].name
    value = record.get(name)
    return _changed(record, {name: slip(value, bench.rng)}, name) if isinstance(value, str) and value else None


def key_digits(record: Record, bench: Bench) -> Spoilt | None:
    """Swap or replace digits of a running number, so that it still looks like one."""
    if not bench.profile.keys:
        return None
    name = bench.profile.keys[0].name
    value = record.get(name)
    if not isinstance(value, str) or not any(sign.isdecimal() for sign in value):
        return None
    swapped = _swapped(value, bench.rng) if bench.rng.random() < 0.5 else None  # noqa: PLR2004 - either is as likely
    return _changed(record, {name: swapped or _other_sign(value, bench.rng)}, name)


def other_value(record: Record, bench: Bench) -> Spoilt | None:
    """Take another record's text: another party, currency, account, rate."""
    columns = [column for column in bench.profile.header if column.kind == "text" and column not in bench.profile.keys]
    if not columns:
        return None
    name = bench.rng.choice(columns).name
    texts = [text for text in bench.profile.stats[name].values if text != record.get(name)]
    options = [text for text in bench.profile.fields[name].options or () if text != record.get(name)]
    pool = options if options and bench.rng.random() < 0.5 else texts  # noqa: PLR2004 - either is as likely
    return _changed(record, {name: bench.rng.choice(pool)}, name) if pool and record.get(name) else None


def emptied(record: Record, bench: Bench) -> Spoilt | None:
    """Leave out a field that this party nearly always fills."""
    party, stats = bench.profile.party(record), bench.profile.stats
    columns = [
        column
        for column in bench.profile.header
        if (group := bench.profile.groups.get((column.name, party))) and group.missing == 0 and group.count > 1
    ]
    optional = [column for column in columns if stats[column.name].missing > 0]
    if optional and bench.rng.random() < 0.5:  # noqa: PLR2004 - where emptiness takes judgement
        columns = optional
    if not columns:
        return None
    name = bench.rng.choice(columns).name
    return _changed(record, {name: None}, name)


def digits(record: Record, bench: Bench) -> Spoilt | None:
    """Swap or replace digits of one number, or slip its decimal point."""
    column = bench.column("number")
    value = record.get(column.name) if column else None
    if column is None or isinstance(value, (list, str)) or value is None:
        return None
    return _changed(record, {column.name: _misread(value, bench.rng)}, column.name)


def scaled(record: Record, bench: Bench) -> Spoilt | None:
    """Slip the decimal point of every amount of money alike, so that all still adds up."""
    factor = Decimal(10) if bench.rng.random() < 0.7 else Decimal("0.1")  # noqa: PLR2004 - upwards more often
    money = [column for column in bench.profile.columns if column.money]
    changed: dict[str, Value] = {}
    for column in money:
        value = record.get(column.name)
        if column.table is None and isinstance(value, Decimal):
            changed[column.name] = (value * factor).quantize(_ROUNDED)
    for table in {column.table for column in money if column.table is not None}:
        parts = {column.part for column in money if column.table == table}
        changed[table] = [_scale(row, parts, factor) for row in rows(record, table)]
    blamed = [column.name for column in money if changed.get(column.field) and _differs(record, changed, column)]
    return _changed(record, changed, *_roots(blamed, bench))


def carried_on(record: Record, bench: Bench) -> Spoilt | None:
    """Misread a number and go on calculating with it: the next sum adds up, an earlier law does not."""
    sums = [relation for relation in bench.profile.relations if relation.kind == "sum"]
    if not sums:
        return None
    relation = bench.rng.choice(sums)
    name = bench.rng.choice(relation.parts)
    parts = {part: record.get(part) for part in relation.parts}
    value, target = parts[name], record.get(relation.target)
    if not isinstance(value, Decimal) or not isinstance(target, Decimal) or value == 0:
        return None
    wrong = _misread(value, bench.rng)
    return _changed(record, {name: wrong, relation.target: target - value + wrong}, name, relation.target)


def other_rate(record: Record, bench: Bench) -> Spoilt | None:
    """Take another rate (a text like 19 %) and calculate everything that follows from it anew."""
    kinds = {column.name: column.kind for column in bench.profile.header}
    products = [law for law in bench.profile.relations if law.kind == "product" and "text" in map(kinds.get, law.parts)]
    if not products:
        return None
    law = bench.rng.choice(products)
    rate, base = sorted(law.parts, key=lambda name: kinds[name] != "text")
    texts = [text for text in bench.profile.stats[rate].values if text != record.get(rate)]
    texts += [text for text in bench.profile.fields[rate].options or () if text != record.get(rate)]
    amount, before = record.get(base), record.get(law.target)
    if not texts or not isinstance(amount, Decimal) or not isinstance(before, Decimal):
        return None
    text = bench.rng.choice(texts)
    after = (amount * Decimal(str(number_of(text) or 0))).quantize(_ROUNDED)
    changed: dict[str, Value] = {rate: text, law.target: after}
    for following in bench.profile.relations:
        value = record.get(following.target)
        if following.kind == "sum" and law.target in following.parts and isinstance(value, Decimal):
            changed[following.target] = value - before + after
    return _changed(record, changed, *changed)


def shifted(record: Record, bench: Bench) -> Spoilt | None:
    """Move one date: a year, day for month, to a week-end, or by weeks."""
    column = bench.column("date")
    day = date_in(record, column) if column else None
    if column is None or day is None or not _ORDINARY[0] <= day <= _ORDINARY[1]:
        return None
    return _changed(record, {column.name: _misdated(day, bench.rng)}, column.name)


def all_shifted(record: Record, bench: Bench) -> Spoilt | None:
    """Move every date alike, into the future or the past."""
    days = bench.rng.randrange(30, 400) * bench.rng.choice((-1, 1, 1))
    moved: dict[str, Value] = {
        column.name: day + timedelta(days=days)
        for column in bench.profile.dates
        if (day := date_in(record, column)) is not None and _ORDINARY[0] <= day <= _ORDINARY[1]
    }
    return _changed(record, moved, *moved)


def row_slip(record: Record, bench: Bench) -> Spoilt | None:
    """Lose a row of a table, or misread a number in one."""
    column = bench.column("number", table=True)
    found = rows(record, column.table or "") if column else []
    if column is None or column.table is None or not found:
        return None
    at = bench.rng.randrange(len(found))
    kept: list[dict[str, Scalar]] = [dict(row) for row in found]
    value = kept[at].get(column.part)
    if len(kept) > 1 and bench.rng.random() < 0.4:  # noqa: PLR2004
        del kept[at]
        summed = [relation.parts[0] for relation in bench.profile.relations if relation.kind == "table_sum"]
        return _changed(record, {column.table: kept}, *(summed or [column.name]))
    if value is None or isinstance(value, str):
        return None
    kept[at][column.part] = _misread(value, bench.rng)
    return _changed(record, {column.table: kept}, column.name)


def twin(record: Record, bench: Bench) -> Spoilt | None:
    """Enter an earlier record again, its number slightly different."""
    del record
    if not bench.earlier or not bench.profile.keys:
        return None
    first, name = bench.rng.choice(bench.earlier), bench.profile.keys[0].name
    value = first.get(name)
    return _changed(first, {name: slip(value, bench.rng)}, name) if isinstance(value, str) and value else None


MISTAKES: Mapping[str, Callable[[Record, Bench], Spoilt | None]] = {
    "typo": typo,
    "key_typo": key_typo,
    "key_digits": key_digits,
    "other_value": other_value,
    "emptied": emptied,
    "digits": digits,
    "scaled": scaled,
    "carried_on": carried_on,
    "other_rate": other_rate,
    "shifted": shifted,
    "all_shifted": all_shifted,
    "row_slip": row_slip,
    "twin": twin,
}
WEIGHTS = {"other_value": 2.5, "shifted": 1.5, "digits": 1.5, "typo": 1.5, "all_shifted": 0.7, "emptied": 1.3}


STORED = ("typo", "other_value", "emptied", "digits", "shifted")
"""Mistakes that an application may make when it stores a record."""


def corrupt(record: Record, bench: Bench, kinds: Sequence[str] = ()) -> tuple[str, Record, tuple[str, ...]] | None:
    """Return a spoilt copy of a record, the kind of mistake (one of `kinds`, if given) and the columns to blame."""
    names = list(kinds or MISTAKES)
    for name in bench.rng.choices(names, [WEIGHTS.get(name, 1.0) for name in names], k=6):
        made = MISTAKES[name](record, bench)
        if made is not None:
            return name, *made
    return None


def slip(text: str, rng: random.Random) -> str:
    """Return a text with one slip: signs swapped, replaced, dropped, doubled or taken for a look-alike."""
    at = rng.randrange(len(text))
    places = [place for place in range(len(text) - 1) if text[place] != text[place + 1]]
    match rng.randrange(5):
        case 0 if places:
            at = rng.choice(places)
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        case 1:
            return text[:at] + text[at + 1 :]
        case 2:
            return text[: at + 1] + text[at:]
        case 3 if any(sign in _LOOK_ALIKE for sign in text):
            at = rng.choice([place for place, sign in enumerate(text) if sign in _LOOK_ALIKE])
            return text[:at] + _LOOK_ALIKE[text[at]] + text[at + 1 :]
    return _other_sign(text, rng)


def _other_sign(text: str, rng: random.Random) -> str:
    places = [place for place, sign in enumerate(text) if sign.isdecimal()] or list(range(len(text)))
    at = rng.choice(places)
    pool = "0123456789" if text[at].isdecimal() else "abcdefghijklmnopqrstuvwxyz"
    return text[:at] + rng.choice([sign for sign in pool if sign != text[at]]) + text[at + 1 :]


def _misread(value: Scalar, rng: random.Random) -> Decimal:
    number = Decimal(str(value))
    if rng.random() < 0.25:  # noqa: PLR2004
        return number * 10 if rng.random() < 0.5 else (number / 10).quantize(_ROUNDED)  # noqa: PLR2004
    text = f"{number:f}"
    swapped = _swapped(text, rng) if rng.random() < 0.6 else None  # noqa: PLR2004
    return Decimal(swapped or _other_sign(text, rng))


def _swapped(text: str, rng: random.Random) -> str | None:
    """Return a text with two neighbouring digits swapped; None if there are none that differ."""
    places = [at for at in range(len(text) - 1) if text[at : at + 2].isdecimal() and text[at] != text[at + 1]]
    if not places:
        return None
    at = rng.choice(places)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _misdated(day: date, rng: random.Random) -> date:
    match rng.randrange(4):
        case 0:
            return day.replace(year=day.year + rng.choice((-1, 1)), day=min(day.day, 28))
        case 1 if day.day <= 12 and day.day != day.month:  # noqa: PLR2004 - months
            return date(day.year, day.day, day.month)
        case 2:
            return day + timedelta(days=5 - day.weekday() + rng.randrange(2))
    return day + timedelta(days=rng.choice((-1, 1)) * rng.randrange(2, 120))


def _scale(row: Mapping[str, Scalar], parts: set[str], factor: Decimal) -> dict[str, Scalar]:
    return {
        name: (value * factor).quantize(_ROUNDED) if name in parts and isinstance(value, Decimal) else value
        for name, value in row.items()
    }


def _differs(record: Record, changed: Mapping[str, Value], column: Column) -> bool:
    return values({**record, **changed}, column) != values(record, column)


def _roots(names: Sequence[str], bench: Bench) -> list[str]:
    """Return the columns that follow from no other of them: those that were misread, not what was calculated anew."""
    follows = {law.target for law in bench.profile.relations if set(law.parts) & set(names)}
    return [name for name in names if name not in follows] or list(names)


def _changed(record: Record, change: Mapping[str, Value], *blamed: str) -> Spoilt | None:
    if all(record.get(name) == value for name, value in change.items()):
        return None
    return {**record, **change}, blamed
