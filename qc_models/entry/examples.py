"""Training examples: past records as they are, and the same records with a planted mistake, scored as they came in."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.ports import Case
from engine.values import FieldSpec, Record
from qc_models.entry.cells import Extractor
from qc_models.entry.columns import values
from qc_models.entry.corruption import STORED, Bench, corrupt
from qc_models.entry.profile import Profile

SPOILT_EACH = 4
_RECENT = 400
_UNREAD = 0.4
"""Share of records that come without a read-back: what a cell says must not depend on there being one."""
_PARTLY = 0.2
_STORED = 0.4
"""Share of read records of which one more copy is stored wrong by the application."""


@dataclass(frozen=True)
class Examples:
    """Cell features (records, columns, features), which cells are wrong, and what was planted."""

    cells: NDArray[np.float32]
    wrong: NDArray[np.bool_]
    kinds: tuple[str, ...]

    @property
    def flat(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return one row a cell."""
        return self.cells.reshape(-1, self.cells.shape[2]), self.wrong.reshape(-1)


def make(
    fields: Mapping[str, FieldSpec], past: Sequence[Record], fresh: Sequence[Record], rng: random.Random
) -> Examples:
    """Describe fresh records against a profile of the past, each clean and with planted mistakes, in their order."""
    profile = Profile(fields, past)
    extractor = Extractor(profile)
    names = [column.name for column in profile.columns]
    earlier = list(past[-_RECENT:])
    cells, wrong, kinds = [], [], []
    for record in fresh:
        bench = Bench(profile, earlier[-_RECENT:], rng)
        for kind, spoilt, read_back, blamed in _variants(record, bench):
            cells.append(extractor.matrix(Case("", "", spoilt, read_back, fields)))
            wrong.append(np.isin(names, blamed))
            kinds.append(kind)
        profile.observe(record)
        earlier.append(record)
    return Examples(np.stack(cells), np.stack(wrong), tuple(kinds))


def _variants(record: Record, bench: Bench) -> Iterable[tuple[str, Record, Record, Sequence[str]]]:
    """Yield what was planted, the payload, its read-back and the columns to blame; the record as it is comes first."""
    read = _read(record, bench.rng)
    yield "", record, _only(record, read), ()
    for _ in range(SPOILT_EACH):
        made = corrupt(record, bench)
        if made is not None:  # the bot enters a mistake of the source faithfully
            yield made[0], made[1], _only(made[1], read), made[2]
    stored = corrupt(record, bench, STORED) if read and bench.rng.random() < _STORED else None
    if stored is not None:
        shown = _only(stored[1], read)
        blamed = [
            column.name
            for column in bench.profile.columns
            if column.field in shown and values(shown, column) != values(record, column)
        ]
        if blamed:
            yield "stored_wrong", record, shown, blamed


def _read(record: Record, rng: random.Random) -> list[str]:
    """Draw which fields a definition would read back: none, all, or some."""
    draw = rng.random()
    if draw < _UNREAD:
        return []
    return [name for name in record if rng.random() < 0.5] if draw < _UNREAD + _PARTLY else list(record)  # noqa: PLR2004


def _only(record: Record, names: Sequence[str]) -> Record:
    return {name: record[name] for name in names}
