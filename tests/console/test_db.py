"""The `db` and `erase` verbs as a person meets them: what they print, what they refuse, how they end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from console.db import build_db
from console.erase import add_erase
from engine.errors import UserError
from engine.ledger import reads, reviews, schema
from engine.ledger.database import Database
from tests.console.conftest import StoryDesk
from tests.console.story import Story, flag, invoice


@dataclass
class Keeping(StoryDesk):
    """A desk that reaches the files beside the ledger."""

    home: Path = Path()

    @property
    def ledger(self) -> Database:
        """The story's ledger."""
        return self.story.database

    @property
    def models_dir(self) -> Path:
        """There are no models."""
        return self.home / "models"


@pytest.fixture
def desk(story: Story, tmp_path: Path) -> Keeping:
    """One item that was doubted and accepted, in a run that is done and has a report."""
    story.open([invoice(1)])
    story.flags(flag(), screenshot=b"a picture")
    story.later(minutes=5)
    story.audit()
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "run-000001.html").write_text("the report", encoding="utf-8")
    return Keeping(story, home=tmp_path)


def run(desk: Keeping, *arguments: str, said: str | None = None) -> Result:
    """Run a verb, as the runner mounts it."""
    app = typer.Typer()
    app.add_typer(build_db(lambda: desk), name="db")
    add_erase(app, lambda: desk)
    return CliRunner().invoke(app, list(arguments), input=said)


def reference(desk: Keeping) -> str:
    """Return the item's reference."""
    return reads.item(desk.database, 1).item.reference


def accept(desk: Keeping) -> None:
    """Let a person accept what waits."""
    reviews.decide(desk.database, 1, "accept", "ana", workflow=desk.story.workflow)


def test_a_sound_ledger_ends_with_0_and_a_broken_one_with_1_and_what_to_do(desk: Keeping) -> None:
    good = run(desk, "db", "check")
    assert (good.exit_code, "nothing is wrong" in good.output) == (0, True)
    picture = reads.item(desk.database, 1).evidence[0]
    (desk.evidence.root / picture.path).unlink()
    bad = run(desk, "db", "check", "--json")
    assert bad.exit_code == 1
    (wrong,) = json.loads(bad.output)["wrong"]
    assert (wrong["code"], wrong["examples"]) == ("evidence_missing", [picture.path])
    assert "from a backup" in wrong["mend"]
    assert "from a backup" in run(desk, "db", "check").output


def test_a_backup_goes_to_another_place_and_is_trusted_there(desk: Keeping, tmp_path: Path) -> None:
    made = json.loads(run(desk, "db", "backup", str(tmp_path / "b.zip"), "--json").output)
    assert made["members"]["tables/items.jsonl"]["entries"] == 1
    there = tmp_path / "there"
    there.mkdir()
    other = Keeping(Story(there), home=there)
    done = run(other, "db", "restore", str(tmp_path / "b.zip"), "--as", "ana")
    assert done.exit_code == 0
    assert "until `runner.py db trust`" in " ".join(done.output.split())
    assert "runner.py db trust" in " ".join(run(other, "db", "check", "--deep").output.split())
    assert json.loads(run(other, "db", "trust", "--as", "bob", "--json").output)["trusted_by"] == "bob"
    assert "trust" not in run(other, "db", "check").output
    other.database.close()


@pytest.mark.parametrize("verb", ["upgrade", "vacuum", "prune"])
def test_upkeep_of_a_ledger_that_needs_none_changes_nothing(desk: Keeping, verb: str) -> None:
    before = reads.item(desk.database, 1)
    done = run(desk, "db", verb)
    assert done.exit_code == 0, done
    assert reads.item(desk.database, 1) == before
    assert schema.version(desk.database) == schema.newest()


def test_erasing_asks_first_and_takes_report_and_files_with_it(desk: Keeping) -> None:
    waits = run(desk, "erase", reference(desk), "--reason", "ticket 1")
    assert isinstance(waits.exception, UserError)
    assert "review list" in str(waits.exception)
    accept(desk)
    name = reference(desk)
    no = run(desk, "erase", name, "--reason", "ticket 1", said="n\n")
    assert no.exit_code == 1
    assert reference(desk) == name
    yes = run(desk, "erase", name, "--reason", "ticket 1", "--as", "dpo", said="y\n")
    assert yes.exit_code == 0, yes
    assert reference(desk).startswith("erased:")
    assert not (desk.home / "reports" / "run-000001.html").exists()
    assert list(desk.evidence.root.rglob("*.jpg")) == []
    again = run(desk, "erase", name, "--reason", "ticket 1", "--yes")
    assert "erased already" in str(again.exception)


def test_what_stands_in_a_log_that_cannot_be_scrubbed_is_not_erased_and_can_be_later(desk: Keeping) -> None:
    accept(desk)
    name = reference(desk)
    (desk.home / "logs" / "countersign.jsonl").mkdir(parents=True)
    refused = run(desk, "erase", name, "--reason", "ticket 1", "--yes")
    assert "cannot be scrubbed" in str(refused.exception)
    assert reference(desk) == name
    (desk.home / "logs" / "countersign.jsonl").rmdir()
    assert run(desk, "erase", name, "--reason", "ticket 1", "--yes").exit_code == 0
    assert reference(desk).startswith("erased:")


def test_json_never_prints_what_was_erased(desk: Keeping) -> None:
    accept(desk)
    name = reference(desk)
    asks = run(desk, "erase", name, "--reason", "ticket 1", "--json")
    assert "--yes" in str(asks.exception)
    told: dict[str, Any] = json.loads(run(desk, "erase", name, "--reason", "ticket 1", "--json", "--yes").output)
    assert told["item_ids"] == [1]
    assert told["wiped"] is True
    assert name not in json.dumps(told, ensure_ascii=False)
