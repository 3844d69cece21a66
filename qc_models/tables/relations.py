"""What the laws of arithmetic and the dates of a row say of its cells; nothing at all for a table without such."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc_models.tables.arithmetic import Arithmetic
from qc_models.tables.columns import Column
from qc_models.tables.dates import Dates


@dataclass(frozen=True)
class Relations:
    """The relations between the numbers and between the dates of a table's rows."""

    arithmetic: Arithmetic
    dates: Dates

    def opinions(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Return for each kind of relation that the table has features (rows x columns x names) and suspicions."""
        if self.arithmetic.laws:
            features = self.arithmetic.features()
            yield features, self.arithmetic.suspicion(features)
        if self.dates.columns:
            features = self.dates.features()
            yield features, self.dates.suspicion(features)


def relations_of(columns: Sequence[Column], seed: int = 0) -> Relations:
    """Find the relations between the columns of a table."""
    return Relations(Arithmetic(columns, seed), Dates(columns, seed))
