"""Under what the verbs of `reconciliation` work: a definition, the gate, a judge, and their versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bots.reconciliation.definition import DEFAULT, Definition
from bots.reconciliation.kinds import KINDS
from bots.reconciliation.loading import load_one
from bots.reconciliation.ports import OpenItems

if TYPE_CHECKING:  # with pandas, which costs a second
    from bots.reconciliation.gate import Standing
    from bots.reconciliation.judging import Judge
    from bots.reconciliation.rolling import Outcome


@dataclass(frozen=True)
class Rules:
    """What a definition says of a rolling reconciliation."""

    definition: Definition

    @property
    def name(self) -> str:
        """Its name."""
        return self.definition.file.name

    @property
    def limits(self) -> dict[str, int]:
        """Currency to the amount over which two people decide, minor units."""
        return {one.currency: one.amount for one in self.definition.file.review.four_eyes_over}

    def gated(self, items: OpenItems) -> tuple[Standing, ...]:
        """Return how kinds of evidence stand, by the seeded figures and by what people said of this one's matches."""
        from bots.reconciliation.gate import gated, own_evidence  # noqa: PLC0415 - loads scipy

        return gated(self.definition.file.gate, own_evidence(items.reviewed()))


def rules_of(path: Path | None) -> Rules:
    """Load a definition; without one, the defaults."""
    return Rules(load_one(path, KINDS) if path else DEFAULT)


class Terms:
    """Under what deliveries are read and matched; their number is kept with each delivery and match."""

    def __init__(self, items: OpenItems, rules: Rules, judge: Judge | None) -> None:
        """Keep them with the open items, if they are not kept yet."""
        from bots.reconciliation.versions import software, versions  # noqa: PLC0415 - loads scipy

        self.items, self.rules, self.judge = items, rules, judge
        told = {"definition": rules.definition.sha256, "software": software()}
        self._versions = told | versions(rules.definition, judge)
        self.id = items.under(self._versions)

    def closing(self) -> tuple[frozenset[str], int]:
        """Return the kinds that may close now, and the number under which the figures that let them are kept."""
        from bots.reconciliation.kept_gate import KEPT, to_keep  # noqa: PLC0415 - loads scipy

        ranked = self.rules.gated(self.items)
        kept = to_keep(self.rules.definition.file.gate, ranked)
        return frozenset(one.kind for one in ranked if one.closes), self.items.under(self._versions | {KEPT: kept})


def match_new(terms: Terms) -> Outcome:
    """Match what is new with what is open."""
    from bots.reconciliation.matching.engine import match_as_read  # noqa: PLC0415 - slow to load, for two verbs alone
    from bots.reconciliation.rolling import match_open  # noqa: PLC0415

    closing, number = terms.closing()
    policy = terms.rules.definition.policy
    return match_open(terms.items, match_as_read, policy, closing, judge=terms.judge, terms_id=number)


def made_under(terms: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return under what a match of a kind was made: of the gate only the figures that let this kind close."""
    gate = terms.get("gate")
    if gate is None:
        return terms
    return {**terms, "gate": {**gate, "closes": {name: one for name, one in gate["closes"].items() if name == kind}}}
