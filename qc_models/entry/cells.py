"""How records become features: one float32 vector a cell, described in `schema`, against one profile.

Three views: the record against verified earlier ones, against what was read back from the application (`pairs`), and
what is known of the process that entered it (`process`). Unknown is NaN, never a made-up number.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from math import copysign, inf, log1p
from statistics import median

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import extractOne

from engine.ports import Case
from engine.values import Record, Scalar
from qc_models.checks.rule import iban_holds
from qc_models.entry import pairs, process, sequences
from qc_models.entry.columns import Column, mask, rows, shape, text_of, values
from qc_models.entry.profile import Profile, bigrams_of, date_in, magnitude
from qc_models.entry.relations import Broken, check
from qc_models.entry.schema import AT, NAMES

Matrix = NDArray[np.float32]
NAN = float("nan")
_SURE = 0.8
_ENOUGH = 3
_CACHED = 50_000


class Extractor:
    """Turns records into feature matrices against one profile; remembers what distinct values gave."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._texts: dict[tuple[str, str, str], list[float]] = {}
        self._frequent = {
            column.name: [text for text, count in profile.stats[column.name].values.items() if count > 1]
            for column in profile.columns
            if column.kind == "text" and column not in profile.keys
        }

    def matrix(self, case: Case) -> Matrix:
        """Return one row a column of the profile, one column a feature; the case's own record is never its twin."""
        record = case.payload
        party = self.profile.party(record)
        found = [self._column(column, record, party) for column in self.profile.columns]
        self._told(found, record)
        self._laws(found, record)
        self._keys(found, record, party, case.reference or None)
        if case.record:
            for column, cell in zip(self.profile.columns, found, strict=True):
                pairs.compare(cell, column, record, case.record)
        process.fill(found, case.signals, self.profile.reliability.feature(party))
        return np.array(found, dtype=np.float32)

    def _column(self, column: Column, record: Record, party: str) -> list[float]:
        if column.table is None:
            return self._cell(column, values(record, column)[0], record, party, None)
        cells = [self._cell(column, row.get(column.part), record, party, row) for row in rows(record, column.table)]
        return max(cells, key=_oddness) if cells else self._cell(column, None, record, party, None)

    def _cell(
        self, column: Column, value: Scalar, record: Record, party: str, row: Mapping[str, Scalar] | None
    ) -> list[float]:
        text = text_of(value)
        cell = list(self._text(column, party, text))
        if not text:
            return cell
        if column.kind == "number":
            self._size(cell, column, value, party, row)
        elif column.kind == "date" and isinstance(value, date):
            self._date(cell, column, value, record, party)
        return cell

    def _text(self, column: Column, party: str, text: str) -> list[float]:
        known = self._texts.get((column.name, party, text))
        if known is None:
            if len(self._texts) >= _CACHED:
                self._texts.clear()
            known = self._texts[column.name, party, text] = self._count(column, party, text)
        return known

    def _count(self, column: Column, party: str, text: str) -> list[float]:
        cell = [NAN] * len(NAMES)
        stats, group = self.profile.stats[column.name], self.profile.groups.get((column.name, party))
        cell[AT["is_text"]] = float(column.kind == "text")
        cell[AT["is_number"]] = float(column.kind == "number")
        cell[AT["is_date"]] = float(column.kind == "date")
        cell[AT["in_table"]] = float(column.table is not None)
        cell[AT["missing"]] = float(not text)
        cell[AT["missing_share"]] = _share(stats.missing, stats.count)
        cell[AT["group_support"]] = log1p(group.count if group else 0)
        cell[AT["unique_share"]] = _share(len(stats.values), stats.count - stats.missing)
        if group:
            cell[AT["missing_share_group"]] = _share(group.missing, group.count)
        if not text:
            return cell
        cell[AT["value_count"]] = log1p(stats.values[text])
        if group:
            cell[AT["value_share_group"]] = _share(group.values[text], group.count)
        if column.kind == "text":
            self._spelling(cell, column, party, text)
        return cell

    def _spelling(self, cell: list[float], column: Column, party: str, text: str) -> None:
        stats, group = self.profile.stats[column.name], self.profile.groups.get((column.name, party))
        known = stats.count - stats.missing
        cell[AT["mask_share"]] = _share(stats.masks[mask(text)], known)
        cell[AT["shape_share"]] = _share(stats.shapes[shape(text)], known)
        if group and group.count > group.missing:
            cell[AT["mask_share_group"]] = _share(group.masks[mask(text)], group.count - group.missing)
            cell[AT["shape_share_group"]] = _share(group.shapes[shape(text)], group.count - group.missing)
        counts = [stats.bigrams[pair] for pair in bigrams_of(text)]
        cell[AT["bigram_least"]] = log1p(min(counts))
        cell[AT["bigram_mean"]] = sum(map(log1p, counts)) / len(counts)
        cell[AT["check_digits_fail"]] = float(not iban_holds(text))
        near = self.neighbour(column, text)
        if near is not None:
            cell[AT["neighbour_distance"]] = near[1]
            cell[AT["neighbour_count"]] = log1p(stats.values[near[0]])

    def neighbour(self, column: Column, text: str) -> tuple[str, int] | None:
        """Return a frequent value that differs in one or two signs from a rare one."""
        candidates = self._frequent.get(column.name)
        if not candidates or len(text) < _ENOUGH or self.profile.stats[column.name].values[text] > 1:
            return None
        best = extractOne(text, candidates, scorer=Levenshtein.distance, score_cutoff=2)
        return (str(best[0]), int(best[1])) if best is not None and best[1] > 0 else None

    def _size(
        self, cell: list[float], column: Column, value: Scalar, party: str, row: Mapping[str, Scalar] | None
    ) -> None:
        number = magnitude(value)
        if number is None:
            return
        stats, group = self.profile.stats[column.name], self.profile.groups.get((column.name, party))
        cell[AT["size_z"]] = (number - stats.center) / stats.spread
        if group and group.logs:
            cell[AT["size_z_group"]] = (number - group.center) / max(group.spread, 0.05)
            cell[AT["size_ratio_group"]] = number - group.center
        for key in self.profile.fine_keys(column, party, row) if row is not None else ():
            fine = self.profile.fine.get(key)
            if fine is not None:
                cell[AT["size_ratio_fine"]] = number - fine[0]
                cell[AT["fine_support"]] = log1p(fine[1])
                break

    def _date(self, cell: list[float], column: Column, day: date, record: Record, party: str) -> None:
        weekdays = self.profile.stats[column.name].weekdays
        cell[AT["weekday_share"]] = _share(weekdays[day.weekday()], weekdays.total())
        recent = self.profile.recent.get(column.name)
        if recent:
            cell[AT["days_ahead"]] = _signed(day.toordinal() - median(recent))
        best = (-1.0, NAN, NAN)
        for other in self.profile.dates:
            second = date_in(record, other)
            if other.name == column.name or second is None:
                continue
            lag = (day - second).days
            group, overall = (
                self.profile.lags.get((column.name, other.name, party)),
                self.profile.lags.get((column.name, other.name, "")),
            )
            if overall:
                nearest = min(group or overall, key=lambda usual: abs(usual - lag))
                share = _share(group[lag], group.total()) if group else NAN
                rank = share if share == share else 0.0  # noqa: PLR0124 - NaN is unequal to itself
                best = max(best, (rank, share, _share(overall[lag], overall.total())))
                if best[0] == rank:
                    cell[AT["lag_far"]] = log1p(abs(lag - nearest))
        cell[AT["lag_share_group"]], cell[AT["lag_share"]] = best[1], best[2]

    def _told(self, cells: list[list[float]], record: Record) -> None:
        texts = {column.name: text_of(values(record, column)[0]) for column in self.profile.header}
        total = 0
        for column, cell in zip(self.profile.columns, cells, strict=True):
            if column.table is not None or not texts[column.name]:
                continue
            against = agreeing = 0
            for rank, dependency in enumerate(self.profile.into.get(column.name, ()), start=1):
                support, confidence, share = dependency.look(texts[dependency.source], texts[column.name])
                if rank <= 3 and support:  # noqa: PLR2004 - the schema holds three
                    cell[AT[f"told_share_{rank}"]] = share
                    cell[AT[f"told_confidence_{rank}"]] = confidence
                    if rank == 1:
                        cell[AT["told_support_1"]] = log1p(support)
                if support >= _ENOUGH and confidence >= _SURE:
                    against += share == 0
                    agreeing += share > 0.5  # noqa: PLR2004 - the usual value
            cell[AT["told_against"]], cell[AT["told_for"]] = against, agreeing
            total += against
            self._tells(cell, column, texts)
        for cell in cells:
            cell[AT["record_told_against"]] = total

    def _tells(self, cell: list[float], column: Column, texts: Mapping[str, str]) -> None:
        against = agreeing = 0
        for dependency in self.profile.out_of.get(column.name, ()):
            if not texts[dependency.target]:
                continue
            support, confidence, share = dependency.look(texts[column.name], texts[dependency.target])
            if support >= _ENOUGH and confidence >= _SURE:
                against += share == 0
                agreeing += share > 0.5  # noqa: PLR2004
        cell[AT["tells_against"]], cell[AT["tells_for"]] = against, agreeing

    def _laws(self, cells: list[list[float]], record: Record) -> None:
        seen = [(relation, check(relation, record)) for relation in self.profile.relations]
        broken = [outcome for _, outcome in seen if isinstance(outcome, Broken)]
        for column, cell in zip(self.profile.columns, cells, strict=True):
            mine = [outcome for outcome in broken if column.name in outcome.relation.names]
            cell[AT["laws_broken"]] = len(mine)
            cell[AT["laws_kept"]] = sum(kept is True and column.name in relation.names for relation, kept in seen)
            cell[AT["record_laws_broken"]] = len(broken)
            if mine:
                cell[AT["laws_blame"]] = len(mine) / len(broken)
                cell[AT["law_size"]] = max(outcome.size for outcome in mine)

    def _keys(self, cells: list[list[float]], record: Record, party: str, reference: str | None) -> None:
        twin = self.profile.memory.twin(record, reference)
        day = self.profile.day(record)
        for column, cell in zip(self.profile.columns, cells, strict=True):
            if twin is not None and column.name == self.profile.memory.key:
                cell[AT["twin_equal"]], cell[AT["twin_distance"]] = twin.equal, twin.distance
            line = self.profile.line(column.name, party) if column in self.profile.keys else None
            if line is None:
                continue
            parsed = sequences.parse(text_of(values(record, column)[0]), day, strip=line.strip)
            cell[AT["sequence_support"]] = log1p(line.count)
            if parsed is None:
                continue
            cell[AT["frame_share"]] = _share(line.frames[parsed.frame], line.frames.total())
            if day is not None and line.frames[parsed.frame] and line.slope_error < inf:
                off, step = line.residual(parsed, day), line.step(parsed, day)
                cell[AT["sequence_far"]] = log1p(abs(off) / line.width(parsed, day))
                cell[AT["sequence_off"]] = _signed(off)
                cell[AT["sequence_step"]] = NAN if step is None else _signed(step)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else NAN


def _signed(value: float) -> float:
    return copysign(log1p(abs(value)), value)


def _oddness(cell: list[float]) -> float:
    ratio = cell[AT["size_ratio_fine"]]
    if ratio == ratio:  # noqa: PLR0124 - NaN is unequal to itself
        return abs(ratio)
    size = cell[AT["size_z_group"]]
    if size == size:  # noqa: PLR0124
        return 0.01 * abs(size)
    return -cell[AT["value_count"]] if cell[AT["value_count"]] == cell[AT["value_count"]] else 1.0
