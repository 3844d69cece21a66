from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engine.errors import UserError
from qc_models.tables.inspection import Inspector
from qc_models.tables.pairing import pair
from qc_models.tables.report import report, write_report
from qc_models.tables.table import Table
from tests.qc_models.tables.made import clean, table

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}\u202e'\""


class Page(HTMLParser):
    """What a browser would see: tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text += data


def test_the_report_ranks_explains_and_shows_the_whole_record() -> None:
    rows = clean()
    rows[8][2] = "Birminghxm"
    page = Page(report(Inspector(table(rows)).inspect(50), "deliveries.csv", NOW)).text
    for said in (
        "line 10",
        "Birminghxm",
        "Birmingham",
        "goes with Birmingham in 19 of 19",
        "D-0008",
        "2026-01-05 08:00",
    ):
        assert said in page


def test_hostile_data_stay_text_everywhere() -> None:
    rows, source = clean(), clean()
    rows[8] = [HOSTILE, "35233", HOSTILE, "\x1b[31m", ""]
    source[9][2] = HOSTILE
    hostile = Table((HOSTILE, "zip", "city", "date", "amount"), table(rows).rows)
    columns = (HOSTILE, *table(source).columns[1:])
    found = Inspector(hostile, pairing=pair(hostile, Table(columns, table(source).rows))).inspect(50)
    html = report(found, HOSTILE, NOW)
    page = Page(html)
    assert not page.tags & {"script", "img", "iframe", "object", "link", "base", "form"}
    assert not {name for name in page.attributes if name.startswith("on")} | page.attributes & {"src", "href", "srcset"}
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert "alert(1)" in page.text
    assert "{{7*7}}" in page.text


def test_the_report_says_which_rows_have_no_partner() -> None:
    rows = clean()
    found = Inspector(table(rows[:78]), pairing=pair(table(rows[:78]), table(rows))).inspect(50)
    assert "lines 80, 81 of the source" in Page(report(found, "x", NOW)).text


def test_a_report_that_cannot_be_written_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--html"):
        write_report(Inspector(table(clean())).inspect(50), "x", tmp_path / "file" / "report.html", NOW)
