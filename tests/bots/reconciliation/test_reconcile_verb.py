"""`reconcile BANK BOOK` on the example of the how-to, from the command line to the verified proof.

`COUNTERSIGN_UPDATE=1` writes what is printed into the how-to anew.
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from benchmarks.proof_forgers import forge
from bots.reconciliation.cli import add_reconcile
from bots.reconciliation.desk_cli import build_reconciliation
from engine.errors import UserError
from engine.ledger import schema
from engine.ledger.database import Database
from engine.ledger.kept_heads import Heads
from engine.ledger.reconciliation import OpenItems, open_items
from tests.bots.reconciliation.rolling_desk import Desk as Rolling
from tests.bots.reconciliation.rolling_desk import line

ROOT = Path(__file__).parents[3]
HOWTO = ROOT / "docs" / "howto" / "reconcile-two-files.md"
BANK, BOOK = ROOT / "fixtures" / "data" / "bank-2026-03.xml", ROOT / "fixtures" / "data" / "ledger-2026-03.xlsx"
OK = ROOT / "fixtures" / "reconciliations" / "ok"


@dataclass
class Desk:
    """A place to sit."""

    home: Path
    console: Console = field(default_factory=lambda: Console(record=True, width=120))
    user: str = "ana"
    ledger: Database | None = None

    @cached_property
    def database(self) -> Database:
        """The ledger of the place, or another one."""
        found = self.ledger or Database(str(self.home / "ledger.db"))
        schema.prepare(found)
        return found

    said: dict[str, tuple[int, int]] = field(default_factory=dict)

    def open_items(self, name: str | None, *, new: str | None = None) -> OpenItems:
        """Return what is kept."""
        return open_items(self.database, name, new=new)

    def reviewed(self, name: str) -> dict[str, tuple[int, int]]:
        """Return what was said of a reconciliation's matches."""
        return self.said if name == "ours" else {}

    def heads(self) -> Heads:
        """Return the kept heads."""
        return Heads(self.database)


def run(desk: Desk, *words: str | Path) -> Result:
    """Run the verb; a user's mistake is raised, as the runner catches it."""
    app = typer.Typer()
    app.callback()(lambda: None)
    add_reconcile(app, lambda: desk)
    result = CliRunner().invoke(app, ["reconcile", *map(str, words)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    result = run(Desk(tmp_path_factory.mktemp("home")), BANK, BOOK, "--json")
    assert result.exit_code == 0
    found: dict[str, object] = json.loads(result.stdout)
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_two_file_names_put_every_line_into_one_state_and_explain_the_difference(told: dict) -> None:  # type: ignore[type-arg]
    lines = told["lines"]
    assert sum(lines[state]["bank"] for state in lines) == 26
    assert sum(lines[state]["books"] for state in lines) == 25
    (account,) = told["accounts"]
    assert (account["compared"], account["bank"], account["books"]) == ("balances", "69722.05", "70968.55")
    assert (account["difference"], account["unexplained"]) == ("1246.50", "0.00")
    assert sum(round(100 * float(step["amount"])) for step in account["steps"]) == 124_650


def test_each_line_is_in_one_table_and_what_is_wrong_in_the_books_is_found(told: dict) -> None:  # type: ignore[type-arg]
    files = {Path(path).name: Path(path) for path in told["files"]}
    matches, breaks = rows(files["matches.csv"]), rows(files["breaks.csv"])
    seen = sorted((row["side"], int(row["line"])) for row in [*matches, *breaks])
    assert seen == [*(("bank", at) for at in range(26)), *(("books", at) for at in range(25))]
    assert all(
        row["evidence"] and (row["runner_up"] or row["lost"].startswith("no other candidate")) for row in matches
    )
    causes = {(row["side"], row["name"], row["text"]): row["cause"] for row in breaks}
    assert causes["books", "Werkzeug Lang", "Transfer of 31 March"] == "timing"
    assert causes["bank", "Papier Vogel", "Rechnung 5531"] == "wrong sign"
    assert "duplicate" in causes.values()
    by_match: dict[str, set[str]] = {}
    for row in matches:
        by_match.setdefault(row["match"], set()).add(f"{row['name']} {row['amount']}")
    assert {"Société Lumière SARL 7314.15", "Société Lumière SARL 3010.15"} <= set.union(
        *(found for found in by_match.values() if "Société Lumière SARL 7314.15" in found)
    )
    assert "东方贸易有限公司" in files["report.html"].read_text(encoding="utf-8")


def test_the_proof_beside_it_is_verified_without_us(told: dict) -> None:  # type: ignore[type-arg]
    proof = next(path for path in told["files"] if path.endswith("proof.json"))
    for name, given, said in (
        ("verify", ["--head", told["proof"]["head"]], "holds: no problems; 0 bookings held back; the kept head"),
        ("recount", [BANK, BOOK], "agrees: no problems"),
    ):
        tool = ROOT / "tools" / f"{name}_reconciliation.py"
        called = [sys.executable, "-I", "-S", tool, proof, *given]
        done = subprocess.run(called, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.startswith(said)) == (0, True)


def heads(desk: Desk, *words: str | Path) -> Result:
    """Run `reconciliation heads`."""
    app = typer.Typer()
    app.add_typer(build_reconciliation(lambda: desk), name="reconciliation")
    return CliRunner().invoke(app, ["reconciliation", "heads", *map(str, words)])


def test_the_head_is_kept_in_the_ledger_so_that_a_forger_who_mends_every_sum_is_found(tmp_path: Path) -> None:
    """The second run is over a file with one more line end: it names the first one's head, and shows how that ended."""
    desk = Desk(tmp_path)
    later = tmp_path / "bank.xml"
    later.write_bytes(BANK.read_bytes() + b"\n")
    for bank, out in ((BANK, "one"), (later, "two")):
        run(desk, bank, BOOK, "--out", tmp_path / out)
    proofs = [tmp_path / out / "proof.json" for out in ("one", "two")]
    kept = json.loads(heads(desk, "--json").stdout)
    assert [one["head"] for one in reversed(kept)] == [json.loads(path.read_text("utf-8"))["head"] for path in proofs]
    assert json.loads(proofs[1].read_text("utf-8"))["log"][0][1]["previous"] == kept[1]["head"]
    assert {one["by"] for one in kept} == {"ana"}
    assert "run by run" in (tmp_path / "two" / "report.html").read_text("utf-8")
    assert heads(desk, proofs[0]).exit_code == 0
    forge(proofs[0], proofs[1], "altered", "mends_all", random.Random(1))  # noqa: S311 - a seeded fault
    assert heads(desk, proofs[1]).exit_code == 1
    assert f"is not kept: it was changed, or made with another ledger; kept of {kept[0]['name']}" in (
        desk.console.export_text()
    )
    proofs[1].write_bytes(proofs[0].read_bytes().replace(b'"amount":1', b'"amount":2', 1))
    with pytest.raises(UserError, match="the chain breaks at entry"):
        raise heads(desk, proofs[1]).exception or AssertionError


def test_a_definition_declares_and_what_if_compares(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    run(desk, BANK, BOOK, "--definition", OK / "main-account.yaml", "--out", tmp_path / "out", "--asof", "2026-04-15")
    said = desk.console.export_text()
    assert "explained to the cent" in said
    assert str(tmp_path / "out" / "report.html") in said
    assert "Definition" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    result = run(desk, BANK, BOOK, "--what-if", OK / "tighter.yaml", "--json", "--out", tmp_path)
    found = json.loads(result.stdout)
    assert sum(one["matches"] for one in found["changes"].values()) == len(
        {row["change"] for row in rows(tmp_path / "what-if.csv")}
    )


def test_mistakes_are_told_in_words(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(UserError, match=r"none\.csv: cannot be read"):
        run(desk, tmp_path / "none.csv", BOOK)
    (tmp_path / "copy.xml").write_bytes(BANK.read_bytes())
    with pytest.raises(UserError, match="are the same file"):
        run(desk, BANK, tmp_path / "copy.xml")
    with pytest.raises(UserError, match="write the three letters"):
        run(desk, BANK, BOOK, "--currency", "euro")
    with pytest.raises(UserError, match=r"not-yaml\.yaml:3:5: a bracket or brace is open"):
        run(desk, BANK, BOOK, "--definition", ROOT / "fixtures" / "reconciliations" / "broken" / "not-yaml.yaml")
    with pytest.raises(
        UserError, match=r"reads the files in another way than .*main-account\.yaml \(bank, book, accounts\)"
    ):
        run(desk, BANK, BOOK, "--definition", OK / "main-account.yaml", "--what-if", OK / "tighter.yaml")


def test_without_files_the_history_that_is_kept_is_compared(tmp_path: Path, database: Database) -> None:
    rolling = Rolling(database)
    rolling.book(line(1001, "INV-1"))
    rolling.bank(line(1001, "INV-1", day=3))
    tighter = tmp_path / "main.yaml"
    tighter.write_text("name: main\npolicy: {window: {earliest: 0, latest: 1}}\n", encoding="utf-8")
    desk = Desk(tmp_path, ledger=database)
    run(desk, "--what-if", tighter)
    assert "lines now" in desk.console.export_text()
    assert (tmp_path / "reconciliations" / "main" / "what-if.csv").exists()
    with pytest.raises(UserError, match="name the bank's file and the books' file"):
        run(desk)
    (tmp_path / "other.yaml").write_text("name: other\n", encoding="utf-8")
    with pytest.raises(UserError, match="other"):
        run(desk, "--what-if", tmp_path / "other.yaml")


def printed(home: Path, *words: str) -> str:
    """Return what the verb prints, without what is of this machine and this moment."""
    desk = Desk(home)
    try:
        run(desk, "fixtures/data/bank-2026-03.xml", "fixtures/data/ledger-2026-03.xlsx", *words)
    except UserError as error:
        return str(error)
    text = re.sub(r"[0-9a-f]{64}", "…", desk.console.export_text().replace(str(home), "var"))
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def test_the_how_to_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = [
        printed(tmp_path),
        printed(tmp_path, "--definition", "fixtures/reconciliations/broken/unknown-keys.yaml"),
        printed(tmp_path, "--what-if", "fixtures/reconciliations/ok/tighter.yaml"),
    ]
    page = HOWTO.read_text(encoding="utf-8")
    if os.environ.get("COUNTERSIGN_UPDATE"):
        fresh = iter(shown)
        page = re.sub(r"(?<=```text\n).*?(?=\n```)", lambda _: next(fresh), page, flags=re.DOTALL)
        HOWTO.write_text(page, encoding="utf-8")
    assert re.findall(r"```text\n(.*?)\n```", page, re.DOTALL) == shown


def test_a_statement_without_a_booking_is_a_side_all_the_same(tmp_path: Path) -> None:
    """Its account is told by its balances; every line of the books is open, and the difference is explained."""
    whole = BANK.read_text(encoding="utf-8")
    empty = re.sub(r"<Ntry>.*</Ntry>\n", "", whole, flags=re.DOTALL).replace("69722.05", "41825.50")
    (tmp_path / "empty.xml").write_text(empty, encoding="utf-8")
    found = json.loads(run(Desk(tmp_path), tmp_path / "empty.xml", BOOK, "--json").stdout)
    assert found["lines"]["open"] == {"bank": 0, "books": 25}
    assert [(one["compared"], one["unexplained"]) for one in found["accounts"]] == [("balances", "0.00")]
    (tmp_path / "other.xml").write_text(f"{empty}\n", encoding="utf-8")
    both = json.loads(run(Desk(tmp_path), tmp_path / "empty.xml", tmp_path / "other.xml", "--json").stdout)
    assert [one["steps"] for one in both["accounts"]] == [[]]


def test_what_people_refused_of_a_reconciliation_holds_its_kind_back_under_its_definition(tmp_path: Path) -> None:
    rules = tmp_path / "ours.yaml"
    rules.write_text("name: ours\n", encoding="utf-8")

    def closed(said: dict[str, tuple[int, int]]) -> set[str]:
        desk = Desk(tmp_path, said=said)
        told = json.loads(run(desk, BANK, BOOK, "--definition", rules, "--out", tmp_path, "--json").stdout)
        return {
            row["kind"]
            for row in rows(next(Path(one) for one in told["files"] if one.endswith("matches.csv")))
            if row["state"] == "closed"
        }

    before = closed({})
    assert "reference" in before
    assert "reference" not in closed({"reference": (200, 1)})
    assert closed({"reference": (200, 0)}) == before, "a few right ones change nothing"
