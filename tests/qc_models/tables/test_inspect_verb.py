from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from engine.errors import UserError
from qc_models.tables.cli import add_inspect
from tests.qc_models.tables.made import clean, write

ROOT = Path(__file__).parents[3]


@dataclass
class Desk:
    """One person's place; what is asked on standard error is kept."""

    home: Path
    user: str = "ana"
    asked: io.StringIO = field(default_factory=io.StringIO)

    @property
    def console(self) -> Console:
        """Return standard output as it is when it is asked for."""
        return Console(file=sys.stdout, width=200)

    @property
    def errors(self) -> Console:
        """Return where questions go."""
        return Console(file=self.asked, width=200)


@dataclass
class Terminal:
    """Calls the verb as a person does."""

    desk: Desk

    def __call__(self, *words: object, typed: str = "") -> Result:
        """Run the verb; `typed` is what the person types."""
        app = typer.Typer()
        app.callback()(lambda: None)
        add_inspect(app, lambda: self.desk)
        return CliRunner().invoke(app, ["inspect", *map(str, words)], input=typed)

    def json(self, *words: object, typed: str = "") -> Any:
        """Run the verb and return its document."""
        return json.loads(self(*words, "--json", typed=typed).stdout)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(Desk(tmp_path / "home"))


@pytest.fixture
def dirty(tmp_path: Path) -> Path:
    rows = clean()
    rows[8][2], rows[21][2], rows[30][4] = "Birminghxm", "Gadsden", "12000"
    return write(tmp_path / "dirty.csv", rows)


def test_the_suspicious_cells_are_ranked_with_line_reason_and_correction(terminal: Terminal, dirty: Path) -> None:
    ended = terminal(dirty)
    assert ended.exit_code == 1
    line = next(line for line in ended.stdout.splitlines() if "Birminghxm" in line)
    assert all(part in line for part in ("10", "city", "zip 35233 goes with Birmingham", "Birmingham"))
    assert (terminal.desk.home / "reports" / "inspect-dirty.html").exists()
    told = terminal.json(dirty)
    assert {(cell["line"], cell["column"]) for cell in told["cells"]} >= {(10, "city"), (23, "city"), (32, "amount")}
    assert told["suspicious_cells"] == sum(told["by_column"].values())


def test_nothing_suspicious_is_exit_code_0(terminal: Terminal, tmp_path: Path) -> None:
    ended = terminal(write(tmp_path / "clean.csv", clean()))
    assert (ended.exit_code, "nothing suspicious" in ended.stdout) == (0, True)


def test_a_session_is_kept_at_once_and_continued(terminal: Terminal, dirty: Path) -> None:
    told = terminal.json(dirty, "--labels", 4, typed="city\n?\nnonsense\n\n")
    assert told["labelled"] == 2
    asked = terminal.desk.asked.getvalue()
    assert "no field nonsense; they are 1 to 5" in asked
    assert "record 3 of 4" in asked
    labels = [json.loads(line) for line in dirty.with_name("dirty.csv.labels.jsonl").read_text().splitlines()]
    assert [(one["wrong"], one["who"]) for one in labels] == [(["city"], "ana"), ([], "ana")]
    assert terminal.json(dirty, "--labels", 4, typed="\n\nnobody asks for this\n")["labelled"] == 4
    assert terminal.json(dirty)["labelled"] == 4


def test_skip_undo_quit_and_right_values(terminal: Terminal, dirty: Path) -> None:
    told = terminal.json(dirty, "--labels", 9, "--top", 500, typed='s\n3,5\nu\n"3=Smith, John"\nq\n')
    assert told["labelled"] == 1
    cells = [cell for cell in told["cells"] if cell["labelled"]]
    assert [(cell["column"], cell["correction"]["value"]) for cell in cells] == [("city", "Smith, John")]
    lines = terminal.desk.asked.getvalue().split("line ")[1:]
    rows = [line.split()[0] for line in lines]
    assert rows[0] != rows[1] == rows[3] != rows[2]


def test_a_label_of_a_row_that_was_edited_is_refused_and_one_that_moved_is_not(
    terminal: Terminal, tmp_path: Path, dirty: Path
) -> None:
    labels = tmp_path / "labels.jsonl"
    terminal(dirty, "--labels", 2, "--labels-file", labels, typed="3\n3\n")
    first = json.loads(labels.read_text().splitlines()[0])["row"]
    rows = [line.split(",") for line in dirty.read_text().splitlines()[1:]]
    rows[first][4] = "1.00"
    told = terminal.json(write(dirty, rows[::-1]), "--labels-file", labels)
    assert (told["labelled"], told["labels_refused"]) == (1, 1)
    assert "1 label not used" in terminal.desk.asked.getvalue()


def test_more_labels_than_rows_are_not_asked_for(terminal: Terminal, tmp_path: Path) -> None:
    path = write(tmp_path / "small.csv", clean(3))
    assert terminal.json(path, "--labels", 50, typed="\n" * 9)["labelled"] == 3
    assert "has only 3 rows" in terminal.desk.asked.getvalue()


def test_a_table_as_excel_writes_it_is_held_against_its_source(terminal: Terminal, tmp_path: Path) -> None:
    rows = [
        [number, code, city, f"{date[8:]}.{date[5:7]}.{date[:4]}", amount.replace(".", ",")]
        for number, code, city, date, amount in clean()
    ]
    rows[4][4] = "118,05"
    path = write(tmp_path / "excel.csv", rows, sign=";")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    ended = terminal(path, "--source", write(tmp_path / "source.csv", clean()[::-1]))
    assert ended.exit_code == 1
    assert f"source says {clean()[4][4]}" in ended.stdout
    assert "80 rows paired by id; 1 cell disagrees" in ended.stdout


def test_the_clean_table_answers_and_judges(terminal: Terminal, tmp_path: Path, dirty: Path) -> None:
    answers = write(tmp_path / "clean.csv", clean())
    figures = terminal.json(dirty, "--answers", answers)["figures"]
    assert {name: figures[name] for name in ("labelled", "wrong", "recall", "correction_precision")} == {
        "labelled": 0,
        "wrong": 3,
        "recall": 1.0,
        "correction_precision": 1.0,
    }
    figures = terminal.json(dirty, "--labels", 2, "--answers", answers)["figures"]
    assert (figures["labelled"], figures["wrong"] < 3) == (2, True)
    assert not dirty.with_name("dirty.csv.labels.jsonl").exists()


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (None, "gone.csv", "cannot be read"),
        (b"", "t.csv", "there is no header"),
        (b"a,b\n", "t.csv", "a header and no rows"),
        (b"a,b\n1,2\n1,2,3\n", "t.csv", r"t\.csv:3: has 3 cells where the header has 2"),
        (b"a,b\n1,\xe9\n", "t.csv", r"t\.csv:2: not UTF-8"),
        (b'a,b\n1,"2\n', "t.csv", r"t\.csv:2: "),
        (b"PK\x03\x04", "t.xlsx", "save its sheet as CSV"),
    ],
)
def test_a_file_that_is_no_table_is_said_to_be_none(
    terminal: Terminal, tmp_path: Path, content: bytes | None, name: str, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    ended = terminal(path)
    assert isinstance(ended.exception, UserError)
    with pytest.raises(UserError, match=said):
        raise ended.exception


@pytest.mark.parametrize("content", ["a\n1\n", "a,b\n1,2\n", "a\n1\n2\n2\n", "a,b\n,\n,\n", 'a\n"two\nlines"\nx\n'])
def test_the_smallest_tables_are_inspected_too(terminal: Terminal, tmp_path: Path, content: str) -> None:
    path = tmp_path / "tiny.csv"
    path.write_text(content)
    ended = terminal(path, "--labels", 1, typed="1\n")
    assert ended.exit_code == 1, ended.exception
    assert "1 row labelled" in ended.stdout
    assert "too few to tell what is usual" in ended.stdout


def test_a_broken_labels_file_is_named_by_line(terminal: Terminal, dirty: Path) -> None:
    dirty.with_name("dirty.csv.labels.jsonl").write_text('{"row": 1}\n')
    ended = terminal(dirty)
    assert isinstance(ended.exception, UserError)
    assert "dirty.csv.labels.jsonl:1: not a label (file: " in str(ended.exception)


def test_the_command_line_knows_it(tmp_path: Path, dirty: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "runner.py", "--home", tmp_path / "home", "inspect", dirty, "--json", "--labels", "1"],
        input="2\n",
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["labelled"] == 1
