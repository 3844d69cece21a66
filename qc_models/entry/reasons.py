"""Why a cell is in doubt, in a sentence that a reviewer can check at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from math import expm1

from engine.ports import Case, Finding
from engine.values import Scalar, display
from qc_models.entry import sequences
from qc_models.entry.cells import Extractor, Matrix
from qc_models.entry.columns import Column, mask, text_of, values
from qc_models.entry.profile import date_in
from qc_models.entry.relations import Broken, check
from qc_models.entry.schema import AT

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOST = 3
_FAR = 30
"""Days from recent records that are worth a word."""


class Reasons:
    """Writes findings for the cells of one record."""

    def __init__(self, extractor: Extractor, case: Case, matrix: Matrix) -> None:
        self._extractor = extractor
        self._profile = extractor.profile
        self._case = case
        self._record = case.payload
        self._matrix = matrix
        self._party = self._profile.party(case.payload)

    def findings(self, probabilities: Mapping[str, float], limit: float) -> list[Finding]:
        """Return up to three reasons, most likely first; at least one, even if no cell reaches the limit."""
        ranked = sorted(self._profile.columns, key=lambda column: -probabilities[column.name])
        chosen = [column for column in ranked if probabilities[column.name] >= limit] or ranked[:1]
        found: dict[str, Finding] = {}
        for column in chosen:
            if column.field not in found and len(found) < _MOST:
                found[column.field] = self._finding(column)
        return list(found.values())

    def _finding(self, column: Column) -> Finding:
        for reason in (
            self._shown_otherwise,
            self._law,
            self._twin,
            self._missing,
            self._told,
            self._date,
            self._number,
            self._key,
            self._near,
        ):
            finding = reason(column)
            if finding is not None:
                return finding
        shown = self._shown(column)
        message = f"{column.name} {shown} is unlike earlier records{self._of()}"
        return Finding("model", "unusual", message, column.field, None, shown)

    def _at(self, column: Column, feature: str) -> float:
        return float(self._matrix[self._profile.columns.index(column), AT[feature]])

    def _value(self, column: Column) -> Scalar:
        found = values(self._record, column)
        return found[0] if found else None

    def _shown(self, column: Column) -> str:
        return ", ".join(display(value, money=column.money) or "nothing" for value in values(self._record, column))

    def _of(self) -> str:
        return f" of {self._party}" if self._party else ""

    def _shown_otherwise(self, column: Column) -> Finding | None:
        if self._at(column, "read_equal") != 0:
            return None
        seen = [display(value, money=column.money) for value in values(self._case.record, column)]
        meant, shown = self._shown(column), ", ".join(seen) or "nothing"
        message = f"{column.name} should be {meant}, the application shows {shown}"
        return Finding("model", "read_otherwise", message, column.field, meant, shown)

    def _law(self, column: Column) -> Finding | None:
        for relation in self._profile.relations:
            if column.name not in relation.names:
                continue
            outcome = check(relation, self._record)
            if isinstance(outcome, Broken):
                place = f" in row {outcome.row}" if outcome.row else ""
                left = f"{relation.describe()} is {outcome.expected:,.2f}{place}"
                message = f"{left}, but {relation.target} says {outcome.observed:,.2f}"
                texts = (f"{outcome.expected:.2f}", f"{outcome.observed:.2f}")
                if column.name != relation.target:  # what the law expects is the target's value, not this column's
                    return Finding("model", "law_broken", message, column.field, None, self._shown(column))
                return Finding("model", "law_broken", message, column.field, *texts)
        return None

    def _twin(self, column: Column) -> Finding | None:
        memory = self._profile.memory
        if column.name != memory.key or not self._at(column, "twin_equal") >= 0.75:  # noqa: PLR2004 - nearly all alike
            return None
        twin = memory.twin(self._record, self._case.reference or None)
        shown = self._shown(column)
        if twin is None:
            return None
        message = (
            f"{shown} looks like {twin.key}{self._of()} once more: {twin.equal:.0%} of amounts and dates are equal"
        )
        return Finding("model", "near_duplicate", message, column.field, None, shown)

    def _missing(self, column: Column) -> Finding | None:
        if self._at(column, "missing") != 1:
            return None
        group = self._profile.groups.get((column.name, self._party))
        known, whose = (group, self._of()) if group else (self._profile.stats[column.name], "")
        given = known.count - known.missing
        message = f"{column.name} is empty; {given} of {known.count} earlier records{whose} carry one"
        return Finding("model", "missing", message, column.field)

    def _told(self, column: Column) -> Finding | None:
        text = text_of(self._value(column))
        if column.table is not None:
            return None
        for dependency in self._profile.into.get(column.name, ()):
            source = text_of(self._record.get(dependency.source))  # type: ignore[arg-type]
            group = dependency.groups.get(source)
            if not group or group[text] / group.total() > 0.2:  # noqa: PLR2004 - seldom enough to be news
                continue
            usual, count = group.most_common(1)[0]
            news = "is new" if not group[text] else "is rare"
            message = (
                f"{column.name} {text} {news} for {source}; {count} of {group.total()} earlier records carry {usual}"
            )
            return Finding("model", "unlike_party", message, column.field, usual, text)
        return None

    def _date(self, column: Column) -> Finding | None:
        day = self._value(column)
        if not isinstance(day, date):
            return None
        if self._at(column, "weekday_share") < 0.01:  # noqa: PLR2004 - hardly ever
            message = f"{column.name} {day} is a {_DAYS[day.weekday()]}; earlier ones hardly ever are"
            return Finding("model", "weekday", message, column.field, None, str(day))
        for other in self._profile.dates:
            second, lags = date_in(self._record, other), self._profile.lags.get((column.name, other.name, self._party))
            if other.name != column.name and second is not None and lags and not lags[(day - second).days]:
                usual, count = lags.most_common(1)[0]
                message = (
                    f"{column.name} {day} is {(day - second).days} days from {other.name}; {count} of {lags.total()}"
                    f" earlier records{self._of()} have {usual}"
                )
                return Finding("model", "date_gap", message, column.field, None, str(day))
        ahead = self._at(column, "days_ahead")
        days = round(expm1(abs(ahead))) if ahead == ahead else 0  # noqa: PLR0124 - NaN
        if days < _FAR:
            return None
        message = f"{column.name} {day} is {days} days {'after' if ahead > 0 else 'before'} those of recent records"
        return Finding("model", "date_far", message, column.field, None, str(day))

    def _number(self, column: Column) -> Finding | None:
        if column.kind != "number":
            return None
        fine = self._at(column, "size_ratio_fine")
        ratio = fine if fine == fine else self._at(column, "size_ratio_group")  # noqa: PLR0124 - NaN
        if not abs(ratio) >= 0.3:  # noqa: PLR2004 - twice as much, or half
            return None
        how = f"{10**ratio:,.0f} times" if ratio > 0 else f"{10**ratio:.2g} times"
        shown = self._shown(column)
        message = f"{column.name} {shown} is about {how} what is usual{self._of()}"
        return Finding("model", "amount_size", message, column.field, None, shown)

    def _key(self, column: Column) -> Finding | None:
        line = self._profile.line(column.name, self._party)
        text, day = text_of(self._value(column)), self._profile.day(self._record)
        if column not in self._profile.keys or line is None or not text:
            return None
        parsed = sequences.parse(text, day, strip=line.strip)
        group = self._profile.groups.get((column.name, self._party))
        if parsed is None or (line.frames and not line.frames[parsed.frame]):
            example = next(reversed(group.values)) if group and group.values else "none"
            message = f"{column.name} {text} is written unlike earlier ones{self._of()}, e.g. {example}"
            return Finding("model", "pattern", message, column.field, None, text)
        if day is not None and line.count > 3:  # noqa: PLR2004 - a line was fitted
            due = f"about {line.expected(parsed, day)} was due"
            message = f"{column.name} {text} does not follow earlier ones{self._of()}: {due}"
            return Finding("model", "sequence", message, column.field, None, text)
        return None

    def _near(self, column: Column) -> Finding | None:
        text = text_of(self._value(column))
        if column.kind != "text" or not text:
            return None
        near = self._extractor.neighbour(column, text)
        stats = self._profile.stats[column.name]
        if near is not None:
            message = f"{column.name} {text} is {near[1]} sign(s) from {near[0]}, seen {stats.values[near[0]]} times"
            return Finding("model", "near_value", message, column.field, near[0], text)
        if not stats.masks[mask(text)]:
            message = f"{column.name} {text} is written unlike all earlier ones"
            return Finding("model", "pattern", message, column.field, None, text)
        return None
