"""The verbs of `reconciliation`, over real files and a real ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from bots.reconciliation.desk_cli import build_reconciliation
from engine.errors import UserError
from engine.ledger.database import Database
from engine.ledger.kept_heads import Heads
from engine.ledger.reconciliation import OpenItems, open_items
from engine.open_items import BOOK
from fixtures.generate.deliveries import deliveries
from fixtures.generate.statement_files import write_deliveries
from fixtures.generate.statements import world
from tests.bots.reconciliation.test_proof import verify

DEFINITION = """\
name: daily
review: {four_eyes_over: [0.50 EUR]}
gate: {limit: 0.000000001}
"""


@dataclass
class Desk:
    """Whoever sits at the terminal."""

    database: Database
    user: str = "ana"
    console: Console = field(default_factory=lambda: Console(file=StringIO(), width=110))

    def open_items(self, name: str | None, *, new: str | None = None) -> OpenItems:
        """Return the open items."""
        return open_items(self.database, name, new=new)

    def heads(self) -> Heads:
        """Return the kept heads."""
        return Heads(self.database)

    def run(self, *words: object, exit_code: int = 0) -> str:
        """Run a verb and return what it printed."""
        app = typer.Typer()
        app.add_typer(build_reconciliation(lambda: self), name="reconciliation")
        self.console.file = StringIO()
        ended = CliRunner().invoke(app, ["reconciliation", *map(str, words)], catch_exceptions=False)
        assert ended.exit_code == exit_code, ended.output
        return str(ended.stdout) + self.console.file.getvalue()

    def json(self, *words: object) -> Any:
        """Run a verb with --json and return its document."""
        return json.loads(self.run(*words, "--json"))


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_week_at_the_desk(desk: Desk, tmp_path: Path) -> None:
    made = world(seed=3, days=5, per_day=5, accounts=1)
    paths = write_deliveries(tmp_path / "files", deliveries(made))
    banks, books = ([path for path in paths if side in path.name] for side in ("bank", "book"))
    rules = tmp_path / "daily.yaml"
    rules.write_text(DEFINITION, encoding="utf-8")
    assert "new" in desk.run("receive", "bank", *banks, "--definition", rules, "--no-match")
    told = desk.json("receive", "book", *books, "--definition", rules)
    known = [one for one in made.book if one.known <= made.days[-1]]
    assert sum(one["counts"]["new"] for one in told["received"]) == len(known)
    assert desk.json("receive", "bank", banks[0], "--definition", rules)["received"][0]["repeats"] == 1

    suggested = desk.json("open")["suggestions"]
    first, second, third, *_ = (one["id"] for one in suggested)
    assert [one["state"] for one in desk.json("accept", first)["matches"]] == ["waiting"]
    with pytest.raises(UserError, match="ana decided it first"):
        desk.run("approve", first)
    assert desk.json("approve", first, "--as", "ben")["matches"][0]["state"] == "closed"
    assert desk.json("undo", first, "--reason", "paid twice")["matches"][0]["state"] == "undone"
    assert desk.json("reject", second, "--reason", "another order")["matches"][0]["state"] == "rejected"
    with pytest.raises(UserError, match="is rejected"):
        desk.run("accept", second, third)
    assert [one["verb"] for one in desk.json("show", first)["decisions"]] == ["accept", "approve", "undo"]
    assert "paid twice" in desk.run("show", first)
    assert desk.json("rematch")["matched"]["barred"] == 2

    lines = [one["id"] for one in desk.json("show", first)["match"]["lines"]]
    assert desk.json("match", *lines, "--reason", "it was right after all")["matches"][0]["state"] == "waiting"
    status = desk.json("status", "--asof", "2026-02-01")
    assert status["limits"] == {"EUR": 50}
    assert sum(status["lines"]["bank"].values()) == status["accounts"][0]["lines"]
    assert {one["first"] for one in status["ageing"]} <= {8, 31}
    assert len(status["waiting"]) == 2, "one by hand, one accepted after the other was refused"
    for verb in ("status", "open"):
        assert "bank" in desk.run(verb, "--asof", "2026-02-01")
    assert "agrees" in desk.run("check")


def test_a_kind_of_which_a_person_undid_a_match_closes_nothing_more_on_its_own(desk: Desk, tmp_path: Path) -> None:
    paths = write_deliveries(tmp_path / "files", deliveries(world(seed=3, days=6, per_day=6, accounts=1)))
    banks, books = ([path for path in paths if side in path.name] for side in ("bank", "book"))

    def closed_by_reference(days: slice) -> list[int]:
        desk.run("receive", "bank", *banks[days], "--no-match")
        desk.run("receive", "book", *books[days])
        return [one.id for one in desk.open_items(None).matches(["closed"]) if one.kind == "reference"]

    before = closed_by_reference(slice(0, 3))
    assert len(before) > 1
    desk.run("undo", before[0], "--reason", "another customer's invoice")
    assert desk.open_items(None).reviewed() == {"reference": (1, 1)}
    assert set(closed_by_reference(slice(3, None))) == set(before) - {before[0]}
    assert "reference" in {one.kind for one in desk.open_items(None).matches(["suggested"])}
    assert list(desk.json("show", before[1])["made_under"]["gate"]["closes"]) == ["reference"]
    desk.run("prove", "--out", tmp_path)
    assert verify(tmp_path / "proof.json") == (
        0,
        "holds: no problems; 0 bookings held back; NO kept head was compared\n",
    )
    log = [entry for _, entry in json.loads((tmp_path / "proof.json").read_text(encoding="utf-8"))["log"]]
    told = [one for one in log if one["entry"] == "evidence" and one["kind"] == "reference"]
    assert [(one["source"], one["closes"]) for one in told] == [("own", False), ("seed", True)]
    by = {
        one.get("evidence") for one in log if one["entry"] == "match" and one["kind"] == "reference" and one["closed"]
    }
    assert by == {told[1]["n"]}


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_file_that_is_held_back_ends_with_one_and_says_where(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("Booking Date,Amount,Currency\n2026-03-02,1.50,EUR\n2026-03-03,x,EUR\n", encoding="utf-8")
    assert "bank.csv:3" in desk.run("receive", "bank", path, exit_code=1)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_one_file_is_not_taken_in_as_both_sides(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("Date,Amount,Currency\n2026-03-01,5.00,EUR\n", encoding="utf-8")
    desk.run("receive", "bank", path)
    with pytest.raises(UserError, match=r"was taken in as the bank's before \(delivery 1\)"):
        desk.run("receive", "book", path)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_which_reconciliation_is_meant_is_asked(desk: Desk) -> None:
    with pytest.raises(UserError, match="no reconciliation yet"):
        desk.run("status")
    for name in ("north", "south"):
        desk.open_items(name, new=name).limit({}, "ana")
    with pytest.raises(UserError, match="north, south"):
        desk.run("status")


def test_a_proof_of_what_stands_has_its_head_kept_and_told(desk: Desk, tmp_path: Path) -> None:
    paths = write_deliveries(tmp_path, deliveries(world(seed=3, days=2, per_day=3)))
    for path in paths:
        desk.run("receive", "bank" if "bank" in path.name else "book", path)
    proof = tmp_path / "proof" / "proof.json"
    desk.run("prove", "--out", proof.parent)
    head = json.loads(proof.read_text(encoding="utf-8"))["head"]
    (kept,) = desk.json("heads")
    assert (kept["head"], kept["by"], kept["file"]) == (head, "ana", "proof.json")
    assert f"its head {head} is kept since" in desk.run("heads", proof)
    proof.write_text(proof.read_text(encoding="utf-8").replace(head, "0" * 64), encoding="utf-8")
    with pytest.raises(UserError, match="the chain breaks at entry"):
        desk.run("heads", proof)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_sign_and_accounts_of_the_books_are_told_once_and_hold(desk: Desk, tmp_path: Path) -> None:
    """The books write what came in as negative and know the account by its last digits; a later file shares nothing."""
    head = "Booking Date,Amount,Currency,Account,Reference\n"
    amounts = {n: 1000 + 17 * n for n in range(8)}
    bank, book, later = (tmp_path / name for name in ("bank.csv", "book.csv", "later.csv"))
    told = [f"2026-03-0{n + 1},{amount}.00,EUR,DE02120300000000202051,INV-{n}\n" for n, amount in amounts.items()]
    bank.write_text(head + "".join(told), encoding="utf-8")
    told = [f"2026-03-0{n + 1},-{amount}.00,EUR,202051,INV-{n}\n" for n, amount in amounts.items()]
    book.write_text(head + "".join(told), encoding="utf-8")
    later.write_text(head + "2026-03-09,55.10,EUR,202051,INV-9\n", encoding="utf-8")
    asks = r"sign and accounts .* take in the bank's files first .* `accounts: \{<the bank's name of it>: \"202051\"\}`"
    with pytest.raises(UserError, match=asks):
        desk.run("receive", "book", book)
    desk.run("receive", "bank", bank)
    got = desk.json("receive", "book", book)
    assert got["matched"]["closed"] == 8
    assert "turned round" in got["told"][-2]
    assert "account 202051 of the books is" in got["told"][-1]
    again = desk.json("receive", "book", later)["told"]
    assert not any("sign" in sentence or "of the bank" in sentence for sentence in again)
    (line,) = (one for one in desk.open_items(None).lines() if one.state == "open")
    assert (line.facts.amount, line.facts.account) == (-5510, "DE02120300000000202051")
    assert desk.open_items(None).decisions()[0].verb == "told"


@pytest.mark.parametrize("backend", ["sqlite"])
def test_what_a_file_leaves_open_the_other_side_tells_or_it_is_said_what_to_declare_where(
    desk: Desk, tmp_path: Path
) -> None:
    """The books come first, by a definition that the refusals spelled out; the bank's dates may be read in two ways."""
    bank, book, rules = (tmp_path / name for name in ("bank.csv", "book.csv", "ours.yaml"))
    told = [f"0{n}/03/2026,{1000 + 10 * n}.00,EUR,DE02,INV-{n}\n" for n in range(1, 5)]
    bank.write_text("Date,Amount,Currency,Account,Reference\n" + "".join(told), encoding="utf-8")
    told = [f"2026-03-0{n};{1000 + 10 * n}.00;INV-{n}\n" for n in range(1, 5)]
    book.write_text("Date;Amount;Reference\n" + "".join(told), encoding="utf-8")
    with pytest.raises(UserError, match=r"two lines, `name: first-reconciliation` and `bank: \{date_order: \"dmy\"\}`"):
        desk.run("receive", "bank", bank)
    rules.write_text("name: first-reconciliation\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"Write `book: \{currency: EUR\}` into .*ours\.yaml, and run the same again"):
        desk.run("receive", "book", book, "--definition", rules)
    rules.write_text("name: first-reconciliation\nbook: {currency: EUR}\n", encoding="utf-8")
    with pytest.raises(
        UserError, match=r"`book: \{money_in: positive\}` .* `accounts: \{<the bank's name of it>: \"\"\}`"
    ):
        desk.run("receive", "book", book, "--definition", rules)
    rules.write_text(
        'name: first-reconciliation\nbook: {currency: EUR, money_in: positive}\naccounts: {DE02: ""}\n',
        encoding="utf-8",
    )
    assert "dates are year, month, day" in desk.json("receive", "book", book, "--definition", rules)["told"][0]
    got = desk.json("receive", "bank", bank)
    assert got["matched"]["closed"] == 4
    assert got["told"][-2:] == [
        "bank: line 1: the statement DE02 states no balances or totals, so nothing says whether lines are missing",
        "bank.csv: its order of dates is 'dmy': 4 amount(s) are then near their day on the other side",
    ]


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_sign_that_a_running_balance_told_holds_for_files_that_are_too_short_to_tell(
    desk: Desk, tmp_path: Path
) -> None:
    head = "Date,Amount,Currency,Balance,Reference\n"
    rows = [f"2026-03-0{n},-{n}.00,EUR,{100 + n * (n + 1) // 2}.00,INV-{n}\n" for n in range(1, 6)]
    files = [tmp_path / name for name in ("long.csv", "short.csv", "next.csv")]
    for path, own in zip(files, (rows[:3], rows[3:4], rows[4:]), strict=True):
        path.write_text(head + "".join(own), encoding="utf-8")
    bank = tmp_path / "bank.csv"
    bank.write_text(
        "Date,Amount,Currency,Reference\n" + "".join(f"2026-03-0{n},{n}.00,EUR,INV-{n}\n" for n in range(1, 6)),
        encoding="utf-8",
    )
    desk.run("receive", "bank", bank)
    assert (
        "the books' running balance says that money in is written as negative"
        in desk.json("receive", "book", *files[:2], "--no-match")["told"]
    )
    desk.run("receive", "book", files[2], "--no-match")
    lines = desk.open_items(None).lines()
    assert sorted(one.facts.amount for one in lines) == sorted([100, 200, 300, 400, 500] * 2)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_what_the_balance_of_one_file_says_of_its_sign_is_not_said_of_another(desk: Desk, tmp_path: Path) -> None:
    amounts = (100, -40, 70, 55, -20)
    bank, tied, bare = (tmp_path / name for name in ("bank.csv", "tied.csv", "bare.csv"))
    head = "account;date;amount;currency;reference"
    bank.write_text(f"{head}\n" + "".join(f"DE1;2026-03-0{n};{a}.00;EUR;R{n}\n" for n, a in enumerate(amounts, 1)))
    tied.write_text(
        f"{head};balance\nDE1;2026-03-01;-100.00;EUR;R1;1100.00\nDE1;2026-03-02;40.00;EUR;R2;1060.00\n"
        "DE1;2026-03-03;-70.00;EUR;R3;1130.00\n"
    )
    bare.write_text(f"{head}\nDE1;2026-03-04;-55.00;EUR;R4\nDE1;2026-03-05;20.00;EUR;R5\n")
    desk.run("receive", "bank", bank)
    told = desk.json("receive", "book", tied, bare)
    assert told["matched"]["closed"] == len(amounts)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_an_account_of_the_books_that_comes_later_is_not_one_that_another_is(desk: Desk, tmp_path: Path) -> None:
    head = "account;date;amount;currency;reference"
    bank, first, second = (tmp_path / name for name in ("bank.csv", "first.csv", "second.csv"))
    bank.write_text(f"{head}\n" + "".join(f"DE11;2026-03-0{n};{n}5.00;EUR;R{n}\n" for n in range(1, 6)))
    first.write_text(f"{head}\n" + "".join(f"1200;2026-03-0{n};{n}5.00;EUR;R{n}\n" for n in range(1, 4)))
    second.write_text(f"{head}\n1300;2026-03-04;45.00;EUR;R4\n1200;2026-03-05;9.00;USD;R5\n")
    for side, path in (("bank", bank), ("book", first)):
        desk.run("receive", side, path)
    assert desk.json("receive", "book", second)["matched"]["closed"] == 0
    found = {(one.facts.account, one.facts.currency) for one in desk.open_items(None).lines() if one.side == BOOK}
    assert found == {("1300", "EUR"), ("DE11", "USD")}
