"""A file on its way to being loaded: what can be typed is typed, everything wrong is noted, nothing raises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from engine.definition import CheckSpec, Frozen, Step, parse_duration
from engine.frame import AppFile, WorkflowFile
from engine.ports import CheckKind, Registry, StepKind
from engine.words import keys_at, translate
from engine.yaml_nodes import Keys
from engine.yaml_source import Document, Problem, suggest, unknown

UNKNOWN = "?"
"""Kind of a step that nobody can name; rules about the order of steps leave it alone."""
STEP_TIMES = ("standard", "limit")
"""What a step may carry besides its one action."""
_ANY_DEPTH = 99
_PLACEHOLDERS: dict[str, Any] = {"name": "broken", "app": "broken", "base_url": "http://broken.invalid", "steps": ["?"]}


@dataclass(frozen=True)
class Entry:
    """One entry of a list of steps or checks: its kind, what is written for it, and where."""

    kind: str
    written: Any
    path: Keys
    sure: bool = True
    """False where the kind was guessed from a misspelt word: its parameters are not judged."""


@dataclass
class Draft:
    """One parsed file and what was found in it."""

    document: Document
    registry: Registry
    problems: list[Problem] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    """Top-level keys that are missing or wrong: what depends on them is not judged."""

    def add(self, path: Keys, message: str, rule: str, *, key: bool = False) -> None:
        """Note a problem."""
        self.problems.append(self.document.problem(path, message, rule, key=key))

    def typed(self, model: type[BaseModel], data: Any, path: Keys, *, also: Iterable[str] = ()) -> Any:
        """Return `data` as a model, or None after noting everything wrong; `also` are keys known elsewhere."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            self.problems += translate(self.document, path, error.errors(include_url=False), model, also)
            return None

    def frame(self, model: type[BaseModel], data: Mapping[str, Any]) -> Any:
        """Return the frame; wrong keys are noted and replaced by defaults, so that the rest is still checked."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            details = error.errors(include_url=False)
        self.problems += translate(self.document, (), details, model)
        self.bad |= {str(detail["loc"][0]) for detail in details}
        needed = {key: value for key, value in _PLACEHOLDERS.items() if key in keys_at(model, ())}
        for depth in (_ANY_DEPTH, 2, 1):
            try:
                return model.model_validate(needed | _without(data, [detail["loc"][:depth] for detail in details]))
            except ValidationError:
                continue
        return model.model_validate(needed)

    def steps(self, path: Keys) -> tuple[Step, ...]:
        """Return the steps of a list; where something is wrong the parameters are None."""
        return tuple(self._step((*path, index), index + 1) for index in range(self._length(path)))

    def checks(self, path: Keys) -> tuple[CheckSpec, ...]:
        """Return the checks of a list, without those that have problems."""
        specs = (self._check((*path, index)) for index in range(self._length(path)))
        return tuple(spec for spec in specs if spec is not None)

    def _length(self, path: Keys) -> int:
        entries = self.document.at(path)
        return len(entries) if isinstance(entries, list) else 0

    def _step(self, path: Keys, number: int) -> Step:
        entry = self._entry(path, self.registry.steps, "step", STEP_TIMES)
        line = self.document.marks[path].line
        if entry is None:
            return Step(UNKNOWN, None, number, line)
        kind = self.registry.steps[entry.kind]
        times = {name: self._duration((*path, name)) for name in STEP_TIMES}
        return Step(entry.kind, self._params(entry, kind), number, line, commit=kind.commit, read=kind.read, **times)

    def _check(self, path: Keys) -> CheckSpec | None:
        entry = self._entry(path, self.registry.checks, "check", ())
        params = self._params(entry, self.registry.checks[entry.kind]) if entry else None
        return CheckSpec(entry.kind, params, self.document.marks[path].line) if entry and params is not None else None

    def _params(self, entry: Entry, kind: StepKind | CheckKind) -> Any:
        return self.typed(kind.params, long_form(entry.written, kind.params), entry.path) if entry.sure else None

    def _duration(self, path: Keys) -> timedelta | None:
        written = self.document.at(path)
        if written is None:
            return None
        try:
            return parse_duration(written)
        except ValueError as error:
            self.add(path, str(error), "value")
            return None

    def _entry(self, path: Keys, known: Iterable[str], what: str, extra: Iterable[str]) -> Entry | None:
        data = self.document.at(path)
        if isinstance(data, str):
            data = {data: None}
            places = dict.fromkeys(data, path)
        elif isinstance(data, dict) and data:
            places = {key: (*path, key) for key in data}
        else:
            self.add(path, f"expected a {what} like `- name: parameters`", what)
            return None
        names = [key for key in data if key not in extra]
        mine = [key for key in names if key in known]
        if len(mine) > 1:
            self.add(path, f"one entry is one {what}; this has {' and '.join(mine)}: make them two entries", what)
            return None
        for name in names:
            if name not in mine:
                likely = extra if mine else known if name == names[0] else [*known, *extra]
                self.add(places[name], unknown("key" if mine else what, name, likely), what, key=True)
        if not names:
            self.add(path, f"this entry names no {what}", what)
        if mine:
            return Entry(mine[0], data[mine[0]], places[mine[0]])
        guess = suggest(names[0], known) if names else None
        return Entry(guess, data[names[0]], places[names[0]], sure=False) if guess else None


@dataclass
class AppDraft:
    """An application profile as far as it could be typed."""

    draft: Draft
    file: AppFile
    login: tuple[Step, ...]
    extras: Any


@dataclass
class WorkflowDraft:
    """A workflow as far as it could be typed; steps with None as parameters have problems already."""

    draft: Draft
    file: WorkflowFile
    steps: tuple[Step, ...]
    correction: tuple[Step, ...]
    checks: tuple[CheckSpec, ...]
    app: AppDraft | None
    folder: Path | None = None
    """Where calendars are looked for; None for the text that a run pinned, which needs none."""

    @property
    def document(self) -> Document:
        """Return the parsed file."""
        return self.draft.document

    def lists(self) -> tuple[tuple[str, tuple[Step, ...]], ...]:
        """Return the lists of steps with the key under which each stands."""
        return ("steps", self.steps), ("correction", self.correction)


def _without(data: Any, places: Iterable[tuple[int | str, ...]]) -> Any:
    """Return mappings without the keys at some places; a list that holds a wrong entry goes as a whole."""
    if not isinstance(data, Mapping):
        return data
    here = {place[0]: [other[1:] for other in places if other[:1] == place[:1]] for place in places if place}
    kept = {}
    for key, value in data.items():
        deeper = here.get(key, [])
        if key not in here or (isinstance(value, Mapping) and all(deeper) and all(rest[0] in value for rest in deeper)):
            kept[key] = _without(value, deeper)
    return kept


def long_form(written: Any, model: type[BaseModel]) -> Any:
    """Return parameters as a mapping: nothing is no parameters, a bare scalar is the model's `shorthand`."""
    shorthand = model.shorthand if issubclass(model, Frozen) else None
    if written is None:
        return {}
    return {shorthand: written} if shorthand and not isinstance(written, (dict, list)) else written
