"""An outcome, or rolling open items, as the facts of its proof."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bots.reconciliation.bridge import Bridge
from bots.reconciliation.definition import Definition
from bots.reconciliation.explain import breaks
from bots.reconciliation.gate import gated, own_evidence
from bots.reconciliation.judging import Judge
from bots.reconciliation.matching.remittance import with_references
from bots.reconciliation.policy import Policy
from bots.reconciliation.ports import OpenItems
from bots.reconciliation.proof import Account, Proof, write_proof
from bots.reconciliation.proof_page import write_page
from bots.reconciliation.proven import Reconciliation, proven_side
from bots.reconciliation.proving_items import Terms, facts_of
from bots.reconciliation.reconcile import Outcome
from bots.reconciliation.versions import software, versions
from engine.kept_heads import NewHead


def prove(
    outcome: Outcome, folder: Path, made: datetime, *, judge: Judge | None = None, previous: str = ""
) -> tuple[Proof, list[Path]]:
    """Write proof.json and proof.html into a folder.

    Args:
        outcome: a reconciliation.
        folder: where they go.
        made: when, aware UTC.
        judge: the one that gave suggestions their probability.
        previous: head of the proof before.

    Returns:
        The proof, whose head is to be kept apart from it, and both files.

    Raises:
        UserError: a file cannot be written.
    """
    bank, book = outcome.sides.bank, outcome.sides.book
    causes = zip(outcome.breaks["side"].tolist(), outcome.breaks["line"].tolist(), strict=True)
    gate = outcome.definition.file.gate
    facts = Reconciliation(
        name=outcome.definition.file.name,
        made=made,
        asof=outcome.asof,
        bank=proven_side(bank.deliveries, bank.lines),
        book=proven_side(book.deliveries, book.lines),
        matched=outcome.matched,
        gate=outcome.standings,
        limit=float(gate.limit),
        confidence=float(gate.confidence),
        definition=outcome.definition.text,
        causes=dict(zip(causes, outcome.breaks["cause"].tolist(), strict=True)),
        software=software(),
        models=versions(outcome.definition, judge),
        previous=previous,
    )
    return _written(facts, folder)


def prove_items(items: OpenItems, definition: Definition, folder: Path, made: datetime) -> tuple[Proof, list[Path]]:
    """Write proof.json and proof.html of rolling open items as they stand; the caller keeps the head.

    Raises:
        UserError: a file cannot be written, or matches are closed on evidence that does not prove them (`facts_of`).
    """
    gate = definition.file.gate
    terms = Terms(
        made=made,
        asof=made.date(),
        gate=gated(gate, own_evidence(items.reviewed())),
        limit=float(gate.limit),
        confidence=float(gate.confidence),
        definition=definition.text,
        software=software(),
        models=versions(definition),
    )
    facts = facts_of(items, terms)
    return _written(replace(facts, causes=_causes(facts, definition.policy)), folder)


def series(name: str, accounts: Iterable[Bridge | Account]) -> str:
    """Return what proofs of one reconciliation of the same accounts share, period after period."""
    named = sorted(f"{one.account} {one.currency}" for one in accounts)
    return hashlib.sha256("\n".join([name, *named]).encode("utf-8", "replace")).hexdigest()


def told_of(proof: Proof, name: str, *, definition: Definition, inputs: Mapping[str, str] | None = None) -> NewHead:
    """Return what is to be kept of a proof apart from it."""
    return NewHead(
        name=name,
        series=series(name, proof.accounts),
        asof=proof.asof.isoformat(),
        file=proof.path.name,
        head=proof.head,
        inputs=inputs or {},
        definition=definition.sha256,
        states=proof.states,
    )


def _causes(facts: Reconciliation, policy: Policy) -> dict[tuple[int, int], str]:
    """Return side and line to why it is open, told from every line that stands, as `reconcile` tells it.

    How long partners take is told by what people closed, too.
    """
    sides = with_references(facts.bank.lines, facts.book.lines)
    people = {one.match for one in facts.decisions if one.what in {"confirm", "match", "approve"}}
    closed = facts.matched.matches["closed"] | facts.matched.matches.index.isin(people)
    matched = replace(facts.matched, matches=facts.matched.matches.assign(closed=closed))
    told = breaks(*sides, matched, policy, facts.asof)
    lines = zip(told["side"].tolist(), told["line"].tolist(), strict=True)
    return dict(zip(lines, told["cause"].tolist(), strict=True))


def _written(facts: Reconciliation, folder: Path) -> tuple[Proof, list[Path]]:
    proof = write_proof(facts, folder / "proof.json")
    return proof, [proof.path, write_page(proof, folder / "proof.html")]
