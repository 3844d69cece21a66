"""`reconciliation rules` from the command line: proposed, rejected with a reason, accepted into the definition."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bots.reconciliation.kinds import KINDS
from bots.reconciliation.loading import load_one
from bots.reconciliation.rules import Alias
from bots.reconciliation.rules_cli import build_rules
from engine.errors import UserError
from engine.ledger.database import Database
from engine.ledger.reconciliation import OpenItems
from tests.bots.reconciliation.rolling_desk import Desk, line


@dataclass
class Sat:
    """A desk that writes into a text."""

    database: Database
    user: str = "ada"
    console: Console = field(default_factory=lambda: Console(file=io.StringIO(), width=200))

    def open_items(self, name: str | None) -> OpenItems:
        """Return the open items of the only reconciliation."""
        return OpenItems(self.database, name or "main")


def test_a_proposed_rule_is_shown_refused_or_written_and_never_twice(database: Database, tmp_path: Path) -> None:
    desk, path = Desk(database), tmp_path / "main.yaml"
    path.write_text("name: main\n", encoding="utf-8")
    for deliver, names in ((desk.bank, ("PAYWAY 17", "MARKET 4")), (desk.book, ("Acme GmbH", "Beta Ltd"))):
        deliver(*(replace(line(9_000 + at, "", at, name=names[at % 2]), number=at) for at in range(40)))
    lines = sorted(desk.items.lines(), key=lambda one: (one.number, one.side))
    for bank, book in zip(lines[::2], lines[1::2], strict=True):
        desk.items.match_by_hand([bank.id, book.id], "ben", "seen")
    sat = Sat(database)
    app = build_rules(lambda: sat)

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--definition", str(path)], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    told = json.loads(run("propose", "--json"))
    by_bank = {one["rule"]["alias"]["bank"]: one for one in told["proposals"]}
    assert told["decisions"] == 40
    assert by_bank.keys() == {"PAYWAY 17", "MARKET 4"}
    assert all(one["tested"]["wrong"] == 0 and one["tested"]["bound"] < 0.5 for one in by_bank.values())
    run("propose")
    assert by_bank["MARKET 4"]["name"] in sat.console.file.getvalue()  # type: ignore[attr-defined]
    run("reject", by_bank["MARKET 4"]["name"], "--reason", "closes in May")
    run("accept", by_bank["PAYWAY 17"]["name"], "--as", "ana")
    assert json.loads(run("propose", "--json"))["proposals"] == []
    listed = json.loads(run("list", "--json"))
    assert [one["by"] for one in listed["accepted"]] == ["ana"]
    assert ["closes in May" in one["why"] for one in listed["rejected"]] == [True]
    (rule,) = load_one(path, KINDS).policy.rules
    assert replace(rule, bound=0) == Alias("PAYWAY 17", "Acme GmbH", 0)
    with pytest.raises(UserError, match="no rule is proposed"):
        run("accept", by_bank["MARKET 4"]["name"])
