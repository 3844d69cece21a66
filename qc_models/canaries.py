"""Makes canaries: copies a record that passed, varies its key, plants one mistake (or none) and has it inspected.

The copy carries what the real inspection says of it. Its key is one that nobody has: the number in it is moved a
little, alike wherever the record shows it, and in its reference.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loguru import logger

from engine.contract import parse_record
from engine.definition import Workflow
from engine.errors import SystemException, UserError
from engine.ledger import canaries as ledger
from engine.ledger import canary_reads as known
from engine.ledger.canary_planting import Canary
from engine.ledger.canary_planting import plant as write
from engine.ledger.canary_reads import Original
from engine.ledger.database import Database
from engine.ports import Case, Inspector
from engine.values import Record, decode, encode
from qc_models.entry.corruption import MISTAKES, Bench
from qc_models.entry.profile import Profile

CONTROLS = 0.2
"""Share of controls among what is planted to keep a declared share."""
KINDS = tuple(name for name in MISTAKES if name != "twin")
"""A twin is another record, not an error in this one."""
_NUMBER = re.compile(r"\d+")
_NAMES = frozenset({"text", "integer"})
"""Types of fields that may hold a key."""
_STEPS = (20, 200, 2_000, 20_000)
"""How far a number may be moved, as little as will do: a running number far off its line would give it away."""
_TRIES = 30
_SPARE = 3
"""Originals set aside for each canary: some have no number in their key, or no room for a mistake."""
_RECENT = 50
"""Other records that the inspection is shown before: it compares dates and numbers with those of recent work."""
_WORD = 4
"""Signs that a key must have to be looked for inside other texts: a shorter one may be there by chance."""


@dataclass(frozen=True)
class Planted:
    """What was planted; fewer than asked for where no more may wait, or too few records can be copied."""

    item_ids: tuple[int, ...]
    asked: int
    originals: int
    """Records that could be copied."""
    seed: int


def plant(
    database: Database,
    workflow: Workflow,
    inspector: Inspector,
    *,
    errors: int,
    controls: int = 0,
    seed: int,
    who: str,
    share: float | None = None,
) -> Planted:
    """Plant canaries among what waits of a workflow.

    Args:
        database: the ledger.
        workflow: the definition that they are made for.
        inspector: what inspects real outputs.
        errors: how many with a mistake.
        controls: how many without one.
        seed: decides every draw; the same seed over the same ledger makes the same canaries.
        who: who plants them.
        share: no more than are owed at this share of what is reviewed; None for as many as may wait.
    """
    kept = [(one, record) for one in known.originals(database, workflow.name) if (record := _fit(one, workflow))]
    if not kept:
        return Planted((), errors + controls, 0, seed)
    rng = random.Random(seed)  # noqa: S311 - a logged, repeatable draw is the point
    maker = _Maker(database, workflow, inspector, rng, Profile(workflow.fields, [record for _, record in kept[::-1]]))
    wrong = [True] * errors + [False] * controls
    rng.shuffle(wrong)
    rng.shuffle(kept)
    copied, others = kept[: _SPARE * len(wrong)], kept[_SPARE * len(wrong) :]
    maker.recall(sorted(others, key=lambda pair: pair[0].item_id)[-_RECENT:])
    made = list(maker.make(iter(copied), wrong))
    ids = write(database, workflow.name, workflow.hash, made, seed=seed, who=who, share=share)
    return Planted(tuple(ids), len(wrong), len(kept), seed)


def top_up(database: Database, definition: Callable[[str], Workflow], inspector: Callable[[], Inspector]) -> int:
    """Put away canaries that waited too long and plant what the definitions' shares still want; return how many.

    Args:
        database: the ledger.
        definition: the pinned definition of a hash.
        inspector: returns what inspects real outputs, with a memory of its own: real work must not be compared with
            canaries, nor a canary be taken for the twin of what it was copied from.
    """
    ledger.expire(database)
    planted = 0
    for name in known.reviewed_workflows(database):
        pinned = known.newest_definition(database, name)
        try:
            planted += _top_up(database, definition(pinned), inspector) if pinned else 0
        except (UserError, SystemException) as error:  # the others are seen to all the same
            logger.bind(event="canaries.skipped", workflow=name).warning("no canaries are planted: {}", error)
    return planted


def _top_up(database: Database, workflow: Workflow, inspector: Callable[[], Inspector]) -> int:
    share = workflow.review.canaries
    owed = known.balance(database, workflow.name).owed(share) if share else 0
    if not owed:
        return 0
    seed = random.SystemRandom().randrange(2**53)
    controls = sum(random.Random(seed + n).random() < CONTROLS for n in range(owed))  # noqa: S311 - logged
    mix = {"errors": owed - controls, "controls": controls}
    return len(plant(database, workflow, inspector(), **mix, seed=seed, who="canaries", share=share).item_ids)


def _fit(original: Original, workflow: Workflow) -> Record | None:
    """Return an original's record if it fits the present contract."""
    record, problems = parse_record(original.payload, workflow.fields)
    return None if problems else record


def _key_part(reference: str, payload: Mapping[str, Any]) -> str:
    """Return the value with the longest number among those that a reference carries.

    Where none is, that is the reference itself, and nothing where it has no number either.
    """
    texts = [str(value) for value in payload.values() if isinstance(value, (str, int)) and not isinstance(value, bool)]
    parts = [text for text in texts if text in reference and _NUMBER.search(text)]
    return (
        max(parts, key=lambda text: (len(_NUMBER.findall(text)[-1]), len(text)), default=reference)
        if (parts or _NUMBER.search(reference))
        else ""
    )


@dataclass(frozen=True)
class _Key:
    """A moved key: the original's reference, the part of it that holds the number, and by how much it is moved."""

    original: str
    part: str
    move: int

    @property
    def reference(self) -> str:
        """The reference with the number moved."""
        before, _, after = self.original.rpartition(self.part)
        return f"{before}{self.moved(self.part)}{after}"

    def moved(self, text: str) -> str:
        """Return a text with its last number moved, as many digits wide as before."""
        found = list(_NUMBER.finditer(text))
        if not found:
            return text
        last = found[-1]
        number = str(abs(int(last[0]) + self.move)).zfill(len(last[0]))
        return text[: last.start()] + number + text[last.end() :]

    def in_data(self, data: Any) -> Any:
        """Return stored data with the key moved wherever it stands: as a value, or as a word of a text."""
        if isinstance(data, Mapping):
            return {name: self.in_data(value) for name, value in data.items()}
        if isinstance(data, list):
            return [self.in_data(value) for value in data]
        if isinstance(data, bool) or not isinstance(data, (str, int)):
            return data
        if str(data) == self.part:
            return type(data)(self.moved(self.part))
        if isinstance(data, int) or len(self.part) < _WORD:
            return data
        return re.sub(rf"(?<!\w){re.escape(self.part)}(?!\w)", self.moved(self.part), data)

    def in_text(self, text: str | None) -> str | None:
        """Return the address or id of the record with the key moved, or with its own number moved as far."""
        if text is None:
            return None
        replaced = str(self.in_data(text))
        return replaced if replaced != text else self.moved(text)


@dataclass(frozen=True)
class _Maker:
    database: Database
    workflow: Workflow
    inspector: Inspector
    rng: random.Random
    profile: Profile

    def recall(self, records: list[tuple[Original, Record]]) -> None:
        """Let the inspection see recent work, oldest first; not what is copied, whose twin the canary would be."""
        for original, record in records:
            shown = decode(original.read_back, self.workflow.fields)
            self.inspector.inspect(self.workflow, self._case(original, original.reference, record, shown))

    def make(self, originals: Iterator[tuple[Original, Record]], wrong: list[bool]) -> Iterator[Canary]:
        """Make one canary for each wish, as long as there are originals that allow it."""
        for wish in wrong:
            for original, record in originals:
                if (canary := self._one(original, record, wrong=wish)) is not None:
                    yield canary
                    break

    def _one(self, original: Original, record: Record, *, wrong: bool) -> Canary | None:
        key = self._unused(original, encode(record))
        if key is None:
            return None
        payload, problems = parse_record(key.in_data(encode(record)), self.workflow.fields)
        if problems:
            return None
        shown = decode(key.in_data(original.read_back), self.workflow.fields)
        if not wrong:
            return self._inspected(original, key, payload, shown)
        for _ in range(_TRIES):
            kind = self.rng.choice(KINDS)
            spoilt = MISTAKES[kind](payload, Bench(self.profile, (), self.rng))
            if spoilt is None:
                continue
            changed = {name: value for name, value in spoilt[0].items() if value != payload.get(name)}
            fields = tuple(sorted(changed))
            seen = {**shown, **{name: value for name, value in changed.items() if name in shown}}
            if seen == shown:
                continue
            # what the source says too cannot be told by comparing; what only the application shows can
            both = self.rng.random() < 0.5 and self._believable(spoilt[0], payload, changed, key)  # noqa: PLR2004
            where = "payload and read-back" if both else "read-back"
            meant = spoilt[0] if both else payload
            return self._inspected(original, key, meant, seen, error=(kind, fields, where))
        return None

    def _believable(self, spoilt: Record, payload: Record, changed: Mapping[str, Any], key: _Key) -> bool:
        """Say whether a source could hold the spoilt record: it fits the contract, and is still what its key says."""
        _, problems = parse_record(encode(spoilt), self.workflow.fields)
        named = (str(payload[name]) for name in changed if payload.get(name) not in (None, "", []))
        return not problems and not any(text in key.reference for text in named)

    def _unused(self, original: Original, payload: Mapping[str, Any]) -> _Key | None:
        """Draw a key near the original's that no item has; None if it holds no number to move."""
        fields = self.workflow.fields  # a date or an amount that the reference happens to carry is no number of its own
        named = {name: value for name, value in payload.items() if fields[name].type in _NAMES}
        part = _key_part(original.reference, named)
        for most in _STEPS if part else ():
            moves = self.rng.sample([*range(-most, 0), *range(1, most + 1)], k=2 * min(most, _TRIES))
            keys = [_Key(original.reference, part, move) for move in moves]
            taken = known.taken(self.database, self.workflow.name, [key.reference for key in keys])
            free = [key for key in keys if key.reference not in taken]
            if free:
                return free[0]
        return None

    def _inspected(
        self,
        original: Original,
        key: _Key,
        payload: Record,
        shown: Record,
        error: tuple[str, tuple[str, ...], str] | None = None,
    ) -> Canary:
        kind, fields, where = error or (None, (), None)
        return Canary(
            original=original.item_id,
            reference=key.reference,
            payload=encode(payload),
            read_back=encode(shown),
            record_url=key.in_text(original.record_url),
            app_id=key.in_text(original.app_id),
            verdict=self.inspector.inspect(self.workflow, self._case(original, key.reference, payload, shown)),
            error=kind,
            fields=fields,
            where=where,
        )

    def _case(self, original: Original, reference: str, payload: Record, shown: Record) -> Case:
        return Case(
            workflow=self.workflow.name,
            reference=reference,
            payload=payload,
            record=shown,
            fields=self.workflow.fields,
            signals=original.signals,
        )
