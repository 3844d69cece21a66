"""Exporting items for spreadsheets."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tests.console.conftest import StoryDesk, Terminal
from tests.console.story import invoice


def test_an_exported_item_keeps_its_chinese_name_and_its_formulas_stay_text(
    terminal: Terminal, desk: StoryDesk, tmp_path: Path
) -> None:
    desk.story.open([invoice(1), invoice(2, reference='=HYPERLINK("http://evil.invalid")')])
    desk.work([1])
    path = tmp_path / "items.csv"
    result = terminal("items", "export", str(path), "--run", "1")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(path)
    assert list(table["reference"]) == ["东方贸易有限公司/RE-0001", '\'=HYPERLINK("http://evil.invalid")']
    assert set(table["state"]) == {"passed"}
