from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UserError
from qc_models.tables.table import Table, read_table


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_values_stay_as_they_are(tmp_path: Path, delimiter: str) -> None:
    text = "\ufeff" + "\n".join(delimiter.join(row) for row in (("id", "né"), ("007", ""), ("1.0 ", '"N/A"')))
    assert read_table(written(tmp_path, text)) == Table(("id", "né"), (("007", ""), ("1.0 ", "N/A")))


def test_names_that_stand_twice_or_are_missing_are_made_unique(tmp_path: Path) -> None:
    assert read_table(written(tmp_path, "a,a,,a\n1,2,3,4\n")).columns == ("a", "a (2)", "column 3", "a (3)")


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        ("a,b\n1,2\n\n1,2,3\n", "utf-8", "4: has 3 cells where the header has 2"),
        ("", "utf-8", "no header"),
        ("a,b\n1,é\n", "latin-1", "2: not UTF-8"),
        ('a,b\n1,"2\n', "utf-8", "mend the quotes"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(tmp_path: Path, text: str, encoding: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_table(written(tmp_path, text, encoding))


def test_a_file_that_is_not_there_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_table(tmp_path / "nothing.csv")
