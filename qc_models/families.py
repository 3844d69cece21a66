"""The families of models that this program serves, and nothing else: a new family is one value and one line here."""

from __future__ import annotations

from qc_models.entry.family import ENTRY
from qc_models.family import Family

FAMILIES: dict[str, Family] = {"entry-quality": ENTRY}
