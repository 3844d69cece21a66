"""The proof of rolling open items, out of a real ledger of either kind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from bots.reconciliation.definition import DEFAULT, GateFile
from bots.reconciliation.gate import Evidence, standings
from bots.reconciliation.kept_gate import KEPT, to_keep
from bots.reconciliation.proof import write_proof
from bots.reconciliation.proof_page import write_page
from bots.reconciliation.proving import prove_items
from bots.reconciliation.proving_items import Terms, facts_of
from bots.reconciliation.rolling import Outcome, match_open
from engine.errors import UserError
from engine.ledger.database import Database
from engine.ledger.reconciliation_tables import recon_terms
from engine.open_items import BANK, BOOK
from fixtures.generate.deliveries import deliveries
from fixtures.generate.statements import world
from tests.bots.reconciliation import exact
from tests.bots.reconciliation.rolling_desk import POLICY, Desk, as_delivery, line, tied
from tests.bots.reconciliation.test_proof import chained_anew, verify


@dataclass(frozen=True)
class Kind:
    """What the gate says of a kind."""

    kind: str
    closes: bool = True
    reviewed: int = 60_000
    wrong: int = 0
    bound: float = 0.00005
    source: str = "own"


def terms(*kinds: str) -> Terms:
    return Terms(datetime(2026, 2, 1, tzinfo=UTC), date(2026, 2, 1), [Kind(kind) for kind in kinds], 0.0001, 0.95)


def test_open_items_are_proven_with_every_decision_and_each_head_is_kept(database: Database, tmp_path: Path) -> None:
    desk = Desk(database)
    for sent in deliveries(world(seed=4, days=8, per_day=5)):
        desk.receive(BANK if sent.side == "bank" else BOOK, as_delivery(sent, balances=True))
        desk.match()
    desk.items.limit({"EUR": 1}, "lead")
    suggested = desk.items.matches(["suggested"])
    for row in suggested[:3]:
        desk.items.accept(row.id, "ana", "seen")
    for row in desk.items.matches(["waiting"])[:1]:
        desk.items.approve(row.id, "ben")
    desk.items.reject(suggested[3].id, "ana", "another customer")
    desk.items.undo(desk.items.matches(["closed"])[0].id, "ben", "wrong invoice")
    proof = write_proof(facts_of(desk.items, terms(*exact.CLOSING)), tmp_path / "proof.json")
    assert proof.holds
    assert {one.proven for one in proof.accounts} == {"balances"}
    lines = len(desk.items.lines(everything=True))
    assert sum(proof.states[state] for state in ("closed", "suggested", "open")) == lines
    desk.items.keep_head(proof.head, proof.path.name, "ana")
    assert verify(proof.path, "--head", proof.head)[0] == 0
    decided = [entry for _, entry in json.loads(proof.path.read_text(encoding="utf-8"))["log"] if "who" in entry]
    assert {(one["who"], one["what"]) for one in decided} >= {("ana", "reject"), ("ben", "undo"), ("lead", "note")}
    assert "another customer" in write_page(proof, tmp_path / "proof.html").read_text(encoding="utf-8")
    again = facts_of(desk.items, terms(*exact.CLOSING))
    assert again.previous == proof.head
    with pytest.raises(UserError, match="does not prove them"):
        facts_of(desk.items, terms())


def test_what_a_person_closed_stays_closed_when_its_lines_are_corrected_or_withdrawn(
    database: Database, tmp_path: Path
) -> None:
    """A line of one match is corrected, one of another withdrawn, and both of a third: the proof has what stands."""
    desk = Desk(database)
    first = [line(990, "ODD", bank_id="B1"), line(500, "A"), line(501, "B"), line(7, "C"), line(-7, "D")]
    desk.receive(BANK, [tied(first, 0, 0, 0, "1")])
    desk.book(line(1000, "INV-1"), line(1001, "INV-2"))
    of = {(one.side, one.facts.amount): one.id for one in desk.items.lines()}
    for ids in ([(0, 990), (1, 1000)], [(0, 500), (0, 501), (1, 1001)], [(0, 7), (0, -7)]):
        desk.items.match_by_hand([of[one] for one in ids], "ana", "told by phone")
    desk.receive(BANK, [tied([line(991, "ODD", bank_id="B1"), line(500, "A")], 0, 0, 1, "2")])
    assert [one.attention is None for one in desk.items.noticed()] == [False] * 3
    proof = write_proof(facts_of(desk.items, terms(*exact.CLOSING)), tmp_path / "proof.json")
    assert verify(proof.path, "--head", proof.head) == (
        0,
        "holds: no problems; 0 bookings held back; the kept head was compared\n",
    )
    assert proof.states == {"closed": 4, "suggested": 0, "open": 0, "quarantined": 0}


def test_it_says_why_lines_are_open_and_which_matcher_and_evidence_decided(database: Database, tmp_path: Path) -> None:
    desk = Desk(database)
    desk.bank(line(1000, "INV-1"), line(3210, "", text="no idea"))
    desk.book(line(1000, "INV-1"), line(777, "INV-9"))
    desk.items.match_by_hand([one.id for one in desk.items.lines() if one.facts.amount == 1000], "ana", "told")
    proof, _ = prove_items(desk.items, DEFAULT, tmp_path, datetime(2026, 6, 1, tzinfo=UTC))
    log = [entry for _, entry in json.loads(proof.path.read_text(encoding="utf-8"))["log"]]
    assert [one["cause"] for one in log if one["entry"] == "open"] == ["missing on one side"] * 2
    assert {len(digest) for digest in log[0]["models"].values()} == {64}
    assert set(log[0]["models"]) == {"matcher", "seeded evidence"}
    assert verify(proof.path, "--head", proof.head)[0] == 0


def matched_under(desk: Desk, evidence: list[Evidence]) -> Outcome:
    """Match under what is known, and keep by which figures a kind may close, as the verbs do."""
    ranked = standings(evidence)
    closing = frozenset(one.kind for one in ranked if one.closes)
    kept = desk.items.under({KEPT: to_keep(GateFile(), ranked)})
    return match_open(desk.items, exact.match, POLICY, closing, at_once=closing, terms_id=kept)


def test_what_closed_stays_proven_by_the_figures_of_its_day_when_its_kind_is_held_back_or_was_opened_by_reviews(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk(database)
    known = [Evidence(exact.REFERENCE, 500_000, 3, "seed"), Evidence(exact.AMOUNT, 30_000, 0, "own")]
    old = [line(1000, "INV-1"), line(2000, "INV-2"), line(3000, "")]
    desk.bank(*old)
    desk.book(*old)
    assert matched_under(desk, known).closed == 3
    desk.items.undo(next(row.id for row in desk.items.matches(["closed"]) if row.amount == 1000), "ana", "misread")
    known.append(Evidence(exact.REFERENCE, *desk.items.reviewed()[exact.REFERENCE], "own"))
    desk.bank(line(4000, "INV-4"), line(5000, ""))
    desk.book(line(4000, "INV-4"), line(5000, ""))
    outcome = matched_under(desk, known)
    assert (outcome.closed, outcome.suggested, outcome.barred) == (1, 1, 1)

    now = Terms(datetime(2026, 4, 1, tzinfo=UTC), date(2026, 4, 1), standings(known), 0.0001, 0.95)
    proof = write_proof(facts_of(desk.items, now), tmp_path / "proof.json")
    assert verify(proof.path, "--head", proof.head)[0] == 0
    page = write_page(proof, tmp_path / "proof.html").read_text(encoding="utf-8")
    assert "limit 0.0001, confidence 0.95" in page
    log = [entry for _, entry in json.loads(proof.path.read_text(encoding="utf-8"))["log"]]
    evidence = [
        (one["kind"], one["reviewed"], one["wrong"], one["closes"]) for one in log if one["entry"] == "evidence"
    ]
    assert evidence == [("amount", 30_000, 0, True), ("reference", 1, 1, False), ("reference", 500_000, 3, True)]
    by = {one["lines"][0]["amount"]: one.get("evidence") for one in log if one["entry"] == "match"}
    assert by == {2000: 2, 3000: 0, 4000: None, 5000: 0}

    text = proof.path.read_text(encoding="utf-8")
    for what, change, said in (
        ({"entry": "evidence", "n": 2}, {"wrong": 60}, "60 wrong of 500000 prove no"),
        ({"entry": "evidence", "n": 2}, {"wrong": 60, "bound": "0.0002"}, "closes over the limit 0.0001"),
        ({"entry": "evidence", "n": 2}, {"wrong": 60, "confidence": "0.01"}, "60 wrong of 500000 prove no"),
        ({"entry": "match", "n": 0}, {"evidence": 1}, "closed by 'evidence': neither evidence nor decisions say so"),
    ):
        forged = [entry for _, entry in json.loads(text)["log"]]
        next(one for one in forged if what.items() <= one.items()).update(change)
        code, told = verify(chained_anew(forged, tmp_path / "forged.json"))
        assert (code, said in told) == (1, True), told

    versions = to_keep(GateFile(), standings(known[:2]))
    versions["closes"][exact.REFERENCE]["wrong"] = 60
    with database.write() as connection:
        first = connection.execute(sa.select(sa.func.min(recon_terms.c.id))).scalar_one()
        connection.execute(sa.update(recon_terms).where(recon_terms.c.id == first).values(versions={KEPT: versions}))
    with pytest.raises(UserError, match=r"does not prove them \(1 on reference\)"):
        facts_of(desk.items, now)
