"""Records that a person has judged: the labels that the detector learns from, however few."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.ports import Case
from engine.values import FieldSpec, Record, decode, encode
from qc_models.entry.columns import Column


@dataclass(frozen=True)
class Reviewed:
    """One record and what the reviewer said of it."""

    payload: Record
    wrong: bool
    wrong_fields: tuple[str, ...] = ()
    """Fields, or `table.column`, that were wrong; empty where the reviewer only rejected."""
    read_back: Record = field(default_factory=dict)
    signals: Mapping[str, float] = field(default_factory=dict)
    reference: str = ""
    weight: float = 1.0
    """1 / the probability with which this record came to be reviewed, if that was drawn; 1 if unknown."""
    picked: bool = False
    """Chosen by `picking.pick`: good to learn from, never to estimate an error rate with."""

    def case(self, fields: Mapping[str, FieldSpec]) -> Case:
        """Return the record as the inspector sees it."""
        return Case("", self.reference, self.payload, self.read_back, fields, self.signals)

    def blames(self, column: Column) -> bool:
        """Say whether the reviewer named a column, by itself or by its table."""
        return column.name in self.wrong_fields or column.field in self.wrong_fields


def read_reviewed(path: Path, fields: Mapping[str, FieldSpec]) -> list[Reviewed]:
    """Read reviewed records, oldest first: JSON Lines with `payload` and `wrong`, the rest of `Reviewed` if known.

    Raises:
        UserError: the file is missing, or a line is no reviewed record of the contract.
    """
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(_parsed(json.loads(line), fields))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{path}:{number}: not a reviewed record: {_words(error)}") from error
    return found


def write_reviewed(path: Path, reviewed: Sequence[Reviewed]) -> None:
    """Write reviewed records as `read_reviewed` reads them."""
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        for one in reviewed:
            handle.write(json.dumps(encode(vars(one)), ensure_ascii=False) + "\n")


def _parsed(stored: Mapping[str, Any], fields: Mapping[str, FieldSpec]) -> Reviewed:
    strange = sorted(set(stored) - set(Reviewed.__dataclass_fields__))
    if strange:
        raise ValueError(f"unknown {', '.join(strange)}; known: {', '.join(Reviewed.__dataclass_fields__)}")
    if not isinstance(stored["wrong"], bool):
        raise ValueError("wrong is true or false")
    names = {name.partition(".")[0] for name in stored.get("wrong_fields", ())}
    if names - set(fields):
        raise ValueError(
            f"wrong_fields names {', '.join(sorted(names - set(fields)))}, which the contract does not have"
        )
    weight = float(stored.get("weight", 1.0))
    if not 1 <= weight < float("inf"):
        raise ValueError(f"weight is 1 / a probability, so at least 1, not {weight:g}")
    return Reviewed(
        payload=decode(stored["payload"], fields),
        wrong=stored["wrong"],
        wrong_fields=tuple(stored.get("wrong_fields", ())),
        read_back=decode(stored.get("read_back", {}), fields),
        signals={name: float(value) for name, value in stored.get("signals", {}).items()},
        reference=str(stored.get("reference", "")),
        weight=weight,
        picked=bool(stored.get("picked", False)),
    )


def _words(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
