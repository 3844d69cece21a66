"""The model card, after Mitchell et al. ("Model Cards for Model Reporting", FAT* 2019), as Markdown and as HTML.

What was known when the model was trained is its family's part (data, metrics with intervals, key variables, limits).
What is known of it in service, where a ledger is at hand, stands in sections of its own: lineage, and the rates of the
declared segments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.intervals import Proportion
from engine.ledger.models import ModelRow
from qc_models.artifact import Artifact
from qc_models.fairness.watch import Fairness

_TEMPLATES = Path(__file__).parent / "templates"
_KEY_VARIABLES = 12
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~-])")


def card(artifact: Artifact, stages: Sequence[ModelRow] = (), seen: Fairness | None = None) -> str:
    """Return the card of a model as Markdown.

    Args:
        artifact: the model.
        stages: the registered versions of its name; the ledger keeps its lineage with its own row.
        seen: rates by segment, where a workflow's ledger is at hand.
    """
    parts = [
        artifact.family.card(artifact.metadata, artifact.metrics).rstrip(),
        key_variables(artifact.metrics),
        lineage(artifact, stages),
        segments(seen) if seen is not None else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def html(title: str, markdown: str) -> str:
    """Return a card as one HTML page: no script, nothing fetched; raw HTML in the Markdown stays text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - for this page alone
    from markdown_it import MarkdownIt  # noqa: PLC0415

    body = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image").render(markdown)
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("card.html").render(title=title, body=body)


def key_variables(metrics: Mapping[str, Any]) -> str:
    """Return what the model leans on most, from its metrics' `importance`."""
    found = metrics.get("importance") or []
    if not found:
        return ""
    rows = [(_code(one["feature"]), f"{one['drop']:.4f}", f"{one['sd']:.4f}") for one in found[:_KEY_VARIABLES]]
    return (
        "## Key variables\n\nLoss of average precision when a feature is shuffled, on examples that the model had not"
        f" seen; {len(found)} of its features cost any.\n\n{_table(('feature', 'loss', 'sd'), rows)}"
    )


def lineage(artifact: Artifact, stages: Sequence[ModelRow]) -> str:
    """Return where the model comes from and which versions stand beside it."""
    kept = next((row.metrics for row in stages if row.version == artifact.version), {})
    lines = [f"- {name.replace('_', ' ')}: {escaped(_told(value))}" for name, value in kept.get("lineage", {}).items()]
    rows = [(escaped(row.version), row.stage, _code(row.sha256[:16])) for row in stages]
    known = _table(("version", "stage", "SHA-256"), rows) if rows else ""
    parts = [f"- graph: SHA-256 {_code(artifact.sha256)}", *lines]
    return "\n\n".join(part for part in ("## Lineage", "\n".join(parts), known) if part)


def segments(seen: Fairness) -> str:
    """Return the rates by segment and the proven gaps."""
    if not seen.groups:
        return f"## Segments\n\nThe workflow {escaped(seen.workflow)} declares none, or none was inspected yet."
    rows = [
        (escaped(one.segment), escaped(one.group), share(one.flag), share(one.miss), share(one.false_alarm))
        for one in seen.groups
    ]
    gaps = "\n".join(f"- {escaped(gap.sentence())}" for gap in seen.gaps) or "No gap is proven."
    return (
        f"## Segments\n\n{seen.records} records of {escaped(seen.workflow)}, {seen.labelled} of the random sample with"
        " known truth; exact 95 % intervals. Misses and false alarms are counted in the random sample only.\n\n"
        f"{_table(('segment', 'group', 'flagged', 'errors missed', 'false alarms'), rows)}\n\n{gaps}"
    )


def share(found: Proportion) -> str:
    """Write a proportion with its interval."""
    if found.value is None or found.low is None or found.high is None:
        return "no data"
    return f"{found.value:.1%} ({found.k} of {found.n}; {found.low:.1%} to {found.high:.1%})"


def escaped(value: object) -> str:
    """Write a value from elsewhere so that Markdown makes nothing of it."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def _told(value: object) -> object:
    """Write counts by name in one line."""
    return ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, Mapping) else value


def _code(value: str) -> str:
    return f"`{value.replace('`', '')}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
