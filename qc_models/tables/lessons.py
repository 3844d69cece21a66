"""What corrections that people gave teach about the rest of a column: a sign left out, an ending cut.

A correction is taken as one replacement in its value, at its start, at its end or around a sign, with letters made
general and digits kept; it is believed as far as it holds for the other labelled cells of the column that it touches.
The idea is that of Baran's value models (Mahdavi and Abedjan, PVLDB 13, 2020), reduced to what a person can be told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz.distance import Postfix, Prefix

from qc_models.tables.columns import is_missing

_LETTERS = re.compile(r"[^\W\d_]+")
_DRAWN = 0.5
_TWICE = 2


@dataclass(frozen=True)
class Change:
    """A cell before and after, as labelled; equal where a person found it right."""

    before: str
    after: str


@dataclass(frozen=True)
class Lesson:
    """A replacement, and how likely it is right where it applies; `example` is the change that it comes from."""

    pattern: re.Pattern[str]
    after: str
    confidence: float
    example: Change

    @property
    def length(self) -> int:
        """Return how much of a value it speaks of: the longer, the more it knows."""
        return len(self.pattern.pattern)

    def apply(self, value: str) -> str | None:
        """Return a value with the replacement made; None where it does not apply, or more than once."""
        changed, count = self.pattern.subn(lambda _: self.after, value)
        return changed if count == 1 else None


class Lessons:
    """The lessons of one column."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes

    def suggest(self, value: str) -> tuple[str, Lesson] | None:
        """Return what a value becomes by the best of the lessons that apply: the most specific, then the surest."""
        found = [(lesson.apply(value), lesson) for lesson in self._lessons]
        fit = [(changed, lesson) for changed, lesson in found if changed is not None and changed != value]
        return max(fit, key=lambda one: (one[1].length, one[1].confidence), default=None)

    @cached_property
    def _lessons(self) -> list[Lesson]:
        found: dict[tuple[str, str], Lesson] = {}
        for change in self._changes:
            for pattern, after in _readings(change):
                if (pattern, after) not in found:
                    lesson = Lesson(re.compile(pattern), after, 0.0, change)
                    right, touched = self._record(lesson)
                    if right >= (1 if _is_telling(change, pattern, after) else _TWICE):
                        sure = right / (touched + _DRAWN)
                        found[pattern, after] = Lesson(lesson.pattern, after, sure, change)
        return list(found.values())

    def _record(self, lesson: Lesson) -> tuple[int, int]:
        made = [(lesson.apply(change.before), change.after) for change in self._changes]
        touched = [(changed, after) for changed, after in made if changed is not None]
        return sum(changed == after for changed, after in touched), len(touched)


def lessons_of(
    right: Mapping[tuple[int, int], str], labelled: Mapping[int, frozenset[int]], column: int, values: Sequence[str]
) -> Lessons:
    """Return the lessons of a column out of given right values and of the cells that people found right."""
    changes = [Change(values[row], value) for (row, place), value in right.items() if place == column]
    changes += [Change(values[row], values[row]) for row, wrong in labelled.items() if column not in wrong]
    return Lessons(changes)


def _readings(change: Change) -> list[tuple[str, str]]:
    """Return the replacements that a change may stand for, as regular expression and replacement."""
    before, after = change.before, change.after
    if before == after or (is_missing(before) and after):
        return []
    start = Prefix.similarity(before, after)
    end = Postfix.similarity(before[start:], after[start:])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    if not start and not end:
        return [(rf"\A{re.escape(before)}\Z", after)]
    found = []
    for general in (False, True):
        text = _pattern(old, general=general)
        if not end:
            found.append((rf"{text}\Z", new))
        if not start:
            found.append((rf"\A{text}", new))
        if old and not any(character.isalnum() for character in old):
            found.append((text, new))
    return found


def _pattern(text: str, *, general: bool) -> str:
    if not general:
        return re.escape(text)
    parts, at = [], 0
    for match in _LETTERS.finditer(text):
        parts += [re.escape(text[at : match.start()]), r"[^\W\d_]+"]
        at = match.end()
    return "".join([*parts, re.escape(text[at:])])


def _is_telling(change: Change, pattern: str, after: str) -> bool:
    """Say whether one change is enough: one that takes or swaps a sign, or empties what stands for nothing."""
    if is_missing(change.before) and not change.after:
        return True
    whole = pattern.startswith(r"\A") and pattern.endswith(r"\Z")
    signs = [re.sub(r"\w", "", text) for text in (change.before, change.after)]
    return not whole and signs[0] != signs[1] and not any(character.isalnum() for character in after)
