"""The verbs that train and measure the judge of matches, from files, as a person runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.ledger.database import Database
from qc_models.match.reading import Labelled, read_labelled, read_lines, write_labelled, write_lines
from tests.qc_models.match.world import World, world
from tests.qc_models.test_model_verbs import Desk, run


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(str(tmp_path / "ledger.db"))
    database.upgrade()
    yield Desk(tmp_path / "models", database)
    database.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both lists of a small world, and its candidates with their truth."""
    folder, small = tmp_path_factory.mktemp("files"), world(260, 4)
    write_lines(folder / "bank.jsonl", small.bank)
    write_lines(folder / "book.jsonl", small.book)
    judged = small.judged()
    labelled = zip(judged.pairs, judged.wrong.tolist(), strict=True)
    write_labelled(
        folder / "pairs.jsonl", [Labelled(pair, wrong, "stranger" if wrong else "") for pair, wrong in labelled]
    )
    return folder


def test_files_hold_all_that_a_pair_says(files: Path, lists: World) -> None:
    again = world(260, 4)
    assert read_lines(files / "bank.jsonl") == again.bank
    assert tuple(one.pair for one in read_labelled(files / "pairs.jsonl")) == again.judged().pairs
    assert lists.bank != again.bank


def test_train_from_the_lists_then_measure_on_reviewed_pairs(desk: Desk, files: Path) -> None:
    lists = ("--bank", str(files / "bank.jsonl"), "--book", str(files / "book.jsonl"))
    trained = json.loads(run(desk, "train-matches", *lists, "--json").stdout)
    assert "made of the two lists themselves" in trained["source"]
    [listed] = json.loads(run(desk, "list", "--json").stdout)
    assert (listed["name"], listed["version"], listed["stage"]) == ("match-quality", trained["version"], "champion")
    figures = json.loads(run(desk, "evaluate-matches", str(files / "pairs.jsonl"), *lists, "--json").stdout)
    assert figures["auc"] > 0.99
    assert figures["by_kind"]["stranger"]["n"] == figures["wrong"]
    assert figures["closable"]["share"] == 0, "two hundred lines prove nothing"
    rules = json.loads(run(desk, "evaluate-matches", str(files / "pairs.jsonl"), *lists, "--rules", "--json").stdout)
    assert rules["threshold"] == 0.5
    assert "# match-quality" in run(desk, "card", "--name", "match-quality").stdout


def test_train_from_reviewed_pairs_alone(desk: Desk, files: Path) -> None:
    trained = json.loads(run(desk, "train-matches", str(files / "pairs.jsonl"), "--json").stdout)
    assert trained["source"].endswith("reviewed")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('{"pair": {}, "wrong": true}', "pairs.jsonl:1: pair.bank: Field required"),
        ("{", "pairs.jsonl:1: line: Invalid JSON"),
        ('{"pairs": 1}', "pairs.jsonl:1:"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line(desk: Desk, tmp_path: Path, change: str, words: str) -> None:
    (tmp_path / "pairs.jsonl").write_text(change + "\n", encoding="utf-8")
    said = run(desk, "train-matches", str(tmp_path / "pairs.jsonl")).exception
    assert isinstance(said, UserError)
    assert words in str(said)


def test_unknown_names_in_a_line_are_mistakes(tmp_path: Path) -> None:
    (tmp_path / "bank.jsonl").write_text('{"id": "B1", "amount": 1, "currency": "EUR", "amuont": 2}', encoding="utf-8")
    with pytest.raises(UserError, match="amuont"):
        read_lines(tmp_path / "bank.jsonl")


def test_one_list_alone_or_nothing_is_refused(desk: Desk, files: Path) -> None:
    assert "belong together" in str(run(desk, "train-matches", "--bank", str(files / "bank.jsonl")).exception)
    assert "name a file of reviewed matches" in str(run(desk, "train-matches").exception)
