"""The card of a match-quality model: what it is for, what it was made of, how good it is and what it cannot do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from qc_models.metrics import Share

_LIMITS = """## What it cannot do

- It judges a candidate that a matcher proposes; it proposes none, and does not see what the matcher did not look for.
- Two lines that agree in everything that is visible cannot be told apart by anybody; it says so by a high probability.
- Its threshold is chosen on held-out examples, not proven: a match closes on its own only under a limit that audited
  labels prove.
- Learned from planted changes, it knows the habits that were planted. Reviewed matches teach it those of your bank."""


def render(metadata: Mapping[str, str], metrics: Mapping[str, Any]) -> str:
    """Return the card for a model's metadata and metrics."""
    validation = metrics["validation"]
    libraries = ", ".join(f"{name} {number}" for name, number in json.loads(metadata["libraries"]).items())
    kinds = "\n".join(f"| {kind or 'not said'} | {_share(share)} |" for kind, share in validation["by_kind"].items())
    return f"""# {metadata["name"]} {metadata["version"]}

Says how likely a proposed reconciliation match is wrong, and why. It decides nothing by itself.

## Made of

- created {metadata["created"]} with {libraries}
- {metrics["pairs"]} candidates, {metrics["wrong"]} of them wrong ({metrics["source"]}; SHA-256
  {metadata["training_data_sha256"][:16]}...), seed {metrics["seed"]}
- gradient-boosted trees over {len(metadata["features"].split(","))} features
  (schema SHA-256 {metadata["feature_schema_sha256"][:16]}...), Platt's calibration outside the graph
- export checked against scikit-learn: largest difference {metrics["parity_max_difference"]:.1e}, no decision flipped

## How good

On the {metrics["proposed"]} candidates that no rival beats, of bank lines that the scoring model had not seen; review
at or over probability {metrics["threshold"]:.4f}, calibrated to {metrics["expected_share"]:.1%} wrong matches.

| | |
|---|---|
| area under the ROC curve | {metrics["auc"]:.4f} |
| Brier score | {metrics["brier"]:.4f} |
| expected calibration error | {metrics["calibration_error"]:.4f} |
| recall | {_share(validation["recall"])} |
| precision | {_share(validation["precision"])} |

| what is wrong | found |
|---|---|
{kinds}

{_LIMITS}
"""


def _share(share: Mapping[str, Any]) -> str:
    return str(Share(share["k"], share["n"]))
