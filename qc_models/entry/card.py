"""The card of an entry-quality model: what it is for, what it was made of, how good it is and what it cannot do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_LIMITS = """## What it cannot do

- It sees the record and earlier records, never the paper: a mistake that looks usual passes (another valid account of
  the same party, the next running number instead of this one).
- Probabilities are calibrated to the expected share of wrong records above, with planted mistakes. Only audited labels
  prove a residual error rate; until then the rates here are estimates on mistakes of our own making.
- A party with fewer than three earlier records has no habits to compare with. A habit that changed (a new bank account,
  new payment terms) is flagged until it is part of the history: train again.
- Twins and running numbers are remembered by each serving process by itself.
- The profile holds verified records. To erase one, remove it from the history and train again."""


def render(metadata: Mapping[str, str], metrics: Mapping[str, Any]) -> str:
    """Return the card for a model's metadata and metrics."""
    validation = metrics["validation"]
    libraries = ", ".join(f"{name} {number}" for name, number in json.loads(metadata["libraries"]).items())
    kinds = "\n".join(f"| {kind} | {_share(share)} |" for kind, share in validation["by_kind"].items())
    return f"""# {metadata["name"]} {metadata["version"]}

Says how likely a record is wrong, and which fields look wrong, by comparing it with verified earlier records. Flags go
to a person; it decides nothing by itself.

## Made of

- created {metadata["created"]} with {libraries}
- {metrics["history_records"]} verified records (SHA-256 {metadata["training_data_sha256"][:16]}...),
  {metrics["training_records"]} training examples with planted mistakes, seed {metrics["seed"]}
- gradient-boosted trees over {len(metadata["features"].split(","))} features a cell
  (schema SHA-256 {metadata["feature_schema_sha256"][:16]}...), a logistic regression over the cells of a record
- export checked against scikit-learn: largest difference {metrics["parity_max_difference"]:.1e}, no decision flipped

## How good

On planted mistakes, scored by a model that had not seen them; review at or over probability {metrics["threshold"]:.4f},
calibrated to {metrics["expected_share"]:.0%} wrong records. Two in three of these records are spoilt, so precision is
lower in service; see `runner.py model evaluate`.

| | |
|---|---|
| recall | {_share(validation["recall"])} |
| precision | {_share(validation["precision"])} |
| accuracy | {_share(validation["accuracy"])} |

| planted mistake | found |
|---|---|
{kinds}

{_LIMITS}
"""


def _share(share: Mapping[str, Any]) -> str:
    if share["value"] is None:
        return "none"
    low, high = share["interval"]
    return f"{share['value']:.1%} ({share['k']} of {share['n']}; 95 % between {low:.1%} and {high:.1%})"
